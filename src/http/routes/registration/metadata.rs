//! Client metadata as it travels: names and types on the wire, for reading and for the description of the API. What it means is
//! `chancery_core::client::metadata`.

use poem_openapi::Object;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Client metadata (RFC 7591 section 2, OpenID Connect Registration 1.0 section 2). Unknown members are ignored.
#[derive(Object, Serialize, Deserialize, Default)]
#[serde(default)]
pub(super) struct ClientMetadata {
    client_name: Option<String>,
    client_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    /// Shown on the consent page of clients that the operator vouches for.
    logo_uri: Option<String>,
    /// Where a login can be begun for the client (OpenID Connect Core 1.0 section 4).
    initiate_login_uri: Option<String>,
    software_id: Option<String>,
    software_version: Option<String>,
    /// A JWT of an issuer that the operator knows (RFC 7591 section 2.3); what it says goes before the rest.
    software_statement: Option<String>,
    /// web or native.
    application_type: Option<String>,
    redirect_uris: Option<Vec<String>>,
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Where the client is told that a session is over (OpenID Connect Back-Channel Logout 1.0).
    backchannel_logout_uri: Option<String>,
    /// Logout tokens always have a sid.
    backchannel_logout_session_required: Option<bool>,
    /// What a frame loads when a session is over (OpenID Connect Front-Channel Logout 1.0), where it is switched on.
    frontchannel_logout_uri: Option<String>,
    /// It always has iss and sid.
    frontchannel_logout_session_required: Option<bool>,
    /// authorization_code, refresh_token, client_credentials.
    grant_types: Option<Vec<String>>,
    /// code.
    response_types: Option<Vec<String>>,
    /// How its answers may travel; without it in any way (FAPI 2.0 Message Signing).
    response_modes: Option<Vec<String>>,
    /// client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt or none; tls_client_auth and self_signed_tls_client_auth where client certificates come in.
    token_endpoint_auth_method: Option<String>,
    /// Assertions of private_key_jwt or client_secret_jwt are signed with this, or refused.
    token_endpoint_auth_signing_alg: Option<String>,
    /// RS256, PS256, ES256, ES384, ES512 or EdDSA.
    id_token_signed_response_alg: Option<String>,
    /// conform or all: which claims an id_token carries.
    id_token_claims: Option<String>,
    /// Makes userinfo a JWT signed with this.
    userinfo_signed_response_alg: Option<String>,
    /// Encrypts id_tokens to a key of the client: RSA-OAEP (with SHA-2 too), ECDH-ES alone or with A128KW to A256KW; or with its secret: dir, A128KW to A256KW, A128GCMKW to A256GCMKW.
    id_token_encrypted_response_alg: Option<String>,
    /// A128CBC-HS256, A256CBC-HS512, A128GCM or A256GCM.
    id_token_encrypted_response_enc: Option<String>,
    /// The same for userinfo.
    userinfo_encrypted_response_alg: Option<String>,
    userinfo_encrypted_response_enc: Option<String>,
    /// Signs answers in the .jwt response modes (JARM); default RS256.
    authorization_signed_response_alg: Option<String>,
    /// Encrypts them after that, as id_tokens.
    authorization_encrypted_response_alg: Option<String>,
    authorization_encrypted_response_enc: Option<String>,
    /// Signs introspection answers for this client; default RS256.
    introspection_signed_response_alg: Option<String>,
    /// Encrypts them after that, as id_tokens.
    introspection_encrypted_response_alg: Option<String>,
    introspection_encrypted_response_enc: Option<String>,
    /// oauth21, fapi1-advanced, fapi-ciba, fapi2-security or fapi2-message-signing: what this client is held to.
    chancery_profile: Option<String>,
    /// poll, ping or push: for CIBA.
    backchannel_token_delivery_mode: Option<String>,
    /// Where the client is pinged, or gets its tokens pushed.
    backchannel_client_notification_endpoint: Option<String>,
    /// Requests on the back channel are signed with this (RS256, PS256, ES256, ES384, ES512 or EdDSA), or refused.
    backchannel_authentication_request_signing_alg: Option<String>,
    /// The client can send the code that a person set for such requests (user_code).
    backchannel_user_code_parameter: Option<bool>,
    /// public or pairwise.
    subject_type: Option<String>,
    /// Lists the redirect URIs of one sector, for pairwise subjects.
    sector_identifier_uri: Option<String>,
    scope: Option<String>,
    /// What it may ask for beyond scopes (RFC 9396 section 10).
    authorization_details_types: Option<Vec<String>>,
    /// Public keys by value (RFC 7517).
    jwks: Option<Value>,
    /// Or where they are found.
    jwks_uri: Option<String>,
    /// RS256 to RS512, PS256 to PS512, ES256 to ES512, EdDSA or Ed25519; none where it is switched on (RFC 9101).
    request_object_signing_alg: Option<String>,
    /// What it says that it may encrypt request objects with, where that is switched on.
    request_object_encryption_alg: Option<String>,
    request_object_encryption_enc: Option<String>,
    /// Where request objects may be fetched.
    request_uris: Option<Vec<String>>,
    /// No request without a signed object (RFC 9101).
    require_signed_request_object: Option<bool>,
    default_max_age: Option<u32>,
    default_acr_values: Option<Vec<String>>,
    require_auth_time: Option<bool>,
    require_pkce: Option<bool>,
    /// It proves a key with every token request, or is refused (RFC 9449 section 5.2).
    dpop_bound_access_tokens: Option<bool>,
    /// Its access tokens are bound to its certificate (RFC 8705 section 3.4).
    tls_client_certificate_bound_access_tokens: Option<bool>,
    /// It is told to use mtls_endpoint_aliases for everything (FAPI 2.0 Security Profile).
    use_mtls_endpoint_aliases: Option<bool>,
    /// With tls_client_auth one of these five: the subject of its certificate (RFC 4514), or a name in it.
    tls_client_auth_subject_dn: Option<String>,
    tls_client_auth_san_dns: Option<String>,
    tls_client_auth_san_uri: Option<String>,
    tls_client_auth_san_ip: Option<String>,
    tls_client_auth_san_email: Option<String>,
    /// Its authorization requests are pushed, or refused (RFC 9126 section 6).
    require_pushed_authorization_requests: Option<bool>,
    /// always or never.
    refresh_token_rotation: Option<String>,
    /// At most 60.
    refresh_grace_seconds: Option<u32>,
    allowed_origins: Option<Vec<String>>,
    /// May introspect tokens of others; operators only.
    introspect: Option<bool>,
    /// Answers carry Chancery-Position and Chancery-Receipt; for clients that authenticate.
    chancery_receipts: Option<bool>,
    contacts: Option<Vec<String>>,
    /// What the client can do, in its order (OpenID Connect RP Metadata Choices 1.0); the answer says which one was taken. So do the next ones.
    subject_types_supported: Option<Vec<String>>,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    id_token_encryption_alg_values_supported: Option<Vec<String>>,
    id_token_encryption_enc_values_supported: Option<Vec<String>>,
    userinfo_signing_alg_values_supported: Option<Vec<String>>,
    userinfo_encryption_alg_values_supported: Option<Vec<String>>,
    userinfo_encryption_enc_values_supported: Option<Vec<String>>,
    request_object_signing_alg_values_supported: Option<Vec<String>>,
    request_object_encryption_alg_values_supported: Option<Vec<String>>,
    request_object_encryption_enc_values_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    authorization_signing_alg_values_supported: Option<Vec<String>>,
    authorization_encryption_alg_values_supported: Option<Vec<String>>,
    authorization_encryption_enc_values_supported: Option<Vec<String>>,
    introspection_signing_alg_values_supported: Option<Vec<String>>,
    introspection_encryption_alg_values_supported: Option<Vec<String>>,
    introspection_encryption_enc_values_supported: Option<Vec<String>>,
    backchannel_authentication_request_signing_alg_values_supported: Option<Vec<String>>,
}
