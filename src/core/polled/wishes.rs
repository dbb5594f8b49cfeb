//! What a client wants of the sign-in and of the tokens, besides scopes, when no browser brings its request.
//!
//! | Rule | Source |
//! |---|---|
//! | what is not personal stands in the event; texts stand beside it as ciphertext, under the names that a code has them | DESIGN: rule 7 |
//! | `max_age`: an older sign-in does not count, unless it came after the request | OpenID Connect Core 1.0 §3.1.2.1 |
//! | whom an `id_token_hint` or a `sub` in `claims` names has to answer; somebody else is asked to sign in once | OpenID Connect Core 1.0 §3.1.2.1, §5.5.1 |
//!
//! Out of scope: the checks (`request`), scopes and resources.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::claims::ClaimsRequest;
use crate::claims::wanted::CLAIM_VALUES;
use crate::decision::Personal;
use crate::error::OAuthError;
use crate::grant::DETAILS;
use crate::id::AccountId;
use crate::request::Request;
use crate::stream::{Event, Fact, Sealed};
use crate::time::{Seconds, Timestamp};

/// The field of the log that holds a nonce as ciphertext.
const NONCE: &str = "nonce";

/// The part that is not personal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Wishes {
    /// Claims that were asked for one by one.
    #[serde(default, skip_serializing_if = "ClaimsRequest::is_empty")]
    pub claims: ClaimsRequest,
    /// The account that has to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hinted_account: Option<AccountId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Seconds>,
    /// Languages that the person reads, for the pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// `auth_time` belongs into the id_token.
    #[serde(default, skip_serializing_if = "crate::request::is_false")]
    pub wants_auth_time: bool,
}

/// Why a sign-in does not do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Too old, or of somebody else: who is meant has to sign in.
    SignIn,
    /// Somebody else signed in although they were asked for this request.
    AnotherPerson,
}

/// When who signed in.
#[derive(Clone, Copy)]
pub struct Login {
    pub account: AccountId,
    pub auth_time: Timestamp,
}

impl Wishes {
    /// Of a request that passed its checks.
    pub fn of(request: &Request) -> Self {
        Self {
            claims: request.claims.clone(),
            hinted_account: request.hinted_account,
            max_age: request.max_age,
            ui_locales: request.ui_locales.clone(),
            wants_auth_time: request.wants_auth_time,
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Does a sign-in do for a request of that time, now?
    ///
    /// # Errors
    /// Why not.
    pub fn check_login(&self, login: Login, requested_at: Timestamp, now: Timestamp) -> Result<(), Unfit> {
        // Once per request, as in a browser: with a max_age of 0 nothing else could ever be answered.
        let is_fresh = login.auth_time >= requested_at;
        if self.hinted_account.is_some_and(|hinted| hinted != login.account) {
            return Err(if is_fresh { Unfit::AnotherPerson } else { Unfit::SignIn });
        }
        match self.max_age {
            Some(max_age) if !is_fresh && now >= login.auth_time.plus(max_age) => Err(Unfit::SignIn),
            _ => Ok(()),
        }
    }
}

impl From<Unfit> for OAuthError {
    fn from(why: Unfit) -> Self {
        match why {
            Unfit::SignIn => {
                Self::login_required("the sign-in is too old for it, or another person's").saying("Sign in again to allow this request.")
            }
            Unfit::AnotherPerson => Self::login_required("another person than the request names")
                .saying("This request is for another person than the one who is signed in."),
        }
    }
}

/// The texts of a request, to be sealed.
#[derive(Clone, Default)]
pub struct Texts {
    /// In their one text (RFC 9396).
    pub authorization_details: Option<String>,
    /// The values that claims are asked for with.
    pub claim_values: Option<String>,
    /// Comes back in the id_token.
    pub nonce: Option<String>,
}

impl Texts {
    /// Beside an event.
    #[must_use]
    pub fn beside(&self, personal: Personal) -> Personal {
        personal
            .with_whole(DETAILS, self.authorization_details.as_deref())
            .with_whole(CLAIM_VALUES, self.claim_values.as_deref())
            .with_whole(NONCE, self.nonce.as_deref())
    }
}

/// The same as ciphertext. Details are kept apart, where they always were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SealedTexts {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_values: Option<Sealed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Sealed>,
}

impl SealedTexts {
    pub fn of<E: Event>(fact: &Fact<'_, E>, stream: &str) -> Self {
        Self { claim_values: fact.sealed(stream, CLAIM_VALUES), nonce: fact.sealed(stream, NONCE) }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;

    fn fits(wishes: &Wishes, account: AccountId, signed_in: i64, now: i64) -> Result<(), Unfit> {
        wishes.check_login(Login { account, auth_time: t(signed_in) }, t(100), t(now))
    }

    #[test]
    fn oidc_core_3_1_2_1_a_sign_in_older_than_max_age_does_not_count_unless_it_came_for_this() {
        let of = |max_age| Wishes { max_age: Some(Seconds(max_age)), ..Wishes::default() };
        assert_eq!(fits(&Wishes::default(), alice(), -9_000, 110), Ok(()));
        assert_eq!(fits(&of(60), alice(), 51, 110), Ok(()));
        assert_eq!(fits(&of(60), alice(), 50, 110), Err(Unfit::SignIn));
        assert_eq!(fits(&of(0), alice(), 99, 110), Err(Unfit::SignIn));
        assert_eq!(fits(&of(0), alice(), 100, 110), Ok(()), "signed in for this request");
        assert_eq!(fits(&of(60), alice(), 101, 500), Ok(()), "however long the answer takes");
    }

    #[test]
    fn oidc_core_3_1_2_1_who_is_named_answers_and_nobody_is_asked_for_ever() {
        let wishes = Wishes { hinted_account: Some(alice()), ..Wishes::default() };
        assert_eq!(fits(&wishes, alice(), 0, 110), Ok(()));
        assert_eq!(fits(&wishes, bob(), 0, 110), Err(Unfit::SignIn));
        assert_eq!(fits(&wishes, bob(), 105, 110), Err(Unfit::AnotherPerson));
        assert_eq!(OAuthError::from(Unfit::AnotherPerson).code(), "login_required");
    }
}
