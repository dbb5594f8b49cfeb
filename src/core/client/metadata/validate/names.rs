//! What a registration calls people and software.

use super::Problems;
use crate::client::metadata::{Asked, Metadata};

/// Longest software statement in bytes.
const LONGEST_STATEMENT: usize = 8 * 1024;

pub(super) fn check_people(asked: &Asked, wrong: &mut Problems) {
    if asked.client_name.as_deref().is_some_and(|name| name.is_empty() || name.len() > 256 || name.chars().any(char::is_control)) {
        wrong.add("client_name", "Use 1 to 256 bytes without control characters.");
    }
    let contacts = asked.contacts.as_deref().unwrap_or_default();
    wrong.bounded_list("contacts", contacts);
    if contacts.iter().any(|contact| contact.len() > 256 || contact.chars().any(char::is_control)) {
        wrong.add("contacts", "Use at most 256 bytes each, without control characters.");
    }
}

/// Software may name itself in any words.
pub(super) fn check_software(metadata: &Metadata, wrong: &mut Problems) {
    for (field, text) in [("software_id", &metadata.software_id), ("software_version", &metadata.software_version)] {
        if text.as_deref().is_some_and(|text| text.is_empty() || text.len() > 256 || text.chars().any(char::is_control)) {
            wrong.add(field, "Use 1 to 256 bytes without control characters.");
        }
    }
    if metadata.software_statement.as_deref().is_some_and(|text| text.len() > LONGEST_STATEMENT) {
        wrong.add("software_statement", "At most 8192 bytes.");
    }
}
