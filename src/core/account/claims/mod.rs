//! The standard claims of a person: which there are, what they may say, and with which scope they are told.
//!
//! | Rule | Source |
//! |---|---|
//! | the claims and their syntax | OpenID Connect Core 1.0 §5.1 |
//! | an address has parts | OpenID Connect Core 1.0 §5.1.1 |
//! | which scope asks for which claims | OpenID Connect Core 1.0 §5.4 |
//! | that an address or a number was verified is never the person's own word | OpenID Connect Core 1.0 §5.1 |
//! | every text is bounded, and all that one scope asks for together | our own |
//! | the lists of a person are part of what is said of them, and told with no scope | `lists` |
//!
//! Out of scope: `sub`, the e-mail address itself (it names the account), encryption (`app`), what other providers assert (`sources`), how somebody states claims
//! (`stated`).

mod syntax;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::FieldError;
use super::lists::{LISTS, Lists};
use super::stated::shown;
pub use super::stated::{By, Stated, stated_in};
use syntax::normal;

/// What the text of a claim may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    /// Text that may have line ends.
    Lines,
    /// `http` or `https`.
    Url,
    /// `2001-12-31`, `0000-12-31` without the year, or `2001`.
    Date,
    /// A name of the time zone database, such as `Europe/Paris`.
    Zone,
    /// A language tag of BCP 47, such as `en-GB`.
    Language,
    /// An international number (E.164), with an extension as in RFC 3966 if there is one.
    Phone,
    /// `true` or absent; nobody says it of themselves.
    Flag,
}

/// One claim.
#[derive(Debug)]
pub struct Rule {
    /// As it is told; a part of the address after `address.`.
    pub name: &'static str,
    pub scope: &'static str,
    pub kind: Kind,
    /// Longest text in bytes.
    pub most: usize,
}

/// Every claim that an account can have besides `sub`, `email` and `updated_at`. OpenID Connect Core 1.0 §5.1, §5.1.1, §5.4.
pub const RULES: &[Rule] = &[
    rule("name", "profile", Kind::Text, 256),
    rule("given_name", "profile", Kind::Text, 128),
    rule("family_name", "profile", Kind::Text, 128),
    rule("middle_name", "profile", Kind::Text, 128),
    rule("nickname", "profile", Kind::Text, 128),
    rule("preferred_username", "profile", Kind::Text, 128),
    rule("profile", "profile", Kind::Url, 512),
    rule("picture", "profile", Kind::Url, 512),
    rule("website", "profile", Kind::Url, 512),
    rule("gender", "profile", Kind::Text, 64),
    rule("birthdate", "profile", Kind::Date, 10),
    rule("zoneinfo", "profile", Kind::Zone, 64),
    rule("locale", "profile", Kind::Language, 35),
    rule("email_verified", "email", Kind::Flag, 5),
    rule("address.formatted", "address", Kind::Lines, 512),
    rule("address.street_address", "address", Kind::Lines, 256),
    rule("address.locality", "address", Kind::Text, 128),
    rule("address.region", "address", Kind::Text, 128),
    rule("address.postal_code", "address", Kind::Text, 32),
    rule("address.country", "address", Kind::Text, 128),
    rule("phone_number", "phone", Kind::Phone, 64),
    rule("phone_number_verified", "phone", Kind::Flag, 5),
];

/// The scopes that ask for claims, each with the field of the log that holds its claims as ciphertext.
pub const FIELDS: &[(&str, &str)] = &[("profile", "profile"), ("email", "email_verified"), ("address", "address"), ("phone", "phone")];

/// Longest JSON text of what one scope asks for, in bytes: what a field of the log can hold.
const MOST: usize = 2048;

const fn rule(name: &'static str, scope: &'static str, kind: Kind, most: usize) -> Rule {
    Rule { name, scope, kind, most }
}

fn rule_of(name: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.name == name)
}

/// Every claim that can be told of a person, as discovery lists them: an address is one claim.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for rule in RULES {
        let name = rule.name.split_once('.').map_or(rule.name, |(whole, _)| whole);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The claims of one person, in clear. They live only between the vault and an answer, and cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<&'static str, String>, Lists);

impl Claims {
    /// The text of a claim; `true` for a flag that is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty() && self.1.is_empty()
    }

    /// What the person chooses from.
    pub fn lists(&self) -> &Lists {
        &self.1
    }

    pub fn set_lists(&mut self, lists: Lists) {
        self.1 = lists;
    }

    /// Names and texts, in the order of the alphabet.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, text)| (*name, text.as_str()))
    }

    /// The claims after these statements.
    ///
    /// # Errors
    /// Every statement that is not acceptable.
    pub fn stating(&self, stated: &Stated, by: By) -> Result<Self, Vec<FieldError>> {
        let mut after = self.clone();
        let mut problems = Vec::new();
        for (name, text) in stated {
            if name == LISTS {
                match Lists::parse(text) {
                    _ if by == By::Person => {
                        problems.push(FieldError { field: LISTS, problem: "Lists are stated by the operator.".to_string() });
                    }
                    Ok(lists) => after.1 = lists,
                    Err(problem) => problems.push(problem),
                }
                continue;
            }
            let Some(rule) = rule_of(name) else {
                problems.push(FieldError { field: "claims", problem: format!("There is no standard claim {}.", shown(name)) });
                continue;
            };
            match normal(rule, text, by) {
                Ok(Some(text)) => drop(after.0.insert(rule.name, text)),
                Ok(None) => drop(after.0.remove(rule.name)),
                Err(problem) => problems.push(FieldError { field: rule.name, problem }),
            }
        }
        // What was verified is the number that was there, unless whoever verifies says so of the new one in the same breath.
        if after.get("phone_number") != self.get("phone_number") && !stated.contains_key("phone_number_verified") {
            after.0.remove("phone_number_verified");
        }
        if after.get("phone_number").is_none() && after.0.remove("phone_number_verified").is_some() {
            problems.push(FieldError { field: "phone_number_verified", problem: "There is no phone number to be verified.".to_string() });
        }
        for (scope, _) in FIELDS {
            if after.text(scope).len() > MOST {
                let field = RULES.iter().find(|rule| rule.scope == *scope).map_or("claims", |rule| rule.name);
                problems.push(FieldError { field, problem: format!("Together the claims of the scope {scope} are too long.") });
            }
        }
        if problems.is_empty() { Ok(after) } else { Err(problems) }
    }

    /// What a scope asks for, as one JSON text: a field of the log. The name is a field of its own.
    pub fn text(&self, scope: &str) -> String {
        let members = self.0.iter().filter(|(name, _)| **name != "name" && rule_of(name).is_some_and(|rule| rule.scope == scope));
        Value::Object(members.map(|(name, text)| ((*name).to_string(), Value::String(text.clone()))).collect()).to_string()
    }

    /// Adds what [`Self::text`] wrote. Names that this program does not know are left out: they were written by a newer one.
    ///
    /// # Errors
    /// A text that is not ours.
    pub fn read(&mut self, text: &str) -> Result<(), serde_json::Error> {
        for (name, value) in serde_json::from_str::<BTreeMap<String, String>>(text)? {
            if let Some(rule) = rule_of(&name) {
                self.0.insert(rule.name, value);
            }
        }
        Ok(())
    }

    /// Adds the name, which is a field of its own.
    pub fn set_name(&mut self, name: Option<String>) {
        if let Some(name) = name {
            self.0.insert("name", name);
        }
    }

    /// What is told to whom this scope was granted. OpenID Connect Core 1.0 §5.3.2: a claim without value is left out.
    pub fn told(&self, scope: &str) -> Map<String, Value> {
        let mut told = Map::new();
        let mut address = Map::new();
        for (name, text) in &self.0 {
            let Some(rule) = rule_of(name).filter(|rule| rule.scope == scope) else { continue };
            match (rule.kind, name.split_once('.')) {
                (Kind::Flag, _) => drop(told.insert((*name).to_string(), Value::Bool(text == "true"))),
                (_, Some((_, part))) => drop(address.insert(part.to_string(), Value::String(text.clone()))),
                (_, None) => drop(told.insert((*name).to_string(), Value::String(text.clone()))),
            }
        }
        if !address.is_empty() {
            told.insert("address".to_string(), Value::Object(address));
        }
        // Whether somebody has looked is a statement in itself, where there is something to look at.
        if scope == "email" || told.contains_key("phone_number") {
            let flag = if scope == "email" { "email_verified" } else { "phone_number_verified" };
            told.entry(flag.to_string()).or_insert(Value::Bool(false));
        }
        told
    }
}

#[cfg(test)]
mod tests;
