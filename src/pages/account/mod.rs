//! `/account`: what a person sees of themselves, and changes.
//!
//! | Rule | Source |
//! |---|---|
//! | withdrawing is as easy as allowing: one button | GDPR art. 7(3) |
//! | what was typed stays, except passwords | WCAG 2.2 §3.3.7 |
//! | the purpose of each field is named | WCAG 2.2 §1.3.5 |
//!
//! Out of scope: what a claim may be (`core::account::claims`), routes (`routes::account`).

mod device;

use std::collections::BTreeMap;

use chancery_core::account::claims::{Claims, Kind, RULES, Rule};

pub use device::device;

use super::field::Field;
use super::link::Link;
use super::problem::Problem;
use super::text::Around;
use super::text::account::Done;
use super::{Page, Template, Text};

/// Everything on one page.
#[derive(Template)]
#[template(path = "account/overview.html")]
pub struct Overview {
    pub page: Page,
    pub csrf: String,
    /// What was just done here.
    pub done: Option<Done>,
    pub email: String,
    /// Label and text.
    pub claims: Vec<(&'static str, String)>,
    pub sessions: Vec<SignedIn>,
    pub apps: Vec<App>,
    pub history: Vec<Line>,
}

impl Overview {
    fn notice(&self) -> Option<&'static str> {
        self.done.map(self.page.text.account.done)
    }
}

/// A browser in which the person is signed in.
pub struct SignedIn {
    pub id: String,
    pub from: String,
    /// RFC 3339, in UTC; so is every `at`.
    pub at: String,
    pub is_this: bool,
}

/// A client with access.
pub struct App {
    pub client_id: String,
    pub name: String,
    pub disabled: bool,
    pub scopes: Vec<String>,
    pub at: String,
    /// Opens it with a login from here (OpenID Connect Core 1.0 §4).
    pub open: Option<Link>,
}

/// A sentence about what happened, around a name.
pub struct Line {
    pub at: String,
    pub sentence: Around,
    pub name: Option<String>,
}

/// Posts every claim by its name.
#[derive(Template)]
#[template(path = "account/profile.html")]
pub struct Profile {
    pub page: Page,
    pub csrf: String,
    pub groups: Vec<Group>,
    pub problems: Vec<Problem>,
}

/// Fields under one heading.
pub struct Group {
    pub legend: &'static str,
    pub fields: Vec<Field>,
}

/// Posts `password`, `new-password` and `csrf`.
#[derive(Template)]
#[template(path = "account/password.html")]
pub struct Password {
    pub page: Page,
    pub csrf: String,
    /// The shortest password that is accepted, in characters.
    pub password_min: usize,
    pub problems: Vec<Problem>,
}

impl Password {
    fn fields(&self) -> [Field; 2] {
        let (text, problems) = (self.page.text, self.problems.as_slice());
        [
            Field {
                kind: "password",
                autocomplete: "current-password",
                autofocus: problems.is_empty(),
                ..Field::new("current", text.account.current_label, problems, text)
            },
            Field {
                kind: "password",
                autocomplete: "new-password",
                hint: Some(text.password_rules(self.password_min)),
                min_length: Some(self.password_min),
                ..Field::new("password", text.account.new_label, problems, text)
            },
        ]
    }
}

/// Posts `email`, `current` and `csrf`.
#[derive(Template)]
#[template(path = "account/email.html")]
pub struct Email {
    pub page: Page,
    pub csrf: String,
    /// What was typed.
    pub email: String,
    pub problems: Vec<Problem>,
}

impl Email {
    fn fields(&self) -> [Field; 2] {
        let (text, problems) = (self.page.text, self.problems.as_slice());
        [
            Field {
                kind: "email",
                autocomplete: "username",
                value: self.email.clone(),
                autofocus: problems.is_empty(),
                ..Field::new("email", text.account.email_label, problems, text)
            },
            Field {
                kind: "password",
                autocomplete: "current-password",
                ..Field::new("current", text.account.email_password_label, problems, text)
            },
        ]
    }
}

/// The claims that a person states, by heading; the first names each.
const GROUPS: [&[&str]; 5] = [
    &["name", "given_name", "middle_name", "family_name", "nickname", "preferred_username"],
    &["phone_number"],
    &["address.street_address", "address.postal_code", "address.locality", "address.region", "address.country", "address.formatted"],
    &["profile", "picture", "website"],
    &["birthdate", "gender", "locale", "zoneinfo"],
];

/// The fields of the form: what was typed, else what is there.
pub fn groups(claims: &Claims, typed: impl Fn(&str) -> Option<String>, problems: &[Problem], text: &Text) -> Vec<Group> {
    let field = |name: &str| {
        let rule = RULES.iter().find(|rule| rule.name == name)?;
        Some(Field {
            autocomplete: purpose(rule.name),
            kind: if rule.kind == Kind::Phone { "tel" } else { "text" },
            value: typed(name).or_else(|| claims.get(name).map(str::to_owned)).unwrap_or_default(),
            hint: (text.account.claim_hint)(rule.name).map(str::to_owned),
            required: false,
            lines: rule.kind == Kind::Lines,
            ..Field::new(rule.name, (text.account.claim)(rule.name), problems, text)
        })
    };
    let group = |names: &&[&str]| Group {
        legend: (text.account.group)(names.first().copied().unwrap_or_default()),
        fields: names.iter().filter_map(|name| field(name)).collect(),
    };
    GROUPS.iter().map(group).collect()
}

/// Label and text of what is said of the person, in the order of the form; what others say by its name and source alone.
pub fn said(claims: &Claims, others: &BTreeMap<String, String>, text: &Text) -> Vec<(&'static str, String)> {
    let names = GROUPS.iter().flat_map(|group| group.iter());
    let mut said: Vec<_> = names.filter_map(|name| Some(((text.account.claim)(name), claims.get(name)?.to_owned()))).collect();
    for (flag, whole) in [("email_verified", None), ("phone_number_verified", Some("phone_number"))] {
        if claims.get(flag).is_some() && whole.is_none_or(|whole| claims.get(whole).is_some()) {
            said.push(((text.account.claim)(flag), text.account.yes.to_owned()));
        }
    }
    if !others.is_empty() {
        let named: Vec<_> = others.iter().map(|(name, source)| format!("{name} ({source})")).collect();
        said.push((text.account.others_label, named.join(", ")));
    }
    said
}

/// WCAG 2.2 §1.3.5, and what browsers fill in by themselves.
fn purpose(claim: &str) -> &'static str {
    match claim {
        "name" => "name",
        "given_name" => "given-name",
        "middle_name" => "additional-name",
        "family_name" => "family-name",
        "nickname" => "nickname",
        "preferred_username" => "username",
        "phone_number" => "tel",
        "address.street_address" => "street-address",
        "address.postal_code" => "postal-code",
        "address.locality" => "address-level2",
        "address.region" => "address-level1",
        "address.country" => "country-name",
        "profile" | "website" => "url",
        "picture" => "photo",
        "birthdate" => "bday",
        "gender" => "sex",
        "locale" => "language",
        _ => "on",
    }
}

/// The rules' problem with a claim, so that it can be translated.
pub fn problem(field: &'static str, sentence: &str) -> Problem {
    let rule: Option<&Rule> = RULES.iter().find(|rule| rule.name == field);
    match rule {
        Some(rule) if sentence.starts_with("Use at most") => Problem::ClaimTooLong { field, max: rule.most },
        Some(_) if sentence.starts_with("Together") => Problem::ClaimsTooLong,
        _ => Problem::ClaimInvalid { field },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_has_every_claim_that_a_person_states() {
        let asked: std::collections::BTreeSet<_> = GROUPS.iter().flat_map(|group| group.iter().copied()).collect();
        let stated: std::collections::BTreeSet<_> = RULES.iter().filter(|rule| rule.kind != Kind::Flag).map(|rule| rule.name).collect();
        assert_eq!(asked, stated);
    }
}
