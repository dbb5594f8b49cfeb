//! Legal hold of a single stream, and what is held altogether.
//!
//! | Rule | Why |
//! |---|---|
//! | a stream of a person is held on the stream of that person's holds | an erasure asserts one version, and no race slips between |
//! | the person's account is asserted too | a hold after the order would promise what nobody can keep |
//! | a hold of a stream that had no subject yet counts for whoever it belongs to later | a request begins before anybody knows whose it is |

use std::collections::BTreeSet;

use chancery_core::account::Account;
use chancery_core::error::OAuthError;
use chancery_core::hold::{self, Holds};
use chancery_core::id::AccountId;
use chancery_core::stream::Stream as _;
use chancery_projections::envelope::Envelope;
use chancery_projections::inline;
use serde_json::{Value, json};

use crate::app::App;
use crate::app::accounts::account_seal;
use crate::app::clock::rfc3339;
use crate::app::context::Context;
use crate::app::vault::KeyKind;
use crate::app::work::{Seal, Stop, Work, decide, unreadable};

/// Events and rows in one read.
const PAGE: u32 = 500;

/// Everything that is held.
#[derive(Clone, Debug, Default)]
pub struct Held {
    pub accounts: BTreeSet<AccountId>,
    pub streams: BTreeSet<String>,
}

impl App {
    /// Puts a stream under a hold. A second one says nothing.
    ///
    /// # Errors
    /// `not_found`, `conflict` once the erasure of its subject was ordered or if too much is held, `temporarily_unavailable`.
    pub async fn hold_stream(&self, context: &Context, stream: &str, reason: &str) -> Result<(), OAuthError> {
        let subject = self.subject_of(stream).await?;
        let seal = match subject {
            Some(account) => {
                self.there(account).await?;
                account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?)
            }
            None => Seal { key: Some(self.epoch_key().await?), subject: None },
        };
        Ok(decide!(self, context, |work| self.place_once(work, stream, subject, reason, &seal))?)
    }

    async fn place_once(
        &self,
        mut work: Work<'_>,
        stream: &str,
        subject: Option<AccountId>,
        reason: &str,
        seal: &Seal,
    ) -> Result<(), Stop> {
        if let Some(account) = subject {
            let state = work.load::<Account>(&account.stream()).await?;
            if !state.or(no_such_account)?.is_there() {
                return Err(erased().into());
            }
        }
        let mut holds = work.load::<Holds>(&hold::stream(subject)).await?;
        let decision = hold::place(&holds.state.as_deref().cloned().unwrap_or_default(), stream, reason, self.now());
        decision.outcome?;
        work.record(&mut holds, decision.events, seal)?;
        work.commit().await.map(drop)
    }

    /// Lifts the hold of a stream. Lifting none says nothing.
    ///
    /// # Errors
    /// `not_found`, `temporarily_unavailable`.
    pub async fn release_stream(&self, context: &Context, stream: &str) -> Result<(), OAuthError> {
        // It may have been held before it had a subject.
        let mut whose = vec![None];
        whose.extend(self.subject_of(stream).await?.map(Some));
        for subject in whose {
            decide!(self, context, |work| self.lift_once(work, stream, subject))?;
        }
        Ok(())
    }

    async fn lift_once(&self, mut work: Work<'_>, stream: &str, subject: Option<AccountId>) -> Result<(), Stop> {
        let mut holds = work.load::<Holds>(&hold::stream(subject)).await?;
        let Some(state) = holds.state.clone() else { return Ok(()) };
        let decision = hold::lift(&state, stream, self.now());
        decision.outcome?;
        let seal = Seal { key: None, subject: subject.map(|account| account.to_string()) };
        work.record(&mut holds, decision.events, &seal)?;
        work.commit().await.map(drop)
    }

    /// A stream of the person that is held, if one is. What the answer rests on is asserted.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(in crate::app) async fn held_stream(&self, work: &mut Work<'_>, account: AccountId) -> Result<Option<String>, Stop> {
        let own = work.load::<Holds>(&hold::stream(Some(account))).await?;
        let mut held = own.state.as_deref().and_then(|own| own.streams.keys().next().cloned());
        let of_nobody = work.load::<Holds>(&hold::stream(None)).await?;
        for stream in of_nobody.state.iter().flat_map(|own| own.streams.keys()) {
            if held.is_none() && self.subject_of(stream).await? == Some(account) {
                held = Some(stream.clone());
            }
        }
        Ok(held)
    }

    /// Interactions that are held, whose data keys housekeeping must not destroy.
    pub(in crate::app) async fn is_held_by_nobody(&self, stream: &str) -> Result<bool, OAuthError> {
        let holds = self.read::<Holds>(&hold::stream(None)).await?;
        Ok(holds.is_some_and(|own| own.streams.contains_key(stream)))
    }

    /// Whose stream it is: the account that an event names, or that the stream itself is of.
    async fn subject_of(&self, stream: &str) -> Result<Option<AccountId>, OAuthError> {
        if let Some(account) = stream.strip_prefix("account-").and_then(AccountId::parse) {
            return Ok(Some(account));
        }
        let mut next = 1;
        loop {
            let events = self.ledger.read_stream_page(stream, next, PAGE).await.map_err(unreadable)?;
            if next == 1 && events.is_empty() {
                return Err(OAuthError::not_found("no such stream").saying("The log has no stream of this name."));
            }
            for event in &events {
                let envelope = Envelope::read(event).map_err(|e| OAuthError::server_error(e.to_string()))?;
                if let Some(account) = envelope.subject.as_deref().and_then(AccountId::parse) {
                    return Ok(Some(account));
                }
            }
            match events.last() {
                Some(last) if events.len() == PAGE as usize => next = last.version + 1,
                _ => return Ok(None),
            }
        }
    }

    async fn there(&self, account: AccountId) -> Result<(), OAuthError> {
        let state = self.read::<Account>(&account.stream()).await?.ok_or_else(no_such_account)?;
        if state.is_there() { Ok(()) } else { Err(erased()) }
    }

    /// Everything that is held now.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn held(&self) -> Result<Held, OAuthError> {
        let broken = |e: serde_json::Error| OAuthError::server_error(e.to_string());
        let mut held = Held::default();
        for table in [Account::KIND, Holds::KIND] {
            let mut after: Option<String> = None;
            loop {
                let rows = self.ledger.rows_all(table, after.as_deref(), PAGE).await.map_err(unreadable)?;
                for row in &rows {
                    if table == Holds::KIND {
                        held.streams.extend(inline::state::<Holds>(row).map_err(broken)?.state.streams.into_keys());
                        continue;
                    }
                    let account = inline::state::<Account>(row).map_err(broken)?.state;
                    if account.held_since.is_some() {
                        held.accounts.insert(account.id);
                    }
                }
                match rows.last() {
                    Some(last) if rows.len() == PAGE as usize => after = Some(last.key.clone()),
                    _ => break,
                }
            }
        }
        Ok(held)
    }

    /// The same for a reader, with the time since when.
    pub(in crate::app) async fn list_holds(&self) -> Result<Value, OAuthError> {
        let held = self.held().await?;
        let mut all = Vec::new();
        for account in held.accounts {
            let since = self.read::<Account>(&account.stream()).await?.and_then(|state| state.held_since);
            all.push(json!({ "account": account, "since": since.map(|at| rfc3339(at.0)) }));
        }
        all.extend(held.streams.into_iter().map(|stream| json!({ "stream": stream })));
        Ok(json!({ "holds": all }))
    }
}

fn no_such_account() -> OAuthError {
    OAuthError::not_found("no such account")
}

fn erased() -> OAuthError {
    OAuthError::conflict("erased").saying("The erasure of the person was ordered already.")
}
