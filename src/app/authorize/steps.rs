//! The steps of an interaction: opened, signed in, consented, answered.
//!
//! | Rule | Source |
//! |---|---|
//! | every step happens in the browser that began the request | RFC 9700 §4.7 |
//! | a consent is recorded in the append that answers the request | DESIGN: rule 1 |

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::consent::{self, Consent};
use chancery_core::details::Details;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, InteractionId, SessionId, consent_stream};
use chancery_core::interaction::next::Next;
use chancery_core::interaction::{self, Interaction, Private};
use chancery_core::request::{Prompt, Request};
use chancery_core::token::opaque::{Kind, digest};
use chancery_ledger::recorded::Freshness;

use super::answer::{Granting, epoch_of};
use super::parameters::Brought;
use super::pushed::first_visit;
use super::{Answer, Asking, Browser, Failed, Seated, Show, Step};
use crate::app::accounts::{Proven, account_seal};
use crate::app::beside::own_sessions;
use crate::app::browser::Held;
use crate::app::context::Context;
use crate::app::details::Said;
use crate::app::sessions::Current;
use crate::app::vault::{KeyKind, VaultError};
use crate::app::work::{Loaded, Seal, Stop, Work, decide, vault_trouble};
use crate::app::{App, random, seconds};

impl App {
    pub(super) async fn open_interaction(&self, context: &Context, asking: Asking<'_>, browser: Browser<'_>) -> Result<Step, Failed> {
        let pushed = asking.brought.map(|brought| brought.id.interaction());
        let interaction = pushed.unwrap_or_else(|| InteractionId(random::uuid_v7(self.clock.now_ms())));
        // One cookie for all interactions of a browser; a forged or foreign text is replaced.
        let kept = browser.binding.filter(|text| chancery_core::token::opaque::Opaque::parse(Kind::Browser, text).is_some());
        let fresh = if kept.is_some() { None } else { Some(self.mint.opaque(Kind::Browser, interaction.0).text) };
        let binding = kept.map(str::to_owned).or_else(|| fresh.clone()).unwrap_or_default();
        let key = match pushed {
            Some(id) => self.data_key(KeyKind::Interaction, &id.to_string()).await?,
            None => self.vault.create(KeyKind::Interaction, &interaction.to_string()).await.map_err(vault_trouble)?,
        };
        let command = interaction::Open {
            interaction,
            client: asking.client.clone(),
            request: asking.request,
            browser: digest(&binding),
            key_commitment: Digest(key.commitment()),
            pushed: pushed.is_some(),
            private: asking.private,
            lifetime: seconds(self.config.lifetimes.interaction),
            at: self.now(),
        };
        let seal = Seal { key: Some(key), subject: None };
        decide!(self, context, |work| open_once(work, &command, asking.brought, &seal))?;
        Ok(Step::Interact { interaction, browser: fresh })
    }

    /// Loads an interaction for one of its steps, in the browser that began it.
    pub(in crate::app) async fn step_of(&self, id: &str, browser: Browser<'_>) -> Result<(Arc<Interaction>, Arc<Client>), OAuthError> {
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
        let (current, beside) = self.answering(&interaction.request, &own_sessions(&interaction), browser, Freshness::Fresh).await?;
        let seated = Seated::new(current.as_ref(), beside).at(&interaction);
        match self.next_step(&interaction.request, &seated, &client, Freshness::Fresh).await? {
            Next::Choose => Ok(Ok(Show::Choose { client, request: Box::new(interaction.request.clone()) })),
            Next::SignIn => {
                // Whoever was chosen and has to prove it need not type the address again.
                let chosen = current.filter(|own| interaction.chosen.is_some_and(|(_, session)| session == own.session.id));
                let login_hint = match chosen {
                    Some(chosen) => self.unseal_optional(chosen.account.email.as_ref()).await?,
                    None => self.unseal_optional(interaction.login_hint.as_ref()).await?,
                };
                Ok(Ok(Show::SignIn { client, request: Box::new(interaction.request.clone()), login_hint }))
            }
            Next::Register => Ok(Ok(Show::Register)),
            Next::AskConsent => match current {
                Some(current) => {
                    let details = self.details_in(interaction.authorization_details.as_ref()).await?;
                    let (request, account) = (Box::new(interaction.request.clone()), current.account.id);
                    Ok(Ok(Show::Consent { client, request, account, details }))
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

    /// The person proved the password on the page of this interaction. Gives what the browser holds from now on.
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
    ) -> Result<Held, OAuthError> {
        let (interaction, _) = self.step_of(id, browser).await?;
        let proven = self.prove_password(context, email, password).await?;
        self.enter(context, &interaction, browser, &proven).await
    }

    /// The same for somebody who has just registered on the way.
    ///
    /// # Errors
    /// As for [`Self::authenticate_in`].
    pub async fn registered_in(&self, context: &Context, id: &str, browser: Browser<'_>, account: AccountId) -> Result<Held, OAuthError> {
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

    async fn enter(&self, context: &Context, interaction: &Interaction, browser: Browser<'_>, proven: &Proven) -> Result<Held, OAuthError> {
        let context = context.as_account(proven.account);
        let seal = account_seal(proven.account, self.data_key(KeyKind::Account, &proven.account.to_string()).await?);
        let people = self.people_in(browser).await?;
        // Who was asked to choose and signs in as somebody else wants to be both; any other login takes the browser over.
        let stays_beside = interaction.request.prompt.contains(&Prompt::SelectAccount);
        let replaced = people.making_room(proven.account, stays_beside);
        // Before the append, so that no crash leaves an interaction that names its person and is not erased with them.
        match self.vault.adopt(&interaction.id.to_string(), &proven.account.to_string()).await {
            Ok(()) => {}
            // Its state and nonce went with whoever signed in here first: nothing is left to go on with.
            Err(error @ VaultError::AdopterErased { .. }) => {
                return Err(OAuthError::invalid_request(error.to_string())
                    .saying("This sign-in is over; go back to the application and start again."));
            }
            Err(error) => return Err(vault_trouble(error)),
        }
        let session = decide!(self, &context, |work| self.enter_once(work, &context, interaction, proven, &replaced, &seal))?;
        Ok(people.without(&replaced).followed_by(session))
    }

    async fn enter_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        interaction: &Interaction,
        proven: &Proven,
        replaced: &[SessionId],
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

    /// The person pressed Allow or Deny.
    ///
    /// # Errors
    /// A page, or an error for the client.
    pub async fn consent_in(&self, context: &Context, id: &str, browser: Browser<'_>, said: &Said) -> Result<Answer, Failed> {
        let (interaction, client) = self.step_of(id, browser).await?;
        let (current, beside) = self.answering(&interaction.request, &own_sessions(&interaction), browser, Freshness::Fresh).await?;
        let current = current.ok_or_else(|| {
            OAuthError::login_required("the session ended on the consent page").saying("You were signed out meanwhile; sign in again.")
        })?;
        let seated = Seated::new(Some(&current), beside).at(&interaction);
        // Only when nothing but the consent is missing: a stale login must not be skipped by posting the form.
        if self.next_step(&interaction.request, &seated, &client, Freshness::Fresh).await? != Next::AskConsent {
            return Err(OAuthError::invalid_request("no consent is asked for").saying("Go back and load the page again.").into());
        }
        let details = self.details_in(interaction.authorization_details.as_ref()).await?;
        let granted = match said.allow {
            true => self.enrich(&current.account, details.as_ref(), &said.picked).await.map_err(OAuthError::from)?,
            false => None,
        };
        let answer = consent::Answer {
            account: current.account.id,
            client: client.id.clone(),
            scope: interaction.request.consent_scope(current.account.has_claims_of_others()),
            text: said.text,
            allow: said.allow,
            chosen: details.as_ref().map(|own| self.details.chosen(own)).unwrap_or_default(),
            context: context.personal(),
            at: self.now(),
        };
        self.grant(context, &interaction, &current, Some((answer, granted))).await
    }

    /// Answers an interaction with a code, recording the consent if there is one to record, with the details as they are granted.
    async fn grant(
        &self,
        context: &Context,
        interaction: &Interaction,
        current: &Current,
        consent: Option<(consent::Answer, Option<Details>)>,
    ) -> Result<Answer, Failed> {
        let account = current.account.id;
        // Details are granted by a person who saw them, and by nothing else.
        if consent.is_none() && interaction.authorization_details.is_some() {
            return Err(OAuthError::server_error("details without a consent").into());
        }
        let (consent, details) = consent.unzip();
        let context = context.as_account(account);
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        let private = Private {
            state: self.unseal_optional(interaction.state.as_ref()).await?,
            nonce: self.unseal_optional(interaction.nonce.as_ref()).await?,
            login_hint: None,
            authorization_details: details.flatten().map(|own| own.text()),
            claim_values: self.unseal_optional(interaction.claim_values.as_ref()).await?,
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
        let parents = self.assert_parents(&mut work, &interaction.client, current.session.id, current.account.id).await?;
        let mut recorded = work.load::<Consent>(&consent_stream(current.account.id, &interaction.client)).await?;
        if let Some(answer) = consent {
            let decision = consent::answer(answer);
            work.record(&mut recorded, decision.events, seal)?;
            if let Err(error) = decision.outcome {
                work.record(&mut loaded, interaction::refused(&error, self.now()).events, seal)?;
                if interaction.pushed {
                    self.spend_pushed(&mut work, interaction.id, Some(&error), seal).await?;
                }
                let (uri, mode) = (interaction.request.redirect_uri.clone(), interaction.request.response_mode);
                let answer = self.error_answer(uri, mode, private.state.clone(), &error, false);
                let answer = self.signed_if_asked(&parents.client, answer).await?;
                work.commit().await?;
                return Ok(answer);
            }
        } else if !recorded
            .state
            .as_ref()
            .is_some_and(|own| own.covers_of(&parents.client, &interaction.request.consent_scope(current.account.has_claims_of_others())))
        {
            return Err(OAuthError::consent_required("the consent was withdrawn meanwhile").into());
        }
        let asked = Granting {
            request: &interaction.request,
            private,
            parents: &parents,
            watched: &current.watched,
            interaction: interaction.id,
            consent_epoch: epoch_of(&recorded),
        };
        let (answer, grant) = self.issue(&mut work, &asked, seal).await?;
        work.record(&mut loaded, interaction::granted(parents.session.account, grant, self.now()).events, seal)?;
        if interaction.pushed {
            self.spend_pushed(&mut work, interaction.id, None, seal).await?;
        }
        work.commit().await?;
        Ok(answer)
    }

    async fn refuse(&self, context: &Context, interaction: &Interaction, error: &OAuthError) -> Result<Answer, Failed> {
        let state = self.unseal_optional(interaction.state.as_ref()).await?;
        let (uri, mode) = (interaction.request.redirect_uri.clone(), interaction.request.response_mode);
        let client = self.load_client(&interaction.client.stream()).await?.state;
        let client = client.ok_or_else(|| OAuthError::server_error("the client of an interaction is gone"))?;
        let answer = self.signed_if_asked(&client, self.error_answer(uri, mode, state, error, false)).await?;
        decide!(self, context, |work| self.refuse_once(work, interaction, error))?;
        Ok(answer)
    }

    async fn refuse_once(&self, mut work: Work<'_>, interaction: &Interaction, error: &OAuthError) -> Result<(), Stop> {
        let mut loaded = work.load::<Interaction>(&interaction.id.stream()).await?;
        if loaded.state.as_ref().is_none_or(|own| own.answered) {
            return Ok(());
        }
        work.record(&mut loaded, interaction::refused(error, self.now()).events, &Seal::default())?;
        if interaction.pushed {
            self.spend_pushed(&mut work, interaction.id, Some(error), &Seal::default()).await?;
        }
        work.commit().await.map(drop)
    }
}

async fn open_once(mut work: Work<'_>, command: &interaction::Open, brought: Option<&Brought>, seal: &Seal) -> Result<(), Stop> {
    if let Some(brought) = brought {
        let mut pushed = first_visit(&mut work, brought).await?;
        work.record(&mut pushed, chancery_core::pushed::open(command.browser, command.at).events, &Seal::default())?;
    }
    let mut loaded: Loaded<Interaction> = work.fresh(command.interaction.stream());
    work.record(&mut loaded, interaction::open(command).events, seal)?;
    work.commit().await.map(drop)
}
