//! The inline read model: one row per stream, changed in the transaction of the append.
//!
//! | Table | Key | Look-up 0 | Look-up 1 |
//! |---|---|---|---|
//! | account | stream | standing | - |
//! | client | stream | origin | - |
//! | session | stream | account | - |
//! | consent | stream | account | client |
//! | interaction | stream | - | - |
//! | backchannel | stream | account | - |
//! | device | stream | - | - |
//! | grant | stream | account | client |
//! | key | stream | phase | - |
//! | logout | stream | client, while it waits | - |
//! | offer | stream | - | - |
//! | opening | stream | - | - |
//! | pushed | stream | - | - |
//! | resource | stream | origin | - |
//! | invitation | stream | - | - |
//! | hold | stream | - | - |
//! | evidence | stream | - | - |
//! | log | stream | - | - |
//! | seal | stream | - | - |
//! | signals | stream | - | - |
//!
//! A row is the state of its stream and nothing else, so that the rebuild uses the same function.

pub mod after;
pub mod check;
pub mod rebuild;

use std::cell::RefCell;

use bytes::Bytes;
use chancery_core::account::Account;
use chancery_core::backchannel::Backchannel;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::device::Device;
use chancery_core::evidence::{self, Attempts};
use chancery_core::grant::Grant;
use chancery_core::hold::Holds;
use chancery_core::interaction::Interaction;
use chancery_core::invitation::Invitation;
use chancery_core::key::Key;
use chancery_core::logout::Logout;
use chancery_core::offer::Offer;
use chancery_core::opening::Opening;
use chancery_core::pushed::Pushed;
use chancery_core::resource::ResourceServer;
use chancery_core::seal::Seals;
use chancery_core::server::Log;
use chancery_core::session::Session;
use chancery_core::signals::Signals;
use chancery_core::stream::Stream;
use chancery_ledger::recorded::Recorded;
use chancery_ledger::write::{Row, RowWrite};
use serde::Serialize;
use serde_json::Value;

use crate::envelope::Unreadable;
use crate::fold::{self, Versioned};

/// Name of the row set of this program. A change of any row's form is a new name and a rebuild beside the old one.
pub const SET: &str = "inline.v1";

/// Days that a row stays after everything in it is over; then the log alone knows it.
const KEEP_MS: i64 = 24 * 60 * 60 * 1000;

/// A state that has a row.
pub trait Inline: Stream + Send + Sync + 'static {
    /// The two look-up columns.
    fn index(&self) -> [Option<String>; 2] {
        [None, None]
    }

    /// Whether anybody will load it again: a state that is over when it begins has no row.
    fn is_kept(&self) -> bool {
        true
    }

    /// Milliseconds since the epoch after which the row may go.
    fn expires_at(&self) -> Option<i64> {
        None
    }
}

/// A plain name of a unit variant, as its serialised text.
fn name(value: &impl serde::Serialize) -> Option<String> {
    match serde_json::to_value(value) {
        Ok(Value::String(text)) => Some(text),
        _ => None,
    }
}

impl Inline for Account {
    fn index(&self) -> [Option<String>; 2] {
        [name(&self.standing), None]
    }
}

impl Inline for Client {
    fn index(&self) -> [Option<String>; 2] {
        [name(&self.origin), None]
    }
}

impl Inline for Session {
    fn index(&self) -> [Option<String>; 2] {
        [Some(self.account.to_string()), None]
    }

    fn expires_at(&self) -> Option<i64> {
        // One whose clients have to be told is looked at when it is over, to be ended; then it goes like the others.
        if self.ended.is_none() && !self.clients.is_empty() {
            return Some(self.expires_at().0);
        }
        Some(self.ends_at.0 + KEEP_MS)
    }
}

impl Inline for Logout {
    fn index(&self) -> [Option<String>; 2] {
        [self.is_waiting().then(|| self.client.to_string()), None]
    }

    /// While it waits: when the next attempt is due.
    fn expires_at(&self) -> Option<i64> {
        Some(self.over_at.map_or(self.next_at.0, |over_at| over_at.0 + KEEP_MS))
    }
}

impl Inline for Consent {
    fn index(&self) -> [Option<String>; 2] {
        [Some(self.account.to_string()), Some(self.client.to_string())]
    }
}

impl Inline for Interaction {
    /// A request that was answered at once is never resumed; the log has it.
    fn is_kept(&self) -> bool {
        self.browser.is_some()
    }

    fn expires_at(&self) -> Option<i64> {
        Some(self.expires_at.0 + KEEP_MS)
    }
}

impl Inline for Grant {
    fn index(&self) -> [Option<String>; 2] {
        [self.account().map(|account| account.to_string()), Some(self.client.to_string())]
    }

    fn expires_at(&self) -> Option<i64> {
        Some(self.over_at().0 + KEEP_MS)
    }
}

impl Inline for Key {
    fn index(&self) -> [Option<String>; 2] {
        [name(&self.phase), None]
    }
}

impl Inline for ResourceServer {
    fn index(&self) -> [Option<String>; 2] {
        [name(&self.origin), None]
    }
}

impl Inline for Backchannel {
    fn index(&self) -> [Option<String>; 2] {
        [Some(self.account.to_string()), None]
    }

    /// While its client has to be told: when that is due.
    fn expires_at(&self) -> Option<i64> {
        let due_at = self.notice.as_ref().and_then(|notice| notice.due_at);
        Some(due_at.map_or(self.expires_at.0 + KEEP_MS, |due_at| due_at.0))
    }
}

impl Inline for Device {
    fn expires_at(&self) -> Option<i64> {
        Some(self.expires_at.0 + KEEP_MS)
    }
}

impl Inline for Offer {
    fn expires_at(&self) -> Option<i64> {
        Some(self.expires_at.0 + KEEP_MS)
    }
}

impl Inline for Pushed {
    /// A browser that has it goes on with the interaction, which has a time of its own.
    fn expires_at(&self) -> Option<i64> {
        Some(self.expires_at.0 + KEEP_MS)
    }
}

impl Inline for Invitation {
    fn expires_at(&self) -> Option<i64> {
        // Its policy holds for the clients that came by it, also when it has run out.
        (self.used == 0).then_some(self.expires_at.0 + KEEP_MS)
    }
}

impl Inline for Attempts {}

impl Inline for Opening {}

impl Inline for Log {}

impl Inline for Holds {}

impl Inline for Signals {}

impl Inline for Seals {
    fn expires_at(&self) -> Option<i64> {
        Some(self.last_at.0 + KEEP_MS)
    }
}

/// The row of a state.
///
/// # Errors
/// A state that JSON cannot hold; none of ours.
pub fn row<S: Inline>(stream: &str, state: &S, version: u64) -> Result<Row, serde_json::Error> {
    Ok(Row { table: S::KIND, key: stream.to_owned(), version, body: exactly(state)?, index: state.index(), expires_at: state.expires_at() })
}

/// The bytes of a state, without the spare room of a vector that grew: a row stays in memory for as long as the cache likes it.
fn exactly(state: &impl Serialize) -> Result<Bytes, serde_json::Error> {
    thread_local! {
        static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    ROOM.with_borrow_mut(|room| {
        room.clear();
        serde_json::to_writer(&mut *room, state)?;
        let body = Bytes::copy_from_slice(room);
        room.shrink_to(MOST_ROOM);
        Ok(body)
    })
}

/// Bytes that a thread keeps for writing states; most are smaller.
const MOST_ROOM: usize = 8 * 1024;

/// The state in a row.
///
/// # Errors
/// A row of another form: the set needs a rebuild.
pub fn state<S: Inline>(row: &Row) -> Result<Versioned<S>, serde_json::Error> {
    Ok(Versioned { state: serde_json::from_slice(&row.body)?, version: row.version })
}

/// The rows of a whole stream: what the rebuild calls, and what reading a missing row falls back to.
///
/// # Errors
/// The position of the event that stops the fold.
pub fn rows(stream: &str, events: &[Recorded]) -> Result<Vec<RowWrite>, Unreadable> {
    match stream.split_once('-').map_or(stream, |(kind, _)| kind) {
        Account::KIND => one::<Account>(stream, events),
        Client::KIND => one::<Client>(stream, events),
        Session::KIND => one::<Session>(stream, events),
        Consent::KIND => one::<Consent>(stream, events),
        Interaction::KIND => one::<Interaction>(stream, events),
        Invitation::KIND => one::<Invitation>(stream, events),
        Device::KIND => one::<Device>(stream, events),
        Backchannel::KIND => one::<Backchannel>(stream, events),
        Grant::KIND => one::<Grant>(stream, events),
        Holds::KIND => one::<Holds>(stream, events),
        Key::KIND => one::<Key>(stream, events),
        Attempts::KIND if stream == evidence::ANONYMOUS => Ok(Vec::new()),
        Attempts::KIND => one::<Attempts>(stream, events),
        Logout::KIND => one::<Logout>(stream, events),
        Offer::KIND => one::<Offer>(stream, events),
        Opening::KIND => one::<Opening>(stream, events),
        Pushed::KIND => one::<Pushed>(stream, events),
        ResourceServer::KIND => one::<ResourceServer>(stream, events),
        Log::KIND => one::<Log>(stream, events),
        Seals::KIND => one::<Seals>(stream, events),
        Signals::KIND => one::<Signals>(stream, events),
        other => {
            let position = events.first().map_or(0, |event| event.position);
            Err(Unreadable { position, why: format!("unknown kind of stream {other}: this program is older than the log") })
        }
    }
}

/// A fold of any stream that goes on page by page. Unlike [`rows`], also for states that have no row.
pub struct Folding {
    add: AddPage,
    state: Option<Versioned<Value>>,
}

type AddPage = fn(Option<Versioned<Value>>, &[Recorded]) -> Result<Option<Versioned<Value>>, Unreadable>;

impl Folding {
    /// `None` for a stream that nobody folds: evidence without an account, or a kind that this program does not know.
    pub fn begin(stream: &str) -> Option<Self> {
        fn add<S: Stream>(state: Option<Versioned<Value>>, events: &[Recorded]) -> Result<Option<Versioned<Value>>, Unreadable> {
            let broken =
                |e: serde_json::Error| Unreadable { position: events.last().map_or(0, |event| event.position), why: e.to_string() };
            let state = match state {
                Some(own) => Some(Versioned { state: serde_json::from_value::<S>(own.state).map_err(broken)?, version: own.version }),
                None => None,
            };
            let folded = fold::stream::<S>(state, events)?;
            folded.map(|own| Ok(Versioned { state: serde_json::to_value(own.state).map_err(broken)?, version: own.version })).transpose()
        }
        let add: AddPage = match stream.split_once('-').map_or(stream, |(kind, _)| kind) {
            Account::KIND => add::<Account>,
            Client::KIND => add::<Client>,
            Session::KIND => add::<Session>,
            Consent::KIND => add::<Consent>,
            Interaction::KIND => add::<Interaction>,
            Invitation::KIND => add::<Invitation>,
            Device::KIND => add::<Device>,
            Backchannel::KIND => add::<Backchannel>,
            Grant::KIND => add::<Grant>,
            Holds::KIND => add::<Holds>,
            Key::KIND => add::<Key>,
            Attempts::KIND if stream != evidence::ANONYMOUS => add::<Attempts>,
            ResourceServer::KIND => add::<ResourceServer>,
            Logout::KIND => add::<Logout>,
            Offer::KIND => add::<Offer>,
            Opening::KIND => add::<Opening>,
            Pushed::KIND => add::<Pushed>,
            Log::KIND => add::<Log>,
            Seals::KIND => add::<Seals>,
            Signals::KIND => add::<Signals>,
            _ => return None,
        };
        Some(Self { add, state: None })
    }

    /// Adds the next events.
    ///
    /// # Errors
    /// The position of the event that stops the fold.
    pub fn add(&mut self, events: &[Recorded]) -> Result<(), Unreadable> {
        self.state = (self.add)(self.state.take(), events)?;
        Ok(())
    }

    /// What they add up to.
    pub fn state(self) -> Option<Value> {
        self.state.map(|own| own.state)
    }
}

/// Whether a stream has rows at all: evidence without an account is most of a log under attack, and has none.
pub fn has_rows(stream: &str) -> bool {
    stream != evidence::ANONYMOUS
}

fn one<S: Inline>(stream: &str, events: &[Recorded]) -> Result<Vec<RowWrite>, Unreadable> {
    let Some(versioned) = fold::stream::<S>(None, events)?.filter(|own| own.state.is_kept()) else { return Ok(Vec::new()) };
    let position = events.last().map_or(0, |event| event.position);
    let row = row(stream, &versioned.state, versioned.version).map_err(|e| Unreadable { position, why: e.to_string() })?;
    Ok(vec![RowWrite::Upsert(row)])
}
