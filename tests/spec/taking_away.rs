//! What a person or an operator takes away is gone at the next use of every token, on both back ends.

use chancery::app::context::Context;
use chancery::app::operator::Command;
use chancery_core::id::{AccountId, ClientId};
use serde_json::{Value, json};

use crate::support::flow::{Person, Tokens};
use crate::support::*;

/// Tokens, and a code that nobody has redeemed yet.
struct World {
    client: Client,
    watcher: Client,
    alice: Person,
    tokens: Tokens,
    code: String,
    cookies: std::collections::BTreeMap<String, String>,
}

async fn world(server: &Server) -> World {
    let client = server.web_client().await;
    let watcher = server.client(json!({ "client_name": "Watcher" })).await;
    let alice = server.alice().await;
    let mut browser = Browser::new(server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    let code = browser.open(&client.request(&[])).await.code();
    World { client, watcher, alice, tokens, code, cookies: browser.cookies }
}

impl World {
    async fn assert_alive(&self, server: &Server) {
        assert_eq!(server.userinfo(&self.tokens.access).await.status, 200);
        assert!(server.is_active(&self.client, &self.tokens.access).await && server.is_active(&self.client, self.tokens.refresh()).await);
    }

    /// Every token and the code are dead, with the words of the specification.
    async fn assert_dead(&self, server: &Server, why: &str) {
        assert_eq!(server.userinfo(&self.tokens.access).await.refusal(), (401, "invalid_token".to_owned()), "{why}");
        if why != "client disabled" {
            assert!(!server.is_active(&self.client, &self.tokens.access).await, "{why}");
            assert!(!server.is_active(&self.client, self.tokens.refresh()).await, "{why}");
        }
        let refused = if why == "client disabled" { (401, "invalid_client".to_owned()) } else { (400, "invalid_grant".to_owned()) };
        assert_eq!(server.refresh(&self.client, self.tokens.refresh()).await.refusal(), refused, "{why}");
        assert_eq!(server.redeem(&self.client, &self.code).await.refusal(), refused, "{why}");
    }

    fn account(&self) -> AccountId {
        AccountId::parse(&self.alice.account).unwrap()
    }

    fn browser<'a>(&self, server: &'a Server) -> Browser<'a> {
        Browser { server, cookies: self.cookies.clone(), at: String::new() }
    }
}

#[tokio::test]
async fn a_withdrawn_consent_ends_every_token_and_no_other_clients() {
    both::on_both("", async |server: &Server| {
        let world = world(server).await;
        let others = world.browser(server).tokens(&world.watcher, &world.alice, &[]).await;
        world.assert_alive(server).await;
        let context = Context::of_server("account", "x".to_owned()).as_account(world.account());
        let client = ClientId::parse(&world.client.id).unwrap();
        let mark = server.mark().await;
        assert!(server.app.withdraw_consent(&context, world.account(), &client).await.unwrap());
        assert!(!server.app.withdraw_consent(&context, world.account(), &client).await.unwrap(), "there is nothing left");
        assert_eq!(server.kinds_since(mark).await, ["ConsentWithdrawn"]);
        world.assert_dead(server, "consent withdrawn").await;
        assert_eq!(server.userinfo(&others.access).await.status, 200);
        // The person is asked again, and what is allowed then is new.
        let page = world.browser(server).open(&world.client.request(&[])).await;
        assert_eq!(flow::page_of(&page), "consent");
        let again = world.browser(server).tokens(&world.client, &world.alice, &[]).await;
        assert_eq!(server.userinfo(&again.access).await.status, 200);
        world.assert_dead(server, "consent withdrawn").await;
    })
    .await;
}

#[tokio::test]
async fn a_disabled_account_uses_nothing_and_begins_anew_when_it_is_enabled() {
    both::on_both("", async |server: &Server| {
        let world = world(server).await;
        let mark = server.mark().await;
        server.operate(Command::UserDisable { account: world.alice.email.clone() }).await;
        server.operate(Command::UserDisable { account: world.alice.account.clone() }).await;
        assert_eq!(server.kinds_since(mark).await, ["AccountDisabled", "SessionEnded"]);
        world.assert_dead(server, "account disabled").await;
        assert_eq!(flow::page_of(&world.browser(server).open(&world.client.request(&[])).await), "login", "its session counts for nothing");
        server.operate(Command::UserEnable { account: world.alice.email.clone() }).await;
        world.assert_dead(server, "the session of its tokens is over").await;
        let again = Browser::new(server).tokens(&world.client, &world.alice, &[]).await;
        assert_eq!(server.userinfo(&again.access).await.status, 200, "who signs in anew begins anew");
    })
    .await;
}

#[tokio::test]
async fn a_disabled_client_uses_nothing_until_it_is_enabled() {
    both::on_both("", async |server: &Server| {
        let world = world(server).await;
        let own = Tokens::of(&server.token(&world.client, &[("grant_type", "client_credentials")]).await);
        let mark = server.mark().await;
        server.operate(Command::ClientDisable { client_id: world.client.id.clone() }).await;
        assert_eq!(server.kinds_since(mark).await, ["ClientDisabled"]);
        world.assert_dead(server, "client disabled").await;
        assert_eq!(server.userinfo(&own.access).await.status, 401);
        assert_eq!(server.get(&world.client.request(&[])).send().await.status, 400, "a page, no redirect");
        let listed = server.operate(Command::ClientList { after: None }).await;
        let states: Vec<_> = listed["clients"].as_array().unwrap().iter().map(|one| one["disabled"].clone()).collect();
        assert_eq!(states.iter().filter(|one| **one == json!(true)).count(), 1);
        server.operate(Command::ClientEnable { client_id: world.client.id.clone() }).await;
        world.assert_alive(server).await;
    })
    .await;
}

#[tokio::test]
async fn an_operator_ends_a_session_with_the_tokens_that_are_bound_to_it() {
    both::on_both("", async |server: &Server| {
        let world = world(server).await;
        let offline = world.browser(server).tokens(&world.client, &world.alice, &[("scope", "openid offline_access")]).await;
        let shown = server.operate(Command::UserShow { account: world.alice.email.clone() }).await;
        let sessions = shown["sessions"].as_array().unwrap();
        assert_eq!((sessions.len(), shown["allowed"].as_array().unwrap().len()), (1, 1));
        let session = sessions[0]["session"].as_str().unwrap().to_owned();
        let mark = server.mark().await;
        server.operate(Command::SessionEnd { session: session.clone() }).await;
        let ended: Vec<_> = server.events().await.into_iter().skip(mark).collect();
        assert_eq!((ended.len(), &ended[0].data["reason"], ended[0].actor.kind.as_str()), (1, &json!("operator"), "operator"));
        world.assert_dead(server, "session ended").await;
        assert_eq!(server.userinfo(&offline.access).await.status, 200, "offline access outlives the session");
        server.operate(Command::SessionEnd { session }).await;
        let context = Context::of_server("operator", "x".to_owned());
        let unknown =
            server.app.operate(&context, Command::SessionEnd { session: "00000000-0000-0000-0000-000000000000".to_owned() }).await;
        assert_eq!(unknown.unwrap_err().code(), "not_found");
    })
    .await;
}

#[tokio::test]
async fn after_not_you_the_request_is_erased_with_the_person_who_went_on() {
    both::on_both("", async |server: &Server| {
        let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
        let mut browser = Browser::new(server);
        let page = browser.open(&client.request(&[("state", "of-a-very-special-kind")])).await;
        let page = browser.submit(&page, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
        assert_eq!(flow::page_of(&page), "consent");
        let page = browser.submit(&page, &[("decision", "switch")]).await;
        let answer = browser.pass(page, &bob).await;
        assert_eq!(answer.sent("state").as_deref(), Some("of-a-very-special-kind"), "it survived the change of hands");
        let requested = server.events().await.into_iter().find(|event| event.kind == "AuthorizationRequested").unwrap();
        let interaction = requested.stream.strip_prefix("interaction-").unwrap().to_owned();
        let is_readable = async || {
            let kind = chancery::app::vault::KeyKind::Interaction;
            server.app.vault.open(kind, &interaction).await.unwrap().is_some()
        };
        server.operate(Command::UserErase { account: alice.email.clone() }).await;
        assert!(is_readable().await, "it is Bob's now");
        server.operate(Command::UserErase { account: bob.email.clone() }).await;
        assert!(!is_readable().await);
    })
    .await;
}

#[tokio::test]
async fn the_configuration_file_owns_its_clients() {
    let toml = "[[client]]\nclient_id = \"filed\"\ntoken_endpoint_auth_method = \"none\"\nredirect_uris = [\"https://app.example/cb\"]\n";
    let server = Server::with(&[], toml).await;
    let context = Context::of_server("operator", "x".to_owned());
    for command in [Command::ClientDisable { client_id: "filed".to_owned() }, Command::ClientEnable { client_id: "filed".to_owned() }] {
        assert_eq!(server.app.operate(&context, command).await.unwrap_err().code(), "conflict");
    }
    let shown: Value = server.operate(Command::ClientShow { client_id: "filed".to_owned() }).await;
    assert_eq!(shown["disabled"], json!(false));
}
