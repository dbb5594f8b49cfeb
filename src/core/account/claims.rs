//! The standard claims of a person: which there are, what they may say, and with which scope they are told.
//!
//! | Rule | Source |
//! |---|---|
//! | the claims and their syntax | OpenID Connect Core 1.0 §5.1 |
//! | an address has parts | OpenID Connect Core 1.0 §5.1.1 |
//! | which scope asks for which claims | OpenID Connect Core 1.0 §5.4 |
//! | that an address or a number was verified is never the person's own word | OpenID Connect Core 1.0 §5.1 |
//! | every text is bounded, and all that one scope asks for together | our own |
//!
//! Out of scope: `sub`, the e-mail address itself (it names the account), encryption (`app`), aggregated and distributed claims.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::FieldError;
use crate::client::metadata::origin_of;

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

/// Who states claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The person, of themselves.
    Person,
    /// The operator or the configuration file, who may have looked at a passport.
    Operator,
}

/// What is stated: texts by name. An empty text takes the claim away; a name that is absent leaves the claim as it is.
pub type Stated = BTreeMap<String, String>;

/// The claims of one person, in clear. They live only between the vault and an answer, and cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claims(BTreeMap<&'static str, String>);

impl Claims {
    /// The text of a claim; `true` for a flag that is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
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

/// The statements in a JSON object as userinfo would answer it: texts, `true` or `false`, and an `address` with its parts.
///
/// # Errors
/// Members of another type.
pub fn stated_in(members: &Map<String, Value>) -> Result<Stated, Vec<FieldError>> {
    let mut stated = Stated::new();
    let mut problems = Vec::new();
    let mut add = |name: String, value: &Value| match value {
        Value::String(text) => drop(stated.insert(name, text.clone())),
        Value::Bool(truth) => drop(stated.insert(name, truth.to_string())),
        Value::Null => drop(stated.insert(name, String::new())),
        _ => problems.push(FieldError { field: "claims", problem: format!("The claim {} must be text.", shown(&name)) }),
    };
    for (name, value) in members {
        match (name.as_str(), value) {
            ("address", Value::Object(parts)) => parts.iter().for_each(|(part, value)| add(format!("address.{part}"), value)),
            _ => add(name.clone(), value),
        }
    }
    if problems.is_empty() { Ok(stated) } else { Err(problems) }
}

/// The text as it is kept; `None` takes the claim away.
fn normal(rule: &Rule, text: &str, by: By) -> Result<Option<String>, String> {
    let text = text.trim();
    if rule.kind == Kind::Flag {
        return match (by, text) {
            (_, "" | "false") => Ok(None),
            (By::Person, _) => Err("This cannot be said of oneself.".to_string()),
            (By::Operator, "true") => Ok(Some(text.to_string())),
            (By::Operator, _) => Err("Say true or false.".to_string()),
        };
    }
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > rule.most {
        return Err(format!("Use at most {} bytes.", rule.most));
    }
    // Browsers send the ends of lines as CRLF; one form is enough.
    let text = text.replace("\r\n", "\n");
    if text.chars().any(|c| c.is_control() && !(rule.kind == Kind::Lines && c == '\n')) {
        return Err("Leave out control characters.".to_string());
    }
    let (fits, sentence) = match rule.kind {
        Kind::Text | Kind::Lines | Kind::Flag => (true, ""),
        Kind::Url => (is_url(&text), "Enter an address such as https://example.com/me."),
        Kind::Date => (is_date(&text), "Enter a date such as 2001-12-31, 0000-12-31 without the year, or 2001."),
        Kind::Zone => (is_zone(&text), "Enter a time zone such as Europe/Paris."),
        Kind::Language => (is_language(&text), "Enter a language such as en or en-GB."),
        Kind::Phone => (is_phone(&text), "Enter an international number such as +44 20 7946 0958."),
    };
    if fits { Ok(Some(text)) } else { Err(sentence.to_string()) }
}

/// A web address with a host. Whoever shows it decides what to do with it; a script is no address.
fn is_url(text: &str) -> bool {
    origin_of(text).is_some_and(|origin| !origin.ends_with(':') && !origin.ends_with("//"))
}

/// ISO 8601-1:2019 as §5.1 says: a whole date, a date of the year 0000, or a year alone.
fn is_date(text: &str) -> bool {
    let number = |part: &str, digits: usize| -> Option<u32> {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [year] => number(year, 4).is_some_and(|year| year > 0),
        [year, month, day] => {
            let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else { return false };
            // Without a year nobody can tell whether it was a leap year.
            let leap = year == 0 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
            let days = match month {
                1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
                4 | 6 | 9 | 11 => 30,
                2 if leap => 29,
                2 => 28,
                _ => 0,
            };
            (1..=days).contains(&day)
        }
        _ => false,
    }
}

/// The characters of the names in the time zone database. Which names there are changes several times a year.
fn is_zone(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'));
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.split('/').count() <= 3 && text.split('/').all(plain)
}

/// RFC 5646 §2.1 in outline; §5.1 also knows `en_US`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let language = parts.next().unwrap_or_default();
    let plain = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic()) && parts.all(plain)
}

/// E.164 with the separators that people write, and `;ext=` as in RFC 3966 §5.3.
fn is_phone(text: &str) -> bool {
    let (number, extension) = text.split_once(";ext=").map_or((text, None), |(number, extension)| (number, Some(extension)));
    let Some(rest) = number.strip_prefix('+') else { return false };
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits)
        && rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'.' | b'(' | b')'))
        && extension.is_none_or(|own| (1..=10).contains(&own.len()) && own.bytes().all(|b| b.is_ascii_digit()))
}

fn shown(name: &str) -> String {
    name.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn stated(pairs: &[(&str, &str)]) -> Stated {
        pairs.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect()
    }

    fn said(pairs: &[(&str, &str)]) -> Claims {
        Claims::default().stating(&stated(pairs), By::Operator).ok().unwrap()
    }

    fn wrong(pairs: &[(&str, &str)], by: By) -> Vec<&'static str> {
        Claims::default().stating(&stated(pairs), by).err().unwrap_or_default().iter().map(|one| one.field).collect()
    }

    #[test]
    fn oidc_core_5_1_every_claim_has_its_syntax() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("given_name", &["Ada", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "a @ /"], &["a\u{0}b", "a\nb"]),
            ("profile", &["https://example.com/me", "http://localhost:3000/x"], &["javascript:alert(1)", "//x", "https://", "https://a b"]),
            (
                "birthdate",
                &["2001-12-31", "0000-02-29", "1984", "2000-02-29"],
                &["2001-02-29", "31.12.2001", "0000", "2001-13-01", "2001-1-1"],
            ),
            (
                "zoneinfo",
                &["Europe/Paris", "America/Argentina/Ushuaia", "Etc/GMT+12", "UTC"],
                &["europe/paris", "../etc/passwd", "A//B", "X/"],
            ),
            ("locale", &["en", "en-GB", "en_US", "zh-Hant-TW"], &["e", "en-", "1n", "english language"]),
            (
                "phone_number",
                &["+1 (425) 555-1212", "+1 (604) 555-1234;ext=5678"],
                &["425 555 1212", "+1", "+1 425 call me", "+12345678;ext="],
            ),
            ("address.street_address", &["1 High Street\r\nFlat 2"], &["a\tb"]),
            ("address.country", &["Wales"], &["a\nb"]),
        ];
        for (name, good, bad) in cases {
            for text in *good {
                assert_eq!(wrong(&[(name, text)], By::Person), [""; 0], "{name}: {text}");
            }
            for text in *bad {
                assert_eq!(wrong(&[(name, text)], By::Person), [*name], "{name}: {text:?}");
            }
        }
        assert_eq!(wrong(&[("shoe_size", "44"), ("sub", "x"), ("email", "a@b")], By::Operator), ["claims"; 3]);
    }

    #[test]
    fn every_text_is_bounded_and_so_is_their_sum() {
        for rule in RULES.iter().filter(|rule| matches!(rule.kind, Kind::Text | Kind::Lines)) {
            assert_eq!(wrong(&[(rule.name, &"a".repeat(rule.most))], By::Person), [""; 0], "{}", rule.name);
            assert_eq!(wrong(&[(rule.name, &"a".repeat(rule.most + 1))], By::Person), [rule.name]);
        }
        let long = |letter: &str| format!("https://example.com/{}", letter.repeat(490));
        let (a, b, c) = (long("a"), long("b"), long("c"));
        let quotes = "\"".repeat(128);
        let all = [("profile", a.as_str()), ("picture", &b), ("website", &c), ("nickname", &quotes), ("family_name", &quotes)];
        assert_eq!(wrong(&all, By::Person), ["name"], "more than a field of the log can hold");
        assert_eq!(wrong(&all[..3], By::Person), [""; 0]);
    }

    #[test]
    fn oidc_core_5_1_nobody_verifies_themselves() {
        for flag in ["email_verified", "phone_number_verified"] {
            assert!(wrong(&[("phone_number", "+442079460958"), (flag, "true")], By::Person).contains(&flag));
            assert!(wrong(&[("phone_number", "+442079460958"), (flag, "perhaps")], By::Operator).contains(&flag));
        }
        assert_eq!(wrong(&[("phone_number_verified", "true")], By::Operator), ["phone_number_verified"], "there is no number");
    }

    #[test]
    fn oidc_core_5_1_a_changed_number_is_not_verified_any_more() {
        let before = said(&[("phone_number", "+442079460958"), ("phone_number_verified", "true"), ("email_verified", "true")]);
        let same = before.stating(&stated(&[("phone_number", " +442079460958 ")]), By::Person).ok().unwrap();
        assert!(same == before);
        let after = before.stating(&stated(&[("phone_number", "+442079460000")]), By::Person).ok().unwrap();
        assert_eq!((after.get("phone_number_verified"), after.get("email_verified")), (None, Some("true")));
        let gone = before.stating(&stated(&[("phone_number", "")]), By::Person).ok().unwrap();
        assert!(gone.told("phone").is_empty());
    }

    #[test]
    fn oidc_core_5_4_a_scope_asks_for_its_claims_and_no_others() {
        let claims = said(&[
            ("name", "Ada"),
            ("website", "https://ada.example"),
            ("address.locality", "London"),
            ("address.country", "UK"),
            ("phone_number", "+442079460958"),
            ("email_verified", "true"),
        ]);
        let told = |scope: &str| Value::Object(claims.told(scope));
        assert_eq!(told("profile"), json!({"name": "Ada", "website": "https://ada.example"}));
        assert_eq!(told("email"), json!({"email_verified": true}));
        // §5.1.1: an address is an object.
        assert_eq!(told("address"), json!({"address": {"locality": "London", "country": "UK"}}));
        assert_eq!(told("phone"), json!({"phone_number": "+442079460958", "phone_number_verified": false}));
        assert_eq!((told("openid"), Claims::default().told("phone").len()), (json!({}), 0));
        assert_eq!(Value::Object(Claims::default().told("email")), json!({"email_verified": false}));
    }

    #[test]
    fn what_the_log_holds_comes_back() {
        let claims = said(&[("name", "Ada"), ("nickname", "a\"\\"), ("address.street_address", "1\n2"), ("phone_number", "+442079460958")]);
        let mut back = Claims::default();
        back.set_name(claims.get("name").map(str::to_string));
        for (scope, _) in FIELDS {
            assert!(!claims.text(scope).contains("Ada"), "the name has a field of its own");
            back.read(&claims.text(scope)).unwrap();
        }
        assert!(back == claims);
        back.read("{\"of_a_newer_program\":\"x\"}").unwrap();
        assert!(back == claims);
    }

    #[test]
    fn statements_come_as_userinfo_would_answer_them() {
        let object = json!({"given_name": "Ada", "email_verified": true, "nickname": null, "address": {"country": "UK"}});
        let read = stated_in(object.as_object().unwrap()).unwrap();
        let expected = [("address.country", "UK"), ("email_verified", "true"), ("given_name", "Ada"), ("nickname", "")];
        assert_eq!(read, stated(&expected));
        assert!(stated_in(json!({"given_name": 5}).as_object().unwrap()).is_err());
        assert!(stated_in(json!({"address": {"country": []}}).as_object().unwrap()).is_err());
    }

    #[test]
    fn discovery_lists_an_address_once() {
        let names = names();
        assert_eq!(names.iter().filter(|name| **name == "address").count(), 1);
        assert!(["birthdate", "phone_number_verified", "email_verified"].iter().all(|name| names.contains(name)));
    }
}
