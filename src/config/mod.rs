//! Configuration: raw (typed by the operator) in, validated `Config` out.
//!
//! | Step | Where |
//! |---|---|
//! | the one table of settings, and that of entries | `table`, `fields` |
//! | gather: flag > environment > TOML file > default, each with its origin | `source`, `file` |
//! | check shapes and bounds | `reader`, `value`, `issuer`, `declared` |
//! | check what belongs together, decide the mode, refuse what is unsafe in production | `mode`, here |
//! | secrets that development makes itself | `secret` |
//! | what `doctor` says about it | `check` |
//!
//! All problems are reported at once. Nothing here prints a secret: `Config` has no Debug.
//!
//! Out of scope: the meaning of client metadata (`chancery_core`), signing keys (`chancery_jose`).

mod attester;
pub mod check;
mod ciba;
mod client_documents;
mod credential;
mod database;
pub mod declared;
mod device;
pub mod digest;
mod dpop;
pub mod example;
pub mod feed;
pub mod fields;
pub mod file;
pub mod given;
pub mod issuer;
mod kept;
mod keys;
mod lifetimes;
mod limits;
pub mod mode;
pub mod mtls;
pub mod nearest;
mod pages;
mod preset;
pub mod problem;
pub mod proof;
pub mod reader;
mod resource_indicators;
pub mod secret;
pub mod source;
mod stated;
pub mod table;
pub mod value;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub use attester::{DeclaredAttester, Signal};
pub use client_documents::ClientDocuments;
pub use credential::{Credentials, DeclaredCredential, DeclaredKeyAttester, Demanded};
pub use database::Database;
pub use declared::{DeclaredClient, DeclaredDetails, DeclaredExchange, DeclaredIssuer, DeclaredResource, DeclaredUser, SoftwareIssuer};
pub use dpop::Dpop;
pub use feed::Feed;
pub use issuer::Issuer;
pub use keys::{Keys, Signer};
pub use lifetimes::Lifetimes;
pub use limits::RateLimits;
pub use mode::Mode;
pub use mtls::Mtls;
pub use problem::{Origin, Problem, Problems};
pub use proof::{Proof, Witness};
pub use resource_indicators::ResourceIndicators;
pub use secret::{CookieSecrets, MasterKey, Secret};
pub use source::{Flags, Sources};
pub use value::{Cidr, Rate};

use chancery_core::acr;
use chancery_core::backchannel::ContextRule;
use chancery_core::device::user_code;
use chancery_core::id::ClientId;
use chancery_core::profile::Profile;
use reader::Reader;

/// Everything the server needs to know, checked.
#[derive(Clone)]
pub struct Config {
    pub mode: Mode,
    pub issuer: Issuer,
    pub listen: Vec<SocketAddr>,
    /// Addresses for health and metrics alone.
    pub ops_listen: Vec<SocketAddr>,
    /// Names under which it is called, besides addresses and the issuer's host.
    pub ops_hosts: Vec<String>,
    pub data_dir: PathBuf,
    pub database: Database,
    pub allowed_origins: Vec<String>,
    pub trusted_proxies: Vec<Cidr>,
    pub registration: Registration,
    pub software_issuers: Vec<SoftwareIssuer>,
    pub cache_mb: u64,
    /// Threads that answer requests; `None`: as many as suit the machine.
    pub threads: Option<NonZeroUsize>,
    pub pkce: PkceRequired,
    /// Clients may ask people on the back channel.
    pub ciba: bool,
    pub client_documents: ClientDocuments,
    /// The applications in which those people may answer, besides our own page.
    pub ciba_devices: Vec<ClientId>,
    /// When `acr_values` that cannot be met are refused.
    pub acr_demanded: acr::Demanded,
    /// What a request has to tell of where it comes from.
    pub ciba_context: ContextRule,
    /// How the codes of devices look.
    pub user_codes: user_code::Form,
    /// What the whole server is held to.
    pub profile: Option<Profile>,
    /// Every client has to push its requests.
    pub pushed_only: bool,
    /// What is pushed may bring a redirect_uri of its own.
    pub unregistered_redirect_uris: bool,
    /// The implicit and hybrid flows.
    pub front_channel: bool,
    /// Answers may travel as messages between windows.
    pub web_message: bool,
    /// Request objects may come without a signature, as certification wants.
    pub unsigned_request_objects: bool,
    /// Every authorization request is a signed object.
    pub signed_request_objects: bool,
    /// Keys are published that request objects may be encrypted to.
    pub encrypted_request_objects: bool,
    /// Clients are told of logouts in frames of our page, too.
    pub front_channel_logout: bool,
    /// Clients can watch in a frame whether somebody is still signed in.
    pub session_management: bool,
    /// Clients make streams of shared signals by themselves.
    pub signal_streams: bool,
    /// Pages that the metadata name, by member.
    pub pages: Vec<(&'static str, String)>,
    /// What is meant where no resource is named.
    pub resource_indicators: ResourceIndicators,
    /// What the server's own requests may reach besides the public internet.
    pub outgoing_networks: Vec<Cidr>,
    pub dpop: Dpop,
    pub keys: Keys,
    /// Who holds signing keys outside of this process.
    pub signer: Option<Signer>,
    pub lifetimes: Lifetimes,
    pub scrypt: Scrypt,
    pub rate_limits: RateLimits,
    pub proof: Proof,
    /// How long backups of the vault are kept, if the operator says it.
    pub vault_backups_kept: Option<Duration>,
    /// Directory with the events that were moved out of the database.
    pub archive: Option<PathBuf>,
    pub log: Log,
    pub tls: Option<Tls>,
    pub mtls: Mtls,
    pub clients: Vec<DeclaredClient>,
    pub users: Vec<DeclaredUser>,
    pub resources: Vec<DeclaredResource>,
    pub feeds: Vec<Feed>,
    /// The types of authorization details.
    pub details: Vec<DeclaredDetails>,
    /// Whose assertions are grants.
    pub assertion_issuers: Vec<DeclaredIssuer>,
    /// Who vouches for instances of clients.
    pub attesters: Vec<DeclaredAttester>,
    /// Whether their words count beside other methods.
    pub attestation_signal: Signal,
    /// What is issued to wallets.
    pub credentials: Vec<DeclaredCredential>,
    pub key_attesters: Vec<DeclaredKeyAttester>,
    pub credential_settings: Credentials,
    /// Who may exchange what.
    pub exchanges: Vec<DeclaredExchange>,
    given: GivenSecrets,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    Open,
    InitialAccessToken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkceRequired {
    /// For public clients and those that ask for it.
    Public,
    All,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrypt {
    pub ln: u8,
    pub r: u32,
    pub p: u32,
    /// `None`: one for each processor.
    pub permits: Option<usize>,
    pub queue: usize,
}

impl Scrypt {
    /// OWASP's table of equal strengths, r = 8: N = 2^17 with p = 1, each halving of N paid for in p.
    pub fn is_strong(&self) -> bool {
        const ENOUGH: [(u8, u32); 5] = [(17, 1), (16, 2), (15, 3), (14, 5), (13, 10)];
        self.r >= 8 && ENOUGH.iter().any(|(ln, p)| self.ln >= *ln && self.p >= *p)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    pub json: bool,
    /// error, warn, info, debug or trace
    pub level: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
}

/// What the operator gave; development fills the gaps.
#[derive(Clone)]
struct GivenSecrets {
    cookie: Option<CookieSecrets>,
    /// With the file that holds it.
    master: Option<(MasterKey, Option<PathBuf>)>,
    jwks_private_key: Option<Secret>,
}

/// The secrets to run with.
pub struct Secrets {
    pub cookie: CookieSecrets,
    pub master_key: MasterKey,
    /// PKCS#8 PEM to import.
    pub jwks_private_key: Option<Secret>,
    /// For the operator's eyes at start-up.
    pub warnings: Vec<String>,
}

/// File names of what development makes in the data directory.
pub const COOKIE_FILE: &str = "development-cookie-secret";
pub const MASTER_FILE: &str = "development-master-key";

/// Gathers and checks everything; writes nothing. Errors: every problem found, each with its key and origin.
pub fn resolve(sources: &Sources) -> Result<Config, Problems> {
    let mut merged = sources.merge();
    preset::apply(&mut merged.settings);
    let mut reader = Reader::new(std::mem::take(&mut merged.settings), std::mem::take(&mut merged.problems));
    let config = read(&mut reader, &merged);
    if reader.problems.is_empty() { Ok(config) } else { Err(Problems(reader.problems)) }
}

fn read(reader: &mut Reader, merged: &source::Merged) -> Config {
    let (clients, users) = (&merged.clients, &merged.users);
    let issuer = issuer(reader);
    let data_dir = PathBuf::from(reader.text("data_dir").unwrap_or_default());
    let dev = reader.boolean("dev");
    let registration = reader.choice("registration");
    let tls = mtls::pair(reader, "tls.cert", "tls.key");
    let ciba = reader.boolean("ciba.enabled");
    let attesters = attester::read(&merged.attesters, &mut reader.problems);
    let mut config = Config {
        mode: Mode::Production,
        issuer: issuer.clone().unwrap_or_else(Issuer::standard),
        listen: listeners(reader),
        ops_listen: reader.list("ops.listen", value::listener).into_iter().flatten().collect(),
        ops_hosts: reader.list("ops.hosts", value::host),
        database: database::read(reader, &data_dir),
        data_dir,
        allowed_origins: reader.list("allowed_origins", value::origin),
        trusted_proxies: reader.list("trusted_proxies", Cidr::parse),
        registration: Registration::InitialAccessToken,
        software_issuers: reader.list("software_statement_issuers", declared::software_issuer),
        cache_mb: reader.integer("cache_mb"),
        threads: usize::try_from(reader.integer("threads")).ok().and_then(NonZeroUsize::new),
        pkce: if reader.choice("pkce.required") == Some("all") { PkceRequired::All } else { PkceRequired::Public },
        ciba,
        client_documents: client_documents::read(reader),
        ciba_devices: ciba::devices(reader, ciba),
        acr_demanded: reader.choice("acr_values.demanded").and_then(acr::Demanded::parse).unwrap_or_default(),
        ciba_context: ciba::context(reader, ciba),
        user_codes: user_code::Form::default(),
        profile: reader.choice("profile").and_then(Profile::parse),
        pushed_only: reader.boolean("pushed_requests.required"),
        unregistered_redirect_uris: reader.boolean("pushed_requests.unregistered_redirect_uris"),
        front_channel: reader.boolean("response_types.front_channel"),
        web_message: reader.boolean("response_modes.web_message"),
        unsigned_request_objects: reader.boolean("request_objects.unsigned"),
        signed_request_objects: reader.boolean("request_objects.required"),
        encrypted_request_objects: reader.boolean("request_objects.encrypted"),
        front_channel_logout: reader.boolean("logout.front_channel"),
        session_management: reader.boolean("logout.session_management"),
        signal_streams: reader.boolean("signals.streams"),
        pages: pages::read(reader),
        resource_indicators: resource_indicators::read(reader),
        outgoing_networks: reader.list("outgoing.allowed_networks", Cidr::parse),
        dpop: dpop::read(reader),
        keys: keys::read(reader),
        signer: keys::signer(reader),
        lifetimes: lifetimes::read(reader),
        scrypt: Scrypt {
            ln: reader.small("scrypt.ln"),
            r: reader.small("scrypt.r"),
            p: reader.small("scrypt.p"),
            permits: Some(reader.small("scrypt.permits")).filter(|permits| *permits > 0),
            queue: reader.small("scrypt.queue"),
        },
        rate_limits: limits::read(reader),
        proof: proof::read(reader),
        archive: reader.text("archive.directory").map(PathBuf::from),
        vault_backups_kept: Some(reader.duration("erasure.vault_backups_kept")).filter(|kept| !kept.is_zero()),
        log: Log { json: reader.choice("log.format") == Some("json"), level: reader.choice("log.level").unwrap_or("info") },
        mtls: mtls::read(reader, tls.as_ref()),
        tls,
        clients: declared::clients(clients, &mut reader.problems),
        users: declared::users(users, &mut reader.problems),
        resources: declared::resources(&merged.resources, &mut reader.problems),
        feeds: feed::read(&merged.feeds, &mut reader.problems),
        details: declared::details(&merged.details, &mut reader.problems),
        attestation_signal: attester::signal(reader, &attesters),
        attesters,
        credential_settings: credential::settings(reader),
        credentials: credential::read(&merged.credentials, &mut reader.problems),
        key_attesters: credential::key_attesters(&merged.key_attesters, &mut reader.problems),
        assertion_issuers: declared::issuers(&merged.issuers, &mut reader.problems),
        exchanges: declared::exchanges(&merged.exchanges, &mut reader.problems),
        given: given_secrets(reader),
    };
    if config.credential_settings.anonymous_access && !config.credentials.is_empty() {
        config.clients.push(credential::anonymous_wallet());
    }
    config.user_codes = device::codes(reader, &config.lifetimes, &config.rate_limits);
    // Without an issuer there is no mode, and the rules of the wrong one would only confuse.
    let mode = issuer.and_then(|_| mode::decide(&config, dev, reader));
    config.mode = mode.unwrap_or(Mode::Production);
    config.registration = match (registration, config.mode) {
        (Some("open"), _) | (None, Mode::Development) => Registration::Open,
        _ => Registration::InitialAccessToken,
    };
    if mode == Some(Mode::Production) {
        reader.place(clients, users);
        mode::production(&config, reader);
    }
    config
}

fn issuer(reader: &mut Reader) -> Option<Issuer> {
    let typed = reader.text("issuer")?;
    Issuer::parse(&typed).map_err(|sentence| reader.refuse("issuer", sentence)).ok()
}

fn listeners(reader: &mut Reader) -> Vec<SocketAddr> {
    let listen: Vec<SocketAddr> = reader.list("listen", value::listener).into_iter().flatten().collect();
    if listen.is_empty() {
        reader.refuse("listen", "is empty; name at least one address such as 127.0.0.1:3000.");
    }
    listen
}

fn given_secrets(reader: &mut Reader) -> GivenSecrets {
    let cookie = reader.parsed("cookie_secret", CookieSecrets::parse).map(|(cookie, _)| cookie);
    let master = reader.parsed("master_key", MasterKey::parse);
    let jwks_private_key = reader.parsed("jwks_private_key", secret::pem).map(|(key, _)| key);
    GivenSecrets { cookie, master, jwks_private_key }
}
