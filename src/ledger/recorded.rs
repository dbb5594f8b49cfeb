//! What the log gives back.

use std::sync::Arc;

use bytes::Bytes;

use crate::write::Row;

/// A head as a C2SP checkpoint: a signed note, as text.
pub type Note = Arc<str>;

/// A committed event. `leaf` holds the exact bytes that were hashed; everything else is a copy of fields in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    pub position: u64,
    pub stream: String,
    /// 1 for the first event of a stream.
    pub version: u64,
    pub kind: String,
    /// Milliseconds since the epoch; never smaller than that of the position before.
    pub recorded_at: i64,
    pub leaf: Bytes,
}

/// How far the log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    pub size: u64,
    /// RFC 6962 §2.1 Merkle tree hash over all leaves.
    pub root: [u8; 32],
    pub recorded_at: i64,
}

/// The places that an append got, in the order of its events.
#[derive(Clone, Debug)]
pub struct Committed {
    pub placed: Vec<Placed>,
    /// The head right after the group commit that carried the append.
    pub head: Head,
    /// That head, signed; `None` where nobody signs.
    pub note: Option<Note>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub position: u64,
    pub version: u64,
    pub recorded_at: i64,
    pub leaf_hash: [u8; 32],
}

/// How new a row must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// May be older than the log: for decisions that append, where the asserted version arbitrates.
    Cached,
    /// As of now: for answers that append nothing.
    Fresh,
}

/// A stored row with the version of its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    pub row: Row,
}

/// A checkpoint that was kept because others have seen it: witnesses, a file, a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptNote {
    pub size: u64,
    pub note: String,
    /// Milliseconds since the epoch when it was kept first.
    pub at: i64,
}
