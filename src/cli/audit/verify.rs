//! `chancery audit verify`: the whole log in its database, by the rules of the offline verifier.
//!
//! | Checked at each position | Against |
//! |---|---|
//! | the position | the one before: no gap, nothing twice |
//! | the leaf | its stored hash |
//! | every column beside the leaf | the same member of the leaf |
//! | the leaf alone, and all leaves together | `chancery_verify::event`, `chancery_verify::fold` |
//! | the hash of each complete tile | the stored one |
//! | and in the end size and root | the head, the signed checkpoint, an earlier checkpoint, roots that events name |
//!
//! Signatures are checked with the log's own keys, or with `--key`.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use anyhow::bail;
use chancery_ledger::Ledger;
use chancery_ledger::check::StoredEvent;
use chancery_ledger::leaf;
use chancery_tree::{Frontier, TILE_LEVELS, VerifierKey};
use chancery_verify::event::Judge;
use chancery_verify::fact::Stream;
use chancery_verify::fold::Fold;
use chancery_verify::signature::{self, Signed};
use chancery_verify::{Finding, hex};
use serde_json::json;
use tokio::time::Instant;

use super::PAGE;
use crate::cli::print::{self, Progress};

#[derive(Default, clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Trust the keys in this file and no others (one verifier key per line)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// An earlier checkpoint that was kept: the log has to be its continuation
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<PathBuf>,
    /// Hold the data of each event against its JSON Schema too
    #[arg(long)]
    schemas: bool,
}

/// What the log is held against.
struct Against {
    keys: Vec<VerifierKey>,
    /// Signed heads, with what each is called.
    heads: Vec<(&'static str, Signed)>,
}

pub async fn run(ledger: &Ledger, args: &Args) -> anyhow::Result<()> {
    let began = Instant::now();
    let keys = args.key.as_deref().map(signature::keys).transpose().map_err(anyhow::Error::msg)?.unwrap_or_default();
    let mut against = Against { keys, heads: Vec::new() };
    if let Some(since) = &args.since {
        against.heads.push(("the earlier checkpoint", signature::read(&std::fs::read(since)?).map_err(anyhow::Error::msg)?));
    }
    // Read before the head, which is then never behind it.
    if let Some(note) = ledger.note().await? {
        against.heads.push(("the signed checkpoint", signature::read(note.as_bytes()).map_err(anyhow::Error::msg)?));
    }
    let head = ledger.head().await?;
    let judge = Judge::new(args.schemas);
    let mut seen = pass(ledger, &judge, &against, head.size, HashSet::new()).await?;
    if !seen.fold.late().is_empty() {
        seen = pass(ledger, &judge, &against, head.size, seen.fold.late().clone()).await?;
    }
    let (ours, theirs) = (hex(&seen.tree.root()), hex(&head.root));
    if ours != theirs {
        bail!("the events hash to the root {ours}, the head of the log says {theirs}");
    }
    for named in seen.fold.roots() {
        let mut known = BTreeMap::new();
        for node in named.nodes() {
            let (level, range) = node.in_tiles();
            let count = u32::try_from(range.end - range.start)?;
            let hashes = ledger.hashes(level * TILE_LEVELS, range.start, count).await?;
            known.extend(node.hash(&hashes).map(|hash| (node, hash)));
        }
        named.judge(|node| known.get(&node).copied()).map_err(anyhow::Error::msg)?;
    }
    // With a server running an event may have come in since; then the head has moved too.
    if let Some(beyond) = ledger.stored(head.size, 1).await?.first()
        && ledger.head().await?.size <= beyond.position
    {
        bail!("position {}: the event lies beyond the head", beyond.position);
    }
    let signed_by = vouched(&against, &seen.fold)?;
    report(args, &seen, began.elapsed().as_secs_f64(), signed_by.as_ref())
}

fn report(args: &Args, seen: &Seen, seconds: f64, signed_by: Option<&VerifierKey>) -> anyhow::Result<()> {
    let (size, root) = (seen.tree.size(), hex(&seen.tree.root()));
    let rate = size as f64 / seconds.max(1e-6);
    let key = signed_by.map(ToString::to_string);
    if args.json {
        let report = json!({ "size": size, "root": root, "signed_by": key, "seconds": seconds, "events_per_second": rate.round() });
        return Ok(print::line(report)?);
    }
    print::line(format_args!("The log is whole: {size} events, root {root}"))?;
    match key {
        Some(key) => print::line(format_args!("Its checkpoint is signed by {key}"))?,
        None => print::line("It has no signed checkpoint yet")?,
    }
    eprintln!("{seconds:.2} s, {rate:.0} events/s");
    Ok(())
}

/// The key of the last checkpoint, once every checkpoint has one that counts.
fn vouched(against: &Against, fold: &Fold) -> anyhow::Result<Option<VerifierKey>> {
    let mut last = None;
    for (_, signed) in &against.heads {
        let own = signature::own_keys(fold.log_keys(), signed.checkpoint.size);
        let keys = if against.keys.is_empty() { &own } else { &against.keys };
        last = Some(signature::signed_by(signed, keys).map_err(anyhow::Error::msg)?);
    }
    Ok(last)
}

struct Seen {
    fold: Fold,
    tree: Frontier,
}

async fn pass(ledger: &Ledger, judge: &Judge, against: &Against, size: u64, keep: HashSet<Stream>) -> anyhow::Result<Seen> {
    let mut seen = Seen { fold: Fold::keeping(keep), tree: Frontier::default() };
    if let Some((what, signed)) = against.heads.iter().find(|(_, signed)| signed.checkpoint.size > size) {
        bail!("position {size}: {what} counts {} events, the log has {size}: events are missing from here on", signed.checkpoint.size);
    }
    let progress = Progress::new("verified");
    let mut completed = Vec::new();
    while seen.tree.size() < size {
        let from = seen.tree.size();
        let most = u32::try_from(size - from).unwrap_or(PAGE).min(PAGE);
        let events = ledger.stored(from, most).await?;
        for event in &events {
            compare_heads(&seen.tree, against)?;
            let position = seen.tree.size();
            next(&mut seen, judge, event, &mut completed).map_err(|why| anyhow::Error::msg(Finding::at(position, why)))?;
        }
        if events.is_empty() {
            bail!("position {from}: the event is missing");
        }
        for subtree in completed.drain(..) {
            let stored = ledger.hashes(subtree.level, subtree.index, 1).await?;
            if stored.first() != Some(&subtree.hash) {
                bail!(
                    "position {}: the stored hash of the {} events from here on is another",
                    subtree.index << subtree.level,
                    1_u64 << subtree.level
                );
            }
        }
        progress.at(seen.tree.size(), size);
    }
    compare_heads(&seen.tree, against)?;
    Ok(seen)
}

fn compare_heads(tree: &Frontier, against: &Against) -> anyhow::Result<()> {
    for (what, signed) in against.heads.iter().filter(|(_, signed)| signed.checkpoint.size == tree.size()) {
        if signed.checkpoint.root != tree.root() {
            bail!(
                "the first {} events hash to {}, {what} says {}: at least one of them was changed",
                tree.size(),
                hex(&tree.root()),
                hex(&signed.checkpoint.root)
            );
        }
    }
    Ok(())
}

fn next(seen: &mut Seen, judge: &Judge, event: &StoredEvent, completed: &mut Vec<chancery_tree::frontier::Subtree>) -> Result<(), String> {
    let position = seen.tree.size();
    if event.position != position {
        return Err(format!("the event is missing; position {} stands here", event.position));
    }
    let hash = leaf::hash(&event.leaf);
    if hash[..] != event.leaf_hash[..] {
        return Err("the leaf does not have its stored hash: one of the two was changed".into());
    }
    let fact = judge.leaf(position, &event.leaf)?;
    let members = leaf::members(&event.leaf).ok_or("the leaf is not an event")?;
    let is_same = members.id == event.id
        && members.stream == event.stream
        && members.version == event.version
        && members.kind == event.kind
        && members.schema == event.schema
        && members.recorded_at == event.recorded_at;
    if !is_same {
        return Err("what stands beside the leaf differs from it".into());
    }
    seen.fold.add(&fact)?;
    seen.tree.push(hash, completed);
    Ok(())
}
