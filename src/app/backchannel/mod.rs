//! Backchannel authentication (CIBA): a client asks a person on their own screen, and polls for the answer or is told.
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::ask_backchannel`] | `BackchannelRequested` |
//! | the same, of a hint that names nobody | `UnknownPersonHinted` |
//! | the same, with a wrong code | `RequestCodeRefused` |
//! | [`App::answer_backchannel`] | `ConsentGiven` + `BackchannelApproved`, or `ConsentDenied` + `BackchannelDenied` |
//! | [`App::answer_on`] | the same with `BackchannelApprovedOnDevice`, or `BackchannelDeniedOnDevice` |
//! | [`App::redeem_backchannel`] | `BackchannelGranted` + `BackchannelRedeemed`; `BackchannelPollingSlowed` for a hasty one |
//! | [`App::deliver_notifications`] | `BackchannelNotificationAttempted`, with the tokens in push mode; how it went |
//!
//! Out of scope: the rules (`chancery_core::backchannel`), how often a client may ask (`http`).

pub mod notify;
pub mod own_device;
mod signed;
mod tokens;

use std::sync::Arc;

use chancery_core::backchannel::own_device::By;
use chancery_core::backchannel::{self, Ask, Backchannel, Hint};
use chancery_core::client::Client;
use chancery_core::client::metadata::{DeliveryMode, GrantType};
use chancery_core::consent::{self, Consent};
use chancery_core::credential;
use chancery_core::decision::{Draft, Personal};
use chancery_core::details::Details;
use chancery_core::device::{Approval, Beside};
use chancery_core::error::{Code, OAuthError};
use chancery_core::evidence::{self, EvidenceEvent, UnknownPersonHinted};
use chancery_core::id::{AccountId, BackchannelId, ClientId, consent_stream};
use chancery_core::polled::wishes::{Login, Unfit};
use chancery_core::profile::Profile;
use chancery_core::request::Parameters;
use chancery_core::scope::Scope;
use chancery_core::time::{Seconds, Timestamp};
use chancery_core::token::opaque::Kind;
use serde::Serialize;

use self::own_device::OwnDevice;
use super::accounts::account_seal;
use super::client_auth::Authenticated;
use super::context::Context;
use super::details::Said;
use super::polled::Wanted;
use super::sessions::Current;
use super::vault::KeyKind;
use super::work::{Loaded, Seal, Stop, Work, decide, unreadable, vault_trouble};
use super::{App, random, seconds};

/// The answer to a client (CIBA Core §7.3).
#[derive(Serialize)]
pub struct Acknowledged {
    pub auth_req_id: String,
    /// Seconds.
    pub expires_in: u32,
    /// Seconds between two polls; none for a client that gets its tokens pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<u32>,
}

/// What a person is asked.
pub struct Waiting {
    pub request: Arc<Backchannel>,
    pub client: Arc<Client>,
    pub binding_message: Option<String>,
    /// What is asked for beyond scopes (RFC 9396).
    pub details: Option<Details>,
}

impl Waiting {
    /// What the person is asked to allow: scopes, and words for claims that were asked for one by one.
    pub fn scope_for(&self, current: &Current) -> Scope {
        self.request.wishes.claims.beside(&self.request.scope, current.account.has_claims_of_others())
    }

    /// Does the sign-in of this person do?
    ///
    /// # Errors
    /// Why not.
    pub fn check_login(&self, current: &Current, now: Timestamp) -> Result<(), Unfit> {
        let login = Login { account: current.account.id, auth_time: current.session.auth_time };
        self.request.wishes.check_login(login, self.request.requested_at, now)
    }
}

/// Who answers what.
pub struct Answering<'a> {
    pub waiting: &'a Waiting,
    pub current: &'a Current,
    /// Not our own page: an application of theirs.
    pub device: Option<&'a OwnDevice>,
}

impl App {
    /// CIBA Core §7.
    ///
    /// # Errors
    /// `unauthorized_client`, `invalid_scope`, `invalid_authorization_details`, `invalid_request`, `unknown_user_id`, `expired_login_hint_token`, `invalid_binding_message`,
    /// `access_denied`, `temporarily_unavailable`.
    pub async fn ask_backchannel(
        &self,
        context: &Context,
        caller: &Authenticated,
        parameters: &Parameters,
        resources: &[String],
    ) -> Result<Acknowledged, OAuthError> {
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        if !client.metadata.grant_types.contains(&GrantType::Ciba) {
            return Err(OAuthError::unauthorized_client("ciba is not registered"));
        }
        let (settled, object) = self.settle_backchannel(context, client, (parameters, resources)).await?;
        let parameters = &settled.parameters;
        // Here a hint says who is asked, and is looked at below.
        let Wanted { request, mut wishes, texts } = self.wanted(client, &settled, None).await?;
        // A wallet is in its holder's hands: whoever wants to see a credential asks that, and nobody has one issued to a client from afar.
        if request.authorization_details.contains(credential::TYPE) {
            let is_scope = self.details.credentials.is_in(&request.scope);
            let refuse = if is_scope { OAuthError::invalid_scope } else { OAuthError::invalid_authorization_details };
            return Err(refuse("a credential")
                .saying("Credentials are not for CIBA here: neither their scopes nor authorization_details for them."));
        }
        let request_context = self.config.ciba_context.check(parameters.get("request_context").map(String::as_str))?;
        // CIBA Core §7.1: it is OpenID Connect.
        if !request.scope.has("openid") {
            return Err(OAuthError::invalid_scope("openid is missing").saying("The scope needs openid."));
        }
        let requested = match parameters.get("requested_expiry").map(|text| text.parse::<u32>()) {
            None => None,
            Some(Ok(wished)) if wished > 0 => Some(Seconds(wished)),
            Some(_) => {
                return Err(OAuthError::invalid_request("requested_expiry").saying("requested_expiry is a positive number of seconds."));
            }
        };
        let hint = backchannel::hint(|name| parameters.get(name).map(String::as_str))?;
        let account = match self.hinted(client, hint).await {
            Err(error) if error.code == Code::UnknownUserId => {
                self.note_unknown(&context.as_client(&client.id)).await?;
                return Err(error);
            }
            found => found?,
        };
        // OpenID Connect Core 1.0 §5.5.1: the sub that claims name is who the hint names, or nobody is. One answer for both, so that nobody can
        // put names and subjects together by asking.
        if wishes.hinted_account.is_some_and(|claimed| claimed != account) {
            self.note_unknown(&context.as_client(&client.id)).await?;
            return Err(OAuthError::unknown_user_id("sub in claims is another person"));
        }
        let context = context.as_client(&client.id);
        let user_code = self.check_request_code(&context, client, account, parameters.get("user_code").map(String::as_str)).await?;
        let waiting = self.waiting_for(account).await?.len();
        let key = self.vault.open(KeyKind::Account, &account.to_string()).await.map_err(vault_trouble)?;
        let seal = account_seal(account, key.ok_or_else(|| OAuthError::unknown_user_id("the account is erased"))?);
        let id = BackchannelId(random::uuid_v7(self.clock.now_ms()));
        let minted = self.mint.opaque(Kind::AuthReqId, id.0);
        let delivery_mode = client.metadata.backchannel_token_delivery_mode.unwrap_or(DeliveryMode::Poll);
        let command = Ask {
            backchannel: id,
            account,
            client: client.id.clone(),
            code: minted.digest,
            instance: caller.instance,
            scope: request.scope,
            resources: request.resources,
            binding_message: parameters.get("binding_message").cloned(),
            request_context,
            types: request.authorization_details,
            user_code,
            needs_message: self.policy().profiles(client).any(Profile::wants_binding_message),
            // Kept where it always was.
            wants_acr: wishes.claims.id_token.remove("acr"),
            wishes,
            texts,
            object,
            delivery_mode,
            auth_req_id: minted.text.clone(),
            client_notification_token: parameters.get("client_notification_token").cloned(),
            requested,
            lifetime: seconds(self.config.lifetimes.backchannel),
            waiting,
            context: context.personal(),
            at: self.now(),
        };
        let outcome = decide!(self, &context, |work| self.ask_backchannel_once(work, caller, &command, &seal));
        let expires_at = self.noting_replay(&context, caller.proof.as_ref(), Some(&client.id), outcome).await?;
        // CIBA Core §7.3: a client that polls never is told no interval.
        let interval = (delivery_mode != DeliveryMode::Push).then_some(backchannel::INTERVAL.0);
        Ok(Acknowledged { auth_req_id: minted.text, expires_in: command.at.seconds_until(expires_at), interval })
    }

    async fn ask_backchannel_once(
        &self,
        mut work: Work<'_>,
        caller: &Authenticated,
        command: &Ask,
        seal: &Seal,
    ) -> Result<Timestamp, Stop> {
        caller.assert(&mut work).await?;
        let decision = backchannel::ask(command);
        let expires_at = decision.outcome?;
        let mut loaded: Loaded<Backchannel> = work.fresh(command.backchannel.stream());
        work.record(&mut loaded, decision.events, seal)?;
        work.commit().await?;
        Ok(expires_at)
    }

    /// Whom a hint names. An account that is closed and one that never was are the same.
    async fn hinted(&self, client: &Client, hint: Hint<'_>) -> Result<AccountId, OAuthError> {
        let unknown = || OAuthError::unknown_user_id("no such account");
        let account = match hint {
            Hint::Login(text) => self.account_of(text).await?.map(|account| account.id).ok_or_else(unknown)?,
            Hint::IdToken(token) => {
                let read = self.read_id_token(token).await?.filter(|read| read.client == client.id);
                let wrong = || OAuthError::invalid_request("id_token_hint").saying("id_token_hint is not an id_token of this client.");
                read.ok_or_else(wrong)?.account
            }
            Hint::Token(text) => self.hinted_by_issuer(client, text)?,
        };
        let found = self.read::<chancery_core::account::Account>(&account.stream()).await?;
        Ok(found.filter(|own| own.is_active()).ok_or_else(unknown)?.id)
    }

    /// A client that is told whether there is an account leaves a trace, bounded by its limit.
    async fn note_unknown(&self, context: &Context) -> Result<(), OAuthError> {
        let Some(client) = ClientId::parse(&context.actor.id) else { return Ok(()) };
        let event = UnknownPersonHinted { at: self.now(), client };
        let seal = Seal { key: Some(self.epoch_key().await?), subject: None };
        decide!(self, context, |work| note_unknown_once(work, &event, context, &seal))?;
        Ok(())
    }

    /// The requests that wait for a person, the oldest first.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    async fn waiting_for(&self, account: AccountId) -> Result<Vec<Backchannel>, OAuthError> {
        const MOST: u32 = 500;
        let rows = self.ledger.rows_by(BACKCHANNEL, 0, &account.to_string(), None, MOST).await.map_err(unreadable)?;
        let read = |row| chancery_projections::inline::state::<Backchannel>(row).map(|own| own.state);
        let mut waiting: Vec<_> =
            rows.iter().map(read).collect::<Result<_, _>>().map_err(|e: serde_json::Error| OAuthError::server_error(e.to_string()))?;
        let now = self.now();
        waiting.retain(|own| own.is_waiting(now));
        waiting.sort_by_key(|own| own.requested_at);
        Ok(waiting)
    }

    /// What a signed-in person is asked next, and how many more there are.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn next_backchannel(&self, current: &Current) -> Result<Option<(Waiting, usize)>, OAuthError> {
        let all = self.waiting_for(current.account.id).await?;
        let more = all.len().saturating_sub(1);
        let Some(first) = all.into_iter().next() else { return Ok(None) };
        Ok(self.shown_backchannel(first).await?.map(|waiting| (waiting, more)))
    }

    /// The request that a person answers; `None` when it is over or another person's.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn backchannel_of(&self, id: &str, current: &Current) -> Result<Option<Waiting>, OAuthError> {
        let Some(id) = BackchannelId::parse(id) else { return Ok(None) };
        let found = self.read::<Backchannel>(&id.stream()).await?;
        match found.filter(|own| backchannel::check_open(own, current.account.id, self.now()).is_ok()) {
            Some(own) => self.shown_backchannel(Backchannel::clone(&own)).await,
            None => Ok(None),
        }
    }

    async fn shown_backchannel(&self, request: Backchannel) -> Result<Option<Waiting>, OAuthError> {
        let Some(client) = self.load_client(&request.client.stream()).await?.state.filter(|own| own.is_active()) else { return Ok(None) };
        let binding_message = self.unseal_optional(request.binding_message.as_ref()).await?;
        let details = self.details_in(request.details.as_ref()).await?;
        Ok(Some(Waiting { request: Arc::new(request), client, binding_message, details }))
    }

    /// The person pressed Allow or Deny.
    ///
    /// # Errors
    /// `invalid_request` when the request is over, or for a choice that was not offered.
    pub async fn answer_backchannel(&self, context: &Context, answering: &Answering<'_>, said: &Said) -> Result<(), OAuthError> {
        let (waiting, account) = (answering.waiting, answering.current.account.id);
        let context = context.as_account(account);
        let details = waiting.details.as_ref();
        let granted = if said.allow { self.enrich(&answering.current.account, details, &said.picked).await? } else { None };
        let answer = consent::Answer {
            account,
            client: waiting.client.id.clone(),
            scope: waiting.scope_for(answering.current),
            text: said.text,
            allow: said.allow,
            chosen: details.map(|own| self.details.chosen(own)).unwrap_or_default(),
            context: context.personal(),
            at: self.now(),
        };
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        let granted = granted.map(|own| own.text());
        decide!(self, &context, |work| self.answer_backchannel_once(work, &context, answering, (&answer, granted.clone()), &seal))?;
        Ok(())
    }

    async fn answer_backchannel_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        answering: &Answering<'_>,
        (answer, details): (&consent::Answer, Option<String>),
        seal: &Seal,
    ) -> Result<(), Stop> {
        let Answering { waiting, current, device } = answering;
        let mut loaded = work.load::<Backchannel>(&waiting.request.id.stream()).await?;
        let state = loaded.or(|| OAuthError::server_error("a request without state"))?.clone();
        backchannel::check_open(&state, current.account.id, self.now())?;
        let by = match device {
            Some(device) => Some(self.assert_device(&mut work, device, context).await?),
            None => None,
        };
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
            match by {
                Some(by) => backchannel::own_device::approve(&state, &approval, By { details, ..by }, self.now()),
                None => {
                    let seen = context.personal();
                    let beside = Beside { details: details.as_deref(), context: seen.as_deref() };
                    backchannel::approve(&state, &approval, beside, self.now())
                }
            }
        } else {
            match by {
                Some(by) => backchannel::own_device::deny(&state, current.account.id, by, self.now()),
                None => backchannel::deny(&state, current.account.id, self.now()),
            }
        };
        decision.outcome?;
        work.record(&mut loaded, decision.events, seal)?;
        work.commit().await.map(drop)
    }
}

async fn note_unknown_once(mut work: Work<'_>, event: &UnknownPersonHinted, context: &Context, seal: &Seal) -> Result<(), Stop> {
    let personal = Personal::default().with("context", context.personal());
    work.record_evidence(evidence::ANONYMOUS, vec![Draft::new(EvidenceEvent::from(event.clone()), personal)], seal)?;
    work.commit().await.map(drop)
}

/// The table of requests.
const BACKCHANNEL: &str = "backchannel";
