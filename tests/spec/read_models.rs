//! Read models: held against the log, and made again while the server serves.

use chancery::app::read_models::Which;
use chancery::config::Database;
use chancery_projections::audit::{self, check as audit_check};
use chancery_projections::compare::Report;
use chancery_projections::inline::{self, check};
use serde_json::Value;

use crate::support::both::on_both;
use crate::support::flow::{Person, Tokens};
use crate::support::*;

async fn inline_report(server: &Server) -> Report {
    check::check(&server.app.ledger, &mut |_, _| {}).await.unwrap()
}

async fn audit_report(server: &Server) -> Report {
    server.index_is_current().await;
    audit_check::check(&server.app.ledger, &mut |_, _| {}).await.unwrap().unwrap()
}

/// A person who signs in, refreshes and signs out again.
async fn visit(server: &Server, client: &Client, account: &Person) {
    let mut browser = Browser::new(server);
    let code = browser.authorize(client, account, &[]).await.code();
    let first = Tokens::of(&server.redeem(client, &code).await);
    let second = Tokens::of(&server.refresh(client, first.refresh()).await);
    server.refresh(client, second.refresh()).await;
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
}

#[tokio::test]
async fn a_server_tells_how_far_its_read_models_are_and_their_digests() {
    on_both("", async |server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        visit(server, &client, &alice).await;
        server.index_is_current().await;
        let ready: Value = server.get("/health/ready").send().await.json();
        let ledger = &server.app.ledger;
        for (name, set) in [(inline::SET, None), (audit::SET, Some(audit::SET))] {
            let census = ledger.census(set).await.unwrap().unwrap();
            assert_eq!(ready["projections"][name]["events"], ledger.known_head().size, "{name}: {ready}");
            assert_eq!(ready["projections"][name]["digest"], census.digest().to_string(), "{name}: {ready}");
            assert_eq!(census.state.digest, Some(census.digest()), "{name}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_rebuild_beside_a_serving_server_loses_nothing_and_gives_the_same_digests() {
    on_both("", async |server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        visit(server, &client, &alice).await;
        // Swept rows are no difference.
        server.app.clock.advance(100 * 86_400_000);
        server.app.sweep(&chancery::app::context::Context::of_server("server", "sweep".to_owned())).await.unwrap();
        let before = inline_report(server).await;
        assert!(before.is_well() && before.tables.iter().all(chancery_projections::compare::Compared::is_equal), "{before:?}");
        server.app.begin_rebuild(Which::All).unwrap();
        assert!(server.app.begin_rebuild(Which::Audit).is_err(), "one at a time");
        // People go on meanwhile.
        while server.app.rebuilding.report().running {
            visit(server, &client, &alice).await;
        }
        let report = server.app.rebuilding.report();
        assert_eq!(report.failed, None);
        assert_eq!(report.made.iter().map(|(part, _)| part.as_str()).collect::<Vec<_>>(), ["inline", "audit index"]);
        visit(server, &client, &alice).await;
        assert_eq!(server.app.ledger.inline_set().await.unwrap().0, inline::SET);
        for report in [inline_report(server).await, audit_report(server).await] {
            assert!(report.is_well() && report.state.digest.is_some(), "{report:?}");
        }
        for gone in ["inline.aside", "audit.aside", "inline.v1.gone"] {
            assert_eq!(server.app.ledger.checkpoint(gone).await.unwrap(), None, "{gone}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_long_stream_without_rows_is_not_read_again_for_each_page() {
    let server = Server::start().await;
    for _ in 0..3 {
        let wrong = serde_json::json!({ "email": "nobody@example.com", "password": "a-wrong-password" });
        server.post("/auth/login").json(&wrong).send().await;
    }
    assert!(!inline::has_rows("evidence-anonymous") && inline::has_rows("evidence-01a1fc15-89af-7e7e-954f-ffefd8d0cb88"));
    server.app.begin_rebuild(Which::Inline).unwrap();
    while server.app.rebuilding.report().running {
        tokio::task::yield_now().await;
    }
    assert!(inline_report(&server).await.is_well());
}

/// Somebody changes rows in the database, beside the server.
#[tokio::test]
async fn a_check_names_the_rows_that_were_changed_added_and_removed() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    visit(&server, &client, &alice).await;
    server.index_is_current().await;
    let Database::Sqlite(path) = &server.app.config.database else { panic!("the default is SQLite") };
    let database = rusqlite::Connection::open(path).unwrap();
    let change = |sql: &str| assert_eq!(database.execute(sql, []).unwrap(), 1, "{sql}");
    change("UPDATE rows SET body = CAST(body || ' ' AS BLOB) WHERE tbl = 'account'");
    change("DELETE FROM rows WHERE tbl = 'consent'");
    change(
        "INSERT INTO rows (set_id, tbl, key, version, body) SELECT set_id, 'grant', 'grant-01a1fc15-89af-7e7e-954f-ffefd8d0cb99', 1, body
         FROM rows WHERE tbl = 'grant' LIMIT 1",
    );
    change(
        "UPDATE rows SET body = CAST('[0]' AS BLOB) WHERE rowid = (SELECT rowid FROM rows WHERE tbl = 'type' AND i0 = 'CodeIssued' LIMIT 1)",
    );
    drop(database);
    // What is in memory is as it was; a check reads what is stored.
    let server = server.restart().await;
    let report = inline_report(&server).await;
    assert!(report.was_changed_beside() && !report.is_well());
    let found: Vec<_> = report.different.iter().map(|own| (own.table.as_str(), own.what)).collect();
    assert!(found.contains(&("consent", "is missing")), "{found:?}");
    assert!(found.contains(&("grant", "is not in the log")), "{found:?}");
    assert!(found.contains(&("account", "is not what the log says")), "{found:?}");
    assert_eq!(found.len(), 3, "{found:?}");
    let report = audit_report(&server).await;
    assert!(report.was_changed_beside());
    assert_eq!(report.different.iter().map(|own| (own.table.as_str(), own.key.as_str())).collect::<Vec<_>>(), [("type", "CodeIssued")]);
    server.app.begin_rebuild(Which::All).unwrap();
    while server.app.rebuilding.report().running {
        tokio::task::yield_now().await;
    }
    assert!(inline_report(&server).await.is_well() && audit_report(&server).await.is_well());
}

/// A log of before the digests: its rows are made again at the first start, and have one from then on.
#[tokio::test]
async fn rows_of_an_older_program_get_their_digest_at_the_first_start() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    visit(&server, &client, &alice).await;
    let Database::Sqlite(path) = server.app.config.database.clone() else { panic!("the default is SQLite") };
    let server = server
        .while_stopped(|| {
            let database = rusqlite::Connection::open(&path).unwrap();
            database.execute_batch("UPDATE head SET inline_digest = NULL; UPDATE sets SET digest = NULL").unwrap();
        })
        .await;
    let report = inline_report(&server).await;
    assert!(report.is_well() && report.state.digest == Some(report.counted), "{report:?}");
    assert_eq!(server.app.ledger.inline_set().await.unwrap().0, inline::SET);
    visit(&server, &client, &alice).await;
    assert!(inline_report(&server).await.is_well());
}
