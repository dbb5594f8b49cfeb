//! Receipts: what a client keeps to prove later that its request is in the log, and that the log was not changed since.
//!
//! | Rule | Source |
//! |---|---|
//! | confidential clients whose registration asks; 2xx answers only, never pages or errors | docs/adr/0023 |
//! | position and leaf hash of the last event of the request, and the checkpoint of the commit that holds it | docs/adr/0023 |
//! | a structured field: a dictionary of byte sequences | RFC 9651 §3.2, §3.3.5 |
//!
//! The checkpoint covers the event, so an inclusion proof for its size (`/audit/proof/{position}?size=`) and, at any later time, a
//! consistency proof to a newer checkpoint are all that is needed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_core::client::Client;
use chancery_ledger::Note;
use chancery_ledger::recorded::Committed;

/// What the headers say.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub position: u64,
    leaf_hash: [u8; 32],
    checkpoint: Note,
}

impl Receipt {
    /// Of a commit; `None` where nobody signs, or nothing was appended.
    pub fn of(committed: &Committed) -> Option<Self> {
        let last = committed.placed.last()?;
        Some(Self { position: last.position, leaf_hash: last.leaf_hash, checkpoint: committed.note.clone()? })
    }

    /// The value of `Chancery-Receipt`.
    pub fn field(&self) -> String {
        format!("leaf=:{}:, checkpoint=:{}:", STANDARD.encode(self.leaf_hash), STANDARD.encode(self.checkpoint.as_bytes()))
    }
}

/// Does this client want receipts?
pub fn are_wanted(client: &Client) -> bool {
    client.metadata.chancery_receipts && !client.is_public()
}
