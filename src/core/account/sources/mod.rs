//! Claims of others: what other providers assert of a person, stated by an operator and passed on as it is.
//!
//! | Rule | Source |
//! |---|---|
//! | aggregated claims stand in a JWT of their provider, distributed ones behind its endpoint | OpenID Connect Core 1.0 §5.6.2 |
//! | `_claim_names` names the source of each claim, `_claim_sources` holds the sources | OpenID Connect Core 1.0 §5.6.2 |
//! | a claim that is not let through is not named, and a source that no claim names is left out | OpenID Connect Core 1.0 §5.4, §5.5 |
//! | a JWT or an access token opens everything behind it: it goes out if all of that may, or not at all | our own |
//! | a claim may stand beside one of the same name that this server asserts: two people say it | OpenID Connect Core 1.0 §5.6 |
//! | a statement replaces everything that was stated before; nothing is said of somebody who was erased | our own |
//!
//! Out of scope: what may be stated (`statement`), which names are let through (`claims::through`), whether a JWT is right or an endpoint
//! answers: that is between the client and the provider (§5.6.2).

mod statement;

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::stated::{By, Stated};
pub use super::stated::{NAMES, SOURCES};
use super::{Account, AccountEvent, ClaimSourcesChanged, FieldError};
use crate::decision::{Decision, Draft, Personal};
use crate::error::OAuthError;
use crate::time::Timestamp;
pub use statement::is_name;

/// The field of the log that holds the names as ciphertext.
pub const CLAIM_NAMES: &str = "claim_names";
/// The field of the log that holds the sources as ciphertext. Access tokens are among them: a program reads it, and no person.
pub const CLAIM_SOURCES: &str = "claim_sources";

/// The kinds of claims that can be told. OpenID Connect Core 1.0 §5.6.
pub const TYPES: &[&str] = &["normal", "aggregated", "distributed"];

/// Somebody who asserts claims, as clients read it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Source {
    /// A JWT with the claims.
    Aggregated {
        #[serde(rename = "JWT")]
        jwt: String,
    },
    /// Where the claims are, and perhaps what opens them.
    Distributed {
        endpoint: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        access_token: Option<String>,
    },
}

impl Source {
    /// Does whoever gets it have every claim of it, whichever were named?
    fn opens(&self) -> bool {
        !matches!(self, Self::Distributed { access_token: None, .. })
    }
}

/// What others assert of one person, in clear. Not to be printed: there are secrets in it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// The source of each claim.
    names: BTreeMap<String, String>,
    sources: BTreeMap<String, Source>,
}

impl Sources {
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The two fields of the log: names and sources, each a JSON object.
    pub fn texts(&self) -> [(&'static str, String); 2] {
        [(CLAIM_NAMES, json!(self.names).to_string()), (CLAIM_SOURCES, json!(self.sources).to_string())]
    }

    /// What [`Self::texts`] wrote; `None` for other texts.
    pub fn read(names: &str, sources: &str) -> Option<Self> {
        Some(Self { names: names_in(names)?, sources: serde_json::from_str(sources).ok()? })
    }

    /// What is told where these names are let through: nothing, or both members.
    pub fn told(&self, lets: impl Fn(&str) -> bool) -> Map<String, Value> {
        let whole = |source: &str| self.names.iter().all(|(name, of)| of != source || lets(name));
        let goes = |name: &str, of: &str| lets(name) && self.sources.get(of).is_some_and(|source| !source.opens() || whole(of));
        let names: BTreeMap<_, _> = self.names.iter().filter(|(name, of)| goes(name, of)).collect();
        let sources: BTreeMap<_, _> = self.sources.iter().filter(|(key, _)| names.values().any(|of| of == key)).collect();
        both(!names.is_empty(), json!(names), json!(sources))
    }

    /// Everything, for the operator, but for the secrets among it.
    pub fn shown(&self) -> Map<String, Value> {
        let mut sources = self.sources.clone();
        for source in sources.values_mut() {
            if let Source::Distributed { access_token: Some(token), .. } = source {
                *token = "withheld".to_string();
            }
        }
        both(!self.is_empty(), json!(self.names), json!(sources))
    }
}

fn both(are_there: bool, names: Value, sources: Value) -> Map<String, Value> {
    let members = [(NAMES.to_string(), names), (SOURCES.to_string(), sources)];
    members.into_iter().filter(|_| are_there).collect()
}

/// What stands in [`CLAIM_NAMES`]: the source of each claim; `None` for another text.
pub fn names_in(text: &str) -> Option<BTreeMap<String, String>> {
    serde_json::from_str(text).ok()
}

/// Parts what is stated of standard claims from what is stated of claims of others, if anything is.
///
/// # Errors
/// Every statement about claims of others that is not acceptable.
pub fn apart(stated: &Stated, by: By) -> Result<(Stated, Option<Sources>), Vec<FieldError>> {
    let refuse = |problem: &str| Err(Vec::from([FieldError { field: NAMES, problem: problem.to_string() }]));
    let mut rest = stated.clone();
    let sources = match (rest.remove(NAMES), rest.remove(SOURCES)) {
        (None, None) => None,
        _ if by == By::Person => return refuse("What others assert is stated by the operator."),
        (Some(names), Some(sources)) => Some(statement::read(&names, &sources)?),
        _ => return refuse("State _claim_names and _claim_sources together; two empty objects take everything away."),
    };
    Ok((rest, sources))
}

/// Another statement than before. Both in clear: the account holds ciphertext only, which the shell opened.
pub struct Change {
    pub before: Sources,
    pub after: Sources,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn change(account: &Account, cmd: &Change) -> Decision<AccountEvent, ()> {
    if !account.is_there() {
        return Decision::refuse(OAuthError::conflict("the account is erased").saying("This account was erased."));
    }
    if cmd.before == cmd.after {
        return Decision::accept(Vec::new(), ());
    }
    Decision::accept(Vec::from([stating(&cmd.after, cmd.context.as_deref(), cmd.at)]), ())
}

/// Both fields each time: whether anything is stated is nobody's business.
pub(super) fn stating(sources: &Sources, context: Option<&str>, at: Timestamp) -> Draft<AccountEvent> {
    let personal = Personal::default().with("context", context);
    let personal = sources.texts().into_iter().fold(personal, |personal, (field, text)| personal.with_whole(field, Some(text)));
    Draft::new(ClaimSourcesChanged { at }.into(), personal)
}

#[cfg(test)]
mod tests;
