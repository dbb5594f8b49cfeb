//! Discovery, computed from the tables that run the checks, so that it cannot promise what the server refuses.
//! OpenID Connect Discovery 1.0 §3, RFC 8414 §2.

use alloc::string::String;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::client::metadata::{AuthMethod, GrantType, ResponseMode, ResponseType, SigningAlg};
use crate::request::Prompt;
use crate::scope::STANDARD;

/// The claims that userinfo and id_tokens can carry. OpenID Connect Core 1.0 §2, §5.1.
pub const CLAIMS: &[&str] =
    &["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "amr", "at_hash", "sid", "name", "email", "email_verified"];

/// JWS algorithms that a client assertion may use.
pub const ASSERTION_ALGS: &[&str] = &["RS256", "PS256", "ES256", "ES384", "EdDSA"];

/// The absolute URLs of the endpoints, from the issuer.
#[derive(Clone, Debug)]
pub struct Endpoints {
    pub issuer: String,
    pub authorization: String,
    pub token: String,
    pub userinfo: String,
    pub jwks: String,
    pub introspection: String,
    pub revocation: String,
    pub registration: String,
    pub end_session: String,
}

/// The metadata document; both well-known addresses serve it.
pub fn document(endpoints: &Endpoints, pkce_for_all: bool) -> Value {
    let methods: Vec<_> = AuthMethod::ALL.iter().map(|one| one.as_str()).collect();
    let confidential: Vec<_> = AuthMethod::ALL.iter().filter(|one| **one != AuthMethod::None).map(|one| one.as_str()).collect();
    json!({
        "issuer": endpoints.issuer,
        "authorization_endpoint": endpoints.authorization,
        "token_endpoint": endpoints.token,
        "userinfo_endpoint": endpoints.userinfo,
        "jwks_uri": endpoints.jwks,
        "registration_endpoint": endpoints.registration,
        "introspection_endpoint": endpoints.introspection,
        "revocation_endpoint": endpoints.revocation,
        "end_session_endpoint": endpoints.end_session,
        "scopes_supported": STANDARD,
        "response_types_supported": ResponseType::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "response_modes_supported": ResponseMode::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "grant_types_supported": GrantType::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": SigningAlg::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": ASSERTION_ALGS,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": Prompt::ALL.iter().map(|(_, text)| *text).collect::<Vec<_>>(),
        "claims_supported": CLAIMS,
        "claim_types_supported": ["normal"],
        "claims_parameter_supported": false,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_request_uri_registration": false,
        "authorization_response_iss_parameter_supported": true,
        "require_pkce": pkce_for_all,
        "ui_locales_supported": ["en", "de"],
    })
}
