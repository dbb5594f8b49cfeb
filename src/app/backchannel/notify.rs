//! The outbox of answers on the back channel: clients are pinged, or get their tokens pushed.
//!
//! | Rule | Source |
//! |---|---|
//! | the client knows us by the token that it sent with its request | CIBA Core §10.2, §10.3.1 |
//! | pushed tokens are made for one attempt, in the append that announces it, and stay nowhere | DESIGN: rules 1, 7 |
//! | an id_token that is pushed vouches for the tokens beside it and for the `auth_req_id` | CIBA Core §10.3.1 |
//! | what the person allowed and cannot be granted any more is `transaction_failed` | CIBA Core §12 |
//!
//! Out of scope: what is said when (`chancery_core::backchannel::notification`), sending (`http`).

use std::collections::BTreeMap;
use std::time::Duration;

use chancery_core::backchannel::notification::{self, Next};
use chancery_core::backchannel::{Abandoned, Answer, Backchannel, BackchannelEvent, Message};
use chancery_core::client::Client;
use chancery_core::error::{Code, OAuthError};
use chancery_core::grant::{self, Grant};
use chancery_core::id::{BackchannelId, ClientId, GrantId};
use chancery_core::stream::Stream as _;
use chancery_core::time::Timestamp;
use chancery_projections::inline;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::tokens::Wanted;
use crate::app::context::Context;
use crate::app::remote::{Post, Posted};
use crate::app::signing::KeySet;
use crate::app::token::Tokens;
use crate::app::vault::KeyKind;
use crate::app::work::{Seal, Stop, Work, decide, unreadable, vault_trouble};
use crate::app::{App, random};

/// How often the outbox is looked at.
pub const EVERY: Duration = Duration::from_secs(1);
/// Requests looked at in one round.
const MOST: u32 = 1000;
/// Clients that are told at the same time.
const AT_ONCE: usize = 16;

/// Where a client is told, and with what.
struct Reached {
    uri: String,
    token: String,
    auth_req_id: String,
}

/// An attempt that is in the log and now has to be made.
struct Attempt {
    number: u32,
    message: Message,
    tokens: Option<Tokens>,
}

impl App {
    /// One round over the outbox: tells every client that has an answer to learn of. Says how often one was told.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the outbox cannot be read.
    pub async fn deliver_notifications(&self, context: &Context, post: &Post) -> Result<usize, OAuthError> {
        // What is due at this very moment is due.
        let due = self.now().0.saturating_add(1);
        let rows = self.ledger.rows_expired(Backchannel::KIND, due, MOST).await.map_err(unreadable)?;
        let mut clients: BTreeMap<ClientId, Vec<BackchannelId>> = BTreeMap::new();
        for row in &rows {
            let own = inline::state::<Backchannel>(row).map_err(|e| OAuthError::server_error(e.to_string()))?.state;
            if own.is_to_be_told() {
                clients.entry(own.client).or_default().push(own.id);
            }
        }
        let (mut tasks, mut told) = (JoinSet::new(), 0);
        for requests in clients.into_values() {
            if tasks.len() >= AT_ONCE {
                told += tasks.join_next().await.and_then(Result::ok).unwrap_or(0);
            }
            let (app, context, post) = (self.clone(), context.clone(), post.clone());
            tasks.spawn(async move { app.notify_client(&context, &requests, &post).await });
        }
        while let Some(one) = tasks.join_next().await {
            told += one.unwrap_or(0);
        }
        Ok(told)
    }

    /// Tells one client. A failure ends its round: who does not listen is not made to wait for, and the others are due in the next one.
    async fn notify_client(&self, context: &Context, requests: &[BackchannelId], post: &Post) -> usize {
        let mut told = 0;
        for id in requests {
            match self.notify(context, *id, post).await {
                Ok(Some(true)) => told += 1,
                Ok(None) => {}
                Ok(Some(false)) => break,
                Err(error) => {
                    tracing::warn!(request = %id, detail = %error.detail, "an answer on the back channel could not be told");
                    break;
                }
            }
        }
        told
    }

    /// Whether the client was told; `None` when there was nothing to say.
    async fn notify(&self, context: &Context, id: BackchannelId, post: &Post) -> Result<Option<bool>, OAuthError> {
        let Some(own) = self.read::<Backchannel>(&id.stream()).await? else { return Ok(None) };
        let client = self.load_client(&own.client.stream()).await?.state.filter(|client| client.is_active());
        let uri = client.and_then(|client| client.metadata.backchannel_client_notification_endpoint.clone());
        let reached = match uri {
            Some(uri) => self.reached(&own, uri).await?.ok_or(Abandoned::PersonGone),
            None => Err(Abandoned::ClientGone),
        };
        let keys = self.keys.current().await?;
        // Recorded first: another node that sees the same row loses this race and leaves it.
        let mut taken = decide!(self, context, |work| self.attempt_notification(work, id, &reached, &keys, true));
        if let Err(Stop::Refused(error)) = &taken
            && !matches!(error.code, Code::ServerError | Code::TemporarilyUnavailable)
        {
            tracing::info!(request = %id, detail = %error.detail, "what a person allowed cannot be granted any more");
            taken = decide!(self, context, |work| self.attempt_notification(work, id, &reached, &keys, false));
        }
        let (Some(attempt), Ok(reached)) = (taken?, reached) else { return Ok(None) };
        let number = attempt.number;
        let posted = Posted {
            content_type: "application/json",
            authorization: Some(format!("Bearer {}", reached.token)),
            body: body(&reached.auth_req_id, attempt)?.to_string(),
            url: reached.uri,
        };
        let (answer, at) = (post(posted).await, self.now());
        let told = decide!(self, context, |work| notified_once(work, id, (number, answer.clone()), at))?;
        Ok(Some(told))
    }

    /// `None` when the person was erased, and with them what the client is told with.
    async fn reached(&self, own: &Backchannel, uri: String) -> Result<Option<Reached>, OAuthError> {
        let Some((token, auth_req_id)) = own.notice.as_ref().and_then(|notice| notice.token.as_ref().zip(notice.auth_req_id.as_ref()))
        else {
            return Ok(None);
        };
        if self.vault.open(KeyKind::Account, &own.account.to_string()).await.map_err(vault_trouble)?.is_none() {
            return Ok(None);
        }
        Ok(Some(Reached { uri, token: self.unseal(token).await?, auth_req_id: self.unseal(auth_req_id).await? }))
    }

    async fn attempt_notification(
        &self,
        mut work: Work<'_>,
        id: BackchannelId,
        reached: &Result<Reached, Abandoned>,
        keys: &KeySet,
        may_grant: bool,
    ) -> Result<Option<Attempt>, Stop> {
        let mut loaded = work.load::<Backchannel>(&id.stream()).await?;
        let Some(state) = loaded.state.clone() else { return Ok(None) };
        let at = self.now();
        let seal = Seal { key: None, subject: Some(state.account.to_string()) };
        let next = match (notification::next(&state, at), reached) {
            (Next::Say(_), Err(reason)) => Next::GiveUp(*reason),
            (next, _) => next,
        };
        // The tokens of an attempt that nobody has acknowledged die before others are made.
        if let (Next::Say(_) | Next::GiveUp(_), Some(before)) = (next, state.notice.as_ref().and_then(|notice| notice.unanswered)) {
            end_undelivered(&mut work, &state, before, at).await?;
        }
        let message = match next {
            Next::Nothing => return Ok(None),
            Next::GiveUp(reason) => {
                work.record(&mut loaded, notification::abandon(reason, at).events, &seal)?;
                work.commit().await?;
                return Ok(None);
            }
            Next::Say(Message::Tokens) if !may_grant => Message::TransactionFailed,
            Next::Say(message) => message,
        };
        let (mut grant, mut tokens) = (None, None);
        if let (Message::Tokens, Answer::Approved(approval), Ok(reached)) = (message, &state.answer, reached) {
            let client = work.load::<Client>(&state.client.stream()).await?;
            let client = client.state.ok_or_else(|| OAuthError::invalid_grant("the client is gone"))?;
            let own = GrantId(random::uuid_v7(self.clock.now_ms()));
            let (approval, pushed) = (approval.clone(), Some(reached.auth_req_id.as_str()));
            let wanted = Wanted { grant: own, approval, resources: &[], proven: None, instance: None, keys, pushed, context: None, at };
            (grant, tokens) = (Some(own), Some(self.grant_backchannel(&mut work, client, &state, wanted).await?));
        }
        let decision = notification::attempt(&state, message, grant, at);
        let number = decision.outcome?;
        work.record(&mut loaded, decision.events, &seal)?;
        work.commit().await?;
        Ok(Some(Attempt { number, message, tokens }))
    }
}

async fn end_undelivered(work: &mut Work<'_>, own: &Backchannel, grant: GrantId, at: Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<Grant>(&grant.stream()).await?;
    let Some(state) = loaded.state.clone() else { return Ok(()) };
    let seal = Seal { key: None, subject: Some(own.account.to_string()) };
    Ok(work.record(&mut loaded, grant::backchannel::undelivered(&state, at).events, &seal)?)
}

/// What the client reads: CIBA Core §10.2, §10.3.1, §12.
fn body(auth_req_id: &str, attempt: Attempt) -> Result<Value, OAuthError> {
    let mut body = match attempt.tokens {
        Some(tokens) => serde_json::to_value(tokens).map_err(|e| OAuthError::server_error(e.to_string()))?,
        None => json!({}),
    };
    let error = match attempt.message {
        Message::Ping | Message::Tokens => None,
        Message::AccessDenied => Some(("access_denied", "The person denied the request.")),
        Message::ExpiredToken => Some(("expired_token", "Nobody answered in time, or nobody took the tokens.")),
        Message::TransactionFailed => Some(("transaction_failed", "What the person allowed cannot be granted any more.")),
    };
    if let Some((code, sentence)) = error {
        (body["error"], body["error_description"]) = (code.into(), sentence.into());
    }
    body["auth_req_id"] = auth_req_id.into();
    Ok(body)
}

async fn notified_once(
    mut work: Work<'_>,
    id: BackchannelId,
    (number, answer): (u32, Result<u16, String>),
    at: Timestamp,
) -> Result<bool, Stop> {
    let mut loaded = work.load::<Backchannel>(&id.stream()).await?;
    let Some(state) = loaded.state.clone() else { return Ok(false) };
    let decision = notification::answered(&state, number, answer, at);
    let told = matches!(decision.events.first().map(|draft| &draft.event), Some(BackchannelEvent::BackchannelNotified(_)));
    if let Some(dead) = decision.outcome? {
        end_undelivered(&mut work, &state, dead, at).await?;
    }
    work.record(&mut loaded, decision.events, &Seal { key: None, subject: Some(state.account.to_string()) })?;
    work.commit().await?;
    Ok(told)
}
