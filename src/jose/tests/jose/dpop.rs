//! DPoP proofs: the examples of RFC 9449, and what no proof may be.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chancery_jose::dpop::{MAX_PROOF, ProofError, verify};
use chancery_jose::{Algorithm, JwsError, SigningKey};
use proptest::prelude::*;
use serde_json::{Value, json};

const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/// RFC 9449 §5, the token request with a code.
const TOKEN_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj\
oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia\
WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg\
4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

/// RFC 9449 §7.1, the request to a protected resource.
const RESOURCE_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIj\
oiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0Z\
WRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNF\
c05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71E\
OptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";

const ALGS: &[Algorithm] = Algorithm::SIGNING;

#[test]
fn rfc9449_5_the_example_of_a_token_request() {
    let proof = verify(TOKEN_REQUEST, ALGS).unwrap();
    assert_eq!(proof.thumbprint.to_string(), JKT);
    assert_eq!((proof.jti.as_str(), proof.htm.as_str(), proof.iat), ("-BwC3ESc6acc2lTc", "POST", 1_562_262_616));
    assert_eq!((proof.htu.as_str(), proof.ath, proof.nonce), ("https://server.example.com/token", None, None));
}

#[test]
fn rfc9449_7_1_the_example_of_a_resource_request() {
    let proof = verify(RESOURCE_REQUEST, ALGS).unwrap();
    assert_eq!(proof.thumbprint.to_string(), JKT);
    assert_eq!(proof.ath.as_deref(), Some("fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"));
}

fn claims() -> Value {
    json!({ "jti": "a", "htm": "POST", "htu": "https://op.example/token", "iat": 1 })
}

fn signed(key: &SigningKey, alg: Algorithm, header: &Value, claims: &Value) -> String {
    let message = format!("{}.{}", B64.encode(header.to_string()), B64.encode(claims.to_string()));
    let signature = key.sign(alg, message.as_bytes()).unwrap();
    format!("{message}.{}", B64.encode(signature))
}

fn header(key: &SigningKey, alg: Algorithm) -> Value {
    json!({ "typ": "dpop+jwt", "alg": alg, "jwk": key.public_jwk() })
}

/// The refusal of a proof whose header and claims were changed before it was signed.
fn refused(change: impl FnOnce(&mut Value, &mut Value)) -> ProofError {
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let (mut header, mut claims) = (header(&key, Algorithm::ES256), claims());
    change(&mut header, &mut claims);
    verify(&signed(&key, Algorithm::ES256, &header, &claims), ALGS).unwrap_err()
}

#[test]
fn rfc9449_4_3_every_algorithm_that_is_offered_works() {
    for alg in ALGS {
        let key = SigningKey::generate(*alg).unwrap();
        let proof = verify(&signed(&key, *alg, &header(&key, *alg), &claims()), ALGS).unwrap();
        assert_eq!(proof.thumbprint, key.thumbprint(), "{alg}");
    }
}

#[test]
fn rfc9449_4_3_typ_key_and_algorithm_are_checked() {
    assert_eq!(refused(|header, _| header["typ"] = json!("JWT")), ProofError::Type);
    assert_eq!(refused(|header, _| drop(header.as_object_mut().unwrap().remove("typ"))), ProofError::Type);
    assert_eq!(refused(|header, _| drop(header.as_object_mut().unwrap().remove("jwk"))), ProofError::Key);
    assert_eq!(refused(|header, _| header["jwk"]["d"] = json!("AA")), ProofError::Key, "a private key");
    assert_eq!(refused(|header, _| header["jwk"] = json!({ "kty": "oct", "k": "AAAA" })), ProofError::Key);
    assert_eq!(refused(|header, _| header["alg"] = json!("none")), ProofError::Token(JwsError::Unsigned));
    assert_eq!(refused(|header, _| header["alg"] = json!("HS256")), ProofError::Token(JwsError::NotAllowed(Algorithm::HS256)));
    assert_eq!(refused(|header, _| header["crit"] = json!(["x"])), ProofError::Token(JwsError::Critical("crit")));
    assert_eq!(refused(|header, _| header["b64"] = json!(false)), ProofError::Token(JwsError::Critical("b64")));
    // Another key's proof: the one in the header did not make it.
    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    assert_eq!(refused(|header, _| header["jwk"] = json!(other.public_jwk())), ProofError::Token(JwsError::Signature));
}

#[test]
fn rfc9449_4_2_each_claim_is_needed() {
    for name in ["jti", "htm", "htu", "iat"] {
        assert_eq!(refused(|_, claims| drop(claims.as_object_mut().unwrap().remove(name))), ProofError::Claim(name));
    }
    for (name, value) in [("htm", json!(1)), ("htu", json!([])), ("ath", json!(1)), ("nonce", json!(null))] {
        assert_eq!(refused(|_, claims| claims[name] = value), ProofError::Claim(name));
    }
    assert_eq!(refused(|_, claims| claims["jti"] = json!("")), ProofError::Claim("jti"));
    assert_eq!(refused(|_, claims| claims["jti"] = json!("x".repeat(513))), ProofError::Claim("jti"));
    assert_eq!(refused(|_, claims| claims["iat"] = json!("1")), ProofError::Claims);
}

#[test]
fn rfc9449_4_3_one_well_formed_token_of_bounded_size() {
    for text in ["", "a.b", "a.b.c.d", &format!("{TOKEN_REQUEST} "), &format!("{TOKEN_REQUEST},{TOKEN_REQUEST}")] {
        assert!(matches!(verify(text, ALGS), Err(ProofError::Token(_))), "{text}");
    }
    assert_eq!(verify(&"x".repeat(MAX_PROOF + 1), ALGS).unwrap_err(), ProofError::Token(JwsError::TooLarge(MAX_PROOF)));
}

proptest! {
    #[test]
    fn nothing_panics_and_no_changed_proof_passes(at in 0..TOKEN_REQUEST.len(), with in "[ -~]") {
        let changed = format!("{}{with}{}", &TOKEN_REQUEST[..at], &TOKEN_REQUEST[at + 1..]);
        prop_assert_eq!(verify(&changed, ALGS).is_ok(), changed == TOKEN_REQUEST);
    }

    #[test]
    fn any_text_is_refused(text in "\\PC{0,200}") {
        prop_assert!(verify(&text, ALGS).is_err());
    }
}
