//! Commands of the operator on the machine: over the local socket while the server runs, or directly when it does not.

use std::collections::BTreeSet;

use chancery_core::account::Role;
use chancery_core::client::Origin;
use chancery_core::client::metadata::{Asked, SigningAlg};
use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::grant::issue::{self, MintForOperator};
use chancery_core::id::{AccountId, ClientId, GrantId};
use chancery_core::scope::Scope;
use chancery_core::token::opaque::Kind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::accounts::{Form, NotRegistered};
use super::clients;
use super::context::Context;
use super::work::{Loaded, Seal, Stop, Work, decide};
use super::{App, random};

/// Longest life of an operator's token in seconds.
const LONGEST_TOKEN: u32 = 24 * 60 * 60;

/// What an operator can ask for. The wire form of the local socket; it never leaves the machine.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    KeysList,
    KeysRotate { alg: String },
    Token { scope: String, seconds: u32 },
    UserCreate { email: String, name: Option<String>, password: String, admin: bool },
    UserDisable { account: String },
    UserErase { account: String },
    ClientCreate { metadata: Value },
    ClientShow { client_id: String },
    Sweep,
}

impl App {
    /// Carries a command out and says what came of it.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub async fn operate(&self, context: &Context, command: Command) -> Result<Value, OAuthError> {
        let context = &context.as_operator("local");
        match command {
            Command::KeysList => Ok(json!({ "keys": self.list_keys().await? })),
            Command::KeysRotate { alg } => {
                let alg = SigningAlg::parse(&alg).ok_or_else(|| OAuthError::invalid_request("alg").saying("Use RS256 or ES256."))?;
                self.keys.current().await?;
                Ok(json!({ "kid": self.rotate_keys(context, alg).await? }))
            }
            Command::Token { scope, seconds } => self.mint_for_operator(context, &scope, seconds).await,
            Command::UserCreate { email, name, password, admin } => {
                let roles = if admin { BTreeSet::from([Role::Admin]) } else { BTreeSet::new() };
                let form = Form { email: &email, password: &password, name: name.as_deref(), roles, declared: false };
                match self.register_account(context, &form).await {
                    Ok(account) => Ok(json!({ "account": account })),
                    Err(NotRegistered::Refused(error)) => Err(error),
                    Err(NotRegistered::Problems(problems)) => Err(listed(&problems)),
                }
            }
            Command::UserDisable { account } => {
                let account = self.named_account(&account).await?;
                self.disable_account(context, account).await?;
                Ok(json!({ "account": account, "disabled": true }))
            }
            Command::UserErase { account } => {
                let account = self.named_account(&account).await?;
                self.erase_account(context, account).await?;
                Ok(json!({ "account": account, "erased": true }))
            }
            Command::ClientCreate { metadata } => {
                let asked: Asked = serde_json::from_value(metadata)
                    .map_err(|e| OAuthError::invalid_request("metadata").saying(format!("The metadata cannot be read: {e}")))?;
                match self.register_client(context, &asked, Origin::Operator).await {
                    Ok(client) => Ok(json!({ "client_id": client.id, "client_secret": client.secret })),
                    Err(clients::NotRegistered::Refused(error)) => Err(error),
                    Err(clients::NotRegistered::Problems(problems)) => Err(listed(&problems)),
                }
            }
            Command::ClientShow { client_id } => {
                let client = self.client(&client_id).await?;
                Ok(json!({ "client_id": client.id, "disabled": client.disabled, "origin": client.origin, "metadata": client.metadata }))
            }
            Command::Sweep => Ok(json!({ "rows": self.sweep(context).await? })),
        }
    }

    async fn named_account(&self, text: &str) -> Result<AccountId, OAuthError> {
        let unknown = || OAuthError::not_found("no such account").saying("There is no account with this id or e-mail address.");
        if let Some(id) = AccountId::parse(text) {
            return Ok(id);
        }
        self.account_of(text).await?.map(|account| account.id).ok_or_else(unknown)
    }

    async fn mint_for_operator(&self, context: &Context, scope: &str, seconds: u32) -> Result<Value, OAuthError> {
        let scope = Scope::parse(scope)?;
        let grant = GrantId(random::uuid_v7(self.clock.now_ms()));
        let token = self.mint.opaque(Kind::AccessToken, grant.0);
        let client = ClientId::parse("chancery-operator").ok_or_else(|| OAuthError::server_error("a client_id"))?;
        let at = self.now();
        let command = MintForOperator {
            grant,
            client,
            scope: scope.clone(),
            access: token.digest,
            expires_at: at.plus(chancery_core::time::Seconds(seconds.clamp(1, LONGEST_TOKEN))),
            at,
        };
        decide!(self, context, |work| mint_once(work, &command))?;
        Ok(
            json!({ "access_token": token.text, "token_type": "Bearer", "scope": scope, "expires_in": at.seconds_until(command.expires_at) }),
        )
    }
}

async fn mint_once(mut work: Work<'_>, command: &MintForOperator) -> Result<(), Stop> {
    let decision = issue::to_operator(command);
    decision.outcome?;
    let mut loaded: Loaded<Grant> = work.fresh(command.grant.stream());
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}

fn listed(problems: &[chancery_core::account::FieldError]) -> OAuthError {
    let problems: Vec<_> = problems.iter().map(|own| format!("{}: {}", own.field, own.problem)).collect();
    OAuthError::invalid_request("not acceptable").saying(problems.join(" "))
}
