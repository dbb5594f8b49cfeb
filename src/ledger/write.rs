//! What one append asks for: events for streams, unique claims and inline rows, all or nothing.

use bytes::Bytes;
use uuid::Uuid;

/// One atomic append. Everything in it becomes visible together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Write {
    pub streams: Vec<StreamWrite>,
    pub claims: Vec<ClaimWrite>,
    pub rows: Vec<RowWrite>,
    /// Raises the level of the catalogue; an event of the same write says so. It never falls.
    pub level: Option<u16>,
}

/// The events for one stream. With no events it only asserts the stream's version.
#[derive(Clone, Debug)]
pub struct StreamWrite {
    pub stream: String,
    pub expected: Expected,
    pub events: Vec<NewEvent>,
}

/// The number of events that the decision saw in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Exactly this many events; 0 means that the stream does not exist.
    Version(u64),
    /// The decision did not read the stream (evidence).
    Any,
}

/// An event before it has its place. Position, version and `recorded_at` are filled in under the head lock.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub id: Uuid,
    pub kind: &'static str,
    pub schema: u16,
    pub actor: Actor,
    pub correlation: String,
    pub causation: Option<String>,
    pub subject: Option<String>,
    /// Canonical JSON (RFC 8785) of an object.
    pub data: Bytes,
    /// Canonical JSON of an object of ciphertexts.
    pub personal: Option<Bytes>,
}

/// Who did it: `{"id":"...","kind":"account"}`.
#[derive(Clone, Debug)]
pub struct Actor {
    pub kind: &'static str,
    pub id: String,
}

/// A unique value, such as a client id or the blind index of an e-mail address.
#[derive(Clone, Debug)]
pub enum ClaimWrite {
    Take { kind: &'static str, key: Vec<u8>, owner: String },
    Release { kind: &'static str, key: Vec<u8> },
}

/// A row of an inline read model, computed by the pure fold before the lock.
#[derive(Clone, Debug)]
pub enum RowWrite {
    Upsert(Row),
    Delete { table: &'static str, key: String },
}

/// The ledger stores rows in bulk and knows nothing of their meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub table: &'static str,
    /// In the inline set the name of its stream, so that what another node appended tells which rows it changed.
    pub key: String,
    /// Version of the one stream that the row depends on.
    pub version: u64,
    pub body: Bytes,
    /// Two optional look-up columns; what they hold is the table's business.
    pub index: [Option<String>; 2],
    /// Milliseconds since the epoch after which housekeeping may drop the row (an event says when it does).
    pub expires_at: Option<i64>,
}
