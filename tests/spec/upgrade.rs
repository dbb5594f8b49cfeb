//! Upgrades: nodes of two releases on one log, and the level that decides which event types it holds (docs/adr/0037).
//!
//! The newer release is this program with a level more; its new events are those of `GuestEvent`.
#![allow(unexpected_cfgs, reason = "the macro of the core asks for the core's feature `schema`")]

use chancery::app::App;
use chancery::app::clock::Clock;
use chancery::app::context::Context;
use chancery::app::start::{self, Opening};
use chancery::app::work::Seal;
use chancery::config::{Config, Secrets};
use chancery_core::error::OAuthError;
use chancery_core::event::level;
use chancery_core::events;
use chancery_ledger::recorded::Freshness;
use chancery_test_postgres::{Cluster, Fsync};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::support::*;

/// Schema 1, of the first level, had one `name`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuestWelcomed {
    pub given: String,
    pub family: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuestFed {
    pub at: i64,
}

events! {
    GuestEvent { GuestWelcomed = 2 since 2 upcast { 1 => lift | lower }, GuestFed = 1 since 2 }
}

fn lift(data: Value) -> serde_json::Result<Value> {
    let (given, family) = data["name"].as_str().and_then(|name| name.split_once(' ')).unwrap_or_default();
    Ok(json!({ "given": given, "family": family }))
}

fn lower(data: Value) -> serde_json::Result<Value> {
    Ok(json!({ "name": format!("{} {}", data["given"].as_str().unwrap_or_default(), data["family"].as_str().unwrap_or_default()) }))
}

extern crate alloc;

fn ada() -> GuestEvent {
    GuestWelcomed { given: "Ada".into(), family: "Lovelace".into() }.into()
}

fn context() -> Context {
    Context::of_server("server", "test".to_owned())
}

/// Appends an event; returns schema and data as they stand in the log.
async fn append(app: &App, event: GuestEvent) -> Result<(u16, Value), OAuthError> {
    let context = context();
    let mut work = app.work(&context, Freshness::Fresh);
    work.record_evidence("guest-1", vec![event.into()], &Seal::default())?;
    let position = work.commit().await?.unwrap().placed[0].position;
    let leaf = app.ledger.read_at(&[position]).await.unwrap().remove(0).leaf;
    let event: Value = serde_json::from_slice(&leaf).unwrap();
    Ok((u16::try_from(event["schema"].as_u64().unwrap()).unwrap(), event["data"].clone()))
}

async fn open(given: &(Config, Secrets), level: Option<u16>) -> Result<App, String> {
    let opening = Opening { level, ..Opening::default() };
    start::open(given.0.clone(), &given.1, Clock::manual(server::NOW), opening).await.map_err(|why| why.to_string())
}

/// A log of this program's level, and then the next release.
async fn the_next_release_takes_over(given: (Config, Secrets)) {
    let (now, next) = (level(), level() + 1);
    let new = open(&given, Some(next)).await.unwrap();
    assert_eq!(new.ledger.level(), now, "a new program raises nothing by itself");
    // What the level holds is written in its schema; what it cannot hold is refused, and leaves nothing.
    assert_eq!(append(&new, ada()).await.unwrap(), (1, json!({ "name": "Ada Lovelace" })));
    let size = new.ledger.head().await.unwrap().size;
    let refused = append(&new, GuestFed { at: 1 }.into()).await.unwrap_err();
    assert_eq!((refused.code(), refused.code.status()), ("temporarily_unavailable", 503));
    assert!(refused.detail.contains("chancery ledger upgrade") && refused.detail.contains("GuestFed"), "{}", refused.detail);
    assert_eq!(new.ledger.head().await.unwrap().size, size);
    assert_eq!(new.raise_catalogue(&context(), next, false).await.unwrap(), now);
    assert_eq!(new.raise_catalogue(&context(), next, false).await.unwrap(), next, "once");
    assert_eq!(append(&new, ada()).await.unwrap(), (2, json!({ "given": "Ada", "family": "Lovelace" })));
    assert_eq!(append(&new, GuestFed { at: 1 }.into()).await.unwrap().0, 1);
    new.ledger.close().await;
    // This program is the old one now.
    let refused = open(&given, None).await.err().unwrap();
    assert!(refused.contains(&format!("level {next}")) && refused.contains(&format!("level {now}")), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_holds_the_types_of_its_level_until_it_is_raised() {
    // `since 2` above: the test is one of the first level, and has to move with the next.
    assert_eq!(level(), 1);
    let server = Server::start().await;
    let events = server.events().await;
    assert_eq!((events[0].kind.as_str(), &events[0].data["level"]), ("LogCreated", &json!(1)));
    let (given, files) = (server.configuration(), server.files());
    server.stop().await;
    the_next_release_takes_over(given).await;
    drop(files);

    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let server = Server::with(&[("DATABASE_URL", &url)], "").await;
    let (given, files) = (server.configuration(), server.files());
    server.stop().await;
    the_next_release_takes_over(given).await;
    drop(files);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_the_old_release_serves_beside_the_new_one_until_the_log_is_raised() {
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let old = Server::with(&[("DATABASE_URL", &url)], "").await;
    let client = old.web_client().await;
    let new = open(&old.configuration(), Some(level() + 1)).await.unwrap();
    append(&new, ada()).await.unwrap();
    let token = old.token(&client, &[("grant_type", "client_credentials")]).await;
    assert_eq!(token.status, 200, "{}", token.text());
    let refused = new.raise_catalogue(&context(), level() + 1, false).await.unwrap_err();
    assert_eq!(refused.code(), "conflict", "{}", refused.detail);
    assert!(refused.description.contains(&format!("level {} only", level())), "{}", refused.description);
    new.raise_catalogue(&context(), level() + 1, true).await.unwrap();
    // The old one fails closed: no token, no answer about one, and it is not ready.
    let token = old.token(&client, &[("grant_type", "client_credentials")]).await;
    assert_eq!(token.refusal(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(old.get("/health/ready").send().await.status, 503);
    append(&new, GuestFed { at: 1 }.into()).await.unwrap();
}
