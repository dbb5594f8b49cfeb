//! The app routes, operators' tokens, rate limits and the limits of development mode: what no specification covers.

use chancery::app::operator::Command;
use serde_json::json;

use crate::support::flow::{PASSWORD, Tokens, page_of};
use crate::support::*;

#[tokio::test]
async fn registration_lists_each_bad_field_and_a_taken_address_is_a_conflict() {
    let server = Server::start().await;
    let bad = json!({ "email": "nobody", "password": "short", "name": "a\u{1}b" });
    let answer = server.post("/auth/register").json(&bad).send().await;
    assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()));
    for field in ["email: ", "password: ", "name: "] {
        assert!(answer.sentence().contains(field), "{}", answer.sentence());
    }
    server.alice().await;
    let again = json!({ "email": "ALICE@EXAMPLE.COM", "password": PASSWORD });
    assert_eq!(server.post("/auth/register").json(&again).send().await.refusal(), (409, "conflict".to_owned()));
    for (body, sentence) in [
        (json!({}), "The member email is missing."),
        (json!({ "email": 5, "password": PASSWORD }), "The member email has a wrong type or value."),
        (json!([]), "The JSON body must be an object."),
    ] {
        let answer = server.post("/auth/register").json(&body).send().await;
        assert_eq!((answer.status, answer.sentence().as_str()), (400, sentence));
    }
}

#[tokio::test]
async fn in_production_an_operator_registers_people() {
    let server = Server::production(&[], "").await;
    let body = json!({ "email": "alice@example.com", "password": PASSWORD });
    assert_eq!(server.post("/auth/register").json(&body).send().await.status, 401);
    let auditor = server.operator_token("audit:read").await;
    assert_eq!(server.post("/auth/register").bearer(&auditor).json(&body).send().await.refusal(), (403, "insufficient_scope".to_owned()));
    let admin = server.operator_token("admin").await;
    assert_eq!(server.post("/auth/register").bearer(&admin).json(&body).send().await.status, 201);
    let open = Server::production(&[("CHANCERY_REGISTRATION", "open")], "").await;
    assert_eq!(open.post("/auth/register").json(&body).send().await.status, 201);
}

#[tokio::test]
async fn login_tells_nobody_whether_an_account_exists() {
    let server = Server::start().await;
    let (alice, bob) = (server.alice().await, server.person("bob@example.com").await);
    server.disable(&bob.account).await;
    let mark = server.mark().await;
    let mut bodies = Vec::new();
    for (email, password) in [("alice@example.com", "wrong password"), ("nobody@example.com", PASSWORD), ("bob@example.com", PASSWORD)] {
        let answer = server.post("/auth/login").json(&json!({ "email": email, "password": password })).send().await;
        assert_eq!((answer.refusal(), answer.header("set-cookie")), ((401, "invalid_credentials".to_owned()), ""));
        bodies.push(answer.body);
    }
    assert!(bodies.windows(2).all(|two| two[0] == two[1]));
    assert_eq!(server.kinds_since(mark).await, ["LoginFailed"; 3]);
    let good = server.post("/auth/login").json(&json!({ "email": " Alice@Example.com ", "password": PASSWORD })).send().await;
    assert_eq!((good.status, &good.json()["account_id"]), (200, &json!(alice.account)));
}

#[tokio::test]
async fn an_operator_gives_roles_and_takes_them_back() {
    both::on_both("", async |server: &Server| {
        let alice = server.alice().await;
        let roles = async || server.operate(Command::UserShow { account: alice.email.clone() }).await["roles"].clone();
        let (account, role) = (alice.email.clone(), chancery_core::account::Role::Auditor);
        let mark = server.mark().await;
        for _ in 0..2 {
            server.operate(Command::UserGrant { account: account.clone(), role }).await;
        }
        assert_eq!(roles().await, json!(["auditor"]));
        for _ in 0..2 {
            server.operate(Command::UserRevoke { account: account.clone(), role }).await;
        }
        assert_eq!(roles().await, json!([]));
        assert_eq!(server.kinds_since(mark).await, ["RoleGranted", "RoleWithdrawn"]);
    })
    .await;
}

#[tokio::test]
async fn unknown_addresses_wait_at_the_same_attempt_and_leave_the_same_events() {
    both::on_both("", async |server: &Server| {
        server.alice().await;
        let attempt = async |email: &str| {
            let mark = server.mark().await;
            let answer = server.post("/auth/login").json(&json!({ "email": email, "password": "wrong password" })).send().await;
            let retry = answer.header("retry-after").to_owned();
            (answer.status, answer.text(), retry, server.kinds_since(mark).await)
        };
        let mut statuses = Vec::new();
        for step in [0, 0, 0, 0, 0, 0, 0, 999, 3_001, 0, 60_000, 0, 30_000, 900_000, 0, 5_000, 900_000, 0] {
            server.advance(step);
            let (known, unknown) = (attempt("alice@example.com").await, attempt(" Nobody@Example.com").await);
            assert_eq!(known, unknown, "after {statuses:?}");
            statuses.push(known.0);
        }
        assert_eq!(statuses[..6], [401, 401, 401, 401, 401, 429]);
        assert!(statuses[6..].contains(&401) && statuses[6..].contains(&429), "{statuses:?}");
        assert_eq!(attempt("somebody@else.example").await.0, 401, "each address has a count of its own");
    })
    .await;
}

#[tokio::test]
async fn what_the_limits_refuse_becomes_one_event_per_source_and_minute() {
    let server = Server::with(&[("CHANCERY_RATE_LIMITS_LOGIN_FAILURES_PER_ADDRESS", "2/15m")], "").await;
    let wrong = json!({ "email": "nobody@example.com", "password": PASSWORD });
    for status in [401, 401, 429, 429, 429] {
        assert_eq!(server.post("/auth/login").json(&wrong).send().await.status, status);
    }
    let mark = server.mark().await;
    chancery::cli::serve::tidy(&server.routed).await;
    assert_eq!(server.mark().await, mark, "the minute is not over");
    server.advance(60_000);
    chancery::cli::serve::tidy(&server.routed).await;
    chancery::cli::serve::tidy(&server.routed).await;
    let events: Vec<_> = server.events().await.into_iter().skip(mark).filter(|event| event.kind == "AttemptsRefused").collect();
    assert_eq!(events.len(), 1);
    let (event, minute) = (&events[0], NOW / 60_000 * 60_000);
    assert_eq!((&event.data["kind"], &event.data["count"]), (&json!("login"), &json!(3)));
    assert_eq!((&event.data["from"], &event.data["until"]), (&json!(minute), &json!(minute + 60_000)));
    assert_eq!((event.stream.as_str(), event.actor.kind.as_str()), ("evidence-anonymous", "server"));
    let source = event.personal.get("source").unwrap();
    assert!(
        !source.contains("127.0.0.1") && !server.leaves().await.iter().any(|leaf| leaf.leaf.windows(9).any(|text| text == b"127.0.0.1"))
    );
}

#[tokio::test]
async fn failed_logins_slow_the_next_ones_down_and_never_a_live_session() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let login =
        |password: &'static str| server.post("/auth/login").json(&json!({ "email": "alice@example.com", "password": password })).send();
    for _ in 0..5 {
        assert_eq!(login("wrong password").await.status, 401);
    }
    let blocked = login(PASSWORD).await;
    assert_eq!(blocked.refusal(), (429, "slow_down".to_owned()), "the right password gains nothing");
    assert!(blocked.header("retry-after").parse::<u32>().unwrap() >= 1);
    browser.open(&client.request(&[])).await.code();
    // The refused attempt counted: six failures, two seconds.
    server.advance(1_999);
    assert_eq!(login(PASSWORD).await.status, 429);
    server.advance(15 * 60_000);
    let mark = server.mark().await;
    assert_eq!(login(PASSWORD).await.status, 200);
    assert!(server.kinds_since(mark).await.contains(&"LoginFailuresCleared".to_owned()));
    assert_eq!(login("wrong password").await.status, 401, "the count began again");
    assert_eq!(login(PASSWORD).await.status, 200);
}

#[tokio::test]
async fn rfc6585_4_addresses_are_limited_for_a_while() {
    let limits = [
        ("CHANCERY_RATE_LIMITS_LOGIN_FAILURES_PER_ADDRESS", "3/15m"),
        ("CHANCERY_RATE_LIMITS_ACCOUNT_REGISTRATIONS_PER_ADDRESS", "2/1h"),
        ("CHANCERY_RATE_LIMITS_CLIENT_REGISTRATIONS_PER_ADDRESS", "2/1h"),
        ("CHANCERY_RATE_LIMITS_TOKEN_FAILURES_PER_ADDRESS", "3/1m"),
    ];
    let server = Server::with(&limits, "").await;
    let client = server.web_client().await;
    server.web_client().await;
    assert_eq!(server.post("/clients").json(&json!({})).send().await.status, 429);
    server.alice().await;
    server.person("bob@example.com").await;
    let third = json!({ "email": "carol@example.com", "password": PASSWORD });
    assert_eq!(server.post("/auth/register").json(&third).send().await.status, 429);
    let wrong = json!({ "email": "nobody@example.com", "password": PASSWORD });
    for status in [401, 401, 401, 429, 429] {
        assert_eq!(server.post("/auth/login").json(&wrong).send().await.status, status);
    }
    let forged = Client { secret: Some("x".to_owned()), ..client.clone() };
    for status in [401, 401, 401, 429] {
        assert_eq!(server.token(&forged, &[("grant_type", "client_credentials")]).await.status, status);
    }
    server.advance(60_000);
    assert_eq!(server.token(&client, &[("grant_type", "client_credentials")]).await.status, 200);
}

#[tokio::test]
async fn an_operators_token_opens_what_its_scope_says_and_ends() {
    let server = Server::production(&[], "").await;
    let (admin, auditor) = (server.operator_token("admin").await, server.operator_token("audit:read").await);
    assert_eq!(server.get("/audit/events").bearer(&auditor).send().await.status, 200);
    let wrong = server.get("/audit/events").bearer(&admin).send().await;
    assert_eq!(wrong.refusal(), (403, "insufficient_scope".to_owned()));
    assert!(wrong.header("www-authenticate").contains("insufficient_scope"));
    assert_eq!(server.get("/audit/events").send().await.status, 401);
    assert_eq!(server.userinfo(&admin).await.refusal(), (403, "insufficient_scope".to_owned()));
    server.advance(600_000);
    assert_eq!(server.get("/audit/events").bearer(&auditor).send().await.refusal(), (401, "invalid_token".to_owned()));
    let context = chancery::app::context::Context::of_server("operator", "x".to_owned());
    for scope in ["openid", "", "admin root"] {
        let asked = server.app.operate(&context, Command::Token { scope: scope.to_owned(), seconds: 60 }).await;
        assert_eq!(asked.unwrap_err().code(), "invalid_scope", "{scope}");
    }
}

#[tokio::test]
async fn development_mode_answers_to_its_own_host_and_to_no_proxy() {
    let server = Server::start().await;
    for (name, value) in
        [("host", "evil.example"), ("host", "localhost:3001"), ("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7")]
    {
        let answer = server.get("/oidc/.well-known/openid-configuration").header(name, value).send().await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{name}: {value}");
        assert_eq!(server.get("/health/live").header(name, value).send().await.status, 200);
    }
    let production = Server::production(&[], "").await;
    assert_eq!(production.get("/oidc/jwks").header("host", "10.0.0.1").header("x-forwarded-for", "203.0.113.7").send().await.status, 200);
}

#[tokio::test]
async fn declared_clients_and_people_are_seeded_once() {
    let toml = r#"
[[client]]
client_id = "demo-app"
client_secret = "a-secret-that-is-long-enough-for-it"
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token"]
id_token_signed_response_alg = "ES256"

[[user]]
email = "alice@example.com"
password = "correct horse battery staple"
name = "Alice"
"#;
    let server = Server::with(&[], toml).await;
    let client = Client {
        id: "demo-app".to_owned(),
        secret: Some("a-secret-that-is-long-enough-for-it".to_owned()),
        redirect_uri: "https://app.example/cb".to_owned(),
    };
    let alice = flow::Person { email: "alice@example.com".to_owned(), account: String::new() };
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let before = server.mark().await;
    let server = server.restart().await;
    assert_eq!(server.kinds_since(before).await, ["ServerStarted"], "a restart with the same file says nothing new");
    assert!(server.is_active(&client, &tokens.access).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_signs_in_before_the_declared_people_are_there_waits_for_them() {
    let server = Server::start().await;
    let (config, secrets) = server.configuration();
    let files = server.files();
    server.stop().await;
    // As `chancery serve` does it: answers first, people afterwards.
    let mut config = config;
    let password = || chancery::config::Secret::new("correct horse battery staple");
    let user = |email: &str| chancery::config::DeclaredUser {
        email: email.to_owned(),
        password: password(),
        name: None,
        claims: std::collections::BTreeMap::new(),
    };
    config.users = vec![user("alice@example.com")];
    let open = async |config: &chancery::config::Config| {
        let clock = chancery::app::clock::Clock::manual(server::NOW);
        chancery::app::start::open(config.clone(), &secrets, clock, chancery::app::start::Opening::default()).await.unwrap()
    };
    let app = open(&config).await;
    let context = chancery::app::context::Context::of_server("config", "test".to_owned());
    app.seed_things(&context).await.unwrap();
    app.people.expect(&config.users);
    let (signing_in, registering, operating) = (app.clone(), app.clone(), app.clone());
    let mut early = tokio::spawn(async move {
        let context = chancery::app::context::Context::of_request("early".to_owned(), None, None);
        signing_in.prove_password(&context, "alice@example.com", "correct horse battery staple").await.map(|proven| proven.account)
    });
    let taker = tokio::spawn(async move {
        let context = chancery::app::context::Context::of_request("taker".to_owned(), None, None);
        let form = chancery::app::accounts::Form {
            email: "alice@example.com",
            password: "another password altogether",
            name: None,
            stated: std::collections::BTreeMap::new(),
            roles: std::collections::BTreeSet::new(),
            declared: false,
        };
        registering.register_account(&context, &form).await.is_err()
    });
    let named = tokio::spawn(async move {
        let context = chancery::app::context::Context::of_server("operator", "operate".to_owned());
        let command = chancery::app::operator::Command::UserShow { account: "alice@example.com".to_owned() };
        operating.operate(&context, command).await.map_err(|error| error.detail).unwrap()
    });
    let waits = tokio::time::timeout(std::time::Duration::from_millis(100), &mut early).await;
    assert!(waits.is_err(), "nobody is refused who is about to be known");
    let context_of_other = chancery::app::context::Context::of_request("other".to_owned(), None, None);
    let other = app.prove_password(&context_of_other, "bob@example.com", "correct horse battery staple").await;
    assert!(other.is_err(), "nobody else waits");
    app.seed_people_behind_gate(&context).await;
    let account = early.await.unwrap().unwrap();
    assert!(taker.await.unwrap(), "a declared address is not taken by who comes first");
    assert_eq!(named.await.unwrap()["account"], json!(account), "an operator's command finds them");
    assert_eq!(app.account_of("alice@example.com").await.unwrap().unwrap().id, account);
    // What is not acceptable still stops the start, before anybody is answered.
    let mut short = config.clone();
    short.users[0].password = chancery::config::Secret::new("short");
    app.ledger.close().await;
    drop(app);
    let app = open(&short).await;
    let refused = app.seed_things(&context).await.unwrap_err().to_string();
    assert!(refused.contains("alice@example.com") && refused.contains("password"), "{refused}");
    drop(files);
}

#[tokio::test]
async fn unknown_paths_and_methods_are_json_for_machines_and_a_page_for_people() {
    let server = Server::start().await;
    for path in ["/nowhere", "/oidc", "/oidc/token/x", "/admin", "/metrics/x", "/auth/interaction"] {
        assert_eq!(server.get(path).send().await.refusal(), (404, "not_found".to_owned()), "{path}");
        let page = server.get(path).header("accept", "text/html").send().await;
        assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"), "{path}");
    }
    for path in ["/oidc/jwks", "/auth/login", "/", "/health/ready"] {
        let answer = server.call("DELETE", path).send().await;
        assert_eq!((answer.status, answer.header("allow").is_empty()), (405, false), "{path}");
    }
    for path in ["/", "/docs", "/openapi.json", "/health/live"] {
        assert_eq!(server.get(path).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let server = Server::start().await;
    server.index_is_current().await;
    let ready = server.get("/health/ready").send().await;
    assert_eq!((ready.status, &ready.json()["status"]), (200, &json!("ready")));
    server.app.ledger.close().await;
    let answer = server.get("/health/ready").send().await;
    assert_eq!((answer.status, &answer.json()["log"]), (503, &json!("not ready")));
}

#[tokio::test]
async fn the_front_page_shows_who_is_signed_in() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    assert!(!browser.open("/").await.text().contains(&alice.email));
    browser.authorize(&client, &alice, &[]).await.code();
    assert!(browser.open("/").await.text().contains(&alice.email));
    let tokens: Tokens = browser.tokens(&client, &alice, &[]).await;
    assert_eq!(page_of(&browser.open("/oidc/session/end").await), "logout");
    assert!(server.is_active(&client, &tokens.access).await, "looking at the page ends nothing");
}
