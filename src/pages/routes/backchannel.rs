//! `/account/requests`: a person sees what clients ask on the back channel, and answers (CIBA Core §8).
//!
//! | Rule | Source |
//! |---|---|
//! | only the person who is asked sees and answers it | CIBA Core §8 |
//! | the answer comes from our own page, in this browser | RFC 6749 §10.12 |
//! | after the answer the browser is redirected: no form is sent twice by reload | RFC 9700 §4.12 |

use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::{Object, OpenApi};

use super::account::{Account, own_forms};
use super::interaction::name_of;
use super::show::{Shown, page_for, refusal};
use super::sign_in::SignInForm;
use super::{Cookies, Group, in_reading_order};
use crate::app::backchannel::Waiting;
use crate::app::clock::rfc3339;
use crate::app::sessions::Current;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::form::{StrictForm, StrictQuery};
use crate::http::params::Params;
use crate::http::server::{Server, context};
use crate::pages::{self, Link};

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
            Some((waiting, more)) => {
                Shown::page(&self.page_of(request, &cookies, &waiting, &current, more > 0).await?, StatusCode::OK, own_forms())
            }
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
        let text = self.page_of(request, &cookies, &waiting, &current, false).await?.consent_text();
        match self.0.app.answer_backchannel(&context(request), &waiting, &current, (Digest::of(text.as_bytes()), allow)).await {
            Ok(()) => Shown::redirect(if allow { "/account/requests?done=allowed" } else { "/account/requests?done=denied" }),
            Err(error) => refusal(&self.0, request, &error),
        }
    }
}

impl Requests {
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
        waiting: &Waiting,
        current: &Current,
        more: bool,
    ) -> Result<pages::backchannel::Confirm, Refused> {
        let metadata = &waiting.client.metadata;
        Ok(pages::backchannel::Confirm {
            page: page_for(&self.0, request, None),
            csrf: self.0.forms.form_token(cookies.session.as_deref().unwrap_or_default(), PURPOSE),
            request: waiting.request.id.to_string(),
            client: name_of(&waiting.client),
            scopes: in_reading_order(&waiting.request.scope),
            binding_message: waiting.binding_message.clone(),
            at: rfc3339(waiting.request.requested_at.0),
            account: self.0.app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default(),
            more,
            policy_uri: metadata.policy_uri.as_deref().and_then(Link::web),
            tos_uri: metadata.tos_uri.as_deref().and_then(Link::web),
        })
    }
}
