//! How long things live. All of them are settings of the section `lifetimes`.

use std::time::Duration;

use super::reader::Reader;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    pub code: Duration,
    pub access_token: Duration,
    pub client_credentials: Duration,
    pub id_token: Duration,
    pub refresh_idle: Duration,
    pub refresh_absolute: Duration,
    pub session_idle: Duration,
    pub session_absolute: Duration,
    pub interaction: Duration,
    pub pushed_request: Duration,
    pub device_code: Duration,
    pub backchannel: Duration,
    pub assertion: Duration,
    pub clock_tolerance: Duration,
}

/// Reads the section.
pub(super) fn read(reader: &mut Reader) -> Lifetimes {
    let lifetimes = Lifetimes {
        code: reader.duration("lifetimes.code"),
        access_token: reader.duration("lifetimes.access_token"),
        client_credentials: reader.duration("lifetimes.client_credentials"),
        id_token: reader.duration("lifetimes.id_token"),
        refresh_idle: reader.duration("lifetimes.refresh_idle"),
        refresh_absolute: reader.duration("lifetimes.refresh_absolute"),
        session_idle: reader.duration("lifetimes.session_idle"),
        session_absolute: reader.duration("lifetimes.session_absolute"),
        interaction: reader.duration("lifetimes.interaction"),
        pushed_request: reader.duration("lifetimes.pushed_request"),
        device_code: reader.duration("lifetimes.device_code"),
        backchannel: reader.duration("lifetimes.backchannel"),
        assertion: reader.duration("lifetimes.assertion"),
        clock_tolerance: reader.duration("lifetimes.clock_tolerance"),
    };
    if lifetimes.refresh_idle > lifetimes.refresh_absolute {
        reader.refuse("lifetimes.refresh_idle", "is longer than lifetimes.refresh_absolute; shorten it or raise the other.");
    }
    if lifetimes.session_idle > lifetimes.session_absolute {
        reader.refuse("lifetimes.session_idle", "is longer than lifetimes.session_absolute; shorten it or raise the other.");
    }
    lifetimes
}
