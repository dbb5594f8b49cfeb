//! How a client that is held to a profile brings its access tokens.
//!
//! | Rule | Source |
//! |---|---|
//! | bound to a key; under FAPI 1.0 to that of a certificate | FAPI 1.0 Part 2 §5.2.2, FAPI 2.0 Security Profile §5.3.4 |
//! | in the header and nowhere else | FAPI 1.0 Part 1 §6.2.2, FAPI 2.0 Security Profile §5.3.3, §5.3.4 |
//! | with a proof of an algorithm of the profile | FAPI 2.0 Security Profile §5.4.1 |
//!
//! Out of scope: whether the key was proven (`dpop::Held`).

use super::Profile::{self, Fapi1Advanced, Fapi2MessageSigning, Fapi2Security, FapiCiba, OAuth21};
use crate::dpop::Confirmation;
use crate::error::OAuthError;

/// A token as it came.
#[derive(Clone, Copy, Debug)]
pub struct Came<'a> {
    pub bound: Option<&'a Confirmation>,
    /// In a form (RFC 6750 §2.2).
    pub in_form: bool,
    /// What the proof of its key is signed with, if there is one.
    pub proof_alg: Option<&'a str>,
}

/// # Errors
/// `invalid_request`, `invalid_token`, `invalid_dpop_proof`.
pub fn check(profile: Profile, came: &Came<'_>) -> Result<(), OAuthError> {
    let suits = match profile {
        OAuth21 => return Ok(()),
        Fapi1Advanced | FapiCiba => matches!(came.bound, Some(Confirmation::X5t(_))),
        Fapi2Security | Fapi2MessageSigning => came.bound.is_some(),
    };
    if came.in_form {
        return Err(OAuthError::invalid_request("a token in a form").saying("Send the access token in the Authorization header."));
    }
    // A token can be older than the profile of its client.
    if !suits {
        return Err(OAuthError::invalid_token("not bound as the profile of its client wants it")
            .saying("The access token is not bound as the profile of its client demands; get another."));
    }
    if came.proof_alg.is_some_and(|alg| !profile.allows(alg)) {
        return Err(OAuthError::invalid_dpop_proof("an algorithm that the profile leaves out")
            .saying("The DPoP proof is signed with an algorithm that the profile of this client leaves out."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::digest;

    #[test]
    fn fapi_tokens_come_bound_in_the_header_and_with_an_algorithm_of_the_profile() {
        let (key, certificate) = (Confirmation::Jkt(digest("key")), Confirmation::X5t(digest("certificate")));
        let said = |profile, came| check(profile, &came).map_or_else(|error| error.code(), |()| "ok");
        for profile in Profile::ALL.iter().copied() {
            let came = |bound| Came { bound, in_form: false, proof_alg: None };
            let bound = [None, Some(&key), Some(&certificate)].map(|bound| said(profile, came(bound)));
            let expected = match profile {
                OAuth21 => ["ok", "ok", "ok"],
                Fapi1Advanced | FapiCiba => ["invalid_token", "invalid_token", "ok"],
                Fapi2Security | Fapi2MessageSigning => ["invalid_token", "ok", "ok"],
            };
            assert_eq!(bound, expected, "{}", profile.as_str());
            let in_form = said(profile, Came { in_form: true, ..came(Some(&certificate)) });
            assert_eq!(in_form, if profile == OAuth21 { "ok" } else { "invalid_request" }, "{}", profile.as_str());
        }
        let signed = |alg| said(Fapi2Security, Came { bound: Some(&key), in_form: false, proof_alg: Some(alg) });
        assert_eq!(["PS256", "ES256", "EdDSA", "RS256"].map(signed), ["ok", "ok", "ok", "invalid_dpop_proof"]);
    }
}
