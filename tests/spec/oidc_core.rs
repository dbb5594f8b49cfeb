//! OpenID Connect Core 1.0: the authorization request and the id_token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::flow::{PASSWORD, Tokens, page_of};
use crate::support::jwt::verified;
use crate::support::*;

async fn claims(server: &Server, tokens: &Tokens) -> (Value, Value) {
    let jwks = server.get("/oidc/jwks").send().await.json();
    verified(tokens.id_token(), &jwks)
}

#[tokio::test]
async fn oidc_core_2_the_id_token_says_who_when_and_for_whom() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    for alg in ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"] {
        let client = server.client(json!({ "id_token_signed_response_alg": alg })).await;
        let tokens = browser.tokens(&client, &alice, &[]).await;
        let (header, claims) = claims(&server, &tokens).await;
        assert_eq!((&header["alg"], &header["typ"]), (&json!(alg), &json!("JWT")));
        let at_hash = match alg {
            "ES384" => URL_SAFE_NO_PAD.encode(&sha2::Sha384::digest(&tokens.access)[..24]),
            "ES512" | "EdDSA" => URL_SAFE_NO_PAD.encode(&sha2::Sha512::digest(&tokens.access)[..32]),
            _ => URL_SAFE_NO_PAD.encode(&Sha256::digest(&tokens.access)[..16]),
        };
        let sid = claims["sid"].clone();
        assert!(sid.as_str().is_some_and(|sid| sid.len() >= 16), "{sid}");
        let expected = json!({
            "iss": server.issuer, "sub": alice.account, "aud": client.id, "iat": NOW / 1000, "exp": NOW / 1000 + 3600,
            "nonce": "n-0S6_WzA2Mj", "amr": ["pwd"], "at_hash": at_hash, "sid": sid,
        });
        assert_eq!(claims, expected);
    }
    // The same session has another sid for each client, so that two clients cannot compare notes.
    let (one, two) = (server.web_client().await, server.web_client().await);
    let mut sid = Vec::new();
    for client in [&one, &one, &two] {
        sid.push(claims(&server, &browser.tokens(client, &alice, &[]).await).await.1["sid"].clone());
    }
    assert!(sid[0] == sid[1] && sid[1] != sid[2]);
}

#[tokio::test]
async fn oidc_core_12_2_a_refreshed_id_token_keeps_who_and_when() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let first = Browser::new(&server).tokens(&client, &alice, &[("max_age", "600")]).await;
    server.advance(60_000);
    let second = Tokens::of(&server.refresh(&client, first.refresh()).await);
    let (old, new) = (claims(&server, &first).await.1, claims(&server, &second).await.1);
    for name in ["iss", "sub", "aud", "auth_time", "sid", "amr"] {
        assert!(!old[name].is_null() && old[name] == new[name], "{name}");
    }
    assert_eq!(new["auth_time"], NOW / 1000);
    assert_eq!((new["iat"].as_i64(), &new["nonce"]), (Some(NOW / 1000 + 60), &Value::Null));
    let fields = [("grant_type", "refresh_token"), ("refresh_token", second.refresh()), ("scope", "profile")];
    assert_eq!(Tokens::of(&server.token(&client, &fields).await).id_token, None, "only while openid remains");
}

#[tokio::test]
async fn oidc_core_5_4_claims_of_scopes_stand_in_the_id_token_only_when_asked_for() {
    let server = Server::start().await;
    let (all, alice) = (server.client(json!({ "id_token_claims": "all" })).await, server.alice().await);
    let claims = claims(&server, &Browser::new(&server).tokens(&all, &alice, &[]).await).await.1;
    assert_eq!(
        (&claims["email"], &claims["name"], &claims["email_verified"]),
        (&json!("alice@example.com"), &json!("Alice Liddell"), &json!(false))
    );
    let timed = server.client(json!({ "require_auth_time": true })).await;
    let tokens = Browser::new(&server).tokens(&timed, &alice, &[("nonce", "")]).await;
    let claims = self::claims(&server, &tokens).await.1;
    assert_eq!((&claims["auth_time"], &claims["nonce"], &claims["email"]), (&json!(NOW / 1000), &Value::Null, &Value::Null));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_none_shows_no_page() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let silent = client.request(&[("prompt", "none")]);
    let mark = server.mark().await;
    assert_eq!(browser.get(&silent).await.sent("error").as_deref(), Some("login_required"));
    let login = server.post("/auth/login").json(&json!({ "email": alice.email, "password": PASSWORD })).send().await;
    browser.keep(login.header("set-cookie"));
    assert_eq!(browser.get(&silent).await.sent("error").as_deref(), Some("consent_required"));
    assert_eq!(server.kinds_since(mark).await, ["SessionStarted"], "a silent refusal leaves nothing");
    browser.authorize(&client, &alice, &[]).await.code();
    let mark = server.mark().await;
    browser.get(&silent).await.code();
    assert_eq!(server.kinds_since(mark).await, ["CodeIssued", "AuthorizationAnsweredAtOnce"], "two events, no more");
    let stale = client.request(&[("prompt", "none"), ("max_age", "0")]);
    assert_eq!(browser.get(&stale).await.sent("error").as_deref(), Some("login_required"));
    let more = client.request(&[("prompt", "none"), ("scope", "openid api")]);
    assert_eq!(browser.get(&more).await.sent("error").as_deref(), Some("consent_required"));
}

#[tokio::test]
async fn oidc_core_3_1_2_1_prompt_login_and_consent_ask_once() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    for (prompt, pages) in [("login", vec!["login"]), ("consent", vec!["consent"]), ("login consent", vec!["login", "consent"])] {
        server.advance(1000);
        let mut answer = browser.open(&client.request(&[("prompt", prompt)])).await;
        for page in pages {
            assert_eq!(page_of(&answer), page, "{prompt}");
            // A reload shows the same page again.
            let at = browser.at.clone();
            assert_eq!(page_of(&browser.open(&at).await), page, "{prompt}");
            answer = match page {
                "login" => browser.submit(&answer, &[("login", &alice.email), ("password", PASSWORD)]).await,
                _ => browser.submit(&answer, &[("decision", "allow")]).await,
            };
        }
        answer.code();
    }
}

#[tokio::test]
async fn oidc_core_3_1_2_1_max_age_asks_again_for_an_old_login() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let request = client.request(&[("max_age", "300")]);
    server.advance(299_999);
    browser.open(&request).await.code();
    server.advance(1);
    let page = browser.open(&request).await;
    assert_eq!(page_of(&page), "login");
    let code = browser.pass(page, &alice).await.code();
    let claims = claims(&server, &Tokens::of(&server.redeem(&client, &code).await)).await.1;
    assert_eq!(claims["auth_time"], NOW / 1000 + 300);
    // Satisfied once: zero would else ask for ever.
    browser.authorize(&client, &alice, &[("max_age", "0")]).await.code();
    let strict = server.client(json!({ "default_max_age": 10 })).await;
    browser.authorize(&strict, &alice, &[]).await.code();
    server.advance(10_000);
    assert_eq!(page_of(&browser.open(&strict.request(&[])).await), "login");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_id_token_hint_names_who_has_to_be_there() {
    let server = Server::start().await;
    let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
    let mut browser = Browser::new(&server);
    let hint = browser.tokens(&client, &alice, &[]).await.id_token().to_owned();
    server.advance(2 * HOUR);
    browser.open(&client.request(&[("id_token_hint", &hint), ("prompt", "none")])).await.code();
    let mut other = Browser::new(&server);
    other.authorize(&client, &bob, &[]).await.code();
    let silent = other.open(&client.request(&[("id_token_hint", &hint), ("prompt", "none")])).await;
    assert_eq!(silent.sent("error").as_deref(), Some("login_required"));
    let page = other.open(&client.request(&[("id_token_hint", &hint)])).await;
    assert_eq!(page_of(&page), "login");
    let wrong = other.pass(page, &bob).await;
    assert_eq!(wrong.sent("error").as_deref(), Some("login_required"), "another person than the hint names");
    let (head, signature) = hint.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for bad in [forged.as_str(), head, "x"] {
        assert_eq!(browser.open(&client.request(&[("id_token_hint", bad)])).await.sent("error").as_deref(), Some("invalid_request"));
    }
}

#[tokio::test]
async fn form_post_sends_the_answer_in_a_form() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let state = "<\"'&>";
    let answer = Browser::new(&server).authorize(&client, &alice, &[("response_mode", "form_post"), ("state", state)]).await;
    assert_eq!((answer.status, answer.header("cache-control"), answer.location()), (200, "no-store", ""));
    let form = browser::form_of(&answer.text());
    assert_eq!(form.action, client.redirect_uri);
    let field = |wanted: &str| form.hidden.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    assert_eq!((field("state").as_deref(), field("iss")), (Some(state), Some(server.issuer.clone())));
    assert_eq!(server.redeem(&client, &field("code").unwrap()).await.status, 200);
    assert!(answer.header("content-security-policy").contains("script-src 'sha256-"));
    let error = server.get(&client.request(&[("response_mode", "form_post"), ("scope", "unknown")])).send().await;
    let form = browser::form_of(&error.text());
    assert!(form.hidden.contains(&("error".to_owned(), "invalid_scope".to_owned())), "{form:?}");
}

#[tokio::test]
async fn oidc_core_3_1_2_4_consent_is_remembered_and_asked_again_for_more() {
    let server = Server::start().await;
    let (client, other, alice) = (server.web_client().await, server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[("scope", "openid profile")]).await.code();
    for (client, scope, page) in [
        (&client, "openid", "redirect"),
        (&client, "openid profile unknown", "redirect"),
        (&client, "openid email", "consent"),
        (&client, "openid offline_access", "consent"),
        (&other, "openid", "consent"),
    ] {
        assert_eq!(page_of(&browser.open(&client.request(&[("scope", scope)])).await), page, "{scope}");
    }
}

#[tokio::test]
async fn a_person_registers_on_the_way_and_switches_the_account() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let mut browser = Browser::new(&server);
    browser.open(&client.request(&[("login_hint", "carol@example.com")])).await;
    let register = format!("{}/register", browser.at);
    let page = browser.open(&register).await;
    let weak = browser.submit(&page, &[("email", "carol@example.com"), ("password", "short"), ("name", "Carol")]).await;
    assert_eq!(weak.status, 400);
    let consent = browser.submit(&weak, &[("email", "carol@example.com"), ("password", PASSWORD), ("name", "Carol")]).await;
    assert_eq!(page_of(&consent), "consent");
    let switched = browser.submit(&consent, &[("decision", "switch")]).await;
    assert_eq!(page_of(&switched), "login");
    let alice = server.alice().await;
    let code = browser.pass(switched, &alice).await.code();
    let tokens = Tokens::of(&server.redeem(&client, &code).await);
    assert_eq!(claims(&server, &tokens).await.1["sub"], alice.account.as_str());
}

#[tokio::test]
async fn a_restart_between_consent_and_code_changes_nothing() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let (code, cookies) = {
        let mut browser = Browser::new(&server);
        (browser.authorize(&client, &alice, &[]).await.code(), browser.cookies.clone())
    };
    let server = server.restart().await;
    let tokens = Tokens::of(&server.redeem(&client, &code).await);
    claims(&server, &tokens).await;
    let mut browser = Browser { server: &server, cookies, at: String::new() };
    browser.open(&client.request(&[("prompt", "none")])).await.code();
}

#[tokio::test]
async fn oidc_core_5_3_2_userinfo_is_a_jwt_for_clients_that_registered_an_algorithm() {
    let server = Server::start().await;
    let alice = server.alice().await;
    for alg in ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"] {
        let client = server.client(json!({ "userinfo_signed_response_alg": alg })).await;
        let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
        let answer = server.userinfo(&tokens.access).await;
        assert_eq!((answer.status, answer.header("content-type"), answer.header("cache-control")), (200, "application/jwt", "no-store"));
        let (header, claims) = verified(&answer.text(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!((&header["alg"], &claims["iss"], &claims["aud"]), (&json!(alg), &json!(server.issuer), &json!(client.id)));
        assert_eq!((&claims["sub"], &claims["email"]), (&json!(alice.account), &json!("alice@example.com")));
    }
}

#[tokio::test]
async fn oidc_core_8_1_a_pairwise_sub_is_one_for_each_sector() {
    let server = Server::start().await;
    let (alice, bob) = (server.alice().await, server.person("bob@example.com").await);
    let pairwise = |host: &str| json!({ "subject_type": "pairwise", "redirect_uris": [format!("https://{host}/cb")] });
    let (one, same, other) = (
        server.client(pairwise("a.example")).await,
        server.client(pairwise("a.example")).await,
        server.client(pairwise("b.example")).await,
    );
    let mut subs = Vec::new();
    for (client, person) in [(&one, &alice), (&same, &alice), (&other, &alice), (&one, &bob)] {
        let tokens = Browser::new(&server).tokens(client, person, &[]).await;
        let sub = claims(&server, &tokens).await.1["sub"].as_str().unwrap().to_owned();
        assert_eq!(server.userinfo(&tokens.access).await.json()["sub"], sub.as_str());
        assert_eq!(server.introspect(client, &tokens.access).await["sub"], sub.as_str());
        subs.push(sub);
    }
    assert!(subs[0] == subs[1] && subs[0] != subs[2] && subs[0] != subs[3] && subs.iter().all(|sub| *sub != alice.account));
    // Who was named by a pseudonym is known again.
    let mut browser = Browser::new(&server);
    let hint = browser.tokens(&one, &alice, &[]).await.id_token().to_owned();
    browser.open(&one.request(&[("id_token_hint", &hint), ("prompt", "none")])).await.code();
    let mut stranger = Browser::new(&server);
    stranger.authorize(&one, &bob, &[]).await.code();
    let silent = stranger.open(&one.request(&[("id_token_hint", &hint), ("prompt", "none")])).await;
    assert_eq!(silent.sent("error").as_deref(), Some("login_required"));
    let spread = json!({ "subject_type": "pairwise", "redirect_uris": ["https://a.example/cb", "https://b.example/cb"] });
    assert_eq!(server.post("/clients").json(&spread).send().await.refusal(), (400, "invalid_client_metadata".to_owned()));
}
