//! Authorization details: what a request is about, beyond scopes. RFC 9396.
//!
//! | Rule | Source |
//! |---|---|
//! | an array of objects, each with a `type` that is registered here and for the client | RFC 9396 §2, §5, §10 |
//! | each object fits the schema of its type (`schema`) | RFC 9396 §5 |
//! | a token request may ask for less than was granted, never for more, and for what fits | RFC 9396 §6, §8 |
//! | a resource server sees what names it in `locations`, and what names none | RFC 9396 §2.2, §13 |
//! | the person reads each of them in words (`words`) | RFC 9396 §3 |
//! | what a type adds to a request, by itself or by the choice of the person (`enrichment`) | RFC 9396 §7.1 |
//! | one of the type `openid_credential` asks for a credential of ours | OpenID4VCI §5.1.1 |
//!
//! The texts may be about people: they are kept as ciphertext, and only the types stand in events in clear.

pub mod enrichment;
pub mod schema;
pub mod words;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::canonical;
use crate::client::Client;
use crate::credential::{self, Catalogue};
use crate::error::OAuthError;
use enrichment::Enrichment;
use schema::Schema;
use words::Words;

/// Bytes of a request's details.
pub const LONGEST: usize = 4096;
/// Objects in them.
const MOST: usize = 8;

/// A type that the operator registered.
#[derive(Clone, Debug, PartialEq)]
pub struct Type {
    pub schema: Schema,
    pub words: Words,
    /// What it adds to what a client asks for.
    pub enrichment: Enrichment,
}

/// Every type.
#[derive(Clone, Debug, PartialEq)]
pub struct Types {
    /// Those that the operator registered, by name.
    pub declared: BTreeMap<String, Type>,
    /// What those of the type `openid_credential` can name.
    pub credentials: Catalogue,
}

/// No types: what most servers have.
pub static NONE: Types = Types { declared: BTreeMap::new(), credentials: Catalogue::NONE };

/// Details that are well formed, in the order in which they came.
#[derive(Clone, Debug, PartialEq)]
pub struct Details(Vec<Map<String, Value>>);

fn refuse(why: impl Into<String>) -> OAuthError {
    let why = why.into();
    OAuthError::invalid_authorization_details(why.clone()).saying(why)
}

fn unknown() -> OAuthError {
    refuse("A type in authorization_details is unknown here, or the client is not registered for it.")
}

impl Details {
    /// Reads the parameter. What its types are is not looked at yet.
    ///
    /// # Errors
    /// `invalid_authorization_details`.
    pub fn read(text: &str) -> Result<Self, OAuthError> {
        if text.len() > LONGEST {
            return Err(refuse("authorization_details is longer than 4096 bytes."));
        }
        Self::read_granted(text)
    }

    /// Reads what was granted, which may be longer than what was asked for: it may have been enriched.
    ///
    /// # Errors
    /// `invalid_authorization_details`.
    pub fn read_granted(text: &str) -> Result<Self, OAuthError> {
        if text.len() > enrichment::LONGEST {
            return Err(refuse("authorization_details is longer than 8192 bytes."));
        }
        let wrong = || refuse("authorization_details is not a JSON array of objects, each with a type.");
        let all: Vec<Map<String, Value>> = serde_json::from_str(text).map_err(|_| wrong())?;
        if all.is_empty() || all.len() > MOST {
            return Err(refuse("authorization_details has 1 to 8 objects."));
        }
        if all.iter().any(|one| !one.get("type").is_some_and(Value::is_string)) {
            return Err(wrong());
        }
        // It goes to resource servers and into proofs in one form (RFC 8785), where numbers are whole.
        if canonical::to_vec(&all).is_err() {
            return Err(refuse("Numbers in authorization_details are whole and below 2^53; write others as text."));
        }
        Ok(Self(all))
    }

    /// The one text of them, which [`Self::read_granted`] reads.
    pub fn text(&self) -> String {
        // `read` has seen that there is one.
        canonical::to_vec(&self.0).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default()
    }

    pub fn value(&self) -> Value {
        self.0.iter().cloned().map(Value::Object).collect::<Vec<_>>().into()
    }

    /// One after the other.
    pub fn objects(&self) -> &[Map<String, Value>] {
        &self.0
    }

    /// Those that ask for these configurations of credentials, as they are.
    pub fn of_credentials<'a>(configurations: impl Iterator<Item = &'a str>) -> Self {
        Self(configurations.map(credential::detail_of).collect())
    }

    /// # Errors
    /// `invalid_authorization_details` when they ask for a credential: it is about a person.
    pub fn without_credentials(self) -> Result<Self, OAuthError> {
        let has_one = self.0.iter().any(|one| type_of(one) == credential::TYPE);
        if has_one { Err(refuse("A credential is about a person, and here is none.")) } else { Ok(self) }
    }

    /// The types in them.
    pub fn types(&self) -> BTreeSet<String> {
        self.0.iter().map(|one| type_of(one).to_string()).collect()
    }

    /// What a resource server may see; `None` when nothing is for it. A token for this server itself has everything.
    #[must_use]
    pub fn for_audience(&self, audience: Option<&str>) -> Option<Self> {
        let Some(audience) = audience else { return Some(self.clone()) };
        let is_for = |one: &&Map<String, Value>| match one.get("locations").and_then(Value::as_array) {
            None => true,
            Some(locations) => locations.iter().any(|location| location == audience),
        };
        let seen: Vec<_> = self.0.iter().filter(is_for).cloned().collect();
        (!seen.is_empty()).then_some(Self(seen))
    }
}

fn type_of(one: &Map<String, Value>) -> &str {
    one.get("type").and_then(Value::as_str).unwrap_or_default()
}

impl Type {
    /// # Errors
    /// Where an object of this type is not as it has to be.
    fn check(&self, one: &Map<String, Value>, granted: bool) -> Result<(), String> {
        if !granted {
            self.enrichment.check(one)?;
        }
        let mut apart = self.enrichment.apart(granted);
        apart.push(alloc::vec!["type"]);
        self.schema.check(one, &apart)
    }
}

impl Types {
    /// The names of them.
    pub fn names(&self) -> BTreeSet<&str> {
        let own = (!self.credentials.is_empty()).then_some(credential::TYPE);
        self.declared.keys().map(String::as_str).chain(own).collect()
    }

    /// Reads the parameter of a request that asks for a grant.
    ///
    /// # Errors
    /// `invalid_authorization_details`, with what is wrong and where.
    pub fn read(&self, text: &str, client: &Client) -> Result<Details, OAuthError> {
        let details = Details::read(text)?;
        for one in &details.0 {
            if !client.metadata.authorization_details_types.contains(type_of(one)) {
                return Err(unknown());
            }
            self.check(one, false)?;
        }
        self.check_questions(&details)?;
        Ok(details)
    }

    /// Is it of a type that is registered here, and as that says? What was `granted` has what the type adds.
    fn check(&self, one: &Map<String, Value>, granted: bool) -> Result<(), OAuthError> {
        let name = type_of(one);
        let fits = match name {
            credential::TYPE if !self.credentials.is_empty() => self.credentials.check_detail(one),
            _ => self.declared.get(name).ok_or_else(unknown)?.check(one, granted),
        };
        fits.map_err(|wrong| refuse(format!("authorization_details of type {name}: {wrong}")))
    }

    /// What a token gets of what was granted; `None`: all of it. What is asked for is as its type says, also where that is less than
    /// before (RFC 9396 §8): a list that has to have two entries does not shrink to one. What the type adds may be left out, and comes along.
    ///
    /// # Errors
    /// `invalid_authorization_details` for more than was granted, and for what does not fit.
    pub fn narrow(&self, granted: Option<&Details>, asked: Option<&str>) -> Result<Option<Details>, OAuthError> {
        let Some(asked) = asked.map(Details::read_granted).transpose()? else { return Ok(None) };
        let none = Enrichment::default();
        let within = |one: &Map<String, Value>| {
            let enrichment = self.declared.get(type_of(one)).map_or(&none, |kind| &kind.enrichment);
            granted?.0.iter().find_map(|own| enrichment.narrow(one, own))
        };
        let narrowed: Option<Vec<_>> = asked.0.iter().map(within).collect();
        let Some(narrowed) = narrowed.map(Details) else { return Err(refuse("authorization_details has more than was granted.")) };
        asked.0.iter().try_for_each(|one| self.check(one, true))?;
        // The same thing twice would have it twice.
        if narrowed.text().len() > enrichment::LONGEST {
            return Err(refuse("authorization_details become longer than 8192 bytes."));
        }
        Ok(Some(narrowed))
    }

    /// What a person reads about each of them. Those about credentials are told apart, in the person's language ([`Catalogue::shown`]).
    pub fn in_words(&self, details: &Details) -> Vec<String> {
        let say =
            |one: &Map<String, Value>| self.declared.get(type_of(one)).map_or_else(|| type_of(one).to_string(), |kind| kind.words.say(one));
        self.without_ours(details).map(say).collect()
    }

    fn without_ours<'a>(&self, details: &'a Details) -> impl Iterator<Item = &'a Map<String, Value>> {
        let issues = !self.credentials.is_empty();
        details.0.iter().filter(move |one| !issues || type_of(one) != credential::TYPE)
    }

    /// The same without what is particular: the sentences that the operator wrote.
    pub fn sentences(&self, details: &Details) -> Vec<String> {
        let say = |one: &Map<String, Value>| {
            self.declared.get(type_of(one)).map_or_else(|| type_of(one).to_string(), |kind| kind.words.text().into())
        };
        self.without_ours(details).map(say).collect()
    }
}

/// The common members whose lists may shrink (RFC 9396 §2.2).
const LISTS: [&str; 4] = ["actions", "datatypes", "locations", "privileges"];

fn is_within(asked: &Map<String, Value>, granted: &Map<String, Value>) -> bool {
    let member = |(name, own): (&String, &Value)| match (asked.get(name), own) {
        (Some(Value::Array(some)), Value::Array(all)) if LISTS.contains(&name.as_str()) => {
            some == all || (!some.is_empty() && some.iter().all(|one| all.contains(one)))
        }
        (Some(asked), own) => asked == own,
        (None, _) => false,
    };
    asked.len() == granted.len() && granted.iter().all(member)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn types() -> Types {
        let schema = json!({ "properties": { "actions": { "type": "array", "items": { "enum": ["read", "pay"] } }, "amount": { "type": "string" } },
                             "required": ["actions"], "additionalProperties": false });
        let kind = Type {
            schema: Schema::parse(&schema).unwrap(),
            words: Words::parse("Pay {amount} ({actions})").unwrap(),
            enrichment: Enrichment::default(),
        };
        Types { declared: [("payment".into(), kind)].into(), credentials: Catalogue::NONE }
    }

    fn client() -> Client {
        client_with(|metadata| metadata.authorization_details_types = ["payment".into(), "unknown".into()].into())
    }

    fn said(text: &str) -> Result<String, &'static str> {
        types().read(text, &client()).map(|details| details.text()).map_err(|error| error.code())
    }

    #[test]
    fn rfc9396_5_unknown_types_unknown_members_and_missing_ones_are_refused() {
        assert_eq!(
            said(r#"[{"type":"payment", "amount":"5", "actions":["pay"]}]"#).as_deref(),
            Ok(r#"[{"actions":["pay"],"amount":"5","type":"payment"}]"#)
        );
        for bad in [
            "",
            "[]",
            "{}",
            r#"{"type":"payment"}"#,
            "[1]",
            r#"[{"actions":["pay"]}]"#,
            r#"[{"type":1}]"#,
            r#"[{"type":"unknown"}]"#,
            r#"[{"type":"payment"}]"#,
            r#"[{"type":"payment","actions":["steal"]}]"#,
            r#"[{"type":"payment","actions":["pay"],"amount":5}]"#,
            r#"[{"type":"payment","actions":["pay"],"more":1}]"#,
            r#"[{"type":"payment","actions":["pay"]},{"type":"x"}]"#,
        ] {
            assert_eq!(said(bad), Err("invalid_authorization_details"), "{bad}");
        }
        let many = format!("[{}]", [r#"{"type":"payment","actions":["pay"]}"#; 9].join(","));
        assert!(said(&many).is_err() && said(&format!("[{}]", " ".repeat(5000))).is_err());
    }

    #[test]
    fn rfc9396_10_only_types_that_the_client_registered() {
        let text = r#"[{"type":"payment","actions":["pay"]}]"#;
        assert_eq!(types().read(text, &crate::testing::client()).unwrap_err().code(), "invalid_authorization_details");
    }

    #[test]
    fn rfc9396_6_a_token_has_no_more_than_was_granted() {
        let granted = Details::read(r#"[{"type":"a","actions":["r","w"],"n":1},{"type":"b","locations":["https://x.example"]}]"#).unwrap();
        let kind = |schema: Value| Type {
            schema: Schema::parse(&schema).unwrap(),
            words: Words::parse("x").unwrap(),
            enrichment: Enrichment::default(),
        };
        let pair = json!({ "properties": { "actions": { "type": "array", "minItems": 1 } } });
        let declared = [("a".into(), kind(pair)), ("b".into(), kind(json!({})))].into();
        let types = Types { declared, credentials: Catalogue::NONE };
        let asked = |text: &str| types.narrow(Some(&granted), Some(text)).map(|own| own.unwrap().types().len());
        assert_eq!(asked(r#"[{"type":"a","actions":["r"],"n":1}]"#).unwrap(), 1);
        assert_eq!(asked(&granted.text()).unwrap(), 2);
        for more in [
            r#"[{"type":"a","actions":["r","x"],"n":1}]"#,
            r#"[{"type":"a","actions":[],"n":1}]"#,
            r#"[{"type":"a","actions":["r"],"n":2}]"#,
            r#"[{"type":"a","actions":["r"]}]"#,
            r#"[{"type":"a","actions":["r"],"n":1,"m":1}]"#,
            r#"[{"type":"c"}]"#,
        ] {
            assert_eq!(asked(more).unwrap_err().code(), "invalid_authorization_details", "{more}");
        }
        assert!(types.narrow(None, Some(r#"[{"type":"a"}]"#)).is_err());
        assert_eq!(types.narrow(Some(&granted), None).unwrap(), None);
    }

    #[test]
    fn rfc9396_8_what_is_left_fits_its_type() {
        let granted = Details::read(r#"[{"type":"payment","actions":["pay","read"]},{"type":"gone"}]"#).unwrap();
        let asked = |text: &str| types().narrow(Some(&granted), Some(text)).map(|own| own.unwrap().text()).map_err(|error| error.code());
        let less = r#"[{"actions":["pay"],"type":"payment"}]"#;
        assert_eq!(asked(less).as_deref(), Ok(less));
        assert_eq!(asked(r#"[{"type":"gone"}]"#), Err("invalid_authorization_details"), "nobody registers it any more");
    }

    #[test]
    fn rfc9396_2_2_a_resource_server_sees_what_is_for_it() {
        let details = Details::read(r#"[{"type":"a","locations":["https://x.example"]},{"type":"b"}]"#).unwrap();
        let seen = |audience| details.for_audience(audience).map(|own| own.types().len());
        assert_eq!((seen(Some("https://x.example")), seen(Some("https://y.example")), seen(None)), (Some(2), Some(1), Some(2)));
        let only = Details::read(r#"[{"type":"a","locations":["https://x.example"]}]"#).unwrap();
        assert_eq!(only.for_audience(Some("https://y.example")), None);
    }

    #[test]
    fn rfc9396_3_a_person_reads_them_in_words() {
        let details = Details::read(r#"[{"type":"payment","amount":"5 EUR","actions":["pay","read"]}]"#).unwrap();
        assert_eq!(types().in_words(&details), ["Pay 5 EUR (pay, read)"]);
        assert_eq!(types().sentences(&details), ["Pay {amount} ({actions})"]);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\PC\\[\\]{}:\",]{0,80}") {
            if let Ok(details) = Details::read(&text) {
                prop_assert_eq!(Details::read(&details.text()).unwrap(), details);
            }
            let _ = said(&text);
        }
    }
}
