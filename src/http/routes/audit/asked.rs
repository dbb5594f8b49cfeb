//! The parameters of a question. A value that cannot be meant is refused with a sentence; a token's text is never one.

use std::net::IpAddr;

use chancery_core::error::OAuthError;
use chancery_core::stream::bounded;
use chancery_projections::audit::moment;
use chancery_projections::audit::query::{MOST, Question};
use poem_openapi::Object;

use crate::app::audit::ask::Asked;
use crate::app::audit::personal::Showing;

/// Filters, the part of the log, and how the answer is written. All filters that are given must hold.
#[derive(Object)]
pub struct EventsQuery {
    /// Account that the event is about.
    pub subject: Option<String>,
    /// client_id that the event names.
    pub client: Option<String>,
    /// Who did it: account:ID, client:ID, operator:ID, server, config or anonymous.
    pub actor: Option<String>,
    /// Id of a session: its own events, the sign-ins and codes that name it.
    pub session: Option<String>,
    /// Id of a grant: its own events, and the authorization request that led to it.
    pub grant: Option<String>,
    /// SHA-256 of a token or code, base64url, as it stands in events. Never the token itself.
    pub token: Option<String>,
    /// Address from which it was done. IPv6 counts as it was recorded. A page looks at 2,000 events at most, so go on while there is a next.
    pub address: Option<String>,
    /// Type of the event, such as CodeRedeemed.
    #[oai(rename = "type")]
    pub kind: Option<String>,
    /// Stream of the event.
    pub stream: Option<String>,
    /// First moment, RFC 3339.
    pub after: Option<String>,
    /// Last moment, RFC 3339.
    pub before: Option<String>,
    /// First position.
    pub from: Option<String>,
    /// First position beyond.
    pub until: Option<String>,
    /// asc (the order of the log) or desc.
    pub order: Option<String>,
    /// At most this many, 1 to 1000; 100 when it is absent.
    pub limit: Option<String>,
    /// The answer takes the event at this position into account, or is 503 after five seconds.
    pub min_position: Option<String>,
    /// json, jsonl, csv or tail; otherwise Accept decides.
    pub format: Option<String>,
}

/// How personal data is shown.
#[derive(Object)]
pub struct ShownQuery {
    /// sealed or clear; clear needs the scope admin too.
    pub personal: Option<String>,
}

/// # Errors
/// `invalid_request` with a sentence that names the parameter.
pub fn read(query: &EventsQuery) -> Result<Asked, OAuthError> {
    let limit = match &query.limit {
        None => 100,
        Some(_) => number("limit", query.limit.as_deref())?
            .and_then(|limit| u32::try_from(limit).ok())
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| refuse("limit", "a number from 1 to 1000"))?,
    };
    let newest_first = match query.order.as_deref() {
        None | Some("asc") => false,
        Some("desc") => true,
        Some(_) => return Err(refuse("order", "asc or desc")),
    };
    let question = Question {
        subject: text("subject", query.subject.as_deref())?,
        client: text("client", query.client.as_deref())?,
        actor: text("actor", query.actor.as_deref())?,
        session: text("session", query.session.as_deref())?,
        grant: text("grant", query.grant.as_deref())?,
        token: query.token.as_deref().map(digest).transpose()?,
        kind: text("type", query.kind.as_deref())?,
        stream: text("stream", query.stream.as_deref())?,
        from: number("from", query.from.as_deref())?.unwrap_or(0),
        until: number("until", query.until.as_deref())?,
        newest_first,
        limit,
    };
    let address = match query.address.as_deref() {
        None => None,
        Some(text) => Some(text.parse::<IpAddr>().map_err(|_| refuse("address", "an IPv4 or IPv6 address"))?.to_string()),
    };
    Ok(Asked {
        question,
        address,
        after: time("after", query.after.as_deref())?,
        before: time("before", query.before.as_deref())?,
        min_position: number("min_position", query.min_position.as_deref())?,
    })
}

/// What a question that has no filters is called in its event.
pub fn words(named: &[(&str, &str)], showing: Showing) -> String {
    let mut words: Vec<_> = named.iter().map(|(name, value)| bounded(&format!("{name}={value}"))).collect();
    words.extend((showing == Showing::Clear).then(|| "personal data in clear".to_owned()));
    words.join(" ")
}

/// A digest as events have it. The text of a token in an address would end up in logs, so it is refused by name.
///
/// # Errors
/// `invalid_request`.
pub fn digest(text: &str) -> Result<String, OAuthError> {
    if text.starts_with("cha_") {
        let said = "Never send the token itself: send its SHA-256, base64url without padding, or POST it to /audit/introspect.";
        return Err(OAuthError::invalid_request("a token in the query").saying(said));
    }
    let plain = text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    plain.then(|| text.to_owned()).ok_or_else(|| refuse("token", "a SHA-256 digest in base64url without padding, 43 characters"))
}

fn text(name: &'static str, value: Option<&str>) -> Result<Option<String>, OAuthError> {
    value.map(|value| identifier(name, value)).transpose()
}

/// An identifier as it stands in events.
///
/// # Errors
/// `invalid_request`.
pub fn identifier(name: &'static str, value: &str) -> Result<String, OAuthError> {
    // Streams are the longest: consent, an account and a client_id.
    let fits = value.len() <= 255 && value.bytes().all(|byte| byte.is_ascii_graphic()) && !value.starts_with("cha_");
    fits.then(|| value.to_owned()).ok_or_else(|| refuse(name, "an identifier as it stands in events"))
}

fn number(name: &'static str, value: Option<&str>) -> Result<Option<u64>, OAuthError> {
    value.map(|value| value.parse().map_err(|_| refuse(name, "a whole number"))).transpose()
}

fn time(name: &'static str, value: Option<&str>) -> Result<Option<i64>, OAuthError> {
    value.map(|value| moment::rfc3339(value).ok_or_else(|| refuse(name, "a time such as 2026-11-21T13:00:00Z"))).transpose()
}

pub fn refuse(name: &'static str, wanted: &str) -> OAuthError {
    OAuthError::invalid_request(name).saying(format!("{name} is {wanted}."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_a_parameter() {
        let refused = digest("cha_at_0123456789012345678901234567890123456").unwrap_err();
        assert!(refused.description.contains("Never send the token itself"));
        assert!(
            text("grant", Some("cha_at_1")).is_err()
                && text("grant", Some("a b")).is_err()
                && text("grant", Some(&"a".repeat(256))).is_err()
        );
        assert_eq!(digest(&"a".repeat(43)).unwrap().len(), 43);
        assert!(digest(&"a".repeat(42)).is_err() && digest(&"/".repeat(43)).is_err());
    }
}
