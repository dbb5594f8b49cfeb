//! The auditor's offline verifier: an export of the log, or a bundle that answers one question, against a public key. No database
//! driver, no network, no clock but for the rate that it prints.
//!
//! | Module | What |
//! |---|---|
//! | `json`, `envelope` | canonical bytes, and the members that every event has |
//! | `fact`, `fold` | what events mean together: codes redeemed once, nothing issued after an end, erasures in order |
//! | `event` | one leaf, from its hash to its fact |
//! | `schema` | the shapes of `data`, and a small validator for them |
//! | `levels` | the tiles above the leaves, level by level |
//! | `roots` | roots that events name: of what was archived, of a log that moved |
//! | `signature` | checkpoints, and the keys that vouch for them |
//! | `timestamp` | what authorities of RFC 3161 say of them |
//! | `export` | a whole directory, in parallel over its tiles |
//! | `bundle` | a file with some events and the proofs that they are in the log |
//!
//! It shares with the server the tree (`chancery-tree`) and the list of event types (`chancery-core`), and nothing else: what events mean
//! is written here a second time, on purpose.

pub mod bundle;
pub mod envelope;
pub mod event;
pub mod export;
pub mod fact;
pub mod fold;
pub mod json;
mod levels;
mod pipeline;
pub mod roots;
pub mod schema;
pub mod signature;
pub mod timestamp;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The first position that is known to be bad; `None` where no single one is.
    pub position: Option<u64>,
    /// In plain words.
    pub what: String,
}

impl Finding {
    pub fn at(position: u64, what: impl Into<String>) -> Self {
        Self { position: Some(position), what: what.into() }
    }

    pub fn general(what: impl Into<String>) -> Self {
        Self { position: None, what: what.into() }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.position {
            Some(position) => write!(f, "position {position}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
