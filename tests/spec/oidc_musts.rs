//! What OpenID Connect, its logouts, the form post mode, dynamic registration and RFC 9207 demand of a server and no other file holds.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Tokens, page_of};
use crate::support::jwt::verified;
use crate::support::*;

pub const FRONT: [&str; 5] = ["id_token", "id_token token", "code id_token", "code token", "code id_token token"];

pub async fn front_channel() -> (Server, Client) {
    let server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    let all = [&["code", "none"][..], &FRONT].concat();
    let client = server.client(json!({ "response_types": all, "grant_types": ["authorization_code", "implicit", "refresh_token"] })).await;
    (server, client)
}

pub async fn claims(server: &Server, token: &str) -> Value {
    verified(token, &server.get("/oidc/jwks").send().await.json()).1
}

/// A parameter in the fragment of the redirect.
pub fn in_fragment(answer: &Answer, name: &str) -> Option<String> {
    let (_, fragment) = answer.location().split_once('#')?;
    form_urlencoded::parse(fragment.as_bytes()).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

fn in_form(answer: &Answer, name: &str) -> Option<String> {
    browser::form_of(&answer.text()).hidden.into_iter().find(|(own, _)| own == name).map(|(_, value)| value)
}

#[tokio::test]
async fn oidc_core_3_1_2_1_without_openid_there_is_no_id_token_and_max_age_brings_auth_time() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let plain = browser.tokens(&client, &alice, &[("scope", "profile email")]).await;
    assert_eq!(plain.id_token, None);
    let timed = browser.tokens(&client, &alice, &[("max_age", "10000")]).await;
    assert_eq!(claims(&server, timed.id_token()).await["auth_time"], NOW / 1000);
}

#[tokio::test]
async fn oidc_core_3_1_2_1_login_hint_stands_in_the_form() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let page = Browser::new(&server).open(&client.request(&[("login_hint", "carol&\"<@example.com")])).await;
    assert_eq!(page_of(&page), "login");
    let text = page.text();
    assert!(text.contains("carol&#38;") && !text.contains("carol&\"<"), "{text}");
}

#[tokio::test]
async fn oidc_core_3_1_2_2_unknown_parameters_are_ignored_and_openid_needs_its_redirect_uri() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let answer = Browser::new(&server).authorize(&client, &alice, &[("extra", "foobar"), ("audience", "x")]).await;
    assert_eq!(server.redeem(&client, &answer.code()).await.status, 200);
    // One that is registered alone does for OAuth, and not for OpenID Connect.
    let page = server.get(&client.request(&[("redirect_uri", "")])).send().await;
    assert_eq!((page.status, page.location()), (400, ""));
    let unnamed = server.get(&client.request(&[("client_id", "")])).send().await;
    assert_eq!((unnamed.status, unnamed.location()), (400, ""));
}

#[tokio::test]
async fn oidc_core_3_1_2_3_prompt_login_authenticates_again_and_moves_auth_time() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "require_auth_time": true })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let first = browser.tokens(&client, &alice, &[]).await;
    server.advance(90_000);
    let page = browser.open(&client.request(&[("prompt", "login")])).await;
    assert_eq!(page_of(&page), "login");
    let wrong = browser.submit(&page, &[("login", &alice.email), ("password", "not this one")]).await;
    assert_eq!((wrong.sent("code"), page_of(&wrong)), (None, "login"), "signed in or not, the password counts");
    let code = browser.submit(&wrong, &[("login", &alice.email), ("password", PASSWORD)]).await.code();
    let second = Tokens::of(&server.redeem(&client, &code).await);
    let (before, after) = (claims(&server, first.id_token()).await, claims(&server, second.id_token()).await);
    assert_eq!((before["auth_time"].as_i64(), after["auth_time"].as_i64()), (Some(NOW / 1000), Some(NOW / 1000 + 90)));
    assert_eq!(before["sub"], after["sub"]);
}

#[tokio::test]
async fn oidc_core_3_1_3_3_the_token_response_is_json_of_a_bearer_token_that_nobody_keeps() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let code = Browser::new(&server).authorize(&client, &alice, &[]).await.code();
    let answer = server.redeem(&client, &code).await;
    assert!(answer.header("content-type").starts_with("application/json"));
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", ""));
    let whole = answer.json();
    assert_eq!((&whole["token_type"], whole["expires_in"].is_u64(), whole["id_token"].is_string()), (&json!("Bearer"), true, true));
    let refused = server.redeem(&client, &code).await;
    assert_eq!((refused.status, refused.error().as_str(), refused.header("cache-control")), (400, "invalid_grant", "no-store"));
}

#[tokio::test]
async fn oidc_core_3_2_2_6_errors_of_the_front_channel_travel_in_the_fragment() {
    let (server, client) = front_channel().await;
    for kind in FRONT {
        let answer = server.get(&client.request(&[("response_type", kind), ("prompt", "none")])).send().await;
        assert!(!answer.location().contains('?'), "{}", answer.location());
        let sent = |name| in_fragment(&answer, name);
        assert_eq!(sent("error").as_deref(), Some("login_required"), "{kind}");
        assert_eq!((sent("state").as_deref(), sent("iss")), (Some("af0ifjsldkj"), Some(server.issuer.clone())), "{kind}");
        assert_eq!([sent("code"), sent("id_token"), sent("access_token")], [None, None, None]);
    }
}

#[tokio::test]
async fn oidc_core_3_3_3_6_both_id_tokens_of_a_hybrid_answer_are_of_one_issuer_and_person() {
    let (server, client) = front_channel().await;
    let alice = server.alice().await;
    for kind in ["code id_token", "code id_token token"] {
        let answer = Browser::new(&server).authorize(&client, &alice, &[("response_type", kind)]).await;
        let front = claims(&server, &in_fragment(&answer, "id_token").unwrap()).await;
        let back = Tokens::of(&server.redeem(&client, &in_fragment(&answer, "code").unwrap()).await);
        let back = claims(&server, back.id_token()).await;
        for name in ["iss", "sub", "aud", "nonce", "sid"] {
            assert!(!front[name].is_null() && front[name] == back[name], "{kind}: {name}");
        }
    }
}

#[tokio::test]
async fn oidc_core_5_3_2_sub_is_always_there_and_the_answer_is_json() {
    let server = Server::start().await;
    let (client, other, alice) = (server.web_client().await, server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[("scope", "openid")]).await;
    let answer = server.userinfo(&tokens.access).await;
    assert!(answer.header("content-type").starts_with("application/json"));
    assert_eq!(answer.json(), json!({ "sub": alice.account }));
    // OpenID Connect Core 1.0 §2, §5.7: the same for every client, ASCII, at most 255.
    let sub = claims(&server, browser.tokens(&other, &alice, &[]).await.id_token()).await["sub"].as_str().unwrap().to_owned();
    assert!(sub == alice.account && sub.is_ascii() && sub.len() <= 255);
}

#[tokio::test]
async fn oidc_core_11_offline_access_is_ignored_without_a_code_and_never_silent() {
    let (server, client) = front_channel().await;
    let alice = server.alice().await;
    let scope = ("scope", "openid offline_access");
    let mut browser = Browser::new(&server);
    let implicit = browser.authorize(&client, &alice, &[("response_type", "id_token token"), scope]).await;
    let access = in_fragment(&implicit, "access_token").unwrap();
    assert_eq!(in_fragment(&implicit, "refresh_token"), None);
    assert_eq!(server.introspect(&client, &access).await["scope"], "openid");
    let silent = browser.get(&client.request(&[scope, ("prompt", "none")])).await;
    assert_eq!(silent.sent("error").as_deref(), Some("consent_required"), "nobody was asked for that yet");
    let page = browser.open(&client.request(&[scope])).await;
    assert_eq!(page_of(&page), "consent");
}

#[tokio::test]
async fn oidc_discovery_4_2_the_document_is_json_without_empty_lists_and_of_the_issuer_of_the_tokens() {
    for toml in ["", include_str!("../../profiles/oidc-certification.toml")] {
        let server = Server::with(&[], toml).await;
        let answer = server.get("/oidc/.well-known/openid-configuration").send().await;
        assert_eq!(answer.status, 200);
        assert!(answer.header("content-type").starts_with("application/json"));
        let document = answer.json();
        for (name, value) in document.as_object().unwrap() {
            assert!(!value.is_null() && value.as_array().is_none_or(|all| !all.is_empty()), "{name}");
        }
        assert_eq!(document["issuer"], json!(server.issuer));
        assert!(!server.issuer.contains(['?', '#']));
        let (client, alice) = (server.web_client().await, server.alice().await);
        let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
        assert_eq!(claims(&server, tokens.id_token()).await["iss"], document["issuer"]);
    }
}

#[tokio::test]
async fn oidc_registration_2_redirect_uris_are_demanded_and_follow_the_kind_of_application() {
    let server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    let implicit = json!({ "response_types": ["id_token"], "grant_types": ["implicit"] });
    for (members, code) in [
        (json!({}), "invalid_redirect_uri"),
        (json!({ "redirect_uris": [] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["/relative"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["http://app.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "redirect_uris": ["com.example:/cb"], "application_type": "web" }), "invalid_redirect_uri"),
        (
            json!({ "redirect_uris": ["https://localhost/cb"], "response_types": ["id_token"], "grant_types": ["implicit"] }),
            "invalid_redirect_uri",
        ),
        (
            json!({ "redirect_uris": ["http://127.0.0.1/cb"], "response_types": ["id_token"], "grant_types": ["implicit"] }),
            "invalid_redirect_uri",
        ),
        (json!({ "redirect_uris": ["http://app.example/cb"], "application_type": "native" }), "invalid_redirect_uri"),
    ] {
        assert_eq!(server.post("/oidc/reg").json(&members).send().await.refusal(), (400, code.to_owned()), "{members}");
    }
    let mut fine = implicit;
    fine["redirect_uris"] = json!(["https://app.example/cb"]);
    assert_eq!(server.post("/oidc/reg").json(&fine).send().await.status, 201);
    let native = json!({ "redirect_uris": ["com.example.app:/cb", "http://127.0.0.1/cb"], "application_type": "native" });
    assert_eq!(server.post("/oidc/reg").json(&native).send().await.status, 201);
}

#[tokio::test]
async fn rfc7591_3_2_1_names_and_secrets_are_given_once() {
    let server = Server::start().await;
    let same = json!({ "redirect_uris": ["https://app.example/cb"], "client_id": "mine", "client_secret": "mine", "client_name": "App" });
    let (mut ids, mut secrets) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for _ in 0..5 {
        let registered = server.post("/oidc/reg").json(&same).send().await.json();
        ids.insert(registered["client_id"].as_str().unwrap().to_owned());
        secrets.insert(registered["client_secret"].as_str().unwrap().to_owned());
    }
    assert_eq!((ids.len(), secrets.len()), (5, 5));
    assert!(!ids.contains("mine") && !secrets.contains("mine"), "nobody names itself");
}

#[tokio::test]
async fn rfc7591_2_keys_come_by_value_or_by_reference() {
    let server = Server::start().await;
    let keys = jwt::Key::generate("ES256").jwks();
    let both = json!({ "redirect_uris": ["https://app.example/cb"], "jwks": keys, "jwks_uri": "https://app.example/jwks" });
    let refused = server.post("/oidc/reg").json(&both).send().await;
    assert_eq!(refused.refusal(), (400, "invalid_client_metadata".to_owned()));
    let mut private = keys.clone();
    private["keys"][0]["d"] = json!("AAAA");
    let leaked = json!({ "redirect_uris": ["https://app.example/cb"], "jwks": private });
    assert_eq!(server.post("/oidc/reg").json(&leaked).send().await.refusal(), (400, "invalid_client_metadata".to_owned()));
}

#[tokio::test]
async fn form_post_2_errors_too_are_hidden_fields_that_go_to_the_redirect_uri() {
    let (server, client) = front_channel().await;
    for kind in ["code", "none"].into_iter().chain(FRONT) {
        let asked = [("response_type", kind), ("response_mode", "form_post"), ("prompt", "none")];
        let answer = server.get(&client.request(&asked)).send().await;
        assert_eq!((answer.status, answer.location(), answer.header("cache-control")), (200, "", "no-store"), "{kind}");
        assert!(answer.header("content-type").starts_with("text/html"));
        let form = browser::form_of(&answer.text());
        assert_eq!(form.action, client.redirect_uri);
        assert!(answer.text().to_ascii_lowercase().contains("method=\"post\""));
        assert_eq!(in_form(&answer, "error").as_deref(), Some("login_required"), "{kind}");
        assert_eq!((in_form(&answer, "state").as_deref(), in_form(&answer, "iss")), (Some("af0ifjsldkj"), Some(server.issuer.clone())));
    }
}

#[tokio::test]
async fn oidc_rp_logout_2_a_post_is_answered_like_a_get() {
    let server = Server::start().await;
    let after = "https://app.example/bye";
    let (client, alice) = (server.client(json!({ "post_logout_redirect_uris": [after] })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let hint = browser.tokens(&client, &alice, &[]).await.id_token().to_owned();
    let fields =
        [("id_token_hint", hint.as_str()), ("post_logout_redirect_uri", after), ("state", "s"), ("ui_locales", "de"), ("extra", "x")];
    let posted = server.post("/oidc/session/end").header("origin", "https://app.example").form(&fields).send().await;
    assert_eq!(posted.status, 303);
    let page = browser.open(posted.location()).await;
    assert_eq!(page_of(&page), "logout");
    let answer = browser.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(answer.location(), "https://app.example/bye?state=s");
    assert_eq!(browser.get(&client.request(&[("prompt", "none")])).await.sent("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn backchannel_2_1_and_the_other_logouts_are_promised_where_they_are_kept() {
    let documents = |toml: &'static str| async move {
        let server = Server::with(&[], toml).await;
        server.get("/oidc/.well-known/openid-configuration").send().await.json()
    };
    let (plain, all) = (documents("").await, documents("[logout]\nfront_channel = true\nsession_management = true\n").await);
    for member in ["backchannel_logout_supported", "backchannel_logout_session_supported"] {
        assert_eq!((&plain[member], &all[member]), (&json!(true), &json!(true)), "{member}");
    }
    for member in ["frontchannel_logout_supported", "frontchannel_logout_session_supported"] {
        assert_eq!((&plain[member], &all[member]), (&json!(false), &json!(true)), "{member}");
    }
    assert!(plain["check_session_iframe"].is_null() && all["check_session_iframe"].is_string());
    assert!(plain["end_session_endpoint"].as_str().unwrap().starts_with(plain["issuer"].as_str().unwrap()));
}

#[tokio::test]
async fn rfc9207_2_every_answer_names_the_issuer_in_every_mode() {
    let (server, client) = front_channel().await;
    let alice = server.alice().await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(document["authorization_response_iss_parameter_supported"], true, "RFC 9207 section 3");
    let issuer = document["issuer"].as_str().map(str::to_owned);
    let mut browser = Browser::new(&server);
    let first = browser.authorize(&client, &alice, &[]).await;
    assert_eq!(first.sent("iss"), issuer);
    for kind in ["code", "none"].into_iter().chain(FRONT) {
        let modes: &[&str] = if FRONT.contains(&kind) { &["fragment", "form_post"] } else { &["query", "fragment", "form_post"] };
        for (mode, scope) in modes.iter().flat_map(|mode| ["openid", "openid api"].map(|scope| (*mode, scope))) {
            let asked = [("response_type", kind), ("response_mode", mode), ("prompt", "none"), ("scope", scope)];
            let answer = browser.get(&client.request(&asked)).await;
            let named = |name| match mode {
                "query" => answer.sent(name),
                "fragment" => in_fragment(&answer, name),
                _ => in_form(&answer, name),
            };
            let failed = (scope != "openid").then(|| "consent_required".to_owned());
            assert_eq!((named("iss"), named("error")), (issuer.clone(), failed), "{kind} {mode}");
        }
    }
}

#[tokio::test]
async fn rfc9207_2_4_the_issuer_of_the_answer_is_the_one_of_its_id_token() {
    let (server, client) = front_channel().await;
    let alice = server.alice().await;
    for kind in FRONT.into_iter().filter(|kind| kind.contains("id_token")) {
        let answer = Browser::new(&server).authorize(&client, &alice, &[("response_type", kind)]).await;
        let id_token = claims(&server, &in_fragment(&answer, "id_token").unwrap()).await;
        assert_eq!(id_token["iss"].as_str(), in_fragment(&answer, "iss").as_deref(), "{kind}");
    }
}
