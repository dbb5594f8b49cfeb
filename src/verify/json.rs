//! Canonical JSON, checked and taken apart in one pass over the bytes, without building values.
//!
//! | Rule | Source |
//! |---|---|
//! | no white space, members sorted by UTF-16 code units, none twice | RFC 8785 §3.2.1, §3.2.3 |
//! | the shortest escapes, in lower case | RFC 8785 §3.2.2.2 |
//! | numbers are integers within ±(2^53 - 1) | the log's own rule, stricter than RFC 8785 §3.2.2.3 |
//!
//! `serde_json` would accept what is not canonical and hide a member that stands there twice; two readers of one leaf must never see
//! two events.

use std::borrow::Cow;
use std::ops::Range;

/// Deepest nesting that is followed.
const DEEPEST: u32 = 32;
const LARGEST: u64 = (1 << 53) - 1;

/// What is wrong, in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    #[error("it is not UTF-8")]
    Utf8,
    #[error("it is not JSON")]
    Syntax,
    #[error("something stands behind the JSON value")]
    Trailing,
    #[error("a string is not written in its shortest form")]
    Escape,
    #[error("a number is not an integer below 2^53, or is not written plainly")]
    Number,
    #[error("the members are not in order, or one is there twice")]
    Order,
    #[error("it is nested too deeply")]
    Deep,
}

/// A value inside checked bytes: its exact text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw<'a>(&'a str);

/// Checks that these bytes are one canonical JSON value.
///
/// # Errors
/// What is wrong with them.
pub fn check(bytes: &[u8]) -> Result<Raw<'_>, NotCanonical> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotCanonical::Utf8)?;
    let mut scan = Scan { bytes, at: 0 };
    scan.value(0)?;
    if scan.at < bytes.len() { Err(NotCanonical::Trailing) } else { Ok(Raw(text)) }
}

/// The same, and hands out the members of the object that it is, in their order: one pass instead of two. They count only if the whole
/// is well; of anything but an object there are none.
///
/// # Errors
/// As for [`check`].
pub fn check_members<'a>(bytes: &'a [u8], mut each: impl FnMut(&'a str, Raw<'a>)) -> Result<Raw<'a>, NotCanonical> {
    let text = std::str::from_utf8(bytes).map_err(|_| NotCanonical::Utf8)?;
    let mut scan = Scan { bytes, at: 0 };
    if scan.peek()? == b'{' {
        scan.object(0, |key, value| {
            if let (Some(key), Some(value)) = (text.get(key), text.get(value)) {
                each(key, Raw(value));
            }
        })?;
    } else {
        scan.value(0)?;
    }
    if scan.at < bytes.len() { Err(NotCanonical::Trailing) } else { Ok(Raw(text)) }
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Eight bytes at a time: ones, and the highest bit of each.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks the bytes that are `byte`. Above the first one that is marked others may be marked too, which nobody looks at.
fn is(word: u64, byte: u8) -> u64 {
    let zero = word ^ (ONES * u64::from(byte));
    zero.wrapping_sub(ONES) & !zero & HIGHS
}

/// Marks control characters, in the same way.
fn is_control(word: u64) -> u64 {
    word.wrapping_sub(ONES * 0x20) & !word & HIGHS
}

/// Where the first byte stands that stops; most of a log is long texts in which none does.
fn first(bytes: &[u8], stops: impl Fn(u64) -> u64, stop: impl Fn(u8) -> bool) -> Option<usize> {
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let found = stops(u64::from_le_bytes(*word));
        if found != 0 {
            return Some(at * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| stop(*byte)).map(|at| words.len() * 8 + at)
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Result<u8, NotCanonical> {
        self.bytes.get(self.at).copied().ok_or(NotCanonical::Syntax)
    }

    fn expect(&mut self, byte: u8) -> Result<(), NotCanonical> {
        if self.peek()? != byte {
            return Err(NotCanonical::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    fn value(&mut self, depth: u32) -> Result<(), NotCanonical> {
        if depth > DEEPEST {
            return Err(NotCanonical::Deep);
        }
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(depth, |_, _| ()),
            b'[' => self.array(depth),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), NotCanonical> {
        if !self.bytes[self.at..].starts_with(word) {
            return Err(NotCanonical::Syntax);
        }
        self.at += word.len();
        Ok(())
    }

    /// `each` gets the places of every name and its value.
    fn object(&mut self, depth: u32, mut each: impl FnMut(Range<usize>, Range<usize>)) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        let mut before: Option<&[u8]> = None;
        loop {
            let name = self.at + 1;
            let key = self.string()?;
            if before.is_some_and(|before| !is_before(before, key)) {
                return Err(NotCanonical::Order);
            }
            before = Some(key);
            self.expect(b':')?;
            let from = self.at;
            self.value(depth + 1)?;
            each(name..name + key.len(), from..self.at);
            if self.peek()? == b'}' {
                self.at += 1;
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    fn array(&mut self, depth: u32) -> Result<(), NotCanonical> {
        self.at += 1;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            if self.peek()? == b']' {
                self.at += 1;
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// The text between the quotes, as it is written.
    fn string(&mut self) -> Result<&'a [u8], NotCanonical> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            let rest = &self.bytes[self.at..];
            let stops = |word| is(word, b'"') | is(word, b'\\') | is_control(word);
            let plain = first(rest, stops, |byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).ok_or(NotCanonical::Syntax)?;
            self.at += plain;
            match self.bytes[self.at] {
                b'"' => {
                    let text = &self.bytes[from..self.at];
                    self.at += 1;
                    return Ok(text);
                }
                b'\\' => self.escape()?,
                _ => return Err(NotCanonical::Syntax),
            }
        }
    }

    /// RFC 8785 §3.2.2.2: two characters where JSON has them, `\u00xx` for the other controls, and no escape for anything else.
    fn escape(&mut self) -> Result<(), NotCanonical> {
        let rest = &self.bytes[self.at + 1..];
        match rest {
            [b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't', ..] => self.at += 2,
            [b'u', b'0', b'0', high @ (b'0' | b'1'), low @ (b'0'..=b'9' | b'a'..=b'f'), ..] => {
                let has_short_form = *high == b'0' && matches!(low, b'8' | b'9' | b'a' | b'c' | b'd');
                if has_short_form {
                    return Err(NotCanonical::Escape);
                }
                self.at += 6;
            }
            [b'u' | b'/', ..] => return Err(NotCanonical::Escape),
            _ => return Err(NotCanonical::Syntax),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), NotCanonical> {
        let is_negative = self.peek()? == b'-';
        let from = self.at + usize::from(is_negative);
        let length = self.bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = &self.bytes[from..from + length];
        let value = digits.iter().try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
        match digits {
            [] => return Err(NotCanonical::Syntax),
            [b'0'] if is_negative => return Err(NotCanonical::Number),
            [b'0', _, ..] => return Err(NotCanonical::Number),
            _ => {}
        }
        if value.is_none_or(|value| value > LARGEST) || matches!(self.bytes.get(from + length), Some(b'.' | b'e' | b'E')) {
            return Err(NotCanonical::Number);
        }
        self.at = from + length;
        Ok(())
    }
}

/// RFC 8785 §3.2.3: by UTF-16 code units of the unescaped names. Plain ASCII compares as bytes.
fn is_before(one: &[u8], other: &[u8]) -> bool {
    let is_plain = |name: &[u8]| name.is_ascii() && !name.contains(&b'\\');
    if is_plain(one) && is_plain(other) {
        return one < other;
    }
    let units = |name: &[u8]| unescape(&String::from_utf8_lossy(name)).encode_utf16().collect::<Vec<_>>();
    units(one) < units(other)
}

/// The characters of a string whose escapes were checked.
fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((plain, behind)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut after = behind.chars();
        match after.next() {
            Some('b') => out.push('\u{8}'),
            Some('f') => out.push('\u{c}'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('t') => out.push('\t'),
            Some('u') => {
                out.extend(behind.get(1..5).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32));
                after = behind.get(5..).unwrap_or_default().chars();
            }
            Some(same) => out.push(same),
            None => {}
        }
        rest = after.as_str();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

impl<'a> Raw<'a> {
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The members of an object in their order; `None` if it is no object. Names are as written: ours have no escapes.
    pub fn members(self) -> Option<Members<'a>> {
        self.0.starts_with('{').then_some(Members { scan: Scan { bytes: self.0.as_bytes(), at: 1 }, text: self.0 })
    }

    /// The elements of an array; `None` if it is none.
    pub fn elements(self) -> Option<Elements<'a>> {
        self.0.starts_with('[').then_some(Elements { scan: Scan { bytes: self.0.as_bytes(), at: 1 }, text: self.0 })
    }

    /// A string that has no escapes: ids, digests, names of types.
    pub fn plain(self) -> Option<&'a str> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        (!inner.contains('\\')).then_some(inner)
    }

    /// Any string.
    pub fn string(self) -> Option<Cow<'a, str>> {
        Some(unescape(self.0.strip_prefix('"')?.strip_suffix('"')?))
    }

    pub fn integer(self) -> Option<i64> {
        self.0.parse().ok()
    }

    pub fn natural(self) -> Option<u64> {
        self.0.parse().ok()
    }
}

/// Members of an object whose bytes were checked.
pub struct Members<'a> {
    scan: Scan<'a>,
    text: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let from = self.scan.at;
        // The bytes were checked, so a failure here only ends the iteration.
        let key = self.scan.string().ok()?.len();
        let key = self.text.get(from + 1..from + 1 + key)?;
        self.scan.at += 1;
        let value = self.scan.skip(self.text)?;
        self.scan.at += 1;
        Some((key, value))
    }
}

/// Elements of an array whose bytes were checked.
pub struct Elements<'a> {
    scan: Scan<'a>,
    text: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        if self.scan.peek().ok()? == b']' {
            return None;
        }
        let value = self.scan.skip(self.text)?;
        self.scan.at += 1;
        Some(value)
    }
}

impl<'a> Scan<'a> {
    /// Passes over one value of checked bytes: only strings and brackets matter.
    fn skip(&mut self, text: &'a str) -> Option<Raw<'a>> {
        let (from, mut depth) = (self.at, 0_u32);
        loop {
            match self.peek().ok()? {
                b'"' => {
                    self.at += 1;
                    self.skip_string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                b',' | b':' => self.at += 1,
                _ => self.at += self.bytes[self.at..].iter().take_while(|byte| !matches!(byte, b',' | b'}' | b']')).count(),
            }
            if depth == 0 {
                return text.get(from..self.at).map(Raw);
            }
        }
    }

    fn skip_string(&mut self) -> Option<()> {
        loop {
            let stops = |word| is(word, b'"') | is(word, b'\\');
            self.at += first(&self.bytes[self.at..], stops, |byte| matches!(byte, b'"' | b'\\'))?;
            if self.bytes[self.at] == b'"' {
                self.at += 1;
                return Some(());
            }
            self.at += 2;
        }
    }
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
