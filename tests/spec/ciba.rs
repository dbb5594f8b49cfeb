//! CIBA Core 1.0: a client asks a person on their own screen, and polls.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, Tokens};
use crate::support::*;

pub(super) const GRANT: &str = "urn:openid:params:grant-type:ciba";
pub(super) const ON: &str = "[ciba]\nenabled = true\n";

pub(super) async fn bank(server: &Server, members: Value) -> Client {
    let mut own = json!({
        "client_name": "Meadow Bank", "grant_types": [GRANT, "refresh_token"], "response_types": [], "redirect_uris": [],
        "backchannel_token_delivery_mode": "poll",
    });
    own.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.client(own).await
}

pub(super) async fn send(server: &Server, client: &Client, fields: &[(&str, &str)]) -> Answer {
    server.as_client("/oidc/backchannel", client, fields).send().await
}

pub(super) async fn ask(server: &Server, client: &Client, person: &Person, more: &[(&str, &str)]) -> Value {
    let fields = [&[("scope", "openid profile"), ("login_hint", person.email.as_str())], more].concat();
    let answer = send(server, client, &fields).await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
    answer.json()
}

pub(super) async fn poll(server: &Server, client: &Client, asked: &Value) -> Answer {
    server.token(client, &[("grant_type", GRANT), ("auth_req_id", asked["auth_req_id"].as_str().unwrap())]).await
}

pub(super) async fn signed_in<'a>(server: &'a Server, person: &Person) -> Browser<'a> {
    let mut browser = Browser::new(server);
    let page = browser.open("/account/requests").await;
    browser.submit(&page, &[("login", &person.email), ("password", PASSWORD)]).await;
    browser
}

pub(super) async fn decide(browser: &mut Browser<'_>, decision: &str) -> Answer {
    let page = browser.open("/account/requests").await;
    assert!(page.status == 200 && page.text().contains("value=\"allow\""), "{}", page.text());
    browser.submit(&page, &[("decision", decision)]).await
}

#[tokio::test]
async fn ciba_7_3_from_asking_to_tokens_once() {
    both::on_both(ON, async |server: &Server| {
        let (client, alice) = (bank(server, json!({})).await, server.alice().await);
        let mark = server.mark().await;
        let asked = ask(server, &client, &alice, &[("binding_message", "Pay <b>W4SCT</b>")]).await;
        assert!(asked["auth_req_id"].as_str().unwrap().starts_with("cha_rq_"));
        assert_eq!((&asked["expires_in"], &asked["interval"]), (&json!(600), &json!(5)));
        assert_eq!(server.kinds_since(mark).await, ["BackchannelRequested"]);
        assert!(server.leaves().await.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains("W4SCT")), "it is ciphertext");
        assert_eq!(poll(server, &client, &asked).await.refusal(), (400, "authorization_pending".to_owned()));
        let mut browser = signed_in(server, &alice).await;
        let page = browser.open("/account/requests").await.text();
        for part in ["Meadow Bank", "See your name and profile", &alice.email] {
            assert!(page.contains(part), "{part}: {page}");
        }
        // CIBA Core §7.1, §13: a message is text.
        assert!(page.contains("W4SCT") && !page.contains("<b>W4SCT"), "{page}");
        assert_eq!(poll(server, &client, &asked).await.error(), "slow_down", "to be shown is no answer, and haste is noticed");
        let mark = server.mark().await;
        let done = decide(&mut browser, "allow").await;
        assert_eq!((done.status, browser.at.as_str()), (200, "/account/requests?done=allowed"));
        let kinds = server.kinds_since(mark).await;
        assert!(kinds.contains(&"ConsentGiven".to_owned()) && kinds.contains(&"BackchannelApproved".to_owned()), "{kinds:?}");
        let mark = server.mark().await;
        let tokens = Tokens::of(&poll(server, &client, &asked).await);
        assert_eq!(server.kinds_since(mark).await, ["BackchannelRedeemed", "BackchannelGranted"]);
        let (_, claims) = jwt::verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!((&claims["sub"], &claims["aud"], claims.get("nonce")), (&json!(alice.account), &json!(client.id), None));
        assert_eq!(server.userinfo(&tokens.access).await.json()["sub"], alice.account.as_str());
        assert_eq!(claims.get("acr"), None, "it was not asked for");
        Tokens::of(&server.refresh(&client, tokens.refresh()).await);
        let mark = server.mark().await;
        for _ in 0..3 {
            assert_eq!(poll(server, &client, &asked).await.refusal(), (400, "invalid_grant".to_owned()));
        }
        assert_eq!(server.kinds_since(mark).await, ["BackchannelMisused"], "a replay is recorded once");
        // An id_token of this client says as well whom to ask.
        let levelled = ask(server, &client, &alice, &[("acr_values", "urn:chancery:acr:password")]).await;
        decide(&mut browser, "allow").await;
        let tokens = Tokens::of(&poll(server, &client, &levelled).await);
        let (_, claims) = jwt::verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!(claims["acr"], "urn:chancery:acr:password", "CIBA Core §7.1");
        let hinted = send(server, &client, &[("scope", "openid"), ("id_token_hint", tokens.id_token()), ("requested_expiry", "60")]).await;
        assert_eq!((hinted.status, &hinted.json()["expires_in"]), (200, &json!(60)));
        decide(&mut browser, "deny").await;
        assert_eq!(browser.at, "/account/requests?done=denied");
        assert_eq!(poll(server, &client, &hinted.json()).await.refusal(), (400, "access_denied".to_owned()));
        let late = ask(server, &client, &alice, &[]).await;
        server.advance(600_000);
        assert_eq!(poll(server, &client, &late).await.refusal(), (400, "expired_token".to_owned()));
        assert!(!browser.open("/account/requests").await.text().contains("value=\"allow\""), "and nobody is asked any more");
    })
    .await;
}

#[tokio::test]
async fn ciba_7_1_who_may_ask_whom_and_with_what() {
    let server = Server::with(&[], ON).await;
    let (client, web, alice) = (bank(&server, json!({})).await, server.web_client().await, server.alice().await);
    let hint = ("login_hint", alice.email.as_str());
    let openid = ("scope", "openid");
    assert_eq!(send(&server, &web, &[openid, hint]).await.refusal(), (400, "unauthorized_client".to_owned()));
    let stranger = server.post("/oidc/backchannel").form(&[("client_id", client.id.as_str()), openid, hint]).send().await;
    assert_eq!(stranger.refusal(), (401, "invalid_client".to_owned()));
    let foreign = Browser::new(&server).tokens(&web, &alice, &[]).await;
    let long = "x".repeat(129);
    for (fields, error) in [
        (vec![hint], "invalid_scope"),
        (vec![("scope", "profile"), hint], "invalid_scope"),
        (vec![openid], "invalid_request"),
        (vec![openid, hint, ("id_token_hint", "x.y.z")], "invalid_request"),
        (vec![openid, ("login_hint_token", "x")], "invalid_request"),
        (vec![openid, ("id_token_hint", "x.y.z")], "invalid_request"),
        (vec![openid, ("id_token_hint", foreign.id_token())], "invalid_request"),
        (vec![openid, ("login_hint", "nobody@example.com")], "unknown_user_id"),
        (vec![openid, hint, ("binding_message", &long)], "invalid_binding_message"),
        (vec![openid, hint, ("binding_message", "a\u{7}b")], "invalid_binding_message"),
        (vec![openid, hint, ("requested_expiry", "0")], "invalid_request"),
        (vec![openid, hint, ("requested_expiry", "soon")], "invalid_request"),
        (vec![openid, hint, ("resource", "https://nobody.example")], "invalid_target"),
        (vec![openid, hint, ("request", "x.y.z")], "invalid_request"),
    ] {
        let mark = server.mark().await;
        let answer = send(&server, &client, &fields).await;
        assert_eq!(answer.refusal(), (400, error.to_owned()), "{fields:?} {}", answer.text());
        let kinds = server.kinds_since(mark).await;
        assert!(kinds.iter().all(|kind| kind == "UnknownPersonHinted"), "nobody was asked: {fields:?} {kinds:?}");
    }
    // Nobody is worn down.
    for _ in 0..5 {
        ask(&server, &client, &alice, &[]).await;
    }
    assert_eq!(send(&server, &client, &[openid, hint]).await.refusal(), (403, "access_denied".to_owned()), "CIBA Core §13");
    server.disable(&alice.account).await;
    assert_eq!(send(&server, &client, &[openid, hint]).await.refusal(), (400, "unknown_user_id".to_owned()));
    for (members, field) in [
        (json!({ "token_endpoint_auth_method": "none" }), "grant_types"),
        (json!({ "backchannel_token_delivery_mode": "carrier pigeon" }), "poll"),
    ] {
        let mut all =
            json!({ "grant_types": [GRANT], "response_types": [], "redirect_uris": [], "backchannel_token_delivery_mode": "poll" });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let refused = server.post("/clients").json(&all).send().await;
        assert!(refused.status == 400 && refused.text().contains(field), "{}", refused.text());
    }
}

#[tokio::test]
async fn ciba_4_it_is_there_where_it_is_switched_on() {
    let (on, off) = (Server::with(&[], ON).await, Server::start().await);
    for (server, is_on) in [(&on, true), (&off, false)] {
        let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
        assert_eq!(discovery["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)), is_on);
        assert_eq!(discovery.get("backchannel_authentication_endpoint").is_some(), is_on);
        let metadata =
            json!({ "grant_types": [GRANT], "response_types": [], "redirect_uris": [], "backchannel_token_delivery_mode": "poll" });
        assert_eq!(server.post("/clients").json(&metadata).send().await.status, if is_on { 201 } else { 400 });
    }
    let discovery = on.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["backchannel_authentication_endpoint"], format!("{}/backchannel", on.issuer));
    assert_eq!(discovery["backchannel_token_delivery_modes_supported"], json!(["poll", "ping", "push"]));
    assert_eq!(discovery["backchannel_user_code_parameter_supported"], true);
    let web = off.web_client().await;
    assert_eq!(off.token(&web, &[("grant_type", GRANT), ("auth_req_id", "x")]).await.error(), "unsupported_grant_type");
    assert_eq!(send(&off, &web, &[("scope", "openid")]).await.status, 404);
}

#[tokio::test]
async fn ciba_11_of_twenty_polls_one_gets_the_tokens_and_another_client_none() {
    both::on_both(ON, async |server: &Server| {
        let (client, other, alice) = (bank(server, json!({})).await, bank(server, json!({})).await, server.alice().await);
        let asked = ask(server, &client, &alice, &[]).await;
        let mark = server.mark().await;
        for _ in 0..2 {
            assert_eq!(poll(server, &other, &asked).await.refusal(), (400, "invalid_grant".to_owned()));
        }
        assert_eq!(server.kinds_since(mark).await, ["BackchannelMisused"]);
        assert_eq!(poll(server, &client, &asked).await.error(), "authorization_pending", "nobody else slows a client down");
        decide(&mut signed_in(server, &alice).await, "allow").await;
        let mark = server.mark().await;
        let answers = at_once::all(20, || poll(server, &client, &asked)).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.refusal() == (400, "invalid_grant".to_owned())).count();
        assert_eq!((good, refused), (1, 19));
        let kinds = server.kinds_since(mark).await;
        let count = |kind: &str| kinds.iter().filter(|own| *own == kind).count();
        assert_eq!((count("BackchannelGranted"), count("BackchannelRedeemed"), count("BackchannelMisused")), (1, 1, 1));
    })
    .await;
}

#[tokio::test]
async fn ciba_8_only_the_person_who_was_asked_sees_and_answers_it() {
    let server = Server::with(&[], ON).await;
    let (client, alice) = (bank(&server, json!({})).await, server.alice().await);
    let mallory = server.person("mallory@example.com").await;
    ask(&server, &client, &alice, &[]).await;
    let mut hers = signed_in(&server, &alice).await;
    let page = hers.open("/account/requests").await;
    let id = browser::form_of(&page.text()).hidden.iter().find(|(name, _)| name == "request").unwrap().1.clone();
    let mut his = signed_in(&server, &mallory).await;
    let nothing = his.open("/account/requests").await;
    assert!(nothing.status == 200 && !nothing.text().contains("Meadow Bank"), "{}", nothing.text());
    // A form of his own with her request in it.
    ask(&server, &client, &mallory, &[]).await;
    let page = his.open("/account/requests").await;
    let csrf = browser::form_of(&page.text()).hidden.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    let mark = server.mark().await;
    let taken = his.post("/account/requests", &[("csrf", &csrf), ("request", &id), ("decision", "allow")]).await;
    assert_eq!((taken.status, server.mark().await), (400, mark), "{}", taken.text());
    let forged = hers.post("/account/requests", &[("csrf", &csrf), ("request", &id), ("decision", "allow")]).await;
    assert_eq!((forged.status, server.mark().await), (403, mark), "a token of another browser");
    // Of two answers one counts.
    let form = browser::form_of(&hers.open("/account/requests").await.text());
    let fields: Vec<_> = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answers = at_once::all(20, || {
        let (mut own, fields) = (hers.clone(), fields.clone());
        async move { own.post("/account/requests", &[&fields[..], &[("decision", "allow")]].concat()).await }
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1);
    let kinds = server.kinds_since(mark).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "BackchannelApproved").count(), 1, "{kinds:?}");
}
