//! The append that makes a client, whoever asked for it: data key first, then the events, with the invitation that it uses up.

use chancery_core::client::metadata::Metadata;
use chancery_core::client::{self, Client, Origin, Register};
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::{ClientId, InvitationId};
use chancery_core::invitation::{self, Invitation};

use super::App;
use super::context::Context;
use super::vault::{KeyKind, VaultError};
use super::work::{Loaded, Seal, Stop, Work, decide, vault_trouble};

/// Kind of the claim on a `client_id`.
const CLIENT_ID: &str = "client_id";
/// An initial access token as it was presented.
#[derive(Clone, Copy)]
pub struct Invited {
    pub invitation: InvitationId,
    pub token: Digest,
}

/// What is about to be recorded.
pub(super) struct Install {
    pub id: ClientId,
    pub metadata: Metadata,
    pub origin: Origin,
    pub contacts: Option<String>,
    pub generated_secret: Option<Digest>,
    pub chosen_secret: Option<String>,
    pub registration_access: Option<Digest>,
    pub invited: Option<Invited>,
    pub sector_document: Option<Digest>,
}

impl Install {
    pub fn new(id: ClientId, metadata: Metadata, origin: Origin) -> Self {
        Self {
            id,
            metadata,
            origin,
            contacts: None,
            generated_secret: None,
            chosen_secret: None,
            registration_access: None,
            invited: None,
            sector_document: None,
        }
    }
}

/// Contacts as one text: none of them holds a line end.
pub(super) fn joined(contacts: Option<&[String]>) -> Option<String> {
    contacts.filter(|contacts| !contacts.is_empty()).map(|contacts| contacts.join("\n"))
}

impl App {
    /// Records the client; gives the time of its registration in seconds.
    pub(super) async fn install_client(&self, context: &Context, install: Install) -> Result<i64, OAuthError> {
        let key = match self.vault.create(KeyKind::Client, install.id.as_str()).await {
            Ok(key) => key,
            // A registration that broke off between vault and log left it there.
            Err(VaultError::AlreadyExists { .. }) => self.data_key(KeyKind::Client, install.id.as_str()).await?,
            Err(error) => return Err(vault_trouble(error)),
        };
        let at = self.now();
        let command = Register {
            client: install.id,
            metadata: install.metadata,
            origin: install.origin,
            generated_secret: install.generated_secret,
            chosen_secret: install.chosen_secret,
            contacts: install.contacts,
            registration_access: install.registration_access,
            invitation: install.invited.map(|own| own.invitation),
            sector_document: install.sector_document,
            context: context.personal(),
            at,
        };
        let seal = Seal { key: Some(key), subject: None };
        decide!(self, context, |work| register_once(work, &command, install.invited, &seal))?;
        Ok(at.numeric_date())
    }
}

async fn register_once(mut work: Work<'_>, command: &Register, invited: Option<Invited>, seal: &Seal) -> Result<(), Stop> {
    let mut loaded: Loaded<Client> = work.load(&command.client.stream()).await?;
    if loaded.state.is_some() {
        return Err(Stop::Taken(CLIENT_ID));
    }
    if let Some(invited) = invited {
        let mut own = work.load::<Invitation>(&invited.invitation.stream()).await?;
        let state = own.or(|| OAuthError::invalid_token("no such initial access token"))?.clone();
        let decision = invitation::admit(&state, &invited.token, &command.client, command.at);
        decision.outcome?;
        work.record(&mut own, decision.events, &Seal::default())?;
    }
    work.record(&mut loaded, client::register(command).events, seal)?;
    work.take(CLIENT_ID, command.client.as_str().as_bytes().to_vec(), command.client.to_string());
    work.commit().await.map(drop)
}
