//! `chancery user`: accounts, by the operator.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use chancery_core::account::Role;
use chancery_core::account::claims::{Stated, stated_in};
use chancery_core::account::lists::LISTS;
use chancery_core::account::sources::{NAMES, SOURCES};
use clap::Subcommand;
use serde_json::{Map, Value};

use super::operate::operate;
use super::outcome::usage;
use super::password::Source;
use super::{blocking, print};
use crate::app::{erasure, operator};
use crate::config::Config;

#[derive(Subcommand)]
pub enum Command {
    /// Make an account; its password is asked for
    #[command(after_help = "\
Examples:
  chancery user create --email alice@example.com --name Alice
  chancery user create --email alice@example.com --claim given_name=Alice --claim address.country=UK
  chancery user create --email root@example.com --admin --password-file /run/secrets/admin")]
    Create {
        /// E-mail address to sign in with
        #[arg(long, value_name = "ADDRESS")]
        email: String,
        /// What to call the person
        #[arg(long)]
        name: Option<String>,
        /// With the role admin: may use /admin
        #[arg(long)]
        admin: bool,
        #[command(flatten)]
        claims: Claims,
        #[command(flatten)]
        password: Source,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change what is said of a person
    #[command(after_help = "\
Examples:
  chancery user update alice@example.com --claim given_name=Alice --claim email_verified=true
  chancery user update alice@example.com --claim phone_number=      (takes it away)
  chancery user update alice@example.com --claims-file claims.json")]
    Update {
        /// Id or e-mail address
        account: String,
        #[command(flatten)]
        claims: Claims,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show an account: claims, sessions, and the clients with access
    Show {
        /// Id or e-mail address
        account: String,
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
    /// Open a closed account again; what is left of its sessions and tokens lives on
    Enable {
        /// Id or e-mail address
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Give an account a role on Chancery's own pages, /admin
    Grant {
        /// Id or e-mail address
        account: String,
        /// admin sees personal data in clear, auditor does not
        #[arg(value_parser = role, value_name = "admin|auditor")]
        role: Role,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a role back
    Revoke {
        /// Id or e-mail address
        account: String,
        /// Which
        #[arg(value_parser = role, value_name = "admin|auditor")]
        role: Role,
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
    /// The certificate of an erasure, as JSON: what can be read by nobody any more, and the proof
    Certificate {
        /// Id of the account
        account: String,
    },
    /// Check a certificate, without a server or a database
    CheckCertificate {
        /// The file that `certificate` printed
        file: PathBuf,
        /// The log's verifier key from a place that you trust; without it the certificate's own is taken, which proves less
        #[arg(long, value_name = "KEY")]
        key: Option<String>,
    },
    /// Put an account under a legal hold: it cannot be erased until it is released
    Hold {
        /// Id or e-mail address
        account: String,
        /// Why; kept sealed
        #[arg(long)]
        reason: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Lift the legal hold of an account
    Release {
        /// Id or e-mail address
        account: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// What is said of a person.
#[derive(clap::Args)]
pub struct Claims {
    /// A standard claim of OpenID Connect Core §5.1, a part of the address after `address.`; may be repeated
    #[arg(long = "claim", value_name = "NAME=TEXT", value_parser = name_and_text)]
    claims: Vec<(String, String)>,
    /// Read claims from a JSON object as userinfo answers it, `_claim_names`, `_claim_sources` and `_lists` too, or - for standard input
    #[arg(long, value_name = "FILE")]
    claims_file: Option<PathBuf>,
}

fn name_and_text(text: &str) -> Result<(String, String), String> {
    let (name, text) = text.split_once('=').ok_or("write NAME=TEXT, such as given_name=Alice")?;
    // An access token may be among them, and secrets are never on a command line.
    if [NAMES, SOURCES].contains(&name) {
        return Err("what others assert is read with --claims-file".to_owned());
    }
    if name == LISTS {
        return Err("lists are read with --claims-file".to_owned());
    }
    Ok((name.to_owned(), text.to_owned()))
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "admin" => Ok(Role::Admin),
        "auditor" => Ok(Role::Auditor),
        _ => Err("the roles are admin and auditor".to_owned()),
    }
}

impl Claims {
    async fn read(self) -> anyhow::Result<Stated> {
        let mut stated = match self.claims_file {
            None => Stated::new(),
            Some(file) => {
                let object = blocking(move || json_object(&file)).await?;
                stated_in(&object).map_err(|wrong| usage(wrong.into_iter().map(|own| own.problem).collect::<Vec<_>>().join(" ")))?
            }
        };
        stated.extend(self.claims);
        Ok(stated)
    }
}

fn json_object(file: &std::path::Path) -> anyhow::Result<Map<String, Value>> {
    const LONGEST: u64 = 32 * 1024;
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => io::stdin().lock().take(LONGEST).read_to_string(&mut text),
        _ => std::fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_string(&mut text)),
    };
    read.with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).map_err(|error| usage(format!("the claims are no JSON object: {error}")))
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    let (command, json, what) = match command {
        Command::Create { email, name, admin, claims, password, json } => {
            let claims = claims.read().await?;
            // The wire form of the command needs a text of its own.
            let password = password.read().await?.to_string();
            (operator::Command::UserCreate { email, name, password, admin, claims }, json, "is made")
        }
        Command::Update { account, claims, json } => {
            let claims = claims.read().await?;
            if claims.is_empty() {
                return Err(usage("nothing is to be changed; use --claim NAME=TEXT or --claims-file FILE"));
            }
            (operator::Command::UserUpdate { account, claims }, json, "says what you said")
        }
        Command::Show { account, json } => {
            let answer = operate(config, operator::Command::UserShow { account }).await?;
            return if json { Ok(print::json(&answer)?) } else { show(&answer) };
        }
        Command::Disable { account, json } => (operator::Command::UserDisable { account }, json, "is closed"),
        Command::Enable { account, json } => (operator::Command::UserEnable { account }, json, "is open"),
        Command::Grant { account, role, json } => (operator::Command::UserGrant { account, role }, json, "has the role"),
        Command::Revoke { account, role, json } => (operator::Command::UserRevoke { account, role }, json, "has the role no more"),
        Command::Erase { account, yes, json } => {
            if !yes {
                confirm(account.clone()).await?;
            }
            (operator::Command::UserErase { account }, json, "is erased; `chancery user certificate` gives the certificate")
        }
        Command::Certificate { account } => {
            return Ok(print::json(&operate(config, operator::Command::UserCertificate { account }).await?)?);
        }
        Command::CheckCertificate { file, key } => return check_certificate(&file, key.as_deref()),
        Command::Hold { account, reason, json } => (operator::Command::UserHold { account, reason }, json, "is held"),
        Command::Release { account, json } => (operator::Command::UserRelease { account }, json, "is no longer held"),
    };
    let answer = operate(config, command).await?;
    if json {
        return Ok(print::json(&answer)?);
    }
    Ok(print::line(format_args!("The account {} {what}.", answer.get("account").and_then(Value::as_str).unwrap_or_default()))?)
}

fn show(answer: &Value) -> anyhow::Result<()> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for member in ["account", "standing", "roles", "declared", "registered_at"] {
        pairs.push((member.to_owned(), print::words(answer.get(member))));
    }
    for (name, value) in answer.get("claims").and_then(Value::as_object).into_iter().flatten() {
        match value {
            Value::Object(parts) => pairs.extend(parts.iter().map(|(part, value)| (format!("{name}.{part}"), print::words(Some(value))))),
            value => pairs.push((name.clone(), print::words(Some(value)))),
        }
    }
    let list = |member: &str| answer.get(member).and_then(Value::as_array).into_iter().flatten().cloned().collect::<Vec<_>>();
    for session in list("sessions") {
        let word = |member: &str| print::words(session.get(member));
        pairs.push(("session".to_owned(), format!("{}  signed in {}, until {}", word("session"), word("signed_in_at"), word("ends_at"))));
    }
    for client in list("allowed") {
        let word = |member: &str| print::words(client.get(member));
        pairs.push((
            "allowed".to_owned(),
            format!("{}  {}  {}, since {}", word("client_id"), word("client_name"), word("scope"), word("since")),
        ));
    }
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    Ok(print::pairs(&pairs)?)
}

fn check_certificate(file: &std::path::Path, key: Option<&str>) -> anyhow::Result<()> {
    const LONGEST: u64 = 64 * 1024 * 1024;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    read.with_context(|| file.display().to_string())?;
    let checked = erasure::check::check(&bytes, key).map_err(|why| anyhow::anyhow!("{}: {}", file.display(), print::plain(&why)))?;
    print::line(format_args!(
        "The certificate holds: account {}, {} events unreadable, in a log of {} events.",
        print::plain(&checked.account),
        checked.events,
        checked.size
    ))?;
    if checked.by_its_own_key {
        eprintln!("Checked with the key in the certificate itself; --key with one from elsewhere proves more.");
    }
    Ok(())
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
