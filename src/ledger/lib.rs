//! The event log: append, read, follow, Merkle tree. Bytes; knows no OAuth.
pub mod error;
pub mod recorded;
pub mod write;
