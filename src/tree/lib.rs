//! The Merkle tree of the log, in formats that others read too. Pure: bytes and numbers in, bytes and numbers out.
//!
//! | Module | What | Source |
//! |---|---|---|
//! | `hash` | leaf and node hashes | RFC 6962 §2.1 |
//! | `frontier` | append to a tree and know its root, in 64 hashes | RFC 6962 §2.1 |
//! | `proof` | inclusion and consistency: what they are made of, and whether they hold | RFC 6962 §2.1.1, §2.1.2; RFC 9162 §2.1.3.2, §2.1.4.2 |
//! | `tile` | names, paths and widths of tiles | C2SP tlog-tiles |
//! | `bundle` | the entries of a tile, each with its length | C2SP tlog-tiles, log entries |
//! | `checkpoint` | origin, size and root as text | C2SP tlog-checkpoint |
//! | `note`, `key` | signed text, and the keys that verify it | C2SP signed-note, tlog-cosignature |
//!
//! Out of scope: signing and verifying Ed25519, which is handed in as a function, and everything that reads or writes.

pub mod bundle;
pub mod checkpoint;
pub mod frontier;
pub mod hash;
pub mod key;
pub mod note;
pub mod proof;
pub mod tile;

pub use checkpoint::Checkpoint;
pub use frontier::Frontier;
pub use hash::{Hash, leaf_hash};
pub use key::VerifierKey;
pub use note::Note;
pub use proof::{Node, Recipe};
pub use tile::{TILE_LEVELS, TILE_WIDTH, Tile};
