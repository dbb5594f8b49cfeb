//! What a person reads about a detail: the operator's sentence with `{member}` or `{member.inner}` where something particular stands.

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value};

/// Characters of one value on the page.
const LONGEST: usize = 200;

#[derive(Clone, Debug, PartialEq)]
pub struct Words {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// Names, outermost first.
    Member(Vec<String>),
}

impl Words {
    /// # Errors
    /// What is wrong with the sentence, for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            return Err("the words are empty or have a line end".into());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (path, after) = after.split_once('}').ok_or("a { has no }")?;
            if path.is_empty() || path.contains('{') || path.split('.').any(str::is_empty) {
                return Err(format!("{{{path}}} names no member"));
            }
            parts.extend([Part::Text(before.into()), Part::Member(path.split('.').map(String::from).collect())]);
            rest = after;
        }
        if rest.contains('}') || parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err("a } has no {".into());
        }
        parts.push(Part::Text(rest.into()));
        Ok(Self { text: text.into(), parts })
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// Does a value of this member stand in it?
    pub fn names(&self, path: &[String]) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Member(own) if own == path))
    }

    /// The sentence about one detail. A member that is not there is a dash.
    pub fn say(&self, detail: &Map<String, Value>) -> String {
        let member = |path: &[String]| {
            let (first, rest) = path.split_first()?;
            rest.iter().try_fold(detail.get(first)?, |value, name| value.get(name))
        };
        let shown = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Member(path) => member(path).map_or_else(|| "\u{2013}".to_string(), shown),
        };
        self.parts.iter().map(shown).collect()
    }
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    // A line end or a mark of direction in a value must not look like the operator's words (CWE-451).
    let plain: String = text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect();
    if plain.chars().count() <= LONGEST { plain } else { plain.chars().take(LONGEST).chain(['\u{2026}']).collect() }
}

/// No control, no mark that changes the direction of text, no separator of lines.
pub(crate) fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn say(words: &str, detail: Value) -> String {
        Words::parse(words).unwrap().say(detail.as_object().unwrap())
    }

    #[test]
    fn members_stand_where_their_names_do() {
        let detail = json!({"amount": {"value": "5", "currency": "EUR"}, "to": ["Ann", "Bob"], "n": 3, "b": true});
        assert_eq!(say("Pay {amount.value} {amount.currency} to {to}: {n} {b}", detail.clone()), "Pay 5 EUR to Ann, Bob: 3 true");
        assert_eq!(say("{amount.x}{none}", detail), "\u{2013}\u{2013}");
        for bad in ["", " ", "{", "}", "{}", "{a", "a}", "{a..b}", "{a{b}}", "a\nb"] {
            assert!(Words::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_value_cannot_look_like_the_sentence() {
        assert_eq!(say("To {to}.", json!({"to": "Ann\n\u{202e}{n}"})), "To Ann  {n}.");
        assert_eq!(say("{to}", json!({"to": "x".repeat(500)})).chars().count(), LONGEST + 1);
    }
}
