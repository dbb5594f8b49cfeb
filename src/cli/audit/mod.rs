//! `chancery audit`: the log, read directly. Works while a server runs and asks nobody's leave but the file's or the database's.

pub mod export;
pub mod prove;
pub mod questions;
pub mod tail;
pub mod tiles;
pub mod verify;

use chancery_ledger::Ledger;
use clap::Subcommand;

use crate::app::clock::Clock;
use crate::app::start;
use crate::config::{Config, Database};

/// Events in one read.
const PAGE: u32 = 1000;

#[derive(Subcommand)]
pub enum Command {
    /// Print events, one per line
    #[command(after_help = "\
Examples:
  chancery audit tail --follow
  chancery audit tail --type CodeRedeemed --json
  chancery audit tail --from 0 | less

Without --from: the last 20 events, or with a filter all that it lets through.")]
    Tail(tail::Args),
    /// Write the log to files for an auditor, or bring such files up to date
    #[command(after_help = "\
--to writes what chancery-verify checks: C2SP tlog-tiles with entries, hashes, the signed checkpoint, keys, event schemas and a README.
--out writes events.jsonl (the exact bytes of each event, one per line, line number = position + 1) and head.json (size and
Merkle root). Run either again to add what is new; files of another log are refused. The server may run.")]
    Export(export::Args),
    /// Write one file that proves some events to others
    #[command(after_help = "\
Examples:
  chancery audit prove --position 17 --out answer.json
  chancery audit prove --token - --out answer.json < token.txt
  chancery-verify --key log.key answer.json")]
    Prove(prove::Args),
    /// Check every event, every hash and what the events mean together
    Verify(verify::Args),
    #[command(flatten)]
    Question(questions::Command),
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let ledger = open(&config).await?;
    match command {
        Command::Tail(args) => tail::run(&ledger, &args).await,
        Command::Export(args) => match (&args.to, &args.out) {
            (Some(to), _) => tiles::run(&ledger, to).await,
            (None, Some(out)) => export::run(&ledger, out).await,
            (None, None) => anyhow::bail!("name a directory with --to or --out"),
        },
        Command::Prove(args) => prove::run(&ledger, &args).await,
        Command::Verify(args) => verify::run(&ledger, &args).await,
        Command::Question(command) => questions::run(&ledger, command).await,
    }
}

/// The log to read only.
///
/// # Errors
/// None there, or not ours to read.
pub async fn open(config: &Config) -> anyhow::Result<Ledger> {
    if let Database::Sqlite(path) = &config.database
        && !path.exists()
    {
        anyhow::bail!("there is no log in {}; name the right directory with --data-dir", config.data_dir.display());
    }
    Ok(start::open_ledger_readonly(config, &Clock::System).await?)
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
