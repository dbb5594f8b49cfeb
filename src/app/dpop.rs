//! DPoP proofs (RFC 9449) at our own endpoints: verified, held against the request, and good for one use.
//!
//! | Rule | Source |
//! |---|---|
//! | a proof counts once: its `jti` is claimed in the append of what it brought, or alone where nothing is appended | RFC 9449 §11.1 |
//! | what is remembered is shared by all nodes, and forgotten when the proof is too old anyway | RFC 9449 §11.1 |
//! | a nonce is a MAC over the time at which it was made: nothing is kept, every node knows those of every other | RFC 9449 §8 |
//! | a proof that comes again is evidence | our own |
//!
//! Out of scope: what a proof must say (`chancery_core::dpop`), headers (`http`).

use std::sync::Arc;

use chancery_core::base64url;
use chancery_core::client::Client;
use chancery_core::decision::{Draft, Personal};
use chancery_core::digest::Digest;
use chancery_core::dpop::{self, ALGS, Confirmation, Nonce, Proof, Sent};
use chancery_core::error::OAuthError;
use chancery_core::evidence::{self, DpopProofReplayed, EvidenceEvent};
use chancery_core::id::ClientId;
use chancery_jose::Algorithm;
use chancery_ledger::error::AppendError;
use chancery_ledger::write::{ClaimWrite, Write};

use super::context::Context;
use super::once::Once;
use super::vault::{NamedKey, mac};
use super::words::DPOP;
use super::work::{Seal, Stop, Work, decide};
use super::{App, seconds};

/// A key that the caller proved to hold.
#[derive(Clone)]
pub struct Proven {
    pub jkt: Digest,
    /// What the proof is signed with: a profile can be one client's, and whose token a proof opens is known later.
    pub alg: Algorithm,
    /// To be claimed.
    pub(super) once: Once,
    /// The caller used an older nonce, or none, and is to be told the newest.
    pub wants_nonce: bool,
}

impl Proven {
    /// What is bound to it.
    pub fn confirmation(&self) -> Confirmation {
        Confirmation::Jkt(self.jkt)
    }
}

/// Where a proof came with.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    pub proof: &'a str,
    pub method: &'a str,
    /// One of our endpoints.
    pub uri: &'a str,
    pub beside: Beside<'a>,
    /// The key of the attested instance that it proves as well (ABCA §7.3).
    pub instance: Option<Digest>,
}

/// What stands beside a proof.
#[derive(Clone, Copy)]
pub enum Beside<'a> {
    /// The access token that it opens.
    Token(&'a str),
    /// The client that sends it.
    Client(Option<&'a Client>),
}

/// The nonces of all nodes, for one purpose.
pub struct Nonces {
    key: Arc<NamedKey>,
    label: &'static [u8],
}

/// Bytes of a nonce: the slot of time, and a MAC.
const SLOT: usize = 8;
const MAC: usize = 16;

impl Nonces {
    pub fn new(key: Arc<NamedKey>, label: &'static [u8]) -> Self {
        Self { key, label }
    }

    pub(super) fn of(&self, slot: u64) -> String {
        let slot = slot.to_be_bytes();
        let whole = mac(&self.key, &[self.label, &slot]);
        base64url::encode(&[&slot[..], &whole[..MAC]].concat())
    }

    /// How many slots ago it was made; `None` for a text that is not ours.
    pub(super) fn age(&self, nonce: &str, now: u64) -> Option<u64> {
        let bytes = base64url::decode(nonce).filter(|bytes| bytes.len() == SLOT + MAC)?;
        let slot = u64::from_be_bytes(bytes.get(..SLOT)?.try_into().ok()?);
        Digest::of(self.of(slot).as_bytes()).matches(&Digest::of(nonce.as_bytes())).then_some(now.checked_sub(slot))?
    }
}

impl App {
    /// The slot of time that nonces of now are made of.
    pub(super) fn slot(&self) -> u64 {
        let length = i64::from(seconds(self.config.dpop.nonce_lifetime).0).max(1);
        u64::try_from(self.now().numeric_date() / length).unwrap_or_default()
    }

    /// The nonce that callers are told.
    pub fn newest_nonce(&self) -> String {
        self.nonces.of(self.slot())
    }

    /// Verifies a proof and holds it against the request. Its `jti` is still to be claimed.
    ///
    /// # Errors
    /// `invalid_dpop_proof`, `use_dpop_nonce`; `invalid_client` for another key than the instance's.
    pub fn check_proof(&self, presented: &Presented<'_>) -> Result<Proven, OAuthError> {
        let policy = self.policy();
        // FAPI 2.0 Security Profile §5.4.1: proofs are JWTs too, and a profile can be one client's.
        let (token, client) = match presented.beside {
            Beside::Token(token) => (Some(token), None),
            Beside::Client(client) => (None, client),
        };
        let allows = |alg: &str| client.map_or(policy.allows(alg), |client| policy.allows_for(client, alg));
        let allowed: Vec<_> = ALGS.iter().filter(|alg| allows(alg)).filter_map(|alg| Algorithm::parse(alg)).collect();
        let proof = chancery_jose::dpop::verify(presented.proof, &allowed).map_err(|why| {
            OAuthError::invalid_dpop_proof(why.to_string()).saying("The DPoP header is no proof that this server accepts.")
        })?;
        let jkt = Digest(*proof.thumbprint.as_bytes());
        // ABCA §7.3 (4).
        if presented.instance.is_some_and(|own| own != jkt) {
            return Err(OAuthError::invalid_client("the DPoP proof is of another key than the attestation"));
        }
        // ABCA §6.1, §7.3 (5): a challenge of ours is a nonce of ours to whoever proves an instance, and one of them has to be there.
        let (slot, attests) = (self.slot(), presented.instance.is_some());
        let age_of = |nonce: &str| self.nonces.age(nonce, slot).or_else(|| self.challenges.age(nonce, slot).filter(|_| attests));
        let age = proof.nonce.as_deref().map(age_of);
        let nonce = match age {
            None => Nonce::Absent,
            // The one before, too: a client may be on the way with it.
            Some(Some(0 | 1)) => Nonce::Recent,
            Some(_) => Nonce::Unknown,
        };
        let (lifetime, tolerance) = (seconds(self.config.dpop.proof_lifetime), seconds(self.config.lifetimes.clock_tolerance));
        let alias = self.endpoints.alias(presented.uri);
        let sent = Sent {
            method: presented.method,
            uri: presented.uri,
            alias: alias.as_deref(),
            token,
            now: self.now().numeric_date(),
            lifetime,
            tolerance,
            nonces_demanded: self.config.dpop.nonces || attests,
        };
        let said = Proof { htm: &proof.htm, htu: &proof.htu, iat: proof.iat, ath: proof.ath.as_deref(), nonce };
        dpop::check(&said, &sent)?;
        // By key and not by URI: no client has a reason to use a word twice.
        let digest = Digest::of(&[&jkt.0[..], proof.jti.as_bytes()].concat());
        let refused_from = proof.iat.saturating_add(i64::from(lifetime.0)).saturating_add(i64::from(tolerance.0));
        let wants_nonce = sent.nonces_demanded && age != Some(Some(0));
        Ok(Proven { jkt, alg: proof.alg, once: Once::new(&DPOP, digest.0, refused_from), wants_nonce })
    }

    /// Uses a proof up where nothing is appended.
    ///
    /// # Errors
    /// `invalid_dpop_proof` when it was used before; `temporarily_unavailable`: fail closed.
    pub async fn use_proof(&self, context: &Context, proven: &Proven, client: Option<&ClientId>) -> Result<(), OAuthError> {
        let mut write = Write::default();
        proven
            .once
            .take_into(client.map_or("", ClientId::as_str), |kind, key, owner| write.claims.push(ClaimWrite::Take { kind, key, owner }));
        let outcome = match self.ledger.append(write).await {
            Ok(_) => Ok(()),
            Err(AppendError::ClaimTaken { kind }) => Err(Stop::Taken(kind)),
            Err(error) => Err(OAuthError::temporarily_unavailable(error.to_string()).into()),
        };
        self.noting_replay(context, Some(proven), client, outcome).await
    }

    /// The outcome of a unit of work that claimed a proof. A proof that was used before is evidence.
    pub(super) async fn noting_replay<T>(
        &self,
        context: &Context,
        proven: Option<&Proven>,
        client: Option<&ClientId>,
        outcome: Result<T, Stop>,
    ) -> Result<T, OAuthError> {
        if let (Err(Stop::Taken(kind)), Some(proven)) = (&outcome, proven)
            && *kind == DPOP.word
        {
            let event = DpopProofReplayed { client: client.cloned(), jkt: proven.jkt, at: self.now() };
            let seal = Seal { key: Some(self.epoch_key().await?), subject: None };
            decide!(self, context, |work| record_replay(work, &event, context, &seal))?;
        }
        Ok(outcome?)
    }
}

async fn record_replay(mut work: Work<'_>, event: &DpopProofReplayed, context: &Context, seal: &Seal) -> Result<(), Stop> {
    let personal = Personal::default().with("context", context.personal());
    work.record_evidence(evidence::ANONYMOUS, vec![Draft::new(EvidenceEvent::from(event.clone()), personal)], seal)?;
    work.commit().await.map(drop)
}
