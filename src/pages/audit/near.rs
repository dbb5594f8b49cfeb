//! What an event leads to: the person, the client, the grant, the session, the token, the stream.

use chancery_projections::audit::{client_of, tokens_of};
use chancery_projections::envelope::Envelope;
use serde_json::Value;

/// A word, a name, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    pub label: &'static str,
    pub text: String,
    pub href: String,
}

impl Near {
    /// The events with a filter.
    pub fn filtered(label: &'static str, name: &str, value: &str) -> Self {
        Self { label, text: short(value), href: filtered(name, value) }
    }

    /// An event by its position.
    pub fn event(position: u64) -> Self {
        Self { label: "event", text: position.to_string(), href: format!("/admin/audit/events/{position}") }
    }
}

/// The address of a filtered roll. The values are identifiers of the log, but what is in an address is encoded all the same.
pub fn filtered(name: &str, value: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish();
    format!("/admin/audit?{query}")
}

/// The address of a stream's page.
pub fn stream(name: &str) -> String {
    let name: String = form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/admin/audit/streams/{name}")
}

/// The end of an identifier tells more than its beginning, which is the time.
pub fn short(value: &str) -> String {
    match value.len() > 20 && value.is_ascii() {
        true => format!("{}\u{2026}{}", &value[..8], &value[value.len() - 6..]),
        false => value.to_owned(),
    }
}

/// Everything that an event names.
pub fn of(event: &Envelope) -> Vec<Near> {
    let text = |name: &str| event.data.get(name).and_then(Value::as_str);
    let own = |kind: &str| event.stream.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-'));
    let mut near = Vec::new();
    let person = event.subject.as_deref().or_else(|| text("account")).or_else(|| own("account"));
    near.extend(person.map(|id| Near::filtered("person", "subject", id)));
    near.extend(client_of(event).map(|id| Near::filtered("client", "client", &id)));
    near.extend(own("session").or_else(|| text("session")).map(|id| Near::filtered("session", "session", id)));
    near.extend(own("grant").or_else(|| text("grant")).map(|id| Near::filtered("grant", "grant", id)));
    for digest in tokens_of(event) {
        near.push(Near { label: "token", text: short(digest), href: format!("/admin/audit/tokens/{digest}") });
    }
    let by_itself = event.actor.kind == "account" && person == Some(event.actor.id.as_str());
    if !event.actor.id.is_empty() && !by_itself && event.actor.kind != "client" {
        let actor = format!("{}:{}", event.actor.kind, event.actor.id);
        near.push(Near { label: "by", text: format!("{} {}", event.actor.kind, short(&event.actor.id)), href: filtered("actor", &actor) });
    }
    near.push(Near { label: "stream", text: short(&event.stream), href: stream(&event.stream) });
    near
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_markup_and_no_second_parameter() {
        assert_eq!(filtered("subject", "a&b=\"<"), "/admin/audit?subject=a%26b%3D%22%3C");
        assert_eq!(stream("a/../b?c"), "/admin/audit/streams/a%2F..%2Fb%3Fc");
        assert_eq!(short("01a1fc15-89d7-7b17-918b-b59aee50a778"), "01a1fc15\u{2026}50a778");
        assert_eq!((short("log"), short("\u{e9}".repeat(30).as_str())), ("log".to_owned(), "\u{e9}".repeat(30)));
    }
}
