//! What the proof of a key says: OpenID4VCI Appendix F.1, F.4.
//!
//! | Rule | Source |
//! |---|---|
//! | `aud` is this issuer, as one string | Appendix F.1 |
//! | `iss`, if it is there, is the client whose token it is; without a client there is none | Appendix F.1 |
//! | it was made a short while ago | Appendix F.1, §13.8 |
//! | `nonce` is one of ours and recent: without one the proof is invalid, with another the nonce is | Appendix F.4, §8.3.1.2 |
//! | a proof for others, or of another client, is evidence: somebody has it who should not | our own |
//!
//! Out of scope: signature and key (`chancery_jose::credential_proof`), single use of nonces (a claim of the log).

use crate::error::OAuthError;
use crate::id::ClientId;
use crate::time::Seconds;

/// What the nonce in a proof is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce {
    Absent,
    Recent,
    /// Old, or none of ours.
    Unknown,
}

/// What the proof says.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    pub iss: Option<&'a str>,
    pub aud: &'a str,
    /// Seconds since 1970, as the others.
    pub iat: i64,
    pub exp: Option<i64>,
    pub nbf: Option<i64>,
    pub nonce: Nonce,
}

/// What it is held against.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// `None`: nobody said who they are when they got the token.
    pub client: Option<&'a ClientId>,
    pub issuer: &'a str,
    pub now: i64,
    /// How old a proof may be.
    pub lifetime: Seconds,
    pub tolerance: Seconds,
}

/// A refusal, and whether it is evidence.
#[derive(Debug)]
pub struct Refused {
    pub error: OAuthError,
    pub is_misuse: bool,
}

impl From<OAuthError> for Refused {
    fn from(error: OAuthError) -> Self {
        Self { error, is_misuse: false }
    }
}

/// Holds a proof, whose signature is right, against the request.
///
/// # Errors
/// `invalid_proof`, `invalid_nonce`.
pub fn check(said: &Said<'_>, held: &Held<'_>) -> Result<(), Refused> {
    let refuse = |why: &'static str, sentence: &str| Refused { error: OAuthError::invalid_proof(why).saying(sentence), is_misuse: false };
    if said.aud != held.issuer {
        return Err(Refused { is_misuse: true, ..refuse("for another issuer", "aud in the proof is not this credential issuer.") });
    }
    if said.iss.is_some_and(|iss| held.client.is_none_or(|client| client.as_str() != iss)) {
        return Err(Refused { is_misuse: true, ..refuse("of another client", "iss in the proof is not the client of the access token.") });
    }
    let tolerance = i64::from(held.tolerance.0);
    let ahead = held.now.saturating_add(tolerance);
    let oldest = held.now.saturating_sub(i64::from(held.lifetime.0)).saturating_sub(tolerance);
    let is_timely = said.iat >= oldest
        && said.iat <= ahead
        && said.exp.is_none_or(|exp| exp.saturating_add(tolerance) > held.now)
        && said.nbf.is_none_or(|nbf| nbf <= ahead);
    if !is_timely {
        return Err(refuse("too old or of the future", "The proof is too old, or of the future: look at iat and at the clock."));
    }
    // Last: whoever hears that the nonce is all that is wrong has proven the rest.
    Ok(check_nonce(said.nonce)?)
}

/// A proof or an attestation without a nonce is none; with a wrong one the nonce is what is wrong (§8.3.1.2).
///
/// # Errors
/// `invalid_proof`, `invalid_nonce`.
pub fn check_nonce(nonce: Nonce) -> Result<(), OAuthError> {
    match nonce {
        Nonce::Recent => Ok(()),
        Nonce::Absent => Err(OAuthError::invalid_proof("no nonce").saying("The proof has no nonce: get a c_nonce at the nonce endpoint.")),
        Nonce::Unknown => Err(OAuthError::invalid_nonce("an old nonce, or none of ours")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    const ISSUER: &str = "https://id.example/oidc";
    const NOW: i64 = 1_800_000_000;

    fn judge_of(client: Option<&ClientId>, change: impl FnOnce(&mut Said<'_>)) -> (&'static str, bool) {
        let mut said = Said { iss: None, aud: ISSUER, iat: NOW, exp: None, nbf: None, nonce: Nonce::Recent };
        change(&mut said);
        let held = Held { client, issuer: ISSUER, now: NOW, lifetime: Seconds(300), tolerance: Seconds(15) };
        check(&said, &held).map_or_else(|refused| (refused.error.code(), refused.is_misuse), |()| ("ok", false))
    }

    fn judge(change: impl FnOnce(&mut Said<'_>)) -> (&'static str, bool) {
        judge_of(Some(&client_id("wallet")), change)
    }

    #[test]
    fn openid4vci_f_1_aud_is_the_issuer_and_iss_the_client() {
        assert_eq!(judge(|_| ()), ("ok", false));
        assert_eq!(judge(|said| said.iss = Some("wallet")), ("ok", false));
        for aud in ["https://id.example", "https://id.example/oidc/", "", "https://other.example"] {
            assert_eq!(judge(|said| said.aud = aud), ("invalid_proof", true), "{aud}");
        }
        assert_eq!(judge(|said| said.iss = Some("other")), ("invalid_proof", true));
        assert_eq!(judge_of(None, |said| said.iss = Some("wallet")), ("invalid_proof", true), "nobody said who they are");
        assert_eq!(judge_of(None, |_| ()), ("ok", false));
    }

    #[test]
    fn openid4vci_f_4_a_proof_is_new_and_within_its_own_times() {
        assert_eq!((judge(|said| said.iat = NOW - 315).0, judge(|said| said.iat = NOW - 316).0), ("ok", "invalid_proof"));
        assert_eq!((judge(|said| said.iat = NOW + 15).0, judge(|said| said.iat = NOW + 16).0), ("ok", "invalid_proof"));
        assert_eq!((judge(|said| said.exp = Some(NOW - 14)).0, judge(|said| said.exp = Some(NOW - 15)).0), ("ok", "invalid_proof"));
        assert_eq!((judge(|said| said.nbf = Some(NOW + 15)).0, judge(|said| said.nbf = Some(NOW + 16)).0), ("ok", "invalid_proof"));
        for far in [i64::MIN, i64::MAX] {
            let _ = judge(|said| (said.iat, said.exp, said.nbf) = (far, Some(far), Some(far)));
        }
    }

    #[test]
    fn openid4vci_8_3_1_2_a_missing_nonce_is_an_invalid_proof_and_a_wrong_one_an_invalid_nonce() {
        assert_eq!(judge(|said| said.nonce = Nonce::Absent), ("invalid_proof", false));
        assert_eq!(judge(|said| said.nonce = Nonce::Unknown), ("invalid_nonce", false));
        // Not to whom the rest does not hold.
        assert_eq!(judge(|said| (said.nonce, said.iat) = (Nonce::Unknown, 0)).0, "invalid_proof");
    }
}
