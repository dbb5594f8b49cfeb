//! What the text of a claim looks like. OpenID Connect Core 1.0 §5.1.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{By, Kind, Rule};
use crate::client::metadata::origin_of;

/// The text as it is kept; `None` takes the claim away.
pub fn normal(rule: &Rule, text: &str, by: By) -> Result<Option<String>, String> {
    let text = text.trim();
    if rule.kind == Kind::Flag {
        return match (by, text) {
            (_, "" | "false") => Ok(None),
            (By::Person, _) => Err("This cannot be said of oneself.".to_string()),
            (By::Operator, "true") => Ok(Some(text.to_string())),
            (By::Operator, _) => Err("Say true or false.".to_string()),
        };
    }
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > rule.most {
        return Err(format!("Use at most {} bytes.", rule.most));
    }
    // Browsers send the ends of lines as CRLF; one form is enough.
    let text = text.replace("\r\n", "\n");
    if text.chars().any(|c| c.is_control() && !(rule.kind == Kind::Lines && c == '\n')) {
        return Err("Leave out control characters.".to_string());
    }
    let (fits, sentence) = match rule.kind {
        Kind::Text | Kind::Lines | Kind::Flag => (true, ""),
        Kind::Url => (is_url(&text), "Enter an address such as https://example.com/me."),
        Kind::Date => (is_date(&text), "Enter a date such as 2001-12-31, 0000-12-31 without the year, or 2001."),
        Kind::Zone => (is_zone(&text), "Enter a time zone such as Europe/Paris."),
        Kind::Language => (is_language(&text), "Enter a language such as en or en-GB."),
        Kind::Phone => (is_phone(&text), "Enter an international number such as +44 20 7946 0958."),
    };
    if fits { Ok(Some(text)) } else { Err(sentence.to_string()) }
}

/// A web address with a host. Whoever shows it decides what to do with it; a script is no address.
fn is_url(text: &str) -> bool {
    origin_of(text).is_some_and(|origin| !origin.ends_with(':') && !origin.ends_with("//"))
}

/// ISO 8601-1:2019 as §5.1 says: a whole date, a date of the year 0000, or a year alone.
fn is_date(text: &str) -> bool {
    let number = |part: &str, digits: usize| -> Option<u32> {
        (part.len() == digits && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    let parts: Vec<&str> = text.split('-').collect();
    match parts.as_slice() {
        [year] => number(year, 4).is_some_and(|year| year > 0),
        [year, month, day] => {
            let (Some(year), Some(month), Some(day)) = (number(year, 4), number(month, 2), number(day, 2)) else { return false };
            // Without a year nobody can tell whether it was a leap year.
            let leap = year == 0 || (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));
            let days = match month {
                1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
                4 | 6 | 9 | 11 => 30,
                2 if leap => 29,
                2 => 28,
                _ => 0,
            };
            (1..=days).contains(&day)
        }
        _ => false,
    }
}

/// The characters of the names in the time zone database. Which names there are changes several times a year.
fn is_zone(text: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+'));
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.split('/').count() <= 3 && text.split('/').all(plain)
}

/// RFC 5646 §2.1 in outline; §5.1 also knows `en_US`.
fn is_language(text: &str) -> bool {
    let mut parts = text.split(['-', '_']);
    let language = parts.next().unwrap_or_default();
    let plain = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric());
    (2..=8).contains(&language.len()) && language.bytes().all(|b| b.is_ascii_alphabetic()) && parts.all(plain)
}

/// E.164 with the separators that people write, and `;ext=` as in RFC 3966 §5.3.
fn is_phone(text: &str) -> bool {
    let (number, extension) = text.split_once(";ext=").map_or((text, None), |(number, extension)| (number, Some(extension)));
    let Some(rest) = number.strip_prefix('+') else { return false };
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    (7..=15).contains(&digits)
        && rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b' ' | b'-' | b'.' | b'(' | b')'))
        && extension.is_none_or(|own| (1..=10).contains(&own.len()) && own.bytes().all(|b| b.is_ascii_digit()))
}
