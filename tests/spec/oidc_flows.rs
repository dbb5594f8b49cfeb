//! The response types of OpenID Connect Core 1.0 §3, and what else a request may ask for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, Tokens, page_of};
use crate::support::jwt::verified;
use crate::support::*;

const KINDS: [&str; 5] = ["id_token", "id_token token", "code id_token", "code token", "code id_token token"];

async fn server() -> Server {
    Server::with(&[("CHANCERY_RESPONSE_TYPES_FRONT_CHANNEL", "true")], "").await
}

async fn client(server: &Server) -> Client {
    let all = [&["code", "none"][..], &KINDS].concat();
    server.client(json!({ "response_types": all, "grant_types": ["authorization_code", "implicit", "refresh_token"] })).await
}

/// A parameter in the fragment of the redirect.
fn sent(answer: &Answer, name: &str) -> Option<String> {
    let (before, fragment) = answer.location().split_once('#')?;
    assert!(!before.contains('?'), "nothing in the query: {before}");
    form_urlencoded::parse(fragment.as_bytes()).find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
}

fn half(text: &str) -> Value {
    json!(URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16]))
}

async fn claims(server: &Server, token: &str) -> Value {
    verified(token, &server.get("/oidc/jwks").send().await.json()).1
}

async fn ask(server: &Server, client: &Client, person: &Person, changes: &[(&str, &str)]) -> Answer {
    Browser::new(server).authorize(client, person, changes).await
}

#[tokio::test]
async fn oidc_core_3_3_2_11_each_response_type_brings_what_it_names_and_the_id_token_vouches_for_it() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    for kind in KINDS {
        let mark = server.mark().await;
        let answer = ask(&server, &client, &alice, &[("response_type", kind), ("state", "s-1")]).await;
        let has = |word: &str| kind.split(' ').any(|own| own == word);
        let (code, access, id_token) = (sent(&answer, "code"), sent(&answer, "access_token"), sent(&answer, "id_token"));
        assert_eq!((code.is_some(), access.is_some(), id_token.is_some()), (has("code"), has("token"), has("id_token")), "{kind}");
        assert_eq!((sent(&answer, "state").as_deref(), sent(&answer, "iss")), (Some("s-1"), Some(server.issuer.clone())));
        assert_eq!(sent(&answer, "token_type"), has("token").then(|| "Bearer".to_owned()));
        if let Some(token) = &id_token {
            let claims = claims(&server, token).await;
            assert_eq!(
                (&claims["nonce"], &claims["sub"], &claims["aud"]),
                (&json!("n-0S6_WzA2Mj"), &json!(alice.account), &json!(client.id))
            );
            assert_eq!(claims["at_hash"], access.as_deref().map_or(Value::Null, half), "{kind}");
            assert_eq!(claims["c_hash"], code.as_deref().map_or(Value::Null, half), "{kind}");
            assert_eq!(claims["s_hash"], half("s-1"));
            // §5.4: without an access token the claims have no other place.
            assert_eq!(claims["email"].is_string(), kind == "id_token", "{kind}");
        }
        if let Some(token) = &access {
            assert_eq!(server.userinfo(token).await.json()["sub"], alice.account.as_str());
        }
        if let Some(code) = &code {
            let tokens = Tokens::of(&server.redeem(&client, code).await);
            assert_eq!(claims(&server, tokens.id_token()).await["sub"], alice.account.as_str(), "§3.3.3.6: one person");
        }
        let kinds = server.kinds_since(mark).await;
        let first = if has("code") { "CodeIssued" } else { "ImplicitlyGranted" };
        assert!(kinds.iter().any(|own| own == first) && kinds.iter().any(|own| own == "FrontChannelIssued"), "{kind}: {kinds:?}");
    }
}

#[tokio::test]
async fn oidc_core_3_2_2_1_an_id_token_in_the_front_channel_needs_a_nonce_and_openid() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    for kind in KINDS {
        let answer = ask(&server, &client, &alice, &[("response_type", kind), ("nonce", "")]).await;
        let expected = kind.contains("id_token").then_some("invalid_request");
        assert_eq!(sent(&answer, "error").as_deref(), expected, "{kind}");
    }
    let answer = ask(&server, &client, &alice, &[("response_type", "id_token"), ("scope", "email")]).await;
    assert_eq!(sent(&answer, "error").as_deref(), Some("invalid_scope"));
}

#[tokio::test]
async fn multiple_response_types_5_tokens_never_stand_in_a_query() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    for kind in KINDS {
        let answer = ask(&server, &client, &alice, &[("response_type", kind), ("response_mode", "query")]).await;
        assert_eq!(sent(&answer, "error").as_deref(), Some("invalid_request"), "{kind}");
        let form = ask(&server, &client, &alice, &[("response_type", kind), ("response_mode", "form_post")]).await;
        let names: Vec<_> = browser::form_of(&form.text()).hidden.into_iter().map(|(name, _)| name).collect();
        assert!(
            kind.split(' ').all(|word| names.iter().any(|name| name == word || (word == "token" && name == "access_token"))),
            "{names:?}"
        );
    }
    let plain = ask(&server, &client, &alice, &[("response_mode", "fragment")]).await;
    assert_eq!(server.redeem(&client, &sent(&plain, "code").unwrap()).await.status, 200, "a code may");
}

#[tokio::test]
async fn multiple_response_types_4_none_brings_nothing() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let first = browser.authorize(&client, &alice, &[("response_type", "none"), ("state", "s")]).await;
    assert_eq!((first.sent("state").as_deref(), first.sent("code"), first.sent("error")), (Some("s"), None, None));
    let mark = server.mark().await;
    assert_eq!(browser.get(&client.request(&[("response_type", "none"), ("prompt", "none")])).await.sent("error"), None);
    assert_eq!(server.kinds_since(mark).await, ["AuthorizationAnsweredAtOnce"]);
}

#[tokio::test]
async fn rfc9700_2_1_2_the_implicit_and_hybrid_flows_are_off_by_default() {
    let server = Server::start().await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(document["response_types_supported"], json!(["code", "none"]));
    let (client, alice) = (server.web_client().await, server.alice().await);
    for kind in KINDS {
        let wanted = json!({ "redirect_uris": ["https://app.example/cb"], "response_types": [kind] });
        assert_eq!(server.post("/clients").json(&wanted).send().await.refusal(), (400, "invalid_client_metadata".to_owned()), "{kind}");
        let answer = ask(&server, &client, &alice, &[("response_type", kind)]).await;
        assert_eq!(answer.sent("error").as_deref(), Some("unsupported_response_type"), "{kind}");
    }
    assert_eq!(server.token(&client, &[("grant_type", "implicit")]).await.refusal(), (400, "unsupported_grant_type".to_owned()));
}

#[tokio::test]
async fn oidc_core_3_3_2_5_a_client_gets_the_response_types_that_it_registered() {
    let server = server().await;
    let (plain, alice) = (server.web_client().await, server.alice().await);
    let answer = ask(&server, &plain, &alice, &[("response_type", "code id_token")]).await;
    assert_eq!(sent(&answer, "error").as_deref(), Some("unauthorized_client"));
    let client = client(&server).await;
    let swapped = ask(&server, &client, &alice, &[("response_type", "token id_token code")]).await;
    assert!(sent(&swapped, "access_token").is_some(), "the order of the words has no meaning");
}

#[tokio::test]
async fn oidc_core_11_a_token_of_the_front_channel_dies_with_its_session() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let answer = browser.authorize(&client, &alice, &[("response_type", "id_token token"), ("scope", "openid offline_access")]).await;
    let token = sent(&answer, "access_token").unwrap();
    assert_eq!(server.userinfo(&token).await.status, 200);
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(server.userinfo(&token).await.status, 401);
}

#[tokio::test]
async fn oidc_core_5_5_claims_are_asked_for_one_by_one() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let wish = r#"{"userinfo": {"email": {"essential": true}, "unknown": null}, "id_token": {"name": null, "auth_time": {"essential": true}, "acr": null}}"#;
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[("scope", "openid"), ("claims", wish)]).await;
    let told = server.userinfo(&tokens.access).await.json();
    assert_eq!((&told["email"], &told["name"]), (&json!("alice@example.com"), &Value::Null));
    let id_token = claims(&server, tokens.id_token()).await;
    assert_eq!((&id_token["name"], &id_token["email"]), (&json!("Alice Liddell"), &Value::Null));
    assert_eq!((&id_token["auth_time"], &id_token["acr"]), (&json!(NOW / 1000), &json!("urn:chancery:acr:password")));
    // They were part of the consent, and more asks again.
    browser.open(&client.request(&[("scope", "openid"), ("claims", wish), ("prompt", "none")])).await.code();
    let more = r#"{"userinfo": {"phone_number": null}}"#;
    let phone = server.client(json!({ "scope": "openid" })).await;
    browser.authorize(&phone, &alice, &[("scope", "openid")]).await.code();
    let answer = browser.open(&phone.request(&[("scope", "openid"), ("claims", more), ("prompt", "none")])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("consent_required"));
    for bad in ["{", "[]", r#"{"userinfo": 1}"#, r#"{"id_token": {"email": 1}}"#] {
        assert_eq!(browser.open(&client.request(&[("claims", bad)])).await.sent("error").as_deref(), Some("invalid_request"), "{bad}");
    }
}

#[tokio::test]
async fn oidc_core_5_5_1_a_claim_with_another_value_is_left_out() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    let wish = json!({
        "userinfo": { "email": { "essential": true, "value": "mallory@example.com" }, "name": { "values": ["Bob", "Alice Liddell"] } },
        "id_token": { "name": { "value": "Bob" }, "email": { "value": "alice@example.com" }, "auth_time": { "value": 1 } },
    });
    let wish = wish.to_string();
    let asked = |scope| [("scope", scope), ("claims", wish.as_str())];
    let (email, name) = (json!("alice@example.com"), json!("Alice Liddell"));
    let mut browser = Browser::new(&server);
    let mark = server.mark().await;
    // Asked by the claims alone, and again where the scopes bring the same claims.
    for scope in ["openid", "openid profile email"] {
        let tokens = browser.tokens(&client, &alice, &asked(scope)).await;
        let id_token = claims(&server, tokens.id_token()).await;
        assert_eq!((&id_token["email"], id_token.get("name")), (&email, None), "{scope}");
        assert_eq!(id_token["auth_time"], NOW / 1000, "when it was is no wish");
        let refreshed = Tokens::of(&server.refresh(&client, tokens.refresh()).await);
        let id_token = claims(&server, refreshed.id_token()).await;
        assert_eq!((&id_token["email"], id_token.get("name")), (&email, None), "{scope}");
        for access in [&tokens.access, &refreshed.access] {
            let told = server.userinfo(access).await.json();
            assert_eq!((told.get("email"), &told["name"]), (None, &name), "{scope}");
        }
    }
    // Without a page, and through the browser.
    let silent = [&asked("openid profile email")[..], &[("prompt", "none"), ("response_type", "code id_token token")]].concat();
    let answer = browser.open(&client.request(&silent)).await;
    let id_token = claims(&server, &sent(&answer, "id_token").unwrap()).await;
    assert_eq!((&id_token["email"], id_token.get("name")), (&email, None));
    let told = server.userinfo(&sent(&answer, "access_token").unwrap()).await.json();
    assert_eq!((told.get("email"), &told["name"]), (None, &name));
    // What the client believed of her is nobody's business.
    assert!(server.kinds_since(mark).await.iter().any(|kind| kind == "CodeIssued"));
    for leaf in server.leaves().await {
        assert!(!String::from_utf8_lossy(&leaf.leaf).contains("mallory"));
    }
    let bad = json!({ "userinfo": { "email": { "values": "alice@example.com" } } }).to_string();
    let refused = browser.open(&client.request(&[("claims", &bad), ("prompt", "none")])).await;
    assert_eq!(refused.sent("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn oidc_core_5_5_1_a_sub_with_a_value_names_who_has_to_be_there() {
    let server = Server::start().await;
    let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let silent =
        |sub: &str| client.request(&[("prompt", "none"), ("claims", &json!({ "id_token": { "sub": { "value": sub } } }).to_string())]);
    browser.open(&silent(&alice.account)).await.code();
    for other in [bob.account.as_str(), "nobody"] {
        assert_eq!(browser.open(&silent(other)).await.sent("error").as_deref(), Some("login_required"), "{other}");
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_acr_values_are_answered_with_the_level_that_was_reached() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let level = json!("urn:chancery:acr:password");
    let plain = server.web_client().await;
    let tokens = Browser::new(&server).tokens(&plain, &alice, &[("acr_values", "gold urn:chancery:acr:password")]).await;
    assert_eq!(claims(&server, tokens.id_token()).await["acr"], level);
    let strict = server.client(json!({ "default_acr_values": [level] })).await;
    let tokens = Browser::new(&server).tokens(&strict, &alice, &[]).await;
    assert_eq!(claims(&server, tokens.id_token()).await["acr"], level);
    let must = |value: &str| json!({ "id_token": { "acr": { "essential": true, "values": [value] } } }).to_string();
    let wish = must("gold");
    let answer = Browser::new(&server).open(&plain.request(&[("claims", &wish)])).await;
    assert_eq!(answer.sent("error").as_deref(), Some("unmet_authentication_requirements"), "OpenID Connect Core 1.0 §5.5.1.1");
    Browser::new(&server).authorize(&plain, &alice, &[("claims", &must("urn:chancery:acr:password"))]).await.code();
}

#[tokio::test]
async fn initiating_registration_4_prompt_create_shows_the_page_for_a_new_account() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let page = browser.open(&client.request(&[("prompt", "create")])).await;
    assert!(browser.at.ends_with("/register"), "{}", browser.at);
    let consent = browser.submit(&page, &[("email", "carol@example.com"), ("password", PASSWORD), ("name", "Carol")]).await;
    assert_eq!(page_of(&consent), "consent");
    let code = browser.submit(&consent, &[("decision", "allow")]).await.code();
    let tokens = Tokens::of(&server.redeem(&client, &code).await);
    assert_ne!(claims(&server, tokens.id_token()).await["sub"], alice.account.as_str());
    // Where people cannot register by themselves nothing promises it.
    let closed = Server::with(&[("CHANCERY_REGISTRATION", "initial_access_token")], "").await;
    let document = closed.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(document["prompt_values_supported"], json!(["none", "login", "consent", "select_account"]));
    let client = Client::of(&closed.register(json!({ "redirect_uris": ["https://app.example/cb"], "scope": "openid" })).await);
    let answer = closed.get(&client.request(&[("prompt", "create"), ("scope", "openid")])).send().await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"));
}
