//! A whole export, in parallel over its tiles.
//!
//! | Checked | Against |
//! |---|---|
//! | each event's bytes | its hash in `tile/0`, and everything of `event` |
//! | the events' bytes alone, where nothing more is asked (`only_bytes`) | as the first line says, without `event` and `fold` |
//! | each tile above | the tiles below (`levels`) |
//! | all events together | `fold`, in one order, on one thread |
//! | size and root | `checkpoint`, and its signature |
//! | what was stamped, and when (`timestamp`) | the text of the checkpoint |
//! | the tree as it was | an earlier checkpoint, if there is one; roots that events name (`roots`) |

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use chancery_tree::hash::{Hash, complete};
use chancery_tree::tile::{Content, TILE_LEVELS, TILE_WIDTH, Tile};
use chancery_tree::{Frontier, VerifierKey, bundle, leaf_hash};

use crate::event::Judge;
use crate::fact::Fact;
use crate::fold::Fold;
use crate::levels::{Levels, Tiles};
use crate::roots::Named;
use crate::signature::{self, Signed};
use crate::timestamp::{self, Stamp};
use crate::{Finding, hex, pipeline};

/// What to hold an export against.
#[derive(Default)]
pub struct Asked {
    /// Keys that are trusted; empty means the log's own.
    pub keys: Vec<VerifierKey>,
    /// An earlier checkpoint, as it was saved.
    pub since: Option<Vec<u8>>,
    pub with_schemas: bool,
    /// Hashes, tiles, root and signature, and nothing of what events say. Needs `keys`, since the log's own are named by events.
    pub only_bytes: bool,
    pub threads: usize,
}

/// What was found to be so.
#[derive(Clone, Debug)]
pub struct Whole {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    pub signed_by: VerifierKey,
    /// The key came from the log itself.
    pub own_key: bool,
    /// Size of the earlier checkpoint.
    pub since: Option<u64>,
    /// Bytes of all events.
    pub bytes: u64,
    /// Things that the last pass held at its end.
    pub held: usize,
    /// A second pass was needed for streams that came up again.
    pub passes: u32,
    /// What authorities say of this checkpoint, or of an earlier one that came along: its size with each. Their signatures were not checked.
    pub stamps: Vec<(u64, Stamp)>,
}

/// The directory of an export.
pub struct Export {
    root: PathBuf,
    /// Where files are that are not here: an archive of the same log.
    archive: Option<PathBuf>,
}

impl Export {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), archive: None }
    }

    /// An export of a log from which old events were moved, with the archive that has them.
    #[must_use]
    pub fn with_archive(self, archive: Option<PathBuf>) -> Self {
        Self { archive, ..self }
    }

    fn open(&self, name: &str) -> std::io::Result<File> {
        match (File::open(self.root.join(name)), &self.archive) {
            (Err(error), Some(archive)) if error.kind() == ErrorKind::NotFound => File::open(archive.join(name)),
            (opened, _) => opened,
        }
    }

    fn has(&self, name: &str) -> bool {
        self.root.join(name).exists()
    }

    fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, String> {
        let failed = |error: std::io::Error| match (error.kind(), &self.archive) {
            (ErrorKind::NotFound, None) if name.starts_with("tile/entries/") => {
                format!("{name} is not here: if the events were archived, name the archive with --archive")
            }
            _ => format!("{name}: {error}"),
        };
        let mut bytes = Vec::new();
        let file = self.open(name).map_err(failed)?;
        file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > most { Err(format!("{name} is larger than it can be")) } else { Ok(bytes) }
    }
}

/// The last checkpoint that an authority stamped, where it is not the last of all.
pub const STAMPED: &str = "timestamp/checkpoint";

impl Tiles for Export {
    fn hashes(&self, tile: Tile) -> Result<Vec<u8>, String> {
        self.read(&tile.to_string(), TILE_WIDTH * 32)
    }
}

/// What one thread found in one tile of events.
struct Chunk {
    facts: Vec<Fact>,
    hashes: Vec<Hash>,
    bytes: u64,
    finding: Option<Finding>,
}

/// Checks everything. `progress` is told how many events are done, of how many.
///
/// # Errors
/// The first thing that is wrong.
pub fn verify(export: &Export, asked: &Asked, progress: impl FnMut(u64, u64)) -> Result<Whole, Finding> {
    let signed = signature::read(&export.read("checkpoint", chancery_tree::note::MOST as u64).map_err(Finding::general)?)?;
    if !asked.keys.is_empty() {
        signature::signed_by(&signed, &asked.keys)?;
    }
    let since = asked.since.as_deref().map(signature::read).transpose()?;
    let size = signed.checkpoint.size;
    if let Some(since) = &since {
        if since.checkpoint.origin != signed.checkpoint.origin {
            return Err(Finding::general("the earlier checkpoint is of another log"));
        }
        if since.checkpoint.size > size {
            let missing = format!(
                "the earlier checkpoint counts {} events, this export {size}: events are missing from here on",
                since.checkpoint.size
            );
            return Err(Finding::at(size, missing));
        }
    }
    let judge = Judge::new(asked.with_schemas);
    let mut pass = Pass { export, judge: &judge, asked, signed: &signed, since: since.as_ref(), progress };
    let mut seen = pass.run(Fold::default())?;
    if asked.only_bytes {
        let signed_by = signature::signed_by(&signed, &asked.keys)?;
        if let Some(since) = &since {
            signature::signed_by(since, &asked.keys)?;
        }
        let (checkpoint, since) = (signed.checkpoint, since.map(|since| since.checkpoint.size));
        let (origin, root) = (checkpoint.origin, checkpoint.root);
        return Ok(Whole {
            origin,
            size,
            root,
            signed_by,
            own_key: false,
            since,
            bytes: seen.bytes,
            held: 0,
            passes: 1,
            stamps: Vec::new(),
        });
    }
    let mut passes = 1;
    if !seen.fold.late().is_empty() {
        // Streams that came up again after they were forgotten: once more, without forgetting these.
        seen = pass.run(Fold::keeping(seen.fold.late().clone()))?;
        passes = 2;
    }
    for named in seen.fold.roots() {
        check_root(export, named, size)?;
    }
    let own = signature::own_keys(seen.fold.log_keys(), size);
    let keys = if asked.keys.is_empty() { &own } else { &asked.keys };
    let signed_by = signature::signed_by(&signed, keys)?;
    if !own.contains(&signed_by) {
        return Err(Finding::general(format!(
            "the key {signed_by} signed the checkpoint, but the log does not name it as its own at that size"
        )));
    }
    if let Some(since) = &since {
        signature::signed_by(
            since,
            &if asked.keys.is_empty() { signature::own_keys(seen.fold.log_keys(), since.checkpoint.size) } else { asked.keys.clone() },
        )?;
    }
    let stamps = stamps(export, &signed, |earlier| {
        let own = signature::own_keys(seen.fold.log_keys(), earlier.checkpoint.size);
        signature::signed_by(earlier, if asked.keys.is_empty() { &own } else { &asked.keys })
    })?;
    Ok(Whole {
        origin: signed.checkpoint.origin.clone(),
        size,
        root: signed.checkpoint.root,
        signed_by,
        own_key: asked.keys.is_empty(),
        since: since.map(|since| since.checkpoint.size),
        bytes: seen.bytes,
        held: seen.fold.held(),
        passes,
        stamps,
    })
}

struct Pass<'a, P> {
    export: &'a Export,
    judge: &'a Judge,
    asked: &'a Asked,
    signed: &'a Signed,
    since: Option<&'a Signed>,
    progress: P,
}

struct Seen {
    fold: Fold,
    tree: Frontier,
    levels: Levels,
    bytes: u64,
}

impl<P: FnMut(u64, u64)> Pass<'_, P> {
    fn run(&mut self, fold: Fold) -> Result<Seen, Finding> {
        let size = self.signed.checkpoint.size;
        let mut seen = Seen { fold, tree: Frontier::default(), levels: Levels::default(), bytes: 0 };
        let (export, since, progress) = (self.export, self.since, &mut self.progress);
        let judge = (!self.asked.only_bytes).then_some(self.judge);
        let chunks = size.div_ceil(TILE_WIDTH);
        pipeline::in_order(
            chunks,
            self.asked.threads,
            |index| chunk(export, judge, index, size),
            |_, chunk: Chunk| {
                // Facts stand before the finding, so that the first bad position is named, whoever finds it.
                for fact in &chunk.facts {
                    seen.fold.add(fact).map_err(|why| Finding::at(fact.position, why))?;
                }
                if let Some(finding) = chunk.finding {
                    return Err(finding);
                }
                seen.bytes += chunk.bytes;
                grow(&mut seen, &chunk.hashes, since, export)?;
                progress(seen.tree.size(), size);
                Ok(())
            },
        )?;
        seen.levels.finish(export)?;
        compare_since(&seen.tree, since)?;
        let root = seen.tree.root();
        if root != self.signed.checkpoint.root {
            let (own, theirs) = (hex(&root), hex(&self.signed.checkpoint.root));
            let last = size.saturating_sub(1);
            return Err(Finding::general(format!(
                "the events 0 to {last} hash to {own}, the checkpoint says {theirs}: events were changed together with their tiles, or the checkpoint is of other ones"
            )));
        }
        if !self.asked.only_bytes && seen.fold.origin() != Some(self.signed.checkpoint.origin.as_str()) {
            return Err(Finding::at(
                0,
                format!("the checkpoint is of the log {}, the events are of another", self.signed.checkpoint.origin),
            ));
        }
        Ok(seen)
    }
}

/// Adds the hashes of one tile to the tree, and compares the tree on the way with what it was.
fn grow(seen: &mut Seen, hashes: &[Hash], since: Option<&Signed>, export: &Export) -> Result<(), Finding> {
    let end = seen.tree.size() + hashes.len() as u64;
    let looked_at = since.is_some_and(|since| (seen.tree.size()..end).contains(&since.checkpoint.size));
    let whole = complete(hashes).filter(|_| hashes.len() as u64 == TILE_WIDTH);
    if let Some(whole) = whole {
        seen.levels.push(whole, export)?;
    }
    match whole {
        Some(whole) if !looked_at => seen.tree.push_subtree(TILE_LEVELS, whole, &mut Vec::new()),
        _ => {
            for hash in hashes {
                compare_since(&seen.tree, since)?;
                seen.tree.push(*hash, &mut Vec::new());
            }
        }
    }
    Ok(())
}

/// A root that an event names, from the tiles, which were compared with the events before.
fn check_root(export: &Export, named: &Named, size: u64) -> Result<(), Finding> {
    let mut unread = None;
    let judged = named.judge(|node| {
        let (level, range) = node.in_tiles();
        let tile = Tile::of(Content::Hashes(level), range.start / TILE_WIDTH, size)?;
        let bytes = export.hashes(tile).map_err(|why| unread = Some(why)).ok()?;
        let (hashes, _) = bytes.as_chunks::<32>();
        let at = usize::try_from(range.start % TILE_WIDTH).ok()?;
        node.hash(hashes.get(at..at + usize::try_from(range.end - range.start).ok()?)?)
    });
    match unread {
        Some(why) => Err(Finding::at(named.position, why)),
        None => judged,
    }
}

/// Timestamps below the checkpoint, and below an earlier one that was stamped when it was the last. `vouched` checks who signed that.
fn stamps(
    export: &Export,
    signed: &Signed,
    vouched: impl Fn(&Signed) -> Result<VerifierKey, Finding>,
) -> Result<Vec<(u64, Stamp)>, Finding> {
    let size = signed.checkpoint.size;
    let mut all: Vec<_> = timestamp::of(&signed.note)?.into_iter().map(|stamp| (size, stamp)).collect();
    if !export.has(STAMPED) {
        return Ok(all);
    }
    let earlier = signature::read(&export.read(STAMPED, chancery_tree::note::MOST as u64).map_err(Finding::general)?)?;
    let own = &earlier.checkpoint;
    if own.origin != signed.checkpoint.origin || own.size > size || own.size == 0 {
        return Err(Finding::general(format!("{STAMPED} is of another log, or of a later time")));
    }
    vouched(&earlier)?;
    // The last event that it counts names it, as it were.
    let named = Named { position: own.size - 1, size: own.size, root: own.root };
    check_root(export, &named, size).map_err(|_| Finding::general(format!("{STAMPED} is not of this history: it has another root")))?;
    all.extend(timestamp::of(&earlier.note)?.into_iter().map(|stamp| (own.size, stamp)));
    Ok(all)
}

fn compare_since(tree: &Frontier, since: Option<&Signed>) -> Result<(), Finding> {
    let Some(since) = since.filter(|since| since.checkpoint.size == tree.size()) else { return Ok(()) };
    if tree.root() == since.checkpoint.root {
        return Ok(());
    }
    let last = since.checkpoint.size.saturating_sub(1);
    Err(Finding::general(format!(
        "the first {} events are not those of the earlier checkpoint: at least one from position 0 to {last} was changed since",
        since.checkpoint.size
    )))
}

/// One tile of events: hashes, and everything that a leaf can be asked on its own.
fn chunk(export: &Export, judge: Option<&Judge>, index: u64, size: u64) -> Chunk {
    let first = index * TILE_WIDTH;
    let mut chunk = Chunk { facts: Vec::new(), hashes: Vec::new(), bytes: 0, finding: None };
    let outcome = fill(export, judge, index, size, &mut chunk);
    chunk.finding = outcome.err().map(|(position, what)| Finding::at(position.unwrap_or(first), what));
    chunk
}

fn fill(export: &Export, judge: Option<&Judge>, index: u64, size: u64, chunk: &mut Chunk) -> Result<(), (Option<u64>, String)> {
    let nowhere = |what: String| (None, what);
    let tile = |content| Tile::of(content, index, size).ok_or_else(|| nowhere("there is no such tile".into()));
    let (entries, hashes) = (tile(Content::Entries)?, tile(Content::Hashes(0))?);
    let (width, first) = (u64::from(entries.width), entries.first());
    let bytes = export.read(&entries.to_string(), width * (2 + bundle::MOST as u64)).map_err(nowhere)?;
    let stored = export.hashes(hashes).map_err(nowhere)?;
    let (stored, rest) = stored.as_chunks::<32>();
    if stored.len() as u64 != width || !rest.is_empty() {
        return Err((None, format!("{hashes} has another length than {width} hashes")));
    }
    if judge.is_some() {
        chunk.facts.reserve(entries.width.into());
    }
    let mut read = bundle::entries(&bytes);
    for (position, stored) in (first..).zip(stored) {
        let at = |what: String| (Some(position), what);
        let leaf = match read.next() {
            Some(Ok(leaf)) => leaf,
            Some(Err(why)) => return Err(at(format!("{entries}: {why}"))),
            None => return Err(at(format!("the event is missing: {entries} has only {} entries", position - first))),
        };
        let hash = leaf_hash(leaf);
        if hash != *stored {
            return Err(at(format!("the bytes of the event in {entries} do not have the hash that {hashes} has for it")));
        }
        chunk.bytes += leaf.len() as u64;
        chunk.hashes.push(hash);
        if let Some(judge) = judge {
            chunk.facts.push(judge.leaf(position, leaf).map_err(at)?);
        }
    }
    if read.next().is_some() {
        return Err((Some(first + width), format!("{entries} has more than {width} entries")));
    }
    Ok(())
}
