//! A client instance that somebody vouches for: draft-ietf-oauth-attestation-based-client-auth-10 (ABCA), with what is known of 12.
//!
//! | Rule | Source |
//! |---|---|
//! | `sub` is the client, and one for which the attester may speak | ABCA §4, §7.1 (7); our own |
//! | the attestation has not expired and is not of the future: else a fresh one is asked for | ABCA §4, §7.1 (6), §7.4 |
//! | if it names whom it is for, this server is among them | ABCA §4, RFC 7519 §4.1.3 |
//! | a proof of its own (normal mode) or a DPoP proof (combined mode), as the client is registered | ABCA §7; our own |
//! | of a DPoP proof, whose key is the one in `cnf`, RFC 9449 says the rest | ABCA §5.2, §7.3 |
//! | the proof is for this server alone, by its issuer | ABCA §5.1, §7.2 (7) |
//! | it was made a short while ago, and its own times hold | ABCA §5.1, §7.2 (6), §9.7 |
//! | it has a challenge of ours: else one is sent | ABCA §6.1, §7.2 (5), §7.4 |
//! | beside another method it is a signal, where the operator wants one | ABCA §7.6 |
//! | refresh tokens are bound to the key of the instance | ABCA §9.3 |
//!
//! Out of scope: signatures (`chancery_jose::attestation`), whose keys count and which challenges are ours (the shell).

use alloc::string::String;
use alloc::vec::Vec;

use super::Client;
use super::metadata::AuthMethod;
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

/// What the instance proves its key with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A proof of its own: normal mode.
    Pop,
    /// A DPoP proof: combined mode.
    Dpop,
}

impl Mode {
    /// How a client that proves itself in this way is registered.
    pub const fn method(self) -> AuthMethod {
        match self {
            Self::Pop => AuthMethod::Attestation,
            Self::Dpop => AuthMethod::AttestationDpop,
        }
    }

    /// Its name in `client_attestation_pop_methods_supported` (ABCA §7.6).
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pop => "attestation_pop_jwt",
            Self::Dpop => "dpop_combined",
        }
    }
}

/// Attestations beside another way of authenticating (ABCA §7.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Signal {
    /// They are passed over.
    #[default]
    Off,
    /// Whoever sends one is held to it.
    Optional,
    /// Without one there is no answer.
    Required,
}

impl Signal {
    /// Is this request held to an attestation?
    pub const fn is_wanted(self, was_sent: bool) -> bool {
        match self {
            Self::Off => false,
            Self::Optional => was_sent,
            Self::Required => true,
        }
    }

    /// What the metadata say: `None` where presenting one means nothing.
    pub fn methods(self) -> Option<Vec<&'static str>> {
        let modes = [Mode::Pop.as_str(), Mode::Dpop.as_str()];
        match self {
            Self::Off => None,
            Self::Optional => Some(modes.into_iter().chain(["none"]).collect()),
            Self::Required => Some(modes.to_vec()),
        }
    }
}

/// What the attestation says. Times are seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub sub: &'a str,
    pub exp: i64,
    pub iat: i64,
    pub nbf: Option<i64>,
    /// Empty when it names nobody.
    pub attested_for: &'a [String],
}

/// What the instance's own proof says.
#[derive(Clone, Copy, Debug)]
pub struct Pop<'a> {
    pub aud: &'a [String],
    pub iat: i64,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
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

/// Holds an attestation, whose signature is right, against the request.
///
/// # Errors
/// `invalid_client`, `use_fresh_attestation`.
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
    if said.iat > ahead || said.nbf.is_some_and(|nbf| nbf > ahead) {
        return Err(OAuthError::use_fresh_attestation("the attestation is of the future"));
    }
    if !said.attested_for.is_empty() && !said.attested_for.iter().any(|own| own == held.issuer) {
        return refuse("the attestation is for other servers");
    }
    Ok(())
}

/// Holds the instance's own proof, whose signature is right, against the request.
///
/// # Errors
/// `invalid_client`, `use_attestation_challenge`.
pub fn check_pop(said: &Pop<'_>, held: &Held<'_>) -> Result<(), OAuthError> {
    let refuse = |why: &'static str| Err(OAuthError::invalid_client(why));
    let tolerance = i64::from(held.tolerance.0);
    let ahead = held.now.saturating_add(tolerance);
    // One audience: a proof for two servers would let each speak to the other.
    if said.aud != [held.issuer] {
        return refuse("aud is not this server alone");
    }
    let oldest = held.now.saturating_sub(i64::from(held.lifetime.0)).saturating_sub(tolerance);
    if said.iat < oldest || said.iat > ahead {
        return refuse("the proof is too old or of the future");
    }
    if said.exp.is_some_and(|exp| exp.saturating_add(tolerance) <= held.now) || said.nbf.is_some_and(|nbf| nbf > ahead) {
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
    use super::*;
    use crate::testing::*;

    const ISSUER: &str = "https://id.example/oidc";
    const NOW: i64 = 1_800_000_000;

    fn held(client: &ClientId) -> Held<'_> {
        Held { client, issuer: ISSUER, now: NOW, lifetime: Seconds(300), tolerance: Seconds(15) }
    }

    fn word(outcome: Result<(), OAuthError>) -> &'static str {
        outcome.map_or_else(|error| error.code(), |()| "ok")
    }

    fn judge(change: impl FnOnce(&mut Said<'_>)) -> &'static str {
        let mut said = Said { sub: "app", exp: NOW + 3600, iat: NOW - 60, nbf: None, attested_for: &[] };
        change(&mut said);
        word(check(&said, &held(&client_id("app"))))
    }

    fn judge_pop(aud: &[&str], change: impl FnOnce(&mut Pop<'_>)) -> &'static str {
        let aud: Vec<_> = aud.iter().map(|own| String::from(*own)).collect();
        let mut said = Pop { aud: &aud, iat: NOW, exp: None, nbf: None, challenge: Challenge::Recent };
        change(&mut said);
        word(check_pop(&said, &held(&client_id("app"))))
    }

    #[test]
    fn abca_7_1_an_attestation_is_about_the_client_and_fresh() {
        assert_eq!(judge(|_| ()), "ok");
        assert_eq!(judge(|said| said.sub = "other"), "invalid_client");
        assert_eq!((judge(|said| said.exp = NOW - 14), judge(|said| said.exp = NOW - 15)), ("ok", "use_fresh_attestation"));
        assert_eq!((judge(|said| said.iat = NOW + 15), judge(|said| said.iat = NOW + 16)), ("ok", "use_fresh_attestation"));
        assert_eq!(judge(|said| said.nbf = Some(NOW + 16)), "use_fresh_attestation");
        let others = [String::from("https://other.example")];
        let elsewhere = Said { sub: "app", exp: NOW + 3600, iat: NOW, nbf: None, attested_for: &others };
        assert_eq!(word(check(&elsewhere, &held(&client_id("app")))), "invalid_client");
        for far in [i64::MIN, i64::MAX] {
            let _ = judge(|said| (said.exp, said.iat) = (far, far));
            let _ = judge_pop(&[ISSUER], |said| said.iat = far);
        }
    }

    #[test]
    fn abca_7_2_a_proof_is_for_this_server_alone_and_new() {
        for aud in [&[ISSUER, "https://other.example"][..], &["https://id.example/oidc/token"], &[]] {
            assert_eq!(judge_pop(aud, |_| ()), "invalid_client", "{aud:?}");
        }
        let with = |change: fn(&mut Pop<'_>)| judge_pop(&[ISSUER], change);
        assert_eq!((with(|said| said.iat = NOW - 315), with(|said| said.iat = NOW - 316)), ("ok", "invalid_client"));
        assert_eq!(with(|said| said.iat = NOW + 16), "invalid_client");
        assert_eq!((with(|said| said.exp = Some(NOW - 14)), with(|said| said.exp = Some(NOW - 15))), ("ok", "invalid_client"));
        assert_eq!((with(|said| said.nbf = Some(NOW + 15)), with(|said| said.nbf = Some(NOW + 16))), ("ok", "invalid_client"));
    }

    #[test]
    fn abca_7_4_without_a_challenge_of_ours_one_is_sent() {
        for challenge in [Challenge::Absent, Challenge::Unknown] {
            assert_eq!(judge_pop(&[ISSUER], |said| said.challenge = challenge), "use_attestation_challenge");
        }
        // Not to whom the rest does not hold.
        assert_eq!(judge_pop(&[], |said| said.challenge = Challenge::Absent), "invalid_client");
    }

    #[test]
    fn abca_9_3_refresh_tokens_are_bound_to_the_instance() {
        let client = |method| client_with(|metadata| metadata.token_endpoint_auth_method = method);
        let (proven, instance) = (Some(Confirmation::Jkt(digest("dpop"))), Some(digest("instance")));
        for mode in [Mode::Pop, Mode::Dpop] {
            assert_eq!(shown(&client(mode.method()), proven, instance), Some(Confirmation::Jkt(digest("instance"))));
            assert!(binds_refresh_tokens(&client(mode.method())));
        }
        assert_eq!(shown(&client(AuthMethod::None), proven, None), proven);
        assert_eq!([AuthMethod::None, AuthMethod::PrivateKeyJwt].map(|method| binds_refresh_tokens(&client(method))), [true, false]);
    }

    #[test]
    fn abca_7_6_a_signal_is_what_the_metadata_say() {
        let wanted = |signal: Signal| (signal.is_wanted(false), signal.is_wanted(true));
        assert_eq!([Signal::Off, Signal::Optional, Signal::Required].map(wanted), [(false, false), (false, true), (true, true)]);
        assert_eq!(Signal::Off.methods(), None);
        assert_eq!(Signal::Optional.methods().unwrap(), ["attestation_pop_jwt", "dpop_combined", "none"]);
        assert_eq!(Signal::Required.methods().unwrap(), ["attestation_pop_jwt", "dpop_combined"]);
    }
}
