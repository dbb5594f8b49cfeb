//! Legal hold: what is recorded about a person has to stay readable until somebody lifts it. Both are events.

use chancery_core::account::{Account, AccountEvent, LegalHoldLifted, LegalHoldPlaced};
use chancery_core::decision::{Draft, Personal};
use chancery_core::error::OAuthError;
use chancery_core::id::AccountId;

use crate::app::App;
use crate::app::accounts::account_seal;
use crate::app::context::Context;
use crate::app::vault::KeyKind;
use crate::app::work::{Seal, Stop, Work, decide};

impl App {
    /// Puts an account under a hold. A second one says nothing.
    ///
    /// # Errors
    /// `not_found`, `conflict` once the erasure was ordered, `temporarily_unavailable`.
    pub async fn hold_account(&self, context: &Context, account: AccountId, reason: &str) -> Result<(), OAuthError> {
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        let draft = Draft::new(AccountEvent::from(LegalHoldPlaced { at: self.now() }), Personal::default().with("reason", Some(reason)));
        Ok(decide!(self, context, |work| mark_once(work, account, draft.clone(), &seal, false))?)
    }

    /// Lifts the hold. Lifting none says nothing.
    ///
    /// # Errors
    /// As for [`Self::hold_account`].
    pub async fn release_account(&self, context: &Context, account: AccountId) -> Result<(), OAuthError> {
        let seal = Seal { key: None, subject: Some(account.to_string()) };
        let draft = Draft::from(AccountEvent::from(LegalHoldLifted { at: self.now() }));
        Ok(decide!(self, context, |work| mark_once(work, account, draft.clone(), &seal, true))?)
    }
}

/// One event, if the account is held or not, as it has to be.
async fn mark_once(mut work: Work<'_>, account: AccountId, draft: Draft<AccountEvent>, seal: &Seal, when_held: bool) -> Result<(), Stop> {
    let mut loaded = work.load::<Account>(&account.stream()).await?;
    let state = loaded.or(|| OAuthError::not_found("no such account"))?;
    if !state.is_there() {
        return Err(OAuthError::conflict("erased").saying("The erasure of the account was ordered already.").into());
    }
    if state.held_since.is_some() != when_held {
        return Ok(());
    }
    work.record(&mut loaded, vec![draft], seal)?;
    work.commit().await.map(drop)
}
