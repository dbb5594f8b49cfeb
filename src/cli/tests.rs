//! The command line as a whole, the control socket, and the export. What the commands print is seen by the wire tests and the goldens.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::CommandFactory as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::outcome::{exit_code, usage};
use super::{Cli, audit, socket};
use crate::app::clock::Clock;
use crate::app::operator::Command;
use crate::app::start::{self, Opening};
use crate::app::{App, random};
use crate::config::{Config, Flags, Sources, resolve};

mod exports;

fn config(directory: &Path) -> Config {
    let flags = Flags { data_dir: Some(directory.display().to_string()), ..Flags::default() };
    resolve(&Sources { flags, environment: Vec::new() }).unwrap()
}

async fn app(directory: &Path) -> App {
    let config = config(directory);
    let secrets = config.secrets(random::fill).unwrap();
    start::open(config, &secrets, Clock::System, Opening::default()).await.unwrap()
}

/// What comes back for these bytes.
async fn say(directory: &Path, bytes: &[u8]) -> Value {
    let mut stream = UnixStream::connect(directory.join(socket::FILE)).await.unwrap();
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with('\n') && answer.lines().count() == 1, "{answer}");
    serde_json::from_str(&answer).unwrap()
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn the_exit_code_tells_refusal_from_wrong_usage_and_a_closed_pipe_is_neither() {
    let code = |error: anyhow::Error| format!("{:?}", exit_code(Err(error)));
    assert!(code(anyhow::anyhow!("refused")).contains('1'));
    assert!(code(usage("mistyped").context("at the command line")).contains('2'));
    let closed = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    assert!(code(anyhow::Error::new(closed).context("stdout")).contains('0'));
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone_and_takes_the_place_of_a_dead_one() {
    let directory = tempfile::tempdir().unwrap();
    let app = app(directory.path()).await;
    let path = directory.path().join(socket::FILE);
    // As a killed server leaves it: there, but nobody answers.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(!socket::is_answered(directory.path()).await);
    assert!(socket::ask(directory.path(), &Command::KeysList).await.unwrap().is_none());
    socket::listen(app.clone(), directory.path()).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let left: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
    let second = socket::listen(app, directory.path()).await.unwrap_err();
    assert!(second.to_string().contains("another server answers"), "{second}");
    assert!(socket::is_answered(directory.path()).await);
}

#[tokio::test]
async fn whatever_is_said_to_the_socket_it_answers_in_one_line_and_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    socket::listen(app(directory.path()).await, directory.path()).await.unwrap();
    let long = vec![b'x'; 70 * 1024];
    let nearly = vec![b' '; 64 * 1024];
    let hostile: [&[u8]; 8] = [
        b"\n",
        b"",
        b"hunter2\n",
        b"{\"command\":\"shutdown\"}\n",
        b"{\"command\":\"token\",\"scope\":\"hunter2\",\"seconds\":\"hunter2\"}\n",
        b"\xff\xfe\n",
        &long,
        &nearly,
    ];
    for bytes in hostile {
        let answer = say(directory.path(), bytes).await;
        assert_eq!(answer["error"], "invalid_request", "{answer}");
        assert!(!answer.to_string().contains("hunter2"), "{answer}");
    }
    assert_eq!(say(directory.path(), b"{\"command\":\"keys_list\"}\n").await, json!({ "ok": { "keys": [] } }));
    // The end of the stream ends the line too.
    assert_eq!(say(directory.path(), b"{\"command\":\"keys_list\"}").await, json!({ "ok": { "keys": [] } }));
}

#[tokio::test]
async fn a_command_comes_back_with_its_outcome_or_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    socket::listen(app(directory.path()).await, directory.path()).await.unwrap();
    let path = directory.path();
    let ask = |command| async move { socket::ask(path, &command).await.unwrap().unwrap().into_result() };
    let minted = ask(Command::Token { scope: "admin".into(), seconds: 60 }).await.unwrap();
    assert!(minted["access_token"].as_str().unwrap().starts_with("cha_at_"));
    let unknown = ask(Command::ClientShow { client_id: "nobody".into() }).await.unwrap_err();
    assert!(unknown.to_string().contains("no client"), "{unknown}");
}

#[tokio::test]
async fn an_export_grows_with_its_log_and_with_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (data, out) = (directory.path().join("data"), directory.path().join("out"));
    let app = app(&data).await;
    let context = crate::app::context::Context::of_server("server", "test".into());
    let export = |data: std::path::PathBuf| {
        let out = out.clone();
        async move {
            let ledger = audit::open(&config(&data)).await?;
            audit::export::run(&ledger, &out).await
        }
    };
    let lines = || fs::read_to_string(out.join("events.jsonl")).unwrap().lines().count();
    export(data.clone()).await.unwrap();
    assert_eq!(lines(), 2);
    // An interrupted run left half a line.
    app.record_start(&context).await.unwrap();
    let mut text = fs::read_to_string(out.join("events.jsonl")).unwrap();
    text.push_str("{\"half");
    fs::write(out.join("events.jsonl"), &text).unwrap();
    export(data.clone()).await.unwrap();
    assert_eq!(lines(), 3);

    let other = directory.path().join("other");
    self::app(&other).await;
    let refused = export(other).await.unwrap_err();
    assert!(refused.to_string().contains("another log"), "{refused}");

    let text = fs::read_to_string(out.join("events.jsonl")).unwrap();
    fs::write(out.join("events.jsonl"), text.replacen("LogCreated", "LogCreatee", 1)).unwrap();
    assert!(export(data.clone()).await.is_err());
    fs::write(out.join("events.jsonl"), text.replacen("ServerStarted", "ServerStartet", 1)).unwrap();
    let refused = export(data).await.unwrap_err();
    assert!(refused.to_string().contains("was changed"), "{refused}");
}
