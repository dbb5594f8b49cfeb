//! Sessions of browsers: starting, finding by cookie, listing, ending.

use std::sync::Arc;

use chancery_core::account::Account;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, ClientId, SessionId};
use chancery_core::session::{self, Session, SessionEnd};
use chancery_core::token::opaque::{Kind, Opaque, digest};
use chancery_ledger::recorded::Freshness;

use super::accounts::{Proven, account_seal};
use super::browser::{Browser, Held};
use super::context::Context;
use super::mint::Minted;
use super::vault::{KeyKind, mac};
use super::work::{Loaded, Seal, Stop, Work, decide};
use super::{App, random, seconds};

/// A session that was found by its cookie, with its account.
pub struct Current {
    pub session: Arc<Session>,
    pub account: Arc<Account>,
    /// Every session of its browser as far as it was asked for, the one in use first.
    pub watched: Vec<SessionId>,
}

impl App {
    /// The living session that a cookie names; `None` for everything else.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn session_of(&self, cookie: Option<&str>) -> Result<Option<Current>, OAuthError> {
        self.session_as_of(cookie, Freshness::Fresh).await
    }

    /// The same from state that may be older than the log: for an answer whose append asserts session and account.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn session_as_of(&self, cookie: Option<&str>, freshness: Freshness) -> Result<Option<Current>, OAuthError> {
        let Some((id, sent)) = cookie.and_then(read_cookie) else { return Ok(None) };
        let Some(session) = self.load::<Session>(&id.stream(), freshness).await?.state else { return Ok(None) };
        if !session.cookie.matches(&sent) || !session.is_alive(self.now()) {
            return Ok(None);
        }
        let account = self.load::<Account>(&session.account.stream(), freshness).await?.state;
        Ok(account.filter(|own| own.is_active()).map(|account| Current { watched: vec![session.id], session, account }))
    }

    /// A fresh value for the cookie that binds forms and interactions to a browser.
    pub fn browser_binding(&self) -> String {
        self.mint.opaque(Kind::Browser, random::uuid_v7(self.clock.now_ms())).text
    }

    /// A login outside an authorization request: `POST /auth/login`, `/account`.
    ///
    /// # Errors
    /// `temporarily_unavailable`, `slow_down`.
    pub async fn sign_in(&self, context: &Context, proven: &Proven, browser: Browser<'_>) -> Result<Held, OAuthError> {
        let context = context.as_account(proven.account);
        let people = self.people_in(browser).await?;
        let replaced = people.making_room(proven.account, false);
        let seal = account_seal(proven.account, self.data_key(KeyKind::Account, &proven.account.to_string()).await?);
        let minted = decide!(self, &context, |work| self.sign_in_once(work, &context, proven, &replaced, &seal))?;
        Ok(people.without(&replaced).followed_by(minted.text))
    }

    async fn sign_in_once(
        &self,
        mut work: Work<'_>,
        context: &Context,
        proven: &Proven,
        replaced: &[SessionId],
        seal: &Seal,
    ) -> Result<Minted, Stop> {
        let (minted, _) = self.start_session(&mut work, context, proven, replaced, seal).await?;
        work.commit().await?;
        Ok(minted)
    }

    /// Records a new session and the end of those that it replaces in this browser; the caller commits.
    ///
    /// # Errors
    /// `temporarily_unavailable`, `slow_down`.
    pub(super) async fn start_session(
        &self,
        work: &mut Work<'_>,
        context: &Context,
        proven: &Proven,
        replaced: &[SessionId],
        seal: &Seal,
    ) -> Result<(Minted, SessionId), Stop> {
        let id = SessionId(random::uuid_v7(self.clock.now_ms()));
        let cookie = self.mint.opaque(Kind::Session, id.0);
        let account = work.load::<Account>(&proven.account.stream()).await?;
        if !account.state.as_ref().is_some_and(|own| own.is_active()) {
            return Err(OAuthError::access_denied("the account is not active").into());
        }
        self.clear_attempts(work, proven, seal).await?;
        let start = session::Start {
            session: id,
            account: proven.account,
            cookie: cookie.digest,
            amr: vec!["pwd".into()],
            idle: seconds(self.config.lifetimes.session_idle),
            absolute: seconds(self.config.lifetimes.session_absolute),
            context: context.personal(),
            at: self.now(),
        };
        let mut loaded: Loaded<Session> = work.fresh(id.stream());
        work.record(&mut loaded, session::start(&start).events, seal)?;
        for old in replaced {
            self.end_in(work, *old, SessionEnd::Replaced).await?;
        }
        Ok((cookie, id))
    }

    pub(super) async fn end_in(&self, work: &mut Work<'_>, id: SessionId, reason: SessionEnd) -> Result<(), Stop> {
        let mut loaded = work.load::<Session>(&id.stream()).await?;
        let Some(state) = loaded.state.clone() else { return Ok(()) };
        let seal = Seal { key: None, subject: Some(state.account.to_string()) };
        let decision = session::end(&state, reason, self.now());
        let ends = !decision.events.is_empty();
        work.record(&mut loaded, decision.events, &seal)?;
        // In the append that ends it, so that no client is forgotten.
        if ends { self.order_logouts(work, &state) } else { Ok(()) }
    }

    /// Ends a session: by logout or by an operator.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn end_session(&self, context: &Context, id: SessionId, reason: SessionEnd) -> Result<(), OAuthError> {
        decide!(self, context, |work| self.end_once(work, id, reason))?;
        Ok(())
    }

    async fn end_once(&self, mut work: Work<'_>, id: SessionId, reason: SessionEnd) -> Result<(), Stop> {
        self.end_in(&mut work, id, reason).await?;
        work.commit().await.map(drop)
    }

    /// `sid` for one client: the same for the same session, and no use to anybody else.
    pub fn sid(&self, session: SessionId, client: &ClientId) -> String {
        let whole = mac(&self.names.sid, &[session.0.as_bytes(), client.as_str().as_bytes()]);
        chancery_core::base64url::encode(&whole[..16])
    }

    /// Ends one session of this person, or says nothing when it is somebody else's: ids are no secret.
    ///
    /// # Errors
    /// `not_found`, `temporarily_unavailable`.
    pub async fn end_own_session(&self, context: &Context, account: AccountId, id: SessionId) -> Result<(), OAuthError> {
        let unknown = || OAuthError::not_found("no such session").saying("There is no such session; it may have ended already.");
        let session = self.read::<Session>(&id.stream()).await?.filter(|own| own.account == account).ok_or_else(unknown)?;
        self.end_session(context, session.id, SessionEnd::SignedOutElsewhere).await
    }

    /// Ends every session of this person but one, in one append.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn end_other_sessions(&self, context: &Context, account: AccountId, kept: SessionId) -> Result<(), OAuthError> {
        let others: Vec<_> = self.living_sessions_of(account).await?.iter().map(|own| own.id).filter(|id| *id != kept).collect();
        decide!(self, context, |work| self.end_all_once(work, &others, SessionEnd::SignedOutElsewhere))?;
        Ok(())
    }

    pub(super) async fn end_all_once(&self, mut work: Work<'_>, ids: &[SessionId], reason: SessionEnd) -> Result<(), Stop> {
        for id in ids {
            self.end_in(&mut work, *id, reason).await?;
        }
        work.commit().await.map(drop)
    }

    /// The session of an id, for operators.
    ///
    /// # Errors
    /// `not_found`, `temporarily_unavailable`.
    pub async fn session(&self, id: &str) -> Result<Arc<Session>, OAuthError> {
        let unknown = || OAuthError::not_found("no such session").saying("There is no session with this id.");
        let id = SessionId::parse(id).ok_or_else(unknown)?;
        self.read::<Session>(&id.stream()).await?.ok_or_else(unknown)
    }

    /// The sessions of an account that live now, newest first; at most the newest 200.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn living_sessions_of(&self, account: AccountId) -> Result<Vec<Session>, OAuthError> {
        let now = self.now();
        let mut sessions = self.sessions_of(account).await?;
        sessions.retain(|session| session.is_alive(now));
        Ok(sessions)
    }

    /// The last sessions of an account, newest first: for the person to recognise. Sessions that ended long ago have left the rows.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn sessions_of(&self, account: AccountId) -> Result<Vec<Session>, OAuthError> {
        const PAGE: u32 = 500;
        let (account, mut after) = (account.to_string(), None::<String>);
        let mut sessions = Vec::new();
        loop {
            let rows = self.ledger.rows_by("session", 0, &account, after.as_deref(), PAGE).await.map_err(super::work::unreadable)?;
            for row in &rows {
                let state = chancery_projections::inline::state::<Session>(row).map_err(|e| OAuthError::server_error(e.to_string()))?;
                sessions.push(state.state);
            }
            // The newest are kept: whoever signs in by program a thousand times a day still sees today.
            sessions.sort_by_key(|session| std::cmp::Reverse(session.auth_time));
            sessions.truncate(MOST_LISTED);
            match rows.last() {
                Some(last) if rows.len() == PAGE as usize => after = Some(last.key.clone()),
                _ => return Ok(sessions),
            }
        }
    }
}

/// Sessions in a list.
const MOST_LISTED: usize = 200;

fn read_cookie(text: &str) -> Option<(SessionId, Digest)> {
    let token = Opaque::parse(Kind::Session, text)?;
    Some((SessionId(token.stream), digest(text)))
}
