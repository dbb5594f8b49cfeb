//! Timestamps of checkpoints (RFC 3161), with `openssl ts` as the authority, and as the one who verifies.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use chancery::app::anchor::Anchors;
use chancery::app::context::Context;
use chancery::cli::audit::tiles;
use chancery::http::outgoing;
use chancery_tree::Note;
use chancery_verify::export::{Asked, Export, STAMPED, Whole};
use chancery_verify::{Finding, timestamp};
use poem::{Request, Response};
use tempfile::TempDir;

use super::anchor::{grow, listening};
use crate::support::*;

const CONFIGURATION: &str = "\
[tsa]\ndefault_tsa = one\n[one]\nserial = serial\ncrypto_device = builtin\nsigner_digest = sha256\ndefault_policy = 1.2.3.4.1\n\
digests = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n";

fn openssl(folder: &Path, args: &[&str]) -> Output {
    Command::new("openssl").current_dir(folder).args(args).output().expect("openssl is needed for this test")
}

/// An authority with a certificate of its own, over HTTP. `spoil` changes its answers.
async fn authority(spoil: fn(Vec<u8>) -> Vec<u8>) -> (String, Arc<TempDir>) {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("tsa.cnf"), CONFIGURATION).unwrap();
    let usage = ["-addext", "extendedKeyUsage=critical,timeStamping", "-addext", "keyUsage=critical,digitalSignature"];
    let args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "ca.pem"];
    let made = openssl(folder.path(), &[&args[..], &["-days", "3650", "-subj", "/CN=Test authority"], &usage].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let own = folder.clone();
    let url = listening(poem::endpoint::make(move |mut request: Request| {
        let folder = own.clone();
        async move {
            assert_eq!(request.content_type(), Some("application/timestamp-query"));
            std::fs::write(folder.path().join("query.tsq"), request.take_body().into_vec().await.unwrap()).unwrap();
            let args = ["ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", "-signer", "ca.pem", "-inkey", "key.pem", "-out"];
            let made = openssl(folder.path(), &[&args[..], &["reply.tsr"]].concat());
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
            let reply = spoil(std::fs::read(folder.path().join("reply.tsr")).unwrap());
            Response::builder().content_type("application/timestamp-reply").body(reply)
        }
    }))
    .await;
    (url, folder)
}

fn verify(directory: &Path) -> Result<Whole, Finding> {
    let asked = Asked { threads: 1, ..Asked::default() };
    chancery_verify::export::verify(&Export::new(directory), &asked, |_, _| {})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc3161_2_4_a_checkpoint_is_stamped_kept_exported_and_checked() {
    let (url, own) = authority(|reply| reply).await;
    let server = Server::with(&[("CHANCERY_PROOF_TIMESTAMP_AUTHORITY", &url)], "").await;
    let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
    server.app.anchor(&mut anchors).await;
    assert_eq!(server.app.anchors.names(), [""; 0]);
    let note = Note::parse(&server.get("/audit/checkpoint").send().await.body).unwrap();
    let stamps = timestamp::of(&note).unwrap();
    assert_eq!((stamps.len(), stamps[0].name.as_str()), (1, "127.0.0.1"));
    let size: u64 = note.text().lines().nth(1).unwrap().parse().unwrap();

    // The log goes on; the export carries the checkpoint that was stamped, as one of its past.
    grow(&server).await;
    let directory = tempfile::tempdir().unwrap();
    tiles::run(&server.app.ledger, directory.path()).await.unwrap();
    let whole = verify(directory.path()).unwrap();
    assert!(whole.size > size);
    assert_eq!(whole.stamps, [(size, stamps[0].clone())]);
    let ca = own.path().join("ca.pem");
    let args = ["ts", "-verify", "-data", "timestamp/text", "-in", "timestamp/0.tst", "-token_in", "-CAfile", ca.to_str().unwrap()];
    let checked = openssl(directory.path(), &args);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));

    // A stamp of something else, and a checkpoint of another history.
    let path = directory.path().join(STAMPED);
    let good = std::fs::read_to_string(&path).unwrap();
    let mut other = Note::parse(good.as_bytes()).unwrap();
    let mut line = timestamp::lines(&other).next().unwrap().clone();
    let imprint = line.bytes.windows(2).position(|two| two == [0x04, 0x20]).unwrap() + 2;
    line.bytes[imprint] ^= 1;
    let mut changed = Note::new(other.text()).unwrap();
    other.signatures().iter().filter(|one| one.key_id != line.key_id).for_each(|one| changed.push(one.clone()));
    changed.push(line);
    std::fs::write(&path, changed.to_string()).unwrap();
    assert!(verify(directory.path()).unwrap_err().what.contains("something else"));
    let later = std::fs::read(directory.path().join("checkpoint")).unwrap();
    other = Note::parse(&later).unwrap();
    std::fs::write(&path, other.to_string().replacen(&format!("\n{}\n", whole.size), &format!("\n{size}\n"), 1)).unwrap();
    assert!(verify(directory.path()).is_err(), "a checkpoint that nobody signed");
    std::fs::write(&path, good).unwrap();
    verify(directory.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc3161_2_2_an_answer_that_is_not_to_the_question_is_none() {
    let spoils: [fn(Vec<u8>) -> Vec<u8>; 3] = [
        // Of another hash.
        |mut reply| {
            let imprint = reply.windows(2).position(|two| two == [0x04, 0x20]).unwrap() + 2;
            reply[imprint] ^= 1;
            reply
        },
        |mut reply| {
            reply.truncate(100);
            reply
        },
        |_| b"not now".to_vec(),
    ];
    for spoil in spoils {
        let (url, _own) = authority(spoil).await;
        let server = Server::with(&[("CHANCERY_PROOF_TIMESTAMP_AUTHORITY", &url)], "").await;
        let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
        server.app.anchor(&mut anchors).await;
        assert_eq!(server.app.anchors.names(), ["timestamp authority"], "health says so");
        let note = Note::parse(&server.get("/audit/checkpoint").send().await.body).unwrap();
        assert_eq!(timestamp::of(&note), Ok(vec![]));
        // The log does not wait for it.
        server.app.record_start(&Context::of_server("server", "test".to_owned())).await.map_err(|error| error.detail).unwrap();
    }
}
