//! The shell around the rules: load, fold, decide, append, and only then answer.
//!
//! | Room | What |
//! |---|---|
//! | [`work`] | one unit of work: states loaded with their versions, events recorded, one append; lost races are decided again |
//! | [`accounts`], [`claims`], [`new_password`], [`new_email`], [`sessions`], [`beside`], [`browser`], [`closing`], [`consents`], [`history`] | people: who they are, where they are signed in, what they allowed, what happened |
//! | [`authorize`], [`token`], [`exchange`], [`assertion`], [`device`], [`backchannel`], [`introspect`], [`revoke`], [`userinfo`], [`logout`], [`logouts`], [`watching`], [`clients`], [`registration`], [`invitations`], [`software`], [`resources`], [`credentials`] | one use case each |
//! | [`client_auth`], [`client_keys`], [`certificate`], [`attestation`], [`dpop`] | who is calling, and which key the caller holds: looks at secrets, assertions, certificates and proofs, once; whose keys |
//! | [`remote`], [`fetch_shares`], [`client_documents`], [`logo`] | documents behind addresses of clients; how much is fetched; documents that clients are; their pictures |
//! | [`once`] | words that count once, shared by all nodes |
//! | [`decoded`] | states parsed before |
//! | [`published`] | documents made once, with their entity tags |
//! | [`polled`] | what a client asks without a browser, and how fast it polls: for `device` and `backchannel` |
//! | [`details`] | authorization details: their types, and what stands in ciphertexts |
//! | [`mint`], [`access`], [`id_token`], `hint`, [`encryption`], [`opening`], [`subject`], [`standing`], [`signing`], [`key_schedule`], [`password`] | tokens, what they rest on, keys, hashes |
//! | [`notary`], [`proof`], [`receipt`] | the key of the log, signed heads, seals; proofs of them; what a client keeps |
//! | [`anchor`], [`witness`] | checkpoints for places outside; cosigning those of other logs |
//! | [`vault`] | data keys and personal data |
//! | [`profile`] | what the configuration means for the rules, and in which points it falls short of a profile |
//! | [`feeds`] | the log for other systems |
//! | [`moving`], [`catalogue`] | the log to another database; the level of its event types |
//! | [`read_models`] | making what is folded from the log again, while serving |
//! | [`start`], [`seed`], [`housekeeping`], [`operator`] | opening, declared things, sweeping, commands of the local socket |
//! | [`clock`], [`random`] | the only readers of time and entropy |
//!
//! Everything fallible stands before the append; after the commit there is only the reply.

pub mod access;
pub mod accounts;
pub mod anchor;
pub mod archiving;
pub mod assertion;
pub mod attestation;
pub mod audit;
pub mod authorize;
pub mod backchannel;
pub mod bearer;
pub mod beside;
pub mod browser;
pub mod catalogue;
pub mod certificate;
pub mod claims;
pub mod client_auth;
pub mod client_documents;
pub mod client_keys;
pub mod clients;
pub mod clock;
pub mod closing;
pub mod consents;
pub mod context;
pub mod credentials;
pub mod csv;
pub mod decoded;
pub mod details;
pub mod device;
pub mod dpop;
pub mod encryption;
pub mod erasure;
pub mod exchange;
pub mod external;
pub mod feeds;
pub mod fetch_shares;
pub mod guesses;
mod hint;
pub mod history;
pub mod housekeeping;
pub mod id_token;
mod install;
pub mod introspect;
pub mod invitations;
pub mod key_schedule;
pub mod logo;
pub mod logout;
pub mod logouts;
pub mod mint;
pub mod moving;
pub mod new_email;
pub mod new_password;
pub mod notary;
pub mod once;
pub mod opening;
pub mod operator;
pub mod password;
pub mod polled;
pub mod profile;
pub mod proof;
pub mod published;
pub mod random;
pub mod read_models;
pub mod receipt;
pub mod registration;
pub mod remote;
mod request_code;
pub mod resources;
pub mod revoke;
pub mod seed;
pub mod sessions;
pub mod signer;
pub mod signing;
pub mod software;
pub mod standing;
pub mod start;
pub mod strangers;
pub mod subject;
pub mod timestamp;
pub mod token;
mod unseal;
pub mod userinfo;
pub mod vault;
pub mod watching;
pub mod witness;
pub mod words;
pub mod work;

use std::sync::Arc;

use chancery_core::discovery::Endpoints;
use chancery_core::grant::Lifetimes;
use chancery_core::request::Policy;
use chancery_core::time::{Seconds, Timestamp};
use chancery_ledger::Ledger;

use crate::config::{Config, Mode};
use clock::Clock;
use decoded::Decoded;
use mint::Mint;
use password::Passwords;
use signing::SigningKeys;
use vault::Vault;

/// Everything that a use case needs. Clones are handles on the same server.
#[derive(Clone)]
pub struct App(Arc<Parts>);

pub struct Parts {
    pub config: Config,
    pub endpoints: Endpoints,
    pub ledger: Ledger,
    pub vault: Vault,
    pub clock: Clock,
    pub log_id: String,
    pub mint: Mint,
    pub nonces: dpop::Nonces,
    /// Of attested clients.
    pub challenges: dpop::Nonces,
    pub attesters: attestation::Attesters,
    /// Who vouches for keys of wallets.
    pub key_attesters: credentials::attesters::KeyAttesters,
    /// Of proofs for credentials.
    pub credential_nonces: credentials::nonce::CredentialNonces,
    /// When devices polled last.
    pub polls: polled::Polls,
    pub keys: SigningKeys,
    /// Who holds keys outside of this process.
    pub signer: Option<signer::Signer>,
    pub log_key: notary::InForce,
    pub anchors: anchor::Behind,
    pub passwords: Passwords,
    pub names: Names,
    pub decoded: Decoded,
    /// Failed sign-ins of addresses without account.
    pub strangers: strangers::Strangers,
    pub rebuilding: read_models::Rebuilding,
    pub remote: remote::Remote,
    /// The types of authorization details, and what is issued to wallets.
    pub details: chancery_core::details::Types,
    /// Whose assertions are grants.
    pub issuers: assertion::Issuers,
    /// What may be exchanged, and by whom.
    pub exchanges: chancery_core::grant::exchange::Rules,
    /// Who issues certificates for clients.
    pub authorities: certificate::Authorities,
    /// Declared people who are on their way.
    pub people: seed::People,
    /// When keys of clients were fetched.
    pub fetches: client_keys::Fetches,
    /// What this node fetches for request objects.
    pub request_fetches: fetch_shares::FetchShares,
    /// Documents that clients are.
    pub documents: client_documents::Documents,
    pub logos: logo::Logos,
    /// Receivers of signals that wait for some.
    pub waiting: feeds::poll::Waiting,
}

/// Server keys for names: blind indexes and session ids.
pub struct Names {
    pub blind_index: Arc<vault::NamedKey>,
    pub sid: Arc<vault::NamedKey>,
    pub pairwise: Arc<vault::NamedKey>,
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Now, as a value for commands.
    pub fn now(&self) -> Timestamp {
        Timestamp(self.clock.now_ms())
    }

    pub fn is_production(&self) -> bool {
        self.config.mode == Mode::Production
    }

    pub fn policy(&self) -> Policy {
        profile::policy(&self.config)
    }

    pub fn lifetimes(&self) -> Lifetimes {
        let own = &self.config.lifetimes;
        Lifetimes {
            code: seconds(own.code),
            access_token: seconds(own.access_token),
            client_credentials: seconds(own.client_credentials),
            refresh_idle: seconds(own.refresh_idle),
            refresh_absolute: seconds(own.refresh_absolute),
        }
    }
}

/// A configured span as the rules count.
pub fn seconds(span: std::time::Duration) -> Seconds {
    Seconds(u32::try_from(span.as_secs()).unwrap_or(u32::MAX))
}
