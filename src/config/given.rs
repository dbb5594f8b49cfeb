//! What was typed, and where.

use std::collections::BTreeMap;

use super::problem::Origin;

/// A value as it was typed.
#[derive(Clone, PartialEq, Eq)]
pub enum Raw {
    Text(String),
    /// Digits in base ten, of any length, perhaps with a sign.
    Integer(String),
    Boolean(bool),
    List(Vec<String>),
    /// A table within an entry.
    Table(BTreeMap<String, Raw>),
    /// Something that no setting can be; the name of its type.
    Other(&'static str),
}

/// A value and where it stood.
#[derive(Clone)]
pub struct Given {
    pub raw: Raw,
    pub origin: Origin,
}
