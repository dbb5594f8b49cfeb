//! Client metadata: what a registration may say.
//!
//! | Rule | Source |
//! |---|---|
//! | defaults: authorization_code, code, client_secret_basic, RS256, web | OpenID Connect Registration 1.0 §2 |
//! | grant_types and response_types agree | RFC 7591 §2.1 |
//! | redirect URIs: absolute, no fragment, https for web clients; http only on loopback | OpenID Connect Registration 1.0 §2, RFC 8252 §7.3, RFC 9700 §2.6 |
//! | private-use schemes are of native clients and have a dot | RFC 8252 §7.1 |
//! | `private_key_jwt` needs keys | OpenID Connect Registration 1.0 §2 |
//! | management scopes are never registrable | DESIGN: surface |
//! | unknown members are ignored | RFC 7591 §2 |
//!
//! Out of scope: parsing of `jwks` (the shell hands in whether they are usable), fetched documents (a later issue).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::account::FieldError;
use crate::scope::{RESERVED, STANDARD, Scope};
use crate::time::Seconds;

macro_rules! wire_enum {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $(#[serde(rename = $text)] $variant),* }

        impl $name {
            /// Everything the server supports; discovery is computed from this.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $text),* } }

            pub fn parse(text: &str) -> Option<Self> { Self::ALL.iter().copied().find(|own| own.as_str() == text) }
        }
    };
}

wire_enum! {
    /// Grant types. RFC 7591 §2.
    GrantType { AuthorizationCode = "authorization_code", RefreshToken = "refresh_token", ClientCredentials = "client_credentials" }
}
wire_enum! {
    /// How a client authenticates at the token endpoint. OpenID Connect Core 1.0 §9.
    AuthMethod { Basic = "client_secret_basic", Post = "client_secret_post", PrivateKeyJwt = "private_key_jwt", None = "none" }
}
wire_enum! {
    /// Response types. Only the code flow: RFC 9700 §2.1.2.
    ResponseType { Code = "code" }
}
wire_enum! {
    /// How the answer travels. OAuth 2.0 Multiple Response Types §2.1, OAuth 2.0 Form Post Response Mode.
    ResponseMode { Query = "query", FormPost = "form_post" }
}
wire_enum! {
    /// id_token signatures.
    SigningAlg { Rs256 = "RS256", Es256 = "ES256" }
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
    pub application_type: ApplicationType,
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    pub grant_types: BTreeSet<GrantType>,
    pub response_types: BTreeSet<ResponseType>,
    pub token_endpoint_auth_method: AuthMethod,
    pub id_token_signed_response_alg: SigningAlg,
    pub id_token_claims: IdTokenClaims,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Map<String, serde_json::Value>>"))]
    pub jwks: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<Seconds>,
    pub require_auth_time: bool,
    pub require_pkce: bool,
    pub refresh_token_rotation: Rotation,
    pub refresh_grace_seconds: Seconds,
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// May introspect tokens of others. Only an operator grants it.
    pub introspect: bool,
}

/// What arrives: every member optional and of its wire type. Unknown members are dropped on the way in.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Asked {
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub policy_uri: Option<String>,
    pub tos_uri: Option<String>,
    pub application_type: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub token_endpoint_auth_method: Option<String>,
    pub id_token_signed_response_alg: Option<String>,
    pub id_token_claims: Option<String>,
    pub subject_type: Option<String>,
    pub scope: Option<String>,
    pub jwks: Option<serde_json::Value>,
    pub jwks_uri: Option<String>,
    pub default_max_age: Option<u32>,
    pub require_auth_time: Option<bool>,
    pub require_pkce: Option<bool>,
    pub refresh_token_rotation: Option<String>,
    pub refresh_grace_seconds: Option<u32>,
    pub allowed_origins: Option<Vec<String>>,
    pub introspect: Option<bool>,
    pub contacts: Option<Vec<String>>,
}

/// What the rules need to know besides the metadata itself.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// An operator asks (admin token, configuration file): may grant what registration cannot.
    pub by_operator: bool,
    /// The keys in `jwks` were parsed and hold at least one usable public key.
    pub jwks_usable: bool,
}

/// Validates what was asked and fills in the defaults.
///
/// # Errors
/// Every bad field with a sentence, all at once.
pub fn validate(asked: &Asked, terms: Terms) -> Result<Metadata, Vec<FieldError>> {
    let mut wrong = Problems::default();
    let application_type = wrong.choice(
        "application_type",
        asked.application_type.as_deref(),
        ApplicationType::parse,
        ApplicationType::Web,
        ApplicationType::ALL,
        ApplicationType::as_str,
    );
    let grant_types = wrong.choices(
        "grant_types",
        asked.grant_types.as_deref(),
        GrantType::parse,
        GrantType::AuthorizationCode,
        GrantType::ALL,
        GrantType::as_str,
    );
    let uses_code = grant_types.contains(&GrantType::AuthorizationCode);
    let mut response_types = wrong.choices(
        "response_types",
        asked.response_types.as_deref(),
        ResponseType::parse,
        ResponseType::Code,
        ResponseType::ALL,
        ResponseType::as_str,
    );
    if !uses_code {
        // RFC 7591 §2.1: without the code grant there is no response type; an explicit one disagrees.
        if asked.response_types.as_ref().is_some_and(|types| !types.is_empty()) {
            wrong.add("response_types", "code needs the grant type authorization_code.");
        }
        response_types.clear();
    }
    let token_endpoint_auth_method = wrong.choice(
        "token_endpoint_auth_method",
        asked.token_endpoint_auth_method.as_deref(),
        AuthMethod::parse,
        AuthMethod::Basic,
        AuthMethod::ALL,
        AuthMethod::as_str,
    );
    let redirect_uris = asked.redirect_uris.clone().unwrap_or_default();
    if uses_code && redirect_uris.is_empty() {
        wrong.add("redirect_uris", "The authorization_code grant needs at least one redirect URI.");
    }
    wrong.bounded_list("redirect_uris", &redirect_uris);
    for uri in &redirect_uris {
        if let Err(problem) = redirect_uri(uri, application_type) {
            wrong.add("redirect_uris", &problem);
        }
    }
    let post_logout_redirect_uris = asked.post_logout_redirect_uris.clone().unwrap_or_default();
    wrong.bounded_list("post_logout_redirect_uris", &post_logout_redirect_uris);
    for uri in &post_logout_redirect_uris {
        if let Err(problem) = redirect_uri(uri, application_type) {
            wrong.add("post_logout_redirect_uris", &problem);
        }
    }
    if grant_types.contains(&GrantType::ClientCredentials) && token_endpoint_auth_method == AuthMethod::None {
        wrong.add("grant_types", "client_credentials needs a client that authenticates (RFC 6749 section 4.4).");
    }
    if grant_types.contains(&GrantType::RefreshToken) && !uses_code {
        wrong.add("grant_types", "refresh_token comes with authorization_code.");
    }
    if asked.jwks_uri.is_some() {
        wrong.add("jwks_uri", "This server does not fetch keys; send them by value in jwks.");
    }
    if token_endpoint_auth_method == AuthMethod::PrivateKeyJwt && !terms.jwks_usable {
        wrong.add("jwks", "private_key_jwt needs at least one usable public key in jwks.");
    }
    if asked.jwks.is_some() && !terms.jwks_usable {
        wrong.add("jwks", "No usable public key was found; send public JWKs only.");
    }
    if asked.subject_type.as_deref().is_some_and(|kind| kind != "public") {
        wrong.add("subject_type", "Only public is supported.");
    }
    let scope = scope(asked.scope.as_deref(), &mut wrong);
    for (field, uri) in [("client_uri", &asked.client_uri), ("policy_uri", &asked.policy_uri), ("tos_uri", &asked.tos_uri)] {
        if uri
            .as_deref()
            .is_some_and(|uri| !(uri.starts_with("https://") || uri.starts_with("http://")) || uri.len() > 2048 || has_odd_characters(uri))
        {
            wrong.add(field, "Use an https URL.");
        }
    }
    if asked.client_name.as_deref().is_some_and(|name| name.is_empty() || name.len() > 256 || name.chars().any(char::is_control)) {
        wrong.add("client_name", "Use 1 to 256 bytes without control characters.");
    }
    let grace = asked.refresh_grace_seconds.unwrap_or(0);
    if grace > 60 {
        wrong.add("refresh_grace_seconds", "At most 60 seconds.");
    }
    if asked.introspect == Some(true) && !terms.by_operator {
        wrong.add("introspect", "Only an operator can grant this.");
    }
    let allowed_origins = asked.allowed_origins.clone().unwrap_or_default();
    wrong.bounded_list("allowed_origins", &allowed_origins);
    for origin in &allowed_origins {
        if origin_of(origin) != Some(origin.as_str()) {
            wrong.add("allowed_origins", "An origin is a scheme, a host and maybe a port, such as https://app.example.com.");
        }
    }
    let id_token_signed_response_alg = wrong.choice(
        "id_token_signed_response_alg",
        asked.id_token_signed_response_alg.as_deref(),
        SigningAlg::parse,
        SigningAlg::Rs256,
        SigningAlg::ALL,
        SigningAlg::as_str,
    );
    let id_token_claims = wrong.choice(
        "id_token_claims",
        asked.id_token_claims.as_deref(),
        IdTokenClaims::parse,
        IdTokenClaims::Conform,
        IdTokenClaims::ALL,
        IdTokenClaims::as_str,
    );
    let refresh_token_rotation = wrong.choice(
        "refresh_token_rotation",
        asked.refresh_token_rotation.as_deref(),
        Rotation::parse,
        Rotation::Always,
        Rotation::ALL,
        Rotation::as_str,
    );
    // RFC 9700 §2.2.2: a public client's refresh token is bound or rotated; binding is not there yet.
    if refresh_token_rotation == Rotation::Never && token_endpoint_auth_method == AuthMethod::None {
        wrong.add("refresh_token_rotation", "A public client needs rotation.");
    }
    if !wrong.0.is_empty() {
        return Err(wrong.0);
    }
    Ok(Metadata {
        client_name: asked.client_name.clone(),
        client_uri: asked.client_uri.clone(),
        policy_uri: asked.policy_uri.clone(),
        tos_uri: asked.tos_uri.clone(),
        application_type,
        redirect_uris,
        post_logout_redirect_uris,
        grant_types,
        response_types,
        token_endpoint_auth_method,
        id_token_signed_response_alg,
        id_token_claims,
        scope,
        jwks: asked.jwks.clone(),
        default_max_age: asked.default_max_age.map(Seconds),
        require_auth_time: asked.require_auth_time.unwrap_or(false),
        require_pkce: asked.require_pkce.unwrap_or(false),
        refresh_token_rotation,
        refresh_grace_seconds: Seconds(grace),
        allowed_origins,
        introspect: asked.introspect.unwrap_or(false),
    })
}

#[derive(Default)]
struct Problems(Vec<FieldError>);

impl Problems {
    fn add(&mut self, field: &'static str, problem: &str) {
        self.0.push(FieldError { field, problem: problem.to_string() });
    }

    fn bounded_list(&mut self, field: &'static str, list: &[String]) {
        if list.len() > 50 {
            self.add(field, "At most 50 entries.");
        }
    }

    fn choice<T: Copy>(
        &mut self,
        field: &'static str,
        text: Option<&str>,
        parse: fn(&str) -> Option<T>,
        default: T,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> T {
        let Some(text) = text else { return default };
        parse(text).unwrap_or_else(|| {
            let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
            self.add(field, &format!("Supported: {}.", names.join(", ")));
            default
        })
    }

    fn choices<T: Copy + Ord>(
        &mut self,
        field: &'static str,
        texts: Option<&[String]>,
        parse: fn(&str) -> Option<T>,
        default: T,
        all: &[T],
        name: fn(T) -> &'static str,
    ) -> BTreeSet<T> {
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else { return BTreeSet::from([default]) };
        texts.iter().map(|text| self.choice(field, Some(text), parse, default, all, name)).collect()
    }
}

fn scope(text: Option<&str>, wrong: &mut Problems) -> Scope {
    let Some(text) = text else { return Scope::of(STANDARD) };
    match Scope::parse(text) {
        Ok(scope) if RESERVED.iter().any(|reserved| scope.has(reserved)) => {
            wrong.add("scope", "admin, audit:read and metrics:read are reserved for operators.");
            scope
        }
        Ok(scope) => scope,
        Err(error) => {
            wrong.add("scope", &error.description);
            Scope::default()
        }
    }
}

fn has_odd_characters(uri: &str) -> bool {
    uri.bytes().any(|b| !(0x21..=0x7e).contains(&b) || matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}'))
}

/// Whether a redirect URI may be registered.
///
/// # Errors
/// A sentence for the registrant.
pub fn redirect_uri(uri: &str, application_type: ApplicationType) -> Result<(), String> {
    if uri.len() > 2048 || has_odd_characters(uri) {
        return Err("A redirect URI has at most 2048 printable ASCII characters.".to_string());
    }
    // RFC 6749 §3.1.2: no fragment.
    if uri.contains('#') {
        return Err(format!("{uri} has a fragment."));
    }
    let Some((scheme, rest)) = uri.split_once(':') else { return Err(format!("{uri} is not an absolute URI.")) };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if !scheme_ok {
        return Err(format!("{uri} is not an absolute URI."));
    }
    let host = authority(rest).map(host_of);
    match (scheme.to_ascii_lowercase().as_str(), application_type) {
        ("https", _) => match host {
            Some(host) if !host.is_empty() => Ok(()),
            _ => Err(format!("{uri} has no host.")),
        },
        // RFC 8252 §7.3 and §8.3; for web clients in development on the same machine.
        ("http", _) if host.is_some_and(is_loopback) => Ok(()),
        ("http", _) => Err(format!("{uri} must be https (http only on loopback).")),
        // RFC 8252 §7.1: a reversed domain name, so that nobody can claim another's scheme by accident.
        (private, ApplicationType::Native) if private.contains('.') => Ok(()),
        (_, ApplicationType::Native) => Err(format!("{uri}: a private-use scheme needs a dot, such as com.example.app.")),
        (_, ApplicationType::Web) => Err(format!("{uri}: web clients use https; private-use schemes need application_type native.")),
    }
}

/// Everything between `//` and the next `/` or `?`; refuses user information (RFC 9700 §4.1.3 in spirit).
fn authority(rest: &str) -> Option<&str> {
    let rest = rest.strip_prefix("//")?;
    let authority = rest.split(['/', '?']).next()?;
    (!authority.contains('@')).then_some(authority)
}

fn host_of(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => authority.split(':').next().unwrap_or(authority),
    }
}

fn is_loopback(host: &str) -> bool {
    matches!(host, "127.0.0.1" | "::1") || host.eq_ignore_ascii_case("localhost")
}

/// Scheme, host and port of a URL, as a browser's `Origin` spells it.
pub fn origin_of(uri: &str) -> Option<&str> {
    let (scheme, rest) = uri.split_once(':')?;
    let authority = authority(rest).filter(|authority| !authority.is_empty())?;
    matches!(scheme, "http" | "https").then(|| &uri[..scheme.len() + 3 + authority.len()])
}

/// Does a requested redirect URI equal a registered one? Byte for byte (RFC 9700 §2.1), except the port of a native client's
/// loopback IP address (RFC 8252 §7.3).
pub fn redirect_uri_matches(registered: &str, asked: &str, application_type: ApplicationType) -> bool {
    if registered == asked {
        return true;
    }
    if application_type != ApplicationType::Native {
        return false;
    }
    match (without_port(registered), without_port(asked)) {
        (Some(registered), Some(asked)) => registered == asked,
        _ => false,
    }
}

/// (host, path and query) of an `http` URI on a loopback IP address; the port is checked to be a number and dropped.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http:")?;
    let authority = authority(rest)?;
    let host = host_of(authority);
    let port = authority
        .strip_prefix(['['])
        .map_or(authority, |v6| v6.split_once(']').map_or("", |(_, port)| port))
        .split_once(':')
        .map(|(_, port)| port);
    let plain = port.is_none_or(|port| !port.is_empty() && port.len() <= 5 && port.bytes().all(|b| b.is_ascii_digit()));
    (plain && matches!(host, "127.0.0.1" | "::1")).then(|| (host, &rest[2 + authority.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { by_operator: false, jwks_usable: false };

    fn fields(asked: &Asked) -> Vec<&'static str> {
        validate(asked, TERMS).unwrap_err().into_iter().map(|e| e.field).collect()
    }

    fn asked(uris: &[&str]) -> Asked {
        Asked { redirect_uris: Some(uris.iter().map(ToString::to_string).collect()), ..Asked::default() }
    }

    #[test]
    fn oidc_registration_2_defaults() {
        let metadata = validate(&asked(&["https://app.example.com/cb"]), TERMS).unwrap();
        assert_eq!(metadata.grant_types, BTreeSet::from([GrantType::AuthorizationCode]));
        assert_eq!(metadata.token_endpoint_auth_method, AuthMethod::Basic);
        assert_eq!(metadata.id_token_signed_response_alg, SigningAlg::Rs256);
        assert!(metadata.scope.has("openid") && metadata.scope.has("offline_access"));
    }

    #[test]
    fn every_bad_field_is_named_at_once() {
        let bad = Asked {
            grant_types: Some(["password".to_string()].into()),
            token_endpoint_auth_method: Some("magic".into()),
            scope: Some("admin".into()),
            introspect: Some(true),
            ..asked(&["http://evil.example/cb", "https://a#b"])
        };
        assert_eq!(fields(&bad), ["grant_types", "token_endpoint_auth_method", "redirect_uris", "redirect_uris", "scope", "introspect"]);
    }

    #[test]
    fn rfc8252_7_1_private_use_schemes_need_a_dot_and_a_native_client() {
        assert!(redirect_uri("com.example.app:/cb", ApplicationType::Native).is_ok());
        assert!(redirect_uri("app:/cb", ApplicationType::Native).is_err());
        assert!(redirect_uri("com.example.app:/cb", ApplicationType::Web).is_err());
        assert!(redirect_uri("javascript:alert(1)", ApplicationType::Native).is_err());
        assert!(redirect_uri("https://user@host/cb", ApplicationType::Web).is_err());
        assert!(redirect_uri("https://", ApplicationType::Web).is_err());
    }

    #[test]
    fn rfc8252_7_3_any_port_on_a_loopback_address_of_a_native_client() {
        let matches = |registered, asked| redirect_uri_matches(registered, asked, ApplicationType::Native);
        assert!(matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(matches("http://[::1]:1/cb", "http://[::1]:2/cb"));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"));
        assert!(!matches("http://127.0.0.1/cb", "http://127.0.0.1:51004@evil.example/cb"));
        assert!(!matches("http://localhost:1/cb", "http://localhost:2/cb"));
        assert!(!redirect_uri_matches("http://127.0.0.1/cb", "http://127.0.0.1:1/cb", ApplicationType::Web));
    }

    #[test]
    fn origins() {
        assert_eq!(origin_of("https://a.example:8443/x?y"), Some("https://a.example:8443"));
        assert_eq!(origin_of("com.example.app:/cb"), None);
    }
}
