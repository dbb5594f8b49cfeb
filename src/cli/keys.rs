//! `chancery keys`: the signing keys of tokens, and the master key of the vault.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::Value;

use super::operate::operate;
use super::outcome::usage;
use super::{instant, print, socket};
use crate::app::clock::Clock;
use crate::app::operator;
use crate::app::{random, start, vault};
use crate::config::{Config, Database, MASTER_FILE, MasterKey, Mode, secret};

#[derive(Subcommand)]
pub enum Command {
    /// Every key that was ever announced
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a new key that signs as soon as every client can know it; the old one stays published while its tokens live
    Rotate {
        /// RS256, PS256, ES256, ES384, ES512 or EdDSA
        #[arg(long, value_name = "ALG", default_value = "RS256")]
        alg: String,
        /// Sign with it at once: for a key that must not sign any more. Clients that cache the old set refuse tokens until they fetch again
        #[arg(long)]
        now: bool,
        /// The key that signs the heads of the log instead
        #[arg(long, conflicts_with_all = ["alg", "now"])]
        log: bool,
        /// The keys that requests are encrypted to instead; the old ones open what is on its way for a day
        #[arg(long, conflicts_with_all = ["alg", "now", "log"])]
        encryption: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Change the master key: wrap every key of the vault by the new one. Stop the server first
    #[command(after_help = "\
Example:
  openssl rand -base64 32 > new-key && chmod 600 new-key
  chancery keys rewrap --new-key-file new-key

The old key is the configured one. An interrupted change is finished by running the same command again.")]
    Rewrap {
        /// File with the new key: 32 bytes in base64 or hex
        #[arg(long, value_name = "FILE")]
        new_key_file: PathBuf,
    },
}

pub async fn run(config: Config, command: Command) -> anyhow::Result<()> {
    match command {
        Command::List { json } => {
            let answer = operate(config, operator::Command::KeysList).await?;
            if json { Ok(print::json(&answer)?) } else { list(&answer) }
        }
        Command::Rotate { log: true, json, .. } => {
            let answer = operate(config, operator::Command::LogKeyRotate).await?;
            if json {
                return Ok(print::json(&answer)?);
            }
            Ok(print::line(format_args!("{} signs the heads of the log from now on.", text(&answer, "key_id")))?)
        }
        Command::Rotate { encryption: true, json, .. } => {
            let answer = operate(config, operator::Command::EncryptionKeysRotate).await?;
            if json {
                return Ok(print::json(&answer)?);
            }
            let kids = answer.get("kids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            Ok(print::line(format_args!("Requests are encrypted to {} from now on.", kids.collect::<Vec<_>>().join(" and ")))?)
        }
        Command::Rotate { alg, now, json, .. } => {
            let answer = operate(config, operator::Command::KeysRotate { alg, now }).await?;
            if json {
                return Ok(print::json(&answer)?);
            }
            let signs_at = answer.get("signs_at").and_then(Value::as_i64).map(instant::rfc3339).unwrap_or_default();
            Ok(print::line(format_args!("{} is published and signs from {signs_at} on.", text(&answer, "kid")))?)
        }
        Command::Rewrap { new_key_file } => rewrap(config, new_key_file).await,
    }
}

fn list(answer: &Value) -> anyhow::Result<()> {
    let keys = answer.get("keys").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if keys.is_empty() {
        return Ok(print::line("There are no keys yet; the first start of the server makes them.")?);
    }
    print::line(format_args!("{:<8} {:<8} {:<10} {:<24}  kid", "alg", "phase", "source", "since"))?;
    for key in keys {
        let since = ["retired_at", "activated_at", "planned_at"].iter().find_map(|member| key.get(member).and_then(Value::as_i64));
        let (alg, phase, source) = (text(key, "alg"), text(key, "phase"), text(key, "source"));
        let since = since.map(instant::rfc3339).unwrap_or_default();
        print::line(format_args!("{alg:<8} {phase:<8} {source:<10} {since:<24}  {}", text(key, "kid")))?;
    }
    Ok(())
}

fn text(value: &Value, member: &str) -> String {
    print::plain(value.get(member).and_then(Value::as_str).unwrap_or_default())
}

async fn rewrap(config: Config, new_key_file: PathBuf) -> anyhow::Result<()> {
    let wrong = |sentence: String| usage(format!("--new-key-file {sentence}"));
    let (typed, _) = secret::resolve(&format!("file:{}", new_key_file.display())).map_err(wrong)?;
    let new = MasterKey::parse(typed.expose()).map_err(wrong)?;
    if new.is_weak() {
        return Err(usage("--new-key-file holds a pattern that can be guessed; make a key with `openssl rand -base64 32`."));
    }
    let _alone = match &config.database {
        Database::Sqlite(path) if !path.exists() => bail!("there is no vault in {}", config.data_dir.display()),
        Database::Sqlite(_) if socket::is_answered(&config.data_dir).await => {
            bail!("the server is running and makes keys under the old master key; stop it first")
        }
        Database::Sqlite(path) => Some(hold(path)?),
        Database::Postgres(_) => None,
    };
    let old = config.secrets(random::fill)?.master_key;
    let store = start::open_vault_store(&config).await?;
    let changed = vault::rewrap(&store, &old, &new, &Clock::System, random::fill).await?;
    print::line(format_args!("{changed} keys are wrapped by the new master key."))?;
    let (kept, file) = (config.data_dir.join(MASTER_FILE), new_key_file.display());
    if config.mode == Mode::Development && kept.exists() {
        eprintln!(
            "Now put the new key into {}, or set CHANCERY_MASTER_KEY=file:{file}; the old one opens nothing any more.",
            kept.display()
        );
    } else {
        eprintln!("Now start every server with CHANCERY_MASTER_KEY=file:{file}; the old key opens nothing any more.");
    }
    if matches!(config.database, Database::Postgres(_)) {
        eprintln!(
            "Servers that ran meanwhile may have added keys under the old one: restart them, then run this again with the same two keys."
        );
    }
    Ok(())
}

/// The lock that a writing process holds, so that no server starts meanwhile.
fn hold(database: &Path) -> anyhow::Result<File> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&name).context("the lock of the log")?;
    file.try_lock().context("another process has the log open; stop it first")?;
    Ok(file)
}
