//! User codes: short enough to be typed, from letters that are not mistaken and form no words. RFC 8628 §6.1.
//!
//! Eight of twenty letters are 34.5 bits: enough only because guesses are limited (RFC 8628 §5.1).

use alloc::string::String;

/// Consonants of the Latin alphabet without `Y`.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// Letters in a code.
const LENGTH: usize = 8;

/// A code of these random bits. Of 2^128 numbers each code has the same share, but for one in 2^93.
pub fn from_entropy(bytes: [u8; 16]) -> String {
    let mut number = u128::from_be_bytes(bytes);
    let mut code = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        // Below 20, so it is an index.
        code.push(char::from(ALPHABET[(number % 20) as usize]));
        number /= 20;
    }
    code
}

/// What a person typed, as it is compared: in capitals, without what stands between the letters. `None` for what is no code.
pub fn normalise(typed: &str) -> Option<String> {
    // More than a person types; nothing of it is kept.
    if typed.len() > 64 {
        return None;
    }
    let letters: String = typed.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect();
    (letters.len() == LENGTH && letters.bytes().all(|letter| ALPHABET.contains(&letter))).then_some(letters)
}

/// As it is shown: `WDJB-MJHT`.
pub fn shown(code: &str) -> String {
    match code.split_at_checked(LENGTH / 2) {
        Some((first, second)) => alloc::format!("{first}-{second}"),
        None => code.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc8628_6_1_what_is_typed_may_differ_in_case_and_punctuation() {
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "W.D.J.B.M.J.H.T", "\u{2003}WDJB\u{2010}MJHT"] {
            assert_eq!(normalise(typed).as_deref(), Some("WDJBMJHT"), "{typed}");
        }
        for wrong in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJH1", "ADJB-MJHT", "WDJB-MJH\u{c9}", &"-".repeat(65)] {
            assert_eq!(normalise(wrong), None, "{wrong}");
        }
        assert_eq!(shown("WDJBMJHT"), "WDJB-MJHT");
    }

    proptest! {
        #[test]
        fn a_code_survives_being_shown_and_typed(bytes: [u8; 16]) {
            let code = from_entropy(bytes);
            prop_assert_eq!(normalise(&shown(&code).to_lowercase()), Some(code));
        }

        #[test]
        fn nothing_panics(typed in "\\PC{0,80}") {
            let _ = normalise(&typed);
            let _ = shown(&typed);
        }
    }
}
