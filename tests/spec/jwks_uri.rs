//! OpenID Connect Core §10.1.1, Registration §2: keys behind `jwks_uri`.

use serde_json::{Value, json};

use crate::support::documents::Documents;
use crate::support::jwt::Key;
use crate::support::*;

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The key set of a key, under another name.
fn named(key: &Key, kid: &str) -> Value {
    let mut jwks = key.jwks();
    jwks["keys"][0]["kid"] = json!(kid);
    jwks
}

async fn fetching_client(server: &Server, documents: &Documents) -> Client {
    let members = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": documents.url("/jwks") });
    let mut client = server.client(members).await;
    client.secret = None;
    client
}

/// The status of a token request with a fresh assertion of this key, whose `kid` is `k`.
async fn speak(server: &Server, client: &Client, key: &Key) -> u16 {
    let now = server.app.now().0 / 1000;
    let jti = chancery::app::random::uuid_v7(server.app.now().0).to_string();
    let claims = json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "jti": jti, "iat": now, "exp": now + 60 });
    let assertion = key.sign(&claims);
    let fields = [("grant_type", "client_credentials"), ("client_assertion_type", KIND), ("client_assertion", assertion.as_str())];
    server.post("/oidc/token").form(&fields).send().await.status
}

async fn fetched(server: &Server) -> usize {
    server.events().await.iter().filter(|event| event.kind == "ClientKeysFetched").count()
}

#[tokio::test]
async fn oidc_core_10_1_1_keys_are_fetched_kept_and_fetched_again_for_an_unknown_kid() {
    both::on_both("", async |server: &Server| {
        let documents = Documents::start().await;
        let client = fetching_client(server, &documents).await;
        let (first, second) = (Key::generate("ES256"), Key::generate("ES256"));
        documents.put("/jwks", first.jwks());
        assert_eq!((speak(server, &client, &first).await, speak(server, &client, &first).await), (200, 200));
        assert_eq!((documents.asked("/jwks"), fetched(server).await), (1, 1), "kept, and the log has them");
        let event = server.events().await.into_iter().rfind(|event| event.kind == "ClientKeysFetched").unwrap();
        assert_eq!(event.data["jwks"]["keys"][0]["x"], first.jwks()["keys"][0]["x"]);
        // The client rotates; its old key has another name now. Nobody makes us ask more than once a minute.
        documents.put("/jwks", json!({ "keys": [named(&first, "old")["keys"][0], named(&second, "new")["keys"][0]] }));
        assert_eq!(speak(server, &client, &second).await, 401, "kid k is the first key here");
        documents.put("/jwks", named(&first, "old"));
        server.advance(61 * 60_000);
        assert_eq!(speak(server, &client, &first).await, 401, "no key has the name k any more");
        assert_eq!((documents.asked("/jwks"), fetched(server).await), (2, 2));
        for _ in 0..5 {
            assert_eq!(speak(server, &client, &first).await, 401);
        }
        assert_eq!(documents.asked("/jwks"), 2, "an unknown kid is no lever");
        documents.put("/jwks", second.jwks());
        server.advance(60_000);
        assert_eq!(speak(server, &client, &second).await, 200, "within the hour, for a kid that was unknown");
        assert_eq!((documents.asked("/jwks"), fetched(server).await), (3, 3));
        assert_eq!(speak(server, &client, &first).await, 401, "the old key is gone");
    })
    .await;
}

#[tokio::test]
async fn oidc_core_10_1_1_keys_of_the_last_day_count_while_the_clients_server_is_down() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let client = fetching_client(&server, &documents).await;
    let key = Key::generate("ES256");
    documents.put("/jwks", key.jwks());
    assert_eq!(speak(&server, &client, &key).await, 200);
    for broken in ["", "{}", "{\"keys\":[]}", &"x".repeat(25 * 1024)] {
        documents.put("/jwks", broken);
        server.advance(2 * HOUR);
        assert_eq!(speak(&server, &client, &key).await, 200, "stale is better than none");
    }
    documents.answer("/jwks", 500, "", "");
    server.advance(17 * HOUR);
    assert_eq!(speak(&server, &client, &key).await, 401, "for a day");
    assert_eq!(fetched(&server).await, 1);
    // What they say about themselves shortens the hour, and a start forgets nothing.
    documents.answer("/jwks", 200, "Cache-Control: max-age=120\r\n", key.jwks());
    server.advance(60_000);
    assert_eq!(speak(&server, &client, &key).await, 200);
    let asked = documents.asked("/jwks");
    server.advance(119_000);
    assert_eq!((speak(&server, &client, &key).await, documents.asked("/jwks")), (200, asked));
    server.advance(1_000);
    assert_eq!((speak(&server, &client, &key).await, documents.asked("/jwks")), (200, asked + 1));
    assert_eq!(fetched(&server).await, 1, "the same keys are no news");
    let server = server.restart().await;
    assert_eq!(speak(&server, &client, &key).await, 200);
}

#[tokio::test]
async fn rfc9101_6_2_request_objects_are_checked_with_fetched_keys_too() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let (client, key) = (server.client(json!({ "jwks_uri": documents.url("/jwks") })).await, Key::generate("PS256"));
    documents.put("/jwks", key.jwks());
    let object = key
        .sign(&json!({ "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code", "scope": "openid",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256" }));
    let page = Browser::new(&server).open(&client.request(&[("request", &object)])).await;
    assert_eq!(flow::page_of(&page), "login");
    let strange = server.client(json!({ "jwks_uri": "https://10.1.2.3/jwks" })).await;
    let answer = server.get(&strange.request(&[("request", &object)])).send().await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_request_object"), "the guard reaches no private network");
}
