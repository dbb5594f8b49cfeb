//! What the writer, the readers and a back end's listener have in common.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use crate::cache::Cache;
use crate::recorded::Head;

pub(crate) struct Shared {
    pub cache: Cache,
    head: watch::Sender<Head>,
    /// Why the last commit failed; `None` after one that went well.
    trouble: Mutex<Option<String>>,
}

impl Shared {
    pub fn new(cache_bytes: usize, head: Head) -> Self {
        Self { cache: Cache::new(cache_bytes), head: watch::Sender::new(head), trouble: Mutex::default() }
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

    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_trouble(&self, why: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}
