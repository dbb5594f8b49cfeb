//! Asking people on the back channel (CIBA): whether, in which applications they may answer, and what clients have to tell.

use chancery_core::backchannel::ContextRule;
use chancery_core::details::schema::Schema;
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

/// What a request has to tell of where it comes from.
pub(super) fn context(reader: &mut Reader, enabled: bool) -> ContextRule {
    let (required, text) = (reader.boolean("ciba.request_context_required"), reader.text("ciba.request_context_schema"));
    if required && !enabled {
        reader.refuse("ciba.request_context_required", "is set although nobody is asked; set ciba.enabled, too.");
    }
    let parsed = text.map(|text| {
        let schema = serde_json::from_str(&text).map_err(|why| format!("is not JSON: {why}."))?;
        Schema::parse(&schema).map(|schema| (text, schema)).map_err(|why| format!("is not acceptable: {why}."))
    });
    let schema = match parsed.transpose() {
        Ok(schema) => schema,
        Err(why) => {
            reader.refuse("ciba.request_context_schema", why);
            None
        }
    };
    ContextRule { required, schema }
}
