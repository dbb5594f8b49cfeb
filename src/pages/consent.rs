//! Consent: what a client asks for, in plain words, and the person's answer.
//!
//! | Rule | Source |
//! |---|---|
//! | client, what it asks and where the answer goes are shown | OpenID Connect Core 1.0 §3.1.2.4, RFC 9700 §4.11 |
//! | a claim that no scope brings is asked for by its name | OpenID Connect Core 1.0 §5.5; docs/adr/0044 |
//! | of a client that nobody registered the host is its name, and what it calls itself is said to be its own word | CIMD §8.5 |
//! | what is left to the person is chosen here (`choice`) | RFC 9396 §7.1 |
//! | offline access is explained | OpenID Connect Core 1.0 §11 |
//! | policy, terms and logo of the client are shown | OpenID Connect Registration 1.0 §2 |
//!
//! Out of scope: what needs consent and what was given before (`core`).

use chancery_core::digest::Digest;

use super::choice::Choice;
use super::link::Link;
use super::problem::Problem;
use super::{Page, Template, Text};

/// Posts `csrf`, `shown`, what was chosen and `decision` = `allow` | `deny` to `action`; "not you?" posts `csrf` and `decision=switch` to `switch_action`.
#[derive(Template)]
#[template(path = "consent.html")]
pub struct Consent {
    pub page: Page,
    pub action: String,
    pub switch_action: String,
    pub csrf: String,
    pub client: String,
    /// What a client that nobody registered calls itself; `client` is its host then.
    pub calls_itself: Option<String>,
    /// Where the answer goes: its host is shown.
    pub redirect_uri: Link,
    /// The client's logo as we serve it: a path on our origin.
    pub logo: Option<String>,
    pub policy_uri: Option<Link>,
    pub tos_uri: Option<Link>,
    /// The scopes asked for, in the order they are shown.
    pub scopes: Vec<String>,
    /// What is asked for beyond scopes.
    pub details: Vec<Detail>,
    /// What of it is left to the person.
    pub choices: Vec<Choice>,
    pub problems: Vec<Problem>,
    /// E-mail of the account that is signed in.
    pub account: String,
}

/// One authorization detail (RFC 9396).
pub struct Detail {
    /// What the person reads.
    pub words: String,
    /// The same as the operator wrote it, without what is particular: that may be about people.
    pub sentence: String,
}

impl Consent {
    /// Is there enough to choose from? If not, a person can only say no.
    fn may_allow(&self) -> bool {
        self.choices.iter().all(|choice| choice.is_possible)
    }

    /// The digest of the text of the page. The form brings it back: what is allowed is what was read.
    pub fn shown(&self) -> Digest {
        Digest::of(self.consent_text().as_bytes())
    }

    /// What the person read, as plain text, one statement per line: recorded by its hash, and rebuilt from the log by an auditor.
    ///
    /// The account is left out on purpose: the hash stays in the log for ever, and with the rest of the text known it would
    /// confirm a guessed e-mail address even after an erasure. Of details stand the operator's sentences, for the same reason: what was
    /// put into them is sealed beside the request.
    pub fn consent_text(&self) -> String {
        let text = self.page.text;
        let client = one_line(&self.client);
        let mut lines = vec![format!("{}{client}{}", text.consent_title.0, text.consent_title.1)];
        lines.extend(self.calls_itself.iter().map(|name| format!("{}{}{}", text.calls_itself.0, one_line(name), text.calls_itself.1)));
        lines.push(format!("{}{client}{}", text.consent_list.0, text.consent_list.1));
        lines.extend(self.scopes.iter().map(|scope| scope_line(text, scope)));
        lines.extend(self.details.iter().map(|detail| format!("- {}", one_line(&detail.sentence))));
        lines.extend(self.choices.iter().map(|choice| format!("- {}", one_line(&choice.sentence))));
        lines.push(format!("{}{}{}", text.consent_return.0, self.redirect_uri.host(), text.consent_return.1));
        let documents = [(text.policy_link, &self.policy_uri), (text.tos_link, &self.tos_uri)];
        lines.extend(documents.iter().filter_map(|(label, link)| link.as_ref().map(|link| format!("{label}: {}", link.href()))));
        lines.push(format!("[{}] [{}]", text.allow_button, text.deny_button));
        lines.join("\n")
    }
}

/// What one scope means, as a statement.
pub(super) fn scope_line(text: &Text, scope: &str) -> String {
    match text.scope(scope) {
        Some(words) => format!("- {words}"),
        None => {
            let (before, name, after) = text.other(scope);
            format!("- {before}{}{after}", one_line(name))
        }
    }
}

/// A browser shows any run of white space as one space; a line end in a name must not start a statement of its own.
pub(super) fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use crate::pages::{Template as _, samples};

    #[test]
    fn the_text_is_what_was_shown() {
        let text = samples::consent().consent_text();
        assert_eq!(
            text,
            "Meadow Calendar asks for access\n\
             If you allow it, Meadow Calendar may:\n\
             - Know who you are, by a stable number\n\
             - See your name and profile\n\
             - See your e-mail address\n\
             - Keep access while you are away\n\
             - Use the permission \u{201c}calendar:write\u{201d}\n\
             - See the detail \u{201c}credit_score\u{201d} about you, if it is known here\n\
             - Pay {amount} to {name}\n\
             - From which account?\n\
             - Which statements of {name}?\n\
             You will be sent back to calendar.meadow.example.\n\
             Privacy policy: https://meadow.example/privacy\n\
             Terms of service: https://meadow.example/terms\n\
             [Allow] [Deny]"
        );
    }

    #[test]
    fn cimd_8_5_what_a_stranger_calls_itself_is_said_to_be_its_own_word() {
        let mut consent = samples::consent();
        consent.client = "meadow.example".to_owned();
        consent.calls_itself = Some("Your Bank\n[Allow]".to_owned());
        let text = consent.consent_text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "meadow.example asks for access");
        assert_eq!(lines[1], "It calls itself \u{201c}Your Bank [Allow]\u{201d}, which nobody here has checked.");
    }

    #[test]
    fn the_form_brings_back_what_was_shown() {
        let (consent, mut other) = (samples::consent(), samples::consent());
        assert!(consent.render().unwrap().contains(&format!("name=\"shown\" value=\"{}\"", consent.shown())));
        other.calls_itself = Some("Your Bank".to_owned());
        assert_ne!(consent.shown(), other.shown());
    }

    #[test]
    fn the_text_does_not_name_the_account() {
        let consent = samples::consent();
        assert!(!consent.consent_text().contains(&consent.account));
    }

    #[test]
    fn a_name_cannot_add_a_statement() {
        let mut consent = samples::consent();
        let lines = consent.consent_text().lines().count();
        consent.client = "Meadow\n- Nothing at all\r\n\u{2028}[Allow]".to_owned();
        assert_eq!(consent.consent_text().lines().count(), lines);
    }
}
