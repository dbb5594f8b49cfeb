//! What every route holds: the application, the cookies, the limits.

use std::sync::Arc;

use chancery_core::error::OAuthError;
use poem::Request;
use poem::http::header;

use super::client_address::ClientAddress;
use super::cookies::{CookieKeys, Cookies};
use super::error::Refused;
use super::rate_limit::{Limit, RateLimiter, Who};
use super::request_id::RequestId;
use super::requests::Requests;
use super::tails::Tails;
use crate::app::App;
use crate::app::context::Context;
use crate::config::Rate;

/// Handle on the server, cheap to clone.
#[derive(Clone)]
pub struct Server(Arc<Parts>);

pub struct Parts {
    pub app: App,
    pub cookies: Cookies,
    /// Keys of form tokens.
    pub forms: CookieKeys,
    pub limits: RateLimiter,
    /// Auditors who follow the log.
    pub tails: Tails,
    /// What was answered, in numbers.
    pub requests: Arc<Requests>,
}

impl std::ops::Deref for Server {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Server {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Refuses when the address has used up its share of failures. Nothing is counted yet.
    pub fn check_limit(&self, purpose: &'static str, request: &Request, rate: Option<Rate>) -> Result<(), Refused> {
        self.limited(purpose, request, rate, RateLimiter::peek)
    }

    /// Counts one against the address.
    pub fn count(&self, purpose: &'static str, request: &Request, rate: Option<Rate>) -> Result<(), Refused> {
        self.limited(purpose, request, rate, RateLimiter::take)
    }

    fn limited(
        &self,
        purpose: &'static str,
        request: &Request,
        rate: Option<Rate>,
        ask: fn(&RateLimiter, &'static str, Who<'_>, Limit) -> Result<(), super::rate_limit::TryAgain>,
    ) -> Result<(), Refused> {
        let (Some(rate), Some(address)) = (rate, request.data::<ClientAddress>()) else { return Ok(()) };
        ask(&self.limits, purpose, Who::Address(address.0), limit(rate)).map_err(|again| {
            self.limits.count_refused(purpose, address.0);
            Refused::from(OAuthError::slow_down("rate limit of the address")).retry_after(again.seconds)
        })
    }

    /// Counts one against a name: a client or an account.
    pub fn count_name(&self, purpose: &'static str, name: &str, rate: Option<Rate>) -> Result<(), Refused> {
        let Some(rate) = rate else { return Ok(()) };
        self.limits
            .take(purpose, Who::Name(name), limit(rate))
            .map_err(|again| Refused::from(OAuthError::slow_down("rate limit of the name")).retry_after(again.seconds))
    }

    /// Has the name used up its share?
    pub fn check_name(&self, purpose: &'static str, name: &str, rate: Option<Rate>) -> Result<(), Refused> {
        let Some(rate) = rate else { return Ok(()) };
        self.limits
            .peek(purpose, Who::Name(name), limit(rate))
            .map_err(|again| Refused::from(OAuthError::slow_down("rate limit of the name")).retry_after(again.seconds))
    }
}

/// `count` at once, then evenly over the window.
fn limit(rate: Rate) -> Limit {
    let window = u64::try_from(rate.window.as_millis()).unwrap_or(u64::MAX);
    Limit { burst: rate.count, refill_ms: (window / u64::from(rate.count.max(1))).max(1) }
}

/// Who asks, for the events that follow.
pub fn context(request: &Request) -> Context {
    let correlation = request.data::<RequestId>().map(ToString::to_string).unwrap_or_default();
    let address = request.data::<ClientAddress>().map(|own| own.0.to_string());
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Context::of_request(correlation, address, agent)
}
