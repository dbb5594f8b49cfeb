//! Read models: each a pure fold with its queries.
//!
//! | Room | Follows | Decides security? |
//! |---|---|---|
//! | [`inline`] | in the transaction of the append | yes: one row per stream, the snapshot of its state |
//! | [`audit`] | with its own checkpoint | no: who did what, for questions |
//!
//! [`envelope`] reads a leaf back; [`fold`] folds a stream.

pub mod audit;
pub mod envelope;
pub mod fold;
pub mod inline;
