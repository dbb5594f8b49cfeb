//! RFC 8705: what it demands and no other test holds.

use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};

use super::rfc8705::{CREDENTIALS, World, dns};
use crate::support::mtls::{Authority, Caller, Identity};

fn refusal() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

#[tokio::test]
async fn rfc8705_2_the_key_of_a_certificate_is_proven_in_the_handshake() {
    let world = World::new().await;
    let own = || world.clients.issue("app", dns("app.example.com"));
    let (right, stolen) = (own(), own().with_key_of(Identity::self_signed("thief")));
    for version in [&TLS12, &TLS13] {
        assert!(Caller { version, ..world.caller(&right) }.is_answered().await);
        assert!(!Caller { version, ..world.caller(&stolen) }.is_answered().await, "{version:?}");
    }
    assert_eq!(world.asks(Some(&right), &world.by_dns().await).await.status, 200);
}

#[tokio::test]
async fn rfc8705_2_client_and_certificate_belong_together_at_every_endpoint_of_clients() {
    let world = World::new().await;
    let (own, other) = (world.clients.issue("app", dns("app.example.com")), world.clients.issue("app", dns("other.example.com")));
    let client = world.by_dns().await;
    let fields = [CREDENTIALS, &[("client_id", &client.id), ("token", "x")]].concat();
    let discovery = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let aliases = discovery["mtls_endpoint_aliases"].as_object().unwrap();
    let answering = ["token_endpoint", "introspection_endpoint", "revocation_endpoint"];
    assert!(answering.iter().all(|name| aliases.contains_key(*name)) && aliases.len() > answering.len(), "{aliases:?}");
    for (name, alias) in aliases.iter().filter(|(name, _)| *name != "userinfo_endpoint") {
        let path = alias.as_str().unwrap().strip_prefix("https://mtls.localhost:8443").unwrap();
        for stranger in [None, Some(&other), Some(&Identity::self_signed("app"))] {
            let refused = world.caller(stranger).post(path, &fields).await;
            assert_eq!(refused.error(), "invalid_client", "{name}");
            // RFC 9701 §5 has another status for whoever brings nothing at all.
            let status = if name == "introspection_endpoint" && stranger.is_none() { 400 } else { 401 };
            assert_eq!(refused.status, status, "{name}");
        }
        let answer = world.caller(&own).post(path, &fields).await;
        assert!(if answering.contains(&name.as_str()) { answer.status == 200 } else { answer.status != 401 }, "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn rfc8705_2_1_2_a_registration_has_exactly_one_name_of_its_certificate() {
    let world = World::new().await;
    let names = [
        ("tls_client_auth_subject_dn", "CN=app,O=Example,C=GB"),
        ("tls_client_auth_san_dns", "app.example.com"),
        ("tls_client_auth_san_uri", "spiffe://example.com/app"),
        ("tls_client_auth_san_ip", "192.0.2.1"),
        ("tls_client_auth_san_email", "app@example.com"),
    ];
    let register = async |method: &str, names: &[(&str, &str)]| {
        let mut asked = json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "token_endpoint_auth_method": method });
        for (field, name) in names {
            asked[*field] = json!(name);
        }
        world.server.post("/clients").json(&asked).send().await
    };
    let wrong = (400, "invalid_client_metadata".to_owned());
    assert_eq!(register("tls_client_auth", &[]).await.refusal(), wrong);
    assert_eq!(register("tls_client_auth", &names).await.refusal(), wrong);
    for one in names {
        let kept = register("tls_client_auth", &[one]).await;
        assert_eq!((kept.status, kept.json()[one.0].as_str()), (201, Some(one.1)));
        assert_eq!(register("client_secret_basic", &[one]).await.refusal(), wrong, "{}", one.0);
        assert_eq!(register("tls_client_auth", &[(one.0, "")]).await.refusal(), wrong, "{}", one.0);
        for other in names.into_iter().filter(|other| *other != one) {
            assert_eq!(register("tls_client_auth", &[one, other]).await.refusal(), wrong, "{} and {}", one.0, other.0);
        }
    }
}

#[tokio::test]
async fn rfc8705_2_2_each_registered_certificate_counts_whoever_issued_it_and_no_other_in_its_chain() {
    let world = World::new().await;
    let nobody = Authority::new("nobody");
    let (first, second, above) = (Identity::self_signed("app"), nobody.issue("app", Vec::new()), Identity::self_signed("above"));
    let key = |own: &Identity| own.jwks()["keys"][0].clone();
    let mut with_chain = key(&second);
    with_chain["x5c"].as_array_mut().unwrap().push(key(&above)["x5c"][0].clone());
    let members = json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": { "keys": [key(&first), with_chain] } });
    let client = world.machine(members).await;
    for own in [&first, &second] {
        assert_eq!(world.asks(Some(own), &client).await.status, 200);
    }
    // Of the same name, by the same issuer, or further up: others.
    for other in [&nobody.issue("app", Vec::new()), &Identity::self_signed("app"), &above] {
        assert_eq!(world.asks(Some(other), &client).await.refusal(), refusal());
    }
}

#[tokio::test]
async fn rfc8705_3_4_only_a_client_that_says_so_gets_bound_tokens() {
    let world = World::new().await;
    let own = world.clients.issue("app", dns("app.example.com"));
    let binds = "tls_client_certificate_bound_access_tokens";
    for (said, bound) in [(None, false), (Some(false), false), (Some(true), true)] {
        let mut members = json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "app.example.com" });
        members.as_object_mut().unwrap().extend(said.map(|said| (binds.to_owned(), json!(said))));
        let client = world.machine(members).await;
        let tokens = world.asks(Some(&own), &client).await.json();
        assert_eq!(tokens["token_type"], "Bearer");
        let fields = [("client_id", client.id.as_str()), ("token", tokens["access_token"].as_str().unwrap())];
        let seen = world.caller(&own).post("/oidc/introspection", &fields).await.json();
        let wanted = if bound { json!({ "x5t#S256": own.x5t() }) } else { Value::Null };
        assert_eq!((&seen["active"], &seen["cnf"]), (&json!(true), &wanted), "{said:?}");
    }
}
