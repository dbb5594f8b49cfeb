//! Answers on their way to the client: what was asked for, or an error.
//!
//! | Rule | Source |
//! |---|---|
//! | the code is minted before the append and handed out after the commit | DESIGN: rule 6 |
//! | client, account, session and consent stand at this moment, and the append asserts it | DESIGN: rule 4 |
//! | every answer names its issuer | RFC 9207 §2 |

use std::sync::Arc;

use chancery_core::account::Account;
use chancery_core::client::Client;
use chancery_core::client::metadata::{ResponseMode, ResponseType};
use chancery_core::consent::Consent;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::grant::issue::{self, IssueCode};
use chancery_core::id::{AccountId, ClientId, GrantId, InteractionId, SessionId, consent_stream};
use chancery_core::interaction::{self, Interaction, Private};
use chancery_core::request::Request;
use chancery_core::session::Session;
use chancery_core::token::opaque::Kind;

use super::pushed::first_visit;
use super::{Answer, Asking, Failed};
use crate::app::accounts::account_seal;
use crate::app::context::Context;
use crate::app::sessions::Current;
use crate::app::vault::KeyKind;
use crate::app::work::{Loaded, Seal, Stop, Work, decide};
use crate::app::{App, random};

/// What an answer rests on, asserted.
pub(in crate::app) struct Parents {
    pub client: Arc<Client>,
    pub account: Arc<Account>,
    pub session: Arc<Session>,
}

/// A request that is being granted.
pub(super) struct Granting<'a> {
    pub request: &'a Request,
    pub private: &'a Private,
    pub parents: &'a Parents,
    /// The sessions of the browser.
    pub watched: &'a [SessionId],
    pub interaction: InteractionId,
    pub consent_epoch: u32,
}

impl App {
    /// Nothing to ask anybody: one event here, one on the grant.
    pub(super) async fn answer_at_once(&self, context: &Context, asking: &Asking<'_>, current: &Current) -> Result<Answer, Failed> {
        let account = current.account.id;
        let context = context.as_account(account);
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        Ok(decide!(self, &context, |work| self.answer_at_once_once(work, asking, current, &seal))?)
    }

    async fn answer_at_once_once(&self, mut work: Work<'_>, asking: &Asking<'_>, current: &Current, seal: &Seal) -> Result<Answer, Stop> {
        let Asking { client, request, private, brought } = asking;
        let interaction = match brought {
            Some(brought) => {
                let mut pushed = first_visit(&mut work, brought).await?;
                self.spend(&mut work, &mut pushed, None, seal)?;
                brought.id.interaction()
            }
            None => InteractionId(random::uuid_v7(self.clock.now_ms())),
        };
        let parents = self.assert_parents(&mut work, client, current.session.id, current.account.id).await?;
        let consent = work.load::<Consent>(&consent_stream(current.account.id, client)).await?;
        if !consent
            .state
            .as_ref()
            .is_some_and(|own| own.covers_of(&parents.client, &request.consent_scope(current.account.has_claims_of_others())))
        {
            return Err(OAuthError::consent_required("the consent was withdrawn meanwhile").into());
        }
        let (watched, consent_epoch) = (current.watched.as_slice(), epoch_of(&consent));
        let asked = Granting { request, private, parents: &parents, watched, interaction, consent_epoch };
        let (answer, grant) = self.issue(&mut work, &asked, seal).await?;
        let session = &parents.session;
        let command = interaction::AnswerAtOnce {
            interaction,
            client: (*client).clone(),
            request: request.clone(),
            account: session.account,
            session: session.id,
            grant,
            pushed: brought.is_some(),
            private: private.clone(),
            at: self.now(),
        };
        let mut loaded: Loaded<Interaction> = work.fresh(interaction.stream());
        work.record(&mut loaded, interaction::answer_at_once(&command).events, seal)?;
        work.commit().await?;
        Ok(answer)
    }

    /// Client, account and session stand at this moment, and the append asserts it.
    pub(in crate::app) async fn assert_parents(
        &self,
        work: &mut Work<'_>,
        client: &ClientId,
        session: SessionId,
        account: AccountId,
    ) -> Result<Parents, Stop> {
        let client = work.load::<Client>(&client.stream()).await?.state;
        let client = client.filter(|own| own.is_active()).ok_or_else(|| OAuthError::unauthorized_client("the client is disabled"))?;
        let account = work.load::<Account>(&account.stream()).await?.state;
        let account = account.filter(|own| own.is_active()).ok_or_else(|| OAuthError::access_denied("the account is not active"))?;
        let mut session = work.load::<Session>(&session.stream()).await?;
        let state = session.state.clone().ok_or_else(|| OAuthError::login_required("no session"))?;
        let used = chancery_core::session::use_now(&state, self.now());
        used.outcome?;
        let seal = Seal { key: None, subject: Some(state.account.to_string()) };
        work.record(&mut session, used.events, &seal)?;
        let joined = chancery_core::session::join(&state, &client, self.now());
        work.record(&mut session, joined.events, &seal)?;
        Ok(Parents { client, account, session: state })
    }

    /// What was asked for: minted and signed first, recorded, handed out after the commit.
    pub(super) async fn issue(&self, work: &mut Work<'_>, asked: &Granting<'_>, seal: &Seal) -> Result<(Answer, Option<GrantId>), Stop> {
        let (request, kind) = (asked.request, asked.request.response_type);
        let mut parameters = Vec::new();
        let mut granted = None;
        // OAuth 2.0 Multiple Response Types §4: nothing is issued, so that nothing is recorded but the answer.
        if kind != ResponseType::None {
            let grant = GrantId(random::uuid_v7(self.clock.now_ms()));
            let code = kind.has_code().then(|| self.mint.opaque(Kind::AuthorizationCode, grant.0));
            let mut loaded: Loaded<Grant> = work.fresh(grant.stream());
            let command = self.issue_code(asked, grant, code.as_ref().map(|code| code.digest));
            work.record(&mut loaded, issue::code(&command, &self.lifetimes()).events, seal)?;
            let code = code.map(|code| code.text);
            if kind.is_front_channel() {
                parameters = self.issue_directly(work, &mut loaded, asked, code.as_deref(), seal).await?;
            }
            parameters.extend(code.map(|code| ("code", code)));
            granted = Some(grant);
        }
        parameters.extend(asked.private.state.clone().map(|state| ("state", state)));
        // RFC 9207 §2: tells the client which server answered.
        parameters.push(("iss", self.endpoints.issuer.clone()));
        let mut browser_state = None;
        if self.config.session_management && request.scope.has("openid") {
            let state = self.browser_state(asked.watched);
            parameters
                .extend(self.session_state(&asked.parents.client.id, &request.redirect_uri, &state).map(|own| ("session_state", own)));
            browser_state = Some(state);
        }
        let answer = Answer {
            redirect_uri: request.redirect_uri.clone(),
            response_mode: request.response_mode,
            parameters,
            error: None,
            ask_first: false,
            browser_state,
        };
        Ok((self.signed_if_asked(&asked.parents.client, answer).await?, granted))
    }

    fn issue_code(&self, asked: &Granting<'_>, grant: GrantId, code: Option<Digest>) -> IssueCode {
        let (request, session) = (asked.request, &asked.parents.session);
        IssueCode {
            grant,
            client: asked.parents.client.id.clone(),
            account: session.account,
            session: session.id,
            interaction: asked.interaction,
            scope: request.scope.clone(),
            code,
            claims: request.claims.clone(),
            redirect_uri: request.redirect_uri.clone(),
            redirect_uri_omitted: request.redirect_uri_omitted,
            resources: request.resources.clone(),
            code_challenge: request.code_challenge.clone(),
            dpop_jkt: request.dpop_jkt,
            instance: request.instance,
            auth_time: session.auth_time,
            amr: session.amr.clone(),
            wants_auth_time: request.wants_auth_time,
            consent_epoch: asked.consent_epoch,
            nonce: asked.private.nonce.clone(),
            authorization_details: asked.private.authorization_details.clone(),
            claim_values: asked.private.claim_values.clone(),
            context: asked.private.context.clone(),
            at: self.now(),
        }
    }

    /// RFC 6749 §4.1.2.1, with `iss` (RFC 9207 §2).
    pub(super) fn error_answer(
        &self,
        redirect_uri: String,
        response_mode: ResponseMode,
        state: Option<String>,
        error: &OAuthError,
        ask_first: bool,
    ) -> Answer {
        let error = if error.code.may_redirect() { error.clone() } else { OAuthError::server_error(error.detail.clone()) };
        let mut parameters = vec![("error", error.code().to_owned()), ("error_description", error.description.to_string())];
        parameters.extend(state.map(|state| ("state", state)));
        parameters.push(("iss", self.endpoints.issuer.clone()));
        Answer { redirect_uri, response_mode, parameters, error: Some(error), ask_first, browser_state: None }
    }
}

/// How often this consent was withdrawn before the grant that begins now.
pub(super) fn epoch_of(consent: &Loaded<Consent>) -> u32 {
    consent.state.as_ref().map_or(0, |own| own.withdrawals)
}
