//! Canonical JSON (RFC 8785): the same value always has the same bytes, so that it can be hashed.
//!
//! | Rule | Source |
//! |---|---|
//! | members sorted by UTF-16 code units | RFC 8785 §3.2.3 |
//! | no whitespace; the short escapes and lower-case `\u00xx` | RFC 8785 §3.2.2.2 |
//! | numbers here are integers within ±(2^53 - 1) | our own, stricter than RFC 8785 §3.2.2.3 |

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;
use serde_json::Value;

const LARGEST: i64 = (1 << 53) - 1;

/// Why a value has no canonical form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCanonical(pub String);

/// Canonical bytes of a serialisable value.
///
/// Most of our types declare their members in canonical order, so what serde writes is canonical already; one pass over the bytes
/// proves it. Everything else takes the long way round, sorted.
///
/// # Errors
/// A number that is no integer within ±(2^53 - 1), or a map whose keys are no strings.
pub fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, NotCanonical> {
    let written = serde_json::to_vec(value).map_err(|e| NotCanonical(alloc::format!("{e}")))?;
    if is_canonical(&written) {
        return Ok(written);
    }
    let value: Value = serde_json::from_slice(&written).map_err(|e| NotCanonical(alloc::format!("{e}")))?;
    let mut out = Vec::with_capacity(written.len());
    write(&value, &mut out)?;
    Ok(out)
}

/// Deepest nesting that the proof follows.
const DEEPEST: usize = 16;
/// Digits that every number below 2^53 fits in.
const DIGITS: usize = 15;

/// Are these bytes, which serde_json wrote, canonical? `false` also where the proof would be laborious: odd keys, long numbers.
///
/// serde_json writes no white space and escapes strings as RFC 8785 §3.2.2.2 does; what is left to prove is the order of members and
/// that numbers are plain integers.
fn is_canonical(json: &[u8]) -> bool {
    // The last key of each object that is open; `None` in arrays and before the first key.
    let mut open: [Option<&[u8]>; DEEPEST] = [None; DEEPEST];
    let (mut depth, mut at) = (0, 0);
    while let Some(byte) = json.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                let Some(slot) = open.get_mut(depth) else { return false };
                *slot = None;
                at += 1;
            }
            b'}' | b']' => {
                depth -= 1;
                at += 1;
            }
            b'"' => {
                let Some(end) = string_end(json, at + 1) else { return false };
                let text = &json[at + 1..end];
                at = end + 1;
                if json.get(at) == Some(&b':') {
                    let plain = text.is_ascii() && !text.contains(&b'\\');
                    if !plain || open[depth].is_some_and(|before| before >= text) {
                        return false;
                    }
                    open[depth] = Some(text);
                }
            }
            b'-' | b'0'..=b'9' => {
                let length = json[at..].iter().take_while(|byte| !matches!(byte, b',' | b'}' | b']')).count();
                let number = &json[at..at + length];
                let digits = number.strip_prefix(b"-").unwrap_or(number);
                if digits.len() > DIGITS || !digits.iter().all(u8::is_ascii_digit) {
                    return false;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    true
}

/// Where the string that began ends.
fn string_end(json: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match json.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), NotCanonical> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => match number.as_i64().filter(|n| (-LARGEST..=LARGEST).contains(n)) {
            Some(integer) => out.extend_from_slice(alloc::format!("{integer}").as_bytes()),
            None => return Err(NotCanonical(alloc::format!("the number {number} is not an integer below 2^53"))),
        },
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            out.push(b'{');
            for (index, (name, member)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(name, out);
                out.push(b':');
                write(member, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => out.extend_from_slice(alloc::format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn rfc8785_3_2_3_members_are_sorted_by_utf16() {
        let value = json!({"\u{20ac}": 1, "\r": 2, "1": 3, "\u{1f600}": 4, "\u{80}": 5, "\u{f6}": 6, "\u{fb33}": 7});
        let text = String::from_utf8(to_vec(&value).unwrap()).unwrap();
        assert_eq!(text, "{\"\\r\":2,\"1\":3,\"\u{80}\":5,\"\u{f6}\":6,\"\u{20ac}\":1,\"\u{1f600}\":4,\"\u{fb33}\":7}");
    }

    #[test]
    fn rfc8785_3_2_2_2_strings() {
        let text = String::from_utf8(to_vec(&json!("\u{20ac}$\u{f}\nA'B\"\\\"/")).unwrap()).unwrap();
        assert_eq!(text, "\"\u{20ac}$\\u000f\\nA'B\\\"\\\\\\\"/\"");
    }

    proptest! {
        /// The short way and the long way write the same bytes.
        #[test]
        fn the_proof_never_lets_another_order_pass(keys in proptest::collection::vec("[a-c\u{e9}\"\\\\]{0,3}", 0..6), number: i64, text in ".{0,12}") {
            let members: Vec<(String, Value)> = keys.into_iter().enumerate()
                .map(|(index, key)| (key, if index % 2 == 0 { json!([number, {"b": text, "a": null}]) } else { json!(text) }))
                .collect();
            // A list of members, written in the order given: what a struct with that order of fields would write.
            let mut written = alloc::string::String::from("{");
            let mut seen = alloc::collections::BTreeSet::new();
            for (key, member) in &members {
                if seen.insert(key.clone()) {
                    if written.len() > 1 { written.push(','); }
                    written.push_str(&alloc::format!("{}:{member}", json!(key)));
                }
            }
            written.push('}');
            let value: Value = serde_json::from_str(&written).unwrap();
            let mut sorted = Vec::new();
            if write(&value, &mut sorted).is_ok() && is_canonical(written.as_bytes()) {
                prop_assert_eq!(written.as_bytes(), sorted.as_slice());
            }
            prop_assert_eq!(write(&value, &mut Vec::new()).is_ok(), to_vec(&value).is_ok());
        }
    }

    #[test]
    fn numbers_that_lose_digits_elsewhere_are_refused() {
        assert!(to_vec(&json!(1.5)).is_err());
        assert!(to_vec(&json!(1_u64 << 53)).is_err());
        assert!(to_vec(&json!(-9_007_199_254_740_991_i64)).is_ok());
    }
}
