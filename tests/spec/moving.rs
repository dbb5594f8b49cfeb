//! Moving house, with real servers on both sides: the tree goes on, old receipts prove, the old side is closed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_projections::inline::check;
use chancery_test_postgres::{Cluster, Fsync};
use serde_json::json;
use tlog_tiles::{Hash, check_record, check_tree};

use crate::support::flow::Tokens;
use crate::support::*;

/// Size and root in the served checkpoint.
async fn checkpoint(server: &Server) -> (u64, Hash) {
    let note = server.get("/audit/checkpoint").send().await.text();
    let mut lines = note.lines().skip(1);
    (lines.next().unwrap().parse().unwrap(), Hash::parse_hash(lines.next().unwrap()).unwrap())
}

async fn hashes(server: &Server, path: &str) -> Vec<Hash> {
    let body = server.get(path).send().await.json();
    body["hashes"].as_array().unwrap().iter().map(|hash| Hash::parse_hash(hash.as_str().unwrap()).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_moves_to_postgresql_and_back_and_nobody_notices() {
    let server = Server::start().await;
    let client = server.client(json!({ "chancery_receipts": true })).await;
    let alice = server.alice().await;
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let answer = server.token(&client, &[("grant_type", "client_credentials")]).await;
    let position: u64 = answer.header("chancery-position").parse().unwrap();
    let leaf = answer.header("chancery-receipt").split("leaf=:").nth(1).unwrap().split(':').next().unwrap().to_owned();
    let leaf = Hash(STANDARD.decode(leaf).unwrap().try_into().unwrap());
    let (size, root) = checkpoint(&server).await;
    let before = server.leaves().await;

    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let (old, mut server) = (server.files(), server);
    let mut spent = tokens.refresh().to_owned();
    for (round, to) in [Some(url.clone()), None].into_iter().enumerate() {
        server = server.moved(to).await.unwrap();
        let leaves = server.leaves().await;
        assert_eq!(leaves[..before.len()], before, "leaf by leaf");
        let events = server.events().await;
        let moved: Vec<_> = events.iter().filter(|event| event.kind == "LogMoved").collect();
        assert_eq!(moved.len(), round + 1);
        assert_eq!(moved[round].data["size"], json!(moved[round].position), "the first event on the new side");
        // The old receipt, in the tree of then and in the tree of now.
        let (now, now_root) = checkpoint(&server).await;
        check_record(&hashes(&server, &format!("/audit/proof/{position}?size={size}")).await, size, root, position, leaf).unwrap();
        check_record(&hashes(&server, &format!("/audit/proof/{position}")).await, now, now_root, position, leaf).unwrap();
        check_tree(&hashes(&server, &format!("/audit/consistency?from={size}")).await, now, now_root, size, root).unwrap();
        // Service goes on: tokens live, people are known, spent things stay spent.
        let refreshed = Tokens::of(&server.refresh(&client, &spent).await);
        assert!(server.is_active(&client, &refreshed.access).await);
        spent = refreshed.refresh().to_owned();
        let again = server.post("/auth/register").json(&json!({ "email": "alice@example.com", "password": flow::PASSWORD })).send().await;
        assert_eq!(again.status, 409, "the claim on the address has moved: {}", again.text());
        assert!(check::check(&server.app.ledger, &mut |_, _| ()).await.unwrap().is_well());
    }
    // Both sides that were left are closed.
    let refused = Server::reopen(&old, None).await.err().unwrap();
    assert!(refused.contains("has moved to postgres"), "{refused}");
    let refused = Server::reopen(&old, Some(url)).await.err().unwrap();
    assert!(refused.contains("has moved to sqlite"), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_still_runs_cannot_write_after_the_move() {
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let server = Server::with(&[("DATABASE_URL", &url)], "").await;
    let client = server.web_client().await;
    let (config, secrets) = server.configuration();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut target = config.clone();
    target.database = chancery::config::Database::Sqlite(elsewhere.path().join("chancery.db"));
    let size = server.mark().await as u64;
    let moved = chancery::app::moving::relocate(&config, &target, &secrets, server.app.clock.clone(), &mut |_, _| ()).await.unwrap();
    assert_eq!((moved.head.size, moved.position), (size, size));
    let answer = server.token(&client, &[("grant_type", "client_credentials")]).await;
    assert_eq!(answer.refusal(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(server.mark().await as u64, size);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_interrupted_move_goes_on() {
    let server = Server::start().await;
    server.web_client().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (config, secrets) = server.configuration();
    let clock = server.app.clock.clone();
    let files = server.files();
    let file = elsewhere.path().join("chancery.db");
    let mut target = config.clone();
    target.database = chancery::config::Database::Sqlite(file.clone());
    server.stop().await;
    let relocate = async || chancery::app::moving::relocate(&config, &target, &secrets, clock.clone(), &mut |_, _| ()).await;
    // A run that ended before the old side was closed left events on the new one.
    {
        use chancery_ledger::relocate::{Place, Relocation};
        let options = chancery_ledger::Options::new(std::sync::Arc::new(|| 1));
        let from = Place::Sqlite(files.path().join("data/chancery.db"));
        let mut first = Relocation::begin(&from, &Place::Sqlite(file.clone()), options).await.unwrap();
        let head = first.copy(&mut |_, _| ()).await.unwrap();
        assert!(first.close_source(&head).await.unwrap());
    }
    let refused = Server::reopen(&files, None).await.err().unwrap();
    assert!(refused.contains("has moved"), "closed, although the new side does not serve yet: {refused}");
    let moved = relocate().await.unwrap();
    assert_eq!(moved.head.size, moved.position);
    let again = relocate().await.unwrap_err().to_string();
    assert!(again.contains("already holds a log"), "{again}");
}
