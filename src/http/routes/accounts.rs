//! The app routes for accounts: JSON in, JSON out; the session travels in a cookie.
//!
//! | Rule | Source |
//! |---|---|
//! | `application/json` and our own Origin or none: no other site can post these | FEATURES.md §9 |
//! | every bad field is listed | the issue of the spine |

use std::collections::BTreeSet;

use chancery_core::account::FieldError;
use chancery_core::account::claims::Stated;
use chancery_core::error::{Code, OAuthError};
use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Request, Response};
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;
use serde_json::json;

use super::Group;
use crate::app::accounts::{Form, NotRegistered};
use crate::app::browser::{Browser, Held};
use crate::app::vault::email::normalised;
use crate::config;
use crate::http::credentials;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::json::StrictJson;
use crate::http::reply::{Describe, Reply};
use crate::http::server::{Server, context};

/// Name of the session cookie.
pub const SESSION: &str = "chancery_session";
/// Name of the cookie with the sessions of the people beside.
pub const OTHERS: &str = "chancery_others";
/// Purpose of the limit on registrations.
pub const REGISTRATIONS: &str = "account_registration";
/// Purpose of the limits on failed logins.
pub const LOGIN_FAILURES: &str = "login";

pub struct Accounts(pub Server);

/// A new account.
#[derive(Object, Deserialize)]
struct NewAccount {
    email: String,
    /// At least 8 characters.
    password: String,
    name: Option<String>,
}

/// Who signs in.
#[derive(Object, Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

pub struct AccountCreated;

impl Describe for AccountCreated {
    const STATUS: u16 = 201;
    const DESCRIPTION: &'static str = "The account.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] =
        &[("account_id", "string", "Also the sub of its tokens."), ("email", "string", "As registered.")];
}

pub struct SignedIn;

impl Describe for SignedIn {
    const DESCRIPTION: &'static str = "Signed in; the session is in the cookie.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[("account_id", "string", "Who signed in.")];
}

/// A reply that sets the session cookie.
pub struct WithCookie<D>(Reply<D>, Vec<HeaderValue>);

impl<D: Describe + Send> IntoResponse for WithCookie<D> {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        for cookie in self.1 {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

impl<D: Describe> ApiResponse for WithCookie<D> {
    fn meta() -> poem_openapi::registry::MetaResponses {
        Reply::<D>::meta()
    }

    fn register(_: &mut poem_openapi::registry::Registry) {}
}

#[OpenApi(tag = "Group::App")]
impl Accounts {
    /// Register an account
    #[oai(path = "/auth/register", method = "post", operation_id = "registerAccount")]
    async fn register(&self, request: &Request, body: StrictJson<NewAccount>) -> Result<Reply<AccountCreated>, Refused> {
        self.expect_same_origin(request)?;
        if !self.0.registration_is_open() {
            // As the registration page: where people cannot register by themselves, an operator can.
            self.0.app.operator(credentials::bearer(request, None)?.as_deref(), "admin").await?;
        }
        self.0.count(REGISTRATIONS, request, self.0.app.config.rate_limits.account_registrations_per_address)?;
        let form = Form {
            email: &body.email,
            password: &body.password,
            name: body.name.as_deref(),
            stated: Stated::new(),
            roles: BTreeSet::new(),
            declared: false,
        };
        match self.0.app.register_account(&context(request), &form).await {
            Ok(account) => Ok(Reply::new(&json!({ "account_id": account, "email": body.email.trim() }))),
            Err(NotRegistered::Refused(error)) => Err(error.into()),
            Err(NotRegistered::Problems(problems)) => Err(form_error(&problems).into()),
        }
    }

    /// Sign in
    #[oai(path = "/auth/login", method = "post", operation_id = "login")]
    async fn login(&self, request: &Request, body: StrictJson<Credentials>) -> Result<WithCookie<SignedIn>, Refused> {
        self.expect_same_origin(request)?;
        let rate = self.0.app.config.rate_limits.login_failures_per_address;
        self.0.check_limit(LOGIN_FAILURES, request, rate)?;
        self.0.check_login(&body.email)?;
        let context = context(request);
        let proven = self.0.app.prove_password(&context, &body.email, &body.password).await.inspect_err(|error| {
            if error.code == Code::InvalidCredentials {
                // The answer stays the same sentence; the next one may be 429.
                self.0.count_failed_login(request, &body.email);
            }
        })?;
        let now = self.0.app.now().numeric_date();
        let read = |name| self.0.cookies.get(request.headers(), name, now);
        let (session, others) = (read(SESSION), read(OTHERS));
        let browser = Browser { session: session.as_deref(), others: others.as_deref(), binding: None };
        let held = self.0.app.sign_in(&context, &proven, browser).await?;
        Ok(WithCookie(Reply::new(&json!({ "account_id": proven.account })), self.0.session_cookies(&held, others.is_some())))
    }
}

impl Accounts {
    fn expect_same_origin(&self, request: &Request) -> Result<(), OAuthError> {
        if is_same_origin(request.headers(), self.0.app.config.issuer.origin()) {
            return Ok(());
        }
        Err(OAuthError::access_denied("another origin")
            .saying("This can be called from this server's own pages or from outside browsers only."))
    }
}

impl Server {
    /// Refuses when an address was tried too often, whether or not there is such an account: both look the same.
    pub fn check_login(&self, email: &str) -> Result<(), Refused> {
        self.check_name(LOGIN_FAILURES, &normalised(email), self.app.config.rate_limits.login_failures_per_account)
    }

    /// Counts a failed login against the source and against what was tried. The answer stays the same; the next one may be 429.
    pub fn count_failed_login(&self, request: &Request, email: &str) {
        let rates = &self.app.config.rate_limits;
        let _ = self.count(LOGIN_FAILURES, request, rates.login_failures_per_address);
        let _ = self.count_name(LOGIN_FAILURES, &normalised(email), rates.login_failures_per_account);
    }

    /// May people register by themselves?
    pub fn registration_is_open(&self) -> bool {
        self.app.config.registration == config::Registration::Open
    }

    /// `Set-Cookie` for the sessions that a browser holds from now on; `had_others` when it brought some beside. The server decides how
    /// long sessions live; the cookies only must not end first.
    pub fn session_cookies(&self, held: &Held, had_others: bool) -> Vec<HeaderValue> {
        let now = self.app.now().numeric_date();
        let age = i64::try_from(self.app.config.lifetimes.session_absolute.as_secs()).unwrap_or(i64::MAX >> 1);
        let session = match &held.session {
            Some(text) => self.cookies.set(SESSION, text, now, now.saturating_add(age)),
            None => self.cookies.clear(SESSION),
        };
        let others = match held.others.as_slice() {
            [] if had_others => self.cookies.clear(OTHERS),
            [] => None,
            texts => self.cookies.set(OTHERS, &texts.join(" "), now, now.saturating_add(age)),
        };
        session.into_iter().chain(others).collect()
    }
}

fn form_error(problems: &[FieldError]) -> OAuthError {
    let sentence = problems.iter().map(|own| format!("{}: {}", own.field, own.problem)).collect::<Vec<_>>().join(" ");
    let taken = problems.iter().any(|own| own.problem.starts_with("There is an account"));
    let error = if taken { OAuthError::conflict("address taken") } else { OAuthError::invalid_request("form") };
    error.saying(sentence)
}
