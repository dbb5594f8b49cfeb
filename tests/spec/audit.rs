//! The log as an auditor finds it: what is on it, in which order, and what never is.

use chancery_projections::inline::{self, check, rebuild};
use serde_json::{Value, json};

use crate::support::flow::{PASSWORD, Tokens};
use crate::support::*;

/// One of everything that a person and a client do.
async fn whole_flow(server: &Server) -> Vec<String> {
    let client = server.client(json!({ "contacts": ["ops@app.example"] })).await;
    let alice = server.alice().await;
    let mut browser = Browser::new(server);
    let code = browser.authorize(&client, &alice, &[("login_hint", "alice@example.com"), ("state", "state-is-personal")]).await.code();
    let first = Tokens::of(&server.redeem(&client, &code).await);
    let second = Tokens::of(&server.refresh(&client, first.refresh()).await);
    let machine = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials")]).await);
    server.userinfo(&second.access).await;
    server.introspect(&client, &second.access).await;
    let again = browser.open(&client.request(&[])).await.code();
    server.token(&Client { secret: Some("wrong-secret-of-a-client".to_owned()), ..client.clone() }, &[]).await;
    let wrong = json!({ "email": "nobody@example.com", "password": "a-wrong-password" });
    server.post("/auth/login").header("user-agent", "Mozilla/5.0 (secret agent)").json(&wrong).send().await;
    server.revoke(&client, &machine.access).await;
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
    server.operator_token("admin").await;
    let mut secrets: Vec<_> = [client.secret.unwrap(), code, again, machine.access].into();
    for tokens in [first, second] {
        secrets.extend([tokens.access, tokens.refresh.unwrap(), tokens.id_token.unwrap()]);
    }
    secrets.extend(browser.cookies.into_values());
    secrets
}

#[tokio::test]
async fn a_whole_flow_is_on_the_log_in_the_order_in_which_it_was_decided() {
    let server = Server::start().await;
    let started = server.kinds_since(0).await;
    assert_eq!((started[0].as_str(), started.iter().filter(|kind| *kind == "ServerStarted").count()), ("LogCreated", 1));
    whole_flow(&server).await;
    assert_eq!(
        server.kinds_since(started.len()).await,
        [
            "ClientRegistered",
            "AccountRegistered",
            "AuthorizationRequested",
            "SessionStarted",
            "PersonAuthenticated",
            "ConsentGiven",
            "CodeIssued",
            "AuthorizationGranted",
            "CodeRedeemed",
            "RefreshTokenRotated",
            "ClientCredentialsGranted",
            "CodeIssued",
            "AuthorizationAnsweredAtOnce",
            "ClientAuthenticationFailed",
            "LoginFailed",
            "AccessTokenRevoked",
            "SessionEnded",
            "OperatorTokenMinted",
        ]
    );
}

#[tokio::test]
async fn positions_are_dense_and_every_event_says_who_and_why() {
    let server = Server::start().await;
    whole_flow(&server).await;
    for (index, event) in server.events().await.iter().enumerate() {
        assert_eq!(event.position, index as u64);
        assert!(!event.actor.kind.is_empty() && !event.correlation.is_empty(), "{}", event.kind);
    }
}

#[tokio::test]
async fn no_secret_and_no_personal_datum_is_on_the_log_or_on_the_disk() {
    let server = Server::start().await;
    let mut never = whole_flow(&server).await;
    never.extend(
        ["alice@example.com", "Alice Liddell", "nobody@example.com", PASSWORD, "a-wrong-password", "wrong-secret-of-a-client"]
            .map(str::to_owned),
    );
    never.extend(
        ["af0ifjsldkj", "state-is-personal", "n-0S6_WzA2Mj", VERIFIER, "127.0.0.1", "secret agent", "ops@app.example", "$scrypt$"]
            .map(str::to_owned),
    );
    let mut haystacks: Vec<(String, Vec<u8>)> = vec![("the log".to_owned(), Vec::new())];
    for leaf in server.leaves().await {
        haystacks[0].1.extend_from_slice(&leaf.leaf);
        haystacks[0].1.push(b'\n');
    }
    for file in std::fs::read_dir(server.directory.path().join("data")).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            haystacks.push((path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap()));
        }
    }
    assert!(haystacks.len() > 2 && haystacks.iter().map(|(_, bytes)| bytes.len()).sum::<usize>() > 50_000);
    for (place, bytes) in &haystacks {
        let text = String::from_utf8_lossy(bytes);
        for secret in &never {
            assert!(!text.contains(secret.as_str()), "{secret} is in {place}");
        }
    }
    assert!(haystacks[0].1.windows(8).any(|bytes| bytes == b"personal"), "what is personal is there, as ciphertext");
}

#[tokio::test]
async fn a_rebuild_gives_equal_rows() {
    let server = Server::start().await;
    whole_flow(&server).await;
    let ledger = &server.app.ledger;
    assert!(check::check(ledger, &mut |_, _| {}).await.unwrap().is_well());
    // Beside the live set, under another name, and then in its place.
    rebuild::rebuild(ledger, &format!("{}.again", inline::SET), &mut |_, _| {}).await.unwrap();
    assert!(check::check(ledger, &mut |_, _| {}).await.unwrap().is_well());
    let (client, bob) = (server.web_client().await, server.person("bob@example.com").await);
    Browser::new(&server).tokens(&client, &bob, &[]).await;
}

#[tokio::test]
async fn an_auditor_filters_and_pages_and_the_question_is_an_event() {
    let server = Server::start().await;
    whole_flow(&server).await;
    let token = server.operator_token("audit:read").await;
    let asked = std::cell::Cell::new(0);
    let ask = async |query: &str| {
        asked.set(asked.get() + 1);
        server.index_is_current().await;
        let answer = server.get(&format!("/audit/events?{query}")).bearer(&token).send().await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.json()
    };
    let kinds = |answer: &Value| {
        answer["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let events = server.events().await;
    let find = |kind: &str| events.iter().find(|event| event.kind == kind).unwrap();
    let account = find("AccountRegistered").subject.clone().unwrap();
    let client = find("ClientRegistered").stream.strip_prefix("client-").unwrap().to_owned();
    let about = ask(&format!("subject={account}")).await;
    assert!(about["events"].as_array().unwrap().iter().all(|event| event["subject"] == account.as_str()));
    assert!(kinds(&about).contains(&"ConsentGiven".to_owned()) && kinds(&about).contains(&"CodeRedeemed".to_owned()));
    assert_eq!(kinds(&ask("type=CodeRedeemed").await), ["CodeRedeemed"]);
    assert!(kinds(&ask(&format!("client={client}")).await).contains(&"ClientRegistered".to_owned()));
    assert_eq!(kinds(&ask(&format!("client={client}&type=CodeIssued")).await).len(), 2);
    assert_eq!(kinds(&ask(&format!("stream=client-{client}")).await), ["ClientRegistered"]);
    assert_eq!(kinds(&ask("type=Nothing").await), [""; 0]);
    let mut paged = Vec::new();
    let mut from = Some(0);
    while let Some(next) = from {
        let page = ask(&format!("from={next}&limit=7")).await;
        paged.extend(page["events"].as_array().unwrap().clone());
        from = page["next"].as_u64();
    }
    let positions: Vec<_> = paged.iter().map(|event| event["position"].as_u64().unwrap()).collect();
    assert_eq!(positions, (0..positions.len() as u64).collect::<Vec<_>>());
    let queried = server.kinds_since(0).await.into_iter().filter(|kind| kind == "AuditQueried").count();
    assert_eq!(queried, asked.get(), "one for each page: nobody can tell it from a new question");
    for bad in ["limit=x", "from=-1", "limit=99999999999"] {
        assert_eq!(server.get(&format!("/audit/events?{bad}")).bearer(&token).send().await.status, 400, "{bad}");
    }
}
