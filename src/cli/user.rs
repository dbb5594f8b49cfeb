//! `chancery user`: accounts, by the operator.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::bail;
use clap::Subcommand;
use serde_json::Value;

use super::operate::operate;
use super::outcome::usage;
use super::password::Source;
use super::{blocking, print};
use crate::app::operator;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Make an account; its password is asked for
    #[command(after_help = "\
Examples:
  chancery user create --email alice@example.com --name Alice
  chancery user create --email root@example.com --admin --password-file /run/secrets/admin")]
    Create {
        /// E-mail address to sign in with
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// What to call the person
        #[arg(long)]
        name: Option<String>,
        /// May do what operators do
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        password: Source,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Close an account; its tokens end at once
    Disable {
        /// Id or e-mail address
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Erase a person: destroys the key of everything personal in the log. Cannot be undone
    Erase {
        /// Id or e-mail address
        account: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let (command, json, what) = match command {
        Command::Create { email, name, admin, password, json } => {
            // The wire form of the command needs a text of its own.
            let password = password.read().await?.to_string();
            (operator::Command::UserCreate { email, name, password, admin }, json, "is made")
        }
        Command::Disable { account, json } => (operator::Command::UserDisable { account }, json, "is closed"),
        Command::Erase { account, yes, json } => {
            if !yes {
                confirm(account.clone()).await?;
            }
            (operator::Command::UserErase { account }, json, "is erased")
        }
    };
    let answer = operate(config, command).await?;
    if json {
        return Ok(print::json(&answer)?);
    }
    Ok(print::line(format_args!("The account {} {what}.", answer.get("account").and_then(Value::as_str).unwrap_or_default()))?)
}

async fn confirm(account: String) -> anyhow::Result<()> {
    if !io::stdin().is_terminal() {
        return Err(usage("there is no terminal to ask for a confirmation; use --yes"));
    }
    let typed = blocking(move || {
        eprint!(
            "Everything personal of {} will be unreadable for ever, in the log and in its copies. Type yes to erase: ",
            print::plain(&account)
        );
        io::stderr().flush()?;
        let mut typed = String::new();
        io::stdin().read_line(&mut typed)?;
        Ok(typed)
    });
    if typed.await?.trim() != "yes" {
        bail!("nothing was erased");
    }
    Ok(())
}
