//! Pseudonyms of accounts, one for each sector. OpenID Connect Core 1.0 §8.1.
//!
//! An account's id is 128 random-looking bits: one block of AES. Under a key of the sector's own the block is a permutation, so
//! that no two accounts share a pseudonym, none says anything about the account or about other sectors, and the holder of the key
//! can go back, which a hash could not.

use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};

use super::crypto::Key;
use super::key::{NamedKey, mac};

/// The pseudonym of an account in a sector.
pub fn pseudonym(key: &NamedKey, sector: &str, account: &[u8; 16]) -> [u8; 16] {
    let mut block = *account;
    // A key of 32 bytes and one whole block: neither call can fail.
    let encrypting = EncryptingKey::ecb(sector_key(key, sector)).expect("AES-256 has ECB");
    encrypting.encrypt(&mut block).expect("one block is whole");
    block
}

/// The account behind a pseudonym.
pub fn account(key: &NamedKey, sector: &str, pseudonym: &[u8; 16]) -> [u8; 16] {
    let mut block = *pseudonym;
    let decrypting = DecryptingKey::ecb(sector_key(key, sector)).expect("AES-256 has ECB");
    decrypting.decrypt(&mut block, DecryptionContext::None).expect("one block is whole");
    block
}

fn sector_key(key: &NamedKey, sector: &str) -> UnboundCipherKey {
    let secret = Key::new(mac(key, &[b"sector v1", sector.as_bytes()]));
    // Fails only for a key of another length.
    UnboundCipherKey::new(&AES_256, &*secret).expect("AES-256 takes 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::vault::key::Purpose;

    #[test]
    fn oidc_core_8_1_one_for_each_sector_and_back_again() {
        let key = NamedKey::new(Purpose::PairwiseSalt, &Key::new([7; 32]));
        let other = NamedKey::new(Purpose::PairwiseSalt, &Key::new([8; 32]));
        let (alice, bob) = ([1; 16], [2; 16]);
        let all = [
            pseudonym(&key, "a.example", &alice),
            pseudonym(&key, "a.example", &bob),
            pseudonym(&key, "b.example", &alice),
            pseudonym(&other, "a.example", &alice),
            alice,
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all[index + 1..].iter().all(|other| other != one));
        }
        assert_eq!(account(&key, "a.example", &all[0]), alice);
        assert_eq!(all[0], pseudonym(&key, "a.example", &alice));
    }
}
