//! `chancery audit export --to`: the log as an auditor takes it away, a directory that `chancery-verify` reads.
//!
//! | File | What |
//! |---|---|
//! | `tile/entries/...`, `tile/<level>/...` | every event, and the tree over them (C2SP tlog-tiles) |
//! | `checkpoint` | size and root, signed by the log; written last, so that what is not named by it does not count yet |
//! | `keys` | the keys that ever signed for the log, as the log itself names them |
//! | `schemas/<stream>/<Event>.v1.json` | the shapes of events |
//! | `README.md` | what an auditor does with all this |
//!
//! A second run adds what is new. Full tiles are never written again; each file appears whole or not at all, so an interrupted run goes
//! on where it stopped. Hashes that are there are trusted until the end, where all of them have to lead to the signed root.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chancery_core::server::Log;
use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;
use chancery_ledger::recorded::Freshness;
use chancery_projections::inline;
use chancery_tree::hash::{Hash, complete};
use chancery_tree::tile::{Content, TILE_LEVELS, TILE_WIDTH, Tile};
use chancery_tree::{Checkpoint, Frontier, Note, bundle, leaf_hash};
use chancery_verify::export::STAMPED;
use chancery_verify::hex;
use chancery_verify::schema::EMBEDDED;
use chancery_verify::timestamp;

use crate::cli::print::{self, Progress};

const README: &str = include_str!("export_readme.md");

/// Writes or continues an export.
pub async fn run(ledger: &Ledger, to: &Path) -> anyhow::Result<()> {
    let directory = Directory { root: to.to_owned() };
    let shown = to.display();
    let note = latest(ledger).await?;
    let target = checkpoint(note.as_bytes())?;
    let old = directory.old_checkpoint()?;
    if let Some(old) = &old
        && (old.origin != target.origin || old.size > target.size)
    {
        bail!(
            "{shown} holds {} events of {}, this log has {} of {}: it is of another log, or the log was set back",
            old.size,
            old.origin,
            target.size,
            target.origin
        );
    }
    let mut writer = Writer { directory, size: target.size, archived: 0, tree: Frontier::default(), levels: Vec::new() };
    let resumed = writer.resume()?;
    let progress = Progress::new("exported");
    while writer.tree.size() < target.size {
        let from = writer.tree.size();
        let most = u32::try_from((target.size - from).min(TILE_WIDTH)).unwrap_or(256);
        writer.add(ledger, from, most).await?;
        progress.at(writer.tree.size(), target.size);
    }
    drop(progress);
    writer.finish()?;
    if writer.tree.root() != target.root {
        bail!(
            "what is in {shown} and this log do not hash to the root that the log signed: run `chancery audit verify`, and `chancery-verify {shown}` on an older copy"
        );
    }
    writer.directory.put(Path::new("keys"), keys(ledger).await?.as_bytes())?;
    for (path, text) in EMBEDDED {
        writer.directory.put(&Path::new("schemas").join(path), text.as_bytes())?;
    }
    if let Some(stamped) = stamped(ledger, target.size).await? {
        for (path, bytes) in stamped {
            writer.directory.put(&path, &bytes)?;
        }
    }
    writer.directory.put(Path::new("README.md"), README.as_bytes())?;
    writer.directory.put(Path::new("checkpoint"), note.as_bytes())?;
    if writer.archived > 0 {
        eprintln!(
            "The events before position {} are in the archive: here are their hashes. To check them too, give the archive to chancery-verify with --archive, or set archive.directory and export again.",
            writer.archived
        );
    }
    let new = target.size - old.map_or(0, |old| old.size);
    print::line(format_args!("{} events in {shown}, {new} of them new, {resumed} tiles kept; root {}", target.size, hex(&target.root)))?;
    Ok(())
}

/// The last checkpoint that an authority has stamped, with what `openssl ts -verify` wants of it: the text that was stamped, and each token.
async fn stamped(ledger: &Ledger, size: u64) -> anyhow::Result<Option<Vec<(PathBuf, Vec<u8>)>>> {
    let Some(kept) = ledger.kept_note(size).await? else { return Ok(None) };
    let note = Note::parse(kept.note.as_bytes())?;
    if timestamp::lines(&note).next().is_none() {
        return Ok(None);
    }
    let text = (PathBuf::from("timestamp/text"), note.text().as_bytes().to_vec());
    let mut files = vec![(PathBuf::from(STAMPED), kept.note.clone().into_bytes()), text];
    for (number, line) in timestamp::lines(&note).enumerate() {
        files.push((PathBuf::from(format!("timestamp/{number}.tst")), line.bytes.clone()));
    }
    Ok(Some(files))
}

/// The signed head of the last commit, with cosignatures where witnesses gave some.
pub(super) async fn latest(ledger: &Ledger) -> anyhow::Result<String> {
    let note = ledger.note().await?.context("the log has no signed checkpoint yet: start the server once")?;
    let size = checkpoint(note.as_bytes())?.size;
    let kept = ledger.kept_note(size).await?.filter(|kept| kept.size == size);
    Ok(kept.map_or_else(|| note.to_string(), |kept| kept.note.clone()))
}

pub(super) fn checkpoint(note: &[u8]) -> anyhow::Result<Checkpoint> {
    Ok(Checkpoint::parse(Note::parse(note)?.text())?)
}

/// Every key that signed for the log, with the positions between which it did.
async fn keys(ledger: &Ledger) -> anyhow::Result<String> {
    let mut text = String::from(
        "# Keys that signed checkpoints of this log, as the log names them. Compare them with what you were told elsewhere.\n",
    );
    let events = match ledger.read_stream("log", 1).await {
        // Its first events are in the archive; what they added up to is not.
        Err(ReadError::Archived { .. }) => {
            let row = ledger.row("log", "log", Freshness::Fresh).await?.context("the log has no row of its own")?;
            for key in inline::state::<Log>(&row)?.state.keys {
                text.push_str(&format!("{}\n", key.vkey));
            }
            return Ok(text);
        }
        events => events?,
    };
    for event in events {
        let value = || serde_json::from_slice::<serde_json::Value>(&event.leaf);
        match event.kind.as_str() {
            "LogKeyCreated" => {
                text.push_str(&format!("# from position {}\n{}\n", event.position, value()?["data"]["vkey"].as_str().unwrap_or_default()))
            }
            "LogKeyRetired" => text.push_str(&format!(
                "# {} was retired at position {}\n",
                value()?["data"]["key_id"].as_str().unwrap_or_default(),
                event.position
            )),
            _ => {}
        }
    }
    Ok(text)
}

struct Directory {
    root: PathBuf,
}

impl Directory {
    fn old_checkpoint(&self) -> anyhow::Result<Option<Checkpoint>> {
        let path = self.root.join("checkpoint");
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(checkpoint(&bytes).with_context(|| format!("{} is not of an export", path.display()))?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }

    /// Writes a file whole or not at all. Readable by its owner only: events name people by ids.
    fn put(&self, name: &Path, bytes: &[u8]) -> anyhow::Result<()> {
        let path = self.root.join(name);
        let failed = || path.display().to_string();
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(failed)?;
        }
        let draft = path.with_extension("new");
        let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&draft).with_context(failed)?;
        file.write_all(bytes).with_context(failed)?;
        if name == Path::new("checkpoint") {
            file.sync_all()?;
        }
        fs::rename(&draft, &path).with_context(failed)
    }

    fn put_tile(&self, tile: Tile, bytes: &[u8]) -> anyhow::Result<()> {
        let name = tile.to_string();
        self.put(Path::new(&name), bytes)?;
        // C2SP tlog-tiles: a partial tile may go once a wider one is there.
        let partial = self.root.join(format!("{}.p", name.split(".p/").next().unwrap_or(&name)));
        for entry in fs::read_dir(&partial).into_iter().flatten() {
            let path = entry?.path();
            if path != self.root.join(&name) {
                fs::remove_file(path)?;
            }
        }
        if tile.is_full() && partial.exists() {
            fs::remove_dir(partial)?;
        }
        Ok(())
    }

    /// The hashes of a full tile of leaves whose entries are there too; `None` where the export has to go on.
    fn kept(&self, index: u64) -> Option<Vec<Hash>> {
        let path = |content| self.root.join(Tile { content, index, width: 256 }.to_string());
        let bytes = fs::read(path(Content::Hashes(0))).ok()?;
        let (hashes, rest) = bytes.as_chunks::<32>();
        let is_whole =
            rest.is_empty() && hashes.len() as u64 == TILE_WIDTH && fs::metadata(path(Content::Entries)).is_ok_and(|file| file.len() > 0);
        is_whole.then(|| hashes.to_vec())
    }
}

struct Writer {
    directory: Directory,
    size: u64,
    /// Events before this position are in an archive that is not here.
    archived: u64,
    tree: Frontier,
    /// From level 1 up: index of the tile that fills, and its hashes so far.
    levels: Vec<(u64, Vec<Hash>)>,
}

impl Writer {
    /// Takes over full tiles that are there already, from the left, as far as they go.
    fn resume(&mut self) -> anyhow::Result<u64> {
        let mut index = 0;
        while (index + 1) * TILE_WIDTH <= self.size
            && let Some(hash) = self.directory.kept(index).and_then(|hashes| complete(&hashes))
        {
            self.push_tile(hash)?;
            index += 1;
        }
        Ok(index)
    }

    async fn add(&mut self, ledger: &Ledger, from: u64, most: u32) -> anyhow::Result<()> {
        let stored = ledger.hashes(0, from, most).await?;
        let events = match ledger.read_all(from, most).await {
            Ok(events) => events,
            Err(ReadError::Archived { .. }) if stored.len() as u64 == TILE_WIDTH => return self.add_hashes(from, stored),
            Err(error) => return Err(error.into()),
        };
        let (mut entries, mut hashes) = (Vec::new(), Vec::new());
        for (event, stored) in events.iter().zip(&stored) {
            let hash = leaf_hash(&event.leaf);
            if hash != *stored {
                bail!(
                    "position {}: the event does not have its stored hash; nothing is exported from a log that was changed",
                    event.position
                );
            }
            if !bundle::push(&mut entries, &event.leaf) {
                bail!("position {}: the event is larger than an entry can be", event.position);
            }
            hashes.push(hash);
        }
        if hashes.len() != most as usize {
            bail!("position {}: an event or its hash is missing in the log", from + hashes.len() as u64);
        }
        let width = u16::try_from(hashes.len()).unwrap_or(256);
        let tile = |content| Tile { content, index: from / TILE_WIDTH, width };
        self.directory.put_tile(tile(Content::Entries), &entries)?;
        self.directory.put_tile(tile(Content::Hashes(0)), &hashes.concat())?;
        match complete(&hashes).filter(|_| u64::from(width) == TILE_WIDTH) {
            Some(hash) => self.push_tile(hash),
            None => {
                hashes.into_iter().for_each(|hash| self.tree.push(hash, &mut Vec::new()));
                Ok(())
            }
        }
    }

    /// A tile whose events are in an archive that is not here: its hashes alone. C2SP tlog-tiles, pruning.
    fn add_hashes(&mut self, from: u64, hashes: Vec<Hash>) -> anyhow::Result<()> {
        self.archived = from + TILE_WIDTH;
        self.directory.put_tile(Tile { content: Content::Hashes(0), index: from / TILE_WIDTH, width: 256 }, &hashes.concat())?;
        complete(&hashes).map_or(Ok(()), |hash| self.push_tile(hash))
    }

    /// A full tile of leaves, by its hash: up through the levels, writing what fills.
    fn push_tile(&mut self, hash: Hash) -> anyhow::Result<()> {
        self.tree.push_subtree(TILE_LEVELS, hash, &mut Vec::new());
        let (mut hash, mut level) = (hash, 0);
        loop {
            if self.levels.len() == level {
                self.levels.push((0, Vec::new()));
            }
            let (index, waiting) = &mut self.levels[level];
            waiting.push(hash);
            if waiting.len() as u64 != TILE_WIDTH {
                return Ok(());
            }
            let tile = Tile { content: Content::Hashes(level as u32 + 1), index: *index, width: 256 };
            self.directory.put_tile(tile, &waiting.concat())?;
            let Some(above) = complete(waiting) else { return Ok(()) };
            waiting.clear();
            *index += 1;
            (hash, level) = (above, level + 1);
        }
    }

    /// The tiles above the leaves that stay partial.
    fn finish(&self) -> anyhow::Result<()> {
        for (level, (index, waiting)) in self.levels.iter().enumerate().filter(|(_, (_, waiting))| !waiting.is_empty()) {
            let width = u16::try_from(waiting.len()).unwrap_or(256);
            self.directory.put_tile(Tile { content: Content::Hashes(level as u32 + 1), index: *index, width }, &waiting.concat())?;
        }
        Ok(())
    }
}
