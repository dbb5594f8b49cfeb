//! The auditor's pages. For accounts with the role `admin` or `auditor`, signed in on our own origin within the last hour; each page that is
//! opened is an event by that account.
//!
//! | Rule | Why |
//! |---|---|
//! | a session is not enough: it must have begun within the hour | a browser that was left open is not an auditor |
//! | personal data in clear for `admin` only, and the event says so | an auditor checks what happened, not who lives where |
//! | the text of a token travels by POST | addresses stay in histories and logs |

use chancery_core::account::{Account, Role};
use chancery_core::error::{Code, OAuthError};
use chancery_core::token::opaque::Kind;
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};

use super::show::{Shown, page_for, refusal};
use super::{BINDING, Cookies, Group};
use crate::app::audit::personal::Showing;
use crate::app::browser::Held;
use crate::app::context::Context;
use crate::app::random;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::form::{StrictForm, StrictQuery};
use crate::http::headers::PagePolicy;
use crate::http::params::Params;
use crate::http::routes::accounts::LOGIN_FAILURES;
use crate::http::server::{Server, context};
use crate::pages::{self, Problem, Text};

/// Purposes of form tokens.
const SIGN_IN: &str = "admin sign-in";
pub const QUESTION: &str = "audit question";
/// How long ago the sign-in may be, in milliseconds.
const FRESH: i64 = 60 * 60 * 1000;
const BINDING_SECONDS: i64 = 24 * 60 * 60;

pub struct Admin(pub Server);

/// Who looks, with the right to.
pub struct Visitor {
    pub context: Context,
    pub email: String,
    pub showing: Showing,
    /// For form tokens.
    pub session: String,
}

/// What the sign-in page sends.
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct AdminSignInForm {
    csrf: Option<String>,
    /// The e-mail address.
    login: Option<String>,
    password: Option<String>,
}

/// What the form of questions about tokens sends.
#[derive(Object)]
#[allow(dead_code)]
struct AdminTokenForm {
    csrf: Option<String>,
    /// A token, a code, or the SHA-256 of one.
    token: Option<String>,
    /// Position or RFC 3339 time.
    as_of: Option<String>,
}

/// Filters of the roll.
#[derive(Object)]
#[allow(dead_code)]
struct TimelineQuery {
    subject: Option<String>,
    client: Option<String>,
    actor: Option<String>,
    session: Option<String>,
    grant: Option<String>,
    #[oai(rename = "type")]
    kind: Option<String>,
    stream: Option<String>,
    after: Option<String>,
    before: Option<String>,
    until: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)]
struct MomentQuery {
    as_of: Option<String>,
}

#[OpenApi(tag = "Group::Browser")]
impl Admin {
    /// The log as sentences
    #[oai(path = "/admin/audit", method = "get", operation_id = "adminAudit")]
    async fn timeline(&self, request: &Request, query: StrictQuery<TimelineQuery>) -> Result<Shown, Refused> {
        match self.visitor(request).await? {
            Ok(visitor) => self.show_timeline(request, &visitor, &query.params).await,
            Err(shown) => Ok(shown),
        }
    }

    /// One event with its proof
    #[oai(path = "/admin/audit/events/:position", method = "get", operation_id = "adminAuditEvent")]
    async fn event(&self, request: &Request, position: Path<u64>) -> Result<Shown, Refused> {
        match self.visitor(request).await? {
            Ok(visitor) => self.show_event(request, &visitor, position.0).await,
            Err(shown) => Ok(shown),
        }
    }

    /// A stream as it was
    #[oai(path = "/admin/audit/streams/:stream", method = "get", operation_id = "adminAuditStream")]
    async fn stream(&self, request: &Request, stream: Path<String>, query: StrictQuery<MomentQuery>) -> Result<Shown, Refused> {
        match self.visitor(request).await? {
            Ok(visitor) => self.show_stream(request, &visitor, &stream.0, query.params.get("as_of")).await,
            Err(shown) => Ok(shown),
        }
    }

    /// The form of the question whether a token was active
    #[oai(path = "/admin/audit/token", method = "get", operation_id = "adminAuditTokenForm")]
    async fn token_form(&self, request: &Request) -> Result<Shown, Refused> {
        match self.visitor(request).await? {
            Ok(visitor) => self.show_token(request, &visitor, &Params::default()).await,
            Err(shown) => Ok(shown),
        }
    }

    /// Was this token active then?
    #[oai(path = "/admin/audit/token", method = "post", operation_id = "adminAuditToken")]
    async fn token(&self, request: &Request, form: StrictForm<AdminTokenForm>) -> Result<Shown, Refused> {
        // Before the session is looked at: whoever is not signed in has no form, and learns no more from this address than from the others.
        let session = Cookies::of(&self.0, request).session.unwrap_or_default();
        if let Err(error) = self.check_form(request, &session, QUESTION, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let visitor = match self.visitor(request).await? {
            Ok(visitor) => visitor,
            Err(shown) => return Ok(shown),
        };
        self.show_token(request, &visitor, &form.params).await
    }

    /// Where a token came from
    #[oai(path = "/admin/audit/tokens/:id", method = "get", operation_id = "adminAuditStory")]
    async fn story(&self, request: &Request, id: Path<String>) -> Result<Shown, Refused> {
        match self.visitor(request).await? {
            Ok(visitor) => self.show_story(request, &visitor, &id.0).await,
            Err(shown) => Ok(shown),
        }
    }

    /// Sign in to the auditor's pages
    #[oai(path = "/admin/sign-in", method = "post", operation_id = "adminSignIn")]
    async fn sign_in(&self, request: &Request, form: StrictForm<AdminSignInForm>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        if let Err(error) = self.check_form(request, cookies.binding.as_deref().unwrap_or_default(), SIGN_IN, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let (login, password) = (form.params.get("login").unwrap_or_default(), form.params.get("password").unwrap_or_default());
        let mut problems = Vec::new();
        if login.trim().is_empty() {
            problems.push(Problem::LoginMissing);
        }
        if password.is_empty() {
            problems.push(Problem::PasswordMissing);
        }
        if problems.is_empty() {
            match self.prove(request, &cookies, login, password).await {
                Ok(held) => return Ok(Shown::redirect("/admin/audit")?.holding(&self.0, &cookies, &held)),
                Err(error) if error.code == Code::InvalidCredentials => problems.push(Problem::WrongCredentials),
                Err(error) if error.code == Code::SlowDown => problems.push(Problem::TooManyAttempts { wait_seconds: 60 }),
                Err(error) => return refusal(&self.0, request, &error),
            }
        }
        self.sign_in_page(request, &cookies, login.to_owned(), problems)
    }
}

impl Admin {
    /// Who looks, or the page that they get instead.
    async fn visitor(&self, request: &Request) -> Result<Result<Visitor, Shown>, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let app = &self.0.app;
        let current = app.session_of(cookies.session.as_deref()).await?;
        let fresh = current.filter(|current| app.now().0 - current.session.auth_time.0 < FRESH);
        let Some(current) = fresh else { return Ok(Err(self.sign_in_page(request, &cookies, String::new(), Vec::new())?)) };
        let Some(showing) = showing(&current.account) else {
            let error = OAuthError::access_denied("no role").saying("These pages are for auditors and administrators of this server.");
            return Ok(Err(refusal(&self.0, request, &error)?));
        };
        Ok(Ok(Visitor {
            context: context(request).as_account(current.account.id),
            email: app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default(),
            showing,
            session: cookies.session.unwrap_or_default(),
        }))
    }

    fn check_form(&self, request: &Request, bound_to: &str, purpose: &str, form: &Params) -> Result<(), OAuthError> {
        let sent = form.get("csrf").unwrap_or_default();
        let ours =
            is_same_origin(request.headers(), self.0.app.config.issuer.origin()) && self.0.forms.is_form_token(sent, bound_to, purpose);
        let said = "The form was not made for this browser or is too old; load the page again.";
        ours.then_some(()).ok_or_else(|| OAuthError::access_denied("form token").saying(said))
    }

    /// A password under the limits of every sign-in; gives what the browser holds from then on.
    async fn prove(&self, request: &Request, cookies: &Cookies, login: &str, password: &str) -> Result<Held, OAuthError> {
        let rate = self.0.app.config.rate_limits.login_failures_per_address;
        self.0.check_limit(LOGIN_FAILURES, request, rate).and_then(|()| self.0.check_login(login)).map_err(|refused| refused.refusal)?;
        let proven = self.0.app.prove_password(&context(request), login, password).await.inspect_err(|error| {
            if error.code == Code::InvalidCredentials {
                self.0.count_failed_login(request, login);
            }
        })?;
        self.0.app.sign_in(&context(request), &proven, cookies.browser()).await
    }

    fn sign_in_page(&self, request: &Request, cookies: &Cookies, login: String, problems: Vec<Problem>) -> Result<Shown, Refused> {
        let app = &self.0.app;
        let fresh = cookies.binding.is_none().then(|| app.mint.opaque(Kind::Browser, random::uuid_v7(app.now().0)).text);
        let binding = cookies.binding.as_deref().or(fresh.as_deref()).unwrap_or_default();
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let page = pages::Login {
            page: page_for(&self.0, request, None),
            action: "/admin/sign-in".to_owned(),
            csrf: self.0.forms.form_token(binding, SIGN_IN),
            client: None,
            login,
            problems,
            register_url: None,
        };
        let now = app.now().numeric_date();
        let cookie = fresh.and_then(|text| self.0.cookies.set(BINDING, &text, now, now + BINDING_SECONDS));
        Ok(Shown::page(&page, status, PagePolicy::default())?.with_cookie(cookie))
    }

    /// These pages speak English, whatever the browser prefers.
    pub(super) fn page(&self, request: &Request) -> pages::Page {
        pages::Page { text: Text::for_locales("en"), ..page_for(&self.0, request, None) }
    }
}

/// What a role may see; `None` for everybody else.
fn showing(account: &Account) -> Option<Showing> {
    if account.roles.contains(&Role::Admin) {
        return Some(Showing::Clear);
    }
    account.roles.contains(&Role::Auditor).then_some(Showing::Sealed)
}
