//! CIBA Core 1.0, ping and push: the client is told that the person has answered.

use std::sync::Arc;

use chancery::app::context::Context;
use chancery::app::operator::Command;
use chancery::app::remote::{Post, Posted};
use chancery::cli::serve;
use serde_json::{Value, json};

use super::ciba::{GRANT, ON, ask, bank, decide, poll, send, signed_in};
use crate::support::flow::Tokens;
use crate::support::receiver::Receiver;
use crate::support::*;

/// The example of CIBA Core §7.1.
const TOKEN: &str = "8d67dc78-7faa-4d41-aabd-67707b374255";
pub(super) const TOLD: (&str, &str) = ("client_notification_token", TOKEN);

pub(super) async fn told(server: &Server, receiver: &Receiver, mode: &str) -> Client {
    bank(server, json!({ "backchannel_token_delivery_mode": mode, "backchannel_client_notification_endpoint": receiver.uri })).await
}

pub(super) async fn deliver(server: &Server) -> usize {
    deliver_by(server, &serve::guarded_post(&server.app).unwrap()).await
}

async fn deliver_by(server: &Server, post: &Post) -> usize {
    let context = Context::of_server("server", "outbox".to_owned());
    server.app.deliver_notifications(&context, post).await.map_err(|error| error.detail).unwrap()
}

pub(super) fn bodies(receiver: &Receiver) -> Vec<Value> {
    receiver.received().iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect()
}

fn tokens_of(body: &Value) -> (&str, &str) {
    (body["access_token"].as_str().unwrap(), body["refresh_token"].as_str().unwrap())
}

/// Do the tokens of a push work?
pub(super) async fn are_alive(server: &Server, client: &Client, body: &Value) -> bool {
    let (access, _) = tokens_of(body);
    let (status, active) = (server.userinfo(access).await.status, server.is_active(client, access).await);
    assert_eq!(status == 200, active);
    active
}

async fn is_in_clear(server: &Server, text: &str) -> bool {
    server.leaves().await.iter().any(|leaf| String::from_utf8_lossy(&leaf.leaf).contains(text))
}

#[tokio::test]
async fn ciba_10_2_a_ping_says_which_request_was_answered_and_nothing_else() {
    both::on_both(ON, async |server: &Server| {
        let receiver = Receiver::start().await;
        let (client, alice) = (told(server, &receiver, "ping").await, server.alice().await);
        let asked = ask(server, &client, &alice, &[TOLD]).await;
        let id = asked["auth_req_id"].as_str().unwrap();
        assert_eq!(asked["interval"], 5, "it may poll as well");
        assert_eq!(deliver(server).await, 0, "nobody has answered");
        let mut browser = signed_in(server, &alice).await;
        decide(&mut browser, "allow").await;
        let mark = server.mark().await;
        assert_eq!((deliver(server).await, deliver(server).await), (1, 0), "once");
        assert_eq!(server.kinds_since(mark).await, ["BackchannelNotificationAttempted", "BackchannelNotified"]);
        let ping = receiver.received().remove(0);
        assert_eq!(
            (ping.header("authorization"), ping.header("content-type")),
            (Some("Bearer 8d67dc78-7faa-4d41-aabd-67707b374255"), Some("application/json"))
        );
        assert_eq!(bodies(&receiver), [json!({ "auth_req_id": id })]);
        assert!(!is_in_clear(server, TOKEN).await && !is_in_clear(server, id).await, "both are ciphertext in the log");
        Tokens::of(&poll(server, &client, &asked).await);
        // A denial and a silence are told as well; what they were the client learns by asking.
        let denied = ask(server, &client, &alice, &[TOLD]).await;
        decide(&mut browser, "deny").await;
        assert_eq!(deliver(server).await, 1);
        assert_eq!(poll(server, &client, &denied).await.error(), "access_denied");
        let late = ask(server, &client, &alice, &[TOLD]).await;
        server.advance(600_000);
        assert_eq!(deliver(server).await, 1);
        assert_eq!(poll(server, &client, &late).await.error(), "expired_token");
        assert_eq!(
            bodies(&receiver)[1..],
            [json!({ "auth_req_id": denied["auth_req_id"] }), json!({ "auth_req_id": late["auth_req_id"] })]
        );
        // Who came by itself is not told.
        let early = ask(server, &client, &alice, &[TOLD]).await;
        decide(&mut browser, "allow").await;
        Tokens::of(&poll(server, &client, &early).await);
        assert_eq!(deliver(server).await, 0);
    })
    .await;
}

#[tokio::test]
async fn ciba_10_2_a_receiver_that_was_down_is_told_over_a_restart_and_a_redirect_is_no_yes() {
    let server = Server::with(&[], ON).await;
    let receiver = Receiver::start().await;
    let (client, alice) = (told(&server, &receiver, "ping").await, server.alice().await);
    let asked = ask(&server, &client, &alice, &[TOLD]).await;
    decide(&mut signed_in(&server, &alice).await, "allow").await;
    for status in [302, 400, 503] {
        receiver.answers(status);
        assert_eq!((deliver(&server).await, deliver(&server).await), (0, 0), "and not again before its time");
        server.advance(60_000);
    }
    let (port, kept) = receiver.stop().await;
    assert_eq!(deliver(&server).await, 0);
    server.operate(Command::Sweep).await;
    let server = server.restart().await;
    let receiver = Receiver::at(port, kept).await;
    server.advance(120_000);
    assert_eq!((deliver(&server).await, deliver(&server).await), (1, 0));
    let why: Vec<_> = server
        .events()
        .await
        .into_iter()
        .filter(|own| own.kind == "BackchannelNotificationFailed")
        .map(|own| own.data["why"].clone())
        .collect();
    assert_eq!(why, ["status 302", "status 400", "status 503", "the connection failed"]);
    assert_eq!(bodies(&receiver), vec![json!({ "auth_req_id": asked["auth_req_id"] }); 4], "the redirect was not followed");
    Tokens::of(&poll(&server, &client, &asked).await);
    // And one that stays down is given up some minutes after the request is over.
    ask(&server, &client, &alice, &[TOLD]).await;
    drop(receiver.stop().await);
    for _ in 0..20 {
        server.advance(60_000);
        assert_eq!(deliver(&server).await, 0);
    }
    let given_up: Vec<_> = server.events().await.into_iter().filter(|own| own.kind == "BackchannelNotificationAbandoned").collect();
    assert_eq!((given_up.len(), &given_up[0].data["reason"]), (1, &json!("too_late")));
    // Then its row goes like every other.
    server.advance(DAY);
    server.operate(Command::Sweep).await;
    assert!(server.events().await.iter().any(|own| own.kind == "ExpiredSwept" && own.data["table"] == "backchannel"));
}

#[tokio::test]
async fn ciba_10_3_1_pushed_tokens_vouch_for_each_other() {
    both::on_both(ON, async |server: &Server| {
        let receiver = Receiver::start().await;
        receiver.answers(204);
        let (client, alice) = (told(server, &receiver, "push").await, server.alice().await);
        let asked = ask(server, &client, &alice, &[TOLD]).await;
        assert_eq!(asked.get("interval"), None, "CIBA Core §7.3");
        let id = asked["auth_req_id"].as_str().unwrap();
        assert_eq!(poll(server, &client, &asked).await.refusal(), (400, "unauthorized_client".to_owned()), "CIBA Core §11");
        decide(&mut signed_in(server, &alice).await, "allow").await;
        let mark = server.mark().await;
        let made = at_once::all(20, || deliver(server)).await;
        assert_eq!((made.iter().sum::<usize>(), receiver.received().len()), (1, 1), "of twenty nodes one pushes");
        assert_eq!(server.kinds_since(mark).await, ["BackchannelGranted", "BackchannelNotificationAttempted", "BackchannelNotified"]);
        let push = receiver.received().remove(0);
        assert_eq!(
            (push.header("authorization"), push.header("content-type")),
            (Some("Bearer 8d67dc78-7faa-4d41-aabd-67707b374255"), Some("application/json"))
        );
        let body = bodies(&receiver).remove(0);
        assert_eq!((&body["auth_req_id"], &body["token_type"], &body["expires_in"]), (&json!(id), &json!("Bearer"), &json!(600)));
        let (access, refresh) = tokens_of(&body);
        let (_, claims) = jwt::verified(body["id_token"].as_str().unwrap(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!(alice.account), &json!(client.id)));
        assert_eq!(claims["urn:openid:params:jwt:claim:auth_req_id"], id);
        assert_eq!(
            (&claims["at_hash"], &claims["urn:openid:params:jwt:claim:rt_hash"]),
            (&json!(jwt::left_half(access)), &json!(jwt::left_half(refresh)))
        );
        assert!(are_alive(server, &client, &body).await);
        for secret in [access, refresh, id, TOKEN] {
            assert!(!is_in_clear(server, secret).await);
        }
        let refreshed = Tokens::of(&server.refresh(&client, refresh).await);
        let (_, later) = jwt::verified(refreshed.id_token(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!(later.get("urn:openid:params:jwt:claim:rt_hash"), None);
        assert_eq!(poll(server, &client, &asked).await.error(), "unauthorized_client");
    })
    .await;
}

#[tokio::test]
async fn ciba_10_3_1_tokens_that_nobody_acknowledged_are_dead() {
    both::on_both(ON, async |server: &Server| {
        let receiver = Receiver::start().await;
        let (client, alice) = (told(server, &receiver, "push").await, server.alice().await);
        ask(server, &client, &alice, &[TOLD]).await;
        decide(&mut signed_in(server, &alice).await, "allow").await;
        receiver.answers(500);
        assert_eq!(deliver(server).await, 0);
        let first = bodies(&receiver).remove(0);
        assert!(!are_alive(server, &client, &first).await);
        assert_eq!(server.refresh(&client, tokens_of(&first).1).await.refusal(), (400, "invalid_grant".to_owned()));
        // A process that dies between its push and the answer.
        server.advance(10_000);
        let (sent, mut came) = tokio::sync::mpsc::unbounded_channel();
        let dies: Post = Arc::new(move |posted: Posted| {
            sent.send(posted.body).unwrap();
            Box::pin(std::future::pending())
        });
        let second = tokio::select! {
            _ = deliver_by(server, &dies) => panic!("it waits for an answer"),
            body = came.recv() => serde_json::from_str::<Value>(&body.unwrap()).unwrap(),
        };
        assert!(are_alive(server, &client, &second).await, "the client may have them");
        receiver.answers(200);
        assert_eq!(deliver(server).await, 0, "its time has not come");
        server.advance(30_000);
        assert_eq!(deliver(server).await, 1);
        let third = bodies(&receiver).remove(1);
        assert_eq!((are_alive(server, &client, &second).await, are_alive(server, &client, &third).await), (false, true));
        let ends: Vec<_> =
            server.events().await.into_iter().filter(|own| own.kind == "GrantEnded").map(|own| own.data["reason"].clone()).collect();
        assert_eq!(ends, ["undelivered", "undelivered"]);
    })
    .await;
}

#[tokio::test]
async fn ciba_12_what_went_wrong_is_pushed() {
    let server = Server::with(&[], ON).await;
    let receiver = Receiver::start().await;
    let (client, alice, bob) = (told(&server, &receiver, "push").await, server.alice().await, server.person("bob@example.com").await);
    let mut browser = signed_in(&server, &alice).await;
    let denied = ask(&server, &client, &alice, &[TOLD]).await;
    decide(&mut browser, "deny").await;
    deliver(&server).await;
    let late = ask(&server, &client, &alice, &[TOLD, ("requested_expiry", "60")]).await;
    server.advance(60_000);
    deliver(&server).await;
    // Allowed, and then the account is closed before the tokens are out.
    let gone = ask(&server, &client, &alice, &[TOLD]).await;
    decide(&mut browser, "allow").await;
    server.disable(&alice.account).await;
    let mark = server.mark().await;
    deliver(&server).await;
    assert_eq!(server.kinds_since(mark).await, ["BackchannelNotificationAttempted", "BackchannelNotified"], "and no grant");
    let told: Vec<_> = bodies(&receiver).iter().map(|body| (body["auth_req_id"].clone(), body["error"].clone())).collect();
    let expected = [(&denied, "access_denied"), (&late, "expired_token"), (&gone, "transaction_failed")];
    assert_eq!(told, expected.map(|(asked, error)| (asked["auth_req_id"].clone(), json!(error))));
    // The characters of CIBA Core §12.
    let is_told = |byte: u8| (b' '..=b'~').contains(&byte) && !b"\"\\".contains(&byte);
    for body in bodies(&receiver) {
        assert!(body["error_description"].as_str().unwrap().bytes().all(is_told) && body.get("access_token").is_none(), "{body}");
    }
    // With an erased person goes what the client is told with.
    ask(&server, &client, &bob, &[TOLD]).await;
    decide(&mut signed_in(&server, &bob).await, "allow").await;
    server.operate(Command::UserErase { account: bob.account.clone() }).await;
    assert_eq!((deliver(&server).await, receiver.received().len()), (0, 3));
    let last = server.events().await.into_iter().rfind(|own| own.kind.starts_with("BackchannelN")).unwrap();
    assert_eq!((last.kind.as_str(), &last.data["reason"]), ("BackchannelNotificationAbandoned", &json!("person_gone")));
}

#[tokio::test]
async fn ciba_7_1_a_client_that_is_told_says_where_and_with_what() {
    let server = Server::with(&[], ON).await;
    let receiver = Receiver::start().await;
    let metadata = |members: Value| {
        let mut all = json!({ "grant_types": [GRANT], "response_types": [], "redirect_uris": [] });
        all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        all
    };
    for mode in ["ping", "push"] {
        for bad in
            [json!(null), json!("/told"), json!("http://a.example/told"), json!("https://a.example/told#x"), json!("javascript:alert(1)")]
        {
            let wanted = metadata(json!({ "backchannel_token_delivery_mode": mode, "backchannel_client_notification_endpoint": bad }));
            let refused = server.post("/clients").json(&wanted).send().await;
            assert!(
                refused.status == 400 && refused.text().contains("backchannel_client_notification_endpoint"),
                "{bad} {}",
                refused.text()
            );
        }
        let wanted = metadata(
            json!({ "backchannel_token_delivery_mode": mode, "backchannel_client_notification_endpoint": "https://a.example/told" }),
        );
        assert_eq!(server.register(wanted).await["backchannel_client_notification_endpoint"], "https://a.example/told");
    }
    let bound = metadata(json!({
        "backchannel_token_delivery_mode": "push", "backchannel_client_notification_endpoint": "https://a.example/told", "dpop_bound_access_tokens": true,
    }));
    assert_eq!(server.post("/clients").json(&bound).send().await.refusal(), (400, "invalid_client_metadata".to_owned()));
    let (client, alice) = (told(&server, &receiver, "ping").await, server.alice().await);
    let mark = server.mark().await;
    let long = "x".repeat(1025);
    for bad in [None, Some("too-short"), Some("8d67dc78 7faa 4d41 aabd 67707b374255"), Some(long.as_str())] {
        let fields: Vec<_> = [("scope", "openid"), ("login_hint", alice.email.as_str())]
            .into_iter()
            .chain(bad.map(|own| ("client_notification_token", own)))
            .collect();
        assert_eq!(send(&server, &client, &fields).await.refusal(), (400, "invalid_request".to_owned()), "{bad:?}");
    }
    assert_eq!(server.mark().await, mark, "nobody was asked");
}
