//! `chancery replay`: the log up to a moment, folded into a database that an auditor opens with any SQLite program.
//!
//! | Rule | Why |
//! |---|---|
//! | the leaves are hashed on the way, and the root stands in `about` | the database says of which log it is, and can be held against a checkpoint |
//! | each state is the fold of its events up to the moment | what a stream became later is not in it |
//! | personal data stays ciphertext | this reads the log, not the vault; what is erased stays erased |

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chancery_core::time::Timestamp;
use chancery_ledger::Ledger;
use chancery_ledger::standing::{Standing, StoodEvent, StoodState};
use chancery_projections::audit::moment::{self, Moment, Place, written};
use chancery_projections::audit::{actor_of, client_of};
use chancery_projections::envelope::Envelope;
use chancery_tree::{Frontier, Hash, leaf_hash};

use super::audit;
use super::outcome::usage;
use super::print::{self, Progress};
use crate::app::clock::Clock;
use crate::config::Config;

/// Events in one read.
const PAGE: u32 = 1000;
/// Streams in one step.
const STREAMS: u32 = 200;
/// A stream with so many events is read alone, page by page.
const LONG: u32 = 100;

#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  chancery replay --to sqlite:then.db --until 2026-11-01
  sqlite3 then.db \"SELECT key, json_extract(state, '$.standing') FROM states WHERE kind = 'account'\"")]
pub struct Args {
    /// Position (and everything before it) or RFC 3339 time; everything without it
    #[arg(long, value_name = "MOMENT", value_parser = audit::questions::parse_moment)]
    until: Option<Moment>,
    /// sqlite:FILE, which must not be there yet
    #[arg(long, value_name = "sqlite:FILE")]
    to: String,
}

pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    let Some(file) = args.to.strip_prefix("sqlite:").filter(|file| !file.is_empty()) else {
        return Err(usage("--to is sqlite: and the name of a file"));
    };
    let ledger = audit::open(&config).await?;
    let path = PathBuf::from(file);
    let stood = stand(&ledger, &path, args.until, Clock::System.now_ms()).await?;
    Ok(print::line(format_args!(
        "{}: {} events in {} streams, as of {}; root {}",
        path.display(),
        stood.place.size,
        stood.streams,
        written(stood.place.at.0),
        audit::hex(&stood.root)
    ))?)
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Stood {
    pub place: Place,
    pub root: Hash,
    pub streams: u64,
}

/// Writes how things stood at a moment, or stand now (`now`: milliseconds since the epoch), into a file that is not there yet.
///
/// # Errors
/// A log that cannot be read or does not hash to its head; a file that is there.
pub async fn stand(ledger: &Ledger, path: &Path, until: Option<Moment>, now: i64) -> anyhow::Result<Stood> {
    let head = ledger.head().await?.size;
    let place = match until {
        Some(until) => until.place(ledger).await?,
        None => Place { size: head, at: Timestamp(now) },
    };
    let mut standing = Standing::create(path)?;
    let root = events(ledger, &mut standing, place).await?;
    if place.size == head && root != ledger.head().await?.root && ledger.head().await?.size == head {
        bail!("the events do not hash to the head of the log; run `chancery audit verify`");
    }
    let streams = states(ledger, &mut standing, place).await?;
    let first = ledger.read_all(0, 1).await?;
    let first = Envelope::read(first.first().context("the log is empty")?)?;
    let of_log = |name: &str| first.data.get(name).and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    standing.finish(&[
        ("log_id", of_log("log_id")),
        ("origin", of_log("origin")),
        ("issuer", of_log("issuer")),
        ("until_position", place.last().map_or_else(|| "none".to_owned(), |last| last.to_string())),
        ("until_time", written(place.at.0)),
        ("size", place.size.to_string()),
        ("root", audit::hex(&root)),
        ("made_by", format!("chancery {}", env!("CARGO_PKG_VERSION"))),
    ])?;
    Ok(Stood { place, root, streams })
}

async fn events(ledger: &Ledger, standing: &mut Standing, place: Place) -> anyhow::Result<Hash> {
    let progress = Progress::new("events");
    let mut tree = Frontier::default();
    while tree.size() < place.size {
        let most = u32::try_from(place.size - tree.size()).unwrap_or(PAGE).min(PAGE);
        let mut rows = Vec::with_capacity(most as usize);
        for recorded in ledger.read_all(tree.size(), most).await? {
            let envelope = Envelope::read(&recorded)?;
            let hash = leaf_hash(&recorded.leaf);
            tree.push(hash, &mut Vec::new());
            rows.push(StoodEvent {
                position: recorded.position,
                recorded_at: recorded.recorded_at,
                client: client_of(&envelope),
                actor: actor_of(&envelope),
                kind: envelope.kind,
                stream: envelope.stream,
                version: envelope.version,
                subject: envelope.subject,
                leaf: String::from_utf8(recorded.leaf.to_vec()).context("a leaf is no text")?,
                leaf_hash: audit::hex(&hash),
            });
        }
        standing.events(&rows)?;
        progress.at(tree.size(), place.size);
    }
    Ok(tree.root())
}

/// Folds each stream up to the moment; returns how many there are.
async fn states(ledger: &Ledger, standing: &mut Standing, place: Place) -> anyhow::Result<u64> {
    let progress = Progress::new("states");
    let (mut after, mut count, mut done) = (String::new(), 0, 0);
    loop {
        let streams = standing.streams(&after, STREAMS)?;
        let Some(last) = streams.last() else { return Ok(count) };
        after.clone_from(last);
        let mut rows = Vec::with_capacity(streams.len());
        let histories = ledger.read_streams(streams.clone(), LONG).await?;
        for (stream, history) in streams.into_iter().zip(histories) {
            count += 1;
            let then = match history.len() < LONG as usize {
                true => moment::folded_then(&stream, history, place)?,
                false => moment::stream_then(ledger, &stream, place).await?,
            };
            let Some(then) = then else { continue };
            done += then.version;
            let Some(state) = then.state else { continue };
            let kind = stream.split_once('-').map_or(stream.as_str(), |(kind, _)| kind).to_owned();
            rows.push(StoodState { kind, key: stream, version: then.version, state: state.to_string() });
        }
        standing.states(&rows)?;
        progress.at(done, place.size);
    }
}
