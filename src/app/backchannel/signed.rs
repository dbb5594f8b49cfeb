//! What a request on the back channel says: as it was sent, or as it was signed (CIBA Core §7.1.1). And whom a signed hint names.

use chancery_core::backchannel::signed::{self, Stamp};
use chancery_core::client::Client;
use chancery_core::client::metadata::{AssertionAlg, RequestObjectAlg};
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::grant::assertion::Subject;
use chancery_core::id::AccountId;
use chancery_core::request::Parameters;
use chancery_core::request::object::{Object, ObjectUsed, Place, Settled};
use chancery_jose::{Algorithm, RegisteredClaims, jws};

use crate::app::context::Context;
use crate::app::{App, seconds};

fn refuse(why: impl Into<std::borrow::Cow<'static, str>>, sentence: &str) -> OAuthError {
    OAuthError::invalid_request(why).saying(sentence)
}

impl App {
    /// The parameters that count, and the JWT that they stood in.
    ///
    /// # Errors
    /// `invalid_request`, `temporarily_unavailable`.
    pub(super) async fn settle_backchannel(
        &self,
        context: &Context,
        client: &Client,
        sent: (&Parameters, &[String]),
    ) -> Result<(Settled, Option<ObjectUsed>), OAuthError> {
        let beside = Settled { parameters: sent.0.clone(), resources: sent.1.to_vec() };
        let Some(text) = sent.0.get("request") else {
            signed::plain(client, sent.0)?;
            return Ok((beside, None));
        };
        let unreadable = |why: String| refuse(why, "request is no signed JWT that this endpoint takes.");
        let own = client.metadata.backchannel_authentication_request_signing_alg;
        let alg = own.and_then(|own| Algorithm::parse(own.as_str()));
        let alg = alg.ok_or_else(|| refuse("no alg is registered", "This client is not registered for signed requests."))?;
        let parsed = jws::parse(text).map_err(|why| unreadable(why.to_string()))?;
        // RFC 8725 §3.11: an assertion, an id_token or a proof of the same client is no request.
        if parsed.header().typ().is_some_and(|_| !["oauth-authz-req+jwt", "JWT"].iter().any(|typ| parsed.header().is_typ(typ))) {
            return Err(unreadable("another typ".to_owned()));
        }
        let keys = self.keys_of(context, client, parsed.header().kid()).await?;
        let keys = keys.ok_or_else(|| unreadable("the client has no keys".to_owned()))?;
        let verified = parsed.verify(&keys, &[alg]).map_err(|why| {
            refuse(why.to_string(), "The signature of the request does not hold under the registered keys and algorithm.")
        })?;
        let read = RegisteredClaims::parse(&verified.payload).map_err(|why| unreadable(why.to_string()))?;
        let jwt = Object {
            claims: &read.all,
            is_signed: true,
            iss: read.iss.as_deref(),
            sub: read.sub.as_deref(),
            aud: &read.aud,
            exp: read.exp.map(|date| date.0),
            nbf: read.nbf.map(|date| date.0),
            iat: read.iat.map(|date| date.0),
        };
        let stamp = Stamp { iat: read.iat.map(|date| date.0), jti: read.jti.as_deref() };
        let place = Place { client, issuer: &self.endpoints.issuer, at: self.now(), policy: self.policy() };
        let settled = signed::settle(&beside, &jwt, stamp, place)?;
        let alg = own.and_then(|own| RequestObjectAlg::parse(own.as_str()));
        let used = ObjectUsed { alg, digest: Some(Digest::of(text.as_bytes())), encryption: None, request_uri: None };
        Ok((settled, Some(used)))
    }

    /// Whom a `login_hint_token` names: a JWT of an issuer whom the operator trusts with accounts, made for this endpoint alone, so that it
    /// cannot pass for an assertion, nor one of those for it (RFC 8725 §3.12).
    ///
    /// # Errors
    /// `invalid_request`, `expired_login_hint_token`.
    pub(super) fn hinted_by_issuer(&self, client: &Client, text: &str) -> Result<AccountId, OAuthError> {
        let wrong = |why: String| refuse(why, "login_hint_token is not one of an issuer that this client may bring hints of.");
        let policy = self.policy();
        let algs = AssertionAlg::ALL.iter().filter(|alg| !alg.is_mac() && policy.allows(alg.as_str()));
        let allowed: Vec<_> = algs.filter_map(|alg| Algorithm::parse(alg.as_str())).collect();
        let (_, rule, claims) = self.issuers.verify(text, &allowed).map_err(|why| wrong(why.into_owned()))?;
        if rule.subject != Subject::Account || !rule.clients.contains(&client.id) {
            return Err(wrong("no issuer of hints for this client".to_owned()));
        }
        let own = &self.endpoints.backchannel_authentication;
        if !claims.is_for(own) || claims.aud.iter().any(|aud| aud != own) {
            return Err(wrong("aud is not this endpoint alone".to_owned()));
        }
        let tolerance = i64::from(seconds(self.config.lifetimes.clock_tolerance).0);
        let now = self.now().numeric_date();
        let exp = claims.exp.ok_or_else(|| wrong("exp is missing".to_owned()))?;
        if now >= exp.0.saturating_add(tolerance) {
            return Err(OAuthError::expired_login_hint_token("exp"));
        }
        if claims.nbf.is_some_and(|nbf| nbf.0 > now.saturating_add(tolerance)) {
            return Err(wrong("not yet valid".to_owned()));
        }
        claims.sub.as_deref().and_then(AccountId::parse).ok_or_else(|| OAuthError::unknown_user_id("sub is no account"))
    }
}
