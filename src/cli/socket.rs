//! The control socket: operators on this machine speak to the running server.
//!
//! | Rule | Why |
//! |---|---|
//! | `control.sock` in the data directory, mode 0600 from its first moment | it is bound in a directory of mode 0700 and moved into place |
//! | the peer is our own user or root, on both ends | the mode of the file is not checked by every system |
//! | one line of JSON, at most 64 KiB, within seconds; one line back | a peer that hangs holds nothing for long |
//! | a socket that somebody answers on is never taken away | two servers on one data directory would mix their operators |
//!
//! Out of scope: what the commands do (`app::operator`).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use chancery_core::error::{Code, OAuthError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::app::context::Context;
use crate::app::operator::Command;
use crate::app::{App, random};
use crate::config::{Config, Database};

/// Its name in the data directory.
pub const FILE: &str = "control.sock";
/// Bytes of a request, its line end included.
const LONGEST: u64 = 64 * 1024;
/// Bytes of an answer: a list of keys is the longest.
const LONGEST_ANSWER: u64 = 4 * 1024 * 1024;
/// To send or to read one line.
const LINE: Duration = Duration::from_secs(5);
/// To carry a command out; making an RSA key and hashing a password take a second each.
const WORK: Duration = Duration::from_secs(60);
/// Commands at the same time.
const AT_ONCE: usize = 16;
/// After an accept that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// The line that comes back.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
pub enum Answer {
    Done { ok: Value },
    Refused { error: String, error_description: String },
}

impl Answer {
    fn of(outcome: Result<Value, OAuthError>) -> Self {
        match outcome {
            Ok(ok) => Self::Done { ok },
            Err(error) => Self::Refused { error: error.code().to_owned(), error_description: sentence(&error) },
        }
    }

    fn refuse(sentence: impl Into<String>) -> Self {
        Self::Refused { error: Code::InvalidRequest.as_str().to_owned(), error_description: sentence.into() }
    }

    /// # Errors
    /// The sentence of the refusal.
    pub fn into_result(self) -> anyhow::Result<Value> {
        match self {
            Self::Done { ok } => Ok(ok),
            Self::Refused { error_description, .. } => bail!("{error_description}"),
        }
    }
}

/// What an operator on the machine may read: for faults of ours the detail too, which never holds a secret.
pub fn sentence(error: &OAuthError) -> String {
    match error.code {
        Code::ServerError | Code::TemporarilyUnavailable if !error.detail.is_empty() => format!("{} ({})", error.description, error.detail),
        _ => error.description.clone().into_owned(),
    }
}

/// Starts answering, in the background, until the process ends.
///
/// # Errors
/// A data directory that cannot be written, a path too long for a socket, another server that answers there.
pub async fn listen(app: App, data_dir: &Path) -> anyhow::Result<()> {
    let listener = bind(data_dir).await?;
    let us = our_uid()?;
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    tokio::spawn(async move {
        loop {
            let Ok(permit) = permits.clone().acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let app = app.clone();
                    tokio::spawn(async move {
                        if let Err(error) = converse(&app, stream, us).await {
                            tracing::debug!(%error, "a conversation on the control socket broke off");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    Ok(())
}

async fn bind(data_dir: &Path) -> anyhow::Result<UnixListener> {
    let path = data_dir.join(FILE);
    let place = || format!("the control socket {} cannot be made", path.display());
    if UnixStream::connect(&path).await.is_ok() {
        bail!("another server answers on {}; give each its own data directory", path.display());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).with_context(place)?;
    // Whatever the umask: nobody else can reach the socket before its mode is set.
    let nest = data_dir.join(format!(".{}", std::process::id()));
    let _ = fs::remove_dir_all(&nest);
    fs::DirBuilder::new().mode(0o700).create(&nest).with_context(place)?;
    let bound = bind_in(&nest, &path);
    let _ = fs::remove_dir_all(&nest);
    bound.with_context(place)
}

fn bind_in(nest: &Path, path: &Path) -> io::Result<UnixListener> {
    let inside = nest.join("s");
    let listener = UnixListener::bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(0o600))?;
    // Takes the place of a file that a killed server left.
    fs::rename(&inside, path)?;
    Ok(listener)
}

/// Our user, as the kernel tells it to a peer.
fn our_uid() -> io::Result<u32> {
    Ok(UnixStream::pair()?.0.peer_cred()?.uid())
}

fn is_trusted(stream: &UnixStream, us: u32) -> io::Result<bool> {
    let them = stream.peer_cred()?.uid();
    Ok(them == us || them == 0)
}

async fn converse(app: &App, stream: UnixStream, us: u32) -> io::Result<()> {
    if !is_trusted(&stream, us)? {
        tracing::warn!("another user spoke to the control socket");
        return Ok(());
    }
    let (mut reading, writing) = stream.into_split();
    let answer = match timeout(LINE, read_line(&mut reading, LONGEST)).await {
        Err(_) => Answer::refuse("The command did not arrive in time."),
        Ok(Err(error)) => return Err(error),
        Ok(Ok(None)) => Answer::refuse("A command is one line of text of at most 65536 bytes."),
        Ok(Ok(Some(line))) => match serde_json::from_str::<Command>(&line) {
            Ok(command) => carry_out(app, command).await,
            // Not the parser's own words: they quote the line, which may hold a password.
            Err(_) => Answer::refuse("This is not a command of this server; use the program of the same version."),
        },
    };
    write_line(writing, &answer).await?;
    // Closing over bytes that were not read resets the connection, and the answer with it.
    let mut rest = reading.take(LONGEST);
    let _ = timeout(LINE, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}

async fn carry_out(app: &App, command: Command) -> Answer {
    let context = Context::of_server("operator", random::uuid_v7(app.now().0).to_string());
    // In a task of its own, so that a panic ends this command alone.
    let app = app.clone();
    let work = tokio::spawn(async move { timeout(WORK, app.operate(&context, command)).await });
    match work.await {
        Ok(Ok(outcome)) => Answer::of(outcome),
        Ok(Err(_)) => Answer::of(Err(OAuthError::temporarily_unavailable("the command took too long"))),
        Err(_) => Answer::of(Err(OAuthError::server_error("the command broke off; the server's log tells where"))),
    }
}

/// One line without its end; `None` if it is longer than `most` or no text. The end of the stream ends a line too.
async fn read_line(stream: impl AsyncRead + Unpin, most: u64) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    BufReader::new(stream.take(most)).read_until(b'\n', &mut line).await?;
    if line.last() != Some(&b'\n') && line.len() as u64 == most {
        return Ok(None);
    }
    Ok(String::from_utf8(line).ok())
}

async fn write_line(mut stream: impl AsyncWrite + Unpin, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let written = timeout(LINE, async {
        stream.write_all(&line).await?;
        stream.shutdown().await
    });
    written.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Asks the server of a data directory; `None` if none is running there.
///
/// # Errors
/// A socket that belongs to somebody else, or a server that breaks off.
pub async fn ask(data_dir: &Path, command: &Command) -> anyhow::Result<Option<Answer>> {
    let path = data_dir.join(FILE);
    let stream = match UnixStream::connect(&path).await {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("the control socket {}", path.display())),
    };
    // Commands carry passwords. Root may speak to a server that runs as somebody else.
    let us = our_uid()?;
    if us != 0 && !is_trusted(&stream, us)? {
        bail!("the server behind {} runs as another user; run this command as that user", path.display());
    }
    let (reading, writing) = stream.into_split();
    let talk = async {
        write_line(writing, command).await?;
        read_line(reading, LONGEST_ANSWER).await
    };
    let line = timeout(WORK + LINE, talk).await.context("the server does not answer on its control socket")??;
    let line = line.context("the server's answer is too long")?;
    serde_json::from_str(&line).map(Some).context("the server's answer cannot be read; is it another version?")
}

/// Refuses what needs the file of SQLite for itself: there must be one, and no server that serves it.
///
/// # Errors
/// Which of both it is, and what to do.
pub async fn refuse_while_running(config: &Config) -> anyhow::Result<()> {
    if let Database::Sqlite(path) = &config.database {
        if !path.exists() {
            bail!("there is no log in {}; name the right directory with --data-dir", config.data_dir.display());
        }
        if is_answered(&config.data_dir).await {
            bail!("the server is running; stop it first");
        }
    }
    Ok(())
}

/// Does a server answer there?
pub async fn is_answered(data_dir: &Path) -> bool {
    UnixStream::connect(data_dir.join(FILE)).await.is_ok()
}
