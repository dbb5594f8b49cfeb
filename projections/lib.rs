//! Read models: each a pure fold with its queries.
//!
//! | Room | Follows | Decides security? |
//! |---|---|---|
//! | [`inline`] | in the transaction of the append | yes: one row per stream, the snapshot of its state |
//! | [`audit`] | with its own checkpoint | no: who did what, for questions |
//!
//! [`envelope`] reads a leaf back; [`fold`] folds a stream; [`compare`] holds what is stored against what the log says.

pub mod audit;
pub mod compare;
pub mod envelope;
pub mod fold;
pub mod inline;
