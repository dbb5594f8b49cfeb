//! Clients and development users declared in the TOML file: their shape only.
//!
//! Whether a redirect URI, grant or algorithm is acceptable is decided by the rules of registration, the same for
//! everybody who registers.

use std::collections::{BTreeMap, BTreeSet};

use chancery_core::offer::ANONYMOUS;

use super::fields::{CLIENT, DETAILS, EXCHANGE, Field, ISSUER, RESOURCE, USER};
use super::file::Entry;
use super::given::Raw;
use super::problem::Problem;
use super::reader;
use super::secret::Secret;
use super::stated;
use super::table::Kind;

/// A `[[client]]`. `None` and an empty list mean: as registration decides by default.
#[derive(Clone, Default)]
pub struct DeclaredClient {
    pub client_id: String,
    pub client_name: Option<String>,
    pub client_secret: Option<Secret>,
    pub redirect_uris: Vec<String>,
    pub post_logout_redirect_uris: Vec<String>,
    pub backchannel_logout_uri: Option<String>,
    pub frontchannel_logout_uri: Option<String>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub token_endpoint_auth_method: Option<String>,
    pub token_endpoint_auth_signing_alg: Option<String>,
    pub application_type: Option<String>,
    pub scope: Option<String>,
    pub authorization_details_types: Vec<String>,
    pub id_token_signed_response_alg: Option<String>,
    pub id_token_claims: Option<String>,
    pub userinfo_signed_response_alg: Option<String>,
    pub authorization_signed_response_alg: Option<String>,
    pub introspection_signed_response_alg: Option<String>,
    pub subject_type: Option<String>,
    pub require_pkce: bool,
    pub require_pushed_authorization_requests: bool,
    pub dpop_bound_access_tokens: bool,
    pub tls_client_certificate_bound_access_tokens: bool,
    /// `None`: any.
    pub response_modes: Option<Vec<String>>,
    pub use_mtls_endpoint_aliases: bool,
    pub tls_client_auth_subject_dn: Option<String>,
    pub tls_client_auth_san_dns: Option<String>,
    pub tls_client_auth_san_uri: Option<String>,
    pub tls_client_auth_san_ip: Option<String>,
    pub tls_client_auth_san_email: Option<String>,
    /// Seconds.
    pub default_max_age: Option<u64>,
    pub rotation: Option<String>,
    pub refresh_grace_seconds: u64,
    /// JSON text of a JWK set.
    pub jwks: Option<String>,
    pub jwks_uri: Option<String>,
    pub logo_uri: Option<String>,
    pub initiate_login_uri: Option<String>,
    pub sector_identifier_uri: Option<String>,
    pub request_object_signing_alg: Option<String>,
    pub request_uris: Vec<String>,
    pub require_signed_request_object: bool,
    pub allowed_origins: Vec<String>,
    pub contacts: Vec<String>,
    pub introspect: bool,
    pub backchannel_token_delivery_mode: Option<String>,
    pub backchannel_client_notification_endpoint: Option<String>,
    pub backchannel_authentication_request_signing_alg: Option<String>,
    pub backchannel_user_code_parameter: bool,
    pub chancery_profile: Option<String>,
    pub chancery_receipts: bool,
}

/// A `[[user]]`, for development.
#[derive(Clone)]
pub struct DeclaredUser {
    pub email: String,
    pub password: Secret,
    pub name: Option<String>,
    /// Standard claims by name, a part of the address after `address.`, and what others assert; the rules of accounts say which are acceptable.
    pub claims: BTreeMap<String, String>,
}

/// A `[[resource]]`: an API that access tokens are for.
#[derive(Clone)]
pub struct DeclaredResource {
    pub identifier: String,
    pub name: Option<String>,
    pub scope: Option<String>,
    pub token_format: Option<String>,
    pub signing_alg: Option<String>,
    /// Seconds.
    pub access_token_lifetime: Option<u64>,
    pub introspected_by: Vec<String>,
    pub encryption_alg: Option<String>,
    pub encryption_enc: Option<String>,
    /// JSON text of a JWK set.
    pub jwks: Option<String>,
}

/// A `[[authorization_details_type]]`; what its schema, words and enrichment may be the rules say.
#[derive(Clone)]
pub struct DeclaredDetails {
    pub name: String,
    /// JSON text.
    pub schema: String,
    pub words: String,
    /// JSON text.
    pub enrichment: Option<String>,
}

/// The types, in the order of the file.
pub fn details(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredDetails> {
    let mut types: Vec<DeclaredDetails> = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: DETAILS, problems };
        let (schema, enrichment) = (fields.lines("schema").unwrap_or_default(), fields.lines("enrichment"));
        let mut text = |name| fields.text(name).unwrap_or_default();
        let own = DeclaredDetails { name: text("name"), schema, words: text("words"), enrichment };
        if types.iter().any(|other| other.name == own.name) {
            fields.refuse("name", "is declared twice; give each type its own.".to_owned());
        }
        types.push(own);
    }
    types
}

/// A `[[token_exchange]]`; what its words may be the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredExchange {
    pub client_id: String,
    pub subject_clients: Vec<String>,
    pub subject_token_types: Vec<String>,
    pub modes: Vec<String>,
    pub resources: Vec<String>,
    pub scope: Option<String>,
    pub single_use: bool,
    pub may_act: bool,
}

/// The rules of exchanges, one for each client.
pub fn exchanges(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredExchange> {
    let mut rules: Vec<DeclaredExchange> = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: EXCHANGE, problems };
        let one = |word: &str| vec![word.to_owned()];
        let own = DeclaredExchange {
            client_id: fields.text("client_id").unwrap_or_default(),
            subject_clients: fields.list("subject_clients").unwrap_or_default(),
            subject_token_types: fields.list("subject_token_types").unwrap_or_else(|| one("access_token")),
            modes: fields.list("modes").unwrap_or_else(|| one("delegation")),
            resources: fields.list("resources").unwrap_or_default(),
            scope: fields.text("scope"),
            single_use: fields.read("single_use", reader::boolean).unwrap_or_default(),
            may_act: fields.read("may_act", reader::boolean).unwrap_or_default(),
        };
        if rules.iter().any(|other| other.client_id == own.client_id) {
            fields.refuse("client_id", "has two rules; write one for each client.".to_owned());
        }
        rules.push(own);
    }
    rules
}

/// A `[[assertion_issuer]]`; what its words may be the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredIssuer {
    pub issuer: String,
    /// JSON text of a JWK set.
    pub jwks: String,
    pub clients: Vec<String>,
    pub scope: String,
    pub subject: String,
    pub resources: Vec<String>,
}

/// The issuers of assertions, each once.
pub fn issuers(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredIssuer> {
    let mut issuers: Vec<DeclaredIssuer> = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: ISSUER, problems };
        let own = DeclaredIssuer {
            issuer: fields.text("issuer").unwrap_or_default(),
            jwks: fields.read("jwks", jwks).unwrap_or_default(),
            clients: fields.list("clients").unwrap_or_default(),
            scope: fields.text("scope").unwrap_or_default(),
            subject: fields.text("subject").unwrap_or_else(|| "account".to_owned()),
            resources: fields.list("resources").unwrap_or_default(),
        };
        if issuers.iter().any(|other| other.issuer == own.issuer) {
            fields.refuse("issuer", "is declared twice; write one entry for each issuer.".to_owned());
        }
        issuers.push(own);
    }
    issuers
}

/// Somebody whose statements about software count.
#[derive(Clone)]
pub struct SoftwareIssuer {
    pub issuer: String,
    /// JSON text of a JWK set.
    pub jwks: String,
}

/// Reads `ISSUER FILE`.
///
/// # Errors
/// What is wrong with it.
pub fn software_issuer(text: &str) -> Result<SoftwareIssuer, String> {
    let (issuer, file) = text.split_once(' ').ok_or_else(|| format!("{text:?} is not an issuer, a space and a file."))?;
    let content = std::fs::read_to_string(file.trim()).map_err(|error| format!("the file {} cannot be read: {error}.", file.trim()))?;
    let jwks = jwks(Kind::Text, &Raw::Text(content)).map_err(|why| format!("the file {} {why}", file.trim()))?;
    Ok(SoftwareIssuer { issuer: issuer.to_owned(), jwks })
}

/// Reads the fields of one entry.
pub(super) struct Fields<'a> {
    pub entry: &'a Entry,
    pub known: &'static [Field],
    pub problems: &'a mut Vec<Problem>,
}

impl Fields<'_> {
    pub fn refuse(&mut self, field: &str, sentence: String) {
        let origin = self.entry.fields.get(field).map_or(&self.entry.origin, |given| &given.origin).clone();
        self.problems.push(Problem { key: format!("{}.{field}", self.entry.name), origin, sentence });
    }

    pub fn read<T>(&mut self, name: &'static str, check: impl Fn(Kind, &Raw) -> Result<T, String>) -> Option<T> {
        let field = self.known.iter().find(|field| field.name == name)?;
        let Some(given) = self.entry.fields.get(name) else {
            if field.required {
                self.refuse(name, "is missing; every entry needs one.".to_owned());
            }
            return None;
        };
        match check(field.kind, &given.raw) {
            Ok(value) => Some(value),
            Err(sentence) => {
                self.refuse(name, sentence);
                None
            }
        }
    }

    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, reader::text)
    }

    /// JSON, which may stand on several lines.
    pub fn lines(&mut self, name: &'static str) -> Option<String> {
        self.read(name, reader::lines)
    }

    pub fn list(&mut self, name: &'static str) -> Option<Vec<String>> {
        self.read(name, reader::list)
    }

    pub fn secret(&mut self, name: &'static str) -> Option<Secret> {
        let origin = self.entry.origin.clone();
        self.read(name, |kind, raw| reader::found(kind, raw, &origin)).map(|found| found.secret)
    }
}

/// The clients, in the order of the file. A `client_id` that occurs twice is a problem.
pub fn clients(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredClient> {
    let mut seen = BTreeSet::new();
    let mut clients = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: CLIENT, problems };
        let client = DeclaredClient {
            client_id: fields.text("client_id").unwrap_or_default(),
            client_name: fields.text("client_name"),
            client_secret: fields.secret("client_secret"),
            redirect_uris: fields.list("redirect_uris").unwrap_or_default(),
            post_logout_redirect_uris: fields.list("post_logout_redirect_uris").unwrap_or_default(),
            backchannel_logout_uri: fields.text("backchannel_logout_uri"),
            frontchannel_logout_uri: fields.text("frontchannel_logout_uri"),
            grant_types: fields.list("grant_types"),
            response_types: fields.list("response_types"),
            token_endpoint_auth_method: fields.text("token_endpoint_auth_method"),
            token_endpoint_auth_signing_alg: fields.text("token_endpoint_auth_signing_alg"),
            application_type: fields.text("application_type"),
            scope: fields.text("scope"),
            authorization_details_types: fields.list("authorization_details_types").unwrap_or_default(),
            id_token_signed_response_alg: fields.text("id_token_signed_response_alg"),
            id_token_claims: fields.text("id_token_claims"),
            userinfo_signed_response_alg: fields.text("userinfo_signed_response_alg"),
            authorization_signed_response_alg: fields.text("authorization_signed_response_alg"),
            introspection_signed_response_alg: fields.text("introspection_signed_response_alg"),
            subject_type: fields.text("subject_type"),
            require_pkce: fields.read("require_pkce", reader::boolean).unwrap_or_default(),
            dpop_bound_access_tokens: fields.read("dpop_bound_access_tokens", reader::boolean).unwrap_or_default(),
            tls_client_certificate_bound_access_tokens: fields
                .read("tls_client_certificate_bound_access_tokens", reader::boolean)
                .unwrap_or_default(),
            response_modes: fields.list("response_modes"),
            use_mtls_endpoint_aliases: fields.read("use_mtls_endpoint_aliases", reader::boolean).unwrap_or_default(),
            tls_client_auth_subject_dn: fields.text("tls_client_auth_subject_dn"),
            tls_client_auth_san_dns: fields.text("tls_client_auth_san_dns"),
            tls_client_auth_san_uri: fields.text("tls_client_auth_san_uri"),
            tls_client_auth_san_ip: fields.text("tls_client_auth_san_ip"),
            tls_client_auth_san_email: fields.text("tls_client_auth_san_email"),
            require_pushed_authorization_requests: fields
                .read("require_pushed_authorization_requests", reader::boolean)
                .unwrap_or_default(),
            default_max_age: fields.read("default_max_age", reader::integer),
            rotation: fields.text("rotation"),
            refresh_grace_seconds: fields.read("refresh_grace_seconds", reader::integer).unwrap_or_default(),
            jwks: fields.read("jwks", jwks),
            jwks_uri: fields.text("jwks_uri"),
            logo_uri: fields.text("logo_uri"),
            initiate_login_uri: fields.text("initiate_login_uri"),
            sector_identifier_uri: fields.text("sector_identifier_uri"),
            request_object_signing_alg: fields.text("request_object_signing_alg"),
            request_uris: fields.list("request_uris").unwrap_or_default(),
            require_signed_request_object: fields.read("require_signed_request_object", reader::boolean).unwrap_or_default(),
            allowed_origins: fields.list("allowed_origins").unwrap_or_default(),
            contacts: fields.list("contacts").unwrap_or_default(),
            introspect: fields.read("introspect", reader::boolean).unwrap_or_default(),
            backchannel_token_delivery_mode: fields.text("backchannel_token_delivery_mode"),
            backchannel_client_notification_endpoint: fields.text("backchannel_client_notification_endpoint"),
            backchannel_authentication_request_signing_alg: fields.text("backchannel_authentication_request_signing_alg"),
            backchannel_user_code_parameter: fields.read("backchannel_user_code_parameter", reader::boolean).unwrap_or_default(),
            chancery_profile: fields.text("chancery_profile"),
            chancery_receipts: fields.read("chancery_receipts", reader::boolean).unwrap_or_default(),
        };
        if client.client_id == ANONYMOUS {
            fields.refuse("client_id", "is what wallets without a client_id are called here; choose another.".to_owned());
        }
        if !client.client_id.is_empty() && !seen.insert(client.client_id.clone()) {
            fields.refuse("client_id", "is declared twice; give each client its own.".to_owned());
        }
        clients.push(client);
    }
    clients
}

/// The users, in the order of the file.
pub fn users(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredUser> {
    let mut seen = BTreeSet::new();
    let mut users = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: USER, problems };
        let user = DeclaredUser {
            email: fields.text("email").unwrap_or_default(),
            password: fields.secret("password").unwrap_or_else(|| Secret::new("")),
            name: fields.text("name"),
            claims: fields.read("claims", stated::claims).unwrap_or_default(),
        };
        if !user.email.is_empty() && !seen.insert(user.email.to_lowercase()) {
            fields.refuse("email", "is declared twice; give each user their own.".to_owned());
        }
        users.push(user);
    }
    users
}

/// The resource servers, in the order of the file.
pub fn resources(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredResource> {
    let mut seen = BTreeSet::new();
    let mut resources = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: RESOURCE, problems };
        let resource = DeclaredResource {
            identifier: fields.text("identifier").unwrap_or_default(),
            name: fields.text("name"),
            scope: fields.text("scope"),
            token_format: fields.text("token_format"),
            signing_alg: fields.text("signing_alg"),
            access_token_lifetime: fields.read("access_token_lifetime", reader::integer),
            introspected_by: fields.list("introspected_by").unwrap_or_default(),
            encryption_alg: fields.text("encryption_alg"),
            encryption_enc: fields.text("encryption_enc"),
            jwks: fields.read("jwks", jwks),
        };
        if !resource.identifier.is_empty() && !seen.insert(resource.identifier.clone()) {
            fields.refuse("identifier", "is declared twice; give each resource server its own.".to_owned());
        }
        resources.push(resource);
    }
    resources
}

/// JSON text, which may have line ends, of an object with `keys`. RFC 7517 §5.
pub(super) fn jwks(_: Kind, raw: &Raw) -> Result<String, String> {
    let wrong = || "is not the JSON text of a JWK set; write '{\"keys\":[...]}'.".to_owned();
    let Raw::Text(text) = raw else { return Err(wrong()) };
    let set: serde_json::Value = serde_json::from_str(text).map_err(|_| wrong())?;
    if set.get("keys").and_then(serde_json::Value::as_array).is_some() { Ok(text.clone()) } else { Err(wrong()) }
}
