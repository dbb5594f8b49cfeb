//! User codes: short enough to be typed, from letters that are not mistaken and form no words, or from digits. RFC 8628 §6.1.
//!
//! | Rule | Source |
//! |---|---|
//! | twenty letters, or digits where people have no other keys | RFC 8628 §6.1 |
//! | case and what stands between the letters do not matter | RFC 8628 §6.1 |
//! | a code is so long that the guesses that are let through while it waits hardly ever hit it | RFC 8628 §5.1, §6.1 |

use alloc::string::String;

/// What codes are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Consonants of the Latin alphabet without `Y`.
    #[default]
    Base20,
    Digits,
}

impl Charset {
    const ALL: &'static [(Self, &'static str)] = &[(Self::Base20, "base-20"), (Self::Digits, "digits")];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, own)| *own == name).map(|(charset, _)| *charset)
    }

    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(own, _)| *own == self).map_or("", |(_, name)| name)
    }

    const fn letters(self) -> &'static [u8] {
        match self {
            Self::Base20 => b"BCDFGHJKLMNPQRSTVWXZ",
            Self::Digits => b"0123456789",
        }
    }
}

/// Where a letter stands in a mask.
const LETTER: char = '*';
/// Letters in a code: the randomness of one is 128 bits, and nobody types more.
const MOST: usize = 16;
/// Characters of a mask.
const LONGEST: usize = 32;
/// A guess is one of so many, at most: 9 digits and 7 letters are enough under the limits that stand by default.
const ONE_IN: u128 = 1 << 19;
/// The codes that RFC 8628 §6.1 shows, eight of twenty letters, are enough whatever the limits are.
const ENOUGH: u128 = 20u128.pow(8);

/// How codes look: a charset, and a mask in which `*` is a letter, and hyphens and spaces are for the eye.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    charset: Charset,
    mask: String,
    length: usize,
}

impl Default for Form {
    fn default() -> Self {
        Self { charset: Charset::Base20, mask: "****-****".into(), length: 8 }
    }
}

impl Form {
    /// # Errors
    /// What is wrong with the mask, for the operator.
    pub fn parse(charset: Charset, mask: &str) -> Result<Self, &'static str> {
        if mask.len() > LONGEST || !mask.chars().all(|c| matches!(c, LETTER | '-' | ' ')) {
            return Err("is a mask of at most 32 characters: * for each letter, and - or a space between them.");
        }
        let length = mask.chars().filter(|c| *c == LETTER).count();
        if length == 0 || length > MOST || !mask.starts_with(LETTER) || !mask.ends_with(LETTER) {
            return Err("is a mask that begins and ends with a letter (*), and has at most 16 of them.");
        }
        Ok(Self { charset, mask: mask.into(), length })
    }

    /// Do so few of so many guesses hit, that are let through in the life of a code? `None`: nobody counts them.
    pub fn is_enough(&self, guesses: Option<u64>) -> bool {
        let codes = self.codes();
        codes >= ENOUGH || guesses.is_some_and(|guesses| codes >= ONE_IN.saturating_mul(guesses.into()))
    }

    pub fn charset(&self) -> Charset {
        self.charset
    }

    pub fn mask(&self) -> &str {
        &self.mask
    }

    /// How many there are.
    pub fn codes(&self) -> u128 {
        // 20^16 is below 2^70.
        (0..self.length).fold(1, |codes, _| codes * self.charset.letters().len() as u128)
    }

    /// A code of these random bits. Of 2^128 numbers each code has the same share, but for one in 2^58.
    pub fn from_entropy(&self, bytes: [u8; 16]) -> String {
        let letters = self.charset.letters();
        let (mut number, base) = (u128::from_be_bytes(bytes), letters.len() as u128);
        let mut code = String::with_capacity(self.length);
        for _ in 0..self.length {
            // Below the number of letters, so it is an index.
            code.push(char::from(letters[(number % base) as usize]));
            number /= base;
        }
        code
    }

    /// What a person typed, as it is compared: in capitals, without what stands between the letters. `None` for what is no code.
    pub fn normalise(&self, typed: &str) -> Option<String> {
        // More than a person types; nothing of it is kept.
        if typed.len() > 64 {
            return None;
        }
        let letters: String = typed.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect();
        (letters.len() == self.length && letters.bytes().all(|letter| self.charset.letters().contains(&letter))).then_some(letters)
    }

    /// As it is shown: `WDJB-MJHT`.
    pub fn shown(&self, code: &str) -> String {
        let mut letters = code.chars();
        self.mask.chars().filter_map(|c| if c == LETTER { letters.next() } else { Some(c) }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(charset: Charset, mask: &str) -> Form {
        Form::parse(charset, mask).unwrap()
    }

    #[test]
    fn rfc8628_6_1_what_is_typed_may_differ_in_case_and_punctuation() {
        let own = Form::default();
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "W.D.J.B.M.J.H.T", "\u{2003}WDJB\u{2010}MJHT"] {
            assert_eq!(own.normalise(typed).as_deref(), Some("WDJBMJHT"), "{typed}");
        }
        for wrong in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJH1", "ADJB-MJHT", "WDJB-MJH\u{c9}", &"-".repeat(65)] {
            assert_eq!(own.normalise(wrong), None, "{wrong}");
        }
        assert_eq!(own.shown("WDJBMJHT"), "WDJB-MJHT");
    }

    #[test]
    fn rfc8628_6_1_digits_in_a_mask_of_the_operators() {
        let own = form(Charset::Digits, "***-*** ***");
        assert_eq!(own.shown("019450730"), "019-450 730");
        for typed in ["019450730", "019-450-730", "019 450 730"] {
            assert_eq!(own.normalise(typed).as_deref(), Some("019450730"), "{typed}");
        }
        for wrong in ["01945073", "0194507301", "01945073B", "\u{0660}19450730"] {
            assert_eq!(own.normalise(wrong), None, "{wrong}");
        }
        for wrong in ["", "-", "A***", "-****-****", "****-****-", "*****************", "* * * * * * * * * * * * * * * * *"] {
            assert!(Form::parse(Charset::Base20, wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rfc8628_5_1_a_code_is_long_enough_for_the_guesses_that_are_let_through() {
        let default = Form::default();
        assert!(default.is_enough(None) && default.is_enough(Some(u64::MAX)));
        let (nine, eight, seven) =
            (form(Charset::Digits, "*********"), form(Charset::Digits, "********"), form(Charset::Base20, "*******"));
        assert!(nine.is_enough(Some(1_200)) && seven.is_enough(Some(1_200)) && !eight.is_enough(Some(1_200)));
        assert!(!nine.is_enough(Some(2_000)) && eight.is_enough(Some(100)) && !seven.is_enough(None));
        assert!(form(Charset::Digits, "***********").is_enough(None), "more than RFC 8628 shows");
    }

    proptest! {
        #[test]
        fn a_code_survives_being_shown_and_typed(bytes: [u8; 16], mask in "\\*[* -]{0,14}\\*", digits: bool) {
            let own = form(if digits { Charset::Digits } else { Charset::Base20 }, &mask);
            let code = own.from_entropy(bytes);
            prop_assert_eq!(own.normalise(&own.shown(&code).to_lowercase()), Some(code));
        }

        #[test]
        fn nothing_panics(typed in "\\PC{0,80}", mask in "\\PC{0,40}") {
            let _ = Form::parse(Charset::Digits, &mask);
            let _ = Form::default().normalise(&typed);
            let _ = Form::default().shown(&typed);
        }
    }
}
