//! The code that a person sets for requests on the back channel: who does not know it cannot have them asked (CIBA Core §7.1, `user_code`).
//!
//! | Rule | Source |
//! |---|---|
//! | its hash is ciphertext in the log, as that of a password is | DESIGN: rule 7 |
//! | five wrong ones, and none is looked at for a quarter of an hour, on whatever node | CIBA Core §14; our own |
//!
//! Out of scope: hashing (`app::password`), what a client without it is told (`backchannel`).

use alloc::string::String;

use serde::{Deserialize, Serialize};

use super::{Account, AccountEvent};
use crate::decision::{Decision, Draft, Personal};
use crate::id::ClientId;
use crate::stream::Sealed;
use crate::time::{Seconds, Timestamp};

/// Characters of a code.
pub const LENGTH: core::ops::RangeInclusive<usize> = 6..=64;
/// Wrong ones in a row.
const MOST_WRONG: u32 = 5;
/// After the last of them.
const PAUSE: Seconds = Seconds(15 * 60);

/// The person set a code, or another one. `personal`: `request_code_hash`, `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestCodeChosen {
    pub at: Timestamp,
}

/// The person wants none any more. `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestCodeRemoved {
    pub at: Timestamp,
}

/// A client brought a wrong one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequestCodeRefused {
    pub at: Timestamp,
    pub client: ClientId,
}

/// The code of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestCode {
    pub hash: Option<Sealed>,
    pub wrong: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wrong_at: Option<Timestamp>,
}

impl RequestCode {
    /// May one be tried?
    pub fn is_open(&self, at: Timestamp) -> bool {
        self.wrong < MOST_WRONG || self.is_rested(at)
    }

    fn is_rested(&self, at: Timestamp) -> bool {
        self.wrong_at.is_none_or(|wrong_at| at >= wrong_at.plus(PAUSE))
    }

    pub(super) fn refuse(&mut self, at: Timestamp) {
        self.wrong = if self.is_rested(at) { 1 } else { self.wrong.saturating_add(1) };
        self.wrong_at = Some(at);
    }
}

/// Is it a text that somebody can remember and type?
pub fn is_acceptable(text: &str) -> bool {
    LENGTH.contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// The person sets it; with no hash they remove it.
pub fn choose(account: &Account, hash: Option<String>, context: Option<&str>, at: Timestamp) -> Decision<AccountEvent, ()> {
    let personal = Personal::default().with("context", context);
    let event: AccountEvent = match hash {
        Some(hash) => {
            let draft = Draft::new(AccountEvent::from(RequestCodeChosen { at }), personal.with_whole("request_code_hash", Some(hash)));
            return Decision::accept(alloc::vec![draft], ());
        }
        None if account.request_code.is_none() => return Decision::accept(alloc::vec![], ()),
        None => RequestCodeRemoved { at }.into(),
    };
    Decision::accept(alloc::vec![Draft::new(event, personal)], ())
}

/// A client brought a wrong one, and may know that.
pub fn refused(client: &ClientId, at: Timestamp) -> Decision<AccountEvent, ()> {
    Decision::accept(alloc::vec![RequestCodeRefused { at, client: client.clone() }.into()], ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    #[test]
    fn ciba_14_five_wrong_codes_close_it_for_a_quarter_of_an_hour() {
        let mut code = RequestCode { hash: None, wrong: 0, wrong_at: None };
        for n in 0..5 {
            assert!(code.is_open(t(n)));
            code.refuse(t(n));
        }
        assert!(!code.is_open(t(5)) && !code.is_open(t(4 + 899)));
        assert!(code.is_open(t(4 + 900)));
        code.refuse(t(4 + 900));
        assert_eq!(code.wrong, 1, "it begins again");
    }

    #[test]
    fn ciba_7_1_a_code_can_be_typed() {
        assert!(is_acceptable("blue whale 7") && is_acceptable("123456"));
        for bad in ["12345", "a\nb cdefg", "x".repeat(65).as_str()] {
            assert!(!is_acceptable(bad), "{bad:?}");
        }
    }
}
