//! People side by side: one browser in which several are signed in.
//!
//! | Rule | Source |
//! |---|---|
//! | one of them uses the browser; the others stay signed in beside, each in a session of their own | our own |
//! | a request is answered by whom the person chose for it, else by whom its hint names, else by who uses the browser | OpenID Connect Core 1.0 §3.1.2.1 |
//! | choosing is no login: `auth_time` stays, and what else the request demands is still demanded | OpenID Connect Core 1.0 §2 |
//! | nobody is signed in twice in one browser | our own |
//! | at most five; the one that waited longest is signed out | our own: a cookie has its bounds |
//!
//! Out of scope: when somebody has to choose (`chancery_core::interaction::next`), the cookies themselves (`http::cookies`).

use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, InteractionId, SessionId};
use chancery_core::interaction::{self, Interaction};
use chancery_core::request::Request;
use chancery_ledger::recorded::Freshness;

use super::App;
use super::accounts::account_seal;
use super::browser::{Browser, Held};
use super::context::Context;
use super::sessions::Current;
use super::vault::KeyKind;
use super::work::{Seal, Stop, Work, decide};

/// People beside the one who uses the browser.
pub const MOST_BESIDE: usize = 4;

/// Somebody who is signed in, and the cookie's text that says so.
pub struct Present {
    pub current: Current,
    text: String,
}

/// Everybody who is signed in in one browser.
#[derive(Default)]
pub struct People {
    /// Who uses it now.
    pub current: Option<Present>,
    /// The others, the last one who used it first.
    pub others: Vec<Present>,
}

impl People {
    pub fn all(&self) -> impl Iterator<Item = &Present> {
        self.current.iter().chain(&self.others)
    }

    /// The one in this session.
    pub fn in_session(&self, id: SessionId) -> Option<&Present> {
        self.all().find(|own| own.current.session.id == id)
    }

    pub fn of_account(&self, account: AccountId) -> Option<&Present> {
        self.all().find(|own| own.current.account.id == account)
    }

    /// What is left when these sessions are over. Nobody moves up: who goes on using the browser is a choice.
    pub fn without(&self, ended: &[SessionId]) -> Held {
        let stays = |own: &&Present| !ended.contains(&own.current.session.id);
        let text = |own: &Present| own.text.clone();
        Held { session: self.current.as_ref().filter(stays).map(text), others: self.others.iter().filter(stays).map(text).collect() }
    }

    /// The same people, with this one using the browser.
    fn led_by(&self, id: SessionId) -> Held {
        let (first, rest): (Vec<_>, Vec<_>) = self.all().partition(|own| own.current.session.id == id);
        let texts = |own: Vec<&Present>| own.into_iter().map(|own| own.text.clone()).collect::<Vec<_>>();
        Held { session: texts(first).pop(), others: texts(rest) }
    }

    /// Every session, the one in use first: a watching frame notices when this changes.
    fn sessions(&self) -> Vec<SessionId> {
        self.all().map(|own| own.current.session.id).collect()
    }

    /// Whom a login of this account ends here: its own older sessions, the one in use unless it stays beside, and who has no room left.
    pub(super) fn making_room(&self, account: AccountId, stays_beside: bool) -> Vec<SessionId> {
        let mut ended = Vec::new();
        let mut staying = 0;
        for (index, own) in self.all().enumerate() {
            let in_use = index == 0 && self.current.is_some();
            if own.current.account.id == account || (in_use && !stays_beside) || staying == MOST_BESIDE {
                ended.push(own.current.session.id);
            } else {
                staying += 1;
            }
        }
        ended
    }
}

impl App {
    /// Everybody who is signed in in this browser.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn people_in(&self, browser: Browser<'_>) -> Result<People, OAuthError> {
        self.people_as_of(browser, Freshness::Fresh).await
    }

    async fn people_as_of(&self, browser: Browser<'_>, freshness: Freshness) -> Result<People, OAuthError> {
        let mut people = People::default();
        if let Some(text) = browser.session {
            let found = self.session_as_of(Some(text), freshness).await?;
            people.current = found.map(|current| Present { current, text: text.to_owned() });
        }
        for text in browser.others.unwrap_or_default().split(' ').filter(|text| !text.is_empty()).take(MOST_BESIDE) {
            let Some(current) = self.session_as_of(Some(text), freshness).await? else { continue };
            if people.of_account(current.account.id).is_none() {
                people.others.push(Present { current, text: text.to_owned() });
            }
        }
        Ok(people)
    }

    /// Who answers this request, and how many others are signed in. `own`: sessions that were chosen or begun for it.
    pub(super) async fn answering(
        &self,
        request: &Request,
        own: &[SessionId],
        browser: Browser<'_>,
        freshness: Freshness,
    ) -> Result<(Option<Current>, usize), OAuthError> {
        let mut people = self.people_as_of(browser, freshness).await?;
        if people.others.is_empty() {
            return Ok((people.current.map(|present| present.current), 0));
        }
        let watched = people.sessions();
        let decided = people.current.as_ref().is_some_and(|present| own.contains(&present.current.session.id));
        let hinted = |present: &Present| !decided && request.hinted_account == Some(present.current.account.id);
        let answers = match people.others.iter().position(hinted) {
            Some(index) => Some(people.others.swap_remove(index)),
            None => people.current.take(),
        };
        let beside = watched.len() - usize::from(answers.is_some());
        Ok((answers.map(|present| Current { watched, ..present.current }), beside))
    }

    /// Whom the page of an interaction speaks to.
    ///
    /// # Errors
    /// `invalid_request` when the interaction is over.
    pub async fn answering_in(&self, id: &str, browser: Browser<'_>) -> Result<Option<Current>, OAuthError> {
        let (interaction, _) = self.step_of(id, browser).await?;
        Ok(self.answering(&interaction.request, &own_sessions(&interaction), browser, Freshness::Fresh).await?.0)
    }

    /// The person chose who answers this interaction: one of those that are signed in in its browser.
    ///
    /// # Errors
    /// `invalid_request` when the interaction is over or nobody is signed in in that session here.
    pub async fn choose_in(&self, context: &Context, id: &str, browser: Browser<'_>, session: &str) -> Result<Held, OAuthError> {
        let (interaction, _) = self.step_of(id, browser).await?;
        let people = self.people_in(browser).await?;
        let chosen = SessionId::parse(session).and_then(|id| people.in_session(id)).ok_or_else(|| {
            OAuthError::invalid_request("nobody in that session in this browser")
                .saying("This person is not signed in in this browser any more; load the page again.")
        })?;
        let (account, session) = (chosen.current.account.id, chosen.current.session.id);
        let context = context.as_account(account);
        let seal = account_seal(account, self.data_key(KeyKind::Account, &account.to_string()).await?);
        decide!(self, &context, |work| self.chosen_once(work, interaction.id, account, session, &seal))?;
        Ok(people.led_by(session))
    }

    async fn chosen_once(
        &self,
        mut work: Work<'_>,
        id: InteractionId,
        account: AccountId,
        session: SessionId,
        seal: &Seal,
    ) -> Result<(), Stop> {
        let mut loaded = work.load::<Interaction>(&id.stream()).await?;
        let Some(state) = loaded.state.as_ref().filter(|own| !own.answered) else {
            return Err(OAuthError::invalid_request("answered meanwhile").into());
        };
        // A second press of the same button says nothing new.
        if state.chosen == Some((account, session)) {
            return Ok(());
        }
        work.record(&mut loaded, interaction::chosen(account, session, self.now()).events, seal)?;
        work.commit().await.map(drop)
    }
}

/// The sessions that the person chose or began for this interaction.
pub(super) fn own_sessions(interaction: &Interaction) -> Vec<SessionId> {
    interaction.chosen.iter().chain(&interaction.authenticated).map(|(_, session)| *session).collect()
}
