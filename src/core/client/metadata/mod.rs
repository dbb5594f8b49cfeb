//! Client metadata: what a registration may say. RFC 7591 §2, OpenID Connect Registration 1.0 §2.
//!
//! | Room | What |
//! |---|---|
//! | here | the shape |
//! | `words` | what its words may be |
//! | `choices` | lists of what a client can do, and which one is taken |
//! | `validate` | defaults, and what agrees with what |
//! | `terms` | what the server and whoever asks allow |
//! | `uri` | which redirect URIs may be registered, and which requested one equals a registered one |

pub mod choices;
mod sector;
mod terms;
mod uri;
mod validate;
mod words;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::client::certificate::Name;
use crate::profile::Profile;
use crate::scope::Scope;
use crate::time::Seconds;
pub use sector::sector_lists;
pub use terms::Terms;
pub use uri::{has_any_port, host as host_of, origin_of, redirect_uri, redirect_uri_matches};
pub use validate::validate;
use words::Words;
pub use words::{
    ApplicationType, AssertionAlg, AuthMethod, ContentEnc, DeliveryMode, EncryptionAlg, GrantType, IdTokenClaims, RequestObjectAlg,
    ResponseMode, ResponseType, Rotation, SigningAlg, SubjectType, TokenFormat,
};

/// Validated metadata, as registered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    /// Where a login can be begun for the client (OpenID Connect Core 1.0 §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
    /// The same for every installation of one program (RFC 7591 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_version: Option<String>,
    /// What somebody whom the operator knows says about the program, as it was sent (RFC 7591 §2.3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub software_statement: Option<String>,
    pub application_type: ApplicationType,
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where the client is told that a session is over (Back-Channel Logout 1.0 §2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// What a frame on our page loads when a session is over (Front-Channel Logout 1.0 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    pub grant_types: BTreeSet<GrantType>,
    pub response_types: BTreeSet<ResponseType>,
    /// How its answers may travel; in any way without it (FAPI 2.0 Message Signing §5.3.3).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub response_modes: BTreeSet<ResponseMode>,
    pub token_endpoint_auth_method: AuthMethod,
    /// What its assertions are signed with; any that fits the method without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<AssertionAlg>,
    pub id_token_signed_response_alg: SigningAlg,
    pub id_token_claims: IdTokenClaims,
    /// Userinfo as a signed JWT; plain JSON without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<SigningAlg>,
    /// id_tokens are encrypted to a key of the client, after they were signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_alg: Option<EncryptionAlg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_encrypted_response_enc: Option<ContentEnc>,
    /// Userinfo is; signed before if that is registered too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_alg: Option<EncryptionAlg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_encrypted_response_enc: Option<ContentEnc>,
    /// Signs answers in the `.jwt` response modes (JARM §3); RS256 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_signed_response_alg: Option<SigningAlg>,
    /// Encrypts them after that (JARM §3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_encrypted_response_alg: Option<EncryptionAlg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_encrypted_response_enc: Option<ContentEnc>,
    /// Signs introspection for this client when it asks for a JWT (RFC 9701 §6); RS256 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<SigningAlg>,
    /// Encrypts it after that (RFC 9701 §6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_alg: Option<EncryptionAlg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_encrypted_response_enc: Option<ContentEnc>,
    #[serde(default)]
    pub subject_type: SubjectType,
    /// Lists the redirect URIs of one sector (OpenID Connect Core 1.0 §8.1); fetched and held against this registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    pub scope: Scope,
    /// The types of authorization details that it may ask for (RFC 9396 §10).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub authorization_details_types: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub jwks: Option<serde_json::Value>,
    /// Where its keys are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What its request objects are signed with; any of ours without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<RequestObjectAlg>,
    /// What it says that it may encrypt its request objects with; it may send others, or none (OpenID Connect Registration 1.0 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_alg: Option<EncryptionAlg>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_enc: Option<ContentEnc>,
    /// Where its request objects may be fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
    /// No request without a signed object (RFC 9101 §10.5).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub require_signed_request_object: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<Seconds>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    pub require_auth_time: bool,
    pub require_pkce: bool,
    /// It proves a key with every token request (RFC 9449 §5.2).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub dpop_bound_access_tokens: bool,
    /// Its access tokens are bound to its certificate (RFC 8705 §3.4).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub tls_client_certificate_bound_access_tokens: bool,
    /// It is told to use the addresses for client certificates for everything (FAPI 2.0 Security Profile §8.1.1).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub use_mtls_endpoint_aliases: bool,
    /// Which name stands in its certificate: one of these with `tls_client_auth` (RFC 8705 §2.1.2), none otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_subject_dn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_dns: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_ip: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_client_auth_san_email: Option<String>,
    /// Its requests come by push only (RFC 9126 §6).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub require_pushed_authorization_requests: bool,
    pub refresh_token_rotation: Rotation,
    pub refresh_grace_seconds: Seconds,
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// May introspect tokens of others. Only an operator grants it.
    pub introspect: bool,
    /// How it learns of answers on the back channel (CIBA Core §4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_token_delivery_mode: Option<DeliveryMode>,
    /// Where it is told of them, unless it polls (CIBA Core §4, §9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_client_notification_endpoint: Option<String>,
    /// What its requests on the back channel are signed with; they are not without it (CIBA Core §4, §7.1.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_authentication_request_signing_alg: Option<SigningAlg>,
    /// It can send the code that a person set (CIBA Core §4).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub backchannel_user_code_parameter: bool,
    /// A profile that it is held to, besides the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chancery_profile: Option<Profile>,
    /// Answers carry receipts of the log.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub chancery_receipts: bool,
}

impl Metadata {
    /// Are its access tokens bound to a key or a certificate, always?
    pub const fn binds_tokens(&self) -> bool {
        self.dpop_bound_access_tokens || self.tls_client_certificate_bound_access_tokens
    }

    /// The names that its certificate may be registered by, with their fields.
    pub fn certificate_names(&self) -> impl Iterator<Item = (&'static str, Name<'_>)> {
        [
            ("tls_client_auth_subject_dn", self.tls_client_auth_subject_dn.as_deref().map(Name::SubjectDn)),
            ("tls_client_auth_san_dns", self.tls_client_auth_san_dns.as_deref().map(Name::Dns)),
            ("tls_client_auth_san_uri", self.tls_client_auth_san_uri.as_deref().map(Name::Uri)),
            ("tls_client_auth_san_ip", self.tls_client_auth_san_ip.as_deref().map(Name::Ip)),
            ("tls_client_auth_san_email", self.tls_client_auth_san_email.as_deref().map(Name::Email)),
        ]
        .into_iter()
        .filter_map(|(field, name)| Some((field, name?)))
    }

    /// What is encrypted to it, each with its algorithm.
    pub const fn response_encryption(&self) -> [Option<EncryptionAlg>; 4] {
        [
            self.id_token_encrypted_response_alg,
            self.userinfo_encrypted_response_alg,
            self.authorization_encrypted_response_alg,
            self.introspection_encrypted_response_alg,
        ]
    }

    /// Are keys derived from its secret? Then the secret is kept as ciphertext: its digest, which stands in the log otherwise, would be such a
    /// key (OpenID Connect Core 1.0 §10.2 derives it by SHA-256).
    pub fn derives_keys(&self) -> bool {
        let all = self.response_encryption().into_iter().chain([self.request_object_encryption_alg]);
        all.flatten().any(EncryptionAlg::is_shared)
    }

    /// Does the client authenticate with a secret?
    pub fn has_secret(&self) -> bool {
        matches!(self.token_endpoint_auth_method, AuthMethod::Basic | AuthMethod::Post | AuthMethod::SecretJwt)
    }

    /// Does it prove the secret without sending it?
    pub fn signs_with_secret(&self) -> bool {
        self.token_endpoint_auth_method == AuthMethod::SecretJwt
    }

    /// Does the server need the secret itself, so that a digest of it is no use?
    pub fn keeps_secret(&self) -> bool {
        self.signs_with_secret() || self.derives_keys()
    }

    /// What its assertions may be signed with.
    pub fn assertion_algs(&self) -> impl Iterator<Item = AssertionAlg> {
        let mac = self.signs_with_secret();
        let one = self.token_endpoint_auth_signing_alg;
        AssertionAlg::ALL.iter().copied().filter(move |alg| alg.is_mac() == mac && one.is_none_or(|one| one == *alg))
    }
}

/// What arrives: every member optional and of its wire type. Unknown members are dropped on the way in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub policy_uri: Option<String>,
    pub tos_uri: Option<String>,
    pub logo_uri: Option<String>,
    pub initiate_login_uri: Option<String>,
    pub software_id: Option<String>,
    pub software_version: Option<String>,
    pub software_statement: Option<String>,
    pub application_type: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
    pub backchannel_logout_uri: Option<String>,
    pub backchannel_logout_session_required: Option<bool>,
    pub frontchannel_logout_uri: Option<String>,
    pub frontchannel_logout_session_required: Option<bool>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub response_modes: Option<Vec<String>>,
    pub token_endpoint_auth_method: Option<String>,
    pub token_endpoint_auth_signing_alg: Option<String>,
    pub id_token_signed_response_alg: Option<String>,
    pub id_token_claims: Option<String>,
    pub userinfo_signed_response_alg: Option<String>,
    pub id_token_encrypted_response_alg: Option<String>,
    pub id_token_encrypted_response_enc: Option<String>,
    pub userinfo_encrypted_response_alg: Option<String>,
    pub userinfo_encrypted_response_enc: Option<String>,
    pub authorization_signed_response_alg: Option<String>,
    pub authorization_encrypted_response_alg: Option<String>,
    pub authorization_encrypted_response_enc: Option<String>,
    pub introspection_signed_response_alg: Option<String>,
    pub introspection_encrypted_response_alg: Option<String>,
    pub introspection_encrypted_response_enc: Option<String>,
    pub subject_type: Option<String>,
    pub sector_identifier_uri: Option<String>,
    pub scope: Option<String>,
    pub authorization_details_types: Option<Vec<String>>,
    pub jwks: Option<serde_json::Value>,
    pub jwks_uri: Option<String>,
    pub request_object_signing_alg: Option<String>,
    pub request_object_encryption_alg: Option<String>,
    pub request_object_encryption_enc: Option<String>,
    pub request_uris: Option<Vec<String>>,
    pub require_signed_request_object: Option<bool>,
    pub default_max_age: Option<u32>,
    pub default_acr_values: Option<Vec<String>>,
    pub require_auth_time: Option<bool>,
    pub require_pkce: Option<bool>,
    pub require_pushed_authorization_requests: Option<bool>,
    pub dpop_bound_access_tokens: Option<bool>,
    pub tls_client_certificate_bound_access_tokens: Option<bool>,
    pub use_mtls_endpoint_aliases: Option<bool>,
    pub tls_client_auth_subject_dn: Option<String>,
    pub tls_client_auth_san_dns: Option<String>,
    pub tls_client_auth_san_uri: Option<String>,
    pub tls_client_auth_san_ip: Option<String>,
    pub tls_client_auth_san_email: Option<String>,
    pub refresh_token_rotation: Option<String>,
    pub refresh_grace_seconds: Option<u32>,
    pub allowed_origins: Option<Vec<String>>,
    pub introspect: Option<bool>,
    pub backchannel_token_delivery_mode: Option<String>,
    pub backchannel_client_notification_endpoint: Option<String>,
    pub backchannel_authentication_request_signing_alg: Option<String>,
    pub backchannel_user_code_parameter: Option<bool>,
    pub chancery_profile: Option<String>,
    pub chancery_receipts: Option<bool>,
    pub contacts: Option<Vec<String>>,
    // What the client can do, of which `choices` takes one.
    pub subject_types_supported: Option<Vec<String>>,
    pub id_token_signing_alg_values_supported: Option<Vec<String>>,
    pub id_token_encryption_alg_values_supported: Option<Vec<String>>,
    pub id_token_encryption_enc_values_supported: Option<Vec<String>>,
    pub userinfo_signing_alg_values_supported: Option<Vec<String>>,
    pub userinfo_encryption_alg_values_supported: Option<Vec<String>>,
    pub userinfo_encryption_enc_values_supported: Option<Vec<String>>,
    pub request_object_signing_alg_values_supported: Option<Vec<String>>,
    pub request_object_encryption_alg_values_supported: Option<Vec<String>>,
    pub request_object_encryption_enc_values_supported: Option<Vec<String>>,
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    pub authorization_signing_alg_values_supported: Option<Vec<String>>,
    pub authorization_encryption_alg_values_supported: Option<Vec<String>>,
    pub authorization_encryption_enc_values_supported: Option<Vec<String>>,
    pub introspection_signing_alg_values_supported: Option<Vec<String>>,
    pub introspection_encryption_alg_values_supported: Option<Vec<String>>,
    pub introspection_encryption_enc_values_supported: Option<Vec<String>>,
    pub backchannel_authentication_request_signing_alg_values_supported: Option<Vec<String>>,
}

impl Asked {
    /// What shall be encrypted to the client, each with its algorithm.
    pub fn response_encryption(&self) -> impl Iterator<Item = &str> {
        [
            &self.id_token_encrypted_response_alg,
            &self.userinfo_encrypted_response_alg,
            &self.authorization_encrypted_response_alg,
            &self.introspection_encrypted_response_alg,
        ]
        .into_iter()
        .filter_map(|alg| alg.as_deref())
    }
}
