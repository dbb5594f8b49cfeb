//! `chancery credential`: credentials for wallets (OpenID for Verifiable Credential Issuance).

use clap::Subcommand;
use serde_json::Value;

use super::operate::operate;
use super::print;
use crate::app::operator;
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Offer credentials to a person: what a wallet opens goes to stdout
    #[command(after_help = "\
Examples:
  chancery credential offer alice@example.com --credential identity --tx-code
  chancery credential offer alice@example.com --credential identity --credential badge --by-reference")]
    Offer {
        /// Id or e-mail address of the account
        account: String,
        /// The id of a [[credential]]; may be repeated
        #[arg(long, value_name = "ID", required = true)]
        credential: Vec<String>,
        /// With a transaction code, which the person gets on another way
        #[arg(long)]
        tx_code: bool,
        /// The short form, for a picture: the wallet fetches the offer
        #[arg(long)]
        by_reference: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let Command::Offer { account, credential, tx_code, by_reference, json } = command;
    let answer = operate(config, operator::Command::CredentialOffer { account, credentials: credential, tx_code }).await?;
    if json {
        return Ok(print::json(&answer)?);
    }
    let text = |member: &str| answer.get(member).and_then(Value::as_str).unwrap_or_default();
    print::line(text(if by_reference { "credential_offer_uri" } else { "credential_offer" }))?;
    if tx_code {
        eprintln!("transaction code {}: tell it to the person on another way", text("tx_code"));
    }
    eprintln!("offer {}, good until {}", text("offer"), text("expires_at"));
    Ok(())
}
