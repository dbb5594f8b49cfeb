//! Clients: applications that ask for tokens.
//!
//! | Rule | Source |
//! |---|---|
//! | what a registration may say | `metadata` |
//! | how a client proves who it is | `authenticate` |
//! | a generated secret is kept as a digest, an operator-chosen one as ciphertext | DESIGN: rule 7 |
//! | two secrets may be valid at a time, so that one can be replaced without an outage | our own |

pub mod authenticate;
pub mod metadata;

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::events;
use crate::id::ClientId;
use crate::stream::{Event, Fact, FoldError, Sealed, Stream};
use crate::time::Timestamp;
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
}

impl Origin {
    /// Does the operator vouch for it? Only then are early errors redirected without a click (RFC 9700 §4.11.2).
    pub const fn is_vouched(self) -> bool {
        !matches!(self, Self::OpenRegistration)
    }
}

/// `personal`: `contacts`, `client_secret` (only when the operator chose it).
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
    ClientEvent { ClientRegistered = 1, ClientRedeclared = 1, ClientDisabled = 1, ClientEnabled = 1 }
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
}

impl Client {
    /// A client without a secret or key cannot keep one (RFC 6749 §2.1).
    pub fn is_public(&self) -> bool {
        self.metadata.token_endpoint_auth_method == metadata::AuthMethod::None
    }

    pub fn is_active(&self) -> bool {
        !self.disabled
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
            let ClientEvent::ClientRegistered(event) = fact.event else {
                return Err(FoldError::OutOfOrder { name: fact.event.event_type().name });
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
            });
        };
        match fact.event {
            ClientEvent::ClientRegistered(_) => return Err(FoldError::OutOfOrder { name: "ClientRegistered" }),
            ClientEvent::ClientRedeclared(event) => {
                client.metadata = event.metadata.clone();
                client.secrets = sealed_secret(&client.id, fact.personal, fact).into_iter().map(|secret| (secret, None)).collect();
                client.disabled = false;
            }
            ClientEvent::ClientDisabled(_) => client.disabled = true,
            ClientEvent::ClientEnabled(_) => client.disabled = false,
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
    /// In clear for the vault; never generated ones.
    pub chosen_secret: Option<String>,
    pub contacts: Option<String>,
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
    let events = if client.disabled { alloc::vec![ClientEnabled { at }.into()] } else { Vec::new() };
    Decision::accept(events, ())
}

fn owned_by_the_file() -> OAuthError {
    OAuthError::conflict("declared in the configuration file")
        .saying("The configuration file owns this client: change it there, and start the server again.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn declared() -> ClientEvent {
        let (client, secret) = (client_id("app"), Some("a secret of the operator's choice".into()));
        let cmd = Register {
            client,
            metadata: metadata(),
            origin: Origin::Declared,
            generated_secret: None,
            chosen_secret: secret,
            contacts: None,
            context: None,
            at: t(0),
        };
        let mut decision = register(&cmd);
        assert_eq!(decision.events[0].personal.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["client_secret"]);
        decision.events.remove(0).event
    }

    fn file(change: impl FnOnce(&mut Metadata), same_secret: bool) -> Declare {
        let mut metadata = metadata();
        change(&mut metadata);
        Declare { metadata, chosen_secret: Some("another secret".into()), same_secret, at: t(5) }
    }

    #[test]
    fn a_chosen_secret_is_kept_as_ciphertext_and_a_generated_one_as_digest() {
        let client: Client = fold_sealed([declared()], &["client_secret"]);
        assert!(matches!(client.secrets.as_slice(), [(Secret::Sealed(sealed), None)] if sealed.field == "client_secret"));
        assert!(matches!(crate::testing::client().secrets.as_slice(), [(Secret::Digest(_), None)]));
        assert_survives_the_row(&client);
    }

    #[test]
    fn seeding_is_idempotent() {
        let client: Client = fold_sealed([declared()], &["client_secret"]);
        assert_eq!(said(&declare(&client, &file(|_| (), true))), (Vec::new(), "ok"));
        assert_eq!(said(&declare(&client, &file(|_| (), false))).0.len(), 1);
        assert_eq!(said(&declare(&client, &file(|metadata| metadata.require_pkce = true, true))).0.len(), 1);
    }

    #[test]
    fn a_client_that_left_the_file_is_disabled_and_comes_back() {
        let client: Client = fold_sealed([declared()], &["client_secret"]);
        let gone = said(&disable(&client, t(1))).0;
        let disabled: Client = fold_sealed([declared()].into_iter().chain(gone), &["client_secret"]);
        assert!(!disabled.is_active());
        assert_eq!(said(&disable(&disabled, t(2))), (Vec::new(), "ok"));
        let back = said(&declare(&disabled, &file(|_| (), true))).0.remove(0);
        assert!(evolve(Some(disabled), 3, &back, &["client_secret"]).unwrap().is_active());
    }

    #[test]
    fn an_operator_closes_and_opens_a_client_once_each() {
        let (closed, opened): (ClientEvent, ClientEvent) = (ClientDisabled { at: t(1) }.into(), ClientEnabled { at: t(2) }.into());
        let client = crate::testing::client();
        assert_eq!(said(&disable_by_operator(&client, t(1))), (Vec::from([closed.clone()]), "ok"));
        assert_eq!(said(&enable_by_operator(&client, t(1))), (Vec::new(), "ok"));
        let disabled = evolve(Some(client), 2, &closed, &[]).unwrap();
        assert_eq!(said(&disable_by_operator(&disabled, t(2))), (Vec::new(), "ok"));
        assert_eq!(said(&enable_by_operator(&disabled, t(2))), (Vec::from([opened.clone()]), "ok"));
        assert!(evolve(Some(disabled), 3, &opened, &[]).unwrap().is_active());
        let own: Client = fold_sealed([declared()], &["client_secret"]);
        assert_eq!((said(&disable_by_operator(&own, t(1))).1, said(&enable_by_operator(&own, t(1))).1), ("conflict", "conflict"));
    }

    #[test]
    fn the_file_owns_only_what_it_declared() {
        assert_eq!(said(&declare(&crate::testing::client(), &file(|_| (), true))), (Vec::new(), "conflict"));
    }

    #[test]
    fn rfc9700_4_11_2_only_open_registration_is_not_vouched_for() {
        let vouched = [Origin::Declared, Origin::Operator, Origin::InvitedRegistration, Origin::OpenRegistration].map(Origin::is_vouched);
        assert_eq!(vouched, [true, true, true, false]);
    }

    #[test]
    fn a_client_is_registered_once() {
        assert!(evolve(Some(crate::testing::client()), 2, &declared(), &[]).is_err());
        assert!(evolve::<Client>(None, 1, &ClientDisabled { at: t(0) }.into(), &[]).is_err());
    }
}
