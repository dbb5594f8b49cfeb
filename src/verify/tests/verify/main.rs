//! Honest logs are whole, and whatever is done to one of them shows.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod python;
mod semantics;
mod story;
mod tampering;
