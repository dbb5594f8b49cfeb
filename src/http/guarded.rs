//! Requests that the server sends to addresses that clients chose. Those of the operator go through `outgoing`.
//!
//! | Rule | Source |
//! |---|---|
//! | every address of the name is checked, and the connection goes to one that was: no second look-up can answer otherwise | OWASP SSRF; RFC 9700 §4.11 in spirit |
//! | loopback, private, link-local and other special addresses are refused, unless the operator allows their network | RFC 6890, RFC 8725 §3.10 in spirit |
//! | https, checked against the system's roots; plain http only to an address that is allowed by exception | RFC 9700 §2.6 |
//! | no redirect is followed, no proxy of the environment is used | our own |
//! | five seconds for everything | our own |
//!
//! In development loopback addresses are allowed, since the clients run on the same machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use poem::http::{Request, StatusCode, header};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

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
}

/// The one client for outgoing requests. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    tls: TlsConnector,
    allowed: Arc<[Cidr]>,
    /// Development: loopback is where the clients are.
    loopback: bool,
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
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), allowed: allowed.into(), loopback })
    }

    /// Posts a form; the status says how it was taken. The body of the answer is not read.
    ///
    /// # Errors
    /// Every way in which there is no answer.
    pub async fn post_form(&self, url: &str, body: String) -> Result<StatusCode, Failure> {
        self.post(url, "application/x-www-form-urlencoded", None, body).await
    }

    /// Posts a body of some type, with an Authorization header if there is one.
    ///
    /// # Errors
    /// Every way in which there is no answer.
    pub async fn post(&self, url: &str, content_type: &str, authorization: Option<&str>, body: String) -> Result<StatusCode, Failure> {
        let posted = self.post_now(url, content_type, authorization, body);
        tokio::time::timeout(PATIENCE, posted).await.unwrap_or(Err(Failure::Timeout))
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

    async fn post_now(&self, url: &str, content_type: &str, authorization: Option<&str>, body: String) -> Result<StatusCode, Failure> {
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
        let mut request = Request::post(target)
            .header(header::HOST, authority)
            .header(header::CONTENT_TYPE, content_type)
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::USER_AGENT, concat!("chancery/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(body).map_err(|_| Failure::Url)?;
        if !is_https {
            return exchange(stream, request).await;
        }
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name).map_err(|_| Failure::Url)?,
            Host::Ipv4(address) => ServerName::from(IpAddr::V4(address)),
            Host::Ipv6(address) => ServerName::from(IpAddr::V6(address)),
        };
        exchange(self.tls.connect(name, stream).await.map_err(|_| Failure::Tls)?, request).await
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

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, request: Request<String>) -> Result<StatusCode, Failure> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|_| Failure::Http)?;
    let mut answer = std::pin::pin!(sender.send_request(request));
    // The head of the answer ends the exchange: dropping the connection leaves the body unread. A connection that is done first may
    // have brought the head along.
    let answered = tokio::select! {
        biased;
        answered = &mut answer => answered,
        _ = connection => answer.await,
    };
    answered.map(|answer| answer.status()).map_err(|_| Failure::Http)
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc6890_special_addresses_are_not_public() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in
            ["1.1.1.1", "9.9.9.9", "172.15.0.1", "172.32.0.1", "100.63.0.1", "2606:4700::1111", "64:ff9b::101:101", "2002:101:101::1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn http_and_special_addresses_only_by_exception() {
        let net = |text| Cidr::parse(text).unwrap();
        let strict = Outgoing::new(&[], false).unwrap();
        let open = Outgoing::new(&[net("10.0.0.0/8")], true).unwrap();
        for (address, https, by_default, by_exception) in [
            ("1.1.1.1", true, true, true),
            ("1.1.1.1", false, false, false),
            ("127.0.0.1", true, false, true),
            ("::1", false, false, true),
            ("::ffff:127.0.0.1", false, false, true),
            ("10.1.1.1", false, false, true),
            ("192.168.1.1", true, false, false),
        ] {
            let address: IpAddr = address.parse().unwrap();
            assert_eq!((strict.may_reach(address, https), open.may_reach(address, https)), (by_default, by_exception), "{address} {https}");
        }
    }

    #[tokio::test]
    async fn what_is_not_allowed_is_not_connected_to() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let strict = Outgoing::new(&[], false).unwrap();
        for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0x7f.1", "2130706433"] {
            for scheme in ["http", "https"] {
                let failure = strict.post_form(&format!("{scheme}://{host}:{port}/"), String::new()).await.unwrap_err();
                assert!(matches!(failure, Failure::Forbidden | Failure::Unresolved), "{scheme} {host}: {failure}");
            }
        }
        assert!(tokio::time::timeout(Duration::from_millis(1), listener.accept()).await.is_err(), "nobody came");
        for bad in ["", "ftp://a.example/", "javascript:alert(1)", "https:", "https://"] {
            assert!(matches!(strict.post_form(bad, String::new()).await, Err(Failure::Url)), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_the_same_in_every_spelling(bits: u32) {
            let v4 = Ipv4Addr::from(bits);
            let [high, low] = [(bits >> 16) as u16, bits as u16];
            prop_assert_eq!(is_public(IpAddr::V4(v4)), is_public(IpAddr::V6(v4.to_ipv6_mapped())));
            prop_assert_eq!(is_public(IpAddr::V4(v4)), is_public(IpAddr::V6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low))));
        }
    }
}
