//! OpenID Connect Back-Channel Logout 1.0: clients are told that a session is over.

use chancery::app::context::Context;
use chancery::app::operator::Command;
use chancery::cli::serve;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::flow::Person;
use crate::support::jwt::verified;
use crate::support::receiver::Receiver;
use crate::support::*;

/// The logout tokens that were taken.
fn tokens(receiver: &Receiver) -> Vec<String> {
    let taken = receiver.received().into_iter().filter(|one| one.status == 200);
    taken.map(|one| one.body.strip_prefix("logout_token=").unwrap().to_owned()).collect()
}

async fn deliver(server: &Server) -> usize {
    let post = serve::guarded_post(&server.app).unwrap();
    server.app.deliver_logouts(&Context::of_server("server", "outbox".to_owned()), &post).await.map_err(|error| error.detail).unwrap()
}

async fn told_client(server: &Server, receiver: &Receiver) -> Client {
    server.client(json!({ "backchannel_logout_uri": receiver.uri, "backchannel_logout_session_required": true })).await
}

async fn sign_out(browser: &mut Browser<'_>) {
    let page = browser.open("/oidc/session/end").await;
    browser.submit(&page, &[("logout", "yes")]).await;
}

async fn signed_in<'a>(server: &'a Server, client: &Client, person: &Person) -> (Browser<'a>, Value) {
    let mut browser = Browser::new(server);
    let tokens = browser.tokens(client, person, &[]).await;
    (browser, verified(tokens.id_token(), &jwks(server).await).1)
}

async fn jwks(server: &Server) -> Value {
    server.get("/oidc/jwks").send().await.json()
}

async fn kinds(server: &Server) -> Vec<String> {
    server.events().await.into_iter().map(|event| event.kind).filter(|kind| kind.starts_with("Logout")).collect()
}

#[tokio::test]
async fn backchannel_2_4_the_logout_token_names_session_and_person_and_passes_for_nothing_else() {
    let server = Server::start().await;
    let receiver = Receiver::start().await;
    let (client, plain, alice) = (told_client(&server, &receiver).await, server.web_client().await, server.alice().await);
    let (mut browser, id_token) = signed_in(&server, &client, &alice).await;
    browser.tokens(&client, &alice, &[]).await;
    browser.tokens(&plain, &alice, &[]).await;
    assert_eq!(server.events().await.iter().filter(|event| event.kind == "SessionJoined").count(), 1, "each client joins once");
    sign_out(&mut browser).await;
    assert_eq!(deliver(&server).await, 1, "only the client that asked for it");
    let told = tokens(&receiver);
    let (header, claims) = verified(&told[0], &jwks(&server).await);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("logout+jwt"), &json!("RS256")));
    let expected = json!({
        "iss": server.issuer, "sub": alice.account, "aud": client.id, "iat": NOW / 1000, "exp": NOW / 1000 + 120, "jti": claims["jti"],
        "events": { "http://schemas.openid.net/event/backchannel-logout": {} }, "sid": id_token["sid"],
    });
    assert_eq!(claims, expected);
    let hint = browser.open(&client.request(&[("id_token_hint", &told[0])])).await;
    assert_eq!(hint.sent("error").as_deref(), Some("invalid_request"), "a logout token is no id_token");
    assert_eq!(kinds(&server).await, ["LogoutOrdered", "LogoutAttempted", "LogoutDelivered"]);
    assert_eq!(deliver(&server).await, 0, "once");
}

#[tokio::test]
async fn backchannel_2_3_every_way_in_which_a_session_ends_is_told() {
    let server = Server::start().await;
    let receiver = Receiver::start().await;
    let (client, alice) = (told_client(&server, &receiver).await, server.alice().await);
    // By an operator.
    let (_, first) = signed_in(&server, &client, &alice).await;
    let session = server.events().await.into_iter().rev().find(|event| event.kind == "SessionStarted").unwrap();
    server.operate(Command::SessionEnd { session: session.data["session"].as_str().unwrap().to_owned() }).await;
    assert_eq!(deliver(&server).await, 1);
    // By a fresh login in the same browser.
    let (mut browser, second) = signed_in(&server, &client, &alice).await;
    browser.authorize(&client, &alice, &[("prompt", "login")]).await.code();
    assert_eq!(deliver(&server).await, 1);
    // By time alone: nobody did anything.
    server.advance(14 * DAY + 1);
    server.operate(Command::Sweep).await;
    assert_eq!(deliver(&server).await, 1);
    let mut sids = Vec::new();
    for token in tokens(&receiver) {
        sids.push(verified(&token, &jwks(&server).await).1["sid"].clone());
    }
    assert_eq!(sids[..2], [first["sid"].clone(), second["sid"].clone()]);
    let ends: Vec<_> = server.events().await.into_iter().filter(|event| event.kind == "SessionEnded").collect();
    assert_eq!(ends.iter().map(|event| event.data["reason"].clone()).collect::<Vec<_>>(), ["operator", "replaced", "expired"]);
    server.operate(Command::Sweep).await;
    server.advance(2 * DAY);
    server.operate(Command::Sweep).await;
    assert_eq!(deliver(&server).await, 0, "the sweep ends nothing twice");
}

#[tokio::test]
async fn backchannel_2_3_a_disabled_and_an_erased_account_are_told() {
    both::on_both("", async |server: &Server| {
        let receiver = Receiver::start().await;
        let (client, alice, bob) = (told_client(server, &receiver).await, server.alice().await, server.person("bob@example.com").await);
        let mut sids = Vec::new();
        for person in [&alice, &alice, &bob] {
            sids.push(signed_in(server, &client, person).await.1["sid"].clone());
        }
        server.operate(Command::UserDisable { account: alice.account.clone() }).await;
        assert_eq!(deliver(server).await, 2);
        server.operate(Command::UserErase { account: bob.account.clone() }).await;
        assert_eq!(deliver(server).await, 1, "a message outlives the person's key: it holds nothing that was sealed under it");
        let mut told = Vec::new();
        for (token, person) in tokens(&receiver).iter().zip([&alice, &alice, &bob]) {
            let claims = verified(token, &jwks(server).await).1;
            assert_eq!(claims["sub"], json!(person.account));
            told.push(claims["sid"].clone());
        }
        let sorted = |sids: &[Value]| sids.iter().map(ToString::to_string).collect::<std::collections::BTreeSet<_>>();
        assert_eq!((sorted(&told[..2]), &told[2]), (sorted(&sids[..2]), &sids[2]));
        let ends = server.events().await.into_iter().filter(|event| event.kind == "SessionEnded");
        assert_eq!(ends.map(|event| event.data["reason"].clone()).collect::<Vec<_>>(), vec![json!("account_closed"); 3]);
        // What opens again begins without sessions, and nothing is told twice.
        server.operate(Command::UserEnable { account: alice.account.clone() }).await;
        server.operate(Command::UserDisable { account: alice.account.clone() }).await;
        server.advance(15 * DAY);
        server.operate(Command::Sweep).await;
        assert_eq!(deliver(server).await, 0);
    })
    .await;
}

#[tokio::test]
async fn backchannel_2_5_a_receiver_that_was_down_gets_everything_in_order_over_a_restart() {
    let server = Server::start().await;
    let receiver = Receiver::start().await;
    let (client, alice) = (told_client(&server, &receiver).await, server.alice().await);
    let mut sids = Vec::new();
    let mut browsers = Vec::new();
    for _ in 0..3 {
        let (browser, id_token) = signed_in(&server, &client, &alice).await;
        sids.push(id_token["sid"].clone());
        browsers.push(browser);
    }
    let (port, told) = receiver.stop().await;
    for browser in &mut browsers {
        sign_out(browser).await;
        server.advance(1);
    }
    drop(browsers);
    for _ in 0..3 {
        assert_eq!(deliver(&server).await, 0);
        server.advance(20_000);
    }
    let server = server.restart().await;
    let receiver = Receiver::at(port, told).await;
    server.advance(60_000);
    assert_eq!(deliver(&server).await, 3);
    let mut got = Vec::new();
    for token in tokens(&receiver) {
        got.push(verified(&token, &jwks(&server).await).1["sid"].clone());
    }
    assert_eq!(got, sids, "in the order in which the sessions ended, none lost");
    let kinds = kinds(&server).await;
    assert!(kinds.iter().filter(|kind| *kind == "LogoutFailed").count() >= 2, "each attempt is an event: {kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| *kind == "LogoutDelivered").count(), 3);
}

#[tokio::test]
async fn backchannel_2_8_a_refusal_or_a_redirect_is_no_yes_and_one_client_keeps_no_other_waiting() {
    let server = Server::start().await;
    let (bad, good) = (Receiver::start().await, Receiver::start().await);
    let (stubborn, kind, alice) = (told_client(&server, &bad).await, told_client(&server, &good).await, server.alice().await);
    let (mut browser, _) = signed_in(&server, &stubborn, &alice).await;
    browser.tokens(&kind, &alice, &[]).await;
    sign_out(&mut browser).await;
    for status in [400, 302, 503] {
        bad.answers(status);
        deliver(&server).await;
        server.advance(400_000);
    }
    assert_eq!((tokens(&bad).len(), tokens(&good).len()), (0, 1));
    bad.answers(200);
    assert_eq!(deliver(&server).await, 1);
    let why: Vec<_> =
        server.events().await.into_iter().filter(|event| event.kind == "LogoutFailed").map(|event| event.data["why"].clone()).collect();
    assert_eq!(why, ["status 400", "status 302", "status 503"]);
}

#[tokio::test]
async fn backchannel_2_2_the_address_is_absolute_and_has_no_fragment() {
    let server = Server::start().await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(
        (&document["backchannel_logout_supported"], &document["backchannel_logout_session_supported"]),
        (&json!(true), &json!(true))
    );
    for bad in ["/out", "https://a.example/out#x", "http://a.example/out", "javascript:alert(1)", "https://u@a.example/"] {
        let wanted = json!({ "redirect_uris": ["https://app.example/cb"], "backchannel_logout_uri": bad });
        assert_eq!(server.post("/clients").json(&wanted).send().await.refusal(), (400, "invalid_client_metadata".to_owned()), "{bad}");
    }
}

#[tokio::test]
async fn backchannel_2_2_a_query_of_the_address_is_kept() {
    let server = Server::start().await;
    let socket = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("http://{}/out?tenant=7&x=%20&", socket.local_addr().unwrap());
    let (client, alice) = (server.client(json!({ "backchannel_logout_uri": uri })).await, server.alice().await);
    let (mut browser, _) = signed_in(&server, &client, &alice).await;
    sign_out(&mut browser).await;
    let asked = tokio::spawn(async move {
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut sent = Vec::new();
        while !sent.contains(&b'\n') {
            let mut part = [0; 4096];
            let length = stream.read(&mut part).await.unwrap();
            sent.extend_from_slice(&part[..length]);
        }
        stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(sent).unwrap().lines().next().unwrap().to_owned()
    });
    deliver(&server).await;
    assert_eq!(asked.await.unwrap(), "POST /out?tenant=7&x=%20& HTTP/1.1");
}

#[tokio::test]
async fn backchannel_2_7_tokens_without_offline_access_die_with_the_session_and_the_others_live() {
    let server = Server::start().await;
    let receiver = Receiver::start().await;
    let (client, alice) = (told_client(&server, &receiver).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let bound = browser.tokens(&client, &alice, &[("scope", "openid")]).await;
    let offline = browser.tokens(&client, &alice, &[("scope", "openid offline_access")]).await;
    sign_out(&mut browser).await;
    assert_eq!(server.refresh(&client, bound.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.refresh(&client, offline.refresh()).await.status, 200);
}

#[tokio::test]
async fn in_production_no_message_goes_to_an_address_that_is_not_public() {
    let receiver = Receiver::start().await;
    let toml = format!(
        r#"
[[client]]
client_id = "app"
client_secret = "client-secret-client-secret-client-9"
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token"]
scope = "openid"
backchannel_logout_uri = "{}"
"#,
        receiver.uri
    );
    for (networks, expected) in [("", 0), ("127.0.0.0/8", 1)] {
        let server = Server::production(&[("CHANCERY_OUTGOING_ALLOWED_NETWORKS", networks)], &toml).await;
        let alice = server.alice().await;
        let client = Client {
            id: "app".to_owned(),
            secret: Some("client-secret-client-secret-client-9".to_owned()),
            redirect_uri: "https://app.example/cb".to_owned(),
        };
        let mut browser = Browser::new(&server);
        browser.tokens(&client, &alice, &[("scope", "openid")]).await;
        sign_out(&mut browser).await;
        assert_eq!(deliver(&server).await, expected, "{networks}");
    }
}
