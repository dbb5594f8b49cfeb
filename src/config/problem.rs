//! What is wrong with a configuration, and where it came from.
//!
//! All problems are reported at once. A sentence says what to do and never repeats a secret.

use std::fmt;
use std::path::PathBuf;

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Flag(&'static str),
    Environment(String),
    File { path: PathBuf, line: usize },
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One thing to mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The key as it stands in the TOML file: `lifetimes.code`, `client[2].redirect_uris`.
    pub key: String,
    pub origin: Origin,
    /// What is wrong and what to do.
    pub sentence: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.origin, self.sentence)
    }
}

/// Everything that is wrong, in the order in which it was found. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is refused:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// A value as it may be shown: bounded, and with control characters made visible.
pub fn shown(value: &str) -> String {
    const LIMIT: usize = 80;
    let mut text: String = value.chars().take(LIMIT).flat_map(char::escape_debug).collect();
    if value.chars().count() > LIMIT {
        text.push_str("...");
    }
    format!("\"{text}\"")
}
