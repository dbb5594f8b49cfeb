//! `chancery feeds`: how far the feeds of the configuration are. Reads the database beside a running server.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::json;

use super::{audit, print};
use crate::app::feeds::status;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// How far each feed is, and what keeps it
    Status(StatusArgs),
}

#[derive(Args)]
pub struct StatusArgs {
    /// As JSON, one feed per line
    #[arg(long)]
    json: bool,
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let Command::Status(args) = command;
    if config.feeds.is_empty() {
        return Ok(print::line("The configuration names no feed.")?);
    }
    let ledger = audit::open(&config).await?;
    let all = status::of(&ledger, &config.feeds).await?;
    for feed in &all {
        if args.json {
            print::line(json!(feed))?;
            continue;
        }
        let at = feed.checkpoint.map_or_else(|| "has not begun".to_owned(), |at| format!("at {at}, {} behind", feed.behind));
        let sent = feed.sent_at.as_ref().map_or_else(String::new, |sent| format!(", last sent {sent}"));
        print::line(format_args!("{}: {} to {}: {at}{sent}", feed.name, feed.format, print::plain(&feed.to)))?;
        if let Some(why) = &feed.failing {
            print::line(format_args!("  does not get through: {}", print::plain(why)))?;
        }
    }
    if all.iter().all(status::Status::is_well) {
        return Ok(());
    }
    bail!("a feed does not get through")
}
