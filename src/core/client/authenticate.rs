//! Client authentication: is this caller the client that it names?
//!
//! | Rule | Source |
//! |---|---|
//! | one mechanism per request | RFC 6749 §2.3 |
//! | basic and post are interchangeable on the wire | RFC 6749 §2.3.1 |
//! | a client with `private_key_jwt` proves its key and nothing less | OpenID Connect Core 1.0 §9 |
//! | one with `client_secret_jwt` proves its secret and never sends it | OpenID Connect Core 1.0 §9 |
//! | a client with a certificate proves that, and names itself in `client_id` | RFC 8705 §2 |
//! | a client that is attested shows attestation and the proof that it is registered for, and nothing less | ABCA §7, §7.5 |
//! | a public client names itself and authenticates by nothing | RFC 6749 §3.2.1 |
//! | unknown client and wrong secret are the same answer | RFC 6749 §5.2 |
//!
//! Out of scope: reading headers (`http`), verifying signatures and comparing secrets (the shell hands in the result).

use super::Client;
use super::attestation::Mode;
use super::metadata::AuthMethod;
use crate::error::OAuthError;
use crate::time::Timestamp;

/// What the caller showed, after the shell looked at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A `client_id` and nothing else.
    Nothing,
    /// A secret; which of the client's secrets it equals (compared in constant time), if any.
    Secret { matches: Option<usize> },
    /// A client assertion; whether its signature, audience, times and `jti` hold.
    Assertion { holds: bool },
    /// A client assertion under a secret; which of the client's secrets made it, if everything else of it holds, too.
    Mac { matches: Option<usize> },
    /// An attestation and its proof; whether they are of an attester of the client, and hold.
    Attestation { mode: Mode, holds: bool },
    /// A certificate whose key the TLS handshake proved; whether it is the client's.
    Certificate { holds: bool },
}

/// Accepts or refuses; the detail says why, the client learns only `invalid_client`.
///
/// # Errors
/// `invalid_client`.
pub fn decide(client: &Client, proof: Proof, at: Timestamp) -> Result<(), OAuthError> {
    let refuse = |why: &'static str| Err(OAuthError::invalid_client(why));
    if !client.is_active() {
        return refuse("the client is disabled");
    }
    match (client.metadata.token_endpoint_auth_method, proof) {
        (AuthMethod::None, Proof::Nothing) => Ok(()),
        (AuthMethod::None, _) => refuse("a public client sent credentials"),
        (AuthMethod::Basic | AuthMethod::Post, Proof::Secret { matches: Some(index) })
        | (AuthMethod::SecretJwt, Proof::Mac { matches: Some(index) }) => match client.secrets.get(index) {
            Some((_, Some(expires_at))) if at >= *expires_at => refuse("the secret has expired"),
            Some(_) => Ok(()),
            None => refuse("no such secret"),
        },
        (AuthMethod::Basic | AuthMethod::Post, Proof::Secret { matches: None }) => refuse("wrong secret"),
        (AuthMethod::SecretJwt, Proof::Mac { matches: None }) => refuse("the assertion does not hold"),
        (AuthMethod::PrivateKeyJwt, Proof::Assertion { holds: true }) => Ok(()),
        (AuthMethod::PrivateKeyJwt, Proof::Assertion { holds: false }) => refuse("the assertion does not hold"),
        (AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth, Proof::Certificate { holds: true }) => Ok(()),
        (AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth, Proof::Certificate { holds: false }) => {
            refuse("the certificate is not the client's")
        }
        // As registered: a key that was meant for proofs of the instance alone does not speak for tokens too, nor the other way round.
        (own, Proof::Attestation { mode, holds }) if own == mode.method() => {
            if holds {
                Ok(())
            } else {
                refuse("the attestation does not hold")
            }
        }
        (_, Proof::Nothing) => refuse("no credentials were sent"),
        _ => refuse("another authentication method is registered"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientDisabled;
    use crate::testing::*;

    const NOTHING: Proof = Proof::Nothing;
    const RIGHT: Proof = Proof::Secret { matches: Some(0) };
    const WRONG: Proof = Proof::Secret { matches: None };
    const SECOND: Proof = Proof::Secret { matches: Some(1) };
    const HOLDS: Proof = Proof::Assertion { holds: true };
    const BROKEN: Proof = Proof::Assertion { holds: false };
    const MAC: Proof = Proof::Mac { matches: Some(0) };
    const BROKEN_MAC: Proof = Proof::Mac { matches: None };
    const OWN: Proof = Proof::Certificate { holds: true };
    const ATTESTED: Proof = Proof::Attestation { mode: Mode::Pop, holds: true };
    const UNATTESTED: Proof = Proof::Attestation { mode: Mode::Pop, holds: false };
    const COMBINED: Proof = Proof::Attestation { mode: Mode::Dpop, holds: true };
    const UNCOMBINED: Proof = Proof::Attestation { mode: Mode::Dpop, holds: false };
    const FOREIGN: Proof = Proof::Certificate { holds: false };

    fn with(method: AuthMethod) -> Client {
        client_with(|metadata| metadata.token_endpoint_auth_method = method)
    }

    #[test]
    fn rfc6749_2_3_the_whole_matrix() {
        for (method, accepted) in [
            (AuthMethod::None, &[NOTHING]),
            (AuthMethod::Basic, &[RIGHT]),
            (AuthMethod::Post, &[RIGHT]),
            (AuthMethod::SecretJwt, &[MAC]),
            (AuthMethod::PrivateKeyJwt, &[HOLDS]),
            (AuthMethod::TlsClientAuth, &[OWN]),
            (AuthMethod::SelfSignedTlsClientAuth, &[OWN]),
            (AuthMethod::Attestation, &[ATTESTED]),
            (AuthMethod::AttestationDpop, &[COMBINED]),
        ] {
            let attested = [ATTESTED, UNATTESTED, COMBINED, UNCOMBINED];
            for proof in [NOTHING, RIGHT, WRONG, SECOND, HOLDS, BROKEN, MAC, BROKEN_MAC, OWN, FOREIGN].into_iter().chain(attested) {
                assert_eq!(decide(&with(method), proof, t(0)).is_ok(), accepted.contains(&proof), "{method:?} {proof:?}");
            }
        }
    }

    #[test]
    fn rfc6749_5_2_every_refusal_is_the_same_sentence() {
        let wrong = decide(&with(AuthMethod::Basic), WRONG, t(0)).unwrap_err();
        for (method, proof) in [(AuthMethod::Basic, NOTHING), (AuthMethod::None, RIGHT), (AuthMethod::PrivateKeyJwt, RIGHT)] {
            let other = decide(&with(method), proof, t(0)).unwrap_err();
            assert_eq!((other.code(), other.description), (wrong.code(), wrong.description.clone()));
        }
    }

    #[test]
    fn rfc7591_3_2_1_an_expired_secret_is_refused() {
        let mut client = client();
        client.secrets[0].1 = Some(t(10));
        assert!(decide(&client, RIGHT, t(9)).is_ok());
        assert!(decide(&client, RIGHT, t(10)).is_err());
        client.metadata.token_endpoint_auth_method = AuthMethod::SecretJwt;
        assert!(decide(&client, MAC, t(9)).is_ok() && decide(&client, MAC, t(10)).is_err());
    }

    #[test]
    fn a_disabled_client_authenticates_by_nothing() {
        let client: Client = fold([registered("app", metadata()), ClientDisabled { at: t(1) }.into()]);
        assert_eq!(decide(&client, RIGHT, t(2)).unwrap_err().code(), "invalid_client");
    }
}
