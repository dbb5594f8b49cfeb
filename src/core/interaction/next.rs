//! What has to happen before a request can be answered.
//!
//! | Rule | Source |
//! |---|---|
//! | `prompt=none` shows no page: `login_required`, `consent_required` | OpenID Connect Core 1.0 §3.1.2.1, §3.1.2.6 |
//! | `prompt=login` asks for the password even in a session, once per request | OpenID Connect Core 1.0 §3.1.2.1 |
//! | `max_age`: an older login does not count; once per request | OpenID Connect Core 1.0 §3.1.2.1 |
//! | `id_token_hint` of somebody else: that person has to sign in | OpenID Connect Core 1.0 §3.1.2.1 |
//! | consent: `prompt=consent`, or more is wanted than was allowed | OpenID Connect Core 1.0 §3.1.2.4, §11 |
//! | a private-use or loopback URI proves no client: consent each time, in production | RFC 8252 §8.6 |

use crate::client::metadata::origin_of;
use crate::consent::Consent;
use crate::error::OAuthError;
use crate::id::SessionId;
use crate::request::{Prompt, Request};
use crate::session::Session;
use crate::time::Timestamp;

/// The next step of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    SignIn,
    AskConsent,
    Grant,
    Refuse(OAuthError),
}

/// What the decision looks at.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    pub request: &'a Request,
    /// The session in which the person signed in for this very request.
    pub authenticated: Option<SessionId>,
    /// The browser's session, if its account is active.
    pub session: Option<&'a Session>,
    pub consent: Option<&'a Consent>,
    pub production: bool,
    pub at: Timestamp,
}

pub fn decide(seen: &Seen<'_>) -> Next {
    let none = seen.request.prompt.contains(&Prompt::None);
    let Some(session) = seen.session.filter(|session| session.is_alive(seen.at)) else {
        return if none { Next::Refuse(OAuthError::login_required("nobody is signed in")) } else { Next::SignIn };
    };
    let fresh = seen.authenticated == Some(session.id);
    if let Some(why) = login_is_stale(seen.request, session, seen.at).filter(|_| !fresh) {
        return if none { Next::Refuse(OAuthError::login_required(why)) } else { Next::SignIn };
    }
    if seen.request.hinted_account.is_some_and(|hinted| hinted != session.account) {
        // After a fresh login somebody else is there: that is an answer, not a reason to ask again for ever.
        return if none || fresh {
            Next::Refuse(OAuthError::login_required("another person than the id_token_hint names"))
        } else {
            Next::SignIn
        };
    }
    if consent_is_needed(seen) {
        return if none { Next::Refuse(OAuthError::consent_required("not allowed yet")) } else { Next::AskConsent };
    }
    Next::Grant
}

fn login_is_stale(request: &Request, session: &Session, at: Timestamp) -> Option<&'static str> {
    if request.prompt.contains(&Prompt::Login) || request.prompt.contains(&Prompt::SelectAccount) {
        return Some("a fresh login was asked for");
    }
    let max_age = request.max_age?;
    (at >= session.auth_time.plus(max_age)).then_some("the login is older than max_age")
}

fn consent_is_needed(seen: &Seen<'_>) -> bool {
    let unproven = seen.production && (!seen.request.redirect_uri.starts_with("https:") || origin_of(&seen.request.redirect_uri).is_none());
    seen.request.prompt.contains(&Prompt::Consent) || unproven || !seen.consent.is_some_and(|consent| consent.covers(&seen.request.scope))
}
