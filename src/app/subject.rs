//! `sub`: the account's id for everybody, or a pseudonym for each sector.
//!
//! | Rule | Source |
//! |---|---|
//! | a client registered for pairwise reads a `sub` that no other sector reads | OpenID Connect Core 1.0 §8.1 |
//! | nobody but this server can go from one to the other | OpenID Connect Core 1.0 §8.1 |
//! | it can: an `id_token_hint` names a person by the pseudonym | OpenID Connect Core 1.0 §3.1.2.1 |

use chancery_core::base64url;
use chancery_core::client::Client;
use chancery_core::client::metadata::SubjectType;
use chancery_core::error::OAuthError;
use chancery_core::id::AccountId;
use uuid::Uuid;

use super::App;
use super::vault::pairwise;

impl App {
    /// What this client reads as `sub`.
    ///
    /// # Errors
    /// `server_error` for a pairwise client without a sector; registration refuses those.
    pub fn subject(&self, account: AccountId, client: &Client) -> Result<String, OAuthError> {
        match client.metadata.subject_type {
            SubjectType::Public => Ok(account.to_string()),
            SubjectType::Pairwise => {
                let sector = client.metadata.sector().ok_or_else(|| OAuthError::server_error("a pairwise client without a sector"))?;
                Ok(base64url::encode(&pairwise::pseudonym(&self.names.pairwise, sector, account.0.as_bytes())))
            }
        }
    }

    /// The account behind a `sub` that this client read; `None` for a text of another form. Only for subjects out of tokens
    /// that we signed: every 16 bytes are somebody's pseudonym, maybe nobody's.
    pub fn account_of_subject(&self, sub: &str, client: &Client) -> Option<AccountId> {
        match client.metadata.subject_type {
            SubjectType::Public => AccountId::parse(sub),
            SubjectType::Pairwise => {
                let pseudonym: [u8; 16] = base64url::decode(sub)?.try_into().ok()?;
                let account = pairwise::account(&self.names.pairwise, client.metadata.sector()?, &pseudonym);
                Some(AccountId(Uuid::from_bytes(account)))
            }
        }
    }
}
