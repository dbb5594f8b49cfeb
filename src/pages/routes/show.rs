//! A page as a response, and refusals as pages.

use chancery_core::error::{Code, OAuthError};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};

use super::{Cookies, locales};
use crate::app::browser::Held;
use crate::http::error::{ErrorView, Refused};
use crate::http::headers::{PagePolicy, form_action_source};
use crate::http::request_id::RequestId;
use crate::http::server::Server;
use crate::pages::{ErrorPage, Link, Page, Template, Text, Trouble};

/// Something for a browser: a page or a redirect.
pub struct Shown(Response);

impl Shown {
    /// A page. The templates are checked at compile time; what can still fail is formatting, and that is a fault.
    pub fn page(page: &impl Template, status: StatusCode, policy: PagePolicy) -> Result<Self, Refused> {
        let html = page.render().map_err(|e| OAuthError::server_error(format!("a page does not render: {e}")))?;
        let mut response = Response::builder().status(status).content_type("text/html; charset=utf-8").body(html);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.set_data(policy);
        Ok(Self(response))
    }

    /// 303: the browser comes back by GET (RFC 9700 §4.12).
    pub fn redirect(target: &str) -> Result<Self, Refused> {
        let target = HeaderValue::try_from(target).map_err(|_| OAuthError::server_error("a redirect target is no header value"))?;
        let mut response = Response::builder().status(StatusCode::SEE_OTHER).finish();
        response.headers_mut().insert(header::LOCATION, target);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(Self(response))
    }

    /// With a cookie set or cleared.
    #[must_use]
    pub fn with_cookie(mut self, cookie: Option<HeaderValue>) -> Self {
        if let Some(cookie) = cookie {
            self.0.headers_mut().append(header::SET_COOKIE, cookie);
        }
        self
    }

    /// With what the browser holds from now on.
    #[must_use]
    pub fn holding(self, server: &Server, cookies: &Cookies, held: &Held) -> Self {
        let set = server.session_cookies(held, cookies.others.is_some());
        set.into_iter().fold(self, |shown, cookie| shown.with_cookie(Some(cookie)))
    }

    /// As it is, for what is no page.
    pub fn raw(response: Response) -> Self {
        Self(response)
    }
}

impl IntoResponse for Shown {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Shown {
    fn meta() -> MetaResponses {
        let html = MetaMediaType { content_type: "text/html", schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))) };
        let one = |status, description, content| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content,
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![one(200, "A page.", vec![html]), one(303, "On to the next step.", Vec::new())] }
    }

    fn register(_: &mut Registry) {}
}

/// What every page of a request has in common.
pub fn page_for(server: &Server, request: &Request, ui_locales: Option<&str>) -> Page {
    Page {
        text: Text::for_locales(&locales(request, ui_locales)),
        host: server.app.config.issuer.authority().to_owned(),
        development: !server.app.is_production(),
    }
}

/// The policy of a page inside an authorization request.
pub fn in_interaction(redirect_uri: &str) -> PagePolicy {
    PagePolicy { in_interaction: true, form_action: form_action_source(redirect_uri), ..PagePolicy::default() }
}

/// A refusal as a page, where the person is and the client must not be asked.
pub fn refusal(server: &Server, request: &Request, error: &OAuthError) -> Result<Shown, Refused> {
    let reference = request.data::<RequestId>().map(ToString::to_string).unwrap_or_default();
    tracing::info!(code = error.code(), detail = %error.detail, reference, "refused on a page");
    let page = ErrorPage {
        page: page_for(server, request, None),
        trouble: trouble(error),
        code: error.code().to_owned(),
        description: Some(error.description.to_string()),
        reference,
        client: None,
        return_to: None,
        developer_detail: (!server.app.is_production()).then(|| error.detail.to_string()),
    };
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut shown = Shown::page(&page, status, PagePolicy { in_interaction: true, ..PagePolicy::default() })?;
    // RFC 9110 §10.2.3, RFC 6585 §4: as the machine answers say it.
    let wait = match error.code {
        Code::TemporarilyUnavailable => Some("5"),
        Code::SlowDown => Some("60"),
        _ => None,
    };
    if let Some(seconds) = wait {
        shown.0.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    Ok(shown)
}

/// An error for a client that nobody vouches for: named, with a button (RFC 9700 §4.11.2).
pub fn ask_before_return(server: &Server, request: &Request, code: &str, description: &str, target: &str) -> Result<Shown, Refused> {
    let page = ErrorPage {
        page: page_for(server, request, None),
        trouble: Trouble::of_code(code),
        code: code.to_owned(),
        description: Some(description.to_owned()),
        reference: request.data::<RequestId>().map(ToString::to_string).unwrap_or_default(),
        client: None,
        return_to: Link::redirect(target),
        developer_detail: None,
    };
    Shown::page(&page, StatusCode::BAD_REQUEST, PagePolicy { in_interaction: true, ..PagePolicy::default() })
}

fn trouble(error: &OAuthError) -> Trouble {
    match error.detail.as_ref() {
        "another browser" | "unknown interaction" => Trouble::OtherBrowser,
        "expired" | "answered already" | "answered meanwhile" => Trouble::Expired,
        "form token" => Trouble::FormExpired,
        "unknown client" | "redirect_uri is not registered" | "redirect_uri is missing" => Trouble::AppNotSetUp,
        _ => Trouble::of_code(error.code()),
    }
}

/// The error page of everything that is caught outside the routes.
pub fn render_error(view: ErrorView<'_>) -> String {
    let page = ErrorPage {
        page: Page { text: Text::for_locales("en"), host: String::new(), development: false },
        trouble: Trouble::of_code(view.code),
        code: view.code.to_owned(),
        description: Some(view.sentence.to_owned()),
        reference: view.reference.unwrap_or_default().to_owned(),
        client: None,
        return_to: None,
        developer_detail: None,
    };
    // Should the page itself fail, the sentence alone still helps; it holds no markup of others.
    page.render().unwrap_or_else(|_| view.sentence.to_owned())
}
