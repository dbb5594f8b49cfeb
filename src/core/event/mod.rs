//! The catalogue: every type of event that this program writes, stream by stream.
//!
//! | Rule | Source |
//! |---|---|
//! | an unknown type stops the fold by name, so a log is checked against this before it is served | DESIGN: events |
//! | versions freeze at the first release; a change is a new version, an upcaster and an example | DESIGN: events |
//!
//! | what is new after a release is a level of its own; a log holds types up to its level, which `chancery ledger upgrade` raises | DESIGN: ledger |
//!
//! The shapes stand in `schema/events/<stream>/<Event>.v<schema>.json`, each beside an example, for readers who have no Rust; what each
//! level brought, in `schema/levels/<level>.txt`.

use alloc::vec::Vec;

use crate::account::Account;
use crate::backchannel::Backchannel;
use crate::client::Client;
use crate::consent::Consent;
use crate::device::Device;
use crate::evidence::Attempts;
use crate::grant::Grant;
use crate::hold::Holds;
use crate::interaction::Interaction;
use crate::invitation::Invitation;
use crate::key::Key;
use crate::logout::Logout;
use crate::offer::Offer;
use crate::opening::Opening;
use crate::pushed::Pushed;
use crate::resource::ResourceServer;
use crate::seal::Seals;
use crate::server::Log;
use crate::session::Session;
use crate::signals::Signals;
use crate::stream::{Event, EventType, Stream};

/// Calls a macro with the state of every kind of stream, so that no list can miss one that another list has.
macro_rules! each_stream {
    ($call:ident) => {
        $call!(
            Account,
            Backchannel,
            Client,
            Consent,
            Device,
            Attempts,
            Grant,
            Holds,
            Interaction,
            Invitation,
            Key,
            Log,
            Logout,
            Offer,
            Opening,
            Pushed,
            ResourceServer,
            Seals,
            Session,
            Signals
        )
    };
}

/// The newest level of the catalogue that was in a release. What levels up to it brought is frozen; a new type then says `since` the next.
pub const RELEASED: u16 = 0;

/// The level of this program: the newest that brought an event type.
pub fn level() -> u16 {
    event_catalogue().iter().map(|(_, own)| own.since).max().unwrap_or(1)
}

/// What a level brought: types and schemas, with the kind of their stream.
pub fn brought_by(level: u16) -> Vec<(&'static str, EventType)> {
    macro_rules! list {
        ($($state:ty),*) => { [$((<$state>::KIND, <$state as Stream>::Event::TYPES, <$state as Stream>::Event::OLDER)),*] };
    }
    let all = each_stream!(list).into_iter();
    let named = all.flat_map(|(kind, newest, older)| newest.iter().chain(older).map(move |own| (kind, *own)));
    named.filter(|(_, own)| own.since == level).collect()
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
    let data_schema = |kind, (event, schema)| DataSchema { kind, event, schema };
    each_stream!(list).into_iter().flat_map(|(kind, all)| all.into_iter().map(move |one| data_schema(kind, one))).collect()
}

#[cfg(test)]
mod fold_tests;
#[cfg(test)]
mod level_tests;
#[cfg(test)]
mod tests;
