//! Who is calling? Looks at secrets and assertions once, for every endpoint that clients authenticate at.
//!
//! | Rule | Source |
//! |---|---|
//! | one mechanism per request; a body `client_id` equal to the authenticated one is not a second mechanism | RFC 6749 §2.3 |
//! | an assertion names the client as iss and sub, this server as aud, and expires soon | RFC 7523 §3, OpenID Connect Core 1.0 §9 |
//! | it is signed with a key of the client, or with its secret, as registered and in no other way | RFC 8725 §3.1, §3.2 |
//! | its `jti` counts once, and only after the signature (`once`) | RFC 7523 §3 |
//! | a certificate counts for a client that is registered for it, which names itself in `client_id` (`certificate`) | RFC 8705 §2 |
//! | an attestation names the client in `sub`, which `client_id` repeats if it is there | ABCA §7.1 (7) |
//! | beside another method it is a signal, if the operator wants one: it has to hold, and binds nothing | ABCA §7.6, §9.4 |
//! | secrets are compared in constant time, through digests | our own |
//!
//! Out of scope: which proof is enough (`chancery_core::client::authenticate`), reading headers (`http`).

use std::sync::Arc;

use chancery_core::client::attestation::Signal;
use chancery_core::client::authenticate::{self, Proof};
use chancery_core::client::metadata::AuthMethod;
use chancery_core::client::{Client, Secret};
use chancery_core::digest::Digest;
use chancery_core::dpop::Confirmation;
use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, ClientAuthenticationFailed};
use chancery_core::id::ClientId;
use chancery_core::offer::ANONYMOUS;
use chancery_core::profile::{Profile, demands};
use chancery_jose::{Algorithm, Jwks, RegisteredClaims, attestation, jws};

use super::App;
use super::attestation::{Attestation, Attested, Instance};
use super::certificate::Chain;
use super::client_documents::Asks;
use super::context::Context;
use super::dpop::Proven;
use super::once::Once;
use super::words::ASSERTION;
use super::work::{Loaded, Seal, Stop, Work, decide};

/// What a request brought, as it stood there.
#[derive(Clone, Default)]
pub struct Presented {
    pub basic: Option<(String, String)>,
    pub client_id: Option<String>,
    pub client_secret: Option<String>,
    pub client_assertion: Option<String>,
    pub client_assertion_type: Option<String>,
    /// The header fields of an attested instance.
    pub attestation: Attestation,
    /// Whether it is held to them although it proves itself otherwise.
    pub signal: Signal,
    /// What the connection came with; most callers have none.
    pub certificate: Option<Chain>,
}

impl Presented {
    /// Nothing that could prove anything, a name at most.
    pub fn is_bare(&self) -> bool {
        let has_credentials = self.basic.is_some() || self.client_secret.is_some() || self.client_assertion.is_some();
        !has_credentials && self.attestation.sent().is_none() && self.certificate.is_none()
    }
}

impl Presented {
    /// No name, and nothing that has one in it. A connection may have a certificate all the same.
    pub fn names_nobody(&self) -> bool {
        let Self { basic, client_id, client_secret, client_assertion, client_assertion_type, .. } = self;
        let form = [client_id, client_secret, client_assertion, client_assertion_type];
        basic.is_none() && self.attestation.is_absent() && form.iter().all(|own| own.is_none())
    }
}

/// RFC 7523 §2.2.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A client that proved who it is, with what its assertion still has to claim.
pub struct Authenticated {
    pub client: Loaded<Client>,
    /// `jti` to take together with the state change.
    pub assertion: Option<Once>,
    /// That of an instance which stood beside it.
    pub signal: Option<Once>,
    /// The key that it proved with this request (RFC 9449).
    pub proof: Option<Proven>,
    /// The certificate that it came with.
    pub certificate: Option<Digest>,
    /// The key of the instance that was attested.
    pub instance: Option<Digest>,
}

impl Authenticated {
    /// What its tokens will be bound to.
    pub fn proven(&self) -> Option<Confirmation> {
        let binds = |client: &Client| client.metadata.tls_client_certificate_bound_access_tokens;
        let certificate = || self.certificate.filter(|_| self.client.state.as_deref().is_some_and(binds)).map(Confirmation::X5t);
        self.proof.as_ref().map(Proven::confirmation).or_else(certificate)
    }

    /// Asserts the client's version in a unit of work and takes the assertion's `jti`.
    ///
    /// # Errors
    /// `invalid_client` when the client has changed and does not authenticate any more.
    pub async fn assert(&self, work: &mut Work<'_>) -> Result<Arc<Client>, OAuthError> {
        let client = work.load::<Client>(&self.client.stream).await?;
        let client = client.state.ok_or_else(|| OAuthError::invalid_client("the client is gone"))?;
        if !client.is_active() {
            return Err(OAuthError::invalid_client("the client is disabled"));
        }
        for once in self.assertion.iter().chain(&self.signal).chain(self.proof.as_ref().map(|proof| &proof.once)) {
            once.take(work, client.id.as_str());
        }
        Ok(client)
    }
}

impl App {
    /// Authenticates the caller. A failure of a client that exists is an event.
    ///
    /// # Errors
    /// `invalid_client`, `invalid_request` for two mechanisms.
    pub async fn authenticate_client(&self, context: &Context, presented: &Presented) -> Result<Authenticated, OAuthError> {
        let id = named_client(presented)?;
        // Whoever has no name sends none.
        if id.as_str() == ANONYMOUS {
            return Err(OAuthError::invalid_client("a name of the server's own"));
        }
        self.look_up_document(context, &id, Asks::Client).await?;
        let stream = id.stream();
        let loaded = self.load_client(&stream).await?;
        let Some(client) = loaded.state.as_deref() else {
            // The work of a comparison, so that unknown and wrong take the same time.
            let _ = Digest::of(b"nobody").matches(&Digest::of(stream.as_bytes()));
            return Err(OAuthError::invalid_client("unknown client"));
        };
        let (proof, assertion, mut instance) = match presented.attestation.sent().filter(|_| client.is_attested()) {
            Some(sent) => {
                let (proof, instance) = self.attested(client, presented, sent)?;
                (proof, None, instance)
            }
            None => {
                let (proof, once) = self.proof(context, client, presented).await?;
                (proof, once, None)
            }
        };
        if let Err(error) = authenticate::decide(client, proof, self.now()) {
            self.record_failure(context, client, &error).await?;
            return Err(error);
        }
        // It was registered before the profile was set.
        if !demands::is_met(&client.metadata, &self.policy()) {
            return Err(OAuthError::invalid_client("the client falls short of the profile"));
        }
        let certificate = presented.certificate.as_ref().map(Chain::thumbprint);
        // ABCA §9.4: what is authenticated in another way is bound to no instance.
        let jkt = instance.as_ref().map(|own| own.jkt);
        if !client.is_attested() && presented.signal.is_wanted(!presented.attestation.is_absent()) {
            instance = Some(self.check_signal(context, client, presented).await?);
        }
        let (once, proof) = instance.map_or((None, None), |own| (own.once, own.proof));
        let (assertion, signal) = if client.is_attested() { (once, None) } else { (assertion, once) };
        Ok(Authenticated { client: loaded, assertion, signal, proof, certificate, instance: jkt })
    }

    /// ABCA §7.6: an instance beside other credentials, which held.
    async fn check_signal(&self, context: &Context, client: &Client, presented: &Presented) -> Result<Instance, OAuthError> {
        let found = match &presented.attestation {
            Attestation::Sent(sent) => {
                self.check_attestation(client, sent)?.map_err(|why| ("the attestation beside it does not hold", why))
            }
            Attestation::Unreadable => Err(("the attestation beside it cannot be read", String::new())),
            Attestation::Absent => Err(("no attestation stands beside it", String::new())),
        };
        match found {
            Ok(instance) => Ok(instance),
            Err((reason, why)) => {
                tracing::debug!(client = %client.id, why, "client attestation refused");
                let error = OAuthError::invalid_client_attestation(reason);
                self.record_failure(context, client, &error).await?;
                Err(error)
            }
        }
    }

    /// Uses the proof up by which a client authenticated, where it only asks and nothing is appended.
    ///
    /// # Errors
    /// `invalid_dpop_proof` when it was used before; `temporarily_unavailable`: fail closed.
    pub async fn use_proof_of(&self, context: &Context, caller: &Authenticated) -> Result<(), OAuthError> {
        let Some(proven) = &caller.proof else { return Ok(()) };
        let client = caller.client.or(|| OAuthError::invalid_client("the client is gone"))?;
        self.use_proof(&context.as_client(&client.id), proven, Some(&client.id)).await
    }

    /// The client of a name, from the newest state.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn load_client(&self, stream: &str) -> Result<Loaded<Client>, OAuthError> {
        // Cached state may authenticate: every grant asserts the version that it saw.
        self.load(stream, chancery_ledger::recorded::Freshness::Cached).await
    }

    /// ABCA §7: attestation and proof, and no other credentials beside them.
    fn attested(&self, client: &Client, presented: &Presented, sent: &Attested) -> Result<(Proof, Option<Instance>), OAuthError> {
        if presented.basic.is_some() || presented.client_secret.is_some() || presented.client_assertion.is_some() {
            return Err(OAuthError::invalid_request("two mechanisms").saying("Use one client authentication method per request."));
        }
        let mode = sent.mode();
        // Before it is looked at: what it would be told to do better would not help it.
        if client.metadata.token_endpoint_auth_method != mode.method() {
            return Ok((Proof::Attestation { mode, holds: false }, None));
        }
        Ok(match self.check_attestation(client, sent)? {
            Ok(instance) => (Proof::Attestation { mode, holds: true }, Some(instance)),
            Err(why) => {
                tracing::debug!(client = %client.id, why, "client attestation refused");
                (Proof::Attestation { mode, holds: false }, None)
            }
        })
    }

    async fn proof(&self, context: &Context, client: &Client, presented: &Presented) -> Result<(Proof, Option<Once>), OAuthError> {
        if let Some(assertion) = &presented.client_assertion {
            let refused = |why| tracing::debug!(client = %client.id, why, "client assertion refused");
            if client.metadata.signs_with_secret() {
                return Ok(match self.check_mac(client, assertion).await? {
                    Ok((index, jti)) => (Proof::Mac { matches: Some(index) }, Some(jti)),
                    Err(why) => (refused(why), (Proof::Mac { matches: None }, None)).1,
                });
            }
            return Ok(match self.check_assertion(context, client, assertion).await? {
                Ok(jti) => (Proof::Assertion { holds: true }, Some(jti)),
                Err(why) => (refused(why), (Proof::Assertion { holds: false }, None)).1,
            });
        }
        let method = client.metadata.token_endpoint_auth_method;
        let sends_secret = presented.basic.is_some() || presented.client_secret.is_some();
        if let Some(chain) = presented.certificate.as_ref().filter(|_| method.needs_certificate() && !sends_secret) {
            let holds = client.is_active() && self.is_own_certificate(context, client, chain).await?;
            return Ok((Proof::Certificate { holds }, None));
        }
        let secret = presented.basic.as_ref().map(|(_, secret)| secret).or(presented.client_secret.as_ref());
        let Some(secret) = secret else { return Ok((Proof::Nothing, None)) };
        Ok((Proof::Secret { matches: self.matching_secret(client, secret).await? }, None))
    }

    /// Which of the client's secrets this is.
    pub(super) async fn matching_secret(&self, client: &Client, text: &str) -> Result<Option<usize>, OAuthError> {
        let sent = Digest::of(text.as_bytes());
        let mut matches = None;
        for (index, (own, _)) in client.secrets.iter().enumerate() {
            let own = match own {
                Secret::Digest(digest) => *digest,
                Secret::Sealed(sealed) => Digest::of(self.unseal(sealed).await?.as_bytes()),
            };
            if own.matches(&sent) {
                matches = Some(index);
            }
        }
        Ok(matches)
    }

    /// RFC 7523 §3; returns the `jti` as it is taken.
    async fn check_assertion(&self, context: &Context, client: &Client, assertion: &str) -> Result<Result<Once, &'static str>, OAuthError> {
        // Nothing is fetched for a client that authenticates otherwise.
        if client.metadata.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt || !client.is_active() {
            return Ok(Err("another authentication method is registered"));
        }
        let Ok(parsed) = jws::parse(assertion) else { return Ok(Err("malformed")) };
        let keys = self.keys_of(context, client, parsed.header().kid()).await?;
        Ok(keys.ok_or("the client has no keys").and_then(|keys| self.judge_assertion(client, &keys, assertion)))
    }

    fn judge_assertion(&self, client: &Client, jwks: &Jwks, assertion: &str) -> Result<Once, &'static str> {
        let verified =
            jws::parse(assertion).map_err(|_| "malformed")?.verify(jwks, &algs_of(client)).map_err(|_| "wrong signature or key")?;
        self.judge_claims(client, &verified.payload)
    }

    /// OpenID Connect Core 1.0 §9, `client_secret_jwt`: which of the secrets made it, and the `jti` as it is taken.
    async fn check_mac(&self, client: &Client, assertion: &str) -> Result<Result<(usize, Once), &'static str>, OAuthError> {
        if !client.is_active() {
            return Ok(Err("the client is disabled"));
        }
        let Ok(parsed) = jws::parse(assertion) else { return Ok(Err("malformed")) };
        for (index, (secret, _)) in client.secrets.iter().enumerate() {
            let Secret::Sealed(sealed) = secret else { continue };
            let secret = self.unseal(sealed).await?;
            if let Ok(verified) = parsed.clone().verify_mac(secret.as_bytes(), &algs_of(client)) {
                return Ok(self.judge_claims(client, &verified.payload).map(|once| (index, once)));
            }
        }
        Ok(Err("wrong signature or secret"))
    }

    /// RFC 7523 §3, of an assertion whose signature is right.
    fn judge_claims(&self, client: &Client, payload: &[u8]) -> Result<Once, &'static str> {
        let claims = RegisteredClaims::parse(payload).map_err(|_| "malformed claims")?;
        let own = client.id.as_str();
        if claims.iss.as_deref() != Some(own) || claims.sub.as_deref() != Some(own) {
            return Err("iss and sub are not the client");
        }
        let own_endpoints = &self.endpoints;
        let audiences = [
            &own_endpoints.issuer,
            &own_endpoints.token,
            &own_endpoints.introspection,
            &own_endpoints.revocation,
            &own_endpoints.device_authorization,
            &own_endpoints.backchannel_authentication,
            // RFC 9126 §2.
            &own_endpoints.pushed_authorization_request,
        ];
        // FAPI 2.0 Security Profile §5.3.2.1: so that no other server can be talked into taking it.
        if self.policy().profiles(client).any(Profile::wants_issuer_as_audience)
            && (claims.aud_is_array || claims.aud != [own_endpoints.issuer.as_str()])
        {
            return Err("aud is not the issuer as one string");
        }
        let is_ours = |uri: &str| claims.is_for(uri) || own_endpoints.alias(uri).is_some_and(|alias| claims.is_for(&alias));
        if !audiences.iter().any(|audience| is_ours(audience)) {
            return Err("aud is not this server");
        }
        let now = self.now().numeric_date();
        let tolerance = super::seconds(self.config.lifetimes.clock_tolerance).0;
        claims.validate_times(now, tolerance).map_err(|_| "expired or not yet valid")?;
        let longest = i64::from(super::seconds(self.config.lifetimes.assertion).0) + i64::from(tolerance);
        if claims.exp.is_none_or(|exp| exp.0 > now.saturating_add(longest)) {
            return Err("exp is too far ahead");
        }
        let jti = claims.jti.as_deref().filter(|jti| !jti.is_empty()).ok_or("jti is missing")?;
        let digest = Digest::of(format!("{own} {jti}").as_bytes()).0;
        let exp = claims.exp.map_or(0, |exp| exp.0);
        Ok(Once::new(&ASSERTION, digest, exp.saturating_add(i64::from(tolerance))))
    }

    async fn record_failure(&self, context: &Context, client: &Client, error: &OAuthError) -> Result<(), OAuthError> {
        let context = context.as_client(&client.id);
        let seal = Seal { key: Some(self.epoch_key().await?), subject: None };
        decide!(self, &context, |work| self.record_failure_once(work, client, error, &context, &seal))?;
        Ok(())
    }

    async fn record_failure_once(
        &self,
        mut work: Work<'_>,
        client: &Client,
        error: &OAuthError,
        context: &Context,
        seal: &Seal,
    ) -> Result<(), Stop> {
        let event = ClientAuthenticationFailed { client: client.id.clone(), reason: error.detail.to_string(), at: self.now() };
        let personal = chancery_core::decision::Personal::default().with("context", context.personal());
        let draft = chancery_core::decision::Draft::new(evidence::EvidenceEvent::from(event), personal);
        work.record_evidence(evidence::ANONYMOUS, vec![draft], seal)?;
        work.commit().await.map(drop)
    }
}

/// What this client's assertions may be signed with (RFC 8725 §3.1): of an HMAC under a public key nothing can come.
fn algs_of(client: &Client) -> Vec<Algorithm> {
    client.metadata.assertion_algs().filter_map(|alg| Algorithm::parse(alg.as_str())).collect()
}

/// The one client that the request names, by exactly one mechanism.
fn named_client(presented: &Presented) -> Result<ClientId, OAuthError> {
    let mechanisms = [presented.basic.is_some(), presented.client_secret.is_some(), presented.client_assertion.is_some()];
    if mechanisms.iter().filter(|one| **one).count() > 1 {
        return Err(OAuthError::invalid_request("two mechanisms").saying("Use one client authentication method per request."));
    }
    if presented.client_assertion.is_some() != presented.client_assertion_type.is_some()
        || presented.client_assertion_type.as_deref().is_some_and(|kind| kind != ASSERTION_TYPE)
    {
        return Err(OAuthError::invalid_request("client_assertion_type")
            .saying("client_assertion needs client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer."));
    }
    let from_assertion = || {
        let assertion = presented.client_assertion.as_deref()?;
        let parsed = jws::parse(assertion).ok()?;
        RegisteredClaims::parse(parsed.unverified_payload()).ok()?.sub
    };
    let named = presented.basic.as_ref().map(|(id, _)| id.clone()).or_else(from_assertion);
    // RFC 6749 §2.3.1 in spirit: two different names are no name.
    if let (Some(named), Some(body)) = (&named, &presented.client_id)
        && named != body
    {
        return Err(OAuthError::invalid_client("client_id differs from the credentials"));
    }
    // Last: beside a name the attestation is held to that (ABCA §7.1 (7)).
    let from_attestation = || attestation::unverified_subject(&presented.attestation.sent()?.attestation);
    let named = named
        .or_else(|| presented.client_id.clone())
        .or_else(from_attestation)
        .ok_or_else(|| OAuthError::invalid_client("no client was named"))?;
    ClientId::parse(&named).ok_or_else(|| OAuthError::invalid_client("not a client_id"))
}
