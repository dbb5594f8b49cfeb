//! Backup and restore: what comes back is whole, what went back is noticed, and who was erased stays erased.

use std::path::Path;

use chancery::app::anchor::Anchors;
use chancery::app::context::Context;
use chancery::http::outgoing;
use chancery_core::id::AccountId;
use chancery_ledger::backup;
use chancery_projections::inline::check;
use chancery_test_postgres::{Cluster, Fsync};

use crate::support::flow::{Person, Tokens};
use crate::support::*;

/// A person with tokens, so that a restored log has something to go on with.
async fn signed_in(server: &Server) -> (Client, Person, Tokens) {
    let (client, alice) = (server.web_client().await, server.alice().await);
    let code = Browser::new(server).authorize(&client, &alice, &[]).await.code();
    let tokens = Tokens::of(&server.redeem(&client, &code).await);
    (client, alice, tokens)
}

async fn erase(server: &Server, person: &Person) {
    server.app.erase_account(&Context::of_server("operator", "c".to_owned()), AccountId::parse(&person.account).unwrap()).await.unwrap();
}

/// Nobody reads the address of this person any more, and nobody signs in with it.
async fn assert_erased(server: &Server, person: &Person) {
    let events = server.events().await;
    let registered = events.iter().find(|event| event.kind == "AccountRegistered" && event.stream.ends_with(&person.account)).unwrap();
    let opened = server.app.open_field(registered, "email").await.unwrap().unwrap();
    assert_eq!(opened, chancery::app::audit::personal::Opened::Erased);
    let wrong = serde_json::json!({ "email": "alice@example.com", "password": flow::PASSWORD });
    assert_eq!(server.post("/auth/login").json(&wrong).send().await.status, 401);
}

#[tokio::test]
async fn a_copy_that_was_taken_while_the_server_served_starts_and_goes_on() {
    let server = Server::start().await;
    let (client, _, tokens) = signed_in(&server).await;
    let data = server.directory.path().join("data");
    let away = tempfile::tempdir().unwrap();
    let (log, vault) = (away.path().join("log.db"), away.path().join("vault.db"));
    let head = backup::log(&data.join("chancery.db"), &log).unwrap();
    backup::vault(&data.join("vault.db"), &vault).unwrap();
    assert_eq!(head, server.app.ledger.head().await.unwrap());
    assert!(backup::log(&data.join("chancery.db"), &log).is_err(), "a backup is never overwritten");
    #[cfg(unix)]
    for file in [&log, &vault] {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The disk is gone with everything on it.
    let server = server
        .while_stopped(|| {
            remove(&data, "chancery.db");
            remove(&data, "vault.db");
            std::fs::copy(&log, data.join("chancery.db")).unwrap();
            std::fs::copy(&vault, data.join("vault.db")).unwrap();
        })
        .await;
    assert!(check::check(&server.app.ledger, &mut |_, _| ()).await.unwrap().is_well());
    Tokens::of(&server.refresh(&client, tokens.refresh()).await);
    server.person("bob@example.com").await;
}

#[tokio::test]
async fn a_damaged_log_makes_no_backup() {
    let server = Server::start().await;
    let data = server.directory.path().join("data");
    let away = tempfile::tempdir().unwrap();
    let (copy, log) = (away.path().join("copy.db"), away.path().join("log.db"));
    backup::log(&data.join("chancery.db"), &copy).unwrap();
    let damaged = rusqlite::Connection::open(&copy).unwrap();
    damaged.execute_batch("DROP TRIGGER events_no_update; UPDATE events SET leaf = CAST(leaf || ' ' AS BLOB) WHERE position = 1").unwrap();
    drop(damaged);
    let refused = backup::log(&copy, &log).unwrap_err().to_string();
    assert!(refused.contains("position 1"), "{refused}");
    assert!(!log.exists() && !away.path().join("log.db.part").exists());
}

#[tokio::test]
async fn the_file_of_checkpoints_finds_out_a_log_that_went_back_to_yesterday() {
    let mut server = Server::start().await;
    let file = server.directory.path().join("anchors.jsonl");
    server.configure(&[("CHANCERY_PROOF_ANCHOR_FILE", file.display().to_string())]);
    let server = server.restart().await;
    let data = server.directory.path().join("data");
    let yesterday = tempfile::tempdir().unwrap();
    let anchor = async |server: &Server| {
        let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
        server.app.anchor(&mut anchors).await;
        server.app.anchors.names()
    };
    backup::log(&data.join("chancery.db"), &yesterday.path().join("log.db")).unwrap();
    signed_in(&server).await;
    assert_eq!(anchor(&server).await, [""; 0]);
    let server = server.restart().await;
    assert_eq!(anchor(&server).await, [""; 0], "a restart goes on from what the file has seen");
    let lines = std::fs::read_to_string(&file).unwrap().lines().count();
    let server = server
        .while_stopped(|| {
            remove(&data, "chancery.db");
            std::fs::copy(yesterday.path().join("log.db"), data.join("chancery.db")).unwrap();
        })
        .await;
    assert_eq!(anchor(&server).await, ["file"]);
    assert_eq!(server.get("/health/ready").send().await.json()["anchors"], "behind: file");
    // Nor does it help to grow beyond what the file has seen.
    for n in 0..30 {
        server.person(&format!("p{n}@example.com")).await;
    }
    assert_eq!(anchor(&server).await, ["file"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), lines, "nothing is added to another history");
}

#[tokio::test]
async fn an_old_backup_of_the_vault_does_not_bring_an_erased_person_back() {
    let server = Server::start().await;
    let (_, alice, _) = signed_in(&server).await;
    let data = server.directory.path().join("data");
    let away = tempfile::tempdir().unwrap();
    let vault = away.path().join("vault.db");
    backup::vault(&data.join("vault.db"), &vault).unwrap();
    erase(&server, &alice).await;
    let server = server
        .while_stopped(|| {
            remove(&data, "vault.db");
            std::fs::copy(&vault, data.join("vault.db")).unwrap();
        })
        .await;
    assert_erased(&server, &alice).await;
}

#[tokio::test]
async fn a_dump_of_postgresql_starts_goes_on_and_keeps_the_erased_erased() {
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let mut server = Server::with(&[("DATABASE_URL", &url)], "").await;
    let (client, alice, tokens) = signed_in(&server).await;
    let database = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    let away = tempfile::tempdir_in("/tmp").unwrap();
    let dump = |schema: &str| {
        let path = away.path().join(format!("{schema}-{}.sql", std::fs::read_dir(away.path()).unwrap().count()));
        std::fs::write(&path, cluster.dump(&database(&url), schema).unwrap()).unwrap();
        open_to_all(away.path());
        open_to_all(&path);
        path
    };
    // Yesterday's vault; then she is erased; then today's log.
    let old_vault = dump("vault");
    let (before, refreshed) = (dump("chancery"), Tokens::of(&server.refresh(&client, tokens.refresh()).await));
    erase(&server, &alice).await;
    let (log, head) = (dump("chancery"), server.app.ledger.head().await.unwrap());
    let restored = cluster.database().unwrap();
    for file in [&log, &old_vault] {
        cluster.load(&database(&restored), file).unwrap();
    }
    server.configure(&[("DATABASE_URL", restored)]);
    let mut server = server.restart().await;
    assert!(server.app.ledger.head().await.unwrap().size >= head.size);
    assert_erased(&server, &alice).await;
    assert!(check::check(&server.app.ledger, &mut |_, _| ()).await.unwrap().is_well());
    server.person("bob@example.com").await;
    // Log and vault of before: she is there, and the token that came after it is unknown.
    let restored = cluster.database().unwrap();
    for file in [&before, &old_vault] {
        cluster.load(&database(&restored), file).unwrap();
    }
    server.configure(&[("DATABASE_URL", restored)]);
    let server = server.restart().await;
    assert_eq!(server.refresh(&client, refreshed.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
    assert!(check::check(&server.app.ledger, &mut |_, _| ()).await.unwrap().is_well());
}

/// The server of PostgreSQL runs as another user.
fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// A database and what SQLite keeps beside it.
fn remove(data: &Path, name: &str) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(data.join(format!("{name}{suffix}")));
    }
}
