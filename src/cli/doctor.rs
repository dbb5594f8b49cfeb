//! `chancery doctor`: what would keep a server from starting or serving, found without starting one.
//!
//! | Looked at | How |
//! |---|---|
//! | configuration | `config::check` |
//! | database, its level, the role on PostgreSQL | opened as a server would, on SQLite to read only |
//! | whose log it is, which types of events it holds | read |
//! | master key, signing keys | the vault is unlocked if there is one; nothing is made |
//! | signer | each key that it is to have signs, and the signature is checked |
//! | clock | against the last event |
//! | addresses | bound for a moment, or asked whether a server is alive there |
//! | feeds | their files and certificates; whether receivers may be reached and answer a connection |

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use chancery_core::client::metadata::SigningAlg;
use chancery_core::event::{self, event_catalogue};
use chancery_core::key::{Key, Phase};
use chancery_core::profile::Profile;
use chancery_core::server::{self, Log};
use chancery_core::stream::Stream as _;
use chancery_ledger::recorded::Freshness;
use chancery_ledger::{Ledger, Options};
use chancery_projections::inline;
use serde_json::json;

use super::config::{fail_on, show, word};
use super::{instant, logging, print, socket};
use crate::app::clock::Clock;
use crate::app::external;
use crate::app::profile::shortfalls;
use crate::app::random;
use crate::app::signer::Signer;
use crate::app::start::{self, StartError};
use crate::app::vault::Vault;
use crate::config::check::{Finding, Level, check};
use crate::config::feed::{Target, Wire};
use crate::config::{self, Config, Database, Feed, Flags, MASTER_FILE, Mode, Sources, resolve};
use crate::http::guarded::Outgoing;
use crate::http::outgoing;

#[derive(clap::Args)]
pub struct Args {
    /// As JSON, one finding per line
    #[arg(long)]
    json: bool,
    /// Say in which points the configuration falls short of a profile: oauth21, fapi1-advanced, fapi-ciba, fapi2-security, fapi2-message-signing
    #[arg(long, value_parser = profile_named)]
    profile: Option<Profile>,
}

/// A clock that is this far behind the last event was set back.
const SET_BACK_MS: i64 = 60_000;
/// 2025-01-01: no clock is right that shows less.
const EARLIEST_MS: i64 = 1_735_689_600_000;
const PATIENCE: Duration = Duration::from_secs(2);

pub async fn run(flags: &Flags, args: &Args) -> anyhow::Result<()> {
    logging::start(false, "error");
    let sources = Sources::of_process(flags);
    let mut report = Report(check(&sources));
    if let Ok(config) = resolve(&sources) {
        let running = socket::is_answered(&config.data_dir).await;
        clock(&mut report);
        if let Some(ledger) = database(&config, &mut report).await {
            log(&ledger, &config, &mut report).await;
            ledger.close().await;
        }
        if matches!(config.database, Database::Sqlite(_)) || report.0.iter().all(|finding| finding.level != Level::Fail) {
            let is_given = sources.merge().settings.contains_key("master_key");
            vault(&config, is_given, &mut report).await;
        }
        for address in &config.listen {
            listener(*address, &config, &mut report).await;
        }
        if let Some(own) = &config.signer {
            signer(own, &mut report).await;
        }
        for own in &config.feeds {
            feed(own, &config, &mut report).await;
        }
        if let Some(profile) = args.profile.or(config.profile) {
            held_to(profile, &config, &mut report);
        }
        if running {
            report.ok(format!("a server runs on this data directory and answers on {}", config.data_dir.join(socket::FILE).display()));
        }
    }
    for finding in &report.0 {
        if args.json {
            print::line(json!({ "level": word(finding.level).to_ascii_lowercase(), "sentence": finding.sentence }))?;
        } else {
            show(finding)?;
        }
    }
    fail_on(&report.0)
}

struct Report(Vec<Finding>);

impl Report {
    fn ok(&mut self, sentence: impl Into<String>) {
        self.0.push(Finding { level: Level::Ok, sentence: sentence.into() });
    }

    fn warn(&mut self, sentence: impl Into<String>) {
        self.0.push(Finding { level: Level::Warn, sentence: sentence.into() });
    }

    fn fail(&mut self, sentence: impl Into<String>) {
        self.0.push(Finding { level: Level::Fail, sentence: sentence.into() });
    }
}

fn profile_named(text: &str) -> Result<Profile, String> {
    Profile::parse(text).ok_or_else(|| "use oauth21, fapi1-advanced, fapi-ciba, fapi2-security or fapi2-message-signing".to_owned())
}

fn held_to(profile: Profile, config: &Config, report: &mut Report) {
    let missed = shortfalls(config, profile);
    if missed.is_empty() {
        report.ok(format!("the configuration meets the profile {}", profile.as_str()));
    }
    for own in missed {
        report.fail(format!("the profile {}: {own}", profile.as_str()));
    }
}

fn clock(report: &mut Report) {
    let now = Clock::System.now_ms();
    match now {
        ..EARLIEST_MS => report.fail(format!("the clock shows {}; set it, or no token will be accepted anywhere", instant::rfc3339(now))),
        _ => report.ok(format!("the clock shows {}", instant::rfc3339(now))),
    }
}

async fn database(config: &Config, report: &mut Report) -> Option<Ledger> {
    let opened = match &config.database {
        Database::Sqlite(path) if !path.exists() => {
            directory(config, report);
            return None;
        }
        Database::Sqlite(_) => start::open_ledger_readonly(config, &Clock::System).await,
        // As a server does: only so is the role looked at.
        Database::Postgres(url) => {
            let mut options = Options::new(Arc::new(|| Clock::System.now_ms()));
            options.inline_set = inline::SET.into();
            options.level = event::level();
            Ledger::open_postgres(url.expose(), options).await.map_err(StartError::from)
        }
    };
    match opened {
        Ok(ledger) => {
            report.ok("the database can be opened and has this program's level");
            Some(ledger)
        }
        Err(error) => {
            report.fail(error.to_string());
            None
        }
    }
}

fn directory(config: &Config, report: &mut Report) {
    let directory = &config.data_dir;
    match std::fs::metadata(directory) {
        Ok(found) if !found.is_dir() => report.fail(format!("{} is not a directory", directory.display())),
        Ok(found) if found.permissions().readonly() => report.fail(format!("{} cannot be written", directory.display())),
        _ => report.ok(format!("there is no log in {} yet; the first start makes it", directory.display())),
    }
}

async fn log(ledger: &Ledger, config: &Config, report: &mut Report) {
    let identity = ledger.row(Log::KIND, server::STREAM, Freshness::Fresh).await;
    let (head, kinds, identity) = match (ledger.head().await, ledger.event_kinds().await, identity) {
        (Ok(head), Ok(kinds), Ok(identity)) => (head, kinds, identity),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return report.fail(error.to_string()),
    };
    if head.size == 0 {
        return report.ok("the log is empty; the first start begins it");
    }
    report.ok(format!("the log has {} events, the last of {}", head.size, instant::rfc3339(head.recorded_at)));
    if head.recorded_at > Clock::System.now_ms() + SET_BACK_MS {
        report
            .warn("the clock is behind the last event: it was set back, and new events carry the time of that one until it has caught up");
    }
    match (ledger.level(), event::level()) {
        (found, known) if found > known => report
            .fail(format!("the log's catalogue of event types is of level {found}; this program knows level {known}: use a newer program")),
        (found, known) if found < known => report.warn(format!(
            "the log is at catalogue level {found}, this program knows {known}: run `chancery ledger upgrade` when all nodes run it"
        )),
        (found, _) => report.ok(format!("the log is at catalogue level {found}, as this program")),
    }
    let catalogue = event_catalogue();
    for (name, schema) in kinds {
        if !catalogue.iter().any(|(_, own)| own.name == name && own.schema >= schema) {
            report.fail(format!(
                "the log holds events of the type {name} (schema {schema}), which this program does not know: use a newer program"
            ));
        }
    }
    match identity.map(|row| inline::state::<Log>(&row)) {
        Some(Ok(log)) if log.state.issuer == config.issuer.as_str() => report.ok(format!("the log {} is of this issuer", log.state.log_id)),
        Some(Ok(log)) => report.fail(format!(
            "the log belongs to the issuer {}, not to {}: correct OIDC_ISSUER, or start once with --change-issuer if it really moved",
            log.state.issuer,
            config.issuer.as_str()
        )),
        _ => report.warn("the read models are of another form; the next start rebuilds them, or run `chancery projections rebuild`"),
    }
    match active_keys(ledger).await {
        Ok(active) if active.len() == SigningAlg::ALL.len() => report.ok("there is a signing key for each algorithm"),
        Ok(_) => report.warn("signing keys are missing; the next start makes them"),
        Err(error) => report.fail(error),
    }
}

async fn active_keys(ledger: &Ledger) -> Result<BTreeSet<SigningAlg>, String> {
    let rows = ledger.rows_all(Key::KIND, None, 1000).await.map_err(|error| error.to_string())?;
    let keys: Result<Vec<_>, _> = rows.iter().map(inline::state::<Key>).collect();
    let keys = keys.map_err(|error| format!("the rows of the signing keys cannot be read: {error}"))?;
    Ok(keys.into_iter().filter(|key| key.state.phase == Phase::Active).map(|key| key.state.alg).collect())
}

/// Looks at a vault that is there; an empty one would be given a master key by unlocking it.
async fn vault(config: &Config, is_given: bool, report: &mut Report) {
    if let Database::Sqlite(path) = &config.database
        && !path.with_file_name("vault.db").exists()
    {
        return report.ok("there is no vault yet; the first start makes it with the master key it is given");
    }
    match unlock(config, is_given).await {
        Ok(true) => report.ok("the master key opens the vault"),
        Ok(false) => report.ok("the vault is empty; the first start gives it the master key"),
        Err(error) => report.fail(error.to_string()),
    }
}

async fn unlock(config: &Config, is_given: bool) -> Result<bool, StartError> {
    let store = start::open_vault_store(config).await?;
    let kinds = store.kinds().await.map_err(|error| StartError::Vault(error.into()))?;
    if kinds.is_empty() {
        return Ok(false);
    }
    let kept = config.data_dir.join(MASTER_FILE);
    if config.mode == Mode::Development && !is_given && !kept.exists() {
        let gone = format!(
            "there is a vault but no {}: a start would make another key, which opens nothing; put the old one back",
            kept.display()
        );
        return Err(StartError::Other(gone));
    }
    let secrets = config.secrets(random::fill).map_err(|error| StartError::Other(error.to_string()))?;
    Vault::unlock(store, &secrets.master_key, Clock::System, random::fill).await?;
    Ok(true)
}

/// Has each key sign that the signer is to have.
async fn signer(named: &config::Signer, report: &mut Report) {
    let signer = Signer::new(named);
    for (alg, name) in &named.keys {
        match external::examine(&signer, *alg, name).await {
            Ok(held) => report.ok(format!("the signer signs {} with {name} ({})", alg.as_str(), held.kid())),
            Err(why) => report.fail(format!("the signer: {why}")),
        }
    }
}

async fn feed(feed: &Feed, config: &Config, report: &mut Report) {
    let (name, to) = (&feed.name, feed.to.shown());
    match reach(feed, config).await {
        Ok(()) => report.ok(format!("the feed {name} can reach {to}")),
        Err(why) => report.fail(format!("the feed {name} cannot reach {to}: {why}")),
    }
    if feed.is_clear {
        report.warn(format!("the feed {name} opens personal data; what was sent is out of the reach of an erasure here"));
    }
}

async fn reach(feed: &Feed, config: &Config) -> Result<(), String> {
    match &feed.to {
        Target::File(path) => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
            match std::fs::metadata(directory) {
                Ok(found) if found.is_dir() && !found.permissions().readonly() => Ok(()),
                Ok(_) => Err(format!("{} cannot be written", directory.display())),
                Err(error) => Err(format!("{}: {error}", directory.display())),
            }
        }
        Target::Webhook(url) => {
            let outgoing = Outgoing::new(&config.outgoing_networks, config.mode == Mode::Development).map_err(|e| e.to_string())?;
            outgoing.would_reach(url).await.map_err(|failure| failure.to_string())
        }
        Target::Syslog { wire, host, port, ca } => {
            outgoing::tls(ca.as_deref())?;
            if *wire == Wire::Udp {
                return Ok(());
            }
            let connected = tokio::time::timeout(PATIENCE, tokio::net::TcpStream::connect((host.as_str(), *port))).await;
            connected.map_err(|_| "no connection in time".to_owned())?.map(drop).map_err(|error| error.to_string())
        }
    }
}

async fn listener(address: SocketAddr, config: &Config, report: &mut Report) {
    match TcpListener::bind(address) {
        Ok(_) => report.ok(format!("{address} is free")),
        Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => report.fail(format!("{address} cannot be listened on: {error}")),
        Err(_) if config.tls.is_some() => report.warn(format!("{address} is in use, perhaps by this server itself")),
        Err(_) if is_alive(address, config).await => report.ok(format!("{address} is in use by a running server of this issuer")),
        Err(_) => report.fail(format!("{address} is in use by another program; stop it, or choose another address with --listen")),
    }
}

/// Does this server answer there? Asked with the issuer's own name, since development answers to no other.
async fn is_alive(address: SocketAddr, config: &Config) -> bool {
    let Ok(client) = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build() else { return false };
    let asked = client.get(format!("http://{address}/health/live")).header("host", config.issuer.authority());
    let Ok(answer) = asked.send().await else { return false };
    answer.json::<serde_json::Value>().await.is_ok_and(|body| body["status"] == "alive")
}
