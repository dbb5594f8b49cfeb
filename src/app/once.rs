//! Words that count once: the `jti` of a client assertion, of a DPoP proof; the user code of a device, places for guessing one; nonces of credentials. Claims in the database, shared by
//! all nodes.
//!
//! | Rule | Source |
//! |---|---|
//! | the first append that takes a word has it; everybody else is refused | RFC 7523 §3, RFC 9449 §11.1 |
//! | it is forgotten when whoever brings it is refused for its age anyway | RFC 7523 §3, RFC 9449 §11.1 |
//!
//! Each word has two claims: itself, and one whose key begins with the time at which both may go, so that the sweep finds it.

use chancery_core::server::{self, ExpiredSwept, Log, ServerEvent};
use chancery_core::time::Timestamp;

use super::words::Words;
use super::work::{Seal, Stop, Work};

/// A word is remembered so much longer than it could be used, in seconds: whoever was verified at the last moment may still be on the
/// way to the log, and clocks of nodes differ.
const MARGIN: i64 = 120;

/// A word that is about to be used up.
#[derive(Clone)]
pub struct Once {
    words: &'static Words,
    /// Of whatever makes it unique.
    digest: [u8; 32],
    /// Seconds since 1970.
    needed_until: u64,
}

impl Once {
    /// `refused_from`: seconds since 1970 from which on its age alone is a reason to refuse it.
    pub fn new(words: &'static Words, digest: [u8; 32], refused_from: i64) -> Self {
        Self { words, digest, needed_until: u64::try_from(refused_from.saturating_add(MARGIN)).unwrap_or_default() }
    }

    /// Takes both claims in a unit of work.
    pub fn take(&self, work: &mut Work<'_>, owner: &str) {
        self.take_into(owner, |kind, key, owner| work.take(kind, key, owner));
    }

    /// Gives both back before their time.
    pub fn release(&self, work: &mut Work<'_>) {
        self.release_into(|kind, key| work.release(kind, key));
    }

    pub(super) fn release_into(&self, mut release: impl FnMut(&'static str, Vec<u8>)) {
        release(self.words.word, self.digest.to_vec());
        release(self.words.due, self.due());
    }

    /// Time first, so that the order of the bytes is the order of the times.
    fn due(&self) -> Vec<u8> {
        [&self.needed_until.to_be_bytes()[..], &self.digest].concat()
    }

    pub(super) fn take_into(&self, owner: &str, mut take: impl FnMut(&'static str, Vec<u8>, String)) {
        take(self.words.word, self.digest.to_vec(), owner.to_owned());
        take(self.words.due, self.due(), owner.to_owned());
    }
}

/// Gives back what is due, and says so.
pub(super) async fn forget(mut work: Work<'_>, words: &'static Words, due: &[Vec<u8>], until: Timestamp) -> Result<(), Stop> {
    let mut log = work.load::<Log>(server::STREAM).await?;
    let event = ExpiredSwept { table: words.word.into(), rows: due.len() as u32, until, at: until };
    work.record(&mut log, vec![ServerEvent::from(event).into()], &Seal::default())?;
    for key in due {
        if let Some(digest) = key.get(8..).filter(|digest| digest.len() == 32) {
            work.release(words.word, digest.to_vec());
        }
        work.release(words.due, key.clone());
    }
    work.commit().await.map(drop)
}
