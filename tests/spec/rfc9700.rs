//! RFC 9700 (security best current practice), RFC 9207 and the headers that protect browsers.

use serde_json::json;

use crate::support::flow::Tokens;
use crate::support::*;

#[tokio::test]
async fn rfc9700_4_12_redirects_are_303_without_referrer_and_name_the_issuer() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let answer = Browser::new(&server).authorize(&client, &alice, &[]).await;
    assert_eq!((answer.status, answer.header("referrer-policy"), answer.header("cache-control")), (303, "no-referrer", "no-store"));
    // RFC 9207 §2.
    assert_eq!((answer.sent("iss"), answer.sent("state").as_deref()), (Some(server.issuer.clone()), Some("af0ifjsldkj")));
}

#[tokio::test]
async fn rfc9700_2_1_1_a_replayed_code_ends_its_tokens_also_after_its_expiry() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    for wait in [0, 61_000] {
        let code = browser.authorize(&client, &alice, &[]).await.code();
        let tokens = Tokens::of(&server.redeem(&client, &code).await);
        server.advance(wait);
        let mark = server.mark().await;
        assert_eq!(server.redeem(&client, &code).await.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(server.kinds_since(mark).await, ["GrantEnded"]);
        assert_eq!(server.userinfo(&tokens.access).await.status, 401);
        assert_eq!(server.refresh(&client, tokens.refresh()).await.status, 400);
    }
}

#[tokio::test]
async fn rfc9700_2_1_1_of_twenty_redemptions_one_wins_and_none_of_its_tokens_lives() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let code = Browser::new(&server).authorize(&client, &alice, &[]).await.code();
    let answers = at_once::all(20, || server.redeem(&client, &code)).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1);
    let access = Tokens::of(good[0]).access;
    assert_eq!(server.userinfo(&access).await.status, 401, "the replay ended it");
    let kinds = server.kinds_since(0).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "CodeRedeemed").count(), 1);
    assert_eq!(kinds.iter().filter(|kind| *kind == "GrantEnded").count(), 1);
}

#[tokio::test]
async fn rfc9700_4_14_2_a_spent_refresh_token_ends_the_family() {
    let server = Server::start().await;
    let (client, alice) = (server.public_client().await, server.alice().await);
    let confidential = server.web_client().await;
    let mut browser = Browser::new(&server);
    for client in [&client, &confidential] {
        let first = browser.tokens(client, &alice, &[]).await;
        let second = Tokens::of(&server.refresh(client, first.refresh()).await);
        assert_ne!(first.refresh, second.refresh);
        let mark = server.mark().await;
        assert_eq!(server.refresh(client, first.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(server.kinds_since(mark).await, ["GrantEnded"]);
        assert_eq!(server.refresh(client, second.refresh()).await.status, 400);
        assert_eq!(server.userinfo(&second.access).await.status, 401);
    }
}

#[tokio::test]
async fn rfc9700_4_14_2_twenty_refreshes_of_one_token_leave_no_two_families() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let answers = at_once::all(20, || server.refresh(&client, tokens.refresh())).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).map(Tokens::of).collect();
    assert_eq!(good.len(), 1);
    assert_eq!(server.refresh(&client, good[0].refresh()).await.status, 400, "the others were a reuse");
}

#[tokio::test]
async fn the_grace_window_gives_the_same_successor_until_that_is_used() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "refresh_grace_seconds": 10 })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let first = browser.tokens(&client, &alice, &[]).await;
    let second = Tokens::of(&server.refresh(&client, first.refresh()).await);
    server.advance(9_999);
    let again = Tokens::of(&server.refresh(&client, first.refresh()).await);
    assert_eq!(second.refresh, again.refresh);
    server.advance(1);
    assert_eq!(server.refresh(&client, first.refresh()).await.status, 400);
    assert_eq!(server.refresh(&client, second.refresh()).await.status, 400, "after the window it is a reuse");
    let kept = server.client(json!({ "refresh_token_rotation": "never" })).await;
    let tokens = browser.tokens(&kept, &alice, &[]).await;
    for _ in 0..3 {
        assert_eq!(Tokens::of(&server.refresh(&kept, tokens.refresh()).await).refresh, tokens.refresh);
    }
}

#[tokio::test]
async fn rfc9700_4_16_pages_cannot_be_framed_or_sniffed() {
    let server = Server::start().await;
    let client = server.client(json!({ "redirect_uris": ["https://one.example/cb", "https://app.example/cb"] })).await;
    // Browsers apply form-action to every hop after the form: it has to name where this request ends.
    let page = Browser::new(&server).open(&client.request(&[("redirect_uri", "https://app.example/cb")])).await;
    let policy = page.header("content-security-policy");
    for part in
        ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "script-src 'none'", "form-action 'self' https://app.example"]
    {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    for (name, value) in [("x-frame-options", "DENY"), ("x-content-type-options", "nosniff"), ("cache-control", "no-store")] {
        assert_eq!(page.header(name), value);
    }
}

#[tokio::test]
async fn cookies_are_closed_to_script_and_bound_to_the_host_over_https() {
    let development = Server::start().await;
    let production = Server::production(&[], "").await;
    for (server, name, secure) in [(&development, "chancery_session=", false), (&production, "__Host-chancery_session=", true)] {
        let alice = server.alice().await;
        let answer = server.post("/auth/login").json(&json!({ "email": alice.email, "password": flow::PASSWORD })).send().await;
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with(name) && cookie.contains("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
        assert_eq!(cookie.contains("; Secure"), secure);
        assert_eq!(answer.header("strict-transport-security").is_empty(), !secure);
    }
}

#[tokio::test]
async fn rfc6749_10_12_no_form_is_accepted_from_elsewhere() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let page = browser.open(&client.request(&[])).await;
    let form = browser::form_of(&page.text());
    let csrf = form.hidden[0].1.clone();
    let fields = [("csrf", csrf.as_str()), ("login", &alice.email), ("password", flow::PASSWORD)];
    let cookie = browser.cookie();
    let mark = server.mark().await;
    for (origin, cookie, csrf) in [
        (Some("https://evil.example"), Some(&cookie), csrf.as_str()),
        (Some("null"), Some(&cookie), &csrf),
        (Some(server.origin.as_str()), None, &csrf),
        (Some(server.origin.as_str()), Some(&cookie), ""),
        (Some(server.origin.as_str()), Some(&cookie), "x"),
    ] {
        let mut call = server.post(&form.action).form(&[("csrf", csrf), fields[1], fields[2]]);
        call = origin.into_iter().fold(call, |call, origin| call.header("origin", origin));
        call = cookie.into_iter().fold(call, |call, cookie| call.header("cookie", cookie));
        let answer = call.send().await;
        assert_eq!((answer.status, answer.header("set-cookie")), (403, ""), "{origin:?} {csrf}");
    }
    // Another browser, with a binding and a form token of its own.
    let mut other = Browser::new(&server);
    other.open(&client.request(&[])).await;
    let answer = other.submit(&page, &fields[1..]).await;
    assert!(answer.status == 403 || answer.status == 400, "{}", answer.status);
    assert!(!server.kinds_since(mark).await.contains(&"SessionStarted".to_owned()));
    for (name, value) in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")] {
        let login = server.post("/auth/login").header(name, value).json(&json!({ "email": alice.email, "password": flow::PASSWORD }));
        assert_eq!(login.send().await.refusal(), (403, "access_denied".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn rfc9700_4_11_2_in_production_an_error_of_a_self_registered_client_is_shown_first() {
    let server = Server::production(&[("CHANCERY_REGISTRATION", "open")], "").await;
    let sent = json!({ "redirect_uris": ["https://app.example/cb"], "scope": "openid" });
    let open = Client::of(&server.post("/oidc/reg").json(&sent).send().await.json());
    let admin = server.operator_token("admin").await;
    let vouched = Client::of(&server.post("/clients").bearer(&admin).json(&sent).send().await.json());
    let page = server.get(&open.request(&[("response_type", "token")])).send().await;
    assert_eq!((page.status, page.location()), (400, ""));
    assert!(page.text().contains("app.example"), "the page names where it would go");
    assert_eq!(server.get(&vouched.request(&[("response_type", "token")])).send().await.status, 303);
}
