//! Sign-out: asked before it is done, so that no other page can sign a person out unseen.
//!
//! | Rule | Source |
//! |---|---|
//! | it says who is signed out and who is not; everybody in the browser by a button of their own | our own |
//! | the person is asked whether to sign out | OpenID Connect RP-Initiated Logout 1.0 §2, §6 |

use super::{Page, Template};

/// Posts `csrf`, `logout` = `yes` | `all` | `no` and the hidden fields to `action`.
#[derive(Template)]
#[template(path = "logout.html")]
pub struct Logout {
    pub page: Page,
    pub action: String,
    pub csrf: String,
    /// Name of the client that asks; `None` when the person came by themselves.
    pub client: Option<String>,
    /// E-mail of the account that is signed out.
    pub account: Option<String>,
    /// E-mail of the others who are signed in in this browser.
    pub beside: Vec<String>,
    /// Parameters of the request to carry over: name and value.
    pub hidden: Vec<(String, String)>,
}
