//! Erasing a person leaves a certificate: what can be read by nobody any more, and that the log still stands.
//!
//! | Rule | Why |
//! |---|---|
//! | made only once the key is gone, and looked for again in the vault | a certificate must not say what is not so |
//! | order and destruction come as leaves with their proofs, the checkpoint with its signature | it can be checked without this server, by [`check`] |
//! | positions and names of fields, no content | it is given to people who may not read the log |
//! | it says until when backups of the vault can still open what is erased here | a destroyed key lives on in them |

pub mod check;
pub mod hold;
pub mod stream_hold;

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_core::account::{Account, Standing};
use chancery_core::error::OAuthError;
use chancery_core::id::AccountId;
use chancery_core::server::{self, Log};
use chancery_core::stream::KEY_FIELD;
use chancery_ledger::recorded::Recorded;
use chancery_projections::audit::moment::written;
use chancery_projections::audit::query::{self, MOST, Question};
use chancery_projections::envelope::Envelope;
use serde_json::{Value, json};

use super::App;
use super::audit::unanswered;
use super::vault::KeyKind;
use super::work::{unreadable, vault_trouble};

/// What a certificate calls itself.
pub const NAME: &str = "chancery erasure certificate";

/// The events that make an erasure, in their order.
pub const STEPS: [&str; 3] = ["AccountRegistered", "ErasureOrdered", "DataKeyDestroyed"];

impl App {
    /// The certificate of an erasure that is done.
    ///
    /// # Errors
    /// `not_found`; `conflict` while the account is not erased; `temporarily_unavailable`.
    pub async fn erasure_certificate(&self, account: AccountId) -> Result<Value, OAuthError> {
        let state = self.read::<Account>(&account.stream()).await?.ok_or_else(|| OAuthError::not_found("no such account"))?;
        if state.standing != Standing::Erased {
            return Err(OAuthError::conflict("not erased").saying("The account is not erased."));
        }
        if self.vault.open(KeyKind::Account, &account.to_string()).await.map_err(vault_trouble)?.is_some() {
            return Err(OAuthError::server_error(format!("the vault still holds the key of the erased account {account}")));
        }
        let history = self.ledger.read_stream(&account.stream(), 1).await.map_err(unreadable)?;
        let mut steps = Vec::new();
        for step in STEPS {
            let recorded = history.iter().rev().find(|event| event.kind == step);
            steps.push(recorded.ok_or_else(|| OAuthError::server_error(format!("{account} is erased without {step}")))?);
        }
        let destroyed = steps[2];
        self.index_reaches(destroyed.position).await?;
        let unreadable = self.unreadable_positions(account, destroyed.position).await?;
        let signed = self.latest_checkpoint().await?;
        let mut events = Vec::new();
        for recorded in &steps {
            events.push(self.proven(recorded, signed.checkpoint.size).await?);
        }
        let log = self.read::<Log>(server::STREAM).await?.ok_or_else(|| OAuthError::server_error("there is no log"))?;
        let registered = Envelope::read(steps[0]).map_err(|e| OAuthError::server_error(e.to_string()))?;
        let mut certificate = json!({
            "certificate": NAME,
            "version": 1,
            "account": account,
            "log": {
                "log_id": log.log_id,
                "origin": log.origin,
                "issuer": log.issuer,
                "keys": log.keys.iter().map(|key| key.vkey.as_str()).collect::<Vec<_>>(),
            },
            "data_key": format!("account/{account}"),
            "key_commitment": registered.data.get("key_commitment"),
            "ordered_at": written(steps[1].recorded_at),
            "destroyed_at": written(destroyed.recorded_at),
            "events": events,
            "unreadable": unreadable.iter().map(|(position, fields)| json!({ "position": position, "fields": fields })).collect::<Vec<_>>(),
            "checkpoint": &*signed.note,
        });
        if let Some(kept) = self.config.vault_backups_kept {
            let kept_ms = i64::try_from(kept.as_millis()).unwrap_or(i64::MAX);
            certificate["last_vault_backup_expires_at"] = json!(written(destroyed.recorded_at.saturating_add(kept_ms)));
        }
        Ok(certificate)
    }

    /// A leaf with its way to the root.
    async fn proven(&self, recorded: &Recorded, size: u64) -> Result<Value, OAuthError> {
        let proof = self.prove_inclusion(recorded.position, Some(size)).await?;
        let hashes: Vec<_> = proof.hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        Ok(json!({ "position": recorded.position, "leaf": String::from_utf8_lossy(&recorded.leaf), "hashes": hashes }))
    }

    /// Every event whose personal data was sealed under the account's key, or under that of a request in which the person signed in.
    async fn unreadable_positions(&self, account: AccountId, until: u64) -> Result<BTreeMap<u64, Vec<String>>, OAuthError> {
        let broken = |e: chancery_projections::envelope::Unreadable| OAuthError::server_error(e.to_string());
        let own = format!("account/{account}");
        let (mut found, mut requests) = (BTreeMap::new(), BTreeSet::new());
        let mut note = |event: &Envelope| {
            let key = event.personal.get(KEY_FIELD)?;
            let of_request = event.stream.strip_prefix("interaction-").is_some_and(|id| key.strip_prefix("interaction/") == Some(id));
            let fields: Vec<String> = event.personal.keys().filter(|field| *field != KEY_FIELD).cloned().collect();
            (*key == own || of_request).then(|| found.insert(event.position, fields))
        };
        let mut question = Question { subject: Some(account.to_string()), until: Some(until), limit: MOST, ..Question::default() };
        loop {
            let page = query::ask(&self.ledger, &question).await.map_err(unanswered)?;
            for event in &page.events {
                note(&event.envelope);
                if event.envelope.stream.starts_with("interaction-") {
                    requests.insert(event.envelope.stream.clone());
                }
            }
            match page.next {
                Some(next) => question.from = next,
                None => break,
            }
        }
        // A request begins before anybody knows whose it is: its first event has no subject.
        for request in requests {
            for recorded in self.ledger.read_stream(&request, 1).await.map_err(unreadable)? {
                note(&Envelope::read(&recorded).map_err(broken)?);
            }
        }
        Ok(found)
    }
}
