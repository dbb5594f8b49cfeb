//! `chancery session`: signed-in browsers, by the operator. `chancery user show` lists those of an account.

use clap::Subcommand;

use super::operate::operate;
use super::print;
use crate::app::operator;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// End a session: its browser is signed out, and the tokens that are bound to it end at once
    End {
        /// Its id, as `chancery user show` tells it
        session: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let Command::End { session, json } = command;
    let answer = operate(config, operator::Command::SessionEnd { session }).await?;
    if json {
        return Ok(print::json(&answer)?);
    }
    Ok(print::line(format_args!("The session {} has ended.", print::words(answer.get("session"))))?)
}
