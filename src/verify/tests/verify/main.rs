//! Honest logs are whole, and whatever is done to one of them shows.

mod python;
mod semantics;
mod story;
mod tampering;
