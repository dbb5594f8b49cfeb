//! Who watches the server calls it by an address, or by a name that the operator knows.
//!
//! A page of a stranger can give its own name the address of this machine (DNS rebinding), and a browser behind the firewall then reads what needs no token. Such a
//! request names the stranger as its Host. An address cannot be given to somebody else. Health stays reachable under every name; it says nothing.

use std::net::IpAddr;

use chancery_core::error::OAuthError;
use poem::Request;
use poem::http::header;
use poem::http::uri::Authority;

/// Names under which metrics without a token are served, besides addresses and localhost.
#[derive(Clone, Debug, Default)]
pub struct Names(pub Vec<String>);

impl Names {
    /// # Errors
    /// `invalid_request` for a Host that is none of them.
    pub fn check(&self, request: &Request) -> Result<(), OAuthError> {
        if request.uri().path().starts_with("/health/") {
            return Ok(());
        }
        // HTTP/2 has the host in the request's own authority.
        let named = request.uri().authority().cloned();
        let sent = || request.headers().get(header::HOST).and_then(|value| Authority::try_from(value.as_bytes()).ok());
        let host = named.or_else(sent);
        let host = host.as_ref().map_or("", Authority::host);
        let is_address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
        if is_address || host.eq_ignore_ascii_case("localhost") || self.0.iter().any(|own| own.eq_ignore_ascii_case(host)) {
            return Ok(());
        }
        let sentence = "Call this by an address, by localhost, by the issuer's host, or by a name in the setting ops.hosts.";
        Err(OAuthError::invalid_request("another Host at ops.listen").saying(sentence))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_served(path: &str, host: Option<&str>) -> bool {
        let request = Request::builder().uri_str(path);
        let request = match host {
            Some(host) => request.header("host", host),
            None => request,
        };
        Names(vec!["id.example".to_owned()]).check(&request.finish()).is_ok()
    }

    #[test]
    fn a_name_that_a_stranger_gave_this_address_is_refused() {
        for host in ["127.0.0.1:9090", "10.1.2.3", "[::1]:9090", "LOCALHOST:9090", "id.example:9090", "ID.example"] {
            assert!(is_served("/metrics", Some(host)), "{host}");
        }
        for host in [Some("evil.example:9090"), Some("id.example.evil.example"), Some("127.0.0.1.evil.example"), Some(""), None] {
            assert!(!is_served("/metrics", host), "{host:?}");
        }
        assert!(is_served("/health/live", Some("evil.example")));
    }
}
