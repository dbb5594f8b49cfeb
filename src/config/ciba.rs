//! Asking people on the back channel (CIBA): whether, and in which applications they may answer.

use chancery_core::id::ClientId;

use super::reader::Reader;

/// The applications, by their clients.
pub(super) fn devices(reader: &mut Reader, enabled: bool) -> Vec<ClientId> {
    let devices = reader.list("ciba.devices", |text| ClientId::parse(text).ok_or_else(|| format!("{text:?} is no client_id.")));
    if !devices.is_empty() && !enabled {
        reader.refuse("ciba.devices", "is set although nobody is asked; set ciba.enabled, too.");
    }
    devices
}
