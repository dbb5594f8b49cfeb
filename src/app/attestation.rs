//! Instances of clients that an attester vouches for: draft-ietf-oauth-attestation-based-client-auth-10 (ABCA), with what is known of 12.
//!
//! | Rule | Source |
//! |---|---|
//! | attesters, their keys and the clients that they may speak for are the operator's word | ABCA §9.8 |
//! | a challenge is a MAC over the time at which it was made: nothing is kept, every node knows those of every other | ABCA §6.1 |
//! | in combined mode the DPoP proof is the proof: it has a nonce or a challenge of ours, and the key in `cnf` | ABCA §5.2, §7.3 |
//! | the `jti` of a proof counts once, in the append of what it brought | ABCA §9.7, §11.1 |
//!
//! Out of scope: what the tokens must say (`chancery_core::client::attestation`), headers (`http`).

use std::collections::BTreeSet;

use chancery_core::client::Client;
use chancery_core::client::attestation::{self, Challenge, Held, Mode, Pop, Said};
use chancery_core::digest::Digest;
use chancery_core::dpop::ALGS;
use chancery_core::error::{Code, OAuthError};
use chancery_core::id::ClientId;
use chancery_jose::attestation as token;
use chancery_jose::{Algorithm, Jwks, PublicJwk};

use super::dpop::{Beside, Presented, Proven};
use super::once::Once;
use super::words::{ASSERTION, SIGNAL};
use super::{App, seconds};
use crate::config::DeclaredAttester;

/// The attesters of the configuration.
#[derive(Default)]
pub struct Attesters(Vec<Attester>);

struct Attester {
    issuer: String,
    keys: Jwks,
    clients: BTreeSet<ClientId>,
}

/// Reads the attesters of the configuration.
///
/// # Errors
/// The first that is wrong, with a sentence for the operator.
pub fn attesters(declared: &[DeclaredAttester]) -> Result<Attesters, String> {
    let mut attesters = Attesters::default();
    for own in declared {
        let wrong = |why: String| format!("the configuration file's client_attester_draft12 {} is not acceptable: {why}.", own.issuer);
        let client = |text: &String| ClientId::parse(text).ok_or_else(|| wrong(format!("{text} is no client_id")));
        let keys = Jwks::parse_some(own.jwks.as_bytes()).map_err(|why| wrong(format!("its keys: {why}")))?;
        let clients = own.clients.iter().map(client).collect::<Result<_, _>>()?;
        attesters.0.push(Attester { issuer: own.issuer.clone(), keys, clients });
    }
    Ok(attesters)
}

/// What a request has in the header fields for an attestation and its proof.
#[derive(Clone, Default)]
pub enum Attestation {
    #[default]
    Absent,
    /// One of them is missing, or stands there twice.
    Unreadable,
    Sent(Attested),
}

impl Attestation {
    pub fn sent(&self) -> Option<&Attested> {
        if let Self::Sent(sent) = self { Some(sent) } else { None }
    }

    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// An attestation with what shall prove its key.
#[derive(Clone)]
pub struct Attested {
    pub attestation: String,
    pub proof: Shown,
}

#[derive(Clone)]
pub enum Shown {
    Pop(String),
    /// A DPoP proof, and the request that it came with.
    Dpop {
        proof: String,
        method: String,
        uri: String,
    },
}

impl Attested {
    pub fn mode(&self) -> Mode {
        match self.proof {
            Shown::Pop(_) => Mode::Pop,
            Shown::Dpop { .. } => Mode::Dpop,
        }
    }
}

/// An instance that an attester vouches for.
pub struct Instance {
    /// Thumbprint of its key.
    pub jkt: Digest,
    /// Of its own proof, to be claimed.
    pub(super) once: Option<Once>,
    /// In combined mode: what tokens are bound to.
    pub(super) proof: Option<Proven>,
}

impl App {
    /// A challenge for the next proof.
    pub fn attestation_challenge(&self) -> String {
        self.challenges.of(self.slot())
    }

    /// Verifies an attestation and its proof. `Err` inside: it proves nothing; the sentence is for the log.
    ///
    /// # Errors
    /// `use_fresh_attestation`, `use_attestation_challenge`, `use_dpop_nonce`: whoever has the keys may come again; `invalid_dpop_proof`.
    pub(super) fn check_attestation(&self, client: &Client, sent: &Attested) -> Result<Result<Instance, String>, OAuthError> {
        if !client.is_active() {
            return Ok(Err("the client is disabled".to_owned()));
        }
        let policy = self.policy();
        let allowed: Vec<_> = ALGS.iter().filter(|alg| policy.allows_for(client, alg)).filter_map(|alg| Algorithm::parse(alg)).collect();
        let mut why = "no attester speaks for this client".to_owned();
        for attester in self.attesters.0.iter().filter(|own| own.clients.contains(&client.id)) {
            match token::verify(&sent.attestation, &attester.keys, &allowed) {
                Ok(found) if found.iss.as_ref().is_some_and(|iss| *iss != attester.issuer) => {
                    "iss is not the attester".clone_into(&mut why)
                }
                Ok(found) => return self.check_instance(client, &found, sent, &allowed),
                Err(error) => why = error.to_string(),
            }
        }
        Ok(Err(why))
    }

    fn check_instance(
        &self,
        client: &Client,
        found: &token::Attestation,
        sent: &Attested,
        allowed: &[Algorithm],
    ) -> Result<Result<Instance, String>, OAuthError> {
        let (lifetime, tolerance) = (seconds(self.config.dpop.proof_lifetime), seconds(self.config.lifetimes.clock_tolerance));
        let held = Held { client: &client.id, issuer: &self.endpoints.issuer, now: self.now().numeric_date(), lifetime, tolerance };
        let said = Said { sub: &found.sub, exp: found.exp, iat: found.iat, nbf: found.nbf, attested_for: &found.aud };
        let jkt = Digest(*found.key.thumbprint().as_bytes());
        let checked = attestation::check(&said, &held).and_then(|()| match &sent.proof {
            Shown::Pop(pop) => {
                let once = self.check_pop(client, (&found.key, jkt), pop, (&held, allowed))?;
                Ok(Instance { jkt, once: Some(once), proof: None })
            }
            Shown::Dpop { proof, method, uri } => {
                let beside = Beside::Client(Some(client));
                let proof = self.check_proof(&Presented { proof, method, uri, beside, instance: Some(jkt) })?;
                Ok(Instance { jkt, once: None, proof: Some(proof) })
            }
        });
        match checked {
            Err(error) if error.code == Code::InvalidClient => Ok(Err(error.detail.into_owned())),
            checked => checked.map(Ok),
        }
    }

    /// The `jti` of the instance's own proof, when that holds.
    fn check_pop(
        &self,
        client: &Client,
        (key, jkt): (&PublicJwk, Digest),
        pop: &str,
        (held, allowed): (&Held<'_>, &[Algorithm]),
    ) -> Result<Once, OAuthError> {
        let pop = token::verify_pop(pop, key, allowed).map_err(|error| OAuthError::invalid_client(error.to_string()))?;
        let challenge = match pop.challenge.as_deref().map(|text| self.challenges.age(text, self.slot())) {
            None => Challenge::Absent,
            // The one before, too: a client may be on the way with it.
            Some(Some(0 | 1)) => Challenge::Recent,
            Some(_) => Challenge::Unknown,
        };
        attestation::check_pop(&Pop { aud: &pop.aud, iat: pop.iat, exp: pop.exp, nbf: pop.nbf, challenge }, held)?;
        let digest = Digest::of(&[&b"attestation "[..], &jkt.0, pop.jti.as_bytes()].concat());
        let refused_from = pop.iat.saturating_add(i64::from(held.lifetime.0)).saturating_add(i64::from(held.tolerance.0));
        // What comes again is refused in the words of what it was sent for.
        let words = if client.is_attested() { &ASSERTION } else { &SIGNAL };
        Ok(Once::new(words, digest.0, refused_from))
    }
}
