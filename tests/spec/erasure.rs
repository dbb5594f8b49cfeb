//! Erasing a person: the certificate, that it can be checked without the server, and the legal hold.

use chancery::app::erasure::check::check;
use chancery::app::operator::Command;
use chancery_core::digest::Digest;
use serde_json::{Value, json};

use crate::support::flow::{Person, Tokens};
use crate::support::*;

async fn erased(server: &Server) -> (Person, Value) {
    let (client, alice) = (server.web_client().await, server.alice().await);
    Browser::new(server).tokens(&client, &alice, &[("login_hint", "alice@example.com")]).await;
    server.advance(1_000);
    server.operate(Command::UserErase { account: alice.email.clone() }).await;
    let certificate = server.operate(Command::UserCertificate { account: alice.account.clone() }).await;
    (alice, certificate)
}

#[tokio::test]
async fn a_certificate_names_every_position_that_became_unreadable_and_nothing_else() {
    let server = Server::with(&[("CHANCERY_ERASURE_VAULT_BACKUPS_KEPT", "30d")], "").await;
    let (alice, certificate) = erased(&server).await;
    let named: Vec<_> = certificate["unreadable"].as_array().unwrap().iter().map(|own| own["position"].as_u64().unwrap()).collect();
    let admin = server.operator_token("audit:read admin").await;
    for event in server.events().await {
        let shown = server.get(&format!("/audit/events/{}?personal=clear", event.position)).bearer(&admin).send().await.json();
        let is_erased = shown["personal"].as_object().is_some_and(|personal| personal.values().any(|value| value == "erased"));
        assert_eq!(named.contains(&event.position), is_erased, "{} {}", event.position, event.kind);
    }
    assert!(named.len() >= 6, "registration, request, sign-in, consent, code, redemption: {named:?}");
    let text = certificate.to_string();
    assert!(!text.contains("alice@example.com") && !text.contains("Alice Liddell"), "it holds no content");
    assert_eq!(certificate["last_vault_backup_expires_at"], "2026-10-21T14:13:21.000Z");
    let checked = check(text.as_bytes(), None).unwrap();
    assert_eq!((checked.account, checked.events, checked.by_its_own_key), (alice.account, named.len(), true));
    let key = certificate["log"]["keys"][0].as_str().unwrap();
    assert!(!check(text.as_bytes(), Some(key)).unwrap().by_its_own_key);
}

#[tokio::test]
async fn a_certificate_that_was_touched_does_not_hold() {
    let server = Server::start().await;
    let (alice, certificate) = erased(&server).await;
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut own = certificate.clone();
        change(&mut own);
        check(own.to_string().as_bytes(), None).unwrap_err()
    };
    let leaf = certificate["events"][2]["leaf"].as_str().unwrap().replace("DataKeyDestroyed", "DataKeyDestroyeD");
    assert!(changed(&|own| own["events"][2]["leaf"] = json!(leaf)).contains("is not in the log that was signed"));
    assert!(changed(&|own| own["account"] = json!(alice.account.replace('7', "8"))).contains("is not AccountRegistered of the account"));
    assert!(changed(&|own| own["key_commitment"] = json!("x")).contains("commitment"));
    assert!(changed(&|own| own["events"].as_array_mut().unwrap().swap(1, 2)).contains("is not ErasureOrdered"));
    assert!(changed(&|own| own["unreadable"][0]["position"] = json!(100_000)).contains("unreadable positions"));
    let note = certificate["checkpoint"].as_str().unwrap().replacen('\n', "\n1", 1);
    assert!(changed(&|own| own["checkpoint"] = json!(note)).contains("not signed"));
    let stranger = Server::start().await;
    let (_, theirs) = erased(&stranger).await;
    let key = theirs["log"]["keys"][0].as_str().unwrap().to_owned();
    assert!(check(certificate.to_string().as_bytes(), Some(&key)).unwrap_err().contains("not signed"));
    assert!(check(b"{}", None).unwrap_err().contains("no erasure certificate"));
}

#[tokio::test]
async fn what_is_held_is_not_erased() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let operate = async |command: Value| {
        let command: Command = serde_json::from_value(command).unwrap();
        let context = chancery::app::context::Context::of_server("operator", "test".to_owned());
        server.app.operate(&context, command).await.map_err(|error| error.code())
    };
    operate(json!({ "command": "user_hold", "account": alice.email, "reason": "case 17 against Alice Liddell" })).await.unwrap();
    assert_eq!(operate(json!({ "command": "user_erase", "account": alice.email })).await, Err("conflict"));
    let refused: Vec<_> = server.events().await.into_iter().filter(|event| event.kind == "ErasureRefused").collect();
    assert_eq!((refused.len(), refused[0].data.get("stream"), refused[0].actor.kind.as_str()), (1, None, "operator"));
    assert_eq!(refused[0].subject.as_deref(), Some(alice.account.as_str()));
    assert_eq!(operate(json!({ "command": "user_certificate", "account": alice.account })).await, Err("conflict"));
    let held = server.events().await.into_iter().find(|event| event.kind == "LegalHoldPlaced").unwrap();
    assert!(held.personal.contains_key("reason") && !held.data.to_string().contains("case 17"), "the reason is sealed");
    operate(json!({ "command": "user_release", "account": alice.email })).await.unwrap();
    operate(json!({ "command": "user_erase", "account": alice.email })).await.unwrap();
    assert!(operate(json!({ "command": "user_hold", "account": alice.account, "reason": "late" })).await.is_err());
}

#[tokio::test]
async fn a_person_is_erased_over_http_by_an_admin_alone() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let path = format!("/accounts/{}", alice.account);
    let admin = server.operator_token("admin").await;
    let auditor = server.operator_token("audit:read").await;
    let delete = |token: Option<&str>| {
        let call = server.call("DELETE", &path);
        match token {
            Some(token) => call.bearer(token),
            None => call,
        }
    };
    assert_eq!(delete(None).send().await.status, 401);
    assert_eq!(delete(Some(&auditor)).send().await.status, 403);
    assert_eq!(server.get(&format!("{path}/erasure")).bearer(&admin).send().await.status, 409, "nobody is erased yet");
    assert_eq!(server.call("DELETE", "/accounts/alice@example.com").bearer(&admin).send().await.status, 404, "an id, never an address");

    server.operate(Command::UserHold { account: alice.account.clone(), reason: "case 17".into() }).await;
    assert_eq!(delete(Some(&admin)).send().await.status, 409, "held");
    server.operate(Command::UserRelease { account: alice.account.clone() }).await;

    let answer = delete(Some(&admin)).header("chancery-receipt", "?1").send().await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "account_id": alice.account, "erased": true })));
    let position: u64 = answer.header("chancery-position").parse().unwrap();
    let events = server.events().await;
    let destroyed = events.iter().find(|event| event.position == position).unwrap();
    assert_eq!((destroyed.kind.as_str(), destroyed.actor.kind.as_str()), ("DataKeyDestroyed", "operator"));
    assert!(answer.header("chancery-receipt").starts_with("leaf=:"));
    let again = delete(Some(&admin)).send().await;
    assert_eq!(again.status, 200, "DELETE can be sent again");
    assert_eq!(server.events().await.iter().filter(|event| event.kind == "ErasureOrdered").count(), 1);
    let certificate = server.get(&format!("{path}/erasure")).bearer(&admin).send().await;
    assert_eq!(check(certificate.text().as_bytes(), None).unwrap().account, alice.account);
    assert_eq!(server.get(&format!("{path}/erasure")).bearer(&auditor).send().await.status, 403);
}

#[tokio::test]
async fn a_person_is_not_erased_while_one_of_their_streams_is_held() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let operate = async |command: Value| {
        let command: Command = serde_json::from_value(command).unwrap();
        let context = chancery::app::context::Context::of_server("operator", "test".to_owned());
        server.app.operate(&context, command).await.map_err(|error| error.code())
    };
    let hold = async |stream: &str| operate(json!({ "command": "stream_hold", "stream": stream, "reason": "case 17" })).await;
    let erase = async || operate(json!({ "command": "user_erase", "account": alice.account })).await;
    let streams: Vec<String> = server.events().await.into_iter().map(|event| event.stream).collect();
    let of = |kind: &str| streams.iter().find(|stream| stream.starts_with(kind)).unwrap().clone();
    // The first event of an interaction has no subject; the person signed in later.
    for stream in [of("session-"), of("interaction-"), of("consent-")] {
        hold(&stream).await.unwrap();
        hold(&stream).await.unwrap();
        assert_eq!(erase().await, Err("conflict"), "{stream}");
        let last = server.events().await.into_iter().next_back().unwrap();
        assert_eq!((last.kind.as_str(), &last.data["stream"]), ("ErasureRefused", &json!(stream)));
        let listed = operate(json!({ "command": "holds_list" })).await.unwrap();
        assert_eq!(listed["holds"], json!([{ "stream": stream }]));
        operate(json!({ "command": "stream_release", "stream": stream })).await.unwrap();
    }
    let placed: Vec<_> = server.events().await.into_iter().filter(|event| event.kind == "StreamHoldPlaced").collect();
    assert_eq!(placed.len(), 3, "a second hold says nothing");
    assert!(placed.iter().all(|event| event.personal.contains_key("reason") && !event.data.to_string().contains("case 17")));
    assert_eq!(hold("session-of-nobody").await, Err("not_found"));
    assert_eq!(server.userinfo(&tokens.access).await.status, 200, "an erasure that is refused ends no session");
    erase().await.unwrap();
    assert_eq!(server.userinfo(&tokens.access).await.status, 401);
    assert_eq!(hold(&of("session-")).await, Err("conflict"), "what is erased cannot be held any more");
}

#[tokio::test]
async fn an_erased_person_is_erased_in_a_replay_of_the_time_before() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let before = server.mark().await - 1;
    server.operate(Command::UserErase { account: alice.account.clone() }).await;
    let auditor = server.operator_token("audit:read").await;
    let named = Digest::of(tokens.access.as_bytes()).to_string();
    let then = server.post("/audit/introspect").bearer(&auditor).form(&[("token_id", &named), ("as_of", &before.to_string())]);
    server.index_is_current().await;
    assert_eq!(then.send().await.json()["active"], true, "facts without a name stay");
    let machine = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials")]).await);
    assert!(server.is_active(&client, &machine.access).await);
}
