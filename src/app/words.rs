//! The words that count once, by kind.

/// Kinds of the two claims.
pub struct Words {
    pub word: &'static str,
    pub due: &'static str,
}

/// `jti`s of client assertions.
pub const ASSERTION: Words = Words { word: "assertion_jti", due: "assertion_due" };
/// `jti`s of proofs of instances that are shown beside another authentication.
pub const SIGNAL: Words = Words { word: "attestation_jti", due: "attestation_due" };
/// User codes of devices, while they wait: each is found by its claim.
pub const USER_CODE: Words = Words { word: "user_code", due: "user_code_due" };
/// Places for guesses of user codes: of one account, and of everybody.
pub const GUESS: Words = Words { word: "guess", due: "guess_due" };
pub const GUESS_OF_ALL: Words = Words { word: "guess_of_all", due: "guess_of_all_due" };
/// `jti`s of DPoP proofs.
pub const DPOP: Words = Words { word: "dpop_jti", due: "dpop_due" };
/// Tokens that are good for one exchange, once they were exchanged.
pub const EXCHANGED: Words = Words { word: "exchanged_token", due: "exchanged_due" };
/// `jti`s of assertions that were grants, by issuer.
pub const BEARER_ASSERTION: Words = Words { word: "bearer_jti", due: "bearer_due" };
/// Nonces of proofs for credentials, once they brought some.
pub const CREDENTIAL_NONCE: Words = Words { word: "credential_nonce", due: "credential_nonce_due" };
