//! Everything that ends by itself, by the manual clock, to the millisecond.

use serde_json::json;

use crate::support::flow::{PASSWORD, Tokens, page_of};
use crate::support::*;

#[tokio::test]
async fn a_refresh_token_ends_by_idleness_and_a_family_at_an_absolute_age() {
    let server = Server::with(&[("CHANCERY_LIFETIMES_SESSION_IDLE", "300d"), ("CHANCERY_LIFETIMES_SESSION_ABSOLUTE", "300d")], "").await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let idle = browser.tokens(&client, &alice, &[]).await;
    let mut token = browser.tokens(&client, &alice, &[]).await;
    server.advance(14 * DAY - 1);
    token = Tokens::of(&server.refresh(&client, token.refresh()).await);
    server.advance(1);
    assert!(!server.is_active(&client, idle.refresh()).await);
    assert_eq!(server.refresh(&client, idle.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
    for _ in 0..7 {
        server.advance(10 * DAY);
        token = Tokens::of(&server.refresh(&client, token.refresh()).await);
    }
    // Day 84: six are left, and the answer says so.
    assert_eq!(token.whole["refresh_token_expires_in"], 6 * 86_400);
    server.advance(6 * DAY);
    assert_eq!(server.refresh(&client, token.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_session_ends_by_idleness_and_at_an_absolute_age() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let silent = client.request(&[("prompt", "none")]);
    let mut idle = browser.clone();
    for _ in 0..8 {
        server.advance(10 * DAY);
        browser.open(&silent).await.code();
    }
    assert!(idle.open(&silent).await.sent("code").is_some(), "the same session, kept alive by the other window");
    server.advance(10 * DAY - 1);
    browser.open(&silent).await.code();
    server.advance(1);
    assert_eq!(browser.open(&silent).await.sent("error").as_deref(), Some("login_required"), "ninety days");
    let mut fresh = Browser::new(&server);
    let tokens = fresh.tokens(&client, &alice, &[]).await;
    server.advance(14 * DAY - 1);
    assert!(server.is_active(&client, tokens.refresh()).await);
    server.advance(1);
    assert_eq!(fresh.open(&silent).await.sent("error").as_deref(), Some("login_required"), "fourteen days without use");
    assert!(!server.is_active(&client, tokens.refresh()).await);
}

#[tokio::test]
async fn an_interaction_waits_for_an_hour() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let page = browser.open(&client.request(&[])).await;
    let at = browser.at.clone();
    server.advance(HOUR - 1);
    assert_eq!(page_of(&browser.open(&at).await), "login");
    server.advance(1);
    for answer in [browser.open(&at).await, browser.submit(&page, &[("login", &alice.email), ("password", PASSWORD)]).await] {
        assert_eq!((answer.status, page_of(&answer)), (400, "other"));
    }
}

#[tokio::test]
async fn lifetimes_are_configured() {
    let lifetimes = [
        ("CHANCERY_LIFETIMES_CODE", "5s"),
        ("CHANCERY_LIFETIMES_ACCESS_TOKEN", "7s"),
        ("CHANCERY_LIFETIMES_CLIENT_CREDENTIALS", "9s"),
        ("CHANCERY_LIFETIMES_REFRESH_IDLE", "11s"),
    ];
    let server = Server::with(&lifetimes, "").await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&client, &alice, &[]).await.code();
    server.advance(5_000);
    assert_eq!(server.redeem(&client, &code).await.status, 400);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    assert_eq!((&tokens.whole["expires_in"], &tokens.whole["refresh_token_expires_in"]), (&json!(7), &json!(11)));
    let machine = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials")]).await);
    assert_eq!(machine.whole["expires_in"], 9);
    server.advance(7_000);
    assert!(!server.is_active(&client, &tokens.access).await && server.is_active(&client, &machine.access).await);
    server.advance(2_000);
    assert!(!server.is_active(&client, &machine.access).await && server.is_active(&client, tokens.refresh()).await);
    server.advance(2_000);
    assert!(!server.is_active(&client, tokens.refresh()).await);
}
