//! The pages of an authorization request: choose, sign in, register, consent.
//!
//! | Rule | Source |
//! |---|---|
//! | every form carries a token bound to the browser's cookie, and comes from our own origin | RFC 6749 §10.12 |
//! | after a login or a consent the browser is redirected: no form is ever sent twice by reload | RFC 9700 §4.12 |

use std::collections::BTreeSet;

use chancery_core::account::claims::Stated;
use chancery_core::client::Client;
use chancery_core::details::Details;
use chancery_core::details::enrichment::Unfit;
use chancery_core::error::{Code, OAuthError};
use chancery_core::id::AccountId;
use chancery_core::request::Request as AuthorizationRequest;
use chancery_core::session::SessionEnd;
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};

use super::authorize::send;
use super::choices::Chosen;
use super::show::{Shown, in_interaction, page_for, refusal};
use super::{Cookies, Group, in_reading_order, in_words};
use crate::app::accounts::{Form, NotRegistered};
use crate::app::authorize::{Failed, Show};
use crate::app::details::Said;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::form::StrictForm;
use crate::http::params::Params;
use crate::http::routes::accounts::{LOGIN_FAILURES, REGISTRATIONS};
use crate::http::server::{Server, context};
use crate::pages::{self, Link, Problem};

pub struct Interactions(pub Server);

/// A request that waits for consent.
#[derive(Clone, Copy)]
struct Waiting<'a> {
    asked: &'a AuthorizationRequest,
    account: AccountId,
    details: Option<&'a Details>,
    chosen: &'a Chosen,
}

/// What the forms of the pages send.
#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct Forms {
    csrf: Option<String>,
    /// The e-mail address.
    login: Option<String>,
    password: Option<String>,
    /// The session of the person who was chosen.
    choose: Option<String>,
    /// What of the authorization details was chosen: `choice-N`, or `choice-N.ID` for each of several.
    #[oai(rename = "choice-0")]
    choice: Option<String>,
    /// allow, deny or switch.
    decision: Option<String>,
    /// The digest of the text that is allowed.
    shown: Option<String>,
    email: Option<String>,
    name: Option<String>,
}

#[OpenApi(tag = "Group::Browser")]
impl Interactions {
    /// The page of an authorization request
    #[oai(path = "/auth/interaction/:uid", method = "get", operation_id = "interaction")]
    async fn show(&self, request: &Request, uid: Path<String>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        match self.0.app.resume(&context(request), &uid, cookies.browser()).await {
            Ok(Ok(show)) => self.page(request, &uid, &cookies, show, Typed::default()).await,
            Ok(Err(answer)) | Err(Failed::Answer(answer)) => send(&self.0, request, &answer),
            Err(Failed::Page(error)) => refusal(&self.0, request, &error),
        }
    }

    /// A form of that page
    #[oai(path = "/auth/interaction/:uid", method = "post", operation_id = "interactionForm")]
    async fn submit(&self, request: &Request, uid: Path<String>, form: StrictForm<Forms>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        if let Err(error) = self.check_form(request, &cookies, &form.params) {
            return refusal(&self.0, request, &error);
        }
        if let Some(session) = form.params.get("choose") {
            return self.choose(request, &uid, &cookies, session).await;
        }
        match form.params.get("decision") {
            Some("allow" | "deny") => self.consent(request, &uid, &cookies, &form.params).await,
            Some("switch") => self.switch(request, &uid, &cookies).await,
            Some(_) => refusal(&self.0, request, &OAuthError::invalid_request("unknown decision")),
            None => self.sign_in(request, &uid, &cookies, &form.params).await,
        }
    }

    /// The sign-in page of an authorization request, for somebody who is not among those signed in
    #[oai(path = "/auth/interaction/:uid/sign-in", method = "get", operation_id = "interactionSignIn")]
    async fn show_sign_in(&self, request: &Request, uid: Path<String>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        match self.0.app.client_of_interaction(&uid, cookies.browser()).await {
            Ok((client, asked)) => self.login_page(request, &uid, &cookies, &client, &asked, Typed::default()),
            Err(error) => refusal(&self.0, request, &error),
        }
    }

    /// The registration page of an authorization request
    #[oai(path = "/auth/interaction/:uid/register", method = "get", operation_id = "interactionRegister")]
    async fn show_register(&self, request: &Request, uid: Path<String>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        self.register_page(request, &uid, &cookies, &Params::default(), Vec::new()).await
    }

    /// The form of that page
    #[oai(path = "/auth/interaction/:uid/register", method = "post", operation_id = "interactionRegisterForm")]
    async fn register(&self, request: &Request, uid: Path<String>, form: StrictForm<Forms>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        if let Err(error) = self.check_form(request, &cookies, &form.params) {
            return refusal(&self.0, request, &error);
        }
        self.create_account(request, &uid, &cookies, &form.params).await
    }
}

/// What a person typed and what is wrong with it.
#[derive(Default)]
struct Typed {
    login: Option<String>,
    problems: Vec<Problem>,
}

impl Interactions {
    /// RFC 6749 §10.12: our own page, in this browser.
    fn check_form(&self, request: &Request, cookies: &Cookies, form: &Params) -> Result<(), OAuthError> {
        let refuse = || {
            Err(OAuthError::access_denied("form token")
                .saying("The form was not made for this browser or is too old; load the page again."))
        };
        if !is_same_origin(request.headers(), self.0.app.config.issuer.origin()) {
            return refuse();
        }
        let Some(binding) = &cookies.binding else { return refuse() };
        let sent = form.get("csrf").unwrap_or_default();
        if self.0.forms.is_form_token(sent, binding, PURPOSE) { Ok(()) } else { refuse() }
    }

    pub(super) fn form_token(&self, cookies: &Cookies) -> String {
        self.0.forms.form_token(cookies.binding.as_deref().unwrap_or_default(), PURPOSE)
    }

    async fn page(&self, request: &Request, uid: &str, cookies: &Cookies, show: Show, typed: Typed) -> Result<Shown, Refused> {
        match show {
            Show::Choose { client, request: asked } => self.choose_page(request, uid, cookies, &client, &asked).await,
            Show::SignIn { client, request: asked, login_hint } => {
                let typed = Typed { login: typed.login.or(login_hint), ..typed };
                self.login_page(request, uid, cookies, &client, &asked, typed)
            }
            Show::Register => Shown::redirect(&format!("/auth/interaction/{uid}/register")),
            Show::Consent { client, request: asked, account, details } => {
                let waiting = Waiting { asked: &asked, account, details: details.as_ref(), chosen: &Chosen::default() };
                let page = self.consent_page(request, uid, cookies, &client, waiting).await?;
                Shown::page(&page, StatusCode::OK, in_interaction(&asked.redirect_uri))
            }
        }
    }

    fn login_page(
        &self,
        request: &Request,
        uid: &str,
        cookies: &Cookies,
        client: &Client,
        asked: &AuthorizationRequest,
        typed: Typed,
    ) -> Result<Shown, Refused> {
        let status = if typed.problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let page = pages::Login {
            page: page_for(&self.0, request, asked.ui_locales.as_deref()),
            action: format!("/auth/interaction/{uid}"),
            csrf: self.form_token(cookies),
            client: Some(name_of(client)),
            login: typed.login.unwrap_or_default(),
            problems: typed.problems,
            register_url: self.0.registration_is_open().then(|| format!("/auth/interaction/{uid}/register")),
        };
        // The form leads to our own pages; the redirect to the client may follow, and Chromium checks every hop.
        Shown::page(&page, status, in_interaction(&asked.redirect_uri))
    }

    async fn consent_page(
        &self,
        request: &Request,
        uid: &str,
        cookies: &Cookies,
        client: &Client,
        waiting: Waiting<'_>,
    ) -> Result<pages::Consent, Refused> {
        let Waiting { asked, account, details, chosen } = waiting;
        let account = self.0.app.read::<chancery_core::account::Account>(&account.stream()).await?;
        let account = account.ok_or_else(|| OAuthError::server_error("a session without an account"))?;
        let email = self.0.app.unseal_optional(account.email.as_ref()).await?.unwrap_or_default();
        let offered = self.0.app.offer(&account, details).await?;
        let redirect_uri =
            Link::redirect(&asked.redirect_uri).ok_or_else(|| OAuthError::server_error("a registered redirect_uri is no link"))?;
        let page = page_for(&self.0, request, asked.ui_locales.as_deref());
        let wanted = asked.consent_scope(account.has_claims_of_others());
        Ok(pages::Consent {
            details: in_words(&self.0, (&asked.scope, offered.details.as_ref()), page.text),
            choices: chosen.shown(&offered, page.text),
            problems: chosen.problems.clone(),
            page,
            action: format!("/auth/interaction/{uid}"),
            switch_action: format!("/auth/interaction/{uid}"),
            csrf: self.form_token(cookies),
            client: name_of(client),
            calls_itself: client.document.as_ref().and_then(|_| client.metadata.client_name.clone()),
            redirect_uri,
            logo: self.0.app.shows_logo(client).then(|| format!("/logo/{}", client.id)),
            policy_uri: client.metadata.policy_uri.as_deref().and_then(Link::web),
            tos_uri: client.metadata.tos_uri.as_deref().and_then(Link::web),
            scopes: in_reading_order(&self.0.app.details.credentials.without_scopes(&wanted)),
            account: email,
        })
    }

    async fn sign_in(&self, request: &Request, uid: &str, cookies: &Cookies, form: &Params) -> Result<Shown, Refused> {
        let (login, password) = (form.get("login").unwrap_or_default(), form.get("password").unwrap_or_default());
        let mut problems = Vec::new();
        if login.trim().is_empty() {
            problems.push(Problem::LoginMissing);
        }
        if password.is_empty() {
            problems.push(Problem::PasswordMissing);
        }
        let rate = self.0.app.config.rate_limits.login_failures_per_address;
        if problems.is_empty() {
            let proven = match self.0.check_limit(LOGIN_FAILURES, request, rate).and_then(|()| self.0.check_login(login)) {
                Ok(()) => self.0.app.authenticate_in(&context(request), uid, cookies.browser(), login, password).await,
                Err(refused) => Err(refused.refusal),
            };
            match proven {
                Ok(held) => return Ok(Shown::redirect(&format!("/auth/interaction/{uid}"))?.holding(&self.0, cookies, &held)),
                Err(error) if error.code == Code::InvalidCredentials => {
                    self.0.count_failed_login(request, login);
                    problems.push(Problem::WrongCredentials);
                }
                Err(error) if error.code == Code::SlowDown => problems.push(Problem::TooManyAttempts { wait_seconds: 60 }),
                Err(error) => return refusal(&self.0, request, &error),
            }
        }
        match self.0.app.client_of_interaction(uid, cookies.browser()).await {
            Ok((client, asked)) => {
                let typed = Typed { login: Some(login.to_owned()), problems };
                self.login_page(request, uid, cookies, &client, &asked, typed)
            }
            Err(error) => refusal(&self.0, request, &error),
        }
    }

    async fn consent(&self, request: &Request, uid: &str, cookies: &Cookies, form: &Params) -> Result<Shown, Refused> {
        let (client, asked, account, details) = match self.0.app.resume(&context(request), uid, cookies.browser()).await {
            Ok(Ok(Show::Consent { client, request: asked, account, details })) => (client, asked, account, details),
            Ok(Ok(Show::Choose { .. } | Show::SignIn { .. } | Show::Register)) => {
                return Shown::redirect(&format!("/auth/interaction/{uid}"));
            }
            Ok(Err(answer)) | Err(Failed::Answer(answer)) => return send(&self.0, request, &answer),
            Err(Failed::Page(error)) => return refusal(&self.0, request, &error),
        };
        let chosen = Chosen::of(form);
        let waiting = Waiting { asked: &asked, account, details: details.as_ref(), chosen: &chosen };
        let shown = self.consent_page(request, uid, cookies, &client, waiting).await?.shown();
        let allow = form.get("decision") == Some("allow");
        // A client may say something else of itself by now, and one that nobody registered says so when it likes: what is allowed, and
        // stands in the log by its digest, is what the person read (CIMD §8.4).
        if allow && form.get("shown") != Some(shown.to_string().as_str()) {
            return Shown::redirect(&format!("/auth/interaction/{uid}"));
        }
        if let Some(unfit) = self.unfit(account, details.as_ref(), &chosen).await?.filter(|_| allow) {
            let chosen = match chosen.wrong(unfit) {
                Ok(chosen) => chosen,
                Err(error) => return refusal(&self.0, request, &error),
            };
            let waiting = Waiting { asked: &asked, account, details: details.as_ref(), chosen: &chosen };
            let page = self.consent_page(request, uid, cookies, &client, waiting).await?;
            return Shown::page(&page, StatusCode::BAD_REQUEST, in_interaction(&asked.redirect_uri));
        }
        let said = Said { text: shown, allow, picked: chosen.picked };
        match self.0.app.consent_in(&context(request), uid, cookies.browser(), &said).await {
            Ok(answer) | Err(Failed::Answer(answer)) => send(&self.0, request, &answer),
            Err(Failed::Page(error)) => refusal(&self.0, request, &error),
        }
    }

    /// What is wrong with what was chosen.
    async fn unfit(&self, account: AccountId, details: Option<&Details>, chosen: &Chosen) -> Result<Option<Unfit>, OAuthError> {
        let Some(account) = self.0.app.read::<chancery_core::account::Account>(&account.stream()).await? else { return Ok(None) };
        Ok(self.0.app.enrich(&account, details, &chosen.picked).await.err())
    }

    /// "Not you?": the session of whom the page showed ends, and the same request asks again.
    async fn switch(&self, request: &Request, uid: &str, cookies: &Cookies) -> Result<Shown, Refused> {
        let people = self.0.app.people_in(cookies.browser()).await?;
        let shown = match self.0.app.answering_in(uid, cookies.browser()).await {
            Ok(shown) => shown,
            Err(error) => return refusal(&self.0, request, &error),
        };
        let mut ended = Vec::new();
        if let Some(shown) = shown {
            let context = context(request).as_account(shown.account.id);
            self.0.app.end_session(&context, shown.session.id, SessionEnd::SignedOut).await?;
            ended.push(shown.session.id);
        }
        Ok(Shown::redirect(&format!("/auth/interaction/{uid}"))?.holding(&self.0, cookies, &people.without(&ended)))
    }

    async fn register_page(
        &self,
        request: &Request,
        uid: &str,
        cookies: &Cookies,
        form: &Params,
        problems: Vec<Problem>,
    ) -> Result<Shown, Refused> {
        if !self.0.registration_is_open() {
            return refusal(&self.0, request, &OAuthError::not_found("registration is closed"));
        }
        let (client, asked) = match self.0.app.client_of_interaction(uid, cookies.browser()).await {
            Ok(found) => found,
            Err(error) => return refusal(&self.0, request, &error),
        };
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let page = pages::Register {
            page: page_for(&self.0, request, asked.ui_locales.as_deref()),
            action: format!("/auth/interaction/{uid}/register"),
            csrf: self.form_token(cookies),
            client: Some(name_of(&client)),
            email: form.get("email").unwrap_or_default().to_owned(),
            name: form.get("name").unwrap_or_default().to_owned(),
            password_min: 8,
            problems,
            login_url: Some(format!("/auth/interaction/{uid}")),
        };
        Shown::page(&page, status, in_interaction(&asked.redirect_uri))
    }

    async fn create_account(&self, request: &Request, uid: &str, cookies: &Cookies, form: &Params) -> Result<Shown, Refused> {
        if !self.0.registration_is_open() {
            return refusal(&self.0, request, &OAuthError::not_found("registration is closed"));
        }
        // Before anything is created: an interaction that is over must not leave an account behind.
        if let Err(error) = self.0.app.client_of_interaction(uid, cookies.browser()).await {
            return refusal(&self.0, request, &error);
        }
        let rate = self.0.app.config.rate_limits.account_registrations_per_address;
        if let Err(refused) = self.0.count(REGISTRATIONS, request, rate) {
            return refusal(&self.0, request, &refused.refusal);
        }
        let (email, password) = (form.get("email").unwrap_or_default(), form.get("password").unwrap_or_default());
        let (stated, roles) = (Stated::new(), BTreeSet::new());
        let wanted = Form { email, password, name: form.get("name"), stated, roles, declared: false };
        let context = context(request);
        let account = match self.0.app.register_account(&context, &wanted).await {
            Ok(account) => account,
            Err(NotRegistered::Refused(error)) => return refusal(&self.0, request, &error),
            Err(NotRegistered::Problems(found)) => {
                let problems = found.iter().map(|own| problem(own.field, &own.problem, email, password)).collect();
                return self.register_page(request, uid, cookies, form, problems).await;
            }
        };
        match self.0.app.registered_in(&context, uid, cookies.browser(), account).await {
            Ok(held) => Ok(Shown::redirect(&format!("/auth/interaction/{uid}"))?.holding(&self.0, cookies, &held)),
            Err(error) => refusal(&self.0, request, &error),
        }
    }
}

/// Purpose of the form tokens: one for all forms of an interaction, since each of them is checked by the state anyway.
const PURPOSE: &str = "interaction";

pub(super) fn name_of(client: &Client) -> String {
    client.shown_name().to_owned()
}

/// The rules' sentence as the page's problem, so that it can be translated.
fn problem(field: &str, sentence: &str, email: &str, password: &str) -> Problem {
    match field {
        "email" if email.is_empty() => Problem::EmailMissing,
        "email" if sentence.starts_with("There is an account") => Problem::EmailTaken,
        "email" => Problem::EmailInvalid,
        "password" => Problem::of_password(password),
        _ => Problem::NameInvalid,
    }
}
