//! Resource servers: declared by the configuration file, or set by an operator's command.

use std::borrow::Cow;
use std::sync::Arc;

use chancery_core::account::FieldError;
use chancery_core::client::Origin;
use chancery_core::error::OAuthError;
use chancery_core::grant::target::Usual;
use chancery_core::profile::demands;
use chancery_core::request::MOST_RESOURCES;
use chancery_core::resource::{self, Asked, Encryption, Own, ResourceId, ResourceServer, Set};
use chancery_jose::{KeyManagement, Recipient};

use super::App;
use super::clients::NotRegistered;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide, unreadable};

/// Resource servers listed at most.
const MOST: u32 = 1000;

/// The key that tokens for a resource server are encrypted to, if there is one.
pub(super) fn recipient(own: &Encryption) -> Option<Recipient> {
    Recipient::choose(&own.jwks, KeyManagement::parse(own.alg.as_str())?)
}

impl App {
    /// The resource servers behind `resource` parameters, as far as they are there. What is missing the rules refuse.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn resource_servers(&self, asked: &[String]) -> Result<Vec<Arc<ResourceServer>>, OAuthError> {
        let mut found = Vec::new();
        for id in asked.iter().take(MOST_RESOURCES).filter_map(|text| ResourceId::parse(text)) {
            found.extend(self.read::<ResourceServer>(&id.stream()).await?);
        }
        Ok(found)
    }

    /// What of ours may be named there.
    pub(super) fn own_resources(&self) -> Own<'_> {
        let issues = !self.details.credentials.is_empty();
        Own { userinfo: &self.endpoints.userinfo, credential_issuer: issues.then_some(self.endpoints.issuer.as_str()) }
    }

    /// What a request means that names no resource.
    pub(super) fn usual_target(&self) -> Usual<'_> {
        let own = &self.config.resource_indicators;
        Usual { own: self.own_resources(), default: own.default.as_ref(), use_granted: own.use_granted }
    }

    /// The resources of an authorization request: those that it names, or the usual one (RFC 8707 §2).
    pub(super) fn named_resources<'a>(&self, asked: &'a [String]) -> Cow<'a, [String]> {
        match &self.config.resource_indicators.default {
            Some(usual) if asked.is_empty() => vec![usual.to_string()].into(),
            _ => asked.into(),
        }
    }

    /// Makes a resource server as it shall be: an event only when something changes.
    ///
    /// # Errors
    /// Every bad field; `conflict` when it belongs to the file or to a command.
    pub async fn set_resource_server(&self, context: &Context, asked: &Asked, origin: Origin) -> Result<ResourceId, NotRegistered> {
        let (identifier, settings) = resource::validate(asked).map_err(NotRegistered::Problems)?;
        if let Some(missed) = self.config.profile.and_then(|profile| demands::of_resource(profile, &settings).first().copied()) {
            return Err(NotRegistered::Problems(vec![FieldError { field: missed.field, problem: missed.sentence.to_owned() }]));
        }
        if settings.encryption.as_ref().is_some_and(|own| recipient(own).is_none()) {
            let problem = "It has no public key that fits encryption_alg.".to_owned();
            return Err(NotRegistered::Problems(vec![FieldError { field: "jwks", problem }]));
        }
        let command = Set { identifier, settings, origin, at: self.now() };
        decide!(self, context, |work| set_once(work, &command)).map_err(OAuthError::from)?;
        Ok(command.identifier)
    }

    /// Disables a resource server: its tokens are dead.
    ///
    /// # Errors
    /// `not_found`, `conflict` when it belongs to the file.
    pub async fn disable_resource_server(&self, context: &Context, identifier: &str) -> Result<ResourceId, OAuthError> {
        let id = ResourceId::parse(identifier).ok_or_else(unknown)?;
        decide!(self, context, |work| disable_once(work, &id, Origin::Operator, self.now()))?;
        Ok(id)
    }

    /// Disables declared resource servers that the file no longer names.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn disable_undeclared_resources(&self, context: &Context, named: &[ResourceId]) -> Result<u32, OAuthError> {
        let mut disabled = 0;
        for server in self.list_resource_servers().await? {
            if server.origin == Origin::Declared && server.is_active() && !named.contains(&server.identifier) {
                decide!(self, context, |work| disable_once(work, &server.identifier, Origin::Declared, self.now()))?;
                disabled += 1;
            }
        }
        Ok(disabled)
    }

    /// Every resource server, disabled ones too, by identifier.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn list_resource_servers(&self) -> Result<Vec<ResourceServer>, OAuthError> {
        let rows = self.ledger.rows_all("resource", None, MOST).await.map_err(unreadable)?;
        let read = |row| chancery_projections::inline::state::<ResourceServer>(row).map(|own| own.state);
        let mut all: Vec<_> =
            rows.iter().map(read).collect::<Result<_, _>>().map_err(|e: serde_json::Error| OAuthError::server_error(e.to_string()))?;
        all.sort_by(|a, b| a.identifier.cmp(&b.identifier));
        Ok(all)
    }
}

fn unknown() -> OAuthError {
    OAuthError::not_found("no such resource server").saying("There is no resource server with this identifier.")
}

async fn set_once(mut work: Work<'_>, command: &Set) -> Result<(), Stop> {
    let mut loaded = work.load::<ResourceServer>(&command.identifier.stream()).await?;
    let decision = resource::set(loaded.state.as_deref(), command);
    decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}

async fn disable_once(mut work: Work<'_>, id: &ResourceId, by: Origin, at: chancery_core::time::Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<ResourceServer>(&id.stream()).await?;
    let state = loaded.or(unknown)?.clone();
    let decision = resource::disable(&state, by, at);
    decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
