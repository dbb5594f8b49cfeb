//! Credentials that this server issues to wallets: `[[credential]]`, `[credentials]` for all of them, and who vouches for keys:
//! `[[key_attester]]`.

use std::time::Duration;

use chancery_core::offer::ANONYMOUS;

use super::declared::{self, DeclaredClient, Fields};
use super::fields::{CREDENTIAL, KEY_ATTESTER};
use super::file::Entry;
use super::given::Raw;
use super::problem::Problem;
use super::reader::{self, Reader};
use super::table::Kind;

/// What holds for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub anonymous_access: bool,
    pub batch_size: u32,
    pub issuer_name: Option<String>,
    pub offer_lifetime: Duration,
}

pub(super) fn settings(reader: &mut Reader) -> Credentials {
    Credentials {
        anonymous_access: reader.boolean("credentials.anonymous_access"),
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
    pub key_attesters: Vec<String>,
    pub key_attestations_required: Option<Demanded>,
}

/// What wallets without a `client_id` act as (OpenID4VCI §6.1): a client that exists while the file lets them in, and is disabled when it does
/// not, as every other that the file owned.
pub(super) fn anonymous_wallet() -> DeclaredClient {
    DeclaredClient {
        client_id: ANONYMOUS.to_owned(),
        client_name: Some("Wallets without a client_id".to_owned()),
        token_endpoint_auth_method: Some("none".to_owned()),
        grant_types: Some(vec!["urn:ietf:params:oauth:grant-type:pre-authorized_code".to_owned()]),
        response_types: Some(Vec::new()),
        scope: Some("openid".to_owned()),
        ..DeclaredClient::default()
    }
}

/// What attestations of keys must say; `None`: whatever they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demanded {
    pub key_storage: Option<Vec<String>>,
    pub user_authentication: Option<Vec<String>>,
}

/// Who vouches for keys; what its words may be the rules say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredKeyAttester {
    pub name: String,
    /// JSON text of a JWK set.
    pub jwks: String,
    pub issuer: Option<String>,
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
            key_attesters: fields.list("key_attesters").unwrap_or_default(),
            key_attestations_required: fields.read("key_attestations_required", demanded),
        };
        if credentials.iter().any(|other| other.id == own.id) {
            fields.refuse("id", "is declared twice; give each credential its own.".to_owned());
        }
        credentials.push(own);
    }
    credentials
}

fn demanded(_: Kind, raw: &Raw) -> Result<Demanded, String> {
    let wrong = || {
        "is not a table of levels; write { key_storage = [\"iso_18045_high\"], user_authentication = [\"iso_18045_high\"] }, or {}."
            .to_owned()
    };
    let Raw::Table(members) = raw else { return Err(wrong()) };
    let mut all = Demanded::default();
    for (name, value) in members {
        let Raw::List(levels) = value else { return Err(wrong()) };
        match name.as_str() {
            "key_storage" => all.key_storage = Some(levels.clone()),
            "user_authentication" => all.user_authentication = Some(levels.clone()),
            _ => return Err(wrong()),
        }
    }
    Ok(all)
}

pub(super) fn key_attesters(entries: &[Entry], problems: &mut Vec<Problem>) -> Vec<DeclaredKeyAttester> {
    let mut attesters: Vec<DeclaredKeyAttester> = Vec::new();
    for entry in entries {
        let mut fields = Fields { entry, known: KEY_ATTESTER, problems };
        let own = DeclaredKeyAttester {
            name: fields.text("name").unwrap_or_default(),
            jwks: fields.read("jwks", declared::jwks).unwrap_or_default(),
            issuer: fields.text("issuer"),
        };
        if attesters.iter().any(|other| other.name == own.name) {
            fields.refuse("name", "is declared twice; write one entry for each attester.".to_owned());
        }
        attesters.push(own);
    }
    attesters
}
