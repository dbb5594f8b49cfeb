//! The issuer: one string, compared byte for byte, never built from a Host header.
//!
//! | Rule | Source |
//! |---|---|
//! | http(s) URL without query and fragment | RFC 8414 §2, OpenID Connect Discovery §3 |
//! | compared as it is written, so it must be written as a URL parser would | RFC 8414 §3.3, OpenID Connect Core §3.1.3.7 |
//! | `/oidc` is appended unless it ends so | - |

use url::{Host, Url};

use super::problem::shown;

/// A validated issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    origin: String,
    https: bool,
    loopback: bool,
}

/// Where the protocol routes are mounted.
pub const MOUNT: &str = "/oidc";

impl Issuer {
    /// The default, `http://localhost:3000/oidc`.
    pub(super) fn standard() -> Self {
        let origin = "http://localhost:3000".to_owned();
        Self { text: format!("{origin}{MOUNT}"), origin, https: false, loopback: true }
    }

    /// From what the operator typed, with or without `/oidc`.
    pub fn parse(typed: &str) -> Result<Self, String> {
        // First, so that no other sentence repeats a password.
        if typed.contains('@') {
            return Err("the issuer has a user name or password; remove everything up to the @.".to_owned());
        }
        let url = Url::parse(typed).map_err(|_| format!("{} is not a URL; write https://your.host.", shown(typed)))?;
        let https = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(format!("{} is neither https nor http; write https://your.host.", shown(typed))),
        };
        if typed.contains(['?', '#']) {
            return Err(format!("{} has a query or fragment; remove it.", shown(typed)));
        }
        if typed.ends_with('/') {
            return Err(format!("{} ends with a slash; write it without, since issuers are compared byte for byte.", shown(typed)));
        }
        // Clients normalise what they are given, and a string that changes on the way never matches `iss`.
        let normal = url.as_str().trim_end_matches('/');
        if normal != typed {
            return Err(format!("{} is not in normal form; write {}.", shown(typed), shown(normal)));
        }
        if !url.path().chars().all(|c| c.is_ascii_alphanumeric() || "/-._~".contains(c)) || url.path().contains("//") {
            return Err(format!("{} has unusual characters in its path; use letters, digits and - . _ ~ only.", shown(typed)));
        }
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let text = if url.path().ends_with(MOUNT) { typed.to_owned() } else { format!("{typed}{MOUNT}") };
        Ok(Self { text, origin: url.origin().ascii_serialization(), https, loopback })
    }

    /// The value of `iss` and of `issuer` in the discovery document.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port: `https://id.example`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host and port as a browser sends them in Host: `id.example`, `localhost:3000`.
    pub fn authority(&self) -> &str {
        self.origin.split_once("://").map_or("", |(_, authority)| authority)
    }

    /// Path under which the protocol routes are reached from outside: `/oidc`, `/tenant/oidc`.
    pub fn path(&self) -> &str {
        &self.text[self.origin.len()..]
    }

    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the host is localhost, 127.0.0.0/8 or [::1].
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_is_appended_unless_it_ends_so() {
        let cases = [
            ("http://localhost:3000", "http://localhost:3000/oidc", "/oidc"),
            ("https://id.example/oidc", "https://id.example/oidc", "/oidc"),
            ("https://id.example/a/b", "https://id.example/a/b/oidc", "/a/b/oidc"),
            ("http://[::1]:3000", "http://[::1]:3000/oidc", "/oidc"),
        ];
        for (typed, issuer, path) in cases {
            let parsed = Issuer::parse(typed).unwrap();
            assert_eq!((parsed.as_str(), parsed.path()), (issuer, path));
        }
        assert_eq!(Issuer::parse("http://localhost:3000").unwrap().authority(), "localhost:3000");
    }

    #[test]
    fn loopback_is_told_from_names_that_only_look_so() {
        let loopback = |typed: &str| Issuer::parse(typed).unwrap().is_loopback();
        assert!(loopback("http://localhost") && loopback("http://127.0.0.9:1") && loopback("http://[::1]:1"));
        assert!(!loopback("http://localhost.evil.example") && !loopback("http://127.0.0.1.evil.example") && !loopback("http://10.0.0.1"));
    }

    #[test]
    fn rfc8414_2_every_other_form_is_refused_with_a_sentence() {
        let cases = [
            ("", "is not a URL"),
            ("localhost:3000", "neither https nor http"),
            ("ftp://id.example", "neither https nor http"),
            ("https://user:pw@id.example", "user name or password"),
            ("https://id.example?x=1", "query or fragment"),
            ("https://id.example#x", "query or fragment"),
            ("https://id.example/", "ends with a slash"),
            ("https://id.example/oidc/", "ends with a slash"),
            ("https://ID.example", "normal form; write \"https://id.example\""),
            ("https://id.example:443", "normal form; write \"https://id.example\""),
            ("https://id.example/a/../b", "normal form"),
            (" https://id.example", "normal form"),
            ("https://id.example/a%20b", "unusual characters"),
            ("https://id.example//oidc", "unusual characters"),
        ];
        for (typed, sentence) in cases {
            let said = Issuer::parse(typed).unwrap_err();
            assert!(said.contains(sentence), "{typed}: {said}");
        }
        assert!(!Issuer::parse("https://user:hunter2@id.example").unwrap_err().contains("hunter2"));
    }
}
