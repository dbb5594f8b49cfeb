//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): asked for by a client, confirmed by the person.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::session::SessionEnd;
use poem::http::StatusCode;
use poem::{Request, Response};
use poem_openapi::{Object, OpenApi};

use super::authorize::query_of;
use super::show::{Shown, page_for, refusal};
use super::{BROWSER_STATE, Cookies, Group, parameters};
use crate::app::logout::LogoutRequest;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::form::{StrictForm, StrictQuery};
use crate::http::headers::{PagePolicy, form_action_source};
use crate::http::params::Params;
use crate::http::server::{Server, context};
use crate::pages::check_session::{CHECK_SESSION_SCRIPT, check_session};
use crate::pages::{self, Link};

/// Purpose of the form token.
const PURPOSE: &str = "logout";
/// What a logout request may carry, and the confirmation carries on.
const CARRIED: [&str; 5] = ["id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint"];

pub struct Logout(pub Server);

/// A logout request, or its confirmation.
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct LogoutForm {
    id_token_hint: Option<String>,
    client_id: Option<String>,
    post_logout_redirect_uri: Option<String>,
    state: Option<String>,
    logout_hint: Option<String>,
    ui_locales: Option<String>,
    /// yes, all or no, from our own page.
    logout: Option<String>,
    /// The session that our own page showed.
    session: Option<String>,
    csrf: Option<String>,
}

#[OpenApi(tag = "Group::Browser")]
impl Logout {
    /// Logout request
    #[oai(path = "/oidc/session/end", method = "get", operation_id = "endSession")]
    async fn get(&self, request: &Request, query: StrictQuery<LogoutForm>) -> Result<Shown, Refused> {
        let asked = match self.0.app.logout_request(&parameters(&query.params)).await {
            Ok(asked) => asked,
            Err(error) => return refusal(&self.0, request, &error),
        };
        let cookies = Cookies::of(&self.0, request);
        let people = self.0.app.people_in(cookies.browser()).await?;
        // Whom the hint names, else who uses the browser, else who used it last.
        let Some(meant) = asked.hinted.and_then(|account| people.of_account(account)).or_else(|| people.all().next()) else {
            // Nobody is signed in: there is nothing to confirm.
            return self.leave(request, &asked, Vec::new());
        };
        let account = self.0.app.unseal_optional(meant.current.account.email.as_ref()).await?;
        let session = meant.current.session.id;
        let mut beside = Vec::new();
        for other in people.all().filter(|own| own.current.session.id != session) {
            beside.extend(self.0.app.unseal_optional(other.current.account.email.as_ref()).await?);
        }
        let carried = CARRIED.iter().filter_map(|name| Some(((*name).to_owned(), query.params.get(name)?.to_owned())));
        let page = pages::Logout {
            page: page_for(&self.0, request, query.params.get("ui_locales")),
            action: "/oidc/session/end".to_owned(),
            csrf: self.0.forms.form_token(bound_to(&cookies), PURPOSE),
            client: asked
                .client
                .as_ref()
                .filter(|own| own.metadata.client_name.is_some() || own.document.is_some())
                .map(|own| own.shown_name().to_owned()),
            account,
            beside,
            hidden: carried.chain([("session".to_owned(), session.to_string())]).collect(),
        };
        let form_action = asked.return_to.as_deref().and_then(form_action_source);
        Shown::page(&page, StatusCode::OK, PagePolicy { in_interaction: true, form_action, ..PagePolicy::default() })
    }

    /// The frame that says whether somebody is still signed in (OpenID Connect Session Management)
    #[oai(path = "/oidc/session/check", method = "get", operation_id = "checkSession")]
    async fn check(&self) -> Result<Shown, Refused> {
        if !self.0.app.config.session_management {
            return Err(OAuthError::not_found("session management is switched off").into());
        }
        let script = Digest::of(CHECK_SESSION_SCRIPT.as_bytes());
        let policy = PagePolicy {
            in_interaction: true,
            may_be_framed: true,
            script_sha256: vec![STANDARD.encode(script.0)],
            ..PagePolicy::default()
        };
        let html = check_session(&self.0.cookies.wire_name(BROWSER_STATE));
        let mut response = Response::builder().content_type("text/html; charset=utf-8").body(html);
        response.set_data(policy);
        Ok(Shown::raw(response))
    }

    /// Confirmation of our page, or a client's request by POST
    #[oai(path = "/oidc/session/end", method = "post", operation_id = "endSessionForm")]
    async fn post(&self, request: &Request, form: StrictForm<LogoutForm>) -> Result<Shown, Refused> {
        if form.params.get("logout").is_none() {
            // From a client's site: no Lax cookie came along, so ask again by GET.
            return Shown::redirect(&format!("/oidc/session/end?{}", query_of(&form.params)));
        }
        self.confirmed(request, &form.params).await
    }
}

/// What the form token is bound to: the sessions of this browser.
fn bound_to(cookies: &Cookies) -> &str {
    cookies.session.as_deref().or(cookies.others.as_deref()).unwrap_or_default()
}

impl Logout {
    async fn confirmed(&self, request: &Request, form: &Params) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let sent = form.get("csrf").unwrap_or_default();
        let ours = is_same_origin(request.headers(), self.0.app.config.issuer.origin())
            && self.0.forms.is_form_token(sent, bound_to(&cookies), PURPOSE);
        if !ours {
            let error = OAuthError::access_denied("form token")
                .saying("The form was not made for this browser or is too old; load the page again.");
            return refusal(&self.0, request, &error);
        }
        let (one, all) = (form.get("logout") == Some("yes"), form.get("logout") == Some("all"));
        if !one && !all {
            return Shown::redirect("/");
        }
        let asked = match self.0.app.logout_request(&parameters(form)).await {
            Ok(asked) => asked,
            Err(error) => return refusal(&self.0, request, &error),
        };
        let people = self.0.app.people_in(cookies.browser()).await?;
        let named = form.get("session").unwrap_or_default();
        let (mut told, mut ended) = (Vec::new(), Vec::new());
        // Exactly whom the page named: nobody else, whatever another tab did meanwhile.
        for own in people.all().filter(|own| all || own.current.session.id.to_string() == named) {
            let context = context(request).as_account(own.current.account.id);
            self.0.app.end_session(&context, own.current.session.id, SessionEnd::SignedOut).await?;
            told.extend(self.0.app.front_channel_logouts(&own.current.session).await?);
            ended.push(own.current.session.id);
        }
        let left = self.leave(request, &asked, told)?.holding(&self.0, &cookies, &people.without(&ended));
        let watched = self.0.app.config.session_management;
        Ok(left.with_cookie(watched.then(|| self.0.cookies.clear(BROWSER_STATE)).flatten()))
    }

    /// §3: back to the client with its `state`, or a page of our own; by way of one whose frames tell the clients that are told there.
    fn leave(&self, request: &Request, asked: &LogoutRequest, told: Vec<String>) -> Result<Shown, Refused> {
        match &asked.return_to {
            Some(target) => {
                let mut query = form_urlencoded::Serializer::new(String::new());
                query.extend_pairs(asked.state.iter().map(|state| ("state", state)));
                let query = query.finish();
                let separator = if query.is_empty() {
                    ""
                } else if target.contains('?') {
                    "&"
                } else {
                    "?"
                };
                let target = format!("{target}{separator}{query}");
                match Link::redirect(&target) {
                    Some(link) if !told.is_empty() => self.left(request, Some(link), true, told),
                    _ => Shown::redirect(&target),
                }
            }
            None => {
                let return_to = asked.client.as_ref().and_then(|client| client.metadata.client_uri.as_deref()).and_then(Link::web);
                self.left(request, return_to, false, told)
            }
        }
    }

    fn left(&self, request: &Request, return_to: Option<Link>, goes_on: bool, told: Vec<String>) -> Result<Shown, Refused> {
        let frames: Vec<_> = told.iter().filter_map(|uri| Link::web(uri)).collect();
        let sources = frames.iter().map(|link| link.csp_source().to_owned()).collect();
        let page = pages::LoggedOut { page: page_for(&self.0, request, None), return_to, goes_on, frames };
        Shown::page(&page, StatusCode::OK, PagePolicy { in_interaction: true, frames: sources, ..PagePolicy::default() })
    }
}
