//! What a witness must not forget: of each log the last checkpoint that it cosigned.
//!
//! | Rule | Why |
//! |---|---|
//! | a new file beside the old one, synced, then renamed over it, then the directory synced | a crash leaves the old state or the new one, whole |
//! | a lock file for as long as the witness runs | two witnesses on one state would cosign two histories |
//! | a file that cannot be read stops the start | a witness that forgets can be shown another history |

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_tree::{Checkpoint, Hash, Note};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The last checkpoint of a log.
#[derive(Clone)]
pub struct Seen {
    pub size: u64,
    pub root: Hash,
    /// With the signatures of the log that were verified, and ours.
    pub note: String,
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("another witness uses {0}")]
    Locked(String),
    #[error("{0}: {1}")]
    Io(String, io::Error),
    #[error("{0} is damaged: restore it, since a witness without memory proves nothing")]
    Damaged(String),
}

/// One log in the file.
#[derive(Serialize, Deserialize)]
struct Line {
    size: u64,
    /// In base64.
    root: String,
    note: String,
}

pub struct State {
    path: PathBuf,
    logs: BTreeMap<String, Seen>,
    _lock: File,
}

impl State {
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let shown = path.display().to_string();
        let io = |error| StateError::Io(shown.clone(), error);
        let lock = File::options().create(true).truncate(false).write(true).open(beside(path, "lock")).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::Locked(shown)),
            Err(TryLockError::Error(error)) => return Err(io(error)),
        }
        let logs = match std::fs::read(path) {
            Ok(bytes) => read(&bytes).ok_or(StateError::Damaged(shown))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(io(error)),
        };
        Ok(Self { path: path.to_owned(), logs, _lock: lock })
    }

    pub fn of(&self, origin: &str) -> Option<&Seen> {
        self.logs.get(origin)
    }

    /// By the SHA-256 of the origin, in hex.
    pub fn by_hash(&self, hash: &str) -> Option<&Seen> {
        let hex = |origin: &str| Sha256::digest(origin).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        self.logs.iter().find(|(origin, _)| hex(origin) == hash).map(|(_, seen)| seen)
    }

    /// Durable when it returns; otherwise nothing has changed.
    pub fn put(&mut self, origin: String, seen: Seen) -> io::Result<()> {
        let before = self.logs.insert(origin.clone(), seen);
        let stored = self.store();
        if stored.is_err() {
            match before {
                Some(before) => self.logs.insert(origin, before),
                None => self.logs.remove(&origin),
            };
        }
        stored
    }

    fn store(&self) -> io::Result<()> {
        let line = |seen: &Seen| Line { size: seen.size, root: STANDARD.encode(seen.root), note: seen.note.clone() };
        let lines: BTreeMap<_, _> = self.logs.iter().map(|(origin, seen)| (origin, line(seen))).collect();
        let new = beside(&self.path, "new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(&lines)?)?;
        file.sync_all()?;
        std::fs::rename(&new, &self.path)?;
        match self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all(),
            None => File::open(".")?.sync_all(),
        }
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// `None` where a note does not say what stands beside it.
fn read(bytes: &[u8]) -> Option<BTreeMap<String, Seen>> {
    let lines: BTreeMap<String, Line> = serde_json::from_slice(bytes).ok()?;
    let seen = |(origin, line): (String, Line)| {
        let root: Hash = STANDARD.decode(line.root).ok()?.try_into().ok()?;
        let checkpoint = Checkpoint::parse(Note::parse(line.note.as_bytes()).ok()?.text()).ok()?;
        let agree = checkpoint.origin == origin && checkpoint.size == line.size && checkpoint.root == root;
        agree.then_some((origin, Seen { size: line.size, root, note: line.note }))
    };
    lines.into_iter().map(seen).collect()
}
