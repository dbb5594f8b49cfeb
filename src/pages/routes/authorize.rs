//! The authorization endpoint (RFC 6749 §3.1, OpenID Connect Core 1.0 §3.1.2), and how an answer leaves for the client.

use chancery_core::client::metadata::ResponseMode;
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::{Object, OpenApi};

use super::show::{Shown, ask_before_return, in_interaction, page_for, refusal};
use super::{BINDING, BROWSER_STATE, Cookies, Group, parameters};
use crate::app::authorize::{Answer, Failed, Sent, Step};
use crate::http::error::Refused;
use crate::http::form::{DescribedForm, DescribedQuery};
use crate::http::params::Params;
use crate::http::server::{Server, context};
use crate::pages::web_message::{WEB_MESSAGE_SCRIPT_SHA256, WebMessage};
use crate::pages::{FORM_POST_SCRIPT_SHA256, FormPost, Link};

/// How long a browser keeps the binding cookie: longer than any interaction lives.
pub const BINDING_SECONDS: i64 = 24 * 60 * 60;

pub struct Authorize(pub Server);

/// An authorization request. Unknown parameters are ignored, repeated ones refused (RFC 6749 section 3.1).
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct AuthorizationRequest {
    client_id: Option<String>,
    redirect_uri: Option<String>,
    /// code or none; where they are switched on, those of the implicit and hybrid flows too.
    response_type: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    /// query, fragment, form_post or, where it is on, web_message; as a signed JWT (JARM): jwt or one of them with .jwt.
    response_mode: Option<String>,
    code_challenge: Option<String>,
    /// S256.
    code_challenge_method: Option<String>,
    /// Thumbprint of the key that the code is bound to (RFC 9449 section 10).
    dpop_jkt: Option<String>,
    /// none, login, consent, select_account, create.
    prompt: Option<String>,
    /// Seconds.
    max_age: Option<String>,
    login_hint: Option<String>,
    id_token_hint: Option<String>,
    ui_locales: Option<String>,
    /// Single claims (OpenID Connect Core 1.0 section 5.5), as JSON.
    claims: Option<String>,
    acr_values: Option<String>,
    /// What the request is about, beyond scopes: a JSON array (RFC 9396).
    authorization_details: Option<String>,
    /// A signed request object (RFC 9101): then nothing else counts but client_id.
    request: Option<String>,
    /// A registered address of one.
    request_uri: Option<String>,
    /// The resource servers that the tokens are for (RFC 8707); may repeat.
    resource: Option<Vec<String>>,
}

#[OpenApi(tag = "Group::Browser")]
impl Authorize {
    /// Authorization request
    #[oai(path = "/oidc/auth", method = "get", operation_id = "authorize")]
    async fn get(&self, request: &Request, query: DescribedQuery<AuthorizationRequest>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let parameters = parameters(&query.params);
        let sent = Sent { parameters: &parameters, resources: query.params.all("resource") };
        match Box::pin(self.0.app.authorize(&context(request), &sent, cookies.browser())).await {
            Ok(Step::Interact { interaction, browser }) => {
                let shown = Shown::redirect(&format!("/auth/interaction/{interaction}"))?;
                let now = self.0.app.now().numeric_date();
                Ok(shown.with_cookie(browser.and_then(|text| self.0.cookies.set(BINDING, &text, now, now + BINDING_SECONDS))))
            }
            Ok(Step::Answer(answer)) | Err(Failed::Answer(answer)) => send(&self.0, request, &answer),
            Err(Failed::Page(error)) => refusal(&self.0, request, &error),
        }
    }

    /// Authorization request by POST
    ///
    /// Answered by a redirect to the same request as a GET: a POST from another site brings no Lax cookie, so that nobody would
    /// be signed in here.
    #[oai(path = "/oidc/auth", method = "post", operation_id = "authorizeByPost")]
    async fn post(&self, request: &Request, form: DescribedForm<AuthorizationRequest>) -> Result<Shown, Refused> {
        let _ = request;
        Shown::redirect(&format!("/oidc/auth?{}", query_of(&form.params)))
    }
}

/// The same parameters as a query string.
pub fn query_of(params: &Params) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, values) in params.iter() {
        for value in values {
            query.append_pair(name, value);
        }
    }
    query.finish()
}

/// An answer on its way to the client, in the mode that it asked for.
pub fn send(server: &Server, request: &Request, answer: &Answer) -> Result<Shown, Refused> {
    let seconds = i64::from(crate::app::seconds(server.app.config.lifetimes.session_absolute).0);
    let kept = answer.browser_state.as_deref().and_then(|state| server.cookies.set_readable(BROWSER_STATE, state, seconds));
    Ok(in_its_mode(server, request, answer)?.with_cookie(kept))
}

fn in_its_mode(server: &Server, request: &Request, answer: &Answer) -> Result<Shown, Refused> {
    let target = match answer.response_mode.carrier() {
        ResponseMode::Fragment => with_fragment(&answer.redirect_uri, &answer.parameters),
        _ => with_query(&answer.redirect_uri, &answer.parameters),
    };
    match (answer.response_mode.carrier(), answer.error.as_ref().filter(|_| answer.ask_first)) {
        (ResponseMode::Query | ResponseMode::Fragment, Some(error)) => {
            ask_before_return(server, request, error.code(), &error.description, &target)
        }
        (ResponseMode::Query | ResponseMode::Fragment, None) => Shown::redirect(&target),
        // A message leads nobody anywhere, so that no click is asked for.
        (ResponseMode::WebMessage, _) => by_message(server, request, answer),
        _ => {
            let Some(redirect_uri) = Link::redirect(&answer.redirect_uri) else {
                let error = chancery_core::error::OAuthError::invalid_request("a redirect_uri that no form can post to");
                return refusal(server, request, &error);
            };
            let page = FormPost {
                page: page_for(server, request, None),
                redirect_uri,
                client: None,
                parameters: answer.parameters.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            };
            let mut policy = in_interaction(&answer.redirect_uri);
            // Without its digest in the policy the script does not run: then the button is the click that is asked for.
            if !answer.ask_first {
                policy.script_sha256 = vec![FORM_POST_SCRIPT_SHA256.trim_start_matches("sha256-").to_owned()];
            }
            Shown::page(&page, StatusCode::OK, policy)
        }
    }
}

fn by_message(server: &Server, request: &Request, answer: &Answer) -> Result<Shown, Refused> {
    let Some((redirect_uri, origin)) = Link::redirect(&answer.redirect_uri).and_then(|uri| uri.origin().map(|origin| (uri, origin))) else {
        let error = chancery_core::error::OAuthError::invalid_request("a redirect_uri without an origin that a message could go to");
        return refusal(server, request, &error);
    };
    let response: serde_json::Map<_, _> =
        answer.parameters.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    let mut policy = in_interaction(&answer.redirect_uri);
    policy.framed_by = policy.form_action.take();
    policy.script_sha256 = vec![WEB_MESSAGE_SCRIPT_SHA256.to_owned()];
    let response = serde_json::Value::Object(response).to_string();
    Shown::page(&WebMessage { page: page_for(server, request, None), redirect_uri, origin, response }, StatusCode::OK, policy)
}

/// OAuth 2.0 Multiple Response Types §2.1. A registered redirect URI has no fragment of its own.
fn with_fragment(redirect_uri: &str, parameters: &[(&'static str, String)]) -> String {
    let mut fragment = form_urlencoded::Serializer::new(String::new());
    fragment.extend_pairs(parameters);
    format!("{redirect_uri}#{}", fragment.finish())
}

/// RFC 6749 §3.1.2: a query that the redirect URI has already is kept.
fn with_query(redirect_uri: &str, parameters: &[(&'static str, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{separator}{}", query.finish())
}
