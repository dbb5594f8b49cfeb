//! The server's own keys: MAC keys by purpose, private signing keys by kid. Events carry only the public half.

use std::sync::{Arc, PoisonError};

use zeroize::Zeroizing;

use super::key::{NamedKey, Purpose};
use super::store::VaultStoreError;
use super::{Vault, VaultError, damaged, exactly_32};

const NAMED: &str = "named";
const SIGNING: &str = "signing";
const OPENING: &str = "opening";
const LOG: &str = "log";
const PAGE: u32 = 100;

impl Vault {
    /// The key for a purpose, made at its first use; all callers on all nodes get the same one.
    pub async fn named(&self, purpose: Purpose) -> Result<Arc<NamedKey>, VaultError> {
        if let Some(key) = self.named.lock().unwrap_or_else(PoisonError::into_inner).get(&purpose) {
            return Ok(Arc::clone(key));
        }
        let id = purpose.as_str();
        let entry = match self.store.get(NAMED, id).await? {
            Some(entry) => entry,
            None => {
                let entry = self.entry(NAMED, id, self.master.wrap(self.fill, NAMED, id, &*self.fresh()));
                match self.store.put(vec![entry.clone()]).await {
                    Ok(()) => entry,
                    Err(VaultStoreError::AlreadyExists { kind, id: name }) => {
                        self.store.get(NAMED, id).await?.ok_or(VaultError::Missing { kind, id: name })?
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        let secret = exactly_32(&self.opened(&entry)?).ok_or_else(|| damaged(&entry))?;
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(named.entry(purpose).or_insert_with(|| Arc::new(NamedKey::new(purpose, &secret)))))
    }

    /// Stores a private signing key (PKCS#8 DER), durably; a kid is used once.
    pub async fn put_signing_key(&self, kid: &str, pkcs8: &[u8]) -> Result<(), VaultError> {
        if kid.is_empty() || kid.len() > 255 {
            return Err(VaultError::BadId { kind: SIGNING.to_owned(), id: kid.chars().take(32).collect() });
        }
        let wrapped = self.master.wrap(self.fill, SIGNING, kid, pkcs8);
        Ok(self.store.put(vec![self.entry(SIGNING, kid, wrapped)]).await?)
    }

    /// Stores a private key of the log (PKCS#8 DER), durably, under its key ID.
    pub async fn put_log_key(&self, key_id: &str, pkcs8: &[u8]) -> Result<(), VaultError> {
        let wrapped = self.master.wrap(self.fill, LOG, key_id, pkcs8);
        Ok(self.store.put(vec![self.entry(LOG, key_id, wrapped)]).await?)
    }

    /// PKCS#8 DER of a key of the log.
    pub async fn log_key(&self, key_id: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.store.get(LOG, key_id).await?.map(|entry| self.opened(&entry)).transpose()
    }

    /// Destroys a key of the log; says whether there was one.
    pub async fn destroy_log_key(&self, key_id: &str) -> Result<bool, VaultError> {
        Ok(self.store.destroy(LOG, &[key_id.to_owned()]).await? > 0)
    }

    /// PKCS#8 DER of a signing key.
    pub async fn signing_key(&self, kid: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.store.get(SIGNING, kid).await?.map(|entry| self.opened(&entry)).transpose()
    }

    /// Stores a private key that others encrypt to (PKCS#8 DER), durably, under its kid.
    pub async fn put_opening_key(&self, kid: &str, pkcs8: &[u8]) -> Result<(), VaultError> {
        let wrapped = self.master.wrap(self.fill, OPENING, kid, pkcs8);
        Ok(self.store.put(vec![self.entry(OPENING, kid, wrapped)]).await?)
    }

    /// PKCS#8 DER of a key that others encrypt to.
    pub async fn opening_key(&self, kid: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        self.store.get(OPENING, kid).await?.map(|entry| self.opened(&entry)).transpose()
    }

    /// Destroys a key that others encrypt to; says whether there was one.
    pub async fn destroy_opening_key(&self, kid: &str) -> Result<bool, VaultError> {
        Ok(self.store.destroy(OPENING, &[kid.to_owned()]).await? > 0)
    }

    /// Every kid, in order.
    pub async fn signing_kids(&self) -> Result<Vec<String>, VaultError> {
        let mut kids: Vec<String> = Vec::new();
        loop {
            let page = self.store.list(SIGNING, kids.last().map(String::as_str), PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            kids.extend(page.into_iter().map(|entry| entry.id));
            if is_last {
                return Ok(kids);
            }
        }
    }

    /// Destroys a signing key; says whether there was one.
    pub async fn destroy_signing_key(&self, kid: &str) -> Result<bool, VaultError> {
        Ok(self.store.destroy(SIGNING, &[kid.to_owned()]).await? > 0)
    }
}
