//! Everything that is tested from outside: one binary, so that it is linked once.
//!
//! | Room | What |
//! |---|---|
//! | `spec` | the specifications, sentence by sentence, through HTTP |
//! | `architecture` | who may name whom, checked on the sources |
//! | `golden` | documents that others rely on, byte for byte (`UPDATE_GOLDEN=1` writes them anew) |
//! | `musts` | every demand of the specifications, and which test holds it |
//! | `support` | a whole server with a clock that is moved by hand, a browser that keeps cookies |
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on should stop there

mod architecture;
mod golden;
mod musts;
mod spec;
mod support;
