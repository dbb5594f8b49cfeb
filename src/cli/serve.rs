//! `chancery serve`: opens everything, serves until it is told to stop, and says where everything is.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use chancery_core::client::metadata::origin_of;
use chancery_core::id::ClientId;
use chancery_core::time::Timestamp;
use chancery_projections::audit::follow;
use poem::{Endpoint, Response, Route};
use poem_openapi::OpenApiService;

use crate::app::anchor::Anchors;
use crate::app::backchannel::notify;
use crate::app::clock::Clock;
use crate::app::context::Context;
use crate::app::housekeeping::{self, Refusals};
use crate::app::logouts;
use crate::app::remote::{self, Whose};
use crate::app::start::{self, Opening};
use crate::app::{App, random};
use crate::cli::{certificates, feeding, paths, signal, watched};
use crate::config::{Config, Database, Secrets};
use crate::http::client_address::TrustedProxies;
use crate::http::client_certificate::ClientCertificates;
use crate::http::cookies::{CookieKeys, Cookies};
use crate::http::cors::OriginOf;
use crate::http::development::DevelopmentGuard;
use crate::http::guarded::Outgoing;
use crate::http::limits::{ConnectionLimits, Deadline};
use crate::http::listen::{self, Listener, Stopped};
use crate::http::outgoing;
use crate::http::rate_limit::RateLimiter;
use crate::http::server::{Parts, Server};
use crate::http::stack::Stack;
use crate::http::tails::Tails;
use crate::{http, pages};

/// Opens, serves and stops on SIGINT or SIGTERM.
///
/// # Errors
/// Whatever keeps the server from starting, as one sentence.
pub async fn run(config: Config, secrets: Secrets, opening: Opening) -> anyhow::Result<()> {
    serve_until(config, secrets, opening, signal::stop()).await
}

/// The same with another way to stop.
///
/// # Errors
/// As for [`run`].
pub async fn serve_until(config: Config, secrets: Secrets, opening: Opening, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    // The address first: a port that is taken should not leave a start in the log.
    let sockets = listen::bind(&config.listen).await?;
    let asking = listen::bind(&config.mtls.listen).await?;
    let ops_sockets = listen::bind(&config.ops_listen).await?;
    let certificates = certificates::read(&config)?;
    let data_dir = config.data_dir.clone();
    let app = start::open(config, &secrets, Clock::System, opening).await?;
    let context = Context::of_server("server", random::uuid_v7(app.now().0).to_string());
    app.finish_erasures(&context).await.map_err(|e| anyhow!("{}", e.detail))?;
    let by_file = Context::of_server("config", random::uuid_v7(app.now().0).to_string());
    let seeded = app.seed_things(&by_file).await?;
    app.seed_people_soon(by_file);
    app.record_start(&context).await.map_err(|e| anyhow!("{}", e.detail))?;
    let server = server(&app, &secrets)?;
    for warning in &secrets.warnings {
        tracing::warn!("{warning}");
    }
    if seeded.clients + seeded.users > 0 || seeded.disabled > 0 {
        tracing::info!(clients = seeded.clients, users = seeded.users, disabled = seeded.disabled, "declared in the configuration file");
    }
    background(&app, &server, secrets.jwks_private_key.as_ref().map(|pem| pem.expose().to_owned()));
    crate::cli::socket::listen(app.clone(), &data_dir).await?;
    announce(&app, &sockets);
    let usual = sockets.into_iter().map(|socket| Listener { socket, tls: certificates.usual.clone(), asks: false });
    let asking = asking.into_iter().map(|socket| Listener { socket, tls: certificates.asking.clone(), asks: true });
    let listeners = usual.chain(asking).collect();
    let operations = tokio::spawn(watched::serve(ops_sockets, server.clone(), certificates.usual.clone()));
    tokio::spawn(certificates::follow(app.clone(), certificates));
    // Tails have no end of their own: they end with the signal, so that a stop does not wait for them.
    let tails = server.tails.clone();
    let stop = async move {
        stop.await;
        tails.stop();
    };
    let stopped = listen::serve(listeners, listen::app(routes(&server)), ConnectionLimits::default(), stop).await;
    if let Stopped::CutOff(open) = stopped {
        tracing::warn!(open, "connections were cut off after the time for a graceful stop");
    }
    operations.abort();
    app.ledger.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// The routes as an OpenAPI service.
pub fn service(server: &Server) -> OpenApiService<impl poem_openapi::OpenApi + use<>, ()> {
    OpenApiService::new((http::routes::api(server), pages::routes::api(server)), "Chancery", env!("CARGO_PKG_VERSION"))
        .description("An event-sourced OAuth 2.0 / OpenID Connect authorization server: every action is an event before it has an effect.")
}

/// The OpenAPI document without a server: the golden one, which a test holds against the routes.
pub fn openapi() -> String {
    include_str!("../../openapi/openapi.json").to_owned()
}

/// Every route with every layer.
pub fn routes(server: &Server) -> impl Endpoint<Output = Response> + 'static {
    let service = service(server);
    let specification = service.spec();
    let surface = Arc::new(paths::surface(&specification));
    let app = server.app.clone();
    let origin_of: OriginOf = Arc::new(move |client, origin| {
        let app = app.clone();
        Box::pin(async move { may_read(&app, &client.0, &origin).await })
    });
    let config = &server.app.config;
    let proxies: Vec<_> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    // The configuration has parsed them before; what it accepts this accepts.
    let trusted = Arc::new(TrustedProxies::parse(&proxies).unwrap_or_default());
    let stack = Stack {
        surface,
        https: config.issuer.is_https(),
        allowed_origins: Arc::new(config.allowed_origins.iter().cloned().collect::<BTreeSet<_>>()),
        origin_of,
        error_page: pages::routes::show::render_error,
        certificates: ClientCertificates { proxies: config.mtls.proxy_header.then(|| trusted.clone()) },
        trusted_proxies: trusted,
        deadline: Deadline::default(),
        development: DevelopmentGuard {
            authority: (!server.app.is_production()).then(|| config.issuer.authority().into()),
            other: config.mtls.authority().map(Into::into),
        },
        generate_id: {
            let clock = server.app.clock.clone();
            Arc::new(move || random::uuid_v7(clock.now_ms()))
        },
        requests: server.requests.clone(),
    };
    let docs = service.swagger_ui();
    let document = service.spec_endpoint();
    let tiles = http::routes::tiles::Tiles(server.clone());
    stack.around(Route::new().nest("/docs", docs).at("/openapi.json", document).at("/audit/tile/*path", tiles).nest("/", service))
}

/// FEATURES.md §9: an origin may read what its client was answered.
async fn may_read(app: &App, client: &str, origin: &str) -> bool {
    let Some(id) = ClientId::parse(client) else { return false };
    let Ok(loaded) = app.load_client(&id.stream()).await else { return false };
    loaded.state.is_some_and(|client| {
        let metadata = &client.metadata;
        metadata.allowed_origins.iter().any(|own| own == origin) || metadata.redirect_uris.iter().any(|uri| origin_of(uri) == Some(origin))
    })
}

/// What routes hold.
///
/// # Errors
/// No cookie secret; the configuration always has one.
pub fn server(app: &App, secrets: &Secrets) -> anyhow::Result<Server> {
    let cookie_secrets: Vec<_> = secrets.cookie.all().map(|secret| secret.expose().as_bytes().to_vec()).collect();
    let forms = CookieKeys::derive(&cookie_secrets).context("there is no cookie secret")?;
    app.remote.connect(guarded_get(app)?);
    certificates::trust(app).map_err(|why| anyhow!("{why}"))?;
    let clock = app.clock.clone();
    Ok(Server::new(Parts {
        cookies: Cookies::new(forms.clone(), app.config.issuer.is_https()),
        forms,
        limits: RateLimiter::new(Arc::new(move || u64::try_from(clock.now_ms()).unwrap_or(0))),
        app: app.clone(),
        tails: Tails::default(),
        requests: Arc::default(),
    }))
}

/// Tasks that go on while the server serves. Each tells its troubles and goes on.
fn background(app: &App, server: &Server, imported: Option<String>) {
    let context = Context::of_server("server", random::uuid_v7(app.now().0).to_string());
    let (keys, keys_context) = (app.clone(), context.clone());
    tokio::spawn(async move {
        loop {
            match keys.ensure_keys(&keys_context, imported.as_deref()).await {
                Ok(()) => break,
                Err(error) => tracing::error!(detail = %error.detail, "signing keys are not available"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        // Rotations of other nodes.
        loop {
            tokio::time::sleep(housekeeping::KEYS_EVERY).await;
            if let Err(error) = keys.refresh_keys().await {
                tracing::warn!(detail = %error.detail, "signing keys could not be read again");
            }
            keys.look_after_signer().await;
            if let Err(error) = keys.refresh_notary().await {
                tracing::warn!(detail = %error.detail, "the key of the log could not be read again");
            }
        }
    });
    tokio::spawn(follow::run(app.ledger.clone()));
    tokio::spawn(anchor(app.clone()));
    tokio::spawn(seal_when_quiet(app.clone(), context.clone()));
    tokio::spawn(tell_clients(app.clone(), context.clone()));
    feeding::feed(app);
    let (vault, server) = (app.clone(), server.clone());
    tokio::spawn(async move {
        if let Err(error) = vault.vault.finish_adoptions().await {
            tracing::warn!(%error, "interrupted adoptions of interactions were not finished; the next start or erasure does it");
        }
        loop {
            tokio::time::sleep(housekeeping::EVERY).await;
            tidy(&server).await;
        }
    });
}

/// Checkpoints go to the configured places.
async fn anchor(app: App) {
    let post = match outgoing::post() {
        Ok(post) => post,
        Err(error) => return tracing::error!(%error, "checkpoints cannot be sent anywhere"),
    };
    let Some(mut anchors) = Anchors::configured(&app, post) else { return };
    loop {
        app.anchor(&mut anchors).await;
        tokio::time::sleep(app.config.proof.anchor_every).await;
    }
}

/// One round of housekeeping: of the application, and of what the limits refused.
pub async fn tidy(server: &Server) {
    let context = Context::of_server("server", random::uuid_v7(server.app.now().0).to_string());
    server.app.tidy(&context).await;
    if let Err(error) = server.app.record_refusals(&context, &refusals(server)).await {
        tracing::warn!(detail = %error.detail, "counts of refused attempts were not recorded");
    }
}

/// A seal whenever the log was quiet for the set time.
async fn seal_when_quiet(app: App, context: Context) {
    let Some(after) = app.config.proof.seal_after else { return };
    loop {
        let quiet = Duration::from_millis(u64::try_from(app.now().0 - app.ledger.known_head().recorded_at).unwrap_or(0));
        // Never in a busy loop, whatever the clocks of other nodes say.
        tokio::time::sleep(after.saturating_sub(quiet).max(Duration::from_millis(100))).await;
        if let Err(error) = app.seal_when_quiet(&context, after).await {
            tracing::warn!(detail = %error.detail, "a quiet log was not sealed");
        }
    }
}

/// Clients are told of sessions that are over, and of answers on the back channel; neither waits for the other.
async fn tell_clients(app: App, context: Context) {
    let post = match guarded_post(&app) {
        Ok(post) => post,
        Err(error) => return tracing::error!(%error, "clients cannot be told of anything"),
    };
    if app.config.ciba {
        let (app, context, post) = (app.clone(), context.clone(), post.clone());
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(notify::EVERY).await;
                if let Err(error) = app.deliver_notifications(&context, &post).await {
                    tracing::warn!(detail = %error.detail, "the outbox of the back channel could not be read");
                }
            }
        });
    }
    loop {
        tokio::time::sleep(logouts::EVERY).await;
        if let Err(error) = app.deliver_logouts(&context, &post).await {
            tracing::warn!(detail = %error.detail, "the outbox of logouts could not be read");
        }
    }
}

/// How requests to addresses that clients chose are sent.
///
/// # Errors
/// TLS without its ciphers.
pub fn guarded_post(app: &App) -> anyhow::Result<remote::Post> {
    let client = Outgoing::new(&app.config.outgoing_networks, !app.is_production())?;
    Ok(Arc::new(move |posted| {
        let client = client.clone();
        Box::pin(async move {
            let answer = client.post(&posted.url, posted.content_type, posted.authorization.as_deref(), posted.body).await;
            answer.map(|status| status.as_u16()).map_err(|failure| failure.to_string())
        })
    }))
}

/// How documents of clients are fetched.
///
/// # Errors
/// TLS without its ciphers.
pub fn guarded_get(app: &App) -> anyhow::Result<remote::Get> {
    let loopback = !app.is_production();
    Ok(get_through(Outgoing::new(&app.config.outgoing_networks, loopback)?, Outgoing::new(&[], loopback)?))
}

/// The same through clients of the caller's: the second for strangers.
pub fn get_through(registered: Outgoing, strangers: Outgoing) -> remote::Get {
    Arc::new(move |wanted| {
        let client = if wanted.whose == Whose::Strangers { strangers.clone() } else { registered.clone() };
        Box::pin(async move { client.get(&wanted.url, wanted.accept, wanted.most).await.map_err(|failure| failure.to_string()) })
    })
}

/// What the limits refused in whole minutes that are over.
fn refusals(server: &Server) -> Vec<Refusals> {
    const MINUTE: i64 = 60_000;
    let this_minute = u64::try_from(server.app.now().0 / MINUTE).unwrap_or(0);
    let counted = server.limits.drain_refused(this_minute);
    counted
        .into_iter()
        .map(|own| {
            let from = i64::try_from(own.minute).unwrap_or(0) * MINUTE;
            Refusals {
                kind: own.purpose.to_owned(),
                source: own.source.map_or_else(|| "many".to_owned(), |address| address.to_string()),
                count: u32::try_from(own.count).unwrap_or(u32::MAX),
                from: Timestamp(from),
                until: Timestamp(from + MINUTE),
            }
        })
        .collect()
}

/// Where everything is, once.
fn announce(app: &App, sockets: &[tokio::net::TcpListener]) {
    let origin = app.config.issuer.origin();
    let addresses: Vec<_> = sockets.iter().filter_map(|socket| socket.local_addr().ok()).map(|address| address.to_string()).collect();
    tracing::info!(mode = app.config.mode.as_str(), issuer = app.config.issuer.as_str(), listening = addresses.join(", "), "serving");
    tracing::info!("discovery  {}/.well-known/openid-configuration", app.config.issuer.as_str());
    tracing::info!("API        {origin}/docs and {origin}/openapi.json");
    tracing::info!("health     {origin}/health/ready");
    match &app.config.database {
        Database::Sqlite(path) => tracing::info!("log        {} (SQLite)", path.display()),
        Database::Postgres(_) => tracing::info!("log        PostgreSQL (DATABASE_URL)"),
    }
}
