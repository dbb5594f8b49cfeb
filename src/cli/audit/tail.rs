//! `chancery audit tail`: one line per event, as the log grows.

use std::io::{self, Write as _};

use chancery_ledger::Ledger;
use chancery_ledger::recorded::Recorded;
use chancery_projections::envelope::Envelope;

use super::PAGE;
use crate::cli::{instant, print};

/// Shown when nothing else is asked for.
const LAST: u64 = 20;

#[derive(clap::Args)]
pub struct Args {
    /// First position
    #[arg(long, value_name = "POSITION")]
    from: Option<u64>,
    /// Only events about this account
    #[arg(long, value_name = "ACCOUNT")]
    subject: Option<String>,
    /// Only events that name this client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Only events of this type, such as CodeRedeemed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Go on with what comes
    #[arg(long, short)]
    follow: bool,
    /// The exact bytes of each event instead of a line for people
    #[arg(long)]
    json: bool,
}

pub async fn run(ledger: &Ledger, args: &Args) -> anyhow::Result<()> {
    let is_filtered = args.subject.is_some() || args.client.is_some() || args.kind.is_some();
    let mut next = match args.from {
        Some(from) => from,
        None if is_filtered => 0,
        None => ledger.head().await?.size.saturating_sub(LAST),
    };
    loop {
        let events = ledger.read_all(next, PAGE).await?;
        next += events.len() as u64;
        let mut out = io::stdout().lock();
        for event in &events {
            show(&mut out, event, args)?;
        }
        out.flush()?;
        drop(out);
        if events.len() == PAGE as usize {
            continue;
        }
        if !args.follow {
            return Ok(());
        }
        ledger.wait(next).await;
    }
}

fn show(out: &mut impl io::Write, recorded: &Recorded, args: &Args) -> anyhow::Result<()> {
    let event = Envelope::read(recorded)?;
    if !is_wanted(&event, args) {
        return Ok(());
    }
    if args.json {
        out.write_all(&recorded.leaf)?;
        return Ok(out.write_all(b"\n")?);
    }
    let actor = if event.actor.id.is_empty() { event.actor.kind.clone() } else { format!("{}:{}", event.actor.kind, event.actor.id) };
    let line = format!("{:>8}  {}  {:<24}  {}  by {actor}", event.position, instant::rfc3339(event.recorded_at), event.kind, event.stream);
    Ok(writeln!(out, "{}", print::plain(&line))?)
}

fn is_wanted(event: &Envelope, args: &Args) -> bool {
    let fits = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|wanted| Some(wanted) == found);
    fits(&args.subject, event.subject.as_deref()) && fits(&args.client, client_of(event)) && fits(&args.kind, Some(&event.kind))
}

/// The client that an event names: in its data, as its actor, or by its stream.
fn client_of(event: &Envelope) -> Option<&str> {
    let named = event.data.get("client").and_then(serde_json::Value::as_str);
    let actor = (event.actor.kind == "client").then_some(event.actor.id.as_str());
    named.or(actor).or_else(|| event.stream.strip_prefix("client-"))
}
