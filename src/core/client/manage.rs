//! Registration management: whoever holds the registration access token reads, replaces and deletes the registration. RFC 7592.
//!
//! | Rule | Source |
//! |---|---|
//! | replacing is whole: what is not sent is gone, and defaults stand in its place | RFC 7592 §2.2 |
//! | each replacement hands out another registration access token, and the one before is dead | RFC 7592 §3, §5 |
//! | a client that needs a secret has one; one that needs none has none; where keys are to be derived from it, it is one that is kept | RFC 7592 §2.2, OpenID Connect Core 1.0 §10.2 |
//! | deleting ends every grant of the client, and its name is never given away again | RFC 7592 §2.3 |
//! | the policy of the initial access token that let it in holds for what it becomes | our own |
//! | the keys found behind `jwks_uri` are an event each time they are others: the log says which keys decided | our own |
//!
//! Reading hands out no other token: a request that only reads may be lost or repeated (RFC 9110 §9.2.1). For a lost token the
//! operator issues another one.

use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Client, ClientEvent, Origin, Secret};
use crate::client::metadata::Metadata;
use crate::decision::{Decision, Draft, Personal};
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::time::Timestamp;

/// The client replaced its registration. `personal`: `contacts`, `client_secret` (a new one that the server needs itself), `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientReplaced {
    pub at: Timestamp,
    pub before: Metadata,
    pub metadata: Metadata,
    /// Digest of the token that manages it from now on.
    pub registration_access: Digest,
    /// Digest of a secret that it did not have before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Digest>,
    /// Digest of the document behind `sector_identifier_uri`, as it was checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_document: Option<Digest>,
}

/// The client deleted its registration. `personal`: `context`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientDeleted {
    pub at: Timestamp,
    pub before: Metadata,
}

/// The operator handed out another registration access token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RegistrationAccessIssued {
    pub at: Timestamp,
    pub registration_access: Digest,
}

/// Other keys than before were found behind `jwks_uri`; they check the client's signatures from here on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientKeysFetched {
    pub at: Timestamp,
    /// Digest of the canonical JSON of `jwks`.
    pub digest: Digest,
    #[cfg_attr(feature = "schema", schemars(with = "serde_json::Map<String, serde_json::Value>"))]
    pub jwks: Value,
    pub jwks_uri: String,
}

/// Public keys as they were found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FetchedKeys {
    pub digest: Digest,
    pub jwks: Value,
    pub at: Timestamp,
}

/// Is it the token that manages this client? Takes the same time for every wrong one.
pub fn is_managed_by(client: &Client, presented: &Digest) -> bool {
    client.is_active() && client.registration_access.is_some_and(|own| own.matches(presented))
}

/// What the client shall be.
pub struct Replace {
    pub metadata: Metadata,
    /// Digest of a secret, for a client that has none.
    pub generated_secret: Option<Digest>,
    /// The same in clear, for one that proves it without sending it, or that keys are derived from.
    pub kept_secret: Option<String>,
    pub registration_access: Digest,
    pub sector_document: Option<Digest>,
    pub contacts: Option<String>,
    pub context: Option<String>,
    pub at: Timestamp,
}

/// Does it need another secret for what it shall be? Of a digest nobody can make the secret again.
pub fn needs_secret(client: &Client, metadata: &Metadata) -> bool {
    let has_one = if metadata.keeps_secret() {
        client.secrets.iter().any(|(secret, _)| matches!(secret, Secret::Sealed(_)))
    } else {
        !client.secrets.is_empty()
    };
    metadata.has_secret() && !has_one
}

/// Replaces the registration. `presented` is the digest of the token that asks: of two replacements with one token one wins.
pub fn replace(client: &Client, presented: &Digest, cmd: &Replace) -> Decision<ClientEvent, ()> {
    if !is_managed_by(client, presented) {
        return Decision::refuse(OAuthError::invalid_token("not the registration access token"));
    }
    let (needs_one, keeps) = (needs_secret(client, &cmd.metadata), cmd.metadata.keeps_secret());
    let event = ClientReplaced {
        at: cmd.at,
        before: client.metadata.clone(),
        metadata: cmd.metadata.clone(),
        registration_access: cmd.registration_access,
        secret: cmd.generated_secret.filter(|_| needs_one && !keeps),
        sector_document: cmd.sector_document,
    };
    let personal = Personal::default()
        .with("contacts", cmd.contacts.as_deref())
        .with("client_secret", cmd.kept_secret.as_deref().filter(|_| needs_one && keeps))
        .with("context", cmd.context.as_deref());
    Decision::accept(alloc::vec![Draft::new(event.into(), personal)], ())
}

/// Deletes the registration: everything of the client is dead from here on.
pub fn delete(client: &Client, presented: &Digest, context: Option<&str>, at: Timestamp) -> Decision<ClientEvent, ()> {
    if !is_managed_by(client, presented) {
        return Decision::refuse(OAuthError::invalid_token("not the registration access token"));
    }
    let event = ClientDeleted { at, before: client.metadata.clone() };
    Decision::accept(alloc::vec![Draft::new(event.into(), Personal::default().with("context", context))], ())
}

/// The operator hands out another registration access token; the one before is dead.
pub fn issue_access(client: &Client, registration_access: Digest, at: Timestamp) -> Decision<ClientEvent, ()> {
    if client.origin == Origin::Declared {
        return Decision::refuse(super::owned_by_the_file());
    }
    if client.origin == Origin::Document {
        return Decision::refuse(
            OAuthError::conflict("the client is a document")
                .saying("Nobody registered this client, and nobody manages it: its document says what it is."),
        );
    }
    if client.deleted {
        return Decision::refuse(super::gone());
    }
    Decision::accept(alloc::vec![RegistrationAccessIssued { at, registration_access }.into()], ())
}

/// These keys were found behind `jwks_uri`. The same ones as before say nothing new.
pub fn keys_fetched(client: &Client, jwks: &Value, digest: Digest, at: Timestamp) -> Decision<ClientEvent, ()> {
    let Some(jwks_uri) = client.metadata.jwks_uri.clone().filter(|_| client.is_active()) else {
        return Decision::accept(Vec::new(), ());
    };
    if client.keys.as_ref().is_some_and(|own| own.digest == digest) {
        return Decision::accept(Vec::new(), ());
    }
    Decision::accept(alloc::vec![ClientKeysFetched { at, digest, jwks_uri, jwks: jwks.clone() }.into()], ())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::metadata::AuthMethod;
    use crate::testing::*;

    fn managed() -> Client {
        evolve(Some(client()), 2, &RegistrationAccessIssued { at: t(1), registration_access: digest("rat-1") }.into(), &[]).unwrap()
    }

    fn cmd(change: impl FnOnce(&mut Metadata)) -> Replace {
        let mut metadata = metadata();
        change(&mut metadata);
        Replace {
            metadata,
            generated_secret: Some(digest("new secret")),
            kept_secret: Some("new secret".into()),
            registration_access: digest("rat-2"),
            sector_document: None,
            contacts: Some("ops@example.com".into()),
            context: None,
            at: t(2),
        }
    }

    fn after(client: Client, decision: &Decision<ClientEvent, ()>) -> Client {
        evolve(Some(client), 3, &said(decision).0.remove(0), &["contacts"]).unwrap()
    }

    #[test]
    fn rfc7592_2_2_a_replacement_is_whole_and_tells_what_was_before() {
        let before = managed();
        let decision = replace(&before, &digest("rat-1"), &cmd(|metadata| metadata.require_pkce = true));
        let [ClientEvent::ClientReplaced(event)] = &said(&decision).0[..] else { panic!() };
        assert_eq!((event.before.require_pkce, event.metadata.require_pkce, event.secret), (false, true, None), "it has a secret");
        let client = after(before.clone(), &decision);
        assert!(client.metadata.require_pkce && client.contacts.is_some() && client.secrets == before.secrets);
        assert_survives_the_row(&client);
    }

    #[test]
    fn rfc7592_3_each_replacement_hands_out_another_token() {
        let client = after(managed(), &replace(&managed(), &digest("rat-1"), &cmd(|_| ())));
        assert!(is_managed_by(&client, &digest("rat-2")) && !is_managed_by(&client, &digest("rat-1")));
        assert_eq!(said(&replace(&client, &digest("rat-1"), &cmd(|_| ()))), (Vec::new(), "invalid_token"));
    }

    #[test]
    fn oidc_core_9_who_proves_a_secret_without_sending_it_has_one_that_is_kept() {
        let decision = replace(&managed(), &digest("rat-1"), &cmd(|own| own.token_endpoint_auth_method = AuthMethod::SecretJwt));
        let [draft] = &decision.events[..] else { panic!() };
        let ClientEvent::ClientReplaced(event) = &draft.event else { panic!() };
        assert_eq!((event.secret, draft.personal.iter().any(|(name, text)| (name, text) == ("client_secret", "new secret"))), (None, true));
        let kept = evolve(Some(managed()), 3, &draft.event, &["client_secret"]).unwrap();
        assert!(matches!(kept.secrets[..], [(Secret::Sealed(_), None)]));
        let again = replace(&kept, &digest("rat-2"), &cmd(|own| own.token_endpoint_auth_method = AuthMethod::SecretJwt));
        assert!(!again.events[0].personal.iter().any(|(name, _)| name == "client_secret"), "it has one");
    }

    #[test]
    fn rfc7592_2_2_the_secret_follows_the_method() {
        let public =
            after(managed(), &replace(&managed(), &digest("rat-1"), &cmd(|own| own.token_endpoint_auth_method = AuthMethod::None)));
        assert!(public.secrets.is_empty());
        let again = after(public.clone(), &replace(&public, &digest("rat-2"), &cmd(|_| ())));
        assert_eq!(again.secrets, [(crate::client::Secret::Digest(digest("new secret")), None)]);
    }

    #[test]
    fn oidc_core_10_2_a_secret_that_keys_are_derived_from_leaves_no_digest() {
        let dir = |own: &mut Metadata| own.id_token_encrypted_response_alg = Some(crate::client::metadata::EncryptionAlg::Dir);
        let decision = replace(&managed(), &digest("rat-1"), &cmd(dir));
        let drafts = &decision.events;
        let ClientEvent::ClientReplaced(event) = &drafts[0].event else { panic!() };
        assert_eq!(event.secret, None);
        assert!(drafts[0].personal.iter().any(|(field, text)| (field, text) == ("client_secret", "new secret")));
        let client = evolve(Some(managed()), 3, &said(&decision).0.remove(0), &["contacts", "client_secret"]).unwrap();
        assert!(matches!(&client.secrets[..], [(Secret::Sealed(_), None)]));
        // It has one that is kept: nothing new is made.
        let again = replace(&client, &digest("rat-2"), &cmd(dir));
        assert!(again.events[0].personal.iter().all(|(field, _)| field != "client_secret") && !needs_secret(&client, &metadata()));
    }

    #[test]
    fn rfc7592_2_3_a_deleted_client_is_gone_for_good() {
        let decision = delete(&managed(), &digest("rat-1"), None, t(3));
        let gone = after(managed(), &decision);
        assert!(!gone.is_active() && gone.secrets.is_empty() && !is_managed_by(&gone, &digest("rat-1")));
        assert_eq!(said(&issue_access(&gone, digest("rat-9"), t(4))).1, "conflict");
        assert_eq!(said(&crate::client::enable_by_operator(&gone, t(4))).1, "conflict");
        let back: ClientEvent = crate::client::ClientEnabled { at: t(4) }.into();
        assert!(evolve(Some(gone), 4, &back, &[]).is_err());
    }

    #[test]
    fn a_token_that_was_never_issued_manages_nothing() {
        assert_eq!(said(&replace(&client(), &digest("x"), &cmd(|_| ()))).1, "invalid_token");
        assert_eq!(said(&delete(&managed(), &digest("x"), None, t(2))), (Vec::new(), "invalid_token"));
    }

    #[test]
    fn keys_are_an_event_when_they_are_others() {
        let client = client_with(|metadata| metadata.jwks_uri = Some("https://app.example.com/jwks".into()));
        let jwks = json!({"keys": []});
        let decision = keys_fetched(&client, &jwks, digest("1"), t(1));
        let with = evolve(Some(client.clone()), 2, &said(&decision).0.remove(0), &[]).unwrap();
        assert_eq!(said(&keys_fetched(&with, &jwks, digest("1"), t(2))), (Vec::new(), "ok"));
        assert_eq!(said(&keys_fetched(&with, &jwks, digest("2"), t(2))).0.len(), 1);
        assert_eq!(said(&keys_fetched(&crate::testing::client(), &jwks, digest("1"), t(1))).0, [], "nobody asks there any more");
        let moved = crate::client::ClientRedeclared { before: client.metadata.clone(), metadata: metadata(), at: t(3) };
        assert_eq!(evolve(Some(with), 3, &moved.into(), &[]).unwrap().keys, None);
    }
}
