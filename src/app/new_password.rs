//! New passwords: chosen by the person, declared by the file, or the same one hashed with stronger parameters.
//!
//! | Rule | Source |
//! |---|---|
//! | who chooses a new one proves the old one | OWASP ASVS 5.0 §6.2.3 |
//! | every other session ends with the old password: whoever knew it is out | OWASP ASVS 5.0 §7.4.3 |

use chancery_core::account::register::password_problem;
use chancery_core::account::{Account, AccountEvent, PasswordChange, PasswordChanged};
use chancery_core::decision::{Draft, Personal};
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, SessionId};
use chancery_core::session::SessionEnd;

use super::App;
use super::accounts::{Proven, account_seal};
use super::claims::NotChanged;
use super::context::Context;
use super::vault::KeyKind;
use super::work::{Seal, Stop, Work, decide};

impl App {
    /// The person in this session chooses another password; the old one was proven a moment ago. Ends every other session.
    ///
    /// # Errors
    /// The problem of the new password; `slow_down`, `temporarily_unavailable`.
    pub async fn choose_password(
        &self,
        context: &Context,
        account: &Account,
        session: SessionId,
        proven: &Proven,
        password: &str,
    ) -> Result<(), NotChanged> {
        if proven.account != account.id {
            return Err(OAuthError::access_denied("another person's password").into());
        }
        let email = self.unseal_optional(account.email.as_ref()).await?.unwrap_or_default();
        let name = self.unseal_optional(account.name.as_ref()).await?;
        if let Some(problem) = password_problem(password, &email, name.as_deref()) {
            return Err(NotChanged::Problems(vec![problem]));
        }
        let hash = self.passwords.hash(password).await?;
        let seal = account_seal(account.id, self.data_key(KeyKind::Account, &account.id.to_string()).await?);
        let others: Vec<_> = self.living_sessions_of(account.id).await?.iter().map(|own| own.id).filter(|id| *id != session).collect();
        decide!(self, context, |work| self.choose_once(work, proven, &hash, &others, &seal)).map_err(OAuthError::from)?;
        Ok(())
    }

    async fn choose_once(&self, mut work: Work<'_>, proven: &Proven, hash: &str, others: &[SessionId], seal: &Seal) -> Result<(), Stop> {
        self.clear_attempts(&mut work, proven, seal).await?;
        self.change_in(&mut work, proven.account, hash, PasswordChange::Chosen, seal).await?;
        for session in others {
            self.end_in(&mut work, *session, SessionEnd::PasswordChanged).await?;
        }
        work.commit().await.map(drop)
    }

    /// The password that the configuration file declares, if it is another one.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn declare_password(&self, context: &Context, account: &Account, password: &str) -> Result<bool, OAuthError> {
        let hash = self.unseal_optional(account.password_hash.as_ref()).await?;
        if self.passwords.check(password, hash.as_deref()).await?.correct {
            return Ok(false);
        }
        let seal = account_seal(account.id, self.data_key(KeyKind::Account, &account.id.to_string()).await?);
        self.new_password(context, account.id, password, PasswordChange::Declared, &seal).await?;
        Ok(true)
    }

    /// A new hash and nothing else.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn new_password(
        &self,
        context: &Context,
        account: AccountId,
        password: &str,
        reason: PasswordChange,
        seal: &Seal,
    ) -> Result<(), OAuthError> {
        let hash = self.passwords.hash(password).await?;
        decide!(self, context, |work| self.new_password_once(work, account, &hash, reason, seal))?;
        Ok(())
    }

    async fn new_password_once(
        &self,
        mut work: Work<'_>,
        account: AccountId,
        hash: &str,
        reason: PasswordChange,
        seal: &Seal,
    ) -> Result<(), Stop> {
        self.change_in(&mut work, account, hash, reason, seal).await?;
        work.commit().await.map(drop)
    }

    async fn change_in(
        &self,
        work: &mut Work<'_>,
        account: AccountId,
        hash: &str,
        reason: PasswordChange,
        seal: &Seal,
    ) -> Result<(), Stop> {
        let mut loaded = work.load::<Account>(&account.stream()).await?;
        let event = AccountEvent::from(PasswordChanged { at: self.now(), reason });
        Ok(work.record(&mut loaded, vec![Draft::new(event, Personal::default().with("password_hash", Some(hash)))], seal)?)
    }
}
