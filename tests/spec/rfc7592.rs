//! RFC 7592: a registration is read, replaced and deleted by whoever holds its token. RFC 7591 §1.2, §2.3: initial access tokens and
//! software statements.

use chancery::app::operator::Command;
use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::documents::Documents;
use crate::support::jwt::Key;
use crate::support::*;

/// A client that registered itself: the answer.
async fn registered(server: &Server, members: Value) -> Value {
    let mut all = json!({ "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code", "refresh_token", "client_credentials"] });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    let answer = server.post("/oidc/reg").json(&all).send().await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

fn text<'a>(client: &'a Value, member: &str) -> &'a str {
    client[member].as_str().unwrap_or_else(|| panic!("no {member}: {client}"))
}

fn path(server: &Server, client: &Value) -> String {
    text(client, "registration_client_uri").strip_prefix(&server.origin).unwrap().to_owned()
}

async fn manage(server: &Server, method: &str, client: &Value, body: Option<&Value>) -> Answer {
    let call = server.call(method, &path(server, client)).bearer(text(client, "registration_access_token"));
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

/// What a client sends to stay as it is, with these members over it.
fn replacement(client: &Value, members: Value) -> Value {
    let mut all = client.clone();
    let all_members = all.as_object_mut().unwrap();
    for ours in ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"] {
        all_members.remove(ours);
    }
    all_members.extend(members.as_object().unwrap().clone());
    all
}

async fn invite(server: &Server, policy: Value, uses: u32, seconds: u32) -> String {
    let answer = server.operate(Command::Invite { policy: serde_json::from_value(policy).unwrap(), uses, seconds }).await;
    text(&answer, "initial_access_token").to_owned()
}

#[tokio::test]
async fn rfc7592_3_a_registration_tells_where_it_is_managed_and_reading_shows_it_again() {
    both::on_both("", async |server: &Server| {
        let client = registered(server, json!({ "contacts": ["ops@app.example", "Doe, Jane"], "client_name": "A" })).await;
        let read = manage(server, "GET", &client, None).await;
        assert_eq!((read.status, read.header("cache-control")), (200, "no-store"));
        let mut expected = client.clone();
        for shown_once in ["client_secret", "client_secret_expires_at"] {
            expected.as_object_mut().unwrap().remove(shown_once);
        }
        assert_eq!(read.json(), expected, "the same token, the same metadata, no secret");
        assert_eq!(read.json()["contacts"], json!(["ops@app.example", "Doe, Jane"]));
        let kept = serde_json::to_string(&server.events().await.iter().map(|event| event.data.clone()).collect::<Vec<_>>()).unwrap();
        assert!(!kept.contains(text(&client, "registration_access_token")), "the log holds its digest");
    })
    .await;
}

#[tokio::test]
async fn rfc7592_2_only_the_registration_access_token_of_this_client_manages_it() {
    let server = Server::start().await;
    let (client, other) = (registered(&server, json!({})).await, registered(&server, json!({})).await);
    let admin = server.operator_token("admin").await;
    for token in ["x", text(&other, "registration_access_token"), &admin, text(&client, "client_secret")] {
        for method in ["GET", "PUT", "DELETE"] {
            let call = server.call(method, &path(&server, &client)).bearer(token);
            let body = replacement(&client, json!({}));
            let answer = if method == "PUT" { call.json(&body).send().await } else { call.send().await };
            assert_eq!(answer.status, 401, "{method} {token}: {}", answer.text());
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "{method} {token}");
        }
    }
    // RFC 7592 §2.1: nobody learns which clients there are.
    let unknown =
        server.get("/oidc/reg/01a0c450-6c00-7104-b7b9-6acfc983f285").bearer(text(&client, "registration_access_token")).send().await;
    assert_eq!(unknown.refusal(), (401, "invalid_token".to_owned()));
    assert_eq!(server.post(&path(&server, &client)).send().await.status, 405);
    // A client that an operator made is managed by the operator.
    assert!(server.register(json!({ "redirect_uris": ["https://app.example/cb"] })).await["registration_access_token"].is_null());
}

#[tokio::test]
async fn rfc7592_2_2_a_replacement_is_whole_and_hands_out_another_token() {
    both::on_both("", async |server: &Server| {
        let client = registered(server, json!({ "client_name": "Before", "contacts": ["ops@app.example"] })).await;
        let sent = json!({ "client_id": client["client_id"], "redirect_uris": ["https://app.example/new"], "client_secret": client["client_secret"] });
        let mark = server.mark().await;
        let answer = manage(server, "PUT", &client, Some(&sent)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let after = answer.json();
        assert_eq!((&after["redirect_uris"], &after["client_name"], &after["contacts"]), (&json!(["https://app.example/new"]), &Value::Null, &Value::Null));
        assert_eq!(after["grant_types"], json!(["authorization_code"]), "the default");
        assert_ne!(text(&after, "registration_access_token"), text(&client, "registration_access_token"));
        assert_eq!(manage(server, "GET", &client, None).await.status, 401, "the token before is dead");
        assert_eq!(manage(server, "GET", &after, None).await.status, 200);
        let event = server.events().await.into_iter().skip(mark).find(|event| event.kind == "ClientReplaced").unwrap();
        assert_eq!(event.data["before"]["client_name"], "Before");
        assert_eq!(event.data["metadata"]["redirect_uris"], json!(["https://app.example/new"]));
        // The secret is the one before: there was one, and one is needed.
        let own = Client { id: text(&client, "client_id").to_owned(), secret: client["client_secret"].as_str().map(str::to_owned), redirect_uri: String::new() };
        assert_eq!(server.token(&own, &[("grant_type", "authorization_code"), ("code", "x")]).await.error(), "invalid_grant");
    })
    .await;
}

#[tokio::test]
async fn rfc7592_2_2_what_only_the_server_says_is_not_sent_and_bad_metadata_changes_nothing() {
    let server = Server::start().await;
    let client = registered(&server, json!({})).await;
    let mark = server.mark().await;
    for wrong in [
        json!({ "client_id": "other" }),
        json!({ "client_id": null }),
        json!({ "client_secret": "guessed" }),
        json!({ "registration_access_token": "x" }),
        json!({ "registration_client_uri": "x" }),
        json!({ "client_secret_expires_at": 0 }),
        json!({ "client_id_issued_at": 1 }),
        json!({ "grant_types": ["password"] }),
        json!({ "introspect": true }),
    ] {
        let answer = manage(&server, "PUT", &client, Some(&replacement(&client, wrong.clone()))).await;
        assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{wrong}");
    }
    assert_eq!(server.kinds_since(mark).await, [""; 0]);
    assert_eq!(manage(&server, "GET", &client, None).await.status, 200, "and the token lives");
}

#[tokio::test]
async fn rfc7592_2_2_the_secret_follows_the_method() {
    let server = Server::start().await;
    let client = registered(&server, json!({ "grant_types": ["authorization_code"] })).await;
    let public = manage(&server, "PUT", &client, Some(&replacement(&client, json!({ "token_endpoint_auth_method": "none" })))).await.json();
    assert!(public["client_secret"].is_null());
    let again = replacement(&public, json!({ "token_endpoint_auth_method": "client_secret_basic" }));
    let confidential = manage(&server, "PUT", &public, Some(&again)).await.json();
    assert_ne!(text(&confidential, "client_secret"), text(&client, "client_secret"));
}

#[tokio::test]
async fn rfc7592_5_a_token_cannot_be_guessed() {
    let server = Server::start().await;
    let client = registered(&server, json!({})).await;
    let other = registered(&server, json!({})).await;
    let (own, foreign) = (text(&client, "registration_access_token"), text(&other, "registration_access_token"));
    // At least 128 bits that the two do not share, six to a letter.
    let differing = own.chars().zip(foreign.chars()).filter(|(one, another)| one != another).count();
    assert!(own.len() == foreign.len() && differing >= 22, "{own} {foreign}");
    let mut letters: Vec<_> = own.chars().collect();
    for at in 0..letters.len() {
        let right = std::mem::replace(&mut letters[at], if own.as_bytes()[at] == b'x' { 'y' } else { 'x' });
        let guess: String = letters.iter().collect();
        assert_eq!(server.get(&path(&server, &client)).bearer(&guess).send().await.status, 401, "letter {at}");
        letters[at] = right;
    }
    assert_eq!(manage(&server, "GET", &client, None).await.status, 200);
}

#[tokio::test]
async fn rfc7592_5_of_many_replacements_with_one_token_one_wins() {
    both::on_both("", async |server: &Server| {
        let client = registered(server, json!({})).await;
        let body = replacement(&client, json!({}));
        let answers = futures_join((0..8).map(|_| manage(server, "PUT", &client, Some(&body)))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 401)));
    })
    .await;
}

async fn futures_join<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (own, slot) in all.iter_mut().zip(done.iter_mut()).filter(|(_, slot)| slot.is_none()) {
            if let std::task::Poll::Ready(value) = own.as_mut().poll(cx) {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn rfc7592_2_3_deleting_ends_the_grants_and_the_name_is_gone() {
    both::on_both("", async |server: &Server| {
        let answer = registered(server, json!({ "scope": "openid offline_access" })).await;
        let (client, alice) = (Client::of(&answer), server.alice().await);
        let asker = server.client(json!({ "introspect": true })).await;
        let tokens = Browser::new(server).tokens(&client, &alice, &[("scope", "openid offline_access"), ("prompt", "consent")]).await;
        assert!(server.is_active(&asker, &tokens.access).await);
        let gone = manage(server, "DELETE", &answer, None).await;
        assert_eq!((gone.status, gone.body.len()), (204, 0));
        assert!(!server.is_active(&asker, &tokens.access).await);
        assert_eq!(server.refresh(&client, tokens.refresh()).await.refusal(), (401, "invalid_client".to_owned()));
        assert_eq!(server.userinfo(&tokens.access).await.status, 401);
        for method in ["GET", "DELETE"] {
            assert_eq!(manage(server, method, &answer, None).await.refusal(), (401, "invalid_token".to_owned()));
        }
        assert_eq!(server.get(&client.request(&[])).send().await.status, 400);
        let event = server.events().await.into_iter().rfind(|event| event.kind == "ClientDeleted").unwrap();
        assert_eq!(event.data["before"]["redirect_uris"], json!(["https://app.example/cb"]));
    })
    .await;
}

#[tokio::test]
async fn rfc7591_3_an_initial_access_token_lets_so_many_in_until_its_time_is_over() {
    both::on_both("registration = \"initial_access_token\"\n", async |server: &Server| {
        let sent = json!({ "redirect_uris": ["https://app.example/cb"] });
        let register = async |token: &str| server.post("/oidc/reg").bearer(token).json(&sent).send().await;
        assert_eq!(server.post("/oidc/reg").json(&sent).send().await.status, 401);
        let token = invite(server, json!({}), 2, 60).await;
        assert_eq!((register(&token).await.status, register(&token).await.status), (201, 201));
        assert_eq!(register(&token).await.refusal(), (401, "invalid_token".to_owned()), "used up");
        let short = invite(server, json!({}), 1, 60).await;
        server.advance(60_000);
        assert_eq!(register(&short).await.status, 401, "expired");
        let revoked = server.operate(Command::Invite { policy: Default::default(), uses: 1, seconds: 60 }).await;
        server.operate(Command::InvitationRevoke { invitation: text(&revoked, "invitation").to_owned() }).await;
        assert_eq!(register(text(&revoked, "initial_access_token")).await.status, 401, "taken back");
        let listed = server.operate(Command::InvitationList).await;
        let mut states: Vec<_> = listed["invitations"].as_array().unwrap().iter().map(|own| text(own, "state").to_owned()).collect();
        states.sort();
        assert_eq!(states, ["expired", "revoked", "used up"]);
        let kinds: Vec<_> =
            server.events().await.into_iter().map(|event| event.kind).filter(|kind| kind.starts_with("InitialAccess")).collect();
        assert_eq!(kinds.iter().filter(|kind| *kind == "InitialAccessTokenUsed").count(), 2);
        // Of many at once with one use left one comes in.
        let last = invite(server, json!({}), 1, 60).await;
        let answers = futures_join((0..6).map(|_| register(&last))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn rfc7591_5_the_policy_of_the_invitation_holds_for_the_registration_and_what_replaces_it() {
    let server = Server::start().await;
    let token = invite(
        &server,
        json!({ "scope": "openid email", "redirect_hosts": ["app.example"], "grant_types": ["authorization_code"] }),
        9,
        60,
    )
    .await;
    let register = async |members: Value| {
        let mut all = json!({ "redirect_uris": ["https://app.example/cb"], "scope": "openid" });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        server.post("/oidc/reg").bearer(&token).json(&all).send().await
    };
    for (wrong, code) in [
        (json!({ "scope": "openid phone" }), "invalid_client_metadata"),
        (json!({ "redirect_uris": ["https://evil.example/cb"] }), "invalid_redirect_uri"),
        (json!({ "grant_types": ["authorization_code", "client_credentials"] }), "invalid_client_metadata"),
    ] {
        assert_eq!(register(wrong.clone()).await.refusal(), (400, code.to_owned()), "{wrong}");
    }
    let client = register(json!({})).await.json();
    let beyond = replacement(&client, json!({ "redirect_uris": ["https://evil.example/cb"] }));
    assert_eq!(manage(&server, "PUT", &client, Some(&beyond)).await.refusal(), (400, "invalid_redirect_uri".to_owned()));
    let within = replacement(&client, json!({ "scope": "openid email" }));
    assert_eq!(manage(&server, "PUT", &client, Some(&within)).await.status, 200);
}

#[tokio::test]
async fn a_lost_registration_access_token_is_replaced_by_the_operator() {
    let server = Server::start().await;
    let client = registered(&server, json!({})).await;
    let issued = server.operate(Command::ClientAccess { client_id: text(&client, "client_id").to_owned() }).await;
    assert_eq!(manage(&server, "GET", &client, None).await.status, 401);
    assert_eq!(manage(&server, "GET", &issued, None).await.status, 200);
}

#[tokio::test]
async fn rfc7591_2_3_a_software_statement_goes_before_what_the_registrant_says() {
    let (key, files) = (Key::generate("ES256"), tempfile::TempDir::new().unwrap());
    let file = files.path().join("directory.json");
    std::fs::write(&file, key.jwks().to_string()).unwrap();
    let server = Server::with(&[], &format!("software_statement_issuers = [\"https://directory.example {}\"]\n", file.display())).await;
    let statement = |claims: Value| {
        let mut all =
            json!({ "iss": "https://directory.example", "software_id": "calendar", "client_name": "Calendar", "exp": NOW / 1000 + 60 });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        all
    };
    let sent =
        |statement: &str| json!({ "redirect_uris": ["https://app.example/cb"], "client_name": "Bank", "software_statement": statement });
    let good = key.sign(&statement(json!({})));
    let client = server.post("/oidc/reg").json(&sent(&good)).send().await.json();
    assert_eq!(
        (&client["client_name"], &client["software_id"], &client["software_statement"]),
        (&json!("Calendar"), &json!("calendar"), &json!(good))
    );
    for (wrong, code) in [
        (Key::generate("ES256").sign(&statement(json!({}))), "invalid_software_statement"),
        (key.sign(&statement(json!({ "exp": NOW / 1000 }))), "invalid_software_statement"),
        (key.sign(&statement(json!({ "redirect_uris": "x" }))), "invalid_software_statement"),
        (key.sign(&statement(json!({ "iss": "https://other.example" }))), "unapproved_software_statement"),
        ("x".to_owned(), "invalid_software_statement"),
    ] {
        assert_eq!(server.post("/oidc/reg").json(&sent(&wrong)).send().await.refusal(), (400, code.to_owned()));
    }
    // It grants nothing that only an operator grants.
    let more = key.sign(&statement(json!({ "introspect": true })));
    assert_eq!(server.post("/oidc/reg").json(&sent(&more)).send().await.json()["introspect"], false);
    let without = json!({ "client_id": client["client_id"], "redirect_uris": ["https://app.example/cb"] });
    assert_eq!(manage(&server, "PUT", &client, Some(&without)).await.refusal(), (400, "invalid_software_statement".to_owned()));
}

#[tokio::test]
async fn oidc_registration_5_the_sector_document_lists_every_redirect_uri() {
    both::on_both("", async |server: &Server| {
        let documents = Documents::start().await;
        let uris = json!(["https://a.example/cb", "https://b.example/cb"]);
        documents.put("/sector", &uris);
        documents.put("/short", json!(["https://a.example/cb"]));
        documents.put("/broken", "{}");
        let asked = |path: &str| json!({ "redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": documents.url(path) });
        for path in ["/short", "/broken", "/gone"] {
            let answer = server.post("/oidc/reg").json(&asked(path)).send().await;
            assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{path}");
            assert!(answer.sentence().starts_with("sector_identifier_uri: "), "{path}");
        }
        let first = Client::of(&server.register(asked("/sector")).await);
        let second = Client::of(&server.register(asked("/sector")).await);
        let alone = server.client(json!({ "redirect_uris": ["https://a.example/cb"], "subject_type": "pairwise" })).await;
        let alice = server.alice().await;
        let mut subs = Vec::new();
        for client in [&first, &second, &alone] {
            let tokens = Browser::new(server).tokens(client, &alice, &[]).await;
            subs.push(server.userinfo(&tokens.access).await.json()["sub"].as_str().unwrap().to_owned());
        }
        assert!(subs[0] == subs[1] && subs[0] != subs[2], "{subs:?}");
        let event = server.events().await.into_iter().rfind(|event| event.data["sector_document"].is_string());
        assert!(event.is_some(), "the log says which document was checked");
    })
    .await;
}

#[tokio::test]
async fn oidc_registration_2_the_logo_is_shown_from_here_and_login_can_be_begun_at_the_client() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    documents.put("/logo.png", "GIF89a-and-so-on");
    documents.put("/logo.svg", "<svg/>");
    let logo = json!({ "logo_uri": documents.url("/logo.png"), "initiate_login_uri": "https://app.example/start?x=1" });
    let (client, alice) = (server.client(logo).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let page = browser.open(&client.request(&[])).await;
    let page = browser.submit(&page, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
    let address = format!("/logo/{}", client.id);
    assert!(page.text().contains(&format!("src=\"{address}\"")) && !page.text().contains(&documents.origin));
    assert!(page.header("content-security-policy").contains("img-src 'self'"));
    for _ in 0..2 {
        let picture = server.get(&address).send().await;
        assert_eq!(
            (picture.status, picture.header("content-type"), picture.header("x-content-type-options")),
            (200, "image/gif", "nosniff")
        );
    }
    assert_eq!(documents.asked("/logo.png"), 1, "kept");
    let drawing = server.client(json!({ "logo_uri": documents.url("/logo.svg") })).await;
    for none in [drawing.id.as_str(), "nobody", &server.web_client().await.id] {
        assert_eq!(server.get(&format!("/logo/{none}")).send().await.status, 404, "{none}");
    }
    browser.submit(&page, &[("decision", "allow")]).await;
    let account = browser.open("/account").await.text();
    let link =
        format!("https://app.example/start?x=1&#38;iss={}", form_urlencoded::byte_serialize(server.issuer.as_bytes()).collect::<String>());
    assert!(account.contains(&link), "{account}");
}
