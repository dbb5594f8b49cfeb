//! Timestamps of RFC 3161 below a checkpoint: what an authority says was there, and when.
//!
//! | Checked | Source |
//! |---|---|
//! | the token is SignedData around a TSTInfo of version 1 | RFC 3161 §2.4.2, RFC 5652 §5.1 |
//! | its message imprint is SHA-256 over the text of the checkpoint | RFC 3161 §2.4.1 |
//! | the time | RFC 3161 §2.4.2, GeneralizedTime with `Z` |
//!
//! Out of scope: the signature of the authority. It needs certificates and the cryptography of others; `openssl ts -verify` checks it on the files of an
//! export, and the report says that nobody did here. Read with a reader of its own for the few members that count: definite lengths, nothing allocated.

use std::fmt;

use chancery_tree::Note;
use chancery_tree::note::Signature;
use sha2::{Digest as _, Sha256};

use crate::Finding;

/// 1.2.840.113549.1.7.2
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.9.16.1.4
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
/// 2.16.840.1.101.3.4.2.1
const SHA_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0]`, constructed.
const ZERO: u8 = 0xa0;

/// What a token says, without its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// SHA-256 of what was stamped.
    pub imprint: [u8; 32],
    /// As it stands: `20261121235346Z`, perhaps with a fraction.
    time: &'a str,
    /// What the request drew, as a DER integer.
    pub nonce: Option<&'a [u8]>,
}

/// A timestamp below a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Of the authority, as the log calls it.
    pub name: String,
    /// RFC 3339.
    pub at: String,
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.name, self.at)
    }
}

/// What tells a line with a token from one with a signature: a key id of type 0xff (C2SP signed-note).
pub fn key_id(name: &str) -> [u8; 4] {
    let hash = Sha256::new().chain_update(name).chain_update(b"\n\xffRFC 3161 timestamp").finalize();
    [hash[0], hash[1], hash[2], hash[3]]
}

/// The lines of a note that hold a token.
pub fn lines(note: &Note) -> impl Iterator<Item = &Signature> {
    note.signatures().iter().filter(|one| one.key_id == key_id(&one.name))
}

/// Every timestamp below a checkpoint.
///
/// # Errors
/// One that is of something else, or that cannot be read.
pub fn of(note: &Note) -> Result<Vec<Stamp>, Finding> {
    let imprint: [u8; 32] = Sha256::digest(note.text()).into();
    let stamp = |one: &Signature| {
        let bad = |why: &str| Finding::general(format!("the timestamp of {} {why}", one.name));
        let token = read(&one.bytes).map_err(|why| bad(&format!("cannot be read: {why}")))?;
        if token.imprint != imprint {
            return Err(bad("is of something else than this checkpoint"));
        }
        let at = token.rfc3339().ok_or_else(|| bad("names no time"))?;
        Ok(Stamp { name: one.name.clone(), at })
    };
    lines(note).map(stamp).collect()
}

impl Token<'_> {
    /// The time for people; `None` if it is none.
    pub fn rfc3339(&self) -> Option<String> {
        let (whole, rest) = self.time.split_at_checked(14)?;
        let fraction = rest.strip_suffix('Z')?;
        let is_fraction = fraction.is_empty() || fraction.len() <= 10 && fraction.strip_prefix('.').is_some_and(digits);
        if !digits(whole) || !is_fraction {
            return None;
        }
        let part = |from: usize, to: usize| &whole[from..to];
        let in_range = |from: usize, most: u32| part(from, from + 2).parse::<u32>().is_ok_and(|number| number <= most);
        let is_time = in_range(4, 12) && in_range(6, 31) && in_range(8, 23) && in_range(10, 59) && in_range(12, 60);
        let text = format!("{}-{}-{}T{}:{}:{}{fraction}Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14));
        is_time.then_some(text)
    }
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The request for a token over a hash, with a nonce that is a positive DER integer. RFC 3161 §2.4.1; the certificate is asked for.
pub fn request(imprint: &[u8; 32], nonce: &[u8; 8]) -> Vec<u8> {
    let mut request = vec![SEQUENCE, 0x43, INTEGER, 1, 1, SEQUENCE, 0x31, SEQUENCE, 0x0d, OID, 9];
    request.extend_from_slice(SHA_256);
    request.extend_from_slice(&[0x05, 0, OCTETS, 32]);
    request.extend_from_slice(imprint);
    request.extend_from_slice(&[INTEGER, 8]);
    request.extend_from_slice(nonce);
    request.extend_from_slice(&[0x01, 1, 0xff]);
    request
}

/// The token in a reply. RFC 3161 §2.4.2.
///
/// # Errors
/// A reply that grants none, or that is none.
pub fn granted(reply: &[u8]) -> Result<&[u8], String> {
    let (reply, rest) = expect(reply, SEQUENCE)?;
    nothing(rest)?;
    let (info, token) = expect(reply, SEQUENCE)?;
    match expect(info, INTEGER)?.0 {
        // granted, grantedWithMods
        [0 | 1] => {}
        [status] => return Err(format!("the authority refuses (PKIStatus {status})")),
        _ => return Err("no PKIStatus".to_owned()),
    }
    let (_, rest) = expect(token, SEQUENCE)?;
    nothing(rest)?;
    Ok(token)
}

/// Reads a token.
///
/// # Errors
/// What is not as it should be.
pub fn read(token: &[u8]) -> Result<Token<'_>, String> {
    let (content, rest) = expect(token, SEQUENCE)?;
    nothing(rest)?;
    let content = behind(content, SIGNED_DATA)?;
    let (signed, _) = expect(content, SEQUENCE)?;
    let (_, signed) = expect(signed, INTEGER)?;
    let (_, signed) = expect(signed, SET)?;
    let (inside, _) = expect(signed, SEQUENCE)?;
    let (info, _) = expect(behind(inside, TST_INFO)?, OCTETS)?;
    let (info, _) = expect(info, SEQUENCE)?;
    let (version, info) = expect(info, INTEGER)?;
    if version != [1] {
        return Err("a TSTInfo of another version".to_owned());
    }
    let (_, info) = expect(info, OID)?;
    let (imprint, info) = expect(info, SEQUENCE)?;
    let (algorithm, hash) = expect(imprint, SEQUENCE)?;
    if expect(algorithm, OID)?.0 != SHA_256 {
        return Err("an imprint that is not SHA-256".to_owned());
    }
    let imprint = expect(hash, OCTETS)?.0.try_into().map_err(|_| "an imprint that is not SHA-256".to_owned())?;
    let (_, info) = expect(info, INTEGER)?;
    let (time, mut info) = expect(info, TIME)?;
    let time = std::str::from_utf8(time).map_err(|_| "no time".to_owned())?;
    let mut nonce = None;
    while !info.is_empty() {
        let (tag, value, rest) = element(info)?;
        if tag == INTEGER {
            nonce = Some(value);
        }
        info = rest;
    }
    Ok(Token { imprint, time, nonce })
}

/// `SEQUENCE { OID, [0] { ... } }`: what is in the `[0]`.
fn behind<'a>(bytes: &'a [u8], wanted: &[u8]) -> Result<&'a [u8], String> {
    let (oid, rest) = expect(bytes, OID)?;
    if oid != wanted {
        return Err("content of another type".to_owned());
    }
    Ok(expect(rest, ZERO)?.0)
}

fn nothing(rest: &[u8]) -> Result<(), String> {
    if rest.is_empty() { Ok(()) } else { Err("bytes behind the end".to_owned()) }
}

fn expect(bytes: &[u8], wanted: u8) -> Result<(&[u8], &[u8]), String> {
    let (tag, value, rest) = element(bytes)?;
    if tag == wanted { Ok((value, rest)) } else { Err(format!("tag {tag:#04x} where {wanted:#04x} should be")) }
}

/// Tag, content, and what follows. Of X.690: one byte of tag, a definite length of at most three bytes.
fn element(bytes: &[u8]) -> Result<(u8, &[u8], &[u8]), String> {
    let short = || "the bytes end early".to_owned();
    let (&tag, rest) = bytes.split_first().ok_or_else(short)?;
    let (&first, rest) = rest.split_first().ok_or_else(short)?;
    let (length, rest) = match first {
        ..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or_else(short)?;
            (length.iter().fold(0, |all, byte| all << 8 | usize::from(*byte)), rest)
        }
        _ => return Err("a length that is not definite, or too large".to_owned()),
    };
    let (value, rest) = rest.split_at_checked(length).ok_or_else(short)?;
    Ok((tag, value, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A token for `abc` with the members that `openssl ts` writes, and no signature: nothing here looks at it.
    fn token(nonce: Option<&[u8]>, time: &str) -> Vec<u8> {
        let wrap = |tag: u8, parts: &[&[u8]]| {
            let inside = parts.concat();
            let length = u8::try_from(inside.len()).unwrap();
            if length < 0x80 { [&[tag, length], &inside[..]].concat() } else { [&[tag, 0x81, length], &inside[..]].concat() }
        };
        let imprint = wrap(SEQUENCE, &[&wrap(SEQUENCE, &[&wrap(OID, &[SHA_256]), &[5, 0]]), &wrap(OCTETS, &[&Sha256::digest(b"abc")])]);
        let nonce = nonce.map_or_else(Vec::new, |nonce| wrap(INTEGER, &[nonce]));
        let time = wrap(TIME, &[time.as_bytes()]);
        let accuracy = wrap(SEQUENCE, &[&[INTEGER, 1, 1]]);
        let info = wrap(
            SEQUENCE,
            &[&[INTEGER, 1, 1], &wrap(OID, &[&[0x2a, 3, 4, 1]]), &imprint, &[INTEGER, 1, 4], &time, &accuracy, &[1, 1, 0xff], &nonce],
        );
        let inside = wrap(SEQUENCE, &[&wrap(OID, &[TST_INFO]), &wrap(ZERO, &[&wrap(OCTETS, &[&info])])]);
        let signed = wrap(SEQUENCE, &[&[INTEGER, 1, 3], &wrap(SET, &[]), &inside, &wrap(SET, &[])]);
        wrap(SEQUENCE, &[&wrap(OID, &[SIGNED_DATA]), &wrap(ZERO, &[&signed])])
    }

    #[test]
    fn rfc3161_2_4_2_a_token_says_what_and_when() {
        let bytes = token(Some(&[0x31, 0x4c]), "20230607112626Z");
        let read = read(&bytes).unwrap();
        assert_eq!(read.imprint, <[u8; 32]>::from(Sha256::digest(b"abc")));
        assert_eq!((read.nonce, read.rfc3339().as_deref()), (Some(&[0x31, 0x4c][..]), Some("2023-06-07T11:26:26Z")));
        let fraction = token(None, "20230607112626.25Z");
        assert_eq!(super::read(&fraction).unwrap().rfc3339().as_deref(), Some("2023-06-07T11:26:26.25Z"));
        for bad in ["20231307112626Z", "20230607112626", "2023060711Z", "20230607112626,5Z", "20230607112626.Z"] {
            assert_eq!(super::read(&token(None, bad)).unwrap().rfc3339(), None, "{bad}");
        }
    }

    #[test]
    fn rfc3161_2_4_2_a_reply_grants_or_refuses() {
        let token = token(None, "20230607112626Z");
        let reply = |status: u8| {
            let inside = [&[SEQUENCE, 3, INTEGER, 1, status], &token[..]].concat();
            [&[SEQUENCE, 0x81, u8::try_from(inside.len()).unwrap()], &inside[..]].concat()
        };
        assert_eq!(granted(&reply(0)).unwrap(), token);
        assert!(granted(&reply(2)).unwrap_err().contains("refuses"));
        assert!(granted(&[]).is_err() && granted(&[SEQUENCE, 5, SEQUENCE, 3, INTEGER, 1, 0]).is_err());
    }

    #[test]
    fn a_timestamp_below_another_checkpoint_is_found_out() {
        let line = |text: &str| {
            let mut note = Note::new(text).unwrap();
            note.push(Signature { name: "tsa.example".into(), key_id: key_id("tsa.example"), bytes: token(None, "20230607112626Z") });
            of(&note)
        };
        assert!(line("another\n").unwrap_err().what.contains("something else"));
        let mut plain = Note::new("a\n").unwrap();
        plain.push(Signature { name: "tsa.example".into(), key_id: [1, 2, 3, 4], bytes: vec![0] });
        assert_eq!(of(&plain), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn anything_is_a_token_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = (read(&bytes).map(|token| token.rfc3339()), granted(&bytes));
        }

        #[test]
        fn a_token_that_was_changed_is_read_or_refused(at in 0_usize..150, to in any::<u8>()) {
            let mut bytes = token(Some(&[7]), "20230607112626Z");
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = read(&bytes).map(|token| token.rfc3339());
        }
    }
}
