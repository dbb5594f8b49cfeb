//! `chancery audit verify`: the whole log against its head, from the bytes of the events alone.
//!
//! | Checked at each position | Against |
//! |---|---|
//! | the position | the one before: no gap, nothing twice |
//! | stream, version, type and time beside the leaf | the same members of the leaf |
//! | the version | the stream's last one |
//! | the time | never goes back |
//! | type and schema | the catalogue of this program |
//! | and in the end size and Merkle root of all leaf hashes | the head |

use std::collections::{BTreeMap, HashMap};

use anyhow::bail;
use chancery_core::event::event_catalogue;
use chancery_ledger::Ledger;
use chancery_ledger::leaf;
use chancery_ledger::recorded::Recorded;
use chancery_tree::Frontier;
use serde_json::json;
use tokio::time::Instant;

use super::{PAGE, hex};
use crate::cli::print::{self, Progress};

#[derive(clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct Verifier {
    tree: Frontier,
    versions: HashMap<String, u64>,
    /// Newest schema of each type.
    known: BTreeMap<String, u16>,
    recorded_at: i64,
}

pub async fn run(ledger: &Ledger, args: &Args) -> anyhow::Result<()> {
    let began = Instant::now();
    let head = ledger.head().await?;
    let mut verifier = Verifier::default();
    for (_, own) in event_catalogue() {
        let newest = verifier.known.entry(own.name.to_owned()).or_default();
        *newest = own.schema.max(*newest);
    }
    let progress = Progress::new("verified");
    while verifier.tree.size() < head.size {
        let from = verifier.tree.size();
        let most = u32::try_from(head.size - from).unwrap_or(PAGE).min(PAGE);
        for event in ledger.read_all(from, most).await? {
            let position = verifier.tree.size();
            if let Err(why) = verifier.next(&event) {
                bail!("position {position}: {why}");
            }
        }
        progress.at(verifier.tree.size(), head.size);
    }
    drop(progress);
    let (ours, theirs) = (hex(&verifier.tree.root()), hex(&head.root));
    if ours != theirs {
        bail!(
            "the events hash to the root {ours}, the head of the log says {theirs}: an event was changed, and nothing beside it tells which"
        );
    }
    let seconds = began.elapsed().as_secs_f64();
    let rate = head.size as f64 / seconds.max(1e-6);
    let streams = verifier.versions.len();
    if args.json {
        let report = json!({ "size": head.size, "root": ours, "streams": streams, "seconds": seconds, "events_per_second": rate.round() });
        return Ok(print::line(report)?);
    }
    print::line(format_args!("The log is whole: {} events in {streams} streams, root {ours}", head.size))?;
    eprintln!("{seconds:.2} s, {rate:.0} events/s");
    Ok(())
}

impl Verifier {
    fn next(&mut self, event: &Recorded) -> Result<(), String> {
        let position = self.tree.size();
        let members = leaf::members(&event.leaf).ok_or("the leaf is not an event")?;
        if event.position != position || members.position != position {
            return Err(format!("the leaf stands at {} and says {}", event.position, members.position));
        }
        let is_same = members.stream == event.stream
            && members.version == event.version
            && members.kind == event.kind
            && members.recorded_at == event.recorded_at;
        if !is_same {
            return Err("what stands beside the leaf differs from it".into());
        }
        if members.recorded_at < self.recorded_at {
            return Err("the time goes back".into());
        }
        if self.known.get(&members.kind).is_none_or(|newest| members.schema > *newest) {
            return Err(format!("this program does not know the type {} (schema {})", members.kind, members.schema));
        }
        let version = self.versions.entry(members.stream).or_default();
        if members.version != *version + 1 {
            return Err(format!("version {} of {} follows version {version}", members.version, event.stream));
        }
        *version = members.version;
        self.recorded_at = members.recorded_at;
        self.tree.push(leaf::hash(&event.leaf), &mut Vec::new());
        Ok(())
    }
}
