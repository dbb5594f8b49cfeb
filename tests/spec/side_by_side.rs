//! Several people signed in in one browser: `prompt=select_account`, and what logout ends then.

use serde_json::json;

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, Tokens, page_of};
use crate::support::jwt::verified;
use crate::support::*;

const SELECT: &[(&str, &str)] = &[("prompt", "select_account")];

async fn sub(server: &Server, client: &Client, code: &str) -> String {
    let tokens = Tokens::of(&server.redeem(client, code).await);
    let jwks = server.get("/oidc/jwks").send().await.json();
    verified(tokens.id_token(), &jwks).1["sub"].as_str().unwrap().to_owned()
}

/// The session behind the button of this person on the page.
fn button(page: &Answer, email: &str) -> String {
    let html = page.text();
    let before = &html[..html.find(&format!("<bdi>{email}</bdi>")).unwrap_or_else(|| panic!("{email} is not on the page: {html}"))];
    before.rsplit_once("name=\"choose\" value=\"").unwrap().1.split('"').next().unwrap().to_owned()
}

/// Signs in beside whoever is there, by way of the page that asks for a choice.
async fn beside(browser: &mut Browser<'_>, client: &Client, person: &Person) -> String {
    let page = browser.open(&client.request(SELECT)).await;
    assert_eq!(page_of(&page), "choose");
    let page = browser.open(&format!("{}/sign-in", browser.at.clone())).await;
    let page = browser.submit(&page, &[("login", &person.email), ("password", PASSWORD)]).await;
    browser.pass(page, person).await.code()
}

async fn choose(browser: &mut Browser<'_>, page: &Answer, person: &Person) -> Answer {
    let session = button(page, &person.email);
    browser.submit(page, &[("choose", &session)]).await
}

#[tokio::test]
async fn oidc_core_3_1_2_1_select_account_lets_the_person_choose_among_those_signed_in() {
    both::on_both("", async |server: &Server| {
        let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
        let mut browser = Browser::new(server);
        // Nobody is signed in: there is nobody to choose.
        assert_eq!(page_of(&browser.open(&client.request(SELECT)).await), "login");
        browser.authorize(&client, &alice, SELECT).await.code();
        let mark = server.mark().await;
        let code = beside(&mut browser, &client, &bob).await;
        let kinds = server.kinds_since(mark).await;
        assert!(!kinds.contains(&"SessionEnded".to_owned()), "alice stays signed in: {kinds:?}");
        assert_eq!(sub(server, &client, &code).await, bob.account);
        // Who uses the browser now answers what asks for nothing; the other one by choice, without a password.
        assert_eq!(sub(server, &client, &browser.open(&client.request(&[])).await.code()).await, bob.account);
        for person in [&alice, &bob, &alice] {
            let page = browser.open(&client.request(SELECT)).await;
            assert_eq!(page_of(&page), "choose");
            let mark = server.mark().await;
            let answer = choose(&mut browser, &page, person).await;
            assert_eq!(server.kinds_since(mark).await, ["AccountChosen", "CodeIssued", "AuthorizationGranted"]);
            assert_eq!(sub(server, &client, &answer.code()).await, person.account);
            assert_eq!(sub(server, &client, &browser.open(&client.request(&[])).await.code()).await, person.account);
        }
    })
    .await;
}

#[tokio::test]
async fn oidc_core_3_1_2_1_a_choice_is_no_login() {
    let server = Server::start().await;
    let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    server.advance(100_000);
    beside(&mut browser, &client, &bob).await;
    // Alice's login is too old for this request, and a wanted login is wanted of whom was chosen.
    for asked in [&[("prompt", "select_account"), ("max_age", "50")][..], &[("prompt", "select_account login")]] {
        let page = browser.open(&client.request(asked)).await;
        let page = choose(&mut browser, &page, &alice).await;
        assert_eq!(page_of(&page), "login", "{asked:?}");
        assert!(page.text().contains("value=\"alice@example.com\""), "the address of whom was chosen stands there");
        let code = browser.pass(page, &alice).await.code();
        assert_eq!(sub(&server, &client, &code).await, alice.account);
        server.advance(100_000);
    }
    // Nobody stands there twice.
    let page = browser.open(&client.request(SELECT)).await.text();
    assert_eq!((page.matches("name=\"choose\"").count(), page.matches("alice@example.com").count()), (2, 1), "{page}");
}

#[tokio::test]
async fn oidc_core_3_1_2_1_the_hint_finds_whoever_is_signed_in_beside() {
    let server = Server::with(&[], "[logout]\nsession_management = true\n").await;
    let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
    let mut browser = Browser::new(&server);
    let hint = browser.tokens(&client, &alice, &[]).await.id_token().to_owned();
    beside(&mut browser, &client, &bob).await;
    let kept = browser.cookies["chancery_state"].clone();
    let silent = client.request(&[("prompt", "none"), ("id_token_hint", &hint)]);
    assert_eq!(sub(&server, &client, &browser.open(&silent).await.code()).await, alice.account);
    assert_eq!(browser.cookies["chancery_state"], kept, "two watching clients do not wake each other for ever");
    assert_eq!(sub(&server, &client, &browser.open(&client.request(&[("prompt", "none")])).await.code()).await, bob.account);
    // Bob is chosen where alice was hinted at: an answer, and no circle.
    let page = browser.open(&client.request(&[SELECT, &[("id_token_hint", hint.as_str())]].concat())).await;
    assert_eq!(choose(&mut browser, &page, &bob).await.sent("error").as_deref(), Some("login_required"));
}

#[tokio::test]
async fn oidc_core_3_1_2_6_account_selection_required_when_none_of_several_was_chosen() {
    both::on_both("", async |server: &Server| {
        let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
        let mut browser = Browser::new(server);
        browser.authorize(&client, &alice, &[]).await.code();
        beside(&mut browser, &client, &bob).await;
        let page = browser.open("/oidc/session/end").await;
        assert!(
            page.text().contains("bob@example.com") && page.text().contains("alice@example.com") && page.text().contains("value=\"all\"")
        );
        let mark = server.mark().await;
        browser.submit(&page, &[("logout", "yes")]).await;
        assert_eq!(server.kinds_since(mark).await, ["SessionEnded"], "one of two, as the page said");
        let silent = browser.open(&client.request(&[("prompt", "none")])).await;
        assert_eq!(silent.sent("error").as_deref(), Some("account_selection_required"));
        let page = browser.open(&client.request(&[])).await;
        assert_eq!(page_of(&page), "choose");
        assert!(!page.text().contains("bob@example.com"), "bob is signed out");
        assert_eq!(sub(server, &client, &choose(&mut browser, &page, &alice).await.code()).await, alice.account);
    })
    .await;
}

#[tokio::test]
async fn oidc_rp_logout_2_the_hint_says_who_is_signed_out_and_everybody_by_a_button_of_their_own() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": ["https://app.example/bye"] })).await;
    let (alice, bob) = (server.alice().await, server.person("bob@example.com").await);
    let mut browser = Browser::new(&server);
    let hint = browser.tokens(&client, &alice, &[]).await.id_token().to_owned();
    beside(&mut browser, &client, &bob).await;
    let out = format!("/oidc/session/end?id_token_hint={hint}&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye");
    let page = browser.open(&out).await;
    let mark = server.mark().await;
    let mut one = browser.clone();
    assert_eq!(one.submit(&page, &[("logout", "yes")]).await.location(), "https://app.example/bye");
    assert_eq!(server.kinds_since(mark).await, ["SessionEnded"]);
    assert_eq!(server.events().await.last().unwrap().subject.as_deref(), Some(alice.account.as_str()));
    assert_eq!(sub(&server, &client, &one.open(&client.request(&[("prompt", "none")])).await.code()).await, bob.account, "bob stays");
    // A page that was loaded before: whom it named is signed out already, and nobody else in their place.
    let mark = server.mark().await;
    one.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(server.kinds_since(mark).await, [""; 0]);
    browser.authorize(&client, &alice, &[("prompt", "login")]).await.code();
    let page = browser.open("/oidc/session/end").await;
    assert!(!page.text().contains("value=\"all\""), "a login of another kind takes the browser over");
    beside(&mut browser, &client, &bob).await;
    let page = browser.open("/oidc/session/end").await;
    let mark = server.mark().await;
    browser.submit(&page, &[("logout", "all")]).await;
    assert_eq!(server.kinds_since(mark).await, ["SessionEnded", "SessionEnded"]);
    assert!(!browser.cookies.contains_key("chancery_session") && !browser.cookies.contains_key("chancery_others"));
    assert_eq!(page_of(&browser.open(&client.request(SELECT)).await), "login");
}

#[tokio::test]
async fn five_people_at_most_and_nobody_is_chosen_from_another_browser() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let mut people = Vec::new();
    for name in ["a", "b", "c", "d", "e", "f"] {
        people.push(server.person(&format!("{name}@example.com")).await);
    }
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &people[0], &[]).await.code();
    for person in &people[1..5] {
        beside(&mut browser, &client, person).await;
    }
    let mark = server.mark().await;
    beside(&mut browser, &client, &people[5]).await;
    assert!(server.kinds_since(mark).await.contains(&"SessionEnded".to_owned()), "who waited longest made room");
    let page = browser.open(&client.request(SELECT)).await;
    assert_eq!(page.text().matches("name=\"choose\"").count(), 5);
    assert!(!page.text().contains("a@example.com"));
    // Ids of sessions are no secret: a choice needs the cookie of that session.
    let foreign = button(&page, "b@example.com");
    let mut other = Browser::new(&server);
    other.authorize(&client, &people[0], &[]).await.code();
    let own = other.open(&client.request(SELECT)).await;
    for session in [foreign.as_str(), "", "nobody"] {
        let mark = server.mark().await;
        assert_eq!(other.clone().submit(&own, &[("choose", session)]).await.status, 400, "{session}");
        assert_eq!(server.kinds_since(mark).await, [""; 0]);
    }
    // "Not you?" signs out whom the page shows, and asks again.
    let page = browser.open(&client.request(&[("prompt", "select_account consent")])).await;
    let consent = choose(&mut browser, &page, &people[2]).await;
    assert_eq!(page_of(&consent), "consent");
    let again = browser.submit(&consent, &[("decision", "switch")]).await;
    assert_eq!((page_of(&again), again.text().matches("name=\"choose\"").count()), ("choose", 4));
}
