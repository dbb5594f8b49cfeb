//! Who vouches for instances of clients: `[[client_attester_draft10]]`, by the version of the draft, which may change again.

use super::declared::{self, Fields};
use super::fields::ATTESTER;
use super::file::Entry;
use super::problem::Problem;

/// One attester; what its words may be the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredAttester {
    pub issuer: String,
    /// JSON text of a JWK set.
    pub jwks: String,
    pub clients: Vec<String>,
}

pub(super) fn read(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredAttester> {
    let mut attesters: Vec<DeclaredAttester> = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: ATTESTER, problems };
        let own = DeclaredAttester {
            issuer: fields.text("issuer").unwrap_or_default(),
            jwks: fields.read("jwks", declared::jwks).unwrap_or_default(),
            clients: fields.list("clients").unwrap_or_default(),
        };
        if attesters.iter().any(|other| other.issuer == own.issuer) {
            fields.refuse("issuer", "is declared twice; write one entry for each attester.".to_owned());
        }
        attesters.push(own);
    }
    attesters
}
