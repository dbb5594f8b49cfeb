//! Opening: database, vault, log, keys. Refuses to start rather than to serve what it does not understand.
//!
//! | Check | Refused with |
//! |---|---|
//! | head and tail of the log | the position that is damaged (the ledger) |
//! | master key; a vault that is missing beside its log | what to do (the vault) |
//! | the level of the catalogue | both levels (the ledger) |
//! | event types in use | the type that this program does not know |
//! | issuer of the log | both issuers, and `--change-issuer` |
//! | inline rows of another form | rebuilt first |
//! | the checkpoint that was signed last | what does not fit it |

pub mod error;

use std::collections::BTreeSet;
use std::sync::Arc;

use chancery_core::canonical;
use chancery_core::discovery::Endpoints;
use chancery_core::error::OAuthError;
use chancery_core::event::{event_catalogue, level};
use chancery_core::server::{self, IssuerChanged, Log, LogCreated, ServerEvent, ServerStarted};
use chancery_core::stream::{Event, Fact, Stream};
use chancery_core::time::Timestamp;
use chancery_ledger::error::AppendError;
use chancery_ledger::recorded::Freshness;
use chancery_ledger::write::{Actor, Expected, NewEvent, RowWrite, StreamWrite, Write};
use chancery_ledger::{Ledger, Options};
use chancery_projections::inline::{self, rebuild};

pub use self::error::StartError;
use super::clock::Clock;
use super::context::Context;
use super::decoded::Decoded;
use super::mint::Mint;
use super::password::Passwords;
use super::signing::SigningKeys;
use super::strangers::Strangers;
use super::vault::{Purpose, Store, Vault, VaultError, VaultStore};
use super::work::{Seal, Stop, Work, decide};
use super::{App, Names, Parts, random};
use crate::config::{Config, Database, Secrets};

/// How to open.
#[derive(Clone, Copy, Default)]
pub struct Opening {
    pub change_issuer: bool,
    /// Another level of the catalogue than this program's own: how tests stand for a newer program.
    pub level: Option<u16>,
}

/// Opens everything. The signing keys may still be on their way when this returns.
///
/// # Errors
/// The first reason not to start.
pub async fn open(config: Config, secrets: &Secrets, clock: Clock, opening: Opening) -> Result<App, StartError> {
    let ledger = open_ledger(&config, &clock, opening.level).await?;
    check_event_types(&ledger).await?;
    let vault = open_vault(&config, secrets, &clock, ledger.head().await?.size).await?;
    let log = identify(&ledger, &config, &clock).await?;
    if inline_set_is_old(&ledger).await? {
        refuse_other_nodes(&ledger, opening.level.unwrap_or_else(level)).await?;
        tracing::info!("the read models have another form than this program's; rebuilding them beside the old ones");
        rebuild::rebuild(&ledger, inline::SET, &mut |done, all| tracing::info!(done, all, "rebuilding")).await?;
    } else if ledger.set_state(None).await?.is_none_or(|state| state.digest.is_none()) {
        tracing::info!("the read models were made by a program that kept no digest of them; rebuilding them beside the old ones");
        super::read_models::rebuild_inline(&ledger, &mut |done, all| tracing::info!(done, all, "rebuilding")).await?;
    }
    let passwords = Passwords::new(&config.scrypt).map_err(StartError::Other)?;
    let names = Names {
        blind_index: vault.named(Purpose::BlindIndex).await?,
        sid: vault.named(Purpose::Sid).await?,
        pairwise: vault.named(Purpose::PairwiseSalt).await?,
    };
    let nonce_key = vault.named(Purpose::DpopNonce).await?;
    let nonces = super::dpop::Nonces::new(nonce_key.clone(), b"dpop nonce");
    let challenges = super::dpop::Nonces::new(nonce_key.clone(), b"attestation challenge");
    let credential_nonces = super::credentials::nonce::CredentialNonces::new(nonce_key);
    let attesters = super::attestation::attesters(&config.attesters).map_err(StartError::Other)?;
    let mint = Mint::new(vault.named(Purpose::RefreshToken).await?);
    let credentials = super::credentials::catalogue(&config).map_err(StartError::Other)?;
    let key_attesters = super::credentials::attesters::key_attesters(&config.key_attesters, &credentials).map_err(StartError::Other)?;
    let details = super::details::types(&config.details, credentials).map_err(StartError::Other)?;
    if let Some(profile) = config.profile {
        let missed = super::profile::shortfalls(&config, profile);
        if !missed.is_empty() {
            let sentence = format!("the configuration falls short of the profile {}:\n  {}", profile.as_str(), missed.join("\n  "));
            return Err(StartError::Other(sentence));
        }
    }
    let issuers = super::assertion::issuers(&config.assertion_issuers).map_err(StartError::Other)?;
    let exchanges = super::exchange::rules(&config.exchanges).map_err(StartError::Other)?;
    let app = App::new(Parts {
        endpoints: Endpoints { mtls: aliases(&config), ..endpoints(config.issuer.as_str()) },
        log_id: log.log_id.to_string(),
        keys: SigningKeys::default(),
        signer: config.signer.as_ref().map(super::signer::Signer::new),
        log_key: super::notary::InForce::default(),
        anchors: super::anchor::Behind::default(),
        waiting: super::feeds::poll::Waiting::default(),
        config,
        ledger,
        vault,
        clock,
        mint,
        nonces,
        challenges,
        credential_nonces,
        attesters,
        key_attesters,
        polls: super::polled::Polls::default(),
        passwords,
        names,
        decoded: Decoded::default(),
        strangers: Strangers::default(),
        rebuilding: super::read_models::Rebuilding::default(),
        remote: super::remote::Remote::default(),
        details,
        exchanges,
        issuers,
        authorities: super::certificate::Authorities::default(),
        people: super::seed::People::default(),
        fetches: super::client_keys::Fetches::default(),
        request_fetches: super::fetch_shares::FetchShares::default(),
        documents: super::client_documents::Documents::default(),
        logos: super::logo::Logos::default(),
    });
    let context = Context::of_server("server", random::uuid_v7(app.clock.now_ms()).to_string());
    // Before anything else is appended: every commit is signed.
    app.open_notary(&context).await?;
    app.check_issuer(&context, &log, opening.change_issuer).await?;
    Ok(app)
}

/// The log and nothing else: for commands that only read.
///
/// # Errors
/// As the ledger says.
pub async fn open_ledger_readonly(config: &Config, clock: &Clock) -> Result<Ledger, StartError> {
    let options = options(config, clock);
    Ok(match &config.database {
        Database::Sqlite(path) => Ledger::open_sqlite_readonly(path, options)?,
        Database::Postgres(url) => Ledger::open_postgres_readonly(url.expose(), options).await?,
    })
}

/// How the log of a configuration is opened.
pub fn options(config: &Config, clock: &Clock) -> Options {
    let clock = clock.clone();
    let mut options = Options::new(Arc::new(move || clock.now_ms()));
    options.inline_set = inline::SET.into();
    options.level = level();
    options.archive.clone_from(&config.archive);
    options.cache_bytes = usize::try_from(config.cache_mb).unwrap_or(usize::MAX >> 20).saturating_mul(1 << 20);
    options
}

async fn open_ledger(config: &Config, clock: &Clock, level: Option<u16>) -> Result<Ledger, StartError> {
    let mut options = options(config, clock);
    options.level = level.unwrap_or(options.level);
    Ok(match &config.database {
        Database::Sqlite(path) => {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)
                    .map_err(|e| StartError::Other(format!("{} cannot be created: {e}", directory.display())))?;
            }
            Ledger::open_sqlite(path, options)?
        }
        Database::Postgres(url) => Ledger::open_postgres(url.expose(), options).await?,
    })
}

/// The store of the vault, beside the database.
///
/// # Errors
/// A file or database that cannot be opened.
pub async fn open_vault_store(config: &Config) -> Result<Store, StartError> {
    let store = match &config.database {
        Database::Sqlite(path) => VaultStore::open_sqlite(&path.with_file_name("vault.db")),
        Database::Postgres(url) => VaultStore::open_postgres(url.expose()).await,
    };
    store.map(Store::Ledger).map_err(|e| StartError::Vault(e.into()))
}

async fn open_vault(config: &Config, secrets: &Secrets, clock: &Clock, events: u64) -> Result<Vault, StartError> {
    let store = open_vault_store(config).await?;
    // An empty vault beside a log is a vault that got lost: starting a new one would hide that until the first login fails. The log
    // alone begins with one event, so that a first start that broke off in between goes on.
    if events > 1 && store.kinds().await.map_err(VaultError::from)?.is_empty() {
        return Err(StartError::VaultMissing { events });
    }
    Ok(Vault::unlock(store, &secrets.master_key, clock.clone(), random::fill).await?)
}

/// An unknown type would stop a fold in the middle of a request; it stops the start instead.
async fn check_event_types(ledger: &Ledger) -> Result<(), StartError> {
    let known: BTreeSet<_> = event_catalogue().into_iter().map(|(_, own)| own.name).collect();
    let newest = |name: &str| event_catalogue().into_iter().filter(|(_, own)| own.name == name).map(|(_, own)| own.schema).max();
    for (name, schema) in ledger.event_kinds().await? {
        if !known.contains(name.as_str()) || newest(&name).is_none_or(|newest| schema > newest) {
            return Err(StartError::UnknownEvent { name, schema });
        }
    }
    Ok(())
}

/// A node of another program would go on to write its own form into rows that are made anew.
async fn refuse_other_nodes(ledger: &Ledger, own: u16) -> Result<(), StartError> {
    match ledger.node_levels().await?.into_iter().find(|level| *level != own) {
        Some(other) => Err(StartError::OtherNodes { own, other }),
        None => Ok(()),
    }
}

async fn inline_set_is_old(ledger: &Ledger) -> Result<bool, StartError> {
    Ok(ledger.inline_set().await?.0 != inline::SET)
}

/// Whose log this is; an empty one becomes ours. Of several nodes that start at once, one creates it.
async fn identify(ledger: &Ledger, config: &Config, clock: &Clock) -> Result<Log, StartError> {
    for _ in 0..8 {
        if ledger.head().await?.size > 0 {
            let row = ledger.row(Log::KIND, server::STREAM, Freshness::Fresh).await?;
            let state = match row {
                Some(row) => {
                    inline::state::<Log>(&row).map_err(|e| StartError::Other(format!("the row of the log cannot be read: {e}")))?.state
                }
                None => {
                    let events = ledger.read_stream(server::STREAM, 1).await?;
                    let folded = chancery_projections::fold::stream::<Log>(None, &events).map_err(|e| StartError::Other(e.to_string()))?;
                    folded.ok_or_else(|| StartError::Other("the log does not begin with LogCreated: it is not Chancery's".into()))?.state
                }
            };
            return Ok(state);
        }
        match ledger.append(first_write(config, clock)?).await {
            Ok(_) | Err(AppendError::VersionConflict { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StartError::Other("the log could not be created".into()))
}

/// Position 0.
fn first_write(config: &Config, clock: &Clock) -> Result<Write, StartError> {
    let broken = |why: String| StartError::Other(format!("LogCreated: {why}"));
    let issuer = config.issuer.as_str();
    // The origin of a C2SP checkpoint is a name without a scheme, and without a plus, which ends the name of a key.
    let origin = issuer.split_once("://").map_or(issuer, |(_, rest)| rest).replace('+', "%2B");
    let (log_id, issuer, at) = (random::uuid_v7(clock.now_ms()), issuer.to_owned(), Timestamp(clock.now_ms()));
    let event = ServerEvent::from(LogCreated { log_id, origin, issuer, level: level(), at });
    let id = random::uuid_v7(clock.now_ms());
    let personal = std::collections::BTreeMap::new();
    let fact = Fact { id, version: 1, event: &event, personal: &personal };
    let state = Log::evolve(None, &fact).map_err(|e| broken(e.to_string()))?;
    let row = inline::row(server::STREAM, &state, 1).map_err(|e| broken(e.to_string()))?;
    let new = NewEvent {
        id,
        kind: event.event_type().name,
        schema: event.event_type().schema,
        actor: Actor { kind: "server", id: String::new() },
        correlation: id.to_string(),
        causation: None,
        subject: None,
        data: canonical::to_vec(&event).map_err(|e| broken(e.0))?.into(),
        personal: None,
    };
    let stream = StreamWrite { stream: server::STREAM.into(), expected: Expected::Version(0), events: vec![new] };
    Ok(Write { streams: vec![stream], claims: Vec::new(), rows: vec![RowWrite::Upsert(row)], level: Some(level()) })
}

/// The addresses of the protocol endpoints, from the issuer alone (never from a Host header).
pub fn endpoints(issuer: &str) -> Endpoints {
    let at = |path: &str| format!("{issuer}{path}");
    Endpoints {
        issuer: issuer.to_owned(),
        authorization: at("/auth"),
        token: at("/token"),
        userinfo: at("/userinfo"),
        jwks: at("/jwks"),
        introspection: at("/introspection"),
        revocation: at("/revocation"),
        registration: at("/reg"),
        end_session: at("/session/end"),
        check_session: at("/session/check"),
        pushed_authorization_request: at("/par"),
        device_authorization: at("/device/auth"),
        backchannel_authentication: at("/backchannel"),
        challenge: at("/challenge"),
        mtls: None,
    }
}

/// What stands for the issuer in the addresses for callers with a certificate: the same path at the other origin.
fn aliases(config: &Config) -> Option<String> {
    let path = config.issuer.as_str().strip_prefix(config.issuer.origin())?;
    Some(format!("{}{path}", config.mtls.url.as_ref()?))
}

impl App {
    async fn check_issuer(&self, context: &Context, log: &Log, change: bool) -> Result<(), StartError> {
        let configured = self.config.issuer.as_str();
        if log.issuer == configured {
            return Ok(());
        }
        if !change {
            return Err(StartError::OtherIssuer { found: log.issuer.clone(), configured: configured.to_owned() });
        }
        let event = IssuerChanged { before: log.issuer.clone(), issuer: configured.to_owned(), at: self.now() };
        decide!(self, context, |work| record_once(work, event.clone().into())).map_err(OAuthError::from)?;
        Ok(())
    }

    /// Records that this program serves now, with which configuration.
    ///
    /// # Errors
    /// The log cannot be written.
    pub async fn record_start(&self, context: &Context) -> Result<(), OAuthError> {
        let config = self.config.digest().iter().map(|byte| format!("{byte:02x}")).collect();
        let event = ServerStarted {
            version: env!("CARGO_PKG_VERSION").into(),
            config,
            mode: self.config.mode.as_str().into(),
            profile: self.config.profile,
            at: self.now(),
        };
        decide!(self, context, |work| record_once(work, event.clone().into()))?;
        Ok(())
    }
}

async fn record_once(mut work: Work<'_>, event: ServerEvent) -> Result<(), Stop> {
    let mut loaded = work.load::<Log>(server::STREAM).await?;
    work.record(&mut loaded, vec![event.into()], &Seal::default())?;
    work.commit().await.map(drop)
}
