//! A client instance that somebody vouches for: draft-ietf-oauth-attestation-based-client-auth-10 (ABCA).
//!
//! | Rule | Source |
//! |---|---|
//! | `sub` is the client, and one for which the attester may speak | ABCA §4, §7.1 (7); our own |
//! | the attestation has not expired and is not of the future: else a fresh one is asked for | ABCA §4, §7.1 (6), §7.4 |
//! | if it names whom it is for, this server is among them | ABCA §4, RFC 7519 §4.1.3 |
//! | the proof is for this server alone, by its issuer | ABCA §5.1, §7.2 (7) |
//! | it was made a short while ago, and its own times hold | ABCA §5.1, §7.2 (6), §9.7 |
//! | it has a challenge of ours: else one is sent | ABCA §6.1, §7.2 (5), §7.4 |
//! | refresh tokens are bound to the key of the instance | ABCA §9.3 |
//!
//! Out of scope: signatures (`chancery_jose::attestation`), whose keys count and which challenges are ours (the shell).

use alloc::string::String;

use super::Client;
use crate::digest::Digest;
use crate::dpop::Confirmation;
use crate::error::OAuthError;
use crate::id::ClientId;
use crate::time::Seconds;

/// What the challenge in a proof is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    Absent,
    /// Ours, and not too old.
    Recent,
    Unknown,
}

/// What both tokens say. Times are seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub sub: &'a str,
    pub exp: i64,
    pub iat: Option<i64>,
    pub nbf: Option<i64>,
    /// Of the attestation; empty when it names nobody.
    pub attested_for: &'a [String],
    /// Of the proof.
    pub aud: &'a [String],
    pub pop_iat: i64,
    pub pop_exp: Option<i64>,
    pub pop_nbf: Option<i64>,
    pub challenge: Challenge,
}

/// What it is held against.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    pub client: &'a ClientId,
    pub issuer: &'a str,
    pub now: i64,
    /// How old a proof may be.
    pub lifetime: Seconds,
    pub tolerance: Seconds,
}

/// Holds an attestation and its proof, whose signatures are right, against the request.
///
/// # Errors
/// `invalid_client`, `use_fresh_attestation`, `use_attestation_challenge`.
pub fn check(said: &Said<'_>, held: &Held<'_>) -> Result<(), OAuthError> {
    let refuse = |why: &'static str| Err(OAuthError::invalid_client(why));
    if said.sub != held.client.as_str() {
        return refuse("sub is not the client");
    }
    let tolerance = i64::from(held.tolerance.0);
    let ahead = held.now.saturating_add(tolerance);
    if said.exp.saturating_add(tolerance) <= held.now {
        return Err(OAuthError::use_fresh_attestation("the attestation has expired"));
    }
    if said.iat.is_some_and(|iat| iat > ahead) || said.nbf.is_some_and(|nbf| nbf > ahead) {
        return Err(OAuthError::use_fresh_attestation("the attestation is of the future"));
    }
    if !said.attested_for.is_empty() && !said.attested_for.iter().any(|own| own == held.issuer) {
        return refuse("the attestation is for other servers");
    }
    // One audience: a proof for two servers would let each speak to the other.
    if said.aud != [held.issuer] {
        return refuse("aud is not this server alone");
    }
    let oldest = held.now.saturating_sub(i64::from(held.lifetime.0)).saturating_sub(tolerance);
    if said.pop_iat < oldest || said.pop_iat > ahead {
        return refuse("the proof is too old or of the future");
    }
    if said.pop_exp.is_some_and(|exp| exp.saturating_add(tolerance) <= held.now) || said.pop_nbf.is_some_and(|nbf| nbf > ahead) {
        return refuse("the proof has expired or is not valid yet");
    }
    // Last: who is told a challenge has proven the rest.
    match said.challenge {
        Challenge::Recent => Ok(()),
        Challenge::Absent => Err(OAuthError::use_attestation_challenge("no challenge")),
        Challenge::Unknown => Err(OAuthError::use_attestation_challenge("an old challenge, or none of ours")),
    }
}

/// The key that counts for the refresh tokens of a caller: of an attested client that of the instance, whatever else was proven (ABCA §9.3).
pub fn shown(client: &Client, proven: Option<Confirmation>, instance: Option<Digest>) -> Option<Confirmation> {
    if client.is_attested() { instance.map(Confirmation::Jkt) } else { proven }
}

/// Are they bound to it? Those of other confidential clients are bound to their authentication already (RFC 9449 §5).
pub fn binds_refresh_tokens(client: &Client) -> bool {
    client.is_public() || client.is_attested()
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::client::metadata::AuthMethod;
    use crate::testing::*;

    const ISSUER: &str = "https://id.example/oidc";
    const NOW: i64 = 1_800_000_000;

    fn judge(change: impl FnOnce(&mut Said<'_>)) -> &'static str {
        judge_for(&[ISSUER], change)
    }

    fn judge_for(aud: &[&str], change: impl FnOnce(&mut Said<'_>)) -> &'static str {
        let (client, aud) = (client_id("app"), aud.iter().map(|own| String::from(*own)).collect::<Vec<_>>());
        let mut said = Said {
            sub: "app",
            exp: NOW + 3600,
            iat: Some(NOW - 60),
            nbf: None,
            attested_for: &[],
            aud: &aud,
            pop_iat: NOW,
            pop_exp: None,
            pop_nbf: None,
            challenge: Challenge::Recent,
        };
        change(&mut said);
        let held = Held { client: &client, issuer: ISSUER, now: NOW, lifetime: Seconds(300), tolerance: Seconds(15) };
        check(&said, &held).map_or_else(|error| error.code(), |()| "ok")
    }

    #[test]
    fn abca_7_1_an_attestation_is_about_the_client_and_fresh() {
        assert_eq!(judge(|_| ()), "ok");
        assert_eq!(judge(|said| said.sub = "other"), "invalid_client");
        assert_eq!((judge(|said| said.exp = NOW - 14), judge(|said| said.exp = NOW - 15)), ("ok", "use_fresh_attestation"));
        assert_eq!((judge(|said| said.iat = Some(NOW + 15)), judge(|said| said.iat = Some(NOW + 16))), ("ok", "use_fresh_attestation"));
        assert_eq!(judge(|said| said.nbf = Some(NOW + 16)), "use_fresh_attestation");
        assert_eq!(judge(|said| said.iat = None), "ok");
        for far in [i64::MIN, i64::MAX] {
            let _ = judge(|said| (said.exp, said.iat, said.pop_iat) = (far, Some(far), far));
        }
    }

    #[test]
    fn abca_7_2_a_proof_is_for_this_server_alone_and_new() {
        for aud in [&[ISSUER, "https://other.example"][..], &["https://id.example/oidc/token"], &[]] {
            assert_eq!(judge_for(aud, |_| ()), "invalid_client", "{aud:?}");
        }
        assert_eq!((judge(|said| said.pop_iat = NOW - 315), judge(|said| said.pop_iat = NOW - 316)), ("ok", "invalid_client"));
        assert_eq!(judge(|said| said.pop_iat = NOW + 16), "invalid_client");
        assert_eq!((judge(|said| said.pop_exp = Some(NOW - 14)), judge(|said| said.pop_exp = Some(NOW - 15))), ("ok", "invalid_client"));
        assert_eq!((judge(|said| said.pop_nbf = Some(NOW + 15)), judge(|said| said.pop_nbf = Some(NOW + 16))), ("ok", "invalid_client"));
    }

    #[test]
    fn abca_7_4_without_a_challenge_of_ours_one_is_sent() {
        for challenge in [Challenge::Absent, Challenge::Unknown] {
            assert_eq!(judge(|said| said.challenge = challenge), "use_attestation_challenge");
        }
        // Not to whom the rest does not hold.
        assert_eq!(judge_for(&[], |said| said.challenge = Challenge::Absent), "invalid_client");
    }

    #[test]
    fn abca_9_3_refresh_tokens_are_bound_to_the_instance() {
        let client = |method| client_with(|metadata| metadata.token_endpoint_auth_method = method);
        let (proven, instance) = (Some(Confirmation::Jkt(digest("dpop"))), Some(digest("instance")));
        assert_eq!(shown(&client(AuthMethod::Attestation), proven, instance), Some(Confirmation::Jkt(digest("instance"))));
        assert_eq!(shown(&client(AuthMethod::None), proven, None), proven);
        let binds =
            [AuthMethod::Attestation, AuthMethod::None, AuthMethod::PrivateKeyJwt].map(|method| binds_refresh_tokens(&client(method)));
        assert_eq!(binds, [true, true, false]);
    }
}
