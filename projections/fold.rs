//! Folding a stream: from its events to its state.

use chancery_core::stream::{Fact, Stream};
use chancery_ledger::recorded::Recorded;

use crate::envelope::{Envelope, Unreadable};

/// A state with the version of the stream that it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct Versioned<S> {
    pub state: S,
    pub version: u64,
}

/// The state after these events, which are the whole stream, or follow `state`.
///
/// # Errors
/// An event that cannot be read or cannot follow, with its position. Never skipped.
pub fn stream<S: Stream>(state: Option<Versioned<S>>, events: &[Recorded]) -> Result<Option<Versioned<S>>, Unreadable> {
    events.iter().try_fold(state, |state, recorded| {
        let at = |why: String| Unreadable { position: recorded.position, why };
        let (before, version) = state.map_or((None, 0), |own| (Some(own.state), own.version));
        if recorded.version != version + 1 {
            return Err(at(format!("version {} of {} follows version {version}", recorded.version, recorded.stream)));
        }
        let mut envelope = Envelope::read(recorded)?;
        let event = envelope.event::<S::Event>().map_err(|e| at(e.to_string()))?;
        let fact = Fact { id: envelope.id, version: recorded.version, event: &event, personal: &envelope.personal };
        let state = S::evolve(before, &fact).map_err(|e| at(e.to_string()))?;
        Ok(Some(Versioned { state, version: recorded.version }))
    })
}
