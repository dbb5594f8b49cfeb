//! Registering a client, and managing the registration afterwards. RFC 7591 §3, RFC 7592 §2.
//!
//! | Rule | Source |
//! |---|---|
//! | metadata, software statement, sector document and the policy of the initial access token: all hold, or nothing is registered | RFC 7591 §3.2 |
//! | the same for what replaces it | RFC 7592 §2.2 |
//! | whoever registers dynamically gets a registration access token; the log holds its digest | RFC 7592 §3 |
//! | the invitation is used in the append that registers | DESIGN: rule 4 |
//!
//! The rules themselves: `chancery_core::client::metadata`, `manage`, `chancery_core::invitation`.

use std::sync::Arc;

use chancery_core::account::FieldError;
use chancery_core::client::metadata::{self, Asked, Metadata};
use chancery_core::client::{Client, Origin, manage};
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_core::invitation::{self, Invitation};
use chancery_core::time::Timestamp;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use uuid::Uuid;

use super::App;
use super::clients::{self, NotRegistered};
use super::context::Context;
pub use super::install::Invited;
use super::install::{Install, joined};
use super::mint;
use super::remote::{Wanted, Whose};
use super::vault::KeyKind;
use super::work::{Seal, Stop, Work, decide};

/// Bytes of a document of a sector: more redirect URIs than a registration holds.
const MOST_SECTOR: usize = 64 * 1024;

/// A client as its registrant is told. The texts are shown this once.
pub struct Registered {
    pub id: ClientId,
    pub metadata: Metadata,
    pub contacts: Vec<String>,
    pub secret: Option<String>,
    pub registration_access_token: Option<String>,
    pub issued_at: i64,
}

/// Who lets a client in.
#[derive(Clone, Copy)]
pub enum Door {
    /// An operator, by command or API, for a client that the operator manages.
    Operator,
    /// An operator, for a client that manages itself from then on.
    Vouched,
    /// Nobody has to.
    Open,
    /// Somebody with an initial access token.
    Invited(Invited),
}

/// Metadata that holds, with what was fetched for it.
struct Prepared {
    metadata: Metadata,
    contacts: Option<String>,
    sector_document: Option<Digest>,
}

impl App {
    /// Registers a client with a generated id and, where it authenticates with one, a generated secret.
    ///
    /// # Errors
    /// Every bad field; or the log cannot be written.
    pub async fn register_client(&self, context: &Context, asked: &Asked, door: Door) -> Result<Registered, NotRegistered> {
        let (origin, invited) = match door {
            Door::Operator => (Origin::Operator, None),
            Door::Vouched => (Origin::InvitedRegistration, None),
            Door::Open => (Origin::OpenRegistration, None),
            Door::Invited(invited) => (Origin::InvitedRegistration, Some(invited)),
        };
        let policy = match invited {
            Some(invited) => Some(self.invitation(invited).await?.policy.clone()),
            None => None,
        };
        let prepared = self.prepare(asked, origin == Origin::Operator, policy.as_ref()).await?;
        let uuid = super::random::uuid_v7(self.clock.now_ms());
        let id = ClientId::parse(&uuid.to_string()).ok_or_else(|| OAuthError::server_error("a UUID is a client_id"))?;
        let keeps = prepared.metadata.keeps_secret();
        let secret = prepared.metadata.has_secret().then(if keeps { mint::kept_secret } else { mint::client_secret });
        let access = (origin != Origin::Operator).then(|| self.mint.opaque(Kind::RegistrationAccess, uuid));
        let install = Install {
            contacts: prepared.contacts.clone(),
            generated_secret: secret.as_ref().filter(|_| !keeps).map(|own| own.digest),
            chosen_secret: secret.as_ref().filter(|_| keeps).map(|own| own.text.clone()),
            registration_access: access.as_ref().map(|own| own.digest),
            invited,
            sector_document: prepared.sector_document,
            ..Install::new(id.clone(), prepared.metadata.clone(), origin)
        };
        let issued_at = self.install_client(context, install).await?;
        Ok(Registered {
            id,
            metadata: prepared.metadata,
            contacts: split(prepared.contacts.as_deref()),
            secret: secret.map(|own| own.text),
            registration_access_token: access.map(|own| own.text),
            issued_at,
        })
    }

    /// Everything that can be wrong with metadata, found before anything is recorded.
    async fn prepare(&self, asked: &Asked, by_operator: bool, policy: Option<&invitation::Policy>) -> Result<Prepared, NotRegistered> {
        let stated = self.with_statement(asked)?;
        let metadata = clients::validate(&stated, by_operator, self.policy()).map_err(NotRegistered::Problems)?;
        let problems = policy.map(|policy| policy.problems(&metadata)).unwrap_or_default();
        if !problems.is_empty() {
            return Err(NotRegistered::Problems(problems));
        }
        let sector_document = self.check_sector(&metadata).await?;
        Ok(Prepared { metadata, contacts: joined(stated.contacts.as_deref()), sector_document })
    }

    /// OpenID Connect Registration 1.0 §5: the document lists every redirect URI.
    async fn check_sector(&self, metadata: &Metadata) -> Result<Option<Digest>, NotRegistered> {
        let Some(uri) = &metadata.sector_identifier_uri else { return Ok(None) };
        let refuse = |problem: &str| {
            let problem = FieldError { field: "sector_identifier_uri", problem: problem.to_owned() };
            NotRegistered::Problems(vec![problem])
        };
        let wanted = Wanted { url: uri.clone(), accept: "application/json", most: MOST_SECTOR, whose: Whose::Registered };
        let fetched = self.fetch(wanted).await?.map_err(|why| {
            tracing::info!(why, "a sector document could not be fetched");
            refuse("Its document could not be read.")
        })?;
        let listed: Vec<String> =
            serde_json::from_slice(&fetched.body).map_err(|_| refuse("Its document is not a JSON array of redirect URIs."))?;
        metadata::sector_lists(metadata, &listed).map_err(|problem| NotRegistered::Problems(vec![problem]))?;
        Ok(Some(Digest::of(&fetched.body)))
    }

    /// The client that a registration access token manages, and the token's digest. RFC 7592 §2: whatever is wrong with it is
    /// `invalid_token`, also that there is no such client.
    ///
    /// # Errors
    /// `invalid_token`.
    pub async fn managed_client(&self, id: &str, token: Option<&str>) -> Result<(Arc<Client>, Digest), OAuthError> {
        let refuse = || OAuthError::invalid_token("not the registration access token of this client");
        let token = token.ok_or_else(|| OAuthError::invalid_token("no registration access token"))?;
        let named = Uuid::try_parse(id).map_err(|_| refuse())?;
        let parsed = Opaque::parse(Kind::RegistrationAccess, token).filter(|own| own.stream == named).ok_or_else(refuse)?;
        let client = ClientId::parse(&parsed.stream.to_string()).ok_or_else(refuse)?;
        let presented = digest(token);
        let client =
            self.read::<Client>(&client.stream()).await?.filter(|own| manage::is_managed_by(own, &presented)).ok_or_else(refuse)?;
        Ok((client, presented))
    }

    /// What is registered, for its owner.
    ///
    /// # Errors
    /// `server_error` when the contacts cannot be read.
    pub async fn registration_of(&self, client: &Client) -> Result<Registered, OAuthError> {
        let contacts = self.unseal_optional(client.contacts.as_ref()).await?;
        Ok(Registered {
            id: client.id.clone(),
            metadata: client.metadata.clone(),
            contacts: split(contacts.as_deref()),
            secret: None,
            registration_access_token: None,
            issued_at: client.registered_at.numeric_date(),
        })
    }

    /// Replaces the registration of the client that `presented` manages.
    ///
    /// # Errors
    /// Every bad field; `invalid_token` when another request with the same token was first.
    pub async fn replace_client(
        &self,
        context: &Context,
        client: &Client,
        presented: Digest,
        asked: &Asked,
    ) -> Result<Registered, NotRegistered> {
        // What a statement vouched for must not be changed by leaving the statement out.
        if client.metadata.software_statement.is_some() && asked.software_statement.is_none() {
            return Err(OAuthError::invalid_software_statement("left out")
                .saying("This client was registered with a software statement: send one again.")
                .into());
        }
        let policy = match client.invitation {
            Some(invitation) => self.read::<Invitation>(&invitation.stream()).await?.map(|own| own.policy.clone()),
            None => None,
        };
        // What an operator granted stays; nobody else grants it.
        let keeps = client.metadata.introspect && asked.introspect == Some(true);
        let prepared = self.prepare(asked, keeps, policy.as_ref()).await?;
        let uuid = Uuid::try_parse(client.id.as_str()).map_err(|_| OAuthError::server_error("a managed client has a UUID"))?;
        let secret = if prepared.metadata.keeps_secret() { mint::kept_secret() } else { mint::client_secret() };
        let access = self.mint.opaque(Kind::RegistrationAccess, uuid);
        let context = context.as_client(&client.id);
        let command = manage::Replace {
            metadata: prepared.metadata.clone(),
            generated_secret: Some(secret.digest),
            kept_secret: Some(secret.text.clone()),
            registration_access: access.digest,
            sector_document: prepared.sector_document,
            contacts: prepared.contacts.clone(),
            context: context.personal(),
            at: self.now(),
        };
        let seal = Seal { key: Some(self.data_key(KeyKind::Client, client.id.as_str()).await?), subject: None };
        let has_new_secret = decide!(self, &context, |work| replace_once(work, &client.id, &presented, &command, &seal));
        let has_new_secret = has_new_secret.map_err(OAuthError::from)?;
        Ok(Registered {
            id: client.id.clone(),
            metadata: prepared.metadata,
            contacts: split(prepared.contacts.as_deref()),
            secret: has_new_secret.then_some(secret.text),
            registration_access_token: Some(access.text),
            issued_at: client.registered_at.numeric_date(),
        })
    }

    /// Deletes the registration: everything of the client is dead.
    ///
    /// # Errors
    /// `invalid_token` when another request was first.
    pub async fn delete_client(&self, context: &Context, client: &Client, presented: Digest) -> Result<(), OAuthError> {
        let context = context.as_client(&client.id);
        let seal = Seal { key: Some(self.data_key(KeyKind::Client, client.id.as_str()).await?), subject: None };
        let (seen, at) = (context.personal(), self.now());
        decide!(self, &context, |work| delete_once(work, &client.id, &presented, (seen.as_deref(), at), &seal))?;
        Ok(())
    }

    /// Is it a secret of this client?
    ///
    /// # Errors
    /// `server_error` when a chosen one cannot be read.
    pub async fn is_secret_of(&self, client: &Client, text: &str) -> Result<bool, OAuthError> {
        Ok(self.matching_secret(client, text).await?.is_some())
    }

    /// Hands out another registration access token; the one before is dead.
    ///
    /// # Errors
    /// `not_found`; `conflict` for a client of the configuration file or a deleted one.
    pub async fn issue_registration_access(&self, context: &Context, id: &str) -> Result<String, OAuthError> {
        let client = self.client(id).await?;
        // Only those of the file have names of another form.
        let uuid = Uuid::try_parse(client.id.as_str()).unwrap_or_default();
        let access = self.mint.opaque(Kind::RegistrationAccess, uuid);
        decide!(self, context, |work| issue_once(work, &client.id, access.digest, self.now()))?;
        Ok(access.text)
    }
}

fn split(contacts: Option<&str>) -> Vec<String> {
    contacts.map(|text| text.split('\n').map(str::to_owned).collect()).unwrap_or_default()
}

/// Says whether the client has the new secret now.
async fn replace_once(mut work: Work<'_>, id: &ClientId, presented: &Digest, command: &manage::Replace, seal: &Seal) -> Result<bool, Stop> {
    let mut loaded = work.load::<Client>(&id.stream()).await?;
    let state = loaded.or(|| OAuthError::invalid_token("the client is gone"))?.clone();
    let decision = manage::replace(&state, presented, command);
    decision.outcome?;
    work.record(&mut loaded, decision.events, seal)?;
    work.commit().await?;
    Ok(manage::needs_secret(&state, &command.metadata))
}

async fn delete_once(
    mut work: Work<'_>,
    id: &ClientId,
    presented: &Digest,
    (seen, at): (Option<&str>, Timestamp),
    seal: &Seal,
) -> Result<(), Stop> {
    let mut loaded = work.load::<Client>(&id.stream()).await?;
    let state = loaded.or(|| OAuthError::invalid_token("the client is gone"))?.clone();
    let decision = manage::delete(&state, presented, seen, at);
    decision.outcome?;
    work.record(&mut loaded, decision.events, seal)?;
    work.commit().await.map(drop)
}

async fn issue_once(mut work: Work<'_>, id: &ClientId, access: Digest, at: Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<Client>(&id.stream()).await?;
    let decision = manage::issue_access(loaded.or(|| OAuthError::not_found("no such client"))?, access, at);
    decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
