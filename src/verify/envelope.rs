//! The envelope of an event, read from its leaf, and what each of its members has to look like.
//!
//! | Rule | Source |
//! |---|---|
//! | exactly these members, in canonical JSON | docs/events.md, the envelope |
//! | `id` is a UUIDv7 in lower case | RFC 9562 §5.7 |
//! | `personal` is ciphertext by field name, and names its key | DESIGN: rule 7 |

use crate::json::{self, Raw};

/// An event whose envelope is well-formed. Texts are borrowed from the leaf.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    pub position: u64,
    pub id: u128,
    pub stream: &'a str,
    /// 1 for the first event of a stream.
    pub version: u64,
    pub kind: &'a str,
    pub schema: u64,
    /// Milliseconds since the epoch.
    pub recorded_at: i64,
    pub subject: Option<&'a str>,
    pub data: Raw<'a>,
    /// Which data key the personal fields are sealed under.
    pub sealed_under: Option<&'a str>,
}

const ACTORS: [&str; 6] = ["account", "anonymous", "client", "config", "operator", "server"];

/// Reads a leaf.
///
/// # Errors
/// What is wrong with it, in plain words.
pub fn read(leaf: &[u8]) -> Result<Envelope<'_>, String> {
    let (mut found, mut strange) = (Found::default(), None);
    let checked = json::check_members(leaf, |name, value| {
        let place = match name {
            "actor" => &mut found.actor,
            "causation" => &mut found.causation,
            "correlation" => &mut found.correlation,
            "data" => &mut found.data,
            "id" => &mut found.id,
            "personal" => &mut found.personal,
            "position" => &mut found.position,
            "recorded_at" => &mut found.recorded_at,
            "schema" => &mut found.schema,
            "stream" => &mut found.stream,
            "subject" => &mut found.subject,
            "type" => &mut found.kind,
            "version" => &mut found.version,
            _ => return strange = Some(name),
        };
        *place = Some(value);
    });
    let raw = checked.map_err(|why| format!("the leaf is not canonical JSON: {why}"))?;
    if let Some(name) = strange {
        return Err(format!("the envelope has a member {name} that no event has"));
    }
    if !raw.text().starts_with('{') {
        return Err("the leaf is not an object".into());
    }
    found.envelope()
}

#[derive(Default)]
struct Found<'a> {
    actor: Option<Raw<'a>>,
    causation: Option<Raw<'a>>,
    correlation: Option<Raw<'a>>,
    data: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    personal: Option<Raw<'a>>,
    position: Option<Raw<'a>>,
    recorded_at: Option<Raw<'a>>,
    schema: Option<Raw<'a>>,
    stream: Option<Raw<'a>>,
    subject: Option<Raw<'a>>,
    kind: Option<Raw<'a>>,
    version: Option<Raw<'a>>,
}

impl<'a> Found<'a> {
    fn envelope(self) -> Result<Envelope<'a>, String> {
        let text =
            |name: &str, raw: Option<Raw<'a>>| raw.and_then(Raw::plain).ok_or_else(|| format!("{name} is missing or not a plain text"));
        let number =
            |name: &str, raw: Option<Raw<'a>>| raw.and_then(Raw::natural).ok_or_else(|| format!("{name} is missing or not a number"));
        check_actor(self.actor.ok_or("actor is missing")?)?;
        self.correlation.and_then(Raw::string).ok_or("correlation is missing or not a text")?;
        if self.causation.is_some_and(|raw| raw.string().is_none()) {
            return Err("causation is not a text".into());
        }
        let data = self.data.filter(|raw| raw.text().starts_with('{')).ok_or("data is missing or not an object")?;
        let id = uuid(text("id", self.id)?).ok_or("id is not a UUID in lower case")?;
        if id >> 76 & 0xf != 7 || id >> 62 & 0b11 != 0b10 {
            return Err("id is not a UUIDv7".into());
        }
        let (version, schema) = (number("version", self.version)?, number("schema", self.schema)?);
        if version == 0 || schema == 0 {
            return Err("version and schema count from 1".into());
        }
        Ok(Envelope {
            position: number("position", self.position)?,
            id,
            stream: text("stream", self.stream)?,
            version,
            kind: text("type", self.kind)?,
            schema,
            recorded_at: self.recorded_at.and_then(Raw::integer).ok_or("recorded_at is missing or not a number")?,
            subject: self.subject.map(|raw| text("subject", Some(raw))).transpose()?,
            data,
            sealed_under: self.personal.map(check_personal).transpose()?,
        })
    }
}

fn check_actor(actor: Raw<'_>) -> Result<(), String> {
    let mut members = actor.members().ok_or("actor is not an object")?;
    let (id, kind) = (members.next(), members.next());
    let (Some(("id", id)), Some(("kind", kind)), None) = (id, kind, members.next()) else {
        return Err("actor has other members than id and kind".into());
    };
    if id.string().is_none() || !kind.plain().is_some_and(|kind| ACTORS.contains(&kind)) {
        return Err("actor.kind is none that an event has, or actor.id is not a text".into());
    }
    Ok(())
}

/// The letters of base64url (RFC 4648 §5).
const IN_BASE64URL: [bool; 256] = {
    let (mut letters, mut byte) = ([false; 256], 0);
    while byte < 256 {
        let own = byte as u8;
        letters[byte] = own.is_ascii_alphanumeric() || own == b'-' || own == b'_';
        byte += 1;
    }
    letters
};

/// The name of the data key. Fields are ciphertext: base64url, never anything that could be read.
fn check_personal(personal: Raw<'_>) -> Result<&str, String> {
    let mut key = None;
    for (name, value) in personal.members().ok_or("personal is not an object")? {
        let text = value.plain().ok_or_else(|| format!("personal.{name} is not a plain text"))?;
        if name == "key" {
            key = Some(text);
        } else if text.is_empty() || !text.bytes().all(|byte| IN_BASE64URL[usize::from(byte)]) {
            return Err(format!("personal.{name} is not ciphertext"));
        }
    }
    key.ok_or_else(|| "personal does not name its key".into())
}

/// A UUID as it is always written: lower case, with hyphens.
pub fn uuid(text: &str) -> Option<u128> {
    let bytes = text.as_bytes();
    if bytes.len() != 36 {
        return None;
    }
    let mut value = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        let digit = match byte {
            b'-' if matches!(at, 8 | 13 | 18 | 23) => continue,
            b'0'..=b'9' if !matches!(at, 8 | 13 | 18 | 23) => byte - b'0',
            b'a'..=b'f' if !matches!(at, 8 | 13 | 18 | 23) => byte - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u128::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: &str = r#"{"actor":{"id":"","kind":"server"},"correlation":"c","data":{"at":5},"id":"01a1fc16-453f-7208-a87f-f431be1c991e","personal":{"context":"AA-_","key":"epoch/2026-11"},"position":7,"recorded_at":9,"schema":1,"stream":"log","type":"ServerStarted","version":2}"#;

    #[test]
    fn a_whole_envelope_is_read() {
        let read = read(LEAF.as_bytes()).unwrap();
        assert_eq!((read.position, read.version, read.schema, read.recorded_at), (7, 2, 1, 9));
        assert_eq!((read.stream, read.kind, read.subject, read.sealed_under), ("log", "ServerStarted", None, Some("epoch/2026-11")));
        assert_eq!(read.data.text(), r#"{"at":5}"#);
    }

    #[test]
    fn a_malformed_envelope_is_named() {
        for (from, to, why) in [
            ("\"position\":7", "\"position\":-7", "position"),
            ("\"version\":2", "\"version\":0", "count from 1"),
            ("\"type\":\"ServerStarted\",", "", "type"),
            ("\"kind\":\"server\"", "\"kind\":\"nobody\"", "actor.kind"),
            (",\"kind\":\"server\"", "", "actor"),
            ("7208", "4208", "UUIDv7"),
            ("01a1fc16", "01A1fc16", "UUID"),
            ("{\"at\":5}", "5", "data"),
            ("\"AA-_\"", "\"a b\"", "not ciphertext"),
            ("\"key\":", "\"kez\":", "not ciphertext"),
            ("\"type\"", "\"tyqe\"", "tyqe"),
            (":9,", ": 9,", "canonical"),
        ] {
            let error = read(LEAF.replacen(from, to, 1).as_bytes()).unwrap_err();
            assert!(error.contains(why), "{why}: {error}");
        }
    }
}
