//! An address that a client chose and that a person may follow.
//!
//! | Rule | Source |
//! |---|---|
//! | pages about a client are http or https | RFC 7591 §2, OpenID Connect Registration 1.0 §2 |
//! | a private-use redirect scheme has a dot in it | RFC 8252 §7.1 |
//! | never a scheme that runs or embeds content (`javascript:`, `data:`) | follows from both |
//!
//! The host is shown in its ASCII form, so that a look-alike letter is visible.
//!
//! Out of scope: whether a redirect_uri is registered (`core`).

use url::Url;

/// An address whose scheme is safe to put into `href` or `action`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    href: String,
    host: String,
    csp_source: String,
}

impl Link {
    /// A web page: http or https with a host.
    pub fn web(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        Self::of(text, &url)
    }

    /// Where a client begins a login with this issuer (OpenID Connect Core 1.0 §4).
    pub fn to_begin_login(uri: &str, issuer: &str) -> Option<Self> {
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("iss", issuer).finish();
        let separator = if uri.contains('?') { '&' } else { '?' };
        Self::web(&format!("{uri}{separator}{query}"))
    }

    /// A verified redirect_uri, possibly with response parameters: a web page, or a private-use scheme such as `com.example.app:/cb`.
    pub fn redirect(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        if !matches!(url.scheme(), "http" | "https") && !url.scheme().contains('.') {
            return None;
        }
        Self::of(text, &url)
    }

    // The text stays as it was given: a redirect_uri is compared and used byte for byte.
    fn of(text: &str, url: &Url) -> Option<Self> {
        let scheme = url.scheme();
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => scheme.to_owned(),
        };
        // A host may hold characters that end a directive (`;`), and CSP has no form for IPv6: then the scheme is the source.
        let plain = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'));
        let web = matches!(scheme, "http" | "https");
        let csp_source = if web && plain { format!("{scheme}://{host}") } else { format!("{scheme}:") };
        // Whatever a URL parser quietly removes (tabs, line ends) has no place in an address that a browser will parse again.
        let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
        clean.then(|| Self { href: text.to_owned(), host, csp_source })
    }

    /// Scheme, host and port, by which browsers tell windows apart; a private-use scheme has none.
    pub fn origin(&self) -> Option<String> {
        Url::parse(&self.href).ok().map(|url| url.origin()).filter(url::Origin::is_tuple).map(|origin| origin.ascii_serialization())
    }

    /// For `href` and `action`.
    pub fn href(&self) -> &str {
        &self.href
    }

    /// What a person reads: host and port, or the scheme of an app on the device.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// For `form-action`: origin, or scheme where CSP cannot name the origin.
    pub fn csp_source(&self) -> &str {
        &self.csp_source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_that_run_content_are_no_links() {
        for bad in ["javascript:alert(1)", "data:text/html,x", "vbscript:x", "blob:https://a/b", "java\tscript:alert(1)", "file:///etc", ""]
        {
            assert_eq!(Link::web(bad), None, "{bad}");
            assert_eq!(Link::redirect(bad), None, "{bad}");
        }
        assert_eq!(Link::web("https://a.example/\nx"), None);
    }

    #[test]
    fn rfc8252_7_1_private_use_schemes_need_a_dot() {
        assert_eq!(Link::redirect("myapp:/cb"), None);
        let app = Link::redirect("com.example.app:/cb?code=1").unwrap();
        assert_eq!((app.host(), app.csp_source()), ("com.example.app", "com.example.app:"));
        assert_eq!(Link::web("com.example.app:/cb"), None);
    }

    #[test]
    fn the_host_is_ascii_and_the_address_untouched() {
        let link = Link::web("https://ex\u{e4}mple.test:8443/a?b=1#c").unwrap();
        assert_eq!(link.host(), "xn--exmple-cua.test:8443");
        assert_eq!(link.href(), "https://ex\u{e4}mple.test:8443/a?b=1#c");
        assert_eq!(link.csp_source(), "https://xn--exmple-cua.test:8443");
    }

    #[test]
    fn no_host_can_end_a_directive() {
        assert_eq!(Link::redirect("https://a;script-src/cb").unwrap().csp_source(), "https:");
        assert_eq!(Link::redirect("http://[::1]:8080/cb").unwrap().csp_source(), "http:");
        assert_eq!(Link::redirect("http://127.0.0.1:8080/cb").unwrap().csp_source(), "http://127.0.0.1:8080");
    }
}
