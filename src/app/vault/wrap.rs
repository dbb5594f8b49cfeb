//! Wrapping: how a key looks in the store.
//!
//! `version 1 | 0, id of the master key (8) | nonce | ciphertext, tag`, or
//! `version 1 | 1, length (2), account id | nonce | ciphertext, tag` for a key that lives and dies with an account's key.
//! The header, kind and id are authenticated, so that entries cannot be exchanged for one another.

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::crypto::{Cipher, Key, NONCE, TAG, derive, framed};
use crate::app::random::Fill;
use crate::config::MasterKey;

const VERSION: u8 = 1;
const BY_MASTER: u8 = 0;
const BY_ACCOUNT: u8 = 1;

/// A key that wraps others, ready for use.
pub struct Wrapper {
    header: Vec<u8>,
    cipher: Cipher,
}

/// What an entry says about itself before it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrappedBy {
    Master([u8; 8]),
    Account(String),
}

impl Wrapper {
    pub fn master(key: &MasterKey) -> Self {
        let mut header = vec![VERSION, BY_MASTER];
        header.extend_from_slice(&master_id(key));
        Self { header, cipher: Cipher::new(&derive(key.expose(), "wrap v1")) }
    }

    /// By the key of an account. Ids are ours and short; a longer one is cut in the header and therefore never opens.
    pub fn account(id: &str, secret: &Key) -> Self {
        let length = u16::try_from(id.len()).unwrap_or(u16::MAX);
        let mut header = vec![VERSION, BY_ACCOUNT];
        header.extend_from_slice(&length.to_be_bytes());
        header.extend_from_slice(id.as_bytes());
        Self { header, cipher: Cipher::new(&derive(secret, "wrap v1")) }
    }

    pub fn wrap(&self, fill: Fill, kind: &str, id: &str, secret: &[u8]) -> Vec<u8> {
        let aad = framed(&[b"chancery wrap", &self.header, kind.as_bytes(), id.as_bytes()]);
        let mut wrapped = self.header.clone();
        wrapped.append(&mut self.cipher.encrypt(fill, &aad, secret));
        wrapped
    }

    /// Whether the entry names this wrapper.
    pub fn made(&self, wrapped: &[u8]) -> bool {
        wrapped.starts_with(&self.header)
    }

    /// `None`: by another wrapper, of another name, or damaged.
    pub fn unwrap(&self, kind: &str, id: &str, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let aad = framed(&[b"chancery wrap", &self.header, kind.as_bytes(), id.as_bytes()]);
        self.cipher.decrypt(&aad, wrapped.strip_prefix(self.header.as_slice())?)
    }
}

/// Reads the header. `None`: not an entry of ours.
pub fn wrapped_by(wrapped: &[u8]) -> Option<WrappedBy> {
    let (version, rest) = wrapped.split_first()?;
    let (tag, rest) = rest.split_first()?;
    let (by, sealed) = match (*version, *tag) {
        (VERSION, BY_MASTER) => {
            let (id, sealed) = rest.split_first_chunk::<8>()?;
            (WrappedBy::Master(*id), sealed)
        }
        (VERSION, BY_ACCOUNT) => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (id, sealed) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            (WrappedBy::Account(std::str::from_utf8(id).ok()?.to_owned()), sealed)
        }
        _ => return None,
    };
    (sealed.len() >= NONCE + TAG).then_some(by)
}

/// Tells master keys apart and reveals nothing of them.
pub fn master_id(key: &MasterKey) -> [u8; 8] {
    let hash = digest::digest(&digest::SHA256, &*derive(key.expose(), "master id v1"));
    let mut id = [0; 8];
    id.copy_from_slice(&hash.as_ref()[..8]);
    id
}
