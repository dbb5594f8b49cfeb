//! The authorization request, from its arrival to the answer that leaves for the client.
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::authorize`]: valid, and somebody has to do something | `AuthorizationRequested` |
//! | [`App::authorize`]: valid, nothing to do | `CodeIssued`, `AuthorizationAnsweredAtOnce` |
//! | [`App::authenticate_in`]: the password was right | `SessionStarted`, `PersonAuthenticated` |
//! | [`App::consent_in`]: Allow or Deny | `ConsentGiven` + `CodeIssued` + `AuthorizationGranted`, or `ConsentDenied` + `AuthorizationRefused` |
//! | [`App::resume`]: nothing left to do | `CodeIssued`, `AuthorizationGranted` |
//!
//! `prompt=none` appends nothing unless it is granted. A refusal before client and redirect_uri are verified is a page.
//!
//! Out of scope: which step comes next (`chancery_core::interaction::next`), pages and cookies (`http`).

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::client::metadata::ResponseMode;
use chancery_core::consent::{self, Consent};
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::grant::Grant;
use chancery_core::grant::issue::{self, IssueCode};
use chancery_core::id::{AccountId, ClientId, GrantId, InteractionId, SessionId, consent_stream};
use chancery_core::interaction::next::{self, Next, Seen};
use chancery_core::interaction::{self, Interaction, Private};
use chancery_core::request::{self, Asked, Parameters, Refusal, Request};
use chancery_core::session::Session;
use chancery_core::token::opaque::{Kind, digest};
use chancery_jose::{Algorithm, RegisteredClaims, jws};

use super::accounts::{Proven, account_seal};
use super::context::Context;
use super::sessions::Current;
use super::vault::{KeyKind, VaultError};
use super::work::{Loaded, Seal, Stop, Work, decide, vault_trouble};
use super::{App, random, seconds};

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Answer {
    pub redirect_uri: String,
    pub response_mode: ResponseMode,
    pub parameters: Vec<(&'static str, String)>,
    /// An error that is shown before it is sent, since the client is not vouched for (RFC 9700 §4.11.2).
    pub ask_first: bool,
}

/// Where a request stands after a step.
pub enum Step {
    /// To the client.
    Answer(Answer),
    /// To the page of the interaction.
    Interact { interaction: InteractionId, browser: Option<String> },
}

/// What the page of an interaction has to show.
pub enum Show {
    SignIn { client: Arc<Client>, request: Box<Request>, login_hint: Option<String> },
    Consent { client: Arc<Client>, request: Box<Request>, account: AccountId },
}

/// Why a request failed, and where to say so.
pub enum Failed {
    Page(OAuthError),
    Answer(Answer),
}

impl From<OAuthError> for Failed {
    fn from(error: OAuthError) -> Self {
        Self::Page(error)
    }
}

impl From<Stop> for Failed {
    fn from(stop: Stop) -> Self {
        Self::Page(stop.into())
    }
}

/// What the browser brought along.
#[derive(Clone, Copy, Default)]
pub struct Browser<'a> {
    pub session: Option<&'a str>,
    /// Value of the cookie that binds interactions.
    pub binding: Option<&'a str>,
}

impl App {
    /// Takes an authorization request.
    ///
    /// # Errors
    /// A page, or an error for the client.
    pub async fn authorize(&self, context: &Context, parameters: &Parameters, browser: Browser<'_>) -> Result<Step, Failed> {
        let client = self.requesting_client(parameters).await?;
        let hint = self.hinted_account(parameters.get("id_token_hint").map(String::as_str)).await?;
        let asked = Asked { parameters, client: &client, hint, policy: self.policy() };
        let state = parameters.get("state").cloned();
        let request = match request::validate(&asked) {
            Ok(request) => request,
            Err(Refusal::Page(error)) => return Err(Failed::Page(error)),
            Err(Refusal::Redirect { redirect_uri, response_mode, error }) => {
                let ask_first = !self.vouches_for(&client);
                return Err(Failed::Answer(self.error_answer(redirect_uri, response_mode, state, &error, ask_first)));
            }
        };
        let private = Private {
            state,
            nonce: parameters.get("nonce").cloned(),
            login_hint: parameters.get("login_hint").cloned(),
            context: context.personal(),
        };
        let current = self.session_of(browser.session).await?;
        match self.next_step(&request, None, current.as_ref(), &client.id).await? {
            Next::Refuse(error) => {
                let (uri, mode) = (request.redirect_uri, request.response_mode);
                Err(Failed::Answer(self.error_answer(uri, mode, private.state, &error, false)))
            }
            Next::Grant => match current {
                Some(current) => self.answer_at_once(context, &client.id, request, private, &current).await.map(Step::Answer),
                None => Err(OAuthError::server_error("granted without a session").into()),
            },
            Next::SignIn | Next::AskConsent => self.open_interaction(context, &client.id, request, private, browser).await,
        }
    }

    async fn requesting_client(&self, parameters: &Parameters) -> Result<Arc<Client>, OAuthError> {
        let Some(named) = parameters.get("client_id") else {
            return Err(OAuthError::invalid_request("client_id is missing").saying("client_id is missing."));
        };
        let unknown = || OAuthError::invalid_request("unknown client").saying("There is no client with this client_id here.");
        let id = ClientId::parse(named).ok_or_else(unknown)?;
        self.load_client(&id.stream()).await?.state.filter(|own| own.is_active()).ok_or_else(unknown)
    }

    /// The account of an `id_token_hint`; `Err(())` inside for a hint that is not ours.
    pub(super) async fn hinted_account(&self, hint: Option<&str>) -> Result<Result<Option<AccountId>, ()>, OAuthError> {
        let Some(hint) = hint else { return Ok(Ok(None)) };
        Ok(self.read_hint(hint).await?.map(|(account, _)| Some(account)).ok_or(()))
    }

    /// Account and audience of an id_token that we signed, expired or not.
    pub(super) async fn read_hint(&self, hint: &str) -> Result<Option<(AccountId, Vec<String>)>, OAuthError> {
        let keys = self.keys.current().await?;
        let Ok(parsed) = jws::parse(hint) else { return Ok(None) };
        let Ok(verified) = parsed.verify(&keys.published, &[Algorithm::RS256, Algorithm::ES256]) else { return Ok(None) };
        let Ok(claims) = RegisteredClaims::parse(&verified.payload) else { return Ok(None) };
        if claims.iss.as_deref() != Some(self.endpoints.issuer.as_str()) {
            return Ok(None);
        }
        Ok(claims.sub.as_deref().and_then(AccountId::parse).map(|account| (account, claims.aud)))
    }

    async fn next_step(
        &self,
        request: &Request,
        authenticated: Option<SessionId>,
        current: Option<&Current>,
        client: &ClientId,
    ) -> Result<Next, OAuthError> {
        let consent = match current {
            Some(current) => self.read::<Consent>(&consent_stream(current.account.id, client)).await?,
            None => None,
        };
        Ok(next::decide(&Seen {
            request,
            authenticated,
            session: current.map(|current| &*current.session),
            consent: consent.as_deref(),
            production: self.is_production(),
            at: self.now(),
        }))
    }

    /// Nothing to ask anybody: one event here, one on the grant.
    async fn answer_at_once(
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
    async fn assert_parents(
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
    fn issue_code(
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

    async fn open_interaction(
        &self,
        context: &Context,
        client: &ClientId,
        request: Request,
        private: Private,
        browser: Browser<'_>,
    ) -> Result<Step, Failed> {
        let interaction = InteractionId(random::uuid_v7(self.clock.now_ms()));
        // One cookie for all interactions of a browser; a forged or foreign text is replaced.
        let kept = browser.binding.filter(|text| chancery_core::token::opaque::Opaque::parse(Kind::Browser, text).is_some());
        let fresh = if kept.is_some() { None } else { Some(self.mint.opaque(Kind::Browser, interaction.0).text) };
        let binding = kept.map(str::to_owned).or_else(|| fresh.clone()).unwrap_or_default();
        let key = self.vault.create(KeyKind::Interaction, &interaction.to_string()).await.map_err(vault_trouble)?;
        let command = interaction::Open {
            interaction,
            client: client.clone(),
            request,
            browser: digest(&binding),
            key_commitment: Digest(key.commitment()),
            private,
            lifetime: seconds(self.config.lifetimes.interaction),
            at: self.now(),
        };
        let seal = Seal { key: Some(key), subject: None };
        decide!(self, context, |work| open_once(work, &command, &seal))?;
        Ok(Step::Interact { interaction, browser: fresh })
    }

    /// Loads an interaction for one of its steps, in the browser that began it.
    async fn step_of(&self, id: &str, browser: Browser<'_>) -> Result<(Arc<Interaction>, Arc<Client>), OAuthError> {
        let unknown = || {
            OAuthError::invalid_request("unknown interaction")
                .saying("This sign-in is over or was begun in another browser; go back to the application and start again.")
        };
        let id = InteractionId::parse(id).ok_or_else(unknown)?;
        let interaction = self.read::<Interaction>(&id.stream()).await?.ok_or_else(unknown)?;
        interaction::check_step(&interaction, browser.binding.map(digest).as_ref(), self.now())?;
        let client = self.load_client(&interaction.client.stream()).await?.state.filter(|own| own.is_active()).ok_or_else(unknown)?;
        Ok((interaction, client))
    }

    /// Shows where an interaction stands; answers it when nothing is left to do.
    ///
    /// # Errors
    /// A page, or an error for the client.
    pub async fn resume(&self, context: &Context, id: &str, browser: Browser<'_>) -> Result<Result<Show, Answer>, Failed> {
        let (interaction, client) = self.step_of(id, browser).await?;
        let current = self.session_of(browser.session).await?;
        let authenticated = interaction.authenticated.map(|(_, session)| session);
        match self.next_step(&interaction.request, authenticated, current.as_ref(), &client.id).await? {
            Next::SignIn => {
                let login_hint = self.unseal_optional(interaction.login_hint.as_ref()).await?;
                Ok(Ok(Show::SignIn { client, request: Box::new(interaction.request.clone()), login_hint }))
            }
            Next::AskConsent => match current {
                Some(current) => {
                    Ok(Ok(Show::Consent { client, request: Box::new(interaction.request.clone()), account: current.account.id }))
                }
                None => Err(OAuthError::server_error("consent without a session").into()),
            },
            Next::Grant => match current {
                Some(current) => self.grant(context, &interaction, &current, None).await.map(Err),
                None => Err(OAuthError::server_error("granted without a session").into()),
            },
            Next::Refuse(error) => self.refuse(context, &interaction, &error).await.map(Err),
        }
    }

    /// The person proved the password on the page of this interaction. Gives the new session cookie.
    ///
    /// # Errors
    /// `invalid_credentials`, `slow_down`; `invalid_request` when the interaction is over.
    pub async fn authenticate_in(
        &self,
        context: &Context,
        id: &str,
        browser: Browser<'_>,
        email: &str,
        password: &str,
    ) -> Result<String, OAuthError> {
        let (interaction, _) = self.step_of(id, browser).await?;
        let proven = self.prove_password(context, email, password).await?;
        self.enter(context, &interaction, browser, &proven).await
    }

    /// The same for somebody who has just registered on the way.
    ///
    /// # Errors
    /// As for [`Self::authenticate_in`].
    pub async fn registered_in(&self, context: &Context, id: &str, browser: Browser<'_>, account: AccountId) -> Result<String, OAuthError> {
        let (interaction, _) = self.step_of(id, browser).await?;
        self.enter(context, &interaction, browser, &Proven { account, attempts: None }).await
    }

    /// May the page of this interaction be shown at all? For whom, and what was asked.
    ///
    /// # Errors
    /// `invalid_request`.
    pub async fn client_of_interaction(&self, id: &str, browser: Browser<'_>) -> Result<(Arc<Client>, Request), OAuthError> {
        let (interaction, client) = self.step_of(id, browser).await?;
        Ok((client, interaction.request.clone()))
    }

    async fn enter(
        &self,
        context: &Context,
        interaction: &Interaction,
        browser: Browser<'_>,
        proven: &Proven,
    ) -> Result<String, OAuthError> {
        let context = context.as_account(proven.account);
        let seal = account_seal(proven.account, self.data_key(KeyKind::Account, &proven.account.to_string()).await?);
        let replaced = self.session_of(browser.session).await?.map(|current| current.session);
        let cookie = decide!(self, &context, |work| self.enter_once(work, &context, interaction, proven, replaced.as_deref(), &seal))?;
        // From here on, erasing the account erases the interaction's personal data too.
        match self.vault.adopt(&interaction.id.to_string(), &proven.account.to_string()).await {
            // Somebody else signed in here before ("Not you?"): it stays with whom it began.
            Ok(()) | Err(VaultError::AdoptedByAnother { .. }) => Ok(cookie),
            Err(error) => Err(vault_trouble(error)),
        }
    }

    async fn enter_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        interaction: &Interaction,
        proven: &Proven,
        replaced: Option<&Session>,
        seal: &Seal,
    ) -> Result<String, Stop> {
        let mut loaded = work.load::<Interaction>(&interaction.id.stream()).await?;
        if loaded.state.as_ref().is_none_or(|own| own.answered) {
            return Err(OAuthError::invalid_request("answered meanwhile").into());
        }
        let (cookie, session) = self.start_session(&mut work, context, proven, replaced, seal).await?;
        let decision = interaction::authenticated(proven.account, session, self.now());
        work.record(&mut loaded, decision.events, seal)?;
        work.commit().await?;
        Ok(cookie.text)
    }

    /// The person pressed Allow or Deny; `text` is the digest of what was shown.
    ///
    /// # Errors
    /// A page, or an error for the client.
    pub async fn consent_in(&self, context: &Context, id: &str, browser: Browser<'_>, text: Digest, allow: bool) -> Result<Answer, Failed> {
        let (interaction, client) = self.step_of(id, browser).await?;
        let current = self.session_of(browser.session).await?.ok_or_else(|| {
            OAuthError::login_required("the session ended on the consent page").saying("You were signed out meanwhile; sign in again.")
        })?;
        let authenticated = interaction.authenticated.map(|(_, session)| session);
        // Only when nothing but the consent is missing: a stale login must not be skipped by posting the form.
        if self.next_step(&interaction.request, authenticated, Some(&current), &client.id).await? != Next::AskConsent {
            return Err(OAuthError::invalid_request("no consent is asked for").saying("Go back and load the page again.").into());
        }
        let answer = consent::Answer {
            account: current.account.id,
            client: client.id.clone(),
            scope: interaction.request.scope.clone(),
            text,
            allow,
            context: context.personal(),
            at: self.now(),
        };
        self.grant(context, &interaction, &current, Some(answer)).await
    }

    /// Answers an interaction with a code, recording the consent if there is one to record.
    async fn grant(
        &self,
        context: &Context,
        interaction: &Interaction,
        current: &Current,
        consent: Option<consent::Answer>,
    ) -> Result<Answer, Failed> {
        let account = current.account.id;
        let context = context.as_account(account);
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        let private = Private {
            state: self.unseal_optional(interaction.state.as_ref()).await?,
            nonce: self.unseal_optional(interaction.nonce.as_ref()).await?,
            login_hint: None,
            context: context.personal(),
        };
        Ok(decide!(self, &context, |work| self.grant_once(work, interaction, current, consent.as_ref(), &private, &seal))?)
    }

    async fn grant_once(
        &self,
        mut work: Work<'_>,
        interaction: &Interaction,
        current: &Current,
        consent: Option<&consent::Answer>,
        private: &Private,
        seal: &Seal,
    ) -> Result<Answer, Stop> {
        let mut loaded = work.load::<Interaction>(&interaction.id.stream()).await?;
        if loaded.state.as_ref().is_none_or(|own| own.answered) {
            return Err(OAuthError::invalid_request("answered meanwhile").saying("This request was answered already.").into());
        }
        let session = self.assert_parents(&mut work, &interaction.client, current.session.id, current.account.id).await?;
        let mut recorded = work.load::<Consent>(&consent_stream(current.account.id, &interaction.client)).await?;
        if let Some(answer) = consent {
            let decision = consent::answer(answer);
            work.record(&mut recorded, decision.events, seal)?;
            if let Err(error) = decision.outcome {
                work.record(&mut loaded, interaction::refused(&error, self.now()).events, seal)?;
                work.commit().await?;
                let (uri, mode) = (interaction.request.redirect_uri.clone(), interaction.request.response_mode);
                return Ok(self.error_answer(uri, mode, private.state.clone(), &error, false));
            }
        } else if !recorded.state.as_ref().is_some_and(|own| own.covers(&interaction.request.scope)) {
            return Err(OAuthError::consent_required("the consent was withdrawn meanwhile").into());
        }
        let (answer, grant) = self.issue_code(
            &mut work,
            &interaction.client,
            &interaction.request,
            private,
            &session,
            interaction.id,
            epoch_of(&recorded),
            seal,
        )?;
        work.record(&mut loaded, interaction::granted(session.account, grant, self.now()).events, seal)?;
        work.commit().await?;
        Ok(answer)
    }

    async fn refuse(&self, context: &Context, interaction: &Interaction, error: &OAuthError) -> Result<Answer, Failed> {
        let state = self.unseal_optional(interaction.state.as_ref()).await?;
        decide!(self, context, |work| self.refuse_once(work, interaction, error))?;
        Ok(self.error_answer(interaction.request.redirect_uri.clone(), interaction.request.response_mode, state, error, false))
    }

    async fn refuse_once(&self, mut work: Work<'_>, interaction: &Interaction, error: &OAuthError) -> Result<(), Stop> {
        let mut loaded = work.load::<Interaction>(&interaction.id.stream()).await?;
        if loaded.state.as_ref().is_none_or(|own| own.answered) {
            return Ok(());
        }
        work.record(&mut loaded, interaction::refused(error, self.now()).events, &Seal::default())?;
        work.commit().await.map(drop)
    }

    /// RFC 6749 §4.1.2.1, with `iss` (RFC 9207 §2).
    fn error_answer(
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

    /// RFC 9700 §4.11.2: in development everybody is trusted, in production whom the operator brought in.
    fn vouches_for(&self, client: &Client) -> bool {
        !self.is_production() || client.origin.is_vouched()
    }
}

/// How often this consent was withdrawn before the grant that begins now.
fn epoch_of(consent: &Loaded<Consent>) -> u32 {
    consent.state.as_ref().map_or(0, |own| own.withdrawals)
}

async fn open_once(mut work: Work<'_>, command: &interaction::Open, seal: &Seal) -> Result<(), Stop> {
    let mut loaded: Loaded<Interaction> = work.fresh(command.interaction.stream());
    work.record(&mut loaded, interaction::open(command).events, seal)?;
    work.commit().await.map(drop)
}
