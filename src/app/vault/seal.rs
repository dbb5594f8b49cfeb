//! Sealing: how a personal value stands in an event.
//!
//! base64url of `version 1 | hint of the key (4) | nonce (12) | ciphertext, tag (16)`.
//!
//! | Rule | Why |
//! |---|---|
//! | log, stream, event and field are authenticated | a ciphertext moved to another place must not open there |
//! | the text is padded to a multiple of 32 bytes | the length of a name or address identifies people |
//! | the hint tells a wrong key from changed bytes | an auditor wants to know which; it says no more than the stream's name |

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::crypto::{NONCE, TAG, framed};
use super::key::DataKey;
use crate::app::random::Fill;

const VERSION: u8 = 1;
const BUCKET: usize = 32;

/// Where a sealed value belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aad<'a> {
    pub log_id: &'a str,
    pub stream: &'a str,
    pub event_id: &'a str,
    pub field: &'a str,
}

impl Aad<'_> {
    fn bytes(&self) -> Vec<u8> {
        let Self { log_id, stream, event_id, field } = self;
        framed(&[b"chancery seal", log_id.as_bytes(), stream.as_bytes(), event_id.as_bytes(), field.as_bytes()])
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsealError {
    #[error("the value is not in the form of a sealed value")]
    Malformed,
    #[error("the value was sealed with another key")]
    WrongKey,
    #[error("the value was changed, or belongs to another place")]
    Tampered,
}

/// Encrypts a value for one place.
pub fn seal(key: &DataKey, aad: &Aad<'_>, plaintext: &[u8], fill: Fill) -> String {
    let padded_length = (plaintext.len() / BUCKET + 1) * BUCKET;
    let mut padded = Zeroizing::new(Vec::with_capacity(padded_length));
    padded.extend_from_slice(plaintext);
    // ISO/IEC 7816-4: a mark, then zeros; there is always a mark, so that no text can be taken for padding.
    padded.push(0x80);
    padded.resize(padded_length, 0);
    let mut sealed = Vec::with_capacity(1 + key.hint.len() + NONCE + padded.len() + TAG);
    sealed.push(VERSION);
    sealed.extend_from_slice(&key.hint);
    key.cipher.encrypt_after(fill, &aad.bytes(), &padded, &mut sealed);
    URL_SAFE_NO_PAD.encode(sealed)
}

/// Decrypts a value in its place.
pub fn unseal(key: &DataKey, aad: &Aad<'_>, sealed: &str) -> Result<Zeroizing<Vec<u8>>, UnsealError> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| UnsealError::Malformed)?;
    let (head, body) = bytes.split_first_chunk::<5>().ok_or(UnsealError::Malformed)?;
    let whole = body.len().checked_sub(NONCE + TAG).is_some_and(|text| text > 0 && text % BUCKET == 0);
    if head[0] != VERSION || !whole {
        return Err(UnsealError::Malformed);
    }
    if head[1..] != key.hint {
        return Err(UnsealError::WrongKey);
    }
    let mut padded = key.cipher.decrypt(&aad.bytes(), body).ok_or(UnsealError::Tampered)?;
    let end = padded.iter().rposition(|byte| *byte != 0).filter(|end| padded[*end] == 0x80).ok_or(UnsealError::Malformed)?;
    padded.truncate(end);
    Ok(padded)
}
