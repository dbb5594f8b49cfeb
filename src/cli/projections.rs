//! `chancery projections`: the read models, held against the log or made again from it.
//!
//! The inline rows are rebuilt under another name and then back under their own, so that there is a whole set at every moment; a server on
//! PostgreSQL may run meanwhile. The audit index is dropped and follows the log again.

use anyhow::bail;
use chancery_ledger::Ledger;
use chancery_ledger::error::OpenError;
use chancery_projections::audit::{self, follow};
use chancery_projections::inline::{self, rebuild};
use clap::{Subcommand, ValueEnum};

use super::print::{self, Progress};
use super::socket;
use crate::app::clock::Clock;
use crate::app::random;
use crate::app::start::{self, Opening, StartError};
use crate::config::{Config, Database};

/// Where the rows stand while the set of the usual name is made again.
const ASIDE: &str = "inline.aside";
/// SQLite has one writing process.
const HELD: &str = "a server holds this log: stop it, run `chancery projections rebuild` again, and start it; `chancery projections check` \
                    may run beside it";
const PAGE: u32 = 500;
/// Rows named in a report.
const NAMED: usize = 20;

#[derive(Subcommand)]
pub enum Command {
    /// Fold the log again and compare with what is stored
    Check {
        /// Which read models
        #[arg(value_enum, default_value = "all")]
        which: Which,
    },
    /// Make the read models again from the log. With SQLite stop the server first
    Rebuild {
        /// Which read models
        #[arg(value_enum, default_value = "all")]
        which: Which,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The rows that decisions read
    Inline,
    /// The index of the log for questions
    Audit,
    /// Both
    All,
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Check { which } => check(&super::audit::open(&config).await?, which).await,
        Command::Rebuild { which } => {
            if let Database::Sqlite(path) = &config.database
                && !path.exists()
            {
                bail!("there is no log in {}; name the right directory with --data-dir", config.data_dir.display());
            }
            if matches!(config.database, Database::Sqlite(_)) && socket::is_answered(&config.data_dir).await {
                bail!(HELD);
            }
            let secrets = config.secrets(random::fill)?;
            let app = match start::open(config, &secrets, Clock::System, Opening::default()).await {
                Err(StartError::Ledger(OpenError::Locked(_))) => bail!(HELD),
                opened => opened?,
            };
            let outcome = remake(&app.ledger, which).await;
            app.ledger.close().await;
            outcome
        }
    }
}

async fn check(ledger: &Ledger, which: Which) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    if which != Which::Audit {
        let progress = Progress::new("inline: checked");
        let different = rebuild::check(ledger, &mut |done, all| progress.at(done, all)).await?;
        wrong.extend(different.into_iter().map(|row| format!("inline row {} {}", row.table, row.key)));
    }
    if which != Which::Inline {
        wrong.extend(check_audit(ledger).await?);
    }
    if wrong.is_empty() {
        return Ok(print::line("Every row is what the log says.")?);
    }
    for row in wrong.iter().take(NAMED) {
        eprintln!("differs: {}", print::plain(row));
    }
    bail!("{} rows are not what the log says; run `chancery projections rebuild`", wrong.len())
}

/// The index up to its checkpoint; what it has not reached yet is no difference. Where its pages begin depends on when it was written,
/// so the positions of each value are compared as a whole.
async fn check_audit(ledger: &Ledger) -> anyhow::Result<Vec<String>> {
    let progress = Progress::new("audit index: checked");
    let end = ledger.checkpoint(audit::SET).await?.unwrap_or(0);
    let (mut at, mut expected, mut digests) = (0, audit::Lists::new(), audit::Digests::new());
    while at < end {
        let most = u32::try_from(end - at).unwrap_or(PAGE).min(PAGE);
        let page = ledger.read_all(at, most).await?;
        at += page.len() as u64;
        let (lists, own) = audit::lists(&page)?;
        for (name, mut positions) in lists {
            expected.entry(name).or_default().append(&mut positions);
        }
        for (digest, mut positions) in own {
            digests.entry(digest).or_default().append(&mut positions);
        }
        progress.at(at, end);
    }
    let mut stored = audit::Lists::new();
    for table in audit::TABLES {
        let mut after: Option<String> = None;
        loop {
            let rows = ledger.projected_all(audit::SET, table, after.as_deref(), PAGE).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            for row in rows {
                let value = row.index[0].clone().unwrap_or_default();
                stored.entry((table, value)).or_default().append(&mut serde_json::from_slice::<Vec<u64>>(&row.body)?);
            }
        }
    }
    let tokens = stored_digests(ledger).await?;
    let of_tokens: std::collections::BTreeSet<_> = digests.keys().chain(tokens.keys()).collect();
    let wrong_tokens = of_tokens.into_iter().filter(|digest| digests.get(*digest) != tokens.get(*digest));
    let wrong_tokens: Vec<_> = wrong_tokens.map(|digest| format!("audit index token {digest}")).collect();
    let names: std::collections::BTreeSet<_> = expected.keys().chain(stored.keys()).collect();
    let wrong = names.into_iter().filter(|name| expected.get(*name) != stored.get(*name));
    Ok(wrong.map(|(table, value)| format!("audit index {table} {value}")).chain(wrong_tokens).collect())
}

/// The digests of the index, whatever buckets they stand in.
async fn stored_digests(ledger: &Ledger) -> anyhow::Result<audit::Digests> {
    let (mut stored, mut after) = (audit::Digests::new(), None::<String>);
    loop {
        let rows = ledger.projected_all(audit::SET, audit::TOKENS, after.as_deref(), PAGE).await?;
        let Some(last) = rows.last() else { return Ok(stored) };
        after = Some(last.key.clone());
        for row in rows {
            for (digest, mut positions) in serde_json::from_slice::<audit::Digests>(&row.body)? {
                stored.entry(digest).or_default().append(&mut positions);
            }
        }
    }
}

async fn remake(ledger: &Ledger, which: Which) -> anyhow::Result<()> {
    if which != Which::Audit {
        let events = remake_inline(ledger).await?;
        print::line(format_args!("inline: rebuilt from {events} events"))?;
    }
    if which != Which::Inline {
        let events = remake_audit(ledger).await?;
        print::line(format_args!("audit index: rebuilt from {events} events"))?;
    }
    Ok(())
}

async fn remake_inline(ledger: &Ledger) -> anyhow::Result<u64> {
    let progress = Progress::new("inline: folded");
    if ledger.inline_set().await?.0 == inline::SET {
        rebuild::rebuild(ledger, ASIDE, &mut |done, all| progress.at(done, all)).await?;
    }
    let events = rebuild::rebuild(ledger, inline::SET, &mut |done, all| progress.at(done, all)).await?;
    if ledger.checkpoint(ASIDE).await?.is_some() {
        ledger.drop_set(ASIDE).await?;
    }
    Ok(events)
}

async fn remake_audit(ledger: &Ledger) -> anyhow::Result<u64> {
    let progress = Progress::new("audit index: folded");
    if ledger.checkpoint(audit::SET).await?.is_some() {
        ledger.drop_set(audit::SET).await?;
    }
    while follow::step(ledger).await? {
        progress.at(ledger.checkpoint(audit::SET).await?.unwrap_or(0), ledger.known_head().size);
    }
    Ok(ledger.checkpoint(audit::SET).await?.unwrap_or(0))
}
