//! A moment of the log: a position or a time, and what a stream was there.
//!
//! | Rule | Why |
//! |---|---|
//! | a position means: after the event at that position | an auditor points at an event and asks what held then |
//! | a time means: after the last event recorded at or before it | `recorded_at` never goes back, so that the place is found by halving |
//! | expiry is judged by the time asked for, or by that of the event at the position | the log says when, no clock does |

use chancery_core::stream::KEY_FIELD;
use chancery_core::time::Timestamp;
use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;
use chancery_ledger::recorded::Recorded;
use serde_json::{Value, json};

use super::error::QueryError;
use super::source;
use crate::envelope::Unreadable;
use crate::inline;

/// Events folded at once.
const PAGE: u32 = 500;

/// What somebody asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    Position(u64),
    /// Milliseconds since the epoch.
    Time(i64),
}

/// A place in the log: so many events had happened, and the time for expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Events that count: positions below this.
    pub size: u64,
    pub at: Timestamp,
}

impl Place {
    /// The position of the last event that counts.
    pub fn last(&self) -> Option<u64> {
        self.size.checked_sub(1)
    }
}

impl Moment {
    /// A whole number is a position, anything else a time after RFC 3339 (`2026-11-21T13:00:00Z`, with an offset, or a date alone).
    pub fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return text.parse().ok().map(Self::Position);
        }
        rfc3339(text).map(Self::Time)
    }

    /// Its place in the log; of a position beyond the end, the end.
    ///
    /// # Errors
    /// A database that does not answer.
    pub async fn place(self, ledger: &Ledger) -> Result<Place, ReadError> {
        match self {
            Self::Time(ms) => Ok(Place { size: size_at(ledger, ms).await?, at: Timestamp(ms) }),
            Self::Position(position) => {
                let head = ledger.head().await?.size;
                let size = position.saturating_add(1).min(head);
                let last = match size.checked_sub(1) {
                    Some(last) => ledger.recorded_at(last).await?,
                    None => None,
                };
                Ok(Place { size, at: Timestamp(last.unwrap_or(0)) })
            }
        }
    }
}

/// How many events had been recorded at a time: the position of the first event after it.
///
/// # Errors
/// A database that does not answer.
pub async fn size_at(ledger: &Ledger, ms: i64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, ledger.head().await?.size);
    while low < high {
        let middle = low + (high - low) / 2;
        match ledger.recorded_at(middle).await? {
            Some(at) if at <= ms => low = middle + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// The events of a stream up to a place.
///
/// # Errors
/// A database that does not answer.
pub async fn events(ledger: &Ledger, stream: &str, place: Place) -> Result<Vec<Recorded>, ReadError> {
    let mut events = ledger.read_stream(stream, 1).await?;
    events.retain(|event| event.position < place.size);
    Ok(events)
}

/// A stream as it was.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamThen {
    pub version: u64,
    /// Position of its last event.
    pub position: u64,
    pub recorded_at: i64,
    /// The fold of its events; ciphertexts stay ciphertexts. `None` for evidence without an account, which nobody folds.
    pub state: Option<Value>,
}

/// The state of a stream at a place; `None` if it had not begun. Read page by page: the log's own stream grows with each quiet minute.
///
/// # Errors
/// A database that does not answer, or an event that cannot be folded, with its position.
pub async fn stream_then(ledger: &Ledger, stream: &str, place: Place) -> Result<Option<StreamThen>, QueryError> {
    let mut folding = inline::Folding::begin(stream);
    let mut then: Option<StreamThen> = None;
    let mut next = match folding {
        Some(_) => 1,
        // Nobody folds it: its last event alone is looked at.
        None => source::version_at(ledger, stream, place.size).await?.saturating_sub(1).max(1),
    };
    loop {
        let mut page = ledger.read_stream_page(stream, next, PAGE).await?;
        let is_last = page.len() < PAGE as usize || page.last().is_some_and(|event| event.position >= place.size);
        page.retain(|event| event.position < place.size);
        if let Some(last) = page.last() {
            then = Some(StreamThen { version: last.version, position: last.position, recorded_at: last.recorded_at, state: None });
            next = last.version + 1;
            if let Some(folding) = &mut folding {
                folding.add(&page)?;
            }
        }
        if is_last {
            break;
        }
    }
    if let (Some(then), Some(folding)) = (&mut then, folding) {
        then.state = folding.state();
    }
    Ok(then)
}

/// The same for a stream all of whose events are here.
///
/// # Errors
/// The position of the event that stops the fold.
pub fn folded_then(stream: &str, mut events: Vec<Recorded>, place: Place) -> Result<Option<StreamThen>, Unreadable> {
    events.retain(|event| event.position < place.size);
    let Some(last) = events.last() else { return Ok(None) };
    let mut then = StreamThen { version: last.version, position: last.position, recorded_at: last.recorded_at, state: None };
    if let Some(mut folding) = inline::Folding::begin(stream) {
        folding.add(&events)?;
        then.state = folding.state();
    }
    Ok(Some(then))
}

/// A ciphertext in a state or event.
#[derive(Clone, Copy, Debug)]
pub struct Sealed<'a> {
    pub key: &'a str,
    pub stream: &'a str,
    pub event: &'a str,
    pub field: &'a str,
    pub text: &'a str,
}

/// Every ciphertext in a state, depth first.
pub fn sealed_in(state: &Value) -> Vec<Sealed<'_>> {
    let mut found = Vec::new();
    walk(state, &mut found);
    found
}

fn walk<'a>(value: &'a Value, found: &mut Vec<Sealed<'a>>) {
    match value {
        Value::Object(members) => match as_sealed(value) {
            Some(sealed) => found.push(sealed),
            None => members.values().for_each(|member| walk(member, found)),
        },
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        _ => {}
    }
}

/// The five members of `chancery_core::stream::Sealed`.
pub fn as_sealed(value: &Value) -> Option<Sealed<'_>> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    (value.as_object()?.len() == 5).then_some(())?;
    Some(Sealed { key: text(KEY_FIELD)?, stream: text("stream")?, event: text("event")?, field: text("field")?, text: text("text")? })
}

/// Puts something else in the place of every ciphertext.
pub fn replace_sealed(value: &mut Value, with: &mut dyn FnMut(&Sealed<'_>) -> Value) {
    if let Some(put) = as_sealed(value).map(|sealed| with(&sealed)) {
        *value = put;
        return;
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(|member| replace_sealed(member, with)),
        Value::Array(items) => items.iter_mut().for_each(|item| replace_sealed(item, with)),
        _ => {}
    }
}

/// Milliseconds since the epoch of a date, or of a date and time with `Z` or an offset (RFC 3339 §5.6). A leap second counts as the last
/// second of its minute.
pub fn rfc3339(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let sign = |at: usize, wanted: &[u8]| text.as_bytes().get(at).filter(|byte| wanted.contains(byte)).copied();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    sign(4, b"-")?;
    sign(7, b"-")?;
    let days = days(year, month, day)?;
    if text.len() == 10 {
        return Some(days * 86_400_000);
    }
    sign(10, b"Tt ")?;
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    sign(13, b":")?;
    let (second, mut at) = match sign(16, b":") {
        Some(_) => (number(17, 19)?, 19),
        // What a form field of type datetime-local sends.
        None => (0, 16),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut millis = 0;
    if sign(at, b".").is_some() {
        let digits = text.get(at + 1..)?.bytes().take_while(u8::is_ascii_digit).count();
        let kept = format!("{:0<3}", text.get(at + 1..at + 1 + digits.min(3))?);
        millis = kept.parse().ok().filter(|_| digits > 0)?;
        at += 1 + digits;
    }
    let offset = match text.get(at..)? {
        "Z" | "z" => 0,
        rest if rest.len() == 6 && sign(at + 3, b":").is_some() => {
            let minutes = number(at + 1, at + 3).filter(|hours| *hours < 24)? * 60 + number(at + 4, at + 6).filter(|own| *own < 60)?;
            if sign(at, b"+-")? == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    Some(days * 86_400_000 + (hour * 60 + minute - offset) * 60_000 + second.min(59) * 1000 + millis)
}

/// Days since 1970-01-01, after Howard Hinnant's algorithm; `None` for a date that no calendar has.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        1..=12 => 31,
        _ => return None,
    };
    (1..=longest).contains(&day).then_some(())?;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

/// `2026-03-14T09:26:53.123Z` of milliseconds since the epoch (RFC 3339 §5.6).
pub fn written(ms: i64) -> String {
    let days = ms.div_euclid(86_400_000) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let rest = ms.rem_euclid(86_400_000);
    let (day, hour, minute) = (day_of_year - (153 * shifted + 2) / 5 + 1, rest / 3_600_000, rest / 60_000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{:02}.{:03}Z", rest / 1000 % 60, rest % 1000)
}

/// A place for people and machines.
pub fn told(place: Place) -> Value {
    json!({ "position": place.last(), "at": written(place.at.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_5_6_times_are_read_and_written() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-03-14T09:26:53.123Z", 1_773_480_413_123),
            ("2026-03-14T10:26:53.1234+01:00", 1_773_480_413_123),
            ("2026-03-14t08:26:53.12-01:00", 1_773_480_413_120),
            ("2000-02-29", 951_782_400_000),
            ("2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2026-03-14T09:26Z", 1_773_480_360_000),
        ] {
            assert_eq!(rfc3339(text), Some(ms), "{text}");
        }
        for ms in [0, -1, 951_868_800_000, 1_773_480_413_123, 4_107_542_399_999] {
            assert_eq!(rfc3339(&written(ms)), Some(ms));
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "x",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-01-00",
            "2026-01-01T",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+1:00",
            "2026-01-01T00:00:00+25:00",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "2026-01-01\u{e9}00:00:00Z",
            "+026-01-01",
            "2026-01-01T00:00:00.1\u{e9}",
        ] {
            assert_eq!(rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn every_kind_of_stream_can_be_folded() {
        for (kind, _) in chancery_core::event::event_catalogue() {
            assert!(inline::Folding::begin(&format!("{kind}-x")).is_some(), "{kind}");
        }
        assert!(inline::Folding::begin("evidence-anonymous").is_none() && inline::Folding::begin("x-1").is_none());
    }

    #[test]
    fn digits_are_a_position_and_the_rest_a_time() {
        assert_eq!(Moment::parse("17"), Some(Moment::Position(17)));
        assert_eq!(Moment::parse("2026-03-14"), Some(Moment::Time(1_773_446_400_000)));
        assert_eq!((Moment::parse(""), Moment::parse("-1"), Moment::parse("99999999999999999999999")), (None, None, None));
    }

    #[test]
    fn ciphertexts_are_found_wherever_they_are() {
        let sealed = json!({ "key": "account/a", "stream": "account-a", "event": "e", "field": "email", "text": "AA" });
        let mut state = json!({ "id": "a", "email": sealed, "secrets": [[{ "sealed": sealed }, null]], "key": "not one" });
        assert_eq!(sealed_in(&state).iter().map(|own| own.field).collect::<Vec<_>>(), ["email", "email"]);
        replace_sealed(&mut state, &mut |own| json!(own.field));
        assert_eq!(state, json!({ "id": "a", "email": "email", "secrets": [[{ "sealed": "email" }, null]], "key": "not one" }));
    }
}
