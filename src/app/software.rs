//! Software statements: what somebody whom the operator knows says about a program. RFC 7591 §2.3, §3.1.1.
//!
//! | Rule | Source |
//! |---|---|
//! | signed by an issuer of the configuration; anybody else's is not approved | RFC 7591 §3.2.2 |
//! | what it says goes before what the registrant says | RFC 7591 §2.3 |
//! | `iss` must be there, `exp` must not be over | RFC 7591 §2.3, RFC 7519 §4.1.4 |
//! | no other kind of token passes for one | RFC 8725 §3.11 |

use chancery_core::client::metadata::{Asked, AssertionAlg};
use chancery_core::error::OAuthError;
use chancery_jose::{Algorithm, Jwks, RegisteredClaims, jws};
use serde_json::{Map, Value};

use super::App;

/// Members of metadata that no statement decides.
const NOT_STATED: &[&str] = &["software_statement", "introspect"];

impl App {
    /// What was asked, with what the statement says over it.
    ///
    /// # Errors
    /// `invalid_software_statement`, `unapproved_software_statement`.
    pub(super) fn with_statement(&self, asked: &Asked) -> Result<Asked, OAuthError> {
        let Some(statement) = asked.software_statement.as_deref() else { return Ok(asked.clone()) };
        let claims = self.read_statement(statement)?;
        let broken = |why: serde_json::Error| {
            OAuthError::invalid_software_statement(why.to_string()).saying("A claim of the software statement has a wrong type.")
        };
        let Value::Object(mut whole) = serde_json::to_value(asked).map_err(broken)? else { return Ok(asked.clone()) };
        whole.extend(claims.into_iter().filter(|(name, _)| !NOT_STATED.contains(&name.as_str())));
        serde_json::from_value(Value::Object(whole)).map_err(broken)
    }

    fn read_statement(&self, statement: &str) -> Result<Map<String, Value>, OAuthError> {
        let refuse = |why: String| OAuthError::invalid_software_statement(why);
        let parsed = jws::parse(statement).map_err(|why| refuse(why.to_string()))?;
        if parsed.header().typ().is_some_and(|_| !parsed.header().is_typ("JWT")) {
            return Err(refuse("another typ".to_owned()));
        }
        let unproven = RegisteredClaims::parse(parsed.unverified_payload()).map_err(|why| refuse(why.to_string()))?;
        let issuer = unproven.iss.ok_or_else(|| refuse("no iss".to_owned()))?;
        let known = self.config.software_issuers.iter().find(|own| own.issuer == issuer);
        let known = known.ok_or_else(|| OAuthError::unapproved_software_statement("an unknown issuer"))?;
        let keys = Jwks::parse(known.jwks.as_bytes());
        let keys = keys.map_err(|why| OAuthError::server_error(format!("the keys of a software issuer: {why}")))?;
        let allowed: Vec<_> =
            AssertionAlg::ALL.iter().filter(|alg| !alg.is_mac()).filter_map(|alg| Algorithm::parse(alg.as_str())).collect();
        let verified = parsed.verify(&keys, &allowed).map_err(|why| refuse(why.to_string()))?;
        let claims = RegisteredClaims::parse(&verified.payload).map_err(|why| refuse(why.to_string()))?;
        let now = self.now().numeric_date();
        if claims.exp.is_some_and(|exp| now >= exp.0) || claims.nbf.is_some_and(|nbf| nbf.0 > now) {
            return Err(refuse("expired or not yet valid".to_owned()));
        }
        Ok(claims.all)
    }
}
