//! The headers that protect browsers, on every response.
//!
//! | Rule | Source |
//! |---|---|
//! | nothing is sniffed, framed or cached | RFC 9700 §4.16; RFC 6749 §5.1 |
//! | redirects and machine answers send no referrer; pages send it to our own origin only | RFC 9700 §4.2.4 |
//! | https answers pin https | RFC 6797 |
//! | a page loads nothing foreign; its forms go to us, and to the redirect_uri of its interaction | CSP Level 3; FEATURES.md §7 |
//!
//! Pages get `Referrer-Policy: same-origin`, not `no-referrer`: under the latter browsers send `Origin: null` with our own
//! forms (Fetch, "append a request Origin header"), and the check in `csrf` could not tell us from a stranger.
//!
//! `Cross-Origin-Opener-Policy` is set on pages outside interactions only: an application that opens the login in a pop-up would
//! otherwise lose its window, also through a redirect.
//! Out of scope: CORS (`cors`).

use std::sync::Arc;

use poem::http::{HeaderName, HeaderValue, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response, Result};
use url::{Host, Url};

use super::surface::{Kind, Surface};

/// What a page needs beyond the strict policy; a handler puts it on the response with `set_data`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagePolicy {
    /// The page belongs to an authorization request, perhaps in another application's pop-up.
    pub in_interaction: bool,
    /// Where forms may lead besides us; see [`form_action_source`].
    pub form_action: Option<String>,
    /// Base64 SHA-256 of the inline scripts of the page (the self-submitting form of `form_post`).
    pub script_sha256: Vec<String>,
    /// Base64 SHA-256 of the inline styles of the page.
    pub style_sha256: Vec<String>,
    /// Origins that frames of the page may show: those of clients that are told of a logout.
    pub frames: Vec<String>,
    /// The page may stand in a frame of anybody: the one that says whether a session is still there.
    pub may_be_framed: bool,
    /// The page may stand in frames of this origin: the client's, whose answer it hands over.
    pub framed_by: Option<String>,
}

/// The CSP source for the `redirect_uri` of an interaction. Chromium applies `form-action` to each hop of a redirect, so it must
/// be allowed. CSP cannot name an IPv6 literal (CSP3 §2.3.1), so such a loopback URI allows its scheme.
pub fn form_action_source(redirect_uri: &str) -> Option<String> {
    let url = Url::parse(redirect_uri).ok()?;
    let source = match (url.scheme(), url.host()) {
        ("http" | "https", Some(Host::Ipv6(_))) => format!("{}:", url.scheme()),
        ("http" | "https", Some(_)) => url.origin().ascii_serialization(),
        ("http" | "https", None) => return None,
        (scheme, _) => format!("{scheme}:"),
    };
    is_source(&source).then_some(source)
}

/// No separator of the policy may come in through a value.
fn is_source(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'\''))
}

/// The middleware.
#[derive(Clone)]
pub struct SecurityHeaders {
    pub surface: Arc<Surface>,
    /// Whether the issuer is https.
    pub https: bool,
}

impl<E: Endpoint> Middleware<E> for SecurityHeaders {
    type Output = SecurityHeadersEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        SecurityHeadersEndpoint { inner, given: self.clone() }
    }
}

/// See [`SecurityHeaders`].
pub struct SecurityHeadersEndpoint<E> {
    inner: E,
    given: SecurityHeaders,
}

impl<E: Endpoint> Endpoint for SecurityHeadersEndpoint<E> {
    type Output = Response;

    async fn call(&self, request: Request) -> Result<Response> {
        let kind = self.given.surface.kind(request.uri().path());
        let mut response = match self.inner.call(request).await {
            Ok(answer) => answer.into_response(),
            Err(error) => error.into_response(),
        };
        protect(&mut response, kind, self.given.https);
        Ok(response)
    }
}

/// Sets what is missing. A handler's own Cache-Control stays, everything else is ours.
fn protect(response: &mut Response, kind: Kind, https: bool) {
    let is_html = response.content_type().is_some_and(|media_type| media_type.starts_with("text/html"));
    let policy = response.data::<PagePolicy>().cloned().unwrap_or_default();
    let content_policy = match (is_html, kind) {
        (true, Kind::Docs) => Some(HeaderValue::from_static(DOCS)),
        (true, _) => HeaderValue::try_from(page(&policy)).ok(),
        (false, _) => None,
    };
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    if !policy.may_be_framed && policy.framed_by.is_none() {
        set(header::X_FRAME_OPTIONS, "DENY");
    }
    set(header::REFERRER_POLICY, if is_html { "same-origin" } else { "no-referrer" });
    if https {
        // Without includeSubDomains: the neighbours of our host are not ours to decide about.
        set(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    if is_html && !policy.in_interaction {
        set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, content_policy.unwrap_or(HeaderValue::from_static(NOTHING)));
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache")); // RFC 6749 §5.1 asks for both
    }
}

const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// The viewer carries its script and style inline; it talks to nobody but us.
const DOCS: &str = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    font-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn page(policy: &PagePolicy) -> String {
    let hashes =
        |hashes: &[String]| -> String { hashes.iter().filter(|hash| is_source(hash)).map(|hash| format!(" 'sha256-{hash}'")).collect() };
    let script = match hashes(&policy.script_sha256) {
        none if none.is_empty() => " 'none'".to_owned(),
        some => some,
    };
    let form = policy.form_action.as_deref().filter(|source| is_source(source)).map(|source| format!(" {source}")).unwrap_or_default();
    let frames: String = policy.frames.iter().filter(|source| is_source(source)).map(|source| format!(" {source}")).collect();
    let frames = if frames.is_empty() { frames } else { format!("frame-src{frames}; ") };
    let owner = policy.framed_by.as_deref().filter(|source| is_source(source)).unwrap_or("'none'");
    let ancestors = if policy.may_be_framed { "*" } else { owner };
    format!(
        "default-src 'none'; script-src{script}; style-src 'self'{}; img-src 'self' data:; font-src 'self'; {frames}\
         form-action 'self'{form}; base-uri 'none'; frame-ancestors {ancestors}",
        hashes(&policy.style_sha256)
    )
}

#[cfg(test)]
mod tests {
    use poem::test::{TestClient, TestResponse};
    use poem::web::Html;
    use poem::{EndpointExt, Route, get, handler};
    use proptest::prelude::*;

    use super::*;

    #[handler]
    fn json() -> Response {
        Response::builder().content_type("application/json").body("{}")
    }

    #[handler]
    fn keys() -> Response {
        Response::builder().header("cache-control", "public, max-age=300").body("{}")
    }

    #[handler]
    fn plain() -> Html<&'static str> {
        Html("<p>")
    }

    #[handler]
    fn interaction() -> Response {
        let mut response = Html("<p>").into_response();
        let form_action = form_action_source("https://app.example:8443/cb?x=1");
        response.set_data(PagePolicy {
            in_interaction: true,
            form_action,
            script_sha256: vec!["abc=".into(), "x' *; y".into()],
            ..PagePolicy::default()
        });
        response
    }

    async fn send(path: &str, https: bool) -> TestResponse {
        let surface = Arc::new(Surface::new().at("/docs", Kind::Docs, &[]));
        let routes = Route::new().at("/json", get(json)).at("/keys", get(keys)).at("/page", get(plain)).at("/docs", get(plain));
        let routes = routes.at("/interaction", get(interaction));
        TestClient::new(routes.with(SecurityHeaders { surface, https })).get(path).send().await
    }

    fn policy(answer: &TestResponse) -> String {
        answer.0.headers()["content-security-policy"].to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn every_answer_is_protected() {
        for path in ["/json", "/page", "/docs", "/nowhere"] {
            let answer = send(path, true).await;
            answer.assert_header("x-content-type-options", "nosniff");
            answer.assert_header("x-frame-options", "DENY");
            answer.assert_header("cache-control", "no-store");
            answer.assert_header("strict-transport-security", "max-age=31536000");
            assert!(policy(&answer).contains("frame-ancestors 'none'"));
        }
        send("/json", false).await.assert_header_is_not_exist("strict-transport-security");
        send("/json", false).await.assert_header("referrer-policy", "no-referrer");
        send("/keys", false).await.assert_header("cache-control", "public, max-age=300");
    }

    #[tokio::test]
    async fn a_page_is_strict_and_an_interaction_may_post_to_its_client() {
        let page = send("/page", true).await;
        page.assert_header("cross-origin-opener-policy", "same-origin");
        page.assert_header("referrer-policy", "same-origin");
        assert!(policy(&page).contains("script-src 'none'") && policy(&page).contains("form-action 'self';"));
        let page = send("/interaction", true).await;
        page.assert_header_is_not_exist("cross-origin-opener-policy");
        assert!(policy(&page).contains("form-action 'self' https://app.example:8443;"));
        assert!(policy(&page).contains("script-src 'sha256-abc=';"));
        assert!(policy(&send("/docs", true).await).contains("'unsafe-inline'"));
    }

    #[test]
    fn frames_are_named_and_some_pages_may_be_framed() {
        let frames = vec!["https://app.example".to_owned(), "x; y".to_owned()];
        let leaving = page(&PagePolicy { frames, ..PagePolicy::default() });
        assert!(leaving.contains("; frame-src https://app.example; ") && leaving.ends_with("frame-ancestors 'none'"), "{leaving}");
        assert!(!page(&PagePolicy::default()).contains("frame-src"));
        assert!(page(&PagePolicy { may_be_framed: true, ..PagePolicy::default() }).ends_with("frame-ancestors *"));
        let of_one = |origin: &str| page(&PagePolicy { framed_by: Some(origin.to_owned()), ..PagePolicy::default() });
        assert!(of_one("https://app.example").ends_with("; frame-ancestors https://app.example"));
        assert!(of_one("https://app.example *").ends_with("frame-ancestors 'none'"));
    }

    #[test]
    fn form_action_names_origin_or_scheme() {
        let cases = [
            ("http://127.0.0.1:51004/cb", Some("http://127.0.0.1:51004")),
            ("http://[::1]:51004/cb", Some("http:")),
            ("com.example.app:/cb", Some("com.example.app:")),
            ("https://app.example/", Some("https://app.example")),
            ("nonsense", None),
        ];
        for (uri, source) in cases {
            assert_eq!(form_action_source(uri).as_deref(), source, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn no_redirect_uri_adds_a_directive(uri in "(https?|[a-z.]{1,8}):(//)?\\PC{0,40}") {
            if let Some(source) = form_action_source(&uri) {
                let text = page(&PagePolicy { form_action: Some(source), ..PagePolicy::default() });
                prop_assert_eq!(text.matches(';').count(), 7);
                prop_assert!(HeaderValue::try_from(text).is_ok());
            }
        }
    }
}
