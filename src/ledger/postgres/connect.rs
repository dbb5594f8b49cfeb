//! How a connection to PostgreSQL is made: the URL, TLS, the settings of a session.
//!
//! | `sslmode` | TLS | certificate |
//! |---|---|---|
//! | `disable` | never | - |
//! | `prefer` (default) | when the server offers it | checked against `sslrootcert` if given, else not: who can forge it can also refuse TLS |
//! | `require`, `verify-ca`, `verify-full` | always | checked with its name, against `sslrootcert` if given, else against the system's roots |
//!
//! `require` is stricter than libpq's, which checks nothing. A Unix socket has no TLS.
//!
//! | Setting of a session | Why |
//! |---|---|
//! | `SET ROLE chancery_serve` | the server must not be able to change history, not even by a bug of its own |
//! | timeouts on statements, locks and idle transactions | a paused node must not hold the head from the others |
//! | TCP keepalive and user timeout | a peer that vanished is noticed in seconds |
//! | `synchronous_commit` at least `on` | a database configured to lie about commits would lose acknowledged events |
//! | read committed | each statement after the head lock must see what was committed before it |
//! | no scans, no hash joins, no JIT | tables start empty: a plan made then would scan them when they are large. Every query has its index |
//! | generic plans | planning a query again costs ten times its execution |

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Config, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::memory::Memory;
use super::said::said;

/// The role that serves: SELECT and INSERT on events, no more.
pub(crate) const ROLE: &str = "chancery_serve";

/// The head, and the leaf at a position.
const HISTORY: &str = "SELECT head.size, head.root, events.leaf_hash FROM chancery.head LEFT JOIN chancery.events ON events.position = $1";

const CONNECT: Duration = Duration::from_secs(3);
const SILENCE: Duration = Duration::from_secs(10);

/// Longer than this no statement runs, and no transaction holds the head.
pub(crate) const STATEMENT: Duration = Duration::from_secs(10);

pub(crate) type Connection = tokio_postgres::Connection<Socket, <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream>;

/// A database that can be connected to.
#[derive(Clone)]
pub(crate) struct Target {
    config: Config,
    tls: MakeRustlsConnect,
}

impl Target {
    /// # Errors
    /// A sentence for the operator, without the password.
    pub(crate) fn parse(url: &str) -> Result<Target, String> {
        let (url, tls_wish) = split_tls(url)?;
        let mut config: Config = url.parse().map_err(|e: tokio_postgres::Error| format!("the database's URL: {e}"))?;
        if let Some(mode) = tls_wish.mode {
            config.ssl_mode(mode);
        }
        config.connect_timeout(CONNECT).tcp_user_timeout(SILENCE);
        config.keepalives(true).keepalives_idle(SILENCE).keepalives_interval(Duration::from_secs(3)).keepalives_retries(3);
        if config.get_application_name().is_none() {
            config.application_name("chancery");
        }
        let tls = tls(config.get_ssl_mode(), tls_wish.root)?;
        Ok(Target { config, tls })
    }

    /// A bare connection; its second half must be driven.
    pub(crate) async fn connect(&self) -> Result<(tokio_postgres::Client, Connection), tokio_postgres::Error> {
        self.config.connect(self.tls.clone()).await
    }

    /// A connection with its driver spawned and the session set.
    pub(crate) async fn session(&self, session: Session) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = self.connect().await?;
        // Ends by itself when the client is dropped or the connection is lost; statements in flight learn of it.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::warn!(%error, "connection to the database lost");
            }
        });
        client.batch_execute(&session.sql()).await?;
        Ok(client)
    }

    /// How the user of the URL can serve: as [`ROLE`] if it was made and granted.
    pub(crate) async fn best_session(&self) -> Result<Session, tokio_postgres::Error> {
        match self.session(Session::Serve).await {
            Ok(_) => Ok(Session::Serve),
            // A role that does not exist is an invalid value of the parameter `role`.
            Err(e) if matches!(e.code(), Some(c) if *c == SqlState::INSUFFICIENT_PRIVILEGE || *c == SqlState::INVALID_PARAMETER_VALUE) => {
                Ok(Session::AsLoggedIn)
            }
            Err(e) => Err(e),
        }
    }

    /// A session whose database holds what this node acknowledged.
    pub(crate) async fn checked_session(&self, session: Session, memory: &Memory) -> Result<tokio_postgres::Client, String> {
        let client = self.session(session).await.map_err(|e| said(&e))?;
        check_history(&client, memory).await?;
        Ok(client)
    }

    /// A pool for reads. Nothing in it waits without bound. With a memory, each new connection is checked against it.
    pub(crate) fn pool(&self, session: Session, size: usize, memory: Option<Memory>) -> Result<Pool, String> {
        let manager =
            Manager::from_config(self.config.clone(), self.tls.clone(), ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let set = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let memory = memory.clone();
            Box::pin(async move {
                client.batch_execute(&session.sql()).await.map_err(HookError::Backend)?;
                match memory {
                    Some(memory) => check_history(client, &memory).await.map_err(HookError::message),
                    None => Ok(()),
                }
            })
        });
        let timeouts = Timeouts { wait: Some(Duration::from_secs(3)), create: Some(CONNECT), recycle: Some(Duration::from_secs(1)) };
        Pool::builder(manager)
            .max_size(size)
            .post_create(set)
            .timeouts(timeouts)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|e| e.to_string())
    }
}

/// On one connection history cannot change under us, so this is asked once for each: does the database still hold what this node
/// acknowledged? After a failover it may not.
async fn check_history(client: &tokio_postgres::Client, memory: &Memory) -> Result<(), String> {
    memory.sound().map_err(|e| e.to_string())?;
    let Some(known) = memory.acknowledged() else { return Ok(()) };
    let row = client.query_one(HISTORY, &[&(known.size.cast_signed() - 1)]).await.map_err(|e| said(&e))?;
    let read = || Ok((row.try_get::<_, i64>(0)?.cast_unsigned(), row.try_get::<_, &[u8]>(1)?, row.try_get::<_, Option<&[u8]>>(2)?));
    let (size, root, leaf) = read().map_err(|e: tokio_postgres::Error| said(&e))?;
    memory.compare(Some(known), size, root).and_then(|()| memory.compare_leaf(&known, leaf)).map_err(|e| e.to_string())
}

/// What each connection sets after it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Session {
    /// As [`ROLE`].
    Serve,
    /// As whoever the URL names: before `migrate` made the role, or where it was not granted.
    AsLoggedIn,
}

impl Session {
    pub(crate) fn sql(self) -> String {
        let role = match self {
            Session::Serve => format!("SET ROLE {ROLE};"),
            Session::AsLoggedIn => String::new(),
        };
        let milliseconds = STATEMENT.as_millis();
        format!(
            "{role} SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds}; \
             SET idle_in_transaction_session_timeout = {milliseconds}; SET default_transaction_isolation = 'read committed'; \
             SET default_transaction_read_only = off; SET client_min_messages = warning; SET search_path = pg_catalog; \
             SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
             SET plan_cache_mode = force_generic_plan; \
             SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')"
        )
    }
}

struct TlsWish {
    mode: Option<SslMode>,
    root: Option<PathBuf>,
}

/// Takes out of the URL what tokio-postgres does not know: `sslrootcert`, and the two stricter modes.
fn split_tls(url: &str) -> Result<(String, TlsWish), String> {
    let mut wish = TlsWish { mode: None, root: None };
    let Some((base, query)) = url.split_once('?') else {
        return Ok((url.to_owned(), wish));
    };
    let mut kept = Vec::new();
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-ca" | "verify-full")) => wish.mode = Some(SslMode::Require),
            Some(("sslrootcert", path)) => {
                let path = percent_encoding::percent_decode_str(path).decode_utf8();
                wish.root = Some(PathBuf::from(path.map_err(|_| "sslrootcert in the database's URL is not UTF-8".to_owned())?.as_ref()));
            }
            _ => kept.push(pair),
        }
    }
    let url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok((url, wish))
}

fn tls(mode: SslMode, root: Option<PathBuf>) -> Result<MakeRustlsConnect, String> {
    // Named, not taken from the process: a second provider among the dependencies would make the default ambiguous, and panic.
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(|e| e.to_string())?;
    if root.is_none() && mode != SslMode::Require {
        let unchecked = Arc::new(Unchecked { provider });
        return Ok(MakeRustlsConnect::new(builder.dangerous().with_custom_certificate_verifier(unchecked).with_no_client_auth()));
    }
    let mut roots = RootCertStore::empty();
    match root {
        Some(path) => {
            let unreadable = |e: &dyn std::fmt::Display| format!("sslrootcert {}: {e}", path.display());
            for certificate in CertificateDer::pem_file_iter(&path).map_err(|e| unreadable(&e))? {
                roots.add(certificate.map_err(|e| unreadable(&e))?).map_err(|e| unreadable(&e))?;
            }
            if roots.is_empty() {
                return Err(unreadable(&"no certificate in it"));
            }
        }
        // Broken certificates among the system's are its affair; an empty store then refuses every server.
        None => drop(roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    Ok(MakeRustlsConnect::new(builder.with_root_certificates(roots).with_no_client_auth()))
}

/// Encryption against listeners, for `sslmode=prefer`: signatures are checked, the certificate's origin is not.
#[derive(Debug)]
struct Unchecked {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::{SslMode, Target, split_tls};

    #[test]
    fn strict_modes_and_the_root_certificate_are_taken_out_of_the_url() {
        let (url, wish) = split_tls("postgres://u:p@h/d?sslmode=verify-full&sslrootcert=%2Fa%20b.pem&application_name=x").unwrap();
        assert_eq!(url, "postgres://u:p@h/d?application_name=x");
        assert_eq!(wish.mode, Some(SslMode::Require));
        assert_eq!(wish.root.unwrap().to_str(), Some("/a b.pem"));
    }

    #[test]
    fn a_missing_root_certificate_is_named_and_the_password_is_not() {
        let error = Target::parse("postgres://u:hunter2@h/d?sslmode=require&sslrootcert=/nowhere.pem").err().unwrap();
        assert!(error.contains("/nowhere.pem") && !error.contains("hunter2"), "{error}");
        let error = Target::parse("postgres://u:hunter2@h/d?sslmode=sometimes").err().unwrap();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
