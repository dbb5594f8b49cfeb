//! The audit index: which events concern whom. It follows the log with its own checkpoint and can never block a login.
//!
//! The log is indexed page by page: a row lists the positions of one page that share a value. So a page of a thousand tokens of one
//! client costs one row, not a thousand.
//!
//! | Table | Look-up 0 | Body |
//! |---|---|---|
//! | `subject`, `client`, `type` | the value | positions in the page, as a JSON list |
//! | `actor` | `kind:id`, where neither `subject` nor `client` says the same | positions |
//! | `token` | the first characters of a digest | `{"digest":[positions]}`, each digest cut to 16 characters |
//!
//! The rows say where to look; the answer is always read from the log itself. A stream needs no index: the log has one. Grants, sessions
//! and addresses have none either: see `query` and ADR 0031.
//!
//! | Room | What |
//! |---|---|
//! | [`query`] | events by filters |
//! | [`moment`] | a time or position as a place in the log, the state of a stream there |
//! | [`token`], [`provenance`] | was this token active then, and the whole story of a token |
//! | [`diff`] | what came, changed and ended between two moments |
//! | [`follow`] | keeping the index up, or making it again beside itself |
//! | [`check`] | holding it against the log |

pub mod check;
pub mod diff;
pub mod error;
pub mod follow;
pub mod moment;
mod page;
pub mod provenance;
pub mod query;
pub mod source;
pub mod token;

use std::collections::BTreeMap;

use chancery_ledger::recorded::Recorded;
use serde_json::Value;

use crate::envelope::{Envelope, Unreadable};
pub use page::rows;

/// Name of the row set.
pub const SET: &str = "audit.v3";

/// The sets of older programs: dropped once this one has caught up.
pub const OLDER: [&str; 2] = ["audit.v1", "audit.v2"];

/// Most events in one page of the index.
pub const PAGE: u32 = 1000;

/// Key of a page's list: fixed width in front, so that the order of the keys is the order of the log.
pub fn key(first: u64, value: &str) -> String {
    format!("{first:016} {value}")
}

/// The tables of the index whose bodies are lists of positions.
pub const TABLES: [&str; 4] = ["actor", "client", "subject", "type"];
/// The table of digests.
pub const TOKENS: &str = "token";

/// Characters of a digest that are kept: 96 bits, which is more than any two tokens share.
const DIGEST: usize = 16;
/// Characters that a bucket has in common: few tokens of a page are found by three (262,144 buckets), many by one (64), so that a page
/// costs few rows and a question reads little, whether the log is busy or idle.
const FINE: usize = 3;
const COARSE: usize = 1;
/// Digests that may stand alone in a page.
const FEW: usize = 2;

/// Positions by table and value.
pub type Lists = BTreeMap<(&'static str, String), Vec<u64>>;

/// Positions by digest, cut to its first characters.
pub type Digests = BTreeMap<String, Vec<u64>>;

/// What a page of events adds to each list, and the tokens that it names: what the check compares the stored rows with.
///
/// # Errors
/// A leaf that is no event.
pub fn lists(page: &[Recorded]) -> Result<(Lists, Digests), Unreadable> {
    let (mut lists, mut digests) = (Lists::new(), Digests::new());
    for recorded in page {
        let envelope = Envelope::read(recorded)?;
        let client = client_of(&envelope);
        for digest in tokens_of(&envelope) {
            digests.entry(digest.chars().take(DIGEST).collect()).or_default().push(envelope.position);
        }
        let mut list = |table, value: Option<String>| {
            if let Some(value) = value {
                lists.entry((table, value)).or_default().push(envelope.position);
            }
        };
        list("actor", actor_of_its_own(&envelope, client.as_deref()));
        list("client", client);
        list("subject", envelope.subject.clone());
        list("type", Some(envelope.kind.clone()));
    }
    Ok((lists, digests))
}

/// The buckets in which a digest may stand.
pub fn buckets_of(digest: &str) -> [String; 2] {
    [COARSE, FINE].map(|length| digest.chars().take(length).collect())
}

/// The key under which a digest stands in its bucket.
pub fn cut(digest: &str) -> &str {
    digest.get(..DIGEST).unwrap_or(digest)
}

/// The client that an event names: in its data, as its actor, or by its stream.
pub fn client_of(envelope: &Envelope) -> Option<String> {
    if let Some(Value::String(client)) = envelope.data.get("client") {
        return Some(client.clone());
    }
    if envelope.actor.kind == "client" {
        return Some(envelope.actor.id.clone());
    }
    envelope.stream.strip_prefix("client-").map(str::to_owned)
}

/// `kind:id` of who did it; the kind alone where there is no id.
pub fn actor_of(envelope: &Envelope) -> String {
    match envelope.actor.id.is_empty() {
        true => envelope.actor.kind.clone(),
        false => format!("{}:{}", envelope.actor.kind, envelope.actor.id),
    }
}

/// An actor that can be found by nothing else: most events are by the person whom they are about, or by the client that they name.
fn actor_of_its_own(envelope: &Envelope, client: Option<&str>) -> Option<String> {
    let id = envelope.actor.id.as_str();
    let said = match envelope.actor.kind.as_str() {
        "account" => envelope.subject.as_deref() == Some(id),
        "client" => client == Some(id),
        _ => false,
    };
    (!said).then(|| actor_of(envelope))
}

/// The digests of tokens and codes that an event issues, replaces or revokes.
pub fn tokens_of(envelope: &Envelope) -> Vec<&str> {
    let data = &envelope.data;
    let of = |name: &str| match data.get(name) {
        Some(Value::String(digest)) => Some(digest.as_str()),
        Some(Value::Object(members)) => members.get("digest").and_then(Value::as_str),
        _ => None,
    };
    if !envelope.stream.starts_with("grant-") {
        return Vec::new();
    }
    // The source of an exchange is a token, too.
    ["access", "code", "refresh", "source"].into_iter().filter_map(of).collect()
}
