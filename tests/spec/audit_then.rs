//! How things stood: streams, tokens and differences at any moment of the log.

use chancery::app::operator::Command;
use chancery_core::digest::Digest;
use serde_json::{Value, json};

use crate::support::flow::Tokens;
use crate::support::*;

async fn get(server: &Server, token: &str, path: &str) -> Value {
    let answer = server.get(path).bearer(token).send().await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

async fn was_active(server: &Server, auditor: &str, token: &str, as_of: &str) -> Value {
    let answer = server.post("/audit/introspect").bearer(auditor).form(&[("token", token), ("as_of", as_of)]).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn digest(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

async fn position_of(server: &Server, kind: &str) -> u64 {
    server.events().await.into_iter().rev().find(|event| event.kind == kind).unwrap().position
}

#[tokio::test]
async fn a_stolen_refresh_token_can_be_followed_through_the_whole_log() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let auditor = server.operator_token("audit:read").await;
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&client, &alice, &[]).await.code();
    let issued = server.mark().await - 1;
    server.advance(1_000);
    let first = Tokens::of(&server.redeem(&client, &code).await);
    let redeemed = position_of(&server, "CodeRedeemed").await;
    server.advance(1_000);
    let second = Tokens::of(&server.refresh(&client, first.refresh()).await);
    let rotated = position_of(&server, "RefreshTokenRotated").await;
    server.advance(1_000);
    assert_eq!(server.refresh(&client, first.refresh()).await.error(), "invalid_grant");
    let ended = position_of(&server, "GrantEnded").await;
    let why = async |token: &str, at: u64| {
        let answer = was_active(&server, &auditor, token, &at.to_string()).await;
        (answer["active"].as_bool().unwrap(), answer["why"].as_str().unwrap().to_owned())
    };
    let alive = "It was active: everything that it rests on was alive.".to_owned();
    assert_eq!(why(&code, issued as u64).await, (true, alive.clone()));
    assert_eq!(why(&code, redeemed).await, (false, "It was not active: it had been redeemed.".to_owned()));
    assert_eq!(why(&first.access, issued as u64).await, (false, "It was not active: it had not been issued yet.".to_owned()));
    assert_eq!(why(&first.access, redeemed).await, (true, alive.clone()));
    assert_eq!(why(first.refresh(), redeemed).await, (true, alive.clone()));
    assert_eq!(why(first.refresh(), rotated).await, (false, "It was not active: it had been used and replaced by a newer one.".to_owned()));
    assert_eq!(why(second.refresh(), rotated).await, (true, alive.clone()));
    for token in [&second.access, second.refresh(), &first.access] {
        assert_eq!(why(token, ended).await, (false, "It was not active: its grant had ended (refresh token reused).".to_owned()));
    }
    // A time between two events is as good as a position.
    let between = was_active(&server, &auditor, &second.access, "2026-09-21T14:13:22.500Z").await;
    assert_eq!((&between["active"], &between["checks"][0]["position"]), (&json!(true), &json!(rotated)));
    // What the rule of today says of today, the question about now says too.
    assert!(!server.is_active(&client, &second.access).await);
    let now = server.post("/audit/introspect").bearer(&auditor).form(&[("token_id", &digest(&second.access))]).send().await.json();
    assert_eq!(now["active"], false);

    server.index_is_current().await;
    let story = get(&server, &auditor, &format!("/audit/tokens/{}", digest(&second.access))).await;
    let kinds: Vec<_> = story["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "AuthorizationRequested",
            "SessionStarted",
            "PersonAuthenticated",
            "ConsentGiven",
            "CodeIssued",
            "AuthorizationGranted",
            "CodeRedeemed",
            "RefreshTokenRotated",
            "GrantEnded",
        ]
    );
    assert_eq!(
        (&story["kind"], &story["speaks_for"], &story["issued_position"]),
        (&json!("access_token"), &json!("person"), &json!(rotated))
    );
    assert_eq!((&story["authentication"]["amr"], &story["account"]), (&json!(["pwd"]), &json!(alice.account)));
    assert!(story["consent"]["text"].is_string() && story["consent"]["scope"].as_str().unwrap().contains("openid"));
    assert_eq!((&story["ended"][0]["type"], &story["ended"][0]["reason"]), (&json!("GrantEnded"), &json!("refresh_token_reused")));
    let in_force = &story["in_force"];
    assert_eq!((&in_force["client"]["client_id"], &in_force["client"]["metadata"]["client_name"]), (&json!(client.id), &json!("Demo")));
    assert_eq!((&in_force["signing_key"]["phase"], &in_force["server"]["mode"]), (&json!("active"), &json!("development")));
    assert!(in_force["signing_key"]["public_jwk"]["n"].is_string() && in_force["signing_key"]["public_jwk"]["d"].is_null());
}

#[tokio::test]
async fn each_thing_that_a_token_rests_on_can_be_the_reason() {
    let server = Server::with(&[("CHANCERY_LIFETIMES_ACCESS_TOKEN", "1h")], "").await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let auditor = server.operator_token("audit:read").await;
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    let alive = server.mark().await - 1;
    let said = async |as_of: &str| {
        let answer = was_active(&server, &auditor, &tokens.access, as_of).await;
        let dead = answer["checks"].as_array().unwrap().iter().filter(|check| check["alive"] == false).map(|check| check["what"].clone());
        dead.collect::<Vec<_>>()
    };
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(said(&position_of(&server, "SessionEnded").await.to_string()).await, [json!("session")]);
    server.disable(&alice.account).await;
    assert_eq!(said(&position_of(&server, "AccountDisabled").await.to_string()).await, [json!("account"), json!("session")]);
    assert_eq!(said(&alive.to_string()).await, [json!(null); 0]);
    assert_eq!(said("2026-09-21T16:00:00Z").await, [json!("unexpired"), json!("account"), json!("session")]);
    assert_eq!(said("2026-09-20T00:00:00Z").await, [json!("issued")]);
    let unknown = was_active(&server, &auditor, "not a token", "0").await;
    assert_eq!((&unknown["active"], &unknown["why"]), (&json!(false), &json!("The log knows no such token.")));
    let machine = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials")]).await);
    assert_eq!(was_active(&server, &auditor, &machine.access, "100000").await["active"], true);
    server.revoke(&client, &machine.access).await;
    assert_eq!(was_active(&server, &auditor, &machine.access, "100000").await["checks"][2]["what"], "unrevoked");
    let asked = server.events().await.into_iter().filter(|event| event.kind == "AuditQueried");
    for event in asked {
        assert!(!event.data.to_string().contains("cha_"), "no token stands in a question");
    }
}

#[tokio::test]
async fn a_stream_is_what_it_was_and_an_erased_person_stays_erased() {
    let server = Server::start().await;
    let client = server.client(json!({ "client_name": "Before" })).await;
    let alice = server.alice().await;
    let (auditor, admin) = (server.operator_token("audit:read").await, server.operator_token("audit:read admin").await);
    let registered = position_of(&server, "AccountRegistered").await;
    server.advance(5_000);
    server.disable(&alice.account).await;
    let account = format!("/audit/streams/account-{}", alice.account);
    let then = get(&server, &auditor, &format!("{account}?as_of={registered}")).await;
    assert_eq!((&then["version"], &then["state"]["standing"]), (&json!(1), &json!("active")));
    assert!(then["state"]["email"]["sealed"].is_string());
    let clear = get(&server, &admin, &format!("{account}?as_of={registered}&personal=clear")).await;
    assert_eq!((&clear["state"]["email"]["clear"], &clear["state"]["password_hash"]), (&json!(alice.email), &json!("withheld")));
    assert_eq!(get(&server, &auditor, &account).await["state"]["standing"], "disabled");
    let early = server.get(&format!("{account}?as_of={}", registered - 1)).bearer(&auditor).send().await;
    assert_eq!(early.refusal(), (404, "not_found".to_owned()));
    server.operate(Command::UserErase { account: alice.account.clone() }).await;
    let erased = get(&server, &admin, &format!("{account}?as_of={registered}&personal=clear")).await;
    assert_eq!((&erased["state"]["email"], &erased["state"]["standing"]), (&json!("erased"), &json!("active")));
    let then = get(&server, &auditor, &format!("/audit/streams/client-{}", client.id)).await;
    assert_eq!(then["state"]["metadata"]["client_name"], "Before");
    // Nobody folds evidence without an account; its place is told all the same.
    let evidence = get(&server, &auditor, "/audit/streams/evidence-anonymous").await;
    assert!(evidence["state"].is_null() && evidence["version"].as_u64().unwrap() > 3);
    for bad in ["?as_of=yesterday", "?personal=all", "?as_of=1&as_of=2"] {
        assert_eq!(server.get(&format!("{account}{bad}")).bearer(&auditor).send().await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn a_difference_names_what_came_changed_and_ended() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let alice = server.alice().await;
    let auditor = server.operator_token("audit:read").await;
    let from = server.mark().await - 1;
    server.advance(1_000);
    let mut browser = Browser::new(&server);
    browser.tokens(&client, &alice, &[]).await;
    server.disable(&alice.account).await;
    let to = server.mark().await - 1;
    let diff = get(&server, &auditor, &format!("/audit/diff?from={from}&to={to}")).await;
    let kinds = |part: &str| {
        let streams =
            diff[part].as_array().unwrap().iter().map(|own| own["stream"].as_str().unwrap().split('-').next().unwrap().to_owned());
        streams.collect::<Vec<_>>()
    };
    assert_eq!(kinds("came"), ["interaction", "session", "consent", "grant"]);
    assert_eq!((kinds("changed"), kinds("ended")), (vec!["account".to_owned()], vec!["session".to_owned(), "account".to_owned()]));
    assert_eq!(diff["events"].as_u64().unwrap(), (to - from) as u64);
    let by_time = get(&server, &auditor, "/audit/diff?from=2026-09-21T14:13:20.500Z").await;
    assert_eq!(by_time["came"].as_array().unwrap().len(), 5, "and the evidence of these questions");
    let backwards = server.get(&format!("/audit/diff?from={to}&to={from}")).bearer(&auditor).send().await;
    assert_eq!(backwards.status, 400);
    assert_eq!(server.get("/audit/diff").bearer(&auditor).send().await.status, 400);
}
