//! Moving a log to another database: the exact leaves, hashed again on the way; one side is closed before the other is opened.
//!
//! | Step | Broken off after it |
//! |---|---|
//! | events are staged on the new side, whose head stays empty | nobody can serve from it; the next run compares what is there and goes on |
//! | the old side is closed for writing, if it has not grown meanwhile | nobody can write anywhere; the next run goes on |
//! | claims, kept checkpoints, complete subtrees and the head, in one transaction | the new side serves |
//!
//! | Rule | Why |
//! |---|---|
//! | a leaf is copied as it stands, and its columns are read out of it | the leaf is the truth; what stands beside it may have been changed |
//! | the root is that of the leaves that were copied, and has to be that of the old head | otherwise something is missing or was changed |
//! | read models are not copied but made again | they are nothing but the fold of the log |
//!
//! Out of scope: the vault, and what the signed checkpoint says (the shell).

mod postgres;
mod sqlite;

use std::collections::BTreeSet;
use std::path::PathBuf;

use chancery_tree::frontier::Subtree;
use chancery_tree::{Frontier, Hash, leaf_hash};

use crate::Ledger;
use crate::digest::Digest;
use crate::error::{OpenError, ReadError};
use crate::leaf::{self, Members};
use crate::options::Options;
use crate::plan::HeadState;
use crate::recorded::{Head, KeptNote, Recorded};

/// Events in one transaction of the new side.
const CHUNK: u32 = 1000;

/// Name of the row set of a log that has just moved: no program's, so that the first start makes the rows anew.
const NO_ROWS: &str = "moved";

/// A database.
#[derive(Clone)]
pub enum Place {
    Sqlite(PathBuf),
    /// The URL, which may hold a password.
    Postgres(String),
}

impl Place {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
}

/// Why a log was not moved. The old side goes on unless it says that it has moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the new database: {0}")]
    Store(String),
    #[error("the new database already holds a log; name an empty one")]
    NotEmpty,
    #[error("the new database holds other events than this log from position {0} on; name an empty one")]
    Other(u64),
    #[error("the log is damaged at position {position}: {what}")]
    Damaged { position: u64, what: String },
    #[error("the leaves of the log have another root than its head: it was changed; run chancery audit verify")]
    OtherRoot,
    #[error("this log has moved already, to {0}")]
    Moved(String),
}

/// An event as the new side stores it.
pub(crate) struct Staged {
    pub members: Members,
    pub leaf: bytes::Bytes,
    pub leaf_hash: Hash,
}

/// What the last transaction stores.
pub(crate) struct Ending {
    pub head: HeadState,
    pub note: Option<String>,
    pub subtrees: Vec<Subtree>,
    pub kinds: BTreeSet<(String, u16)>,
    pub claims: Vec<Claim>,
    pub notes: Vec<KeptNote>,
}

/// A claim as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub kind: String,
    pub key: Vec<u8>,
    pub owner: String,
}

enum Target {
    Sqlite(Box<sqlite::Target>),
    Postgres(postgres::Target),
}

enum Closing {
    Sqlite(Box<sqlite::Closing>),
    Postgres(postgres::Closing),
}

/// A log on its way.
pub struct Relocation {
    pub source: Ledger,
    closing: Closing,
    target: Target,
    to: &'static str,
    tree: Frontier,
    recorded_at: i64,
    subtrees: Vec<Subtree>,
    kinds: BTreeSet<(String, u16)>,
    /// How many events were on the new side when this run began.
    staged: u64,
}

impl Relocation {
    /// Opens both sides; an SQLite file is locked, so its server has to be stopped.
    ///
    /// # Errors
    /// A side that cannot be opened; a new side that already serves a log.
    pub async fn begin(from: &Place, to: &Place, options: Options) -> Result<Self, MoveError> {
        let (source, closing) = match from {
            Place::Sqlite(path) => {
                let closing = sqlite::Closing::open(path, &options)?;
                (Ledger::open_sqlite_readonly(path, options.clone())?, Closing::Sqlite(Box::new(closing)))
            }
            Place::Postgres(url) => {
                let closing = postgres::Closing::open(url).await?;
                (Ledger::open_postgres_readonly(url, options.clone()).await?, Closing::Postgres(closing))
            }
        };
        let (target, staged) = match to {
            Place::Sqlite(path) => {
                let (target, staged) = sqlite::Target::open(path, &options)?;
                (Target::Sqlite(Box::new(target)), staged)
            }
            Place::Postgres(url) => {
                let (target, staged) = postgres::Target::open(url).await?;
                (Target::Postgres(target), staged)
            }
        };
        let (tree, subtrees, kinds) = (Frontier::default(), Vec::new(), BTreeSet::new());
        Ok(Self { source, closing, target, to: to.kind(), tree, recorded_at: 0, subtrees, kinds, staged })
    }

    /// Copies what the old side has and the new one has not. `progress` hears (events done, events in all).
    ///
    /// # Errors
    /// A leaf that is not what its columns or its hash say; a root that is not the head's; a side that does not answer.
    pub async fn copy(&mut self, progress: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Head, MoveError> {
        loop {
            let head = self.source.head().await?;
            while self.tree.size() < head.size {
                let most = u64::from(CHUNK).min(head.size - self.tree.size());
                let events = self.source.read_all(self.tree.size(), u32::try_from(most).unwrap_or(CHUNK)).await?;
                let hashes = self.source.hashes(0, self.tree.size(), CHUNK).await?;
                self.stage(&events, &hashes).await?;
                progress(self.tree.size(), head.size);
            }
            if self.tree.size() != head.size {
                return Err(MoveError::Damaged { position: head.size, what: "the head went back".into() });
            }
            if self.tree.root() != head.root {
                return Err(MoveError::OtherRoot);
            }
            // What came meanwhile, until nothing does.
            if self.source.head().await?.size == head.size {
                return Ok(head);
            }
        }
    }

    async fn stage(&mut self, events: &[Recorded], hashes: &[Hash]) -> Result<(), MoveError> {
        let first = self.tree.size();
        let mut staged = Vec::with_capacity(events.len());
        for (event, stored) in events.iter().zip(hashes) {
            let damaged = |what: &str| MoveError::Damaged { position: event.position, what: what.to_owned() };
            let members = leaf::members(&event.leaf).ok_or_else(|| damaged("it is no event"))?;
            let fits = members.position == event.position
                && members.version == event.version
                && members.recorded_at == event.recorded_at
                && members.stream == event.stream
                && members.kind == event.kind;
            let hash = leaf_hash(&event.leaf);
            if !fits || hash != *stored {
                return Err(damaged("the leaf is not what stands beside it"));
            }
            self.tree.push(hash, &mut self.subtrees);
            self.recorded_at = members.recorded_at;
            self.kinds.insert((members.kind.clone(), members.schema));
            staged.push(Staged { members, leaf: event.leaf.clone(), leaf_hash: hash });
        }
        if staged.len() != events.len() || events.is_empty() {
            return Err(MoveError::Damaged { position: self.tree.size(), what: "the event is missing".into() });
        }
        // Of an earlier run: compared, not copied.
        let known = usize::try_from(self.staged.saturating_sub(first)).unwrap_or(usize::MAX).min(staged.len());
        let there = self.leaf_hashes(first, known).await?;
        if let Some(at) = (0..known).find(|at| there.get(*at) != Some(&staged[*at].leaf_hash)) {
            return Err(MoveError::Other(first + at as u64));
        }
        match &mut self.target {
            Target::Sqlite(target) => target.stage(&staged[known..]),
            Target::Postgres(target) => target.stage(&staged[known..]).await,
        }
    }

    async fn leaf_hashes(&mut self, from: u64, count: usize) -> Result<Vec<Hash>, MoveError> {
        if count == 0 {
            return Ok(Vec::new());
        }
        match &mut self.target {
            Target::Sqlite(target) => target.leaf_hashes(from, count),
            Target::Postgres(target) => target.leaf_hashes(from, count).await,
        }
    }

    /// Closes the old side for good, if its head is still this one. `false`: it has grown; copy again.
    ///
    /// # Errors
    /// It has moved elsewhere, or does not answer.
    pub async fn close_source(&mut self, head: &Head) -> Result<bool, MoveError> {
        match &mut self.closing {
            Closing::Sqlite(closing) => closing.close(head.size, self.to),
            Closing::Postgres(closing) => closing.close(head.size, self.to).await,
        }
    }

    /// Opens the new side: claims, kept checkpoints, subtrees and head in one transaction. Both sides are released.
    ///
    /// # Errors
    /// A side that does not answer; a staged event beyond the end of the log.
    pub async fn finish(mut self) -> Result<u64, MoveError> {
        let mut claims: Vec<Claim> = Vec::new();
        loop {
            let after = claims.last().map(|claim| (claim.kind.clone(), claim.key.clone()));
            let page = self.source.claims(after, CHUNK).await?;
            let is_last = page.len() < CHUNK as usize;
            claims.extend(page);
            if is_last {
                break;
            }
        }
        let mut notes: Vec<KeptNote> = Vec::new();
        let mut below = u64::MAX;
        while let Some(kept) = self.source.kept_note(below).await? {
            let size = kept.size;
            notes.push(kept);
            let Some(next) = size.checked_sub(1) else { break };
            below = next;
        }
        if self.staged > self.tree.size() {
            return Err(MoveError::Other(self.tree.size()));
        }
        let note = self.source.note().await?.map(|note| note.to_string());
        let taken = claims.len() as u64;
        let level = self.source.stored_level().await?;
        let head = HeadState { frontier: self.tree, recorded_at: self.recorded_at, level, rows: Some(Digest::default()) };
        let ending = Ending { head, note, subtrees: self.subtrees, kinds: self.kinds, claims, notes };
        match &mut self.target {
            Target::Sqlite(target) => target.finish(&ending)?,
            Target::Postgres(target) => target.finish(&ending).await?,
        }
        Ok(taken)
    }
}
