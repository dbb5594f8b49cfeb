//! An event in the form of a feed.
//!
//! | Form | Source |
//! |---|---|
//! | OCSF | `ocsf` |
//! | CloudEvents | CloudEvents 1.0.2 §3, JSON Event Format; `sequence` is the documented extension of that name |
//! | CSV | `csv`: RFC 4180 |
//! | JSON lines | the envelope as it is in the log, without its ciphertexts |
//!
//! A ciphertext never leaves: it says nothing to a receiver, and after an erasure copies of it would be all that is left.

use chancery_projections::envelope::Envelope;
use serde_json::{Value, json};

use super::{Message, Source, ocsf};
use crate::app::clock::rfc3339;
use crate::app::csv;
use crate::config::feed::Format;

/// One message. `personal` as for [`ocsf::event`].
pub fn message(envelope: &Envelope, format: Format, source: &Source<'_>, personal: Option<&Value>) -> Message {
    let body = match format {
        Format::Ocsf => ocsf::event(envelope, source, personal),
        Format::CloudEvents => cloud_event(envelope, source, personal),
        Format::Csv => return of(envelope, csv::record(envelope)),
        // Columns are made by the writer of the file; signals by `signals`, which needs the states of things.
        Format::JsonLines | Format::Parquet | Format::Signals => plain(envelope, personal),
    };
    of(envelope, body.to_string())
}

fn of(envelope: &Envelope, body: String) -> Message {
    Message { id: envelope.id.to_string(), kind: envelope.kind.clone(), at: envelope.recorded_at, severity: ocsf::severity(envelope), body }
}

fn cloud_event(envelope: &Envelope, source: &Source<'_>, personal: Option<&Value>) -> Value {
    json!({
        "specversion": "1.0",
        "id": envelope.id,
        "source": source.issuer,
        "type": format!("chancery.{}.v{}", envelope.kind, envelope.schema),
        "subject": envelope.stream,
        "time": rfc3339(envelope.recorded_at),
        "datacontenttype": "application/json",
        // Of one width, so that texts are in the order of the log.
        "sequence": format!("{:016}", envelope.position),
        "data": plain(envelope, personal),
    })
}

fn plain(envelope: &Envelope, personal: Option<&Value>) -> Value {
    let mut plain = json!({
        "position": envelope.position,
        "id": envelope.id,
        "stream": envelope.stream,
        "version": envelope.version,
        "type": envelope.kind,
        "schema": envelope.schema,
        "recorded_at": envelope.recorded_at,
        "actor": envelope.actor,
        "correlation": envelope.correlation,
        "data": envelope.data,
    });
    for (name, value) in [("causation", &envelope.causation), ("subject", &envelope.subject)] {
        if let Some(value) = value {
            plain[name] = json!(value);
        }
    }
    if let Some(personal) = personal {
        plain["personal"] = personal.clone();
    }
    plain
}
