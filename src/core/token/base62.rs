//! base62 of whole 8-byte words: 11 characters each, so that a token can be double-clicked and needs no escaping.

use alloc::string::String;
use alloc::vec::Vec;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters per 64-bit word: 62^11 > 2^64.
const WIDTH: usize = 11;

/// Appends the text of these bytes; a last partial word is filled with zeros.
pub fn encode_into(bytes: &[u8], out: &mut String) {
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        encode_word(u64::from_be_bytes(word), WIDTH, out);
    }
}

/// Appends a number in exactly `width` characters.
pub fn encode_word(mut word: u64, width: usize, out: &mut String) {
    let mut text = [b'0'; WIDTH];
    for slot in text[..width].iter_mut().rev() {
        *slot = ALPHABET[(word % 62) as usize];
        word /= 62;
    }
    out.extend(text[..width].iter().map(|b| char::from(*b)));
}

/// The bytes of a text of whole words; `None` for other characters, lengths or a word beyond 64 bits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(WIDTH) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / WIDTH * 8);
    for chunk in text.as_bytes().chunks(WIDTH) {
        bytes.extend_from_slice(&decode_word(chunk)?.to_be_bytes());
    }
    Some(bytes)
}

/// The number of this text.
pub fn decode_word(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0_u64, |word, symbol| {
        let value = match symbol {
            b'0'..=b'9' => symbol - b'0',
            b'A'..=b'Z' => symbol - b'A' + 10,
            b'a'..=b'z' => symbol - b'a' + 36,
            _ => return None,
        };
        word.checked_mul(62)?.checked_add(u64::from(value))
    })
}
