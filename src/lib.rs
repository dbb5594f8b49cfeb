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

/// Requests are many small allocations on several threads: measured, the system's allocator took a tenth of the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
