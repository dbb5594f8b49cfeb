//! Clients: applications that ask for tokens.
//!
//! | Rule | Source |
//! |---|---|
//! | what a registration may say | `metadata` |
//! | how a client proves who it is | `authenticate`, `certificate`, `attestation` |
//! | a generated secret is kept as a digest; one that an operator chose or that keys are derived from, as ciphertext | DESIGN: rule 7, OpenID Connect Core 1.0 §10.2 |
//! | a client that nobody registered says in a document what it is | `document` |
//! | who registered it may read, replace and delete it | `manage` |
//! | two secrets may be valid at a time, so that one can be replaced without an outage | our own |

pub mod attestation;
pub mod authenticate;
pub mod certificate;
pub mod document;
pub mod manage;
pub mod metadata;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::{ClientId, InvitationId};
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::Timestamp;
use document::{ClientDocumentRead, Document};
use manage::{ClientDeleted, ClientKeysFetched, ClientReplaced, FetchedKeys, RegistrationAccessIssued};
use metadata::Metadata;

/// Who brought the client in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The configuration file, which owns it.
    Declared,
    /// An operator, by API or CLI.
    Operator,
    /// Dynamic registration with an initial access token.
    InvitedRegistration,
    /// Dynamic registration by anybody.
    OpenRegistration,
    /// Nobody: its name is the URL of a document that says what it is.
    Document,
}

impl Origin {
    /// Does the operator vouch for it? Only then are early errors redirected without a click (RFC 9700 §4.11.2).
    pub const fn is_vouched(self) -> bool {
        !matches!(self, Self::OpenRegistration | Self::Document)
    }
}

/// `personal`: `contacts`, `client_secret` (when the operator chose it, or when the client proves it without sending it).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientRegistered {
    pub client: ClientId,
    pub metadata: Metadata,
    pub origin: Origin,
    /// Digest of a generated secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_expires_at: Option<Timestamp>,
    /// Digest of its registration access token (RFC 7592 §1.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_access: Option<Digest>,
    /// The initial access token that let it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationId>,
    /// Digest of the document behind `sector_identifier_uri`, as it was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_document: Option<Digest>,
    pub at: Timestamp,
}

/// The configuration file declares something else than before. `personal`: `client_secret`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientRedeclared {
    pub before: Metadata,
    pub metadata: Metadata,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientDisabled {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientEnabled {
    pub at: Timestamp,
}

events! {
    /// The history of a client.
    ClientEvent {
        ClientRegistered = 1,
        ClientRedeclared = 1,
        ClientReplaced = 1,
        ClientDisabled = 1,
        ClientEnabled = 1,
        ClientDeleted = 1,
        ClientKeysFetched = 1,
        ClientDocumentRead = 1,
        RegistrationAccessIssued = 1,
    }
}

/// What a presented secret is compared with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secret {
    Digest(Digest),
    Sealed(Sealed),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Client {
    pub id: ClientId,
    pub metadata: Metadata,
    pub origin: Origin,
    pub secrets: Vec<(Secret, Option<Timestamp>)>,
    pub disabled: bool,
    pub registered_at: Timestamp,
    /// Ciphertexts of people named in the registration.
    pub contacts: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_access: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invitation: Option<InvitationId>,
    /// Gone for good; its name is never given to another.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub deleted: bool,
    /// What was found behind `jwks_uri` last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<FetchedKeys>,
    /// Of a client that nobody registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<Document>,
}

impl Client {
    /// A client without a secret or key cannot keep one (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.metadata.token_endpoint_auth_method == metadata::AuthMethod::None
    }

    /// Does somebody vouch for each of its instances? Then it has many holders, as a public client has.
    pub fn is_attested(&self) -> bool {
        self.metadata.token_endpoint_auth_method.needs_attester()
    }

    fn of_document(event: &ClientDocumentRead) -> Self {
        Self {
            id: event.client.clone(),
            metadata: event.metadata.clone(),
            origin: Origin::Document,
            secrets: Vec::new(),
            disabled: false,
            registered_at: event.at,
            contacts: None,
            registration_access: None,
            invitation: None,
            deleted: false,
            keys: None,
            document: Some(Document::first(event)),
        }
    }

    /// Keys from another address than the new one are not its keys.
    fn forget_keys_unless(&mut self, new: &Metadata) {
        if self.metadata.jwks_uri != new.jwks_uri {
            self.keys = None;
        }
    }

    /// What people read as its name. What a stranger calls itself nobody has checked; its host is known (CIMD §8.5).
    pub fn shown_name(&self) -> &str {
        let host = self.id.host().filter(|_| self.origin == Origin::Document);
        host.or(self.metadata.client_name.as_deref()).unwrap_or(self.id.as_str())
    }

    pub fn is_active(&self) -> bool {
        !self.disabled && !self.deleted
    }
}

fn sealed_secret(client: &ClientId, personal: &BTreeMap<String, String>, fact: &Fact<'_, ClientEvent>) -> Option<Secret> {
    personal.get("client_secret")?;
    fact.sealed(&client.stream(), "client_secret").map(Secret::Sealed)
}

impl Stream for Client {
    const KIND: &'static str = "client";
    type Event = ClientEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, ClientEvent>) -> Result<Self, FoldError> {
        let Some(mut client) = state else {
            let event = match fact.event {
                ClientEvent::ClientRegistered(event) => event,
                ClientEvent::ClientDocumentRead(event) => return Ok(Self::of_document(event)),
                other => return Err(FoldError::OutOfOrder { name: other.event_type().name }),
            };
            let secret = event.secret.map(Secret::Digest).or_else(|| sealed_secret(&event.client, fact.personal, fact));
            return Ok(Self {
                id: event.client.clone(),
                metadata: event.metadata.clone(),
                origin: event.origin,
                secrets: secret.into_iter().map(|secret| (secret, event.secret_expires_at)).collect(),
                disabled: false,
                registered_at: event.at,
                contacts: fact.sealed(&event.client.stream(), "contacts"),
                registration_access: event.registration_access,
                invitation: event.invitation,
                deleted: false,
                keys: None,
                document: None,
            });
        };
        match fact.event {
            event if client.deleted => return Err(FoldError::OutOfOrder { name: event.event_type().name }),
            ClientEvent::ClientRegistered(_) => return Err(FoldError::OutOfOrder { name: "ClientRegistered" }),
            ClientEvent::ClientRedeclared(event) => {
                client.forget_keys_unless(&event.metadata);
                client.metadata = event.metadata.clone();
                client.secrets = sealed_secret(&client.id, fact.personal, fact).into_iter().map(|secret| (secret, None)).collect();
                client.disabled = false;
            }
            ClientEvent::ClientDisabled(_) => client.disabled = true,
            ClientEvent::ClientEnabled(_) => client.disabled = false,
            ClientEvent::ClientReplaced(event) => {
                client.forget_keys_unless(&event.metadata);
                client.metadata = event.metadata.clone();
                client.registration_access = Some(event.registration_access);
                client.contacts = fact.sealed(&client.id.stream(), "contacts");
                if !client.metadata.has_secret() {
                    client.secrets.clear();
                } else if let Some(sealed) = sealed_secret(&client.id, fact.personal, fact) {
                    client.secrets = alloc::vec![(sealed, None)];
                } else if let Some(secret) = event.secret {
                    client.secrets = alloc::vec![(Secret::Digest(secret), None)];
                }
            }
            ClientEvent::RegistrationAccessIssued(event) => client.registration_access = Some(event.registration_access),
            ClientEvent::ClientDeleted(_) => {
                client.deleted = true;
                client.registration_access = None;
                client.secrets.clear();
                client.contacts = None;
                client.keys = None;
            }
            ClientEvent::ClientDocumentRead(event) => {
                client.forget_keys_unless(&event.metadata);
                client.document = Some(match &client.document {
                    Some(own) => own.next(&client.metadata, event),
                    None => return Err(FoldError::OutOfOrder { name: "ClientDocumentRead" }),
                });
                client.metadata = event.metadata.clone();
            }
            ClientEvent::ClientKeysFetched(event) => {
                client.keys = Some(FetchedKeys { digest: event.digest, jwks: event.jwks.clone(), at: event.at });
            }
        }
        Ok(client)
    }
}

/// A registration whose metadata was validated.
pub struct Register {
    pub client: ClientId,
    pub metadata: Metadata,
    pub origin: Origin,
    pub generated_secret: Option<Digest>,
    /// In clear for the vault: one that the operator chose, or that the server needs itself.
    pub chosen_secret: Option<String>,
    pub contacts: Option<String>,
    pub registration_access: Option<Digest>,
    pub invitation: Option<InvitationId>,
    pub sector_document: Option<Digest>,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn register(cmd: &Register) -> Decision<ClientEvent, ()> {
    let event = ClientRegistered {
        client: cmd.client.clone(),
        metadata: cmd.metadata.clone(),
        origin: cmd.origin,
        secret: cmd.generated_secret,
        secret_expires_at: None,
        registration_access: cmd.registration_access,
        invitation: cmd.invitation,
        sector_document: cmd.sector_document,
        at: cmd.at,
    };
    let personal = Personal::default()
        .with("contacts", cmd.contacts.as_deref())
        .with("client_secret", cmd.chosen_secret.as_deref())
        .with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// What the configuration file says about a client that exists already.
pub struct Declare {
    pub metadata: Metadata,
    pub chosen_secret: Option<String>,
    /// The stored secret equals the declared one (compared by the shell, in constant time).
    pub same_secret: bool,
    pub at: Timestamp,
}

/// Seeding is idempotent: an event only when the file says something new.
pub fn declare(client: &Client, cmd: &Declare) -> Decision<ClientEvent, ()> {
    if client.origin != Origin::Declared {
        return Decision::refuse(OAuthError::conflict("the client_id belongs to a client that was registered otherwise"));
    }
    if client.metadata == cmd.metadata && cmd.same_secret && client.is_active() {
        return Decision::accept(Vec::new(), ());
    }
    let event = ClientRedeclared { before: client.metadata.clone(), metadata: cmd.metadata.clone(), at: cmd.at };
    let personal = Personal::default().with("client_secret", cmd.chosen_secret.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// A declared client that the file no longer names is disabled, never deleted.
pub fn disable(client: &Client, at: Timestamp) -> Decision<ClientEvent, ()> {
    let events = if client.is_active() { alloc::vec![ClientDisabled { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

/// The operator closes a client: nothing of it gets or uses a token. One that the configuration file owns is closed there.
pub fn disable_by_operator(client: &Client, at: Timestamp) -> Decision<ClientEvent, ()> {
    if client.origin == Origin::Declared {
        return Decision::refuse(owned_by_the_file());
    }
    disable(client, at)
}

/// The operator opens it again: its grants live on, as far as their time has not run out.
pub fn enable_by_operator(client: &Client, at: Timestamp) -> Decision<ClientEvent, ()> {
    if client.origin == Origin::Declared {
        return Decision::refuse(owned_by_the_file());
    }
    if client.deleted {
        return Decision::refuse(gone());
    }
    let events = if client.disabled { alloc::vec![ClientEnabled { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

fn gone() -> OAuthError {
    OAuthError::conflict("deleted").saying("This client was deleted; register a new one.")
}

fn owned_by_the_file() -> OAuthError {
    OAuthError::conflict("declared in the configuration file")
        .saying("The configuration file owns this client: change it there, and start the server again.")
}

#[cfg(test)]
mod tests;
