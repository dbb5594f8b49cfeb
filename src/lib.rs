//! Chancery: an event-sourced OAuth 2.0 / OpenID Connect authorization server.
pub mod app;
pub mod cli;
pub mod config;
pub mod http;
pub mod pages;
