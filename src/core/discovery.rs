//! Discovery, computed from the tables that run the checks, so that it cannot promise what the server refuses.
//! OpenID Connect Discovery 1.0 §3, RFC 8414 §2.

use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use crate::account::claims;
use crate::account::sources::TYPES;
use crate::acr;
use crate::client::metadata::{
    AssertionAlg, AuthMethod, ContentEnc, DeliveryMode, EncryptionAlg, GrantType, RequestObjectAlg, ResponseMode, ResponseType, SigningAlg,
    SubjectType,
};
use crate::details::Types;
use crate::dpop;
use crate::profile::Profile;
use crate::request::Policy;
use crate::scope::STANDARD;

/// The claims of every id_token and of every account. OpenID Connect Core 1.0 §2, §5.1; the others are those of `account::claims`.
const CLAIMS: &[&str] =
    &["sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "at_hash", "c_hash", "s_hash", "sid", "email", "updated_at"];

/// The claims that userinfo and id_tokens can carry.
fn claims() -> Vec<&'static str> {
    CLAIMS.iter().copied().chain(claims::names()).collect()
}

/// JWS algorithms that a client assertion may use.
fn assertion_algs(policy: Policy) -> Vec<&'static str> {
    AssertionAlg::ALL.iter().map(|one| one.as_str()).filter(|alg| policy.allows(alg)).collect()
}

/// Those that the server signs with.
fn signing_algs(policy: Policy) -> Vec<&'static str> {
    SigningAlg::ALL.iter().map(|one| one.as_str()).filter(|alg| policy.allows(alg)).collect()
}

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
    pub check_session: String,
    pub pushed_authorization_request: String,
    pub device_authorization: String,
    pub backchannel_authentication: String,
    /// Of challenges for attested clients.
    pub challenge: String,
    /// Where the same endpoints are reached with a client certificate, in place of the issuer; `None`: at the same addresses.
    pub mtls: Option<String>,
}

impl Endpoints {
    /// The endpoints that clients call themselves, by their names in the metadata.
    pub fn with_aliases(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("token_endpoint", &self.token),
            ("revocation_endpoint", &self.revocation),
            ("introspection_endpoint", &self.introspection),
            ("device_authorization_endpoint", &self.device_authorization),
            ("backchannel_authentication_endpoint", &self.backchannel_authentication),
            ("pushed_authorization_request_endpoint", &self.pushed_authorization_request),
            ("userinfo_endpoint", &self.userinfo),
            ("challenge_endpoint", &self.challenge),
        ]
        .into_iter()
        .map(|(name, uri)| (name, uri.as_str()))
    }

    /// The address of one of our endpoints for callers with a certificate (RFC 8705 §5).
    pub fn alias(&self, uri: &str) -> Option<String> {
        let path = uri.strip_prefix(self.issuer.as_str())?;
        Some(alloc::format!("{}{path}", self.mtls.as_ref()?))
    }
}

/// The metadata document; both well-known addresses serve it.
pub fn document(endpoints: &Endpoints, policy: Policy) -> Value {
    let methods: Vec<_> = policy.auth_methods().map(AuthMethod::as_str).collect();
    let confidential: Vec<_> = policy.auth_methods().filter(|one| *one != AuthMethod::None).map(AuthMethod::as_str).collect();
    let mut document = json!({
        "issuer": endpoints.issuer,
        "authorization_endpoint": endpoints.authorization,
        "token_endpoint": endpoints.token,
        "userinfo_endpoint": endpoints.userinfo,
        "jwks_uri": endpoints.jwks,
        "registration_endpoint": endpoints.registration,
        "introspection_endpoint": endpoints.introspection,
        "revocation_endpoint": endpoints.revocation,
        "end_session_endpoint": endpoints.end_session,
        "pushed_authorization_request_endpoint": endpoints.pushed_authorization_request,
        "device_authorization_endpoint": endpoints.device_authorization,
        "require_pushed_authorization_requests": policy.pushed_only,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "scopes_supported": STANDARD,
        "response_types_supported": policy.response_types().map(ResponseType::as_str).collect::<Vec<_>>(),
        "response_modes_supported": policy.response_modes().map(ResponseMode::as_str).collect::<Vec<_>>(),
        "grant_types_supported": policy.grant_types().map(GrantType::as_str).collect::<Vec<_>>(),
        "subject_types_supported": SubjectType::ALL.iter().map(|one| one.as_str()).collect::<Vec<_>>(),
        "id_token_signing_alg_values_supported": signing_algs(policy),
        "authorization_signing_alg_values_supported": signing_algs(policy),
        "introspection_signing_alg_values_supported": signing_algs(policy),
        "userinfo_signing_alg_values_supported": signing_algs(policy),
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": assertion_algs(policy),
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": assertion_algs(policy),
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": assertion_algs(policy),
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": dpop::ALGS.iter().filter(|alg| policy.allows(alg)).collect::<Vec<_>>(),
        "acr_values_supported": acr::SUPPORTED,
        "prompt_values_supported": policy.prompts().map(|(_, text)| text).collect::<Vec<_>>(),
        "claims_supported": claims(),
        "claim_types_supported": TYPES,
        "claims_parameter_supported": true,
        "request_parameter_supported": true,
        "request_uri_parameter_supported": true,
        "require_request_uri_registration": true,
        "request_object_signing_alg_values_supported": policy.request_object_algs().map(RequestObjectAlg::as_str).collect::<Vec<_>>(),
        "require_signed_request_object": policy.signed_request_objects || policy.profile.is_some_and(Profile::wants_signed_requests),
        "authorization_response_iss_parameter_supported": true,
        "require_pkce": policy.pkce_for_all,
        "ui_locales_supported": ["en", "de"],
    });
    let algs: Vec<_> = EncryptionAlg::ALL.iter().map(|one| one.as_str()).collect();
    let contents: Vec<_> = ContentEnc::ALL.iter().map(|one| one.as_str()).collect();
    for what in ["id_token", "userinfo", "authorization", "introspection"] {
        document[alloc::format!("{what}_encryption_alg_values_supported")] = json!(algs);
        document[alloc::format!("{what}_encryption_enc_values_supported")] = json!(contents);
    }
    if policy.encrypted_request_objects {
        document["request_object_encryption_alg_values_supported"] = json!(algs);
        document["request_object_encryption_enc_values_supported"] = json!(contents);
    }
    for member in ["frontchannel_logout_supported", "frontchannel_logout_session_supported"] {
        document[member] = json!(policy.front_channel_logout);
    }
    // CIBA Core §4.
    if policy.ciba {
        document["backchannel_authentication_endpoint"] = json!(endpoints.backchannel_authentication);
        document["backchannel_token_delivery_modes_supported"] =
            json!(policy.delivery_modes().map(DeliveryMode::as_str).collect::<Vec<_>>());
        document["backchannel_authentication_request_signing_alg_values_supported"] = json!(signing_algs(policy));
        document["backchannel_user_code_parameter_supported"] = json!(true);
    }
    // CIMD §6.
    if policy.client_documents {
        document["client_id_metadata_document_supported"] = json!(true);
    }
    // ABCA §6.1, §8.
    if policy.attesters {
        let algs: Vec<_> = dpop::ALGS.iter().filter(|alg| policy.allows(alg)).collect();
        document["client_attestation_signing_alg_values_supported"] = json!(algs);
        document["client_attestation_pop_signing_alg_values_supported"] = json!(algs);
        document["challenge_endpoint"] = json!(endpoints.challenge);
        // ABCA §7.6.
        if let Some(methods) = policy.attestation_signal.methods() {
            document["client_attestation_pop_methods_supported"] = json!(methods);
        }
    }
    // RFC 8705 §3.3, §5.
    if policy.client_certificates {
        document["tls_client_certificate_bound_access_tokens"] = json!(true);
        let aliases: Map<_, _> = endpoints
            .with_aliases()
            .filter(|(name, _)| document.get(name).is_some())
            .filter_map(|(name, uri)| Some((name.to_string(), json!(endpoints.alias(uri)?))))
            .collect();
        if !aliases.is_empty() {
            document["mtls_endpoint_aliases"] = Value::Object(aliases);
        }
    }
    // OpenID Connect Session Management 1.0 §3.3.
    if policy.session_management {
        document["check_session_iframe"] = json!(endpoints.check_session);
    }
    document
}

/// The types of authorization details that are registered here (RFC 9396 §10), and the scopes of credentials.
pub fn add_types(document: &mut Value, types: &Types) {
    let names = types.names();
    if !names.is_empty() {
        document["authorization_details_types_supported"] = json!(names);
    }
    // OpenID4VCI §12.3.
    if !types.credentials.is_empty() {
        document["pre-authorized_grant_anonymous_access_supported"] = json!(types.credentials.anonymous);
    }
    // OpenID4VCI §12.2.4: scopes of credentials may stand among the others.
    if let Some(scopes) = document["scopes_supported"].as_array_mut() {
        scopes.extend(types.credentials.scopes().into_iter().map(Value::from));
    }
}

#[cfg(test)]
mod tests;
