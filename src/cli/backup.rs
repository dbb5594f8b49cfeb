//! `chancery backup`: copies of the embedded database, while the server serves. The log and the vault are two files, to be kept in two places.

use std::path::PathBuf;

use chancery_ledger::backup;
use clap::{Args, Subcommand};

use super::outcome::usage;
use super::{audit, instant, print};
use crate::config::{Config, Database};

#[derive(Subcommand)]
pub enum Command {
    /// Copy the log: the whole history, with everything personal unreadable
    Log(To),
    /// Copy the vault: wrapped keys, without the master key. Take it after the log, and keep it for a short time only
    Vault(To),
}

#[derive(Args)]
pub struct To {
    /// A file that is not there yet
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let Database::Sqlite(path) = &config.database else {
        return Err(usage("PostgreSQL is backed up by its own tools: pg_dump --schema=chancery, and after it pg_dump --schema=vault"));
    };
    let path = path.clone();
    super::blocking(move || match command {
        Command::Log(To { to }) => {
            let head = backup::log(&path, &to)?;
            let (root, at) = (audit::hex(&head.root), instant::rfc3339(head.recorded_at));
            Ok(print::line(format_args!("{}: {} events, the last of {at}; root {root}", to.display(), head.size))?)
        }
        Command::Vault(To { to }) => {
            backup::vault(&path.with_file_name("vault.db"), &to)?;
            Ok(print::line(format_args!("{}: the vault, without the master key", to.display()))?)
        }
    })
    .await
}
