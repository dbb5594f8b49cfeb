//! Legal hold: an account that is held is not erased. The fold itself refuses the order, so that no path can forget it.
//! That somebody ordered one all the same is evidence: of who did, when, and of the hold that stood in the way.

use alloc::format;
use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::{Account, AccountEvent};
use crate::decision::Decision;
use crate::error::OAuthError;
use crate::time::Timestamp;

/// What is recorded about the person has to stay readable for now: no erasure until the hold is lifted. `personal`: `reason`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegalHoldPlaced {
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LegalHoldLifted {
    pub at: Timestamp,
}

/// An erasure was ordered and refused, because the account or one of the person's streams is held.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ErasureRefused {
    /// The stream that is held; absent when the whole account is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    pub at: Timestamp,
}

/// May the person be erased, as far as holds go? `stream`: one of theirs that is held.
pub fn allow_erasure(account: &Account, stream: Option<String>, at: Timestamp) -> Decision<AccountEvent, ()> {
    let refuse = |sentence: String, stream| {
        let error = OAuthError::conflict("held").saying(sentence);
        Decision::refuse(error).recording(AccountEvent::from(ErasureRefused { stream, at }))
    };
    if account.held_since.is_some() {
        return refuse("The account is under a legal hold; lift it first.".into(), None);
    }
    match stream {
        Some(stream) => refuse(format!("The stream {stream} of this person is under a legal hold; lift it first."), Some(stream)),
        None => Decision::accept(alloc::vec![], ()),
    }
}
