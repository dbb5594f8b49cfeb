//! The row after some events, from the row before them: what makes a rebuild one walk through the log, however long its streams are.

use chancery_core::account::Account;
use chancery_core::backchannel::Backchannel;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::device::Device;
use chancery_core::evidence::Attempts;
use chancery_core::grant::Grant;
use chancery_core::hold::Holds;
use chancery_core::interaction::Interaction;
use chancery_core::invitation::Invitation;
use chancery_core::key::Key;
use chancery_core::logout::Logout;
use chancery_core::offer::Offer;
use chancery_core::opening::Opening;
use chancery_core::pushed::Pushed;
use chancery_core::resource::ResourceServer;
use chancery_core::seal::Seals;
use chancery_core::server::Log;
use chancery_core::session::Session;
use chancery_core::signals::Signals;
use chancery_core::stream::Stream as _;
use chancery_ledger::recorded::Recorded;
use chancery_ledger::write::{Row, RowWrite};

use super::{Inline, row, state};
use crate::envelope::Unreadable;
use crate::fold;

/// How rows of one kind of stream go on.
#[derive(Clone, Copy)]
pub struct Kind {
    pub table: &'static str,
    after: After,
}

type After = fn(&str, Option<&Row>, &[Recorded]) -> Result<Option<Vec<RowWrite>>, Unreadable>;

impl Kind {
    /// `None` for a kind that is not listed here: its streams are folded whole, which gives the same rows more slowly.
    pub fn of(stream: &str) -> Option<Self> {
        Some(match stream.split_once('-').map_or(stream, |(kind, _)| kind) {
            Account::KIND => Self::new::<Account>(),
            Client::KIND => Self::new::<Client>(),
            Session::KIND => Self::new::<Session>(),
            Consent::KIND => Self::new::<Consent>(),
            Interaction::KIND => Self::new::<Interaction>(),
            Grant::KIND => Self::new::<Grant>(),
            Holds::KIND => Self::new::<Holds>(),
            Key::KIND => Self::new::<Key>(),
            Attempts::KIND => Self::new::<Attempts>(),
            ResourceServer::KIND => Self::new::<ResourceServer>(),
            Logout::KIND => Self::new::<Logout>(),
            Offer::KIND => Self::new::<Offer>(),
            Opening::KIND => Self::new::<Opening>(),
            Pushed::KIND => Self::new::<Pushed>(),
            Device::KIND => Self::new::<Device>(),
            Backchannel::KIND => Self::new::<Backchannel>(),
            Invitation::KIND => Self::new::<Invitation>(),
            Log::KIND => Self::new::<Log>(),
            Seals::KIND => Self::new::<Seals>(),
            Signals::KIND => Self::new::<Signals>(),
            _ => return None,
        })
    }

    fn new<S: Inline>() -> Self {
        Self { table: S::KIND, after: after::<S> }
    }

    /// The rows after these events, which follow on the row. `Ok(None)`: they do not (the state before them has no row), and the
    /// stream has to be folded whole.
    ///
    /// # Errors
    /// The position of the event that stops the fold.
    pub fn rows(self, stream: &str, before: Option<&Row>, events: &[Recorded]) -> Result<Option<Vec<RowWrite>>, Unreadable> {
        (self.after)(stream, before, events)
    }
}

fn after<S: Inline>(stream: &str, before: Option<&Row>, events: &[Recorded]) -> Result<Option<Vec<RowWrite>>, Unreadable> {
    let Some(first) = events.first() else { return Ok(Some(Vec::new())) };
    let unreadable = |e: serde_json::Error| Unreadable { position: first.position, why: e.to_string() };
    let before = before.map(state::<S>).transpose().map_err(unreadable)?;
    if first.version != before.as_ref().map_or(0, |own| own.version) + 1 {
        return Ok(None);
    }
    let Some(own) = fold::stream::<S>(before, events)?.filter(|own| own.state.is_kept()) else { return Ok(Some(Vec::new())) };
    Ok(Some(vec![RowWrite::Upsert(row(stream, &own.state, own.version).map_err(unreadable)?)]))
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn every_kind_of_stream_goes_on_from_its_row() {
        for (kind, _) in chancery_core::event::event_catalogue() {
            assert!(
                Kind::of(&format!("{kind}-1")).is_some_and(|own| own.table == kind),
                "{kind} is missing here: it would be folded whole"
            );
        }
    }
}
