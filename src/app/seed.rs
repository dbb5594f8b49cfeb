//! What the configuration file declares: clients, and people in development. Seeded idempotently, as events.
//!
//! People take time: whether a password is still the declared one costs a password hash each, at every start, and remembering anything that
//! answers faster would help whoever guesses passwords offline. So the server answers first, and whoever signs in or registers before
//! the people are there, or names one of them in a command, waits for them at the gate ([`People`]).

use std::collections::BTreeSet;
use std::time::Duration;

use chancery_core::account::claims::{By, Claims};
use chancery_core::account::{FieldError, register, sources};
use chancery_core::client::Origin;
use chancery_core::client::metadata::Asked;
use chancery_core::error::OAuthError;
use chancery_core::resource;
use tokio::sync::watch;

use super::App;
use super::accounts::{self, Form};
use super::claims::NotChanged;
use super::clients::{self, Declared};
use super::context::Context;
use super::vault::email::normalised;
use crate::config::{DeclaredClient, DeclaredResource, DeclaredUser};

/// Where a sign-in or registration waits while the person of its address is on their way: the addresses that are. Open to everybody unless
/// somebody is expected.
pub struct People(watch::Sender<BTreeSet<String>>);

impl Default for People {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeSet::new()))
    }
}

impl People {
    /// From now on these are waited for.
    pub fn expect(&self, users: &[DeclaredUser]) {
        self.0.send_replace(users.iter().map(|user| normalised(&user.email)).collect());
    }

    /// Nobody is waited for any more.
    fn open(&self) {
        self.0.send_replace(BTreeSet::new());
    }

    fn arrived(&self, user: &DeclaredUser) {
        self.0.send_if_modified(|expected| expected.remove(&normalised(&user.email)));
    }

    /// Waits while the person of this address is on their way.
    pub async fn pass(&self, email: &str) {
        let email = normalised(email);
        // Never an error: the sender is `self`.
        let _ = self.0.subscribe().wait_for(|expected| !expected.contains(&email)).await;
    }
}

/// What seeding did, for the lines at start-up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seeded {
    pub clients: usize,
    pub users: usize,
    pub disabled: u32,
}

/// An entry of the file that cannot be seeded, with its field.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotSeeded(String);

impl From<OAuthError> for NotSeeded {
    fn from(error: OAuthError) -> Self {
        Self(error.detail.into_owned())
    }
}

impl App {
    /// Brings the log up to the file.
    ///
    /// # Errors
    /// The first entry that is not acceptable, with all its problems.
    pub async fn seed(&self, context: &Context) -> Result<Seeded, NotSeeded> {
        let seeded = self.seed_things(context).await?;
        self.seed_people(context).await?;
        Ok(seeded)
    }

    /// Clients and resource servers; of people, whether they are acceptable.
    ///
    /// # Errors
    /// As for [`Self::seed`].
    pub async fn seed_things(&self, context: &Context) -> Result<Seeded, NotSeeded> {
        for user in &self.config.users {
            let mut problems = register::problems(&user.email, user.password.expose(), user.name.as_deref());
            match sources::apart(&user.claims, By::Operator) {
                Ok((stated, _)) => problems.extend(Claims::default().stating(&stated, By::Operator).err().into_iter().flatten()),
                Err(wrong) => problems.extend(wrong),
            }
            if !problems.is_empty() {
                return Err(listed("user", &user.email, &problems));
            }
        }
        let mut named = Vec::new();
        for client in &self.config.clients {
            named.push(client.client_id.clone());
            self.declare_client(context, &declared(client)).await.map_err(|error| trouble("client", &client.client_id, error))?;
        }
        let mut disabled = self.disable_undeclared(context, &named).await?;
        let mut resources = Vec::new();
        for resource in &self.config.resources {
            let asked = api(resource);
            let identifier = self.set_resource_server(context, &asked, Origin::Declared).await;
            resources.push(identifier.map_err(|error| trouble("resource", &resource.identifier, error))?);
        }
        disabled += self.disable_undeclared_resources(context, &resources).await?;
        Ok(Seeded { clients: self.config.clients.len(), users: self.config.users.len(), disabled })
    }

    /// The people.
    ///
    /// # Errors
    /// As for [`Self::seed`].
    pub async fn seed_people(&self, context: &Context) -> Result<(), NotSeeded> {
        for user in &self.config.users {
            self.seed_user(context, user).await?;
            self.people.arrived(user);
        }
        Ok(())
    }

    /// The people, in the background.
    pub fn seed_people_soon(&self, context: Context) {
        if self.config.users.is_empty() {
            return;
        }
        self.people.expect(&self.config.users);
        let app = self.clone();
        tokio::spawn(async move { app.seed_people_behind_gate(&context).await });
    }

    /// The people while the server serves, each expected until they are there. A log that cannot be written is tried again.
    pub async fn seed_people_behind_gate(&self, context: &Context) {
        const MOST: u32 = 60;
        for _ in 0..MOST {
            match self.seed_people(context).await {
                Ok(()) => break,
                Err(error) => tracing::error!(%error, "the users of the configuration file are not there yet"),
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.people.open();
    }

    async fn seed_user(&self, context: &Context, user: &DeclaredUser) -> Result<(), NotSeeded> {
        if let Some(account) = self.account_of(&user.email).await? {
            self.declare_password(context, &account, user.password.expose()).await?;
            let mut stated = user.claims.clone();
            stated.extend(user.name.clone().map(|name| ("name".to_owned(), name)));
            return match self.change_profile(context, account.id, &stated, By::Operator).await {
                Ok(_) => Ok(()),
                Err(NotChanged::Refused(error)) => Err(error.into()),
                Err(NotChanged::Problems(problems)) => Err(listed("user", &user.email, &problems)),
            };
        }
        let form = Form {
            email: &user.email,
            password: user.password.expose(),
            name: user.name.as_deref(),
            stated: user.claims.clone(),
            roles: BTreeSet::new(),
            declared: true,
        };
        match self.register_account(context, &form).await {
            Ok(_) => Ok(()),
            Err(accounts::NotRegistered::Refused(error)) => Err(error.into()),
            Err(accounts::NotRegistered::Problems(problems)) => Err(listed("user", &user.email, &problems)),
        }
    }
}

pub(super) fn api(resource: &DeclaredResource) -> resource::Asked {
    resource::Asked {
        identifier: resource.identifier.clone(),
        name: resource.name.clone(),
        scope: resource.scope.clone(),
        token_format: resource.token_format.clone(),
        signing_alg: resource.signing_alg.clone(),
        access_token_lifetime: resource.access_token_lifetime.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX)),
        introspected_by: resource.introspected_by.clone(),
        encryption_alg: resource.encryption_alg.clone(),
        encryption_enc: resource.encryption_enc.clone(),
        jwks: resource.jwks.as_deref().and_then(|text| serde_json::from_str(text).ok()),
    }
}

pub(super) fn declared(client: &DeclaredClient) -> Declared {
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let asked = Asked {
        client_name: client.client_name.clone(),
        application_type: client.application_type.clone(),
        redirect_uris: some(&client.redirect_uris),
        post_logout_redirect_uris: some(&client.post_logout_redirect_uris),
        backchannel_logout_uri: client.backchannel_logout_uri.clone(),
        frontchannel_logout_uri: client.frontchannel_logout_uri.clone(),
        grant_types: client.grant_types.clone(),
        response_types: client.response_types.clone(),
        token_endpoint_auth_method: client.token_endpoint_auth_method.clone(),
        id_token_signed_response_alg: client.id_token_signed_response_alg.clone(),
        id_token_claims: client.id_token_claims.clone(),
        userinfo_signed_response_alg: client.userinfo_signed_response_alg.clone(),
        authorization_signed_response_alg: client.authorization_signed_response_alg.clone(),
        backchannel_token_delivery_mode: client.backchannel_token_delivery_mode.clone(),
        backchannel_client_notification_endpoint: client.backchannel_client_notification_endpoint.clone(),
        backchannel_authentication_request_signing_alg: client.backchannel_authentication_request_signing_alg.clone(),
        backchannel_user_code_parameter: Some(client.backchannel_user_code_parameter),
        chancery_profile: client.chancery_profile.clone(),
        token_endpoint_auth_signing_alg: client.token_endpoint_auth_signing_alg.clone(),
        introspection_signed_response_alg: client.introspection_signed_response_alg.clone(),
        subject_type: client.subject_type.clone(),
        scope: client.scope.clone(),
        authorization_details_types: some(&client.authorization_details_types),
        jwks: client.jwks.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        jwks_uri: client.jwks_uri.clone(),
        logo_uri: client.logo_uri.clone(),
        initiate_login_uri: client.initiate_login_uri.clone(),
        sector_identifier_uri: client.sector_identifier_uri.clone(),
        request_object_signing_alg: client.request_object_signing_alg.clone(),
        request_uris: some(&client.request_uris),
        require_signed_request_object: Some(client.require_signed_request_object),
        default_max_age: client.default_max_age.map(|age| u32::try_from(age).unwrap_or(u32::MAX)),
        require_pkce: Some(client.require_pkce),
        dpop_bound_access_tokens: Some(client.dpop_bound_access_tokens),
        tls_client_certificate_bound_access_tokens: Some(client.tls_client_certificate_bound_access_tokens),
        response_modes: client.response_modes.clone(),
        use_mtls_endpoint_aliases: Some(client.use_mtls_endpoint_aliases),
        tls_client_auth_subject_dn: client.tls_client_auth_subject_dn.clone(),
        tls_client_auth_san_dns: client.tls_client_auth_san_dns.clone(),
        tls_client_auth_san_uri: client.tls_client_auth_san_uri.clone(),
        tls_client_auth_san_ip: client.tls_client_auth_san_ip.clone(),
        tls_client_auth_san_email: client.tls_client_auth_san_email.clone(),
        require_pushed_authorization_requests: Some(client.require_pushed_authorization_requests),
        refresh_token_rotation: client.rotation.clone(),
        refresh_grace_seconds: Some(u32::try_from(client.refresh_grace_seconds).unwrap_or(u32::MAX)),
        allowed_origins: some(&client.allowed_origins),
        introspect: Some(client.introspect),
        chancery_receipts: Some(client.chancery_receipts),
        contacts: some(&client.contacts),
        ..Asked::default()
    };
    Declared { client_id: client.client_id.clone(), secret: client.client_secret.as_ref().map(|secret| secret.expose().to_owned()), asked }
}

fn trouble(kind: &str, id: &str, error: clients::NotRegistered) -> NotSeeded {
    match error {
        clients::NotRegistered::Refused(error) => error.into(),
        clients::NotRegistered::Problems(problems) => listed(kind, id, &problems),
    }
}

fn listed(kind: &str, id: &str, problems: &[FieldError]) -> NotSeeded {
    let problems: Vec<_> = problems.iter().map(|own| format!("{}: {}", own.field, own.problem)).collect();
    NotSeeded(format!("the configuration file's {kind} {id} is not acceptable: {}", problems.join(" ")))
}
