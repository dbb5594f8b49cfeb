//! Rule 1: no event, no token. A log that cannot be written answers 503, and nothing leaves.

use chancery_test_postgres::{Cluster, Fsync, Stop};
use serde_json::json;

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Tokens};
use crate::support::*;

fn assert_closed(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 503, "{what}: {}", answer.text());
    assert!(!answer.header("retry-after").is_empty(), "{what}");
    assert_eq!(answer.header("set-cookie"), "", "{what}");
    let text = answer.text();
    assert!(!text.contains("cha_") && !text.contains("eyJ"), "{what}: {text}");
    if answer.header("content-type") == "application/json" {
        assert_eq!(answer.error(), "temporarily_unavailable", "{what}");
    }
}

/// Everything that would grant or change something.
async fn assert_all_closed(server: &Server, client: &Client, code: &str, tokens: &Tokens, browser: &mut Browser<'_>) {
    let login = json!({ "email": "alice@example.com", "password": PASSWORD });
    let register = json!({ "email": "carol@example.com", "password": PASSWORD });
    let metadata = json!({ "redirect_uris": ["https://app.example/cb"] });
    for (what, answer) in [
        ("code", server.redeem(client, code).await),
        ("refresh", server.refresh(client, tokens.refresh()).await),
        ("client credentials", server.token(client, &[("grant_type", "client_credentials")]).await),
        ("revocation", server.revoke(client, &tokens.access).await),
        ("login", server.post("/auth/login").json(&login).send().await),
        ("registration", server.post("/auth/register").json(&register).send().await),
        ("client registration", server.post("/clients").json(&metadata).send().await),
        ("authorize with a session", browser.get(&client.request(&[])).await),
        ("authorize", Browser::new(server).get(&client.request(&[])).await),
    ] {
        assert_closed(&answer, what);
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_written_grants_nothing() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    let code = browser.open(&client.request(&[])).await.code();
    server.app.ledger.close().await;
    assert_all_closed(&server, &client, &code, &tokens, &mut browser.clone()).await;
    let server = {
        let cookies = browser.cookies.clone();
        let server = server.restart().await;
        assert_eq!(server.kinds_since(0).await.iter().filter(|kind| *kind == "CodeRedeemed").count(), 1);
        Browser { server: &server, cookies, at: String::new() }.open(&client.request(&[])).await.code();
        server
    };
    assert_eq!(server.redeem(&client, &code).await.status, 200, "the code was not spent by an answer that nobody got");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_may_go_and_come_back() {
    let cluster = Cluster::start_new(Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let server = Server::with(&[("DATABASE_URL", &url)], "").await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    let code = browser.open(&client.request(&[])).await.code();
    let mark = server.mark().await;
    cluster.stop(Stop::Fast).unwrap();
    for (what, answer) in [
        ("code", server.redeem(&client, &code).await),
        ("userinfo", server.userinfo(&tokens.access).await),
        ("introspection", server.as_client("/oidc/introspection", &client, &[("token", &tokens.access)]).send().await),
    ] {
        assert_closed(&answer, what);
    }
    cluster.start().unwrap();
    // No restart of ours: the next requests find it again.
    let mut answer = server.redeem(&client, &code).await;
    for _ in 0..50 {
        if answer.status != 503 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        answer = server.redeem(&client, &code).await;
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(server.kinds_since(mark).await, ["CodeRedeemed"]);
    assert_eq!(server.userinfo(&tokens.access).await.status, 200);
}
