//! The log's own history: whose it is, and every start.

use alloc::string::String;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::events;
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
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ServerStarted {
    pub version: String,
    /// SHA-256 of the resolved configuration without secrets, in hex.
    pub config: String,
    pub mode: String,
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

events! {
    /// The log's own history.
    ServerEvent { LogCreated = 1, ServerStarted = 1, IssuerChanged = 1, ExpiredSwept = 1 }
}

/// The stream that begins at position 0.
pub const STREAM: &str = "log";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Log {
    pub log_id: Uuid,
    pub origin: String,
    pub issuer: String,
    pub created_at: Timestamp,
}

impl Stream for Log {
    const KIND: &'static str = "log";
    type Event = ServerEvent;

    fn evolve(state: Option<Self>, fact: &Fact<'_, ServerEvent>) -> Result<Self, FoldError> {
        match (state, fact.event) {
            (None, ServerEvent::LogCreated(event)) => {
                Ok(Self { log_id: event.log_id, origin: event.origin.clone(), issuer: event.issuer.clone(), created_at: event.at })
            }
            (Some(log), ServerEvent::ServerStarted(_) | ServerEvent::ExpiredSwept(_)) => Ok(log),
            (Some(mut log), ServerEvent::IssuerChanged(event)) => {
                log.issuer = event.issuer.clone();
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
        LogCreated { log_id: Uuid::nil(), origin: "a.example/chancery".into(), issuer: "https://a.example/oidc".into(), at: t(0) }.into()
    }

    #[test]
    fn a_log_begins_once_and_with_nothing_else() {
        let swept: ServerEvent = ExpiredSwept { table: "grant".into(), rows: 1, until: t(0), at: t(1) }.into();
        assert_eq!(evolve::<Log>(None, 1, &swept, &[]), Err(FoldError::OutOfOrder { name: "ExpiredSwept" }));
        assert_eq!(evolve(Some(fold::<Log>([created()])), 2, &created(), &[]), Err(FoldError::OutOfOrder { name: "LogCreated" }));
    }

    #[test]
    fn only_an_ordered_change_moves_the_issuer() {
        let started = ServerStarted { version: "0.1.0".into(), config: "00".into(), mode: "production".into(), at: t(1) };
        let before = "https://a.example/oidc";
        assert_eq!(fold::<Log>([created(), started.into()]).issuer, before);
        let moved = IssuerChanged { before: before.into(), issuer: "https://b.example/oidc".into(), at: t(2) };
        assert_eq!(fold::<Log>([created(), moved.into()]).issuer, "https://b.example/oidc");
    }
}
