//! `/account`: a person sees who they are here, changes it, and takes back what they gave.
//!
//! | Rule | Source |
//! |---|---|
//! | every form carries a token bound to the session, and comes from our own origin | RFC 6749 §10.12 |
//! | another password only with the one until now, under the limits of a sign-in | OWASP ASVS 5.0 §6.2.3 |
//! | after a change the browser is redirected: no form is sent twice by reload | RFC 9700 §4.12 |
//! | nobody learns by an id whether somebody else has such a session or consent | our own |

use chancery_core::account::claims::{By, Kind, RULES, Stated};
use chancery_core::error::{Code, OAuthError};
use chancery_core::id::{ClientId, SessionId};
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::{Object, OpenApi};

use super::show::{Shown, page_for, refusal};
use super::{Cookies, Group, in_reading_order};
use crate::app::accounts::Proven;
use crate::app::claims::NotChanged;
use crate::app::clock::rfc3339;
use crate::app::sessions::Current;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::form::{StrictForm, StrictQuery};
use crate::http::headers::PagePolicy;
use crate::http::params::Params;
use crate::http::routes::accounts::LOGIN_FAILURES;
use crate::http::server::{Server, context};
use crate::pages::account::{self, device};
use crate::pages::text::account::Done;
use crate::pages::{Link, Problem};

/// Purpose of the form tokens.
pub(super) const PURPOSE: &str = "account";

pub struct Account(pub Server);

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct Seen {
    /// What was just done; makes the page say so.
    done: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
pub(super) struct SignInForm {
    csrf: Option<String>,
    /// The e-mail address.
    login: Option<String>,
    password: Option<String>,
}

/// Every claim by its name; one that is empty or absent is taken away.
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct ProfileForm {
    csrf: Option<String>,
    name: Option<String>,
    given_name: Option<String>,
    family_name: Option<String>,
    middle_name: Option<String>,
    nickname: Option<String>,
    preferred_username: Option<String>,
    profile: Option<String>,
    picture: Option<String>,
    website: Option<String>,
    gender: Option<String>,
    birthdate: Option<String>,
    zoneinfo: Option<String>,
    locale: Option<String>,
    phone_number: Option<String>,
    #[oai(rename = "address.formatted")]
    formatted: Option<String>,
    #[oai(rename = "address.street_address")]
    street_address: Option<String>,
    #[oai(rename = "address.locality")]
    locality: Option<String>,
    #[oai(rename = "address.region")]
    region: Option<String>,
    #[oai(rename = "address.postal_code")]
    postal_code: Option<String>,
    #[oai(rename = "address.country")]
    country: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct PasswordForm {
    csrf: Option<String>,
    /// The password until now.
    current: Option<String>,
    /// The new one.
    password: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct SessionForm {
    csrf: Option<String>,
    /// The id of a session, or `others`.
    session: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct AppForm {
    csrf: Option<String>,
    client_id: Option<String>,
}

#[OpenApi(tag = "Group::Browser")]
impl Account {
    /// The page of an account
    ///
    /// Asks for a sign-in if nobody is signed in.
    #[oai(path = "/account", method = "get", operation_id = "account")]
    async fn overview(&self, request: &Request, query: StrictQuery<Seen>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else {
            return self.sign_in_page(request, &cookies, "/account/sign-in", String::new(), Vec::new());
        };
        let done = query.params.get("done").and_then(|word| Done::ALL.into_iter().find(|done| done.word() == word));
        self.overview_page(request, &cookies, &current, done).await
    }

    /// Sign in to it
    #[oai(path = "/account/sign-in", method = "post", operation_id = "accountSignIn")]
    async fn sign_in(&self, request: &Request, form: StrictForm<SignInForm>) -> Result<Shown, Refused> {
        self.enter(request, &form.params, "/account/sign-in", "/account").await
    }

    /// The form with what is said of the person
    #[oai(path = "/account/profile", method = "get", operation_id = "accountProfile")]
    async fn profile(&self, request: &Request) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect("/account") };
        self.profile_page(request, &cookies, &current, None, Vec::new()).await
    }

    /// Change what is said of the person
    #[oai(path = "/account/profile", method = "post", operation_id = "accountProfileForm")]
    async fn change_profile(&self, request: &Request, form: StrictForm<ProfileForm>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect("/account") };
        if let Err(error) = self.check_form(request, cookies.session.as_deref(), PURPOSE, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let own = RULES.iter().filter(|rule| rule.kind != Kind::Flag);
        let stated: Stated = own.map(|rule| (rule.name.to_owned(), form.params.get(rule.name).unwrap_or_default().to_owned())).collect();
        let context = context(request).as_account(current.account.id);
        match self.0.app.change_profile(&context, current.account.id, &stated, By::Person).await {
            Ok(true) => done(Done::Saved),
            Ok(false) => done(Done::NothingChanged),
            Err(NotChanged::Refused(error)) => refusal(&self.0, request, &error),
            Err(NotChanged::Problems(found)) => {
                let problems = found.iter().map(|own| account::problem(own.field, &own.problem)).collect();
                self.profile_page(request, &cookies, &current, Some(&stated), problems).await
            }
        }
    }

    /// The form for another password
    #[oai(path = "/account/password", method = "get", operation_id = "accountPassword")]
    async fn password(&self, request: &Request) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        if self.0.app.session_of(cookies.session.as_deref()).await?.is_none() {
            return Shown::redirect("/account");
        }
        self.password_page(request, &cookies, Vec::new())
    }

    /// Choose another password; every other session ends
    #[oai(path = "/account/password", method = "post", operation_id = "accountPasswordForm")]
    async fn change_password(&self, request: &Request, form: StrictForm<PasswordForm>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect("/account") };
        if let Err(error) = self.check_form(request, cookies.session.as_deref(), PURPOSE, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let (old, new) = (form.params.get("current").unwrap_or_default(), form.params.get("password").unwrap_or_default());
        if old.is_empty() {
            return self.password_page(request, &cookies, vec![Problem::CurrentPasswordWrong]);
        }
        let email = self.0.app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default();
        let proven = match self.prove(request, &email, old).await {
            Ok(proven) => proven,
            Err(error) => match not_proven(&error, Problem::CurrentPasswordWrong) {
                Some(problem) => return self.password_page(request, &cookies, vec![problem]),
                None => return refusal(&self.0, request, &error),
            },
        };
        let context = context(request).as_account(current.account.id);
        match self.0.app.choose_password(&context, &current.account, current.session.id, &proven, new).await {
            Ok(()) => done(Done::PasswordChanged),
            Err(NotChanged::Refused(error)) => refusal(&self.0, request, &error),
            Err(NotChanged::Problems(_)) => self.password_page(request, &cookies, vec![Problem::of_password(new)]),
        }
    }

    /// Sign another browser out, or all others
    #[oai(path = "/account/sessions", method = "post", operation_id = "accountSessions")]
    async fn end_session(&self, request: &Request, form: StrictForm<SessionForm>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect("/account") };
        if let Err(error) = self.check_form(request, cookies.session.as_deref(), PURPOSE, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let (account, context) = (current.account.id, context(request).as_account(current.account.id));
        let outcome = match form.params.get("session") {
            Some("others") => self.0.app.end_other_sessions(&context, account, current.session.id).await.map(|()| Done::SessionsEnded),
            Some(id) => match SessionId::parse(id) {
                Some(id) => self.0.app.end_own_session(&context, account, id).await.map(|()| Done::SessionEnded),
                None => Err(OAuthError::invalid_request("not a session")),
            },
            None => Err(OAuthError::invalid_request("session is missing").saying("session is missing.")),
        };
        outcome.map_or_else(|error| refusal(&self.0, request, &error), done)
    }

    /// Withdraw what an app was allowed
    #[oai(path = "/account/apps", method = "post", operation_id = "accountApps")]
    async fn withdraw(&self, request: &Request, form: StrictForm<AppForm>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect("/account") };
        if let Err(error) = self.check_form(request, cookies.session.as_deref(), PURPOSE, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let Some(client) = form.params.get("client_id").and_then(ClientId::parse) else {
            return refusal(&self.0, request, &OAuthError::invalid_request("client_id is missing").saying("client_id is missing."));
        };
        let context = context(request).as_account(current.account.id);
        match self.0.app.withdraw_consent(&context, current.account.id, &client).await {
            Ok(true) => done(Done::Withdrawn),
            Ok(false) => done(Done::NothingChanged),
            Err(error) => refusal(&self.0, request, &error),
        }
    }
}

impl Account {
    /// RFC 6749 §10.12: our own page, in this browser.
    pub(super) fn check_form(&self, request: &Request, cookie: Option<&str>, purpose: &str, form: &Params) -> Result<(), OAuthError> {
        let ours = is_same_origin(request.headers(), self.0.app.config.issuer.origin())
            && cookie.is_some_and(|cookie| self.0.forms.is_form_token(form.get("csrf").unwrap_or_default(), cookie, purpose));
        if ours {
            return Ok(());
        }
        Err(OAuthError::access_denied("form token").saying("The form was not made for this browser or is too old; load the page again."))
    }

    /// A password under the limits of every sign-in.
    pub(super) async fn prove(&self, request: &Request, email: &str, password: &str) -> Result<Proven, OAuthError> {
        let rate = self.0.app.config.rate_limits.login_failures_per_address;
        self.0.check_limit(LOGIN_FAILURES, request, rate).and_then(|()| self.0.check_login(email)).map_err(|refused| refused.refusal)?;
        self.0.app.prove_password(&context(request), email, password).await.inspect_err(|error| {
            if error.code == Code::InvalidCredentials {
                self.0.count_failed_login(request, email);
            }
        })
    }

    fn form_token(&self, cookies: &Cookies) -> String {
        self.0.forms.form_token(cookies.session.as_deref().unwrap_or_default(), PURPOSE)
    }

    async fn overview_page(&self, request: &Request, cookies: &Cookies, current: &Current, done: Option<Done>) -> Result<Shown, Refused> {
        let app = &self.0.app;
        let page = page_for(&self.0, request, None);
        let text = page.text;
        let mut sessions = Vec::new();
        for session in app.living_sessions_of(current.account.id).await?.into_iter().take(LISTED) {
            let seen = app.seen_at_start(session.id).await?;
            let from = device(seen.user_agent.as_deref(), seen.address.as_deref());
            sessions.push(account::SignedIn {
                is_this: session.id == current.session.id,
                id: session.id.to_string(),
                from: from.unwrap_or_else(|| text.account.unknown_browser.to_owned()),
                at: rfc3339(session.auth_time.0),
            });
        }
        let apps = app.allowed_by(current.account.id).await?.into_iter().map(|own| account::App {
            open: own.initiate_login_uri.as_deref().and_then(|uri| Link::to_begin_login(uri, &app.endpoints.issuer)),
            name: own.name.unwrap_or_else(|| own.client.to_string()),
            client_id: own.client.to_string(),
            disabled: own.disabled,
            scopes: in_reading_order(&own.scope),
            at: rfc3339(own.since.0),
        });
        let history = app.history_of(current.account.id).await?.into_iter().map(|entry| {
            let from = entry.from.map(|seen| {
                let known = device(seen.user_agent.as_deref(), seen.address.as_deref());
                known.unwrap_or_else(|| text.account.unknown_browser.to_owned())
            });
            account::Line { at: rfc3339(entry.at), sentence: (text.account.happened)(entry.what), name: entry.client.or(from) }
        });
        let page = account::Overview {
            csrf: self.form_token(cookies),
            done,
            email: app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default(),
            claims: account::said(&app.claims_of(&current.account).await?, &app.asserted_by_others(&current.account).await?, text),
            sessions,
            apps: apps.collect(),
            history: history.collect(),
            page,
        };
        Shown::page(&page, StatusCode::OK, own_forms())
    }

    async fn profile_page(
        &self,
        request: &Request,
        cookies: &Cookies,
        current: &Current,
        typed: Option<&Stated>,
        problems: Vec<Problem>,
    ) -> Result<Shown, Refused> {
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let page = page_for(&self.0, request, None);
        let claims = self.0.app.claims_of(&current.account).await?;
        let groups = account::groups(&claims, |name| typed.and_then(|typed| typed.get(name).cloned()), &problems, page.text);
        let page = account::Profile { page, csrf: self.form_token(cookies), groups, problems };
        Shown::page(&page, status, own_forms())
    }

    fn password_page(&self, request: &Request, cookies: &Cookies, problems: Vec<Problem>) -> Result<Shown, Refused> {
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let page = account::Password { page: page_for(&self.0, request, None), csrf: self.form_token(cookies), password_min: 8, problems };
        Shown::page(&page, status, own_forms())
    }
}

/// Sessions that the page lists; the newest come first.
const LISTED: usize = 30;

/// The forms lead to our own pages and nowhere else.
pub(super) fn own_forms() -> PagePolicy {
    PagePolicy { in_interaction: true, ..PagePolicy::default() }
}

pub(super) fn done(done: Done) -> Result<Shown, Refused> {
    Shown::redirect(&format!("/account?done={}", done.word()))
}

/// What the form says when a password was not proven; `None` when there is more to it than that.
pub(super) fn not_proven(error: &OAuthError, wrong: Problem) -> Option<Problem> {
    match error.code {
        Code::InvalidCredentials => Some(wrong),
        Code::SlowDown => Some(Problem::TooManyAttempts { wait_seconds: 60 }),
        _ => None,
    }
}
