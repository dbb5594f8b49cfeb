//! `chancery audit prove`: one small file with events and the proofs that they are in the log. `chancery-verify` reads it.
//!
//! | Asked | Answered with |
//! |---|---|
//! | `--position N` | that event |
//! | `--token ID` | the grant behind the token or code: everything on its stream, and what it rests on |
//! | `--subject ID` | every event about the account |
//!
//! A token's text never gets onto the command line: `ID` is a grant, or the SHA-256 digest of the token in base64url, as it stands in events.
//! With `-` the text of the token is read from stdin and hashed here.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use chancery_core::token::opaque;
use chancery_ledger::Ledger;
use chancery_projections::audit::query::{Question, ask};
use chancery_tree::{Checkpoint, Hash, Node, Recipe, TILE_LEVELS, VerifierKey};
use chancery_verify::bundle::{self, Bundle, FORMAT, Proven};
use serde_json::Value;

use super::{PAGE, tiles};
use crate::cli::print::{self, Progress};

/// Events in one bundle. Whoever needs more takes an export.
const MOST: usize = 10_000;

#[derive(Default, clap::Args)]
#[group(id = "question", required = true, multiple = false, args = ["token", "position", "subject"])]
pub struct Args {
    /// A grant's id, the digest of a token or code as it stands in events, or - to read the token itself from stdin
    #[arg(long, value_name = "ID")]
    pub token: Option<String>,
    /// One event
    #[arg(long, value_name = "POSITION")]
    pub position: Option<u64>,
    /// An account's id: every event about it
    #[arg(long, value_name = "ACCOUNT")]
    pub subject: Option<String>,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

pub async fn run(ledger: &Ledger, args: &Args) -> anyhow::Result<()> {
    let note = tiles::latest(ledger).await?;
    let checkpoint = tiles::checkpoint(note.as_bytes())?;
    let (question, positions) = find(ledger, args, checkpoint.size).await?;
    if positions.is_empty() {
        bail!("the log has no event that answers: {question}");
    }
    if positions.len() > MOST {
        bail!("{} events answer: {question}; a bundle holds {MOST}, take an export", positions.len());
    }
    let mut events = Vec::with_capacity(positions.len());
    let mut cache = BTreeMap::new();
    for position in positions {
        events.push(prove(ledger, &checkpoint, position, &mut cache).await?);
    }
    let bundle = Bundle { format: FORMAT.into(), question, checkpoint: note, keys: own_keys(ledger).await?, events };
    std::fs::write(&args.out, serde_json::to_vec_pretty(&bundle)?).with_context(|| args.out.display().to_string())?;
    let count = bundle.events.len();
    print::line(format_args!("{count} events with their proofs in {}; check it with chancery-verify {0}", args.out.display()))?;
    Ok(())
}

/// The question in words, and the positions that answer it.
async fn find(ledger: &Ledger, args: &Args, size: u64) -> anyhow::Result<(String, Vec<u64>)> {
    if let Some(position) = args.position {
        return Ok((format!("position {position}"), if position < size { vec![position] } else { Vec::new() }));
    }
    if let Some(subject) = &args.subject {
        let needle = format!("\"subject\":\"{subject}\"");
        let stream = format!("account-{subject}");
        let question = Question { subject: Some(subject.clone()), ..Question::default() };
        let (mut positions, reached) = indexed(ledger, question, size).await?;
        positions.extend(ledger.read_stream(&stream, 1).await?.iter().map(|event| event.position).filter(|position| *position < size));
        positions.extend(scan(ledger, reached..size, |stream_of, leaf| stream_of == stream || contains(leaf, needle.as_bytes())).await?);
        positions.sort_unstable();
        positions.dedup();
        return Ok((format!("everything about the account {subject}"), positions));
    }
    let given = args.token.clone().unwrap_or_default();
    let id = if given == "-" { digest_from_stdin()? } else { given };
    if !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) || id.is_empty() {
        bail!("an id has letters, digits, - and _ only; give the token itself on stdin with --token -");
    }
    let stream = grant_stream(ledger, &id, size).await?;
    let Some(stream) = stream else { return Ok((format!("the token {id}"), Vec::new())) };
    let own = ledger.read_stream(&stream, 1).await?;
    let mut positions: Vec<u64> = own.iter().map(|event| event.position).collect();
    if let Some(first) = own.first() {
        positions.extend(rests_on(ledger, &serde_json::from_slice::<Value>(&first.leaf)?["data"]).await?);
    }
    positions.retain(|position| *position < size);
    positions.sort_unstable();
    positions.dedup();
    Ok((format!("the token {id}, of {stream}, and what it rests on"), positions))
}

fn digest_from_stdin() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(4096).read_to_string(&mut text)?;
    Ok(opaque::digest(text.trim()).to_string())
}

/// A grant's own id, or the grant that names this digest.
async fn grant_stream(ledger: &Ledger, id: &str, size: u64) -> anyhow::Result<Option<String>> {
    let named = format!("grant-{}", id.strip_prefix("grant-").unwrap_or(id));
    if !ledger.read_stream(&named, 1).await?.is_empty() {
        return Ok(Some(named));
    }
    let needle = format!("\"{id}\"");
    let is_of_grant = |stream: &str, leaf: &[u8]| stream.starts_with("grant-") && contains(leaf, needle.as_bytes());
    let (mut found, _) = indexed(ledger, Question { token: Some(id.to_owned()), ..Question::default() }, size).await?;
    if found.is_empty() {
        // Not as a token that was issued; perhaps in another way, which only reading everything tells.
        found = scan(ledger, 0..size, is_of_grant).await?;
    }
    let Some(first) = found.first() else { return Ok(None) };
    Ok(ledger.read_all(*first, 1).await?.first().map(|event| event.stream.clone()))
}

/// Streams of those that a grant rests on: request, session, consent; of account and client all there is.
async fn rests_on(ledger: &Ledger, data: &Value) -> anyhow::Result<Vec<u64>> {
    let text = |name: &str| data[name].as_str();
    let mut streams: Vec<String> =
        ["interaction", "session", "account", "client"].iter().filter_map(|kind| Some(format!("{kind}-{}", text(kind)?))).collect();
    if let (Some(account), Some(client)) = (text("account"), text("client")) {
        streams.push(format!("consent-{account}-{client}"));
    }
    let mut positions = Vec::new();
    for stream in streams {
        positions.extend(ledger.read_stream(&stream, 1).await?.iter().map(|event| event.position));
    }
    Ok(positions)
}

/// What the audit index knows, and how far it has come: what lies beyond is read.
async fn indexed(ledger: &Ledger, question: Question, size: u64) -> anyhow::Result<(Vec<u64>, u64)> {
    let (mut found, mut from) = (Vec::new(), 0);
    loop {
        let page = ask(ledger, &Question { from, until: Some(size), limit: PAGE, ..question.clone() }).await?;
        found.extend(page.events.iter().map(|event| event.recorded.position));
        match page.next {
            Some(next) => from = next,
            None => return Ok((found, page.indexed.min(size))),
        }
    }
}

async fn scan(ledger: &Ledger, part: Range<u64>, wanted: impl Fn(&str, &[u8]) -> bool) -> anyhow::Result<Vec<u64>> {
    let progress = Progress::new("searched");
    let (mut at, size, mut found) = (part.start, part.end, Vec::new());
    while at < size {
        let most = u32::try_from(size - at).unwrap_or(PAGE).min(PAGE);
        let events = ledger.read_all(at, most).await?;
        at += events.len() as u64;
        found.extend(events.iter().filter(|event| wanted(&event.stream, &event.leaf)).map(|event| event.position));
        progress.at(at, size);
    }
    Ok(found)
}

fn contains(leaf: &[u8], needle: &[u8]) -> bool {
    std::str::from_utf8(leaf).ok().zip(std::str::from_utf8(needle).ok()).is_some_and(|(leaf, needle)| leaf.contains(needle))
}

async fn prove(ledger: &Ledger, checkpoint: &Checkpoint, position: u64, cache: &mut BTreeMap<Node, Hash>) -> anyhow::Result<Proven> {
    let event = ledger.read_all(position, 1).await?.pop().with_context(|| format!("position {position}: the event is missing"))?;
    let recipe = Recipe::inclusion(position, checkpoint.size).context("the event lies beyond the checkpoint")?;
    for node in recipe.nodes() {
        if cache.contains_key(&node) {
            continue;
        }
        let (level, range) = node.in_tiles();
        let count = u32::try_from(range.end - range.start)?;
        let hashes = ledger.hashes(level * TILE_LEVELS, range.start, count).await?;
        let hash = node.hash(&hashes).context("a stored hash is missing: run `chancery audit verify`")?;
        cache.insert(node, hash);
    }
    let path = recipe.build(|node| cache.get(&node).copied()).context("a hash of the proof is missing")?;
    let leaf = String::from_utf8(event.leaf.to_vec()).with_context(|| format!("position {position}: the event is not a text"))?;
    Ok(Proven { position, leaf, path: path.iter().map(bundle::encode).collect() })
}

async fn own_keys(ledger: &Ledger) -> anyhow::Result<Vec<String>> {
    let events = ledger.read_stream("log", 1).await?;
    let created = events.iter().filter(|event| event.kind == "LogKeyCreated");
    let vkey = |leaf: &[u8]| serde_json::from_slice::<Value>(leaf).ok()?["data"]["vkey"].as_str()?.parse::<VerifierKey>().ok();
    Ok(created.filter_map(|event| vkey(&event.leaf)).map(|key| key.to_string()).collect())
}
