//! Shared signals: what an application has to hear about the people who use it, as security event tokens.
//!
//! | Rule | Source |
//! |---|---|
//! | `typ` is `secevent+jwt`; `iss`, `iat`, `jti`, `aud`, `events` with one event; no `exp` and no `sub` | RFC 8417 §2.2; OpenID Shared Signals Framework 1.0 §4 |
//! | whom it is about stands in `sub_id`; a session with its person is a complex subject | RFC 9493 §3.2.1; Shared Signals Framework 1.0 §3 |
//! | a session ended | CAEP 1.0 session-revoked |
//! | a password was replaced, by whomever | CAEP 1.0 credential-change |
//! | what is said of the person changed | CAEP 1.0 token-claims-change |
//! | the account was closed, opened, erased | RISC 1.0 account-disabled, account-enabled, account-purged |
//!
//! A receiver is a client: `sub` and `sid` are those of its id_tokens, and it hears of nobody who has not allowed it. The new values of claims
//! are personal data and stay here: the receiver reads `updated_at` and asks userinfo.
//!
//! [`streams`](super::streams) are managed by receivers, [`poll`](super::poll) is how they fetch tokens; otherwise the operator sets up a `[[feed]]`.

use std::sync::Arc;

use chancery_core::account::Account;
use chancery_core::client::Client;
use chancery_core::consent::Consent;
use chancery_core::error::OAuthError;
use chancery_core::id::{AccountId, ClientId, SessionId, consent_stream};
use chancery_projections::envelope::Envelope;
use serde_json::{Map, Value, json};

use super::{Message, ocsf};
use crate::app::App;
use crate::config::feed::Managed;

/// Delivery by push, RFC 8935.
pub const PUSH: &str = "urn:ietf:rfc:8935";
/// Delivery by poll, RFC 8936.
pub const POLL: &str = "urn:ietf:rfc:8936";

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";

/// Events that are told, with what they are called outside.
pub const TOLD: [(&str, &str, &str); 8] = [
    ("SessionEnded", CAEP, "session-revoked"),
    ("PasswordChanged", CAEP, "credential-change"),
    ("ProfileChanged", CAEP, "token-claims-change"),
    ("ClaimSourcesChanged", CAEP, "token-claims-change"),
    ("EmailChanged", CAEP, "token-claims-change"),
    ("AccountDisabled", RISC, "account-disabled"),
    ("AccountEnabled", RISC, "account-enabled"),
    ("DataKeyDestroyed", RISC, "account-purged"),
];

/// What the framework itself says over a stream.
const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";

/// The name of an event outside.
pub(super) fn uri(family: &str, name: &str) -> String {
    format!("{family}{name}")
}

/// A token that is not signed yet.
pub(super) struct Signal {
    client: Arc<Client>,
    claims: Value,
}

impl App {
    /// The event as its receiver hears of it; `None` if it does not.
    pub(super) async fn signal(
        &self,
        envelope: &Envelope,
        receiver: &str,
        managed: Option<&Managed>,
    ) -> Result<Option<Message>, OAuthError> {
        let Some(signal) = self.heard(envelope, receiver, managed).await? else { return Ok(None) };
        Ok(Some(Message {
            id: envelope.id.to_string(),
            kind: envelope.kind.clone(),
            at: envelope.recorded_at,
            severity: ocsf::severity(envelope),
            body: self.sign_signal(&signal).await?,
        }))
    }

    /// The same before it is signed.
    pub(super) async fn heard(&self, envelope: &Envelope, receiver: &str, managed: Option<&Managed>) -> Result<Option<Signal>, OAuthError> {
        // Shared Signals Framework 1.0 §8.1.2.1: what a disabled stream missed is not told.
        if managed.is_some_and(|own| envelope.recorded_at < own.since) {
            return Ok(None);
        }
        if let Some(own) = managed
            && envelope.kind == "SignalStreamVerificationRequested"
            && envelope.stream.strip_prefix("signals-") == Some(receiver)
        {
            return self.verification(envelope, receiver, own).await.map(Some);
        }
        let Some((_, family, name)) = TOLD.iter().find(|(kind, ..)| *kind == envelope.kind) else { return Ok(None) };
        let uri = uri(family, name);
        if managed.is_some_and(|own| !own.delivered.contains(&uri)) {
            return Ok(None);
        }
        let Some(account) = envelope.subject.as_deref().and_then(AccountId::parse) else { return Ok(None) };
        let Some(details) = self.details(envelope, account).await? else { return Ok(None) };
        let client = self.client(receiver).await?;
        if !self.has_allowed(account, &client.id).await? {
            return Ok(None);
        }
        let person = json!({ "format": "iss_sub", "iss": self.endpoints.issuer, "sub": self.subject(account, &client)? });
        let subject = match envelope.stream.strip_prefix("session-").and_then(SessionId::parse) {
            Some(session) => json!({
                "format": "complex",
                "user": person,
                "session": { "format": "opaque", "id": self.sid(session, &client.id) },
            }),
            None => person,
        };
        let mut event = details;
        event.insert("event_timestamp".into(), json!(envelope.recorded_at / 1000));
        event.insert("initiating_entity".into(), json!(initiator(&envelope.actor.kind)));
        Ok(Some(self.claims(envelope, client, subject, &uri, event)))
    }

    /// Shared Signals Framework 1.0 §8.1.4.1: about the stream itself, with the state that the receiver sent.
    async fn verification(&self, envelope: &Envelope, receiver: &str, own: &Managed) -> Result<Signal, OAuthError> {
        let mut event = Map::new();
        if let Some(state) = envelope.data.get("state") {
            event.insert("state".into(), state.clone());
        }
        let subject = json!({ "format": "opaque", "id": own.stream_id });
        Ok(self.claims(envelope, self.client(receiver).await?, subject, &uri(SSF, "verification"), event))
    }

    fn claims(&self, envelope: &Envelope, client: Arc<Client>, subject: Value, uri: &str, event: Map<String, Value>) -> Signal {
        let claims = json!({
            "iss": self.endpoints.issuer,
            "aud": client.id,
            "iat": self.now().numeric_date(),
            "jti": envelope.id,
            "txn": envelope.correlation,
            "sub_id": subject,
            "events": { uri: event },
        });
        Signal { client, claims }
    }

    pub(super) async fn sign_signal(&self, signal: &Signal) -> Result<String, OAuthError> {
        let alg = signal.client.metadata.id_token_signed_response_alg;
        self.keys.current().await?.sign_as(alg, "secevent+jwt", &signal.claims).await
    }

    /// Has the person ever allowed the client, so that it knows them? A consent that was withdrawn still counts: what they were is known.
    async fn has_allowed(&self, account: AccountId, client: &ClientId) -> Result<bool, OAuthError> {
        let consent = self.read::<Consent>(&consent_stream(account, client)).await?;
        Ok(consent.is_some_and(|consent| consent.given_at.is_some() || consent.withdrawals > 0))
    }

    /// Members of the event itself; `None` for one that says nothing to others.
    async fn details(&self, envelope: &Envelope, account: AccountId) -> Result<Option<Map<String, Value>>, OAuthError> {
        let mut details = Map::new();
        match envelope.kind.as_str() {
            "PasswordChanged" => {
                // Hashed again with stronger parameters: the same password.
                if envelope.data.get("reason").and_then(Value::as_str) == Some("stronger_parameters") {
                    return Ok(None);
                }
                details.insert("credential_type".into(), json!("password"));
                details.insert("change_type".into(), json!("update"));
            }
            "ProfileChanged" | "ClaimSourcesChanged" | "EmailChanged" => {
                let state = self.read::<Account>(&account.stream()).await?;
                let at = envelope.data.get("at").and_then(Value::as_i64).unwrap_or(envelope.recorded_at);
                // Of several changes the last one counts, as userinfo will say.
                let updated_at = state.map_or(at, |state| state.updated_at().0.max(at));
                details.insert("claims".into(), json!({ "updated_at": updated_at / 1000 }));
            }
            _ => {}
        }
        Ok(Some(details))
    }
}

/// CAEP 1.0: who began it.
fn initiator(actor: &str) -> &'static str {
    match actor {
        "account" | "client" => "user",
        "operator" | "config" => "admin",
        _ => "system",
    }
}

/// What a receiver reads about this transmitter: OpenID Shared Signals Framework 1.0 §7.1. `are_managed`: receivers make their streams
/// themselves; otherwise the operator sets them up, and there is no endpoint to manage them.
pub fn configuration(issuer: &str, jwks_uri: &str, are_managed: bool) -> Value {
    let mut configuration = json!({
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": jwks_uri,
        "delivery_methods_supported": if are_managed { vec![PUSH, POLL] } else { vec![PUSH] },
        // Of everybody who has allowed the receiver; nobody is added one by one.
        "default_subjects": "ALL",
    });
    if are_managed {
        configuration["configuration_endpoint"] = json!(format!("{issuer}/ssf/stream"));
        configuration["status_endpoint"] = json!(format!("{issuer}/ssf/status"));
        configuration["verification_endpoint"] = json!(format!("{issuer}/ssf/verification"));
        configuration["authorization_schemes"] = json!([{ "spec_urn": "urn:ietf:rfc:6749" }]);
    }
    configuration
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_in_the_catalogue() {
        let catalogue = chancery_core::event::event_catalogue();
        for (kind, family, name) in TOLD {
            assert!(catalogue.iter().any(|(_, event)| event.name == kind), "{kind}");
            assert!(format!("{family}{name}").starts_with("https://schemas.openid.net/secevent/"), "{name}");
        }
    }

    #[test]
    fn caep_1_0_an_initiator_is_admin_user_policy_or_system() {
        assert_eq!(["account", "operator", "config", "server", "anonymous"].map(initiator), ["user", "admin", "admin", "system", "system"]);
    }
}
