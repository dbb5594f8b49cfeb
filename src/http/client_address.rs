//! Whose address a request counts for.
//!
//! | Rule | Source |
//! |---|---|
//! | `X-Forwarded-For` counts only if the TCP peer is a trusted proxy, read from the right | RFC 7239 §8.1; FEATURES.md §9 |
//! | forwarding and client-certificate fields of others are stripped | RFC 9440 §4; FEATURES.md §9 |
//! | an IPv6 caller is its /64: one subscriber owns all of it | RFC 6177 §2 |
//!
//! Only `X-Forwarded-For` is read. A proxy that sets it usually passes a `Forwarded` from outside unchanged, so believing both
//! would believe the caller. Scheme and host are never taken from a header: the issuer is configured.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use poem::http::HeaderMap;
use poem::{Addr, Endpoint, IntoResponse, Middleware, Request, Response, Result};

/// The address of the caller as far as it is known; request data of every request behind [`ClientAddresses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// Whether the request came with forwarding fields from a peer that may not set them. Development mode refuses such requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HadForeignForwarding(pub bool);

/// What a proxy may say about the caller; all of it is stripped from others.
const FORWARDING: [&str; 13] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "cf-connecting-ip",
    "true-client-ip",
    "client-cert",
    "client-cert-chain",
    "x-client-cert",
    "x-ssl-client-cert",
    "x-forwarded-client-cert",
];

/// Longest chain of proxies that is read.
const HOPS: usize = 16;

/// The proxies that may speak for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Parses addresses and CIDR blocks (`10.0.0.0/8`, `::1`). Errors: the first entry that is neither.
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, String> {
        let parse = |entry: &S| {
            let text = entry.as_ref().trim();
            text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from)).map_err(|_| text.to_owned())
        };
        entries.iter().map(parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the address is one of theirs.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The caller behind the peer: the rightmost forwarded address that is not a trusted proxy itself.
    ///
    /// An entry that cannot be read ends the walk: everything left of it was written by who knows whom.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.contains(client) {
            return client;
        }
        let fields: Vec<&str> = headers.get_all("x-forwarded-for").iter().filter_map(|field| field.to_str().ok()).collect();
        for entry in fields.iter().rev().flat_map(|field| field.rsplit(',')).take(HOPS) {
            let Some(address) = address(entry.trim()) else { break };
            client = address;
            if !self.contains(client) {
                break;
            }
        }
        client
    }
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]:443`.
fn address(entry: &str) -> Option<IpAddr> {
    let parsed = entry.parse::<IpAddr>().ok();
    let with_port = || entry.parse::<std::net::SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    parsed.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// What limits count by: the address, or the /64 of an IPv6 one.
pub fn limit_group(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

/// The middleware that leaves [`ClientAddress`] with the request and strips what strangers claim.
#[derive(Clone, Debug, Default)]
pub struct ClientAddresses {
    pub trusted: Arc<TrustedProxies>,
}

impl<E: Endpoint> Middleware<E> for ClientAddresses {
    type Output = ClientAddressesEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ClientAddressesEndpoint { inner, trusted: self.trusted.clone() }
    }
}

/// See [`ClientAddresses`].
pub struct ClientAddressesEndpoint<E> {
    inner: E,
    trusted: Arc<TrustedProxies>,
}

impl<E: Endpoint> Endpoint for ClientAddressesEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        let peer = match &request.remote_addr().0 {
            Addr::SocketAddr(address) => address.ip(),
            _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let client = self.trusted.client(peer, request.headers());
        let mut foreign = false;
        if !self.trusted.contains(peer) {
            // Most requests have none of them, and looking through what came is cheaper than asking for each.
            foreign = request.headers().keys().any(|name| FORWARDING.contains(&name.as_str()));
            if foreign {
                for name in FORWARDING {
                    request.headers_mut().remove(name);
                }
            }
        }
        request.set_data(ClientAddress(client));
        request.set_data(HadForeignForwarding(foreign));
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

#[cfg(test)]
mod tests {
    use poem::test::TestClient;
    use poem::{EndpointExt, handler};
    use proptest::prelude::*;

    use super::*;

    fn forwarded(fields: &[&str]) -> HeaderMap {
        fields.iter().map(|field| (poem::http::HeaderName::from_static("x-forwarded-for"), field.parse().unwrap())).collect()
    }

    fn client(peer: &str, fields: &[&str]) -> String {
        let trusted = TrustedProxies::parse(&["10.0.0.0/8", "::1", "fd00::/8"]).unwrap();
        trusted.client(peer.parse().unwrap(), &forwarded(fields)).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_others() {
        assert_eq!(client("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(client("10.1.2.3", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("::ffff:10.1.2.3", &["198.51.100.7:99"]), "198.51.100.7");
        assert_eq!(client("::1", &["[2001:db8::1]:443"]), "2001:db8::1");
    }

    #[test]
    fn rfc7239_8_1_the_chain_is_read_from_the_right() {
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1, unknown, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["garbage"]), "10.0.0.1");
    }

    #[test]
    fn rfc6177_2_limits_group_by_the_64() {
        let group = |text: &str| limit_group(text.parse().unwrap()).to_string();
        assert_eq!(group("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(group("::ffff:192.0.2.1"), "192.0.2.1");
        assert!(TrustedProxies::parse(&["10.0.0.0/33"]).is_err());
    }

    #[handler]
    fn seen(request: &Request) -> String {
        let names: Vec<_> = request.headers().keys().map(|name| name.as_str()).filter(|name| FORWARDING.contains(name)).collect();
        format!("{names:?} {:?}", request.data::<HadForeignForwarding>().unwrap().0)
    }

    #[tokio::test]
    async fn what_strangers_claim_is_stripped() {
        let client = TestClient::new(seen.with(ClientAddresses::default()));
        let request = client.get("/").header("x-forwarded-for", "1.1.1.1").header("client-cert", ":x:").header("forwarded", "for=1");
        request.send().await.assert_text("[] true").await;
        client.get("/").send().await.assert_text("[] false").await;
    }

    proptest! {
        #[test]
        fn any_field_gives_an_address(field in "[ -~]{0,120}") {
            let _ = client("10.0.0.1", &[&field]);
        }
    }
}
