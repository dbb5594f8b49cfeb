//! Writing to stdout. `println!` panics when the reader has gone; here it is an error that ends the command quietly.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::time::Instant;

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

/// A bar on stderr with rate and remaining time, drawn anew ten times a second, only for people.
pub struct Progress {
    what: &'static str,
    began: Instant,
    /// Milliseconds since the beginning; 0 is never.
    drawn: AtomicU64,
    shown: bool,
}

impl Progress {
    pub fn new(what: &'static str) -> Self {
        Self { what, began: Instant::now(), drawn: AtomicU64::new(0), shown: io::stderr().is_terminal() }
    }

    pub fn at(&self, done: u64, all: u64) {
        let elapsed = self.began.elapsed();
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if !self.shown || now < self.drawn.load(Ordering::Relaxed) + 100 {
            return;
        }
        self.drawn.store(now, Ordering::Relaxed);
        let share = done as f64 / all.max(1) as f64;
        let rate = done as f64 / elapsed.as_secs_f64().max(1e-6);
        let left = all.saturating_sub(done) as f64 / rate.max(1.0);
        let full = ((share * 30.0) as usize).min(30);
        let bar = format!("{}{}", "#".repeat(full), "-".repeat(30 - full));
        eprint!("\r\x1b[K[{bar}] {:3.0} %  {} {done} of {all} events  {rate:.0}/s  {left:.0} s left", share * 100.0, self.what);
    }
}

impl Progress {
    /// Before a line is written where the bar is.
    pub fn clear(&self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
