//! The whole server: a directory of its own, a manual clock, every layer that `chancery serve` has.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery::app::archiving::Pruned;
use chancery::app::clock::Clock;
use chancery::app::context::Context;
use chancery::app::operator::Command;
use chancery::app::start::{self, Opening};
use chancery::app::{App, random};
use chancery::cli::{archive, certificates, serve};
use chancery::config::{self, Flags, Sources};
use chancery::http::guarded::Outgoing;
use chancery::http::limits::ConnectionLimits;
use chancery::http::listen::{self, Listener};
use chancery::http::tls::Served;
use chancery_ledger::recorded::Recorded;
use chancery_projections::audit::follow;
use chancery_projections::envelope::Envelope;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::mtls::Authority;

/// When every test begins: 2026-09-21T14:13:20Z.
pub const NOW: i64 = 1_790_000_000_000;

/// What differs between servers: environment variables, a TOML file.
#[derive(Clone, Default)]
pub struct Given {
    pub environment: Vec<(&'static str, String)>,
    pub toml: String,
    /// The authority whose servers it fetches documents from, instead of the system's, and how long it waits for them.
    pub fetches: Option<(Arc<Authority>, Duration)>,
}

pub struct Server {
    pub app: App,
    /// `http://localhost:3000`, whatever the socket is.
    pub origin: String,
    pub issuer: String,
    pub http: reqwest::Client,
    pub directory: Arc<TempDir>,
    /// What the routes hold.
    pub routed: chancery::http::server::Server,
    /// The listener that asks for certificates.
    pub mtls: Option<SocketAddr>,
    /// Certificates that are served.
    pub served: Vec<Arc<Served>>,
    address: SocketAddr,
    given: Given,
    stop: Option<oneshot::Sender<()>>,
    follower: tokio::task::JoinHandle<()>,
}

/// What production mode behind something that ends TLS needs.
pub const PRODUCTION: [(&str, &str); 6] = [
    ("OIDC_ISSUER", "https://id.example"),
    ("OIDC_COOKIE_SECRET", "pQ3x8kL0vZr5TnYw2sHd7uJc4mBf6gAe"),
    ("CHANCERY_MASTER_KEY", "6e3b0a9cf17d4e2285b1c7d0934fae61d8207f5b3c9e4a1602bd58f7e1c4936a"),
    ("CHANCERY_SCRYPT_LN", "13"),
    ("CHANCERY_SCRYPT_P", "10"),
    ("CHANCERY_DATA_DIR", ""),
];

impl Server {
    /// Development mode, no rate limits, cheap password hashes.
    pub async fn start() -> Self {
        Self::with(&[], "").await
    }

    pub async fn with(environment: &[(&'static str, &str)], toml: &str) -> Self {
        let environment = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let given = Given { environment, toml: toml.to_owned(), fetches: None };
        let opened = Self::open(given, Arc::new(directory()), Clock::manual(NOW)).await;
        opened.unwrap_or_else(|why| panic!("the server does not start: {why}"))
    }

    /// That fetches from servers of this authority.
    pub async fn fetching(authority: &Arc<Authority>, environment: &[(&'static str, &str)], toml: &str) -> Self {
        let environment = environment.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let given = Given { environment, toml: toml.to_owned(), fetches: Some((authority.clone(), Duration::from_millis(500))) };
        let opened = Self::open(given, Arc::new(directory()), Clock::manual(NOW)).await;
        opened.unwrap_or_else(|why| panic!("the server does not start: {why}"))
    }

    /// With a configuration file that may be refused: the sentence.
    pub async fn try_with(toml: &str) -> Result<Self, String> {
        let given = Given { toml: toml.to_owned(), ..Given::default() };
        Self::open(given, Arc::new(directory()), Clock::manual(NOW)).await
    }

    /// Another configuration file from the next start on.
    pub fn given_toml(&mut self, toml: &str) {
        self.given.toml = toml.to_owned();
    }

    /// Production mode behind something that ends TLS.
    pub async fn production(environment: &[(&'static str, &str)], toml: &str) -> Self {
        Self::with(&[&PRODUCTION, environment].concat(), toml).await
    }

    async fn open(given: Given, directory: Arc<TempDir>, clock: Clock) -> Result<Self, String> {
        let config = config::resolve(&sources(&given, directory.path())).map_err(|why| why.to_string())?;
        let secrets = config.secrets(random::fill).map_err(|why| why.to_string())?;
        let (origin, issuer) = (config.issuer.origin().to_owned(), config.issuer.as_str().to_owned());
        let app = start::open(config, &secrets, clock, Opening::default()).await.map_err(|why| why.to_string())?;
        let context = Context::of_server("server", "start".to_owned());
        app.finish_erasures(&context).await.map_err(|why| why.detail.to_string())?;
        app.seed(&Context::of_server("config", "start".to_owned())).await.map_err(|why| why.to_string())?;
        app.record_start(&context).await.map_err(|why| why.detail.to_string())?;
        let pem = secrets.jwks_private_key.as_ref().map(|pem| pem.expose().to_owned());
        app.ensure_keys(&context, pem.as_deref()).await.map_err(|why| why.detail.to_string())?;
        if let Some((authority, patience)) = &given.fetches {
            let loopback = !app.is_production();
            let client = |networks: &[_]| Outgoing::trusting(authority.roots(), networks, loopback).unwrap().waiting(*patience);
            app.remote.connect(serve::get_through(client(&app.config.outgoing_networks), client(&[])));
        }
        let routed = serve::server(&app, &secrets).map_err(|why| why.to_string())?;
        let follower = tokio::spawn(follow::run(app.ledger.clone()));
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (routes, mut listeners) = (listen::app(serve::routes(&routed)), vec![Listener { socket, tls: None, asks: false }]);
        let certificates = certificates::read(&app.config).map_err(|why| why.to_string())?;
        let mut mtls = None;
        for socket in listen::bind(&app.config.mtls.listen).await.unwrap() {
            mtls = Some(socket.local_addr().unwrap());
            listeners.push(Listener { socket, tls: certificates.asking.clone(), asks: true });
        }
        let stopped = async { drop(stopped.await) };
        tokio::spawn(listen::serve(listeners, routes, ConnectionLimits::default(), stopped));
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        Ok(Self {
            app,
            origin,
            issuer,
            http,
            directory,
            routed,
            mtls,
            served: certificates.files,
            address,
            given,
            stop: Some(stop),
            follower,
        })
    }

    /// Other settings from the next start on.
    pub fn configure(&mut self, environment: &[(&'static str, String)]) {
        self.given.environment.extend(environment.iter().cloned());
    }

    /// Stops and starts on the same data.
    pub async fn restart(self) -> Self {
        self.while_stopped(|| ()).await
    }

    /// Stops, and starts again after something was done to the files.
    pub async fn while_stopped(mut self, work: impl FnOnce()) -> Self {
        let (given, directory, clock) = (self.given.clone(), self.directory.clone(), self.app.clock.clone());
        drop(self.stop.take());
        self.follower.abort();
        self.app.ledger.close().await;
        drop(self);
        work();
        // The old lock falls with its last handle, which a connection that is just ending may still hold.
        for _ in 0..10_000 {
            if let Ok(server) = Self::open(given.clone(), directory.clone(), clock.clone()).await {
                return server;
            }
            tokio::task::yield_now().await;
        }
        Self::open(given, directory, clock).await.map_err(|why| panic!("no restart: {why}")).unwrap()
    }

    /// Stops, and starts again on the same data if that can be: the sentence where it cannot.
    pub async fn try_restart(self) -> Result<Self, String> {
        let (given, directory, clock) = (self.given.clone(), self.directory.clone(), self.app.clock.clone());
        self.stop().await;
        Self::open(given, directory, clock).await
    }

    /// The directory with the server's data, which lives as long as somebody holds it.
    pub fn files(&self) -> Arc<TempDir> {
        self.directory.clone()
    }

    /// What this server was started with.
    pub fn configuration(&self) -> (config::Config, config::Secrets) {
        let config = config::resolve(&sources(&self.given, self.directory.path())).unwrap_or_else(|why| panic!("{why}"));
        let secrets = config.secrets(random::fill).unwrap_or_else(|why| panic!("{why}"));
        (config, secrets)
    }

    /// Ends it, and waits until its files are released.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        self.follower.abort();
        self.app.ledger.close().await;
    }

    /// Stops, moves the log to PostgreSQL or to a file in a new directory, and starts there.
    pub async fn moved(self, to: Option<String>) -> Result<Self, String> {
        let (from, secrets) = self.configuration();
        let (mut given, clock, old) = (self.given.clone(), self.app.clock.clone(), self.files());
        given.environment.retain(|(name, _)| *name != "DATABASE_URL");
        let directory = match to {
            Some(url) => {
                given.environment.push(("DATABASE_URL", url));
                old.clone()
            }
            None => {
                let new = directory();
                std::fs::create_dir(new.path().join("data")).unwrap();
                for kept in [config::COOKIE_FILE, config::MASTER_FILE] {
                    std::fs::copy(old.path().join("data").join(kept), new.path().join("data").join(kept)).unwrap();
                }
                Arc::new(new)
            }
        };
        self.stop().await;
        let to = config::resolve(&sources(&given, directory.path())).map_err(|why| why.to_string())?;
        let mut heard = (0, 0);
        let moved = chancery::app::moving::relocate(&from, &to, &secrets, clock.clone(), &mut |done, all| heard = (done, all)).await;
        let moved = moved.map_err(|why| why.to_string())?;
        assert_eq!(heard, (moved.head.size, moved.head.size));
        Self::open(given, directory, clock).await
    }

    /// The same where it has to be refused: why it was, and the old side, which goes on.
    pub async fn not_moved(self, to: String) -> (Self, String) {
        let (given, directory, clock) = (self.given.clone(), self.directory.clone(), self.app.clock.clone());
        let Err(why) = self.moved(Some(to)).await else { panic!("it has moved") };
        (Self::open(given, directory, clock).await.unwrap_or_else(|why| panic!("{why}")), why)
    }

    /// Stops, archives old events, and starts again.
    pub async fn archived(self, args: archive::Args) -> Result<(Self, (u64, Pruned)), String> {
        let (server, outcome) = self.archiving(args).await;
        outcome.map(|done| (server, done))
    }

    /// The same where it has to be refused: why it was.
    pub async fn not_archived(self, args: archive::Args) -> (Self, String) {
        let (server, outcome) = self.archiving(args).await;
        (server, outcome.unwrap_err())
    }

    async fn archiving(self, args: archive::Args) -> (Self, Result<(u64, Pruned), String>) {
        let (config, secrets) = self.configuration();
        let (given, directory, clock) = (self.given.clone(), self.directory.clone(), self.app.clock.clone());
        self.stop().await;
        let outcome = archive::archive(config, &secrets, clock.clone(), args).await.map_err(|why| format!("{why:#}"));
        let server = Self::open(given, directory, clock).await.unwrap_or_else(|why| panic!("{why}"));
        (server, outcome.map(|(until, pruned, _)| (until, pruned)))
    }

    /// Another start on files that were left, with PostgreSQL or with SQLite.
    pub async fn reopen(files: &Arc<TempDir>, database: Option<String>) -> Result<Self, String> {
        let environment = database.map(|url| ("DATABASE_URL", url)).into_iter().collect();
        Self::open(Given { environment, ..Given::default() }, files.clone(), Clock::manual(NOW)).await
    }

    /// Another node: the same database, vault and clock.
    pub async fn beside(&self) -> Self {
        let opened = Self::open(self.given.clone(), self.directory.clone(), self.app.clock.clone()).await;
        opened.unwrap_or_else(|why| panic!("the other node does not start: {why}"))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `localhost:3000`: what a browser would send as Host.
    pub fn host(&self) -> &str {
        self.origin.split_once("://").unwrap().1
    }

    pub fn advance(&self, ms: i64) {
        self.app.clock.advance(ms);
    }

    /// A command of the operator on the machine, as the local socket carries it out.
    pub async fn operate(&self, command: Command) -> Value {
        let context = Context::of_server("operator", "operate".to_owned());
        self.app.operate(&context, command).await.map_err(|error| error.detail).unwrap()
    }

    pub async fn operator_token(&self, scope: &str) -> String {
        let answer = self.operate(Command::Token { scope: scope.to_owned(), seconds: 600 }).await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    pub async fn disable(&self, account: &str) {
        self.operate(Command::UserDisable { account: account.to_owned() }).await;
    }

    /// Every event of the log, in its order.
    pub async fn events(&self) -> Vec<Envelope> {
        self.leaves().await.iter().map(|recorded| Envelope::read(recorded).unwrap()).collect()
    }

    pub async fn leaves(&self) -> Vec<Recorded> {
        let mut all = Vec::new();
        loop {
            let page = self.app.ledger.read_all(all.len() as u64, 1000).await.unwrap();
            if page.is_empty() {
                return all;
            }
            all.extend(page);
        }
    }

    /// How many events there are: a mark for [`Self::kinds_since`].
    pub async fn mark(&self) -> usize {
        usize::try_from(self.app.ledger.head().await.unwrap().size).unwrap()
    }

    /// The types of the events since a mark.
    pub async fn kinds_since(&self, mark: usize) -> Vec<String> {
        self.events().await.into_iter().skip(mark).map(|event| event.kind).collect()
    }

    /// Waits until the audit index has seen the whole log.
    pub async fn index_is_current(&self) {
        while follow::lag(&self.app.ledger).await.unwrap() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn sources(given: &Given, directory: &Path) -> Sources {
    let unlimited = [
        "LOGIN_FAILURES_PER_ADDRESS",
        "ACCOUNT_REGISTRATIONS_PER_ADDRESS",
        "CLIENT_REGISTRATIONS_PER_ADDRESS",
        "TOKEN_FAILURES_PER_CLIENT",
        "TOKEN_FAILURES_PER_ADDRESS",
        "USER_CODE_FAILURES_PER_ACCOUNT",
        "USER_CODE_FAILURES_PER_ADDRESS",
        "USER_CODE_FAILURES",
        "DEVICE_REQUESTS_PER_ADDRESS",
        "PUSHED_REQUESTS_PER_ADDRESS",
    ];
    let mut environment: Vec<(OsString, OsString)> = Vec::new();
    let mut set = |name: &str, value: &str| {
        environment.retain(|(own, _)| own.to_str() != Some(name));
        environment.push((name.into(), value.into()));
    };
    for name in unlimited {
        set(&format!("CHANCERY_RATE_LIMITS_{name}"), "off");
    }
    set("CHANCERY_SCRYPT_LN", "1");
    set("JWKS_PRIVATE_KEY", rsa_pem());
    for (name, value) in &given.environment {
        set(name, value);
    }
    set("CHANCERY_DATA_DIR", directory.join("data").to_str().unwrap());
    let mut flags = Flags::default();
    if !given.toml.is_empty() {
        let file = directory.join("chancery.toml");
        std::fs::write(&file, &given.toml).unwrap();
        flags.config = Some(file);
    }
    Sources { flags, environment }
}

/// The system's place for temporary files; durability is tested with the ledger.
fn directory() -> TempDir {
    TempDir::with_prefix("chancery").unwrap()
}

/// One RSA key for all servers of this run: making one takes longer than most tests.
fn rsa_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", lines.join("\n"))
    })
}

/// The metadata of the usual web client.
pub fn web_client() -> Value {
    json!({
        "client_name": "Demo",
        "redirect_uris": ["https://app.example/cb"],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scope": "openid profile email offline_access api",
    })
}
