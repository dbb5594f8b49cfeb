//! Why an append or a read did not happen.

/// The fate of an append. Only `Unknown` leaves it open whether the events are in the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Somebody else wrote first: load again, decide again.
    #[error("stream {stream} has another version than the decision read")]
    VersionConflict { stream: String },
    #[error("the {kind} is already taken")]
    ClaimTaken { kind: &'static str },
    #[error("event {kind} is larger than the limit of a leaf")]
    TooLarge { kind: &'static str },
    /// The queue is full: answer 503 with Retry-After.
    #[error("too many appends are waiting")]
    Busy,
    /// The log cannot be written; nothing of this write is in it.
    #[error("the log cannot be written: {0}")]
    Unavailable(String),
    /// The deadline passed before the outcome could be learnt.
    #[error("it is not known whether the write was committed: {0}")]
    Unknown(String),
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the log cannot be read: {0}")]
    Unavailable(String),
    /// A gap, a reorder or a broken hash: a loud stop, never a skip.
    #[error("the log is damaged at position {position}: {what}")]
    Damaged { position: u64, what: String },
    /// The event's bytes are in an archive, and nobody said where that is. `version`: of the last event that was asked for with it.
    #[error("the event at position {position} is in the archive; say where that is with the setting `archive.directory`")]
    Archived { position: u64, version: u64 },
}

impl ReadError {
    pub(crate) fn of_stream(self, last: u64) -> Self {
        match self {
            Self::Archived { position, .. } => Self::Archived { position, version: last },
            other => other,
        }
    }
}

/// Why the ledger refuses to open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Unavailable(String),
    #[error("another process has {0} open")]
    Locked(String),
    #[error("this log has moved to {0} and is closed here; serve it from there")]
    Moved(String),
    #[error("the log is damaged at position {position}: {what}")]
    Damaged { position: u64, what: String },
    #[error("the database's schema is level {found}; this program knows level {known}: use a newer program")]
    TooNew { found: u32, known: u32 },
    #[error("the log's catalogue of event types is of level {found}; this program knows level {known}: use a newer program")]
    CatalogueTooNew { found: u16, known: u16 },
    #[error("the database's schema is level {found}, level {known} is needed: run `chancery migrate` with the owner's URL")]
    NeedsMigration { found: u32, known: u32 },
    #[error(
        "the role that serves can UPDATE or DELETE events; run `chancery migrate` with the owner's URL and serve with the role it names"
    )]
    RoleTooStrong,
}

/// Why a row set was not changed. Nothing of the call is stored.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SetError {
    #[error("the row set cannot be written: {0}")]
    Unavailable(String),
    /// Somebody else moved the set's checkpoint, or it never was where the caller thinks.
    #[error("the checkpoint of the row set is {found}")]
    CheckpointMoved { found: u64 },
    /// The call makes no sense for this set, such as dropping the inline one.
    #[error("{0}")]
    Rejected(String),
    /// The fold refused an event.
    #[error("the events cannot be folded: {0}")]
    Fold(String),
}
