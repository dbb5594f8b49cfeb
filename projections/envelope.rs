//! The envelope of an event, read back from its leaf.

use std::collections::BTreeMap;

use chancery_core::stream::{Event, FoldError};
use chancery_ledger::recorded::Recorded;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Everything in a leaf. Ciphertexts stay ciphertexts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    pub position: u64,
    pub id: Uuid,
    pub stream: String,
    pub version: u64,
    #[serde(rename = "type")]
    pub kind: String,
    pub schema: u16,
    /// Milliseconds since the epoch.
    pub recorded_at: i64,
    pub actor: Actor,
    pub correlation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    pub data: serde_json::Value,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub personal: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub kind: String,
    pub id: String,
}

/// Why a leaf cannot be read, with its position.
#[derive(Clone, Debug, thiserror::Error)]
#[error("position {position}: {why}")]
pub struct Unreadable {
    pub position: u64,
    pub why: String,
}

impl Envelope {
    /// Reads a leaf.
    ///
    /// # Errors
    /// A leaf that is no envelope: the log was written by something else.
    pub fn read(recorded: &Recorded) -> Result<Self, Unreadable> {
        serde_json::from_slice(&recorded.leaf).map_err(|e| Unreadable { position: recorded.position, why: format!("not an event: {e}") })
    }

    /// The event of one kind of stream; consumes `data`.
    ///
    /// # Errors
    /// A type or schema that this program does not know, by name.
    pub fn event<E: Event>(&mut self) -> Result<E, FoldError> {
        E::read(&self.kind, self.schema, self.data.take())
    }
}
