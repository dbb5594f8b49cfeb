//! What is stated of a person, and by whom, before anybody looks at it: texts by name, the members for claims of others and for lists
//! among them.
//!
//! Out of scope: what may be stated (`claims`, `sources`, `lists`).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use super::FieldError;

/// The member that says where each claim comes from.
pub const NAMES: &str = "_claim_names";
/// The member with what is told of each source.
pub const SOURCES: &str = "_claim_sources";
/// The member in which lists are stated, beside standard claims.
pub const LISTS: &str = "_lists";

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

/// The statements in a JSON object as userinfo would answer it: texts, `true` or `false`, an `address` with its parts, and what others assert
/// and the lists, each of these members as JSON text.
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
        Value::Object(_) if [NAMES, SOURCES, LISTS].contains(&name.as_str()) => drop(stated.insert(name, value.to_string())),
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

/// A name that somebody else wrote.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(40).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
