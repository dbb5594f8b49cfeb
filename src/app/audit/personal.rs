//! Personal data of events and states, for those who may read it.
//!
//! | What is found | What is shown |
//! |---|---|
//! | the data key | the text, if the field is one that people may read and the asker may |
//! | no data key, and the account is erased or the request was abandoned | `erased` |
//! | no data key and no order that it be destroyed | `lost`: never taken for an erasure |
//!
//! Password hashes, secrets (`claim_sources` has access tokens) and blind indexes are ciphertext for a program, not for a person: they are
//! withheld whoever asks.

use chancery_core::account::{Account, Standing};
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, InteractionId};
use chancery_core::interaction::Interaction;
use chancery_core::stream::KEY_FIELD;
use chancery_projections::audit::moment::{self, Sealed};
use chancery_projections::envelope::Envelope;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::app::vault::{Aad, KeyKind};
use crate::app::work::vault_trouble;

/// Fields that a person may read.
const FOR_PEOPLE: [&str; 17] = [
    "email",
    "name",
    "context",
    "identifier",
    "contacts",
    "source",
    "login_hint",
    "authorization_details",
    "claim_values",
    "lists",
    "claim_names",
    "credentials",
    "address",
    "profile",
    "phone",
    "email_verified",
    "reason",
];

/// What became of a ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    Clear(String),
    Erased,
    Lost,
}

/// How personal data is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Showing {
    /// As ciphertext, or `erased`.
    Sealed,
    /// In clear, as far as people may read it.
    Clear,
}

impl App {
    /// Opens a ciphertext.
    ///
    /// # Errors
    /// `temporarily_unavailable`; a text that was changed is a fault.
    pub async fn open_sealed(&self, sealed: &Sealed<'_>) -> Result<Opened, OAuthError> {
        let broken = |why: &str| OAuthError::server_error(format!("{} {}: {why}", sealed.stream, sealed.field));
        let (kind, id) = sealed.key.split_once('/').ok_or_else(|| broken("a sealed value without key"))?;
        let kind = KeyKind::ALL.into_iter().find(|own| own.as_str() == kind).ok_or_else(|| broken("an unknown kind of key"))?;
        let Some(key) = self.vault.open(kind, id).await.map_err(vault_trouble)? else {
            return Ok(if self.was_ordered_erased(kind, id).await? { Opened::Erased } else { Opened::Lost });
        };
        let aad = Aad { log_id: &self.log_id, stream: sealed.stream, event_id: sealed.event, field: sealed.field };
        let plain = self.vault.unseal(&key, &aad, sealed.text).map_err(|e| broken(&e.to_string()))?;
        String::from_utf8(plain.to_vec()).map(Opened::Clear).map_err(|_| broken("a sealed value is no text"))
    }

    /// Does the log say why this key is gone?
    async fn was_ordered_erased(&self, kind: KeyKind, id: &str) -> Result<bool, OAuthError> {
        match kind {
            KeyKind::Account => {
                let Some(account) = AccountId::parse(id) else { return Ok(false) };
                self.is_erased(account).await
            }
            KeyKind::Interaction => {
                let Some(interaction) = InteractionId::parse(id) else { return Ok(false) };
                let Some(state) = self.read::<Interaction>(&interaction.stream()).await? else { return Ok(false) };
                match state.authenticated {
                    // Its key was wrapped under the account's.
                    Some((account, _)) => self.is_erased(account).await,
                    None => Ok(self.now() >= state.expires_at),
                }
            }
            KeyKind::Client | KeyKind::Epoch => Ok(false),
        }
    }

    async fn is_erased(&self, account: AccountId) -> Result<bool, OAuthError> {
        let state = self.read::<Account>(&account.stream()).await?;
        Ok(state.is_some_and(|own| matches!(own.standing, Standing::BeingErased | Standing::Erased)))
    }

    /// Was the event caused from this address? What is erased was caused from nowhere.
    ///
    /// # Errors
    /// As for [`Self::open_sealed`].
    pub async fn was_seen_from(&self, envelope: &Envelope, address: &str) -> Result<bool, OAuthError> {
        for field in ["context", "source"] {
            let Some(Opened::Clear(text)) = self.open_field(envelope, field).await? else { continue };
            let context: Option<Value> = serde_json::from_str(&text).ok();
            let seen = context.as_ref().and_then(|own| own.get("address")).and_then(Value::as_str).unwrap_or(&text);
            if seen == address {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Opens a member of an event's `personal`; `None` if it is not there.
    ///
    /// # Errors
    /// As for [`Self::open_sealed`].
    pub async fn open_field(&self, envelope: &Envelope, field: &str) -> Result<Option<Opened>, OAuthError> {
        let (Some(text), Some(key)) = (envelope.personal.get(field), envelope.personal.get(KEY_FIELD)) else { return Ok(None) };
        let event = envelope.id.to_string();
        self.open_sealed(&Sealed { key, stream: &envelope.stream, event: &event, field, text }).await.map(Some)
    }

    /// The members of an event's `personal` as they are shown; `None` if it has none.
    ///
    /// # Errors
    /// As for [`Self::open_sealed`].
    pub async fn personal_of(&self, envelope: &Envelope, showing: Showing) -> Result<Option<Value>, OAuthError> {
        let Some(key) = envelope.personal.get(KEY_FIELD) else { return Ok(None) };
        let event = envelope.id.to_string();
        let mut shown = Map::new();
        for (field, text) in envelope.personal.iter().filter(|(field, _)| *field != KEY_FIELD) {
            let sealed = Sealed { key, stream: &envelope.stream, event: &event, field, text };
            shown.insert(field.clone(), self.shown(&sealed, showing).await?);
        }
        Ok(Some(Value::Object(shown)))
    }

    /// A state with something readable in the place of each ciphertext.
    ///
    /// # Errors
    /// As for [`Self::open_sealed`].
    pub async fn state_shown(&self, mut state: Value, showing: Showing) -> Result<Value, OAuthError> {
        let mut shown = std::collections::VecDeque::new();
        for sealed in moment::sealed_in(&state) {
            shown.push_back(self.shown(&sealed, showing).await?);
        }
        // The same walk, in the same order.
        moment::replace_sealed(&mut state, &mut |_| shown.pop_front().unwrap_or(Value::Null));
        Ok(state)
    }

    async fn shown(&self, sealed: &Sealed<'_>, showing: Showing) -> Result<Value, OAuthError> {
        Ok(match self.open_sealed(sealed).await? {
            Opened::Erased => json!("erased"),
            Opened::Lost => json!("lost"),
            Opened::Clear(text) if showing == Showing::Clear && FOR_PEOPLE.contains(&sealed.field) => {
                json!({ "clear": serde_json::from_str::<Value>(&text).ok().filter(Value::is_object).unwrap_or_else(|| json!(text)) })
            }
            Opened::Clear(_) if showing == Showing::Clear => json!("withheld"),
            Opened::Clear(_) => json!({ "sealed": sealed.text, "key": sealed.key }),
        })
    }
}
