//! The audit index: which events concern whom. It follows the log with its own checkpoint and can never block a login.
//!
//! | Row | Look-up 0 | Look-up 1 |
//! |---|---|---|
//! | `event`, one per position | subject | client |
//! | `event_type`, one per position | type | stream |
//!
//! The rows say where to look; the answer is always read from the log itself.

pub mod follow;
pub mod query;

use chancery_ledger::recorded::Recorded;
use chancery_ledger::write::{Row, RowWrite};
use serde_json::Value;

use crate::envelope::{Envelope, Unreadable};

/// Name of the row set.
pub const SET: &str = "audit.v1";

/// Key of a position: fixed width, so that the order of the keys is the order of the log.
pub fn key(position: u64) -> String {
    format!("{position:016}")
}

/// The index rows of one event.
///
/// # Errors
/// A leaf that is no event.
pub fn rows(recorded: &Recorded) -> Result<[RowWrite; 2], Unreadable> {
    let envelope = Envelope::read(recorded)?;
    let client = client_of(&envelope);
    let row = |table, index| {
        RowWrite::Upsert(Row {
            table,
            key: key(envelope.position),
            version: recorded.version,
            body: bytes::Bytes::from_static(b"{}"),
            index,
            expires_at: None,
        })
    };
    Ok([row("event", [envelope.subject.clone(), client]), row("event_type", [Some(envelope.kind.clone()), Some(envelope.stream.clone())])])
}

/// The client that an event names: in its data, as its actor, or by its stream.
fn client_of(envelope: &Envelope) -> Option<String> {
    if let Some(Value::String(client)) = envelope.data.get("client") {
        return Some(client.clone());
    }
    if envelope.actor.kind == "client" {
        return Some(envelope.actor.id.clone());
    }
    envelope.stream.strip_prefix("client-").map(str::to_owned)
}
