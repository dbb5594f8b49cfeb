//! Redeeming a code: it becomes tokens, once.
//!
//! | Rule | Source |
//! |---|---|
//! | only by the client it was issued to | RFC 6749 §4.1.3 |
//! | with the `redirect_uri` that was really used | RFC 6749 §4.1.3 |
//! | what became of the `redirect_uri` in the document of a client that describes itself counts | CIMD §8.4 |
//! | the client is registered for the grant | RFC 6749 §5.2 |
//! | a challenge once sent makes the verifier mandatory; a verifier without a challenge is refused | RFC 9700 §2.1.1, §4.8.2 |
//! | a code that was bound to a key needs a proof of that key | RFC 9449 §10 |
//! | the access token is bound to the proven key; the refresh token too, where the client is public | RFC 9449 §5 |
//! | a second redemption ends the grant with all its tokens, also after expiry | RFC 6749 §4.1.2, RFC 9700 §2.1.1 |
//! | five wrong verifiers burn the code | our own |
//! | an expired code that was never redeemed ends nothing | our own |
//!
//! Out of scope: client authentication (`client::authenticate`), minting (`app::mint`).

use alloc::string::String;

use super::event::{CodeRedeemed, CodeVerifierRefused, EndReason, GrantEnded, Misuse, MisuseRefused};
use super::target::Target;
use super::{Code, DETAILS, Grant, GrantEvent, Lifetimes};
use crate::base64url;
use crate::client::metadata::{GrantType, redirect_uri_matches};
use crate::client::{Client, attestation};
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::dpop::{self, Confirmation};
use crate::error::OAuthError;
use crate::scope::Scope;
use crate::time::Timestamp;

/// Wrong verifiers after which a code is dead.
const MOST_WRONG_VERIFIERS: u8 = 5;

/// A client's wish to trade a code for tokens.
pub struct Redeem {
    pub code: Digest,
    pub redirect_uri: Option<String>,
    pub code_verifier: Option<String>,
    pub access: Digest,
    /// The key that the client proved with this request.
    pub proven: Option<Confirmation>,
    /// The key of the instance that was attested (ABCA).
    pub instance: Option<Digest>,
    /// What the access token is for.
    pub target: Result<Target, OAuthError>,
    /// What the access token has of the authorization details, when that is less than was granted (RFC 9396 §6).
    pub authorization_details: Result<Option<String>, OAuthError>,
    /// Digest of the refresh token to hand out, should there be one.
    pub refresh: Digest,
    pub id_token_kid: Option<String>,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// What the client gets.
#[derive(Debug)]
pub struct Redeemed {
    /// What the access token may do.
    pub scope: Scope,
    pub access_expires_at: Timestamp,
    /// Idle expiry of the refresh token, when there is one.
    pub refresh_expires_at: Option<Timestamp>,
}

pub fn decide(grant: &Grant, client: &Client, cmd: &Redeem, lifetimes: &Lifetimes) -> Decision<GrantEvent, Redeemed> {
    let refuse = |why| Decision::refuse(OAuthError::invalid_grant(why));
    let Some(code) = grant.code.as_ref().filter(|code| code.digest.matches(&cmd.code)) else {
        return refuse("unknown code");
    };
    // First, so that another client can neither learn anything nor end a grant. RFC 6749 §4.1.3.
    if grant.client != client.id {
        let event = MisuseRefused { misuse: Misuse::CodeByOtherClient, by: client.id.clone(), at: cmd.at };
        return refuse("issued to another client").recording(event);
    }
    if !client.metadata.grant_types.contains(&GrantType::AuthorizationCode) {
        return Decision::refuse(OAuthError::unauthorized_client("authorization_code is not registered"));
    }
    if grant.ended.is_some() {
        return refuse("the grant has ended");
    }
    // We cannot tell thief from owner, so both lose. RFC 6749 §4.1.2, RFC 9700 §2.1.1.
    if code.redeemed {
        return refuse("code replayed").recording(GrantEnded { reason: EndReason::CodeReplayed, at: cmd.at });
    }
    if cmd.at >= code.expires_at {
        return refuse("expired");
    }
    if let Err(error) = dpop::check_demand(client, cmd.proven.as_ref()) {
        return Decision::refuse(error);
    }
    // A stolen code is of no use without the key. The code is not spent: its owner may be on the way.
    let lacks_key = code.dpop_jkt.is_some_and(|jkt| cmd.proven != Some(Confirmation::Jkt(jkt)));
    // Nor is it without the instance that pushed the request (ABCA §9.4).
    if lacks_key || code.instance.is_some() && code.instance != cmd.instance {
        let refusal = refuse("proof of another key");
        if grant.misused.contains(&Misuse::CodeWithOtherKey) {
            return refusal;
        }
        return refusal.recording(MisuseRefused { misuse: Misuse::CodeWithOtherKey, by: client.id.clone(), at: cmd.at });
    }
    // The code went there when that was still said to be the client's: who reads it there now may be somebody else.
    if client.document.is_some() && !is_registered(client, &code.redirect_uri) {
        return refuse("the document does not name the redirect_uri any more");
    }
    if let Err(wrong) = check_redirect_uri(code, cmd.redirect_uri.as_deref()) {
        return Decision::refuse(wrong);
    }
    if let Err(why) = check_verifier(code, cmd.code_verifier.as_deref()) {
        let refusal = refuse(why).recording(CodeVerifierRefused { at: cmd.at });
        if code.wrong_verifiers.saturating_add(1) >= MOST_WRONG_VERIFIERS {
            return refusal.recording(GrantEnded { reason: EndReason::CodeVerifierGuessed, at: cmd.at });
        }
        return refusal;
    }
    // Last, and the code is not spent: a wrong resource is a mistake of the client that just proved itself.
    let target = match &cmd.target {
        Ok(target) => target,
        Err(error) => return Decision::refuse(error.clone()),
    };
    let details = match &cmd.authorization_details {
        Ok(details) => details.as_deref(),
        Err(error) => return Decision::refuse(error.clone()),
    };
    let access = target.issue(cmd.access, cmd.proven, cmd.at, lifetimes.access_token);
    let scope = target.scope_of(&grant.scope);
    let refresh = lifetimes.first_refresh(client, (cmd.refresh, attestation::shown(client, cmd.proven, cmd.instance)), cmd.at);
    let outcome = Redeemed {
        scope: scope.clone(),
        access_expires_at: access.expires_at,
        refresh_expires_at: refresh.as_ref().map(|refresh| refresh.expires_at),
    };
    let narrowed = (scope != grant.scope).then_some(scope);
    let event = CodeRedeemed { access, refresh, scope: narrowed, id_token_kid: cmd.id_token_kid.clone(), at: cmd.at };
    let personal = Personal::default().with("context", cmd.context.as_deref()).with_whole(DETAILS, details);
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], outcome)
}

fn is_registered(client: &Client, uri: &str) -> bool {
    let (own, kind) = (&client.metadata.redirect_uris, client.metadata.application_type);
    own.iter().any(|one| redirect_uri_matches(one, uri, kind, true))
}

/// RFC 6749 §4.1.3: required when the authorization request had it. Where that left it out, the only registered one was meant, and no
/// other can be.
fn check_redirect_uri(code: &Code, sent: Option<&str>) -> Result<(), OAuthError> {
    match sent {
        Some(uri) if uri == code.redirect_uri => Ok(()),
        Some(_) => Err(OAuthError::invalid_grant("another redirect_uri")),
        None if code.redirect_uri_omitted => Ok(()),
        None => Err(OAuthError::invalid_request("redirect_uri is missing")
            .saying("redirect_uri is missing; send the one of the authorization request.")),
    }
}

/// RFC 7636 §4.6. The lengths are those of §4.1.
fn check_verifier(code: &Code, verifier: Option<&str>) -> Result<(), &'static str> {
    match (code.challenge.as_deref(), verifier) {
        (None, None) => Ok(()),
        // RFC 9700 §4.8.2: else an attacker could strip the challenge from the request.
        (None, Some(_)) => Err("a verifier for a code without challenge"),
        (Some(_), None) => Err("the verifier is missing"),
        (Some(challenge), Some(verifier)) => {
            let computed = base64url::encode(&Digest::of(verifier.as_bytes()).0);
            let well_formed = (43..=128).contains(&verifier.len());
            if well_formed && Digest::of(computed.as_bytes()).matches(&Digest::of(challenge.as_bytes())) {
                Ok(())
            } else {
                Err("wrong verifier")
            }
        }
    }
}
