//! Pushed authorization requests (RFC 9126): taken from the client, found again when a browser brings the reference.
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::push_request`]: the request passed every check | `AuthorizationRequestPushed` |
//! | a browser brings it, and somebody has to do something | `PushedRequestOpened` beside `AuthorizationRequested` |
//! | it is answered | `PushedRequestSpent` beside the answer |
//! | somebody tries what is not theirs | `PushedRequestMisused`, once for each kind |
//!
//! The parameters are kept sealed under the data key of the interaction to come, so that they are erased with the person, or a day later
//! if nobody came. They are checked again when the browser comes: client and policy may have changed meanwhile (RFC 9126 §7.4).

use chancery_core::client::Client;
use chancery_core::digest::Digest;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::id::{InteractionId, PushedId};
use chancery_core::pushed::{self, Push, Pushed, URI, Visit, Visited};
use chancery_core::request::object::ObjectUsed;
use chancery_core::request::{Arrival, Parameters, Refusal, Request};
use chancery_core::token::opaque::{Kind, Opaque, digest};
use serde::{Deserialize, Serialize};

use super::parameters::{Brought, Resolved};
use super::{Browser, Sent};
use crate::app::client_auth::Authenticated;
use crate::app::context::Context;
use crate::app::vault::KeyKind;
use crate::app::work::{Loaded, Seal, Stop, Work, decide, vault_trouble};
use crate::app::{App, random, seconds};

/// Parameters that prove who the client is: no part of the request (RFC 9126 §2.1).
const CREDENTIALS: [&str; 3] = ["client_secret", "client_assertion", "client_assertion_type"];

/// The answer to a push (RFC 9126 §2.2).
#[derive(Serialize)]
pub struct Kept {
    pub request_uri: String,
    /// Seconds.
    pub expires_in: u32,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Content {
    parameters: Parameters,
    resources: Vec<String>,
    /// The object that they stood in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object: Option<ObjectUsed>,
}

impl App {
    /// Keeps an authorization request of an authenticated client.
    ///
    /// # Errors
    /// What the checks say; `temporarily_unavailable`.
    pub async fn push_request(&self, context: &Context, caller: &Authenticated, sent: &Sent<'_>) -> Result<Kept, OAuthError> {
        let client = caller.client.state.clone().ok_or_else(|| OAuthError::invalid_client("the client is gone"))?;
        let context = context.as_client(&client.id);
        let mut parameters = sent.parameters.clone();
        parameters.retain(|name, _| !CREDENTIALS.contains(&name.as_str()));
        parameters.insert("client_id".to_owned(), client.id.to_string());
        let mut resolved = self.resolve_pushing(&context, &client, &Sent { parameters: &parameters, resources: sent.resources }).await?;
        if let Some(Confirmation::Jkt(jkt)) = caller.proven() {
            // RFC 9449 §10.1: a proof with the push is a `dpop_jkt`.
            let jkt = jkt.to_string();
            if resolved.parameters.insert("dpop_jkt".to_owned(), jkt.clone()).is_some_and(|named| named != jkt) {
                return Err(OAuthError::invalid_request("dpop_jkt").saying("dpop_jkt is not the thumbprint of the key in the DPoP header."));
            }
        }
        let request = match self.checked(&client, &resolved.parameters, &resolved.resources, Arrival::Pushing).await? {
            // ABCA §9.4.
            Ok(request) => Request { object: resolved.object.clone(), instance: caller.instance, ..request },
            // RFC 9126 §2.3: there is nobody to redirect.
            Err(Refusal::Page(error) | Refusal::Redirect { error, .. }) => return Err(error),
        };
        let id = PushedId(random::uuid_v7(self.clock.now_ms()));
        let reference = self.mint.opaque(Kind::PushedRequest, id.0);
        let content = Content { parameters: resolved.parameters, resources: resolved.resources, object: resolved.object };
        let content = serde_json::to_string(&content).map_err(|e| OAuthError::server_error(e.to_string()))?;
        let key = self.vault.create(KeyKind::Interaction, &id.interaction().to_string()).await.map_err(vault_trouble)?;
        let lifetime = seconds(self.config.lifetimes.pushed_request);
        let command = Push {
            pushed: id,
            client: client.id.clone(),
            reference: reference.digest,
            request,
            parameters: content,
            key_commitment: Digest(key.commitment()),
            lifetime,
            context: context.personal(),
            at: self.now(),
        };
        let seal = Seal { key: Some(key), subject: None };
        let outcome = decide!(self, &context, |work| push_once(work, caller, &command, &seal));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await?;
        Ok(Kept { request_uri: format!("{URI}{}", reference.text), expires_in: lifetime.0 })
    }

    /// Looks up what was pushed under a name. `Err` inside: this browser has begun it already, and goes on there.
    pub(super) async fn resolve_pushed(
        &self,
        context: &Context,
        client: &Client,
        uri: &str,
        browser: Browser<'_>,
    ) -> Result<Result<Resolved, InteractionId>, OAuthError> {
        let unknown = || OAuthError::invalid_request_uri("unknown reference");
        let reference = uri.strip_prefix(URI).ok_or_else(unknown)?;
        let id = PushedId(Opaque::parse(Kind::PushedRequest, reference).ok_or_else(unknown)?.stream);
        let visit = Visit { reference: digest(reference), client: client.id.clone(), browser: browser.binding.map(digest), at: self.now() };
        // Fresh: a reload may come to another node than the visit before.
        let found = self.read::<Pushed>(&id.stream()).await?.ok_or_else(unknown)?;
        let seen = pushed::visit(&found, &visit);
        if !seen.events.is_empty() {
            decide!(self, context, |work| record_misuse(work, id, &visit))?;
        }
        if seen.outcome? == Visited::Again {
            return Ok(Err(id.interaction()));
        }
        // RFC 9126 §4, RFC 9101 §5: what was pushed counts, and nothing that stands beside the reference.
        let sealed = found.parameters.as_ref().ok_or_else(|| OAuthError::server_error("a pushed request without parameters"))?;
        let content: Content = serde_json::from_str(&self.unseal(sealed).await?).map_err(|e| OAuthError::server_error(e.to_string()))?;
        let pushed = Some(Brought { id, visit });
        let Content { parameters, resources, object } = content;
        Ok(Ok(Resolved { parameters, resources, object, instance: found.instance, pushed }))
    }

    /// The request is answered with an error before anybody was asked.
    pub(super) async fn spend_refused(&self, context: &Context, brought: &Brought, error: &OAuthError) -> Result<(), OAuthError> {
        Ok(decide!(self, context, |work| self.spend_refused_once(work, brought, error))?)
    }

    async fn spend_refused_once(&self, mut work: Work<'_>, brought: &Brought, error: &OAuthError) -> Result<(), Stop> {
        let mut loaded = first_visit(&mut work, brought).await?;
        self.spend(&mut work, &mut loaded, Some(error), &Seal::default())?;
        work.commit().await.map(drop)
    }

    /// Spends what an interaction began with, in the append that answers it.
    pub(super) async fn spend_pushed(
        &self,
        work: &mut Work<'_>,
        interaction: InteractionId,
        error: Option<&OAuthError>,
        seal: &Seal,
    ) -> Result<(), Stop> {
        let mut loaded = work.load::<Pushed>(&PushedId(interaction.0).stream()).await?;
        self.spend(work, &mut loaded, error, seal)
    }

    pub(super) fn spend(
        &self,
        work: &mut Work<'_>,
        loaded: &mut Loaded<Pushed>,
        error: Option<&OAuthError>,
        seal: &Seal,
    ) -> Result<(), Stop> {
        let decision = pushed::spend(loaded.or(|| OAuthError::server_error("a pushed request is gone"))?, error, self.now());
        decision.outcome?;
        Ok(work.record(loaded, decision.events, &Seal { key: None, subject: seal.subject.clone() })?)
    }
}

/// The request of a visit that is still the first, on the state of this unit of work: of several at once one goes on.
pub(super) async fn first_visit(work: &mut Work<'_>, brought: &Brought) -> Result<Loaded<Pushed>, Stop> {
    let loaded = work.load::<Pushed>(&brought.id.stream()).await?;
    let again = || OAuthError::invalid_request_uri("opened meanwhile");
    match pushed::visit(loaded.or(|| OAuthError::invalid_request_uri("unknown reference"))?, &brought.visit).outcome? {
        Visited::First => Ok(loaded),
        Visited::Again => Err(again().into()),
    }
}

async fn push_once(mut work: Work<'_>, caller: &Authenticated, command: &Push, seal: &Seal) -> Result<(), Stop> {
    caller.assert(&mut work).await?;
    let mut loaded: Loaded<Pushed> = work.fresh(command.pushed.stream());
    work.record(&mut loaded, pushed::push(command).events, seal)?;
    work.commit().await.map(drop)
}

/// The evidence of a refused visit.
async fn record_misuse(mut work: Work<'_>, id: PushedId, visit: &Visit) -> Result<(), Stop> {
    let mut loaded = work.load::<Pushed>(&id.stream()).await?;
    let decision = pushed::visit(loaded.or(|| OAuthError::invalid_request_uri("unknown reference"))?, visit);
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
