//! The accept loop: several listeners, one cap, an orderly stop.
//!
//! | Rule | Source |
//! |---|---|
//! | above the cap, new connections wait in the kernel's queue | [`ConnectionLimits`] |
//! | an accept that fails (no file descriptors) is tried again more and more slowly, never in a busy loop | - |
//! | on stop: no new connections, requests in flight finish, then the rest is closed | [`ConnectionLimits::drain`] |
//!
//! poem's own server has no client certificates, no handshake timeout, and is open to slow peers; hence this loop.
//! Out of scope: one connection (`connection`), certificates and their reload (the `ServerConfig` that is handed in).

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::ToDynEndpoint;
use poem::{Endpoint, EndpointExt, IntoEndpoint, IntoResponse};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::connection::{self, Phase, Surroundings};
pub use super::connection::{App, PeerCerts};
use super::limits::ConnectionLimits;

/// First and longest pause after an accept that failed.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// A socket to accept from; with `tls`, whose ALPN list decides about HTTP/2.
pub struct Listener {
    pub socket: TcpListener,
    pub tls: Option<Arc<ServerConfig>>,
    /// That configuration asks callers for a certificate: no pages here (`client_certificate`).
    pub asks: bool,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything in flight was answered.
    Finished,
    /// This many connections were cut off at the end of the drain.
    CutOff(usize),
}

/// The endpoint as the accept loop wants it.
pub fn app<E>(endpoint: E) -> App
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
    <E::Endpoint as Endpoint>::Output: IntoResponse,
{
    Arc::new(ToDynEndpoint(endpoint.into_endpoint().map_to_response()))
}

/// Binds every address. Errors: the first that fails, with its address.
pub async fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<TcpListener>> {
    let mut sockets = Vec::with_capacity(addresses.len());
    for address in addresses {
        let named = |fault: io::Error| io::Error::new(fault.kind(), format!("cannot listen on {address}: {fault}"));
        sockets.push(TcpListener::bind(address).await.map_err(named)?);
    }
    Ok(sockets)
}

/// Binds both loopbacks on one port, since `localhost` means either. A machine without IPv6 gets one; a taken port is an error
/// even if only one of them is taken, or requests to the other name would reach a stranger.
pub async fn bind_loopbacks(port: u16) -> io::Result<Vec<TcpListener>> {
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut sockets = bind(&[v4]).await?;
    let port = sockets.first().map_or(Ok(port), |socket| socket.local_addr().map(|address| address.port()))?;
    let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
    match bind(&[v6]).await {
        Ok(second) => sockets.extend(second),
        Err(fault) if fault.kind() == io::ErrorKind::AddrInUse => return Err(fault),
        Err(fault) => tracing::info!(%fault, "no IPv6 loopback"),
    }
    Ok(sockets)
}

/// Serves until `stop` is ready, then drains.
pub async fn serve(listeners: Vec<Listener>, app: App, limits: ConnectionLimits, stop: impl Future<Output = ()>) -> Stopped {
    let (phase, phases) = watch::channel(Phase::Serving);
    let permits = Arc::new(Semaphore::new(limits.connections));
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| tokio::spawn(accept(listener, app.clone(), limits, phases.clone(), permits.clone())))
        .collect();
    stop.await;
    phase.send_replace(Phase::Draining);
    for task in accepting {
        let _ = task.await;
    }
    // Every connection holds a permit, so all permits back means that all are done.
    let all = u32::try_from(limits.connections).unwrap_or(u32::MAX);
    if timeout(limits.drain, permits.acquire_many(all)).await.is_ok() {
        return Stopped::Finished;
    }
    let left = limits.connections.saturating_sub(permits.available_permits());
    phase.send_replace(Phase::Closing);
    let _ = timeout(BACK_OFF.1, permits.acquire_many(all)).await;
    Stopped::CutOff(left)
}

async fn accept(listener: Listener, app: App, limits: ConnectionLimits, mut phases: watch::Receiver<Phase>, permits: Arc<Semaphore>) {
    let mut pause = BACK_OFF.0;
    let phase = phases.clone();
    let stopping = async move {
        let _ = phases.wait_for(|phase| *phase != Phase::Serving).await;
    };
    tokio::pin!(stopping);
    loop {
        // Permit first: a connection that we cannot serve is better off in the kernel's queue than accepted and mute.
        let accepted = async {
            let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.socket.accept().await.map(|(socket, peer)| (permit, socket, peer))
        };
        let accepted = tokio::select! {
            () = &mut stopping => return,
            accepted = accepted => accepted,
        };
        let (permit, socket, peer) = match accepted {
            Ok(accepted) => accepted,
            // The peer left before we came: nothing is wrong here.
            Err(fault) if matches!(fault.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) => continue,
            Err(fault) => {
                tracing::warn!(%fault, "cannot accept connections");
                tokio::select! {
                    () = &mut stopping => return,
                    () = sleep(pause) => {}
                }
                pause = (pause * 2).min(BACK_OFF.1);
                continue;
            }
        };
        pause = BACK_OFF.0;
        let Ok(local) = socket.local_addr() else { continue };
        let around =
            Surroundings { app: app.clone(), limits, tls: listener.tls.clone(), asks: listener.asks, phase: phase.clone(), local, peer };
        tokio::spawn(async move {
            connection::serve(socket, around).await;
            drop(permit);
        });
    }
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
