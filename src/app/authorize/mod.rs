//! The authorization request, from its arrival to the answer that leaves for the client.
//!
//! | Step | What is appended |
//! |---|---|
//! | [`App::authorize`]: valid, and somebody has to do something | `AuthorizationRequested` |
//! | [`App::authorize`]: valid, nothing to do | `CodeIssued`, `AuthorizationAnsweredAtOnce` |
//! | [`App::push_request`] and what follows | see `pushed` |
//! | [`App::authenticate_in`]: the password was right | `SessionStarted`, `PersonAuthenticated` |
//! | `App::choose_in`: who of those that are signed in | `AccountChosen` |
//! | [`App::consent_in`]: Allow or Deny | `ConsentGiven` + `CodeIssued` + `AuthorizationGranted`, or `ConsentDenied` + `AuthorizationRefused` |
//! | [`App::resume`]: nothing left to do | `CodeIssued`, `AuthorizationGranted` |
//!
//! `prompt=none` appends nothing unless it is granted or was pushed. A refusal before client and redirect_uri are verified is a page.
//!
//! Out of scope: which step comes next (`chancery_core::interaction::next`), pages and cookies (`http`).

mod answer;
mod front_channel;
mod parameters;
mod pushed;
mod signed;
mod steps;

use std::sync::Arc;

use chancery_core::claims;
use chancery_core::client::Client;
use chancery_core::client::metadata::ResponseMode;
use chancery_core::consent::Consent;
use chancery_core::details::Details;
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, ClientId, InteractionId, SessionId, consent_stream};
use chancery_core::interaction::next::{self, Next, Seen};
use chancery_core::interaction::{Interaction, Private};
use chancery_core::request::{self, Arrival, Asked, Parameters, Refusal, Request, Resources, object};
use chancery_ledger::recorded::Freshness;

use super::App;
use super::client_documents::Asks;
use super::context::Context;
use super::sessions::Current;
use super::work::Stop;

pub use super::browser::Browser;
pub use pushed::Kept;

/// An answer on its way to the client.
#[derive(Debug)]
pub struct Answer {
    pub redirect_uri: String,
    pub response_mode: ResponseMode,
    pub parameters: Vec<(&'static str, String)>,
    /// The refusal in it, for whoever shows it first.
    pub error: Option<OAuthError>,
    /// An error that is shown before it is sent, since the client is not vouched for (RFC 9700 §4.11.2).
    pub ask_first: bool,
    /// What the browser keeps for the frame that watches the session.
    pub browser_state: Option<String>,
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
    /// Several are signed in, or the client wants to know who is meant.
    Choose {
        client: Arc<Client>,
        request: Box<Request>,
    },
    SignIn {
        client: Arc<Client>,
        request: Box<Request>,
        login_hint: Option<String>,
    },
    /// The page for a new account (`prompt=create`).
    Register,
    Consent {
        client: Arc<Client>,
        request: Box<Request>,
        account: AccountId,
        details: Option<Details>,
    },
}

/// Who is there while a request is decided.
#[derive(Clone, Copy)]
pub(super) struct Seated<'a> {
    current: Option<&'a Current>,
    /// Others who are signed in in the same browser.
    beside: usize,
    authenticated: Option<SessionId>,
    chosen: Option<SessionId>,
}

impl<'a> Seated<'a> {
    fn new(current: Option<&'a Current>, beside: usize) -> Self {
        Self { current, beside, authenticated: None, chosen: None }
    }

    /// With what the person did for this interaction.
    fn at(self, interaction: &Interaction) -> Self {
        let session = |of: Option<(AccountId, SessionId)>| of.map(|(_, session)| session);
        Self { authenticated: session(interaction.authenticated), chosen: session(interaction.chosen), ..self }
    }
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

/// An authorization request as it came in.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    pub parameters: &'a Parameters,
    /// The one parameter that may repeat (RFC 8707 §2).
    pub resources: &'a [String],
}

/// A request that passed every check.
struct Asking<'a> {
    client: &'a ClientId,
    request: Request,
    private: Private,
    /// What it was pushed as.
    brought: Option<&'a parameters::Brought>,
}

impl App {
    /// Takes an authorization request.
    ///
    /// # Errors
    /// A page, or an error for the client.
    pub async fn authorize(&self, context: &Context, sent: &Sent<'_>, browser: Browser<'_>) -> Result<Step, Failed> {
        let client = self.requesting_client(context, sent.parameters).await?;
        let resolved = match self.resolve(context, &client, sent, browser).await {
            Ok(Ok(resolved)) => resolved,
            Ok(Err(interaction)) => return Ok(Step::Interact { interaction, browser: None }),
            Err(error) => return Err(self.unresolved(&client, sent, error).await?),
        };
        let (parameters, brought) = (&resolved.parameters, resolved.pushed.as_ref());
        let state = parameters.get("state").cloned();
        let request = match self.checked(&client, parameters, &resolved.resources, resolved.arrival()).await? {
            Ok(request) => Request { object: resolved.object.clone(), instance: resolved.instance, ..request },
            Err(refusal) => {
                if let (Some(brought), Refusal::Redirect { error, .. }) = (brought, &refusal) {
                    self.spend_refused(context, brought, error).await?;
                }
                return Err(self.refused(&client, state, refusal).await?);
            }
        };
        let private = Private {
            state,
            nonce: parameters.get("nonce").cloned(),
            login_hint: parameters.get("login_hint").cloned(),
            authorization_details: parameters
                .get("authorization_details")
                .map(|text| Details::read(text))
                .transpose()?
                .map(|own| own.text()),
            claim_values: parameters.get("claims").map(|text| claims::parse(text)).transpose()?.and_then(|parsed| parsed.wanted.text()),
            context: context.personal(),
        };
        let (next, current) = self.first_step(&request, browser, &client).await?;
        match next {
            Next::Refuse(error) => {
                if let Some(brought) = brought {
                    self.spend_refused(context, brought, &error).await?;
                }
                let (uri, mode) = (request.redirect_uri, request.response_mode);
                let answer = self.error_answer(uri, mode, private.state, &error, false);
                Err(Failed::Answer(self.signed_if_asked(&client, answer).await?))
            }
            Next::Grant => match current {
                Some(current) => {
                    let asked = Asking { client: &client.id, request, private, brought };
                    self.answer_at_once(context, &asked, &current).await.map(Step::Answer)
                }
                None => Err(OAuthError::server_error("granted without a session").into()),
            },
            Next::Choose | Next::SignIn | Next::Register | Next::AskConsent => {
                self.open_interaction(context, Asking { client: &client.id, request, private, brought }, browser).await
            }
        }
    }

    /// Runs the table of checks on parameters, wherever they came from.
    async fn checked(
        &self,
        client: &Client,
        parameters: &Parameters,
        resources: &[String],
        arrival: Arrival,
    ) -> Result<Result<Request, Refusal>, OAuthError> {
        let hint = self.hinted_account(parameters.get("id_token_hint").map(String::as_str)).await?;
        let hint = hint.map(|hinted| self.claimed_account(hinted, parameters.get("claims").map(String::as_str), client));
        let named = self.named_resources(resources);
        let found = self.resource_servers(&named).await?;
        let resources = Resources { asked: &named, found: &found, own: self.own_resources() };
        Ok(request::validate(&Asked { parameters, client, hint, policy: self.policy(), arrival, resources, types: &self.details }))
    }

    /// The parameters are not known: what stands beside the object says where the error goes, if it is registered.
    async fn unresolved(&self, client: &Client, sent: &Sent<'_>, error: OAuthError) -> Result<Failed, OAuthError> {
        let parameters = sent.parameters;
        // What was pushed says itself where answers go; nothing beside its name does.
        if matches!(object::source(parameters), Ok(object::Source::Pushed(_))) {
            return Ok(Failed::Page(error));
        }
        let asked = Asked {
            parameters,
            client,
            hint: Ok(None),
            policy: self.policy(),
            arrival: Arrival::Browser,
            resources: Resources::default(),
            types: &self.details,
        };
        self.refused(client, parameters.get("state").cloned(), object::refusal(&asked, error)).await
    }

    async fn refused(&self, client: &Client, state: Option<String>, refusal: Refusal) -> Result<Failed, OAuthError> {
        match refusal {
            Refusal::Page(error) => Ok(Failed::Page(error)),
            Refusal::Redirect { redirect_uri, response_mode, error } => {
                let answer = self.error_answer(redirect_uri, response_mode, state, &error, !self.vouches_for(client));
                Ok(Failed::Answer(self.signed_if_asked(client, answer).await?))
            }
        }
    }

    async fn requesting_client(&self, context: &Context, parameters: &Parameters) -> Result<Arc<Client>, OAuthError> {
        let Some(named) = parameters.get("client_id") else {
            return Err(OAuthError::invalid_request("client_id is missing").saying("client_id is missing."));
        };
        let unknown = || OAuthError::invalid_request("unknown client").saying("There is no client with this client_id here.");
        let id = ClientId::parse(named).ok_or_else(unknown)?;
        self.look_up_document(context, &id, Asks::Browser).await?;
        self.load_client(&id.stream()).await?.state.filter(|own| own.is_active()).ok_or_else(unknown)
    }

    /// The account of an `id_token_hint`; `Err(())` inside for a hint that is not ours.
    pub(super) async fn hinted_account(&self, hint: Option<&str>) -> Result<Result<Option<AccountId>, ()>, OAuthError> {
        let Some(hint) = hint else { return Ok(Ok(None)) };
        Ok(self.read_hint(hint).await?.map(|(account, _)| Some(account)).ok_or(()))
    }

    /// Who has to be there when `claims` names a `sub` (OpenID Connect Core 1.0 §5.5.1). A `sub` that is nobody's, or another one
    /// than the hint's, is the nil account: whoever signs in is somebody else.
    pub(super) fn claimed_account(&self, hinted: Option<AccountId>, claims: Option<&str>, client: &Client) -> Option<AccountId> {
        // What is malformed the rules refuse.
        let Some(sub) = claims.and_then(|text| claims::parse(text).ok()).and_then(|parsed| parsed.sub) else { return hinted };
        let nobody = AccountId(uuid::Uuid::nil());
        let claimed = self.account_of_subject(&sub, client).unwrap_or(nobody);
        Some(if hinted.is_some_and(|hinted| hinted != claimed) { nobody } else { claimed })
    }

    /// What has to happen first. A grant may be decided from cached state, since its append asserts everything it rests on; whatever
    /// else comes out is decided again on what the log says now.
    async fn first_step(&self, request: &Request, browser: Browser<'_>, client: &Client) -> Result<(Next, Option<Current>), OAuthError> {
        let (current, beside) = self.answering(request, &[], browser, Freshness::Cached).await?;
        let next = self.next_step(request, &Seated::new(current.as_ref(), beside), client, Freshness::Cached).await?;
        if matches!(next, Next::Grant) {
            return Ok((next, current));
        }
        let (current, beside) = self.answering(request, &[], browser, Freshness::Fresh).await?;
        Ok((self.next_step(request, &Seated::new(current.as_ref(), beside), client, Freshness::Fresh).await?, current))
    }

    pub(super) async fn next_step(
        &self,
        request: &Request,
        seated: &Seated<'_>,
        client: &Client,
        freshness: Freshness,
    ) -> Result<Next, OAuthError> {
        let Seated { current, beside, authenticated, chosen } = *seated;
        let consent = match current {
            Some(current) => self.load::<Consent>(&consent_stream(current.account.id, &client.id), freshness).await?.state,
            None => None,
        };
        Ok(next::decide(&Seen {
            request,
            authenticated,
            chosen,
            beside,
            session: current.map(|current| &*current.session),
            has_claims_of_others: current.is_some_and(|current| current.account.has_claims_of_others()),
            consent: consent.as_deref(),
            client,
            production: self.is_production(),
            at: self.now(),
        }))
    }

    /// RFC 9700 §4.11.2: in development everybody is trusted, in production whom the operator brought in.
    fn vouches_for(&self, client: &Client) -> bool {
        !self.is_production() || client.origin.is_vouched()
    }
}
