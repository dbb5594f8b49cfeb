//! Members of an object by the names that lead to them.

use alloc::string::String;

use serde_json::{Map, Value};

/// A member; an error where something on the way to it is no object.
pub(super) fn get<'a>(object: &'a Map<String, Value>, path: &[String]) -> Result<Option<&'a Value>, ()> {
    let Some((first, rest)) = path.split_first() else { return Err(()) };
    match (object.get(first), rest) {
        (found, []) => Ok(found),
        (None, _) => Ok(None),
        (Some(Value::Object(inner)), rest) => get(inner, rest),
        (Some(_), _) => Err(()),
    }
}

pub(super) fn put(object: &mut Map<String, Value>, path: &[String], value: Value) -> Result<(), ()> {
    let Some((first, rest)) = path.split_first() else { return Err(()) };
    if rest.is_empty() {
        object.insert(first.clone(), value);
        return Ok(());
    }
    match object.entry(first.clone()).or_insert_with(|| Map::new().into()) {
        Value::Object(inner) => put(inner, rest, value),
        _ => Err(()),
    }
}

/// Takes a member out, and what held nothing else: a client may have left that out.
pub(super) fn take(object: &mut Map<String, Value>, path: &[String]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return object.remove(first);
    }
    let Some(Value::Object(inner)) = object.get_mut(first) else { return None };
    let taken = take(inner, rest);
    if inner.is_empty() {
        object.remove(first);
    }
    taken
}
