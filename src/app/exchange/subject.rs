//! What stands behind a token that was brought to be exchanged.
//!
//! | Rule | Source |
//! |---|---|
//! | the token is one of ours, of the type that was named, and alive with all that it rests on | RFC 8693 §2.1 |
//! | what it rests on is asserted: whoever ends one of these first wins | DESIGN: rule 4 |
//! | an id_token speaks for the session that it names, with what the person allows the client now | OpenID Connect Core 1.0 §2; our own |
//! | an actor is who the client's own token speaks for | RFC 8693 §2.1 |

use chancery_core::account::Account;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::details::Details;
use chancery_core::digest::Digest;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::grant::exchange::{Subject, unknown_token};
use chancery_core::grant::exchanged::{Actor, TokenType};
use chancery_core::grant::standing::{self, Parents};
use chancery_core::grant::{Grant, GrantKind, Person};
use chancery_core::id::{ClientId, SessionId, consent_stream};
use chancery_core::resource::ResourceServer;
use chancery_core::session::Session;
use chancery_core::time::Timestamp;
use chancery_core::token::opaque;
use chancery_jose::jws;
use serde_json::Value;

use crate::app::access::Known;
use crate::app::work::{Loaded, Work};
use crate::app::{App, seconds};

/// A token with its grant.
pub(super) struct Found {
    pub subject: Subject,
    /// `None` for an id_token.
    pub loaded: Option<Loaded<Grant>>,
    pub details: Option<Details>,
    /// A refresh token that was replaced.
    pub spent: bool,
}

/// The digest by which the log knows a token.
///
/// # Errors
/// `temporarily_unavailable`.
pub(super) async fn digest_of(app: &App, token: &str) -> Result<Digest, OAuthError> {
    Ok(match app.known_token(token).await? {
        Some(Known::Access { digest, .. } | Known::Refresh { digest, .. }) => digest,
        None => opaque::digest(token),
    })
}

impl App {
    /// The token, alive.
    ///
    /// # Errors
    /// `invalid_request`, `temporarily_unavailable`.
    pub(super) async fn find_subject(
        &self,
        work: &mut Work<'_>,
        asker: &Client,
        token: &str,
        token_type: TokenType,
    ) -> Result<Found, OAuthError> {
        if token_type == TokenType::IdToken {
            return self.find_id_token(work, token).await;
        }
        let known = self.known_token(token).await?.ok_or_else(|| unknown_token("not a token of this server"))?;
        let (Known::Access { digest, .. } | Known::Refresh { digest, .. }) = &known;
        let loaded = work.load::<Grant>(&known.grant().stream()).await?;
        let grant = loaded.or(|| unknown_token("unknown grant"))?.clone();
        // An operator's token is for this server's own routes, and for nobody to pass on.
        if grant.kind == GrantKind::Operator {
            return Err(unknown_token("an operator's token"));
        }
        let client = work.load::<Client>(&grant.client.stream()).await?.state.ok_or_else(|| unknown_token("its client is gone"))?;
        let standing = self.standing(work, client, &grant).await?;
        let audience = grant.access.iter().find(|own| own.digest.matches(digest)).and_then(|own| own.audience.clone());
        let server = match &audience {
            Some(audience) => work.load::<ResourceServer>(&audience.stream()).await?.state,
            None => None,
        };
        let parents = Parents { resource: server.as_deref(), ..standing.parents() };
        let dead = |why: standing::Dead| unknown_token(why.as_str());
        let subject = |scope, cnf, expires_at| Subject {
            token: *digest,
            token_type,
            client: grant.client.clone(),
            grant: Some(grant.id),
            person: match &grant.kind {
                GrantKind::Person(person) => Some(person.clone()),
                GrantKind::Client | GrantKind::Operator => None,
            },
            exchanged: grant.exchanged.as_deref().cloned(),
            scope,
            cnf,
            expires_at,
            is_for_asker: server.as_ref().is_some_and(|own| own.settings.introspected_by.contains(&asker.id)),
            // RFC 8693 §4.4: a JWT says it itself, of an opaque token introspection does, by the rules of now.
            may_act: may_act_in(token).or_else(|| self.named_actor(&known, &grant)),
        };
        match (&known, token_type) {
            (Known::Access { .. }, TokenType::AccessToken) => {
                let (access, scope) = standing::of_access(&grant, digest, &parents, self.now()).map_err(dead)?;
                let details = self.details_in(grant.details_of(access)).await?;
                let subject = subject(scope.clone(), access.cnf, access.expires_at);
                Ok(Found { subject, loaded: Some(loaded), details, spent: false })
            }
            (Known::Refresh { .. }, TokenType::RefreshToken) => {
                let family = grant.refresh.as_ref().ok_or_else(|| unknown_token("no refresh token"))?;
                let generation = self.mint.read_refresh(token).map_or(u32::MAX, |(_, rotation)| rotation.generation);
                // Within a grace window it may be a second tab that is late; it is refused, and nothing ends.
                let is_patient = standing.client.metadata.refresh_grace_seconds.0 > 0;
                let spent = grant.ended.is_none() && generation < family.generation && !is_patient;
                let expires_at = match standing::of_refresh(&grant, digest, &parents, self.now()) {
                    Ok(expires_at) => expires_at,
                    Err(_) if spent => family.expires_at,
                    Err(why) => return Err(dead(why)),
                };
                let details = self.details_in(grant.details.as_ref()).await?;
                let subject = subject(grant.scope.clone(), family.cnf, expires_at);
                Ok(Found { subject, loaded: Some(loaded), details, spent })
            }
            _ => Err(unknown_token("a token of another type than it was called")),
        }
    }

    /// Whom introspection names in `may_act` of an access token.
    fn named_actor(&self, known: &Known, grant: &Grant) -> Option<ClientId> {
        matches!(known, Known::Access { .. }).then(|| self.exchanges.may_act(&grant.client).cloned()).flatten()
    }

    /// An id_token that has not expired, of a session that lives and of a client that the person still allows something.
    async fn find_id_token(&self, work: &mut Work<'_>, token: &str) -> Result<Found, OAuthError> {
        let read = self.read_id_token(token).await?.ok_or_else(|| unknown_token("not an id_token of this server"))?;
        let tolerance = seconds(self.config.lifetimes.clock_tolerance).0;
        read.claims.validate_times(self.now().numeric_date(), tolerance).map_err(|_| unknown_token("expired"))?;
        let expires_at = read.claims.exp.map(|exp| Timestamp(exp.0.saturating_mul(1000))).ok_or_else(|| unknown_token("no exp"))?;
        let client = work.load::<Client>(&read.client.stream()).await?.state.filter(|own| own.is_active());
        let client = client.ok_or_else(|| unknown_token("its client is gone"))?;
        let account = work.load::<Account>(&read.account.stream()).await?.state.filter(|own| own.is_active());
        let account = account.ok_or_else(|| unknown_token("its account is gone"))?.id;
        let session = self.session_with_sid(account, &client.id, read.sid.as_deref()).await?;
        let session = work.load::<Session>(&session.stream()).await?.state.filter(|own| own.is_alive(self.now()));
        let session = session.ok_or_else(|| unknown_token("its session is over"))?;
        let consent = work.load::<Consent>(&consent_stream(account, &client.id)).await?.state.filter(|own| own.given_at.is_some());
        let consent = consent.ok_or_else(|| unknown_token("its consent was withdrawn"))?;
        let person = Person {
            account,
            session: session.id,
            offline: false,
            auth_time: session.auth_time,
            amr: session.amr.clone(),
            nonce: None,
            claims: chancery_core::claims::ClaimsRequest::default(),
            claim_values: None,
            wants_auth_time: false,
            consent_epoch: consent.withdrawals,
        };
        let subject = Subject {
            token: opaque::digest(token),
            token_type: TokenType::IdToken,
            client: client.id.clone(),
            grant: None,
            person: Some(person),
            exchanged: None,
            scope: consent.scope.clone(),
            cnf: None,
            expires_at,
            is_for_asker: false,
            may_act: None,
        };
        Ok(Found { subject, loaded: None, details: None, spent: false })
    }

    /// `sid` is a MAC: it is found among the sessions of the person that live.
    async fn session_with_sid(
        &self,
        account: chancery_core::id::AccountId,
        client: &ClientId,
        sid: Option<&str>,
    ) -> Result<SessionId, OAuthError> {
        let sid = sid.ok_or_else(|| unknown_token("it names no session"))?;
        let living = self.living_sessions_of(account).await?;
        living.iter().map(|own| own.id).find(|id| self.sid(*id, client) == sid).ok_or_else(|| unknown_token("its session is over"))
    }

    /// Who acts: whom an access token of the asking client speaks for.
    ///
    /// # Errors
    /// `invalid_request`, `temporarily_unavailable`.
    pub(super) async fn find_actor(
        &self,
        work: &mut Work<'_>,
        asker: &Client,
        token: &str,
        proven: Option<Confirmation>,
    ) -> Result<Actor, OAuthError> {
        let subject = self.find_subject(work, asker, token, TokenType::AccessToken).await?.subject;
        if subject.client != asker.id || subject.exchanged.is_some() {
            return Err(unknown_token("the actor's token is not the client's own"));
        }
        if subject.cnf.is_some() && subject.cnf != proven {
            return Err(unknown_token("the actor's token is bound to another key"));
        }
        Ok(Actor { account: subject.person.map(|own| own.account), client: subject.client })
    }
}

/// `may_act` of a JWT whose signature was checked (RFC 8693 §4.4).
fn may_act_in(token: &str) -> Option<ClientId> {
    let parsed = jws::parse(token).ok()?;
    let claims: Value = serde_json::from_slice(parsed.unverified_payload()).ok()?;
    ClientId::parse(claims.get("may_act")?.get("sub")?.as_str()?)
}
