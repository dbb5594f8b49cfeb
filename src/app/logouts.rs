//! The outbox of logouts: clients are told that a session is over, each in its order, until they say yes.
//!
//! | Rule | Source |
//! |---|---|
//! | the logout token says iss, sub, aud, iat, exp, jti, events and sid, and has no nonce | OpenID Connect Back-Channel Logout 1.0 §2.4 |
//! | its type keeps it from passing for an id_token | Back-Channel Logout 1.0 §2.4, RFC 8725 §3.11 |
//! | it is made anew for each attempt and lives for two minutes | Back-Channel Logout 1.0 §4 |
//! | the attempt is in the log before it is made | DESIGN: rule 1 |
//!
//! Sending is handed in by `http`: this room knows no socket.

use std::collections::BTreeSet;
use std::time::Duration;

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_core::id::{ClientId, LogoutId};
use chancery_core::logout::{self, Due, Logout};
use chancery_core::session::Session;
use chancery_core::stream::Stream as _;
use chancery_core::time::Seconds;
use chancery_projections::inline;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::context::Context;
use super::remote::{Post, Posted};
use super::work::{Loaded, Seal, Stop, Work, decide, unreadable};
use super::{App, random};

/// How often the outbox is looked at.
pub const EVERY: Duration = Duration::from_secs(1);
/// Messages looked at in one round.
const MOST: u32 = 1000;
/// Clients that are told at the same time.
const AT_ONCE: usize = 16;
/// Life of a logout token.
const LIFETIME: Seconds = Seconds(120);
/// The member of `events` (Back-Channel Logout 1.0 §2.4).
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl App {
    /// Records, for a session that ends in this unit of work, whom to tell.
    pub(super) fn order_logouts(&self, work: &mut Work<'_>, session: &Session) -> Result<(), Stop> {
        for client in &session.clients {
            let id = LogoutId(random::uuid_v7(self.clock.now_ms()));
            let mut loaded: Loaded<Logout> = work.fresh(id.stream());
            let decision = logout::order(id, session.id, session.account, client, self.now());
            let seal = Seal { key: None, subject: Some(session.account.to_string()) };
            work.record(&mut loaded, decision.events, &seal)?;
        }
        Ok(())
    }

    /// One round over the outbox: tells every client whose turn has come. Says how many were told.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the outbox cannot be read.
    pub async fn deliver_logouts(&self, context: &Context, post: &Post) -> Result<usize, OAuthError> {
        // What is due at this very moment is due.
        let due = self.now().0.saturating_add(1);
        let rows = self.ledger.rows_expired(Logout::KIND, due, MOST).await.map_err(unreadable)?;
        let mut clients = BTreeSet::new();
        for row in &rows {
            let logout = inline::state::<Logout>(row).map_err(|e| OAuthError::server_error(e.to_string()))?.state;
            if logout.is_waiting() {
                clients.insert(logout.client);
            }
        }
        let (mut tasks, mut told) = (JoinSet::new(), 0);
        for client in clients {
            if tasks.len() >= AT_ONCE {
                told += tasks.join_next().await.and_then(Result::ok).unwrap_or(0);
            }
            let (app, context, post) = (self.clone(), context.clone(), post.clone());
            tasks.spawn(async move { app.tell_client(&context, &client, &post).await });
        }
        while let Some(one) = tasks.join_next().await {
            told += one.unwrap_or(0);
        }
        Ok(told)
    }

    /// Tells one client, the oldest message first; stops at the first that fails, so that the order holds.
    async fn tell_client(&self, context: &Context, client: &ClientId, post: &Post) -> usize {
        let mut told = 0;
        for _ in 0..MOST {
            match self.tell_next(context, client, post).await {
                Ok(true) => told += 1,
                Ok(false) => break,
                Err(error) => {
                    tracing::warn!(client = %client, detail = %error.detail, "a logout could not be delivered");
                    break;
                }
            }
        }
        told
    }

    /// `true` when the oldest waiting message is done with.
    async fn tell_next(&self, context: &Context, client: &ClientId, post: &Post) -> Result<bool, OAuthError> {
        let rows = self.ledger.rows_by(Logout::KIND, 0, client.as_str(), None, 1).await.map_err(unreadable)?;
        let Some(row) = rows.first() else { return Ok(false) };
        let waiting = inline::state::<Logout>(row).map_err(|e| OAuthError::server_error(e.to_string()))?.state;
        let target = self.load_client(&client.stream()).await?.state.filter(|own| own.is_active());
        let target = target.and_then(|own| own.metadata.backchannel_logout_uri.clone().map(|uri| (own, uri)));
        // Recorded first: another node that sees the same row loses this race and leaves it.
        let taken = decide!(self, context, |work| self.attempt_once(work, waiting.id, target.is_some()));
        let due = match taken {
            Ok(due) => due,
            Err(stop) => return Err(stop.into()),
        };
        let (Due::Attempt, Some((own, uri))) = (due, target) else {
            // Given up: the next one may go.
            return Ok(self.read::<Logout>(&waiting.id.stream()).await?.is_some_and(|logout| !logout.is_waiting()));
        };
        let token = self.logout_token(&own, &waiting).await?;
        let (content_type, body) = ("application/x-www-form-urlencoded", format!("logout_token={token}"));
        let answer = post(Posted { url: uri, content_type, authorization: None, body }).await;
        let at = self.now();
        let delivered = decide!(self, context, |work| answered_once(work, waiting.id, answer.clone(), at))?;
        Ok(delivered)
    }

    async fn attempt_once(&self, mut work: Work<'_>, id: LogoutId, client_is_there: bool) -> Result<Due, Stop> {
        let mut loaded = work.load::<Logout>(&id.stream()).await?;
        let Some(state) = loaded.state.clone() else { return Ok(Due::Nothing) };
        let decision = logout::attempt(&state, client_is_there, self.now());
        let due = decision.outcome?;
        work.record(&mut loaded, decision.events, &Seal { key: None, subject: Some(state.account.to_string()) })?;
        work.commit().await?;
        Ok(due)
    }

    /// Back-Channel Logout 1.0 §2.4.
    async fn logout_token(&self, client: &Client, logout: &Logout) -> Result<String, OAuthError> {
        let at = self.now();
        let claims: Value = json!({
            "iss": self.endpoints.issuer,
            "sub": self.subject(logout.account, client)?,
            "aud": client.id,
            "iat": at.numeric_date(),
            "exp": at.plus(LIFETIME).numeric_date(),
            "jti": random::uuid_v7(self.clock.now_ms()),
            "events": { EVENT: {} },
            "sid": self.sid(logout.session, &client.id),
        });
        self.keys.current().await?.sign_as(client.metadata.id_token_signed_response_alg, "logout+jwt", &claims).await
    }
}

async fn answered_once(
    mut work: Work<'_>,
    id: LogoutId,
    answer: Result<u16, String>,
    at: chancery_core::time::Timestamp,
) -> Result<bool, Stop> {
    let mut loaded = work.load::<Logout>(&id.stream()).await?;
    let Some(state) = loaded.state.clone() else { return Ok(false) };
    let decision = logout::answered(answer, at);
    let delivered = decision.outcome?;
    work.record(&mut loaded, decision.events, &Seal { key: None, subject: Some(state.account.to_string()) })?;
    work.commit().await?;
    Ok(delivered)
}
