//! Schemas of authorization details: a part of JSON Schema 2020-12, closed. What is not listed here is refused when the server starts,
//! so that no operator believes in a rule that nobody checks.
//!
//! | Keyword | |
//! |---|---|
//! | `type`, `enum`, `const` | Validation §6.1 |
//! | `minimum`, `maximum` (whole numbers) | Validation §6.2 |
//! | `minLength`, `maxLength` (characters) | Validation §6.3 |
//! | `minItems`, `maxItems`, `items` | Validation §6.4, Core §10.3.1 |
//! | `properties`, `required`, `additionalProperties` (true or false) | Core §10.3.2, Validation §6.5 |
//! | `title`, `description`, `$schema`, `$id`, `$comment`, `examples`, `default` | say nothing about validity |

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use serde_json::{Map, Value};

/// How deep a schema may go.
const DEEPEST: usize = 16;
const ANNOTATIONS: [&str; 7] = ["title", "description", "$schema", "$id", "$comment", "examples", "default"];

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    kinds: Option<Vec<String>>,
    allowed: Option<Vec<Value>>,
    range: (Option<i64>, Option<i64>),
    length: (Option<u64>, Option<u64>),
    count: (Option<u64>, Option<u64>),
    items: Option<alloc::boxed::Box<Schema>>,
    properties: BTreeMap<String, Schema>,
    required: Vec<String>,
    closed: bool,
}

impl Schema {
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn parse(schema: &Value) -> Result<Self, String> {
        Self::parse_at(schema, DEEPEST)
    }

    fn parse_at(schema: &Value, left: usize) -> Result<Self, String> {
        let Some(members) = schema.as_object().filter(|_| left > 0) else { return Err("a schema is an object, at most 16 deep".into()) };
        let mut own = Self::default();
        for (name, value) in members {
            let wrong = || format!("{name} has a value that is not understood");
            let texts = |value: &Value| {
                value.as_array().and_then(|all| all.iter().map(|one| one.as_str().map(String::from)).collect::<Option<Vec<_>>>())
            };
            match name.as_str() {
                "type" => {
                    let kinds = value.as_str().map(|one| alloc::vec![one.to_string()]).or_else(|| texts(value)).ok_or_else(wrong)?;
                    if kinds
                        .iter()
                        .any(|kind| !["object", "array", "string", "integer", "number", "boolean", "null"].contains(&kind.as_str()))
                    {
                        return Err(wrong());
                    }
                    own.kinds = Some(kinds);
                }
                "enum" => own.allowed = Some(value.as_array().filter(|all| !all.is_empty()).ok_or_else(wrong)?.clone()),
                "const" => own.allowed = Some(alloc::vec![value.clone()]),
                "minimum" => own.range.0 = Some(value.as_i64().ok_or_else(wrong)?),
                "maximum" => own.range.1 = Some(value.as_i64().ok_or_else(wrong)?),
                "minLength" => own.length.0 = Some(value.as_u64().ok_or_else(wrong)?),
                "maxLength" => own.length.1 = Some(value.as_u64().ok_or_else(wrong)?),
                "minItems" => own.count.0 = Some(value.as_u64().ok_or_else(wrong)?),
                "maxItems" => own.count.1 = Some(value.as_u64().ok_or_else(wrong)?),
                "items" => own.items = Some(Self::parse_at(value, left - 1)?.into()),
                "properties" => {
                    for (name, schema) in value.as_object().ok_or_else(wrong)? {
                        let schema = Self::parse_at(schema, left - 1).map_err(|why| format!("{name}: {why}"))?;
                        own.properties.insert(name.clone(), schema);
                    }
                }
                "required" => own.required = texts(value).ok_or_else(wrong)?,
                "additionalProperties" => own.closed = !value.as_bool().ok_or_else(wrong)?,
                name if ANNOTATIONS.contains(&name) => {}
                _ => return Err(format!("{name} is a keyword that is not supported here")),
            }
        }
        if members.contains_key("enum") && members.contains_key("const") {
            return Err("enum and const stand side by side; use one of them".into());
        }
        Ok(own)
    }

    /// Does the object fit? The members `apart`, each by the names that lead to it, are somebody else's.
    ///
    /// # Errors
    /// Where it does not, and why.
    pub fn check(&self, object: &Map<String, Value>, apart: &[Vec<&str>]) -> Result<(), String> {
        let apart: Vec<&[&str]> = apart.iter().map(Vec::as_slice).collect();
        self.fits(&Value::Object(object.clone()), "", &apart)
    }

    /// Does it say what this member is?
    pub fn names(&self, path: &[String]) -> bool {
        path.iter().try_fold(self, |schema, name| schema.properties.get(name)).is_some()
    }

    fn fits(&self, value: &Value, at: &str, apart: &[&[&str]]) -> Result<(), String> {
        let place = || if at.is_empty() { "the object".to_string() } else { at.to_string() };
        if let Some(kinds) = &self.kinds
            && !kinds.iter().any(|kind| is_kind(kind, value))
        {
            return Err(format!("{} is not of the type {}.", place(), kinds.join(" or ")));
        }
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(value)) {
            return Err(format!("{} is none of the values that are allowed.", place()));
        }
        let is_in = |own: u64, (least, most): (Option<u64>, Option<u64>)| {
            least.is_none_or(|least| own >= least) && most.is_none_or(|most| own <= most)
        };
        match value {
            Value::Number(number) => {
                let (least, most) = self.range;
                let within = number.as_i64().map(|own| least.is_none_or(|least| own >= least) && most.is_none_or(|most| own <= most));
                if (least.is_some() || most.is_some()) && within != Some(true) {
                    return Err(format!("{} is out of bounds.", place()));
                }
            }
            Value::String(text) if !is_in(text.chars().count() as u64, self.length) => {
                return Err(format!("{} is too short or too long.", place()));
            }
            Value::Array(all) => {
                if !is_in(all.len() as u64, self.count) {
                    return Err(format!("{} has too few or too many entries.", place()));
                }
                for (index, one) in all.iter().enumerate() {
                    self.items.as_ref().map_or(Ok(()), |schema| schema.fits(one, &format!("{at}[{index}]"), &[]))?;
                }
            }
            Value::Object(members) => {
                let named = |name: &str| if at.is_empty() { name.to_string() } else { format!("{at}.{name}") };
                if let Some(missing) =
                    self.required.iter().find(|name| !members.contains_key(*name) && !apart.contains(&[name.as_str()].as_slice()))
                {
                    return Err(format!("{} is missing.", named(missing)));
                }
                for (name, own) in members {
                    let below = |path: &&[&'_ str]| path.split_first().is_some_and(|(first, _)| first == name);
                    let below: Vec<&[&str]> = apart.iter().copied().filter(below).map(|path| path.get(1..).unwrap_or_default()).collect();
                    if below.contains(&[].as_slice()) {
                        continue;
                    }
                    match self.properties.get(name) {
                        Some(schema) => schema.fits(own, &named(name), &below)?,
                        // The name is the caller's: it is not repeated.
                        None if self.closed => return Err(format!("{} has a member that its type does not know.", place())),
                        None => {}
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        _ => value.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use serde_json::json;

    fn fits(schema: &Value, value: &Value) -> bool {
        Schema::parse(schema).unwrap().fits(value, "", &[]).is_ok()
    }

    #[test]
    fn each_keyword_says_yes_and_no() {
        for (schema, yes, no) in [
            (json!({"type": "string"}), json!("x"), json!(1)),
            (json!({"type": ["integer", "null"]}), json!(null), json!("x")),
            (json!({"type": "integer"}), json!(-1), json!(true)),
            (json!({"enum": ["a", 1]}), json!(1), json!("b")),
            (json!({"const": {"a": 1}}), json!({"a": 1}), json!({"a": 2})),
            (json!({"minimum": 1, "maximum": 3}), json!(3), json!(4)),
            (json!({"minimum": 1}), json!("text is no number"), json!(0)),
            (json!({"minLength": 2, "maxLength": 3}), json!("\u{e9}\u{e9}"), json!("\u{e9}")),
            (json!({"minItems": 1, "maxItems": 2, "items": {"type": "string"}}), json!(["a"]), json!([])),
            (json!({"items": {"type": "string"}}), json!(["a", "b"]), json!(["a", 1])),
            (json!({"required": ["a"]}), json!({"a": null}), json!({"b": 1})),
            (json!({"properties": {"a": {"type": "string"}}}), json!({"a": "x", "b": 1}), json!({"a": 1})),
            (json!({"properties": {"a": {}}, "additionalProperties": false}), json!({"a": 1}), json!({"a": 1, "b": 1})),
        ] {
            assert!(fits(&schema, &yes) && !fits(&schema, &no), "{schema}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_at_the_start() {
        let mut deep = json!({});
        for _ in 0..20 {
            deep = json!({ "items": deep });
        }
        for bad in [
            json!(true),
            json!({"pattern": "^a$"}),
            json!({"$ref": "#/x"}),
            json!({"type": "text"}),
            json!({"enum": []}),
            json!({"minimum": 1.5}),
            json!({"additionalProperties": {}}),
            json!({"properties": {"a": {"oneOf": []}}}),
            json!({"enum": [1], "const": 1}),
            deep,
        ] {
            assert!(Schema::parse(&bad).is_err(), "{bad}");
        }
        assert!(Schema::parse(&json!({"title": "x", "$schema": "y"})).is_ok());
    }

    #[test]
    fn the_sentence_says_where() {
        let schema = Schema::parse(&json!({"properties": {"a": {"properties": {"b": {"type": "string"}}}}})).unwrap();
        let wrong = schema.check(json!({"type": "t", "a": {"b": 1}}).as_object().unwrap(), &[vec!["type"]]).unwrap_err();
        assert_eq!(wrong, "a.b is not of the type string.");
    }

    #[test]
    fn what_is_apart_is_nothing_that_it_knows() {
        let schema = json!({"properties": {"a": {"properties": {"b": {"type": "string"}}, "required": ["b", "c"], "additionalProperties": false}},
                            "additionalProperties": false});
        let schema = Schema::parse(&schema).unwrap();
        let says = |object: Value, apart: &[Vec<&str>]| schema.check(object.as_object().unwrap(), apart).is_ok();
        let both = [vec!["a", "b"], vec!["a", "c"]];
        assert!(says(json!({"a": {"b": 1, "c": 2}}), &both) && says(json!({"a": {}}), &both));
        assert!(!says(json!({"a": {"b": 1, "c": 2}}), &both[..1]) && !says(json!({"a": {"b": "x", "d": 1}}), &both));
        // A name with a dot in it is another member.
        assert!(!says(json!({"a.b": 1}), &both) && !says(json!({"b": 1}), &both));
        let path = |names: &[&str]| names.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        assert!(schema.names(&path(&["a", "b"])) && schema.names(&path(&["a"])) && !schema.names(&path(&["a", "c"])));
    }
}
