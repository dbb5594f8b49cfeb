//! Lists: what an operator states that a person has - accounts at a bank, cards, wards - for the person to choose from.
//!
//! | Rule | Source |
//! |---|---|
//! | a person who allows something may choose what it is about | RFC 9396 §7.1 |
//! | only the operator states lists; a statement replaces everything that was stated before | our own |
//! | an entry has a value, which clients and resource servers read, and a label, which the person reads | our own |
//! | a list is told to nobody: what the person chose is | our own |
//! | everything is bounded | our own |
//!
//! Out of scope: what is chosen, and for which type of authorization details (`details::enrichment`), encryption (`app`).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::FieldError;
pub use super::stated::LISTS;
use crate::canonical;
use crate::details::words::is_plain;
use crate::digest::Digest;

/// The field of the log that holds them as ciphertext.
pub const FIELD: &str = "lists";

/// Lists of one person.
const MOST_LISTS: usize = 16;
/// Entries of one list.
pub const MOST_ENTRIES: usize = 50;
/// Characters of a label.
const LONGEST_LABEL: usize = 100;
/// Bytes of a value as JSON.
const LONGEST_VALUE: usize = 512;
/// Bytes of everything together.
const LONGEST: usize = 16 * 1024;

/// Something that a person has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub label: String,
    pub value: Value,
}

impl Entry {
    /// What a form calls it: the same wherever it stands in its list, and nothing that a person would type.
    pub fn id(&self) -> String {
        // A list has values with a canonical form alone.
        canonical::to_vec(&self.value).map(|bytes| Digest::of(&bytes).to_string()).unwrap_or_default()
    }
}

/// The lists of one person, in clear. They live only between the vault and an answer.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Lists(BTreeMap<String, Vec<Entry>>);

/// May a list be called so?
pub fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

impl Lists {
    /// Reads a statement, or what [`Self::text`] wrote: an object of arrays, each with entries `{ "label", "value" }` or texts that are both.
    ///
    /// # Errors
    /// A sentence that repeats no value.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        let wrong = |problem: &str| FieldError { field: LISTS, problem: problem.to_string() };
        let shape = || wrong("Lists are an object of arrays, each with texts or objects of a label and a value.");
        let stated: BTreeMap<String, Vec<Value>> = serde_json::from_str(text).map_err(|_| shape())?;
        if stated.len() > MOST_LISTS || text.len() > LONGEST {
            return Err(wrong("A person has at most 16 lists, of 16 KiB together."));
        }
        let mut lists = Self::default();
        for (name, entries) in stated {
            if !is_name(&name) {
                return Err(wrong("The name of a list has 1 to 64 small letters, digits and underscores."));
            }
            let entries = entries.iter().map(|own| entry(own).ok_or_else(shape)).collect::<Result<Vec<_>, _>>()?;
            let unfit = |problem: &str| wrong(&format!("The list {name}: {problem}"));
            if entries.len() > MOST_ENTRIES {
                return Err(unfit("it has at most 50 entries."));
            }
            let is_label = |label: &str| !label.trim().is_empty() && label.chars().count() <= LONGEST_LABEL && label.chars().all(is_plain);
            if !entries.iter().all(|own| is_label(&own.label)) {
                return Err(unfit("a label has 1 to 100 characters, all of them visible."));
            }
            if !entries.iter().all(|own| canonical::to_vec(&own.value).is_ok_and(|bytes| bytes.len() <= LONGEST_VALUE)) {
                return Err(unfit("a value has at most 512 bytes, and numbers in it are whole."));
            }
            if (1..entries.len())
                .any(|at| entries.iter().take(at).any(|before| entries.get(at).is_some_and(|own| own.value == before.value)))
            {
                return Err(unfit("a value stands in it twice."));
            }
            lists.0.insert(name, entries);
        }
        Ok(lists)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A JSON object, which [`Self::parse`] reads.
    pub fn text(&self) -> String {
        json!(self.0).to_string()
    }

    /// Everything, for the operator.
    pub fn shown(&self) -> Map<String, Value> {
        let members = [(LISTS.to_string(), json!(self.0))];
        members.into_iter().filter(|_| !self.is_empty()).collect()
    }

    /// The entries of a list, in the order in which they were stated; none of a list that nobody stated.
    pub fn get(&self, name: &str) -> &[Entry] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}

fn entry(stated: &Value) -> Option<Entry> {
    match stated {
        Value::String(text) => Some(Entry { label: text.clone(), value: stated.clone() }),
        Value::Object(members) if members.len() == 2 => {
            Some(Entry { label: members.get("label")?.as_str()?.to_string(), value: members.get("value")?.clone() })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_statement_is_read_back_as_it_was_meant() {
        let lists = Lists::parse(r#"{"cards":["1234"],"accounts":[{"label":"Daily","value":{"iban":"DE1"}}]}"#).ok().unwrap();
        assert_eq!(lists.get("cards"), [Entry { label: "1234".into(), value: json!("1234") }]);
        assert_eq!(lists.get("accounts"), [Entry { label: "Daily".into(), value: json!({"iban": "DE1"}) }]);
        assert_eq!(lists.get("others"), []);
        assert!(Lists::parse(&lists.text()).is_ok_and(|own| own == lists));
        assert_ne!(lists.get("cards")[0].id(), lists.get("accounts")[0].id());
        assert!(Lists::default().shown().is_empty() && lists.shown().contains_key(LISTS));
    }

    #[test]
    fn what_is_unfit_is_refused_without_its_values() {
        let many = json!({ "a": (0..=MOST_ENTRIES).map(|n| n.to_string()).collect::<Vec<_>>() }).to_string();
        let lists: Map<_, _> = (0..=MOST_LISTS).map(|n| (format!("l{n}"), json!([]))).collect();
        for bad in [
            "",
            "[]",
            r#"{"a":"hunter2"}"#,
            r#"{"a":[1]}"#,
            r#"{"a":[{"label":"hunter2"}]}"#,
            r#"{"a":[{"label":"x","value":1,"more":"hunter2"}]}"#,
            r#"{"a":[{"label":1,"value":1}]}"#,
            r#"{"A":[]}"#,
            r#"{"":[]}"#,
            r#"{"a":[{"label":" ","value":"hunter2"}]}"#,
            r#"{"a":["a\nb"]}"#,
            r#"{"a":[{"label":"x","value":1.5}]}"#,
            r#"{"a":["hunter2",{"label":"again","value":"hunter2"}]}"#,
            &json!({ "a": [{ "label": "x", "value": "y".repeat(LONGEST_VALUE) }] }).to_string(),
            &json!({ "a": ["y".repeat(LONGEST_LABEL + 1)] }).to_string(),
            &many,
            &Value::Object(lists).to_string(),
            &format!("{{\"a\":[]{}}}", " ".repeat(LONGEST)),
        ] {
            let error = Lists::parse(bad).err().unwrap();
            assert!(error.field == LISTS && !error.problem.contains("hunter2"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[\\PC\\[\\]{}:\",]{0,80}") {
            if let Ok(lists) = Lists::parse(&text) {
                prop_assert!(Lists::parse(&lists.text()).is_ok_and(|own| own == lists));
            }
        }
    }
}
