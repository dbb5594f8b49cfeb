//! Clients that nobody registered: their `client_id` is the URL of a document in which they say what they are.
//! draft-ietf-oauth-client-id-metadata-document-02 (CIMD).
//!
//! | Rule | Source |
//! |---|---|
//! | `client_id` in the document is the URL, byte for byte | CIMD §4, RFC 3986 §6.2.1 |
//! | no shared secret: neither a method that needs one, nor `client_secret`, nor its expiry | CIMD §4.1 |
//! | public keys only | CIMD §4.1 |
//! | there are redirect URIs, and they hold exactly | CIMD §4.2, RFC 9700 §2.1 |
//! | without a method the client is public: the default of RFC 7591 needs a secret | CIMD §4.1; our own |
//! | the code flow and refreshing, and no more scopes than the operator allows such clients; a document is written for many servers, so what it names beyond is left out | our own |
//! | an event only when the document says something new; what was said when a grant began stands before it in the log | our own |
//! | a consent was given to what the client called itself and where it sent people: when that changes it is asked for again | CIMD §8.4 |
//!
//! Out of scope: the URL itself (`id`), fetching and its bounds (`app::client_documents`), whatever holds for every registration
//! (`metadata`).

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::metadata::{Asked, Metadata};
use super::{Client, ClientEvent, Origin};
use crate::decision::Decision;
use crate::digest::Digest;
use crate::error::OAuthError;
use crate::id::ClientId;
use crate::scope::Scope;
use crate::time::Timestamp;

/// Members that count; the others are for other servers. No picture: it would make a stranger's page look true.
const TAKEN: [&str; 20] = [
    "client_name",
    "client_uri",
    "policy_uri",
    "tos_uri",
    "redirect_uris",
    "post_logout_redirect_uris",
    "grant_types",
    "response_types",
    "scope",
    "token_endpoint_auth_method",
    "token_endpoint_auth_signing_alg",
    "jwks",
    "jwks_uri",
    "application_type",
    "id_token_signed_response_alg",
    "subject_type",
    "dpop_bound_access_tokens",
    "require_pushed_authorization_requests",
    "software_id",
    "software_version",
];
/// RFC 7518 §6.2.2, §6.3.2, §6.4.1; `priv` of AKP keys.
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The document behind the identifier was read for the first time, or says something else than before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClientDocumentRead {
    pub at: Timestamp,
    pub client: ClientId,
    /// SHA-256 of its bytes.
    pub document: Digest,
    /// What counts of it.
    pub metadata: Metadata,
}

/// What is known of a document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub digest: Digest,
    /// When it said something new last.
    pub at: Timestamp,
    /// Since when the client calls itself and sends people as it does now.
    pub told_at: Timestamp,
}

impl Document {
    pub(super) fn first(event: &ClientDocumentRead) -> Self {
        Self { digest: event.document, at: event.at, told_at: event.at }
    }

    /// What follows on a client with this metadata.
    pub(super) fn next(&self, before: &Metadata, event: &ClientDocumentRead) -> Self {
        let told_at = if is_told_alike(before, &event.metadata) { self.told_at } else { event.at };
        Self { digest: event.document, at: event.at, told_at }
    }
}

/// Would a person who allowed the one have been shown the same of the other?
fn is_told_alike(before: &Metadata, after: &Metadata) -> bool {
    let targets = |own: &Metadata| own.redirect_uris.iter().cloned().collect::<BTreeSet<_>>();
    before.client_name == after.client_name
        && before.policy_uri == after.policy_uri
        && before.tos_uri == after.tos_uri
        && before.application_type == after.application_type
        && before.token_endpoint_auth_method == after.token_endpoint_auth_method
        && targets(before) == targets(after)
}

/// What a document asks for, before the rules of every registration look at it.
///
/// # Errors
/// A sentence for whoever wrote the document.
pub fn asked(id: &ClientId, members: &Map<String, Value>, most: &Scope) -> Result<Asked, String> {
    // First: nothing of a document is told to others unless it is about this very identifier. CIMD §4.
    if members.get("client_id").and_then(Value::as_str) != Some(id.as_str()) {
        return Err("client_id in the document is not its URL.".to_owned());
    }
    if ["client_secret", "client_secret_expires_at"].iter().any(|name| members.contains_key(*name)) {
        return Err("A document holds no client_secret.".to_owned());
    }
    let keys = members.get("jwks").and_then(|jwks| jwks.get("keys")).and_then(Value::as_array);
    if keys.into_iter().flatten().any(|key| PRIVATE.iter().any(|name| key.get(*name).is_some())) {
        return Err("A document holds public keys only.".to_owned());
    }
    let taken: Map<_, _> = members.iter().filter(|(name, _)| TAKEN.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect();
    let mut asked: Asked =
        serde_json::from_value(Value::Object(taken)).map_err(|_| "A member of the document has a wrong type.".to_owned())?;
    match asked.token_endpoint_auth_method.as_deref() {
        None => asked.token_endpoint_auth_method = Some("none".to_owned()),
        Some("none" | "private_key_jwt") => {}
        Some(_) => return Err("token_endpoint_auth_method of a document is none or private_key_jwt.".to_owned()),
    }
    if asked.redirect_uris.as_ref().is_none_or(Vec::is_empty) {
        return Err("The document has no redirect_uris.".to_owned());
    }
    narrow(&mut asked.grant_types, &["authorization_code", "refresh_token"]);
    if asked.grant_types.as_ref().is_some_and(|own| !own.iter().any(|grant| grant == "authorization_code")) {
        return Err("grant_types of a document has authorization_code.".to_owned());
    }
    narrow(&mut asked.response_types, &["code"]);
    if asked.response_types.as_ref().is_some_and(Vec::is_empty) {
        return Err("response_types of a document has code.".to_owned());
    }
    let scope = asked.scope.as_deref().map(Scope::parse).transpose().map_err(|error| error.description.into_owned())?;
    asked.scope = Some(alloc::string::ToString::to_string(&scope.map_or_else(|| most.clone(), |own| own.intersection(most))));
    Ok(asked)
}

/// An empty list says nothing (RFC 7591 §2), and stays that.
fn narrow(list: &mut Option<Vec<String>>, to: &[&str]) {
    if let Some(own) = list.take().filter(|own| !own.is_empty()) {
        *list = Some(own.into_iter().filter(|word| to.contains(&word.as_str())).collect());
    }
}

/// This was read. What says nothing new is no event; whom the operator closed stays as it is.
pub fn read(known: Option<&Client>, event: ClientDocumentRead) -> Decision<ClientEvent, ()> {
    match known {
        Some(own) if own.origin != Origin::Document => Decision::refuse(OAuthError::conflict("the client_id is registered otherwise")),
        Some(own) if !own.is_active() || own.metadata == event.metadata => Decision::accept(Vec::new(), ()),
        _ => Decision::accept(alloc::vec![ClientEvent::from(event).into()], ()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::metadata::{AuthMethod, GrantType, Terms, validate};
    use crate::testing::*;

    const URL: &str = "https://client.example/metadata.json";

    fn document(change: Value) -> Map<String, Value> {
        let Value::Object(mut own) = json!({ "client_id": URL, "client_name": "Meadow", "redirect_uris": ["https://client.example/cb"] })
        else {
            panic!()
        };
        let Value::Object(change) = change else { panic!() };
        own.extend(change);
        own
    }

    fn ask(change: Value) -> Result<Asked, String> {
        asked(&client_id(URL), &document(change), &scope("openid email offline_access"))
    }

    fn metadata_of(change: Value) -> Metadata {
        validate(&ask(change).unwrap(), Terms { jwks_usable: true, ..Terms::default() }).unwrap()
    }

    fn event(change: Value, at: i64) -> ClientDocumentRead {
        ClientDocumentRead { at: t(at), client: client_id(URL), document: digest("bytes"), metadata: metadata_of(change) }
    }

    #[test]
    fn cimd_4_client_id_is_the_url_byte_for_byte() {
        assert!(ask(json!({})).is_ok());
        for other in [
            json!("https://client.example:443/metadata.json"),
            json!("https://client.example/metadata.jso%6e"),
            json!(""),
            json!(null),
            json!([URL]),
        ] {
            assert!(ask(json!({ "client_id": other })).is_err(), "{other}");
        }
        let mut without = document(json!({}));
        without.remove("client_id");
        assert!(asked(&client_id(URL), &without, &scope("openid")).is_err());
    }

    #[test]
    fn cimd_4_1_no_shared_secret_and_no_private_key() {
        for method in ["client_secret_post", "client_secret_basic", "client_secret_jwt", "tls_client_auth", "x"] {
            assert!(ask(json!({ "token_endpoint_auth_method": method })).is_err(), "{method}");
        }
        for member in ["client_secret", "client_secret_expires_at"] {
            for value in [json!("hidden"), json!(0), json!(null)] {
                assert!(ask(json!({ member: value })).is_err(), "{member}");
            }
        }
        let point = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
        assert!(ask(json!({ "jwks": { "keys": [point] } })).is_ok());
        for member in PRIVATE {
            let mut private = point.clone();
            private[member] = json!("AA");
            assert!(ask(json!({ "jwks": { "keys": [point, private] } })).is_err(), "{member}");
        }
        assert!(ask(json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AA" }] } })).is_err());
    }

    #[test]
    fn cimd_4_1_without_a_method_the_client_is_public() {
        assert_eq!(metadata_of(json!({})).token_endpoint_auth_method, AuthMethod::None);
        let keys = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://client.example/jwks" });
        assert_eq!(metadata_of(keys).token_endpoint_auth_method, AuthMethod::PrivateKeyJwt);
        let without = ask(json!({ "token_endpoint_auth_method": "private_key_jwt" })).unwrap();
        assert!(validate(&without, Terms::default()).is_err(), "keys are missing");
    }

    #[test]
    fn cimd_4_2_there_are_redirect_uris() {
        for uris in [json!([]), json!(null)] {
            assert!(ask(json!({ "redirect_uris": uris })).is_err());
        }
        assert!(ask(json!({ "redirect_uris": "https://client.example/cb" })).is_err(), "a wrong type");
        let script = ask(json!({ "redirect_uris": ["javascript:alert(1)"] })).unwrap();
        assert!(validate(&script, Terms::default()).is_err());
    }

    #[test]
    fn what_a_document_names_beyond_what_such_clients_get_is_left_out() {
        let wide = metadata_of(json!({
            "grant_types": ["authorization_code", "refresh_token", "client_credentials", "urn:other"],
            "response_types": ["code", "token"],
            "scope": "openid phone admin",
            "logo_uri": "https://client.example/logo.png",
            "introspect": true,
            "chancery_profile": "oauth21",
            "backchannel_logout_uri": "https://client.example/out",
            "contacts": ["ops@client.example"],
        }));
        assert_eq!(wide.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken].into());
        assert_eq!((wide.scope.clone(), wide.logo_uri.clone()), (scope("openid"), None));
        assert!(!wide.introspect && wide.chancery_profile.is_none() && wide.backchannel_logout_uri.is_none());
        assert_eq!(metadata_of(json!({})).scope, scope("openid email offline_access"), "the most without a word about it");
        assert!(ask(json!({ "grant_types": ["client_credentials"] })).is_err());
        assert!(ask(json!({ "response_types": ["token"] })).is_err());
        assert!(ask(json!({ "grant_types": [], "response_types": [] })).is_ok());
    }

    #[test]
    fn what_says_nothing_new_is_no_event() {
        let first = event(json!({}), 1);
        let client: Client = fold([ClientEvent::from(first.clone())]);
        assert_eq!((client.origin, client.document.as_ref().map(|own| own.digest)), (Origin::Document, Some(digest("bytes"))));
        assert_survives_the_row(&client);
        let again = ClientDocumentRead { document: digest("white space"), ..event(json!({}), 2) };
        assert_eq!(said(&read(Some(&client), again)), (Vec::new(), "ok"));
        assert_eq!(said(&read(None, first.clone())).0, [ClientEvent::from(first)]);
        let changed = event(json!({ "client_name": "Bank" }), 3);
        assert_eq!(said(&read(Some(&client), changed.clone())).0.len(), 1);
        let closed = evolve(Some(client), 2, &crate::client::ClientDisabled { at: t(2) }.into(), &[]).unwrap();
        assert_eq!(said(&read(Some(&closed), changed.clone())), (Vec::new(), "ok"), "whom the operator closed stays closed");
        assert_eq!(said(&read(Some(&crate::testing::client()), changed)), (Vec::new(), "conflict"));
    }

    #[test]
    fn cimd_8_4_who_is_told_otherwise_is_known_since_then() {
        let told = |change: Value| {
            let client: Client = fold([event(json!({}), 1).into(), event(change, 9).into()]);
            assert_eq!(client.document.as_ref().unwrap().at, t(9));
            client.document.unwrap().told_at
        };
        for other in [
            json!({ "client_name": "Bank" }),
            json!({ "redirect_uris": ["https://client.example/cb", "https://evil.example/cb"] }),
            json!({ "policy_uri": "https://client.example/policy" }),
            json!({ "application_type": "native" }),
            json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://client.example/jwks" }),
        ] {
            assert_eq!(told(other.clone()), t(9), "{other}");
        }
        for same in [
            json!({ "scope": "openid" }),
            json!({ "software_version": "2" }),
            json!({ "grant_types": ["authorization_code", "refresh_token"] }),
        ] {
            assert_eq!(told(same.clone()), t(1), "{same}");
        }
    }

    #[test]
    fn nobody_manages_what_nobody_registered() {
        let client: Client = fold([event(json!({}), 1).into()]);
        assert_eq!(said(&crate::client::manage::issue_access(&client, digest("token"), t(2))), (Vec::new(), "conflict"));
        assert!(!crate::client::manage::is_managed_by(&client, &digest("token")));
    }

    #[test]
    fn keys_found_elsewhere_before_are_forgotten() {
        let keys = |at: &str| json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": at });
        let found = crate::client::manage::ClientKeysFetched {
            at: t(2),
            digest: digest("keys"),
            jwks: json!({ "keys": [] }),
            jwks_uri: "https://client.example/a".into(),
        };
        let with: Client = fold([event(keys("https://client.example/a"), 1).into(), found.into()]);
        let moved = evolve(Some(with.clone()), 3, &event(keys("https://client.example/b"), 3).into(), &[]).unwrap();
        assert!(with.keys.is_some() && moved.keys.is_none());
    }
}
