//! Leaves that were moved out of the database, read from the directory that holds them.
//!
//! | Rule | Why |
//! |---|---|
//! | in place of a leaf that was moved stands its hash | 32 bytes are no leaf, and what the archive gives back is held against them |
//! | an archive is a directory of entry bundles, C2SP tlog-tiles; only full ones are read | anybody can check it without this program |
//! | without the archive an event is refused by name, never left out | DESIGN: rule 3 |
//!
//! Out of scope: making the archive (`audit export`), deciding what goes (`app::archiving`).

pub mod prune;

use std::collections::VecDeque;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chancery_tree::tile::{Content, TILE_WIDTH, Tile};
use chancery_tree::{Hash, bundle, leaf_hash};

use crate::check::StoredEvent;
use crate::error::ReadError;
use crate::recorded::Recorded;

/// Bundles in memory: one is 256 events, and who walks through the log needs one at a time.
const KEPT: usize = 4;

/// What a full bundle can hold at most.
const MOST: u64 = TILE_WIDTH * (2 + bundle::MOST as u64);

/// The hash that stands in the place of a leaf. No leaf is so short.
pub(crate) fn moved(leaf: &[u8]) -> Option<Hash> {
    leaf.try_into().ok()
}

/// A directory with archived events, or none.
#[derive(Default)]
pub(crate) struct Archive {
    root: Option<PathBuf>,
    kept: Mutex<VecDeque<(u64, Arc<Vec<Bytes>>)>>,
}

impl Archive {
    pub fn new(root: Option<PathBuf>) -> Self {
        Self { root, kept: Mutex::default() }
    }

    /// Puts back the leaves that were moved. Blocks while it reads a file.
    pub fn fill(&self, events: &mut [Recorded]) -> Result<(), ReadError> {
        let last = events.last().map_or(0, |event| event.version);
        for event in events {
            if let Some(hash) = moved(&event.leaf) {
                event.leaf = self.leaf(event.position, hash).map_err(|error| error.of_stream(last))?;
            }
        }
        Ok(())
    }

    /// The same for events as they are stored.
    pub fn fill_stored(&self, events: &mut [StoredEvent]) -> Result<(), ReadError> {
        for event in events {
            if let Some(hash) = moved(&event.leaf) {
                event.leaf = self.leaf(event.position, hash)?.to_vec();
            }
        }
        Ok(())
    }

    fn leaf(&self, position: u64, hash: Hash) -> Result<Bytes, ReadError> {
        let Some(root) = &self.root else { return Err(ReadError::Archived { position, version: 0 }) };
        let index = position / TILE_WIDTH;
        let bundle = match self.known(index) {
            Some(bundle) => bundle,
            None => {
                let bundle = Arc::new(read(root, index).map_err(|what| ReadError::Damaged { position, what })?);
                self.keep(index, &bundle);
                bundle
            }
        };
        let at = usize::try_from(position % TILE_WIDTH).unwrap_or(usize::MAX);
        match bundle.get(at) {
            Some(leaf) if leaf_hash(leaf) == hash => Ok(leaf.clone()),
            _ => {
                Err(ReadError::Damaged { position, what: "the event in the archive does not have the hash that the log has for it".into() })
            }
        }
    }

    fn known(&self, index: u64) -> Option<Arc<Vec<Bytes>>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(own, _)| *own == index).map(|(_, bundle)| bundle.clone())
    }

    fn keep(&self, index: u64, bundle: &Arc<Vec<Bytes>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((index, bundle.clone()));
    }
}

fn read(root: &std::path::Path, index: u64) -> Result<Vec<Bytes>, String> {
    let tile = Tile { content: Content::Entries, index, width: 256 };
    let failed = |error: std::io::Error| format!("the archive: {tile}: {error}");
    let mut bytes = Vec::new();
    File::open(root.join(tile.to_string())).map_err(failed)?.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    let bytes = Bytes::from(bytes);
    bundle::entries(&bytes)
        .map(|entry| entry.map(|entry| bytes.slice_ref(entry)).map_err(|why| format!("the archive: {tile}: {why}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(position: u64, leaf: &[u8]) -> Recorded {
        let leaf = Bytes::copy_from_slice(leaf);
        Recorded { position, stream: "s".into(), version: position + 1, kind: "K".into(), recorded_at: 1, leaf }
    }

    fn folder() -> (tempfile::TempDir, Archive) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        for at in 0..256 {
            assert!(bundle::push(&mut bytes, format!("leaf {at}").as_bytes()));
        }
        std::fs::create_dir_all(folder.path().join("tile/entries")).unwrap();
        std::fs::write(folder.path().join("tile/entries/001"), bytes).unwrap();
        let archive = Archive::new(Some(folder.path().to_owned()));
        (folder, archive)
    }

    #[test]
    fn a_leaf_comes_back_from_the_archive_and_what_is_here_stays() {
        let (_folder, archive) = folder();
        let mut events = [recorded(256, &leaf_hash(b"leaf 0")), recorded(257, b"{\"here\":true}")];
        archive.fill(&mut events).unwrap();
        assert_eq!((&events[0].leaf[..], &events[1].leaf[..]), (&b"leaf 0"[..], &b"{\"here\":true}"[..]));
    }

    #[test]
    fn another_leaf_than_the_one_that_was_moved_is_damage() {
        let (_folder, archive) = folder();
        for mut other in [recorded(257, &leaf_hash(b"leaf 0")), recorded(0, &leaf_hash(b"leaf 0"))] {
            let found = archive.fill(std::slice::from_mut(&mut other)).unwrap_err();
            assert!(matches!(found, ReadError::Damaged { position, .. } if position == other.position), "{found}");
        }
    }

    #[test]
    fn without_an_archive_the_event_is_refused_by_its_position() {
        let mut events = [recorded(256, &leaf_hash(b"leaf 0")), recorded(300, b"{\"here\":true}")];
        let refused = Archive::default().fill(&mut events).unwrap_err();
        assert!(matches!(refused, ReadError::Archived { position: 256, version: 301 }), "{refused}");
    }
}
