//! Signing keys that change by themselves.
//!
//! | Rule | Source |
//! |---|---|
//! | the next key is in the JWKS before it signs, longer than clients cache that | OpenID Connect Core 1.0 §10.1.1 |
//! | of several nodes one plans: a key has one successor | our own |
//!
//! Out of scope: when something is due (`chancery_core::key::due`), how keys are kept and published (`signing`).

use chancery_core::client::metadata::SigningAlg;
use chancery_core::error::OAuthError;
use chancery_core::key::{self, Change, Key, KeySource, Phase, Schedule};
use chancery_jose::SigningKey;

use super::context::Context;
use super::signing::generate;
use super::work::{Seal, Stop, Work, decide, vault_trouble};
use super::{App, seconds};

/// Kind of the claim that a key has one successor.
const SUCCESSOR: &str = "key_successor";

/// The key that will follow another one.
struct Successor {
    key: SigningKey,
    alg: SigningAlg,
    /// `kid` of the one before.
    after: String,
}

impl App {
    /// Publishes and activates keys as the schedule asks.
    ///
    /// # Errors
    /// `temporarily_unavailable`.
    pub async fn rotate_due_keys(&self, context: &Context) -> Result<(), OAuthError> {
        let Some(every) = self.config.keys.rotate_every else { return Ok(()) };
        let schedule = Schedule { every: seconds(every), ahead: seconds(self.config.keys.publish_ahead) };
        let mut changed = false;
        for alg in SigningAlg::ALL {
            match key::due(&self.key_states().await?, *alg, &schedule, self.now()) {
                Change::Nothing => continue,
                Change::Plan { after } => {
                    let successor = Successor { key: generate(*alg).await?, alg: *alg, after };
                    self.plan_successor(context, &successor).await?;
                }
                Change::Activate { kid } => decide!(self, context, |work| self.activate_once(work, &kid, *alg))?,
            }
            changed = true;
        }
        if changed {
            self.refresh_keys().await?;
        }
        Ok(())
    }

    async fn plan_successor(&self, context: &Context, successor: &Successor) -> Result<(), OAuthError> {
        let public = self.keep(&successor.key, successor.alg).await?;
        match decide!(self, context, |work| self.plan_once(work, successor, &public)) {
            // Another node planned it a moment ago: its key will sign, and this one's private half goes.
            Err(Stop::Taken(_)) => {
                self.vault.destroy_signing_key(successor.key.kid()).await.map_err(vault_trouble)?;
                Ok(())
            }
            other => Ok(other?),
        }
    }

    async fn plan_once(&self, mut work: Work<'_>, successor: &Successor, public_jwk: &str) -> Result<(), Stop> {
        let (kid, alg) = (successor.key.kid().to_owned(), successor.alg);
        let mut own = work.load::<Key>(&key::stream(&kid)).await?;
        let plan = key::Plan { kid, alg, public_jwk: public_jwk.to_owned(), source: KeySource::Generated, activate: false, at: self.now() };
        work.record(&mut own, key::plan(&plan).events, &Seal::default())?;
        work.take(SUCCESSOR, successor.after.as_bytes().to_vec(), successor.key.kid().to_owned());
        work.commit().await.map(drop)
    }

    async fn activate_once(&self, mut work: Work<'_>, kid: &str, alg: SigningAlg) -> Result<(), Stop> {
        let mut own = work.load::<Key>(&key::stream(kid)).await?;
        let Some(state) = own.state.clone().filter(|state| state.phase == Phase::Planned) else { return Ok(()) };
        self.retire_active(&mut work, alg).await?;
        let decision = key::advance(&state, Phase::Active, self.now());
        work.record(&mut own, decision.events, &Seal::default())?;
        work.commit().await.map(drop)
    }
}
