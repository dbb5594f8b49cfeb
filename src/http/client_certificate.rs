//! The certificate that came with a request: from our own TLS, or from a proxy that ends it.
//!
//! | Rule | Source |
//! |---|---|
//! | `Client-Cert` is one byte sequence, `Client-Cert-Chain` a list of them; anything else is refused and never taken for none | RFC 9440 §2.2, §2.3 |
//! | they count only from a trusted proxy, where the operator says so; from others they were stripped before | RFC 9440 §4 |
//! | a proxy's own certificate never speaks for a client | our own |
//! | the listener that asks for certificates answers the endpoints that clients and wallets call, and no pages | RFC 8705 §5 |
//!
//! Out of scope: whose certificate it is (`app::certificate`).

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_core::error::OAuthError;
use poem::http::HeaderMap;
use poem::{Addr, Endpoint, IntoResponse, Middleware, Request, Response, Result};

use super::client_address::TrustedProxies;
use super::connection::{AsksForCertificates, PeerCerts};
use super::error::Refused;
use crate::app::certificate::Chain;

/// Certificates in a chain.
const MOST: usize = 10;

/// What the listener for certificates answers.
const PATHS: [&str; 14] = [
    "/oidc/backchannel",
    "/oidc/token",
    "/oidc/revocation",
    "/oidc/introspection",
    "/oidc/device/auth",
    "/oidc/par",
    "/oidc/userinfo",
    "/oidc/challenge",
    "/oidc/credential",
    "/oidc/credential/nonce",
    "/.well-known/openid-credential-issuer/oidc",
    "/oidc/jwks",
    "/oidc/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/oidc",
];

/// The middleware that leaves a [`Chain`] with a request that came with a certificate.
#[derive(Clone, Default)]
pub struct ClientCertificates {
    /// Who may hand certificates on.
    pub proxies: Option<Arc<TrustedProxies>>,
}

impl<E: Endpoint> Middleware<E> for ClientCertificates {
    type Output = ClientCertificatesEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        ClientCertificatesEndpoint { inner, proxies: self.proxies.clone() }
    }
}

/// See [`ClientCertificates`].
pub struct ClientCertificatesEndpoint<E> {
    inner: E,
    proxies: Option<Arc<TrustedProxies>>,
}

impl<E: Endpoint> Endpoint for ClientCertificatesEndpoint<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if request.data::<AsksForCertificates>().is_some() && !PATHS.contains(&request.uri().path()) {
            return Err(Refused::from(OAuthError::not_found("a page at the listener for certificates")).into());
        }
        let peer = match &request.remote_addr().0 {
            Addr::SocketAddr(address) => address.ip(),
            _ => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let chain = if self.proxies.as_ref().is_some_and(|proxies| proxies.contains(peer)) {
            handed_on(request.headers()).map_err(Refused::from)?
        } else {
            request.data::<PeerCerts>().and_then(|own| Chain::new(own.0.iter().map(|one| one.to_vec()).collect()))
        };
        if let Some(chain) = chain {
            request.set_data(chain);
        }
        self.inner.call(request).await.map(IntoResponse::into_response)
    }
}

/// What a proxy says.
fn handed_on(headers: &HeaderMap) -> Result<Option<Chain>, OAuthError> {
    let wrong = || OAuthError::invalid_request("Client-Cert of a proxy").saying("Client-Cert or Client-Cert-Chain cannot be read.");
    let mut leaf = headers.get_all("client-cert").iter();
    let leaf = match (leaf.next(), leaf.next()) {
        (None, _) => return Ok(None),
        (Some(leaf), None) => byte_sequence(leaf.to_str().map_err(|_| wrong())?).ok_or_else(wrong)?,
        (Some(_), Some(_)) => return Err(wrong()),
    };
    let mut chain = vec![leaf];
    for line in headers.get_all("client-cert-chain") {
        for item in line.to_str().map_err(|_| wrong())?.split(',') {
            chain.push(byte_sequence(item).ok_or_else(wrong)?);
        }
    }
    if chain.len() > MOST {
        return Err(wrong());
    }
    Ok(Chain::new(chain))
}

/// RFC 8941 §3.3.5.
fn byte_sequence(item: &str) -> Option<Vec<u8>> {
    let text = item.trim_matches([' ', '\t']).strip_prefix(':')?.strip_suffix(':')?;
    STANDARD.decode(text).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(fields: &[(&'static str, &str)]) -> Result<Option<usize>, &'static str> {
        let headers: HeaderMap =
            fields.iter().map(|(name, value)| (poem::http::HeaderName::from_static(name), value.parse().unwrap())).collect();
        handed_on(&headers).map(|chain| chain.map(|own| own.certificates().len())).map_err(|error| error.code())
    }

    #[test]
    fn rfc9440_2_2_one_byte_sequence_and_a_list() {
        assert_eq!(sent(&[]), Ok(None));
        assert_eq!(sent(&[("client-cert", ":AQID:")]), Ok(Some(1)));
        assert_eq!(
            sent(&[("client-cert", " :AQID: "), ("client-cert-chain", ":AQ==:, :Ag==:"), ("client-cert-chain", ":Aw==:")]),
            Ok(Some(4))
        );
        assert_eq!(sent(&[("client-cert-chain", ":AQ==:")]), Ok(None), "a chain without its leaf is nothing");
    }

    #[test]
    fn rfc9440_4_what_cannot_be_read_is_refused_and_never_taken_for_none() {
        for bad in ["", "AQID", ":AQID", "::", ":AQI:", ":AQ%3D%3D:", "-----BEGIN CERTIFICATE-----", ":AQID:, :AQID:", ":AQID:;a=1"] {
            assert_eq!(sent(&[("client-cert", bad)]), Err("invalid_request"), "{bad}");
        }
        assert_eq!(sent(&[("client-cert", ":AQ==:"), ("client-cert", ":AQ==:")]), Err("invalid_request"));
        assert_eq!(sent(&[("client-cert", ":AQ==:"), ("client-cert-chain", "x")]), Err("invalid_request"));
        let long = [":AQ==:"; MOST].join(",");
        assert_eq!(sent(&[("client-cert", ":AQ==:"), ("client-cert-chain", &long)]), Err("invalid_request"));
    }

    proptest! {
        #[test]
        fn no_field_panics(field in "[ -~]{0,60}") {
            let _ = (sent(&[("client-cert", &field)]), sent(&[("client-cert", ":AQ==:"), ("client-cert-chain", &field)]));
        }
    }
}
