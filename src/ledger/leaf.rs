//! The leaf: the exact bytes of an event that are hashed, stored and given out.
//!
//! | Rule | Source |
//! |---|---|
//! | canonical JSON: members sorted, no white space, shortest escapes | RFC 8785 §3.2 |
//! | leaf hash = SHA-256(0x00 ‖ leaf) | RFC 6962 §2.1 |
//! | at most 60 KiB, so that a leaf fits an entry of a tlog tile | C2SP tlog-tiles, entry bundles |
//!
//! The bytes are made once, under the head lock, and never parsed and written again.
//! Out of scope: what `data` means; `data` and `personal` arrive canonical and are pasted.

use std::io::Write as _;

use serde::Deserialize;
use uuid::fmt::Hyphenated;

use crate::write::NewEvent;

/// RFC 6962 §2.1.
pub use chancery_tree::leaf_hash as hash;

/// The largest leaf in bytes. An entry bundle gives each entry a length of 16 bits; the rest is room for what a tile adds.
pub const MAX_LEAF: usize = 60 * 1024;

/// What only the head lock knows about an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub position: u64,
    pub version: u64,
    pub recorded_at: i64,
}

/// Writes the leaf of one event. Members stand in the order of RFC 8785 §3.2.3; an absent optional member is left out.
pub fn encode(event: &NewEvent, stream: &str, place: Place) -> Vec<u8> {
    let personal = event.personal.as_ref().map_or(0, |p| p.len());
    let mut out = Vec::with_capacity(event.data.len() + personal + stream.len() + 384);
    out.extend_from_slice(b"{\"actor\":{\"id\":");
    string(&mut out, &event.actor.id);
    out.extend_from_slice(b",\"kind\":");
    string(&mut out, event.actor.kind);
    out.push(b'}');
    if let Some(causation) = &event.causation {
        out.extend_from_slice(b",\"causation\":");
        string(&mut out, causation);
    }
    out.extend_from_slice(b",\"correlation\":");
    string(&mut out, &event.correlation);
    out.extend_from_slice(b",\"data\":");
    out.extend_from_slice(&event.data);
    out.extend_from_slice(b",\"id\":\"");
    out.extend_from_slice(event.id.hyphenated().encode_lower(&mut [0; Hyphenated::LENGTH]).as_bytes());
    out.push(b'"');
    if let Some(personal) = &event.personal {
        out.extend_from_slice(b",\"personal\":");
        out.extend_from_slice(personal);
    }
    // Writing to a Vec cannot fail.
    let _ = write!(out, ",\"position\":{},\"recorded_at\":{},\"schema\":{},\"stream\":", place.position, place.recorded_at, event.schema);
    string(&mut out, stream);
    if let Some(subject) = &event.subject {
        out.extend_from_slice(b",\"subject\":");
        string(&mut out, subject);
    }
    out.extend_from_slice(b",\"type\":");
    string(&mut out, event.kind);
    let _ = write!(out, ",\"version\":{}}}", place.version);
    out
}

/// RFC 8785 §3.2.2.2: two-character escapes where JSON has them, `\u00xx` in lower case for other controls, nothing else.
fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut copied = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0c => b'f',
            0x0d => b'r',
            0x00..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[copied..at]);
        copied = at + 1;
        if short != 0 {
            out.extend_from_slice(&[b'\\', short]);
        } else {
            let _ = write!(out, "\\u{byte:04x}");
        }
    }
    out.extend_from_slice(&bytes[copied..]);
    out.push(b'"');
}

/// The members of a leaf that also stand in columns beside it. Read back only to find out whether the columns were changed.
#[derive(Debug, Deserialize)]
pub struct Members {
    pub id: uuid::Uuid,
    pub position: u64,
    pub recorded_at: i64,
    pub schema: u16,
    pub stream: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub version: u64,
}

/// `None` if the bytes are no leaf.
pub fn members(leaf: &[u8]) -> Option<Members> {
    serde_json::from_slice(leaf).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use uuid::Uuid;

    use super::*;
    use crate::write::Actor;

    fn event() -> NewEvent {
        NewEvent {
            id: Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001),
            kind: "ClientRegistered",
            schema: 1,
            actor: Actor { kind: "account", id: "a\"1\u{1}\n".into() },
            correlation: "c-1".into(),
            causation: None,
            subject: None,
            data: Bytes::from_static(b"{\"a\":1}"),
            personal: None,
        }
    }

    const PLACE: Place = Place { position: 7, version: 3, recorded_at: 1_700_000_000_000 };

    #[test]
    fn rfc8785_3_2_3_members_are_sorted_and_absent_ones_left_out() {
        let leaf = encode(&event(), "client-1", PLACE);
        assert_eq!(
            String::from_utf8(leaf).unwrap(),
            r#"{"actor":{"id":"a\"1\u0001\n","kind":"account"},"correlation":"c-1","data":{"a":1},"id":"01900000-0000-7000-8000-000000000001","position":7,"recorded_at":1700000000000,"schema":1,"stream":"client-1","type":"ClientRegistered","version":3}"#
        );
    }

    #[test]
    fn rfc8785_a_full_leaf_is_what_a_sorting_writer_makes() {
        let mut full = event();
        full.causation = Some("b-\u{7f}ü\u{20ac}".into());
        full.subject = Some("s\t\u{8}\u{c}\r\\".into());
        full.personal = Some(Bytes::from_static(b"{\"name\":\"AA\"}"));
        let leaf = encode(&full, "client-1", PLACE);
        // serde_json's map may keep insertion order in some builds, so sort on purpose.
        let value: serde_json::Value = serde_json::from_slice(&leaf).unwrap();
        let sorted: std::collections::BTreeMap<_, _> = value.as_object().unwrap().iter().collect();
        assert_eq!(String::from_utf8(leaf).unwrap(), serde_json::to_string(&sorted).unwrap());
    }

    #[test]
    fn columns_can_be_compared_with_the_leaf() {
        let read = members(&encode(&event(), "client-1", PLACE)).unwrap();
        assert_eq!((read.position, read.version, read.recorded_at), (7, 3, 1_700_000_000_000));
        assert_eq!((read.stream.as_str(), read.kind.as_str(), read.schema, read.id), ("client-1", "ClientRegistered", 1, event().id));
        assert!(members(b"{}").is_none());
    }
}
