//! `chancery token`: an operator's token for Chancery's own interfaces. The token alone goes to stdout, so that `$(chancery token ...)` works.

use serde_json::Value;

use super::operate::operate;
use super::print;
use crate::app::operator::Command;
use crate::config::{Config, value};

#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  curl -H \"Authorization: Bearer $(chancery token --scope audit:read)\" http://localhost:3000/audit/events"
)]
pub struct Args {
    /// Space-separated: admin, audit:read, metrics:read
    #[arg(long, value_name = "SCOPES")]
    scope: String,
    /// How long it lives: 90s, 10m, 1h; at most 24h
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = seconds)]
    expires_in: u32,
    /// The whole answer as JSON
    #[arg(long)]
    json: bool,
}

const LONGEST: u64 = 24 * 60 * 60;

fn seconds(text: &str) -> Result<u32, String> {
    match value::duration(text)? {
        seconds @ 1..=LONGEST => u32::try_from(seconds).map_err(|error| error.to_string()),
        _ => Err("a token lives at least 1s and at most 24h".to_owned()),
    }
}

pub async fn run(config: Config, args: Args) -> anyhow::Result<()> {
    let answer = operate(config, Command::Token { scope: args.scope, seconds: args.expires_in }).await?;
    if args.json {
        return Ok(print::json(&answer)?);
    }
    let text = |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default();
    print::line(text("access_token"))?;
    eprintln!("scope {}, expires in {} s", text("scope"), answer.get("expires_in").and_then(Value::as_u64).unwrap_or_default());
    Ok(())
}
