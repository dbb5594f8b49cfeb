//! The shapes of `data`: JSON Schemas that the program carries with it, and a validator for what they use of the language.
//!
//! | Keyword | Source |
//! |---|---|
//! | `type`, `enum`, `const` | JSON Schema 2020-12 validation §6.1 |
//! | `minimum`, `maximum`, `minLength`, `maxLength`, `minItems`, `maxItems`, `uniqueItems` | §6.2 to §6.4 |
//! | `properties`, `required`, `additionalProperties`, `items` | core §10.3, validation §6.5 |
//! | `anyOf`, `oneOf`, `allOf`, `$ref` into `$defs` | core §8.2.3, §10.2 |
//! | `title`, `description`, `default`, `format` and the like | remarks: they decide nothing |
//!
//! A keyword that is not in this table fails the test of the schemas: a rule that nobody checks must not look like one.

use std::collections::HashMap;

use serde_json::Value;

use crate::json::Raw;

/// Path below `schema/events` and text of every schema.
pub const EMBEDDED: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/schemas.rs"));

/// Schemas by type and number.
pub struct Schemas {
    known: HashMap<String, Value>,
}

impl Schemas {
    /// Those that came with the program. An export carries a copy for people; whoever changed the log could have changed it too.
    pub fn embedded() -> Self {
        let read = |(path, text): &(&str, &str)| Some((path.strip_suffix(".json")?.to_owned(), serde_json::from_str(text).ok()?));
        Self { known: EMBEDDED.iter().filter_map(read).collect() }
    }

    /// # Errors
    /// Where `data` differs from its schema, or that there is no schema.
    pub fn check(&self, stream: &str, kind: &str, number: u64, data: Raw<'_>) -> Result<(), String> {
        let schema = self.known.get(&format!("{stream}/{kind}.v{number}")).ok_or("there is no schema for it")?;
        let value: Value = serde_json::from_str(data.text()).map_err(|error| error.to_string())?;
        validate(schema, schema, &value, "data")
    }
}

/// Remarks, and what is read where another keyword needs it.
const SILENT: [&str; 10] = ["$schema", "$defs", "$id", "title", "description", "default", "format", "examples", "deprecated", "writeOnly"];

/// Holds a value against a schema. `root` is where `$ref` looks.
fn validate(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let members = match schema {
        Value::Bool(true) => return Ok(()),
        Value::Object(members) => members,
        _ => return Err(format!("{at} may not be there")),
    };
    for (keyword, rule) in members {
        let holds = match keyword.as_str() {
            "type" => is_type(rule, value),
            "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
            "const" => rule == value,
            "minimum" => value.as_i64().is_none_or(|own| rule.as_i64().is_some_and(|least| own >= least)),
            "maximum" => value.as_i64().is_none_or(|own| rule.as_u64().is_some_and(|most| own < 0 || own.unsigned_abs() <= most)),
            "minLength" => value.as_str().is_none_or(|own| rule.as_u64().is_some_and(|least| own.chars().count() as u64 >= least)),
            "maxLength" => value.as_str().is_none_or(|own| rule.as_u64().is_some_and(|most| own.chars().count() as u64 <= most)),
            "minItems" => value.as_array().is_none_or(|own| rule.as_u64().is_some_and(|least| own.len() as u64 >= least)),
            "maxItems" => value.as_array().is_none_or(|own| rule.as_u64().is_some_and(|most| own.len() as u64 <= most)),
            "uniqueItems" => value.as_array().is_none_or(|own| own.iter().enumerate().all(|(place, one)| !own[..place].contains(one))),
            "required" => {
                let missing = |own: &serde_json::Map<_, _>| {
                    rule.as_array()?.iter().find(|name| name.as_str().is_none_or(|name| !own.contains_key(name)))
                };
                match value.as_object().and_then(missing) {
                    Some(name) => return Err(format!("{at} has no {name}")),
                    None => true,
                }
            }
            "properties" => {
                for (name, rule) in rule.as_object().into_iter().flatten() {
                    if let Some(own) = value.get(name) {
                        validate(root, rule, own, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = members.get("properties").and_then(Value::as_object);
                for (name, own) in value.as_object().into_iter().flatten() {
                    if named.is_none_or(|named| !named.contains_key(name)) {
                        validate(root, rule, own, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "items" => {
                for own in value.as_array().into_iter().flatten() {
                    validate(root, rule, own, &format!("{at}[]"))?;
                }
                true
            }
            "anyOf" => matching(root, rule, value, at) > 0,
            "oneOf" => matching(root, rule, value, at) == 1,
            "allOf" => rule.as_array().is_some_and(|all| matching(root, rule, value, at) == all.len()),
            "$ref" => {
                let target = rule.as_str().and_then(|path| path.strip_prefix('#')).and_then(|path| root.pointer(path));
                validate(root, target.ok_or_else(|| format!("{at}: {rule} leads nowhere"))?, value, at)?;
                true
            }
            silent if SILENT.contains(&silent) => true,
            unknown => return Err(format!("{at}: the schema has a keyword {unknown} that this program does not know")),
        };
        if !holds {
            return Err(format!("{at} is not as `{keyword}` of its schema wants it"));
        }
    }
    Ok(())
}

fn matching(root: &Value, rule: &Value, value: &Value, at: &str) -> usize {
    rule.as_array().into_iter().flatten().filter(|one| validate(root, one, value, at).is_ok()).count()
}

fn is_type(rule: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("string") => value.is_string(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    };
    rule.as_array().map_or_else(|| is(rule), |all| all.iter().any(is))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Every schema, and every example that stands beside it: only keywords that are known, and the example fits.
    #[test]
    fn the_examples_fit_their_schemas() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/events");
        assert!(EMBEDDED.len() > 30);
        for (path, text) in EMBEDDED {
            let schema: Value = serde_json::from_str(text).unwrap();
            let example = std::fs::read_to_string(folder.join(path.replace(".json", ".example.json"))).unwrap();
            let example: Value = serde_json::from_str(&example).unwrap();
            let data = example.get("data").unwrap_or(&example);
            assert_eq!(validate(&schema, &schema, data, "data"), Ok(()), "{path}");
            let mut broken = data.clone();
            if let Some(members) = broken.as_object_mut()
                && let Some(member) = members.values_mut().next()
            {
                *member = json!([{"surely": "not"}, {"surely": "not"}]);
                assert!(validate(&schema, &schema, &broken, "data").is_err(), "{path}");
            }
        }
    }

    #[test]
    fn json_schema_each_keyword_refuses() {
        let cases = [
            (json!({"type": ["string", "null"]}), json!("a"), json!(1)),
            (json!({"enum": ["a", "b"]}), json!("b"), json!("c")),
            (json!({"const": 1}), json!(1), json!(2)),
            (json!({"minimum": 0, "maximum": 255}), json!(255), json!(256)),
            (json!({"minimum": 0}), json!(0), json!(-1)),
            (json!({"maxLength": 2}), json!("üü"), json!("üüü")),
            (json!({"uniqueItems": true}), json!([1, 2]), json!([1, 1])),
            (json!({"required": ["a"]}), json!({"a": 1}), json!({"b": 1})),
            (json!({"properties": {"a": {"type": "integer"}}}), json!({"a": 1, "b": "x"}), json!({"a": "x"})),
            (json!({"properties": {"a": true}, "additionalProperties": false}), json!({"a": 1}), json!({"b": 1})),
            (json!({"items": {"type": "integer"}}), json!([1]), json!([1, "x"])),
            (json!({"anyOf": [{"type": "null"}, {"type": "integer"}]}), json!(null), json!("x")),
            (json!({"oneOf": [{"minimum": 0}, {"minimum": 5}]}), json!(3), json!(7)),
            (json!({"allOf": [{"minimum": 0}, {"maximum": 5}]}), json!(3), json!(7)),
            (json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer"}}}), json!(3), json!("x")),
        ];
        for (schema, good, bad) in cases {
            assert_eq!(validate(&schema, &schema, &good, "data"), Ok(()), "{schema}");
            assert!(validate(&schema, &schema, &bad, "data").is_err(), "{schema}");
        }
        let unknown = json!({"pattern": "^a"});
        assert!(validate(&unknown, &unknown, &json!("b"), "data").unwrap_err().contains("pattern"));
    }
}
