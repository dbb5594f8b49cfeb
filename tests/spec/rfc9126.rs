//! RFC 9126: pushed authorization requests.

use serde_json::json;

use crate::support::call::Answer;
use crate::support::flow::Person;
use crate::support::jwt::Key;
use crate::support::*;

/// The parameters of the usual request, as a body; `changes` as for [`Client::request`].
fn body(client: &Client, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let request = client.request(changes);
    form_urlencoded::parse(request.split_once('?').unwrap().1.as_bytes()).into_owned().collect()
}

async fn push(server: &Server, client: &Client, changes: &[(&str, &str)]) -> Answer {
    let body = body(client, changes);
    let fields: Vec<_> =
        body.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "client_id").collect();
    server.as_client("/oidc/par", client, &fields).send().await
}

/// A request that was kept: where to send the browser.
pub(super) async fn kept(server: &Server, client: &Client, changes: &[(&str, &str)]) -> String {
    let answer = push(server, client, changes).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    bring(&client.id, answer.json()["request_uri"].as_str().unwrap())
}

/// The authorization request of a browser.
fn bring(client: &str, request_uri: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", client).append_pair("request_uri", request_uri);
    format!("/oidc/auth?{}", query.finish())
}

/// A browser in which alice is signed in and has allowed the client.
async fn known<'a>(server: &'a Server, client: &Client) -> (Browser<'a>, Person) {
    let alice = server.alice().await;
    let mut browser = Browser::new(server);
    browser.authorize(client, &alice, &[]).await.code();
    (browser, alice)
}

#[tokio::test]
async fn rfc9126_2_2_a_pushed_request_gets_a_name_that_brings_the_code() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        let mark = server.mark().await;
        let answer = push(server, &client, &[("state", "pushed state")]).await;
        assert_eq!((answer.status, answer.header("cache-control")), (201, "no-store"));
        let request_uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
        assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:cha_pr_"), "{request_uri}");
        assert_eq!(answer.json()["expires_in"], 60);
        assert_eq!(server.kinds_since(mark).await, ["AuthorizationRequestPushed"]);
        let mut browser = Browser::new(server);
        let page = browser.open(&bring(&client.id, &request_uri)).await;
        let sent = browser.pass(page, &alice).await;
        assert_eq!(sent.sent("state").as_deref(), Some("pushed state"));
        let tokens = flow::Tokens::of(&server.redeem(&client, &sent.code()).await);
        assert_eq!(tokens.whole["scope"], "email openid profile");
        let kinds = server.kinds_since(mark).await;
        for kind in ["PushedRequestOpened", "AuthorizationRequested", "PushedRequestSpent", "AuthorizationGranted", "CodeRedeemed"] {
            assert!(kinds.contains(&kind.to_owned()), "{kind}: {kinds:?}");
        }
        // Nothing of the parameters but what the checks made of them is in the log in clear.
        let leaves = server.leaves().await;
        assert!(leaves.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains("pushed state")));
    })
    .await;
}

#[tokio::test]
async fn rfc9126_2_1_the_client_authenticates_as_at_the_token_endpoint() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let fields = body(&client, &[]);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mark = server.mark().await;
    let wrong = server.post("/oidc/par").basic(&client.id, "wrong").form(&fields).send().await;
    assert_eq!(wrong.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(server.post("/oidc/par").form(&fields).send().await.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(server.kinds_since(mark).await, ["ClientAuthenticationFailed", "ClientAuthenticationFailed"]);
    // Another client's name in the body is no request of the one that authenticated.
    let other = server.web_client().await;
    let foreign = server.post("/oidc/par").basic(&other.id, other.secret.as_ref().unwrap()).form(&fields).send().await;
    assert_eq!(foreign.refusal(), (401, "invalid_client".to_owned()));
    let public = server.public_client().await;
    assert_eq!(push(&server, &public, &[]).await.status, 201);
}

#[tokio::test]
async fn rfc9126_2_an_assertion_may_name_issuer_token_endpoint_or_this_endpoint() {
    let server = Server::start().await;
    let key = Key::generate("ES256");
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let now = server.app.now().0 / 1000;
    let issuer = server.issuer.clone();
    let send = async |jti: &str, aud: &str| {
        let claims = json!({ "iss": client.id, "sub": client.id, "aud": aud, "jti": jti, "iat": now, "exp": now + 60 });
        let mut fields = body(&client, &[]);
        fields.push(("client_assertion_type".into(), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".into()));
        fields.push(("client_assertion".into(), key.sign(&claims)));
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        server.post("/oidc/par").form(&fields).send().await.refusal()
    };
    for (jti, aud) in [("1", issuer.clone()), ("2", format!("{issuer}/token")), ("3", format!("{issuer}/par"))] {
        assert_eq!(send(jti, &aud).await.0, 201, "{aud}");
    }
    assert_eq!(send("3", &issuer).await, (401, "invalid_client".to_owned()), "a jti counts once here too");
    assert_eq!(send("4", "https://elsewhere.example").await, (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn rfc9126_2_1_a_request_uri_is_not_pushed() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let mark = server.mark().await;
    for uri in ["https://app.example/r", "urn:ietf:params:oauth:request_uri:x"] {
        assert_eq!(push(&server, &client, &[("request_uri", uri)]).await.refusal(), (400, "invalid_request".to_owned()));
    }
    assert_eq!(server.mark().await, mark, "what is refused leaves nothing");
}

#[tokio::test]
async fn rfc9126_2_3_a_request_that_would_be_refused_is_refused_early() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let mark = server.mark().await;
    for (changes, code) in [
        (&[("redirect_uri", "https://evil.example/cb")][..], "invalid_request"),
        (&[("redirect_uri", "")], "invalid_request"),
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("scope", "a\"b")], "invalid_scope"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("resource", "https://nobody.example")], "invalid_target"),
        (&[("prompt", "dance")], "invalid_request"),
        (&[("id_token_hint", "x")], "invalid_request"),
    ] {
        assert_eq!(push(&server, &client, changes).await.refusal(), (400, code.to_owned()), "{changes:?}");
    }
    assert_eq!(server.mark().await, mark);
    let get = server.get("/oidc/par").send().await;
    assert_eq!((get.status, get.header("allow")), (405, "OPTIONS, POST"));
    let large = server.post("/oidc/par").form(&[("state", &"x".repeat(70_000))]).send().await;
    assert_eq!(large.status, 413);
    let twice = server.post("/oidc/par").header("content-type", call::FORM).body("scope=a&scope=b").send().await;
    assert_eq!(twice.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn rfc9126_2_2_the_request_uri_of_another_client_is_refused() {
    let server = Server::start().await;
    let (client, other) = (server.web_client().await, server.web_client().await);
    let uri = kept(&server, &client, &[]).await;
    let stolen = uri.replace(&client.id, &other.id);
    let mark = server.mark().await;
    for _ in 0..3 {
        let page = server.get(&stolen).send().await;
        assert_eq!((page.status, page.location()), (400, ""));
    }
    assert_eq!(server.kinds_since(mark).await, ["PushedRequestMisused"], "recorded once");
    assert_eq!(server.get(&uri).send().await.status, 303, "its own client lost nothing");
}

#[tokio::test]
async fn rfc9126_4_an_expired_or_unknown_request_uri_is_refused() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let uri = kept(&server, &client, &[]).await;
    server.advance(60_000);
    let mark = server.mark().await;
    for wrong in [
        uri.clone(),
        bring(&client.id, "urn:ietf:params:oauth:request_uri:x"),
        bring(&client.id, "urn:ietf:params:oauth:request_uri:"),
        uri.replace("cha_pr_", "cha_at_"),
    ] {
        let page = server.get(&wrong).header("accept", "application/json").send().await;
        assert_eq!((page.status, page.location()), (400, ""), "{wrong}");
    }
    assert_eq!(server.mark().await, mark, "nobody is to blame for being late");
}

#[tokio::test]
async fn rfc9126_4_the_first_visit_pins_it_and_reloads_go_on() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let uri = kept(&server, &client, &[]).await;
    let mut browser = Browser::new(&server);
    let first = browser.get(&uri).await;
    assert_eq!(first.status, 303);
    server.advance(120_000);
    let again = browser.get(&uri).await;
    assert_eq!((again.status, again.location()), (303, first.location()), "a reload, long after its minute");
    let mark = server.mark().await;
    assert_eq!(Browser::new(&server).get(&uri).await.status, 400, "another browser");
    assert_eq!(server.kinds_since(mark).await, ["PushedRequestMisused"]);
    let page = browser.open(&uri).await;
    browser.pass(page, &alice).await.code();
    let mark = server.mark().await;
    assert_eq!(browser.get(&uri).await.status, 400, "answered");
    assert_eq!(server.kinds_since(mark).await, ["PushedRequestMisused"]);
}

#[tokio::test]
async fn rfc9126_4_what_stands_beside_the_reference_does_not_count() {
    let server = Server::start().await;
    let client = server.client(json!({ "redirect_uris": ["https://app.example/cb", "https://app.example/other"] })).await;
    let (mut browser, _) = known(&server, &client).await;
    let uri = kept(&server, &client, &[("state", "inner")]).await;
    let outer = format!("{uri}&state=outer&redirect_uri=https%3A%2F%2Fapp.example%2Fother&scope=openid&prompt=login");
    let sent = browser.get(&outer).await;
    assert!(sent.location().starts_with("https://app.example/cb?"), "{}", sent.location());
    assert_eq!(sent.sent("state").as_deref(), Some("inner"));
}

#[tokio::test]
async fn rfc9126_4_whoever_has_to_push_is_refused_otherwise() {
    let server = Server::start().await;
    let strict = server.client(json!({ "require_pushed_authorization_requests": true })).await;
    let refused = server.get(&strict.request(&[])).send().await;
    assert_eq!((refused.status, refused.sent("error").as_deref()), (303, Some("invalid_request")));
    let uri = kept(&server, &strict, &[]).await;
    assert_eq!(server.get(&uri).send().await.status, 303);
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["pushed_authorization_request_endpoint"], format!("{}/par", server.issuer));
    assert_eq!(discovery["require_pushed_authorization_requests"], false);
    let all = Server::with(&[], "[pushed_requests]\nrequired = true\n").await;
    let client = all.web_client().await;
    assert_eq!(all.get(&client.request(&[])).send().await.sent("error").as_deref(), Some("invalid_request"));
    assert_eq!(all.get("/oidc/.well-known/openid-configuration").send().await.json()["require_pushed_authorization_requests"], true);
    assert_eq!(all.get(&kept(&all, &client, &[]).await).send().await.status, 303);
}

#[tokio::test]
async fn rfc9126_7_4_a_change_of_the_client_counts_when_the_browser_comes() {
    let client = "[[client]]\nclient_id = \"app\"\nclient_secret = \"a secret of at least 32 characters!\"\n";
    let mut server = Server::with(&[], &format!("{client}redirect_uris = [\"https://app.example/cb\"]\n")).await;
    let app = Client {
        id: "app".into(),
        secret: Some("a secret of at least 32 characters!".into()),
        redirect_uri: "https://app.example/cb".into(),
    };
    let uri = kept(&server, &app, &[]).await;
    server.given_toml(&format!("{client}redirect_uris = [\"https://app.example/new\"]\n"));
    let server = server.restart().await;
    let page = server.get(&uri).send().await;
    assert_eq!((page.status, page.location()), (400, ""), "nothing goes to an address that is registered no more");
}

#[tokio::test]
async fn rfc9126_7_3_of_twenty_browsers_one_gets_the_answer() {
    both::on_both("", async |server: &Server| {
        let client = server.web_client().await;
        let (browser, _) = known(server, &client).await;
        let uri = kept(server, &client, &[]).await;
        let mark = server.mark().await;
        let answers = at_once::all(20, || {
            let mut own = browser.clone();
            let uri = uri.clone();
            async move { own.get(&uri).await }
        })
        .await;
        let codes = answers.iter().filter(|answer| answer.sent("code").is_some()).count();
        let refused = answers.iter().filter(|answer| answer.status == 400).count();
        assert_eq!((codes, refused), (1, 19));
        let kinds = server.kinds_since(mark).await;
        let count = |kind: &str| kinds.iter().filter(|own| *own == kind).count();
        assert_eq!((count("PushedRequestSpent"), count("CodeIssued"), count("AuthorizationAnsweredAtOnce")), (1, 1, 1));
        assert!(count("PushedRequestMisused") <= 1, "{kinds:?}");
    })
    .await;
}

#[tokio::test]
async fn rfc9126_7_3_of_twenty_strangers_one_opens_it() {
    both::on_both("", async |server: &Server| {
        let client = server.web_client().await;
        let uri = kept(server, &client, &[]).await;
        let mark = server.mark().await;
        let answers = at_once::all(20, || server.get(&uri).send()).await;
        let opened = answers.iter().filter(|answer| answer.status == 303).count();
        assert_eq!((opened, answers.iter().filter(|answer| answer.status == 400).count()), (1, 19));
        let kinds = server.kinds_since(mark).await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "AuthorizationRequested").count(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_error_without_a_page_spends_the_request_too() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let uri = kept(&server, &client, &[("prompt", "none")]).await;
    let mark = server.mark().await;
    let answers = at_once::all(20, || server.get(&uri).send()).await;
    let told = answers.iter().filter(|answer| answer.sent("error").as_deref() == Some("login_required")).count();
    assert_eq!((told, answers.iter().filter(|answer| answer.status == 400).count()), (1, 19));
    let spent = server.events().await.into_iter().skip(mark).find(|event| event.kind == "PushedRequestSpent").unwrap();
    assert_eq!(spent.data["error"], "login_required");
}

#[tokio::test]
async fn a_denied_request_is_spent_and_its_parameters_are_whole() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    // Longer than the 2 KiB at which what is only shown is cut.
    let (state, nonce) = ("s".repeat(2000), "n".repeat(2000));
    let uri = kept(&server, &client, &[("state", &state), ("nonce", &nonce)]).await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&uri).await;
    let page = browser.submit(&page, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    assert_eq!((denied.sent("error").as_deref(), denied.sent("state")), (Some("access_denied"), Some(state)));
    assert!(server.kinds_since(0).await.contains(&"PushedRequestSpent".to_owned()));
    assert_eq!(browser.get(&uri).await.status, 400);
}

#[tokio::test]
async fn receipts_stand_on_a_push_for_clients_that_ask() {
    let server = Server::start().await;
    let client = server.client(json!({ "chancery_receipts": true })).await;
    let answer = push(&server, &client, &[]).await;
    assert!(!answer.header("chancery-receipt").is_empty() && !answer.header("chancery-position").is_empty());
    assert!(push(&server, &server.web_client().await, &[]).await.header("chancery-receipt").is_empty());
}

#[tokio::test]
async fn the_optional_limit_answers_429() {
    let server = Server::with(&[("CHANCERY_RATE_LIMITS_PUSHED_REQUESTS_PER_CLIENT", "2/1m")], "").await;
    let client = server.web_client().await;
    let statuses = [push(&server, &client, &[]).await.status, push(&server, &client, &[]).await.status];
    let limited = push(&server, &client, &[]).await;
    assert_eq!((statuses, limited.status), ([201, 201], 429));
    assert!(!limited.header("retry-after").is_empty());
}

#[tokio::test]
async fn rfc9126_7_3_requests_of_public_clients_are_limited_by_address() {
    let server = Server::with(&[("CHANCERY_RATE_LIMITS_PUSHED_REQUESTS_PER_ADDRESS", "2/1m")], "").await;
    let (public, web) = (server.public_client().await, server.web_client().await);
    for status in [201, 201, 429, 429] {
        assert_eq!(push(&server, &public, &[]).await.status, status);
    }
    let mark = server.mark().await;
    assert_eq!(push(&server, &public, &[]).await.status, 429);
    assert_eq!(server.mark().await, mark, "and leave nothing");
    assert_eq!(push(&server, &web, &[]).await.status, 201, "who authenticates is counted by name");
    server.advance(60_000);
    assert_eq!(push(&server, &public, &[]).await.status, 201);
}
