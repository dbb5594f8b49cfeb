//! Credentials for wallets (OpenID for Verifiable Credential Issuance 1.0): what the configuration declares, nonces for proofs of keys,
//! and issuing.
//!
//! | Room | What |
//! |---|---|
//! | [`nonce`] | nonces, each good for one request |
//! | [`anonymous`] | wallets that do not say who they are |
//! | [`attesters`] | who vouches for keys |
//! | [`proofs`] | the keys that a request brings |
//! | [`issue`] | the credential endpoint |
//! | [`offer`] | offers of the operator, and the pre-authorized code grant |
//!
//! Out of scope: the rules (`chancery_core::credential`, `chancery_core::grant::credentials`), the format (`chancery_jose::sd_jwt`).

pub mod anonymous;
pub mod attesters;
pub mod issue;
pub mod nonce;
pub mod offer;
mod proofs;

use chancery_core::credential::attestation::Required;
use chancery_core::credential::{Catalogue, Configuration, LONGEST_UNBOUND, TYPE};
use chancery_core::details::Details;
use chancery_core::dpop::Confirmation;
use chancery_core::grant::Lifetimes;
use chancery_core::scope::Scope;

use super::{App, seconds};
use crate::config::{Config, Demanded};

/// Reads what the configuration declares.
///
/// # Errors
/// The first that is wrong, with a sentence for the operator.
pub fn catalogue(config: &Config) -> Result<Catalogue, String> {
    let all = &config.credential_settings;
    let mut catalogue = Catalogue {
        issuer: config.issuer.as_str().to_owned(),
        batch: all.batch_size.max(1),
        name: all.issuer_name.clone(),
        anonymous: all.anonymous_access,
        ..Catalogue::NONE
    };
    for own in &config.credentials {
        let configuration = Configuration {
            id: own.id.clone(),
            vct: own.vct.clone(),
            scope: own.scope.clone(),
            claims: own.claims.clone(),
            name: own.name.clone(),
            lifetime: seconds(own.lifetime),
            proof_algs: own.proof_signing_algs.clone(),
            with_sub: own.subject,
            attesters: own.key_attesters.iter().cloned().collect(),
            attestation: own.key_attestations_required.as_ref().map(required),
        };
        let wrong = |why: String| format!("the configuration file's credential {} is not acceptable: {why}.", own.id);
        configuration.check().map_err(wrong)?;
        catalogue.configurations.insert(own.id.clone(), configuration);
    }
    if !catalogue.is_empty() && config.details.iter().any(|own| own.name == TYPE) {
        return Err(format!("the configuration file's authorization_details_type {TYPE} is that of credentials; give it another name."));
    }
    Ok(catalogue)
}

fn required(demanded: &Demanded) -> Required {
    let levels = |all: &Option<Vec<String>>| all.as_ref().map(|all| all.iter().cloned().collect());
    Required { key_storage: levels(&demanded.key_storage), user_authentication: levels(&demanded.user_authentication) }
}

impl App {
    /// The lifetimes for a token of this scope and these details: one that brings credentials and is bound to no key lives five minutes at
    /// most (OpenID4VCI §13.10).
    pub(super) fn lifetimes_for(&self, scope: &Scope, details: Option<&Details>, cnf: Option<Confirmation>) -> Lifetimes {
        let mut lifetimes = self.lifetimes();
        if cnf.is_none() && self.details.credentials.concerns(scope, details.map(Details::objects).unwrap_or_default()) {
            lifetimes.access_token = lifetimes.access_token.min(LONGEST_UNBOUND);
        }
        lifetimes
    }
}
