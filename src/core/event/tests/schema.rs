//! The JSON Schema of each event, and that its example fits.

use alloc::string::String;

use super::*;

#[test]
fn goldens() {
    let described: Vec<_> = schemas().iter().map(|one| (one.kind, one.event)).collect();
    assert_eq!(described, event_catalogue());
    for one in schemas() {
        assert_golden(&golden(one.kind, one.event, "json"), one.schema.as_value());
    }
}

/// Every example has what its schema requires, of the type that it names, and nothing that it does not know.
#[test]
fn the_examples_fit() {
    if updating() {
        return;
    }
    for one in schemas() {
        let example = std::fs::read_to_string(golden(one.kind, one.event, "example.json")).unwrap();
        let root = one.schema.as_value();
        fits(&serde_json::from_str(&example).unwrap(), root, root, one.event.name);
    }
}

#[test]
fn nothing_else_lies_in_the_folder() {
    if updating() {
        return;
    }
    let known: BTreeSet<_> = event_catalogue()
        .into_iter()
        .flat_map(|(kind, event)| ["json", "example.json"].map(|ending| golden(kind, event, ending)))
        .collect();
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "..", "schema", "events"].iter().collect();
    let streams = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found: BTreeSet<_> = streams.flat_map(|stream| std::fs::read_dir(stream).unwrap()).map(|entry| entry.unwrap().path()).collect();
    assert_eq!(found, known);
}

/// The part of JSON Schema that our own schemas use.
fn fits(value: &Value, schema: &Value, root: &Value, place: &str) {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{place}: {reference} leads nowhere"));
        return fits(value, target, root, place);
    }
    // Which of the choices it is, its own fold has told; that there is one of its type is asked here.
    for choices in ["anyOf", "oneOf"].iter().filter_map(|name| schema.get(name).and_then(Value::as_array)) {
        let one_fits = |choice: &Value| match (choice.get("const"), choice.get("$ref")) {
            (Some(constant), _) => constant == value,
            (None, Some(_)) => !value.is_null(),
            (None, None) if choice.get("enum").is_some() => choice["enum"].as_array().is_some_and(|words| words.contains(value)),
            (None, None) => value.is_null() || choice.get("type").and_then(Value::as_str) != Some("null"),
        };
        let choice = choices.iter().find(|choice| one_fits(choice)).unwrap_or_else(|| panic!("{place}: {value} is no choice"));
        fits(value, choice, root, place);
    }
    let words = |member: &str| -> Vec<String> {
        let list = schema.get(member).map_or(&[][..], |list| list.as_array().map_or(core::slice::from_ref(list), Vec::as_slice));
        list.iter().filter_map(Value::as_str).map(ToString::to_string).collect()
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let allowed = words("type");
    assert!(allowed.is_empty() || allowed.iter().any(|one| one == kind), "{place}: {kind} is not {allowed:?}");
    let choices = words("enum");
    assert!(choices.is_empty() || choices.iter().any(|one| value == one.as_str()), "{place}: {value} is not {choices:?}");
    if let (Value::Array(items), Some(item)) = (value, schema.get("items")) {
        items.iter().for_each(|one| fits(one, item, root, place));
    }
    if let (Value::Object(members), Some(properties)) = (value, schema.get("properties")) {
        for required in words("required") {
            assert!(members.contains_key(&required), "{place}: {required} is missing");
        }
        for (name, member) in members {
            let inner = properties.get(name).unwrap_or_else(|| panic!("{place}: {name} is unknown"));
            fits(member, inner, root, &format!("{place}.{name}"));
        }
    }
}
