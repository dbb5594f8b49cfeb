//! Registering clients: RFC 7591 / OpenID Connect Dynamic Registration at `/oidc/reg`, and the operators' `/clients`.
//!
//! In development both are open; in production `/oidc/reg` needs an initial access token and `/clients` an operator's token with
//! the scope `admin`. An initial access token is an operator's token with `admin`, too.

use chancery_core::account::FieldError;
use chancery_core::client::metadata::{Asked, AuthMethod, Metadata};
use chancery_core::client::{Client, Origin};
use chancery_core::error::OAuthError;
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Group;
use crate::app::clients::{NotRegistered, Registered};
use crate::config;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::json::StrictJson;
use crate::http::limits;
use crate::http::reply::{Describe, Reply};
use crate::http::server::{Server, context};

/// Purpose of the limit on registrations.
const REGISTRATIONS: &str = "client_registration";

pub struct Registration(pub Server);

/// Client metadata (RFC 7591 section 2, OpenID Connect Registration 1.0 section 2). Unknown members are ignored.
#[derive(Object, Deserialize, Default)]
#[serde(default)]
struct ClientMetadata {
    client_name: Option<String>,
    client_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    /// web or native.
    application_type: Option<String>,
    redirect_uris: Option<Vec<String>>,
    post_logout_redirect_uris: Option<Vec<String>>,
    /// Where the client is told that a session is over (OpenID Connect Back-Channel Logout 1.0).
    backchannel_logout_uri: Option<String>,
    /// Logout tokens always have a sid.
    backchannel_logout_session_required: Option<bool>,
    /// authorization_code, refresh_token, client_credentials.
    grant_types: Option<Vec<String>>,
    /// code.
    response_types: Option<Vec<String>>,
    /// client_secret_basic, client_secret_post, private_key_jwt or none.
    token_endpoint_auth_method: Option<String>,
    /// RS256, PS256, ES256, ES384 or EdDSA.
    id_token_signed_response_alg: Option<String>,
    /// conform or all: which claims an id_token carries.
    id_token_claims: Option<String>,
    /// Makes userinfo a JWT signed with this.
    userinfo_signed_response_alg: Option<String>,
    /// public or pairwise.
    subject_type: Option<String>,
    scope: Option<String>,
    /// Public keys by value (RFC 7517).
    jwks: Option<Value>,
    jwks_uri: Option<String>,
    /// RS256, PS256, ES256, ES384 or EdDSA; none where it is switched on (RFC 9101).
    request_object_signing_alg: Option<String>,
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
}

impl From<ClientMetadata> for Asked {
    fn from(sent: ClientMetadata) -> Self {
        Self {
            client_name: sent.client_name,
            client_uri: sent.client_uri,
            policy_uri: sent.policy_uri,
            tos_uri: sent.tos_uri,
            application_type: sent.application_type,
            redirect_uris: sent.redirect_uris,
            post_logout_redirect_uris: sent.post_logout_redirect_uris,
            backchannel_logout_uri: sent.backchannel_logout_uri,
            backchannel_logout_session_required: sent.backchannel_logout_session_required,
            grant_types: sent.grant_types,
            response_types: sent.response_types,
            token_endpoint_auth_method: sent.token_endpoint_auth_method,
            id_token_signed_response_alg: sent.id_token_signed_response_alg,
            id_token_claims: sent.id_token_claims,
            userinfo_signed_response_alg: sent.userinfo_signed_response_alg,
            subject_type: sent.subject_type,
            scope: sent.scope,
            jwks: sent.jwks,
            jwks_uri: sent.jwks_uri,
            request_object_signing_alg: sent.request_object_signing_alg,
            request_uris: sent.request_uris,
            require_signed_request_object: sent.require_signed_request_object,
            default_max_age: sent.default_max_age,
            default_acr_values: sent.default_acr_values,
            require_auth_time: sent.require_auth_time,
            require_pkce: sent.require_pkce,
            dpop_bound_access_tokens: sent.dpop_bound_access_tokens,
            require_pushed_authorization_requests: sent.require_pushed_authorization_requests,
            refresh_token_rotation: sent.refresh_token_rotation,
            refresh_grace_seconds: sent.refresh_grace_seconds,
            allowed_origins: sent.allowed_origins,
            introspect: sent.introspect,
            chancery_receipts: sent.chancery_receipts,
            contacts: sent.contacts,
        }
    }
}

pub struct Created;

impl Describe for Created {
    const STATUS: u16 = 201;
    const DESCRIPTION: &'static str = "The client as it is registered. The secret is shown this once.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("client_id", "string", "The new client."),
        ("client_secret", "string", "For clients that authenticate with one."),
        ("client_secret_expires_at", "integer", "0: it does not expire."),
        ("client_id_issued_at", "integer", "Seconds since 1970."),
    ];
}

pub struct Shown;

impl Describe for Shown {
    const DESCRIPTION: &'static str = "The client as it is registered, without secrets.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[("client_id", "string", "The client.")];
}

#[OpenApi]
impl Registration {
    /// Dynamic registration (RFC 7591)
    #[oai(path = "/oidc/reg", method = "post", operation_id = "register", tag = "Group::Protocol")]
    async fn register(
        &self,
        request: &Request,
        body: StrictJson<ClientMetadata, { limits::REGISTRATION_BODY }>,
    ) -> Result<Reply<Created>, Refused> {
        let open = self.0.app.config.registration == config::Registration::Open;
        let origin = match (open, credentials::bearer(request, None)?) {
            (true, None) => Origin::OpenRegistration,
            (_, token) => {
                self.0.app.operator(token.as_deref(), "admin").await?;
                Origin::InvitedRegistration
            }
        };
        self.create(request, body.0, origin).await
    }

    /// Register a client
    #[oai(path = "/clients", method = "post", operation_id = "createClient", tag = "Group::App")]
    async fn create_client(
        &self,
        request: &Request,
        body: StrictJson<ClientMetadata, { limits::REGISTRATION_BODY }>,
    ) -> Result<Reply<Created>, Refused> {
        self.expect_operator(request).await?;
        self.create(request, body.0, Origin::Operator).await
    }

    /// Show a client
    #[oai(path = "/clients/:client_id", method = "get", operation_id = "showClient", tag = "Group::App")]
    async fn show_client(&self, request: &Request, client_id: Path<String>) -> Result<Reply<Shown>, Refused> {
        self.expect_operator(request).await?;
        let client = self.0.app.client(&client_id).await?;
        Ok(Reply::new(&shown(&client)))
    }
}

impl Registration {
    /// In development anybody on this machine may; in production an operator.
    async fn expect_operator(&self, request: &Request) -> Result<(), Refused> {
        let token = credentials::bearer(request, None)?;
        if token.is_none() && !self.0.app.is_production() {
            return Ok(());
        }
        self.0.app.operator(token.as_deref(), "admin").await.map(drop).map_err(Refused::from)
    }

    async fn create(&self, request: &Request, sent: ClientMetadata, origin: Origin) -> Result<Reply<Created>, Refused> {
        self.0.count(REGISTRATIONS, request, self.0.app.config.rate_limits.client_registrations_per_address)?;
        let context = context(request);
        match self.0.app.register_client(&context, &sent.into(), origin).await {
            Ok(client) => {
                let receipt = client.metadata.chancery_receipts.then(|| context.receipt()).flatten();
                Ok(Reply::new(&created(&client)).with_receipt(receipt))
            }
            Err(NotRegistered::Refused(error)) => Err(error.into()),
            Err(NotRegistered::Problems(problems)) => Err(metadata_error(&problems).into()),
        }
    }
}

/// RFC 7591 §3.2.2: redirect URIs have a code of their own. Every bad field is in the sentence.
fn metadata_error(problems: &[FieldError]) -> OAuthError {
    let sentence = problems.iter().map(|own| format!("{}: {}", own.field, own.problem)).collect::<Vec<_>>().join(" ");
    let only_uris = problems.iter().all(|own| own.field == "redirect_uris");
    let error = if only_uris { OAuthError::invalid_redirect_uri("metadata") } else { OAuthError::invalid_client_metadata("metadata") };
    error.saying(sentence)
}

/// RFC 7591 §3.2.1.
fn created(client: &Registered) -> Value {
    let mut answer = members(&client.metadata);
    answer["client_id"] = json!(client.id);
    answer["client_id_issued_at"] = json!(client.issued_at);
    if let Some(secret) = &client.secret {
        answer["client_secret"] = json!(secret);
        answer["client_secret_expires_at"] = json!(0);
    }
    answer
}

fn shown(client: &Client) -> Value {
    let mut answer = members(&client.metadata);
    answer["client_id"] = json!(client.id);
    answer["client_id_issued_at"] = json!(client.registered_at.numeric_date());
    answer["disabled"] = json!(client.disabled);
    answer["origin"] = json!(client.origin);
    answer
}

fn members(metadata: &Metadata) -> Value {
    let mut answer = json!(metadata);
    if metadata.token_endpoint_auth_method == AuthMethod::None {
        answer["require_pkce"] = json!(true);
    }
    answer
}
