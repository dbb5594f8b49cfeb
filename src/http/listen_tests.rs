//! The accept loop over real sockets on the loopback. Every wait is for a signal (an answer, an end of stream); the short limits
//! only say how soon the server sends it.

use std::pin::Pin;

use hyper::body::Body as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use poem::{Body, IntoResponse, Request, Response, Route, RouteMethod, get, handler, post};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, server::WebPkiClientVerifier};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::super::limits::{self, Deadline};
use super::*;

const LIMITS: ConnectionLimits = ConnectionLimits {
    connections: 8,
    handshake: Duration::from_millis(200),
    head: Duration::from_millis(200),
    idle: Duration::from_millis(1500),
    stall: Duration::from_millis(600),
    drain: Duration::from_secs(5),
    streams: 10,
};

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Stopped>,
}

async fn start(app: App, limits: ConnectionLimits, tls: Option<Arc<ServerConfig>>) -> Running {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(serve(vec![Listener { socket, tls, asks: false }], app, limits, async {
        let _ = stopped.await;
    }));
    Running { address, stop, task }
}

#[handler]
fn hello() -> &'static str {
    "hello"
}

#[handler]
async fn echo(request: &Request, body: Body) -> poem::Result<Response> {
    let mut body = poem::RequestBody::new(body);
    Ok(limits::read_body(request, &mut body, limits::BODY).await?.into_response())
}

#[handler]
fn endless() -> Response {
    Response::builder().body(Body::from_async_read(tokio::io::repeat(b'a')))
}

/// Ten lines, one each 100 ms: longer in all than a stall may take, never still for so long.
#[handler]
fn live() -> Response {
    let (mut write, read) = tokio::io::duplex(64);
    tokio::spawn(async move {
        for _ in 0..10 {
            sleep(LIMITS.stall / 6).await;
            write.write_all(b": alive\n").await.unwrap();
        }
    });
    Response::builder().body(Body::from_async_read(read))
}

#[handler]
fn certificate(request: &Request) -> String {
    format!("{:?} {:?}", request.data::<PeerCerts>().map(|certs| certs.0[0].to_vec().len()), request.scheme())
}

fn routes() -> App {
    let deadline = Deadline(Duration::from_millis(300));
    app(Route::new()
        .at("/", get(hello))
        .at("/echo", post(echo).with(deadline))
        .at("/endless", get(endless))
        .at("/live", get(live))
        .at("/certificate", RouteMethod::new().get(certificate)))
}

/// Everything until the server closes; fails the test if it does not.
async fn to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await.expect("the server never closed");
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn answer(stream: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let (mut text, mut buffer) = (String::new(), [0; 4096]);
    while !text.ends_with(end) {
        let count = timeout(Duration::from_secs(10), stream.read(&mut buffer)).await.expect("no answer").unwrap();
        assert!(count > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = start(routes(), LIMITS, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(to_end(&mut stream).await, "");
}

#[tokio::test]
async fn slowloris_is_closed_also_after_a_first_request() {
    let server = start(routes(), LIMITS, None).await;
    for first in [&b""[..], GET] {
        let (mut read, mut write) = TcpStream::connect(server.address).await.unwrap().into_split();
        write.write_all(first).await.unwrap();
        if !first.is_empty() {
            answer(&mut read, "hello").await;
        }
        let begun = Instant::now();
        let drip = tokio::spawn(async move {
            let _ = write.write_all(b"GET / HTTP/1.1\r\nX: ").await;
            while write.write_all(b"a").await.is_ok() {
                sleep(Duration::from_millis(20)).await;
            }
        });
        to_end(&mut read).await;
        assert!(begun.elapsed() < LIMITS.idle, "closed as idle, not as slow");
        drip.abort();
    }
}

#[tokio::test]
async fn a_body_that_is_announced_and_never_sent_is_answered_and_closed() {
    let server = start(routes(), LIMITS, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").await.unwrap();
    let text = to_end(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 503") && text.contains("temporarily_unavailable"), "{text}");
}

#[tokio::test]
async fn a_chunked_body_over_the_limit_is_413() {
    let server = start(routes(), LIMITS, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").await.unwrap();
    let chunk = [b"8000\r\n".as_slice(), &[b'a'; 0x8000], b"\r\n"].concat();
    for _ in 0..3 {
        let _ = stream.write_all(&chunk).await;
    }
    let text = to_end(&mut stream).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
}

#[tokio::test]
async fn a_quiet_connection_is_kept_between_requests_then_closed() {
    let server = start(routes(), LIMITS, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for _ in 0..2 {
        stream.write_all(GET).await.unwrap();
        answer(&mut stream, "hello").await;
        // Longer than a head may take, shorter than the idle limit: only time can show that nothing happens.
        sleep(LIMITS.head * 2).await;
    }
    assert_eq!(to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_head_over_the_limit_is_431() {
    let server = start(routes(), LIMITS, None).await;
    let fields: String = (0..150).map(|i| format!("X-{i}: a\r\n")).collect();
    for head in [format!("X: {}\r\n", "a".repeat(2 * limits::HEAD)), fields] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let _ = stream.write_all(format!("GET / HTTP/1.1\r\nHost: x\r\n{head}\r\n").as_bytes()).await;
        let text = to_end(&mut stream).await;
        assert!(text.starts_with("HTTP/1.1 431"), "{text}");
    }
}

#[tokio::test]
async fn above_the_cap_connections_wait_and_a_reader_that_stalls_is_cut() {
    let server = start(routes(), ConnectionLimits { connections: 1, ..LIMITS }, None).await;
    let mut stalled = TcpStream::connect(server.address).await.unwrap();
    stalled.write_all(b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut begun = [0; 15];
    stalled.read_exact(&mut begun).await.unwrap();
    assert_eq!(&begun, b"HTTP/1.1 200 OK");
    let mut waiting = TcpStream::connect(server.address).await.unwrap();
    waiting.write_all(GET).await.unwrap();
    // Answered only because the stalled one was cut off, which gave its place back.
    answer(&mut waiting, "hello").await;
}

#[tokio::test]
async fn a_live_answer_that_moves_is_not_cut() {
    let server = start(routes(), LIMITS, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(answer(&mut stream, "\r\n0\r\n\r\n").await.matches("alive").count(), 10);
}

/// An app that says when it was entered, and answers when it is told to.
fn gated() -> (App, Arc<Notify>, Arc<Notify>) {
    let (entered, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inside, gate) = (entered.clone(), release.clone());
    let endpoint = poem::endpoint::make(move |_| {
        let (inside, gate) = (inside.clone(), gate.clone());
        async move {
            inside.notify_one();
            gate.notified().await;
            Ok::<_, poem::Error>("done")
        }
    });
    (app(endpoint), entered, release)
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_takes_nothing_new() {
    let (app, entered, release) = gated();
    let server = start(app, LIMITS, None).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    entered.notified().await;
    server.stop.send(()).unwrap();
    assert_eq!(to_end(&mut idle).await, "");
    assert!(TcpStream::connect(server.address).await.is_err());
    release.notify_one();
    let text = to_end(&mut stream).await;
    assert!(text.ends_with("done") && text.to_lowercase().contains("connection: close"), "{text}");
    assert_eq!(server.task.await.unwrap(), Stopped::Finished);
}

#[tokio::test]
async fn a_stop_cuts_off_what_takes_too_long() {
    let (app, entered, _release) = gated();
    let server = start(app, ConnectionLimits { drain: Duration::from_millis(100), ..LIMITS }, None).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    entered.notified().await;
    server.stop.send(()).unwrap();
    assert_eq!(to_end(&mut stream).await, "");
    assert_eq!(server.task.await.unwrap(), Stopped::CutOff(1));
}

struct Tls {
    server: Arc<ServerConfig>,
    client: ClientConfig,
    /// Of the client's certificate, in bytes.
    length: usize,
}

/// A server that asks for a certificate, and a client that has one.
fn tls(alpn: &[u8]) -> Tls {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let make = || {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        (made.cert.der().clone(), PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()), Arc::new(roots))
    };
    let ((server_cert, server_key, server_root), (cert, key, client_root)) = (make(), make());
    let verifier = WebPkiClientVerifier::builder_with_provider(client_root, provider.clone()).allow_unauthenticated().build().unwrap();
    let mut server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server_cert], server_key.into())
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let length = cert.len();
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(server_root)
        .with_client_auth_cert(vec![cert], key.into())
        .unwrap();
    client.alpn_protocols = vec![alpn.to_vec()];
    Tls { server: Arc::new(server), client, length }
}

#[tokio::test]
async fn rfc8705_2_the_client_certificate_is_handed_over_on_http1_and_http2() {
    for alpn in [&b"http/1.1"[..], b"h2"] {
        let tls = tls(alpn);
        let server = start(routes(), LIMITS, Some(tls.server)).await;
        let socket = TcpStream::connect(server.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(tls.client)).connect(name, socket).await.unwrap();
        let expected = format!("Some({}) \"https\"", tls.length);
        if alpn == b"h2" {
            let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            let driver = tokio::spawn(connection);
            let request = http::Request::get("https://localhost/certificate").body(String::new()).unwrap();
            let mut body = sender.send_request(request).await.unwrap().into_body();
            let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), expected.as_bytes());
            drop(body);
            server.stop.send(()).unwrap();
            driver.await.unwrap().unwrap();
            assert_eq!(server.task.await.unwrap(), Stopped::Finished);
        } else {
            stream.write_all(b"GET /certificate HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
            assert!(answer(&mut stream, &expected).await.starts_with("HTTP/1.1 200"));
        }
    }
}

#[tokio::test]
async fn a_handshake_that_never_comes_is_closed() {
    let server = start(routes(), LIMITS, Some(tls(b"h2").server)).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&[0x16, 3, 1]).await.unwrap();
    assert_eq!(to_end(&mut stream).await, "");
}

#[tokio::test]
async fn both_loopbacks_share_a_port() {
    let sockets = bind_loopbacks(0).await.unwrap();
    let ports: Vec<u16> = sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
    assert!(ports.iter().all(|port| *port == ports[0]));
    assert!(bind(&[sockets[0].local_addr().unwrap()]).await.unwrap_err().to_string().contains("cannot listen on 127.0.0.1"));
}
