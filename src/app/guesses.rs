//! How many user codes may be guessed: counted for all nodes together, before anybody looks whether a guess was right.
//!
//! | Rule | Source |
//! |---|---|
//! | an account has so many guesses in a window, and all of them together | RFC 8628 §5.1 |
//! | a guess takes a place before it is looked up: of many at once no more are looked up than there are places | our own |
//! | a right one gives its place back | our own |
//! | a place is a claim, shared by all nodes, that goes by itself when the window is over; it is no event | docs/adr/0082 |
//!
//! Out of scope: the limit of an address (`http`), the event of a wrong guess (`device`).

use chancery_core::error::OAuthError;
use chancery_core::id::AccountId;
use chancery_ledger::error::AppendError;
use chancery_ledger::write::{ClaimWrite, Write};

use super::once::Once;
use super::vault::mac;
use super::words::{GUESS, GUESS_OF_ALL, Words};
use super::{App, random};
use crate::config::Rate;

/// Places that are tried for one guess. An account that has no more of them is refused only when all are taken; of the places of everybody
/// so many are tried by chance.
const MOST_TRIES: usize = 16;

/// Why a guess was not looked up, or not found.
#[derive(Debug)]
pub enum NoGuess {
    /// The places of the window are taken. Seconds until the next one.
    TooMany {
        seconds: u64,
    },
    Refused(OAuthError),
}

impl From<OAuthError> for NoGuess {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error)
    }
}

/// The places that a guess holds.
pub(super) struct Places(Vec<Once>);

/// One limit: which places it has, and which of them are still to be tried.
struct Limit {
    words: &'static Words,
    whose: String,
    window: u64,
    ends_at: i64,
    left: Vec<u32>,
}

impl Limit {
    fn new(words: &'static Words, whose: String, rate: Rate, now: i64) -> Self {
        let length = i64::try_from(rate.window.as_secs()).unwrap_or(i64::MAX).max(1);
        let window = now.div_euclid(length);
        let ends_at = window.saturating_add(1).saturating_mul(length);
        Self { words, whose, window: u64::try_from(window).unwrap_or_default(), ends_at, left: drawn(rate.count) }
    }

    fn is_of(&self, kind: &str) -> bool {
        kind == self.words.word || kind == self.words.due
    }
}

/// Some of so many places, in an order that nobody knows: all of them where they are few.
fn drawn(count: u32) -> Vec<u32> {
    if count == 0 {
        return Vec::new();
    }
    let entropy: [u8; 4 * MOST_TRIES] = random::bytes();
    let mut numbers = entropy.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes) % count);
    if count as usize > MOST_TRIES {
        return numbers.collect();
    }
    let first = numbers.next().unwrap_or_default();
    (0..count).map(|step| (first + step) % count).collect()
}

impl App {
    /// Takes a place for a guess of an account.
    pub(super) async fn place_guess(&self, account: AccountId) -> Result<Places, NoGuess> {
        let (rates, now) = (&self.config.rate_limits, self.now().numeric_date());
        let own = rates.user_code_failures_per_account.map(|rate| Limit::new(&GUESS, account.to_string(), rate, now));
        let all = rates.user_code_failures.map(|rate| Limit::new(&GUESS_OF_ALL, String::new(), rate, now));
        let mut limits: Vec<_> = own.into_iter().chain(all).collect();
        loop {
            let mut places = Vec::new();
            for limit in &limits {
                let Some(place) = limit.left.last() else {
                    let seconds = u64::try_from(limit.ends_at.saturating_sub(now)).unwrap_or(1).max(1);
                    return Err(NoGuess::TooMany { seconds });
                };
                let parts = [b"guess".as_slice(), limit.whose.as_bytes(), &limit.window.to_be_bytes(), &place.to_be_bytes()];
                places.push(Once::new(limit.words, mac(&self.names.blind_index, &parts), limit.ends_at));
            }
            let mut write = Write::default();
            for place in &places {
                place.take_into("", |kind, key, owner| write.claims.push(ClaimWrite::Take { kind, key, owner }));
            }
            match self.ledger.append(write).await {
                Ok(_) => return Ok(Places(places)),
                Err(AppendError::ClaimTaken { kind }) => {
                    let taken = limits.iter_mut().find(|limit| limit.is_of(kind));
                    taken.ok_or_else(|| OAuthError::server_error("a claim of another kind"))?.left.pop();
                }
                Err(error) => return Err(OAuthError::temporarily_unavailable(error.to_string()).into()),
            }
        }
    }

    /// Gives the places of a right guess back. Where that fails they are free again when the window is over.
    pub(super) async fn leave(&self, places: Places) {
        let mut write = Write::default();
        for place in &places.0 {
            place.release_into(|kind, key| write.claims.push(ClaimWrite::Release { kind, key }));
        }
        if let Err(error) = self.ledger.append(write).await {
            tracing::warn!(%error, "the places of a right user code stay taken for a while");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_places_are_all_tried_and_many_by_chance() {
        for count in [1, 10, 16] {
            let mut all = drawn(count);
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
        let some = drawn(600);
        assert!(some.len() == MOST_TRIES && some.iter().all(|place| *place < 600));
        assert_eq!(drawn(0), [0; 0]);
    }

    #[test]
    fn a_window_ends_for_everybody_at_the_same_time() {
        let rate = Rate { count: 3, window: std::time::Duration::from_secs(900) };
        let limits = [0, 1, 899, 900].map(|now| Limit::new(&GUESS, String::new(), rate, now));
        assert_eq!(limits.each_ref().map(|own| (own.window, own.ends_at)), [(0, 900), (0, 900), (0, 900), (1, 1800)]);
    }
}
