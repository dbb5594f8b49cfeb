//! Closing an account: disabling it, erasing its person. Its sessions end, and the clients of those sessions are told.
//!
//! | Rule | Source |
//! |---|---|
//! | whoever got tokens in a session of the account and asked for that is told that it is over | OpenID Connect Back-Channel Logout 1.0 §2.3 |
//! | what opens again begins without sessions | our own |
//! | an erasure that a hold forbids ends nothing, and that it was ordered is recorded | our own |
//! | erasure: the order, then the key, then the proof; an interruption is finished at the next start | DESIGN: §5 |
//!
//! Tokens need no telling: they are dead from the moment the account is closed, by a rule that looks at the account.

use chancery_core::account::{Account, AccountEvent, DataKeyDestroyed, ErasureOrdered, Standing, hold, standing};
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, SessionId};
use chancery_core::session::{Session, SessionEnd};
use chancery_core::time::Timestamp;
use chancery_projections::inline;

use super::App;
use super::accounts::{EMAIL, no_such_account};
use super::context::Context;
use super::vault::KeyKind;
use super::work::{Seal, Stop, Work, decide, unreadable, vault_trouble};

/// Sessions and messages to clients in one append: far below what one may hold.
const MOST_AT_ONCE: usize = 200;

impl App {
    /// Disables an account: nothing of it can sign in or use a token any more, and its sessions are over.
    ///
    /// # Errors
    /// `not_found`, `temporarily_unavailable`.
    pub async fn disable_account(&self, context: &Context, account: AccountId) -> Result<(), OAuthError> {
        self.read::<Account>(&account.stream()).await?.ok_or_else(no_such_account)?;
        let at = self.now();
        let last = self.end_most_sessions(context, account).await?;
        decide!(self, context, |work| self.disable_once(work, account, at, &last))?;
        self.end_late_sessions(context, account).await
    }

    async fn disable_once(&self, mut work: Work<'_>, account: AccountId, at: Timestamp, sessions: &[SessionId]) -> Result<(), Stop> {
        let mut loaded = work.load::<Account>(&account.stream()).await?;
        let decision = standing::disable(loaded.or(no_such_account)?, at);
        decision.outcome?;
        let seal = Seal { key: None, subject: Some(account.to_string()) };
        work.record(&mut loaded, decision.events, &seal)?;
        for session in sessions {
            self.end_in(&mut work, *session, SessionEnd::AccountClosed).await?;
        }
        work.commit().await.map(drop)
    }

    /// Erases a person: the order, then the key, then the proof. An interruption is finished at the next start.
    ///
    /// # Errors
    /// `not_found`; `conflict` while the account or a stream of the person is held, which is recorded; `temporarily_unavailable`.
    pub async fn erase_account(&self, context: &Context, account: AccountId) -> Result<(), OAuthError> {
        let state = self.read::<Account>(&account.stream()).await?.ok_or_else(|| OAuthError::not_found("no such account"))?;
        if state.standing == Standing::Erased {
            return Ok(());
        }
        let index = match &state.email_index {
            Some(sealed) if state.standing != Standing::BeingErased => chancery_core::base64url::decode(&self.unseal(sealed).await?),
            _ => None,
        };
        if state.standing != Standing::BeingErased {
            // Before the sessions end; the append that orders it asserts the same.
            decide!(self, context, |work| self.refuse_if_held_once(work, account))??;
        }
        let ordered = ErasureOrdered { at: self.now() };
        let last = self.end_most_sessions(context, account).await?;
        decide!(self, context, |work| self.order_erasure_once(work, account, ordered.clone(), index.clone(), &last))??;
        self.end_late_sessions(context, account).await?;
        // A copy that an interrupted adoption left would outlive the person.
        self.vault.finish_adoptions().await.map_err(vault_trouble)?;
        self.vault.destroy(KeyKind::Account, &[account.to_string()]).await.map_err(vault_trouble)?;
        let destroyed = DataKeyDestroyed { at: self.now() };
        decide!(self, context, |work| mark_once(work, account, destroyed.clone().into(), |state| state.standing == Standing::BeingErased))?;
        Ok(())
    }

    /// Finishes erasures that a crash interrupted, and destroys again what a restored vault brought back.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn finish_erasures(&self, context: &Context) -> Result<(), OAuthError> {
        for account in self.accounts_by_standing("being_erased").await? {
            self.erase_account(context, account).await?;
        }
        let erased: Vec<_> = self.accounts_by_standing("erased").await?.iter().map(ToString::to_string).collect();
        let brought_back = self.vault.destroy(KeyKind::Account, &erased).await.map_err(vault_trouble)?;
        if brought_back > 0 {
            tracing::warn!(keys = brought_back, "the vault held keys of erased accounts (a restore?); they were destroyed again");
        }
        Ok(())
    }

    async fn accounts_by_standing(&self, standing: &str) -> Result<Vec<AccountId>, OAuthError> {
        const PAGE: u32 = 500;
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let rows = self.ledger.rows_by("account", 0, standing, after.as_deref(), PAGE).await.map_err(unreadable)?;
            found.extend(rows.iter().filter_map(|row| AccountId::parse(row.key.strip_prefix("account-")?)));
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => after = Some(last.key.clone()),
                _ => return Ok(found),
            }
        }
    }

    /// Ends all sessions but as many as fit into the append that closes the account, and gives those.
    async fn end_most_sessions(&self, context: &Context, account: AccountId) -> Result<Vec<SessionId>, OAuthError> {
        let mut parts = self.sessions_in_parts(account).await?;
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            decide!(self, context, |work| self.end_all_once(work, &part, SessionEnd::AccountClosed))?;
        }
        Ok(last)
    }

    /// Those that began while the account was being closed. From its closing on none can begin and no client can join one.
    async fn end_late_sessions(&self, context: &Context, account: AccountId) -> Result<(), OAuthError> {
        for part in self.sessions_in_parts(account).await? {
            decide!(self, context, |work| self.end_all_once(work, &part, SessionEnd::AccountClosed))?;
        }
        Ok(())
    }

    /// Every living session of an account, in parts that fit into one append each.
    async fn sessions_in_parts(&self, account: AccountId) -> Result<Vec<Vec<SessionId>>, OAuthError> {
        const PAGE: u32 = 500;
        let (now, account, mut after) = (self.now(), account.to_string(), None::<String>);
        let (mut parts, mut part, mut size) = (Vec::new(), Vec::new(), 0);
        loop {
            let rows = self.ledger.rows_by("session", 0, &account, after.as_deref(), PAGE).await.map_err(unreadable)?;
            for row in &rows {
                let session = inline::state::<Session>(row).map_err(|e| OAuthError::server_error(e.to_string()))?.state;
                if !session.is_alive(now) {
                    continue;
                }
                let events = 1 + session.clients.len();
                if size + events > MOST_AT_ONCE && !part.is_empty() {
                    parts.push(std::mem::take(&mut part));
                    size = 0;
                }
                part.push(session.id);
                size += events;
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => after = Some(last.key.clone()),
                _ => break,
            }
        }
        if !part.is_empty() {
            parts.push(part);
        }
        Ok(parts)
    }

    /// A refusal is recorded, and comes as a value: the work that recorded it is done.
    async fn refuse_if_held_once(&self, mut work: Work<'_>, account: AccountId) -> Result<Result<(), OAuthError>, Stop> {
        let mut loaded = work.load::<Account>(&account.stream()).await?;
        let state = loaded.or(no_such_account)?;
        if !state.is_there() {
            return Ok(Ok(()));
        }
        let decision = hold::allow_erasure(state, self.held_stream(&mut work, account).await?, self.now());
        if decision.outcome.is_err() {
            let seal = Seal { key: None, subject: Some(account.to_string()) };
            work.record(&mut loaded, decision.events, &seal)?;
            work.commit().await?;
        }
        Ok(decision.outcome)
    }

    async fn order_erasure_once(
        &self,
        mut work: Work<'_>,
        account: AccountId,
        event: ErasureOrdered,
        index: Option<Vec<u8>>,
        sessions: &[SessionId],
    ) -> Result<Result<(), OAuthError>, Stop> {
        let mut loaded = work.load::<Account>(&account.stream()).await?;
        let state = loaded.or(no_such_account)?;
        if !state.is_there() {
            return Ok(Ok(()));
        }
        let allowed = hold::allow_erasure(state, self.held_stream(&mut work, account).await?, self.now());
        let seal = Seal { key: None, subject: Some(account.to_string()) };
        if let Err(refused) = allowed.outcome {
            work.record(&mut loaded, allowed.events, &seal)?;
            work.commit().await?;
            return Ok(Err(refused));
        }
        work.record(&mut loaded, vec![event.into()], &seal)?;
        for session in sessions {
            self.end_in(&mut work, *session, SessionEnd::AccountClosed).await?;
        }
        if let Some(index) = index {
            work.release(EMAIL, index);
        }
        work.commit().await?;
        Ok(Ok(()))
    }
}

/// One event without personal data, if it still says something.
async fn mark_once(mut work: Work<'_>, account: AccountId, event: AccountEvent, applies: fn(&Account) -> bool) -> Result<(), Stop> {
    let mut loaded = work.load::<Account>(&account.stream()).await?;
    let state = loaded.or(|| OAuthError::not_found("no such account"))?;
    if !applies(state) {
        return Ok(());
    }
    let seal = Seal { key: None, subject: Some(account.to_string()) };
    work.record(&mut loaded, vec![event.into()], &seal)?;
    work.commit().await.map(drop)
}
