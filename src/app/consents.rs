//! What people allowed which clients, and no longer allow.
//!
//! | Rule | Source |
//! |---|---|
//! | withdrawing is as easy as giving | GDPR art. 7(3) |
//! | one event ends every token that rests on it: the next use asks the consent | DESIGN: events |

use chancery_core::client::Client;
use chancery_core::consent::{self, Consent};
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, ClientId, consent_stream};
use chancery_core::scope::Scope;
use chancery_core::time::Timestamp;

use super::App;
use super::context::Context;
use super::work::{Seal, Stop, Work, decide, unreadable};

/// A client with access.
pub struct Allowed {
    pub client: ClientId,
    /// As people know it, if it has a name.
    pub name: Option<String>,
    /// Closed by the operator: its access sleeps.
    pub disabled: bool,
    pub scope: Scope,
    pub since: Timestamp,
    /// Where a login is begun for it (OpenID Connect Core 1.0 §4), if it is open.
    pub initiate_login_uri: Option<String>,
}

impl App {
    /// The clients that a person allowed something, the latest first.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn allowed_by(&self, account: AccountId) -> Result<Vec<Allowed>, OAuthError> {
        let mut allowed = Vec::new();
        for consent in self.consents_of(account).await? {
            let Some(since) = consent.given_at else { continue };
            let client = self.read::<Client>(&consent.client.stream()).await?;
            allowed.push(Allowed {
                name: client
                    .as_ref()
                    .filter(|own| own.metadata.client_name.is_some() || own.document.is_some())
                    .map(|own| own.shown_name().to_owned()),
                disabled: client.as_ref().is_none_or(|own| !own.is_active()),
                initiate_login_uri: client.filter(|own| own.is_active()).and_then(|own| own.metadata.initiate_login_uri.clone()),
                client: consent.client,
                scope: consent.scope,
                since,
            });
        }
        allowed.sort_by_key(|own| std::cmp::Reverse(own.since));
        Ok(allowed)
    }

    /// Every consent that this person ever answered to, withdrawn and denied ones too.
    pub(super) async fn consents_of(&self, account: AccountId) -> Result<Vec<Consent>, OAuthError> {
        const PAGE: u32 = 500;
        let (account, mut after) = (account.to_string(), None::<String>);
        let mut consents = Vec::new();
        loop {
            let rows = self.ledger.rows_by("consent", 0, &account, after.as_deref(), PAGE).await.map_err(unreadable)?;
            for row in &rows {
                let state = chancery_projections::inline::state::<Consent>(row).map_err(|e| OAuthError::server_error(e.to_string()))?;
                consents.push(state.state);
            }
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => after = Some(last.key.clone()),
                _ => return Ok(consents),
            }
        }
    }

    /// Takes everything back that a person allowed a client. Says whether there was anything.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn withdraw_consent(&self, context: &Context, account: AccountId, client: &ClientId) -> Result<bool, OAuthError> {
        Ok(decide!(self, context, |work| withdraw_once(work, account, client, self.now()))?)
    }
}

async fn withdraw_once(mut work: Work<'_>, account: AccountId, client: &ClientId, at: Timestamp) -> Result<bool, Stop> {
    let mut loaded = work.load::<Consent>(&consent_stream(account, client)).await?;
    let Some(state) = loaded.state.clone() else { return Ok(false) };
    let decision = consent::withdraw(&state, at);
    decision.outcome?;
    let is_news = !decision.events.is_empty();
    work.record(&mut loaded, decision.events, &Seal { key: None, subject: Some(account.to_string()) })?;
    work.commit().await?;
    Ok(is_news)
}
