//! Access tokens: opaque texts, or JWTs for a resource server. The log knows both by a digest.
//!
//! | Rule | Source |
//! |---|---|
//! | a JWT says `typ` `at+jwt`, iss, sub, aud, client_id, jti, iat, exp, scope, and when and how the person signed in | RFC 9068 §2.1, §2.2 |
//! | it is signed with an algorithm of the client's profile, or not at all | FAPI 2.0 Security Profile §5.4.1 |
//! | a JWT is signed only once everything else is decided: a refused request costs no signature | our own |
//! | it is known to its grant by the digest of its `jti`, so that it can be introspected and revoked like any other | our own |
//! | one that is encrypted to its resource server is signed first; outside it says iss, aud and a mark of ours | RFC 7519 §5.3, RFC 9068 §4, §6 |
//! | whoever brings that one back is asked for the mark: we cannot open it, and a `jti` that stood there in clear could be put before anything | our own |
//! | whoever brings one back is asked for its signature first: a `jti` alone is nothing | our own |

use std::sync::Arc;

use chancery_core::acr;
use chancery_core::base64url;
use chancery_core::client::Client;
use chancery_core::client::metadata::TokenFormat;
use chancery_core::details::Details;
use chancery_core::digest::Digest;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::grant::target::{self, Target};
use chancery_core::grant::{Grant, GrantKind};
use chancery_core::id::GrantId;
use chancery_core::resource::{Encryption, ResourceId, ResourceServer};
use chancery_core::scope::Scope;
use chancery_core::time::Timestamp;
use chancery_core::token::jti;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use chancery_jose::{ContentEncryption, RegisteredClaims, jws, opening};
use serde_json::{Map, Value, json};

use super::resources::recipient;
use super::vault::mac;
use super::work::Work;
use super::{App, random};

/// The member of the header of an encrypted token by which we know it again.
const MARK: &str = "chancery_mark";

/// What a token that is about to be issued is for.
pub struct Aim {
    /// For the rules; a refusal is theirs to give, at its place.
    pub target: Result<Target, OAuthError>,
    server: Option<Arc<ResourceServer>>,
}

/// A token that is drawn and not yet written out.
pub struct Draft {
    /// What the log keeps.
    pub digest: Digest,
    form: Form,
}

enum Form {
    Opaque(String),
    Jwt { jti: String, server: Arc<ResourceServer> },
}

/// What a JWT says besides what its draft knows.
pub struct Spoken<'a> {
    pub client: &'a Client,
    pub grant: &'a Grant,
    /// The key that it is bound to.
    pub cnf: Option<Confirmation>,
    /// What it may do beyond its scope (RFC 9396).
    pub details: Option<&'a Details>,
    pub scope: &'a Scope,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// A token that came back and is one of ours by its form. Whether it is alive its grant tells.
pub enum Known {
    Access { grant: GrantId, digest: Digest },
    Refresh { grant: GrantId, digest: Digest },
}

impl Known {
    pub fn grant(&self) -> GrantId {
        match self {
            Self::Access { grant, .. } | Self::Refresh { grant, .. } => *grant,
        }
    }
}

impl App {
    /// Loads and asserts the resource server that was chosen, so that disabling it beats every token decided before.
    ///
    /// # Errors
    /// `temporarily_unavailable`; what the rules refuse is in the aim.
    pub(super) async fn aim(
        &self,
        work: &mut Work<'_>,
        chosen: Result<Option<ResourceId>, OAuthError>,
        alone: Option<&Client>,
    ) -> Result<Aim, OAuthError> {
        let id = match chosen {
            Ok(Some(id)) => id,
            Ok(None) => return Ok(Aim { target: Ok(Target::default()), server: None }),
            Err(error) => return Ok(Aim { target: Err(error), server: None }),
        };
        let server = work.load::<ResourceServer>(&id.stream()).await?.state;
        let checked = target::found(server.as_deref()).and_then(|server| match alone {
            Some(client) => target::check_client(client, server).map(|()| server),
            None => Ok(server),
        });
        let target = match checked {
            Ok(found) if found.settings.token_format == TokenFormat::Jwt => {
                let kid = self.keys.current().await?.active(found.settings.signing_alg)?.kid().to_owned();
                Ok(Target::of(found, Some(kid)))
            }
            Ok(found) => Ok(Target::of(found, None)),
            Err(error) => Err(error),
        };
        Ok(Aim { target, server })
    }

    /// Draws a token.
    pub(super) fn draft_access(&self, grant: GrantId, aim: &Aim) -> Draft {
        match aim.server.clone().filter(|server| server.settings.token_format == TokenFormat::Jwt) {
            Some(server) => {
                let jti = jti::text(grant.0, random::bytes());
                let form = Form::Jwt { jti, server };
                Draft { digest: form.digest(), form }
            }
            None => {
                let minted = self.mint.opaque(Kind::AccessToken, grant.0);
                Draft { digest: minted.digest, form: Form::Opaque(minted.text) }
            }
        }
    }

    /// The text of a token, once the rules have said yes.
    ///
    /// # Errors
    /// `server_error` when nothing can be signed.
    pub(super) async fn write_access(&self, draft: Draft, spoken: &Spoken<'_>) -> Result<String, OAuthError> {
        let (jti, server) = match draft.form {
            Form::Opaque(text) => return Ok(text),
            Form::Jwt { jti, server } => (jti, server),
        };
        let (alg, audience) = (server.settings.signing_alg, &server.identifier);
        // FAPI 1.0 Part 2 §8.6, FAPI 2.0 Security Profile §5.4.1: not with another algorithm either because the resource server wants it so.
        if !self.policy().allows_for(spoken.client, alg.as_str()) {
            let sentence =
                format!("Tokens for {} are signed with {}, which the profile of this client leaves out.", audience.as_str(), alg.as_str());
            return Err(OAuthError::invalid_target("the algorithm of the resource server").saying(sentence));
        }
        let mut claims = Map::new();
        let mut set = |name: &str, value: Value| drop(claims.insert(name.to_owned(), value));
        set("iss", json!(self.endpoints.issuer));
        set("aud", json!(audience));
        set("client_id", json!(spoken.client.id));
        set("jti", json!(jti));
        set("iat", json!(spoken.issued_at.numeric_date()));
        set("exp", json!(spoken.expires_at.numeric_date()));
        set("scope", json!(spoken.scope.to_string()));
        // RFC 9449 §6.1, RFC 8705 §3.1.
        if let Some(cnf) = spoken.cnf {
            set("cnf", json!(cnf));
        }
        // RFC 9396 §9.1.
        if let Some(details) = spoken.details.and_then(|own| own.for_audience(Some(audience.as_str()))) {
            set("authorization_details", details.value());
        }
        match &spoken.grant.kind {
            GrantKind::Person(person) => {
                set("sub", json!(self.subject(person.account, spoken.client)?));
                // RFC 9068 §2.2.1, RFC 9470 §6.1; of who did not sign in here there is nothing to say.
                if !person.amr.is_empty() {
                    set("auth_time", json!(person.auth_time.numeric_date()));
                    set("amr", json!(person.amr));
                    set("acr", json!(acr::of(&person.amr)));
                }
            }
            // RFC 9068 §2.2: the client speaks for itself.
            GrantKind::Client | GrantKind::Operator => set("sub", json!(spoken.grant.allowed_client())),
        }
        // RFC 8693 §4.1, §4.4.
        if let Some(act) = self.act(spoken.grant, spoken.client)? {
            set("act", act);
        }
        if let Some(named) = self.may_act(spoken.grant) {
            set("may_act", named);
        }
        let signed = self.keys.current().await?.sign_as(alg, "at+jwt", &Value::Object(claims)).await?;
        match &server.settings.encryption {
            None => Ok(signed),
            Some(own) => self.seal_access(own, (&jti, audience), &signed),
        }
    }

    /// A signed token, encrypted to its resource server. Never in clear instead.
    fn seal_access(&self, own: &Encryption, (jti, audience): (&str, &ResourceId), signed: &str) -> Result<String, OAuthError> {
        let enc = ContentEncryption::parse(own.enc.as_str()).ok_or_else(|| OAuthError::server_error("an unknown content encryption"))?;
        let to = recipient(own).ok_or_else(|| OAuthError::server_error("the resource server has no key that fits"))?;
        let outside = [("iss", json!(self.endpoints.issuer)), ("aud", json!(audience)), (MARK, json!(self.mark_of(jti)))];
        let outside = outside.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        to.encrypt_saying(outside, enc, Some("JWT"), signed.as_bytes()).map_err(|why| OAuthError::server_error(why.to_string()))
    }

    /// By it we know a token again that only its resource server can open.
    fn mark_of(&self, jti: &str) -> String {
        format!("{jti}.{}", base64url::encode(&mac(&self.names.sid, &[b"encrypted access token", jti.as_bytes()])))
    }

    /// The `jti` in a mark of ours.
    fn marked<'a>(&self, mark: &'a str) -> Option<&'a str> {
        let (jti, _) = mark.rsplit_once('.')?;
        Digest::of(mark.as_bytes()).matches(&Digest::of(self.mark_of(jti).as_bytes())).then_some(jti)
    }

    /// Reads a token that came back to introspection or revocation.
    ///
    /// # Errors
    /// `temporarily_unavailable` while the keys are being made.
    pub(super) async fn known_token(&self, token: &str) -> Result<Option<Known>, OAuthError> {
        if let Some(access) = Opaque::parse(Kind::AccessToken, token) {
            return Ok(Some(Known::Access { grant: GrantId(access.stream), digest: digest(token) }));
        }
        if let Some((refresh, _)) = self.mint.read_refresh(token) {
            return Ok(Some(Known::Refresh { grant: GrantId(refresh.stream), digest: digest(token) }));
        }
        // The beginning of every JWT: no key is touched for other texts.
        if !token.starts_with("ey") {
            return Ok(None);
        }
        if opening::is_encrypted(token) {
            return Ok(self.known_jwe(token));
        }
        let keys = self.keys.current().await?;
        Ok(self.known_jwt(token, &keys.published))
    }

    fn known_jwe(&self, token: &str) -> Option<Known> {
        let header = opening::parse(token).ok()?;
        let jti = self.marked(header.member(MARK)?.as_str()?)?;
        Some(Known::Access { grant: GrantId(jti::grant(jti)?), digest: Digest::of(jti.as_bytes()) })
    }

    fn known_jwt(&self, token: &str, published: &chancery_jose::Jwks) -> Option<Known> {
        let parsed = jws::parse(token).ok().filter(|parsed| parsed.header().is_typ("at+jwt"))?;
        let verified = parsed.verify(published, super::signing::ALGORITHMS).ok()?;
        let claims = RegisteredClaims::parse(&verified.payload).ok()?;
        let jti = claims.jti.filter(|_| claims.iss.as_deref() == Some(self.endpoints.issuer.as_str()))?;
        Some(Known::Access { grant: GrantId(jti::grant(&jti)?), digest: Digest::of(jti.as_bytes()) })
    }
}

impl Form {
    fn digest(&self) -> Digest {
        match self {
            Self::Opaque(text) => digest(text),
            Self::Jwt { jti, .. } => Digest::of(jti.as_bytes()),
        }
    }
}
