//! `chancery audit events|stream|introspect|token|diff`: the questions of the audit routes, answered from the log itself. Personal data stays
//! sealed: this reads the log, not the vault.

use std::io::{self, IsTerminal as _, Read as _, Write as _};

use anyhow::{Context as _, bail};
use chancery_core::time::Timestamp;
use chancery_ledger::Ledger;
use chancery_projections::audit::moment::{self, Moment, Place, told, written};
use chancery_projections::audit::query::{self, MOST, Question};
use chancery_projections::audit::{actor_of, diff, provenance, token};
use clap::Subcommand;
use serde_json::json;

use crate::app::audit::then::Named;
use crate::app::clock::Clock;
use crate::cli::outcome::usage;
use crate::cli::{blocking, print};

#[derive(Subcommand)]
pub enum Command {
    /// Print events by filters, one per line
    #[command(after_help = "\
Examples:
  chancery audit events --subject 01a1fc15-89af-7e7e-954f-ffefd8d0cb88 --newest-first
  chancery audit events --type GrantEnded --after 2026-11-01 --json")]
    Events(Events),
    /// A stream as it was: the fold of its events
    Stream {
        /// Such as grant-ID or client-ID
        stream: String,
        /// Position or RFC 3339 time; now without it
        #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
        as_of: Option<Moment>,
    },
    /// Was a token active then, and why? The token itself is read from standard input
    #[command(after_help = "\
Examples:
  chancery audit introspect --as-of 2026-11-20T12:00:00Z < token.txt
  chancery audit introspect --id fyeP5jZvqQnjx_MD3ItLB1h81CsMe_NIKyRBd2hWiIM --as-of 1733")]
    Introspect {
        /// Its SHA-256 as it stands in events, instead of the token
        #[arg(long, value_name = "DIGEST")]
        id: Option<String>,
        /// Position or RFC 3339 time; now without it
        #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
        as_of: Option<Moment>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// The whole story of a token, as JSON; the token itself is read from standard input
    Token {
        /// Its SHA-256 as it stands in events, instead of the token
        #[arg(long, value_name = "DIGEST")]
        id: Option<String>,
    },
    /// What came, changed and ended between two moments, as JSON
    Diff {
        /// Position or RFC 3339 time: after this
        #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
        from: Moment,
        /// Position or RFC 3339 time: up to and with this; now without it
        #[arg(long, value_name = "MOMENT", value_parser = parse_moment)]
        to: Option<Moment>,
    },
}

#[derive(clap::Args)]
pub struct Events {
    /// About this account
    #[arg(long, value_name = "ACCOUNT")]
    subject: Option<String>,
    /// Naming this client
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// Done by: account:ID, client:ID, operator:ID, server, config, anonymous
    #[arg(long)]
    actor: Option<String>,
    /// Of a session
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// Of a grant, with the request that led to it
    #[arg(long, value_name = "GRANT")]
    grant: Option<String>,
    /// Of a token, by its SHA-256
    #[arg(long, value_name = "DIGEST")]
    token: Option<String>,
    /// Of this type, such as CodeRedeemed
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Of this stream
    #[arg(long)]
    stream: Option<String>,
    /// Not before this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    after: Option<i64>,
    /// Not after this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    before: Option<i64>,
    /// Backwards
    #[arg(long)]
    newest_first: bool,
    /// At most this many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// The exact bytes of each event instead of a line for people
    #[arg(long)]
    json: bool,
}

/// For `value_parser`.
pub fn parse_moment(text: &str) -> Result<Moment, String> {
    Moment::parse(text).ok_or_else(|| "a moment is a position or a time such as 2026-11-21T13:00:00Z".to_owned())
}

fn parse_time(text: &str) -> Result<i64, String> {
    moment::rfc3339(text).ok_or_else(|| "a time is written as 2026-11-21T13:00:00Z".to_owned())
}

pub async fn run(ledger: &Ledger, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Events(args) => events(ledger, args).await,
        Command::Stream { stream, as_of } => {
            let place = place(ledger, as_of).await?;
            let then = moment::stream_then(ledger, &stream, place).await?.context("there was no such stream then")?;
            Ok(print::json(&json!({ "stream": stream, "as_of": told(place), "version": then.version, "position": then.position,
                "recorded_at": written(then.recorded_at), "state": then.state }))?)
        }
        Command::Introspect { id, as_of, json } => {
            let known = known(ledger, id).await?;
            let verdict = token::verdict(ledger, &known, place(ledger, as_of).await?).await?;
            if json {
                return Ok(print::json(&serde_json::to_value(&verdict)?)?);
            }
            print::line(&verdict.why)?;
            for check in &verdict.checks {
                let mark = if check.alive { "yes" } else { "no " };
                let at = check.position.map(|position| format!("  (position {position})")).unwrap_or_default();
                print::line(format_args!("  {mark}  {:<10}  {}{at}", check.what, print::plain(&check.said)))?;
            }
            Ok(())
        }
        Command::Token { id } => {
            let known = known(ledger, id).await?;
            Ok(print::json(&serde_json::to_value(provenance::of(ledger, &known).await?)?)?)
        }
        Command::Diff { from, to } => {
            let (from, to) = (place(ledger, Some(from)).await?, place(ledger, to).await?);
            if from.size > to.size {
                return Err(usage("--from is not after --to"));
            }
            Ok(print::json(&serde_json::to_value(diff::between(ledger, from, to).await?)?)?)
        }
    }
}

async fn events(ledger: &Ledger, args: Events) -> anyhow::Result<()> {
    let from = match args.after {
        Some(ms) => moment::size_at(ledger, ms.saturating_sub(1)).await?,
        None => 0,
    };
    let until = match args.before {
        Some(ms) => Some(moment::size_at(ledger, ms).await?),
        None => None,
    };
    let mut question = Question {
        subject: args.subject,
        client: args.client,
        actor: args.actor,
        session: args.session,
        grant: args.grant,
        token: args.token,
        kind: args.kind,
        stream: args.stream,
        from,
        until,
        newest_first: args.newest_first,
        limit: MOST,
    };
    let mut left = args.limit;
    loop {
        question.limit = u32::try_from(left).unwrap_or(MOST).min(MOST);
        let page = query::ask(ledger, &question).await?;
        let mut out = io::stdout().lock();
        for found in &page.events {
            if args.json {
                out.write_all(&found.recorded.leaf)?;
                out.write_all(b"\n")?;
                continue;
            }
            let event = &found.envelope;
            let at = written(event.recorded_at);
            let line = format!("{:>8}  {at}  {:<24}  {}  by {}", event.position, event.kind, event.stream, actor_of(event));
            writeln!(out, "{}", print::plain(&line))?;
        }
        out.flush()?;
        drop(out);
        left -= page.events.len() as u64;
        match page.next {
            Some(next) if left > 0 && question.newest_first => question.until = Some(next),
            Some(next) if left > 0 => question.from = next,
            _ => return Ok(()),
        }
    }
}

async fn place(ledger: &Ledger, moment: Option<Moment>) -> anyhow::Result<Place> {
    Ok(match moment {
        Some(moment) => moment.place(ledger).await?,
        None => Place { size: ledger.head().await?.size, at: Timestamp(Clock::System.now_ms()) },
    })
}

/// The token that is asked about, by its digest or by its text.
async fn known(ledger: &Ledger, id: Option<String>) -> anyhow::Result<token::Known> {
    let named = match id {
        Some(id) if id.starts_with("cha_") => return Err(usage("--id is the digest of a token; the token itself goes to standard input")),
        Some(digest) => Named { digest, grant: None },
        None => {
            let text = blocking(read_token).await?;
            Named::of_text(text.trim()).ok_or_else(|| anyhow::anyhow!("this is no token of a Chancery server"))?
        }
    };
    let found = named.find(ledger).await.map_err(|error| anyhow::anyhow!("{}", error.detail))?;
    found.context("the log knows no such token")
}

fn read_token() -> anyhow::Result<String> {
    const LONGEST: u64 = 1024;
    if io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Token: ")?);
    }
    let mut text = String::new();
    io::stdin().take(LONGEST).read_to_string(&mut text)?;
    if text.trim().is_empty() {
        bail!("no token came on standard input; use --id for its digest");
    }
    Ok(text)
}
