//! Validating a registration.
//!
//! | Rule | Source |
//! |---|---|
//! | defaults: authorization_code, code, client_secret_basic, RS256, web | OpenID Connect Registration 1.0 §2 |
//! | grant_types and response_types agree | RFC 7591 §2.1 |
//! | pairwise subjects need one sector | OpenID Connect Core 1.0 §8.1 |
//! | `private_key_jwt` needs keys | OpenID Connect Registration 1.0 §2 |
//! | client_credentials only for a client that authenticates | RFC 6749 §4.4 |
//! | a public client's refresh tokens are rotated, or bound to a key | RFC 9700 §2.2.2 |
//! | management scopes are never registrable | DESIGN: surface |
//! | unknown members are ignored | RFC 7591 §2 |
//! | the redirect URIs stand in the document of the sector | OpenID Connect Registration 1.0 §5 |
//! | keys by value or by reference, not both | RFC 7591 §2 |
//!
//! Out of scope: parsing of `jwks` (the shell hands in whether they are usable), fetching.

mod backchannel;
mod certificates;
mod keys;
mod names;
mod response_modes;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::uri::{host, is_odd, origin_of, redirect_uri};
use super::{
    ApplicationType, Asked, AuthMethod, DeliveryMode, GrantType, IdTokenClaims, Metadata, ResponseType, Rotation, SigningAlg, SubjectType,
    Terms, Words,
};
use crate::account::FieldError;
use crate::acr;
use crate::profile::Profile;
use crate::scope::{RESERVED, STANDARD, Scope};
use crate::time::Seconds;

/// Entries in a list.
const MOST_ENTRIES: usize = 50;
/// The longest grace window in seconds.
const LONGEST_GRACE: u32 = 60;

/// Validates what was asked and fills in the defaults.
///
/// # Errors
/// Every bad field with a sentence, all at once.
pub fn validate(asked: &Asked, terms: Terms) -> Result<Metadata, Vec<FieldError>> {
    let mut wrong = Problems::default();
    let metadata = with_defaults(asked, &mut wrong);
    check_grants(&metadata, terms, &mut wrong);
    check_uris(&metadata, &mut wrong);
    check_front_channel_logout(&metadata, terms, &mut wrong);
    keys::check(asked, &metadata, terms, &mut wrong);
    keys::check_request_objects(&metadata, terms, &mut wrong);
    certificates::check(&metadata, terms, &mut wrong);
    names::check_people(asked, &mut wrong);
    names::check_software(&metadata, &mut wrong);
    check_permissions(&metadata, terms, &mut wrong);
    backchannel::check(&metadata, terms, &mut wrong);
    response_modes::check(&metadata, terms, &mut wrong);
    if wrong.0.is_empty() { Ok(metadata) } else { Err(wrong.0) }
}

fn with_defaults(asked: &Asked, wrong: &mut Problems) -> Metadata {
    let application_type = wrong.choice("application_type", asked.application_type.as_deref(), ApplicationType::Web);
    let given = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let mut response_types = response_types(asked.response_types.as_deref(), wrong);
    let mut grant_types = wrong.choices("grant_types", asked.grant_types.as_deref(), GrantType::AuthorizationCode);
    // RFC 7591 §2.1: of the two that have to agree, the one that was sent decides.
    if !given(&asked.grant_types) && given(&asked.response_types) {
        grant_types = response_types.iter().flat_map(|kind| grants_of(*kind)).collect();
    }
    if !given(&asked.response_types) && !grant_types.contains(&GrantType::AuthorizationCode) {
        response_types.clear();
    }
    let mut encryption = |alg: (&'static str, &Option<String>), enc: (&'static str, &Option<String>)| {
        keys::encryption((alg.0, alg.1.as_deref()), (enc.0, enc.1.as_deref()), wrong)
    };
    let id_token_encryption = encryption(
        ("id_token_encrypted_response_alg", &asked.id_token_encrypted_response_alg),
        ("id_token_encrypted_response_enc", &asked.id_token_encrypted_response_enc),
    );
    let userinfo_encryption = encryption(
        ("userinfo_encrypted_response_alg", &asked.userinfo_encrypted_response_alg),
        ("userinfo_encrypted_response_enc", &asked.userinfo_encrypted_response_enc),
    );
    let answer_encryption = encryption(
        ("authorization_encrypted_response_alg", &asked.authorization_encrypted_response_alg),
        ("authorization_encrypted_response_enc", &asked.authorization_encrypted_response_enc),
    );
    let introspection_encryption = encryption(
        ("introspection_encrypted_response_alg", &asked.introspection_encrypted_response_alg),
        ("introspection_encrypted_response_enc", &asked.introspection_encrypted_response_enc),
    );
    let request_encryption = encryption(
        ("request_object_encryption_alg", &asked.request_object_encryption_alg),
        ("request_object_encryption_enc", &asked.request_object_encryption_enc),
    );
    Metadata {
        client_name: asked.client_name.clone(),
        client_uri: asked.client_uri.clone(),
        policy_uri: asked.policy_uri.clone(),
        tos_uri: asked.tos_uri.clone(),
        logo_uri: asked.logo_uri.clone(),
        initiate_login_uri: asked.initiate_login_uri.clone(),
        software_id: asked.software_id.clone(),
        software_version: asked.software_version.clone(),
        software_statement: asked.software_statement.clone(),
        application_type,
        redirect_uris: asked.redirect_uris.clone().unwrap_or_default(),
        post_logout_redirect_uris: asked.post_logout_redirect_uris.clone().unwrap_or_default(),
        backchannel_logout_uri: asked.backchannel_logout_uri.clone(),
        frontchannel_logout_uri: asked.frontchannel_logout_uri.clone(),
        grant_types,
        response_types,
        response_modes: response_modes::read(asked.response_modes.as_deref(), wrong),
        token_endpoint_auth_method: wrong.choice(
            "token_endpoint_auth_method",
            asked.token_endpoint_auth_method.as_deref(),
            AuthMethod::Basic,
        ),
        token_endpoint_auth_signing_alg: wrong
            .optional("token_endpoint_auth_signing_alg", asked.token_endpoint_auth_signing_alg.as_deref()),
        id_token_signed_response_alg: wrong.choice(
            "id_token_signed_response_alg",
            asked.id_token_signed_response_alg.as_deref(),
            SigningAlg::Rs256,
        ),
        id_token_claims: wrong.choice("id_token_claims", asked.id_token_claims.as_deref(), IdTokenClaims::Conform),
        userinfo_signed_response_alg: wrong.optional("userinfo_signed_response_alg", asked.userinfo_signed_response_alg.as_deref()),
        id_token_encrypted_response_alg: id_token_encryption.0,
        id_token_encrypted_response_enc: id_token_encryption.1,
        userinfo_encrypted_response_alg: userinfo_encryption.0,
        userinfo_encrypted_response_enc: userinfo_encryption.1,
        authorization_signed_response_alg: wrong
            .optional("authorization_signed_response_alg", asked.authorization_signed_response_alg.as_deref()),
        authorization_encrypted_response_alg: answer_encryption.0,
        authorization_encrypted_response_enc: answer_encryption.1,
        introspection_signed_response_alg: wrong
            .optional("introspection_signed_response_alg", asked.introspection_signed_response_alg.as_deref()),
        introspection_encrypted_response_alg: introspection_encryption.0,
        introspection_encrypted_response_enc: introspection_encryption.1,
        subject_type: wrong.choice("subject_type", asked.subject_type.as_deref(), SubjectType::Public),
        sector_identifier_uri: asked.sector_identifier_uri.clone(),
        scope: scope(asked.scope.as_deref(), wrong),
        authorization_details_types: asked.authorization_details_types.iter().flatten().cloned().collect(),
        jwks: asked.jwks.clone(),
        jwks_uri: asked.jwks_uri.clone(),
        request_object_signing_alg: wrong.optional("request_object_signing_alg", asked.request_object_signing_alg.as_deref()),
        request_object_encryption_alg: request_encryption.0,
        request_object_encryption_enc: request_encryption.1,
        request_uris: asked.request_uris.clone().unwrap_or_default(),
        require_signed_request_object: asked.require_signed_request_object.unwrap_or(false),
        default_max_age: asked.default_max_age.map(Seconds),
        default_acr_values: default_acr_values(asked, wrong),
        require_auth_time: asked.require_auth_time.unwrap_or(false),
        require_pkce: asked.require_pkce.unwrap_or(false),
        dpop_bound_access_tokens: asked.dpop_bound_access_tokens.unwrap_or(false),
        tls_client_certificate_bound_access_tokens: asked.tls_client_certificate_bound_access_tokens.unwrap_or(false),
        use_mtls_endpoint_aliases: asked.use_mtls_endpoint_aliases.unwrap_or(false),
        tls_client_auth_subject_dn: asked.tls_client_auth_subject_dn.clone(),
        tls_client_auth_san_dns: asked.tls_client_auth_san_dns.clone(),
        tls_client_auth_san_uri: asked.tls_client_auth_san_uri.clone(),
        tls_client_auth_san_ip: asked.tls_client_auth_san_ip.clone(),
        tls_client_auth_san_email: asked.tls_client_auth_san_email.clone(),
        require_pushed_authorization_requests: asked.require_pushed_authorization_requests.unwrap_or(false),
        refresh_token_rotation: wrong.choice("refresh_token_rotation", asked.refresh_token_rotation.as_deref(), Rotation::Always),
        refresh_grace_seconds: Seconds(asked.refresh_grace_seconds.unwrap_or(0)),
        allowed_origins: asked.allowed_origins.clone().unwrap_or_default(),
        introspect: asked.introspect.unwrap_or(false),
        backchannel_token_delivery_mode: asked
            .backchannel_token_delivery_mode
            .as_deref()
            .map(|text| wrong.choice("backchannel_token_delivery_mode", Some(text), DeliveryMode::Poll)),
        backchannel_client_notification_endpoint: asked.backchannel_client_notification_endpoint.clone(),
        backchannel_authentication_request_signing_alg: wrong
            .optional("backchannel_authentication_request_signing_alg", asked.backchannel_authentication_request_signing_alg.as_deref()),
        backchannel_user_code_parameter: asked.backchannel_user_code_parameter.unwrap_or(false),
        chancery_profile: asked.chancery_profile.as_deref().map(|text| wrong.choice("chancery_profile", Some(text), Profile::OAuth21)),
        chancery_receipts: asked.chancery_receipts.unwrap_or(false),
    }
}

/// OpenID Connect Registration 1.0 §2. `none` brings nothing, so that it needs no grant of its own; it rides on the code grant.
fn grants_of(kind: ResponseType) -> impl Iterator<Item = GrantType> {
    let code = (kind.has_code() || kind == ResponseType::None).then_some(GrantType::AuthorizationCode);
    code.into_iter().chain(kind.is_front_channel().then_some(GrantType::Implicit))
}

fn response_types(texts: Option<&[String]>, wrong: &mut Problems) -> BTreeSet<ResponseType> {
    let Some(texts) = texts.filter(|texts| !texts.is_empty()) else { return BTreeSet::from([ResponseType::Code]) };
    let mut found = BTreeSet::new();
    for text in texts {
        found.insert(ResponseType::read(text).unwrap_or_else(|| wrong.choice("response_types", Some(text), ResponseType::Code)));
    }
    found
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

fn default_acr_values(asked: &Asked, wrong: &mut Problems) -> Vec<String> {
    let values = asked.default_acr_values.clone().unwrap_or_default();
    if values.iter().any(|value| !acr::SUPPORTED.contains(&value.as_str())) {
        wrong.add("default_acr_values", &format!("Supported: {}.", acr::SUPPORTED.join(", ")));
    }
    values
}

fn check_grants(metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    let uses = |grant| metadata.grant_types.contains(&grant);
    let is_public = metadata.token_endpoint_auth_method == AuthMethod::None;
    // RFC 9700 §2.1.2: off unless the operator switched it on.
    let front_channel = metadata.response_types.iter().any(|kind| kind.is_front_channel());
    if !terms.front_channel && front_channel {
        wrong.add("response_types", "Supported: code, none. The implicit and hybrid flows are switched off here.");
    }
    if !terms.front_channel && uses(GrantType::Implicit) {
        wrong.add("grant_types", "implicit is switched off here.");
    }
    if uses(GrantType::TokenExchange) && !terms.token_exchange {
        wrong.add("grant_types", "No client exchanges tokens here.");
    }
    if uses(GrantType::JwtBearer) && !terms.assertion_issuers {
        wrong.add("grant_types", "No issuer of assertions is known here.");
    }
    if uses(GrantType::PreAuthorizedCode) && !terms.credentials {
        wrong.add("grant_types", "No credentials are issued here.");
    }
    // RFC 8693 §5: else whoever finds a token could have another one made of it.
    if uses(GrantType::TokenExchange) && is_public {
        wrong.add("grant_types", "token-exchange needs a client that authenticates (RFC 8693 section 5).");
    }
    // RFC 7591 §2.1, OpenID Connect Registration 1.0 §2: the two agree.
    for kind in &metadata.response_types {
        for grant in grants_of(*kind).filter(|grant| !uses(*grant) && (terms.front_channel || *grant != GrantType::Implicit)) {
            wrong.add("response_types", &format!("{} needs the grant type {}.", kind.as_str(), grant.as_str()));
        }
    }
    if uses(GrantType::ClientCredentials) && is_public {
        wrong.add("grant_types", "client_credentials needs a client that authenticates (RFC 6749 section 4.4).");
    }
    if uses(GrantType::RefreshToken) && !uses(GrantType::AuthorizationCode) && !uses(GrantType::DeviceCode) && !uses(GrantType::Ciba) {
        wrong.add("grant_types", "refresh_token comes with authorization_code, the device grant or CIBA.");
    }
    // RFC 9700 §2.2.2: a public client's refresh token is bound or rotated.
    if metadata.refresh_token_rotation == Rotation::Never && is_public && !metadata.binds_tokens() {
        wrong.add("refresh_token_rotation", "A public client needs rotation, unless its tokens are bound.");
    }
    // Nobody proves a key in the front channel.
    if metadata.binds_tokens() && metadata.response_types.iter().any(|kind| kind.has_token()) {
        let field =
            if metadata.dpop_bound_access_tokens { "dpop_bound_access_tokens" } else { "tls_client_certificate_bound_access_tokens" };
        wrong.add(field, "An access token that passes through the browser is bound to no key; use response_type code.");
    }
    if metadata.refresh_grace_seconds.0 > LONGEST_GRACE {
        wrong.add("refresh_grace_seconds", "At most 60 seconds.");
    }
}

fn check_uris(metadata: &Metadata, wrong: &mut Problems) {
    let (code, implicit) = (GrantType::AuthorizationCode, GrantType::Implicit);
    if [code, implicit].iter().any(|grant| metadata.grant_types.contains(grant)) && metadata.redirect_uris.is_empty() {
        wrong.add("redirect_uris", "The authorization_code grant needs at least one redirect URI.");
    }
    // OpenID Connect Registration 1.0 §2: tokens in a redirect of a web client pass over https only.
    if metadata.grant_types.contains(&implicit) && metadata.application_type == ApplicationType::Web {
        let is_localhost = |uri| host(uri).is_some_and(|host| host.eq_ignore_ascii_case("localhost"));
        for uri in metadata.redirect_uris.iter().filter(|uri| !uri.starts_with("https://") || is_localhost(uri)) {
            wrong.add("redirect_uris", &format!("{uri}: with the implicit grant a web client uses https and no localhost."));
        }
    }
    for (field, uris) in [("redirect_uris", &metadata.redirect_uris), ("post_logout_redirect_uris", &metadata.post_logout_redirect_uris)] {
        wrong.bounded_list(field, uris);
        for problem in uris.iter().filter_map(|uri| redirect_uri(uri, metadata.application_type).err()) {
            wrong.add(field, &problem);
        }
    }
    for (field, uri) in [
        ("client_uri", &metadata.client_uri),
        ("policy_uri", &metadata.policy_uri),
        ("tos_uri", &metadata.tos_uri),
        ("logo_uri", &metadata.logo_uri),
    ] {
        let Some(uri) = uri else { continue };
        // The pages link to these: a javascript: URL must never get there.
        if is_odd(uri) || !(uri.starts_with("https://") || uri.starts_with("http://")) {
            wrong.add(field, "Use an https URL.");
        }
    }
    // OpenID Connect Core 1.0 §8.1: without a sector nobody could say which clients read the same sub.
    if metadata.subject_type == SubjectType::Pairwise && metadata.sector().is_none() {
        wrong.add("subject_type", "pairwise needs redirect URIs that all have the same host, or a sector_identifier_uri; without redirect URIs a jwks_uri whose keys the client proves.");
    }
    // Back-Channel Logout 1.0 §2.2, CIBA Core §4, OpenID Connect Registration 1.0 §2, §5: absolute, https, without a fragment; http only where a web
    // client may redirect to it, on loopback.
    for (field, uri) in [
        ("backchannel_logout_uri", &metadata.backchannel_logout_uri),
        ("backchannel_client_notification_endpoint", &metadata.backchannel_client_notification_endpoint),
        ("initiate_login_uri", &metadata.initiate_login_uri),
        ("sector_identifier_uri", &metadata.sector_identifier_uri),
        ("jwks_uri", &metadata.jwks_uri),
    ] {
        if let Some(problem) = uri.as_deref().and_then(|uri| redirect_uri(uri, ApplicationType::Web).err()) {
            wrong.add(field, &problem);
        }
    }
    let types = &metadata.authorization_details_types;
    if types.len() > MOST_ENTRIES || types.iter().any(|name| name.is_empty() || name.len() > 128 || name.chars().any(char::is_control)) {
        wrong.add("authorization_details_types", "At most 50 names of 1 to 128 bytes.");
    }
    wrong.bounded_list("allowed_origins", &metadata.allowed_origins);
    for origin in &metadata.allowed_origins {
        if origin_of(origin) != Some(origin.as_str()) {
            wrong.add("allowed_origins", "An origin is a scheme, a host and maybe a port, such as https://app.example.com.");
        }
    }
}

/// Front-Channel Logout 1.0 §2: absolute, and of the origin of a redirect URI, so that nobody has a foreign site loaded.
fn check_front_channel_logout(metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    let Some(uri) = metadata.frontchannel_logout_uri.as_deref() else { return };
    if !terms.front_channel_logout {
        wrong.add("frontchannel_logout_uri", "Front-channel logout is switched off here; use backchannel_logout_uri.");
    } else if let Err(problem) = redirect_uri(uri, ApplicationType::Web) {
        wrong.add("frontchannel_logout_uri", &problem);
    } else if !metadata.redirect_uris.iter().any(|own| origin_of(own) == origin_of(uri)) {
        wrong.add("frontchannel_logout_uri", "Its scheme, host and port must be those of a redirect URI.");
    }
}

fn check_permissions(metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    if metadata.chancery_receipts && metadata.token_endpoint_auth_method == AuthMethod::None {
        wrong.add("chancery_receipts", "Only a client that authenticates gets receipts.");
    }
    if metadata.introspect && !terms.by_operator {
        wrong.add("introspect", "Only an operator can grant this.");
    }
}

#[derive(Default)]
struct Problems(Vec<FieldError>);

impl Problems {
    fn add(&mut self, field: &'static str, problem: &str) {
        self.0.push(FieldError { field, problem: problem.to_string() });
    }

    fn bounded_list(&mut self, field: &'static str, list: &[String]) {
        if list.len() > MOST_ENTRIES {
            self.add(field, "At most 50 entries.");
        }
    }

    fn choice<T: Words>(&mut self, field: &'static str, text: Option<&str>, default: T) -> T {
        let Some(text) = text else { return default };
        T::WORDS.iter().copied().find(|own| own.word() == text).unwrap_or_else(|| {
            let words: Vec<_> = T::WORDS.iter().map(|one| one.word()).collect();
            self.add(field, &format!("Supported: {}.", words.join(", ")));
            default
        })
    }

    /// The same for a member that has no default.
    fn optional<T: Words>(&mut self, field: &'static str, text: Option<&str>) -> Option<T> {
        let (text, first) = (text?, T::WORDS.first()?);
        Some(self.choice(field, Some(text), *first))
    }

    fn choices<T: Words>(&mut self, field: &'static str, texts: Option<&[String]>, default: T) -> BTreeSet<T> {
        let Some(texts) = texts.filter(|texts| !texts.is_empty()) else { return BTreeSet::from([default]) };
        texts.iter().map(|text| self.choice(field, Some(text), default)).collect()
    }
}

#[cfg(test)]
mod tests;
