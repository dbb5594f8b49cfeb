//! Erasing a person: for operators' tokens with the scope `admin`.
//!
//! | Rule | Why |
//! |---|---|
//! | the account is named by its id, never by an address | an address in a path would stand in the logs of proxies |
//! | the answer comes when the key is gone, and is the same when it was gone before | DELETE can be sent again (RFC 9110 §9.2.2) |
//! | what is held is 409 | `app::erasure` |

use chancery_core::error::OAuthError;
use chancery_core::id::AccountId;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use serde_json::json;

use super::Group;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::reply::{Describe, Reply, asks_for_receipt};
use crate::http::server::{Server, context};

pub struct Erasure(pub Server);

pub struct Erased;

impl Describe for Erased {
    const DESCRIPTION: &'static str = "The person is erased: the key of everything personal is destroyed.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] =
        &[("account_id", "string", "The account."), ("erased", "boolean", "true.")];
}

pub struct Certificate;

impl Describe for Certificate {
    const DESCRIPTION: &'static str =
        "The certificate of an erasure: what can be read by nobody any more, with proofs. `chancery user check-certificate` checks it.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("account", "string", "The account."),
        ("log", "object", "Name, issuer and keys of the log."),
        ("key_commitment", "string", "Commitment to the destroyed key."),
        ("ordered_at", "string", "When the erasure was ordered."),
        ("destroyed_at", "string", "When the key was destroyed."),
        ("events", "array", "Registration, order and destruction, each with its inclusion proof."),
        ("unreadable", "array", "Positions and fields that nobody can read any more."),
        ("checkpoint", "string", "The signed note that the proofs lead to."),
        ("last_vault_backup_expires_at", "string", "When the last backup of the vault is gone, if the operator says so."),
    ];
}

#[OpenApi(tag = "Group::App")]
impl Erasure {
    /// Erase a person
    ///
    /// Destroys the key of everything personal that the log holds about the account. Cannot be undone. With `Chancery-Receipt: ?1` the answer
    /// has a receipt of the destruction.
    #[oai(path = "/accounts/:account_id", method = "delete", operation_id = "eraseAccount")]
    async fn erase(
        &self,
        request: &Request,
        /// The account's id, the `sub` of its tokens.
        account_id: Path<String>,
    ) -> Result<Reply<Erased>, Refused> {
        let bearer = self.0.app.operator(credentials::bearer(request, None)?.as_deref(), "admin").await?;
        let account = account(&account_id)?;
        let context = context(request).as_operator(bearer.grant.id.to_string());
        self.0.app.erase_account(&context, account).await?;
        let receipt = asks_for_receipt(request).then(|| context.receipt()).flatten();
        Ok(Reply::new(&json!({ "account_id": account, "erased": true })).with_receipt(receipt))
    }

    /// The certificate of an erasure
    #[oai(path = "/accounts/:account_id/erasure", method = "get", operation_id = "erasureCertificate")]
    async fn certificate(
        &self,
        request: &Request,
        /// The account's id.
        account_id: Path<String>,
    ) -> Result<Reply<Certificate>, Refused> {
        self.0.app.operator(credentials::bearer(request, None)?.as_deref(), "admin").await?;
        Ok(Reply::new(&self.0.app.erasure_certificate(account(&account_id)?).await?))
    }
}

fn account(text: &str) -> Result<AccountId, OAuthError> {
    AccountId::parse(text).ok_or_else(|| OAuthError::not_found("no account id").saying("There is no account with this id."))
}
