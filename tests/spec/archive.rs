//! Archiving with real servers: old events leave the database, and everything that needs them works with the archive, or refuses by name
//! without it: proofs, replays, questions of then, a move to another database.

use std::path::{Path, PathBuf};

use chancery::app::archiving::Pruned;
use chancery::app::context::Context;
use chancery::app::operator::Command;
use chancery::app::read_models::rebuild_inline;
use chancery::cli::archive::Args;
use chancery::cli::audit::{prove, tiles};
use chancery::cli::replay::stand;
use chancery_core::digest::Digest;
use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;
use chancery_projections::audit::moment::Moment;
use chancery_projections::inline::check;
use chancery_test_postgres::{Cluster, Fsync};
use chancery_verify::Finding;
use chancery_verify::export::{Asked, Export, Whole};
use serde_json::{Value, json};

use crate::support::flow::Tokens;
use crate::support::*;

/// More events than a start hashes again.
async fn grow(server: &Server, count: usize) {
    let context = Context::of_server("server", "test".to_owned());
    for _ in 0..count {
        server.app.record_start(&context).await.unwrap();
    }
    server.index_is_current().await;
}

fn before(position: u64, to: &Path) -> Args {
    Args { before: Moment::Position(position), to: Some(to.to_owned()), key: None }
}

fn verify(directory: &Path, archive: Option<PathBuf>) -> Result<Whole, Finding> {
    let asked = Asked { threads: 2, with_schemas: true, ..Asked::default() };
    chancery_verify::export::verify(&Export::new(directory).with_archive(archive), &asked, |_, _| {})
}

fn python(args: &[&Path]) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify/python/chancery_verify.py");
    let output = std::process::Command::new("python3").arg(script).args(args).output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// What auditors ask of the time before, with status and answer.
async fn answers(server: &Server, alice: &str, token: &str, early: usize) -> Vec<(u16, Value)> {
    let auditor = server.operator_token("audit:read").await;
    let (token, early) = (Digest::of(token.as_bytes()).to_string(), early.to_string());
    let mut answers = Vec::new();
    for call in [
        server.post("/audit/introspect").form(&[("token_id", &token), ("as_of", &early)]),
        server.get(&format!("/audit/streams/account-{alice}?as_of={early}")),
        server.get(&format!("/audit/tokens/{token}")),
        server.get(&format!("/audit/events?subject={alice}&until={early}")),
        server.get(&format!("/audit/diff?from=5&to={early}")),
    ] {
        let answer = call.bearer(&auditor).send().await;
        answers.push((answer.status, answer.json()));
    }
    answers
}

/// What a bundle for these questions proves, by the verifier: the positions in it.
async fn proven(ledger: &Ledger, folder: &Path, alice: &str, token: &str) -> anyhow::Result<Vec<Vec<u64>>> {
    let out = folder.join("bundle.json");
    let token = Digest::of(token.as_bytes()).to_string();
    let mut all = Vec::new();
    for asked in [
        prove::Args { position: Some(7), ..prove::Args::default() },
        prove::Args { token: Some(token), ..prove::Args::default() },
        prove::Args { subject: Some(alice.to_owned()), ..prove::Args::default() },
    ] {
        prove::run(ledger, &prove::Args { out: out.clone(), ..asked }).await?;
        let shown = chancery_verify::bundle::verify(&std::fs::read(&out)?, &[], true);
        all.push(shown.map_err(|finding| anyhow::anyhow!("{finding}"))?.positions);
        let (ok, said) = python(&[&out]);
        assert!(ok, "{said}");
    }
    Ok(all)
}

/// Every row of a replay.
fn rows(file: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(file).unwrap();
    let mut all = Vec::new();
    for sql in [
        "SELECT position || stream || version || leaf || leaf_hash FROM events ORDER BY position",
        "SELECT key || version || state FROM states ORDER BY key",
    ] {
        let mut statement = database.prepare(sql).unwrap();
        all.extend(statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap));
    }
    all
}

/// The life of a log that is archived twice, and then moves `to` another database.
async fn archived_and_served(server: Server, to: Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let (archive, pruned, whole) = (folder.path().join("archive"), folder.path().join("pruned"), folder.path().join("whole"));
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&client, &alice, &[]).await.code();
    let tokens = Tokens::of(&server.redeem(&client, &code).await);
    let bob = server.person("bob@example.com").await;
    let bobs = Browser::new(&server).tokens(&client, &bob, &[]).await;
    server.operate(Command::UserHold { account: bob.account.clone(), reason: "case 17".into() }).await;
    let early = server.mark().await - 1;
    grow(&server, 1600).await;
    let leaves = server.leaves().await;
    let proof = server.get("/audit/proof/3?size=1000").send().await.json();
    let then = answers(&server, &alice.account, &tokens.access, early).await;
    assert!(then.iter().all(|(status, _)| *status == 200), "{then:?}");
    assert_eq!(then[0].1["active"], true);
    let bundles = proven(&server.app.ledger, folder.path(), &alice.account, &tokens.access).await.unwrap();
    assert!(bundles[1].len() > 5 && bundles[2].len() > 5, "{bundles:?}");
    let (replayed, again) = (folder.path().join("then.db"), folder.path().join("again.db"));
    stand(&server.app.ledger, &replayed, Some(Moment::Position(200)), 0).await.unwrap();

    let (server, done) = server.archived(before(300, &archive)).await.unwrap();
    let (until, first) = done;
    assert_eq!(until, 256, "a segment ends with a bundle");
    let of_bob =
        |stream: &str| stream.contains(&bob.account) || leaves.iter().any(|own| own.stream == stream && has(&own.leaf, &bob.account));
    let held = leaves[..256].iter().filter(|own| of_bob(&own.stream)).count() as u64;
    assert!(held > 5, "{held}");
    assert_eq!(first, Pruned { moved: 256 - held, held });

    // Without the archive: what is used lives, what is old is refused by name, and nothing is left out in silence.
    let refreshed = Tokens::of(&server.refresh(&client, tokens.refresh()).await);
    assert!(server.is_active(&client, &refreshed.access).await);
    assert!(server.is_active(&client, &bobs.access).await);
    assert_eq!(server.get("/audit/proof/3?size=1000").send().await.json()["hashes"], proof["hashes"], "hashes stay");
    let ledger = server.app.ledger.clone();
    assert!(matches!(ledger.read_all(0, 10).await, Err(ReadError::Archived { position: 0, .. })));
    assert!(ledger.read_all(256, 10).await.is_ok());
    let alices = format!("account-{}", alice.account);
    assert!(matches!(ledger.read_stream(&alices, 1).await, Err(ReadError::Archived { .. })));
    assert!(!ledger.read_stream(&format!("account-{}", bob.account), 1).await.unwrap().is_empty(), "what is held stays");
    let auditor = server.operator_token("audit:read").await;
    let refused = server.get("/audit/events/0").bearer(&auditor).send().await;
    assert_eq!((refused.status, refused.json()["error"].clone()), (409, json!("conflict")));
    let refused = answers(&server, &alice.account, &tokens.access, early).await;
    assert!(refused.iter().all(|(status, body)| *status == 409 && body["error"] == "conflict"), "{refused:?}");
    assert!(proven(&ledger, folder.path(), &alice.account, &tokens.access).await.unwrap_err().to_string().contains("archive"));
    let refused = stand(&ledger, &again, Some(Moment::Position(200)), 0).await.unwrap_err().to_string();
    assert!(refused.contains("archive"), "{refused}");
    tiles::run(&ledger, &pruned).await.unwrap();
    assert!(!pruned.join("tile/entries/000").exists() && pruned.join("tile/0/000").exists() && pruned.join("tile/entries/001").exists());
    let refused = verify(&pruned, None).unwrap_err();
    assert_eq!(refused.position, Some(0), "{refused}");
    assert!(refused.what.contains("--archive"), "{refused}");
    let size = verify(&pruned, Some(archive.clone())).unwrap().size;
    let (ok, said) = python(&[Path::new("--archive"), &archive, &pruned]);
    assert!(ok && said.contains(&format!("{size} events")), "{said}");
    assert!(!python(&[&pruned]).0);

    let elsewhere = Cluster::start_new(Fsync::Off).unwrap();
    let url = elsewhere.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let (mut server, why) = server.not_moved(url).await;
    assert!(why.contains("archive"), "{why}");
    assert!(server.is_active(&client, &refreshed.access).await, "the old side goes on");

    // With it everything is as before.
    server.configure(&[("CHANCERY_ARCHIVE_DIRECTORY", archive.display().to_string())]);
    let server = server.restart().await;
    assert_eq!(server.leaves().await[..leaves.len()], leaves, "leaf by leaf");
    let ledger = server.app.ledger.clone();
    assert_eq!(answers(&server, &alice.account, &tokens.access, early).await[..2], then[..2]);
    // The token was refreshed since: what was proven then is the beginning of what is proven now.
    let now = proven(&ledger, folder.path(), &alice.account, &tokens.access).await.unwrap();
    assert!(now.iter().zip(&bundles).all(|(now, then)| now.starts_with(then)), "{now:?} {bundles:?}");
    stand(&ledger, &again, Some(Moment::Position(200)), 0).await.unwrap();
    assert_eq!(rows(&again), rows(&replayed));
    assert!(check::check(&ledger, &mut |_, _| {}).await.unwrap().is_well());
    rebuild_inline(&ledger, &mut |_, _| {}).await.unwrap();
    assert!(check::check(&ledger, &mut |_, _| {}).await.unwrap().is_well());
    tiles::run(&ledger, &whole).await.unwrap();
    verify(&whole, None).unwrap();
    chancery::cli::audit::verify::run(&ledger, &Default::default()).await.unwrap();
    assert!(server.is_active(&client, &refreshed.access).await);

    // The hold is lifted, and the next segment takes along what it kept.
    server.operate(Command::UserRelease { account: bob.account.clone() }).await;
    grow(&server, 300).await;
    let (server, (until, second)) = server.archived(before(600, &archive)).await.unwrap();
    assert_eq!((until, second), (512, Pruned { moved: 256 + held, held: 0 }));
    let segments: Vec<_> = server.events().await.into_iter().filter(|event| event.kind == "SegmentArchived").collect();
    let ends: Vec<_> = segments.iter().map(|own| (own.data["from"].clone(), own.data["until"].clone())).collect();
    assert_eq!(ends, [(json!(0), json!(256)), (json!(256), json!(512))]);

    // Another run has nothing to do and says nothing.
    let (server, (until, third)) = server.archived(before(600, &archive)).await.unwrap();
    assert_eq!((until, third), (512, Pruned::default()));
    assert_eq!(server.events().await.iter().filter(|event| event.kind == "SegmentArchived").count(), 2);

    // A move brings everything back, and the next archive takes it out there.
    let leaves = server.leaves().await;
    let mut server = server.moved(to).await.unwrap();
    server.configure(&[("CHANCERY_ARCHIVE_DIRECTORY", String::new())]);
    let server = server.restart().await;
    assert_eq!(server.leaves().await[..leaves.len()], leaves, "without the archive");
    let moved = tempfile::tempdir().unwrap();
    tiles::run(&server.app.ledger, moved.path()).await.unwrap();
    verify(moved.path(), None).unwrap();
    chancery::cli::audit::verify::run(&server.app.ledger, &Default::default()).await.unwrap();
    let (mut server, (until, fourth)) = server.archived(before(600, &archive)).await.unwrap();
    assert_eq!((until, fourth), (512, Pruned { moved: 512, held: 0 }));
    server.configure(&[("CHANCERY_ARCHIVE_DIRECTORY", archive.display().to_string())]);

    // An archive that was changed is found out at the event.
    let bundle = archive.join("tile/entries/001");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    assert!(matches!(server.restart().await.app.ledger.read_all(256, 1).await, Err(ReadError::Damaged { position: 256, .. })));
}

fn has(leaf: &[u8], text: &str) -> bool {
    String::from_utf8_lossy(leaf).contains(&format!("\"subject\":\"{text}\""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_leave_sqlite_and_everything_goes_on() {
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    archived_and_served(Server::start().await, Some(url)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_events_leave_postgresql_and_everything_goes_on() {
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    archived_and_served(Server::with(&[("DATABASE_URL", &url)], "").await, None).await;
}

#[tokio::test]
async fn nothing_leaves_for_an_archive_that_is_not_whole_or_too_soon() {
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("archive");
    let server = Server::start().await;
    let (server, refused) = server.not_archived(before(1_000_000, &archive)).await;
    assert!(refused.contains("nothing to archive yet"), "{refused}");

    grow(&server, 1600).await;
    tiles::run(&server.app.ledger, &archive).await.unwrap();
    let bundle = archive.join("tile/entries/000");
    let mut bytes = std::fs::read(&bundle).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let (server, refused) = server.not_archived(before(1_000_000, &archive)).await;
    assert!(refused.contains("nothing has left the database: position 0"), "{refused}");
    let leaves = server.leaves().await;
    assert!(leaves.iter().all(|own| own.kind != "SegmentArchived" && own.leaf.len() > 32));

    // The audit index has not read what came last: that stays too.
    std::fs::remove_dir_all(&archive).unwrap();
    let (_, (until, _)) = server.archived(before(1_000_000, &archive)).await.unwrap();
    assert!(until > 0 && until <= 1600 - 1000 + 256, "{until}");
}
