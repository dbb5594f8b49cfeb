//! Another e-mail address, chosen by the person.
//!
//! | Rule | Source |
//! |---|---|
//! | who changes it proves the password | OWASP ASVS 5.0 §6.2.3 |
//! | one account per address: the new one is taken and the old one released in the append of the event | DESIGN: §5 |
//! | sessions go on: their right is the password, which is the same; the page offers to end them | docs/adr/0038 |

use chancery_core::account::email::{self, ChangeEmail};
use chancery_core::account::{Account, register};
use chancery_core::error::OAuthError;
use chancery_core::{base64url, id::AccountId};

use super::App;
use super::accounts::{EMAIL, Proven, account_seal, address_taken};
use super::claims::NotChanged;
use super::context::Context;
use super::vault::KeyKind;
use super::vault::email::blind_index;
use super::work::{Seal, Stop, Work, decide};

/// What is to be written, but for the state of the account.
struct Wish<'a> {
    account: AccountId,
    email: &'a str,
    index: &'a [u8],
    proven: &'a Proven,
}

impl App {
    /// The person has another address; the password was proven a moment ago. Says whether that was news.
    ///
    /// # Errors
    /// The problem of the address, one that is taken among them; `conflict` for an account that the file declares; `slow_down`,
    /// `temporarily_unavailable`.
    pub async fn change_email(&self, context: &Context, account: &Account, proven: &Proven, email: &str) -> Result<bool, NotChanged> {
        if proven.account != account.id {
            return Err(OAuthError::access_denied("another person's password").into());
        }
        if let Some(problem) = register::email_problem(email) {
            return Err(NotChanged::Problems(vec![problem]));
        }
        let index = blind_index(&self.names.blind_index, email);
        let seal = account_seal(account.id, self.data_key(KeyKind::Account, &account.id.to_string()).await?);
        let wish = Wish { account: account.id, email, index: &index, proven };
        match decide!(self, context, |work| self.change_email_once(work, &wish, context, &seal)) {
            Ok(is_news) => Ok(is_news),
            Err(Stop::Taken(EMAIL)) => Err(NotChanged::Problems(vec![address_taken()])),
            Err(stop) => Err(OAuthError::from(stop).into()),
        }
    }

    async fn change_email_once(&self, mut work: Work<'_>, wish: &Wish<'_>, context: &Context, seal: &Seal) -> Result<bool, Stop> {
        self.clear_attempts(&mut work, wish.proven, seal).await?;
        let mut loaded = work.load::<Account>(&wish.account.stream()).await?;
        let state = loaded.or(|| OAuthError::not_found("no such account"))?.clone();
        let before_index = self.unseal_optional(state.email_index.as_ref()).await?.unwrap_or_default();
        let before = base64url::decode(&before_index);
        let command = ChangeEmail {
            email: wish.email.to_owned(),
            before_index,
            index: base64url::encode(wish.index),
            context: context.personal(),
            at: self.now(),
        };
        let decision = email::change(&state, &command);
        decision.outcome?;
        let is_news = !decision.events.is_empty();
        work.record(&mut loaded, decision.events, seal)?;
        if is_news {
            if let Some(before) = before {
                work.release(EMAIL, before);
            }
            work.take(EMAIL, wish.index.to_vec(), wish.account.to_string());
        }
        work.commit().await?;
        Ok(is_news)
    }
}
