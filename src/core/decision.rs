//! What a rule answers: events for the log, and the outcome for the caller.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::error::OAuthError;

/// The answer of a decider. A refusal can carry events too: a reused refresh token ends the grant *and* is refused.
#[derive(Debug)]
pub struct Decision<E, T> {
    pub events: Vec<Draft<E>>,
    pub outcome: Result<T, OAuthError>,
}

/// An event that is about to be appended, with the personal data that the shell seals under a data key.
#[derive(Clone, Debug)]
pub struct Draft<E> {
    pub event: E,
    pub personal: Personal,
}

/// Personal data in clear, by field name. It lives only between a decision and the vault, and cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Personal {
    fields: BTreeMap<&'static str, String>,
    /// Kept to the last byte; their makers bound them.
    whole: BTreeSet<&'static str>,
}

impl<E, T> Decision<E, T> {
    pub fn accept(events: Vec<Draft<E>>, outcome: T) -> Self {
        Self { events, outcome: Ok(outcome) }
    }

    pub fn refuse(error: OAuthError) -> Self {
        Self { events: Vec::new(), outcome: Err(error) }
    }

    /// Adds an event: for refusals that are evidence.
    #[must_use]
    pub fn recording(mut self, event: impl Into<Draft<E>>) -> Self {
        self.events.push(event.into());
        self
    }
}

impl<E> From<E> for Draft<E> {
    fn from(event: E) -> Self {
        Self { event, personal: Personal::default() }
    }
}

impl<E> Draft<E> {
    pub fn new(event: E, personal: Personal) -> Self {
        Self { event, personal }
    }
}

impl Personal {
    /// Adds a field; an absent value adds nothing.
    #[must_use]
    pub fn with(mut self, field: &'static str, value: Option<impl Into<String>>) -> Self {
        if let Some(value) = value {
            self.fields.insert(field, value.into());
        }
        self
    }

    /// Adds a field that must not be cut, because it is read back and not only shown. Its maker bounds it.
    #[must_use]
    pub fn with_whole(mut self, field: &'static str, value: Option<impl Into<String>>) -> Self {
        if value.is_some() {
            self.whole.insert(field);
        }
        self.with(field, value)
    }

    /// Whether a field is kept to the last byte.
    pub fn is_whole(&self, field: &str) -> bool {
        self.whole.contains(field)
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.fields.iter().map(|(field, value)| (*field, value.as_str()))
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.fields.keys()).finish()
    }
}
