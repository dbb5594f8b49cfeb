//! What a registration says of keys, and what needs one.
//!
//! | Rule | Source |
//! |---|---|
//! | keys by value or by reference, not both | RFC 7591 §2 |
//! | `private_key_jwt` and encryption need keys; so does whoever demands signed requests | OpenID Connect Registration 1.0 §2, RFC 9101 §10.5 |
//! | `dir` and the key wraps of AES are for clients with a secret | OpenID Connect Core 1.0 §10.2 |
//! | request objects are fetched from registered addresses | OpenID Connect Registration 1.0 §2 |

use alloc::format;

use super::Problems;
use crate::canonical;
use crate::client::metadata::uri::{is_odd, origin_of};
use crate::client::metadata::{Asked, AuthMethod, ContentEnc, EncryptionAlg, Metadata, RequestObjectAlg, Terms};
use crate::request::object::LONGEST_REFERENCE;

/// OpenID Connect Registration 1.0 §2, JARM §3, RFC 9701 §6: A128CBC-HS256 when only the algorithm is said; the content alone says nothing.
pub(super) fn encryption(
    alg: (&'static str, Option<&str>),
    enc: (&'static str, Option<&str>),
    wrong: &mut Problems,
) -> (Option<EncryptionAlg>, Option<ContentEnc>) {
    match (alg.1, enc.1) {
        (None, None) => (None, None),
        (None, Some(_)) => {
            wrong.add(enc.0, &format!("{} is missing.", alg.0));
            (None, None)
        }
        (Some(text), content) => {
            let chosen = wrong.choice(alg.0, Some(text), EncryptionAlg::RsaOaep);
            (Some(chosen), Some(wrong.choice(enc.0, content, ContentEnc::A128CbcHs256)))
        }
    }
}

pub(super) fn check(asked: &Asked, metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    // RFC 7591 §2: one of the two.
    if asked.jwks_uri.is_some() && asked.jwks.is_some() {
        wrong.add("jwks_uri", "Send jwks or jwks_uri, not both.");
    }
    let encrypts = metadata.response_encryption().iter().flatten().any(|alg| !alg.is_shared());
    if encrypts && metadata.jwks_uri.is_none() && !terms.jwks_encrypts {
        wrong.add("jwks", "Encryption needs a public key for each algorithm in jwks, or a jwks_uri.");
    }
    // OpenID Connect Core 1.0 §10.2: not for a client that cannot keep a secret; one with keys has no use for it.
    if metadata.derives_keys() && !metadata.has_secret() {
        wrong.add(
            "token_endpoint_auth_method",
            "Encryption with dir, AES key wrap or AES-GCM key wrap needs a client_secret: client_secret_basic, client_secret_post or client_secret_jwt.",
        );
    }
    // ABCA §9.8: somebody here has to know who vouches.
    if metadata.token_endpoint_auth_method.needs_attester() && !terms.attesters {
        wrong.add("token_endpoint_auth_method", "This server knows no attester; see its discovery document.");
    }
    let needs_keys = metadata.token_endpoint_auth_method == AuthMethod::PrivateKeyJwt;
    // OpenID Connect Registration 1.0 §2. Other methods sign nothing: libraries register an algorithm that they never use.
    let signs = needs_keys || metadata.signs_with_secret();
    if signs && metadata.assertion_algs().next().is_none() {
        let algs = "HS256, HS384 and HS512 go with client_secret_jwt, the others with private_key_jwt.";
        wrong.add("token_endpoint_auth_signing_alg", algs);
    }
    match &metadata.jwks {
        Some(_) if !terms.jwks_usable => wrong.add("jwks", "No usable public key was found; send public JWKs only."),
        None if needs_keys && metadata.jwks_uri.is_none() => {
            wrong.add("jwks", "private_key_jwt needs at least one usable public key in jwks, or a jwks_uri.");
        }
        // It goes into the log as it is, where numbers are whole (RFC 8785).
        Some(jwks) if canonical::to_vec(jwks).is_err() => wrong.add("jwks", "Numbers in jwks must be whole and below 2^53."),
        _ => {}
    }
}

pub(super) fn check_request_objects(metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    wrong.bounded_list("request_uris", &metadata.request_uris);
    // OpenID Connect Registration 1.0 §2; the guard of outgoing requests says which addresses are reached.
    let is_url =
        |uri: &str| origin_of(uri.split('#').next().unwrap_or_default()).is_some() && !is_odd(uri) && uri.len() <= LONGEST_REFERENCE;
    if metadata.request_uris.iter().any(|uri| !is_url(uri)) {
        wrong.add("request_uris", "Use https URLs of at most 512 bytes.");
    }
    let unsigned = metadata.request_object_signing_alg == Some(RequestObjectAlg::None);
    if unsigned && !terms.unsigned_request_objects {
        wrong.add(
            "request_object_signing_alg",
            "Request objects are signed here: use an algorithm of request_object_signing_alg_values_supported.",
        );
    }
    if metadata.request_object_encryption_alg.is_some() && !terms.encrypted_request_objects {
        wrong.add(
            "request_object_encryption_alg",
            "Encrypted request objects are switched off here; push what has to be kept from the browser.",
        );
    }
    if metadata.require_signed_request_object && unsigned {
        wrong.add("require_signed_request_object", "An object that is signed with none is not signed.");
    }
    // An algorithm alone demands nothing: libraries register one that they never use.
    if metadata.require_signed_request_object && metadata.jwks.is_none() && metadata.jwks_uri.is_none() {
        wrong.add("jwks", "Signed request objects need at least one usable public key in jwks, or a jwks_uri.");
    }
}
