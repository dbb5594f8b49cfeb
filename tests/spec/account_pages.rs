//! `/account`: a person sees who they are, changes it, signs other browsers out, and takes access back.

use chancery::app::operator::Command;
use serde_json::json;

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, page_of};
use crate::support::*;

const ALL: &str = "openid profile email address phone";

/// Signs in at the page itself, without any client.
async fn signed_in<'a>(server: &'a Server, person: &Person) -> Browser<'a> {
    let mut browser = Browser::new(server);
    let page = browser.open("/account").await;
    assert_eq!((page.status, page_of(&page)), (200, "login"));
    let page = browser.submit(&page, &[("login", &person.email), ("password", PASSWORD)]).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains(&person.email), "{}", page.text());
    browser
}

/// The token of the forms on a page.
async fn csrf(browser: &mut Browser<'_>, path: &str) -> String {
    let page = browser.open(path).await;
    browser::form_of(&page.text()).hidden.into_iter().find(|(name, _)| name == "csrf").unwrap().1
}

/// Posts a form of `/account` and follows the redirect.
async fn send(browser: &mut Browser<'_>, path: &str, fields: &[(&str, &str)]) -> Answer {
    let token = csrf(browser, "/account/profile").await;
    let answer = browser.post(path, &[fields, &[("csrf", &token)]].concat()).await;
    if answer.status == 303 { browser.open(answer.location()).await } else { answer }
}

#[tokio::test]
async fn a_person_states_their_claims_and_clients_are_told() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.client(json!({ "scope": ALL })).await, server.alice().await);
        let mut browser = signed_in(server, &alice).await;
        let tokens = browser.tokens(&client, &alice, &[("scope", ALL)]).await;
        let stated = [
            ("name", "Alice Liddell"),
            ("given_name", "Alice"),
            ("birthdate", "1852-05-04"),
            ("address.street_address", "Deanery\r\nChrist Church"),
            ("address.country", "UK"),
            ("phone_number", "+442079460958"),
            ("website", "https://alice.example/"),
            // Nobody says of themselves that somebody has looked.
            ("email_verified", "true"),
            ("phone_number_verified", "true"),
        ];
        let mark = server.mark().await;
        let page = send(&mut browser, "/account/profile", &stated).await;
        assert!(page.text().contains("Your data was saved.") && page.text().contains("1852-05-04"), "{}", page.text());
        assert_eq!(server.kinds_since(mark).await, ["ProfileChanged"]);
        assert_eq!(server.events().await.last().unwrap().actor.id, alice.account);
        let told = server.userinfo(&tokens.access).await.json();
        assert_eq!((&told["given_name"], &told["birthdate"]), (&json!("Alice"), &json!("1852-05-04")));
        assert_eq!(told["address"], json!({ "street_address": "Deanery\nChrist Church", "country": "UK" }));
        assert_eq!((&told["email_verified"], &told["phone_number_verified"]), (&json!(false), &json!(false)));
        let mark = server.mark().await;
        let again = send(&mut browser, "/account/profile", &stated).await;
        assert!(again.text().contains("nothing was changed"));
        assert_eq!(server.mark().await, mark);
        // A field that is empty takes the claim away.
        send(&mut browser, "/account/profile", &[("name", "Alice")]).await;
        let told = server.userinfo(&tokens.access).await.json();
        assert_eq!((&told["name"], told.get("birthdate"), told.get("address")), (&json!("Alice"), None, None));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_used_is_named_at_its_field_and_stays_typed() {
    let server = Server::start().await;
    let mut browser = signed_in(&server, &server.alice().await).await;
    let long = "x".repeat(200);
    let mark = server.mark().await;
    let fields = [("birthdate", "04.05.1852"), ("website", "javascript:alert(1)"), ("given_name", &long), ("nickname", "<b>Al</b>")];
    let page = send(&mut browser, "/account/profile", &fields).await;
    assert_eq!(page.status, 400);
    let text = page.text();
    for name in ["birthdate", "website", "given_name"] {
        assert!(text.contains(&format!("<a href=\"#{name}\">")), "{name}");
    }
    assert!(text.contains("value=\"04.05.1852\"") && !text.contains("<b>Al") && text.contains("at most"));
    assert_eq!(server.mark().await, mark);
}

#[tokio::test]
async fn gdpr_withdrawing_is_one_button_and_ends_every_token() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        let mut browser = signed_in(server, &alice).await;
        let tokens = browser.tokens(&client, &alice, &[]).await;
        let page = browser.open("/account").await.text();
        assert!(page.contains("Demo") && page.contains("See your e-mail address"));
        let mark = server.mark().await;
        let page = send(&mut browser, "/account/apps", &[("client_id", &client.id)]).await;
        assert!(page.text().contains("The access was withdrawn.") && page.text().contains("You withdrew the access of"), "{}", page.text());
        assert_eq!(server.kinds_since(mark).await, ["ConsentWithdrawn"]);
        assert_eq!(server.userinfo(&tokens.access).await.refusal(), (401, "invalid_token".to_owned()));
        assert_eq!(server.refresh(&client, tokens.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
        let again = send(&mut browser, "/account/apps", &[("client_id", &client.id)]).await;
        assert!(again.text().contains("nothing was changed"));
        assert_eq!(page_of(&browser.open(&client.request(&[])).await), "consent");
    })
    .await;
}

#[tokio::test]
async fn other_browsers_are_signed_out_and_nobody_elses() {
    both::on_both("", async |server: &Server| {
        let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
        let (mut here, mut there) = (signed_in(server, &alice).await, signed_in(server, &alice).await);
        let mut third = signed_in(server, &alice).await;
        let mut bobs = signed_in(server, &bob).await;
        let tokens = there.tokens(&client, &alice, &[]).await;
        let shown = server.operate(Command::UserShow { account: alice.email.clone() }).await;
        assert_eq!(shown["sessions"].as_array().unwrap().len(), 3);
        let page = here.open("/account").await.text();
        let ids: Vec<_> = page.split("name=\"session\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect();
        assert_eq!(ids.len(), 3, "two others, and all others at once: {ids:?}");
        let mark = server.mark().await;
        let foreign = send(&mut bobs, "/account/sessions", &[("session", &ids[0])]).await;
        assert_eq!(foreign.status, 404);
        assert_eq!(server.mark().await, mark);
        for id in ids.iter().filter(|id| *id != "others") {
            let page = send(&mut here, "/account/sessions", &[("session", id)]).await;
            assert!(page.text().contains("That browser was signed out."));
        }
        let ended: Vec<_> = server.events().await.into_iter().skip(mark).map(|event| event.data["reason"].clone()).collect();
        assert_eq!(ended, [json!("signed_out_elsewhere"), json!("signed_out_elsewhere")]);
        assert_eq!(page_of(&there.open("/account").await), "login");
        assert_eq!(page_of(&third.open("/account").await), "login");
        assert_eq!(server.userinfo(&tokens.access).await.status, 401, "bound to the session");
        assert!(bobs.open("/account").await.text().contains(&bob.email));
        let (mut there, _) = (signed_in(server, &alice).await, signed_in(server, &alice).await);
        let mark = server.mark().await;
        send(&mut here, "/account/sessions", &[("session", "others")]).await;
        assert_eq!(server.kinds_since(mark).await, ["SessionEnded"; 2]);
        assert_eq!(page_of(&there.open("/account").await), "login");
        assert!(here.open("/account").await.text().contains(&alice.email));
    })
    .await;
}

#[tokio::test]
async fn another_password_needs_the_one_until_now_and_ends_every_other_session() {
    both::on_both("", async |server: &Server| {
        let alice = server.alice().await;
        let (mut here, mut there) = (signed_in(server, &alice).await, signed_in(server, &alice).await);
        let new = "a quite different sentence";
        let login = async |password: &str| {
            server.post("/auth/login").json(&json!({ "email": alice.email, "password": password })).send().await.status
        };
        let mark = server.mark().await;
        let wrong = send(&mut here, "/account/password", &[("current", "not it at all"), ("password", new)]).await;
        assert!(wrong.status == 400 && wrong.text().contains("This is not your password."), "{}", wrong.text());
        for bad in ["short", "alice@example.com", ""] {
            let answer = send(&mut here, "/account/password", &[("current", PASSWORD), ("password", bad)]).await;
            assert!(answer.status == 400 && answer.text().contains("<a href=\"#password\">"), "{bad}");
        }
        assert_eq!(server.kinds_since(mark).await, ["LoginFailed"]);
        let mark = server.mark().await;
        let page = send(&mut here, "/account/password", &[("current", PASSWORD), ("password", new)]).await;
        assert!(page.text().contains("Your password was changed."), "{}", page.text());
        assert_eq!(server.kinds_since(mark).await, ["LoginFailuresCleared", "PasswordChanged", "SessionEnded"]);
        assert_eq!(page_of(&there.open("/account").await), "login");
        assert_eq!((login(PASSWORD).await, login(new).await), (401, 200));
    })
    .await;
}

#[tokio::test]
async fn another_address_needs_the_password_and_releases_the_old_one() {
    both::on_both("", async |server: &Server| {
        let (client, alice, bob) =
            (server.client(json!({ "scope": ALL })).await, server.alice().await, server.person("bob@example.com").await);
        server
            .operate(Command::UserUpdate { account: alice.account.clone(), claims: [("email_verified".into(), "true".into())].into() })
            .await;
        let (mut here, mut there) = (signed_in(server, &alice).await, signed_in(server, &alice).await);
        let tokens = here.tokens(&client, &alice, &[("scope", ALL)]).await;
        assert_eq!(server.userinfo(&tokens.access).await.json()["email_verified"], true);
        let login =
            async |email: &str| server.post("/auth/login").json(&json!({ "email": email, "password": PASSWORD })).send().await.status;
        let mark = server.mark().await;
        let change = |email: &'static str, password: &'static str| [("email", email), ("current", password)];
        let wrong = send(&mut here, "/account/email", &change("new@example.com", "not it at all")).await;
        assert!(wrong.status == 400 && wrong.text().contains("This is not your password."), "{}", wrong.text());
        assert!(wrong.text().contains("value=\"new@example.com\"") && !wrong.text().contains("not it at all"));
        for bad in ["nobody", "", "BOB@example.com"] {
            let answer = send(&mut here, "/account/email", &change(bad, PASSWORD)).await;
            assert!(answer.status == 400 && answer.text().contains("<a href=\"#email\">"), "{bad}");
        }
        let same = send(&mut here, "/account/email", &change("alice@example.com", PASSWORD)).await;
        assert!(same.text().contains("nothing was changed"), "{}", same.text());
        let kinds = server.kinds_since(mark).await;
        assert!(kinds.iter().all(|kind| kind.starts_with("LoginFail")), "{kinds:?}");
        let mark = server.mark().await;
        let page = send(&mut here, "/account/email", &change(" New@Example.com", PASSWORD)).await;
        assert!(page.text().contains("Your e-mail address was changed.") && page.text().contains("New@Example.com"), "{}", page.text());
        assert!(server.kinds_since(mark).await.contains(&"EmailChanged".to_owned()));
        let event = server.leaves().await.into_iter().find(|event| event.kind == "EmailChanged").unwrap();
        let leaf = String::from_utf8(event.leaf.to_vec()).unwrap();
        assert!(!leaf.to_lowercase().contains("example.com"), "{leaf}");
        // The new address signs in, the old one does not and is free; sessions and tokens go on.
        assert_eq!((login("new@example.com").await, login("alice@example.com").await), (200, 401));
        assert!(there.open("/account").await.text().contains("New@Example.com"));
        let told = server.userinfo(&tokens.access).await.json();
        assert_eq!((&told["email"], &told["email_verified"]), (&json!("New@Example.com"), &json!(false)));
        let another = server.person("alice@example.com").await;
        assert_ne!(another.account, alice.account);
        let back = send(&mut here, "/account/email", &change("alice@example.com", PASSWORD)).await;
        assert_eq!(back.status, 400, "taken by somebody else meanwhile");
        assert!(bob.email.contains("bob"));
        // Erased, the new address is free again.
        server.operate(Command::UserErase { account: alice.account.clone() }).await;
        server.person("new@example.com").await;
    })
    .await;
}

#[tokio::test]
async fn the_history_is_told_in_sentences_from_the_log() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "client_name": "Ship <b>Log" })).await, server.alice().await);
    server.advance(1_000);
    let wrong = json!({ "email": alice.email, "password": "wrong password" });
    server.post("/auth/login").header("user-agent", "curl/8.5").json(&wrong).send().await;
    server.advance(1_000);
    let mut browser = signed_in(&server, &alice).await;
    server.advance(1_000);
    browser.tokens(&client, &alice, &[]).await;
    server.advance(1_000);
    server.operate(Command::UserDisable { account: alice.email.clone() }).await;
    server.operate(Command::UserEnable { account: alice.email.clone() }).await;
    // Whose account was closed is signed out everywhere.
    assert!(browser.open("/account").await.text().contains("name=\"password\""));
    let mut browser = signed_in(&server, &alice).await;
    let text = browser.open("/account").await.text();
    let told = [
        "You signed in: ",
        "opened the account again",
        "closed the account",
        "You allowed ",
        "tried to sign in and failed: ",
        "You created the account",
    ];
    let places: Vec<_> = told.iter().map(|sentence| text.find(sentence).unwrap_or_else(|| panic!("{sentence}: {text}"))).collect();
    assert!(places.is_sorted(), "newest first: {places:?}");
    assert!(text.contains("curl, 127.0.0.1") && text.contains("Ship &#60;b&#62;Log") && !text.contains("<b>Log"));
    let german = browser.server.get("/account").header("accept-language", "de").header("cookie", &browser.cookie()).send().await.text();
    assert!(german.contains("Sie haben das Konto angelegt."));
}

#[tokio::test]
async fn rfc6749_10_12_no_form_of_the_account_is_accepted_from_elsewhere() {
    let server = Server::start().await;
    let (alice, bob) = (server.alice().await, server.person("bob@example.com").await);
    let (mut browser, mut bobs) = (signed_in(&server, &alice).await, signed_in(&server, &bob).await);
    let (own, foreign) = (csrf(&mut browser, "/account/profile").await, csrf(&mut bobs, "/account/profile").await);
    let sign_in = csrf(&mut Browser::new(&server), "/account").await;
    let mark = server.mark().await;
    for (path, field, value) in [
        ("/account/profile", "name", "Mallory"),
        ("/account/password", "current", PASSWORD),
        ("/account/sessions", "session", "others"),
        ("/account/apps", "client_id", "app"),
    ] {
        for (origin, csrf) in [
            (server.origin.as_str(), ""),
            (&server.origin, "x"),
            (&server.origin, &foreign),
            (&server.origin, &sign_in),
            ("https://evil.example", &own),
            ("null", &own),
        ] {
            let call =
                server.post(path).form(&[("csrf", csrf), (field, value)]).header("origin", origin).header("cookie", &browser.cookie());
            assert_eq!(call.send().await.status, 403, "{path} {origin} {csrf}");
        }
        let nobody = server.post(path).form(&[("csrf", &own), (field, value)]).header("origin", &server.origin).send().await;
        assert_eq!((nobody.status, nobody.location()), (303, "/account"), "{path}: nobody is signed in");
    }
    let forged = server.post("/account/sign-in").form(&[("login", &alice.email), ("password", PASSWORD)]).header("origin", &server.origin);
    assert_eq!(forged.send().await.status, 403);
    assert_eq!(server.mark().await, mark);
    let page = browser.open("/account").await;
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("cache-control"), "no-store");
}
