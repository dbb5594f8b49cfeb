//! What a registration says of the back channel (CIBA Core §4).

use super::Problems;
use crate::client::metadata::{AuthMethod, DeliveryMode, GrantType, Metadata, Terms};

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
    let has_keys = metadata.jwks_uri.is_some() || terms.jwks_usable;
    if metadata.backchannel_authentication_request_signing_alg.is_some() && !has_keys {
        wrong.add("backchannel_authentication_request_signing_alg", "Signed requests need keys: jwks or jwks_uri.");
    }
    let Some(mode) = metadata.backchannel_token_delivery_mode else {
        return wrong.add("backchannel_token_delivery_mode", "CIBA needs one; supported: poll, ping, push.");
    };
    if mode != DeliveryMode::Poll && metadata.backchannel_client_notification_endpoint.is_none() {
        wrong.add("backchannel_client_notification_endpoint", "A client that is told of answers (ping, push) says where.");
    }
    // CIBA Core §4, §9. Plain http on loopback is left to a server that is developed with.
    let is_https = |uri: &str| uri.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
    if terms.https && metadata.backchannel_client_notification_endpoint.as_deref().is_some_and(|uri| !is_https(uri)) {
        wrong.add("backchannel_client_notification_endpoint", "Use an https URL.");
    }
    // Nobody proves a key when tokens are pushed.
    if mode == DeliveryMode::Push && metadata.binds_tokens() {
        wrong.add("backchannel_token_delivery_mode", "Tokens that are pushed are bound to no key; use poll or ping.");
    }
}
