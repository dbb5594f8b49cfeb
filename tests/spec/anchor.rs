//! Checkpoints for places outside: a real witness over HTTP, a webhook, a file; and what a rewritten log looks like to them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery::app::anchor::Anchors;
use chancery::app::clock::Clock;
use chancery::app::context::Context;
use chancery::app::witness::Witness;
use chancery::http::limits::ConnectionLimits;
use chancery::http::listen::{self, Listener};
use chancery::http::outgoing;
use chancery::http::witness::Routes;
use chancery_jose::{SigningKey, ed25519};
use chancery_tree::{Checkpoint, Note, VerifierKey};
use poem::{Endpoint, Request, Response};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::support::*;

/// A witness on a port of its own.
struct Outside {
    key: VerifierKey,
    url: String,
    _state: TempDir,
}

pub async fn listening(endpoint: impl Endpoint<Output = Response> + 'static) -> String {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let listeners = vec![Listener { socket, tls: None, asks: false }];
    tokio::spawn(listen::serve(listeners, listen::app(endpoint), ConnectionLimits::default(), std::future::pending()));
    url
}

async fn witness(name: &str, logs: Vec<VerifierKey>) -> Outside {
    let state = tempfile::tempdir().unwrap();
    let witness = Witness::open(name, SigningKey::generate_ed25519().unwrap(), logs, &state.path().join("state")).unwrap();
    let key = witness.public().clone();
    let url = listening(Routes { witness: Arc::new(witness), clock: Clock::manual(NOW) }).await;
    Outside { key, url, _state: state }
}

async fn vkey(server: &Server) -> VerifierKey {
    let events = server.events().await;
    let created = events.iter().find(|event| event.kind == "LogKeyCreated").unwrap();
    created.data["vkey"].as_str().unwrap().parse().unwrap()
}

pub async fn grow(server: &Server) {
    server.app.record_start(&Context::of_server("server", "grow".to_owned())).await.map_err(|error| error.detail).unwrap();
}

/// The server again, with settings that name what was only known after its first start.
async fn with(server: Server, environment: &[(&'static str, String)]) -> Server {
    let mut server = server;
    server.configure(environment);
    server.restart().await
}

async fn served(server: &Server) -> Note {
    Note::parse(&server.get("/audit/checkpoint").send().await.body).unwrap()
}

#[tokio::test]
async fn witnesses_cosign_what_is_served_and_the_file_and_the_webhook_get_it_too() {
    let server = Server::start().await;
    let log = vkey(&server).await;
    let (first, second) = (witness("witness.example/w1", vec![log.clone()]).await, witness("witness.example/w2", vec![log.clone()]).await);
    let (posted, mut received) = mpsc::unbounded_channel();
    let webhook = listening(poem::endpoint::make(move |mut request: Request| {
        let posted = posted.clone();
        async move {
            let body = request.take_body().into_string().await.unwrap();
            posted.send((request.uri().path().to_owned(), request.content_type().unwrap_or_default().to_owned(), body)).unwrap();
            Response::builder().finish()
        }
    }))
    .await;
    let file = server.directory.path().join("anchors.jsonl");
    let witnesses = format!("{} {},{} {}/", first.key, first.url, second.key, second.url);
    let server = with(
        server,
        &[
            ("CHANCERY_PROOF_WITNESSES", witnesses),
            ("CHANCERY_PROOF_ANCHOR_WEBHOOK", format!("{webhook}/seen?by=us")),
            ("CHANCERY_PROOF_ANCHOR_FILE", file.to_str().unwrap().to_owned()),
        ],
    )
    .await;
    let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
    for round in 1..=3 {
        server.app.anchor(&mut anchors).await;
        assert_eq!(server.app.anchors.names(), [""; 0]);
        let note = served(&server).await;
        assert_eq!(note.signatures().len(), 3, "round {round}: the log and two witnesses");
        for key in [&log, &first.key, &second.key] {
            note.verify(key, ed25519::verify).unwrap();
        }
        let (path, content_type, body) = received.recv().await.unwrap();
        assert_eq!((path.as_str(), content_type.as_str(), body), ("/seen", "text/plain; charset=utf-8", note.to_string()));
        // Nothing new: nobody is asked.
        server.app.anchor(&mut anchors).await;
        assert!(received.try_recv().is_err());
        grow(&server).await;
        assert_eq!(served(&server).await.signatures().len(), 1, "cosignatures are of one size");
        let anchored = server.get("/audit/checkpoint?anchored=true").send().await;
        assert_eq!(anchored.text(), note.to_string(), "the cosigned one stays to be had");
    }
    let lines = std::fs::read_to_string(&file).unwrap();
    let notes: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(notes.len(), 3);
    assert!(notes.iter().all(|line| Note::parse(line["note"].as_str().unwrap().as_bytes()).unwrap().signatures().len() == 3));
    // A restart has forgotten how far the witnesses are, and asks.
    let server = server.restart().await;
    let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
    server.app.anchor(&mut anchors).await;
    assert_eq!((server.app.anchors.names(), served(&server).await.signatures().len()), (vec![], 3));
    assert_eq!(server.get("/health/ready").send().await.json()["anchors"], "ok");
}

#[tokio::test]
async fn a_place_that_does_not_answer_is_told_and_delays_nothing() {
    let server = Server::start().await;
    let log = vkey(&server).await;
    let nobody = { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let stranger = witness("witness.example/w1", vec![]).await;
    let witnesses = format!("{} {}", stranger.key, stranger.url);
    let given = [("CHANCERY_PROOF_ANCHOR_WEBHOOK", format!("http://{nobody}/")), ("CHANCERY_PROOF_WITNESSES", witnesses)];
    let server = with(server, &given).await;
    let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
    server.app.anchor(&mut anchors).await;
    assert_eq!(server.app.anchors.names(), ["witness.example/w1", "webhook"], "one does not know the log, one is not there");
    let health = server.get("/health/ready").send().await;
    assert_eq!((health.status, health.json()["anchors"].as_str()), (200, Some("behind: witness.example/w1, webhook")));
    let note = served(&server).await;
    assert!(note.signatures().len() == 1 && note.verify(&log, ed25519::verify).is_ok());
}

#[tokio::test]
async fn a_witness_finds_out_a_log_that_went_back_to_yesterday() {
    let server = Server::start().await;
    let log = vkey(&server).await;
    let outside = witness("witness.example/w1", vec![log]).await;
    let server = with(server, &[("CHANCERY_PROOF_WITNESSES", format!("{} {}", outside.key, outside.url))]).await;
    let data = server.directory.path().join("data");
    let yesterday = tempfile::tempdir().unwrap();
    let server = server.while_stopped(|| copy(&data, yesterday.path())).await;
    grow(&server).await;
    grow(&server).await;
    let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
    server.app.anchor(&mut anchors).await;
    assert_eq!(server.app.anchors.names(), [""; 0]);
    let seen = Checkpoint::parse(served(&server).await.text()).unwrap().size;
    // The start by itself cannot tell: yesterday's log is whole.
    let server = server.while_stopped(|| copy(yesterday.path(), &data)).await;
    let mut anchors = Anchors::configured(&server.app, outgoing::post().unwrap()).unwrap();
    assert!(Checkpoint::parse(served(&server).await.text()).unwrap().size < seen);
    server.app.anchor(&mut anchors).await;
    assert_eq!(server.app.anchors.names(), ["witness.example/w1"]);
    // Nor does it help to grow beyond what the witness has seen: then its proof does not hold.
    for _ in 0..4 {
        grow(&server).await;
    }
    server.app.anchor(&mut anchors).await;
    assert_eq!(server.app.anchors.names(), ["witness.example/w1"]);
    assert_eq!(served(&server).await.signatures().len(), 1);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(to).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_witness_speaks_http_as_the_specification_says() {
    let server = Server::start().await;
    let outside = witness("witness.example/w1", vec![vkey(&server).await]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |body: String| {
        let answer = http.post(format!("{}/add-checkpoint", outside.url)).body(body).send().await.unwrap();
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), content_type, answer.text().await.unwrap())
    };
    let note = served(&server).await;
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    let (status, _, line) = post(format!("old 0\n\n{note}")).await;
    assert_eq!(status, 200);
    assert!(Note::parse(format!("{note}{line}").as_bytes()).unwrap().verify(&outside.key, ed25519::verify).is_ok());
    let (status, content_type, size) = post(format!("old 0\n\n{note}")).await;
    assert_eq!((status, content_type.as_str(), size), (409, "text/x.tlog.size", format!("{}\n", checkpoint.size)));
    let size = checkpoint.size;
    assert_eq!(post("rubbish".to_owned()).await.0, 400);
    assert_eq!(post("old 0\n".repeat(20_000)).await.0, 400);
    assert_eq!(post(format!("old {size}\n\n{}", note.to_string().replacen("localhost", "elsewhere", 1))).await.0, 404);
    let unsigned = format!("{}\n\u{2014} x {}\n", note.text(), STANDARD.encode([0; 68]));
    assert_eq!(post(format!("old {size}\n\n{unsigned}")).await.0, 403);
    assert_eq!(post(format!("old {size}\n{}\n\n{note}", STANDARD.encode([7; 32]))).await.0, 422);
    let hash: String = <sha2::Sha256 as sha2::Digest>::digest(&checkpoint.origin).iter().map(|byte| format!("{byte:02x}")).collect();
    let get = async |path: String| http.get(format!("{}/{path}", outside.url)).send().await.unwrap();
    let monitored = get(format!("{hash}/checkpoint")).await;
    assert_eq!(monitored.status(), 200);
    assert_eq!(Note::parse(&monitored.bytes().await.unwrap()).unwrap().signatures().len(), 2);
    assert_eq!(get("00/checkpoint".to_owned()).await.status(), 404);
    assert_eq!(get("add-checkpoint".to_owned()).await.status(), 405);
}
