//! What a node remembers of the database: the furthest head it vouched for, and whether it can be reached.
//!
//! | Rule | Why |
//! |---|---|
//! | a head that is smaller than, or at the same size differs from, what was acknowledged stops the node for good | a failover that lost commits: tokens are out whose events are gone |
//! | after each new connection the last acknowledged leaf is looked up | others may have written beyond the lost part |
//! | while the database is known to be down, callers are refused at once | ten seconds of waiting for each request would pile up |
//!
//! On one connection history cannot change under us, so the leaf is looked up once per connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::ReadError;
use chancery_tree::Hash;

/// The furthest point that this node told somebody of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    pub size: u64,
    pub root: Hash,
    /// Hash of the leaf at `size - 1`.
    pub last_leaf: Hash,
}

#[derive(Clone, Default)]
pub(crate) struct Memory {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    acknowledged: Option<Acknowledged>,
    damaged: Option<(u64, String)>,
    down: Option<Down>,
}

struct Down {
    why: String,
    failures: u32,
    /// Until then nobody tries.
    until: Instant,
}

impl Memory {
    pub(crate) fn acknowledged(&self) -> Option<Acknowledged> {
        self.lock().acknowledged
    }

    /// Remembers a head that is committed. Never goes back.
    pub(crate) fn acknowledge(&self, new: Acknowledged) {
        let mut state = self.lock();
        if state.acknowledged.is_none_or(|known| known.size < new.size) {
            state.acknowledged = Some(new);
        }
    }

    /// Compares a head row with what was `known` before it was read: an append acknowledged since then is not missing in it.
    pub(crate) fn compare(&self, known: Option<Acknowledged>, size: u64, root: &[u8]) -> Result<(), ReadError> {
        self.sound()?;
        let Some(known) = known else { return Ok(()) };
        if size < known.size {
            return Err(self.damage(size, format!("the database's log ends here, but this node acknowledged {} events", known.size)));
        }
        if size == known.size && *root != known.root[..] {
            return Err(self.damage(size - 1, "the database's log has another root than this node acknowledged".into()));
        }
        Ok(())
    }

    /// Compares the leaf found at the place of the last acknowledged one.
    pub(crate) fn compare_leaf(&self, known: &Acknowledged, found: Option<&[u8]>) -> Result<(), ReadError> {
        if found == Some(&known.last_leaf[..]) {
            return Ok(());
        }
        Err(self.damage(known.size - 1, "the database holds another event than this node acknowledged".into()))
    }

    fn damage(&self, position: u64, what: String) -> ReadError {
        tracing::error!(position, what, "the log is damaged; this node stops serving");
        self.lock().damaged.get_or_insert((position, what.clone()));
        ReadError::Damaged { position, what }
    }

    /// `Damaged` once any comparison failed, until the process ends.
    pub(crate) fn sound(&self) -> Result<(), ReadError> {
        match &self.lock().damaged {
            Some((position, what)) => Err(ReadError::Damaged { position: *position, what: what.clone() }),
            None => Ok(()),
        }
    }

    /// `Err` with the reason while nobody should try to connect.
    pub(crate) fn may_try(&self) -> Result<(), String> {
        match &self.lock().down {
            Some(down) if Instant::now() < down.until => Err(down.why.clone()),
            _ => Ok(()),
        }
    }

    /// A connection could not be made: nobody tries for a while, longer each time.
    pub(crate) fn down(&self, why: &str) {
        let mut state = self.lock();
        let failures = state.down.as_ref().map_or(0, |down| down.failures).saturating_add(1);
        let pause = Duration::from_millis(25 << failures.min(5));
        state.down = Some(Down { why: why.to_owned(), failures, until: Instant::now() + pause });
    }

    pub(crate) fn up(&self) {
        self.lock().down = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Acknowledged, Memory};

    const KNOWN: Acknowledged = Acknowledged { size: 5, root: [5; 32], last_leaf: [4; 32] };

    #[test]
    fn a_head_that_went_back_or_differs_stops_the_node_for_good() {
        let went_back = Memory::default();
        went_back.acknowledge(KNOWN);
        assert!(went_back.compare(Some(KNOWN), 5, &[5; 32]).is_ok());
        assert!(went_back.compare(Some(KNOWN), 6, &[0; 32]).is_ok());
        assert!(went_back.compare(Some(KNOWN), 4, &[5; 32]).is_err());
        assert!(went_back.compare(Some(KNOWN), 6, &[0; 32]).is_err(), "it stays stopped");
        let differs = Memory::default();
        differs.acknowledge(KNOWN);
        assert!(differs.compare(Some(KNOWN), 5, &[0; 32]).is_err());
        let other_leaf = Memory::default();
        other_leaf.acknowledge(KNOWN);
        assert!(other_leaf.compare_leaf(&KNOWN, Some(&[4; 32])).is_ok());
        assert!(other_leaf.compare_leaf(&KNOWN, None).is_err());
        assert!(other_leaf.sound().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn while_it_is_down_callers_are_refused_at_once_and_let_through_again() {
        let memory = Memory::default();
        memory.down("refused");
        assert_eq!(memory.may_try(), Err("refused".to_owned()));
        tokio::time::sleep(std::time::Duration::from_millis(51)).await;
        assert_eq!(memory.may_try(), Ok(()));
        (0..40).for_each(|_| memory.down("refused"));
        tokio::time::sleep(std::time::Duration::from_millis(801)).await;
        assert_eq!(memory.may_try(), Ok(()));
        memory.up();
    }
}
