//! The public keys of a client: those that it registered by value, or those behind its `jwks_uri`.
//!
//! | Rule | Source |
//! |---|---|
//! | keys are fetched when they are needed, kept for as long as they say and an hour at most, and fetched again for a `kid` that nobody knows | OpenID Connect Core 1.0 §10.1.1 |
//! | never more often than once a minute for one client, whatever anybody sends | our own |
//! | when they cannot be fetched, those of the last day still count | our own |
//! | keys that are others than before are an event of the client: the log says which keys checked what | DESIGN: rule 2 |
//!
//! What this node knows of times is in memory: after a start the event's own time stands for it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chancery_core::canonical;
use chancery_core::client::Client;
use chancery_core::client::manage;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::ClientId;
use chancery_core::time::Timestamp;
use chancery_jose::Jwks;
use chancery_jose::jwks::MAX_JWKS;
use serde_json::Value;

use super::App;
use super::context::Context;
use super::remote::{Wanted, Whose};
use super::work::{Seal, Stop, Work, decide};

/// Keys that say nothing are fresh for so long, and so are those that say more.
const FRESH_MS: i64 = 60 * 60 * 1000;
/// Keys that were fetched so long ago do not count any more when they cannot be fetched again.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;
/// Between two fetches for one client, whatever the first one said.
const PAUSE_MS: i64 = 60 * 1000;
/// Clients whose times are kept. Beyond them the oldest go, and cost a fetch more.
const MOST: usize = 10_000;

/// When the keys of a client, or the document that it is, were looked for.
#[derive(Clone, Copy)]
pub(super) struct Looked {
    pub tried_at: i64,
    pub found_at: i64,
    pub fresh_until: i64,
}

/// The times at which this node fetched.
#[derive(Default)]
pub struct Fetches {
    looked: Mutex<HashMap<ClientId, Looked>>,
    /// One fetch for one client at a time; the others wait for its answer.
    gates: Mutex<HashMap<ClientId, Arc<tokio::sync::Mutex<()>>>>,
}

impl Fetches {
    pub(super) fn of(&self, client: &ClientId) -> Option<Looked> {
        self.looked.lock().unwrap_or_else(PoisonError::into_inner).get(client).copied()
    }

    pub(super) fn note(&self, client: &ClientId, looked: Looked) {
        let mut all = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST
            && !all.contains_key(client)
            && let Some(oldest) = all.iter().min_by_key(|(_, own)| own.tried_at).map(|(id, _)| id.clone())
        {
            all.remove(&oldest);
        }
        all.insert(client.clone(), looked);
    }

    pub(super) fn gate(&self, client: &ClientId) -> Arc<tokio::sync::Mutex<()>> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that nobody holds any more go, so that the map is no longer than the requests under way.
        gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        gates.entry(client.clone()).or_default().clone()
    }
}

impl App {
    /// The keys of a client that may check a token with this `kid`; `None` when it has none.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn keys_of(&self, context: &Context, client: &Client, kid: Option<&str>) -> Result<Option<Jwks>, OAuthError> {
        Ok(self.key_set_of(context, client, kid).await?.and_then(|jwks| Jwks::from_value(&jwks).ok()))
    }

    /// The same as the document says it, those for encryption among them.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub(super) async fn key_set_of(&self, context: &Context, client: &Client, kid: Option<&str>) -> Result<Option<Value>, OAuthError> {
        let Some(uri) = &client.metadata.jwks_uri else { return Ok(client.metadata.jwks.clone()) };
        if let Some(known) = self.fresh_keys(client, kid) {
            return Ok(Some(known));
        }
        let gate = self.fetches.gate(&client.id);
        let _one_at_a_time = gate.lock().await;
        // Whoever held the gate before may have found them.
        let client = self.read::<Client>(&client.id.stream()).await?.filter(|own| own.metadata.jwks_uri.as_ref() == Some(uri));
        let Some(client) = client else { return Ok(None) };
        if let Some(known) = self.fresh_keys(&client, kid) {
            return Ok(Some(known));
        }
        let now = self.now().0;
        let looked = self.looked(&client);
        if looked.is_none_or(|own| now >= own.tried_at + PAUSE_MS) {
            let tried = Looked { tried_at: now, ..looked.unwrap_or(Looked { tried_at: now, found_at: i64::MIN, fresh_until: i64::MIN }) };
            self.fetches.note(&client.id, tried);
            match self.find_keys(uri, Whose::of(&client)).await? {
                Ok((jwks, fresh_for)) => {
                    let fresh_for = fresh_for.map_or(FRESH_MS, |own| i64::try_from(own.as_millis()).unwrap_or(FRESH_MS).min(FRESH_MS));
                    self.keep_keys(context, &client, &jwks).await?;
                    self.fetches.note(&client.id, Looked { tried_at: now, found_at: now, fresh_until: now + fresh_for });
                    return Ok(Some(jwks));
                }
                Err(why) => tracing::info!(client = %client.id, why, "the keys of the client could not be fetched"),
            }
        }
        // Stale ones are better than none, for a day: a client whose web server is down can still speak.
        let usable = self.looked(&client).is_some_and(|own| now < own.found_at.saturating_add(STALE_MS));
        Ok(client.keys.as_ref().filter(|_| usable).map(|own| own.jwks.clone()))
    }

    fn looked(&self, client: &Client) -> Option<Looked> {
        let from_log = |Timestamp(at)| Looked { tried_at: at, found_at: at, fresh_until: at + FRESH_MS };
        self.fetches.of(&client.id).or_else(|| client.keys.as_ref().map(|own| from_log(own.at)))
    }

    /// The keys that are known, if they are fresh and one of them is meant; also when it is too early to look for others.
    fn fresh_keys(&self, client: &Client, kid: Option<&str>) -> Option<Value> {
        let (looked, now) = (self.looked(client)?, self.now().0);
        let jwks = &client.keys.as_ref()?.jwks;
        let keys = jwks.get("keys").and_then(Value::as_array);
        let is_known = kid.is_none_or(|kid| keys.into_iter().flatten().any(|key| key.get("kid").is_some_and(|own| own == kid)));
        (now < looked.fresh_until && is_known).then(|| jwks.clone())
    }

    async fn find_keys(&self, uri: &str, whose: Whose) -> Result<Result<(Value, Option<Duration>), String>, OAuthError> {
        let wanted = Wanted { url: uri.to_owned(), accept: "application/jwk-set+json, application/json", most: MAX_JWKS, whose };
        let fetched = match self.fetch(wanted).await? {
            Ok(fetched) => fetched,
            Err(why) => return Ok(Err(why)),
        };
        match Jwks::parse(&fetched.body) {
            // Those for encryption are of algorithms that check nothing.
            Ok(set) if !set.keys().is_empty() || !set.skipped().is_empty() => {}
            Ok(_) => return Ok(Err("no public key".to_owned())),
            Err(why) => return Ok(Err(why.to_string())),
        }
        // It was read as JSON a moment ago.
        let sent = serde_json::from_slice::<Value>(&fetched.body).map_err(|why| why.to_string());
        Ok(sent.map(|sent| (public_members(&sent), fetched.fresh_for)))
    }

    async fn keep_keys(&self, context: &Context, client: &Client, jwks: &Value) -> Result<(), OAuthError> {
        let bytes = canonical::to_vec(jwks).map_err(|why| OAuthError::server_error(format!("keys without canonical form: {why:?}")))?;
        let digest = Digest::of(&bytes);
        decide!(self, context, |work| keep_once(work, &client.id, jwks, digest, self.now()))?;
        Ok(())
    }
}

/// The members that say what a key is and is for; what nobody here understands stays out of the log.
pub(super) fn public_members(sent: &Value) -> Value {
    const MEMBERS: [&str; 11] = ["kty", "use", "key_ops", "alg", "kid", "crv", "n", "e", "x", "y", "x5c"];
    let keys = sent.get("keys").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let picked = keys.map(|key| {
        let members = MEMBERS.iter().filter_map(|name| Some(((*name).to_owned(), key.get(*name)?.clone())));
        Value::Object(members.filter(|(_, value)| value.is_string() || value.is_array()).collect())
    });
    serde_json::json!({ "keys": picked.collect::<Vec<_>>() })
}

async fn keep_once(mut work: Work<'_>, id: &ClientId, jwks: &Value, digest: Digest, at: Timestamp) -> Result<(), Stop> {
    let mut loaded = work.load::<Client>(&id.stream()).await?;
    let decision = manage::keys_fetched(loaded.or(|| OAuthError::invalid_client("the client is gone"))?, jwks, digest, at);
    work.record(&mut loaded, decision.events, &Seal::default())?;
    work.commit().await.map(drop)
}
