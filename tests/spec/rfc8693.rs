//! RFC 8693: tokens for tokens, with who acts, whom it speaks for, and what ends it.

use chancery::app::operator::Command;
use serde_json::{Value, json};

use super::rfc9449::Prover;
use crate::support::call::Answer;
use crate::support::flow::{Person, Tokens};
use crate::support::*;

pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(super) const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(super) const ID: &str = "urn:ietf:params:oauth:token-type:id_token";
pub(super) const REFRESH: &str = "urn:ietf:params:oauth:token-type:refresh_token";

pub(super) const ORDERS: &str = "https://orders.example";
pub(super) const STOCK: &str = "https://stock.example";
const SECRET: &str = "a-secret-of-forty-characters-for-the-test";

pub(super) const TOML: &str = r#"
[[resource]]
identifier = "https://orders.example"
scope = "read write"
introspected_by = ["gateway"]

[[resource]]
identifier = "https://stock.example"
scope = "read"
introspected_by = ["stock"]

[[client]]
client_id = "spa"
token_endpoint_auth_method = "none"
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid offline_access read write"

[[client]]
client_id = "gateway"
client_secret = "a-secret-of-forty-characters-for-the-test"
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
scope = "openid offline_access read write"

[[client]]
client_id = "stock"
client_secret = "a-secret-of-forty-characters-for-the-test"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
response_types = []
scope = "read"

[[client]]
client_id = "stranger"
client_secret = "a-secret-of-forty-characters-for-the-test"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
response_types = []

[[token_exchange]]
client_id = "gateway"
subject_clients = ["spa"]
subject_token_types = ["access_token", "id_token", "refresh_token"]
modes = ["delegation", "impersonation"]
resources = ["https://orders.example", "https://stock.example"]
may_act = true

[[token_exchange]]
client_id = "stock"
subject_clients = ["gateway"]
resources = ["https://orders.example"]
single_use = true

[[token_exchange]]
client_id = "stranger"
"#;

pub(super) async fn server() -> Server {
    Server::with(&[], TOML).await
}

pub(super) fn client(id: &str) -> Client {
    let secret = (id != "spa").then(|| SECRET.to_owned());
    Client { id: id.to_owned(), secret, redirect_uri: "https://app.example/cb".to_owned() }
}

/// Tokens of the person for a client, at the orders or without a resource.
pub(super) async fn tokens(server: &Server, of: &str, person: &Person, resource: &str, scope: &str) -> Tokens {
    let mut browser = Browser::new(server);
    browser.tokens(&client(of), person, &[("scope", scope), ("resource", resource)]).await
}

pub(super) async fn exchange(server: &Server, by: &str, fields: &[(&str, &str)]) -> Answer {
    server.token(&client(by), &[&[("grant_type", GRANT)], fields].concat()).await
}

pub(super) fn subject(token: &str) -> [(&str, &str); 2] {
    [("subject_token", token), ("subject_token_type", ACCESS)]
}

/// An access token of the client itself.
pub(super) async fn own_token(server: &Server, of: &str) -> String {
    Tokens::of(&server.token(&client(of), &[("grant_type", "client_credentials"), ("scope", "read")]).await).access
}

pub(super) fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn rfc8693_2_2_1_a_token_for_orders_becomes_one_for_the_stock() {
    both::on_both(TOML, async |server: &Server| {
        let alice = server.alice().await;
        let first = tokens(server, "spa", &alice, ORDERS, "openid read write").await;
        let mark = server.mark().await;
        let answer = exchange(server, "gateway", &[&subject(&first.access)[..], &[("audience", STOCK)]].concat()).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
        let body = answer.json();
        assert_eq!((&body["issued_token_type"], &body["token_type"], &body["scope"]), (&json!(ACCESS), &json!("Bearer"), &json!("read")));
        assert!(body["expires_in"].as_i64().unwrap() <= 600 && body.get("refresh_token").is_none() && body.get("id_token").is_none());
        assert_eq!(server.kinds_since(mark).await, ["TokenExchanged"]);
        let token = body["access_token"].as_str().unwrap();
        let (_, told) = jwt::verified(token, &server.get("/oidc/jwks").send().await.json());
        assert_eq!((&told["aud"], &told["sub"], &told["client_id"]), (&json!(STOCK), &json!(alice.account), &json!("gateway")));
        assert!(told.get("act").is_none() && told.get("may_act").is_none(), "{told}");
        let seen = server.introspect(&client("stock"), token).await;
        assert_eq!((&seen["active"], &seen["sub"], &seen["aud"]), (&json!(true), &json!(alice.account), &json!(STOCK)));
        assert_eq!(server.userinfo(token).await.status, 401, "it is for the stock alone");
        // The log tells what was brought, and both are found by their digests.
        let event = server.events().await.into_iter().find(|event| event.kind == "TokenExchanged").unwrap();
        assert_eq!((&event.data["source"]["client"], event.subject.as_deref()), (&json!("spa"), Some(alice.account.as_str())));
        assert!(server.is_active(&client("gateway"), &first.access).await, "what was brought lives on");
    })
    .await;
}

#[tokio::test]
async fn rfc8693_4_1_the_chain_of_actors_is_in_the_token_and_in_the_log() {
    both::on_both(TOML, async |server: &Server| {
        let alice = server.alice().await;
        let first = tokens(server, "spa", &alice, ORDERS, "openid read write").await;
        let (gateway, stock) = (own_token(server, "gateway").await, own_token(server, "stock").await);
        let acting = |token: &'static str| [("actor_token_type", ACCESS), ("resource", token)];
        let fields = [&subject(&first.access)[..], &acting(STOCK), &[("actor_token", gateway.as_str())]].concat();
        let second = Tokens::of(&exchange(server, "gateway", &fields).await);
        assert_eq!(claims(&second.access)["act"], json!({ "sub": "gateway" }));
        let fields = [&subject(&second.access)[..], &acting(ORDERS), &[("actor_token", stock.as_str())]].concat();
        let third = Tokens::of(&exchange(server, "stock", &fields).await);
        let told = claims(&third.access);
        assert_eq!(told["act"], json!({ "sub": "stock", "act": { "sub": "gateway" } }));
        assert_eq!((&told["sub"], &told["scope"]), (&json!(alice.account), &json!("read")));
        let seen = server.introspect(&client("gateway"), &third.access).await;
        assert_eq!((&seen["active"], &seen["act"]), (&json!(true), &told["act"]));
        // The whole story, from the person's request on.
        let auditor = server.operator_token("audit:read").await;
        server.index_is_current().await;
        let digest = chancery_core::digest::Digest::of(told["jti"].as_str().unwrap().as_bytes());
        let story = server.get(&format!("/audit/tokens/{digest}")).bearer(&auditor).send().await.json();
        assert_eq!((&story["speaks_for"], &story["exchanged"]["source"]["client"]), (&json!("person"), &json!("spa")));
        assert_eq!(story["exchanged"]["actors"], json!([{ "client": "stock" }, { "client": "gateway" }]));
        let kinds: Vec<_> = story["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect();
        for kind in ["AuthorizationRequested", "ConsentGiven", "CodeRedeemed", "TokenExchanged"] {
            assert!(kinds.iter().any(|own| own == kind), "{kind}: {kinds:?}");
        }
        assert_eq!(kinds.iter().filter(|kind| *kind == "TokenExchanged").count(), 2);
        // And it ends with what it came from.
        assert!(server.is_active(&client("gateway"), &third.access).await);
        server.revoke(&client("spa"), first.refresh()).await;
        for (token, asker) in [(&second.access, "stock"), (&third.access, "gateway")] {
            assert!(!server.is_active(&client(asker), token).await);
        }
        let then = server.post("/audit/introspect").bearer(&auditor).form(&[("token", third.access.as_str())]).send().await.json();
        assert_eq!(then["why"], "It was not active: the grant that it was exchanged for had ended.");
    })
    .await;
}

#[tokio::test]
async fn rfc8693_5_the_person_takes_everything_back_at_once() {
    let server = server().await;
    let alice = server.alice().await;
    let api = client("stock");
    for round in 0..3 {
        let mut browser = Browser::new(&server);
        let first = browser.tokens(&client("spa"), &alice, &[("scope", "openid read"), ("resource", ORDERS), ("prompt", "consent")]).await;
        let fruit = Tokens::of(&exchange(&server, "gateway", &[&subject(&first.access)[..], &[("resource", STOCK)]].concat()).await).access;
        assert!(server.is_active(&api, &fruit).await);
        match round {
            0 => {
                let page = browser.open("/oidc/session/end").await;
                browser.submit(&page, &[("logout", "yes")]).await;
            }
            1 => {
                let token = chancery_core::id::AccountId::parse(&alice.account).unwrap();
                let context = chancery::app::context::Context::of_server("operator", "test".to_owned());
                server.app.withdraw_consent(&context, token, &chancery_core::id::ClientId::parse("spa").unwrap()).await.unwrap();
            }
            _ => server.disable(&alice.account).await,
        }
        assert!(!server.is_active(&api, &fruit).await, "round {round}");
        let again = exchange(&server, "gateway", &[&subject(&first.access)[..], &[("resource", STOCK)]].concat()).await;
        assert_eq!(again.refusal(), (400, "invalid_request".to_owned()), "round {round}");
    }
}

#[tokio::test]
async fn rfc8693_2_1_what_a_request_has_to_say() {
    let server = server().await;
    let alice = server.alice().await;
    let first = tokens(&server, "spa", &alice, ORDERS, "openid read write").await.access;
    let actor = own_token(&server, "gateway").await;
    let (subject, target) = (subject(&first), ("resource", STOCK));
    let operator = server.operator_token("admin").await;
    for (fields, error) in [
        (vec![], "invalid_request"),
        (vec![subject[0], target], "invalid_request"),
        (vec![subject[1], target], "invalid_request"),
        (vec![subject[0], ("subject_token_type", "urn:ietf:params:oauth:token-type:saml2"), target], "invalid_request"),
        (vec![subject[0], ("subject_token_type", REFRESH), target], "invalid_request"),
        (vec![subject[0], ("subject_token_type", ID), target], "invalid_request"),
        (vec![("subject_token", "cha_at_x"), subject[1], target], "invalid_request"),
        (vec![("subject_token", operator.as_str()), subject[1], target], "invalid_request"),
        (vec![subject[0], subject[1], ("actor_token_type", ACCESS), target], "invalid_request"),
        (vec![subject[0], subject[1], ("actor_token", &actor), target], "invalid_request"),
        (vec![subject[0], subject[1], ("actor_token", &actor), ("actor_token_type", ID), target], "invalid_request"),
        (vec![subject[0], subject[1], ("actor_token", &first), ("actor_token_type", ACCESS), target], "invalid_request"),
        (vec![subject[0], subject[1], ("requested_token_type", REFRESH), target], "invalid_request"),
        (vec![subject[0], subject[1]], "invalid_target"),
        (vec![subject[0], subject[1], target, ("audience", ORDERS)], "invalid_target"),
        (vec![subject[0], subject[1], ("resource", "https://elsewhere.example")], "invalid_target"),
        (vec![subject[0], subject[1], target, ("scope", "read admin")], "invalid_scope"),
        (vec![subject[0], subject[1], target, ("scope", "write")], "invalid_scope"),
        (vec![subject[0], subject[1], target, ("authorization_details", r#"[{"type":"payment"}]"#)], "invalid_authorization_details"),
    ] {
        let mark = server.mark().await;
        let answer = exchange(&server, "gateway", &fields).await;
        assert_eq!(answer.refusal(), (400, error.to_owned()), "{fields:?} {}", answer.text());
        assert_eq!(server.mark().await, mark, "a mistake leaves nothing: {fields:?}");
    }
    let good = exchange(&server, "gateway", &[subject[0], subject[1], target, ("requested_token_type", ACCESS), ("scope", "read")]).await;
    assert_eq!(good.status, 200, "{}", good.text());
    server.advance(700_000);
    assert_eq!(exchange(&server, "gateway", &[subject[0], subject[1], target]).await.error(), "invalid_request", "expired");
}

#[tokio::test]
async fn rfc8693_2_1_a_stranger_gets_nothing_and_leaves_one_event() {
    let server = server().await;
    let alice = server.alice().await;
    let first = tokens(&server, "spa", &alice, ORDERS, "openid read write").await.access;
    let mark = server.mark().await;
    for _ in 0..3 {
        let answer = exchange(&server, "stranger", &subject(&first)).await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
    }
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"]);
    // Who is not registered for the grant, and who has no rule.
    let web = server.web_client().await;
    assert_eq!(server.token(&web, &[&[("grant_type", GRANT)], &subject(&first)[..]].concat()).await.error(), "unauthorized_client");
    let metadata = json!({ "grant_types": ["client_credentials", GRANT], "response_types": [], "redirect_uris": [] });
    let unruled = server.client(metadata).await;
    assert_eq!(server.token(&unruled, &[&[("grant_type", GRANT)], &subject(&first)[..]].concat()).await.error(), "unauthorized_client");
    let public = json!({ "grant_types": [GRANT], "response_types": [], "redirect_uris": [], "token_endpoint_auth_method": "none" });
    assert_eq!(server.post("/clients").json(&public).send().await.refusal(), (400, "invalid_client_metadata".to_owned()));
}

#[tokio::test]
async fn rfc8693_2_1_id_tokens_and_refresh_tokens() {
    let server = server().await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    let first = browser.tokens(&client("spa"), &alice, &[("scope", "openid offline_access read"), ("prompt", "consent")]).await;
    let with = |token: &str, kind: &'static str| {
        vec![("subject_token".to_owned(), token.to_owned()), ("subject_token_type".to_owned(), kind.to_owned())]
    };
    let send = async |by: &str, own: Vec<(String, String)>| {
        let mut fields: Vec<_> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.push(("resource", STOCK));
        exchange(&server, by, &fields).await
    };
    let of_id = Tokens::of(&send("gateway", with(first.id_token(), ID)).await);
    assert_eq!((&claims(&of_id.access)["sub"], &of_id.whole["scope"]), (&json!(alice.account), &json!("read")));
    assert!(server.is_active(&client("stock"), &of_id.access).await);
    // RFC 6749 §6: nobody else's refresh token, whatever the rule says.
    assert_eq!(send("gateway", with(first.refresh(), REFRESH)).await.error(), "invalid_request");
    let own = browser.tokens(&client("gateway"), &alice, &[("scope", "openid offline_access read"), ("prompt", "consent")]).await;
    let of_refresh = Tokens::of(&send("gateway", with(own.refresh(), REFRESH)).await);
    assert_eq!(of_refresh.whole["issued_token_type"], ACCESS);
    // It is not used up; one that was replaced is, and takes its family along (RFC 9700 §4.14.2).
    let next = Tokens::of(&server.refresh(&client("gateway"), own.refresh()).await);
    let mark = server.mark().await;
    assert_eq!(send("gateway", with(own.refresh(), REFRESH)).await.error(), "invalid_request");
    assert_eq!(server.kinds_since(mark).await, ["GrantEnded"]);
    assert_eq!(server.refresh(&client("gateway"), next.refresh()).await.error(), "invalid_grant");
    assert!(!server.is_active(&client("stock"), &of_refresh.access).await);
    // After the logout the id_token speaks for nobody.
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(send("gateway", with(first.id_token(), ID)).await.error(), "invalid_request");
    assert!(!server.is_active(&client("stock"), &of_id.access).await);
}

#[tokio::test]
async fn rfc8693_2_1_of_twenty_exchanges_of_a_token_for_one_use_one_succeeds() {
    both::on_both(TOML, async |server: &Server| {
        let alice = server.alice().await;
        let own = tokens(server, "gateway", &alice, "", "openid read").await.access;
        let actor = own_token(server, "stock").await;
        let fields = [&subject(&own)[..], &[("actor_token", actor.as_str()), ("actor_token_type", ACCESS)]].concat();
        let mark = server.mark().await;
        let answers = at_once::all(20, || exchange(server, "stock", &fields)).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.refusal() == (400, "invalid_request".to_owned())).count();
        assert_eq!((good, refused), (1, 19));
        let kinds = server.kinds_since(mark).await;
        let count = |kind: &str| kinds.iter().filter(|own| *own == kind).count();
        assert_eq!((count("TokenExchanged"), count("SubjectTokenReplayed"), kinds.len()), (1, 19, 20));
    })
    .await;
}

#[tokio::test]
async fn rfc8693_4_4_may_act_is_told_and_kept() {
    let server = server().await;
    let alice = server.alice().await;
    let first = tokens(&server, "spa", &alice, ORDERS, "openid read write").await.access;
    assert_eq!(claims(&first)["may_act"], json!({ "sub": "gateway" }));
    assert_eq!(server.introspect(&client("gateway"), &first).await["may_act"], json!({ "sub": "gateway" }));
    let answer = exchange(&server, "gateway", &[&subject(&first)[..], &[("resource", STOCK)]].concat()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn rfc8693_4_4_may_act_binds_whatever_form_the_token_has() {
    // Two may exchange what the app has; its tokens name one of them.
    let toml = TOML.replace("subject_clients = [\"gateway\"]", "subject_clients = [\"gateway\", \"spa\"]");
    let server = Server::with(&[], &toml).await;
    let alice = server.alice().await;
    let jwt = tokens(&server, "spa", &alice, ORDERS, "openid read").await.access;
    let opaque = tokens(&server, "spa", &alice, "", "openid read").await.access;
    assert_eq!(claims(&jwt)["may_act"], json!({ "sub": "gateway" }));
    assert!(!opaque.contains('.'));
    for (token, form) in [(&jwt, "JWT"), (&opaque, "opaque")] {
        let mark = server.mark().await;
        let other = exchange(&server, "stock", &[&subject(token)[..], &[("resource", ORDERS)]].concat()).await;
        assert_eq!(other.refusal(), (400, "invalid_request".to_owned()), "{form}");
        assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"], "{form}");
        let named = exchange(&server, "gateway", &[&subject(token)[..], &[("resource", STOCK)]].concat()).await;
        assert_eq!(named.status, 200, "{form}: {}", named.text());
    }
}

#[tokio::test]
async fn rfc9449_5_an_exchange_never_frees_a_token_of_its_key() {
    let server = server().await;
    let alice = server.alice().await;
    let (person, gateway) = (Prover::new("ES256"), Prover::new("ES256"));
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&client("spa"), &alice, &[("scope", "openid read"), ("resource", ORDERS)]).await.code();
    let redeem =
        [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", "https://app.example/cb"), ("code_verifier", VERIFIER)];
    let bound = server.as_client("/oidc/token", &client("spa"), &redeem).header("dpop", &person.for_token(&server)).send().await;
    let bound = Tokens::of(&bound).access;
    let fields = [&[("grant_type", GRANT), ("resource", STOCK)], &subject(&bound)[..]].concat();
    assert_eq!(server.token(&client("gateway"), &fields).await.error(), "invalid_request");
    let call = server.as_client("/oidc/token", &client("gateway"), &fields).header("dpop", &gateway.for_token(&server));
    let fruit = Tokens::of(&call.send().await);
    assert_eq!(fruit.whole["token_type"], "DPoP");
    assert!(claims(&fruit.access)["cnf"]["jkt"].is_string());
    assert_ne!(claims(&fruit.access)["cnf"], claims(&bound)["cnf"], "bound to the key of who holds it now");
}

#[tokio::test]
async fn rfc8693_2_it_is_there_where_a_rule_is() {
    let (with, without) = (server().await, Server::start().await);
    for (server, is_on) in [(&with, true), (&without, false)] {
        let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
        assert_eq!(discovery["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)), is_on);
        let metadata = json!({ "grant_types": ["client_credentials", GRANT], "response_types": [], "redirect_uris": [] });
        assert_eq!(server.post("/clients").json(&metadata).send().await.status, if is_on { 201 } else { 400 });
    }
    let web = without.web_client().await;
    assert_eq!(without.token(&web, &[("grant_type", GRANT)]).await.error(), "unsupported_grant_type");
    for wrong in [
        "[[token_exchange]]\nclient_id = \"a\"\nmodes = [\"dance\"]\n",
        "[[token_exchange]]\nclient_id = \"a\"\nsubject_token_types = [\"saml\"]\n",
        "[[token_exchange]]\nclient_id = \"a\"\n[[token_exchange]]\nclient_id = \"a\"\n",
        "[[token_exchange]]\nclient_id = \"a\"\nsubject_clients = [\"c\"]\nmay_act = true\n[[token_exchange]]\nclient_id = \"b\"\nsubject_clients = [\"c\"]\nmay_act = true\n",
    ] {
        assert!(Server::try_with(wrong).await.is_err(), "{wrong}");
    }
    // What the operator's command line knows, too.
    with.operate(Command::Token { scope: "admin".to_owned(), seconds: 60 }).await;
}
