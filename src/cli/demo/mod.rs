//! `chancery demo`: the server for development and, on another port, an application of somebody else that uses it.
//!
//! | File | What |
//! |---|---|
//! | `oidc` | the client's side of OpenID Connect; knows of the server what any client is told |
//! | `visits` | who is at the example application |
//! | `app` | its pages |
//! | `roll` | the events of a login, read with an operator's token: the one thing that no other client could do |
//!
//! The environment is not read but for `RUST_LOG`: a demonstration must not write into a database that a variable happens to name.

mod app;
mod oidc;
mod roll;
mod visits;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use self::app::Example;
use self::oidc::{Client, Place};
use self::roll::Roll;
use super::outcome::usage;
use super::{logging, print, serve};
use crate::app::random;
use crate::app::start::Opening;
use crate::config::{Flags, Sources, resolve};
use crate::http::limits::ConnectionLimits;
use crate::http::listen::{self, Listener};

const DIRECTORY: &str = "./chancery-demo-data";
/// How long the server may take to answer first; making keys on a slow machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

#[derive(clap::Args)]
#[command(after_help = "\
Open the example client's address, register, sign in and allow; then read what the client was told and which events
explain it. Data are kept in ./chancery-demo-data unless --data-dir names another place.")]
pub struct Args {
    /// Port of the server, on both loopbacks
    #[arg(long, value_name = "PORT", default_value_t = 3000)]
    port: u16,
    /// Port of the example client, on both loopbacks
    #[arg(long, value_name = "PORT", default_value_t = 3001)]
    client_port: u16,
}

pub async fn run(flags: &Flags, args: &Args) -> anyhow::Result<()> {
    if flags.issuer.is_some() || !flags.listen.is_empty() {
        return Err(usage("the demo has its own --port and --client-port instead of --issuer and --listen"));
    }
    if args.port == args.client_port {
        return Err(usage("--port and --client-port are the same"));
    }
    let mut flags = flags.clone();
    flags.issuer = Some(format!("http://localhost:{}", args.port));
    flags.listen = vec![format!("localhost:{}", args.port)];
    flags.data_dir.get_or_insert_with(|| DIRECTORY.to_owned());
    let config = resolve(&Sources { flags, environment: Vec::new() })?;
    logging::start(config.log.json, config.log.level);
    let sockets = listen::bind_loopbacks(args.client_port).await?;
    let secrets = config.secrets(random::fill)?;
    let place = Place {
        issuer: config.issuer.as_str().to_owned(),
        server: config.issuer.origin().to_owned(),
        own: format!("http://localhost:{}", args.client_port),
        data_dir: config.data_dir.clone(),
    };
    let (stop, stopped) = watch::channel(());
    tokio::spawn(async move {
        wait_for_signal().await;
        // All receivers learn it by the closing of the channel.
        drop(stop);
    });
    let server = serve::serve_until(config, secrets, Opening::default(), until(stopped.clone()));
    tokio::try_join!(server, example(place, sockets, until(stopped)))?;
    Ok(())
}

async fn until(mut stopped: watch::Receiver<()>) {
    // An error says that the sender is gone, which is what is waited for.
    while stopped.changed().await.is_ok() {}
}

async fn wait_for_signal() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        },
        Err(_) => tokio::signal::ctrl_c().await.unwrap_or_default(),
    }
}

/// The example application, once the server answers.
async fn example(place: Place, sockets: Vec<TcpListener>, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    tokio::pin!(stop);
    let own = place.own.clone();
    let (http, data_dir, server): (_, PathBuf, _) = (http()?, place.data_dir.clone(), place.server.clone());
    let ready = tokio::time::timeout(PATIENCE, Client::connect(http.clone(), place, PAUSE));
    let client = tokio::select! {
        () = &mut stop => return Ok(()),
        client = ready => client.context("the server does not answer")??,
    };
    let app = Example::new(client, Roll::new(http, server, data_dir)).routes();
    print::line(format_args!("\n  The example client is at {own} - open it in a browser.\n"))?;
    let listeners = sockets.into_iter().map(|socket| Listener { socket, tls: None, asks: false }).collect();
    listen::serve(listeners, listen::app(app), ConnectionLimits::default(), stop).await;
    Ok(())
}

/// Speaks to this machine only, and follows no redirect: each is a step of the protocol.
fn http() -> anyhow::Result<reqwest::Client> {
    let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(20));
    client.build().context("the HTTP client")
}
