//! `/device`: a person types the code that a device shows, sees who asks for what, and answers (RFC 8628 §3.3).
//!
//! | Rule | Source |
//! |---|---|
//! | only who is signed in may try codes: a guess has a name | RFC 8628 §5.1 |
//! | guesses are limited by address, by account and altogether | RFC 8628 §5.1 |
//! | with the code in the address it is still shown and confirmed | RFC 8628 §3.3.1, §5.4 |
//! | client, scopes and where the request came from are shown | RFC 8628 §5.3, §5.4 |
//! | the answer comes from our own page, in this browser | RFC 6749 §10.12 |

use chancery_core::digest::Digest;
use chancery_core::error::{Code, OAuthError};
use chancery_core::polled::wishes::Unfit;
use poem::Request;
use poem::http::StatusCode;
use poem_openapi::{Object, OpenApi};

use super::account::{Account, SignInForm, own_forms};
use super::choices::Chosen;
use super::interaction::name_of;
use super::show::{Shown, page_for, refusal};
use super::{Cookies, Group, in_reading_order, in_words};
use crate::app::clock::rfc3339;
use crate::app::details::Said;
use crate::app::device::Waiting;
use crate::app::guesses::NoGuess;
use crate::app::sessions::Current;
use crate::http::csrf::is_same_origin;
use crate::http::error::Refused;
use crate::http::form::{StrictForm, StrictQuery};
use crate::http::params::Params;
use crate::http::server::{Server, context};
use crate::pages::account::device as browser_of;
use crate::pages::{self, Link, Problem};

/// Purpose of the form token.
const PURPOSE: &str = "device";
/// Purpose of the limit on guesses of an address.
const GUESSES: &str = "user_code";

pub struct Device(pub Server);

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct TypedCode {
    /// The code that the device shows.
    user_code: Option<String>,
    /// What was just answered; makes the page say so.
    done: Option<String>,
}

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct DeviceForm {
    csrf: Option<String>,
    user_code: Option<String>,
    /// What of the authorization details was chosen: `choice-N`, or `choice-N.ID` for each of several.
    #[oai(rename = "choice-0")]
    choice: Option<String>,
    /// allow or deny.
    decision: Option<String>,
}

#[OpenApi(tag = "Group::Browser")]
impl Device {
    /// Connect a device
    #[oai(path = "/device", method = "get", operation_id = "device")]
    async fn show(&self, request: &Request, query: StrictQuery<TypedCode>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let typed = query.params.get("user_code").unwrap_or_default();
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else {
            return self.sign_in_page(request, &cookies, typed);
        };
        match query.params.get("done") {
            Some(word @ ("allowed" | "denied")) => return self.done_page(request, word == "allowed"),
            _ if typed.is_empty() => return self.code_page(request, String::new(), Vec::new()),
            _ => {}
        }
        match self.find(request, typed, &current).await {
            Ok(waiting) => match waiting.check_login(&current, self.0.app.now()) {
                Ok(()) => self.confirm_page(request, &cookies, &waiting, &current).await,
                // RFC 9470, OpenID Connect Core 1.0 §3.1.2.1: the password again, or whoever is meant.
                Err(Unfit::SignIn) => self.sign_in_page(request, &cookies, typed),
                Err(other) => refusal(&self.0, request, &other.into()),
            },
            Err(refused) => self.refused_page(request, typed, refused),
        }
    }

    /// Sign in to connect a device
    #[oai(path = "/device/sign-in", method = "post", operation_id = "deviceSignIn")]
    async fn sign_in(&self, request: &Request, query: StrictQuery<TypedCode>, form: StrictForm<SignInForm>) -> Result<Shown, Refused> {
        let typed = query.params.get("user_code").unwrap_or_default();
        let (action, then) = (self.address("/device/sign-in", typed), self.address("/device", typed));
        Account(self.0.clone()).enter(request, &form.params, &action, &then).await
    }

    /// Allow or deny
    #[oai(path = "/device", method = "post", operation_id = "deviceForm")]
    async fn submit(&self, request: &Request, form: StrictForm<DeviceForm>) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        let typed = form.params.get("user_code").unwrap_or_default();
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else {
            return Shown::redirect(&self.address("/device", typed));
        };
        if let Err(error) = self.check_form(request, &cookies, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let allow = match form.params.get("decision") {
            Some("allow") => true,
            Some("deny") => false,
            _ => return refusal(&self.0, request, &OAuthError::invalid_request("unknown decision")),
        };
        let waiting = match self.find(request, typed, &current).await {
            Ok(waiting) => waiting,
            Err(refused) => return self.refused_page(request, typed, refused),
        };
        let chosen = Chosen::of(&form.params);
        let page = self.page_of(request, &cookies, &waiting, &current, &chosen).await?;
        if let Err(unfit) = self.0.app.enrich(&current.account, waiting.details.as_ref(), &chosen.picked).await
            && allow
        {
            let chosen = match chosen.wrong(unfit) {
                Ok(chosen) => chosen,
                Err(error) => return refusal(&self.0, request, &error),
            };
            let page = self.page_of(request, &cookies, &waiting, &current, &chosen).await?;
            return Shown::page(&page, StatusCode::BAD_REQUEST, own_forms());
        }
        let said = Said { text: Digest::of(page.consent_text().as_bytes()), allow, picked: chosen.picked };
        match self.0.app.answer_device(&context(request), &waiting, &current, &said).await {
            Ok(()) => Shown::redirect(if allow { "/device?done=allowed" } else { "/device?done=denied" }),
            // Too old by now: the page asks for another sign-in.
            Err(error) if error.code == Code::LoginRequired => Shown::redirect(&self.address("/device", typed)),
            Err(error) => refusal(&self.0, request, &error),
        }
    }
}

impl Device {
    /// A path with the code that somebody has typed already. What is no code does not come along.
    fn address(&self, path: &str, typed: &str) -> String {
        let form = &self.0.app.config.user_codes;
        match form.normalise(typed) {
            Some(code) => format!("{path}?user_code={}", form.shown(&code).replace(' ', "%20")),
            None => path.to_owned(),
        }
    }

    fn sign_in_page(&self, request: &Request, cookies: &Cookies, typed: &str) -> Result<Shown, Refused> {
        let action = self.address("/device/sign-in", typed);
        Account(self.0.clone()).sign_in_page(request, cookies, &action, String::new(), Vec::new())
    }

    /// The request behind a code, within the limits on guesses. Success costs nothing.
    async fn find(&self, request: &Request, typed: &str, current: &Current) -> Result<Waiting, Refused> {
        let (server, rate) = (&self.0, self.0.app.config.rate_limits.user_code_failures_per_address);
        server.check_limit(GUESSES, request, rate)?;
        server.app.device_of(&context(request), typed, current).await.map_err(|why| match why {
            NoGuess::TooMany { seconds } => Refused::from(OAuthError::slow_down("rate limit of user codes")).retry_after(seconds),
            NoGuess::Refused(error) => {
                if error.code == Code::NotFound {
                    // The answer stays the same; the next one may be 429.
                    let _ = server.count(GUESSES, request, rate);
                }
                Refused::from(error)
            }
        })
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

    fn code_page(&self, request: &Request, typed: String, problems: Vec<Problem>) -> Result<Shown, Refused> {
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let page = pages::device::Enter { page: page_for(&self.0, request, None), typed, problems };
        Shown::page(&page, status, own_forms())
    }

    fn refused_page(&self, request: &Request, typed: &str, refused: Refused) -> Result<Shown, Refused> {
        let problem = match refused.refusal.code {
            Code::NotFound => Problem::UserCodeUnknown,
            Code::SlowDown => Problem::TooManyAttempts { wait_seconds: refused.retry_after.unwrap_or(60) },
            _ => return refusal(&self.0, request, &refused.refusal),
        };
        // What was typed stays, as far as it can have been a code.
        let typed = typed.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | ' ')).take(32).collect();
        self.code_page(request, typed, vec![problem])
    }

    async fn confirm_page(&self, request: &Request, cookies: &Cookies, waiting: &Waiting, current: &Current) -> Result<Shown, Refused> {
        let page = self.page_of(request, cookies, waiting, current, &Chosen::default()).await?;
        Shown::page(&page, StatusCode::OK, own_forms())
    }

    async fn page_of(
        &self,
        request: &Request,
        cookies: &Cookies,
        waiting: &Waiting,
        current: &Current,
        chosen: &Chosen,
    ) -> Result<pages::device::Confirm, Refused> {
        let metadata = &waiting.client.metadata;
        let (agent, from) = (waiting.seen.user_agent.as_deref(), waiting.seen.address.as_deref());
        let page = page_for(&self.0, request, waiting.device.wishes.ui_locales.as_deref());
        let scope = &waiting.scope_for(current);
        let offered = self.0.app.offer(&current.account, waiting.details.as_ref()).await?;
        Ok(pages::device::Confirm {
            details: in_words(&self.0, (scope, offered.details.as_ref()), page.text),
            choices: chosen.shown(&offered, page.text),
            problems: chosen.problems.clone(),
            page,
            csrf: self.0.forms.form_token(cookies.session.as_deref().unwrap_or_default(), PURPOSE),
            client: name_of(&waiting.client),
            user_code: waiting.user_code.clone(),
            scopes: in_reading_order(&self.0.app.details.credentials.without_scopes(scope)),
            from: browser_of(agent, from),
            at: rfc3339(waiting.device.requested_at.0),
            account: self.0.app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default(),
            policy_uri: metadata.policy_uri.as_deref().and_then(Link::web),
            tos_uri: metadata.tos_uri.as_deref().and_then(Link::web),
        })
    }

    fn done_page(&self, request: &Request, allowed: bool) -> Result<Shown, Refused> {
        let page = pages::device::Answered { page: page_for(&self.0, request, None), allowed };
        Shown::page(&page, StatusCode::OK, own_forms())
    }
}
