//! `chancery ledger`: the log as a whole.

use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::operate::operate;
use super::outcome::usage;
use super::{archive, print, socket};
use crate::app::clock::Clock;
use crate::app::{moving, operator, random};
use crate::config::{Config, Database, Secret, secret};

#[derive(Subcommand)]
pub enum Command {
    /// Move the log and its vault to another database; the old one is closed for good
    #[command(after_help = "\
Examples:
  chancery ledger move --to postgres://chancery@db.example/chancery    (migrated before with `chancery migrate`)
  chancery ledger move --to file:/run/secrets/new-database-url         (a URL with a password)
  DATABASE_URL=postgres://... chancery ledger move --to sqlite:/var/lib/chancery/chancery.db

Every leaf is hashed again, and nothing moves unless the root is the one of the signed
checkpoint. With SQLite stop the server first. Broken off anywhere, the same command goes on.
Receipts and proofs of before stay valid.")]
    Move {
        /// postgres://USER@HOST/DATABASE without a password, sqlite:FILE, or file:PATH with the URL in it
        #[arg(long, value_name = "DATABASE")]
        to: String,
    },
    /// Move old events out of the database into an archive that was verified
    #[command(after_help = "\
Examples:
  chancery ledger archive --before 2025-01-01 --to /var/lib/chancery-archive
  DATABASE_URL=postgres://owner@... chancery ledger archive --before 2025-01-01     (archive.directory is set)

The whole log is exported to the directory and read by the verifier of auditors; only then the
bytes of the old events leave the database. Their hashes, positions and streams stay: tokens,
proofs and receipts go on without the archive, and so does every look-up by position. What is
under a legal hold stays. With SQLite stop the server first; with PostgreSQL give the URL of the
owner, other nodes go on. Broken off anywhere, the same command goes on.")]
    Archive(archive::Args),
    /// Put a stream under a legal hold: it is not archived, and the person whose stream it is not erased
    #[command(after_help = "\
Examples:
  chancery ledger hold session-01a1fc16-453d-7e8c-9c8d-5f35eeecc5b1 --reason \"case 17\"
  chancery user hold alice@example.com --reason \"case 17\"      (everything of a person)")]
    Hold {
        /// Name of the stream, as events have it
        stream: String,
        /// Why; kept sealed
        #[arg(long)]
        reason: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Lift the legal hold of a stream
    Release {
        /// Name of the stream
        stream: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show which accounts and streams are under a legal hold
    Holds {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// After an upgrade of all nodes: let the log hold the event types of this program
    #[command(after_help = "\
A new release may bring new types of events. Until this command has run it writes none of them,
so that nodes of the old and the new release can run beside each other; what needs one is
answered with 503 temporarily_unavailable. Afterwards a program of the old release refuses to
start, and one that still runs stops serving.

The command refuses while a node of an older release is connected to the database. It cannot see
one that is cut off from it at this moment; such a node stops when it is back. There is no way
back to a lower level.")]
    Upgrade {
        /// Although older nodes are connected: they stop serving
        #[arg(long)]
        also_with_older_nodes: bool,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Move { to } => relocate(config, to).await,
        Command::Archive(args) => archive::run(config, args).await,
        Command::Hold { stream, reason, json } => {
            say_hold(operate(config, operator::Command::StreamHold { stream, reason }).await?, json, "is held")
        }
        Command::Release { stream, json } => {
            say_hold(operate(config, operator::Command::StreamRelease { stream }).await?, json, "is not held")
        }
        Command::Holds { json } => holds(&operate(config, operator::Command::HoldsList).await?, json),
        Command::Upgrade { also_with_older_nodes } => upgrade(config, also_with_older_nodes).await,
    }
}

fn say_hold(answer: Value, json: bool, what: &str) -> anyhow::Result<()> {
    if json {
        return Ok(print::json(&answer)?);
    }
    Ok(print::line(format_args!("The stream {} {what}.", print::words(answer.get("stream"))))?)
}

fn holds(answer: &Value, json: bool) -> anyhow::Result<()> {
    if json {
        return Ok(print::json(answer)?);
    }
    let all = answer.get("holds").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        print::line("Nothing is held.")?;
    }
    for own in all {
        match own.get("stream") {
            Some(stream) => print::line(format_args!("stream   {}", print::words(Some(stream))))?,
            None => print::line(format_args!("account  {}  since {}", print::words(own.get("account")), print::words(own.get("since"))))?,
        }
    }
    Ok(())
}

async fn upgrade(config: Config, also_with_older: bool) -> anyhow::Result<()> {
    let answer = operate(config, operator::Command::LedgerUpgrade { also_with_older }).await?;
    let level = |member: &str| answer.get(member).and_then(Value::as_u64).unwrap_or(0);
    let (from, to, own) = (level("from"), level("to"), u64::from(chancery_core::event::level()));
    match from == to {
        true => print::line(format_args!("The log is at catalogue level {to} already."))?,
        false => print::line(format_args!("The log was raised from catalogue level {from} to {to}."))?,
    }
    if to < own {
        bail!("the running server knows level {to}, this program {own}: start the server with this program, then run the command again");
    }
    Ok(())
}

async fn relocate(config: Config, to: String) -> anyhow::Result<()> {
    let mut target = config.clone();
    target.database = database(&to)?;
    socket::refuse_while_running(&config).await?;
    let secrets = config.secrets(random::fill)?;
    let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{wide_bar} {pos}/{len} events, {per_sec}, {eta} left")?);
    let mut show = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let moved = moving::relocate(&config, &target, &secrets, Clock::System, &mut show).await;
    bar.finish_and_clear();
    let moved = moved?;
    let (events, position) = (moved.head.size, moved.position);
    print::line(format_args!("{events} events, {} claims and {} keys have moved; event {position} says so.", moved.claims, moved.keys))?;
    match &target.database {
        Database::Sqlite(path) => eprintln!("Serve from {} now: unset DATABASE_URL, and name its directory as data_dir.", path.display()),
        Database::Postgres(_) => eprintln!("Serve with DATABASE_URL set to the new database now, with the same master key."),
    }
    Ok(())
}

fn database(to: &str) -> anyhow::Result<Database> {
    if let Some(path) = to.strip_prefix("sqlite:") {
        return Ok(Database::Sqlite(PathBuf::from(path.trim_start_matches("//"))));
    }
    if to.starts_with("file:") {
        let (found, _) = secret::resolve(to).map_err(|sentence| usage(format!("--to {sentence}")))?;
        let url = found.expose().trim();
        if !is_postgres(url) {
            return Err(usage("--to names a file that does not hold a postgres:// URL"));
        }
        return Ok(Database::Postgres(Secret::new(url)));
    }
    if !is_postgres(to) {
        return Err(usage("--to is neither postgres://..., sqlite:FILE nor file:PATH"));
    }
    if url::Url::parse(to).is_ok_and(|url| url.password().is_some()) {
        return Err(usage("--to holds a password, which everybody on this machine can read; put the URL into a file and write file:PATH"));
    }
    Ok(Database::Postgres(Secret::new(to)))
}

fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}
