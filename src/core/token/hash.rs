//! `at_hash`, `c_hash`, `s_hash`: an id_token vouches for what travels beside it.
//!
//! | Rule | Source |
//! |---|---|
//! | the left half of the hash, base64url | OpenID Connect Core 1.0 §3.1.3.6, §3.3.2.11; FAPI 1.0 Part 2 §5.1.1 |
//! | the hash is the one of the id_token's `alg` | OpenID Connect Core 1.0 §3.1.3.6 |
//! | EdDSA with Ed25519 hashes with SHA-512 | RFC 8032 §5.1; what every library does |

use alloc::string::String;

use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::base64url;
use crate::client::metadata::SigningAlg;

/// The left half of the hash of `text`, for an id_token that is signed with `alg`.
pub fn left_half(alg: SigningAlg, text: &str) -> String {
    match alg {
        SigningAlg::Rs256 | SigningAlg::Ps256 | SigningAlg::Es256 => base64url::encode(&Sha256::digest(text)[..16]),
        SigningAlg::Es384 => base64url::encode(&Sha384::digest(text)[..24]),
        SigningAlg::Es512 | SigningAlg::EdDsa => base64url::encode(&Sha512::digest(text)[..32]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_core_a_3_the_vector_of_the_appendix() {
        assert_eq!(left_half(SigningAlg::Rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(left_half(SigningAlg::Rs256, "Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk"), "LDktKdoQak3Pk0cnXxCltA");
    }

    #[test]
    fn oidc_core_3_1_3_6_the_hash_is_that_of_the_algorithm() {
        let algs = [SigningAlg::Es256, SigningAlg::Es384, SigningAlg::Es512, SigningAlg::EdDsa];
        assert_eq!(algs.map(|alg| left_half(alg, "x").len()), [22, 32, 43, 43]);
    }
}
