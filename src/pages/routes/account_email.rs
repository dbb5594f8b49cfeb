//! `/account/email`: another e-mail address, with the password.
//!
//! | Rule | Source |
//! |---|---|
//! | only with the password, under the limits of a sign-in | OWASP ASVS 5.0 §6.2.3 |
//! | what was typed stays, except the password | WCAG 2.2 §3.3.7 |

use poem::Request;
use poem::http::StatusCode;
use poem_openapi::{Object, OpenApi};

use super::account::{Account, PURPOSE, done, not_proven, own_forms};
use super::show::{Shown, page_for, refusal};
use super::{Cookies, Group};
use crate::app::claims::NotChanged;
use crate::http::error::Refused;
use crate::http::form::StrictForm;
use crate::http::server::{Server, context};
use crate::pages::text::account::Done;
use crate::pages::{Problem, account};

pub struct AccountEmail(pub Server);

#[derive(Object)]
#[allow(dead_code)] // read through the raw parameters; the fields are the schema
struct EmailForm {
    csrf: Option<String>,
    /// The new address.
    email: Option<String>,
    /// The password.
    current: Option<String>,
}

#[OpenApi(tag = "Group::Browser")]
impl AccountEmail {
    /// The form for another e-mail address
    #[oai(path = "/account/email", method = "get", operation_id = "accountEmail")]
    async fn email(&self, request: &Request) -> Result<Shown, Refused> {
        let cookies = Cookies::of(&self.0, request);
        if self.0.app.session_of(cookies.session.as_deref()).await?.is_none() {
            return Shown::redirect("/account");
        }
        self.email_page(request, &cookies, String::new(), Vec::new())
    }

    /// Change the e-mail address
    #[oai(path = "/account/email", method = "post", operation_id = "accountEmailForm")]
    async fn change_email(&self, request: &Request, form: StrictForm<EmailForm>) -> Result<Shown, Refused> {
        let (cookies, account) = (Cookies::of(&self.0, request), Account(self.0.clone()));
        let Some(current) = self.0.app.session_of(cookies.session.as_deref()).await? else { return Shown::redirect("/account") };
        if let Err(error) = account.check_form(request, cookies.session.as_deref(), PURPOSE, &form.params) {
            return refusal(&self.0, request, &error);
        }
        let (email, password) = (form.params.get("email").unwrap_or_default(), form.params.get("current").unwrap_or_default());
        let wrong = |problem| self.email_page(request, &cookies, email.to_owned(), vec![problem]);
        if password.is_empty() {
            return wrong(Problem::CurrentPasswordWrong);
        }
        let before = self.0.app.unseal_optional(current.account.email.as_ref()).await?.unwrap_or_default();
        let proven = match account.prove(request, &before, password).await {
            Ok(proven) => proven,
            Err(error) => match not_proven(&error, Problem::CurrentPasswordWrong) {
                Some(problem) => return wrong(problem),
                None => return refusal(&self.0, request, &error),
            },
        };
        let context = context(request).as_account(current.account.id);
        match self.0.app.change_email(&context, &current.account, &proven, email).await {
            Ok(true) => done(Done::EmailChanged),
            Ok(false) => done(Done::NothingChanged),
            Err(NotChanged::Refused(error)) => refusal(&self.0, request, &error),
            Err(NotChanged::Problems(found)) => wrong(match found.first() {
                Some(own) if own.problem.starts_with("There is an account") => Problem::EmailTaken,
                _ if email.trim().is_empty() => Problem::EmailMissing,
                _ => Problem::EmailInvalid,
            }),
        }
    }
}

impl AccountEmail {
    fn email_page(&self, request: &Request, cookies: &Cookies, email: String, problems: Vec<Problem>) -> Result<Shown, Refused> {
        let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        let csrf = self.0.forms.form_token(cookies.session.as_deref().unwrap_or_default(), PURPOSE);
        let page = account::Email { page: page_for(&self.0, request, None), csrf, email, problems };
        Shown::page(&page, status, own_forms())
    }
}
