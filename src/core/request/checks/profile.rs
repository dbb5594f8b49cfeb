//! What a profile demands of single requests: the client meets it, and the answer will be signed.
//!
//! FAPI 1.0 Part 2 §5.2.2, FAPI 2.0 Message Signing §5.4.1.

use crate::error::OAuthError;
use crate::profile::{Profile, demands};
use crate::request::{Asked, Request};

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    // It was registered before the profile was set.
    if !demands::is_met(&asked.client.metadata, &asked.policy) {
        return Err(OAuthError::unauthorized_client("the client falls short of the profile")
            .saying("The client's registration falls short of the profile that is demanded here."));
    }
    let is_signed = |profile: Profile| {
        // FAPI 1.0 Part 2 §5.2.2: an id_token beside the code vouches for it, as its detached signature.
        let is_detached = profile.has_detached_signatures() && request.response_type.is_front_channel();
        !profile.wants_signed_answers() || is_detached || request.response_mode.is_signed()
    };
    if asked.policy.profiles(asked.client).all(is_signed) {
        return Ok(());
    }
    Err(OAuthError::invalid_request("the answer would not be signed").saying("Answers are signed here: send response_mode=jwt."))
}
