//! CIBA Core and FAPI-CIBA: what these demand and no other test holds.

use serde_json::{Value, json};

use super::ciba::{GRANT, ON, ask, bank, decide, poll, send, signed_in};
use super::ciba_signed::{signing, wish};
use super::ciba_told::{TOLD, are_alive, bodies, deliver, told};
use crate::support::call::Call;
use crate::support::documents::Documents;
use crate::support::flow::Tokens;
use crate::support::jwt::{Key, verified};
use crate::support::mtls::Identity;
use crate::support::receiver::Receiver;
use crate::support::*;

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const REFUSED: u16 = 400;

fn is(error: &str) -> (u16, String) {
    (REFUSED, error.to_owned())
}

/// A request under an assertion of the client's key, for this audience.
fn asserted<'a>(server: &'a Server, client: &Client, key: &Key, (path, aud): (&str, &str), fields: &[(&str, &str)]) -> Call<'a> {
    let now = server.app.now().0 / 1000;
    let jti = chancery::app::random::uuid_v7(server.app.now().0).to_string();
    let assertion = key.sign(&json!({ "iss": client.id, "sub": client.id, "aud": aud, "exp": now + 60, "jti": jti }));
    let proof = [("client_assertion_type", KIND), ("client_assertion", assertion.as_str())];
    server.post(path).form(&[fields, &proof].concat())
}

async fn sub_of(server: &Server, id_token: &str) -> Value {
    verified(id_token, &server.get("/oidc/jwks").send().await.json()).1["sub"].clone()
}

/// A registration for this flow alone.
fn metadata(members: &Value) -> Value {
    let mut all = json!({ "grant_types": [GRANT], "response_types": [], "redirect_uris": [] });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    all
}

#[tokio::test]
async fn ciba_4_a_client_says_how_it_learns_of_the_answer_and_that_it_asks() {
    let server = Server::with(&[], ON).await;
    let refused = server.post("/clients").json(&metadata(&json!({}))).send().await;
    assert_eq!(refused.refusal(), is("invalid_client_metadata"));
    assert!(refused.sentence().contains("backchannel_token_delivery_mode: "), "{}", refused.sentence());
    for mode in ["poll", "ping", "push"] {
        let members =
            json!({ "backchannel_token_delivery_mode": mode, "backchannel_client_notification_endpoint": "https://a.example/told" });
        let registered = server.register(metadata(&members)).await;
        assert_eq!((&registered["backchannel_token_delivery_mode"], &registered["grant_types"]), (&json!(mode), &json!([GRANT])));
    }
    // The mode alone, without the grant type, is no leave to ask.
    let (other, alice) = (server.client(json!({ "backchannel_token_delivery_mode": "poll" })).await, server.alice().await);
    let mark = server.mark().await;
    let asked = send(&server, &other, &[("scope", "openid"), ("login_hint", &alice.email)]).await;
    assert_eq!(asked.refusal(), is("unauthorized_client"));
    assert_eq!(server.mark().await, mark);
}

#[tokio::test]
async fn ciba_4_a_pairwise_sub_is_of_the_host_of_the_keys_or_of_where_tokens_are_pushed() {
    let server = Server::with(&[], ON).await;
    let (documents, receiver, key) = (Documents::start().await, Receiver::start().await, Key::generate("ES256"));
    let (keys, alice) = (documents.url("/keys"), server.alice().await);
    documents.put("/keys", key.jwks());
    documents.put("/of-keys", json!([keys]));
    documents.put("/of-push", json!([receiver.uri]));
    let with = |mut own: Value, more: Value| {
        own.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        own
    };
    let sector = |path: &str| json!({ "sector_identifier_uri": documents.url(path) });
    let polled = json!({ "subject_type": "pairwise", "backchannel_token_delivery_mode": "poll" });
    let proven = with(polled.clone(), json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": keys }));
    let pushed = with(
        polled.clone(),
        json!({ "backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": receiver.uri }),
    );
    for bad in [
        polled.clone(),
        with(polled.clone(), json!({ "jwks_uri": keys })),
        with(polled.clone(), json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })),
        with(proven.clone(), sector("/of-push")),
        with(pushed.clone(), sector("/of-keys")),
    ] {
        assert_eq!(server.post("/clients").json(&metadata(&bad)).send().await.refusal(), is("invalid_client_metadata"), "{bad}");
    }
    let mut browser = signed_in(&server, &alice).await;
    let hint = [("scope", "openid"), ("login_hint", alice.email.as_str())];
    let mut subs = Vec::new();
    for members in [proven.clone(), with(proven, sector("/of-keys"))] {
        let client = bank(&server, members).await;
        let asked = asserted(&server, &client, &key, ("/oidc/backchannel", &server.issuer), &hint).send().await.json();
        decide(&mut browser, "allow").await;
        let fields = [("grant_type", GRANT), ("auth_req_id", asked["auth_req_id"].as_str().unwrap())];
        let tokens = Tokens::of(&asserted(&server, &client, &key, ("/oidc/token", &server.issuer), &fields).send().await);
        subs.push(sub_of(&server, tokens.id_token()).await);
    }
    for members in [pushed.clone(), with(pushed, sector("/of-push"))] {
        let client = bank(&server, members).await;
        ask(&server, &client, &alice, &[TOLD]).await;
        decide(&mut browser, "allow").await;
        assert_eq!(deliver(&server).await, 1);
        subs.push(sub_of(&server, bodies(&receiver).pop().unwrap()["id_token"].as_str().unwrap()).await);
    }
    // Keys and push are at one host here.
    assert!(subs.iter().all(|sub| *sub == subs[0] && *sub != alice.account.as_str()), "{subs:?}");
    let elsewhere = bank(&server, with(polled, json!({ "redirect_uris": ["https://other.example/cb"] }))).await;
    let asked = ask(&server, &elsewhere, &alice, &[]).await;
    decide(&mut browser, "allow").await;
    let other = sub_of(&server, Tokens::of(&poll(&server, &elsewhere, &asked).await).id_token()).await;
    assert!(other != subs[0] && other != alice.account.as_str(), "{other}");
}

#[tokio::test]
async fn ciba_7_1_an_assertion_is_for_the_issuer_the_token_endpoint_or_this_one() {
    let server = Server::with(&[], ON).await;
    let key = Key::generate("ES256");
    let client = bank(&server, json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let alice = server.alice().await;
    let hint = [("scope", "openid"), ("login_hint", alice.email.as_str())];
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    for name in ["issuer", "token_endpoint", "backchannel_authentication_endpoint"] {
        let aud = document[name].as_str().unwrap();
        let answer = asserted(&server, &client, &key, ("/oidc/backchannel", aud), &hint).send().await;
        assert_eq!(answer.status, 200, "{name} {}", answer.text());
    }
    let mark = server.mark().await;
    let denied = (401, "invalid_client".to_owned());
    for aud in [document["userinfo_endpoint"].as_str().unwrap(), "https://elsewhere.example", &format!("{}/", server.issuer)] {
        assert_eq!(asserted(&server, &client, &key, ("/oidc/backchannel", aud), &hint).send().await.refusal(), denied, "{aud}");
    }
    // Nor does it prove itself by another key, by a secret, or by its name.
    let other = Key::generate("ES256");
    assert_eq!(asserted(&server, &client, &other, ("/oidc/backchannel", &server.issuer), &hint).send().await.refusal(), denied);
    for secret in [Some("a".to_owned()), None] {
        let bare = Client { secret, ..client.clone() };
        assert_eq!(send(&server, &bare, &hint).await.refusal(), denied);
    }
    assert!(server.kinds_since(mark).await.iter().all(|kind| kind != "BackchannelRequested"));
}

#[tokio::test]
async fn ciba_7_1_a_request_is_one_form_with_one_hint() {
    let server = Server::with(&[], ON).await;
    let (client, alice) = (bank(&server, json!({})).await, server.alice().await);
    let (scope, email) = (("scope", "openid"), alice.email.as_str());
    let mark = server.mark().await;
    for method in ["GET", "PUT", "DELETE"] {
        assert_eq!(server.call(method, "/oidc/backchannel").send().await.status, 405, "{method}");
    }
    let secret = client.secret.as_deref().unwrap();
    let json = json!({ "scope": "openid", "login_hint": email });
    assert_eq!(server.post("/oidc/backchannel").basic(&client.id, secret).json(&json).send().await.status, 415);
    let in_query = format!("/oidc/backchannel?scope=openid&login_hint={email}");
    assert_eq!(server.post(&in_query).basic(&client.id, secret).form(&[]).send().await.refusal().0, REFUSED);
    let hints = [("login_hint", email), ("id_token_hint", "x.y.z"), ("login_hint_token", "x.y.z")];
    for left_out in 0..=hints.len() {
        let several: Vec<_> = hints.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, hint)| *hint).chain([scope]).collect();
        assert_eq!(send(&server, &client, &several).await.refusal(), is("invalid_request"), "{several:?}");
    }
    // CIBA Core §13: nothing is said twice, whatever it is.
    for name in ["scope", "login_hint", "binding_message", "requested_expiry", "unheard_of"] {
        let twice = send(&server, &client, &[scope, ("login_hint", email), (name, "60"), (name, "60")]).await;
        assert_eq!(twice.refusal(), is("invalid_request"), "{name}");
    }
    assert_eq!(server.mark().await, mark, "nobody was asked");
    ask(&server, &client, &alice, &[("unheard_of", "x")]).await;
}

#[tokio::test]
async fn ciba_7_1_1_every_claim_of_a_signed_request_is_there_and_the_wish_is_text_or_number() {
    let server = Server::with(&[], ON).await;
    let key = Key::generate("ES256");
    let (client, alice) = (signing(&server, &key).await, server.alice().await);
    let good = wish(&server, &client, &alice.email);
    let sent = async |claims: &Value| send(&server, &client, &[("request", &key.sign(claims))]).await;
    let mark = server.mark().await;
    for name in ["iss", "aud", "exp", "iat", "nbf", "jti", "login_hint", "scope"] {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        let error = if name == "scope" { "invalid_scope" } else { "invalid_request" };
        assert_eq!(sent(&claims).await.refusal(), is(error), "{name}");
    }
    let expiry = |value: Value| {
        let mut claims = good.clone();
        claims["requested_expiry"] = value;
        claims
    };
    for bad in [json!("soon"), json!("0"), json!(0), json!(-60), json!(1.5), json!([60]), json!({ "seconds": 60 }), json!(true)] {
        assert_eq!(sent(&expiry(bad.clone())).await.refusal(), is("invalid_request"), "{bad}");
    }
    // A number where a text belongs is a mistake, and not nothing.
    for name in ["scope", "login_hint", "binding_message", "user_code", "acr_values", "client_notification_token"] {
        let mut claims = good.clone();
        claims[name] = json!(1234);
        assert_eq!(sent(&claims).await.refusal(), is("invalid_request"), "{name}");
    }
    assert_eq!(server.mark().await, mark, "nobody was asked");
    for fine in [json!(60), json!("60")] {
        let answer = sent(&expiry(fine.clone())).await;
        assert_eq!((answer.status, &answer.json()["expires_in"]), (200, &json!(60)), "{fine}");
    }
}

#[tokio::test]
async fn ciba_7_3_an_auth_req_id_is_plain_long_and_not_to_be_guessed() {
    let server = Server::with(&[], ON).await;
    let (client, alice) = (bank(&server, json!({})).await, server.alice().await);
    let asked = [ask(&server, &client, &alice, &[]).await, ask(&server, &client, &alice, &[]).await];
    let [own, other] = asked.each_ref().map(|one| one["auth_req_id"].as_str().unwrap());
    for (one, id) in asked.iter().zip([own, other]) {
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)), "{id}");
        assert!(one["expires_in"].as_u64().is_some_and(|own| own > 0) && one["interval"].as_u64().is_some_and(|own| own > 0), "{one}");
    }
    // Made in one moment they differ in 160 bits at least, at less than six to a letter.
    let differing = own.chars().zip(other.chars()).filter(|(one, another)| one != another).count();
    assert!(own.len() == other.len() && differing >= 28, "{own} {other}");
    let mark = server.mark().await;
    let mut letters: Vec<_> = own.chars().collect();
    for at in 0..letters.len() {
        let right = std::mem::replace(&mut letters[at], if own.as_bytes()[at] == b'x' { 'y' } else { 'x' });
        let guess = json!({ "auth_req_id": letters.iter().collect::<String>() });
        assert_eq!(poll(&server, &client, &guess).await.refusal(), is("invalid_grant"), "letter {at}");
        letters[at] = right;
    }
    for guess in ["x", "1c266114-a1be-4252-8ad1-04986c5b9ac1", "cha_rq_", &format!("{own}{own}")] {
        assert_eq!(poll(&server, &client, &json!({ "auth_req_id": guess })).await.refusal(), is("invalid_grant"), "{guess}");
    }
    assert_eq!(server.mark().await, mark);
    // CIBA Core §10.1: who asks is known, and says what for.
    assert_eq!(server.token(&client, &[("grant_type", GRANT)]).await.refusal(), is("invalid_request"));
    for secret in [Some("a".to_owned()), None] {
        let bare = Client { secret, ..client.clone() };
        assert_eq!(poll(&server, &bare, &asked[0]).await.refusal(), (401, "invalid_client".to_owned()));
    }
    assert_eq!(poll(&server, &client, &asked[0]).await.refusal(), is("authorization_pending"));
}

#[tokio::test]
async fn ciba_9_where_the_server_is_https_so_are_those_who_are_told() {
    let server = Server::production(&[], ON).await;
    let admin = server.operator_token("admin").await;
    for mode in ["ping", "push"] {
        for (uri, status) in [("http://127.0.0.1:9/told", 400), ("HTTP://localhost/told", 400), ("https://a.example/told", 201)] {
            let members = json!({ "backchannel_token_delivery_mode": mode, "backchannel_client_notification_endpoint": uri });
            let answer = server.post("/clients").bearer(&admin).json(&metadata(&members)).send().await;
            assert_eq!(answer.status, status, "{mode} {uri} {}", answer.text());
            assert!(status == 201 || answer.sentence().contains("backchannel_client_notification_endpoint: "), "{}", answer.sentence());
        }
    }
}

#[tokio::test]
async fn ciba_10_the_answer_comes_by_the_registered_way_alone() {
    let server = Server::with(&[], ON).await;
    let (receiver, alice) = (Receiver::start().await, server.alice().await);
    let mut browser = signed_in(&server, &alice).await;
    // One that polls is told nothing, even where it says where it could be.
    let polls = told(&server, &receiver, "poll").await;
    let asked = ask(&server, &polls, &alice, &[TOLD]).await;
    decide(&mut browser, "allow").await;
    assert_eq!((deliver(&server).await, receiver.received().len()), (0, 0));
    Tokens::of(&poll(&server, &polls, &asked).await);
    // One that is pinged may poll (CIBA Core §10.1), and gets no token sent.
    let pinged = told(&server, &receiver, "ping").await;
    let asked = ask(&server, &pinged, &alice, &[TOLD]).await;
    assert_eq!(poll(&server, &pinged, &asked).await.refusal(), is("authorization_pending"));
    decide(&mut browser, "allow").await;
    assert_eq!((deliver(&server).await, bodies(&receiver)), (1, vec![json!({ "auth_req_id": asked["auth_req_id"] })]));
    Tokens::of(&poll(&server, &pinged, &asked).await);
    // One that gets them pushed does not fetch them, before or after.
    let pushed = told(&server, &receiver, "push").await;
    let asked = ask(&server, &pushed, &alice, &[TOLD]).await;
    assert_eq!(poll(&server, &pushed, &asked).await.refusal(), is("unauthorized_client"));
    decide(&mut browser, "allow").await;
    assert_eq!(poll(&server, &pushed, &asked).await.refusal(), is("unauthorized_client"));
    assert_eq!(deliver(&server).await, 1);
    assert!(are_alive(&server, &pushed, &bodies(&receiver).pop().unwrap()).await);
}

#[tokio::test]
async fn ciba_10_3_1_tokens_follow_no_redirect() {
    let server = Server::with(&[], ON).await;
    let receiver = Receiver::start().await;
    let (client, alice) = (told(&server, &receiver, "push").await, server.alice().await);
    ask(&server, &client, &alice, &[TOLD]).await;
    decide(&mut signed_in(&server, &alice).await, "allow").await;
    for (made, status) in [301, 303, 307, 308].into_iter().enumerate() {
        receiver.answers(status);
        assert_eq!((deliver(&server).await, receiver.received().len()), (0, made + 1), "{status} says no, and nobody asked elsewhere");
        assert!(!are_alive(&server, &client, &bodies(&receiver)[made]).await, "{status}");
        server.advance(120_000);
    }
    receiver.answers(204);
    assert_eq!((deliver(&server).await, receiver.received().len()), (1, 5));
    assert!(are_alive(&server, &client, &bodies(&receiver)[4]).await);
}

#[tokio::test]
async fn ciba_11_each_slow_down_is_five_seconds_more_from_then_on() {
    let server = Server::with(&[], ON).await;
    let (receiver, alice) = (Receiver::start().await, server.alice().await);
    for client in [bank(&server, json!({})).await, told(&server, &receiver, "ping").await] {
        let asked = ask(&server, &client, &alice, &[TOLD]).await;
        let mark = server.mark().await;
        for (wait, said) in [
            (0, "authorization_pending"),
            (4_999, "slow_down"),
            (9_999, "slow_down"),
            (15_000, "authorization_pending"),
            (14_999, "slow_down"),
            (20_000, "authorization_pending"),
        ] {
            server.advance(wait);
            assert_eq!(poll(&server, &client, &asked).await.refusal(), is(said), "after {wait} ms");
        }
        let slowed: Vec<_> = server.events().await.into_iter().skip(mark).map(|event| event.data["interval"].clone()).collect();
        assert_eq!(slowed, [10, 15, 20]);
    }
}

#[tokio::test]
async fn ciba_13_an_error_is_json_in_the_characters_that_are_allowed() {
    let server = Server::with(&[], ON).await;
    let (client, web, alice) = (bank(&server, json!({})).await, server.web_client().await, server.alice().await);
    let (openid, hint) = (("scope", "openid"), ("login_hint", alice.email.as_str()));
    let odd = "\"\\\u{e9}<b>\u{1f980}";
    let bare = Client { secret: None, ..client.clone() };
    for (client, fields) in [
        (&client, vec![hint]),
        (&client, vec![openid]),
        (&client, vec![("scope", odd), hint]),
        (&client, vec![openid, ("login_hint", odd)]),
        (&client, vec![openid, ("id_token_hint", odd)]),
        (&client, vec![openid, ("login_hint_token", odd)]),
        (&client, vec![openid, hint, ("requested_expiry", odd)]),
        (&client, vec![openid, hint, ("resource", odd)]),
        (&client, vec![openid, hint, ("binding_message", "a\nb")]),
        (&client, vec![openid, hint, (odd, "a"), (odd, "a")]),
        (&client, vec![("request", odd)]),
        (&web, vec![openid, hint]),
        (&bare, vec![openid, hint, ("client_secret", odd)]),
    ] {
        let answer = send(&server, client, &fields).await;
        let status = if answer.error() == "invalid_client" { 401 } else { REFUSED };
        assert_eq!(answer.status, status, "{fields:?} {}", answer.text());
        assert!(answer.header("content-type").starts_with("application/json"), "{fields:?}");
        let body = answer.json();
        assert!(body["error"].as_str().unwrap().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{body}");
        let allowed = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte);
        assert!(body["error_description"].as_str().unwrap().bytes().all(allowed) && body.get("error_uri").is_none(), "{fields:?} {body}");
    }
}

#[tokio::test]
async fn fapi_ciba_5_2_2_a_signed_request_is_polled_for_and_its_tokens_are_bound() {
    let environment = [("CHANCERY_MTLS_PROXY_HEADER", "true"), ("CHANCERY_TRUSTED_PROXIES", "127.0.0.1/32")];
    let server = Server::production(&environment, "profile = \"fapi-ciba\"\n").await;
    let (key, own, admin) = (Key::generate("ES256"), Identity::self_signed("app"), server.operator_token("admin").await);
    let good = metadata(&json!({
        "client_name": "Meadow Bank", "backchannel_token_delivery_mode": "poll", "backchannel_authentication_request_signing_alg": "ES256",
        "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256", "jwks": key.jwks(),
        "id_token_signed_response_alg": "ES256", "tls_client_certificate_bound_access_tokens": true,
    }));
    let registered = server.post("/clients").bearer(&admin).json(&good).send().await;
    assert_eq!(registered.status, 201, "{}", registered.text());
    let (client, alice) = (Client::of(&registered.json()), server.alice().await);
    let mut public = good;
    public["token_endpoint_auth_method"] = json!("none");
    assert_eq!(server.post("/clients").bearer(&admin).json(&public).send().await.refusal(), is("invalid_client_metadata"));
    let ask = async |fields: &[(&str, &str)]| asserted(&server, &client, &key, ("/oidc/backchannel", &server.issuer), fields).send().await;
    let unsigned = [("scope", "openid"), ("login_hint", alice.email.as_str()), ("binding_message", "W4SCT")];
    assert_eq!(ask(&unsigned).await.refusal(), is("invalid_request"));
    let mut claims = wish(&server, &client, &alice.email);
    claims["acr_values"] = json!("urn:chancery:acr:password");
    let asked = ask(&[("request", &key.sign(&claims))]).await;
    assert_eq!(asked.status, 200, "{}", asked.text());
    let id = asked.json()["auth_req_id"].as_str().unwrap().to_owned();
    let polling = [("grant_type", GRANT), ("auth_req_id", id.as_str())];
    let redeem = || asserted(&server, &client, &key, ("/oidc/token", &server.issuer), &polling);
    assert_eq!(redeem().header("client-cert", &own.field()).send().await.refusal(), is("authorization_pending"));
    // The person signs in, reads what it is about, and allows it.
    let mut browser = signed_in(&server, &alice).await;
    assert!(browser.open("/account/requests").await.text().contains("W4SCT"));
    decide(&mut browser, "allow").await;
    assert_eq!(redeem().send().await.refusal(), is("invalid_request"), "without the certificate there is no token");
    let tokens = Tokens::of(&redeem().header("client-cert", &own.field()).send().await);
    let (header, told) = verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!((&header["alg"], &told["acr"]), (&json!("ES256"), &json!("urn:chancery:acr:password")));
    let userinfo = || server.get("/oidc/userinfo").bearer(&tokens.access);
    assert_eq!(userinfo().send().await.status, 401);
    let other = Identity::self_signed("other");
    assert_eq!(userinfo().header("client-cert", &other.field()).send().await.status, 401);
    assert_eq!(userinfo().header("client-cert", &own.field()).send().await.json()["sub"], alice.account.as_str());
}
