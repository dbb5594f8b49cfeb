//! Anchoring: checkpoints go to places that the operator of the log cannot change, so that a history rewritten later is found out.
//!
//! | Place | What it gets |
//! |---|---|
//! | witness | add-checkpoint with a consistency proof; its cosignature joins the checkpoint that is served |
//! | timestamp authority | the hash of the checkpoint's text (RFC 3161); its token joins the checkpoint as a line of its own |
//! | webhook | the signed note, with cosignatures, as `text/plain` |
//! | file | one line of JSON for each checkpoint, appended and synced |
//!
//! | Rule | Source |
//! |---|---|
//! | witnesses and the authority first, so that the others get what they signed too | - |
//! | a cosignature counts when it verifies with the configured key | C2SP tlog-witness, tlog-cosignature |
//! | a witness, or our own file, that has seen more than the log holds means that the log was shortened: an error, not a retry | docs/adr/0024 |
//! | nobody waits for a place; what a place missed is behind the next checkpoint | docs/adr/0024 |

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use chancery_jose::ed25519;
use chancery_ledger::recorded::KeptNote;
use chancery_tree::{Checkpoint, Note, VerifierKey};
use serde_json::json;
use url::Url;

use super::App;
use super::proof::Signed;
use super::timestamp;
use super::witness::AddCheckpoint;

/// Posts a body of a content type to an address and gives status and body back. `http` makes it.
pub type Post = Arc<dyn Fn(Url, &'static str, Vec<u8>) -> Answer + Send + Sync>;
pub type Answer = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), String>> + Send>>;

const TEXT: &str = "text/plain; charset=utf-8";
/// Bytes at the end of the file that are looked at: a checkpoint with all its cosignatures is a few thousand.
const LONGEST_LINE: u64 = 64 * 1024;

/// Where checkpoints go, and how far each place has come.
pub struct Anchors {
    post: Post,
    witnesses: Vec<Place<(VerifierKey, Url)>>,
    authority: Option<Place<Url>>,
    webhook: Option<Place<Url>>,
    file: Option<Place<PathBuf>>,
}

struct Place<T> {
    what: T,
    name: String,
    /// Size of the newest checkpoint that it has.
    size: u64,
    /// Milliseconds since the epoch of the first attempt that failed since then.
    failing_since: Option<i64>,
}

impl<T> Place<T> {
    fn new(what: T, name: String) -> Self {
        Self { what, name, size: 0, failing_since: None }
    }

    fn settle(&mut self, outcome: Result<u64, String>, now: i64) {
        match outcome {
            Ok(size) => (self.size, self.failing_since) = (size, None),
            Err(why) => {
                let since = *self.failing_since.get_or_insert(now);
                let behind_seconds = (now - since) / 1000;
                tracing::warn!(place = %self.name, why, behind_seconds, "a checkpoint did not arrive");
            }
        }
    }
}

/// Names of the places that are behind, for health.
#[derive(Default)]
pub struct Behind(Mutex<Vec<String>>);

impl Behind {
    pub fn names(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Anchors {
    /// `None`: no place is configured.
    pub fn configured(app: &App, post: Post) -> Option<Self> {
        let proof = &app.config.proof;
        let witness = |own: &crate::config::Witness| Place::new((own.key.clone(), own.url.clone()), own.key.name().to_owned());
        let anchors = Self {
            post,
            witnesses: proof.witnesses.iter().map(witness).collect(),
            authority: proof.timestamp_authority.clone().map(|url| Place::new(url, "timestamp authority".to_owned())),
            webhook: proof.anchor_webhook.clone().map(|url| Place::new(url, "webhook".to_owned())),
            file: proof.anchor_file.clone().map(|path| Place::new(path, "file".to_owned())),
        };
        let is_empty = anchors.witnesses.is_empty() && anchors.authority.is_none() && anchors.webhook.is_none() && anchors.file.is_none();
        (!is_empty).then_some(anchors)
    }

    fn is_behind(&self, size: u64) -> bool {
        self.witnesses.iter().any(|place| place.size < size)
            || self.authority.as_ref().is_some_and(|place| place.size < size)
            || self.webhook.as_ref().is_some_and(|place| place.size < size)
            || self.file.as_ref().is_some_and(|place| place.size < size)
    }

    fn failing(&self) -> Vec<String> {
        let witnesses = self.witnesses.iter().filter(|place| place.failing_since.is_some()).map(|place| place.name.clone());
        let webhook = self.webhook.iter().filter(|place| place.failing_since.is_some()).map(|place| place.name.clone());
        let file = self.file.iter().filter(|place| place.failing_since.is_some()).map(|place| place.name.clone());
        let authority = self.authority.iter().filter(|place| place.failing_since.is_some()).map(|place| place.name.clone());
        witnesses.chain(authority).chain(webhook).chain(file).collect()
    }
}

impl App {
    /// One round: the latest checkpoint goes wherever it is not yet. Troubles are told and tried again in the next round.
    pub async fn anchor(&self, anchors: &mut Anchors) {
        let latest = match self.latest_checkpoint().await {
            Ok(latest) => latest,
            Err(error) => return tracing::warn!(detail = %error.detail, "there is no checkpoint to anchor"),
        };
        if !anchors.is_behind(latest.checkpoint.size) {
            return;
        }
        let (size, now) = (latest.checkpoint.size, self.now().0);
        let note = self.cosigned(anchors, &latest, now).await;
        let kept = KeptNote { size, note: note.clone(), at: now };
        if let Err(error) = self.ledger.keep_note(kept).await {
            tracing::warn!(%error, "a checkpoint with its cosignatures was not kept");
        }
        let post = anchors.post.clone();
        if let Some(place) = anchors.webhook.as_mut().filter(|place| place.size < size) {
            let outcome = match post(place.what.clone(), TEXT, note.clone().into_bytes()).await {
                Ok((200..=299, _)) => Ok(size),
                Ok((status, _)) => Err(format!("the answer is {status}")),
                Err(why) => Err(why),
            };
            place.settle(outcome, now);
        }
        if let Some(place) = anchors.file.as_mut().filter(|place| place.size == 0)
            && let Err(why) = self.remembers(&place.what, &latest).await
        {
            tracing::error!(file = %place.what.display(), why, "the file has seen another history of this log");
            place.settle(Err(why), now);
        } else if let Some(place) = anchors.file.as_mut().filter(|place| place.size < size) {
            let (path, line) = (place.what.clone(), json!({ "at": now, "size": size, "note": note }).to_string());
            let written = tokio::task::spawn_blocking(move || append(&path, &line)).await;
            let written = written.unwrap_or_else(|_| Err(std::io::Error::other("interrupted")));
            place.settle(written.map(|()| size).map_err(|error| error.to_string()), now);
        }
        *self.anchors.0.lock().unwrap_or_else(PoisonError::into_inner) = anchors.failing();
    }

    /// Does the log go on from what the file has seen last? A database that was put back to yesterday does not.
    async fn remembers(&self, path: &Path, latest: &Signed) -> Result<(), String> {
        let read = path.to_owned();
        let seen = tokio::task::spawn_blocking(move || last_line(&read)).await.map_err(|error| error.to_string())?;
        let Some(line) = seen.map_err(|error| error.to_string())? else { return Ok(()) };
        let foreign = || "its last line is no checkpoint; move the file away".to_owned();
        let line: serde_json::Value = serde_json::from_str(&line).map_err(|_| foreign())?;
        let note = line["note"].as_str().and_then(|note| Note::parse(note.as_bytes()).ok()).ok_or_else(foreign)?;
        let seen = Checkpoint::parse(note.text()).map_err(|_| foreign())?;
        if seen.origin != latest.checkpoint.origin {
            return Err(format!("it is the file of the log {}", seen.origin));
        }
        if seen.size > latest.checkpoint.size {
            return Err(format!("it has seen {} events, the log has {}: it was put back", seen.size, latest.checkpoint.size));
        }
        let root = self.root_at(seen.size).await.map_err(|error| error.detail.to_string())?;
        if root == seen.root { Ok(()) } else { Err(format!("it has seen another history of the first {} events", seen.size)) }
    }

    /// The note with the cosignatures of all witnesses that gave one, those that it had before included.
    async fn cosigned(&self, anchors: &mut Anchors, latest: &Signed, now: i64) -> String {
        // It was parsed when it was read.
        let Ok(mut note) = Note::parse(latest.note.as_bytes()) else { return latest.note.to_string() };
        for place in &mut anchors.witnesses {
            if place.size >= latest.checkpoint.size {
                continue;
            }
            let (key, url) = &place.what;
            let asked = self.ask_witness(&anchors.post, key, url, latest, place.size).await;
            place.settle(asked.map(|line| add(&mut note, &line, latest.checkpoint.size)), now);
        }
        if let Some(place) = anchors.authority.as_mut().filter(|place| place.size < latest.checkpoint.size) {
            let stamped = stamped(&anchors.post, &place.what, note.text()).await;
            place.settle(stamped.map(|line| add(&mut note, &line, latest.checkpoint.size)), now);
        }
        note.to_string()
    }

    /// Returns the signature lines of a witness, verified.
    async fn ask_witness(&self, post: &Post, key: &VerifierKey, url: &Url, latest: &Signed, known: u64) -> Result<Note, String> {
        let size = latest.checkpoint.size;
        let mut old = known;
        // The first attempt learns where the witness is: after a restart we do not know, and another node may have been there.
        for _ in 0..3 {
            let proof = self.prove_consistency(old, Some(size)).await.map_err(|error| error.detail.to_string())?;
            let body = AddCheckpoint::write(old, &proof.hashes, &latest.note);
            match post(url.clone(), TEXT, body.into_bytes()).await? {
                (200, lines) => return cosignature(key, latest, &lines),
                (409, body) => {
                    let held = std::str::from_utf8(&body).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
                    let held: u64 = held.ok_or("the answer 409 names no size")?;
                    let head = self.ledger.head().await.map_err(|error| error.to_string())?;
                    if held > head.size {
                        tracing::error!(
                            witness = key.name(),
                            held,
                            size = head.size,
                            "a witness has seen a longer log: this one was shortened"
                        );
                        return Err(format!("the witness has seen {held} events, the log has {}", head.size));
                    }
                    if held > size {
                        return Err("another node was faster".to_owned());
                    }
                    old = held;
                }
                (422, _) => {
                    tracing::error!(witness = key.name(), size, "a witness has seen another history of this log");
                    return Err("the witness has seen another history".to_owned());
                }
                (status, body) => return Err(format!("the answer is {status}: {}", shown(&body))),
            }
        }
        Err("the witness moves on while it is asked".to_owned())
    }
}

/// A note of this text with the line of the authority.
async fn stamped(post: &Post, authority: &Url, text: &str) -> Result<Note, String> {
    let query = timestamp::Query::of(text);
    match post(authority.clone(), timestamp::QUERY, query.body()).await? {
        (200..=299, reply) => query.answered(authority, &reply),
        (status, _) => Err(format!("the answer is {status}")),
    }
}

/// The checkpoint with nothing but what the witness signed.
fn cosignature(key: &VerifierKey, latest: &Signed, lines: &[u8]) -> Result<Note, String> {
    let unreadable = |why: &dyn std::fmt::Display| format!("the cosignature cannot be used: {why}");
    let text = latest.checkpoint.to_string();
    let note = Note::parse(&[text.as_bytes(), b"\n", lines].concat()).map_err(|e| unreadable(&e))?;
    note.verify(key, ed25519::verify).map_err(|e| unreadable(&e))?;
    let mut own = Note::new(text).map_err(|e| unreadable(&e))?;
    note.signatures().iter().filter(|one| one.name == key.name() && one.key_id == key.id()).for_each(|one| own.push(one.clone()));
    Ok(own)
}

/// Adds what a witness signed; an earlier signature of the same key gives way.
fn add(note: &mut Note, cosigned: &Note, size: u64) -> u64 {
    let is_new = |name: &str, id: [u8; 4]| cosigned.signatures().iter().any(|one| one.name == name && one.key_id == id);
    let kept: Vec<_> = note.signatures().iter().filter(|one| !is_new(&one.name, one.key_id)).cloned().collect();
    if let Ok(mut whole) = Note::new(note.text()) {
        kept.into_iter().chain(cosigned.signatures().iter().cloned()).for_each(|one| whole.push(one));
        *note = whole;
    }
    size
}

/// What somebody else wrote, for a log line.
fn shown(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(120).collect()
}

/// The last whole line of a file; `None` if there is none.
fn last_line(path: &Path) -> std::io::Result<Option<String>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST_LINE)))?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    // What has no end was cut short by a crash, and is older than nothing.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    Ok(whole.lines().last().filter(|line| !line.is_empty()).map(str::to_owned))
}

fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_all()
}
