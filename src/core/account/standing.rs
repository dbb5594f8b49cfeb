//! What the operator decides about an account: whether it can be used, and what it may do on Chancery's own pages.
//!
//! | Rule | Source |
//! |---|---|
//! | what is said twice is one event | our own |
//! | nothing is decided about the erased | GDPR art. 17 |

use alloc::vec::Vec;

use super::{Account, AccountDisabled, AccountEnabled, AccountEvent, Role, RoleGranted, RoleWithdrawn, Standing};
use crate::decision::Decision;
use crate::error::OAuthError;
use crate::time::Timestamp;

/// The operator closes an account: nothing of it signs in or uses a token. Closing it twice says nothing new.
pub fn disable(account: &Account, at: Timestamp) -> Decision<AccountEvent, ()> {
    match account.standing {
        Standing::Active => Decision::accept(Vec::from([AccountDisabled { at }.into()]), ()),
        Standing::Disabled => Decision::accept(Vec::new(), ()),
        Standing::BeingErased | Standing::Erased => Decision::refuse(gone()),
    }
}

/// The operator opens it again: its sessions and tokens live on, as far as their time has not run out.
pub fn enable(account: &Account, at: Timestamp) -> Decision<AccountEvent, ()> {
    match account.standing {
        Standing::Disabled => Decision::accept(Vec::from([AccountEnabled { at }.into()]), ()),
        Standing::Active => Decision::accept(Vec::new(), ()),
        Standing::BeingErased | Standing::Erased => Decision::refuse(gone()),
    }
}

/// The operator gives a role. Giving it twice says nothing new.
pub fn grant_role(account: &Account, role: Role, at: Timestamp) -> Decision<AccountEvent, ()> {
    if !account.is_there() {
        return Decision::refuse(gone());
    }
    let events = if account.roles.contains(&role) { Vec::new() } else { Vec::from([RoleGranted { at, role }.into()]) };
    Decision::accept(events, ())
}

/// The operator takes a role back: the next page that asks for it is refused.
pub fn withdraw_role(account: &Account, role: Role, at: Timestamp) -> Decision<AccountEvent, ()> {
    if !account.is_there() {
        return Decision::refuse(gone());
    }
    let events = if account.roles.contains(&role) { Vec::from([RoleWithdrawn { at, role }.into()]) } else { Vec::new() };
    Decision::accept(events, ())
}

fn gone() -> OAuthError {
    OAuthError::conflict("the account is erased").saying("This account was erased; nothing brings it back.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::AccountRegistered;
    use crate::account::tests::{destroyed, disabled, enabled, ordered};
    use crate::testing::*;

    fn account<const N: usize>(rest: [AccountEvent; N]) -> Account {
        let first = AccountRegistered { account: alice(), at: t(0), key_commitment: digest("key"), roles: [].into(), declared: false };
        fold(core::iter::once(first.into()).chain(rest))
    }

    #[test]
    fn disabling_and_enabling_say_something_once() {
        assert_eq!(said(&disable(&account([]), t(1))), ([disabled()].into(), "ok"));
        assert_eq!(said(&disable(&account([disabled()]), t(2))), ([].into(), "ok"));
        assert_eq!(said(&enable(&account([disabled()]), t(2))), ([enabled()].into(), "ok"));
        assert_eq!(said(&enable(&account([]), t(2))), ([].into(), "ok"));
        for erased in [account([ordered()]), account([disabled(), ordered(), destroyed()])] {
            assert_eq!((said(&disable(&erased, t(9))).1, said(&enable(&erased, t(9))).1), ("conflict", "conflict"));
        }
    }

    #[test]
    fn a_role_is_given_and_taken_once_each() {
        let granted = |role| AccountEvent::from(RoleGranted { at: t(1), role });
        let withdrawn = AccountEvent::from(RoleWithdrawn { at: t(2), role: Role::Admin });
        assert_eq!(said(&grant_role(&account([]), Role::Admin, t(1))), ([granted(Role::Admin)].into(), "ok"));
        assert_eq!(said(&withdraw_role(&account([]), Role::Admin, t(1))), ([].into(), "ok"));
        let both = account([granted(Role::Admin), granted(Role::Auditor)]);
        assert_eq!(said(&grant_role(&both, Role::Admin, t(1))), ([].into(), "ok"));
        assert_eq!(said(&withdraw_role(&both, Role::Admin, t(2))), ([withdrawn.clone()].into(), "ok"));
        assert_eq!(evolve(Some(both), 4, &withdrawn, &[]).unwrap().roles, [Role::Auditor].into());
        let erased = account([ordered(), destroyed()]);
        assert_eq!(said(&grant_role(&erased, Role::Admin, t(9))).1, "conflict");
        assert_eq!(said(&withdraw_role(&erased, Role::Admin, t(9))).1, "conflict");
    }
}
