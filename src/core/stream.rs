//! Streams: the events of one thing, folded into its state.
//!
//! Each kind of stream has one enum of events and one state. The state is what the inline row holds; it is nothing but the
//! fold, so that it can be dropped and rebuilt.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::Timestamp;

/// A kind of event: its name and schema number, frozen at the first release, and the level of the catalogue that brought them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventType {
    pub name: &'static str,
    pub schema: u16,
    /// A log below this level does not hold the type: nodes that know no more than the level may still be running.
    pub since: u16,
}

/// An older schema of a type, with the function that lowers the newest data to it, if there is one.
pub type Older = (EventType, Option<fn(serde_json::Value) -> serde_json::Result<serde_json::Value>>);

/// The events of one kind of stream.
pub trait Event: Sized + Serialize {
    /// Every type that this enum writes, in its newest schema.
    const TYPES: &'static [EventType];

    /// Their older schemas, which are read for ever, and written where the log is of an older level.
    const OLDER: &'static [EventType];

    /// Which of `TYPES` this is.
    fn event_type(&self) -> EventType;

    /// The event in the newest schema that a log of this level holds, for one whose newest schema came later. `None`: the log has to be
    /// raised first.
    fn lowered(&self, level: u16) -> Option<(EventType, serde_json::Value)>;

    /// The event's own members, as they stand in `data`.
    ///
    /// # Errors
    /// A value that JSON cannot hold.
    fn data(&self) -> Result<serde_json::Value, FoldError>;

    /// Reads `data` back, older schemas through their upcasters.
    ///
    /// # Errors
    /// An unknown type or schema, by name: it is never skipped.
    fn read(name: &str, schema: u16, data: serde_json::Value) -> Result<Self, FoldError>;
}

/// The state of one stream.
pub trait Stream: Sized + Clone + Serialize + for<'de> Deserialize<'de> {
    /// Name of the inline table and prefix of the stream.
    const KIND: &'static str;
    type Event: Event;

    /// The state after one more event. Pure and total over every history that the deciders can make.
    ///
    /// # Errors
    /// A history that no decider can have made.
    fn evolve(state: Option<Self>, fact: &Fact<'_, Self::Event>) -> Result<Self, FoldError>;
}

/// An event with its place: what a fold may look at.
#[derive(Clone, Copy, Debug)]
pub struct Fact<'a, E> {
    pub id: Uuid,
    /// Version of the stream after this event; 1 is the first.
    pub version: u64,
    pub event: &'a E,
    /// Ciphertexts by field name, with `key` naming the data key.
    pub personal: &'a BTreeMap<String, String>,
}

/// A ciphertext with what is needed to open it: the data key's name and the event whose id is in the additional data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    pub key: String,
    pub stream: String,
    pub event: Uuid,
    pub field: Cow<'static, str>,
    pub text: String,
}

/// Member of `personal` that names the data key of its neighbours.
pub const KEY_FIELD: &str = "key";

impl<E> Fact<'_, E> {
    /// The ciphertext of a field, if the event has it.
    pub fn sealed(&self, stream: &str, field: &'static str) -> Option<Sealed> {
        let text = self.personal.get(field)?;
        let key = self.personal.get(KEY_FIELD)?;
        Some(Sealed { key: key.clone(), stream: stream.to_string(), event: self.id, field: Cow::Borrowed(field), text: text.clone() })
    }
}

/// Why a history could not be folded. A loud stop, never a skip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FoldError {
    /// The program does not know this event: it is older than the log.
    UnknownType { name: String, schema: u16 },
    /// The event's data has another shape than its schema.
    Malformed { name: String, why: String },
    /// The event cannot follow what came before.
    OutOfOrder { name: &'static str },
}

impl core::fmt::Display for FoldError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::UnknownType { name, schema } => {
                write!(f, "unknown event type {name} (schema {schema}): this program is older than the log")
            }
            Self::Malformed { name, why } => write!(f, "event {name} is malformed: {why}"),
            Self::OutOfOrder { name } => write!(f, "event {name} cannot follow what came before it"),
        }
    }
}

impl core::error::Error for FoldError {}

/// Bounded text of others: at most 2 KiB, cut at a character.
pub fn bounded(text: &str) -> String {
    const MOST: usize = 2048;
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > MOST) {
        Some((at, _)) => text[..at].to_string(),
        None => text.to_string(),
    }
}

/// The moment after which an absent value never lies.
pub fn later(a: Timestamp, b: Option<Timestamp>) -> Timestamp {
    b.map_or(a, |b| a.max(b))
}

/// What [`Event::lowered`] does: of the older schemas that the log holds, the newest that says the same. A schema that would lose
/// something says something else, since lifting its data does not give the event back.
pub fn lowered<E: Event + PartialEq>(event: &E, older: &[Older], level: u16) -> Option<(EventType, serde_json::Value)> {
    let says_the_same = |(own, lower): &Older| {
        let data = lower.filter(|_| own.since <= level)?(event.data().ok()?).ok()?;
        let back = E::read(own.name, own.schema, data.clone()).ok()?;
        (back == *event).then_some((*own, data))
    };
    older.iter().filter_map(says_the_same).max_by_key(|(own, _)| own.schema)
}

/// Declares the events of one kind of stream: the enum, its catalogue and how `data` is read back.
///
/// | Written | Means |
/// |---|---|
/// | `Thing = 1` | a type of the first level |
/// | `Thing = 1 since 2` | a type that came with level 2 of the catalogue |
/// | `Thing = 2 since 2 upcast { 1 => lift_1 }` | its shape changed; `lift_1` brings old data to the newest shape at once |
/// | `Thing = 2 since 2 upcast { 1 => lift_1 \| lower_1 }` | and as long as the log is below level 2 it is written in the old shape, where that loses nothing |
/// | `upcast { 1 => lift_1, 2 since 2 => lift_2 }` | older schemas have a level too |
///
/// Both functions are pure: `fn lift_1(data: Value) -> serde_json::Result<Value>`.
#[macro_export]
macro_rules! events {
    ($(#[$doc:meta])* $name:ident { $(
        $variant:ident = $schema:literal $(since $since:literal)?
            $(upcast { $($old:literal $(since $old_since:literal)? => $lift:path $(| $lower:path)?),* $(,)? })?
    ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[allow(clippy::large_enum_variant, reason = "an event is read, folded and dropped: there are never many at a time")]
        pub enum $name { $($variant($variant)),* }

        impl $crate::stream::Event for $name {
            const TYPES: &'static [$crate::stream::EventType] =
                &[$($crate::event_type!($variant, $schema $(, $since)?)),*];

            const OLDER: &'static [$crate::stream::EventType] =
                &[$($($($crate::event_type!($variant, $old $(, $old_since)?),)*)?)*];

            fn event_type(&self) -> $crate::stream::EventType {
                match self { $(Self::$variant(_) => $crate::event_type!($variant, $schema $(, $since)?)),* }
            }

            fn lowered(&self, level: u16) -> Option<($crate::stream::EventType, serde_json::Value)> {
                let older: &[$crate::stream::Older] = match self {
                    $(Self::$variant(_) => &[$($(($crate::event_type!($variant, $old $(, $old_since)?), $crate::lowering!($($lower)?))),*)?]),*
                };
                $crate::stream::lowered(self, older, level)
            }

            fn data(&self) -> Result<serde_json::Value, $crate::stream::FoldError> {
                serde_json::to_value(self).map_err(|e| $crate::stream::FoldError::Malformed {
                    name: self.event_type().name.into(), why: alloc::format!("{e}"),
                })
            }

            fn read(name: &str, schema: u16, data: serde_json::Value) -> Result<Self, $crate::stream::FoldError> {
                let malformed = |why: serde_json::Error| $crate::stream::FoldError::Malformed { name: name.into(), why: alloc::format!("{why}") };
                match (name, schema) {
                    $(
                        (stringify!($variant), $schema) => serde_json::from_value(data).map(Self::$variant).map_err(malformed),
                        $($((stringify!($variant), $old) => $lift(data).and_then(serde_json::from_value).map(Self::$variant).map_err(malformed),)*)?
                    )*
                    _ => Err($crate::stream::FoldError::UnknownType { name: name.into(), schema }),
                }
            }
        }

        $(impl From<$variant> for $name { fn from(event: $variant) -> Self { Self::$variant(event) } })*

        $(impl From<$variant> for $crate::decision::Draft<$name> {
            fn from(event: $variant) -> Self { $crate::decision::Draft::from($name::$variant(event)) }
        })*

        #[cfg(feature = "schema")]
        impl $name {
            /// JSON Schema of each event's `data`, by type.
            pub fn schemas() -> alloc::vec::Vec<($crate::stream::EventType, schemars::Schema)> {
                alloc::vec![$(($crate::event_type!($variant, $schema $(, $since)?), schemars::schema_for!($variant))),*]
            }
        }
    };
}

/// A type of [`events!`], of the first level where none is named.
#[doc(hidden)]
#[macro_export]
macro_rules! event_type {
    ($variant:ident, $schema:literal) => {
        $crate::event_type!($variant, $schema, 1)
    };
    ($variant:ident, $schema:literal, $since:literal) => {
        $crate::stream::EventType { name: stringify!($variant), schema: $schema, since: $since }
    };
}

/// The function of [`events!`] that lowers, if one is named.
#[doc(hidden)]
#[macro_export]
macro_rules! lowering {
    () => {
        None
    };
    ($lower:path) => {
        Some($lower)
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use serde_json::{Value, json};

    /// Schema 1 had one `name`; schema 2 has it in two parts, and a table.
    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct GuestWelcomed {
        pub given: String,
        pub family: String,
        #[serde(default)]
        pub table: Option<u8>,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct GuestLeft {
        pub at: Timestamp,
    }

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
    pub struct MealServed {
        pub at: Timestamp,
    }

    events! {
        /// A stream whose first event has changed its shape since, and that has learnt another.
        GuestEvent {
            GuestWelcomed = 2 since 2 upcast { 1 => lift_guest_welcomed | lower_guest_welcomed },
            GuestLeft = 1,
            MealServed = 1 since 2,
        }
    }

    fn lower_guest_welcomed(data: Value) -> serde_json::Result<Value> {
        let part = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
        Ok(json!({"name": format!("{} {}", part("given"), part("family"))}))
    }

    fn lift_guest_welcomed(mut data: Value) -> serde_json::Result<Value> {
        let name = data.get_mut("name").map(Value::take).unwrap_or_default();
        let (given, family) = name
            .as_str()
            .and_then(|name| name.split_once(' '))
            .ok_or_else(|| <serde_json::Error as serde::de::Error>::custom("name has one part"))?;
        Ok(json!({"given": given, "family": family, "table": null}))
    }

    fn ada() -> GuestEvent {
        GuestWelcomed { given: "Ada".into(), family: "Lovelace".into(), table: None }.into()
    }

    #[test]
    fn an_older_schema_is_read_through_its_upcaster() {
        assert_eq!(GuestEvent::read("GuestWelcomed", 1, json!({"name": "Ada Lovelace"})).unwrap(), ada());
        assert_eq!(GuestEvent::read("GuestWelcomed", 2, json!({"given": "Ada", "family": "Lovelace"})).unwrap(), ada());
    }

    #[test]
    fn only_the_newest_schema_is_written() {
        assert_eq!(ada().event_type(), EventType { name: "GuestWelcomed", schema: 2, since: 2 });
        assert_eq!(ada().data().unwrap(), json!({"given": "Ada", "family": "Lovelace", "table": null}));
        assert_eq!(GuestEvent::TYPES.len(), 3);
        crate::testing::assert_survives_the_log(&ada());
        crate::testing::assert_survives_the_log(&GuestEvent::from(GuestLeft { at: Timestamp(1) }));
    }

    #[test]
    fn a_log_of_an_older_level_gets_the_older_schema_where_that_loses_nothing() {
        let older = EventType { name: "GuestWelcomed", schema: 1, since: 1 };
        assert_eq!(GuestEvent::OLDER, [older]);
        assert_eq!(ada().lowered(1), Some((older, json!({"name": "Ada Lovelace"}))));
        let seated: GuestEvent = GuestWelcomed { given: "Ada".into(), family: "Lovelace".into(), table: Some(7) }.into();
        assert_eq!(seated.lowered(1), None, "schema 1 knows no table");
        let fed: GuestEvent = MealServed { at: Timestamp(1) }.into();
        assert_eq!((fed.event_type().since, fed.lowered(1)), (2, None), "nobody knew the type");
        assert_eq!(GuestEvent::from(GuestLeft { at: Timestamp(1) }).event_type().since, 1);
    }

    #[test]
    fn an_unknown_type_or_schema_stops_by_name() {
        for (name, schema) in [("GuestAsked", 1), ("GuestWelcomed", 3), ("GuestWelcomed", 0), ("GuestLeft", 2), ("guestleft", 1)] {
            let error = GuestEvent::read(name, schema, json!({})).unwrap_err();
            assert_eq!(error, FoldError::UnknownType { name: name.into(), schema });
            assert!(format!("{error}").contains(name));
        }
    }

    #[test]
    fn malformed_data_stops_by_name_in_every_schema() {
        for (schema, data) in [(1, json!({"name": "Ada"})), (1, json!([])), (2, json!({"name": "Ada Lovelace"})), (2, json!(null))] {
            let error = GuestEvent::read("GuestWelcomed", schema, data).unwrap_err();
            assert!(matches!(error, FoldError::Malformed { name, .. } if name == "GuestWelcomed"));
        }
    }

    #[test]
    fn text_of_others_is_cut_at_a_character() {
        assert_eq!(bounded("short"), "short");
        assert_eq!(bounded(&"a".repeat(2048)).len(), 2048);
        assert_eq!(bounded(&"a".repeat(2049)).len(), 2048);
        assert_eq!(bounded(&format!("{}\u{20ac}", "a".repeat(2047))).len(), 2047);
        assert_eq!(bounded(&"\u{20ac}".repeat(1000)).len(), 2046);
    }

    #[test]
    fn a_ciphertext_without_its_key_is_none() {
        let event = ada();
        let fact = |personal| Fact { id: Uuid::nil(), version: 1, event: &event, personal };
        let lonely = [("name".to_string(), "AAEC".to_string())].into();
        assert_eq!(fact(&lonely).sealed("guest-1", "name"), None);
        let mut whole = lonely.clone();
        whole.insert(KEY_FIELD.into(), "guest-1".into());
        assert_eq!(fact(&whole).sealed("guest-1", "name").unwrap().text, "AAEC");
        assert_eq!(fact(&whole).sealed("guest-1", "other"), None);
    }
}
