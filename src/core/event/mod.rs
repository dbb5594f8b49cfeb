//! The catalogue: every type of event that this program writes, stream by stream.
//!
//! | Rule | Source |
//! |---|---|
//! | an unknown type stops the fold by name, so a log is checked against this before it is served | DESIGN: events |
//! | versions freeze at the first release; a change is a new version, an upcaster and an example | DESIGN: events |
//!
//! The shapes stand in `schema/events/<stream>/<Event>.v<schema>.json`, each beside an example, for readers who have no Rust.

use alloc::vec::Vec;

use crate::account::Account;
use crate::client::Client;
use crate::consent::Consent;
use crate::evidence::Attempts;
use crate::grant::Grant;
use crate::interaction::Interaction;
use crate::key::Key;
use crate::logout::Logout;
use crate::pushed::Pushed;
use crate::resource::ResourceServer;
use crate::seal::Seals;
use crate::server::Log;
use crate::session::Session;
use crate::stream::{Event, EventType, Stream};

/// Calls a macro with the state of every kind of stream, so that no list can miss one that another list has.
macro_rules! each_stream {
    ($call:ident) => {
        $call!(Account, Client, Consent, Attempts, Grant, Interaction, Key, Log, Logout, Pushed, ResourceServer, Seals, Session)
    };
}

/// Every event type with the kind of its stream.
pub fn event_catalogue() -> Vec<(&'static str, EventType)> {
    macro_rules! list {
        ($($state:ty),*) => { [$((<$state>::KIND, <$state as Stream>::Event::TYPES)),*] };
    }
    each_stream!(list).into_iter().flat_map(|(kind, types)| types.iter().map(move |one| (kind, *one))).collect()
}

/// The JSON Schema of one event's `data`.
#[cfg(feature = "schema")]
#[derive(Debug)]
pub struct DataSchema {
    /// Kind of the stream.
    pub kind: &'static str,
    pub event: EventType,
    pub schema: schemars::Schema,
}

/// The JSON Schema of every event's `data`.
#[cfg(feature = "schema")]
pub fn schemas() -> Vec<DataSchema> {
    macro_rules! list {
        ($($state:ty),*) => { [$((<$state>::KIND, <$state as Stream>::Event::schemas())),*] };
    }
    let data_schema = |kind, (name, version, schema)| DataSchema { kind, event: EventType { name, schema: version }, schema };
    each_stream!(list).into_iter().flat_map(|(kind, all)| all.into_iter().map(move |one| data_schema(kind, one))).collect()
}

#[cfg(test)]
mod tests;
