//! What can go wrong with the vault.

use super::store::VaultStoreError;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Answer 503; nothing may be written under a key that is not stored.
    #[error("the vault cannot be reached: {0}")]
    Unavailable(String),
    #[error("the vault already has a key {kind} {id}")]
    AlreadyExists { kind: String, id: String },
    #[error("the {kind} id {id} is empty or longer than 255 bytes")]
    BadId { kind: String, id: String },
    #[error(
        "CHANCERY_MASTER_KEY is not the key that this vault was made with; start with the right one (nothing was changed). Without it \
         personal data and signing keys cannot be read by anybody."
    )]
    WrongMasterKey,
    #[error("a change of the master key was interrupted; run `chancery keys rewrap` again with the same old and new key to finish it")]
    RewrapUnfinished,
    #[error("another change of the master key, to a different key, was interrupted; finish that one first")]
    OtherRewrapUnfinished,
    #[error("the vault holds keys but not the value that proves the master key; restore the vault from a backup")]
    NoCheckValue,
    #[error("there is no vault here yet, so there is nothing to wrap again")]
    Empty,
    #[error("the old and the new master key are the same")]
    SameMasterKey,
    #[error("the vault entry {kind} {id} is damaged; restore the vault from a backup")]
    Damaged { kind: String, id: String },
    #[error("the vault entry {kind} {id} is wrapped by another master key; run `chancery keys rewrap` with that key as the old one")]
    OtherMasterKey { kind: String, id: String },
    #[error("the interaction {interaction} went with the account that was erased")]
    AdopterErased { interaction: String },
    #[error("there is no key {kind} {id} in the vault")]
    Missing { kind: String, id: String },
}

impl From<VaultStoreError> for VaultError {
    fn from(error: VaultStoreError) -> Self {
        match error {
            VaultStoreError::AlreadyExists { kind, id } => Self::AlreadyExists { kind, id },
            // The sentence around it is the same, and is told once.
            VaultStoreError::Unavailable(why) => Self::Unavailable(why),
            VaultStoreError::Changed { .. } => Self::Unavailable(error.to_string()),
        }
    }
}
