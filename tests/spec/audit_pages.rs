//! The auditor's pages: who may open them, what they show, and that each visit is an event.

use chancery::app::operator::Command;
use chancery_core::digest::Digest;

use crate::support::flow::PASSWORD;
use crate::support::*;

async fn administrator(server: &Server) -> String {
    let command = serde_json::json!({ "command": "user_create", "email": "root@example.com", "password": PASSWORD, "admin": true });
    let command: Command = serde_json::from_value(command).unwrap();
    server.operate(command).await["account"].as_str().unwrap().to_owned()
}

async fn signed_in<'a>(server: &'a Server, email: &str) -> Browser<'a> {
    let mut browser = Browser::new(server);
    let page = browser.open("/admin/audit").await;
    assert!(page.status == 200 && page.text().contains("name=\"password\""), "{}", page.text());
    let roll = browser.submit(&page, &[("login", email), ("password", PASSWORD)]).await;
    assert!(browser.cookies.keys().any(|name| name.contains("session")), "{} {}", roll.status, roll.text());
    browser
}

#[tokio::test]
async fn a_person_reads_the_log_in_sentences_and_follows_a_token_to_its_person() {
    let server = Server::start().await;
    let root = administrator(&server).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let mut auditor = signed_in(&server, "root@example.com").await;
    server.index_is_current().await;
    let roll = auditor.open("/admin/audit").await;
    assert_eq!(roll.status, 200);
    for sentence in ["The client redeemed the code and got tokens.", "The person allowed the client for ", "You look as"] {
        assert!(roll.text().contains(sentence), "{sentence}: {}", roll.text());
    }
    // By e-mail address: it becomes an id at once, and stands in no link.
    let found = auditor.get("/admin/audit?subject=alice%40example.com").await;
    assert_eq!(found.location(), format!("/admin/audit?subject={}", alice.account));
    let about = auditor.open(found.location()).await.text();
    assert!(about.contains("The person signed in") && !about.contains("server started"), "{about}");
    let unknown = auditor.open("/admin/audit?subject=nobody%40example.com").await;
    assert!(unknown.status == 400 && unknown.text().contains("no account with this e-mail address"));
    let redeemed = server.events().await.into_iter().find(|event| event.kind == "CodeRedeemed").unwrap();
    let event = auditor.open(&format!("/admin/audit/events/{}", redeemed.position)).await.text();
    assert!(event.contains("Leaf hash") && event.contains("Signed checkpoint") && event.contains("address: 127.0.0.1"), "{event}");
    let digest = Digest::of(tokens.access.as_bytes()).to_string();
    assert!(event.contains(&format!("/admin/audit/tokens/{digest}")));
    let story = auditor.open(&format!("/admin/audit/tokens/{digest}")).await.text();
    assert!(story.contains("Where a token came from") && story.contains(&format!("subject={}", alice.account)), "{story}");
    let stream = auditor.open(&format!("/admin/audit/streams/account-{}", alice.account)).await.text();
    assert!(stream.contains("alice@example.com") && stream.contains("withheld"), "an administrator reads what people may read");
    let asked = server.events().await.into_iter().filter(|event| event.kind == "AuditQueried").collect::<Vec<_>>();
    assert!(asked.iter().all(|event| event.actor.kind == "account" && event.actor.id == root) && asked.len() >= 5, "{}", asked.len());
}

#[tokio::test]
async fn the_question_about_a_token_is_a_form_and_the_token_stays_in_its_body() {
    let server = Server::start().await;
    administrator(&server).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let mut auditor = signed_in(&server, "root@example.com").await;
    // The first form of the page is the only one.
    let form = auditor.open("/admin/audit/token").await;
    let answer = auditor.submit(&form, &[("token", &tokens.access), ("as_of", "")]).await;
    assert!(answer.text().contains("It was active: everything that it rests on was alive."), "{}", answer.text());
    assert!(!answer.text().contains(&tokens.access), "the token is not written back");
    server.disable(&alice.account).await;
    let answer = auditor.submit(&form, &[("token", &tokens.access)]).await;
    assert!(answer.text().contains("It was not active: the account was disabled."), "{}", answer.text());
    let wrong = auditor.submit(&form, &[("token", "nonsense")]).await;
    assert!(wrong.status == 400 && wrong.text().contains("neither a token"));
    let forged = auditor.post("/admin/audit/token", &[("csrf", "x"), ("token", &tokens.access)]).await;
    assert_eq!(forged.status, 403);
}

#[tokio::test]
async fn only_a_fresh_sign_in_with_the_role_opens_the_pages() {
    let server = Server::start().await;
    administrator(&server).await;
    let alice = server.alice().await;
    let pages = [
        "/admin/audit",
        "/admin/audit/events/0",
        "/admin/audit/streams/log",
        "/admin/audit/token",
        &format!("/admin/audit/tokens/{}", "x".repeat(43)),
    ];
    for page in pages {
        let stranger = Browser::new(&server).get(page).await;
        assert!(stranger.text().contains("name=\"password\"") && !stranger.text().contains("The log began"), "{page}");
    }
    let mut person = signed_in(&server, &alice.email).await;
    for page in pages {
        let refused = person.get(page).await;
        assert!(refused.status == 403 && refused.text().contains("for auditors and administrators"), "{page}: {}", refused.text());
    }
    let mut auditor = signed_in(&server, "root@example.com").await;
    assert!(auditor.get("/admin/audit").await.text().contains("You look as"));
    server.advance(60 * 60 * 1000);
    assert!(auditor.get("/admin/audit").await.text().contains("name=\"password\""), "an hour later the person signs in again");
    for (page, status) in [("/admin/audit/events/99999", 404), ("/admin/audit/streams/none", 404), ("/admin/audit/tokens/x", 404)] {
        let mut auditor = signed_in(&server, "root@example.com").await;
        assert_eq!(auditor.get(page).await.status, status, "{page}");
    }
    let wrong = Browser::new(&server).post("/admin/sign-in", &[("login", "root@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(wrong.status, 403, "a form of another browser");
}
