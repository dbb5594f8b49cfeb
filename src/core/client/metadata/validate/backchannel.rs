//! What a registration says of the back channel (CIBA Core §4).

use super::Problems;
use crate::client::metadata::{AuthMethod, GrantType, Metadata, Terms};

pub(super) fn check(metadata: &Metadata, terms: Terms, wrong: &mut Problems) {
    if !metadata.grant_types.contains(&GrantType::Ciba) {
        return;
    }
    if !terms.ciba {
        wrong.add("grant_types", "CIBA is switched off here.");
    }
    // Whoever may stand before somebody's eyes has a name that can be held to it.
    if metadata.token_endpoint_auth_method == AuthMethod::None {
        wrong.add("grant_types", "CIBA needs a client that authenticates (CIBA Core section 7.1).");
    }
    if metadata.backchannel_token_delivery_mode.is_none() {
        wrong.add("backchannel_token_delivery_mode", "CIBA needs one; supported: poll.");
    }
}
