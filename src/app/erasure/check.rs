//! Checking a certificate with nothing but itself, and a key that the reader trusts.
//!
//! | Checked | Against |
//! |---|---|
//! | the signature of the checkpoint | the key that was given, else the certificate's own, which proves less |
//! | each leaf | the root in the checkpoint, over its proof (RFC 6962 §2.1.1) |
//! | what the leaves say | registration, order and destruction of this account, in this order |
//! | the commitment to the key | the one in the registration |
//! | the positions | each before the destruction, none twice |

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_jose::ed25519;
use chancery_tree::{Checkpoint, Hash, Note, VerifierKey, leaf_hash, proof};
use serde::Deserialize;
use serde_json::Value;

use super::{NAME, STEPS};

#[derive(Deserialize)]
struct Certificate {
    certificate: String,
    version: u32,
    account: String,
    log: LogOf,
    key_commitment: String,
    events: Vec<Proven>,
    unreadable: Vec<Unreadable>,
    checkpoint: String,
}

#[derive(Deserialize)]
struct LogOf {
    origin: String,
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Proven {
    position: u64,
    leaf: String,
    hashes: Vec<String>,
}

#[derive(Deserialize)]
struct Unreadable {
    position: u64,
}

/// What a certificate that holds says.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    pub account: String,
    /// Events that became unreadable.
    pub events: usize,
    /// Size of the log that the checkpoint signs.
    pub size: u64,
    /// The signature was checked with a key that came with the certificate.
    pub by_its_own_key: bool,
}

/// Does it hold?
///
/// # Errors
/// The first thing that is wrong, in one sentence.
pub fn check(certificate: &[u8], trusted: Option<&str>) -> Result<Checked, String> {
    let own: Certificate = serde_json::from_slice(certificate).map_err(|e| format!("this is no erasure certificate: {e}"))?;
    if own.certificate != NAME || own.version != 1 {
        return Err("this is no erasure certificate of version 1".into());
    }
    let checkpoint = signed(&own, trusted)?;
    if own.events.len() != STEPS.len() {
        return Err(format!("{} events are needed, {} are there", STEPS.len(), own.events.len()));
    }
    let mut before = None;
    for (event, step) in own.events.iter().zip(STEPS) {
        let hashes = event.hashes.iter().map(|hash| STANDARD.decode(hash).ok()?.try_into().ok()).collect::<Option<Vec<Hash>>>();
        let hashes = hashes.ok_or_else(|| format!("position {}: a hash cannot be read", event.position))?;
        let leaf = leaf_hash(event.leaf.as_bytes());
        if !proof::verify_inclusion(event.position, checkpoint.size, &leaf, &hashes, &checkpoint.root) {
            return Err(format!("position {}: the event is not in the log that was signed", event.position));
        }
        let said: Value = serde_json::from_str(&event.leaf).map_err(|_| format!("position {}: the leaf is no event", event.position))?;
        let text = |name: &str| said.get(name).and_then(Value::as_str).unwrap_or_default();
        let fits = said.get("position").and_then(Value::as_u64) == Some(event.position)
            && text("type") == step
            && text("stream") == format!("account-{}", own.account);
        if !fits {
            return Err(format!("position {}: this is not {step} of the account", event.position));
        }
        if before.is_some_and(|before| before >= event.position) {
            return Err(format!("position {}: the events are not in their order", event.position));
        }
        if step == STEPS[0] && said.pointer("/data/key_commitment").and_then(Value::as_str) != Some(&own.key_commitment) {
            return Err("the commitment is not that of the registration".into());
        }
        before = Some(event.position);
    }
    let destroyed = before.unwrap_or_default();
    if own.unreadable.iter().any(|event| event.position >= destroyed)
        || own.unreadable.windows(2).any(|two| two[0].position >= two[1].position)
    {
        return Err("the unreadable positions are not before the destruction and in order".into());
    }
    Ok(Checked { account: own.account, events: own.unreadable.len(), size: checkpoint.size, by_its_own_key: trusted.is_none() })
}

fn signed(own: &Certificate, trusted: Option<&str>) -> Result<Checkpoint, String> {
    let note = Note::parse(own.checkpoint.as_bytes()).map_err(|_| "the checkpoint is no signed note")?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|_| "the signed note is no checkpoint")?;
    if checkpoint.origin != own.log.origin {
        return Err("the checkpoint is of another log".into());
    }
    let keys: Vec<&str> = trusted.map_or_else(|| own.log.keys.iter().map(String::as_str).collect(), |key| vec![key]);
    let keys = keys.into_iter().map(str::parse::<VerifierKey>).collect::<Result<Vec<_>, _>>().map_err(|_| "a key is no verifier key")?;
    match keys.iter().any(|key| note.verify(key, ed25519::verify).is_ok()) {
        true => Ok(checkpoint),
        false => Err("the checkpoint is not signed by the key".into()),
    }
}
