//! One leaf: everything that can be said of it without its neighbours.
//!
//! | Checked | Against |
//! |---|---|
//! | the bytes | canonical JSON, the envelope |
//! | the position in the leaf | the place where the leaf stands |
//! | type and schema | the catalogue of this program; an unknown one is never skipped |
//! | the stream | the kind that the type belongs to |
//! | `data` | its JSON Schema, if asked for |

use std::collections::HashMap;

use chancery_core::event::event_catalogue;

use crate::envelope;
use crate::fact::{self, Fact};
use crate::schema::Schemas;

/// Judges leaves. Shared by all threads.
pub struct Judge {
    known: HashMap<&'static str, Known>,
    schemas: Option<Schemas>,
}

struct Known {
    name: &'static str,
    /// Kind of its stream.
    stream: &'static str,
    newest: u64,
}

impl Judge {
    /// `with_schemas`: `data` is held against its JSON Schema too.
    pub fn new(with_schemas: bool) -> Self {
        let mut known: HashMap<&str, Known> = HashMap::new();
        for (stream, own) in event_catalogue() {
            let entry = known.entry(own.name).or_insert(Known { name: own.name, stream, newest: 0 });
            entry.newest = entry.newest.max(u64::from(own.schema));
        }
        Self { known, schemas: with_schemas.then(Schemas::embedded) }
    }

    /// # Errors
    /// What is wrong with the leaf, in plain words.
    pub fn leaf(&self, position: u64, leaf: &[u8]) -> Result<Fact, String> {
        let event = envelope::read(leaf)?;
        if event.position != position {
            return Err(format!("the event that stands here says position {}", event.position));
        }
        let known = self.known.get(event.kind).filter(|known| event.schema <= known.newest);
        let Some(known) = known else {
            return Err(format!("this program does not know events of type {} (schema {}); take a newer one", event.kind, event.schema));
        };
        let of_kind = event.stream.strip_prefix(known.stream).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        if !of_kind {
            return Err(format!("{} cannot stand on the stream {}", event.kind, event.stream));
        }
        if let Some(schemas) = &self.schemas {
            schemas.check(known.stream, event.kind, event.schema, event.data).map_err(|why| format!("data of {}: {why}", event.kind))?;
        }
        Ok(fact::take(&event, known.name))
    }
}
