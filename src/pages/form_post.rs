//! The answer to a client as a form that sends itself.
//!
//! | Rule | Source |
//! |---|---|
//! | parameters travel as hidden fields of a POST to the redirect_uri | OAuth 2.0 Form Post Response Mode §2 |
//! | a person without scripts has a button | same, §4 |
//!
//! The one page with a script. Its text is fixed, so the policy names it by digest and no other script can run.
//! The form goes to the client: it carries no CSRF token of ours.

use super::link::Link;
use super::{Page, Template};

/// Through the prototype, because a parameter called `submit` would hide the form's own method.
pub const FORM_POST_SCRIPT: &str = "HTMLFormElement.prototype.submit.call(document.forms[0])";

/// The script's source expression for `script-src`, without quotes.
pub const FORM_POST_SCRIPT_SHA256: &str = "sha256-ox4bri+xTrW3kuLTyRoak73QX8KZGuyP3JlQYusbSlA=";

#[derive(Template)]
#[template(path = "form_post.html")]
pub struct FormPost {
    pub page: Page,
    pub redirect_uri: Link,
    pub client: Option<String>,
    /// The response parameters, in the order they are sent.
    pub parameters: Vec<(String, String)>,
}

impl FormPost {
    // Trusted text: a constant of ours, which must reach the page byte for byte.
    const fn script(&self) -> &'static str {
        FORM_POST_SCRIPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::samples;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha256};

    #[test]
    fn csp3_8_4_the_digest_is_that_of_the_text_on_the_page() {
        let html = samples::form_post().render().unwrap();
        let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        assert_eq!(FORM_POST_SCRIPT_SHA256, format!("sha256-{}", STANDARD.encode(Sha256::digest(script.as_bytes()))));
    }
}
