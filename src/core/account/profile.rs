//! Changing what an account says of its person.
//!
//! | Rule | Source |
//! |---|---|
//! | a change that changes nothing leaves no event | our own |
//! | the event holds the whole profile as it is from then on, all of it as ciphertext | DESIGN: rule 7 |
//! | nothing is said of a person who was erased | GDPR art. 17 |
//!
//! Out of scope: what a claim may be (`claims`), the e-mail address.

use super::claims::{Claims, FIELDS};
use super::lists;
use super::{Account, AccountEvent, ProfileChanged};
use crate::decision::{Decision, Draft, Personal};
use crate::error::OAuthError;
use crate::time::Timestamp;
use alloc::vec::Vec;

/// Another profile than before. Both in clear: the account holds ciphertext only, which the shell opened.
pub struct Change {
    pub before: Claims,
    pub after: Claims,
    pub context: Option<alloc::string::String>,
    pub at: Timestamp,
}

pub fn change(account: &Account, cmd: &Change) -> Decision<AccountEvent, ()> {
    if !account.is_there() {
        return Decision::refuse(OAuthError::conflict("the account is erased").saying("This account was erased."));
    }
    if cmd.before == cmd.after {
        return Decision::accept(Vec::new(), ());
    }
    let personal = Personal::default().with("name", cmd.after.get("name")).with("context", cmd.context.as_deref());
    let personal = with_claims(personal, &cmd.after);
    Decision::accept(alloc::vec![Draft::new(ProfileChanged { at: cmd.at }.into(), personal)], ())
}

/// Every field, the empty ones too: which claims somebody has is nobody's business either.
pub(super) fn with_claims(personal: Personal, claims: &Claims) -> Personal {
    let personal = personal.with_whole(lists::FIELD, Some(claims.lists().text()));
    FIELDS.iter().fold(personal, |personal, (scope, field)| personal.with(field, Some(claims.text(scope))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::claims::By;
    use crate::account::{AccountDisabled, AccountRegistered, DataKeyDestroyed, ErasureOrdered, Standing};
    use crate::testing::*;

    fn account(rest: &[AccountEvent]) -> Account {
        let first = AccountRegistered { account: alice(), at: t(0), key_commitment: digest("key"), roles: [].into(), declared: false };
        fold_sealed(core::iter::once(first.into()).chain(rest.iter().cloned()), &["name"])
    }

    fn claims(name: &str, text: &str) -> Claims {
        Claims::default().stating(&[(name.into(), text.into())].into(), By::Person).ok().unwrap()
    }

    fn to(after: Claims) -> Change {
        Change { before: claims("nickname", "Al"), after, context: None, at: t(9) }
    }

    #[test]
    fn a_change_is_one_event_with_every_field_and_nothing_in_clear() {
        let decision = change(&account(&[]), &to(claims("name", "Alice")));
        let fields: Vec<_> = decision.events[0].personal.iter().map(|(field, _)| field).collect();
        assert_eq!(fields, ["address", "email_verified", "lists", "name", "phone", "profile"]);
        assert_eq!(said(&decision), ([ProfileChanged { at: t(9) }.into()].into(), "ok"));
        let changed = evolve(Some(account(&[])), 2, &decision.events[0].event, &["name", "profile", "phone"]).unwrap();
        assert_eq!((changed.updated_at(), account(&[]).updated_at()), (t(9), t(0)));
        assert!(changed.claims_of("profile").is_some() && changed.claims_of("address").is_none());
    }

    #[test]
    fn a_change_that_changes_nothing_says_nothing() {
        assert_eq!(said(&change(&account(&[]), &to(claims("nickname", " Al ")))), (Vec::new(), "ok"));
    }

    #[test]
    fn gdpr_17_nothing_is_said_of_the_erased() {
        let disabled: AccountEvent = AccountDisabled { at: t(1) }.into();
        assert_eq!(said(&change(&account(&[disabled]), &to(claims("name", "Alice")))).1, "ok");
        let erased = [ErasureOrdered { at: t(1) }.into(), DataKeyDestroyed { at: t(2) }.into()];
        assert_eq!(account(&erased).standing, Standing::Erased);
        for given in [&erased[..1], &erased[..]] {
            assert_eq!(said(&change(&account(given), &to(claims("name", "Alice")))), (Vec::new(), "conflict"));
        }
    }
}
