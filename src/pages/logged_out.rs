//! The end of a session, when there is no client to return to or the person should choose to return.

use super::link::Link;
use super::{Page, Template};

#[derive(Template)]
#[template(path = "logged_out.html")]
pub struct LoggedOut {
    pub page: Page,
    /// The client's `post_logout_redirect_uri`, once verified.
    pub return_to: Option<Link>,
    /// Go there without a click, after the frames had their time.
    pub goes_on: bool,
    /// What the frames load: clients that are told through the browser.
    pub frames: Vec<Link>,
}
