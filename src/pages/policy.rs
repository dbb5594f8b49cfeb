//! The Content-Security-Policy of a page.
//!
//! | Rule | Source |
//! |---|---|
//! | nothing is allowed that is not named | CSP 3 §6.1.3 `default-src` |
//! | no page may stand in a frame | RFC 9700 §4.16 |
//! | forms go to us, and inside an interaction on to the client | CSP 3 §6.5.1: Chromium applies `form-action` to each redirect hop |
//! | the one script that exists is named by its digest | CSP 3 §8.4 |
//!
//! Out of scope: the other security headers (`http`).

use super::form_post::FORM_POST_SCRIPT_SHA256;
use super::link::Link;
use std::fmt;

/// The header's value by `to_string()`.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    form_targets: Vec<String>,
    form_post: bool,
}

impl Policy {
    /// For every page that has no reason to differ.
    pub fn strict() -> Self {
        Self::default()
    }

    /// For a page of an interaction: its form may end in a redirect to this client.
    #[must_use]
    pub fn and_form_to(mut self, redirect_uri: &Link) -> Self {
        self.form_targets.push(redirect_uri.csp_source().to_owned());
        self
    }

    /// For the `form_post` page alone.
    #[must_use]
    pub fn with_form_post_script(mut self) -> Self {
        self.form_post = true;
        self
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("default-src 'none'; style-src 'self'; img-src 'self'; ")?;
        if self.form_post {
            write!(f, "script-src '{FORM_POST_SCRIPT_SHA256}'; ")?;
        }
        f.write_str("form-action 'self'")?;
        for target in &self.form_targets {
            write!(f, " {target}")?;
        }
        f.write_str("; base-uri 'none'; frame-ancestors 'none'")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_do_nothing_by_default() {
        assert_eq!(
            Policy::strict().to_string(),
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        );
    }

    #[test]
    fn the_client_and_the_script_are_named() {
        let client = Link::redirect("https://app.example:8443/cb").unwrap();
        let policy = Policy::strict().and_form_to(&client).with_form_post_script().to_string();
        assert!(policy.contains("form-action 'self' https://app.example:8443;"), "{policy}");
        assert!(policy.contains(&format!("script-src '{FORM_POST_SCRIPT_SHA256}';")), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
