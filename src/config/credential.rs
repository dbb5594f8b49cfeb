//! Credentials that this server issues to wallets: `[[credential]]`, and `[credentials]` for all of them.

use std::time::Duration;

use super::declared::Fields;
use super::fields::CREDENTIAL;
use super::file::Entry;
use super::problem::Problem;
use super::reader::{self, Reader};

/// What holds for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub batch_size: u32,
    pub issuer_name: Option<String>,
    pub offer_lifetime: Duration,
}

pub(super) fn settings(reader: &mut Reader) -> Credentials {
    Credentials {
        batch_size: reader.small("credentials.batch_size"),
        issuer_name: reader.text("credentials.issuer_name"),
        offer_lifetime: reader.duration("credentials.offer_lifetime"),
    }
}

/// One of them; what its words may be the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredCredential {
    pub id: String,
    pub vct: String,
    pub name: String,
    pub claims: Vec<String>,
    pub scope: Option<String>,
    pub lifetime: Duration,
    pub proof_signing_algs: Vec<String>,
    pub subject: bool,
}

/// Fourteen days.
const LIFETIME: Duration = Duration::from_secs(14 * 24 * 60 * 60);

pub(super) fn read(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredCredential> {
    let mut credentials: Vec<DeclaredCredential> = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: CREDENTIAL, problems };
        // There is one format; it stands in the file so that another one can stand beside it some day.
        fields.read("format", reader::choice);
        let own = DeclaredCredential {
            id: fields.text("id").unwrap_or_default(),
            vct: fields.text("vct").unwrap_or_default(),
            name: fields.text("name").unwrap_or_default(),
            claims: fields.list("claims").unwrap_or_default(),
            scope: fields.text("scope"),
            lifetime: fields.read("lifetime", reader::duration).unwrap_or(LIFETIME),
            proof_signing_algs: fields.list("proof_signing_algs").unwrap_or_else(|| vec!["ES256".to_owned()]),
            subject: fields.read("subject", reader::boolean).unwrap_or_default(),
        };
        if credentials.iter().any(|other| other.id == own.id) {
            fields.refuse("id", "is declared twice; give each credential its own.".to_owned());
        }
        credentials.push(own);
    }
    credentials
}
