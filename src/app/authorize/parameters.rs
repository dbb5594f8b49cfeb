//! Which parameters an authorization request has. One room for every endpoint that takes one: whatever stands in a request object or
//! behind a name is settled here, before the checks see anything.
//!
//! | Source | Where it is resolved |
//! |---|---|
//! | the request itself | nowhere: it is |
//! | `request`, a request object by value | [`App::object_by_value`] |
//! | `request_uri` with https, by reference | [`App::object_by_reference`] |
//! | `request_uri` of this server (RFC 9126) | [`App::resolve_pushed`] |
//!
//! The rules are those of `chancery_core::request::object`; here are signature, decryption and fetching.

use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::client::metadata::RequestObjectAlg;
use chancery_core::digest::Digest;
use chancery_core::error::OAuthError;
use chancery_core::id::{InteractionId, PushedId};
use chancery_core::pushed::Visit;
use chancery_core::request::object::{self, Object, ObjectUsed, Place, Settled, Source};
use chancery_core::request::{Arrival, Parameters, Policy};
use chancery_jose::{Algorithm, RegisteredClaims, jws, opening};

use super::{Browser, Sent};
use crate::app::App;
use crate::app::context::Context;
use crate::app::remote::{Wanted, Whose};

/// A pushed request in the hands of a browser.
pub(super) struct Brought {
    pub id: PushedId,
    pub visit: Visit,
}

/// A request after whatever it refers to was looked up.
pub(super) struct Resolved {
    pub parameters: Parameters,
    pub resources: Vec<String>,
    /// The object that they stood in.
    pub object: Option<ObjectUsed>,
    /// The key of the instance that pushed it.
    pub instance: Option<Digest>,
    /// The visit that brought it, when it was pushed.
    pub pushed: Option<Brought>,
}

impl Resolved {
    pub fn arrival(&self) -> Arrival {
        if self.pushed.is_some() { Arrival::Pushed } else { Arrival::Browser }
    }
}

impl App {
    /// Settles the parameters of a request at the authorization endpoint. `Err` inside: this browser has begun a pushed request
    /// already, and goes on there.
    ///
    /// # Errors
    /// What is wrong with the object, the reference or what they hold.
    pub(super) async fn resolve(
        &self,
        context: &Context,
        client: &Arc<Client>,
        sent: &Sent<'_>,
        browser: Browser<'_>,
    ) -> Result<Result<Resolved, InteractionId>, OAuthError> {
        match object::source(sent.parameters)? {
            Source::Plain => plain(client, self.policy(), sent).map(Ok),
            Source::Value(text) => self.object_by_value(context, client, sent, (text, Arrival::Browser)).await.map(Ok),
            Source::Reference(uri) => self.object_by_reference(context, client, sent, uri).await.map(Ok),
            Source::Pushed(uri) => self.resolve_pushed(context, client, uri, browser).await,
        }
    }

    /// The same where a request is pushed: an object by value, or none. References are no requests (RFC 9126 §2.1), which the checks say.
    pub(super) async fn resolve_pushing(&self, context: &Context, client: &Arc<Client>, sent: &Sent<'_>) -> Result<Resolved, OAuthError> {
        match object::source(sent.parameters)? {
            Source::Value(text) => self.object_by_value(context, client, sent, (text, Arrival::Pushing)).await,
            Source::Plain | Source::Reference(_) | Source::Pushed(_) => plain(client, self.policy(), sent),
        }
    }

    /// The same for a device, which has no browser: an object by value, or none.
    ///
    /// # Errors
    /// `invalid_request`, `invalid_request_object`.
    pub(in crate::app) async fn settle_device(
        &self,
        context: &Context,
        client: &Arc<Client>,
        sent: &Sent<'_>,
    ) -> Result<(Settled, Option<ObjectUsed>), OAuthError> {
        let Resolved { parameters, resources, object, .. } = self.resolve_pushing(context, client, sent).await?;
        Ok((Settled { parameters, resources }, object))
    }

    /// The same for a request that carries its object: at the authorization endpoint, or where requests are pushed.
    ///
    /// # Errors
    /// `invalid_request_object`.
    pub(super) async fn object_by_value(
        &self,
        context: &Context,
        client: &Arc<Client>,
        sent: &Sent<'_>,
        (text, arrival): (&str, Arrival),
    ) -> Result<Resolved, OAuthError> {
        let outside = Settled { parameters: sent.parameters.clone(), resources: sent.resources.to_vec() };
        let (read, used) = self.read_object(context, client, (text, arrival)).await?;
        let object = Object {
            claims: &read.all,
            is_signed: used.alg.is_some(),
            iss: read.iss.as_deref(),
            sub: read.sub.as_deref(),
            aud: &read.aud,
            exp: read.exp.map(|date| date.0),
            nbf: read.nbf.map(|date| date.0),
            iat: read.iat.map(|date| date.0),
        };
        let place = Place { client, issuer: &self.endpoints.issuer, at: self.now(), policy: self.policy() };
        let settled = object::settle(&outside, &object, place)?;
        Ok(Resolved { parameters: settled.parameters, resources: settled.resources, object: Some(used), instance: None, pushed: None })
    }

    async fn object_by_reference(
        &self,
        context: &Context,
        client: &Arc<Client>,
        sent: &Sent<'_>,
        uri: &str,
    ) -> Result<Resolved, OAuthError> {
        let (address, digest) = object::reference(uri, client)?;
        let limits = &self.config.rate_limits;
        let (of_client, of_all) = (limits.request_uri_fetches_per_client, limits.request_uri_fetches);
        let fetching = self.request_fetches.begin(client.id.as_str(), of_client, of_all, self.now().0);
        let fetching = fetching.ok_or_else(|| {
            OAuthError::temporarily_unavailable("too many request objects are fetched")
                .saying("Too many requests of this kind are on their way; try again in a minute.")
        })?;
        // RFC 9101 §5.2.3: the type of what comes is not always right in the field; its signature is what counts.
        let wanted = Wanted {
            url: address.to_owned(),
            accept: "application/oauth-authz-req+jwt, application/jwt, */*;q=0.1",
            most: jws::MAX_TOKEN,
            whose: Whose::of(client),
        };
        let fetched = self.fetch(wanted).await?.map_err(|why| {
            OAuthError::invalid_request_uri(format!("not fetched: {why}")).saying("What request_uri names could not be read.")
        })?;
        drop(fetching);
        if digest.is_some_and(|digest| digest != Digest::of(&fetched.body)) {
            return Err(OAuthError::invalid_request_uri("another digest")
                .saying("What request_uri names is not what the digest in its fragment says."));
        }
        let text = std::str::from_utf8(&fetched.body).map(str::trim).map_err(|_| unreadable("the object is no text"))?;
        let mut resolved = self.object_by_value(context, client, sent, (text, Arrival::Browser)).await?;
        if let Some(object) = &mut resolved.object {
            object.request_uri = Some(uri.to_owned());
        }
        Ok(resolved)
    }

    /// The claims of an object: decrypted if it is encrypted, its signature checked.
    async fn read_object(
        &self,
        context: &Context,
        client: &Arc<Client>,
        (text, arrival): (&str, Arrival),
    ) -> Result<(RegisteredClaims, ObjectUsed), OAuthError> {
        let opened = if opening::is_encrypted(text) { Some(self.open_object(client, text).await?) } else { None };
        let (text, encryption) = opened.as_ref().map_or((text, None), |own| (own.text.as_str(), Some(own.alg)));
        let used = |alg: Option<RequestObjectAlg>| {
            let digest = alg.map(|_| Digest::of(text.as_bytes()));
            ObjectUsed { alg, digest, encryption, request_uri: None }
        };
        if let Some(payload) = jws::read_unsigned(text) {
            object::unsigned(client, self.policy(), arrival)?;
            return Ok((RegisteredClaims::parse(&payload).map_err(|why| unreadable(why.to_string()))?, used(None)));
        }
        let parsed = jws::parse(text).map_err(|why| unreadable(why.to_string()))?;
        // RFC 8725 §3.11: an assertion, an id_token or a proof of the same client is no request. RFC 9101 §10.8 leaves the type out.
        if parsed.header().typ().is_some_and(|_| !["oauth-authz-req+jwt", "JWT"].iter().any(|typ| parsed.header().is_typ(typ))) {
            return Err(unreadable("another typ"));
        }
        let alg = RequestObjectAlg::parse(parsed.header().alg().as_str());
        let algorithms = object::algorithms(client, self.policy());
        let allowed: Vec<_> = algorithms.into_iter().filter_map(|alg| Algorithm::parse(alg.as_str())).collect();
        let keys = self.keys_of(context, client, parsed.header().kid()).await?;
        let keys = keys.ok_or_else(|| unreadable("the client has no keys"))?;
        // RFC 9101 §6.2: the key that it names, or none. Elsewhere a kid that nobody has leaves the keys without one.
        if parsed.header().kid().is_some_and(|kid| keys.keys().iter().all(|key| key.kid() != Some(kid))) {
            return Err(unreadable("no key of the client has this kid").saying("The kid of the request object names no registered key."));
        }
        let verified = parsed.verify(&keys, &allowed).map_err(|why| {
            OAuthError::invalid_request_object(why.to_string())
                .saying("The signature of the request object does not hold under the registered keys and algorithm.")
        })?;
        Ok((RegisteredClaims::parse(&verified.payload).map_err(|why| unreadable(why.to_string()))?, used(alg)))
    }
}

/// The parameters as they were sent.
fn plain(client: &Client, policy: Policy, sent: &Sent<'_>) -> Result<Resolved, OAuthError> {
    object::plain(client, policy)?;
    Ok(Resolved { parameters: sent.parameters.clone(), resources: sent.resources.to_vec(), object: None, instance: None, pushed: None })
}

fn unreadable(why: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::invalid_request_object(why)
}
