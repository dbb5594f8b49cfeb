//! Clients of the configuration file, and what operators do with any of them. How one registers by itself: `registration`.

use std::sync::Arc;

use chancery_core::account::FieldError;
use chancery_core::client::metadata::{self, Asked, AssertionAlg, EncryptionAlg, Metadata, Terms, choices};
use chancery_core::client::{self, Client, ClientEvent, Declare, Origin, Secret};
use chancery_core::decision::Decision;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_core::request::Policy;
use chancery_jose::{Jwks, KeyManagement, Recipient};

use super::App;
use super::certificate;
use super::context::Context;
use super::install::{self, Install};
use super::profile;
use super::vault::KeyKind;
use super::work::{Seal, Stop, Work, decide, unreadable};

/// Why there is no client.
#[derive(Debug)]
pub enum NotRegistered {
    Problems(Vec<FieldError>),
    Refused(OAuthError),
}

impl From<OAuthError> for NotRegistered {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

/// What the configuration file declares.
pub struct Declared {
    pub client_id: String,
    pub secret: Option<String>,
    pub asked: Asked,
}

/// Validates metadata, its keys included, after the choices that it leaves to us.
pub fn validate(asked: &Asked, by_operator: bool, policy: Policy) -> Result<Metadata, Vec<FieldError>> {
    let mut terms = terms(asked, by_operator, policy);
    let encrypts = |alg: &str| {
        let (alg, jwks) = (KeyManagement::parse(alg), asked.jwks.as_ref());
        alg.zip(jwks).is_some_and(|(alg, jwks)| Recipient::choose(jwks, alg).is_some())
    };
    let settled = choices::settle(asked, terms, &|alg| encrypts(alg.as_str()))?;
    let to_keys = || settled.response_encryption().filter(|alg| !EncryptionAlg::parse(alg).is_some_and(EncryptionAlg::is_shared));
    terms.jwks_encrypts = to_keys().all(encrypts);
    // Keys that are for encryption alone check nothing, and are keys all the same.
    terms.jwks_usable |= terms.jwks_encrypts && to_keys().next().is_some();
    let metadata = metadata::validate(&settled, terms)?;
    let missed = profile::of_client(&metadata, &policy);
    if missed.is_empty() { Ok(metadata) } else { Err(missed) }
}

fn terms(asked: &Asked, by_operator: bool, policy: Policy) -> Terms {
    Terms {
        by_operator,
        jwks_usable: asked.jwks.as_ref().is_some_and(|jwks| Jwks::from_value(jwks).is_ok_and(|set| !set.keys().is_empty())),
        jwks_encrypts: false,
        front_channel: policy.front_channel,
        web_message: policy.web_message,
        unsigned_request_objects: policy.unsigned_request_objects,
        encrypted_request_objects: policy.encrypted_request_objects,
        front_channel_logout: policy.front_channel_logout,
        jwks_certified: asked.jwks.as_ref().is_some_and(|jwks| certificate::leaves(jwks).any(|leaf| certificate::is_certificate(&leaf))),
        client_certificates: policy.client_certificates,
        client_authorities: policy.client_authorities,
        token_exchange: policy.token_exchange,
        assertion_issuers: policy.assertion_issuers,
        ciba: policy.ciba,
        attesters: policy.attesters,
        https: policy.https,
        credentials: policy.credentials,
        profile: policy.profile,
    }
}

impl App {
    /// Seeds a client of the configuration file: an event only when the file says something new.
    ///
    /// # Errors
    /// Every bad field; `conflict` when the `client_id` belongs to a client that was registered otherwise.
    pub async fn declare_client(&self, context: &Context, declared: &Declared) -> Result<(), NotRegistered> {
        let metadata = validate(&declared.asked, true, self.policy()).map_err(NotRegistered::Problems)?;
        let wrong = |field, problem: &str| NotRegistered::Problems(vec![FieldError { field, problem: problem.to_owned() }]);
        let id = ClientId::parse(&declared.client_id)
            .filter(|id| id.host().is_none())
            .ok_or_else(|| wrong("client_id", "Use 1 to 128 characters of A-Z a-z 0-9 - . _ ~."))?;
        if metadata.has_secret() != declared.secret.is_some() {
            return Err(wrong(
                "client_secret",
                "A client with client_secret_basic, client_secret_post or client_secret_jwt needs a client_secret; others have none.",
            ));
        }
        // RFC 7518 §3.2.
        let shortest = metadata.assertion_algs().filter(|alg| alg.is_mac()).map(AssertionAlg::shortest_secret).min().unwrap_or(0);
        if declared.secret.as_ref().is_some_and(|secret| secret.len() < shortest) {
            return Err(wrong(
                "client_secret",
                "client_secret_jwt needs a client_secret as long as the hash: 32 bytes for HS256, 64 for HS512.",
            ));
        }
        let Some(client) = self.load_client(&id.stream()).await?.state else {
            let contacts = install::joined(declared.asked.contacts.as_deref());
            let install = Install { contacts, chosen_secret: declared.secret.clone(), ..Install::new(id, metadata, Origin::Declared) };
            return self.install_client(context, install).await.map(drop).map_err(NotRegistered::from);
        };
        let same_secret = self.has_secret(&client, declared.secret.as_deref()).await?;
        let command = Declare { metadata, chosen_secret: declared.secret.clone(), same_secret, at: self.now() };
        let seal = Seal { key: Some(self.data_key(KeyKind::Client, id.as_str()).await?), subject: None };
        decide!(self, context, |work| declare_once(work, &client.id, &command, &seal)).map_err(OAuthError::from)?;
        Ok(())
    }

    async fn has_secret(&self, client: &Client, declared: Option<&str>) -> Result<bool, OAuthError> {
        match (client.secrets.first(), declared) {
            (None, None) => Ok(true),
            (Some((Secret::Sealed(sealed), _)), Some(declared)) => {
                Ok(Digest::of(self.unseal(sealed).await?.as_bytes()).matches(&Digest::of(declared.as_bytes())))
            }
            _ => Ok(false),
        }
    }

    /// Disables declared clients that the file no longer names.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn disable_undeclared(&self, context: &Context, named: &[String]) -> Result<u32, OAuthError> {
        let rows = self.ledger.rows_by("client", 0, "declared", None, 10_000).await.map_err(unreadable)?;
        let mut disabled = 0;
        for row in rows {
            let client = chancery_projections::inline::state::<Client>(&row).map_err(|e| OAuthError::server_error(e.to_string()))?.state;
            if client.is_active() && !named.iter().any(|own| own == client.id.as_str()) {
                let at = self.now();
                decide!(self, context, |work| standing_once(work, &client.id, |state| client::disable(state, at)))?;
                disabled += 1;
            }
        }
        Ok(disabled)
    }

    /// Closes a client: nothing of it gets or uses a token.
    ///
    /// # Errors
    /// `not_found`, `conflict` for one that the configuration file owns, `temporarily_unavailable`.
    pub async fn disable_client(&self, context: &Context, id: &ClientId) -> Result<(), OAuthError> {
        let at = self.now();
        decide!(self, context, |work| standing_once(work, id, |state| client::disable_by_operator(state, at)))?;
        Ok(())
    }

    /// Opens a closed client again.
    ///
    /// # Errors
    /// As for [`Self::disable_client`].
    pub async fn enable_client(&self, context: &Context, id: &ClientId) -> Result<(), OAuthError> {
        let at = self.now();
        decide!(self, context, |work| standing_once(work, id, |state| client::enable_by_operator(state, at)))?;
        Ok(())
    }

    /// A page of clients in the order of their streams: where to go on, if there are more.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn clients_after(&self, after: Option<&str>, limit: u32) -> Result<(Vec<Client>, Option<String>), OAuthError> {
        let rows = self.ledger.rows_all("client", after, limit).await.map_err(unreadable)?;
        let read = |row| chancery_projections::inline::state::<Client>(row).map(|own| own.state);
        let clients = rows.iter().map(read).collect::<Result<Vec<_>, _>>().map_err(|e| OAuthError::server_error(e.to_string()))?;
        Ok((clients, rows.last().filter(|_| rows.len() == limit as usize).map(|row| row.key.clone())))
    }

    /// A client, for operators.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn client(&self, id: &str) -> Result<Arc<Client>, OAuthError> {
        let unknown = || OAuthError::not_found("no such client").saying("There is no client with this client_id.");
        let id = ClientId::parse(id).ok_or_else(unknown)?;
        self.read::<Client>(&id.stream()).await?.ok_or_else(unknown)
    }
}

async fn declare_once(mut work: Work<'_>, id: &ClientId, command: &Declare, seal: &Seal) -> Result<(), Stop> {
    let mut loaded = work.load::<Client>(&id.stream()).await?;
    let state = loaded.or(|| OAuthError::not_found("the client is gone"))?.clone();
    let decision = client::declare(&state, command);
    decision.outcome?;
    work.record(&mut loaded, decision.events, seal)?;
    work.commit().await.map(drop)
}

/// A decision about whether the client can be used.
async fn standing_once(mut work: Work<'_>, id: &ClientId, rule: impl Fn(&Client) -> Decision<ClientEvent, ()>) -> Result<(), Stop> {
    let mut loaded = work.load::<Client>(&id.stream()).await?;
    let decision = rule(loaded.or(|| OAuthError::not_found("no such client").saying("There is no client with this client_id."))?);
    decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
