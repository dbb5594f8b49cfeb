//! What a database has to do for the ledger. Everything that can be decided without it is decided elsewhere
//! (`plan`, `check`, `writer`), so that the back ends hold SQL and little more.
//!
//! | Half | Owner | Work |
//! |---|---|---|
//! | `Writing` | the one writer of this process | group commits, the look-up after an unknown outcome, row sets |
//! | `Reading` | every clone of the ledger | events, rows, claims, head |
//!
//! Errors of a commit fall into three kinds, since the writer acts on them differently; see `Failure`.

use std::sync::Arc;

use uuid::Uuid;

use crate::check::StoredEvent;
use crate::digest::{Census, SetState};
use crate::error::{AppendError, ReadError, SetError};
use crate::plan::Plan;
use crate::recorded::{Head, KeptNote, Note, Placed, Recorded};
use crate::relocate::Claim;
use crate::shared::Shared;
use crate::write::{Row, RowWrite, Write};
use chancery_tree::Hash;

/// The answer to one group commit, or to the attempt at one.
#[derive(Clone, Debug)]
pub(crate) struct Done {
    /// One per write, in the order of the batch.
    pub outcomes: Vec<Result<Vec<Placed>, AppendError>>,
    /// The head after the commit.
    pub head: Head,
    /// That head, signed before the commit.
    pub note: Option<Note>,
    /// Of the catalogue, after the commit.
    pub level: u16,
}

impl Done {
    /// Signs the head that the plan leads to: one signature for the whole batch. Nobody sees it before the commit is known; where the
    /// commit fails it is dropped.
    ///
    /// # Errors
    /// `Unavailable` when the head cannot be signed.
    pub fn of(plan: &Plan<'_>, shared: &Shared) -> Result<Self, Failure> {
        let head = plan.head.head();
        let note = if plan.events.is_empty() { None } else { shared.sign(&head).map_err(Failure::Unavailable)? };
        Ok(Self { outcomes: plan.outcomes.clone(), head, note, level: plan.head.level })
    }
}

/// Why a group commit did not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A statement was refused and everything was rolled back. The writes are run again one by one, so that one bad write fails alone.
    Refused(String),
    /// The database cannot take writes now; nothing of the batch is in the log.
    Unavailable(String),
    /// COMMIT was sent and its outcome was not learnt. `attempted` is the answer if `Writing::committed` finds the events.
    Unknown { why: String, attempted: Done },
}

/// The writing half. Its futures run on the writer alone, one at a time.
pub(crate) trait Writing: Send + 'static {
    /// One transaction: lock the head, fetch versions and claims of the batch (`plan::touched`), `plan::plan`, store the plan
    /// in bulk, commit. Reconnects by itself if the last call left no usable connection. A plan that is empty stores nothing, except
    /// that after a failure the head row is written anyway, so that an empty batch shows whether the database takes writes again.
    fn commit(&mut self, batch: &[&Write], now: i64) -> impl Future<Output = Result<Done, Failure>> + Send;

    /// After `Failure::Unknown`: reconnect or reopen, take the head lock (the lost transaction has ended once we hold it) and look the
    /// ids up. `true`: all are in the log, durably. `false`: none is. Some but not all cannot happen and is `Failure::Unavailable`,
    /// as is a database that does not answer.
    fn committed(&mut self, ids: &[Uuid]) -> impl Future<Output = Result<bool, Failure>> + Send;

    /// One change of a row set; returns the checkpoint of the set after it.
    fn maintain(&mut self, task: &Task) -> impl Future<Output = Result<u64, SetError>> + Send;

    /// Waits a little before the next attempt, longer the more there were.
    fn pause(&self, attempt: u32) -> impl Future<Output = ()> + Send;
}

/// Folds all events of one stream into its rows: the same pure function that made the inline rows.
#[derive(Clone)]
pub struct Fold {
    /// Streams without rows are not read: one may be most of the log.
    pub(crate) has_rows: fn(&str) -> bool,
    pub(crate) rows: Arc<FoldRows>,
}

type FoldRows = dyn Fn(&str, &[Recorded]) -> Result<Vec<RowWrite>, String> + Send + Sync;

impl Fold {
    pub fn new(
        has_rows: fn(&str) -> bool,
        rows: impl Fn(&str, &[Recorded]) -> Result<Vec<RowWrite>, String> + Send + Sync + 'static,
    ) -> Self {
        Self { has_rows, rows: Arc::new(rows) }
    }
}

/// Changes of row sets. Exactly one set is inline: its rows change with the events and it is the one that `rows` reads.
pub(crate) enum Task {
    /// Makes an empty set that is filled beside the inline one. What a broken-off rebuild left under the name is dropped.
    /// `Rejected` if the name is the inline set's.
    BeginRebuild { set: String },
    /// Rows for a set and its checkpoint, in one transaction, only if the checkpoint is still `expected` (else `CheckpointMoved`).
    /// A set that does not exist counts as checkpoint 0 and is made. Never the inline set (`Rejected`), never the head row.
    Project { set: String, expected: u64, checkpoint: u64, rows: Vec<RowWrite> },
    /// Under the head lock: every stream with events at or after the set's checkpoint is read in full and folded, its rows are put into the
    /// set, the set becomes the inline one with checkpoint = head, and the old inline set becomes an ordinary one.
    FinishRebuild { set: String, fold: Fold },
    /// Gives a set the name of another, in one transaction; the other gets `<name>.gone` and is for `DropSet`, so it may not be inline.
    ReplaceSet { set: String, name: String },
    /// Deletes at most `limit` rows of a set that is not inline; returns how many are left (0: the set is gone).
    DropSet { set: String, limit: u32 },
    /// Keeps a checkpoint that others have seen, or replaces the one of the same size (which now has more signatures). Returns its size.
    KeepNote(KeptNote),
}

/// A page of rows of one table in the order of their keys.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    /// `None` is the inline set.
    pub set: Option<String>,
    pub table: &'static str,
    pub filter: Filter,
    /// Only keys beyond this one: greater, or smaller when `descending`.
    pub after_key: Option<String>,
    /// The greatest key first; for `Filter::Index` only.
    pub descending: bool,
    pub limit: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Filter {
    All,
    /// Look-up column 0 or 1 equals the value.
    Index {
        column: usize,
        value: String,
    },
    /// `expires_at` < this many milliseconds.
    ExpiredBefore(i64),
}

/// A row of the inline set that somebody wants, and the version of it that he has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub table: &'static str,
    pub key: String,
    pub known: Option<u64>,
}

/// What became of a `Wanted` row.
#[derive(Clone, Debug)]
pub(crate) enum Newest {
    /// The known version is the newest. In one set the same version is the same row.
    Known,
    Row(Arc<Row>),
    Absent,
}

/// The reading half: a cheap handle on a pool of connections. Every answer is one consistent snapshot.
pub(crate) trait Reading: Clone + Send + Sync + 'static {
    /// All events of a stream with at least this version, in order.
    fn read_stream(&self, stream: String, from_version: u64) -> impl Future<Output = Result<Vec<Recorded>, ReadError>> + Send;

    /// At most `most` events of each of these streams, from its first on; in the order of the names.
    fn read_streams(&self, streams: Vec<String>, most: u32) -> impl Future<Output = Result<Vec<Vec<Recorded>>, ReadError>> + Send;

    /// At most `limit` events of a stream with at least this version, in order.
    fn read_stream_page(
        &self,
        stream: String,
        from_version: u64,
        limit: u32,
    ) -> impl Future<Output = Result<Vec<Recorded>, ReadError>> + Send;

    /// The events at these positions, in the order of the log. What is not there is left out.
    fn read_at(&self, positions: Vec<u64>) -> impl Future<Output = Result<Vec<Recorded>, ReadError>> + Send;

    /// At most `limit` events from a position on, and the size of the log in the same snapshot. `Ledger` checks the density.
    fn read_all(&self, from: u64, limit: u32) -> impl Future<Output = Result<(Vec<Recorded>, u64), ReadError>> + Send;

    /// Rows by key, in the order asked; `set` as in `Select`.
    fn rows(
        &self,
        set: Option<String>,
        keys: Vec<(&'static str, String)>,
    ) -> impl Future<Output = Result<Vec<Option<Row>>, ReadError>> + Send;

    /// Rows of the inline set as of now, in the order asked; what the asker has already is not sent again.
    fn newest(&self, wanted: Vec<Wanted>) -> impl Future<Output = Result<Vec<Newest>, ReadError>> + Send;

    fn select(&self, select: Select) -> impl Future<Output = Result<Vec<Row>, ReadError>> + Send;

    fn claim_owner(&self, kind: String, key: Vec<u8>) -> impl Future<Output = Result<Option<String>, ReadError>> + Send;

    /// Claims in the order of kind and key, after one.
    fn claims(&self, after: Option<(String, Vec<u8>)>, limit: u32) -> impl Future<Output = Result<Vec<Claim>, ReadError>> + Send;

    /// Keys of a kind that are smaller than `before`, in their order.
    fn claims_before(&self, kind: String, before: Vec<u8>, limit: u32) -> impl Future<Output = Result<Vec<Vec<u8>>, ReadError>> + Send;

    fn head(&self) -> impl Future<Output = Result<Head, ReadError>> + Send;

    /// The signed checkpoint of the last commit; `None` in a log that nobody has signed.
    fn note(&self) -> impl Future<Output = Result<Option<String>, ReadError>> + Send;

    /// Level of the catalogue, as the database has it.
    fn level(&self) -> impl Future<Output = Result<u16, ReadError>> + Send;

    /// Levels that connected nodes know, each once. Empty where there is only one.
    fn node_levels(&self) -> impl Future<Output = Result<Vec<u16>, ReadError>> + Send;

    /// The newest kept checkpoint of at most this size.
    fn kept_note(&self, at_most: u64) -> impl Future<Output = Result<Option<KeptNote>, ReadError>> + Send;

    /// Hashes of complete subtrees of 2^`level` leaves, `level` a multiple of 8 (0: of the leaves), in order from an index on. Fewer than
    /// `count` where the tree ends.
    fn hashes(&self, level: u32, from: u64, count: u32) -> impl Future<Output = Result<Vec<Hash>, ReadError>> + Send;

    /// Events with every column, in order from a position on: for whoever checks what is stored.
    fn stored(&self, from: u64, limit: u32) -> impl Future<Output = Result<Vec<StoredEvent>, ReadError>> + Send;

    /// Every (type, schema) that an event in the log has.
    fn event_kinds(&self) -> impl Future<Output = Result<Vec<(String, u16)>, ReadError>> + Send;

    /// Name and checkpoint of the inline set.
    fn inline_set(&self) -> impl Future<Output = Result<(String, u64), ReadError>> + Send;

    /// Checkpoint and digest of a set, `None` being the inline one; `None` if there is no such set.
    fn set_state(&self, set: Option<String>) -> impl Future<Output = Result<Option<SetState>, ReadError>> + Send;

    /// Every row of a set counted, in one snapshot; `set` and the answer as for `set_state`.
    fn census(&self, set: Option<String>) -> impl Future<Output = Result<Option<Census>, ReadError>> + Send;
}
