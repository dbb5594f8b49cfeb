//! The example client before the login.

use crate::pages::{Page, Template};

#[derive(Template)]
#[template(path = "demo/start.html")]
pub struct DemoStart {
    pub page: Page,
    /// Where the example client begins the code flow.
    pub login_url: String,
    /// What went wrong last time, if anything: `error` and `error_description`.
    pub problem: Option<(String, String)>,
}
