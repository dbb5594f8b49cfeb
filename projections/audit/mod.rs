//! The audit index: which events concern whom. It follows the log with its own checkpoint and can never block a login.
//!
//! The log is indexed page by page: a row lists the positions of one page that share a value. So a page of five hundred tokens of one
//! client costs one row, not five hundred.
//!
//! | Table | Look-up 0 | Body |
//! |---|---|---|
//! | `subject`, `client`, `type` | the value | positions in the page, as a JSON list |
//!
//! The rows say where to look; the answer is always read from the log itself. A stream needs no index: the log has one.

pub mod follow;
pub mod query;

use std::collections::BTreeMap;

use chancery_ledger::recorded::Recorded;
use chancery_ledger::write::{Row, RowWrite};
use serde_json::Value;

use crate::envelope::{Envelope, Unreadable};

/// Name of the row set.
pub const SET: &str = "audit.v2";

/// Most events in one page of the index.
pub const PAGE: u32 = 500;

/// Key of a page's list: fixed width in front, so that the order of the keys is the order of the log.
pub fn key(first: u64, value: &str) -> String {
    format!("{first:016} {value}")
}

/// The tables of the index.
pub const TABLES: [&str; 3] = ["client", "subject", "type"];

/// Positions by table and value.
pub type Lists = BTreeMap<(&'static str, String), Vec<u64>>;

/// What a page of events adds to each list.
///
/// # Errors
/// A leaf that is no event.
pub fn lists(page: &[Recorded]) -> Result<Lists, Unreadable> {
    let mut lists = Lists::new();
    for recorded in page {
        let envelope = Envelope::read(recorded)?;
        let mut list = |table, value: Option<String>| {
            if let Some(value) = value {
                lists.entry((table, value)).or_default().push(envelope.position);
            }
        };
        list("client", client_of(&envelope));
        list("subject", envelope.subject.clone());
        list("type", Some(envelope.kind.clone()));
    }
    Ok(lists)
}

/// The index rows of a page of events that begins at `first`.
///
/// # Errors
/// A leaf that is no event.
pub fn rows(first: u64, page: &[Recorded]) -> Result<Vec<RowWrite>, Unreadable> {
    let row = |((table, value), positions): ((&'static str, String), Vec<u64>)| {
        let body = serde_json::to_vec(&positions).map_err(|e| Unreadable { position: first, why: e.to_string() })?;
        let key = key(first, &value);
        Ok(RowWrite::Upsert(Row { table, key, version: 1, body: body.into(), index: [Some(value), None], expires_at: None }))
    };
    lists(page)?.into_iter().map(row).collect()
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
