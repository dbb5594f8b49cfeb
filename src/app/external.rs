//! Signing keys that a signer outside of this process holds: taken up, brought into force, looked after.
//!
//! | Rule | Source |
//! |---|---|
//! | a key is announced once the signer has signed with it, and its signature was right | our own |
//! | the first one of an algorithm signs at once; one that follows another is published first | OpenID Connect Core 1.0 §10.1.1 |
//! | a key that was retired does not come back | our own |
//! | where the signer is to sign, no key is made here: not when it is away, not by a rotation | our own |
//! | what is away is asked again and again, so that health tells when it is back | our own |
//!
//! Out of scope: the signer itself (`signer`), the life of a key (`chancery_core::key`).

use std::time::Duration;

use chancery_core::client::metadata::SigningAlg;
use chancery_core::error::OAuthError;
use chancery_core::key::{self, Key, KeySource, Phase};
use chancery_core::time::Timestamp;

use super::App;
use super::context::Context;
use super::signer::{Held, Signer};
use super::signing::algorithm;
use super::work::{Seal, Stop, Work, decide};

/// A signer that was not asked for so long is asked whether it is still there.
const QUIET: Duration = Duration::from_secs(30);

/// One of the configuration, to be announced.
struct Announced {
    alg: SigningAlg,
    name: String,
    kid: String,
    public_jwk: String,
    /// `None`: at once.
    signs_at: Option<Timestamp>,
}

/// Asks a signer for a key, and has it sign.
///
/// # Errors
/// Why it cannot be used, as a sentence for the operator.
pub async fn examine(signer: &Signer, alg: SigningAlg, name: &str) -> Result<Held, String> {
    let told = |why: String| format!("the key {name} for {}: {why}", alg.as_str());
    let public = signer.public(name).await.map_err(|error| told(error.to_string()))?;
    let kind = public.kind();
    let public = public.with_alg(algorithm(alg)).ok_or_else(|| told(format!("a key of the kind {kind:?} does not sign so")))?;
    let held = Held { name: name.to_owned(), public };
    signer.probe(&held, algorithm(alg)).await.map_err(|error| told(error.to_string()))?;
    Ok(held)
}

impl App {
    /// Announces the keys that the configuration names and the log does not know yet.
    ///
    /// # Errors
    /// `temporarily_unavailable` when the signer does not answer, or not rightly.
    pub(super) async fn take_up_external(&self, context: &Context) -> Result<(), OAuthError> {
        let (Some(signer), Some(config)) = (&self.signer, &self.config.signer) else { return Ok(()) };
        for (alg, name) in &config.keys {
            let known = self.key_states().await?;
            let is_in_use = |own: &Key| matches!(own.phase, Phase::Planned | Phase::Active);
            if known.iter().any(|own| own.alg == *alg && own.held_as.as_ref() == Some(name) && is_in_use(own)) {
                continue;
            }
            let held = examine(signer, *alg, name).await.map_err(OAuthError::temporarily_unavailable)?;
            if known.iter().any(|own| own.kid == held.kid()) {
                let why = format!(
                    "the key {name} is known already, as another one or as one that was retired; name a new key for {}",
                    alg.as_str()
                );
                return Err(OAuthError::temporarily_unavailable(why));
            }
            let is_first = !known.iter().any(|own| own.alg == *alg && own.phase == Phase::Active);
            let public_jwk = serde_json::to_string(&held.public).map_err(|e| OAuthError::server_error(e.to_string()))?;
            let (kid, signs_at) = (held.kid().to_owned(), (!is_first).then(|| self.now().plus(self.known_after())));
            let announced = Announced { alg: *alg, name: name.clone(), kid, public_jwk, signs_at };
            decide!(self, context, |work| self.announce_once(work, &announced))?;
        }
        Ok(())
    }

    async fn announce_once(&self, mut work: Work<'_>, announced: &Announced) -> Result<(), Stop> {
        let mut own = work.load::<Key>(&key::stream(&announced.kid)).await?;
        // Another node was faster.
        if own.state.is_some() {
            return Ok(());
        }
        let plan = key::Plan {
            kid: announced.kid.clone(),
            alg: announced.alg,
            public_jwk: announced.public_jwk.clone(),
            source: KeySource::External,
            activate: announced.signs_at.is_none(),
            signs_at: announced.signs_at,
            held_as: Some(announced.name.clone()),
            at: self.now(),
        };
        work.record(&mut own, key::plan(&plan).events, &Seal::default())?;
        work.commit().await.map(drop)
    }

    /// The refusal to make a key here that the signer is to have.
    pub(super) fn externally_held(&self, alg: SigningAlg) -> Option<OAuthError> {
        self.config.signer.as_ref()?.key_of(alg)?;
        let sentence =
            "The signer holds the keys of this algorithm: make another one there, name it in signer.keys, and start the server again.";
        Some(OAuthError::conflict("held by the signer").saying(sentence))
    }

    /// Has the key of the configuration sign at once, where the signer is to sign; `None` where it is not.
    ///
    /// # Errors
    /// `conflict` when it signs already.
    pub(super) async fn sign_externally_now(&self, context: &Context, alg: SigningAlg) -> Result<Option<String>, OAuthError> {
        let Some(refused) = self.externally_held(alg) else { return Ok(None) };
        let name = self.config.signer.as_ref().and_then(|own| own.key_of(alg));
        let states = self.key_states().await?;
        let planned = states.iter().find(|own| own.alg == alg && own.phase == Phase::Planned && own.held_as.as_deref() == name);
        let kid = planned.map(|own| own.kid.clone()).ok_or(refused)?;
        decide!(self, context, |work| self.activate_once(work, &kid, alg))?;
        self.refresh_keys().await?;
        Ok(Some(kid))
    }

    /// Asks the signer to sign where it was not asked for a while, or failed. What is wrong is in [`Signer::trouble`].
    pub async fn look_after_signer(&self) {
        let Some(signer) = self.signer.as_ref().filter(|own| own.wants_probe(QUIET)) else { return };
        let Ok(keys) = self.keys.current().await else { return };
        for (alg, held) in keys.elsewhere() {
            if let Err(error) = signer.probe(&held, algorithm(alg)).await {
                return tracing::error!(%error, "tokens cannot be signed with {}", alg.as_str());
            }
        }
    }

    /// Can every key sign that is in force, as far as is known?
    pub fn signer_is_well(&self) -> bool {
        self.signer.as_ref().is_none_or(|own| own.trouble().is_none())
    }
}
