//! Commands of the operator on the machine: over the local socket while the server runs, or directly when it does not.

mod token;

use std::collections::BTreeSet;

use chancery_core::account::claims::{By, Stated};
use chancery_core::account::{Account, Role};
use chancery_core::client::metadata::{Asked, SigningAlg};
use chancery_core::client::{Client, Origin};
use chancery_core::error::OAuthError;
use chancery_core::id::AccountId;
use chancery_core::invitation::{Invitation, Policy};
use chancery_core::scope::Scope;
use chancery_core::session::SessionEnd;
use chancery_core::time::{Seconds, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::App;
use super::accounts::{Form, NotRegistered};
use super::claims::NotChanged;
use super::clients;
use super::clock::rfc3339;
use super::context::Context;
use super::read_models::Which;
use super::registration::Door;

/// Clients in one answer.
const LISTED: u32 = 500;

/// What an operator can ask for. The wire form of the local socket; it never leaves the machine.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    KeysList,
    EncryptionKeysRotate,
    LogKeyRotate,
    LedgerUpgrade {
        also_with_older: bool,
    },
    KeysRotate {
        alg: String,
        #[serde(default)]
        now: bool,
    },
    Token {
        scope: String,
        seconds: u32,
    },
    UserCreate {
        email: String,
        name: Option<String>,
        password: String,
        admin: bool,
        #[serde(default)]
        claims: Stated,
    },
    UserUpdate {
        account: String,
        claims: Stated,
    },
    UserShow {
        account: String,
    },
    UserDisable {
        account: String,
    },
    UserEnable {
        account: String,
    },
    UserGrant {
        account: String,
        role: Role,
    },
    UserRevoke {
        account: String,
        role: Role,
    },
    UserErase {
        account: String,
    },
    UserCertificate {
        account: String,
    },
    UserHold {
        account: String,
        reason: String,
    },
    UserRelease {
        account: String,
    },
    StreamHold {
        stream: String,
        reason: String,
    },
    StreamRelease {
        stream: String,
    },
    HoldsList,
    ClientCreate {
        metadata: Value,
    },
    ClientShow {
        client_id: String,
    },
    ClientList {
        after: Option<String>,
    },
    ClientDisable {
        client_id: String,
    },
    ClientAccess {
        client_id: String,
    },
    Invite {
        policy: Policy,
        uses: u32,
        seconds: u32,
    },
    InvitationList,
    InvitationRevoke {
        invitation: String,
    },
    ClientEnable {
        client_id: String,
    },
    SessionEnd {
        session: String,
    },
    ResourceSet {
        settings: Value,
    },
    ResourceList,
    ResourceDisable {
        identifier: String,
    },
    CredentialOffer {
        account: String,
        credentials: Vec<String>,
        tx_code: bool,
    },
    Sweep,
    ProjectionsRebuild {
        which: Which,
    },
    ProjectionsProgress,
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
            Command::KeysRotate { alg, now } => {
                let alg = SigningAlg::parse(&alg)
                    .ok_or_else(|| OAuthError::invalid_request("alg").saying("Use RS256, PS256, ES256, ES384, ES512 or EdDSA."))?;
                self.keys.current().await?;
                if now {
                    return Ok(json!({ "kid": self.rotate_keys(context, alg).await?, "signs_at": self.now().0 }));
                }
                let (kid, signs_at) = self.rotate_keys_later(context, alg).await?;
                Ok(json!({ "kid": kid, "signs_at": signs_at.0 }))
            }
            Command::EncryptionKeysRotate => Ok(json!({ "kids": self.rotate_openers(context).await? })),
            Command::LogKeyRotate => Ok(json!({ "key_id": self.rotate_log_key(context).await? })),
            Command::LedgerUpgrade { also_with_older } => {
                let to = chancery_core::event::level();
                let from = self.raise_catalogue(context, to, also_with_older).await?;
                Ok(json!({ "from": from, "to": to }))
            }
            Command::Token { scope, seconds } => self.mint_for_operator(context, &scope, seconds).await,
            Command::UserCreate { email, name, password, admin, claims } => {
                let roles = if admin { BTreeSet::from([Role::Admin]) } else { BTreeSet::new() };
                let form = Form { email: &email, password: &password, name: name.as_deref(), stated: claims, roles, declared: false };
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
            Command::UserEnable { account } => {
                let account = self.named_account(&account).await?;
                self.enable_account(context, account).await?;
                Ok(json!({ "account": account, "disabled": false }))
            }
            Command::UserGrant { account, role } => {
                let account = self.named_account(&account).await?;
                self.set_role(context, account, role, true).await?;
                Ok(json!({ "account": account, "role": role, "granted": true }))
            }
            Command::UserRevoke { account, role } => {
                let account = self.named_account(&account).await?;
                self.set_role(context, account, role, false).await?;
                Ok(json!({ "account": account, "role": role, "granted": false }))
            }
            Command::UserUpdate { account, claims } => {
                let account = self.named_account(&account).await?;
                match self.change_profile(context, account, &claims, By::Operator).await {
                    Ok(changed) => Ok(json!({ "account": account, "changed": changed })),
                    Err(NotChanged::Refused(error)) => Err(error),
                    Err(NotChanged::Problems(problems)) => Err(listed(&problems)),
                }
            }
            Command::UserShow { account } => {
                let account = self.named_account(&account).await?;
                self.show_account(account).await
            }
            Command::UserErase { account } => {
                let account = self.named_account(&account).await?;
                self.erase_account(context, account).await?;
                Ok(json!({ "account": account, "erased": true }))
            }
            Command::UserCertificate { account } => {
                let account = self.named_account(&account).await?;
                self.erasure_certificate(account).await
            }
            Command::UserHold { account, reason } => {
                let account = self.named_account(&account).await?;
                self.hold_account(context, account, &reason).await?;
                Ok(json!({ "account": account, "held": true }))
            }
            Command::UserRelease { account } => {
                let account = self.named_account(&account).await?;
                self.release_account(context, account).await?;
                Ok(json!({ "account": account, "held": false }))
            }
            Command::StreamHold { stream, reason } => {
                self.hold_stream(context, &stream, &reason).await?;
                Ok(json!({ "stream": stream, "held": true }))
            }
            Command::StreamRelease { stream } => {
                self.release_stream(context, &stream).await?;
                Ok(json!({ "stream": stream, "held": false }))
            }
            Command::HoldsList => self.list_holds().await,
            Command::ClientCreate { metadata } => {
                let asked: Asked = serde_json::from_value(metadata)
                    .map_err(|e| OAuthError::invalid_request("metadata").saying(format!("The metadata cannot be read: {e}")))?;
                match self.register_client(context, &asked, Door::Operator).await {
                    Ok(client) => Ok(json!({ "client_id": client.id, "client_secret": client.secret })),
                    Err(clients::NotRegistered::Refused(error)) => Err(error),
                    Err(clients::NotRegistered::Problems(problems)) => Err(listed(&problems)),
                }
            }
            Command::ClientShow { client_id } => {
                let client = self.client(&client_id).await?;
                Ok(
                    json!({ "client_id": client.id, "disabled": client.disabled, "deleted": client.deleted, "origin": client.origin, "metadata": client.metadata }),
                )
            }
            Command::ClientList { after } => {
                let (clients, next) = self.clients_after(after.as_deref(), LISTED).await?;
                Ok(json!({ "clients": clients.iter().map(shown).collect::<Vec<_>>(), "next": next }))
            }
            Command::ClientDisable { client_id } => {
                let client = self.client(&client_id).await?;
                self.disable_client(context, &client.id).await?;
                Ok(json!({ "client_id": client.id, "disabled": true }))
            }
            Command::ClientEnable { client_id } => {
                let client = self.client(&client_id).await?;
                self.enable_client(context, &client.id).await?;
                Ok(json!({ "client_id": client.id, "disabled": false }))
            }
            Command::ClientAccess { client_id } => {
                let token = self.issue_registration_access(context, &client_id).await?;
                let uri = format!("{}/{client_id}", self.endpoints.registration);
                Ok(json!({ "client_id": client_id, "registration_access_token": token, "registration_client_uri": uri }))
            }
            Command::Invite { policy, uses, seconds } => {
                let issued = self.issue_invitation(context, policy, uses, Seconds(seconds)).await?;
                let expires_at = rfc3339(issued.expires_at.0);
                Ok(json!({ "invitation": issued.invitation, "initial_access_token": issued.token, "uses": uses, "expires_at": expires_at }))
            }
            Command::InvitationList => {
                let all = self.list_invitations().await?;
                Ok(json!({ "invitations": all.iter().map(|own| invitation(own, self.now())).collect::<Vec<_>>() }))
            }
            Command::InvitationRevoke { invitation } => {
                Ok(json!({ "invitation": self.revoke_invitation(context, &invitation).await?, "revoked": true }))
            }
            Command::SessionEnd { session } => {
                let session = self.session(&session).await?;
                self.end_session(context, session.id, SessionEnd::Operator).await?;
                Ok(json!({ "session": session.id, "account": session.account, "ended": true }))
            }
            Command::ResourceSet { settings } => {
                let asked: chancery_core::resource::Asked = serde_json::from_value(settings)
                    .map_err(|e| OAuthError::invalid_request("settings").saying(format!("The settings cannot be read: {e}")))?;
                match self.set_resource_server(context, &asked, Origin::Operator).await {
                    Ok(identifier) => Ok(json!({ "identifier": identifier })),
                    Err(clients::NotRegistered::Refused(error)) => Err(error),
                    Err(clients::NotRegistered::Problems(problems)) => Err(listed(&problems)),
                }
            }
            Command::ResourceList => Ok(json!({ "resources": self.list_resource_servers().await? })),
            Command::ResourceDisable { identifier } => {
                Ok(json!({ "identifier": self.disable_resource_server(context, &identifier).await? }))
            }
            Command::CredentialOffer { account, credentials, tx_code } => {
                let account = self.named_account(&account).await?;
                let offered = self.offer_credentials(context, account, &credentials, tx_code).await?;
                // OpenID4VCI §4.1.2, §4.1.3.
                let opens = |name: &str, value: &str| {
                    let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                    format!("openid-credential-offer://?{name}={value}")
                };
                Ok(json!({
                    "offer": offered.offer,
                    "credential_offer": opens("credential_offer", &offered.document.to_string()),
                    "credential_offer_uri": opens("credential_offer_uri", &offered.uri),
                    "tx_code": offered.tx_code,
                    "expires_at": rfc3339(offered.expires_at.0),
                }))
            }
            Command::Sweep => Ok(json!({ "rows": self.sweep(context).await? })),
            Command::ProjectionsRebuild { which } => {
                self.begin_rebuild(which)?;
                Ok(json!({}))
            }
            Command::ProjectionsProgress => Ok(json!(self.rebuilding.report())),
        }
    }

    async fn named_account(&self, text: &str) -> Result<AccountId, OAuthError> {
        if let Some(id) = AccountId::parse(text) {
            return Ok(id);
        }
        self.people.pass(text).await;
        self.account_of(text).await?.map(|account| account.id).ok_or_else(unknown_account)
    }

    /// Everything that there is to see of an account: who it is, where it is signed in, what it allowed.
    async fn show_account(&self, account: AccountId) -> Result<Value, OAuthError> {
        let state = self.read::<Account>(&account.stream()).await?.ok_or_else(unknown_account)?;
        let mut answer = json!({
            "account": account,
            "standing": state.standing,
            "roles": state.roles,
            "declared": state.declared,
            "registered_at": rfc3339(state.registered_at.0),
        });
        if !state.is_there() {
            return Ok(answer);
        }
        let sessions = self.living_sessions_of(account).await?;
        let sessions = sessions.iter().map(
            |own| json!({ "session": own.id, "signed_in_at": rfc3339(own.auth_time.0), "ends_at": rfc3339(own.ends_at.0), "amr": own.amr }),
        );
        let allowed = self.allowed_by(account).await?;
        let allowed = allowed
            .iter()
            .map(|own| json!({ "client_id": own.client, "client_name": own.name, "scope": own.scope, "since": rfc3339(own.since.0) }));
        answer["sessions"] = sessions.collect();
        answer["allowed"] = allowed.collect();
        let mut claims = self.scope_claims(&state, &Scope::of(&["profile", "email", "address", "phone"])).await?;
        claims.append(&mut self.sources_of(&state).await?.shown());
        claims.append(&mut self.lists_of(&state).await?.shown());
        answer["claims"] = Value::Object(claims);
        Ok(answer)
    }
}

fn unknown_account() -> OAuthError {
    OAuthError::not_found("no such account").saying("There is no account with this id or e-mail address.")
}

fn shown(client: &Client) -> Value {
    json!({ "client_id": client.id, "client_name": client.metadata.client_name, "origin": client.origin, "disabled": client.disabled })
}

fn invitation(own: &Invitation, now: Timestamp) -> Value {
    let state = match own {
        own if own.revoked => "revoked",
        own if own.used >= own.uses => "used up",
        own if now >= own.expires_at => "expired",
        _ => "open",
    };
    let expires_at = rfc3339(own.expires_at.0);
    json!({ "invitation": own.id, "state": state, "used": own.used, "uses": own.uses, "expires_at": expires_at, "policy": own.policy })
}

fn listed(problems: &[chancery_core::account::FieldError]) -> OAuthError {
    let problems: Vec<_> = problems.iter().map(|own| format!("{}: {}", own.field, own.problem)).collect();
    OAuthError::invalid_request("not acceptable").saying(problems.join(" "))
}
