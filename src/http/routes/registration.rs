//! Registering clients: RFC 7591 / OpenID Connect Dynamic Registration at `/oidc/reg`, and the operators' `/clients`.
//!
//! In development both are open; in production `/oidc/reg` needs an initial access token and `/clients` an operator's token with
//! the scope `admin`, which is good at `/oidc/reg` too. What was registered there is managed at `/oidc/reg/{client_id}` (RFC 7592).

use chancery_core::account::FieldError;
use chancery_core::client::Client;
use chancery_core::client::metadata::{Asked, AuthMethod, Metadata};
use chancery_core::error::OAuthError;
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};

mod metadata;

use metadata::ClientMetadata;

use super::Group;
use crate::app::clients::NotRegistered;
use crate::app::context::Context;
use crate::app::receipt::Receipt;
use crate::app::registration::{Door, Registered};
use crate::config;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::json::StrictJson;
use crate::http::limits;
use crate::http::reply::{Describe, Reply, asks_for_receipt};
use crate::http::server::{Server, context};

/// Purpose of the limit on registrations.
const REGISTRATIONS: &str = "client_registration";

pub struct Registration(pub Server);

/// A whole registration that replaces the one before (RFC 7592 section 2.2).
#[derive(Object, Deserialize, Default)]
#[serde(default)]
struct Replacement {
    /// As in the path.
    client_id: Option<String>,
    /// The secret in force, if it is sent at all.
    client_secret: Option<String>,
    /// Must not be sent.
    registration_access_token: Option<String>,
    /// Must not be sent.
    registration_client_uri: Option<String>,
    /// Must not be sent.
    client_secret_expires_at: Option<i64>,
    /// Must not be sent.
    client_id_issued_at: Option<i64>,
    #[oai(flatten)]
    #[serde(flatten)]
    metadata: ClientMetadata,
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
        ("registration_client_uri", "string", "Where a dynamic registration is read, replaced and deleted (RFC 7592)."),
        ("registration_access_token", "string", "The token for that."),
    ];
}

pub struct Managed;

impl Describe for Managed {
    const DESCRIPTION: &'static str = "The client as it is registered.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("client_id", "string", "The client."),
        ("client_secret", "string", "When it is a new one."),
        ("registration_client_uri", "string", "Where it is."),
        ("registration_access_token", "string", "The token for the next request: another one after each replacement."),
    ];
}

pub struct Deleted;

impl Describe for Deleted {
    const STATUS: u16 = 204;
    const DESCRIPTION: &'static str = "The client is gone, and its grants with it.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[];
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
        let door = match (open, credentials::bearer(request, None)?) {
            (true, None) => Door::Open,
            (_, token) => match token.as_deref().and_then(|token| self.0.app.invited(token)) {
                Some(invited) => Door::Invited(invited),
                None => {
                    self.0.app.operator(token.as_deref(), "admin").await?;
                    Door::Vouched
                }
            },
        };
        self.create(request, &body.0, door).await
    }

    /// Read a registration (RFC 7592)
    #[oai(path = "/oidc/reg/:client_id", method = "get", operation_id = "readRegistration", tag = "Group::Protocol")]
    async fn read(&self, request: &Request, client_id: Path<String>) -> Result<Reply<Managed>, Refused> {
        let token = credentials::bearer(request, None)?;
        let (client, _) = self.0.app.managed_client(&client_id, token.as_deref()).await?;
        let mut registered = self.0.app.registration_of(&client).await?;
        // Reading hands out no other token: it shows the one that was presented.
        registered.registration_access_token = token;
        Ok(Reply::new(&self.told(&registered)))
    }

    /// Replace a registration (RFC 7592)
    #[oai(path = "/oidc/reg/:client_id", method = "put", operation_id = "replaceRegistration", tag = "Group::Protocol")]
    async fn replace(
        &self,
        request: &Request,
        client_id: Path<String>,
        body: StrictJson<Replacement, { limits::REGISTRATION_BODY }>,
    ) -> Result<Reply<Managed>, Refused> {
        self.0.count(REGISTRATIONS, request, self.0.app.config.rate_limits.client_registrations_per_address)?;
        let context = context(request);
        let (client, presented) = self.0.app.managed_client(&client_id, credentials::bearer(request, None)?.as_deref()).await?;
        self.check_replacement(&client, &body).await?;
        match self.0.app.replace_client(&context, &client, presented, &asked(&body.metadata)?).await {
            Ok(registered) => Ok(Reply::new(&self.told(&registered)).with_receipt(receipt(request, &registered.metadata, &context))),
            Err(NotRegistered::Refused(error)) => Err(error.into()),
            Err(NotRegistered::Problems(problems)) => Err(metadata_error(&problems).into()),
        }
    }

    /// Delete a registration (RFC 7592)
    #[oai(path = "/oidc/reg/:client_id", method = "delete", operation_id = "deleteRegistration", tag = "Group::Protocol")]
    async fn delete(&self, request: &Request, client_id: Path<String>) -> Result<Reply<Deleted>, Refused> {
        let (client, presented) = self.0.app.managed_client(&client_id, credentials::bearer(request, None)?.as_deref()).await?;
        let context = context(request);
        self.0.app.delete_client(&context, &client, presented).await?;
        Ok(Reply::empty().with_receipt(receipt(request, &client.metadata, &context)))
    }

    /// Register a client
    #[oai(path = "/clients", method = "post", operation_id = "createClient", tag = "Group::App")]
    async fn create_client(
        &self,
        request: &Request,
        body: StrictJson<ClientMetadata, { limits::REGISTRATION_BODY }>,
    ) -> Result<Reply<Created>, Refused> {
        self.expect_operator(request).await?;
        self.create(request, &body.0, Door::Operator).await
    }

    /// Show a client
    #[oai(path = "/clients/:client_id", method = "get", operation_id = "showClient", tag = "Group::App")]
    async fn show_client(&self, request: &Request, client_id: Path<String>) -> Result<Reply<Shown>, Refused> {
        self.expect_operator(request).await?;
        let client = self.0.app.client(&client_id).await?;
        Ok(Reply::new(&shown(&client)))
    }
}

/// For a client whose registration asks, or a caller who asks now.
fn receipt(request: &Request, metadata: &Metadata, context: &Context) -> Option<Receipt> {
    (metadata.chancery_receipts || asks_for_receipt(request)).then(|| context.receipt()).flatten()
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

    async fn create(&self, request: &Request, sent: &ClientMetadata, door: Door) -> Result<Reply<Created>, Refused> {
        self.0.count(REGISTRATIONS, request, self.0.app.config.rate_limits.client_registrations_per_address)?;
        let context = context(request);
        match self.0.app.register_client(&context, &asked(sent)?, door).await {
            Ok(client) => Ok(Reply::new(&self.told(&client)).with_receipt(receipt(request, &client.metadata, &context))),
            Err(NotRegistered::Refused(error)) => Err(error.into()),
            Err(NotRegistered::Problems(problems)) => Err(metadata_error(&problems).into()),
        }
    }

    /// RFC 7592 §2.2: the client names itself and leaves out what only the server says; a secret that it sends is the one in force.
    async fn check_replacement(&self, client: &Client, sent: &Replacement) -> Result<(), OAuthError> {
        let refuse = |why: &'static str, sentence: &str| Err(OAuthError::invalid_client_metadata(why).saying(sentence));
        if sent.client_id.as_deref() != Some(client.id.as_str()) {
            return refuse("client_id", "client_id must be there, and be the one in the path.");
        }
        let ours = [
            sent.registration_access_token.is_some(),
            sent.registration_client_uri.is_some(),
            sent.client_secret_expires_at.is_some(),
            sent.client_id_issued_at.is_some(),
        ];
        if ours.contains(&true) {
            let sentence = "registration_access_token, registration_client_uri, client_secret_expires_at and client_id_issued_at are \
                            said by the server alone.";
            return refuse("a member of the server", sentence);
        }
        match &sent.client_secret {
            Some(secret) if !self.0.app.is_secret_of(client, secret).await? => {
                refuse("client_secret", "client_secret is not the one in force; leave it out.")
            }
            _ => Ok(()),
        }
    }

    /// RFC 7591 §3.2.1, RFC 7592 §3.
    fn told(&self, client: &Registered) -> Value {
        let mut answer = members(&client.metadata);
        answer["client_id"] = json!(client.id);
        answer["client_id_issued_at"] = json!(client.issued_at);
        if !client.contacts.is_empty() {
            answer["contacts"] = json!(client.contacts);
        }
        if let Some(secret) = &client.secret {
            answer["client_secret"] = json!(secret);
            answer["client_secret_expires_at"] = json!(0);
        }
        if let Some(token) = &client.registration_access_token {
            answer["registration_access_token"] = json!(token);
            answer["registration_client_uri"] = json!(format!("{}/{}", self.0.app.endpoints.registration, client.id));
        }
        answer
    }
}

/// The members by their names: both sides spell them as the specifications do.
fn asked(sent: &ClientMetadata) -> Result<Asked, OAuthError> {
    let read = serde_json::to_value(sent).and_then(serde_json::from_value);
    read.map_err(|why| OAuthError::server_error(format!("metadata cannot be passed on: {why}")))
}

/// RFC 7591 §3.2.2: redirect URIs have a code of their own. Every bad field is in the sentence.
fn metadata_error(problems: &[FieldError]) -> OAuthError {
    let sentence = problems.iter().map(|own| format!("{}: {}", own.field, own.problem)).collect::<Vec<_>>().join(" ");
    let only_uris = problems.iter().all(|own| own.field == "redirect_uris");
    let error = if only_uris { OAuthError::invalid_redirect_uri("metadata") } else { OAuthError::invalid_client_metadata("metadata") };
    error.saying(sentence)
}

fn shown(client: &Client) -> Value {
    let mut answer = members(&client.metadata);
    answer["client_id"] = json!(client.id);
    answer["client_id_issued_at"] = json!(client.registered_at.numeric_date());
    answer["disabled"] = json!(client.disabled);
    answer["deleted"] = json!(client.deleted);
    answer["origin"] = json!(client.origin);
    answer
}

fn members(metadata: &Metadata) -> Value {
    let mut answer = json!(metadata);
    if metadata.token_endpoint_auth_method == AuthMethod::None {
        answer["require_pkce"] = json!(true);
    }
    // Both logouts name the session, whatever was asked: RFC 7591 §3.2.1 wants the client told what holds.
    let logouts = [
        ("backchannel_logout_session_required", &metadata.backchannel_logout_uri),
        ("frontchannel_logout_session_required", &metadata.frontchannel_logout_uri),
    ];
    for (member, _) in logouts.iter().filter(|(_, uri)| uri.is_some()) {
        answer[member] = json!(true);
    }
    answer
}
