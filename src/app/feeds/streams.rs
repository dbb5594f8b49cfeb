//! Streams of signals that receivers manage by themselves. OpenID Shared Signals Framework 1.0 §8.1.
//!
//! | Rule | Source |
//! |---|---|
//! | the receiver is a client, by a token that it got for itself with the scope `ssf.manage`, or `ssf.read` to look | Shared Signals Framework 1.0 §9; CAEP Interoperability Profile 1.0 §2.7 |
//! | it hears of the people who allowed it, as with a stream of the operator | [`signals`](super::signals) |
//! | what this server says about a stream may come back and must then be right | Shared Signals Framework 1.0 §8.1.1.3 |
//! | in production only clients that somebody vouches for | whoever registers by himself could point the server at anybody |
//!
//! Each change is an event on the client's stream. What was delivered is no event: it is a checkpoint, like that of every feed.

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_core::grant::GrantKind;
use chancery_core::id::ClientId;
use chancery_core::signals::{self, Asked, Signals, Status, VERIFICATION_INTERVAL};
use serde_json::{Value, json};
use url::Url;

use super::managed::{delivered, name, supported};
use super::set;
use super::signals::{POLL, PUSH};
use crate::app::bearer::Brought;
use crate::app::context::Context;
use crate::app::work::{Seal, Stop, Work, decide};
use crate::app::{App, random};

/// Scope that changes streams, and reads them.
pub const MANAGE: &str = "ssf.manage";
/// Scope that reads the configuration of streams.
pub const READ: &str = "ssf.read";

/// What a receiver sent about its stream. What is `None` was not there.
#[derive(Default)]
pub struct Sent {
    pub requested: Option<Vec<String>>,
    pub delivery: Option<Delivery>,
    pub description: Option<String>,
    /// Members that this server supplies, by name, as they came back.
    pub supplied: Vec<(&'static str, Value)>,
}

pub struct Delivery {
    pub method: String,
    pub endpoint_url: Option<String>,
    pub authorization_header: Option<String>,
}

/// PATCH or PUT.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    Change,
    Replace,
}

impl App {
    /// The client behind a token for the management of streams.
    ///
    /// # Errors
    /// `not_found` where streams are switched off, `invalid_token`, `insufficient_scope`.
    pub async fn receiver(
        &self,
        context: &Context,
        token: &str,
        brought: &Brought<'_>,
        scopes: &[&'static str],
    ) -> Result<Arc<Client>, OAuthError> {
        let bearer = self.bearer(context, token, brought).await?;
        let sentence = format!("This needs a token that the client got for itself, with the scope {}.", scopes.join(" or "));
        let insufficient = || OAuthError::insufficient_scope(scopes[0]).saying(sentence.clone());
        if bearer.grant.kind != GrantKind::Client || !scopes.iter().any(|scope| bearer.scope.has(scope)) {
            return Err(insufficient());
        }
        let client = bearer.client.ok_or_else(insufficient)?;
        if self.is_production() && !client.origin.is_vouched() {
            return Err(OAuthError::insufficient_scope("nobody vouches for the client")
                .saying("Streams are for clients that the operator has registered, or invited."));
        }
        Ok(client)
    }

    /// Begins the client's stream.
    ///
    /// # Errors
    /// `invalid_request`, `conflict` if it has one.
    pub async fn create_stream(&self, context: &Context, client: &ClientId, sent: Sent) -> Result<Value, OAuthError> {
        let stream_id = random::uuid_v7(self.clock.now_ms()).to_string();
        // Not those supplied by this server: there is nothing yet that they could repeat.
        let asked = self.asked(&sent, None).await?;
        let seal = self.seal_of(&asked).await?;
        let context = context.as_client(client);
        let own = decide!(self, &context, |work| self.create_once(work, client, &stream_id, &asked, &seal))?;
        self.begin_at_the_head(client).await;
        Ok(self.configuration_of(&own))
    }

    async fn create_once(
        &self,
        mut work: Work<'_>,
        client: &ClientId,
        stream_id: &str,
        asked: &Asked,
        seal: &Seal,
    ) -> Result<Arc<Signals>, Stop> {
        let mut loaded = work.load::<Signals>(&signals::stream(client)).await?;
        let decision = signals::create(loaded.state.as_deref(), client, stream_id.to_owned(), asked, self.now());
        decision.outcome?;
        work.record(&mut loaded, decision.events, seal)?;
        let own = loaded.or(no_stream)?.clone();
        work.commit().await?;
        Ok(Arc::new(own))
    }

    /// Every stream of the client: one, or none.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn list_streams(&self, client: &ClientId) -> Result<Vec<Value>, OAuthError> {
        let own = self.read::<Signals>(&signals::stream(client)).await?;
        Ok(own.iter().filter(|own| !own.deleted).map(|own| self.configuration_of(own)).collect())
    }

    /// The client's stream of this name.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn signals_of(&self, client: &ClientId, stream_id: &str) -> Result<Arc<Signals>, OAuthError> {
        let own = self.read::<Signals>(&signals::stream(client)).await?;
        own.filter(|own| is(own, stream_id)).ok_or_else(no_stream)
    }

    /// Changes or replaces the configuration.
    ///
    /// # Errors
    /// `not_found`, `invalid_request`.
    pub async fn edit_stream(
        &self,
        context: &Context,
        client: &ClientId,
        stream_id: &str,
        edit: Edit,
        sent: Sent,
    ) -> Result<Value, OAuthError> {
        let context = context.as_client(client);
        let own = decide!(self, &context, |work| self.edit_once(work, client, stream_id, edit, &sent))?;
        Ok(self.configuration_of(&own))
    }

    async fn edit_once(
        &self,
        mut work: Work<'_>,
        client: &ClientId,
        stream_id: &str,
        edit: Edit,
        sent: &Sent,
    ) -> Result<Arc<Signals>, Stop> {
        let mut loaded = work.load::<Signals>(&signals::stream(client)).await?;
        let state = loaded.state.clone().filter(|own| is(own, stream_id)).ok_or_else(no_stream)?;
        let before = self.configuration_of(&state);
        for (member, value) in &sent.supplied {
            if before.get(*member) != Some(value) {
                let sentence = format!("{member} is not what this server says about the stream; leave it out.");
                return Err(OAuthError::invalid_request("a member of the transmitter").saying(sentence).into());
            }
        }
        let asked = self.asked(sent, (edit == Edit::Change).then_some(&*state)).await?;
        let seal = self.seal_of(&asked).await?;
        let decision = signals::change(&asked, self.now());
        decision.outcome?;
        work.record(&mut loaded, decision.events, &seal)?;
        let own = loaded.or(no_stream)?.clone();
        work.commit().await?;
        Ok(Arc::new(own))
    }

    /// Enables, pauses or disables the stream.
    ///
    /// # Errors
    /// `not_found`, `invalid_request`.
    pub async fn turn_stream(
        &self,
        context: &Context,
        client: &ClientId,
        stream_id: &str,
        status: Status,
        reason: Option<String>,
    ) -> Result<Value, OAuthError> {
        let context = context.as_client(client);
        let was = decide!(self, &context, |work| self.turn_once(work, client, stream_id, status, reason.clone()))?;
        if was == Status::Disabled && status != Status::Disabled {
            self.begin_at_the_head(client).await;
        }
        Ok(status_of(&*self.signals_of(client, stream_id).await?))
    }

    async fn turn_once(
        &self,
        mut work: Work<'_>,
        client: &ClientId,
        stream_id: &str,
        status: Status,
        reason: Option<String>,
    ) -> Result<Status, Stop> {
        let mut loaded = work.load::<Signals>(&signals::stream(client)).await?;
        let state = loaded.state.clone().filter(|own| is(own, stream_id)).ok_or_else(no_stream)?;
        let decision = signals::set_status(&state, status, reason, self.now());
        decision.outcome?;
        work.record(&mut loaded, decision.events, &Seal::default())?;
        work.commit().await?;
        Ok(state.status)
    }

    /// Sends a verification over the stream, some time.
    ///
    /// # Errors
    /// `not_found`, `slow_down`, `invalid_request`.
    pub async fn verify_stream(
        &self,
        context: &Context,
        client: &ClientId,
        stream_id: &str,
        state: Option<String>,
    ) -> Result<(), OAuthError> {
        let context = context.as_client(client);
        decide!(self, &context, |work| self.verify_once(work, client, stream_id, state.clone())).map_err(OAuthError::from)
    }

    async fn verify_once(&self, mut work: Work<'_>, client: &ClientId, stream_id: &str, state: Option<String>) -> Result<(), Stop> {
        let mut loaded = work.load::<Signals>(&signals::stream(client)).await?;
        let own = loaded.state.clone().filter(|own| is(own, stream_id)).ok_or_else(no_stream)?;
        let decision = signals::verify(&own, state, self.now());
        decision.outcome?;
        work.record(&mut loaded, decision.events, &Seal::default())?;
        work.commit().await.map(drop)
    }

    /// Ends the stream.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn delete_stream(&self, context: &Context, client: &ClientId, stream_id: &str) -> Result<(), OAuthError> {
        let context = context.as_client(client);
        decide!(self, &context, |work| self.delete_once(work, client, stream_id)).map_err(OAuthError::from)
    }

    async fn delete_once(&self, mut work: Work<'_>, client: &ClientId, stream_id: &str) -> Result<(), Stop> {
        let mut loaded = work.load::<Signals>(&signals::stream(client)).await?;
        loaded.state.as_deref().filter(|own| is(own, stream_id)).ok_or_else(no_stream)?;
        let decision = signals::delete(self.now());
        decision.outcome?;
        work.record(&mut loaded, decision.events, &Seal::default())?;
        work.commit().await.map(drop)
    }

    /// What was sent, with what it leaves as it is.
    async fn asked(&self, sent: &Sent, before: Option<&Signals>) -> Result<Asked, OAuthError> {
        let mut asked = Asked::default();
        if let Some(before) = before {
            asked.wishes = before.wishes.clone();
            if sent.delivery.is_none() {
                asked.authorization = self.unseal_optional(before.authorization.as_ref()).await?.map(Into::into);
            }
        }
        if let Some(requested) = &sent.requested {
            asked.wishes.requested = Some(requested.iter().cloned().collect());
        }
        if let Some(description) = &sent.description {
            asked.wishes.description = Some(description.clone());
        }
        if let Some(delivery) = &sent.delivery {
            asked.wishes.push_to = self.endpoint(delivery)?;
            asked.authorization = delivery.authorization_header.as_deref().map(Into::into);
        }
        Ok(asked)
    }

    /// Where tokens are pushed; `None`: the receiver polls.
    fn endpoint(&self, delivery: &Delivery) -> Result<Option<String>, OAuthError> {
        let refuse = |sentence: &str| Err(OAuthError::invalid_request("delivery").saying(sentence));
        match (delivery.method.as_str(), &delivery.endpoint_url) {
            // For polling the address is ours, whatever comes back.
            (POLL, _) => Ok(None),
            (PUSH, Some(typed)) => {
                let Ok(url) = Url::parse(typed) else { return refuse("endpoint_url is no URL.") };
                let is_web = url.scheme() == "https" || url.scheme() == "http" && !self.is_production();
                if !is_web || !url.has_host() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
                    return refuse("endpoint_url is an https address without fragment, user and password.");
                }
                Ok(Some(url.into()))
            }
            (PUSH, None) => refuse("With urn:ietf:rfc:8935 the delivery has an endpoint_url."),
            _ => refuse("method is urn:ietf:rfc:8935 (push) or urn:ietf:rfc:8936 (poll)."),
        }
    }

    async fn seal_of(&self, asked: &Asked) -> Result<Seal, OAuthError> {
        let key = if asked.authorization.is_some() { Some(self.epoch_key().await?) } else { None };
        Ok(Seal { key, subject: None })
    }

    /// The stream as its receiver reads it. Its header stays here.
    fn configuration_of(&self, own: &Signals) -> Value {
        let delivery = match &own.wishes.push_to {
            Some(endpoint) => json!({ "method": PUSH, "endpoint_url": endpoint }),
            None => json!({ "method": POLL, "endpoint_url": format!("{}/ssf/poll/{}", self.endpoints.issuer, own.stream_id) }),
        };
        let delivered = delivered(&own.wishes);
        let mut configuration = json!({
            "stream_id": own.stream_id,
            "iss": self.endpoints.issuer,
            "aud": own.client,
            "delivery": delivery,
            "events_supported": supported(),
            "events_requested": own.wishes.requested.as_ref().unwrap_or(&delivered),
            "events_delivered": delivered,
            "min_verification_interval": VERIFICATION_INTERVAL.0,
        });
        if let Some(description) = &own.wishes.description {
            configuration["description"] = json!(description);
        }
        configuration
    }

    /// What is recorded from now on is for the stream. Should this fail, events before [`Signals::since`] are passed over one by one.
    async fn begin_at_the_head(&self, client: &ClientId) {
        let set = set(&name(client));
        let moved = async {
            let at = self.ledger.checkpoint(&set).await.map_err(|e| e.to_string())?;
            // The events that began it are looked at again, and say nothing.
            let head = self.ledger.known_head().size;
            self.ledger.project(&set, at.unwrap_or(0), head.max(at.unwrap_or(0)), Vec::new()).await.map_err(|e| e.to_string())
        };
        if let Err(error) = moved.await {
            tracing::warn!(%client, error, "a stream of signals begins further back");
        }
    }
}

/// Shared Signals Framework 1.0 §8.1.2.1.
pub fn status_of(own: &Signals) -> Value {
    let mut status = json!({ "stream_id": own.stream_id, "status": own.status });
    if let Some(reason) = &own.reason {
        status["reason"] = json!(reason);
    }
    status
}

fn is(own: &Signals, stream_id: &str) -> bool {
    !own.deleted && own.stream_id == stream_id
}

fn no_stream() -> OAuthError {
    OAuthError::not_found("no such stream").saying("This client has no stream with this stream_id.")
}
