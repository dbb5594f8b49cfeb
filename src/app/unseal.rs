//! Data keys by name, and personal data that they open.

use std::sync::Arc;

use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_core::stream::Sealed;

use super::vault::{Aad, DataKey, KeyKind};
use super::work::vault_trouble;
use super::{App, clock};

impl App {
    /// The data key of a name, which must exist.
    ///
    /// # Errors
    /// `server_error` when it is gone, `temporarily_unavailable` when the vault does not answer.
    pub async fn data_key(&self, kind: KeyKind, id: &str) -> Result<Arc<DataKey>, OAuthError> {
        let key = self.vault.open(kind, id).await.map_err(vault_trouble)?;
        key.ok_or_else(|| OAuthError::server_error(format!("the data key of {} {id} is gone", kind.as_str())))
    }

    /// The data key of this month, for what has no subject.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the vault does not answer.
    pub async fn epoch_key(&self) -> Result<Arc<DataKey>, OAuthError> {
        let month = clock::month(self.clock.now_ms());
        Ok(self.vault.epoch(&month).await.map_err(vault_trouble)?.0)
    }

    /// The data key of a client. What nobody registered has none of its own: strangers make no keys.
    ///
    /// # Errors
    /// As for [`Self::data_key`].
    pub async fn client_key(&self, client: &ClientId) -> Result<Arc<DataKey>, OAuthError> {
        if client.host().is_some() { self.epoch_key().await } else { self.data_key(KeyKind::Client, client.as_str()).await }
    }

    /// Opens a ciphertext of a state.
    ///
    /// # Errors
    /// `server_error` when the key is gone or the text was changed.
    pub async fn unseal(&self, sealed: &Sealed) -> Result<String, OAuthError> {
        let (kind, id) = sealed.key.split_once('/').ok_or_else(|| OAuthError::server_error("a sealed value without key"))?;
        let kind =
            KeyKind::ALL.into_iter().find(|own| own.as_str() == kind).ok_or_else(|| OAuthError::server_error("an unknown kind of key"))?;
        let key = self.data_key(kind, id).await?;
        let event_id = sealed.event.to_string();
        let aad = Aad { log_id: &self.log_id, stream: &sealed.stream, event_id: &event_id, field: &sealed.field };
        let plain = self.vault.unseal(&key, &aad, &sealed.text).map_err(|e| OAuthError::server_error(format!("{}: {e}", sealed.stream)))?;
        String::from_utf8(plain.to_vec()).map_err(|_| OAuthError::server_error("a sealed value is no text"))
    }

    /// The same for a value that may be absent.
    ///
    /// # Errors
    /// As for [`Self::unseal`].
    pub async fn unseal_optional(&self, sealed: Option<&Sealed>) -> Result<Option<String>, OAuthError> {
        match sealed {
            Some(sealed) => self.unseal(sealed).await.map(Some),
            None => Ok(None),
        }
    }
}
