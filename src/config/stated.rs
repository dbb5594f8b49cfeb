//! What a `[[user]]` says of a person: the shape of `claims`, whose meaning is for the rules of accounts.

use std::collections::BTreeMap;

use chancery_core::account::lists::LISTS;
use chancery_core::account::sources::{NAMES, SOURCES};
use serde_json::Value;

use super::given::Raw;
use super::table::Kind;

/// Texts and truths by name; those of a table within it after its name and a dot. What is said of claims of others
/// (OpenID Connect Core 1.0 §5.6.2) stays whole, as JSON text, and so do lists.
///
/// # Errors
/// A sentence without values.
pub fn claims(_: Kind, raw: &Raw) -> Result<BTreeMap<String, String>, String> {
    let wrong = || "is not a table of claims; write { given_name = \"Alice\", address = { country = \"UK\" } }.".to_owned();
    let Raw::Table(members) = raw else { return Err(wrong()) };
    let mut flat = BTreeMap::new();
    for (name, value) in members {
        match value {
            Raw::Table(_) if [NAMES, SOURCES, LISTS].contains(&name.as_str()) => {
                drop(flat.insert(name.clone(), json(value).ok_or_else(wrong)?.to_string()));
            }
            Raw::Table(parts) => {
                for (part, value) in parts {
                    flat.insert(format!("{name}.{part}"), plain(value).ok_or_else(wrong)?);
                }
            }
            value => drop(flat.insert(name.clone(), plain(value).ok_or_else(wrong)?)),
        }
    }
    Ok(flat)
}

fn plain(raw: &Raw) -> Option<String> {
    match raw {
        Raw::Text(text) => Some(text.clone()),
        Raw::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// Tables and arrays of texts, as deep as they go.
fn json(raw: &Raw) -> Option<Value> {
    match raw {
        Raw::Text(text) => Some(Value::String(text.clone())),
        Raw::List(texts) => Some(texts.clone().into()),
        Raw::Table(members) => members.iter().map(|(name, value)| Some((name.clone(), json(value)?))).collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Raw {
        Raw::Text(text.to_owned())
    }

    fn table<const N: usize>(members: [(&str, Raw); N]) -> Raw {
        Raw::Table(members.map(|(name, value)| (name.to_owned(), value)).into())
    }

    #[test]
    fn parts_stand_after_a_dot_and_claims_of_others_stay_whole() {
        let source = table([("endpoint", text("https://b.example")), ("access_token", text("abc"))]);
        let whole = table([
            ("given_name", text("Ada")),
            ("email_verified", Raw::Boolean(true)),
            ("address", table([("country", text("UK"))])),
            ("_claim_names", table([("credit_score", text("b"))])),
            ("_claim_sources", table([("b", source)])),
        ]);
        let flat = claims(Kind::Table, &whole).unwrap();
        let said: Vec<_> = flat.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let sources = r#"{"b":{"access_token":"abc","endpoint":"https://b.example"}}"#;
        let names = ("_claim_names", r#"{"credit_score":"b"}"#);
        let rest = [("address.country", "UK"), ("email_verified", "true"), ("given_name", "Ada")];
        assert_eq!(said, [&[names, ("_claim_sources", sources)][..], &rest].concat());
    }

    #[test]
    fn other_shapes_are_refused_without_their_values() {
        let deep = table([("b", table([("endpoint", Raw::Boolean(true)), ("access_token", text("hunter2"))]))]);
        for wrong in [
            text("hunter2"),
            table([("age", Raw::Integer("5".to_owned()))]),
            table([("address", table([("country", table([]))]))]),
            table([("_claim_sources", deep)]),
        ] {
            let sentence = claims(Kind::Table, &wrong).unwrap_err();
            assert!(sentence.starts_with("is not a table of claims") && !sentence.contains("hunter2"), "{sentence}");
        }
    }
}
