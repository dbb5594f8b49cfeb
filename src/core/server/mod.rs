//! The log's own history: whose it is, and every start.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::events;
use crate::profile::Profile;
use crate::stream::{Event, Fact, FoldError, Stream};
use crate::time::Timestamp;

/// Position 0 of every log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogCreated {
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub log_id: Uuid,
    /// Name of the log in checkpoints.
    pub origin: String,
    pub issuer: String,
    /// Level of the catalogue: event types up to it are in the log.
    #[serde(default = "first_level")]
    pub level: u16,
    pub at: Timestamp,
}

const fn first_level() -> u16 {
    1
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerStarted {
    pub version: String,
    /// SHA-256 of the resolved configuration without secrets, in hex.
    pub config: String,
    pub mode: String,
    /// What the server and all of its clients are held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    pub at: Timestamp,
}

/// The operator said `--change-issuer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IssuerChanged {
    pub before: String,
    pub issuer: String,
    pub at: Timestamp,
}

/// Rows of things that ended long ago were dropped from the read models; the log keeps everything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ExpiredSwept {
    pub table: String,
    pub rows: u32,
    pub until: Timestamp,
    pub at: Timestamp,
}

/// From here on heads of the log are signed with this key. Its private half is in the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogKeyCreated {
    /// Key ID of the signed notes, 8 hexadecimal digits.
    pub key_id: String,
    /// Verifier key (C2SP signed-note): name, key ID, and the Ed25519 public key.
    pub vkey: String,
    pub at: Timestamp,
}

/// Nothing is signed with this key any more; its private half was destroyed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogKeyRetired {
    pub key_id: String,
    pub at: Timestamp,
}

/// The log was copied to another database and goes on there; the old one is closed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LogMoved {
    /// `sqlite` or `postgres`.
    pub from: String,
    pub to: String,
    /// How many events were copied.
    pub size: u64,
    /// Their Merkle root, in hex.
    pub root: String,
    pub at: Timestamp,
}

/// From here on the log may hold the event types of a newer level. Programs that do not know them stop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CatalogueRaised {
    pub from: u16,
    pub to: u16,
    pub at: Timestamp,
}

/// The events from one position to before another were copied to an archive, which was verified; from here on the database need not hold
/// their bytes any more. Their hashes stay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SegmentArchived {
    pub from: u64,
    /// The first position that is not in the segment; a multiple of 256.
    pub until: u64,
    /// Merkle root of the log when it had so many events, in hex.
    pub root: String,
    pub at: Timestamp,
}

events! {
    /// The log's own history.
    ServerEvent {
        LogCreated = 1, ServerStarted = 1, IssuerChanged = 1, ExpiredSwept = 1, LogKeyCreated = 1, LogKeyRetired = 1, LogMoved = 1,
        CatalogueRaised = 1, SegmentArchived = 1,
    }
}

/// The stream that begins at position 0.
pub const STREAM: &str = "log";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Log {
    pub log_id: Uuid,
    pub origin: String,
    pub issuer: String,
    pub created_at: Timestamp,
    /// Level of the catalogue.
    #[serde(default = "first_level", skip_serializing_if = "is_first")]
    pub level: u16,
    /// Events before this position may be in an archive only.
    #[serde(default, skip_serializing_if = "is_none_archived")]
    pub archived: u64,
    /// Every key that ever signed heads, in the order of their creation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<LogKey>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_first(level: &u16) -> bool {
    *level == first_level()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_none_archived(until: &u64) -> bool {
    *until == 0
}

/// A key of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogKey {
    pub key_id: String,
    pub vkey: String,
    pub created_at: Timestamp,
    pub retired_at: Option<Timestamp>,
}

impl Log {
    /// The key that signs now: the newest that is not retired. A rotation has two for a while, so that every node learns of the new one
    /// before the old one ends.
    pub fn signing_key(&self) -> Option<&LogKey> {
        self.keys.iter().rev().find(|key| key.retired_at.is_none())
    }
}

impl Stream for Log {
    const KIND: &'static str = "log";
    type Event = ServerEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, ServerEvent>) -> Result<Self, FoldError> {
        match (state, fact.event) {
            (None, ServerEvent::LogCreated(event)) => {
                let (origin, issuer) = (event.origin.clone(), event.issuer.clone());
                Ok(Self { log_id: event.log_id, origin, issuer, created_at: event.at, level: event.level, archived: 0, keys: Vec::new() })
            }
            (Some(mut log), ServerEvent::CatalogueRaised(event)) if event.from == log.level && event.to > log.level => {
                log.level = event.to;
                Ok(log)
            }
            (Some(log), ServerEvent::ServerStarted(_) | ServerEvent::ExpiredSwept(_) | ServerEvent::LogMoved(_)) => Ok(log),
            // Segments lie one behind the other.
            (Some(mut log), ServerEvent::SegmentArchived(event)) if event.from == log.archived && event.until > event.from => {
                log.archived = event.until;
                Ok(log)
            }
            (Some(mut log), ServerEvent::IssuerChanged(event)) => {
                log.issuer = event.issuer.clone();
                Ok(log)
            }
            (Some(mut log), ServerEvent::LogKeyCreated(event)) if log.keys.iter().all(|key| key.key_id != event.key_id) => {
                let (key_id, vkey) = (event.key_id.clone(), event.vkey.clone());
                log.keys.push(LogKey { key_id, vkey, created_at: event.at, retired_at: None });
                Ok(log)
            }
            (Some(mut log), ServerEvent::LogKeyRetired(event)) => {
                let key = log.keys.iter_mut().find(|key| key.key_id == event.key_id && key.retired_at.is_none());
                key.ok_or(FoldError::OutOfOrder { name: "LogKeyRetired" })?.retired_at = Some(event.at);
                Ok(log)
            }
            (_, event) => Err(FoldError::OutOfOrder { name: event.event_type().name }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn created() -> ServerEvent {
        LogCreated { log_id: Uuid::nil(), origin: "a.example/chancery".into(), issuer: "https://a.example/oidc".into(), level: 1, at: t(0) }
            .into()
    }

    #[test]
    fn the_level_only_rises_from_where_it_is() {
        let raised = |from, to| ServerEvent::from(CatalogueRaised { from, to, at: t(1) });
        let log = fold::<Log>([created()]);
        assert_eq!(log.level, 1);
        assert_eq!(evolve(Some(log.clone()), 2, &raised(1, 3), &[]).map(|log| log.level), Ok(3));
        for (from, to) in [(1, 1), (2, 3), (1, 0)] {
            assert!(evolve(Some(log.clone()), 2, &raised(from, to), &[]).is_err(), "{from} to {to}");
        }
        let before: ServerEvent = serde_json::from_value::<LogCreated>(serde_json::json!({
            "log_id": Uuid::nil(), "origin": "a", "issuer": "b", "at": 0,
        }))
        .unwrap()
        .into();
        assert_eq!(fold::<Log>([before]).level, 1, "logs that say nothing are of the first level");
    }

    #[test]
    fn a_log_begins_once_and_with_nothing_else() {
        let swept: ServerEvent = ExpiredSwept { table: "grant".into(), rows: 1, until: t(0), at: t(1) }.into();
        assert_eq!(evolve::<Log>(None, 1, &swept, &[]), Err(FoldError::OutOfOrder { name: "ExpiredSwept" }));
        assert_eq!(evolve(Some(fold::<Log>([created()])), 2, &created(), &[]), Err(FoldError::OutOfOrder { name: "LogCreated" }));
    }

    fn key(key_id: &str) -> ServerEvent {
        LogKeyCreated { key_id: key_id.into(), vkey: alloc::format!("a.example+{key_id}+AQ=="), at: t(1) }.into()
    }

    #[test]
    fn the_newest_key_signs_until_it_is_retired() {
        let retired = |key_id: &str| ServerEvent::from(LogKeyRetired { key_id: key_id.into(), at: t(2) });
        assert_eq!(fold::<Log>([created()]).signing_key(), None);
        let log = fold::<Log>([created(), key("00000001"), key("00000002")]);
        assert_eq!(log.signing_key().map(|key| key.key_id.as_str()), Some("00000002"));
        let log = fold::<Log>([created(), key("00000001"), key("00000002"), retired("00000001")]);
        assert_eq!((log.signing_key().map(|key| key.key_id.as_str()), log.keys[0].retired_at), (Some("00000002"), Some(t(2))));
        assert!(evolve(Some(log.clone()), 5, &retired("00000001"), &[]).is_err(), "a key is retired once");
        assert!(evolve(Some(log.clone()), 5, &retired("00000003"), &[]).is_err(), "a key is created before");
        assert!(evolve(Some(log), 5, &key("00000002"), &[]).is_err(), "a key is created once");
    }

    #[test]
    fn segments_of_the_archive_lie_one_behind_the_other() {
        let archived = |from, until| ServerEvent::from(SegmentArchived { from, until, root: "00".repeat(32), at: t(1) });
        let log = fold::<Log>([created(), archived(0, 256), archived(256, 1024)]);
        assert_eq!(log.archived, 1024);
        for (from, until) in [(0, 256), (1024, 1024), (1280, 2048), (512, 2048)] {
            assert!(evolve(Some(log.clone()), 4, &archived(from, until), &[]).is_err(), "{from} to {until}");
        }
    }

    #[test]
    fn only_an_ordered_change_moves_the_issuer() {
        let started = ServerStarted { version: "0.1.0".into(), config: "00".into(), mode: "production".into(), profile: None, at: t(1) };
        let before = "https://a.example/oidc";
        assert_eq!(fold::<Log>([created(), started.into()]).issuer, before);
        let moved = IssuerChanged { before: before.into(), issuer: "https://b.example/oidc".into(), at: t(2) };
        assert_eq!(fold::<Log>([created(), moved.into()]).issuer, "https://b.example/oidc");
    }
}
