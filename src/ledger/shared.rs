//! What the writer, the readers and a back end's listener have in common.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use crate::archive::Archive;
use crate::cache::Cache;
use crate::counts::Counters;
use crate::error::OpenError;
use crate::options::Notary;
use crate::recorded::{Head, Note};
use crate::tail::Tail;

pub(crate) struct Shared {
    pub cache: Cache,
    pub tail: Tail,
    pub counts: Counters,
    /// Where leaves are that are not in the database any more.
    pub archive: Arc<Archive>,
    head: watch::Sender<Head>,
    /// Signs each head before it is committed; `None` until the shell has the key.
    notary: RwLock<Option<Notary>>,
    /// The last head that this process committed, signed. Set only once the commit is known.
    note: Mutex<Option<Note>>,
    /// Why the last commit failed; `None` after one that went well.
    trouble: Mutex<Option<String>>,
    /// The level of the log's catalogue, as last seen.
    level: AtomicU16,
    /// The level that this program knows.
    own_level: u16,
}

/// Level of the log's catalogue, and the one that this program knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    pub found: u16,
    pub known: u16,
}

impl Shared {
    pub fn new(cache_bytes: usize, head: Head, levels: Levels, archive: Option<PathBuf>) -> Self {
        Self {
            level: AtomicU16::new(levels.found),
            own_level: levels.known,
            cache: Cache::new(cache_bytes),
            tail: Tail::default(),
            counts: Counters::default(),
            archive: Arc::new(Archive::new(archive)),
            head: watch::Sender::new(head),
            notary: RwLock::default(),
            note: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    pub fn set_notary(&self, notary: Notary) {
        *self.notary.write().unwrap_or_else(PoisonError::into_inner) = Some(notary);
    }

    /// The head, signed; `None` where nobody signs.
    ///
    /// # Errors
    /// What the notary says; then nothing may be committed, since its proof would be missing.
    pub fn sign(&self, head: &Head) -> Result<Option<Note>, String> {
        let notary = self.notary.read().unwrap_or_else(PoisonError::into_inner).clone();
        notary.map(|sign| sign(head)).transpose()
    }

    pub fn note(&self) -> Option<Note> {
        self.note.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn publish(&self, note: Option<Note>) {
        if note.is_some() {
            *self.note.lock().unwrap_or_else(PoisonError::into_inner) = note;
        }
    }

    /// The highest head this process knows of.
    pub fn head(&self) -> Head {
        *self.head.borrow()
    }

    /// Somebody committed: this process, or another node of which a listener or a poll told. Never goes back.
    pub fn announce(&self, head: Head) {
        self.head.send_if_modified(|known| {
            let newer = head.size > known.size;
            if newer {
                *known = head;
            }
            newer
        });
    }

    pub fn follow(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    /// The level of the log's catalogue, as far as this process has heard. The log's own is never below it.
    pub fn level(&self) -> u16 {
        self.level.load(Ordering::Acquire)
    }

    /// The level that this program knows.
    pub fn own_level(&self) -> u16 {
        self.own_level
    }

    /// The head says this level.
    ///
    /// # Errors
    /// As for [`Self::keeps_up`].
    pub fn learn_level(&self, found: u16) -> Result<(), String> {
        self.level.fetch_max(found, Ordering::AcqRel);
        self.keeps_up()
    }

    /// # Errors
    /// The log was raised beyond what this program knows: it may hold events and rows that this program would misread.
    pub fn keeps_up(&self) -> Result<(), String> {
        let (found, known) = (self.level(), self.own_level);
        if found <= known {
            return Ok(());
        }
        Err(OpenError::CatalogueTooNew { found, known }.to_string())
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
