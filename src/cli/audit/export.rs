//! `chancery audit export`: the leaves as lines, and the head they belong to. Adds to what an earlier run wrote.
//!
//! | Rule | Why |
//! |---|---|
//! | what is there must hash to the root in its head, and begin with this log's first event | another log, or a file that was touched, is refused |
//! | all of it with what is added must hash to the head of the log | the export is then a copy of this log and of no other |
//! | the head is replaced last, in one step | lines beyond it are what an interrupted run left, and are written again |

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use chancery_ledger::Ledger;
use chancery_ledger::leaf;
use chancery_tree::Frontier;
use serde::{Deserialize, Serialize};

use super::{PAGE, hex};
use crate::cli::print::{self, Progress};

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct Args {
    /// Directory for an auditor: tiles, checkpoint, keys, schemas; made if it is not there
    #[arg(long, value_name = "DIRECTORY")]
    pub to: Option<PathBuf>,
    /// Directory for events.jsonl and head.json; made if it is not there
    #[arg(long, value_name = "DIRECTORY")]
    pub out: Option<PathBuf>,
}

/// `head.json`.
#[derive(Serialize, Deserialize)]
struct Head {
    size: u64,
    /// RFC 6962 §2.1, in hex.
    root: String,
}

pub async fn run(ledger: &Ledger, folder: &Path) -> anyhow::Result<()> {
    let out = folder.display();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| out.to_string())?;
    let (events, head) = (folder.join("events.jsonl"), folder.join("head.json"));
    let target = ledger.head().await?;
    let old = read_head(&head, &events)?;
    let (mut tree, length) = check(&events, &old, ledger).await?;
    if tree.size() > target.size {
        bail!("{out} holds {} events and this log only {}: it is of another log, or the log was set back", tree.size(), target.size);
    }
    let mut file = open(&events)?;
    file.set_len(length)?;
    file.seek(SeekFrom::Start(length))?;
    let before = tree.size();
    add(ledger, &mut file, &mut tree, target.size).await?;
    if tree.root() != target.root {
        file.set_len(length)?;
        bail!(
            "{out} and this log do not hash to the head of the log: one of them was changed, or {out} is of another log; run `chancery audit verify`"
        );
    }
    file.sync_all()?;
    write_head(&head, &Head { size: target.size, root: hex(&target.root) })?;
    print::line(format_args!("{} events in {out}, {} of them new; root {}", target.size, target.size - before, hex(&target.root)))?;
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<File> {
    let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    file.with_context(|| path.display().to_string())
}

/// The head of the export that is there; of an empty one if there is none.
fn read_head(path: &Path, events: &Path) -> anyhow::Result<Head> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("{} is not of an export", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Lines without a head would be cut off: only an interrupted first export may be.
            if fs::metadata(events).is_ok_and(|found| found.len() > 0) {
                bail!(
                    "{} has no {} beside it; remove it if it is the rest of an interrupted first export",
                    events.display(),
                    path.display()
                );
            }
            Ok(Head { size: 0, root: hex(&Frontier::default().root()) })
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

/// The tree of the lines that the head counts, and their length in bytes.
async fn check(path: &Path, head: &Head, ledger: &Ledger) -> anyhow::Result<(Frontier, u64)> {
    let mut lines = BufReader::new(open(path)?);
    let (mut tree, mut length, mut line) = (Frontier::default(), 0, Vec::new());
    while tree.size() < head.size {
        line.clear();
        let read = lines.read_until(b'\n', &mut line)?;
        let Some(bytes) = line.strip_suffix(b"\n") else {
            bail!("{} ends before position {}, its head counts {} events", path.display(), tree.size(), head.size);
        };
        if tree.size() == 0 && ledger.read_all(0, 1).await?.first().is_none_or(|first| first.leaf != bytes) {
            bail!("{} is of another log", path.display());
        }
        tree.push(leaf::hash(bytes), &mut Vec::new());
        length += read as u64;
    }
    if hex(&tree.root()) != head.root {
        bail!("{} was changed: its events do not hash to the root in its head", path.display());
    }
    Ok((tree, length))
}

async fn add(ledger: &Ledger, file: &mut File, tree: &mut Frontier, size: u64) -> anyhow::Result<()> {
    let progress = Progress::new("exported");
    let mut out = BufWriter::new(file);
    while tree.size() < size {
        let most = u32::try_from(size - tree.size()).unwrap_or(PAGE).min(PAGE);
        for event in ledger.read_all(tree.size(), most).await? {
            out.write_all(&event.leaf)?;
            out.write_all(b"\n")?;
            tree.push(leaf::hash(&event.leaf), &mut Vec::new());
        }
        progress.at(tree.size(), size);
    }
    Ok(out.flush()?)
}

fn write_head(path: &Path, head: &Head) -> anyhow::Result<()> {
    let draft = path.with_extension("json.new");
    let _ = fs::remove_file(&draft);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", serde_json::to_string(head)?)?;
    file.sync_all()?;
    Ok(fs::rename(&draft, path)?)
}
