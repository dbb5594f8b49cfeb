//! The code that a person sets for requests on the back channel (CIBA Core §7.1, `user_code`): set with the password, checked like one.

use chancery_core::account::Account;
use chancery_core::account::request_code::{self, RequestCode};
use chancery_core::backchannel::UserCode;
use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, ClientId};

use super::App;
use super::accounts::{Proven, account_seal};
use super::context::Context;
use super::vault::KeyKind;
use super::work::{Seal, Stop, Work, decide};

impl App {
    /// Sets the code of a person whose password was right, or removes it.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn choose_request_code(&self, context: &Context, proven: &Proven, code: Option<&str>) -> Result<(), OAuthError> {
        let hash = match code {
            Some(code) => Some(self.passwords.hash(code).await?),
            None => None,
        };
        let account = proven.account;
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        decide!(self, context, |work| self.choose_request_code_once(work, context, account, hash.clone(), &seal))?;
        Ok(())
    }

    async fn choose_request_code_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        account: AccountId,
        hash: Option<String>,
        seal: &Seal,
    ) -> Result<(), Stop> {
        let mut loaded = work.load::<Account>(&account.stream()).await?;
        let state = loaded.or(|| OAuthError::not_found("no such account"))?.clone();
        let decision = request_code::choose(&state, hash, context.personal().as_deref(), self.now());
        work.record(&mut loaded, decision.events, seal)?;
        work.commit().await.map(drop)
    }

    /// Does the client know the person's code? A wrong one is evidence, and counts.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn check_request_code(
        &self,
        context: &Context,
        client: &Client,
        account: AccountId,
        sent: Option<&str>,
    ) -> Result<UserCode, OAuthError> {
        let state = self.read::<Account>(&account.stream()).await?;
        let Some(code) = state.as_ref().and_then(|own| own.request_code.as_ref()) else { return Ok(UserCode::NotWanted) };
        // CIBA Core §4: only a client that said so sends one.
        let Some(sent) = sent.filter(|_| client.metadata.backchannel_user_code_parameter) else { return Ok(UserCode::Missing) };
        // Longer ones were never set; hashing them would be work for nothing.
        if !code.is_open(self.now()) || !request_code::is_acceptable(sent) {
            return Ok(UserCode::Wrong);
        }
        if self.is_request_code(code, sent).await? {
            return Ok(UserCode::Right);
        }
        decide!(self, context, |work| self.refuse_request_code_once(work, account, &client.id))?;
        Ok(UserCode::Wrong)
    }

    async fn is_request_code(&self, code: &RequestCode, sent: &str) -> Result<bool, OAuthError> {
        let hash = self.unseal_optional(code.hash.as_ref()).await?;
        Ok(self.passwords.check(sent, hash.as_deref()).await?.correct)
    }

    async fn refuse_request_code_once(&self, mut work: Work<'_>, account: AccountId, client: &ClientId) -> Result<(), Stop> {
        let mut loaded = work.load::<Account>(&account.stream()).await?;
        let decision = request_code::refused(client, self.now());
        work.record(&mut loaded, decision.events, &Seal { key: None, subject: Some(account.to_string()) })?;
        work.commit().await.map(drop)
    }
}
