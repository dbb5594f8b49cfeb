//! `chancery projections`: the read models, held against the log or made again from it.
//!
//! Both work beside a running server. On SQLite, where one process writes, a rebuild is done by the server, and this command asks it how far it is.

use std::time::Duration;

use anyhow::{Context as _, bail};
use chancery_ledger::Ledger;
use chancery_ledger::digest::Digest;
use chancery_projections::compare::Report;
use chancery_projections::{audit, inline};
use clap::{Subcommand, ValueEnum};

use super::print::{self, Progress};
use super::{operate, socket};
use crate::app::operator::Command as Order;
use crate::app::random;
use crate::app::read_models::{self, Report as Made, Which};
use crate::config::{Config, Database};

/// Between two questions to the server.
const ASK_EVERY: Duration = Duration::from_millis(200);
/// Rows named in a report.
const NAMED: usize = 20;

#[derive(Subcommand)]
pub enum Command {
    /// Fold the log again and compare with what is stored
    Check {
        /// Which read models
        #[arg(value_enum, default_value = "all")]
        which: Wanted,
    },
    /// Make the read models again from the log, beside the live ones. The server may run
    Rebuild {
        /// Which read models
        #[arg(value_enum, default_value = "all")]
        which: Wanted,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    /// The rows that decisions read
    Inline,
    /// The index of the log for questions
    Audit,
    /// Both
    All,
}

impl From<Wanted> for Which {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Inline => Self::Inline,
            Wanted::Audit => Self::Audit,
            Wanted::All => Self::All,
        }
    }
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check { which } => check(&super::audit::open(&config).await?, which.into()).await,
        Command::Rebuild { which } => rebuild(config, which.into()).await,
    }
}

async fn check(ledger: &Ledger, which: Which) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    if which.has_inline() {
        let progress = Progress::new("inline: folded");
        let report = inline::check::check(ledger, &mut |done, all| progress.at(done, all)).await?;
        drop(progress);
        show(inline::SET, &report)?;
        wrong.extend(named("inline row", &report));
    }
    if which.has_audit() {
        let progress = Progress::new("audit index: folded");
        let report = audit::check::check(ledger, &mut |done, all| progress.at(done, all)).await?;
        drop(progress);
        if let Some(report) = report {
            show(audit::SET, &report)?;
            wrong.extend(named("audit index", &report));
        }
    }
    if wrong.is_empty() {
        return Ok(print::line("Every row is what the log says.")?);
    }
    for row in wrong.iter().take(NAMED) {
        eprintln!("differs: {}", print::plain(row));
    }
    bail!("{} rows are not what the log says; run `chancery projections rebuild`", wrong.len())
}

/// A line for the set and one for each table.
fn show(set: &str, report: &Report) -> std::io::Result<()> {
    print::line(format_args!("{set}: {} events, digest {}", report.state.checkpoint, report.counted))?;
    report.tables.iter().try_for_each(|own| {
        let (table, rows, digest) = (print::plain(&own.table), own.stored.rows, short(&own.stored.digest));
        match own.is_equal() {
            true => print::line(format_args!("  {table:12} {rows:>10}  {digest}  equal")),
            false => print::line(format_args!(
                "  {table:12} {rows:>10}  {digest}  differs: the log says {} with {}",
                own.folded.rows,
                short(&own.folded.digest)
            )),
        }
    })
}

fn short(digest: &Digest) -> String {
    digest.to_string().chars().take(16).collect()
}

fn named(what: &str, report: &Report) -> Vec<String> {
    let mut named: Vec<_> = report.different.iter().map(|own| format!("{what} {} {} {}", own.table, own.key, own.what)).collect();
    if let Some(digest) = report.state.digest.filter(|_| report.was_changed_beside()) {
        named.push(format!("{what}: the set says that its digest is {digest}; rows were changed beside the log's writer"));
    }
    named
}

async fn rebuild(config: Config, which: Which) -> anyhow::Result<()> {
    if let Database::Sqlite(path) = &config.database {
        if !path.exists() {
            bail!("there is no log in {}; name the right directory with --data-dir", config.data_dir.display());
        }
        if let Some(answer) = socket::ask(&config.data_dir, &Order::ProjectionsRebuild { which }).await? {
            answer.into_result()?;
            return watch(&config).await;
        }
    }
    let secrets = config.secrets(random::fill)?;
    let app = operate::open(config, &secrets).await?;
    let progress = Progress::new("folded");
    let said = |part: &'static str, events| {
        progress.clear();
        // A pipe that was closed is noticed by the next command.
        let _ = print::line(format_args!("{part}: rebuilt from {events} events"));
    };
    let outcome = read_models::rebuild(&app.ledger, which, &|_, done, all| progress.at(done, all), &said).await;
    app.ledger.close().await;
    Ok(outcome?)
}

/// Shows how far the server is until it is done.
async fn watch(config: &Config) -> anyhow::Result<()> {
    let progress = Progress::new("folded");
    let mut shown = 0;
    loop {
        let answer = socket::ask(&config.data_dir, &Order::ProjectionsProgress).await?.context("the server has stopped; run it again")?;
        let report: Made = serde_json::from_value(answer.into_result()?).context("the server's answer cannot be read")?;
        for (part, events) in report.made.iter().skip(shown) {
            progress.clear();
            print::line(format_args!("{}: rebuilt from {events} events", print::plain(part)))?;
        }
        shown = report.made.len();
        if !report.running {
            return report.failed.map_or(Ok(()), |why| bail!("{why}"));
        }
        progress.at(report.done, report.all);
        tokio::time::sleep(ASK_EVERY).await;
    }
}
