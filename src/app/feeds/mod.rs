//! Feeds: the log for other systems. Each follows with a checkpoint of its own and can never delay a login.
//!
//! | Rule | Why |
//! |---|---|
//! | an event is sent before the checkpoint moves: at least once | what a crash repeats has the same event id |
//! | a receiver that does not answer is asked again after 1, 2, 4 ... 60 s; nothing is skipped | a feed with a hole is worse than a late one |
//! | of several nodes one sends, by a lease beside the checkpoint | around a change of hands an event may be sent twice |
//! | ciphertexts stay at home; `personal = "clear"` opens what people may read | who was erased is `erased` from then on |
//!
//! [`ocsf`], [`render`] and [`signals`] make the messages, [`status`] says how far each feed is. Sending is handed in by `http`, except to files ([`file`]).

pub mod file;
pub mod managed;
pub mod ocsf;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod poll;
pub mod render;
pub mod signals;
pub mod status;
pub mod streams;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use chancery_core::error::OAuthError;
use chancery_ledger::Ledger;
use chancery_ledger::error::{ReadError, SetError};
use chancery_ledger::write::{Row, RowWrite};
use chancery_projections::envelope::{Envelope, Unreadable};
use serde_json::Value;

use self::status::State;
use super::App;
use super::audit::personal::Showing;
use crate::config::Feed;
use crate::config::feed::Format;

/// Most events in one delivery, and most bytes.
const MOST_EVENTS: u32 = 200;
const MOST_BYTES: usize = 1 << 20;
/// For one delivery.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long new events are gathered into one delivery.
const GATHER: Duration = Duration::from_millis(200);
/// After a failure, doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a node that sent something is the one that sends.
const LEASE_MS: i64 = 30_000;
/// How often a node looks whether another one still sends.
const LOOK: Duration = Duration::from_secs(1);

/// Who the events are from.
pub struct Source<'a> {
    pub issuer: &'a str,
    pub version: &'a str,
}

/// One event as a receiver gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The event's id: what a receiver recognises a repetition by.
    pub id: String,
    pub kind: String,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// 1 (informational) to 4 (high).
    pub severity: u32,
    /// JSON in one line.
    pub body: String,
}

/// Sends messages in their order; `Ok` when the receiver has all of them. The sentence of a failure holds nothing secret.
pub type Deliver = Arc<dyn Fn(Vec<Message>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send + Sync>;

/// Why nothing was sent. It is tried again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Set(#[from] SetError),
    #[error(transparent)]
    Leaf(#[from] Unreadable),
    #[error("personal data cannot be opened: {}", .0.detail)]
    Personal(OAuthError),
    #[error("a signal cannot be made: {}", .0.detail)]
    Signal(OAuthError),
    #[error("{0}")]
    Receiver(String),
}

enum Step {
    /// The checkpoint moved on.
    Went,
    /// There is nothing after this position.
    Idle(u64),
    /// There will be more for this delivery.
    Gathers,
    /// Another node sends.
    Elsewhere,
}

/// How much goes into one delivery.
struct Portion {
    events: u32,
    bytes: usize,
    /// How long there is waited for more, from the time of the first event on.
    gather_ms: i64,
}

impl Portion {
    fn of(format: Format) -> Self {
        match format {
            #[cfg(feature = "parquet")]
            Format::Parquet => Self { events: parquet::MOST_EVENTS, bytes: 64 << 20, gather_ms: parquet::GATHER_MS },
            _ => Self { events: MOST_EVENTS, bytes: MOST_BYTES, gather_ms: 0 },
        }
    }
}

/// Of an event's personal data a member that is shown in clear.
pub(super) fn clear<'a>(personal: Option<&'a Value>, field: &str) -> Option<&'a Value> {
    personal?.get(field)?.get("clear")
}

/// The set under which a feed's checkpoint is kept.
pub fn set(name: &str) -> String {
    format!("feed.{name}")
}

impl App {
    /// Follows the log for one feed until the task is dropped. `node` names this process among those that share the log.
    pub async fn run_feed(self, feed: Feed, deliver: Deliver, node: String) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.feed_once(&feed, &deliver, &node).await {
                Ok(Step::Went) => pause = FIRST_PAUSE,
                Ok(Step::Idle(at)) => {
                    self.ledger.wait(at).await;
                    tokio::time::sleep(GATHER).await;
                }
                Ok(Step::Elsewhere | Step::Gathers) => tokio::time::sleep(LOOK).await,
                // Another node was faster: go on from its checkpoint.
                Err(Failure::Set(SetError::CheckpointMoved { .. })) => {}
                Err(failure) => {
                    tracing::warn!(feed = feed.name, error = %failure, "a feed does not get through");
                    self.note_failure(&feed, &node, failure.to_string()).await;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    async fn feed_once(&self, feed: &Feed, deliver: &Deliver, node: &str) -> Result<Step, Failure> {
        let set = set(&feed.name);
        let Some(at) = self.ledger.checkpoint(&set).await? else {
            let begin = if feed.from_beginning { 0 } else { self.ledger.head().await?.size };
            self.ledger.project(&set, 0, begin, Vec::new()).await?;
            return Ok(Step::Went);
        };
        let most = Portion::of(feed.format);
        let events = self.ledger.read_all(at, most.events).await?;
        let Some(first) = events.first() else { return Ok(Step::Idle(at)) };
        if most.gather_ms > 0 && events.len() < most.events as usize && self.now().0 < first.recorded_at.saturating_add(most.gather_ms) {
            return Ok(Step::Gathers);
        }
        let mut state = State::read(&self.ledger, &set).await?;
        if !self.may_send(&set, at, &mut state, node).await? {
            return Ok(Step::Elsewhere);
        }
        let source = Source { issuer: self.config.issuer.as_str(), version: env!("CARGO_PKG_VERSION") };
        let (mut messages, mut bytes, mut next) = (Vec::new(), 0, at);
        for recorded in &events {
            next = recorded.position + 1;
            if !feed.types.is_empty() && !feed.types.contains(&recorded.kind) {
                continue;
            }
            let envelope = Envelope::read(recorded)?;
            let personal = match feed.is_clear {
                true => self.personal_of(&envelope, Showing::Clear).await.map_err(Failure::Personal)?,
                false => None,
            };
            let message = match &feed.receiver {
                Some(receiver) => self.signal(&envelope, receiver, feed.managed.as_ref()).await.map_err(Failure::Signal)?,
                None => Some(render::message(&envelope, feed.format, &source, personal.as_ref())),
            };
            let Some(message) = message else { continue };
            bytes += message.body.len();
            messages.push(message);
            if bytes >= most.bytes {
                break;
            }
        }
        if !messages.is_empty() {
            let sent = tokio::time::timeout(PATIENCE, deliver(messages)).await;
            sent.unwrap_or_else(|_| Err("the receiver does not answer in time".to_owned())).map_err(Failure::Receiver)?;
            state.sent_at = Some(self.now().0);
        }
        state.failing = None;
        state.hold(node, self.now().0 + LEASE_MS);
        self.ledger.project(&set, at, next, vec![state.row()?]).await?;
        Ok(Step::Went)
    }

    /// Takes the lease, or keeps it. Two nodes that take it at the same moment notice at the next delivery.
    async fn may_send(&self, set: &str, at: u64, state: &mut State, node: &str) -> Result<bool, Failure> {
        let now = self.now().0;
        if state.is_held_by(node, now) {
            return Ok(true);
        }
        if state.is_held(now) {
            return Ok(false);
        }
        state.hold(node, now + LEASE_MS);
        self.ledger.project(set, at, at, vec![state.row()?]).await?;
        *state = State::read(&self.ledger, set).await?;
        Ok(state.is_held_by(node, now))
    }

    /// Keeps why nothing gets through, for whoever asks for the status. The lease is kept too, so that the nodes do not take turns.
    async fn note_failure(&self, feed: &Feed, node: &str, why: String) {
        let set = set(&feed.name);
        let noted = async {
            let Some(at) = self.ledger.checkpoint(&set).await? else { return Ok(()) };
            let mut state = State::read(&self.ledger, &set).await?;
            state.fail(why, self.now().0);
            state.hold(node, self.now().0 + LEASE_MS);
            self.ledger.project(&set, at, at, vec![state.row()?]).await?;
            Ok::<_, Failure>(())
        };
        if let Err(error) = noted.await {
            tracing::warn!(feed = feed.name, %error, "the state of a feed was not kept");
        }
    }
}

/// How many events a feed is behind; all of them if it has not begun.
///
/// # Errors
/// A database that does not answer.
pub async fn lag(ledger: &Ledger, name: &str) -> Result<u64, ReadError> {
    let at = ledger.checkpoint(&set(name)).await?.unwrap_or(0);
    Ok(ledger.head().await?.size.saturating_sub(at))
}

impl State {
    fn row(&self) -> Result<RowWrite, Unreadable> {
        let body = serde_json::to_vec(self).map_err(|e| Unreadable { position: 0, why: e.to_string() })?;
        Ok(RowWrite::Upsert(Row {
            table: status::TABLE,
            key: status::TABLE.to_owned(),
            version: 1,
            body: body.into(),
            index: [None, None],
            expires_at: None,
        }))
    }
}
