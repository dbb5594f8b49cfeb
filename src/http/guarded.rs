//! Requests that the server sends to addresses that clients chose. Those of the operator go through `outgoing`.
//!
//! | Rule | Source |
//! |---|---|
//! | every address of the name is checked, and the connection goes to one that was: no second look-up can answer otherwise | OWASP SSRF; RFC 9700 §4.11 in spirit |
//! | loopback, private, link-local and other special addresses are refused, unless the operator allows their network | RFC 6890, RFC 8725 §3.10 in spirit |
//! | https, checked against the system's roots; plain http only to an address that is allowed by exception | RFC 9700 §2.6 |
//! | no redirect is followed, no proxy of the environment is used | our own |
//! | five seconds for everything, the body of a document included, which has a limit | our own |
//! | a document may be kept for as long as its `Cache-Control` says | RFC 9111 §5.2.2 |
//!
//! In development loopback addresses are allowed, since the clients run on the same machine.

use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use poem::http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::app::remote::Fetched;
use crate::config::Cidr;

/// For connecting, sending and the head of the answer together.
const PATIENCE: Duration = Duration::from_secs(5);
/// Addresses of one name that are looked at.
const MOST_ADDRESSES: usize = 16;

/// Why a request was not answered. The sentence is for the log; it holds nothing of the answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the URL is no http or https URL with a host")]
    Url,
    #[error("the name does not resolve")]
    Unresolved,
    #[error("the address is not allowed: it is not a public one, or http is used without exception")]
    Forbidden,
    #[error("the connection failed")]
    Connect,
    #[error("the certificate was not accepted, or TLS failed")]
    Tls,
    #[error("the answer is not HTTP")]
    Http,
    #[error("there was no answer in time")]
    Timeout,
    #[error("the answer has the status {0}")]
    Status(u16),
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

/// The one client for outgoing requests. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    tls: TlsConnector,
    allowed: Arc<[Cidr]>,
    /// Development: loopback is where the clients are.
    loopback: bool,
    /// For one request.
    patience: Duration,
}

impl Outgoing {
    /// With the system's roots.
    ///
    /// # Errors
    /// A TLS library without its ciphers; none of ours.
    pub fn new(allowed: &[Cidr], loopback: bool) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        // Broken certificates among the system's are its affair; an empty store then refuses every server.
        let _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Self::trusting(roots, allowed, loopback)
    }

    /// With roots of the caller's.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn trusting(roots: RootCertStore, allowed: &[Cidr], loopback: bool) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), allowed: allowed.into(), loopback, patience: PATIENCE })
    }

    /// With another patience.
    #[must_use]
    pub fn waiting(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// Posts a body of some type, with an Authorization header if there is one; the status says how it was taken. The body of the answer is
    /// not read.
    ///
    /// # Errors
    /// Every way in which there is no answer.
    pub async fn post(&self, url: &str, content_type: &str, authorization: Option<&str>, body: String) -> Result<StatusCode, Failure> {
        let mut request = Request::post("/")
            .header(header::CONTENT_TYPE, content_type)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_LENGTH, body.len());
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let asked = self.exchange(url, request.body(body).map_err(|_| Failure::Url)?, 0);
        tokio::time::timeout(self.patience, asked).await.unwrap_or(Err(Failure::Timeout)).map(|(status, _)| status)
    }

    /// May the addresses of this URL be connected to now? For whoever checks a set-up.
    ///
    /// # Errors
    /// Why not.
    pub async fn would_reach(&self, url: &Url) -> Result<(), Failure> {
        let host = url.host().ok_or(Failure::Url)?.to_owned();
        let addresses = resolve(&host, url.port_or_known_default().ok_or(Failure::Url)?).await?;
        let is_https = url.scheme() == "https";
        if addresses.is_empty() || !addresses.iter().all(|address| self.may_reach(address.ip(), is_https)) {
            return Err(if addresses.is_empty() { Failure::Unresolved } else { Failure::Forbidden });
        }
        Ok(())
    }

    /// Reads a document of at most `most` bytes. Only 200 is an answer.
    ///
    /// # Errors
    /// Every way in which there is no document.
    pub async fn get(&self, url: &str, accept: &'static str, most: usize) -> Result<Fetched, Failure> {
        let request = Request::get("/").header(header::ACCEPT, accept).body(String::new()).map_err(|_| Failure::Url)?;
        let (status, fetched) =
            tokio::time::timeout(self.patience, self.exchange(url, request, most)).await.unwrap_or(Err(Failure::Timeout))?;
        if status == StatusCode::OK { Ok(fetched) } else { Err(Failure::Status(status.as_u16())) }
    }

    /// One request and its answer; of a body nothing is read when `most` is 0.
    async fn exchange(&self, url: &str, mut request: Request<String>, most: usize) -> Result<(StatusCode, Fetched), Failure> {
        let url = Url::parse(url).map_err(|_| Failure::Url)?;
        let is_https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(Failure::Url),
        };
        let host = url.host().ok_or(Failure::Url)?.to_owned();
        let port = url.port_or_known_default().ok_or(Failure::Url)?;
        let addresses = resolve(&host, port).await?;
        // All of them: a name with one public and one private address is a trap, not a service.
        if addresses.is_empty() || !addresses.iter().all(|address| self.may_reach(address.ip(), is_https)) {
            return Err(if addresses.is_empty() { Failure::Unresolved } else { Failure::Forbidden });
        }
        let stream = TcpStream::connect(addresses.as_slice()).await.map_err(|_| Failure::Connect)?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let target = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        *request.uri_mut() = target.parse().map_err(|_| Failure::Url)?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, authority.parse().map_err(|_| Failure::Url)?);
        headers.insert(header::USER_AGENT, HeaderValue::from_static(concat!("chancery/", env!("CARGO_PKG_VERSION"))));
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        if !is_https {
            return answered(stream, request, most).await;
        }
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name).map_err(|_| Failure::Url)?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        answered(self.tls.connect(name, stream).await.map_err(|_| Failure::Tls)?, request, most).await
    }

    /// May this address be connected to?
    fn may_reach(&self, address: IpAddr, is_https: bool) -> bool {
        let address = address.to_canonical();
        let by_exception = (self.loopback && address.is_loopback()) || self.allowed.iter().any(|network| network.contains(address));
        by_exception || (is_https && is_public(address))
    }
}

async fn resolve(host: &Host<String>, port: u16) -> Result<Vec<SocketAddr>, Failure> {
    match host {
        Host::Ipv4(address) => Ok(vec![SocketAddr::from((*address, port))]),
        Host::Ipv6(address) => Ok(vec![SocketAddr::from((*address, port))]),
        Host::Domain(name) => {
            let found = tokio::net::lookup_host((name.as_str(), port)).await.map_err(|_| Failure::Unresolved)?;
            Ok(found.take(MOST_ADDRESSES).collect())
        }
    }
}

async fn answered(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<String>,
    most: usize,
) -> Result<(StatusCode, Fetched), Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Http)?;
    let reading = async {
        let answer = sender.send_request(request).await.map_err(|_| Failure::Http)?;
        let (status, fresh_for, media_type) = (answer.status(), fresh_for(answer.headers()), media_type(answer.headers()));
        let body = if most > 0 && status == StatusCode::OK { body(answer, most).await? } else { Vec::new() };
        Ok((status, Fetched { body, fresh_for, media_type }))
    };
    let mut reading = std::pin::pin!(reading);
    // What was read ends the exchange: dropping the connection leaves the rest unread. A connection that is done first may have
    // brought the answer along.
    tokio::select! {
        biased;
        answered = &mut reading => answered,
        _ = connection => reading.await,
    }
}

async fn body(answer: Response<Incoming>, most: usize) -> Result<Vec<u8>, Failure> {
    let (mut body, mut bytes) = (answer.into_body(), Vec::new());
    while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        let Ok(data) = frame.map_err(|_| Failure::Http)?.into_data() else { continue };
        if bytes.len() + data.len() > most {
            return Err(Failure::TooLong(most));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// How long an answer says that it is fresh (RFC 9111 §5.2.2.1); `no-store` and `no-cache` are no time at all.
fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<_> = lines.flat_map(|line| line.split(',')).map(|one| one.trim().to_ascii_lowercase()).collect();
    if directives.iter().any(|one| one == "no-store" || one == "no-cache" || one.starts_with("no-cache=")) {
        return Some(Duration::ZERO);
    }
    let age = directives.iter().find_map(|one| one.strip_prefix("max-age="))?;
    age.trim_matches('"').parse().ok().map(Duration::from_secs)
}

fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// Is it an address of the public internet? RFC 6890 and its registries; what embeds an IPv4 address counts as that address.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = a == 0
        || a == 10
        || a == 127
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && matches!(c, 0 | 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && matches!(b, 18 | 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113)
        || a >= 224;
    !special
}

/// The IPv4 address inside: NAT64 (64:ff9b::/96), 6to4 (2002::/16), the deprecated `::a.b.c.d`.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(v4(high, low)),
        [0x2002, high, low, ..] => Some(v4(high, low)),
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(v4(high, low)),
        _ => None,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    // Global unicast is 2000::/3; inside it the blocks that are not: Teredo and its neighbours, ORCHID, documentation.
    let global = s[0] & 0xe000 == 0x2000;
    let special = (s[0] == 0x2001 && (s[1] < 0x200 || s[1] == 0xdb8)) || (s[0] == 0x3fff && s[1] < 0x1000);
    global && !special
}

#[cfg(test)]
#[path = "guarded_tests.rs"]
mod tests;
