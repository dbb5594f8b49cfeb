//! The event log: append, read, follow, Merkle tree. Bytes; knows no OAuth.
//!
//! | Module | What |
//! |---|---|
//! | `write`, `recorded`, `error` | what goes in, what comes back, what can go wrong |
//! | `leaf`, `plan`, `check` | pure: the bytes of an event, the group commit, the start-up check |
//! | `ledger`, `writer`, `cache`, `tail`, `shared` | the handle, the one writer, rows and the newest events in memory |
//! | `hashed` | the tables that the writer looks things up in |
//! | `digest` | digests of whole row sets that move along with each change |
//! | `counts` | what the writer did, in numbers |
//! | `backend` | what a database has to do; `sqlite` and `postgres` do it |
//! | `archive` | leaves that were moved out of the database, and moving them |
//! | `relocate` | moving a log to another database |
//! | `vault_store` | wrapped keys, apart from the log |

pub mod archive;
mod backend;
mod cache;
pub mod check;
pub mod counts;
pub mod digest;
pub mod error;
mod hashed;
pub mod leaf;
mod ledger;
mod options;
pub mod plan;
pub mod postgres;
pub mod recorded;
pub mod relocate;
mod shared;
mod sqlite;
mod tail;
pub mod vault_store;
pub mod write;
mod writer;

pub use backend::Fold;
pub use ledger::Ledger;
pub use options::{Clock, Notary, Options};
pub use recorded::Note;
pub use sqlite::{backup, standing};
