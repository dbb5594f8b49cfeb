//! One connection: TLS handshake, HTTP/1.1 or HTTP/2, and what it may cost.
//!
//! | Rule | Source |
//! |---|---|
//! | a handshake, a head, a silence and a stalled answer are each bounded in time | [`ConnectionLimits`] |
//! | HTTP/2 by ALPN only; plain connections speak HTTP/1.1 | RFC 9113 §3.2 |
//! | the client's certificate is handed on as data, unjudged | RFC 8705 §2 |
//!
//! hyper's own timer covers a head and the silence before it alike, and nothing else. So the times are kept here: `Pulse` notes when
//! bytes came and when requests and answers moved, and the task looks at it once per tick.
//! Out of scope: accepting (`listen`), the deadline of a request (`limits`), judging certificates (client authentication).

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use poem::endpoint::DynEndpoint;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Response};
use rustls::ServerConfig;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_rustls::TlsAcceptor;

use super::limits::{self, ConnectionLimits};

/// The endpoint that answers every request.
pub type App = Arc<dyn DynEndpoint<Output = Response>>;

/// The certificate chain that a client proved possession of, leaf first; request data of TLS requests that had one.
#[derive(Clone, Debug)]
pub struct PeerCerts(pub Arc<Vec<CertificateDer<'static>>>);

/// Request data of the listener that asks for certificates.
#[derive(Clone, Copy, Debug)]
pub struct AsksForCertificates;

/// How far the server has got with stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Finish what is in flight, take nothing new.
    Draining,
    /// The drain took too long.
    Closing,
}

/// What a connection needs to know.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub app: App,
    pub limits: ConnectionLimits,
    pub tls: Option<Arc<ServerConfig>>,
    pub asks: bool,
    pub phase: watch::Receiver<Phase>,
    pub local: SocketAddr,
    pub peer: SocketAddr,
}

/// Serves one socket to its end. Faults of a peer end its connection and are nobody else's business.
pub(super) async fn serve(socket: TcpStream, around: Surroundings) {
    // Answers are one small write; waiting for more (Nagle) would only cost the peer's delayed acknowledgement.
    let _ = socket.set_nodelay(true);
    let Some(tls) = around.tls.clone() else { return drive(socket, around, Protocol::Plain).await };
    let mut phase = around.phase.clone();
    let handshake = timeout(around.limits.handshake, TlsAcceptor::from(tls).accept(socket));
    let stream = tokio::select! {
        stream = handshake => match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) | Err(_) => return,
        },
        _ = reached(&mut phase, Phase::Draining) => return,
    };
    let session = stream.get_ref().1;
    let certificates = session.peer_certificates();
    let certificates = certificates.map(|chain| PeerCerts(Arc::new(chain.iter().map(|one| one.clone().into_owned()).collect())));
    let http2 = session.alpn_protocol() == Some(b"h2");
    drive(stream, around, Protocol::Tls { http2, certificates }).await;
}

enum Protocol {
    Plain,
    Tls { http2: bool, certificates: Option<PeerCerts> },
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S, around: Surroundings, protocol: Protocol) {
    let (scheme, http2, certificates) = match protocol {
        Protocol::Plain => (Scheme::HTTP, false, None),
        Protocol::Tls { http2, certificates } => (Scheme::HTTPS, http2, certificates),
    };
    let Surroundings { app, limits, mut phase, local, peer, asks, .. } = around;
    let pulse = Arc::new(Pulse::new());
    let beat = pulse.clone();
    let service = service_fn(move |request: http::Request<Incoming>| {
        let guard = InFlight::begin(&beat);
        let (app, certificates, scheme) = (app.clone(), certificates.clone(), scheme.clone());
        async move {
            let mut request: poem::Request = (request, LocalAddr(local.into()), RemoteAddr(peer.into()), scheme).into();
            if let Some(certificates) = certificates {
                request.set_data(certificates);
            }
            if asks {
                request.set_data(AsksForCertificates);
            }
            let answer = http::Response::from(app.as_ref().get_response(request).await);
            Ok::<_, Infallible>(answer.map(|body| Watched { body, guard }))
        }
    });
    let builder = builder(&limits, http2);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Listening { stream, pulse: pulse.clone() }), service));
    let mut ticks = interval(tick(&limits));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ending = phase.borrow().ne(&Phase::Serving);
    let mut told = false;
    if ending {
        connection.as_mut().graceful_shutdown();
    }
    loop {
        let next = if ending { Phase::Closing } else { Phase::Draining };
        tokio::select! {
            _ = connection.as_mut() => return,
            now = reached(&mut phase, next) => match now {
                Phase::Closing => return,
                _ => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            },
            _ = ticks.tick() => if pulse.is_over(&limits, http2) {
                // Told once to go (HTTP/2: GOAWAY), then dropped.
                if std::mem::replace(&mut told, true) {
                    return;
                }
                connection.as_mut().graceful_shutdown();
            },
        }
    }
}

fn builder(limits: &ConnectionLimits, http2: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // ALPN has decided; this also skips the sniffing of the preface, which has no timeout.
    builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.idle).max_buf_size(limits::HEAD).max_headers(limits::HEADER_FIELDS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle / 2)
        .keep_alive_timeout(limits.head)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits::HEAD).unwrap_or(u32::MAX));
    builder
}

/// Waits for a phase at or beyond `wanted`; a sender that is gone will never close anything.
async fn reached(phase: &mut watch::Receiver<Phase>, wanted: Phase) -> Phase {
    let is_there = |now: &Phase| *now == Phase::Closing || *now == wanted;
    let now = phase.wait_for(is_there).await.map(|now| *now);
    match now {
        Ok(now) => now,
        Err(_) => pending().await,
    }
}

/// Often enough that no limit is missed by more than a quarter, and at most once a second.
fn tick(limits: &ConnectionLimits) -> Duration {
    let smallest = limits.head.min(limits.idle).min(limits.stall) / 4;
    smallest.clamp(Duration::from_millis(10), Duration::from_secs(1))
}

/// When things last moved, in milliseconds since the start of the connection. 0 in `head` means: no byte since the last request.
struct Pulse {
    start: Instant,
    in_flight: AtomicUsize,
    requests: AtomicU64,
    moved: AtomicU64,
    head: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self { start: Instant::now(), in_flight: AtomicUsize::new(0), requests: zero(), moved: zero(), head: zero() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn heard(&self) {
        if self.in_flight.load(Relaxed) == 0 && self.head.load(Relaxed) == 0 {
            self.head.store(self.now(), Relaxed);
        }
    }

    fn is_over(&self, limits: &ConnectionLimits, http2: bool) -> bool {
        let now = self.now();
        let over = |since: u64, limit: Duration| u128::from(now.saturating_sub(since)) > limit.as_millis();
        let moved = self.moved.load(Relaxed);
        if self.in_flight.load(Relaxed) > 0 {
            return over(moved, limits.stall);
        }
        // HTTP/2 hears pings and settles windows between requests, so only HTTP/1.1 can tell a head by its first byte.
        let head = self.head.load(Relaxed);
        if !http2 && head != 0 && over(head, limits.head) {
            return true;
        }
        over(moved, if self.requests.load(Relaxed) == 0 { limits.head } else { limits.idle })
    }
}

/// Counts a request from its head to the end of its answer's body.
struct InFlight(Arc<Pulse>);

impl InFlight {
    fn begin(pulse: &Arc<Pulse>) -> Self {
        pulse.in_flight.fetch_add(1, Relaxed);
        pulse.requests.fetch_add(1, Relaxed);
        pulse.moved.store(pulse.now(), Relaxed);
        pulse.head.store(0, Relaxed);
        Self(pulse.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.moved.store(self.0.now(), Relaxed);
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

/// The body of an answer that reports its progress.
struct Watched<B> {
    body: B,
    guard: InFlight,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.guard.0.moved.store(self.guard.0.now(), Relaxed);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream that reports the first byte of a head.
struct Listening<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.pulse.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
