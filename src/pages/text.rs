//! Every sentence that a page says, in every language it speaks.
//!
//! | Rule | Source |
//! |---|---|
//! | the first language of `ui_locales` that is spoken here is used, else English; never an error | OpenID Connect Core 1.0 §3.1.2.1 |
//! | a wanted tag is shortened from its end until it fits (`de-CH-1901`, `de-CH`, `de`) | RFC 4647 §3.4 |
//! | the page names its language | WCAG 2.2 §3.1.1 |
//!
//! A language is one table in `text/`; a missing sentence does not compile. A pair of texts stands around a name.
//!
//! Out of scope: sentences of the protocol, which are English and for developers (`core::error`).

pub mod account;
pub mod backchannel;
mod de;
pub mod device;
mod en;

use chancery_core::claims::single;

use super::error::Trouble;
use super::problem::Problem;

/// What stands before and after a name.
pub type Around = (&'static str, &'static str);

/// A trouble in a person's words.
pub struct Advice {
    pub title: &'static str,
    pub happened: &'static str,
    pub remedy: &'static str,
}

/// One language.
pub struct Text {
    /// BCP 47 tag for the `lang` attribute.
    pub lang: &'static str,

    pub served_at: Around,
    pub development_note: &'static str,
    pub error_prefix: &'static str,
    pub problems_title: &'static str,
    pub signed_in_as: Around,
    pub return_to: Around,
    pub continue_button: &'static str,

    pub email_label: &'static str,
    pub password_label: &'static str,
    pub name_label: &'static str,

    pub login_title: &'static str,
    pub login_for: Around,
    pub login_button: &'static str,
    pub no_account: &'static str,
    pub register_link: &'static str,

    pub register_title: &'static str,
    pub register_for: Around,
    pub register_button: &'static str,
    pub have_account: &'static str,
    pub login_link: &'static str,

    pub consent_title: Around,
    pub calls_itself: Around,
    pub consent_list: Around,
    pub consent_return: Around,
    pub other_scope: Around,
    pub single_claim: Around,
    /// Before the name of a credential, after it, and behind the claims in it.
    pub credential: (&'static str, &'static str, &'static str),
    pub nothing_to_choose: &'static str,
    pub allow_button: &'static str,
    pub deny_button: &'static str,
    pub policy_link: &'static str,
    pub tos_link: &'static str,
    pub not_you: Around,
    pub switch_button: &'static str,
    pub choose_title: &'static str,

    pub logout_title: &'static str,
    pub logout_for: Around,
    pub logout_effect: &'static str,
    pub logout_button: &'static str,
    pub logout_beside: &'static str,
    pub logout_all_button: &'static str,
    pub stay_button: &'static str,
    pub logged_out_title: &'static str,
    pub logged_out_note: &'static str,

    pub remedy_title: &'static str,
    pub return_note: Around,
    pub client_label: &'static str,
    pub code_label: &'static str,
    pub description_label: &'static str,
    pub reference_label: &'static str,
    pub developer_title: &'static str,
    pub developer_note: &'static str,

    pub home_title: &'static str,
    pub sign_ins_title: &'static str,
    pub this_session: &'static str,
    pub logout_link: &'static str,
    pub welcome_title: &'static str,
    pub welcome_lead: &'static str,
    pub welcome_roll: &'static str,
    pub welcome_people: &'static str,
    pub developers_title: &'static str,
    pub discovery_link: &'static str,
    pub docs_link: &'static str,

    pub form_post_title: &'static str,
    pub web_message_stays: &'static str,

    pub account: account::AccountText,
    pub device: device::DeviceText,
    pub backchannel: backchannel::BackchannelText,

    password_rules: fn(usize) -> String,
    choose_hint: fn(usize, Option<usize>) -> String,
    scope: fn(&str) -> Option<&'static str>,
    problem: fn(&Problem) -> String,
    trouble: fn(Trouble) -> Advice,
}

/// Every language, English first.
pub const LANGUAGES: [&Text; 2] = [&en::TEXT, &de::TEXT];

impl Text {
    /// The language for `ui_locales`: tags separated by spaces, most wanted first.
    pub fn for_locales(ui_locales: &str) -> &'static Self {
        ui_locales.split_ascii_whitespace().find_map(spoken).unwrap_or(&en::TEXT)
    }

    /// What a scope means; `None` for one that is not ours, which is shown by its name.
    pub fn scope(&self, scope: &str) -> Option<&'static str> {
        (self.scope)(scope)
    }

    /// The words around the name of what is not ours: a claim that was asked for one by one, or a scope.
    pub fn other<'a>(&self, scope: &'a str) -> (&'static str, &'a str, &'static str) {
        let (around, name) = single(scope).map_or((self.other_scope, scope), |name| (self.single_claim, name));
        (around.0, name, around.1)
    }

    /// What comes with a credential, in one line.
    pub fn credential(&self, name: &str, claims: &[&str]) -> String {
        let labels: Vec<_> = claims.iter().map(|claim| (self.account.claim)(claim)).collect();
        let (before, after, end) = self.credential;
        format!("{before}{name}{after}{}{end}", labels.join(", "))
    }

    /// What is wrong and how to put it right, in one sentence.
    pub fn problem(&self, problem: &Problem) -> String {
        (self.problem)(problem)
    }

    /// What happened and what to do.
    pub fn trouble(&self, trouble: Trouble) -> Advice {
        (self.trouble)(trouble)
    }

    /// How many of what is offered have to be chosen, and may be; no bound where all may.
    pub fn choose_hint(&self, least: usize, most: Option<usize>) -> String {
        (self.choose_hint)(least, most)
    }

    /// What makes a good password here.
    pub fn password_rules(&self, min: usize) -> String {
        (self.password_rules)(min)
    }
}

fn spoken(tag: &str) -> Option<&'static Text> {
    let mut rest = tag;
    loop {
        if let Some(text) = LANGUAGES.into_iter().find(|text| text.lang.eq_ignore_ascii_case(rest)) {
            return Some(text);
        }
        rest = rest.rsplit_once('-')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oidc_core_3_1_2_1_ui_locales_in_order_of_preference() {
        let lang = |wanted| Text::for_locales(wanted).lang;
        assert_eq!(lang("de en"), "de");
        assert_eq!(lang("fr-CA DE-ch-1901 en"), "de");
        assert_eq!(lang("fr en de"), "en");
        for none in ["", "   ", "fr", "x", "-", "--", "d\u{e9}", "<b>"] {
            assert_eq!(lang(none), "en", "{none}");
        }
    }

    #[test]
    fn the_standard_scopes_have_words_in_each_language() {
        for text in LANGUAGES {
            for scope in ["openid", "profile", "email", "address", "phone", "offline_access"] {
                assert!(text.scope(scope).is_some(), "{scope} in {}", text.lang);
            }
            assert_eq!(text.scope("calendar:write"), None);
        }
    }

    #[test]
    fn waiting_times_are_rounded_up() {
        let wait = |wait_seconds| LANGUAGES[0].problem(&Problem::TooManyAttempts { wait_seconds });
        assert!(wait(1).contains("in 1 second."));
        assert!(wait(59).contains("in 59 seconds."));
        assert!(wait(60).contains("in 1 minute."));
        assert!(wait(61).contains("in 2 minutes."));
        assert!(wait(3_601).contains("in 2 hours."));
        assert!(LANGUAGES[1].problem(&Problem::TooManyAttempts { wait_seconds: 61 }).contains("in 2 Minuten"));
    }
}
