//! What the checks of meaning need of an event: its place, and those members of `data` that say who, for whom and until when.
//!
//! Read by the names of members, not by types of events, so that a new way to begin a grant or to issue a token is checked by the same
//! rules from its first day. A leaf can be dropped once its fact is taken.

use crate::envelope::{Envelope, uuid};
use crate::json::Raw;

/// A stream: most are a kind and a UUID.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    Account(u128),
    Session(u128),
    Grant(u128),
    Interaction(u128),
    Pushed(u128),
    /// A device's request, one on the back channel, or an offer of credentials: the same life.
    Device(u128),
    /// Every other, by its name.
    Named(Box<str>),
}

impl Stream {
    pub fn parse(name: &str) -> Self {
        let id = |prefix: &str| name.strip_prefix(prefix).and_then(uuid);
        if let Some(id) = id("grant-") {
            Self::Grant(id)
        } else if let Some(id) = id("interaction-") {
            Self::Interaction(id)
        } else if let Some(id) = id("pushed-") {
            Self::Pushed(id)
        } else if let Some(id) = id("device-").or_else(|| id("backchannel-")).or_else(|| id("offer-")) {
            Self::Device(id)
        } else if let Some(id) = id("session-") {
            Self::Session(id)
        } else if let Some(id) = id("account-") {
            Self::Account(id)
        } else {
            Self::Named(name.into())
        }
    }

    /// The time in a UUIDv7, in milliseconds: when the thing came to be.
    pub fn born(&self) -> Option<i64> {
        match self {
            Self::Account(id) | Self::Session(id) | Self::Grant(id) | Self::Interaction(id) | Self::Pushed(id) | Self::Device(id) => {
                i64::try_from(id >> 80).ok()
            }
            Self::Named(_) => None,
        }
    }
}

/// An access token as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    pub expires_at: i64,
}

/// A refresh family that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    pub expires_at: i64,
    pub ends_at: i64,
}

/// What an event says, as far as it is checked.
#[derive(Clone, Debug)]
pub struct Fact {
    pub position: u64,
    pub recorded_at: i64,
    pub stream: Stream,
    pub version: u64,
    /// Place of its type in the catalogue.
    pub kind: &'static str,
    /// The account whose data key sealed its personal fields.
    pub sealed_for: Option<u128>,
    pub data: Data,
}

/// Members of `data`, each if it is there.
#[derive(Clone, Debug, Default)]
pub struct Data {
    pub at: Option<i64>,
    pub account: Option<u128>,
    pub client: Option<Box<str>>,
    pub session: Option<u128>,
    pub grant: Option<u128>,
    pub interaction: Option<u128>,
    /// An access token that came to be; a revoked one is named by its digest only and is none.
    pub access: Option<Access>,
    /// A refresh family that begins.
    pub family: Option<Family>,
    pub refresh_expires_at: Option<i64>,
    pub generation: Option<u64>,
    pub code_expires_at: Option<i64>,
    pub consent_epoch: Option<u64>,
    pub is_offline: bool,
    pub expires_at: Option<i64>,
    pub ends_at: Option<i64>,
    /// Milliseconds.
    pub idle: Option<i64>,
    pub kid: Option<Box<str>>,
    /// Where the first token of an exchange came from.
    pub source_client: Option<Box<str>>,
    pub source_grant: Option<u128>,
    pub vkey: Option<Box<str>>,
    pub key_id: Option<Box<str>>,
    pub origin: Option<Box<str>>,
    /// Ends of an archived segment.
    pub from: Option<u64>,
    pub until: Option<u64>,
    /// A root that is named, in hexadecimal, and the size of its tree.
    pub root: Option<Box<str>>,
    pub size: Option<u64>,
}

/// Takes what is needed from an event whose envelope is well-formed. `kind` is its type, from the catalogue.
pub fn take(event: &Envelope<'_>, kind: &'static str) -> Fact {
    let sealed_for = event.sealed_under.and_then(|key| key.strip_prefix("account/")).and_then(uuid);
    Fact {
        position: event.position,
        recorded_at: event.recorded_at,
        stream: Stream::parse(event.stream),
        version: event.version,
        kind,
        sealed_for,
        data: data(event.data),
    }
}

fn data(raw: Raw<'_>) -> Data {
    let mut data = Data::default();
    let id = |value: Raw<'_>| value.plain().and_then(uuid);
    let text = |value: Raw<'_>| value.plain().map(Box::from);
    for (name, value) in raw.members().into_iter().flatten() {
        match name {
            "at" => data.at = value.integer(),
            "account" => data.account = id(value),
            "client" => data.client = text(value),
            "session" => data.session = id(value),
            "grant" => data.grant = id(value),
            "interaction" => data.interaction = id(value),
            "access" => data.access = member(value, "expires_at").map(|expires_at| Access { expires_at }),
            "refresh" => {
                data.family = member(value, "expires_at")
                    .and_then(|expires_at| member(value, "ends_at").map(|ends_at| Family { expires_at, ends_at }));
            }
            "refresh_expires_at" => data.refresh_expires_at = value.integer(),
            "generation" => data.generation = value.natural(),
            "code_expires_at" => data.code_expires_at = value.integer(),
            "consent_epoch" => data.consent_epoch = value.natural(),
            "offline" => data.is_offline |= value.text() == "true",
            "source" => {
                for (name, one) in value.members().into_iter().flatten() {
                    match name {
                        "client" => data.source_client = text(one),
                        "grant" => data.source_grant = id(one),
                        _ => {}
                    }
                }
            }
            "scope" => data.is_offline |= value.plain().is_some_and(|scope| scope.split(' ').any(|one| one == "offline_access")),
            "expires_at" => data.expires_at = value.integer(),
            "ends_at" => data.ends_at = value.integer(),
            "idle" => data.idle = value.integer().map(|seconds| seconds.saturating_mul(1000)),
            "kid" | "id_token_kid" => data.kid = text(value),
            "vkey" => data.vkey = text(value),
            "key_id" => data.key_id = text(value),
            "from" => data.from = value.natural(),
            "until" => data.until = value.natural(),
            "root" => data.root = text(value),
            "size" => data.size = value.natural(),
            "origin" => data.origin = text(value),
            _ => {}
        }
    }
    data
}

fn member(value: Raw<'_>, wanted: &str) -> Option<i64> {
    value.members()?.find(|(name, _)| *name == wanted).and_then(|(_, value)| value.integer())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    fn of(text: &str) -> Data {
        data(json::check(text.as_bytes()).unwrap())
    }

    #[test]
    fn a_token_is_issued_by_an_object_and_revoked_by_a_digest() {
        let issued = of(r#"{"access":{"digest":"AA","expires_at":5},"at":1,"refresh":{"digest":"BB","ends_at":9,"expires_at":7}}"#);
        assert_eq!((issued.access, issued.family), (Some(Access { expires_at: 5 }), Some(Family { expires_at: 7, ends_at: 9 })));
        let revoked = of(r#"{"access":"AA","at":1}"#);
        assert_eq!((revoked.access, revoked.at), (None, Some(1)));
    }

    #[test]
    fn streams_are_told_by_their_names() {
        let id = "01a1fc16-4534-7e67-8ce8-dbfca289eadd";
        let value = 0x01a1_fc16_4534_7e67_8ce8_dbfc_a289_eadd;
        assert_eq!(Stream::parse(&format!("grant-{id}")), Stream::Grant(value));
        assert_eq!(Stream::parse(&format!("account-{id}")), Stream::Account(value));
        assert_eq!(Stream::parse(&format!("consent-{id}-app")), Stream::Named(format!("consent-{id}-app").into()));
        assert_eq!(Stream::Grant(value).born(), Some(0x01a1_fc16_4534));
        assert!(of(r#"{"scope":"offline_access openid"}"#).is_offline && !of(r#"{"scope":"offline_accesses"}"#).is_offline);
    }
}
