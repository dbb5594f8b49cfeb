//! Failed sign-ins of addresses that have no account: counted, so that they have to wait exactly as known ones do.
//!
//! | Rule | Source |
//! |---|---|
//! | the same rule decides for known and unknown, at the same attempt | OWASP user enumeration; FEATURES: accounts |
//! | nothing in the log names an address that has no account | DESIGN: rule 7 |
//! | memory is bounded: who was not tried for the longest time is forgotten first | our own |
//!
//! A known account's count is folded from its own stream. A stream for a stranger would leave a handle in the log for ever, and
//! anybody could make as many as they like; so this count lives in memory, per node, and begins again with the process.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chancery_core::decision::Decision;
use chancery_core::evidence::{self, Attempt, Attempts, EvidenceEvent};

/// Counts that are kept. Each costs its maker a password hash.
const MOST: usize = 65_536;

/// Two generations: a full young one takes the place of the old one.
#[derive(Default)]
pub struct Strangers(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Vec<u8>, Attempts>,
    old: HashMap<Vec<u8>, Attempts>,
}

impl Strangers {
    /// Decides an attempt on an address, named by its blind index, and counts it: in one step, so that of many at once no more pass
    /// than of a known account.
    pub fn attempt(&self, index: Vec<u8>, attempt: &Attempt) -> Decision<EvidenceEvent, ()> {
        // No code panics while holding it, and a count is whole after any single step.
        let mut generations = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut attempts = match generations.young.remove(&index) {
            Some(attempts) => attempts,
            None => generations.old.remove(&index).unwrap_or_default(),
        };
        let decision = evidence::attempt(&attempts, attempt);
        if decision.outcome.is_err() {
            attempts.fail(attempt.at);
        }
        if generations.young.len() >= MOST / 2 {
            generations.old = std::mem::take(&mut generations.young);
        }
        generations.young.insert(index, attempts);
        decision
    }
}

#[cfg(test)]
mod tests {
    use chancery_core::stream::{Fact, Stream as _};
    use chancery_core::time::Timestamp;

    use super::*;

    fn attempt(at: i64) -> Attempt {
        Attempt { account: None, correct: false, identifier: "x".into(), context: None, at: Timestamp(at) }
    }

    #[test]
    fn a_stranger_waits_exactly_as_an_account_would() {
        let strangers = Strangers::default();
        let mut known: Option<Attempts> = None;
        let mut at = 0;
        for step in [0, 0, 0, 0, 0, 10, 999, 1_000, 1, 4_000, 3_000, 60_000, 900_000, 0, 0, 5, 900_000] {
            at += step;
            let decided = evidence::attempt(&known.clone().unwrap_or_default(), &attempt(at));
            let personal = std::collections::BTreeMap::new();
            for draft in &decided.events {
                let fact = Fact { id: uuid::Uuid::nil(), version: 1, event: &draft.event, personal: &personal };
                known = Some(Attempts::evolve(known, &fact).unwrap());
            }
            let stranger = strangers.attempt(b"stranger".to_vec(), &attempt(at));
            assert_eq!(stranger.outcome.unwrap_err().code(), decided.outcome.unwrap_err().code(), "at {at}");
            assert_eq!(stranger.events.len(), decided.events.len());
        }
    }

    #[test]
    fn memory_is_bounded_and_the_latest_are_kept() {
        let strangers = Strangers::default();
        for n in 0..3 * MOST as u64 {
            strangers.attempt(n.to_be_bytes().to_vec(), &attempt(0));
        }
        let generations = strangers.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= MOST);
        assert!(generations.young.contains_key((3 * MOST as u64 - 1).to_be_bytes().as_slice()));
    }
}
