//! `response_mode`: query, fragment, form_post or web_message, each plain or as a signed JWT (JARM §2.3). First, so that later refusals already travel the way that
//! was asked for.
//!
//! | Rule | Source |
//! |---|---|
//! | tokens never stand in a query, where servers and proxies log them, unless they are encrypted to the client | OAuth 2.0 Multiple Response Types §3.0, §5; JARM §2.3.1 |
//! | only what the client is registered for, where it registered any | FAPI 2.0 Message Signing §5.3.3 |
//! | a message goes to the origin of the redirect_uri and to nobody else | draft-sakimura-oauth-wmrm-01 §4.1 (simple mode); RFC 9700 §4.17 |
//! | relay mode, in which a frame that the request names gets the answer, is not here | draft-sakimura-oauth-wmrm-01 §4.2 |

use crate::client::metadata::{ResponseMode, ResponseType};
use crate::error::OAuthError;
use crate::request::{Asked, Request};

/// What relay mode is asked for with.
const RELAY: [&str; 2] = ["web_message_uri", "web_message_target"];

pub fn check(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    known(asked, request)?;
    let (own, text) = (&asked.client.metadata.response_modes, asked.get("response_mode"));
    let by_name = |mode: &ResponseMode| *mode == request.response_mode || (*mode == ResponseMode::Jwt && text == Some("jwt"));
    if !own.is_empty() && !own.iter().any(by_name) {
        return Err(OAuthError::invalid_request("response_mode").saying("This client is not registered for this response_mode."));
    }
    Ok(())
}

fn known(asked: &Asked<'_>, request: &mut Request) -> Result<(), OAuthError> {
    let front_channel = is_front_channel(asked);
    request.response_mode = if front_channel { ResponseMode::Fragment } else { ResponseMode::Query };
    let Some(text) = asked.get("response_mode") else { return Ok(()) };
    let refuse = |sentence: &str| Err(OAuthError::invalid_request("response_mode").saying(sentence));
    match asked.policy.response_mode(text) {
        Some(ResponseMode::Query) if front_channel => refuse("Tokens do not travel in a query; use fragment or form_post."),
        Some(ResponseMode::QueryJwt) if front_channel && !encrypts(asked) => {
            refuse("Tokens do not travel in a query unless they are encrypted; use fragment.jwt or form_post.jwt.")
        }
        Some(mode) if mode.carrier() == ResponseMode::WebMessage && !has_origin(&request.redirect_uri) => {
            refuse("A message needs an origin to go to: web_message works with redirect_uris of http or https.")
        }
        // JARM §2.3.4.
        Some(ResponseMode::Jwt) => {
            request.response_mode = if front_channel { ResponseMode::FragmentJwt } else { ResponseMode::QueryJwt };
            Ok(())
        }
        Some(mode) => {
            request.response_mode = mode;
            if mode.carrier() == ResponseMode::WebMessage && RELAY.iter().any(|name| asked.get(name).is_some()) {
                return refuse("The relay mode of web_message is not supported; leave web_message_uri and web_message_target out.");
            }
            Ok(())
        }
        None if asked.policy.web_message => {
            refuse("This response_mode is not supported; use query, fragment, form_post, web_message, jwt or one of these with .jwt.")
        }
        None => {
            refuse("This response_mode is not supported; use query, fragment, form_post, jwt, query.jwt, fragment.jwt or form_post.jwt.")
        }
    }
}

/// The mode of a refusal that comes before this check: the one that was asked for, if it is one and would be granted, else the usual one
/// of the response type.
pub fn of_refusal(asked: &Asked<'_>, redirect_uri: &str) -> ResponseMode {
    let front_channel = is_front_channel(asked);
    match asked.get("response_mode").and_then(|text| asked.policy.response_mode(text)) {
        // JARM §2.3.4.
        Some(ResponseMode::Jwt) if front_channel => ResponseMode::FragmentJwt,
        // JARM §2.3.1.
        Some(ResponseMode::QueryJwt) if front_channel && encrypts(asked) => ResponseMode::QueryJwt,
        // OAuth 2.0 Multiple Response Types §5, JARM §2.3.1: where tokens do not travel, the client does not look.
        None | Some(ResponseMode::Query | ResponseMode::QueryJwt) if front_channel => ResponseMode::Fragment,
        Some(mode) if mode.carrier() != ResponseMode::WebMessage || has_origin(redirect_uri) => mode,
        _ if front_channel => ResponseMode::Fragment,
        _ => ResponseMode::Query,
    }
}

/// Does the answer bring tokens through the browser?
fn is_front_channel(asked: &Asked<'_>) -> bool {
    let kind = asked.get("response_type").and_then(ResponseType::read).unwrap_or_default();
    asked.policy.front_channel && kind.is_front_channel()
}

/// Are answers as JWTs encrypted to the client?
fn encrypts(asked: &Asked<'_>) -> bool {
    asked.client.metadata.authorization_encrypted_response_alg.is_some()
}

/// Whether a window can be told to go to the owner of this address alone. An address of a private scheme names an application, not an origin.
fn has_origin(redirect_uri: &str) -> bool {
    redirect_uri.starts_with("https://") || redirect_uri.starts_with("http://")
}
