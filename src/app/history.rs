//! What happened with an account, for its person to read: from the log itself, newest first.
//!
//! | What | From |
//! |---|---|
//! | registration, profile, address, password, closed and opened | the account's stream |
//! | sign-ins and how sessions ended | the sessions that still have a row: about ninety days |
//! | failed sign-ins | the evidence of the account |
//! | access allowed, denied, withdrawn | the consents |
//!
//! Out of scope: tokens, of which there are too many to be read; auditors ask the log (`audit`).

use std::borrow::Cow;

use chancery_core::account::Account;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::error::OAuthError;
use chancery_core::evidence;
use chancery_core::id::{AccountId, SessionId, consent_stream};
use chancery_core::stream::{KEY_FIELD, Sealed};
use chancery_ledger::recorded::Freshness;
use chancery_projections::envelope::Envelope;
use serde::Deserialize;

use super::App;
use super::work::unreadable;

/// Entries that are told.
const MOST: usize = 50;
/// Newest events of one stream that are looked at.
const TAIL: u64 = 50;
/// Newest sessions, and latest consents.
const STREAMS: usize = 30;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Registered,
    RegisteredByOperator,
    ProfileChanged,
    ProfileChangedByOperator,
    EmailChanged,
    PasswordChanged,
    PasswordSetByOperator,
    RightsChanged,
    Closed,
    Opened,
    SignedIn,
    SignInFailed,
    SignedOut,
    SignedOutElsewhere,
    SignedOutByOperator,
    SignedOutByPassword,
    Allowed,
    Denied,
    Withdrawn,
}

/// One line of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Place in the log, which is the order in which things happened.
    pub position: u64,
    /// Milliseconds since the epoch.
    pub at: i64,
    pub what: What,
    /// The client it is about, as people know it.
    pub client: Option<String>,
    pub from: Option<Seen>,
}

/// From where: what a browser said of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Seen {
    #[serde(default)]
    pub address: Option<String>,
    #[serde(default)]
    pub user_agent: Option<String>,
}

impl App {
    /// What happened with an account, newest first.
    ///
    /// # Errors
    /// `temporarily_unavailable`; `server_error` when something of it cannot be read.
    pub async fn history_of(&self, account: AccountId) -> Result<Vec<Entry>, OAuthError> {
        let mut entries = Vec::new();
        let own = self.load::<Account>(&account.stream(), Freshness::Fresh).await?.version;
        self.tell(&account.stream(), own, None, &mut entries).await?;
        let attempts = evidence::attempts_stream(account);
        let failures = self.load::<evidence::Attempts>(&attempts, Freshness::Fresh).await?.version;
        self.tell(&attempts, failures, None, &mut entries).await?;
        for session in self.sessions_of(account).await?.iter().take(STREAMS) {
            self.tell(&session.id.stream(), TAIL, None, &mut entries).await?;
        }
        for consent in self.consents_of(account).await?.iter().rev().take(STREAMS) {
            let stream = consent_stream(account, &consent.client);
            let version = self.load::<Consent>(&stream, Freshness::Fresh).await?.version;
            let client = self.read::<Client>(&consent.client.stream()).await?;
            let name = client.map_or_else(|| consent.client.to_string(), |own| own.shown_name().to_owned());
            self.tell(&stream, version, Some(&name), &mut entries).await?;
        }
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.position));
        entries.truncate(MOST);
        Ok(entries)
    }

    /// Where a session was begun.
    ///
    /// # Errors
    /// As for [`Self::history_of`].
    pub async fn seen_at_start(&self, session: SessionId) -> Result<Seen, OAuthError> {
        let events = self.ledger.read_stream(&session.stream(), 1).await.map_err(unreadable)?;
        match events.first() {
            Some(first) => Ok(self.seen_in(&Envelope::read(first).map_err(odd)?).await?.unwrap_or_default()),
            None => Ok(Seen::default()),
        }
    }

    /// The last events of a stream, as far as they mean something to a person.
    async fn tell(&self, stream: &str, version: u64, client: Option<&str>, into: &mut Vec<Entry>) -> Result<(), OAuthError> {
        let from = version.saturating_sub(TAIL) + 1;
        for recorded in self.ledger.read_stream(stream, from).await.map_err(unreadable)? {
            let envelope = Envelope::read(&recorded).map_err(odd)?;
            let Some(what) = what(&envelope) else { continue };
            let from = match what {
                What::SignedIn | What::SignInFailed => self.seen_in(&envelope).await?,
                _ => None,
            };
            into.push(Entry { position: envelope.position, at: envelope.recorded_at, what, client: client.map(str::to_owned), from });
        }
        Ok(())
    }

    async fn seen_in(&self, envelope: &Envelope) -> Result<Option<Seen>, OAuthError> {
        let (Some(text), Some(key)) = (envelope.personal.get("context"), envelope.personal.get(KEY_FIELD)) else { return Ok(None) };
        let (key, stream, text) = (key.clone(), envelope.stream.clone(), text.clone());
        let clear = self.unseal(&Sealed { key, stream, event: envelope.id, field: Cow::Borrowed("context"), text }).await?;
        serde_json::from_str(&clear).map(Some).map_err(|e| OAuthError::server_error(format!("{}: {e}", envelope.stream)))
    }
}

fn odd(error: chancery_projections::envelope::Unreadable) -> OAuthError {
    OAuthError::server_error(error.to_string())
}

/// What an event means to its person; `None` for what is of no use to them.
fn what(envelope: &Envelope) -> Option<What> {
    let by_person = matches!(envelope.actor.kind.as_str(), "account" | "anonymous");
    let reason = envelope.data.get("reason").and_then(serde_json::Value::as_str).unwrap_or_default();
    Some(match (envelope.kind.as_str(), reason) {
        ("AccountRegistered", _) if by_person => What::Registered,
        ("AccountRegistered", _) => What::RegisteredByOperator,
        ("ProfileChanged", _) if by_person => What::ProfileChanged,
        ("ProfileChanged" | "ClaimSourcesChanged", _) => What::ProfileChangedByOperator,
        ("EmailChanged", _) => What::EmailChanged,
        ("PasswordChanged", "chosen") => What::PasswordChanged,
        ("PasswordChanged", "declared") => What::PasswordSetByOperator,
        ("RoleGranted" | "RoleWithdrawn", _) => What::RightsChanged,
        ("AccountDisabled", _) => What::Closed,
        ("AccountEnabled", _) => What::Opened,
        ("SessionStarted", _) => What::SignedIn,
        ("LoginFailed", _) => What::SignInFailed,
        ("SessionEnded", "signed_out") => What::SignedOut,
        ("SessionEnded", "signed_out_elsewhere") => What::SignedOutElsewhere,
        ("SessionEnded", "operator") => What::SignedOutByOperator,
        ("SessionEnded", "password_changed") => What::SignedOutByPassword,
        ("ConsentGiven", _) => What::Allowed,
        ("ConsentDenied", _) => What::Denied,
        ("ConsentWithdrawn", _) => What::Withdrawn,
        _ => return None,
    })
}
