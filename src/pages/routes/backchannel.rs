//! `/account/requests`: a person sees what clients ask on the back channel, and answers (CIBA Core §8).
//!
//! | Rule | Source |
//! |---|---|
//! | only the person who is asked sees and answers it | CIBA Core §8 |
//! | a code of the person's own keeps clients away that do not know it; it is set with the password | CIBA Core §7.1; our own |
//! | the answer comes from our own page, in this browser | RFC 6749 §10.12 |
//! | after the answer the browser is redirected: no form is sent twice by reload | RFC 9700 §4.12 |

use chancery_core::account::request_code::is_acceptable;
use chancery_core::digest::Digest;
use chancery_core::error::{Code, OAuthError};
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::{Object, OpenApi};

use super::account::{Account, SignInForm, not_proven, own_forms};
use super::choices::Chosen;
use super::interaction::name_of;
use super::show::{Shown, page_for, refusal};
use super::{Cookies, Group, in_reading_order, in_words};
use crate::app::backchannel::{Answering, Waiting};
use crate::app::clock::rfc3339;
use crate::app::details::Said;
use crate::app::sessions::Current;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::form::{StrictForm, StrictQuery};
use crate::http::params::Params;
use crate::http::server::{Server, context};
use crate::pages::{self, Link, Problem};

/// Purpose of the form token.
const PURPOSE: &str = "backchannel";
const HERE: &str = "/account/requests";
const SIGN_IN: &str = "/account/requests/sign-in";

pub struct Requests(pub Server);

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct JustDone {
    /// What was just answered; makes the page say so.
    done: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct AnswerForm {
    csrf: Option<String>,
    /// The id of the request.
    request: Option<String>,
    /// allow or deny.
    decision: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct CodeForm {
    csrf: Option<String>,
    /// The password.
    current: Option<String>,
    /// The code, of 6 to 64 characters.
    user_code: Option<String>,
    /// set or remove.
    action: Option<String>,
}

#[OpenApi(tag = "Group::Browser")]
impl Requests {
    /// What clients ask the person
    #[oai(path = "/account/requests", method = "get", operation_id = "requests")]
    async fn show(&self, request: &Request, query: StrictQuery<JustDone>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else {
            return Account(self.0.clone()).sign_in_page(request, &cookies, SIGN_IN, String::new(), Vec::new());
        };
        match self.0.app.next_backchannel(&current).await? {
            // The password again: who signed in long ago may be somebody else by now (OpenID Connect Core 1.0 §3.1.2.1).
            Some((waiting, _)) if waiting.check_login(&current, self.0.app.now()).is_err() => {
                Account(self.0.clone()).sign_in_page(request, &cookies, SIGN_IN, String::new(), Vec::new())
            }
            Some((waiting, more)) => Shown::page(
                &self.page_of(request, &cookies, (&waiting, more > 0), &current, &Chosen::default()).await?,
                StatusCode::OK,
                own_forms(),
            ),
            None => {
                let answered = match query.params.get("done") {
                    Some("allowed") => Some(true),
                    Some("denied") => Some(false),
                    _ => None,
                };
                Shown::page(&pages::backchannel::Nothing { page: page_for(&self.0, request, None), answered }, StatusCode::OK, own_forms())
            }
        }
    }

    /// The form for the code without which nobody may ask
    #[oai(path = "/account/requests/code", method = "get", operation_id = "requestsCode")]
    async fn code(&self, request: &Request, query: StrictQuery<JustDone>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect(HERE) };
        let done = match query.params.get("done") {
            Some("set") => Some(true),
            Some("removed") => Some(false),
            _ => None,
        };
        self.code_page(request, &cookies, &current, done, Vec::new())
    }

    /// Set the code, or remove it
    #[oai(path = "/account/requests/code", method = "post", operation_id = "requestsCodeForm")]
    async fn change_code(&self, request: &Request, form: StrictForm<CodeForm>) -> Result<Shown, Refused> {
        let (cookies, account) = (Cookies::of(&self.0, request), Account(self.0.clone()));
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect(HERE) };
        if let Err(error) = account.check_form(request, cookies.session.as_deref(), PURPOSE, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let wrong = |problem| self.code_page(request, &cookies, &current, None, vec![problem]);
        let code = match form.params.get("action") {
            Some("remove") => None,
            Some("set") => Some(form.params.get("user_code").unwrap_or_default()),
            _ => return refusal(&self.0, request, &OAuthError::invalid_request("unknown action")),
        };
        if code.is_some_and(|code| !is_acceptable(code)) {
            return wrong(Problem::RequestCodeUnfit);
        }
        let password = form.params.get("current").unwrap_or_default();
        if password.is_empty() {
            return wrong(Problem::CurrentPasswordWrong);
        }
        let email = self.0.app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default();
        let proven = match account.prove(request, &email, password).await {
            Ok(proven) => proven,
            Err(error) => match not_proven(&error, Problem::CurrentPasswordWrong) {
                Some(problem) => return wrong(problem),
                None => return refusal(&self.0, request, &error),
            },
        };
        let context = context(request).as_account(current.account.id);
        match self.0.app.choose_request_code(&context, &proven, code).await {
            Ok(()) => {
                Shown::redirect(if code.is_some() { "/account/requests/code?done=set" } else { "/account/requests/code?done=removed" })
            }
            Err(error) => refusal(&self.0, request, &error),
        }
    }

    /// Sign in to answer
    #[oai(path = "/account/requests/sign-in", method = "post", operation_id = "requestsSignIn")]
    async fn sign_in(&self, request: &Request, form: StrictForm<SignInForm>) -> Result<Shown, Refused> {
        Account(self.0.clone()).enter(request, &form.params, SIGN_IN, HERE).await
    }

    /// Allow or deny
    #[oai(path = "/account/requests", method = "post", operation_id = "requestsForm")]
    async fn submit(&self, request: &Request, form: StrictForm<AnswerForm>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect(HERE) };
        if let Err(error) = self.check_form(request, &cookies, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let allow = match form.params.get("decision") {
            Some("allow") => true,
            Some("deny") => false,
            _ => return refusal(&self.0, request, &OAuthError::invalid_request("unknown decision")),
        };
        let named = form.params.get("request").unwrap_or_default();
        let Some(waiting) = self.0.app.backchannel_of(named, &current).await? else {
            return refusal(&self.0, request, &OAuthError::invalid_request("over").saying("This request is over."));
        };
        let chosen = Chosen::of(&form.params);
        let page = self.page_of(request, &cookies, (&waiting, false), &current, &chosen).await?;
        if let Err(unfit) = self.0.app.enrich(&current.account, waiting.details.as_ref(), &chosen.picked).await
            && allow
        {
            let chosen = match chosen.wrong(unfit) {
                Ok(chosen) => chosen,
                Err(error) => return refusal(&self.0, request, &error),
            };
            let page = self.page_of(request, &cookies, (&waiting, false), &current, &chosen).await?;
            return Shown::page(&page, StatusCode::BAD_REQUEST, own_forms());
        }
        let said = Said { text: Digest::of(page.consent_text().as_bytes()), allow, picked: chosen.picked };
        let answering = Answering { waiting: &waiting, current: &current, device: None };
        match self.0.app.answer_backchannel(&context(request), &answering, &said).await {
            Ok(()) => Shown::redirect(if allow { "/account/requests?done=allowed" } else { "/account/requests?done=denied" }),
            // Too old by now: the page asks for another sign-in.
            Err(error) if error.code == Code::LoginRequired => Shown::redirect(HERE),
            Err(error) => refusal(&self.0, request, &error),
        }
    }
}

impl Requests {
    fn code_page(
        &self,
        request: &Request,
        cookies: &Cookies,
        current: &Current,
        done: Option<bool>,
        problems: Vec<Problem>,
    ) -> Result<Shown, Refused> {
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let csrf = self.0.forms.form_token(cookies.session.as_deref().unwrap_or_default(), PURPOSE);
        let is_there = current.account.request_code.is_some();
        let page = pages::backchannel::Code { page: page_for(&self.0, request, None), csrf, is_there, done, problems };
        Shown::page(&page, status, own_forms())
    }

    /// RFC 6749 §10.12: our own page, in this browser.
    fn check_form(&self, request: &Request, cookies: &Cookies, form: &Params) -> Result<(), OAuthError> {
        let sent = form.get("csrf").unwrap_or_default();
        let ours = is_same_origin(request.headers(), self.0.app.config.issuer.origin())
            && cookies.session.as_deref().is_some_and(|cookie| self.0.forms.is_form_token(sent, cookie, PURPOSE));
        if ours {
            return Ok(());
        }
        Err(OAuthError::access_denied("form token").saying("The form was not made for this browser or is too old; load the page again."))
    }

    async fn page_of(
        &self,
        request: &Request,
        cookies: &Cookies,
        (waiting, more): (&Waiting, bool),
        current: &Current,
        chosen: &Chosen,
    ) -> Result<pages::backchannel::Confirm, Refused> {
        let metadata = &waiting.client.metadata;
        let page = page_for(&self.0, request, waiting.request.wishes.ui_locales.as_deref());
        let scope = &waiting.scope_for(current);
        let offered = self.0.app.offer(&current.account, waiting.details.as_ref()).await?;
        Ok(pages::backchannel::Confirm {
            details: in_words(&self.0, (scope, offered.details.as_ref()), page.text),
            choices: chosen.shown(&offered, page.text),
            problems: chosen.problems.clone(),
            page,
            csrf: self.0.forms.form_token(cookies.session.as_deref().unwrap_or_default(), PURPOSE),
            request: waiting.request.id.to_string(),
            client: name_of(&waiting.client),
            scopes: in_reading_order(scope),
            binding_message: waiting.binding_message.clone(),
            at: rfc3339(waiting.request.requested_at.0),
            account: self.0.app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default(),
            more,
            policy_uri: metadata.policy_uri.as_deref().and_then(Link::web),
            tos_uri: metadata.tos_uri.as_deref().and_then(Link::web),
        })
    }
}
