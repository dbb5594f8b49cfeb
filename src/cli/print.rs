//! Writing to stdout. `println!` panics when the reader has gone; here it is an error that ends the command quietly.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

/// One line.
///
/// # Errors
/// Nobody reads any more, or the disk is full.
pub fn line(text: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// JSON over several lines.
///
/// # Errors
/// As for [`line`].
pub fn json(value: &Value) -> io::Result<()> {
    line(format_args!("{value:#}"))
}

/// Aligned pairs of name and value; empty ones are left out.
///
/// # Errors
/// As for [`line`].
pub fn pairs(pairs: &[(&str, String)]) -> io::Result<()> {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    pairs.iter().filter(|(_, value)| !value.is_empty()).try_for_each(|(name, value)| line(format_args!("{name:width$}  {}", plain(value))))
}

/// A value in words: lists with spaces between, nothing for null.
pub fn words(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items.iter().map(|item| words(Some(item))).collect::<Vec<_>>().join(" "),
        Some(other) => other.to_string(),
    }
}

/// Without control characters: what others chose must not steer the terminal.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A line on stderr that is written over again and again, only for people.
pub struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    pub fn new(what: &'static str) -> Self {
        Self { what, shown: io::stderr().is_terminal() }
    }

    pub fn at(&self, done: u64, all: u64) {
        if self.shown {
            eprint!("\r{} {done} of {all} events", self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
