//! What the configuration says that a type adds: `{ "member": { "const": ... } }`, and `claim`, `choose` or `choose_one` in its place.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

use super::{Addition, Choice, Enrichment, Source};
use crate::account::claims;
use crate::account::lists::{self, MOST_ENTRIES};
use crate::canonical;
use crate::details::schema::Schema;
use crate::details::words::Words;

/// Members that a type adds.
const MOST: usize = 16;
/// Names that lead to a member.
const DEEPEST: usize = 4;
/// How many may be chosen where the type does not say.
const USUAL: usize = 8;

impl Enrichment {
    /// Reads what the configuration says of a type.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(declared: &Value, schema: &Schema, words: &Words) -> Result<Self, String> {
        let Some(members) = declared.as_object().filter(|own| (1..=MOST).contains(&own.len())) else {
            return Err("its enrichment is a JSON object of 1 to 16 members".into());
        };
        let mut own = Self::default();
        for (name, rule) in members {
            let wrong = |why: &str| format!("its enrichment of {name}: {why}");
            let path: Vec<String> = name.split('.').map(String::from).collect();
            if path.len() > DEEPEST || path.iter().any(String::is_empty) || name == "type" {
                return Err(wrong("this is no member, or one that is more than 4 deep"));
            }
            if own.0.iter().any(|other| other.path.starts_with(&path) || path.starts_with(&other.path)) {
                return Err(wrong("it stands in a member that is added too"));
            }
            let source = Source::parse(rule, schema.names(&path)).map_err(wrong)?;
            match &source {
                // A client would believe that its own word counts.
                Source::Constant(_) | Source::Claim(_) if schema.names(&path) => {
                    return Err(wrong("the schema has it too; take it out there"));
                }
                Source::Claim(_) if !words.names(&path) => {
                    return Err(wrong(&format!("what is told of a person is read by them; put {{{name}}} into the words")));
                }
                _ => {}
            }
            own.0.push(Addition { path, source });
        }
        Ok(own)
    }
}

impl Source {
    fn parse(rule: &Value, named: bool) -> Result<Self, &'static str> {
        const SHAPE: &str =
            "it has one of const, claim, choose and choose_one; choose and choose_one have words, choose may have least and most";
        let members = rule.as_object().ok_or(SHAPE)?;
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        let has_only = |known: &[&str]| members.keys().all(|name| known.contains(&name.as_str()));
        if let Some(value) = members.get("const").filter(|_| has_only(&["const"])) {
            return match canonical::to_vec(value) {
                Ok(_) => Ok(Self::Constant(value.clone())),
                Err(_) => Err("numbers are whole and below 2^53; write others as text"),
            };
        }
        if let Some(name) = text("claim").filter(|_| has_only(&["claim"])) {
            let is_claim = name == "email" || claims::names().contains(&name);
            return if is_claim { Ok(Self::Claim(name.into())) } else { Err("there is no such standard claim") };
        }
        let one = members.contains_key("choose_one");
        let list = text(if one { "choose_one" } else { "choose" }).ok_or(SHAPE)?;
        if !has_only(if one { &["choose_one", "words"] } else { &["choose", "words", "least", "most"] }) {
            return Err(SHAPE);
        }
        if !lists::is_name(list) {
            return Err("the name of a list has 1 to 64 small letters, digits and underscores");
        }
        let words = text("words").and_then(|words| Words::parse(words).ok()).ok_or("its words are missing, or no sentence")?;
        let count = |name: &str, usual: usize| match members.get(name) {
            None => Some(usual),
            Some(value) => value.as_u64().and_then(|count| usize::try_from(count).ok()),
        };
        let (least, most) = if one { (Some(1), Some(1)) } else { (count("least", 1), count("most", USUAL)) };
        match (least, most) {
            (Some(least), Some(most)) if least <= most && (1..=MOST_ENTRIES).contains(&most) => {
                Ok(Self::Chosen(Choice { list: list.into(), words, one, least, most, named }))
            }
            _ => Err("most is 1 to 50, and least no more than it"),
        }
    }
}
