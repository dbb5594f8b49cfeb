//! Credentials that this server issues to wallets: OpenID for Verifiable Credential Issuance 1.0 (OpenID4VCI), in the format of SD-JWT VC.
//!
//! | Rule | Source |
//! |---|---|
//! | what a configuration may be | OpenID4VCI §12.2.4, Appendix A.3.2; draft-ietf-oauth-sd-jwt-vc §2.2.2 |
//! | a scope or an authorization detail asks for a credential; a detail counts more than a scope for the same one | OpenID4VCI §5.1.1, §5.1.2 |
//! | a token that has details is used by their identifiers, one that has scopes alone by configurations | OpenID4VCI §6.2, §8.2 |
//! | times in a credential are rounded, so that they link nothing | OpenID4VCI §15.4.1 |
//!
//! | Room | What |
//! |---|---|
//! | `wish` | authorization details of the type `openid_credential` |
//! | `request` | the request for a credential, as it comes in |
//! | `proof` | what the proof of a key has to say |
//! | `attestation` | what somebody has to say who vouches for keys |
//! | `metadata` | what the issuer tells of itself |
//!
//! Out of scope: SD-JWT and signatures (`chancery_jose`), whose claims they are (`app`), what is recorded (`grant::credentials`).

pub mod attestation;
pub mod metadata;
pub mod proof;
pub mod request;
pub mod wish;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use crate::account::claims;
use crate::canonical;
use crate::digest::Digest;
use crate::dpop::ALGS;
use crate::error::OAuthError;
use crate::resource::ResourceId;
use crate::scope::{RESERVED, STANDARD, Scope};
use crate::time::{Seconds, Timestamp};
use attestation::Required;
use request::Which;
use wish::Wish;

/// The one format.
pub const FORMAT: &str = "dc+sd-jwt";
/// The type of authorization details (OpenID4VCI §5.1.1).
pub const TYPE: &str = "openid_credential";
/// The most keys that one request can bring.
pub const MOST_KEYS: u32 = 32;
/// How long a token without a key opens the endpoint (OpenID4VCI §13.10: five minutes are the most).
pub const LONGEST_UNBOUND: Seconds = Seconds(300);

/// Claims of an account that a credential can carry. OpenID Connect Core 1.0 §5.1.
fn claim_names() -> impl Iterator<Item = &'static str> {
    claims::names().into_iter().chain(["email"])
}

/// A kind of credential.
#[derive(Clone, Debug, PartialEq)]
pub struct Configuration {
    pub id: String,
    pub vct: String,
    /// The scope that asks for it; without one only authorization details do.
    pub scope: Option<String>,
    /// Claims of the account, each disclosed by the holder's choice.
    pub claims: Vec<String>,
    /// What people read.
    pub name: String,
    pub lifetime: Seconds,
    /// What proofs of keys are signed with.
    pub proof_algs: Vec<String>,
    /// It says whose account it is, so that verifiers can link what they saw.
    pub with_sub: bool,
    /// Names of those whose attestations of keys count.
    pub attesters: BTreeSet<String>,
    /// Only attested keys get one (`key_attestations_required`).
    pub attestation: Option<Required>,
}

/// Everything that is issued here.
#[derive(Clone, Debug, PartialEq)]
pub struct Catalogue {
    /// The issuer's identifier, which is that of the authorization server.
    pub issuer: String,
    pub configurations: BTreeMap<String, Configuration>,
    /// Keys in one request.
    pub batch: u32,
    /// What the issuer calls itself.
    pub name: Option<String>,
    /// Wallets redeem offers without saying who they are (§12.3).
    pub anonymous: bool,
}

impl Configuration {
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn check(&self) -> Result<(), String> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b':' | b'-');
        if self.id.is_empty() || self.id.len() > 128 || !self.id.bytes().all(is_word) {
            return Err("its id has 1 to 128 letters, digits or any of . _ ~ : -".into());
        }
        // draft-ietf-oauth-sd-jwt-vc §2.2.2.1: collision-resistant, which a URI is.
        if ResourceId::parse(&self.vct).is_none() {
            return Err("its vct is an absolute URI, such as https://issuer.example/credentials/identity".into());
        }
        if let Some(scope) = &self.scope {
            let one = Scope::parse(scope).is_ok_and(|own| own.iter().count() == 1);
            if !one || STANDARD.iter().chain(RESERVED).any(|taken| taken == scope) {
                return Err("its scope is one word, and none of those of OpenID Connect or of the management interface".into());
            }
        }
        let known: BTreeSet<_> = claim_names().collect();
        let own: BTreeSet<_> = self.claims.iter().map(String::as_str).collect();
        if own.is_empty() || own.len() != self.claims.len() {
            return Err("its claims are one or more names, each once".into());
        }
        if let Some(other) = own.difference(&known).next() {
            return Err(format!("there is no claim {other} of accounts"));
        }
        if self.name.trim().is_empty() || self.name.chars().count() > 100 || self.name.chars().any(char::is_control) {
            return Err("its name has 1 to 100 characters of plain text".into());
        }
        if self.proof_algs.is_empty() || !self.proof_algs.iter().all(|alg| ALGS.contains(&alg.as_str())) {
            return Err(format!("its proof_signing_algs are some of {}", ALGS.join(", ")));
        }
        if self.attestation.is_some() && self.attesters.is_empty() {
            return Err("it has key_attestations_required but no key_attesters, so that nobody could get it".into());
        }
        self.attestation.as_ref().map_or(Ok(()), Required::check)
    }

    /// When a credential says that it was issued, and when it ends, in seconds since 1970. Rounded, the more the longer it lives: what was
    /// issued within the same hour or day looks alike. It never lives longer than it should.
    pub fn times(&self, now: Timestamp) -> (i64, i64) {
        const HOUR: i64 = 60 * 60;
        const DAY: i64 = 24 * HOUR;
        let lifetime = i64::from(self.lifetime.0);
        let grain = if lifetime >= 7 * DAY {
            DAY
        } else if lifetime >= DAY {
            HOUR
        } else {
            60
        };
        let issued = now.numeric_date() - now.numeric_date().rem_euclid(grain);
        (issued, issued.saturating_add(lifetime))
    }
}

/// What one request gets: a configuration and what the person allowed of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<'a> {
    pub configuration: &'a Configuration,
    /// The claims in it, in the order of the configuration.
    pub claims: Vec<&'a str>,
    /// Those without which the wallet wants nothing.
    pub mandatory: BTreeSet<String>,
}

/// A credential as a person is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    pub name: &'a str,
    pub claims: Vec<&'a str>,
}

impl Catalogue {
    /// Nothing is issued: what most servers have.
    pub const NONE: Self = Self { issuer: String::new(), configurations: BTreeMap::new(), batch: 1, name: None, anonymous: false };

    pub fn is_empty(&self) -> bool {
        self.configurations.is_empty()
    }

    /// The scopes that ask for credentials.
    pub fn scopes(&self) -> BTreeSet<&str> {
        self.configurations.values().filter_map(|own| own.scope.as_deref()).collect()
    }

    fn by_scope<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Configuration> {
        self.configurations.values().filter(|own| own.scope.as_deref().is_some_and(|own| scope.has(own)))
    }

    /// Does a request with this scope ask for a credential?
    pub fn is_in(&self, scope: &Scope) -> bool {
        self.by_scope(scope).next().is_some()
    }

    /// The scopes that remain for the person to read: those of credentials are told as what they bring.
    #[must_use]
    pub fn without_scopes(&self, scope: &Scope) -> Scope {
        scope.without_all(&self.scopes().into_iter().collect::<Vec<_>>())
    }

    /// Checks one authorization detail of the type.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub fn check_detail(&self, detail: &Map<String, Value>) -> Result<(), String> {
        // RFC 9396 §2.2: a detail for others is none for this issuer.
        if detail.get("locations").is_some_and(|own| !own.as_array().is_some_and(|all| all.iter().any(|one| one == &self.issuer))) {
            return Err("locations does not name this credential issuer.".into());
        }
        let own = self.of_detail(detail).ok_or("credential_configuration_id is missing, or none of this issuer.")?;
        Wish::read(detail)?.check(own)
    }

    fn of_detail(&self, detail: &Map<String, Value>) -> Option<&Configuration> {
        self.configurations.get(detail.get("credential_configuration_id")?.as_str()?)
    }

    /// What the scope of a token brings besides its details. OpenID4VCI §5.1.2: a detail counts more for the same credential.
    fn besides<'a>(&'a self, scope: &'a Scope, own: &[&Map<String, Value>]) -> Vec<&'a Configuration> {
        let named: BTreeSet<_> = own.iter().filter_map(|one| one.get("credential_configuration_id")?.as_str()).collect();
        self.by_scope(scope).filter(|one| !named.contains(one.id.as_str())).collect()
    }

    /// What a person is asked to allow.
    pub fn shown<'a>(&'a self, scope: &'a Scope, details: &[Map<String, Value>]) -> Vec<Shown<'a>> {
        let own = of_type(details);
        let asked = own.iter().filter_map(|one| {
            let configuration = self.of_detail(one)?;
            Some(Shown { name: &configuration.name, claims: Wish::read(one).ok()?.claims(configuration) })
        });
        let by_scope = self.besides(scope, &own).into_iter().map(|one| Shown { name: &one.name, claims: Wish::default().claims(one) });
        asked.chain(by_scope).collect()
    }

    /// The details of a token response: each of ours with its identifiers (OpenID4VCI §6.2). Where there are some, credentials that the scope
    /// brings have identifiers, too, since the wallet uses nothing else then (§8.2).
    pub fn answer(&self, scope: &Scope, details: &[Map<String, Value>]) -> Value {
        let own = of_type(details);
        let scoped = if own.is_empty() { Vec::new() } else { self.besides(scope, &own) };
        let named = |mut detail: Map<String, Value>| {
            if detail.get("type").is_some_and(|own| own == TYPE) && !self.is_empty() {
                let identifier = identifier(&detail);
                detail.insert("credential_identifiers".into(), json!([identifier]));
            }
            Value::Object(detail)
        };
        details.iter().cloned().chain(scoped.into_iter().map(|one| detail_of(&one.id))).map(named).collect()
    }

    /// The wish of a wallet that has the token of an offer. Where it did not ask by details it was told of none (§6.2) and knows no
    /// identifier: then the configuration stands for the detail that was offered.
    ///
    /// # Errors
    /// `unknown_credential_configuration` for what was not offered.
    pub fn of_offer(which: Which, details: &[Map<String, Value>]) -> Result<Which, OAuthError> {
        let Which::Configuration(id) = &which else { return Ok(which) };
        let (offered, own) = (detail_of(id), of_type(details));
        match own.iter().find(|one| ***one == offered) {
            Some(one) => Ok(Which::Identifier(identifier(one))),
            // It asked for less of it, and was told by which name.
            None if own.iter().any(|one| one.get("credential_configuration_id").is_some_and(|own| own == id)) => Ok(which),
            None => Err(OAuthError::unknown_credential_configuration("it was not offered")),
        }
    }

    /// What a token brings of what was asked for. `scope` and `details` are those of the token.
    ///
    /// # Errors
    /// `unknown_credential_identifier`, `unknown_credential_configuration`, `invalid_credential_request`; `insufficient_scope` when the token
    /// is for something else.
    pub fn dataset<'a>(&'a self, which: &Which, scope: &'a Scope, details: &[Map<String, Value>]) -> Result<Dataset<'a>, OAuthError> {
        let own = of_type(details);
        match which {
            Which::Identifier(asked) => {
                let unknown = || OAuthError::unknown_credential_identifier("none of the token's");
                if own.is_empty() {
                    return Err(unknown());
                }
                let scoped: Vec<_> = self.besides(scope, &own).into_iter().map(|one| detail_of(&one.id)).collect();
                let detail = own.into_iter().chain(&scoped).find(|one| identifier(one) == *asked).ok_or_else(unknown)?;
                // The operator may have taken it out since.
                let gone = || OAuthError::unknown_credential_configuration("its configuration is gone");
                let configuration = self.of_detail(detail).ok_or_else(gone)?;
                let wish = Wish::read(detail).map_err(OAuthError::server_error)?;
                Ok(Dataset { configuration, claims: wish.claims(configuration), mandatory: wish.mandatory })
            }
            Which::Configuration(asked) => {
                let configuration =
                    self.configurations.get(asked).ok_or_else(|| OAuthError::unknown_credential_configuration("no such configuration"))?;
                if !own.is_empty() {
                    return Err(OAuthError::invalid_credential_request("a configuration beside identifiers")
                        .saying("The token response had credential_identifiers: send one of them as credential_identifier."));
                }
                if !configuration.scope.as_deref().is_some_and(|own| scope.has(own)) {
                    return Err(OAuthError::insufficient_scope("another credential")
                        .saying("This access token is not for a credential of this configuration."));
                }
                Ok(Dataset { configuration, claims: Wish::default().claims(configuration), mandatory: BTreeSet::new() })
            }
        }
    }

    /// Does a token bring a credential at all? Then it lives shortly without a key (OpenID4VCI §13.10).
    pub fn concerns(&self, scope: &Scope, details: &[Map<String, Value>]) -> bool {
        !self.is_empty() && (self.is_in(scope) || !of_type(details).is_empty())
    }
}

/// A detail that asks for a configuration as it is.
pub fn detail_of(configuration: &str) -> Map<String, Value> {
    Map::from_iter([("credential_configuration_id".to_string(), json!(configuration)), ("type".to_string(), json!(TYPE))])
}

fn of_type(details: &[Map<String, Value>]) -> Vec<&Map<String, Value>> {
    details.iter().filter(|one| one.get("type").is_some_and(|own| own == TYPE)).collect()
}

/// The name of what a detail asks for: the same for the same detail, on every node and after every refresh, so that nothing is kept.
fn identifier(detail: &Map<String, Value>) -> String {
    let mut detail = detail.clone();
    detail.remove("credential_identifiers");
    // Details were seen to have one text when they came in.
    let text = canonical::to_vec(&detail).unwrap_or_default();
    Digest::of(&[&b"credential "[..], &text].concat()).to_string()
}

#[cfg(test)]
mod tests;
