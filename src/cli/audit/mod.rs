//! `chancery audit`: the log, read directly. Works while a server runs and asks nobody's leave but the file's or the database's.

pub mod export;
pub mod tail;
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
    /// Write the log to files, or bring such files up to date
    #[command(after_help = "\
Writes events.jsonl (the exact bytes of each event, one per line, line number = position + 1) and head.json (size and
Merkle root). Run it again to add what is new; files of another log are refused.")]
    Export(export::Args),
    /// Recompute every hash and compare with the head of the log
    Verify(verify::Args),
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let ledger = open(&config).await?;
    match command {
        Command::Tail(args) => tail::run(&ledger, &args).await,
        Command::Export(args) => export::run(&ledger, &args).await,
        Command::Verify(args) => verify::run(&ledger, &args).await,
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

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
