//! Polling (RFC 8936): the receiver fetches its tokens, and says which it has.
//!
//! | Rule | Source |
//! |---|---|
//! | what was not acknowledged comes again | RFC 8936 §2.3 |
//! | `maxEvents`, `returnImmediately`, `moreAvailable`; `maxEvents` 0 only acknowledges | RFC 8936 §2.2, §2.4 |
//! | what the receiver reports as an error does not come again, and stands in the server's own log | RFC 8936 §2.5 |
//! | one poll of each receiver waits; a second is answered at once | waiting requests must not fill the connections of others |
//! | acknowledged in any order: the checkpoint moves over what is done, the rest is remembered beside it | at most [`WINDOW`] tokens are under way |
//!
//! One request looks at [`LOOKED_AT`] events at most; what it then does not know it says by `moreAvailable`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chancery_core::error::OAuthError;
use chancery_core::signals::{Signals, Status};
use chancery_ledger::error::SetError;
use chancery_ledger::write::{Row, RowWrite};
use chancery_projections::envelope::Envelope;
use serde_json::{Value, json};
use uuid::Uuid;

use super::managed::{managed, name};
use super::{set, status};
use crate::app::App;
use crate::app::work::unreadable;

/// Tokens that a receiver can have without having acknowledged them.
pub const WINDOW: usize = 100;
/// Events that one request looks at.
const LOOKED_AT: u64 = 2_000;
const PAGE: u32 = 200;
/// How long a request waits for something to tell: less than the deadline of every request.
const PATIENCE: Duration = Duration::from_secs(10);
/// Two polls at once of one receiver: the later one looks again.
const ROUNDS: usize = 4;

/// Receivers of which a poll waits in this process.
#[derive(Default)]
pub struct Waiting(Mutex<BTreeSet<String>>);

/// A place among those who wait, until it is dropped.
struct Waits<'a> {
    waiting: &'a Waiting,
    client: String,
}

impl Waiting {
    fn enter(&self, client: &str) -> Option<Waits<'_>> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(client.to_owned());
        is_new.then(|| Waits { waiting: self, client: client.to_owned() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.waiting.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.client);
    }
}

/// A request of the receiver.
#[derive(Clone, Debug, Default)]
pub struct Poll {
    /// Tokens that it wants at most.
    pub most: Option<usize>,
    pub returns_immediately: bool,
    /// `jti` of the tokens that it has.
    pub acknowledged: BTreeSet<Uuid>,
    /// `jti` of those that it cannot use, with its code for why.
    pub errors: BTreeMap<Uuid, String>,
}

/// What is to be told, and where the stream then stands.
struct Found {
    tokens: BTreeMap<String, String>,
    more: bool,
    /// Everything before this position is done with.
    done: u64,
    /// Done with beyond that.
    beyond: BTreeSet<Uuid>,
    /// Everything before this position was looked at.
    looked: u64,
}

impl App {
    /// Answers a poll. What was acknowledged is kept before the answer leaves.
    ///
    /// # Errors
    /// `conflict` for a stream that is pushed, `temporarily_unavailable`.
    pub async fn poll_stream(&self, own: &Signals, poll: &Poll) -> Result<Value, OAuthError> {
        if own.wishes.push_to.is_some() {
            return Err(OAuthError::conflict("a pushed stream").saying("This stream is delivered by push."));
        }
        for (jti, code) in &poll.errors {
            let code: String = code.chars().filter(|c| !c.is_control()).take(64).collect();
            tracing::warn!(client = %own.client, %jti, code, "a receiver of signals reports an error");
        }
        let began = tokio::time::Instant::now();
        let mut place = None;
        loop {
            let found = self.find(own, poll).await?;
            let waits = found.tokens.is_empty() && !found.more && !poll.returns_immediately && poll.most != Some(0);
            let left = PATIENCE.saturating_sub(began.elapsed());
            if waits && place.is_none() {
                place = self.waiting.enter(own.client.as_str());
            }
            if !waits || left.is_zero() || place.is_none() {
                return Ok(json!({ "sets": found.tokens, "moreAvailable": found.more }));
            }
            let _ = tokio::time::timeout(left, self.ledger.wait(found.looked)).await;
        }
    }

    async fn find(&self, own: &Signals, poll: &Poll) -> Result<Found, OAuthError> {
        let set = set(&name(&own.client));
        for _ in 0..ROUNDS {
            let at = match self.ledger.checkpoint(&set).await.map_err(unreadable)? {
                Some(at) => at,
                None => self.ledger.head().await.map_err(unreadable)?.size,
            };
            let mut acknowledged = self.acknowledged(&set).await?;
            let before = acknowledged.clone();
            acknowledged.extend(&poll.acknowledged);
            acknowledged.extend(poll.errors.keys());
            let found = self.look(own, at, poll.most.unwrap_or(WINDOW).min(WINDOW), &acknowledged).await?;
            if found.done == at && found.beyond == before {
                return Ok(found);
            }
            let row = remember(&found.beyond)?;
            match self.ledger.project(&set, at, found.done, vec![row]).await {
                Ok(()) => return Ok(found),
                Err(SetError::CheckpointMoved { .. }) => {}
                Err(error) => return Err(OAuthError::temporarily_unavailable(error.to_string())),
            }
        }
        Err(OAuthError::temporarily_unavailable("polls of one stream overtake each other"))
    }

    /// Walks from the checkpoint: over what is done with, then over what is to be told.
    async fn look(&self, own: &Signals, at: u64, most: usize, acknowledged: &BTreeSet<Uuid>) -> Result<Found, OAuthError> {
        let (managed, receiver) = (managed(own, None), own.client.to_string());
        let mut found = Found { tokens: BTreeMap::new(), more: false, done: at, beyond: BTreeSet::new(), looked: at };
        let is_enabled = own.status == Status::Enabled;
        let (mut is_full, mut unseen) = (false, acknowledged.len());
        while found.looked < at + LOOKED_AT {
            let events = self.ledger.read_all(found.looked, PAGE).await.map_err(unreadable)?;
            if events.is_empty() {
                return Ok(found);
            }
            for recorded in &events {
                let envelope = Envelope::read(recorded).map_err(|e| OAuthError::server_error(e.to_string()))?;
                let is_first = found.done == found.looked;
                let is_done = acknowledged.contains(&envelope.id);
                unseen -= usize::from(is_done);
                let told = if is_done { None } else { self.heard(&envelope, &receiver, Some(&managed)).await? };
                match told {
                    // Its token is not made for nothing. What lies behind it is looked at for what was acknowledged.
                    Some(_) if !is_enabled || found.tokens.len() >= most => {
                        found.more = is_enabled && most > 0;
                        is_full = true;
                    }
                    Some(signal) => drop(found.tokens.insert(envelope.id.to_string(), self.sign_signal(&signal).await?)),
                    None if is_first => found.done = recorded.position + 1,
                    None if is_done => drop(found.beyond.insert(envelope.id)),
                    None => {}
                }
                found.looked = recorded.position + 1;
                if is_full && unseen == 0 {
                    return Ok(found);
                }
            }
        }
        found.more |= is_enabled && most > 0 && found.looked < self.ledger.known_head().size;
        Ok(found)
    }

    async fn acknowledged(&self, set: &str) -> Result<BTreeSet<Uuid>, OAuthError> {
        let row = self.ledger.projected(set, &[(status::TABLE, status::TABLE)]).await.map_err(unreadable)?.pop().flatten();
        // A row of a stream that was pushed before: nothing is acknowledged.
        Ok(row.and_then(|row| serde_json::from_slice(&row.body).ok()).unwrap_or_default())
    }
}

fn remember(beyond: &BTreeSet<Uuid>) -> Result<RowWrite, OAuthError> {
    let body = serde_json::to_vec(beyond).map_err(|e| OAuthError::server_error(e.to_string()))?;
    Ok(RowWrite::Upsert(Row {
        table: status::TABLE,
        key: status::TABLE.to_owned(),
        version: 1,
        body: body.into(),
        index: [None, None],
        expires_at: None,
    }))
}
