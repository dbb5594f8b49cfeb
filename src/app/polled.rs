//! What a client asks without a browser: checked, and parted into what stands in events and what is sealed. And how fast it polls for the answer. The
//! device grant and CIBA share both.
//!
//! Out of scope: the rules (`chancery_core::request`, `chancery_core::polled`).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chancery_core::claims;
use chancery_core::client::Client;
use chancery_core::details::Details;
use chancery_core::error::OAuthError;
use chancery_core::polled::wishes::{Texts, Wishes};
use chancery_core::request::object::Settled;
use chancery_core::request::{self, Arrival, Asked, Request, Resources};
use uuid::Uuid;

use super::App;

/// A request that passed every check.
pub(super) struct Wanted {
    pub request: Request,
    pub wishes: Wishes,
    pub texts: Texts,
}

impl App {
    /// Checks a request. `hint`: its `id_token_hint`, where that says who has to answer.
    ///
    /// # Errors
    /// What the checks say; `temporarily_unavailable`.
    pub(super) async fn wanted(&self, client: &Client, settled: &Settled, hint: Option<&str>) -> Result<Wanted, OAuthError> {
        let parameters = &settled.parameters;
        let claimed = parameters.get("claims").map(String::as_str);
        let hint = self.hinted_account(hint).await?.map(|hinted| self.claimed_account(hinted, claimed, client));
        let named = self.named_resources(&settled.resources);
        let found = self.resource_servers(&named).await?;
        let resources = Resources { asked: &named, found: &found, own: self.own_resources() };
        let (policy, arrival) = (self.policy(), Arrival::Pushing);
        let request = request::of_polled(&Asked { parameters, client, hint, policy, arrival, resources, types: &self.details })?;
        let details = parameters.get("authorization_details").map(|text| Details::read(text)).transpose()?;
        let texts = Texts {
            authorization_details: details.map(|own| own.text()),
            claim_values: claimed.map(claims::parse).transpose()?.and_then(|parsed| parsed.wanted.text()),
            nonce: parameters.get("nonce").cloned(),
        };
        Ok(Wanted { wishes: Wishes::of(&request), request, texts })
    }
}

/// When each device polled last. In memory, per node: it decides about haste and nothing else.
#[derive(Default)]
pub struct Polls(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<Uuid, i64>,
    old: HashMap<Uuid, i64>,
}

/// Devices that are remembered.
const MOST_POLLS: usize = 65_536;

impl Polls {
    /// When it polled before; from here on the last time is now. A full young generation takes the place of the old one.
    pub(super) fn note(&self, device: Uuid, now: i64) -> Option<i64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = all.young.get(&device).or_else(|| all.old.get(&device)).copied();
        if all.young.len() >= MOST_POLLS / 2 && !all.young.contains_key(&device) {
            all.old = std::mem::take(&mut all.young);
        }
        all.young.insert(device, now);
        before
    }
}
