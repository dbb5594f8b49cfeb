//! Another e-mail address.
//!
//! | Rule | Source |
//! |---|---|
//! | only an account that may sign in changes it, after a proof of its password (the shell) | OWASP ASVS 5.0 §6.2.3 |
//! | nobody has verified the new address | OpenID Connect Core 1.0 §5.1 |
//! | the file names its people by their addresses, so theirs is changed there | FEATURES §9 |
//! | the address that it is already leaves no event | our own |
//!
//! Out of scope: uniqueness (a claim of the same append decides it); what an address may be (`register::email_problem`).

use alloc::string::String;
use alloc::vec::Vec;

use super::{Account, AccountEvent, EmailChanged};
use crate::decision::{Decision, Draft, Personal};
use crate::error::OAuthError;
use crate::time::Timestamp;

/// A wish for another address. Both blind indexes in clear: the account holds its own as ciphertext, which the shell opened.
pub struct ChangeEmail {
    pub email: String,
    pub before_index: String,
    pub index: String,
    pub context: Option<String>,
    pub at: Timestamp,
}

pub fn change(account: &Account, cmd: &ChangeEmail) -> Decision<AccountEvent, ()> {
    if !account.is_active() {
        return Decision::refuse(OAuthError::conflict("the account is closed").saying("This account is closed."));
    }
    if account.declared {
        return Decision::refuse(
            OAuthError::conflict("declared in the file")
                .saying("This account stands in the configuration file; its address is changed there."),
        );
    }
    if cmd.before_index == cmd.index {
        return Decision::accept(Vec::new(), ());
    }
    let personal = Personal::default()
        .with("email", Some(cmd.email.trim()))
        .with("email_index", Some(cmd.index.as_str()))
        .with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(EmailChanged { at: cmd.at }.into(), personal)], ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountDisabled, AccountRegistered};
    use crate::testing::*;

    const SEALED: &[&str] = &["email", "email_index", "email_verified", "name"];

    fn account(declared: bool, rest: &[AccountEvent]) -> Account {
        let first = AccountRegistered { account: alice(), at: t(0), key_commitment: digest("key"), roles: [].into(), declared };
        fold_sealed(core::iter::once(first.into()).chain(rest.iter().cloned()), SEALED)
    }

    fn to(index: &str) -> ChangeEmail {
        let (email, before_index) = (" new@example.com ".into(), "old".into());
        ChangeEmail { email, before_index, index: index.into(), context: None, at: t(9) }
    }

    #[test]
    fn a_change_is_one_event_with_nothing_in_clear_and_is_not_verified() {
        let decision = change(&account(false, &[]), &to("new"));
        let personal: Vec<_> = decision.events[0].personal.iter().collect();
        assert_eq!(personal, [("email", "new@example.com"), ("email_index", "new")]);
        let changed = evolve(Some(account(false, &[])), 2, &decision.events[0].event, &["email", "email_index"]).unwrap();
        assert!(changed.email.is_some() && changed.email_index.is_some() && changed.name.is_some());
        assert_ne!(changed.email, account(false, &[]).email);
        assert_eq!((changed.email_verified, changed.changed_at), (None, Some(t(9))));
    }

    #[test]
    fn the_same_address_is_no_news_and_the_files_people_are_changed_in_the_file() {
        assert_eq!(said(&change(&account(false, &[]), &to("old"))), (alloc::vec![], "ok"));
        assert_eq!(said(&change(&account(true, &[]), &to("new"))), (alloc::vec![], "conflict"));
        let closed = account(false, &[AccountDisabled { at: t(1) }.into()]);
        assert_eq!(said(&change(&closed, &to("new"))), (alloc::vec![], "conflict"));
    }
}
