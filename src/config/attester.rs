//! Who vouches for instances of clients: `[[client_attester_draft12]]`, by the version of the draft, which may change again; and whether
//! their words are wanted of everybody.
//!
//! Out of scope: what an attestation says (`chancery_core::client::attestation`).

pub use chancery_core::client::attestation::Signal;

use super::declared::{self, Fields};
use super::fields::ATTESTER;
use super::file::Entry;
use super::problem::Problem;
use super::reader::Reader;

/// To whoever still has the name of before.
pub(super) const RENAMED: &str =
    "is [[client_attester_draft12]] now; rename it when your attester puts iat into its attestations, which draft 12 requires.";

/// One attester; what its words may be the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredAttester {
    pub issuer: String,
    /// JSON text of a JWK set.
    pub jwks: String,
    pub clients: Vec<String>,
}

/// Whether attestations count beside other methods.
pub(super) fn signal(reader: &mut Reader, attesters: &[DeclaredAttester]) -> Signal {
    let signal = match reader.choice("client_attestation.signal") {
        Some("optional") => Signal::Optional,
        Some("required") => Signal::Required,
        _ => Signal::Off,
    };
    if signal != Signal::Off && attesters.is_empty() {
        reader.refuse("client_attestation.signal", "has nobody to vouch; add a [[client_attester_draft12]].");
    }
    signal
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
