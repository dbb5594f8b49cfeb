//! id_tokens: who signed in, when, for whom, and what travels beside it.
//!
//! | Rule | Source |
//! |---|---|
//! | iss, sub, aud, exp, iat; `nonce` as it was sent; `auth_time` when asked for | OpenID Connect Core 1.0 §2 |
//! | signed, and encrypted after that, as the client is registered | OpenID Connect Registration 1.0 §2, OpenID Connect Core 1.0 §2 |
//! | `at_hash`, `c_hash`, `s_hash` vouch for what stands beside it | OpenID Connect Core 1.0 §3.1.3.6, §3.3.2.11; FAPI 1.0 Part 2 §5.1.1 |
//! | a pushed one names the `auth_req_id`, and vouches for the refresh token too | CIBA Core §10.3.1 |
//! | `acr` when it was asked for: the level that was reached | OpenID Connect Core 1.0 §2 |
//! | single claims as the `claims` parameter names them, with the values that it wants | OpenID Connect Core 1.0 §5.5, §5.5.1 |
//! | a refreshed one keeps iss, sub, aud and auth_time, and has no nonce | OpenID Connect Core 1.0 §12.2 |
//! | the claims of scopes only if the client is registered for them here | OpenID Connect Core 1.0 §5.4; our own |

use std::collections::BTreeSet;

use chancery_core::account::Account;
use chancery_core::acr;
use chancery_core::claims;
use chancery_core::claims::wanted::Place;
use chancery_core::client::Client;
use chancery_core::client::metadata::IdTokenClaims;
use chancery_core::error::OAuthError;
use chancery_core::grant::Person;
use chancery_core::scope::Scope;
use chancery_core::time::Timestamp;
use chancery_core::token::hash;
use serde_json::{Map, Value, json};

use super::claims::Telling;
use super::signing::KeySet;
use super::{App, seconds};

/// What goes into one id_token.
pub struct IdToken<'a> {
    pub client: &'a Client,
    pub account: &'a Account,
    pub person: &'a Person,
    pub scope: &'a Scope,
    pub nonce: Option<String>,
    /// The access token beside it.
    pub access: Option<&'a str>,
    /// The code beside it, in the hybrid flow.
    pub code: Option<&'a str>,
    /// The state beside it, in the front channel.
    pub state: Option<&'a str>,
    /// What is pushed along, in that mode of CIBA.
    pub pushed: Option<Pushed<'a>>,
    /// No access token comes along that could read the claims elsewhere.
    pub with_scope_claims: bool,
    pub at: Timestamp,
}

/// What a pushed id_token vouches for besides the access token (CIBA Core §10.3.1).
pub struct Pushed<'a> {
    pub auth_req_id: &'a str,
    pub refresh: Option<&'a str>,
}

impl App {
    /// `kid` of the key that will sign it; `None` without `openid`.
    ///
    /// # Errors
    /// `server_error` when there is no key.
    pub(super) fn id_token_kid(&self, scope: &Scope, client: &Client, keys: &KeySet) -> Result<Option<String>, OAuthError> {
        if !scope.has("openid") {
            return Ok(None);
        }
        Ok(Some(keys.active(client.metadata.id_token_signed_response_alg)?.kid().to_owned()))
    }

    /// The signed token.
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read or nothing can be signed.
    pub(super) async fn id_token(&self, token: &IdToken<'_>, keys: &KeySet) -> Result<String, OAuthError> {
        let metadata = &token.client.metadata;
        let mut claims = self.id_token_claims(token)?;
        let scope = (metadata.id_token_claims == IdTokenClaims::All || token.with_scope_claims).then_some(token.scope);
        if let Some(scope) = scope {
            claims.append(&mut self.scope_claims(token.account, scope).await?);
        }
        claims.append(&mut self.single_claims(token.account, &token.person.claims.id_token).await?);
        let to = Telling { account: token.account, person: token.person, place: Place::IdToken, scope };
        self.settle(&mut claims, &to).await?;
        let signed = keys.sign(metadata.id_token_signed_response_alg, &Value::Object(claims)).await?;
        self.nested_for(token.client, (metadata.id_token_encrypted_response_alg, metadata.id_token_encrypted_response_enc), signed).await
    }

    /// The claims that the `claims` parameter names, as far as the account has them (OpenID Connect Core 1.0 §5.5).
    ///
    /// # Errors
    /// `server_error` when the account's data cannot be read.
    pub(super) async fn single_claims(&self, account: &Account, names: &BTreeSet<String>) -> Result<Map<String, Value>, OAuthError> {
        let scopes = claims::scopes_of(names);
        if scopes.is_empty() {
            return Ok(Map::new());
        }
        let all = self.scope_claims(account, &scopes).await?;
        Ok(all.into_iter().filter(|(name, _)| names.contains(name)).collect())
    }

    fn id_token_claims(&self, token: &IdToken<'_>) -> Result<Map<String, Value>, OAuthError> {
        let (person, alg) = (token.person, token.client.metadata.id_token_signed_response_alg);
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        set("iss", json!(self.endpoints.issuer));
        set("sub", json!(self.subject(person.account, token.client)?));
        set("aud", json!(token.client.id));
        set("exp", json!(token.at.plus(seconds(self.config.lifetimes.id_token)).numeric_date()));
        set("iat", json!(token.at.numeric_date()));
        if person.wants_auth_time {
            set("auth_time", json!(person.auth_time.numeric_date()));
        }
        if let Some(nonce) = &token.nonce {
            set("nonce", json!(nonce));
        }
        set("amr", json!(person.amr));
        set("sid", json!(self.sid(person.session, &token.client.id)));
        if let Some(access) = token.access {
            set("at_hash", json!(hash::left_half(alg, access)));
        }
        if let Some(code) = token.code {
            set("c_hash", json!(hash::left_half(alg, code)));
        }
        if let Some(state) = token.state {
            set("s_hash", json!(hash::left_half(alg, state)));
        }
        if let Some(pushed) = &token.pushed {
            set("urn:openid:params:jwt:claim:auth_req_id", json!(pushed.auth_req_id));
            if let Some(refresh) = pushed.refresh {
                set("urn:openid:params:jwt:claim:rt_hash", json!(hash::left_half(alg, refresh)));
            }
        }
        if person.claims.id_token.contains("acr") {
            set("acr", json!(acr::of(&person.amr)));
        }
        Ok(claims)
    }
}
