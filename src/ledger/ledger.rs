//! The handle that everybody holds: append, read, follow.
//!
//! | Call | Served by |
//! |---|---|
//! | `append`, row sets | the one writer, through a bounded queue |
//! | `row`, `rows` | the cache; what it lacks, and `Fresh` on a database that other nodes write, in one read |
//! | everything else | a pool of reading connections |

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use crate::backend::{Filter, Newest, Reading, Select, Task, Wanted};
use crate::cache::{Epoch, Lookup};
use crate::error::{AppendError, ReadError, SetError};
use crate::leaf::MAX_LEAF;
use crate::options::Notary;
use crate::postgres;
use crate::recorded::{Committed, Freshness, Head, KeptNote, Note, Recorded};
use crate::relocate::Claim;
use crate::shared::Shared;
use crate::sqlite;
use crate::write::{Row, Write};
use crate::writer::{self, Answer, BATCH_BYTES, Job, Ticket, Work};

/// How often a ledger without a writer of its own looks for new events.
const POLL: Duration = Duration::from_millis(250);

/// The log. Clones are handles on the same log.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub backend: Backend,
    pub shared: Arc<Shared>,
    /// `None`: opened to read only.
    pub queue: Option<mpsc::Sender<Work>>,
    pub deadline: Duration,
    pub sole_writer: bool,
}

pub(crate) enum Backend {
    Sqlite(sqlite::Reader),
    Postgres(postgres::PgReading),
}

macro_rules! read {
    ($ledger:expr, $($call:tt)*) => {
        match &$ledger.inner.backend {
            Backend::Sqlite(reader) => reader.$($call)*.await,
            Backend::Postgres(reader) => reader.$($call)*.await,
        }
    };
}

mod sets;
mod stored;

impl Ledger {
    pub(crate) fn over(inner: Inner) -> Self {
        Self { inner: Arc::new(inner) }
    }

    /// Waits until the write is durable, or says why it is not. Dropping the future does not take a write back that the writer has.
    pub async fn append(&self, write: Write) -> Result<Committed, AppendError> {
        check_size(&write)?;
        if write.level.is_some_and(|level| level > self.inner.shared.own_level()) {
            return Err(AppendError::Unavailable("a log is not raised beyond the level that the program knows".into()));
        }
        let Some(queue) = &self.inner.queue else { return Err(AppendError::Unavailable("the log is open to read only".into())) };
        let (reply, answer) = oneshot::channel();
        let ticket = Arc::<Ticket>::default();
        queue.try_send(Work::Append(Job { write, ticket: ticket.clone(), reply })).map_err(|refused| match refused {
            TrySendError::Full(_) => AppendError::Busy,
            TrySendError::Closed(_) => AppendError::Unavailable("the writer has ended".into()),
        })?;
        let late = match timeout(self.inner.deadline, answer).await {
            Ok(Ok(Answer { outcome, spent })) => {
                drop(spent);
                return outcome;
            }
            Ok(Err(_)) => "the writer has ended",
            Err(_) => "the deadline has passed",
        };
        match ticket.withdraw() {
            true => Err(AppendError::Unavailable(late.into())),
            false => Err(AppendError::Unknown(late.into())),
        }
    }

    /// The events of a stream from a version on, in order.
    pub async fn read_stream(&self, stream: &str, from_version: u64) -> Result<Vec<Recorded>, ReadError> {
        let events = read!(self, read_stream(stream.into(), from_version))?;
        self.whole(events).await
    }

    /// At most `limit` events of a stream from a version on, in order: for streams that may be long.
    pub async fn read_stream_page(&self, stream: &str, from_version: u64, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        let events = read!(self, read_stream_page(stream.into(), from_version, limit))?;
        self.whole(events).await
    }

    /// The events at these positions, in the order of the log. A position beyond its end is left out.
    pub async fn read_at(&self, positions: &[u64]) -> Result<Vec<Recorded>, ReadError> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let events = read!(self, read_at(positions.to_vec()))?;
        self.whole(events).await
    }

    /// At most `limit` events from a position on. Fewer only at the end of the log; a gap is `Damaged`.
    pub async fn read_all(&self, from_position: u64, limit: u32) -> Result<Vec<Recorded>, ReadError> {
        if let Some(events) = self.newest(from_position, limit) {
            return Ok(events);
        }
        let (events, size) = read!(self, read_all(from_position, limit))?;
        let mut expected = from_position;
        for event in &events {
            if event.position != expected {
                return Err(ReadError::Damaged { position: expected, what: format!("the next event is {}", event.position) });
            }
            expected += 1;
        }
        if events.len() < limit as usize && expected < size {
            return Err(ReadError::Damaged { position: expected, what: format!("the event is missing; the log has {size}") });
        }
        self.whole(events).await
    }

    /// The same from memory, if that is the whole answer.
    fn newest(&self, from_position: u64, limit: u32) -> Option<Vec<Recorded>> {
        let Shared { tail, .. } = &*self.inner.shared;
        let events = tail.read(from_position, limit as usize).filter(|_| self.inner.sole_writer)?;
        let is_whole = events.len() == limit as usize || from_position + events.len() as u64 >= self.known_head().size;
        is_whole.then_some(events)
    }

    /// Resolves when the log has more than `size` events, with its head.
    pub async fn wait(&self, size: u64) -> Head {
        if self.inner.queue.is_none() {
            return self.poll(size).await;
        }
        let mut heads = self.inner.shared.follow();
        let found = heads.wait_for(|head| head.size > size).await.map(|head| *head);
        // Never an error: the sender lives in `shared`, which this handle holds.
        found.unwrap_or_else(|_| self.known_head())
    }

    async fn poll(&self, size: u64) -> Head {
        loop {
            if let Ok(head) = self.head().await
                && head.size > size
            {
                return head;
            }
            sleep(POLL).await;
        }
    }

    /// The end of the log as the database has it.
    pub async fn head(&self) -> Result<Head, ReadError> {
        match self.inner.sole_writer {
            true => Ok(self.inner.shared.head()),
            false => read!(self, head()),
        }
    }

    /// The highest head that this process has seen. Costs nothing.
    pub fn known_head(&self) -> Head {
        self.inner.shared.head()
    }

    /// A row of the inline set.
    pub async fn row(&self, table: &'static str, key: &str, freshness: Freshness) -> Result<Option<Arc<Row>>, ReadError> {
        // The hot path: no vector.
        if self.may_serve_cached(freshness)
            && self.inner.shared.keeps_up().is_ok()
            && let Lookup::Hit(row) = self.inner.shared.cache.get(table, key)
        {
            return Ok(row);
        }
        Ok(self.rows(&[(table, key)], freshness).await?.pop().flatten())
    }

    /// Rows in the order asked. One round trip at most, for what the cache does not have; `Fresh` on a database that other nodes write
    /// asks for all of them, as of one moment, and is sent those whose version has moved on.
    pub async fn rows(&self, keys: &[(&'static str, &str)], freshness: Freshness) -> Result<Vec<Option<Arc<Row>>>, ReadError> {
        self.inner.shared.keeps_up().map_err(ReadError::Unavailable)?;
        let cache = &self.inner.shared.cache;
        let trusted = self.may_serve_cached(freshness);
        let mut found: Vec<Option<Arc<Row>>> = Vec::with_capacity(keys.len());
        let mut missing: Vec<(usize, Epoch)> = Vec::new();
        for (at, (table, key)) in keys.iter().enumerate() {
            let (row, began) = match trusted {
                true => match cache.get(table, key) {
                    Lookup::Hit(row) => (row, None),
                    Lookup::Miss(began) => (None, Some(began)),
                },
                false => {
                    let (began, row) = cache.known(table, key);
                    (row, Some(began))
                }
            };
            found.push(row);
            missing.extend(began.map(|began| (at, began)));
        }
        if missing.is_empty() {
            return Ok(found);
        }
        let wanted = |(at, _): &(usize, Epoch)| Wanted {
            table: keys[*at].0,
            key: keys[*at].1.to_owned(),
            known: found[*at].as_ref().map(|row| row.version),
        };
        let wanted = missing.iter().map(wanted).collect();
        let read = read!(self, newest(wanted))?;
        for ((at, began), newest) in missing.into_iter().zip(read) {
            found[at] = match newest {
                Newest::Known => continue,
                Newest::Row(row) => Some(row),
                Newest::Absent => None,
            };
            if self.inner.queue.is_some() {
                cache.fill(keys[at].0, keys[at].1, found[at].as_ref(), began);
            }
        }
        Ok(found)
    }

    /// Without a writer of our own nobody keeps the cache current; with the only writer it is never behind.
    fn may_serve_cached(&self, freshness: Freshness) -> bool {
        self.inner.queue.is_some() && (self.inner.sole_writer || freshness == Freshness::Cached)
    }

    /// Rows whose look-up column (0 or 1) has a value, in the order of their keys.
    pub async fn rows_by(
        &self,
        table: &'static str,
        column: usize,
        value: &str,
        after_key: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Row>, ReadError> {
        self.select(None, table, Filter::Index { column, value: value.into() }, after_key, limit).await
    }

    /// All rows of a table in the order of their keys.
    pub async fn rows_all(&self, table: &'static str, after_key: Option<&str>, limit: u32) -> Result<Vec<Row>, ReadError> {
        self.select(None, table, Filter::All, after_key, limit).await
    }

    /// Rows that expired before a time, the earliest first.
    pub async fn rows_expired(&self, table: &'static str, before_ms: i64, limit: u32) -> Result<Vec<Row>, ReadError> {
        self.select(None, table, Filter::ExpiredBefore(before_ms), None, limit).await
    }

    async fn select(
        &self,
        set: Option<&str>,
        table: &'static str,
        filter: Filter,
        after_key: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Row>, ReadError> {
        let set = set.map(str::to_owned);
        read!(self, select(Select { set, table, filter, after_key: after_key.map(str::to_owned), descending: false, limit }))
    }

    /// Who holds a unique value.
    pub async fn claim_owner(&self, kind: &str, key: &[u8]) -> Result<Option<String>, ReadError> {
        read!(self, claim_owner(kind.into(), key.into()))
    }

    /// Unique values of a kind whose keys are smaller than `before`, in the order of their bytes, at most `limit`: for keys that
    /// begin with the time at which nobody needs them any more.
    pub async fn claims_before(&self, kind: &str, before: &[u8], limit: u32) -> Result<Vec<Vec<u8>>, ReadError> {
        read!(self, claims_before(kind.into(), before.into(), limit))
    }

    /// Every (type, schema) that an event in the log has.
    pub async fn event_kinds(&self) -> Result<Vec<(String, u16)>, ReadError> {
        read!(self, event_kinds())
    }

    /// Can the log be written? After a failed commit this tries an empty one.
    pub async fn is_alive(&self) -> Result<(), String> {
        if self.inner.queue.as_ref().is_some_and(mpsc::Sender::is_closed) {
            return Err("the writer has ended".into());
        }
        self.inner.shared.keeps_up()?;
        if self.inner.shared.trouble().is_none() {
            return Ok(());
        }
        self.append(Write::default()).await.map(drop).map_err(|error| error.to_string())
    }

    /// Ends the writer after what it is doing and releases the database. Later appends are `Unavailable`.
    pub async fn close(&self) {
        let Some(queue) = &self.inner.queue else { return };
        let (reply, closed) = oneshot::channel();
        if queue.send(Work::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

/// The level of the catalogue: event types up to it may be written.
impl Ledger {
    /// As far as this process has heard; the log's own is never below it. Costs nothing.
    pub fn level(&self) -> u16 {
        self.inner.shared.level()
    }

    /// As the database has it.
    pub async fn stored_level(&self) -> Result<u16, ReadError> {
        read!(self, level())
    }

    /// The levels that nodes know which are connected to the database now, this one perhaps included; each once. On SQLite there is no
    /// other node. A node that has lost its connection is not seen: it learns of a raise with its next one.
    pub async fn node_levels(&self) -> Result<Vec<u16>, ReadError> {
        read!(self, node_levels())
    }
}

/// Signed heads and the tree behind them.
impl Ledger {
    /// From now on each commit of this process is signed.
    pub fn set_notary(&self, notary: Notary) {
        self.inner.shared.set_notary(notary);
    }

    /// The signed checkpoint of the last commit; `None` in a log that nobody has signed.
    pub async fn note(&self) -> Result<Option<Note>, ReadError> {
        if self.inner.sole_writer
            && let Some(note) = self.inner.shared.note()
        {
            return Ok(Some(note));
        }
        Ok(read!(self, note())?.map(Note::from))
    }

    /// The newest kept checkpoint of at most this size.
    pub async fn kept_note(&self, at_most: u64) -> Result<Option<KeptNote>, ReadError> {
        read!(self, kept_note(at_most))
    }

    /// Claims in the order of kind and key, at most `limit` after one.
    pub async fn claims(&self, after: Option<(String, Vec<u8>)>, limit: u32) -> Result<Vec<Claim>, ReadError> {
        read!(self, claims(after, limit))
    }

    /// Does the cache hold a row, or its absence?
    #[cfg(test)]
    pub(crate) fn remembers(&self, table: &'static str, key: &str) -> bool {
        matches!(self.inner.shared.cache.get(table, key), Lookup::Hit(_))
    }

    /// Keeps a checkpoint that others have seen; one of the same size is replaced.
    pub async fn keep_note(&self, kept: KeptNote) -> Result<(), SetError> {
        self.task(Task::KeepNote(kept)).await.map(drop)
    }
}

/// What can never fit is refused before it takes a place in the queue. The plan measures the leaf itself.
fn check_size(write: &Write) -> Result<(), AppendError> {
    let mut events = write.streams.iter().flat_map(|s| &s.events);
    if let Some(large) = events.find(|e| e.data.len() + e.personal.as_ref().map_or(0, |p| p.len()) > MAX_LEAF) {
        return Err(AppendError::TooLarge { kind: large.kind });
    }
    if writer::weight(write) > BATCH_BYTES {
        let kind = write.streams.iter().flat_map(|s| &s.events).map(|e| e.kind).next();
        return Err(AppendError::TooLarge { kind: kind.unwrap_or("rows") });
    }
    Ok(())
}
