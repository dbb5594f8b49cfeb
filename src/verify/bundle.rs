//! A bundle: some events, the proofs that they are in the log, and the checkpoint that they lead to. One small file.
//!
//! | Checked | Against |
//! |---|---|
//! | each leaf with its audit path | the root in the checkpoint (RFC 6962 §2.1.1) |
//! | the checkpoint | a key |
//! | each leaf | everything of `event` |
//!
//! It proves that these events are in the log, at these positions. It does not prove that there are no others: that takes the whole log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_tree::proof::verify_inclusion;
use chancery_tree::{Hash, VerifierKey, leaf_hash};
use serde::{Deserialize, Serialize};

use crate::event::Judge;
use crate::{Finding, signature};

/// The only form there is.
pub const FORMAT: &str = "chancery-bundle/1";

/// The largest file in bytes.
pub const MOST: u64 = 64 * 1024 * 1024;

/// The file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    pub format: String,
    /// What was asked, for people.
    pub question: String,
    /// A signed note, as it stands.
    pub checkpoint: String,
    /// Verifier keys of the log. Whoever has a key from elsewhere uses that one.
    pub keys: Vec<String>,
    pub events: Vec<Proven>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proven {
    pub position: u64,
    /// The exact text that is hashed.
    pub leaf: String,
    /// Hashes from the leaf to the root, in base64.
    pub path: Vec<String>,
}

/// What was found to be so.
#[derive(Clone, Debug)]
pub struct Shown {
    pub question: String,
    pub origin: String,
    pub size: u64,
    pub positions: Vec<u64>,
    pub signed_by: VerifierKey,
    pub own_key: bool,
}

/// # Errors
/// The first thing that is wrong.
pub fn verify(bytes: &[u8], keys: &[VerifierKey], with_schemas: bool) -> Result<Shown, Finding> {
    let malformed = |why: &dyn std::fmt::Display| Finding::general(format!("this is not a bundle: {why}"));
    let bundle: Bundle = serde_json::from_slice(bytes).map_err(|why| malformed(&why))?;
    if bundle.format != FORMAT {
        return Err(malformed(&format_args!("its format is {}, and this program reads {FORMAT}", bundle.format)));
    }
    let signed = signature::read(bundle.checkpoint.as_bytes())?;
    let own = bundle.keys.iter().map(|key| key.parse().map_err(|why| malformed(&why))).collect::<Result<Vec<VerifierKey>, _>>()?;
    let signed_by = signature::signed_by(&signed, if keys.is_empty() { &own } else { keys })?;
    if bundle.events.is_empty() {
        return Err(malformed(&"it has no events"));
    }
    let judge = Judge::new(with_schemas);
    let mut before = None;
    for event in &bundle.events {
        let finding = |what: String| Finding::at(event.position, what);
        if before.is_some_and(|before| before >= event.position) {
            return Err(finding("the events of the bundle are not in their order".into()));
        }
        before = Some(event.position);
        let path = event.path.iter().map(|hash| decode(hash)).collect::<Option<Vec<_>>>();
        let path = path.ok_or_else(|| finding("its path has something that is no hash".into()))?;
        let (hash, checkpoint) = (leaf_hash(event.leaf.as_bytes()), &signed.checkpoint);
        if !verify_inclusion(event.position, checkpoint.size, &hash, &path, &checkpoint.root) {
            return Err(finding("its path does not lead to the root of the checkpoint: this event does not stand there in the log".into()));
        }
        judge.leaf(event.position, event.leaf.as_bytes()).map_err(finding)?;
    }
    Ok(Shown {
        question: bundle.question,
        origin: signed.checkpoint.origin,
        size: signed.checkpoint.size,
        positions: bundle.events.iter().map(|event| event.position).collect(),
        signed_by,
        own_key: keys.is_empty(),
    })
}

fn decode(hash: &str) -> Option<Hash> {
    STANDARD.decode(hash).ok()?.try_into().ok()
}

/// A hash as it stands in a path.
pub fn encode(hash: &Hash) -> String {
    STANDARD.encode(hash)
}
