//! The claims about a person: which scope brings which, and what the `claims` parameter asks for one by one.
//!
//! | Rule | Source |
//! |---|---|
//! | the claims of each scope | OpenID Connect Core 1.0 §5.4 |
//! | a request names claims for userinfo and for the id_token | OpenID Connect Core 1.0 §5.5 |
//! | one that is none of the standard may be a claim of others; the person is asked for it by its name | OpenID Connect Core 1.0 §5.6.2; our own |
//! | what can be no claim of a person is ignored | OpenID Connect Core 1.0 §5.5 |
//! | `null`, or an object with `essential`, `value`, `values` | OpenID Connect Core 1.0 §5.5.1 |
//! | an essential `acr` must be reached | OpenID Connect Core 1.0 §5.5.1.1 |
//! | `sub` with a value names who has to be there; one that names nobody clearly is refused | OpenID Connect Core 1.0 §5.5.1, §3.1.2.2 |
//! | another claim with a value is told if it has that value (`wanted`) | OpenID Connect Core 1.0 §5.5.1 |
//! | what others assert is told where its name is let through (`through`) | OpenID Connect Core 1.0 §5.6.2 |

pub mod through;
pub mod wanted;

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::account::claims::RULES;
use crate::account::sources::is_name;
use crate::error::OAuthError;
use crate::scope::Scope;
use wanted::{Place, Wanted};

/// Longest `claims` parameter in bytes.
pub const MAX_BYTES: usize = 8 * 1024;

/// Claims beyond the standard ones that a request may name: the person has to read them all.
const MOST_SINGLE: usize = 32;

/// Beginning of the word by which a consent holds a claim that no scope brings. It is no scope: no token has it.
const SINGLE: &str = "urn:chancery:claim:";

/// The claim that a word of a consent means, if it means one.
pub fn single(word: &str) -> Option<&str> {
    word.strip_prefix(SINGLE)
}

/// The scope that brings a claim; `None` for a claim that is not one of the standard.
pub fn scope_of(name: &str) -> Option<&'static str> {
    match name {
        "email" => Some("email"),
        "updated_at" => Some("profile"),
        "address" => Some("address"),
        _ => RULES.iter().find(|rule| rule.name == name).map(|rule| rule.scope),
    }
}

/// Claims of the login itself, which any id_token may have.
const OF_LOGIN: &[&str] = &["acr", "auth_time"];

/// What was asked for one by one, as far as it is known here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimsRequest {
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub id_token: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub userinfo: BTreeSet<String>,
}

impl ClaimsRequest {
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.userinfo.is_empty()
    }

    /// The scopes whose words tell a person what these claims are.
    pub fn scopes(&self) -> Scope {
        scopes_of(&self.id_token).union(&scopes_of(&self.userinfo))
    }

    /// What a person is asked to allow who is asked for these claims beside scopes: the scopes, those whose words tell what single claims mean,
    /// and the names of claims that only others can assert, if others assert anything about the person.
    pub fn beside(&self, scope: &Scope, has_claims_of_others: bool) -> Scope {
        let asked = scope.union(&self.scopes());
        if has_claims_of_others { asked.union(&self.single_words()) } else { asked }
    }

    /// Of each claim that no scope brings, a word of its own ([`single`]).
    pub fn single_words(&self) -> Scope {
        let named: Vec<_> = self.singles().into_iter().map(|name| alloc::format!("{SINGLE}{name}")).collect();
        Scope::of(&named.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The claims that no scope brings: only others can assert them.
    fn singles(&self) -> BTreeSet<&str> {
        let all = self.id_token.iter().chain(&self.userinfo).map(String::as_str);
        all.filter(|name| scope_of(name).is_none() && is_name(name)).collect()
    }
}

/// The scopes that bring any of these claims.
pub fn scopes_of(names: &BTreeSet<String>) -> Scope {
    Scope::of(&names.iter().filter_map(|name| scope_of(name)).collect::<Vec<_>>())
}

/// A parsed `claims` parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parsed {
    pub request: ClaimsRequest,
    /// The `sub` that the answer must be about.
    pub sub: Option<String>,
    /// Levels of which one must be reached; `None` when that is no condition.
    pub essential_acr: Option<BTreeSet<String>>,
    /// The values that other claims must have to be told.
    pub wanted: Wanted,
}

/// Reads the parameter.
///
/// # Errors
/// `invalid_request` for what is no JSON object of the right shape.
pub fn parse(text: &str) -> Result<Parsed, OAuthError> {
    let refuse = |sentence: &str| Err(OAuthError::invalid_request("claims").saying(sentence));
    if text.len() > MAX_BYTES {
        return refuse("claims is longer than 8192 bytes.");
    }
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(text) else { return refuse("claims is not a JSON object.") };
    let mut parsed = Parsed::default();
    for (member, place, known_login) in [("userinfo", Place::Userinfo, &[][..]), ("id_token", Place::IdToken, OF_LOGIN)] {
        let asked = match members.get(member) {
            None | Some(Value::Null) => continue,
            Some(Value::Object(asked)) => asked,
            Some(_) => return refuse("userinfo and id_token in claims are JSON objects."),
        };
        for (name, wish) in asked {
            if !matches!(wish, Value::Null | Value::Object(_)) {
                return refuse("Each claim in claims is null or a JSON object.");
            }
            if name == "sub" && (wish.get("value").is_some() || wish.get("values").is_some()) {
                let Some(named) = one_person(wish).filter(|named| parsed.sub.as_ref().is_none_or(|other| other == named)) else {
                    return refuse("sub in claims names one person, by a string.");
                };
                parsed.sub = Some(named);
            }
            if place == Place::IdToken && name == "acr" && wish.get("essential") == Some(&Value::Bool(true)) {
                parsed.essential_acr = values(wish);
            }
            // Beyond the bound they are ignored, as claims are that nobody knows.
            let is_of_person = scope_of(name).is_some() || (is_name(name) && parsed.request.singles().len() < MOST_SINGLE);
            if is_of_person && parsed.wanted.note(place, name, wish).is_none() {
                return refuse("values of a claim in claims is a JSON array.");
            }
            if is_of_person || known_login.contains(&name.as_str()) {
                let names = if place == Place::IdToken { &mut parsed.request.id_token } else { &mut parsed.request.userinfo };
                names.insert(name.clone());
            }
        }
    }
    Ok(parsed)
}

/// Whom a wish for `sub` names. §5.5.1: an answer about anybody else must not be given, so that a number, or a choice of people, is not
/// passed over like the wish for another claim.
fn one_person(wish: &Value) -> Option<String> {
    let many = match wish.get("values") {
        None => &[][..],
        Some(many) => many.as_array()?,
    };
    let mut named = wish.get("value").into_iter().chain(many);
    let first = named.next()?;
    first.as_str().filter(|_| named.all(|other| other == first)).map(ToString::to_string)
}

fn values(wish: &Value) -> Option<BTreeSet<String>> {
    let one = wish.get("value").and_then(Value::as_str);
    let many = wish.get("values").and_then(Value::as_array);
    let all: BTreeSet<_> = one.into_iter().chain(many.into_iter().flatten().filter_map(Value::as_str)).map(ToString::to_string).collect();
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::scope;
    use proptest::prelude::*;

    #[test]
    fn oidc_core_5_5_the_example_of_the_specification() {
        let parsed = parse(
            r#"{"userinfo": {"given_name": {"essential": true}, "nickname": null, "email": {"essential": true},
                "http://example.info/claims/groups": null},
                "id_token": {"auth_time": {"essential": true}, "acr": {"values": ["urn:mace:incommon:iap:silver"]}}}"#,
        )
        .unwrap();
        let asked = ["given_name", "nickname", "email", "http://example.info/claims/groups"];
        assert_eq!(parsed.request.userinfo, asked.map(String::from).into());
        assert_eq!(parsed.request.id_token, ["auth_time", "acr"].map(String::from).into());
        assert_eq!((parsed.essential_acr, parsed.sub), (None, None));
        assert_eq!(parsed.request.scopes(), scope("profile email"));
        // What no scope brings is a word of its own: the person reads its name.
        assert_eq!(parsed.request.single_words(), scope("urn:chancery:claim:http://example.info/claims/groups"));
        assert_eq!(single("urn:chancery:claim:http://example.info/claims/groups"), Some("http://example.info/claims/groups"));
        assert_eq!(single("profile"), None);
    }

    #[test]
    fn oidc_core_5_5_what_can_be_no_claim_of_a_person_is_ignored() {
        let wish = r#"{"userinfo": {"iss": null, "_claim_names": null, "two words": null, "": null, "auth_time": null},
                       "id_token": {"aud": null, "sub": null, "_claim_sources": {"value": 1}}}"#;
        assert_eq!(parse(wish).unwrap(), Parsed::default());
    }

    #[test]
    fn claims_that_are_not_standard_are_bounded() {
        let wish = |count: usize| {
            let many: serde_json::Map<_, _> = (0..count).map(|n| (alloc::format!("c{n}"), Value::Null)).collect();
            serde_json::json!({ "userinfo": many, "id_token": { "email": null, "c0": null, "acr": null } }).to_string()
        };
        assert_eq!(parse(&wish(32)).unwrap().request.userinfo.len(), 32);
        assert_eq!(parse(&wish(33)).unwrap().request.userinfo.len(), 32);
    }

    #[test]
    fn oidc_core_5_5_1_sub_and_an_essential_acr_are_conditions() {
        let parsed = parse(r#"{"id_token": {"sub": {"value": "s"}, "acr": {"essential": true, "values": ["a", "b"]}}}"#).unwrap();
        assert_eq!((parsed.sub.as_deref(), parsed.essential_acr), (Some("s"), Some(["a", "b"].map(String::from).into())));
    }

    #[test]
    fn oidc_core_5_5_1_a_sub_names_one_person_by_a_string() {
        for wish in [r#"{"value": "s"}"#, r#"{"values": ["s"]}"#, r#"{"value": "s", "values": ["s", "s"]}"#] {
            let both = alloc::format!("{{\"userinfo\": {{\"sub\": {wish}}}, \"id_token\": {{\"sub\": {{\"value\": \"s\"}}}}}}");
            assert_eq!(parse(&both).unwrap().sub.as_deref(), Some("s"), "{wish}");
        }
        for wish in ["null", "{}", r#"{"essential": true}"#] {
            assert_eq!(parse(&alloc::format!("{{\"id_token\": {{\"sub\": {wish}}}}}")).unwrap().sub, None, "{wish}");
        }
        for wish in [
            r#"{"value": 1}"#,
            r#"{"value": null}"#,
            r#"{"values": []}"#,
            r#"{"values": "s"}"#,
            r#"{"values": ["s", "t"]}"#,
            r#"{"value": "s", "values": ["t"]}"#,
            r#"{"value": "t"}"#,
        ] {
            let both = alloc::format!("{{\"userinfo\": {{\"sub\": {{\"value\": \"s\"}}}}, \"id_token\": {{\"sub\": {wish}}}}}");
            assert_eq!(parse(&both).unwrap_err().code(), "invalid_request", "{wish}");
        }
    }

    #[test]
    fn oidc_core_5_5_what_has_another_shape_is_refused() {
        for bad in [
            "",
            "[]",
            "x",
            r#"{"userinfo": []}"#,
            r#"{"id_token": {"email": true}}"#,
            r#"{"id_token": {"email": {"values": "a@example.com"}}}"#,
            &alloc::format!("{{\"a\": \"{}\"}}", "x".repeat(8192)),
        ] {
            assert_eq!(parse(bad).unwrap_err().code(), "invalid_request", "{bad}");
        }
        assert_eq!(parse(r#"{"other": 1, "userinfo": null}"#).unwrap(), Parsed::default());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_json_panics(name in "[a-z_]{1,12}", essential: bool, value in "\\PC{0,20}") {
            let text = serde_json::json!({"id_token": {name: {"essential": essential, "value": value}}, "userinfo": {"email": null}});
            prop_assert!(parse(&serde_json::to_string(&text).unwrap()).unwrap().request.userinfo.contains("email"));
        }
    }
}
