//! `jti` of a JWT access token: the grant that knows it, and 128 random bits.
//!
//! | Rule | Source |
//! |---|---|
//! | unique for the issuer | RFC 9068 §2.2 |
//! | the grant's id in front: no look-up index; the log holds only the digest of the whole | our own |
//! | whoever only knows a `jti` holds no token: the signature is asked for first | our own |

use alloc::string::String;

use uuid::Uuid;

use crate::base64url;

/// Random bytes in a `jti`.
pub const RANDOM: usize = 16;

/// The text of a `jti`, from a grant and bytes that the shell drew.
pub fn text(grant: Uuid, random: [u8; RANDOM]) -> String {
    let mut bytes = [0; 16 + RANDOM];
    bytes[..16].copy_from_slice(grant.as_bytes());
    bytes[16..].copy_from_slice(&random);
    base64url::encode(&bytes)
}

/// The grant that a `jti` of ours names; `None` for any other text.
pub fn grant(jti: &str) -> Option<Uuid> {
    let bytes = base64url::decode(jti).filter(|bytes| bytes.len() == 16 + RANDOM)?;
    Uuid::from_slice(&bytes[..16]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(id: u128, random: [u8; RANDOM]) {
            prop_assert_eq!(grant(&text(Uuid::from_u128(id), random)), Some(Uuid::from_u128(id)));
        }

        #[test]
        fn nothing_panics(text in ".{0,60}") {
            let _ = grant(&text);
        }
    }
}
