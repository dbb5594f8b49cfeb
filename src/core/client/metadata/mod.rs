//! Client metadata: what a registration may say. RFC 7591 §2, OpenID Connect Registration 1.0 §2.
//!
//! | Room | What |
//! |---|---|
//! | here | the words and the shape |
//! | `validate` | defaults, and what agrees with what |
//! | `uri` | which redirect URIs may be registered, and which requested one equals a registered one |

mod uri;
mod validate;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::scope::Scope;
use crate::time::Seconds;
pub use uri::{has_any_port, host as host_of, origin_of, redirect_uri, redirect_uri_matches};
pub use validate::{sector_lists, validate};

/// A closed list of words on the wire.
trait Words: Copy + Ord + 'static {
    const WORDS: &'static [Self];
    fn word(self) -> &'static str;
}

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$mark:meta])* $variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$mark])* #[serde(rename = $text)] $variant),* }

        impl $name {
            /// Everything the server supports; discovery is computed from this.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),* } }

            pub fn parse(text: &str) -> Option<Self> { Self::ALL.iter().copied().find(|own| own.as_str() == text) }
        }

        impl Words for $name {
            const WORDS: &'static [Self] = Self::ALL;
            fn word(self) -> &'static str { self.as_str() }
        }
    };
}

wire_enum! {
    /// Grant types. RFC 7591 §2.
    GrantType {
        AuthorizationCode = "authorization_code",
        RefreshToken = "refresh_token",
        ClientCredentials = "client_credentials",
        /// RFC 8628 §3.4.
        DeviceCode = "urn:ietf:params:oauth:grant-type:device_code",
        Implicit = "implicit",
    }
}
wire_enum! {
    /// How a client authenticates at the token endpoint. OpenID Connect Core 1.0 §9.
    AuthMethod { Basic = "client_secret_basic", Post = "client_secret_post", PrivateKeyJwt = "private_key_jwt", None = "none" }
}
wire_enum! {
    /// Response types. OAuth 2.0 Multiple Response Types §3 to §5; which of them are on says [`ResponseType::is_front_channel`].
    #[derive(Default)]
    ResponseType {
        #[default] Code = "code",
        IdToken = "id_token",
        IdTokenToken = "id_token token",
        CodeIdToken = "code id_token",
        CodeToken = "code token",
        CodeIdTokenToken = "code id_token token",
        None = "none",
    }
}
wire_enum! {
    /// How the answer travels. OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode; as a signed JWT: JARM §2.3.
    ResponseMode {
        Query = "query",
        Fragment = "fragment",
        FormPost = "form_post",
        /// The usual one of the response type, signed (JARM §2.3.4); a checked request says which that is.
        Jwt = "jwt",
        QueryJwt = "query.jwt",
        FragmentJwt = "fragment.jwt",
        FormPostJwt = "form_post.jwt",
    }
}
wire_enum! {
    /// What this server signs with: id_tokens, userinfo, access tokens. RFC 7518 §3.1, RFC 8037 §3.1.
    SigningAlg { Rs256 = "RS256", Ps256 = "PS256", Es256 = "ES256", Es384 = "ES384", EdDsa = "EdDSA" }
}
wire_enum! {
    /// What request objects are signed with. RFC 9101 §6.2, §10.5; `none` only where it is switched on.
    RequestObjectAlg {
        None = "none",
        Rs256 = "RS256",
        Ps256 = "PS256",
        Es256 = "ES256",
        Es384 = "ES384",
        EdDsa = "EdDSA",
    }
}
wire_enum! {
    /// How tokens for a client are encrypted to its key. RFC 7518 §4.1; RSA1_5 is broken (RFC 8725 §3.2), and a shared secret is known here
    /// by its digest only.
    EncryptionAlg {
        RsaOaep = "RSA-OAEP",
        RsaOaep256 = "RSA-OAEP-256",
        EcdhEs = "ECDH-ES",
        EcdhEsA128Kw = "ECDH-ES+A128KW",
        EcdhEsA256Kw = "ECDH-ES+A256KW",
    }
}
wire_enum! {
    /// How their content is encrypted. RFC 7518 §5.1.
    ContentEnc {
        A128CbcHs256 = "A128CBC-HS256",
        A256CbcHs512 = "A256CBC-HS512",
        A128Gcm = "A128GCM",
        A256Gcm = "A256GCM",
    }
}
wire_enum! {
    /// Whether every client reads the same `sub`. OpenID Connect Core 1.0 §8.
    #[derive(Default)]
    SubjectType { #[default] Public = "public", Pairwise = "pairwise" }
}
wire_enum! {
    /// What an access token is: a text that only this server understands, or a signed JWT (RFC 9068).
    TokenFormat { Opaque = "opaque", Jwt = "jwt" }
}
wire_enum! {
    /// Application types. OpenID Connect Registration 1.0 §2.
    ApplicationType { Web = "web", Native = "native" }
}
wire_enum! {
    /// When refresh tokens are replaced. RFC 9700 §2.2.2.
    Rotation { Always = "always", Never = "never" }
}
wire_enum! {
    /// Which claims an id_token carries: only what the spec puts there, or all of the scopes'.
    IdTokenClaims { Conform = "conform", All = "all" }
}

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
    pub token_endpoint_auth_method: AuthMethod,
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
    /// Signs introspection for this client when it asks for a JWT (RFC 9701 §6); RS256 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introspection_signed_response_alg: Option<SigningAlg>,
    #[serde(default)]
    pub subject_type: SubjectType,
    /// Lists the redirect URIs of one sector (OpenID Connect Core 1.0 §8.1); fetched and held against this registration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_identifier_uri: Option<String>,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub jwks: Option<serde_json::Value>,
    /// Where its keys are found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// What its request objects are signed with; any of ours without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<RequestObjectAlg>,
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
    /// Its requests come by push only (RFC 9126 §6).
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub require_pushed_authorization_requests: bool,
    pub refresh_token_rotation: Rotation,
    pub refresh_grace_seconds: Seconds,
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// May introspect tokens of others. Only an operator grants it.
    pub introspect: bool,
    /// Answers carry receipts of the log.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub chancery_receipts: bool,
}

impl ResponseMode {
    /// Whether the answer is one signed JWT.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::Jwt | Self::QueryJwt | Self::FragmentJwt | Self::FormPostJwt)
    }

    /// The way it goes, whatever it carries.
    pub const fn carrier(self) -> Self {
        match self {
            Self::Query | Self::Jwt | Self::QueryJwt => Self::Query,
            Self::Fragment | Self::FragmentJwt => Self::Fragment,
            Self::FormPost | Self::FormPostJwt => Self::FormPost,
        }
    }
}

impl ResponseType {
    /// Reads a response type in whatever order its words come (OAuth 2.0 Multiple Response Types §5).
    pub fn read(text: &str) -> Option<Self> {
        let words = |text: &'static str| text.split(' ').collect::<BTreeSet<_>>();
        let asked: BTreeSet<_> = text.split(' ').collect();
        let count = text.split(' ').count();
        Self::ALL.iter().copied().find(|own| words(own.as_str()) == asked && count == asked.len())
    }

    fn has(self, word: &str) -> bool {
        self.as_str().split(' ').any(|own| own == word)
    }

    /// The usual one, which the log leaves out.
    pub fn is_code(&self) -> bool {
        *self == Self::Code
    }

    pub fn has_code(self) -> bool {
        self.has("code")
    }

    /// Brings an access token through the browser.
    pub fn has_token(self) -> bool {
        self.has("token")
    }

    /// Brings an id_token through the browser.
    pub fn has_id_token(self) -> bool {
        self.has("id_token")
    }

    /// Tokens pass through the browser: advised against (RFC 9700 §2.1.2), and on only by configuration.
    pub fn is_front_channel(self) -> bool {
        self.has_token() || self.has_id_token()
    }
}

impl Metadata {
    /// The sector of a client: those of one sector read the same pairwise `sub`. The host of its `sector_identifier_uri`, else the
    /// one that all its redirect URIs share (OpenID Connect Core 1.0 §8.1); `None` when they share none.
    pub fn sector(&self) -> Option<&str> {
        if let Some(uri) = &self.sector_identifier_uri {
            return uri::host(uri);
        }
        let mut hosts = self.redirect_uris.iter().map(|uri| uri::host(uri));
        let first = hosts.next()??;
        hosts.all(|host| host == Some(first)).then_some(first)
    }

    /// Does the client authenticate with a secret?
    pub fn has_secret(&self) -> bool {
        matches!(self.token_endpoint_auth_method, AuthMethod::Basic | AuthMethod::Post)
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
    pub token_endpoint_auth_method: Option<String>,
    pub id_token_signed_response_alg: Option<String>,
    pub id_token_claims: Option<String>,
    pub userinfo_signed_response_alg: Option<String>,
    pub id_token_encrypted_response_alg: Option<String>,
    pub id_token_encrypted_response_enc: Option<String>,
    pub userinfo_encrypted_response_alg: Option<String>,
    pub userinfo_encrypted_response_enc: Option<String>,
    pub authorization_signed_response_alg: Option<String>,
    pub introspection_signed_response_alg: Option<String>,
    pub subject_type: Option<String>,
    pub sector_identifier_uri: Option<String>,
    pub scope: Option<String>,
    pub jwks: Option<serde_json::Value>,
    pub jwks_uri: Option<String>,
    pub request_object_signing_alg: Option<String>,
    pub request_uris: Option<Vec<String>>,
    pub require_signed_request_object: Option<bool>,
    pub default_max_age: Option<u32>,
    pub default_acr_values: Option<Vec<String>>,
    pub require_auth_time: Option<bool>,
    pub require_pkce: Option<bool>,
    pub require_pushed_authorization_requests: Option<bool>,
    pub dpop_bound_access_tokens: Option<bool>,
    pub refresh_token_rotation: Option<String>,
    pub refresh_grace_seconds: Option<u32>,
    pub allowed_origins: Option<Vec<String>>,
    pub introspect: Option<bool>,
    pub chancery_receipts: Option<bool>,
    pub contacts: Option<Vec<String>>,
}

/// What the rules need to know besides the metadata itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// An operator asks (admin token, configuration file): may grant what registration cannot.
    pub by_operator: bool,
    /// The keys in `jwks` were parsed and hold at least one usable public key.
    pub jwks_usable: bool,
    /// The keys in `jwks` have one for each encryption that is asked for.
    pub jwks_encrypts: bool,
    /// The implicit and hybrid flows are switched on.
    pub front_channel: bool,
    /// Request objects may come without a signature.
    pub unsigned_request_objects: bool,
    /// Clients are told of logouts through the browser.
    pub front_channel_logout: bool,
}
