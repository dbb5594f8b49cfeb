//! The device grant (RFC 8628): codes for a device, a person's answer, tokens for the device that asks for them.
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::authorize_device`] | `DeviceAuthorizationRequested` |
//! | [`App::device_of`]: somebody types a code that is none | `UserCodeRefused` |
//! | [`App::answer_device`] | `ConsentGiven` + `DeviceApproved`, or `ConsentDenied` + `DeviceDenied` |
//! | [`App::redeem_device`] | `DeviceGranted` + `DeviceCodeRedeemed`; `DevicePollingSlowed` for a hasty one |
//!
//! A user code is too short for a digest: it is found by a claim under a key of the vault, which is given back with the answer, or swept
//! when it is too late for one.
//!
//! Out of scope: the rules (`chancery_core::device`), how often somebody may guess (`guesses`, `http`).

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::client::metadata::GrantType;
use chancery_core::consent::{self, Consent};
use chancery_core::decision::Draft;
use chancery_core::details::Details;
use chancery_core::device::{self, Approval, Ask, Beside, Device, Poll};
use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, EvidenceEvent, UserCodeRefused};
use chancery_core::grant::device::GrantDevice;
use chancery_core::grant::{self, Grant, standing, target};
use chancery_core::id::{AccountId, DeviceId, GrantId, consent_stream};
use chancery_core::polled::wishes::{Login, Texts, Unfit};
use chancery_core::request::Parameters;
use chancery_core::scope::Scope;
use chancery_core::time::Timestamp;
use chancery_core::token::opaque::{Kind, Opaque, digest};
use serde::Serialize;

use super::access::Spoken;
use super::accounts::account_seal;
use super::authorize::Sent;
use super::client_auth::Authenticated;
use super::context::Context;
use super::details::Said;
use super::guesses::NoGuess;
use super::history::Seen;
use super::once::Once;
use super::polled::Wanted;
use super::sessions::Current;
use super::signing::KeySet;
use super::token::Tokens;
use super::vault::{KeyKind, mac};
use super::words::USER_CODE;
use super::work::{Loaded, Seal, Stop, Work, decide, unreadable, vault_trouble};
use super::{App, random, seconds};

/// How often a user code that is in use is drawn again.
const MOST_DRAWS: u32 = 8;

/// The answer to a device (RFC 8628 §3.2).
#[derive(Serialize)]
pub struct Codes {
    pub device_code: String,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: String,
    /// Seconds.
    pub expires_in: u32,
    /// Seconds between two polls.
    pub interval: u32,
}

/// What a person is asked.
pub struct Waiting {
    pub device: Arc<Device>,
    pub client: Arc<Client>,
    /// As it is shown.
    pub user_code: String,
    /// What it asks for beyond scopes (RFC 9396).
    pub details: Option<Details>,
    /// Where it came from, as far as it was seen.
    pub seen: Seen,
}

impl App {
    /// RFC 8628 §3.1.
    ///
    /// # Errors
    /// `unauthorized_client`, `invalid_request`, `invalid_request_object`, `temporarily_unavailable`, and what the checks say.
    pub async fn authorize_device(
        &self,
        context: &Context,
        caller: &Authenticated,
        parameters: &Parameters,
        resources: &[String],
    ) -> Result<Codes, OAuthError> {
        let client = caller.client.state.clone().ok_or_else(|| OAuthError::invalid_client("the client is gone"))?;
        if !client.metadata.grant_types.contains(&GrantType::DeviceCode) {
            return Err(OAuthError::unauthorized_client("device_code is not registered"));
        }
        let context = context.as_client(&client.id);
        let (settled, object) = self.settle_device(&context, &client, &Sent { parameters, resources }).await?;
        device::check_parameters(&settled.parameters)?;
        let hint = settled.parameters.get("id_token_hint").map(String::as_str);
        let Wanted { request, wishes, texts } = self.wanted(&client, &settled, hint).await?;
        let seal = Seal { key: Some(self.epoch_key().await?), subject: None };
        let (lifetime, form) = (seconds(self.config.lifetimes.device_code), &self.config.user_codes);
        for _ in 0..MOST_DRAWS {
            let id = DeviceId(random::uuid_v7(self.clock.now_ms()));
            let minted = self.mint.opaque(Kind::DeviceCode, id.0);
            let command = Ask {
                device: id,
                client: client.id.clone(),
                code: minted.digest,
                instance: caller.instance,
                user_code: form.from_entropy(random::bytes()),
                scope: request.scope.clone(),
                resources: request.resources.clone(),
                types: request.authorization_details.clone(),
                wishes: wishes.clone(),
                texts: texts.clone(),
                object: object.clone(),
                lifetime,
                context: context.personal(),
                at: self.now(),
            };
            match decide!(self, &context, |work| self.ask_once(work, caller, &command, &seal)) {
                Ok(()) => {
                    let shown = form.shown(&command.user_code);
                    let verification_uri = format!("{}/device", self.config.issuer.origin());
                    return Ok(Codes {
                        device_code: minted.text,
                        verification_uri_complete: format!("{verification_uri}?user_code={}", shown.replace(' ', "%20")),
                        verification_uri,
                        user_code: shown,
                        expires_in: lifetime.0,
                        interval: device::INTERVAL.0,
                    });
                }
                // Somebody has this one just now.
                Err(Stop::Taken(kind)) if kind == USER_CODE.word => {}
                Err(stop) => return self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), Err(stop)).await,
            }
        }
        Err(OAuthError::temporarily_unavailable("no user code is free"))
    }

    async fn ask_once(&self, mut work: Work<'_>, caller: &Authenticated, command: &Ask, seal: &Seal) -> Result<(), Stop> {
        caller.assert(&mut work).await?;
        let mut loaded: Loaded<Device> = work.fresh(command.device.stream());
        work.record(&mut loaded, device::ask(command).events, seal)?;
        let expires_at = command.at.plus(command.lifetime);
        self.user_code_claim(&command.user_code, expires_at).take(&mut work, &command.device.to_string());
        work.commit().await.map(drop)
    }

    /// The claim by which a code is found while it waits.
    fn user_code_claim(&self, code: &str, expires_at: Timestamp) -> Once {
        let digest = mac(&self.names.blind_index, &[b"user code", code.as_bytes()]);
        Once::new(&USER_CODE, digest, expires_at.numeric_date())
    }

    /// The request behind what a signed-in person typed. A guess is evidence.
    ///
    /// # Errors
    /// `not_found`: there is no such code, or it is over.
    pub async fn device_of(&self, context: &Context, typed: &str, current: &Current) -> Result<Waiting, NoGuess> {
        let account = current.account.id;
        // RFC 8628 §5.1: before anybody looks, so that a guess beyond the limit tells nothing.
        let places = self.place_guess(account).await?;
        if let Some(waiting) = self.waiting_device(typed).await? {
            self.leave(places).await;
            return Ok(waiting);
        }
        let context = context.as_account(account);
        decide!(self, &context, |work| record_guess(work, account, self.now())).map_err(OAuthError::from)?;
        Err(OAuthError::not_found("no such user code").into())
    }

    async fn waiting_device(&self, typed: &str) -> Result<Option<Waiting>, OAuthError> {
        let Some(code) = self.config.user_codes.normalise(typed) else { return Ok(None) };
        let key = mac(&self.names.blind_index, &[b"user code", code.as_bytes()]);
        let owner = self.ledger.claim_owner(USER_CODE.word, &key).await.map_err(unreadable)?;
        let Some(id) = owner.as_deref().and_then(DeviceId::parse) else { return Ok(None) };
        let Some(device) = self.read::<Device>(&id.stream()).await?.filter(|own| device::check_open(own, self.now()).is_ok()) else {
            return Ok(None);
        };
        let client = self.load_client(&device.client.stream()).await?.state.filter(|own| own.is_active());
        let Some(client) = client else { return Ok(None) };
        let seen = self.unseal_optional(device.context.as_ref()).await?;
        let seen = seen.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let details = self.details_in(device.details.as_ref()).await?;
        Ok(Some(Waiting { device, client, user_code: self.config.user_codes.shown(&code), details, seen }))
    }

    /// The person pressed Allow or Deny.
    ///
    /// # Errors
    /// `invalid_request` when the code is over, or for a choice that was not offered.
    pub async fn answer_device(&self, context: &Context, waiting: &Waiting, current: &Current, said: &Said) -> Result<(), OAuthError> {
        let account = current.account.id;
        let context = context.as_account(account);
        let details = waiting.details.as_ref();
        let granted = if said.allow { self.enrich(&current.account, details, &said.picked).await? } else { None };
        let answer = consent::Answer {
            account,
            client: waiting.client.id.clone(),
            scope: waiting.scope_for(current),
            text: said.text,
            allow: said.allow,
            chosen: details.map(|own| self.details.chosen(own)).unwrap_or_default(),
            context: context.personal(),
            at: self.now(),
        };
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        let answer = (answer, granted.map(|own| own.text()));
        decide!(self, &context, |work| self.answer_device_once(work, &context, waiting, current, &answer, &seal))?;
        Ok(())
    }

    async fn answer_device_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        waiting: &Waiting,
        current: &Current,
        (answer, granted): &(consent::Answer, Option<String>),
        seal: &Seal,
    ) -> Result<(), Stop> {
        let mut loaded = work.load::<Device>(&waiting.device.id.stream()).await?;
        let state = loaded.or(|| OAuthError::server_error("a device without state"))?.clone();
        device::check_open(&state, self.now())?;
        let parents = self.assert_parents(&mut work, &state.client, current.session.id, current.account.id).await?;
        let mut recorded = work.load::<Consent>(&consent_stream(current.account.id, &state.client)).await?;
        let said = consent::answer(answer);
        work.record(&mut recorded, said.events, seal)?;
        let decision = if answer.allow {
            let approval = Approval {
                account: parents.session.account,
                session: parents.session.id,
                auth_time: parents.session.auth_time,
                amr: parents.session.amr.clone(),
                consent_epoch: recorded.state.as_ref().map_or(0, |own| own.withdrawals),
            };
            let seen = context.personal();
            device::approve(&state, &approval, Beside { details: granted.as_deref(), context: seen.as_deref() }, self.now())
        } else {
            device::deny(&state, current.account.id, self.now())
        };
        decision.outcome?;
        work.record(&mut loaded, decision.events, seal)?;
        // From here on the code leads nowhere.
        if let Some(code) = self.unseal_optional(state.user_code.as_ref()).await? {
            self.user_code_claim(&code, state.expires_at).release(&mut work);
        }
        work.commit().await.map(drop)
    }

    /// RFC 8628 §3.4.
    ///
    /// # Errors
    /// `authorization_pending`, `slow_down`, `access_denied`, `expired_token`, `invalid_grant` and those of the client.
    pub async fn redeem_device(
        &self,
        context: &Context,
        caller: &Authenticated,
        code: &str,
        resources: &[String],
    ) -> Result<Tokens, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        let context = context.as_client(&client.id);
        let parsed = Opaque::parse(Kind::DeviceCode, code).ok_or_else(|| OAuthError::invalid_grant("not a device code of this server"))?;
        let id = DeviceId(parsed.stream);
        let device = self.read::<Device>(&id.stream()).await?.ok_or_else(|| OAuthError::invalid_grant("unknown device code"))?;
        let at = self.now();
        // Only a poll with the right code counts, so that nobody can slow another device down: no other instance either.
        let is_its_own = device.code.matches(&digest(code)) && device.client == client.id && device.is_for(caller.instance);
        let before = is_its_own.then(|| self.polls.note(id.0, at.0)).flatten();
        let too_fast = before.is_some_and(|before| at.0 < before + i64::from(device.interval.0) * 1000);
        let poll = Poll { code: digest(code), client: client.id.clone(), instance: caller.instance, too_fast, at };
        let keys = self.keys.current().await?;
        let outcome = decide!(self, &context, |work| self.redeem_device_once(work, &context, caller, &poll, (id, resources), &keys));
        self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await
    }

    async fn redeem_device_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        caller: &Authenticated,
        poll: &Poll,
        (id, resources): (DeviceId, &[String]),
        keys: &KeySet,
    ) -> Result<Tokens, Stop> {
        let client = caller.assert(&mut work).await?;
        let mut device = work.load::<Device>(&id.stream()).await?;
        let state = device.or(|| OAuthError::invalid_grant("unknown device code"))?.clone();
        let polled = device::poll(&state, poll);
        let approval = match polled.outcome {
            Ok(approval) => approval,
            Err(error) => {
                work.record(&mut device, polled.events, &Seal::default())?;
                work.commit().await?;
                return Err(error.into());
            }
        };
        let at = poll.at;
        let chosen = target::choose(&state.resources, &state.scope, resources, self.usual_target());
        let aim = self.aim(&mut work, chosen, None).await?;
        let grant_id = GrantId(random::uuid_v7(self.clock.now_ms()));
        let access = self.draft_access(grant_id, &aim);
        let refresh = self.mint.refresh(grant_id.0);
        let account = approval.account;
        let details = self.details_in(state.details.as_ref()).await?;
        let nonce = self.unseal_optional(state.texts.nonce.as_ref()).await?;
        let texts = Texts {
            authorization_details: details.as_ref().map(Details::text),
            claim_values: self.unseal_optional(state.texts.claim_values.as_ref()).await?,
            nonce: nonce.clone(),
        };
        let command = GrantDevice {
            wishes: state.wishes.clone(),
            texts,
            grant: grant_id,
            device: id,
            approval,
            scope: state.scope.clone(),
            resources: state.resources.clone(),
            access: access.digest,
            proven: caller.proven(),
            instance: caller.instance,
            target: aim.target,
            refresh: refresh.digest,
            id_token_kid: self.id_token_kid(&state.scope, &client, keys)?,
            context: context.personal(),
            at,
        };
        let lifetimes = self.lifetimes_for(&state.scope, details.as_ref(), command.proven);
        let decision = grant::device::decide(&client, &command, &lifetimes);
        let granted = decision.outcome?;
        let key = self.vault.open(KeyKind::Account, &account.to_string()).await.map_err(vault_trouble)?;
        let seal = account_seal(account, key.ok_or_else(|| OAuthError::invalid_grant("the account is erased"))?);
        work.record(&mut device, device::redeemed(grant_id, at).events, &Seal { key: None, subject: seal.subject.clone() })?;
        let mut loaded: Loaded<Grant> = work.fresh(grant_id.stream());
        work.record(&mut loaded, decision.events, &seal)?;
        let grant = loaded.or(|| OAuthError::server_error("a grant without state"))?.clone();
        let standing = self.standing(&mut work, client, &grant).await?;
        standing::of_grant(&grant, &standing.parents(), at).map_err(|dead| OAuthError::invalid_grant(dead.as_str()))?;
        let spoken = Spoken {
            client: &standing.client,
            grant: &grant,
            cnf: caller.proven(),
            details: details.as_ref(),
            scope: &granted.scope,
            issued_at: at,
            expires_at: granted.access_expires_at,
        };
        let access_token = self.write_access(access, &spoken).await?;
        let id_token = self.id_token_beside(&access_token, &grant, &grant.scope, &standing, keys, nonce, at).await?;
        work.commit().await?;
        Ok(Tokens {
            access_token,
            issued_token_type: None,
            token_type: chancery_core::dpop::Confirmation::token_type(caller.proven().as_ref()),
            expires_in: at.seconds_until(granted.access_expires_at),
            scope: granted.scope.to_string(),
            refresh_token: granted.refresh_expires_at.map(|_| refresh.text),
            refresh_token_expires_in: granted.refresh_expires_at.map(|expires| at.seconds_until(expires)),
            id_token,
            authorization_details: self.told_details(&granted.scope, details.as_ref()),
        })
    }
}

impl Waiting {
    /// What the person is asked to allow: scopes, and words for claims that were asked for one by one.
    pub fn scope_for(&self, current: &Current) -> Scope {
        self.device.wishes.claims.beside(&self.device.scope, current.account.has_claims_of_others())
    }

    /// Does the sign-in of this person do?
    ///
    /// # Errors
    /// Why not.
    pub fn check_login(&self, current: &Current, now: Timestamp) -> Result<(), Unfit> {
        let login = Login { account: current.account.id, auth_time: current.session.auth_time };
        self.device.wishes.check_login(login, self.device.requested_at, now)
    }
}

/// A guess of a person who is signed in.
async fn record_guess(mut work: Work<'_>, account: AccountId, at: Timestamp) -> Result<(), Stop> {
    let draft = Draft::from(EvidenceEvent::from(UserCodeRefused { account, at }));
    work.record_evidence(evidence::ANONYMOUS, vec![draft], &Seal { key: None, subject: Some(account.to_string()) })?;
    work.commit().await.map(drop)
}
