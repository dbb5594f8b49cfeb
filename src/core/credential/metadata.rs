//! What the credential issuer tells of itself, computed from the catalogue that decides.
//!
//! | Document | Source |
//! |---|---|
//! | credential issuer metadata | OpenID4VCI §12.2.4, Appendix A.3.2 |
//! | where its endpoints are reached with a client certificate | RFC 8705 §5 |
//! | where verifiers find the keys of `iss` | draft-ietf-oauth-sd-jwt-vc §4 |

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use super::attestation::ProofType;
use super::{Catalogue, Configuration, FORMAT};

/// What credentials are signed with.
pub const SIGNED_WITH: &str = "ES256";

/// The address of the credential endpoint.
pub fn credential_endpoint(issuer: &str) -> String {
    format!("{issuer}/credential")
}

/// The address of the nonce endpoint.
pub fn nonce_endpoint(issuer: &str) -> String {
    format!("{issuer}/credential/nonce")
}

/// The metadata; `allows` says which algorithms the profile has, `alias` where an endpoint is reached with a client certificate, if elsewhere.
pub fn issuer(catalogue: &Catalogue, allows: impl Fn(&str) -> bool, alias: impl Fn(&str) -> Option<String>) -> Value {
    let configurations: BTreeMap<_, _> =
        catalogue.configurations.iter().map(|(id, own)| (id.as_str(), configuration(own, &allows))).collect();
    let mut document = json!({
        "credential_issuer": catalogue.issuer,
        "credential_endpoint": credential_endpoint(&catalogue.issuer),
        "nonce_endpoint": nonce_endpoint(&catalogue.issuer),
        "credential_configurations_supported": configurations,
    });
    // RFC 8705 §5: a token that is bound to a certificate is of no use where none is asked for. Beside the addresses that it stands in for.
    let aliases: Map<_, _> = ["credential_endpoint", "nonce_endpoint"]
        .into_iter()
        .filter_map(|name| Some((String::from(name), json!(alias(document.get(name)?.as_str()?)?))))
        .collect();
    if !aliases.is_empty() {
        document["mtls_endpoint_aliases"] = Value::Object(aliases);
    }
    if catalogue.batch > 1 {
        document["batch_credential_issuance"] = json!({ "batch_size": catalogue.batch });
    }
    if let Some(name) = &catalogue.name {
        document["display"] = json!([{ "name": name }]);
    }
    document
}

fn configuration(own: &Configuration, allows: impl Fn(&str) -> bool) -> Value {
    let algs: Vec<_> = own.proof_algs.iter().filter(|alg| allows(alg)).collect();
    let mut proof = json!({ "proof_signing_alg_values_supported": algs });
    if let Some(required) = &own.attestation {
        proof["key_attestations_required"] = required.document();
    }
    // Nobody's word alone is enough where nobody is trusted.
    let types =
        [ProofType::Jwt, ProofType::Attestation].into_iter().filter(|own_type| *own_type == ProofType::Jwt || !own.attesters.is_empty());
    let proofs: Map<_, _> = types.map(|own_type| (String::from(own_type.as_str()), proof.clone())).collect();
    let claims: Vec<_> = own.claims.iter().map(|name| json!({ "path": [name] })).collect();
    let mut document = json!({
        "format": FORMAT,
        "vct": own.vct,
        "cryptographic_binding_methods_supported": ["jwk"],
        "credential_signing_alg_values_supported": [SIGNED_WITH],
        "proof_types_supported": proofs,
        "credential_metadata": { "display": [{ "name": own.name }], "claims": claims },
    });
    if let Some(scope) = &own.scope {
        document["scope"] = json!(scope);
    }
    document
}

/// For verifiers.
pub fn keys(issuer: &str, jwks_uri: &str) -> Value {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri })
}
