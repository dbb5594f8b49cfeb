//! The words of a registration that are of a closed list, as they stand on the wire.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::profile::Profile;

/// A closed list of words on the wire.
pub(super) trait Words: Copy + Ord + 'static {
    const WORDS: &'static [Self];
    fn word(self) -> &'static str;
}

impl Words for Profile {
    const WORDS: &'static [Self] = Self::ALL;
    fn word(self) -> &'static str {
        self.as_str()
    }
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
        /// RFC 8693 §2.1.
        TokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange",
        /// CIBA Core §4.
        Ciba = "urn:openid:params:grant-type:ciba",
        /// RFC 7523 §2.1.
        JwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer",
        /// OpenID4VCI §4.1.1.
        PreAuthorizedCode = "urn:ietf:params:oauth:grant-type:pre-authorized_code",
        Implicit = "implicit",
    }
}
wire_enum! {
    /// How a client authenticates at the token endpoint. OpenID Connect Core 1.0 §9.
    AuthMethod {
        Basic = "client_secret_basic",
        Post = "client_secret_post",
        SecretJwt = "client_secret_jwt",
        PrivateKeyJwt = "private_key_jwt",
        /// A certificate of an authority that the operator trusts (RFC 8705 §2.1).
        TlsClientAuth = "tls_client_auth",
        /// A certificate that is registered itself (RFC 8705 §2.2).
        SelfSignedTlsClientAuth = "self_signed_tls_client_auth",
        /// An instance that an attester vouches for (ABCA §7.5).
        Attestation = "attest_jwt_client_auth",
        /// The same, with a DPoP proof as the proof of the instance (ABCA §5.2).
        AttestationDpop = "attest_jwt_client_auth_dpop",
        None = "none",
    }
}
wire_enum! {
    /// How a client on the back channel learns of the answer. CIBA Core §4, §5.
    DeliveryMode {
        Poll = "poll",
        Ping = "ping",
        Push = "push",
    }
}
wire_enum! {
    /// What client assertions are signed with. RFC 7518 §3.1, OpenID Connect Core 1.0 §9.
    AssertionAlg {
        Rs256 = "RS256",
        Rs384 = "RS384",
        Rs512 = "RS512",
        Ps256 = "PS256",
        Ps384 = "PS384",
        Ps512 = "PS512",
        Es256 = "ES256",
        Es384 = "ES384",
        Es512 = "ES512",
        EdDsa = "EdDSA",
        /// RFC 9864 §2.2.
        Ed25519 = "Ed25519",
        Hs256 = "HS256",
        Hs384 = "HS384",
        Hs512 = "HS512",
    }
}

impl AssertionAlg {
    /// Made with the secret that both sides know, and not with a key of the client's own.
    pub const fn is_mac(self) -> bool {
        matches!(self, Self::Hs256 | Self::Hs384 | Self::Hs512)
    }

    /// Bytes that the secret has at least (RFC 7518 §3.2).
    pub const fn shortest_secret(self) -> usize {
        match self {
            Self::Hs384 => 48,
            Self::Hs512 => 64,
            _ => 32,
        }
    }
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
    /// How the answer travels. OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode, OAuth 2.0 Web Message Response
    /// Mode (draft-sakimura-oauth-wmrm-01); as a signed JWT: JARM §2.3. Which of them are on says [`crate::request::Policy`].
    ResponseMode {
        Query = "query",
        Fragment = "fragment",
        FormPost = "form_post",
        /// A message to the window that opened this one, or that frames it.
        WebMessage = "web_message",
        /// The usual one of the response type, signed (JARM §2.3.4); a checked request says which that is.
        Jwt = "jwt",
        QueryJwt = "query.jwt",
        FragmentJwt = "fragment.jwt",
        FormPostJwt = "form_post.jwt",
        WebMessageJwt = "web_message.jwt",
    }
}
wire_enum! {
    /// What this server signs with: id_tokens, userinfo, access tokens. RFC 7518 §3.1, RFC 8037 §3.1.
    SigningAlg { Rs256 = "RS256", Ps256 = "PS256", Es256 = "ES256", Es384 = "ES384", Es512 = "ES512", EdDsa = "EdDSA" }
}
wire_enum! {
    /// What request objects are signed with. RFC 9101 §6.2, §10.5; `none` only where it is switched on.
    RequestObjectAlg {
        None = "none",
        Rs256 = "RS256",
        Rs384 = "RS384",
        Rs512 = "RS512",
        Ps256 = "PS256",
        Ps384 = "PS384",
        Ps512 = "PS512",
        Es256 = "ES256",
        Es384 = "ES384",
        Es512 = "ES512",
        EdDsa = "EdDSA",
        /// RFC 9864 §2.2.
        Ed25519 = "Ed25519",
    }
}
wire_enum! {
    /// How tokens for a client are encrypted to its key, and request objects to ours. RFC 7518 §4.1; RSA1_5 is broken (RFC 8725 §3.2).
    EncryptionAlg {
        RsaOaep = "RSA-OAEP",
        RsaOaep256 = "RSA-OAEP-256",
        RsaOaep384 = "RSA-OAEP-384",
        RsaOaep512 = "RSA-OAEP-512",
        EcdhEs = "ECDH-ES",
        EcdhEsA128Kw = "ECDH-ES+A128KW",
        EcdhEsA192Kw = "ECDH-ES+A192KW",
        EcdhEsA256Kw = "ECDH-ES+A256KW",
        A128Kw = "A128KW",
        A192Kw = "A192KW",
        A256Kw = "A256KW",
        A128GcmKw = "A128GCMKW",
        A192GcmKw = "A192GCMKW",
        A256GcmKw = "A256GCMKW",
        /// The content under a key that is derived from the client's secret; with those before it, the content key.
        Dir = "dir",
    }
}
impl EncryptionAlg {
    /// Is it under a key that is derived from the client's secret (OpenID Connect Core 1.0 §10.2)?
    pub const fn is_shared(self) -> bool {
        use EncryptionAlg::{A128GcmKw, A128Kw, A192GcmKw, A192Kw, A256GcmKw, A256Kw, Dir};
        matches!(self, A128Kw | A192Kw | A256Kw | A128GcmKw | A192GcmKw | A256GcmKw | Dir)
    }
}

wire_enum! {
    /// How their content is encrypted. RFC 7518 §5.1.
    ContentEnc {
        A128CbcHs256 = "A128CBC-HS256",
        A192CbcHs384 = "A192CBC-HS384",
        A256CbcHs512 = "A256CBC-HS512",
        A128Gcm = "A128GCM",
        A192Gcm = "A192GCM",
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

impl ResponseMode {
    /// Whether the answer is one signed JWT.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::Jwt | Self::QueryJwt | Self::FragmentJwt | Self::FormPostJwt | Self::WebMessageJwt)
    }

    /// The way it goes, whatever it carries.
    pub const fn carrier(self) -> Self {
        match self {
            Self::Query | Self::Jwt | Self::QueryJwt => Self::Query,
            Self::Fragment | Self::FragmentJwt => Self::Fragment,
            Self::FormPost | Self::FormPostJwt => Self::FormPost,
            Self::WebMessage | Self::WebMessageJwt => Self::WebMessage,
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

impl AuthMethod {
    /// Whether it needs TLS that asks for a certificate.
    pub const fn needs_certificate(self) -> bool {
        matches!(self, Self::TlsClientAuth | Self::SelfSignedTlsClientAuth)
    }

    /// Whether somebody has to vouch for its instances (ABCA).
    pub const fn needs_attester(self) -> bool {
        matches!(self, Self::Attestation | Self::AttestationDpop)
    }
}
