//! The browser endpoints: everything that a person's browser comes to. Parse, hand to the application, show or redirect.
//!
//! | File | Endpoints |
//! |---|---|
//! | `authorize` | `GET` and `POST /oidc/auth`; how an answer leaves for the client |
//! | `interaction` | `/auth/interaction/{uid}`: login, registration, consent |
//! | `logout` | `/oidc/session/end` |
//! | `account`, `account_email`, `sign_in` | `/account` and what is below it; its sign-in, and that of `device` |
//! | `backchannel` | `/account/requests` |
//! | `device` | `/device` |
//! | `home` | `/`, `/assets/{name}` |
//! | `admin`, `admin_audit` | `/admin/audit`: the auditor's pages |
//! | `show` | a page as a response, error pages |
//!
//! These use the plumbing of `http` (forms, cookies, headers); `http` knows nothing of them.

pub mod account;
pub mod account_email;
pub mod admin;
pub mod admin_audit;
pub mod authorize;
pub mod backchannel;
mod choices;
mod choose;
pub mod device;
pub mod home;
pub mod interaction;
pub mod logout;
pub mod show;
mod sign_in;

use chancery_core::details::Details;
use chancery_core::request::Parameters;
use chancery_core::scope::{STANDARD, Scope};
use poem::Request;
use poem_openapi::{OpenApi, Tags};

use crate::app::authorize::Browser;
use crate::http::params::Params;
use crate::http::routes::accounts::{OTHERS, SESSION};
use crate::http::server::Server;
use crate::pages::{Detail, Text};

/// Name of the cookie that binds authorization requests to a browser.
pub const BINDING: &str = "chancery_browser";

/// Name of the cookie that the watching frame reads.
pub const BROWSER_STATE: &str = "chancery_state";

/// The group of the OpenAPI document.
#[derive(Tags)]
pub enum Group {
    /// Where browsers are sent.
    Browser,
}

/// All browser endpoints.
pub fn api(server: &Server) -> impl OpenApi + use<> {
    (
        authorize::Authorize(server.clone()),
        interaction::Interactions(server.clone()),
        logout::Logout(server.clone()),
        account::Account(server.clone()),
        account_email::AccountEmail(server.clone()),
        (device::Device(server.clone()), backchannel::Requests(server.clone())),
        home::Home(server.clone()),
        admin::Admin(server.clone()),
    )
}

/// The cookies of a browser, verified.
pub struct Cookies {
    pub session: Option<String>,
    /// Sessions of the people beside.
    pub others: Option<String>,
    pub binding: Option<String>,
}

impl Cookies {
    pub fn of(server: &Server, request: &Request) -> Self {
        let now = server.app.now().numeric_date();
        let read = |name| server.cookies.get(request.headers(), name, now);
        Self { session: read(SESSION), others: read(OTHERS), binding: read(BINDING) }
    }

    pub fn browser(&self) -> Browser<'_> {
        Browser { session: self.session.as_deref(), others: self.others.as_deref(), binding: self.binding.as_deref() }
    }
}

/// Who you are first, then the rest as the specification lists it, then the client's own.
fn in_reading_order(scope: &Scope) -> Vec<String> {
    let standard = STANDARD.iter().filter(|own| scope.has(own)).map(|own| (*own).to_owned());
    standard.chain(scope.iter().filter(|own| !STANDARD.contains(own)).map(str::to_owned)).collect()
}

/// Authorization details and credentials as a person reads them. Those scopes that stand for credentials are told here, and nowhere else.
fn in_words(server: &Server, (scope, details): (&Scope, Option<&Details>), text: &Text) -> Vec<Detail> {
    let types = &server.app.details;
    let both = details.into_iter().flat_map(|own| types.in_words(own).into_iter().zip(types.sentences(own)));
    let shown = types.credentials.shown(scope, details.map(Details::objects).unwrap_or_default());
    let credentials = shown.iter().map(|own| text.credential(own.name, &own.claims)).map(|words| (words.clone(), words));
    both.chain(credentials).map(|(words, sentence)| Detail { words, sentence }).collect()
}

/// The parameters as the rules want them: one value each.
pub fn parameters(params: &Params) -> Parameters {
    params.single()
}

/// The languages of a request: what the client asked for, else what the browser says.
pub fn locales(request: &Request, ui_locales: Option<&str>) -> String {
    if let Some(wanted) = ui_locales {
        return wanted.to_owned();
    }
    let header = request.headers().get("accept-language").and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Browsers send the most wanted first; weights only matter to lists that nobody writes by hand.
    header.split(',').take(10).filter_map(|one| one.split(';').next()).map(str::trim).collect::<Vec<_>>().join(" ")
}
