//! The pages that people see: server-rendered HTML, no JavaScript, pure views.
//!
//! | Room | Page |
//! |---|---|
//! | `login` | e-mail and password |
//! | `choose` | which of those who are signed in |
//! | `register` | a new account |
//! | `consent` | what a client asks for, allow or deny |
//! | `logout`, `logged_out` | leaving |
//! | `error` | what went wrong and what to do |
//! | `home` | `/` |
//! | `account` | `/account`: what a person sees of themselves, and changes |
//! | `backchannel` | `/account/requests`: what clients ask on the back channel |
//! | `device` | `/device`: the code of a device, and the answer |
//! | `form_post` | the answer to a client by `response_mode=form_post` |
//! | `web_message` | the same by `response_mode=web_message`, to another window |
//! | `audit` | the auditor's pages |
//! | `demo` | the example client's own pages |
//! | `layout.html`, `field`, `choice`, `problem` | what the pages have in common |
//! | `routes` | the browser endpoints |
//! | `text` | every sentence, in English and German |
//! | `asset`, `link` | stylesheet and seal, addresses chosen by others |
//! | `policy` | Content-Security-Policy of the example client, which has no server around it |
//!
//! A page is a struct of plain values that derives `Template`; `render()` gives the HTML. Everything that a person or a client
//! supplied is escaped by the template engine, stands in `<bdi>` and may wrap.
//!
//! Out of scope: routes, cookies, CSRF tokens and headers (`http`), which account or client it is (`app`).

pub mod account;
pub mod asset;
pub mod audit;
pub mod backchannel;
pub mod check_session;
pub mod choice;
pub mod choose;
pub mod consent;
pub mod demo;
pub mod device;
pub mod error;
pub mod field;
pub mod form_post;
pub mod home;
pub mod link;
pub mod logged_out;
pub mod login;
pub mod logout;
pub mod policy;
pub mod problem;
pub mod register;
pub mod routes;
pub mod text;
pub mod web_message;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use askama::Template;
pub use asset::{STYLE, style_path};
pub use choose::{Choose, Somebody};
pub use consent::{Consent, Detail};
pub use error::{ErrorPage, Trouble};
pub use form_post::{FORM_POST_SCRIPT_SHA256, FormPost};
pub use home::Home;
pub use link::Link;
pub use logged_out::LoggedOut;
pub use login::Login;
pub use logout::Logout;
pub use policy::Policy;
pub use problem::Problem;
pub use register::Register;
pub use text::Text;

/// What every page has: its language and where it is served from.
#[derive(Clone)]
pub struct Page {
    pub text: &'static Text,
    /// Host (and port) of the issuer, shown in the footer so that people can compare it with their address bar.
    pub host: String,
    /// Shows a note that this server is for development only.
    pub development: bool,
}

impl Page {
    /// Address of the stylesheet.
    pub fn style(&self) -> &'static str {
        asset::style_path()
    }

    /// Address of the seal, which is also the favicon.
    pub fn seal(&self) -> &'static str {
        asset::seal_path()
    }
}
