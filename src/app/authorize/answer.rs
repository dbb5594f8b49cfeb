//! Answers on their way to the client: a code, or an error.
//!
//! | Rule | Source |
//! |---|---|
//! | the code is minted before the append and handed out after the commit | DESIGN: rule 6 |
//! | client, account, session and consent stand at this moment, and the append asserts it | DESIGN: rule 4 |
//! | every answer names its issuer | RFC 9207 §2 |

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::client::metadata::ResponseMode;
use chancery_core::consent::Consent;
use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::grant::issue::{self, IssueCode};
use chancery_core::id::{AccountId, ClientId, GrantId, InteractionId, SessionId, consent_stream};
use chancery_core::interaction::{self, Interaction, Private};
use chancery_core::request::Request;
use chancery_core::session::Session;
use chancery_core::token::opaque::Kind;

use super::{Answer, Failed};
use crate::app::accounts::account_seal;
use crate::app::context::Context;
use crate::app::sessions::Current;
use crate::app::vault::KeyKind;
use crate::app::work::{Loaded, Seal, Stop, Work, decide};
use crate::app::{App, random};

impl App {
    /// Nothing to ask anybody: one event here, one on the grant.
    pub(super) async fn answer_at_once(
        &self,
        context: &Context,
        client: &ClientId,
        request: Request,
        private: Private,
        current: &Current,
    ) -> Result<Answer, Failed> {
        let account = current.account.id;
        let context = context.as_account(account);
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        Ok(decide!(self, &context, |work| self.answer_at_once_once(work, client, &request, &private, current, &seal))?)
    }

    async fn answer_at_once_once(
        &self,
        mut work: Work<'_>,
        client: &ClientId,
        request: &Request,
        private: &Private,
        current: &Current,
        seal: &Seal,
    ) -> Result<Answer, Stop> {
        let session = self.assert_parents(&mut work, client, current.session.id, current.account.id).await?;
        let consent = work.load::<Consent>(&consent_stream(current.account.id, client)).await?;
        if !consent.state.as_ref().is_some_and(|own| own.covers(&request.scope)) {
            return Err(OAuthError::consent_required("the consent was withdrawn meanwhile").into());
        }
        let interaction = InteractionId(random::uuid_v7(self.clock.now_ms()));
        let (answer, grant) = self.issue_code(&mut work, client, request, private, &session, interaction, epoch_of(&consent), seal)?;
        let command = interaction::AnswerAtOnce {
            interaction,
            client: client.clone(),
            request: request.clone(),
            account: session.account,
            session: session.id,
            grant,
            private: private.clone(),
            at: self.now(),
        };
        let mut loaded: Loaded<Interaction> = work.fresh(interaction.stream());
        work.record(&mut loaded, interaction::answer_at_once(&command).events, seal)?;
        work.commit().await?;
        Ok(answer)
    }

    /// Client, account and session stand at this moment, and the append asserts it.
    pub(super) async fn assert_parents(
        &self,
        work: &mut Work<'_>,
        client: &ClientId,
        session: SessionId,
        account: AccountId,
    ) -> Result<Arc<Session>, Stop> {
        let client = work.load::<Client>(&client.stream()).await?;
        if !client.state.as_ref().is_some_and(|own| own.is_active()) {
            return Err(OAuthError::unauthorized_client("the client is disabled").into());
        }
        let account = work.load::<chancery_core::account::Account>(&account.stream()).await?;
        if !account.state.as_ref().is_some_and(|own| own.is_active()) {
            return Err(OAuthError::access_denied("the account is not active").into());
        }
        let mut session = work.load::<Session>(&session.stream()).await?;
        let state = session.state.clone().ok_or_else(|| OAuthError::login_required("no session"))?;
        let used = chancery_core::session::use_now(&state, self.now());
        used.outcome?;
        let seal = Seal { key: None, subject: Some(state.account.to_string()) };
        work.record(&mut session, used.events, &seal)?;
        Ok(state)
    }

    /// The code: minted first, recorded, handed out after the commit.
    #[allow(clippy::too_many_arguments)] // the parts of one event; a struct would only rename them
    pub(super) fn issue_code(
        &self,
        work: &mut Work<'_>,
        client: &ClientId,
        request: &Request,
        private: &Private,
        session: &Session,
        interaction: InteractionId,
        consent_epoch: u32,
        seal: &Seal,
    ) -> Result<(Answer, GrantId), OAuthError> {
        let grant = GrantId(random::uuid_v7(self.clock.now_ms()));
        let code = self.mint.opaque(Kind::AuthorizationCode, grant.0);
        let command = IssueCode {
            grant,
            client: client.clone(),
            account: session.account,
            session: session.id,
            interaction,
            scope: request.scope.clone(),
            code: code.digest,
            redirect_uri: request.redirect_uri.clone(),
            resources: request.resources.clone(),
            code_challenge: request.code_challenge.clone(),
            auth_time: session.auth_time,
            amr: session.amr.clone(),
            wants_auth_time: request.wants_auth_time,
            consent_epoch,
            nonce: private.nonce.clone(),
            context: private.context.clone(),
            at: self.now(),
        };
        let mut loaded: Loaded<Grant> = work.fresh(grant.stream());
        work.record(&mut loaded, issue::code(&command, &self.lifetimes()).events, seal)?;
        let mut parameters = vec![("code", code.text)];
        parameters.extend(private.state.clone().map(|state| ("state", state)));
        // RFC 9207 §2: tells the client which server answered.
        parameters.push(("iss", self.endpoints.issuer.clone()));
        let answer =
            Answer { redirect_uri: request.redirect_uri.clone(), response_mode: request.response_mode, parameters, ask_first: false };
        Ok((answer, grant))
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
        Answer { redirect_uri, response_mode, parameters, ask_first }
    }
}

/// How often this consent was withdrawn before the grant that begins now.
pub(super) fn epoch_of(consent: &Loaded<Consent>) -> u32 {
    consent.state.as_ref().map_or(0, |own| own.withdrawals)
}
