//! Private keys in and out. The keys in here were made for these tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_jose::signing::SignError;
use chancery_jose::{Algorithm, SigningKey, SigningKeyError};

const P256_PEM: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZNkuq6uajTBaF9e6
ors6Yvct7yJwlY1cK+hF/Sy4mPuhRANCAAS0KR3E4Z4A4gsQXxRhJApisjdBM5LP
3TvvB5lPKjmZuUnkYFrvZX+y4+VDrmEGddFA1CffMSWwtF+Ihogc0SFm
-----END PRIVATE KEY-----
";
const RSA_1024: &str = "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAKA0othKvIlR/GSqU3teBl3DTnhdYbKu0FTlUmBxMMqO4vNI1kULiFkm2g+vkwedlU3rjp60/owAnFM3IOL6yFjCtRD6tFVis10rg8mKfo0wjYZmAicBSjzGPoEFxlizznvvAennxLz6xdibMNBRSbK4uurUYvqWQjEdTS6/hM4LAgMBAAECgYAR00l7P3WS4ehvWvRG+cNDk4ObqOhB9WmAyLNNv8pp/1QJNcWBkTLumIAS1rpJUqNWNCt+RS09bqP2LmAeYUEBUjSsh9VVV/Xk/v35jEG7/YDU2pHISGNkV09DRxhZEpWe8G1OwUrhQ9ehnltAVYt0SKzo9QmLs+KwoEEpxdEUoQJBAM85/DJtNVZrV2YRzmtTQ6YRUTbP8ZOZ/1JJrAWkbdmc49nvo2nrxgRjrKRbXUZr2Vf1Wo82HX+s9T/DV9TO5V8CQQDF6YB5AtX/P5Azt5080xcDgVIiLyjarABplCB3ykjWBtm7DGf2aut+AV2bGpX7JWc0oq4c7M1zUl9KTqXxfcrVAkBsLXT+TgxeBMMnQXxkgp75/mhLGNqflvC2YEcw2tmNlF1N08+W58IDYJUrZ5aVwI9BX4/a2wEjOYL9ulgLe8Y5AkEAt+l95nX5MMH7meOl7VDn0O0KyxNx7orpszLgXREQUDt7d3NW5MmE3socFzdEambemi4WiHCRlvnT7TRaxqezpQJAIFkFHPdZuCyPRdRhgDWNDLMFPrRsTr+oIV7FadXnt41zOwx8iXcYc3EkekNbYwpkblwoOF/hOocwbGM6ni6LTA==";
const SECP256K1: &str = "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgHya9xtExuaXguWs/5+VcDnRK23gq5XSZIGkzi5LTwfKhRANCAAR+rhSLVCIgdmu4N3a3uQ4JEjf7+n3X2v3UAdnGpLndXV+QRK3Pt8f1STxgnRtwT+9AAOPl1QxeUjd8aElkoQjU";

fn refusal(result: Result<SigningKey, SigningKeyError>) -> SigningKeyError {
    result.err().expect("a refusal")
}

#[test]
fn rfc7638_the_kid_survives_export_and_import() {
    for alg in Algorithm::SIGNING {
        let key = SigningKey::generate(*alg).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let again = SigningKey::from_pkcs8_der(&der).unwrap();
        assert_eq!(again.kid(), key.kid());
        assert_eq!(again.public_jwk(), key.public_jwk());
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(&*der));
        assert_eq!(SigningKey::from_pem(&pem).unwrap().kid(), key.kid());
        // Any later change of the bytes that export writes would orphan what the vault holds.
        assert_eq!(*again.to_pkcs8_der().unwrap(), *der);
    }
}

#[test]
fn a_key_of_openssl_is_read_and_published_without_private_members() {
    let key = SigningKey::from_pem(P256_PEM).unwrap();
    assert_eq!(key.algorithms(), [Algorithm::ES256]);
    let jwk = serde_json::to_value(key.public_jwk()).unwrap();
    let mut names: Vec<_> = jwk.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
}

#[test]
fn rfc7518_3_3_rsa_keys_serve_rs256_and_ps256_and_say_neither() {
    let key = SigningKey::generate(Algorithm::PS256).unwrap();
    assert_eq!(key.algorithms(), [Algorithm::RS256, Algorithm::PS256]);
    assert_eq!(key.public_jwk().alg(), None);
    let jwk = serde_json::to_value(key.public_jwk().clone().with_alg(Algorithm::PS256).unwrap()).unwrap();
    assert_eq!((&jwk["alg"], &jwk["use"], &jwk["e"]), (&"PS256".into(), &"sig".into(), &"AQAB".into()));
    assert!(key.public_jwk().clone().with_alg(Algorithm::ES256).is_none());
}

#[test]
fn older_formats_are_refused_with_the_command_that_converts_them() {
    for (label, command) in [
        ("RSA PRIVATE KEY", "openssl pkcs8 -topk8 -nocrypt"),
        ("EC PRIVATE KEY", "openssl pkcs8 -topk8 -nocrypt"),
        ("ENCRYPTED PRIVATE KEY", "openssl pkcs8 -in"),
        ("CERTIFICATE", "openssl genpkey"),
    ] {
        let error = refusal(SigningKey::from_pem(&format!("-----BEGIN {label}-----\nMAA=\n-----END {label}-----\n")));
        assert!(error.to_string().contains(command), "{label}: {error}");
    }
    assert_eq!(refusal(SigningKey::from_pem(&P256_PEM.repeat(2))), SigningKeyError::SeveralKeys);
    assert_eq!(refusal(SigningKey::from_pem("")), SigningKeyError::NoPem);
    assert_eq!(refusal(SigningKey::from_pem(&"x".repeat(100_000))), SigningKeyError::NoPem);
}

#[test]
fn rfc7518_3_3_short_rsa_keys_and_other_curves_are_refused() {
    let read = |text| SigningKey::from_pkcs8_der(&STANDARD.decode(text).unwrap());
    assert_eq!(refusal(read(RSA_1024)), SigningKeyError::RsaSize);
    assert_eq!(refusal(read(SECP256K1)), SigningKeyError::Unsupported);
    assert_eq!(refusal(SigningKey::from_pkcs8_der(b"")), SigningKeyError::Unsupported);
}

#[test]
fn a_key_signs_with_its_own_algorithms_only() {
    for (mine, other) in [
        (Algorithm::ES256, Algorithm::ES384),
        (Algorithm::ES384, Algorithm::ES512),
        (Algorithm::ES512, Algorithm::ES256),
        (Algorithm::EdDSA, Algorithm::RS256),
    ] {
        let key = SigningKey::generate(mine).unwrap();
        assert_eq!(key.sign(other, b"x"), Err(SignError::Algorithm(other)));
        assert_eq!(key.sign_jwt(other, None, &1), Err(SignError::Algorithm(other)));
    }
    assert!(matches!(refusal(SigningKey::generate(Algorithm::HS256)), SigningKeyError::NotASigningAlgorithm(_)));
}
