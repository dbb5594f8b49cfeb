//! Who vouches for keys of wallets: the operator's word, by name (OpenID4VCI Appendix D, §13.4).
//!
//! Their keys stand in the configuration. A certificate in an attestation (`x5c`) chooses none: a chain would need anchors, lifetimes and
//! revocation of its own, and whoever signs attestations can publish keys.

use std::collections::BTreeMap;

use chancery_core::credential::Catalogue;
use chancery_jose::Jwks;

use crate::config::DeclaredKeyAttester;

/// Those of the configuration, by name.
#[derive(Default)]
pub struct KeyAttesters(pub(super) BTreeMap<String, Attester>);

pub(super) struct Attester {
    /// The `iss` that its attestations have, if they have one.
    pub issuer: Option<String>,
    pub keys: Jwks,
}

/// Reads them, and holds what is issued against them.
///
/// # Errors
/// The first that is wrong, with a sentence for the operator.
pub fn key_attesters(declared: &[DeclaredKeyAttester], catalogue: &Catalogue) -> Result<KeyAttesters, String> {
    let mut attesters = KeyAttesters::default();
    for own in declared {
        let wrong = |why: String| format!("the configuration file's key_attester {} is not acceptable: {why}.", own.name);
        // It stands in events.
        if own.name.chars().count() > 100 {
            return Err(wrong("its name has 1 to 100 characters".to_owned()));
        }
        let keys = Jwks::parse_some(own.jwks.as_bytes()).map_err(|why| wrong(format!("its keys: {why}")))?;
        attesters.0.insert(own.name.clone(), Attester { issuer: own.issuer.clone(), keys });
    }
    for own in catalogue.configurations.values() {
        if let Some(name) = own.attesters.iter().find(|name| !attesters.0.contains_key(*name)) {
            return Err(format!("the configuration file's credential {} names a key_attester {name} that is not declared.", own.id));
        }
    }
    Ok(attesters)
}
