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
/// # Errors
/// A number that is no integer within ±(2^53 - 1), or a map whose keys are no strings.
pub fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, NotCanonical> {
    let value = serde_json::to_value(value).map_err(|e| NotCanonical(alloc::format!("{e}")))?;
    let mut out = Vec::with_capacity(256);
    write(&value, &mut out)?;
    Ok(out)
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

    #[test]
    fn numbers_that_lose_digits_elsewhere_are_refused() {
        assert!(to_vec(&json!(1.5)).is_err());
        assert!(to_vec(&json!(1_u64 << 53)).is_err());
        assert!(to_vec(&json!(-9_007_199_254_740_991_i64)).is_ok());
    }
}
