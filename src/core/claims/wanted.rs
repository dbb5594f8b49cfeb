//! The values that claims are asked for with: a claim that has another one is left out.
//!
//! | Rule | Source |
//! |---|---|
//! | `value` asks for one value, `values` for one of several | OpenID Connect Core 1.0 §5.5.1 |
//! | a claim of another value is left out, whether or not a scope brings it too: the wish is about the claim | our own |
//! | values are personal data, and kept as ciphertext | DESIGN: rule 7 |
//!
//! A `null` in the place of `value` or `values` is how many programs write that there is none.
//!
//! Out of scope: `sub` and `acr`, which are conditions of the login (`claims`); `auth_time`, which tells when it was.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The field of the log that holds these values as ciphertext.
pub const CLAIM_VALUES: &str = "claim_values";

/// Where claims are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    IdToken,
    Userinfo,
}

/// Acceptable values, claim by claim. Not to be printed: they say of somebody what the client believes.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    id_token: BTreeMap<String, Vec<Value>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    userinfo: BTreeMap<String, Vec<Value>>,
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wanted")
    }
}

impl Wanted {
    /// Takes the wish for one claim; `None` when its `values` are no array.
    pub(super) fn note(&mut self, place: Place, name: &str, wish: &Value) -> Option<()> {
        let said = |member: &str| wish.get(member).filter(|value| !value.is_null());
        let (one, many) = (said("value"), said("values"));
        if one.is_none() && many.is_none() {
            return Some(());
        }
        let many = many.map_or(Some(&[][..]), |many| many.as_array().map(Vec::as_slice))?;
        let acceptable = one.into_iter().chain(many).cloned().collect();
        let claims = match place {
            Place::IdToken => &mut self.id_token,
            Place::Userinfo => &mut self.userinfo,
        };
        claims.insert(name.to_string(), acceptable);
        Some(())
    }

    /// As one JSON text, for the vault; `None` when no value was asked for.
    pub fn text(&self) -> Option<String> {
        if self.id_token.is_empty() && self.userinfo.is_empty() {
            return None;
        }
        // Maps of texts and JSON values: there is nothing that could not be written.
        serde_json::to_string(self).ok()
    }

    /// What [`Self::text`] wrote; `None` for another text.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Was a value asked for?
    pub(super) fn is_for(&self, place: Place, name: &str) -> bool {
        self.of(place).contains_key(name)
    }

    fn of(&self, place: Place) -> &BTreeMap<String, Vec<Value>> {
        match place {
            Place::IdToken => &self.id_token,
            Place::Userinfo => &self.userinfo,
        }
    }

    /// Leaves out the claims that have another value than one of those that were asked for.
    pub fn keep(&self, place: Place, told: &mut Map<String, Value>) {
        let wanted = self.of(place);
        told.retain(|name, value| wanted.get(name).is_none_or(|acceptable| acceptable.contains(value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wanting(wish: &Value) -> Option<Wanted> {
        let mut wanted = Wanted::default();
        wanted.note(Place::Userinfo, "name", wish).map(|()| wanted)
    }

    fn keeps(wish: &Value, value: &Value) -> bool {
        let mut told = json!({ "name": value, "email": "a@example.com" }).as_object().unwrap().clone();
        wanting(wish).unwrap().keep(Place::Userinfo, &mut told);
        assert!(told.contains_key("email"), "nothing was said of this one");
        told.contains_key("name")
    }

    #[test]
    fn oidc_core_5_5_1_one_value_or_one_of_several() {
        let ada = json!("Ada");
        for fits in [
            json!(null),
            json!({}),
            json!({ "essential": true, "value": null, "values": null }),
            json!({ "value": "Ada" }),
            json!({ "values": ["Eve", "Ada"] }),
            json!({ "value": "Eve", "values": ["Ada"] }),
        ] {
            assert!(keeps(&fits, &ada), "{fits}");
        }
        for other in [json!({ "value": "ada" }), json!({ "values": ["Eve"] }), json!({ "values": [] }), json!({ "value": ["Ada"] })] {
            assert!(!keeps(&other, &ada), "{other}");
        }
        let address = json!({ "country": "UK", "locality": "London" });
        assert!(keeps(&json!({ "value": { "locality": "London", "country": "UK" } }), &address));
        assert!(!keeps(&json!({ "value": { "country": "UK" } }), &address));
        assert!(keeps(&json!({ "value": true }), &json!(true)) && !keeps(&json!({ "value": "true" }), &json!(true)));
    }

    #[test]
    fn oidc_core_5_5_1_each_place_has_its_own_values() {
        let mut told = json!({ "name": "Ada" }).as_object().unwrap().clone();
        let wanted = wanting(&json!({ "value": "Eve" })).unwrap();
        wanted.keep(Place::IdToken, &mut told);
        assert_eq!(told.len(), 1);
        wanted.keep(Place::Userinfo, &mut told);
        assert!(told.is_empty());
    }

    #[test]
    fn values_that_are_no_array_are_no_wish() {
        for bad in [json!("Ada"), json!({}), json!(1), json!(true)] {
            assert!(wanting(&json!({ "values": bad, "value": "Ada" })).is_none(), "{bad}");
        }
    }

    #[test]
    fn what_the_vault_holds_comes_back_and_is_not_printed() {
        let wanted = wanting(&json!({ "values": ["Ada", { "a": [1] }] })).unwrap();
        assert!(Wanted::read(&wanted.text().unwrap()).unwrap() == wanted);
        assert_eq!((Wanted::default().text(), Wanted::read("[")), (None, None));
        assert!(!alloc::format!("{wanted:?}").contains("Ada"));
    }
}
