//! A sign-in outside of any interaction: for `/account`, and for `/device`.
//!
//! | Rule | Source |
//! |---|---|
//! | the form carries a token bound to this browser | RFC 6749 §10.12, RFC 9700 §4.7 |
//! | the limits of every other sign-in | our own |
//! | the address stays typed, the password does not | WCAG 2.2 §3.3.7 |

use poem::Request;
use poem::http::StatusCode;

use super::account::{Account, not_proven, own_forms};
use super::authorize::BINDING_SECONDS;
use super::show::{Shown, page_for, refusal};
use super::{BINDING, Cookies};
use crate::http::error::Refused;
use crate::http::params::Params;
use crate::http::server::context;
use crate::pages::{self, Problem};

/// Purpose of the form token.
const SIGN_IN: &str = "account sign-in";

impl Account {
    /// The form of a sign-in page was sent to `action`; whoever proves a password goes on at `then`, a path of ours.
    pub(super) async fn enter(&self, request: &Request, form: &Params, action: &str, then: &str) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        if let Err(error) = self.check_form(request, cookies.binding.as_deref(), SIGN_IN, form) {
            return refusal(&self.0, request, &error);
        }
        let (login, password) = (form.get("login").unwrap_or_default(), form.get("password").unwrap_or_default());
        let mut problems = Vec::new();
        if login.trim().is_empty() {
            problems.push(Problem::LoginMissing);
        }
        if password.is_empty() {
            problems.push(Problem::PasswordMissing);
        }
        if problems.is_empty() {
            match self.prove(request, login, password).await {
                Ok(proven) => {
                    let held = self.0.app.sign_in(&context(request), &proven, cookies.browser()).await?;
                    return Ok(Shown::redirect(then)?.holding(&self.0, &cookies, &held));
                }
                Err(error) => match not_proven(&error, Problem::WrongCredentials) {
                    Some(problem) => problems.push(problem),
                    None => return refusal(&self.0, request, &error),
                },
            }
        }
        self.sign_in_page(request, &cookies, action, login.to_owned(), problems)
    }

    /// A page to sign in, whose form goes to `action`.
    pub(super) fn sign_in_page(
        &self,
        request: &Request,
        cookies: &Cookies,
        action: &str,
        login: String,
        problems: Vec<Problem>,
    ) -> Result<Shown, Refused> {
        let fresh = cookies.binding.is_none().then(|| self.0.app.browser_binding());
        let binding = cookies.binding.as_deref().or(fresh.as_deref()).unwrap_or_default();
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let page = pages::Login {
            page: page_for(&self.0, request, None),
            action: action.to_owned(),
            csrf: self.0.forms.form_token(binding, SIGN_IN),
            client: None,
            login,
            problems,
            register_url: None,
        };
        let now = self.0.app.now().numeric_date();
        let cookie = fresh.and_then(|text| self.0.cookies.set(BINDING, &text, now, now + BINDING_SECONDS));
        Ok(Shown::page(&page, status, own_forms())?.with_cookie(cookie))
    }
}
