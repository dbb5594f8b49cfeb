//! Opaque tokens: `cha_at_`, `cha_rt_`, `cha_ac_`, `cha_ss_` and their kin + base62(stream id, secret ...) + checksum.
//!
//! | Rule | Source |
//! |---|---|
//! | 192 bits of secret, beyond the 160 that are asked for | RFC 6749 §10.10 |
//! | a prefix and a checksum, so that secret scanners find leaked ones without asking us | our own |
//! | the id in front names the stream: no look-up index, the log holds only the digest of the whole text | our own |
//! | a refresh token carries its generation and a MAC over it: nobody who only knows a grant's id can forge an old one | RFC 9700 §4.14.2 |
//!
//! Out of scope: drawing the secret and checking the MAC (they need keys and entropy, the shell has those).

use alloc::string::String;

use uuid::Uuid;

use super::base62;
use crate::digest::Digest;

/// Length of the secret part in bytes.
pub const SECRET: usize = 24;
/// Length of the truncated MAC of a refresh token in bytes.
pub const MAC: usize = 12;
/// The checksum: CRC-32 in 6 base62 characters.
const CHECK: usize = 6;
/// Longest text that is looked at.
const LONGEST: usize = 120;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    AccessToken,
    RefreshToken,
    AuthorizationCode,
    /// The value of the session cookie.
    Session,
    /// The value of the cookie that binds an authorization request to a browser.
    Browser,
    /// Lets somebody register clients (RFC 7591 §1.2).
    InitialAccess,
    /// Lets a client manage its own registration (RFC 7592 §1.2).
    RegistrationAccess,
    /// The reference in the `request_uri` of a pushed authorization request (RFC 9126 §2.2).
    PushedRequest,
    /// What a device polls with (RFC 8628 §3.2).
    DeviceCode,
    /// What a client on the back channel polls with (CIBA Core §7.3).
    AuthReqId,
    /// What a wallet redeems an offer of credentials with (OpenID4VCI §4.1.1).
    PreAuthorizedCode,
}

impl Kind {
    /// The prefix that names the kind in public.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "cha_at_",
            Self::RefreshToken => "cha_rt_",
            Self::AuthorizationCode => "cha_ac_",
            Self::Session => "cha_ss_",
            Self::Browser => "cha_br_",
            Self::InitialAccess => "cha_ia_",
            Self::RegistrationAccess => "cha_rg_",
            Self::PushedRequest => "cha_pr_",
            Self::DeviceCode => "cha_dc_",
            Self::AuthReqId => "cha_rq_",
            Self::PreAuthorizedCode => "cha_pa_",
        }
    }
}

/// A token whose form and checksum are right. Whether it is *the* token, the digest in the stream's state tells.
#[derive(Clone)]
pub struct Opaque {
    pub kind: Kind,
    /// The stream that knows it.
    pub stream: Uuid,
    /// Refresh tokens only.
    pub rotation: Option<Rotation>,
    secret: [u8; SECRET],
}

/// The place of a refresh token in its family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// 0 for the first token of a grant.
    pub generation: u32,
    /// Truncated MAC over stream, secret and generation.
    pub mac: [u8; MAC],
}

impl Opaque {
    /// A token from parts that the shell drew.
    pub fn new(kind: Kind, stream: Uuid, secret: [u8; SECRET]) -> Self {
        Self { kind, stream, rotation: None, secret }
    }

    /// A refresh token; `mac` comes from the shell, over [`Self::mac_input`].
    pub fn refresh(stream: Uuid, secret: [u8; SECRET], rotation: Rotation) -> Self {
        Self { kind: Kind::RefreshToken, stream, rotation: Some(rotation), secret }
    }

    /// What the MAC of a refresh token covers.
    pub fn mac_input(stream: Uuid, secret: &[u8; SECRET], generation: u32) -> [u8; 16 + SECRET + 4] {
        let mut input = [0; 16 + SECRET + 4];
        input[..16].copy_from_slice(stream.as_bytes());
        input[16..16 + SECRET].copy_from_slice(secret);
        input[16 + SECRET..].copy_from_slice(&generation.to_be_bytes());
        input
    }

    /// The secret part: for the MAC and for deriving a successor, never for a log.
    pub fn secret(&self) -> &[u8; SECRET] {
        &self.secret
    }

    /// Reads a text of the wanted kind; `None` for anything else.
    pub fn parse(kind: Kind, text: &str) -> Option<Self> {
        if text.len() > LONGEST || !text.is_ascii() {
            return None;
        }
        let (body, check) = text.strip_prefix(kind.prefix())?.split_at_checked(text.len().checked_sub(kind.prefix().len() + CHECK)?)?;
        let covered = &text[..text.len() - CHECK];
        if base62::decode_word(check.as_bytes())? != u64::from(crc32(covered.as_bytes())) {
            return None;
        }
        let bytes = base62::decode(body)?;
        let stream = Uuid::from_slice(bytes.get(..16)?).ok()?;
        let secret: [u8; SECRET] = bytes.get(16..16 + SECRET)?.try_into().ok()?;
        let rest = &bytes[16 + SECRET..];
        let rotation = match (kind, rest.len()) {
            (Kind::RefreshToken, 16) => {
                Some(Rotation { generation: u32::from_be_bytes(rest[..4].try_into().ok()?), mac: rest[4..].try_into().ok()? })
            }
            (Kind::RefreshToken, _) => return None,
            (_, 0) => None,
            _ => return None,
        };
        Some(Self { kind, stream, rotation, secret })
    }

    /// The text that the holder gets.
    pub fn to_text(&self) -> String {
        let mut text = String::with_capacity(LONGEST);
        text.push_str(self.kind.prefix());
        let mut bytes = [0; 56];
        bytes[..16].copy_from_slice(self.stream.as_bytes());
        bytes[16..40].copy_from_slice(&self.secret);
        let mut length = 40;
        if let Some(rotation) = &self.rotation {
            bytes[40..44].copy_from_slice(&rotation.generation.to_be_bytes());
            bytes[44..56].copy_from_slice(&rotation.mac);
            length = 56;
        }
        base62::encode_into(&bytes[..length], &mut text);
        let check = crc32(text.as_bytes());
        base62::encode_word(u64::from(check), CHECK, &mut text);
        text
    }
}

/// What the log keeps of a token.
pub fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

/// CRC-32 (ISO-HDLC), the checksum that secret scanners expect.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_crc32() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(id: u128, secret: [u8; SECRET], generation: u32, mac: [u8; MAC]) {
            let stream = Uuid::from_u128(id);
            for token in [Opaque::new(Kind::AccessToken, stream, secret), Opaque::refresh(stream, secret, Rotation { generation, mac })] {
                let read = Opaque::parse(token.kind, &token.to_text()).unwrap();
                prop_assert_eq!((read.stream, read.secret, read.rotation), (token.stream, token.secret, token.rotation));
                prop_assert!(Opaque::parse(Kind::AuthorizationCode, &token.to_text()).is_none());
            }
        }

        #[test]
        fn a_changed_character_is_noticed(id: u128, secret: [u8; SECRET], at in 7_usize..68, with in "[0-9A-Za-z]") {
            let text = Opaque::new(Kind::AccessToken, Uuid::from_u128(id), secret).to_text();
            let changed = format!("{}{with}{}", &text[..at], &text[at + 1..]);
            prop_assert_eq!(Opaque::parse(Kind::AccessToken, &changed).is_some(), changed == text);
        }

        #[test]
        fn nothing_panics(text in "(cha_(at|rt|ac)_)?.{0,130}") {
            for kind in [Kind::AccessToken, Kind::RefreshToken, Kind::AuthorizationCode] {
                let _ = Opaque::parse(kind, &text);
            }
        }
    }
}
