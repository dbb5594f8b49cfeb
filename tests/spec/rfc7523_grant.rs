//! RFC 7523 §2.1: assertions of others as grants.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::jwt::Key;
use crate::support::*;

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub const PARTNER: &str = "https://partner.example";
const SECRET: &str = "a-secret-of-forty-characters-for-the-test";

pub fn toml(key: &Key) -> String {
    let jwks = key.jwks();
    let client = |id: &str| {
        format!(
            "[[client]]\nclient_id = \"{id}\"\nclient_secret = \"{SECRET}\"\nresponse_types = []\nscope = \"read write\"\ngrant_types = [\"{GRANT}\"]\n"
        )
    };
    format!(
        "{}{}[[resource]]\nidentifier = \"https://api.example\"\nscope = \"read write\"\nintrospected_by = [\"batch\"]\n\
         [[assertion_issuer]]\nissuer = \"{PARTNER}\"\njwks = '{jwks}'\nclients = [\"batch\"]\nscope = \"read\"\nresources = [\"https://api.example\"]\n\
         [[assertion_issuer]]\nissuer = \"https://machines.example\"\njwks = '{jwks}'\nclients = [\"batch\"]\nscope = \"write\"\nsubject = \"client\"\nresources = [\"https://api.example\"]\n",
        client("batch"),
        client("other"),
    )
}

pub fn client(id: &str) -> Client {
    Client { id: id.to_owned(), secret: Some(SECRET.to_owned()), redirect_uri: String::new() }
}

pub fn claims(server: &Server, sub: &str, jti: &str) -> Value {
    let now = server.app.now().0 / 1000;
    json!({ "iss": PARTNER, "sub": sub, "aud": server.issuer, "exp": now + 300, "iat": now, "jti": jti })
}

pub async fn bring(server: &Server, by: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
    server.token(&client(by), &[&[("grant_type", GRANT), ("assertion", assertion)], more].concat()).await
}

#[tokio::test]
async fn rfc7523_2_1_what_a_trusted_issuer_says_is_a_grant() {
    let key = Key::generate("ES256");
    both::on_both(&toml(&key), async |server: &Server| {
        let alice = server.alice().await;
        let mark = server.mark().await;
        let answer = bring(server, "batch", &key.sign(&claims(server, &alice.account, "1")), &[]).await;
        let tokens = Tokens::of(&answer);
        assert_eq!(server.kinds_since(mark).await, ["AssertionGranted"]);
        assert_eq!((&tokens.whole["scope"], &tokens.refresh, &tokens.id_token), (&json!("read"), &None, &None));
        let (_, told) = jwt::verified(&tokens.access, &server.get("/oidc/jwks").send().await.json());
        assert_eq!(
            (&told["sub"], &told["aud"], &told["client_id"]),
            (&json!(alice.account), &json!("https://api.example"), &json!("batch"))
        );
        // RFC 9470: nobody signed in here.
        assert!(["auth_time", "acr", "amr"].iter().all(|name| told.get(*name).is_none()), "{told}");
        let seen = server.introspect(&client("batch"), &tokens.access).await;
        assert_eq!((&seen["active"], &seen["sub"], seen.get("auth_time")), (&json!(true), &json!(alice.account), None));
        let event = server.events().await.into_iter().find(|event| event.kind == "AssertionGranted").unwrap();
        assert_eq!((&event.data["issuer"], event.subject.as_deref()), (&json!(PARTNER), Some(alice.account.as_str())));
        // The account is disabled, and everything of it is dead.
        server.disable(&alice.account).await;
        assert!(!server.is_active(&client("batch"), &tokens.access).await);
        assert_eq!(bring(server, "batch", &key.sign(&claims(server, &alice.account, "2")), &[]).await.error(), "invalid_grant");
        // A client for itself.
        let mut own = claims(server, "batch", "3");
        own["iss"] = json!("https://machines.example");
        let tokens = Tokens::of(&bring(server, "batch", &key.sign(&own), &[("scope", "write")]).await);
        assert_eq!(server.introspect(&client("batch"), &tokens.access).await["sub"], "batch");
    })
    .await;
}

#[tokio::test]
async fn rfc7523_3_what_an_assertion_has_to_say() {
    let (key, stranger) = (Key::generate("ES256"), Key::generate("ES256"));
    let server = Server::with(&[], &toml(&key)).await;
    let alice = server.alice().await;
    let now = NOW / 1000;
    let refused = (400, "invalid_grant".to_owned());
    for (number, (name, value)) in [
        ("iss", json!("https://unknown.example")),
        ("iss", Value::Null),
        ("sub", json!("nobody")),
        ("sub", json!("01a1fc15-89af-7e7e-954f-ffefd8d0cb88")),
        ("sub", Value::Null),
        ("aud", json!("https://other.example")),
        ("aud", Value::Null),
        ("exp", json!(now - 16)),
        ("exp", json!(now + 100_000)),
        ("exp", Value::Null),
        ("nbf", json!(now + 100)),
        ("iat", json!(now + 100)),
        ("jti", Value::Null),
        ("jti", json!("")),
    ]
    .into_iter()
    .enumerate()
    {
        let mut wrong = claims(&server, &alice.account, &format!("wrong-{number}"));
        match value {
            Value::Null => drop(wrong.as_object_mut().unwrap().remove(name)),
            value => wrong[name] = value,
        }
        let mark = server.mark().await;
        assert_eq!(bring(&server, "batch", &key.sign(&wrong), &[]).await.refusal(), refused, "{wrong}");
        assert_eq!(server.mark().await, mark, "nothing is left behind");
    }
    let good = claims(&server, &alice.account, "good");
    assert_eq!(bring(&server, "batch", &stranger.sign(&good), &[]).await.refusal(), refused, "a foreign signature takes no jti");
    assert_eq!(bring(&server, "batch", &jwt::mac("HS256", &key.jwks()["keys"][0].to_string(), &good), &[]).await.refusal(), refused);
    assert_eq!(bring(&server, "batch", "no.assertion.at-all", &[]).await.refusal(), refused);
    assert_eq!(bring(&server, "other", &key.sign(&good), &[]).await.refusal(), (400, "unauthorized_client".to_owned()));
    for (field, error) in [(("scope", "read write"), "invalid_scope"), (("resource", "https://else.example"), "invalid_target")] {
        assert_eq!(bring(&server, "batch", &key.sign(&good), &[field]).await.error(), error);
    }
    let mut at_token = good.clone();
    at_token["aud"] = json!([format!("{}/token", server.issuer)]);
    assert_eq!(bring(&server, "batch", &key.sign(&at_token), &[]).await.status, 200, "what was refused took nothing");
    assert_eq!(bring(&server, "batch", &key.sign(&good), &[]).await.refusal(), refused, "the same jti");
    assert_eq!(server.token(&client("batch"), &[("grant_type", GRANT)]).await.error(), "invalid_request");
    let plain = Server::start().await;
    let web = plain.web_client().await;
    assert_eq!(plain.token(&web, &[("grant_type", GRANT), ("assertion", "x")]).await.error(), "unsupported_grant_type");
    for (own, is_on) in [(&server, true), (&plain, false)] {
        let discovery = own.get("/oidc/.well-known/openid-configuration").send().await.json();
        assert_eq!(discovery["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)), is_on);
    }
}

#[tokio::test]
async fn rfc7523_3_of_twenty_uses_of_an_assertion_one_counts() {
    let key = Key::generate("ES256");
    both::on_both(&toml(&key), async |server: &Server| {
        let alice = server.alice().await;
        let assertion = key.sign(&claims(server, &alice.account, "once"));
        let answers = at_once::all(20, || bring(server, "batch", &assertion, &[])).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.refusal() == (400, "invalid_grant".to_owned())).count();
        assert_eq!((good, refused), (1, 19));
    })
    .await;
}
