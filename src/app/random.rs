//! Entropy: the only place that reads it. Everybody else gets bytes as values, or this function as `Fill`.

use std::cell::RefCell;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

/// Fills a buffer with entropy. Tests pass one that counts.
pub type Fill = fn(&mut [u8]);

/// Fills the buffer from the operating system's generator.
pub fn fill(bytes: &mut [u8]) {
    if SystemRandom::new().fill(bytes).is_err() {
        // A predictable key would be worse than no server, and nobody above could do anything else.
        tracing::error!("the operating system gives no entropy");
        std::process::abort();
    }
}

/// `N` fresh bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// A UUIDv7 (RFC 9562 §5.7) for the given milliseconds since the epoch. Times before the epoch count as 0.
///
/// Ids are published, so their entropy is drawn for many at once; what is secret, and nonces, are drawn one by one.
pub fn uuid_v7(now_ms: i64) -> Uuid {
    uuid_v7_from(now_ms, &IDS.with_borrow_mut(Ids::next))
}

/// Bytes of one id, and ids of one draw.
const ID: usize = 10;
const DRAWN: usize = 64;

/// Entropy for the next ids of a thread.
struct Ids {
    bytes: [u8; ID * DRAWN],
    left: usize,
}

impl Ids {
    fn next(&mut self) -> [u8; ID] {
        if self.left == 0 {
            fill(&mut self.bytes);
            self.left = DRAWN;
        }
        self.left -= 1;
        let mut own = [0; ID];
        own.copy_from_slice(&self.bytes[self.left * ID..][..ID]);
        own
    }
}

thread_local! {
    static IDS: RefCell<Ids> = const { RefCell::new(Ids { bytes: [0; ID * DRAWN], left: 0 }) };
}

/// The same from given entropy.
pub fn uuid_v7_from(now_ms: i64, entropy: &[u8; 10]) -> Uuid {
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(now_ms).unwrap_or(0), entropy).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9562_5_7_the_time_stands_in_front() {
        let id = uuid_v7_from(0x017F_22E2_79B0, &[0xff; 10]);
        assert_eq!(id.to_string(), "017f22e2-79b0-7fff-bfff-ffffffffffff");
        assert!(uuid_v7_from(-1, &[0; 10]) < uuid_v7(1));
        assert_ne!(bytes::<32>(), bytes::<32>());
    }

    #[test]
    fn ids_are_different_across_draws_and_threads() {
        let draw = || (0..3 * DRAWN).map(|_| uuid_v7(1)).collect::<Vec<_>>();
        let (other, own) = (std::thread::spawn(draw).join().unwrap(), draw());
        let all: std::collections::BTreeSet<_> = own.iter().chain(&other).collect();
        assert_eq!(all.len(), 6 * DRAWN);
    }
}
