//! Chancery: an event-sourced OAuth 2.0 / OpenID Connect authorization server.
//!
//! | Room | What |
//! |---|---|
//! | [`http`] | machine endpoints and the plumbing of every request |
//! | [`pages`] | browser endpoints and what people see |
//! | [`app`] | use cases: load, fold, decide, append, answer |
//! | [`config`] | what the operator typed, validated |
//! | [`cli`] | commands |
//!
//! Below them, packages of their own: the rules (`chancery_core`), signatures (`chancery_jose`), the log (`chancery_ledger`), the
//! read models (`chancery_projections`). Arrows point downwards only: `http, pages, cli -> app -> packages`.

pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod pages;

/// Gives out again first what was given back last, which is still in the processor's cache. It serves SQLite too (`docs/adr/0055-allocator.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;
