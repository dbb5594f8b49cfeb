//! Streams of shared signals that receivers manage (OpenID Shared Signals Framework 1.0 §8.1), and polling them (RFC 8936).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery::app::operator::Command;
use chancery::cli::feeding;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::both::on_both;
use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::*;

const SECRET: &str = "a-secret-that-is-long-enough-to-be-taken-0123456789";
const REVOKED: &str = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
const DISABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-disabled";
const ENABLED: &str = "https://schemas.openid.net/secevent/risc/event-type/account-enabled";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";

fn toml() -> String {
    let client = |id: &str| {
        format!(
            "[[client]]\nclient_id = \"{id}\"\nclient_name = \"Hears\"\nclient_secret = \"{SECRET}\"\nredirect_uris = [\"https://app.example/callback\"]\n\
             grant_types = [\"authorization_code\", \"refresh_token\", \"client_credentials\"]\nscope = \"openid profile email api:read ssf.manage ssf.read\"\n"
        )
    };
    format!("[signals]\nstreams = true\n\n{}\n{}", client("hears"), client("other"))
}

fn client(id: &str) -> Client {
    Client { id: id.to_owned(), secret: Some(SECRET.to_owned()), redirect_uri: "https://app.example/callback".to_owned() }
}

async fn token(server: &Server, id: &str, scope: &str) -> String {
    Tokens::of(&server.token(&client(id), &[("grant_type", "client_credentials"), ("scope", scope)]).await).access
}

fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let (header, claims) = (parts.next().unwrap(), parts.next().unwrap());
    (serde_json::from_slice(&header).unwrap(), serde_json::from_slice(&claims).unwrap())
}

async fn send(server: &Server, token: &str, method: &str, path: &str, body: &Value) -> Answer {
    server.call(method, path).bearer(token).json(body).send().await
}

async fn created(server: &Server, token: &str, body: &Value) -> Value {
    let answer = send(server, token, "POST", "/oidc/ssf/stream", body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// A poll that returns at once: the tokens by the names of their events, in the order of their ids, and whether there are more.
async fn polled(server: &Server, token: &str, stream: &Value, body: Value) -> (Vec<(String, Value)>, bool) {
    let mut body = body;
    body["returnImmediately"] = json!(true);
    let url = stream["delivery"]["endpoint_url"].as_str().unwrap();
    let path = &url[server.issuer.strip_suffix("/oidc").unwrap().len()..];
    let answer = send(server, token, "POST", path, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    let mut sets: Vec<_> = answer["sets"].as_object().unwrap().iter().collect();
    // Ids of one clock: in the order of the log, as long as it moves.
    sets.sort_by_key(|(jti, _)| (*jti).clone());
    let told = sets.into_iter().map(|(jti, set)| {
        let (header, claims) = parts(set.as_str().unwrap());
        assert_eq!((&header["typ"], &claims["jti"], &claims["aud"]), (&json!("secevent+jwt"), &json!(jti), &stream["aud"]));
        (claims["events"].as_object().unwrap().keys().next().unwrap().clone(), claims)
    });
    (told.collect(), answer["moreAvailable"] == true)
}

fn names(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}

fn jtis(told: &[(String, Value)]) -> Vec<Value> {
    told.iter().map(|(_, claims)| claims["jti"].clone()).collect()
}

#[tokio::test]
async fn streams_are_off_unless_they_are_switched_on() {
    let server = Server::start().await;
    assert_eq!(server.get("/.well-known/ssf-configuration/oidc").send().await.status, 404);
    for (method, path) in [("GET", "/oidc/ssf/stream"), ("GET", "/oidc/ssf/status"), ("DELETE", "/oidc/ssf/stream")] {
        assert_eq!(server.call(method, path).send().await.status, 404, "{path}");
    }
    assert_eq!(send(&server, "x", "POST", "/oidc/ssf/poll/one", &json!({})).await.status, 404);
}

#[tokio::test]
async fn ssf_7_1_the_transmitter_configuration_names_what_there_is() {
    let server = Server::with(&[], &toml()).await;
    let told = server.get("/.well-known/ssf-configuration/oidc").send().await.json();
    assert_eq!(told["delivery_methods_supported"], json!([PUSH, POLL]));
    assert_eq!(told["issuer"], json!(server.issuer));
    assert_eq!(told["authorization_schemes"], json!([{ "spec_urn": "urn:ietf:rfc:6749" }]));
    for (member, method) in [("configuration_endpoint", "GET"), ("status_endpoint", "GET"), ("verification_endpoint", "POST")] {
        let path = told[member].as_str().unwrap().strip_prefix(server.issuer.strip_suffix("/oidc").unwrap()).unwrap().to_owned();
        let call = server.call(method, &path);
        let answer = if method == "POST" { call.json(&json!({ "stream_id": "1" })) } else { call }.send().await;
        assert_eq!(answer.status, 401, "{member}: {}", answer.text());
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{member}");
    }
    assert!(told.get("add_subject_endpoint").is_none() && told.get("remove_subject_endpoint").is_none());
}

#[tokio::test]
async fn ssf_8_1_1_a_receiver_makes_changes_and_ends_its_stream() {
    let server = Server::with(&[], &toml()).await;
    let (manage, read) = (token(&server, "hears", "ssf.manage").await, token(&server, "hears", "ssf.read").await);
    let none = server.get("/oidc/ssf/stream").bearer(&read).send().await;
    assert_eq!((none.status, none.json(), none.header("cache-control")), (200, json!([]), "no-store"));
    let asked = json!({
        "delivery": { "method": PUSH, "endpoint_url": "https://app.example/in", "authorization_header": "Bearer of-the-receiver" },
        "events_requested": [REVOKED, "urn:example:unknown"],
        "description": "Sessions",
    });
    let own = created(&server, &manage, &asked).await;
    assert_eq!((&own["iss"], &own["aud"], &own["min_verification_interval"]), (&json!(server.issuer), &json!("hears"), &json!(60)));
    assert_eq!((&own["events_delivered"], &own["events_supported"].as_array().unwrap().len()), (&json!([REVOKED]), &6));
    assert_eq!(own["events_requested"], json!([REVOKED, "urn:example:unknown"]));
    assert_eq!(own["delivery"], json!({ "method": PUSH, "endpoint_url": "https://app.example/in" }), "the header stays");
    assert_eq!(
        send(&server, &manage, "POST", "/oidc/ssf/stream", &json!({})).await.refusal(),
        (409, "conflict".into()),
        "one for each client"
    );

    let id = own["stream_id"].as_str().unwrap().to_owned();
    let one = server.get(&format!("/oidc/ssf/stream?stream_id={id}")).bearer(&read).send().await.json();
    assert_eq!(one, own);
    let other = token(&server, "other", "ssf.manage").await;
    for (method, path) in [("GET", "/oidc/ssf/stream"), ("GET", "/oidc/ssf/status"), ("DELETE", "/oidc/ssf/stream")] {
        let answer = server.call(method, &format!("{path}?stream_id={id}")).bearer(&other).send().await;
        assert_eq!(answer.status, 404, "{method} {path}: not that client's");
    }
    assert_eq!(server.get("/oidc/ssf/stream").bearer(&other).send().await.json(), json!([]));

    // PATCH keeps what it does not name, the header too; PUT does not.
    let changed =
        send(&server, &manage, "PATCH", "/oidc/ssf/stream", &json!({ "stream_id": id, "events_requested": [DISABLED] })).await.json();
    assert_eq!((&changed["events_delivered"], &changed["description"]), (&json!([DISABLED]), &json!("Sessions")));
    let sealed = |kind: &str| {
        let kind = kind.to_owned();
        async {
            let kind = kind;
            let event = server.events().await.into_iter().rev().find(|event| event.kind == kind).unwrap();
            assert!(!event.data.to_string().contains("of-the-receiver"));
            event.personal.contains_key("authorization")
        }
    };
    assert!(sealed("SignalStreamCreated").await && sealed("SignalStreamChanged").await);
    let replaced = send(&server, &manage, "PUT", "/oidc/ssf/stream", &json!({ "stream_id": id })).await.json();
    assert_eq!((&replaced["delivery"]["method"], replaced.get("description")), (&json!(POLL), None));
    assert_eq!(replaced["events_delivered"], own["events_supported"]);
    assert!(!sealed("SignalStreamChanged").await);
    // What this server says may come back, and is then right.
    let again = send(&server, &manage, "PUT", "/oidc/ssf/stream", &replaced).await;
    assert_eq!((again.status, again.json()), (200, replaced.clone()), "{}", again.text());
    let wrong = send(&server, &manage, "PATCH", "/oidc/ssf/stream", &json!({ "stream_id": id, "aud": "other" })).await;
    assert_eq!(wrong.refusal(), (400, "invalid_request".into()));

    for bad in [
        json!({ "delivery": { "method": "urn:example:fax" } }),
        json!({ "delivery": { "method": PUSH } }),
        json!({ "delivery": { "method": PUSH, "endpoint_url": "ftp://app.example/in" } }),
        json!({ "delivery": { "method": PUSH, "endpoint_url": "https://u:p@app.example/in" } }),
        json!({ "delivery": { "method": PUSH, "endpoint_url": "https://app.example/in", "authorization_header": "a\r\nb" } }),
        json!({ "delivery": { "method": POLL, "authorization_header": "Bearer a" } }),
        json!({ "events_requested": ["u".repeat(600)] }),
        json!({ "events_requested": "all" }),
        json!({ "description": "d".repeat(300) }),
    ] {
        let mut bad = bad;
        bad["stream_id"] = json!(id);
        let mark = server.mark().await;
        assert_eq!(send(&server, &manage, "PATCH", "/oidc/ssf/stream", &bad).await.refusal(), (400, "invalid_request".into()), "{bad}");
        assert!(server.kinds_since(mark).await.is_empty(), "{bad}");
    }
    let path = format!("/oidc/ssf/stream?stream_id={id}");
    let gone = server.call("DELETE", &path).bearer(&manage).send().await;
    assert_eq!((gone.status, gone.text()), (204, String::new()));
    assert_eq!(server.call("DELETE", &path).bearer(&manage).send().await.status, 404);
    let next = created(&server, &manage, &json!({})).await;
    assert_ne!(next["stream_id"], json!(id));
}

#[tokio::test]
async fn ssf_9_only_a_clients_own_token_with_the_scope_opens_the_interface() {
    let server = Server::with(&[], &toml()).await;
    let alice = server.alice().await;
    let refused = async |token: &str, method: &str| {
        let answer = send(&server, token, method, "/oidc/ssf/stream", &json!({})).await;
        (answer.status, answer.header("www-authenticate").to_owned())
    };
    let persons = Browser::new(&server).tokens(&client("hears"), &alice, &[("scope", "openid ssf.manage")]).await;
    let (status, challenge) = refused(&persons.access, "POST").await;
    assert!(status == 403 && challenge.contains("insufficient_scope") && challenge.contains("ssf.manage"), "{challenge}");
    let read = token(&server, "hears", "ssf.read").await;
    assert_eq!(refused(&read, "POST").await.0, 403, "reading is not managing");
    assert_eq!(refused(&token(&server, "hears", "api:read").await, "POST").await.0, 403);
    assert_eq!(refused(&server.operator_token("admin").await, "POST").await.0, 403, "an operator is no receiver");
    let (status, challenge) = refused("cha_at_nonsense", "POST").await;
    assert!(status == 401 && challenge.contains("invalid_token"), "{challenge}");
    server.revoke(&client("hears"), &read).await;
    assert_eq!(refused(&read, "POST").await.0, 401);
}

/// What a receiver hears by polling, and what it does not.
async fn hears_by_poll(server: &Server) {
    let (hears, alice) = (client("hears"), server.alice().await);
    Browser::new(server).tokens(&hears, &alice, &[("scope", "openid")]).await;
    server.operate(Command::UserDisable { account: alice.account.clone() }).await;
    let manage = token(server, "hears", "ssf.manage").await;
    let own = created(server, &manage, &json!({ "events_requested": [DISABLED, ENABLED] })).await;
    let id = own["stream_id"].clone();
    assert_eq!(own["delivery"]["method"], json!(POLL));
    assert_eq!(polled(server, &manage, &own, json!({})).await, (vec![], false), "what was before the stream is not told");

    let toggle = async |times: usize| {
        for time in 0..times {
            server.advance(1);
            match time % 2 {
                0 => server.operate(Command::UserEnable { account: alice.account.clone() }).await,
                _ => server.operate(Command::UserDisable { account: alice.account.clone() }).await,
            };
        }
    };
    toggle(4).await;
    // RFC 8936 §2.3: what is not acknowledged comes again.
    let (told, more) = polled(server, &manage, &own, json!({})).await;
    assert_eq!((names(&told), more), (vec![ENABLED, DISABLED, ENABLED, DISABLED], false));
    assert_eq!(jtis(&polled(server, &manage, &own, json!({})).await.0), jtis(&told));
    let (first, more) = polled(server, &manage, &own, json!({ "maxEvents": 1 })).await;
    assert_eq!((jtis(&first), more), (jtis(&told[..1]), true));

    // In any order; a token with an error does not come again either.
    let all = jtis(&told);
    let errors = json!({ all[3].as_str().unwrap(): { "err": "jwtAud", "description": "not for us" } });
    let (left, more) = polled(server, &manage, &own, json!({ "ack": [all[1], "no-jti-of-ours"], "setErrs": errors, "maxEvents": 0 })).await;
    assert_eq!((left.len(), more), (0, false), "an acknowledgement only");
    assert_eq!(jtis(&polled(server, &manage, &own, json!({})).await.0), [all[0].clone(), all[2].clone()]);
    assert_eq!(polled(server, &manage, &own, json!({ "ack": [all[0], all[2]] })).await, (vec![], false));

    // Paused: later. Disabled: never.
    let turn = async |status: &str| {
        let body = json!({ "stream_id": id, "status": status, "reason": "maintenance" });
        let answer = send(server, &manage, "POST", "/oidc/ssf/status", &body).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!(status)), "{}", answer.text());
    };
    turn("paused").await;
    toggle(1).await;
    assert_eq!(polled(server, &manage, &own, json!({})).await, (vec![], false));
    let shown = server.get(&format!("/oidc/ssf/status?stream_id={}", id.as_str().unwrap())).bearer(&manage).send().await.json();
    assert_eq!(shown, json!({ "stream_id": id, "status": "paused", "reason": "maintenance" }));
    turn("enabled").await;
    let (told, _) = polled(server, &manage, &own, json!({})).await;
    assert_eq!(names(&told), [ENABLED]);
    polled(server, &manage, &own, json!({ "ack": jtis(&told) })).await;
    turn("disabled").await;
    server.advance(10);
    server.operate(Command::UserDisable { account: alice.account.clone() }).await;
    server.advance(10);
    turn("enabled").await;
    assert_eq!(polled(server, &manage, &own, json!({})).await, (vec![], false));
    let refused = json!({ "stream_id": id, "status": "paused", "subject": { "format": "opaque", "id": "1" } });
    assert_eq!(send(server, &manage, "POST", "/oidc/ssf/status", &refused).await.status, 400, "never the whole stream for one subject");
    assert_eq!(send(server, &manage, "POST", "/oidc/ssf/status", &json!({ "stream_id": id, "status": "off" })).await.status, 400);

    // §8.1.4: a verification comes over the stream, with the state.
    let verify = json!({ "stream_id": id, "state": "VGhpcyBpcw" });
    assert_eq!(send(server, &manage, "POST", "/oidc/ssf/verification", &verify).await.status, 204);
    assert_eq!(send(server, &manage, "POST", "/oidc/ssf/verification", &verify).await.refusal(), (429, "slow_down".into()));
    let (told, _) = polled(server, &manage, &own, json!({})).await;
    assert_eq!(names(&told), [VERIFICATION]);
    assert_eq!(told[0].1["events"][VERIFICATION], json!({ "state": "VGhpcyBpcw" }));
    assert_eq!(told[0].1["sub_id"], json!({ "format": "opaque", "id": id }));
    server.advance(60_000);
    let manage = token(server, "hears", "ssf.manage").await;
    assert_eq!(send(server, &manage, "POST", "/oidc/ssf/verification", &json!({ "stream_id": id })).await.status, 204);

    // Nobody else's, and not what is pushed.
    let other = token(server, "other", "ssf.manage").await;
    let path = format!("/oidc/ssf/poll/{}", id.as_str().unwrap());
    assert_eq!(send(server, &other, "POST", &path, &json!({ "returnImmediately": true })).await.status, 404);
    let push = json!({ "stream_id": id, "delivery": { "method": PUSH, "endpoint_url": "https://app.example/in" } });
    assert_eq!(send(server, &manage, "PATCH", "/oidc/ssf/stream", &push).await.status, 200);
    assert_eq!(send(server, &manage, "POST", &path, &json!({ "returnImmediately": true })).await.refusal(), (409, "conflict".into()));
    let many = json!({ "ack": vec!["01a1fc16-453d-7e8c-9c8d-5f35eeecc5b1"; 1001] });
    assert_eq!(send(server, &manage, "POST", &path, &many).await.status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc8936_2_what_is_not_acknowledged_comes_again_and_what_is_does_not() {
    on_both(&toml(), hears_by_poll).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc8936_2_2_a_poll_waits_for_something_to_tell() {
    let server = Server::with(&[], &toml()).await;
    let alice = server.alice().await;
    Browser::new(&server).tokens(&client("hears"), &alice, &[("scope", "openid")]).await;
    let manage = token(&server, "hears", "ssf.manage").await;
    let own = created(&server, &manage, &json!({})).await;
    let path = format!("/oidc/ssf/poll/{}", own["stream_id"].as_str().unwrap());
    let (empty, polling) = (json!({}), async |body: &Value| send(&server, &manage, "POST", &path, body).await.json());
    let second = async {
        while server.app.waiting.count() == 0 {
            tokio::task::yield_now().await;
        }
        // One waits; a second one is answered at once.
        assert_eq!(polling(&empty).await, json!({ "sets": {}, "moreAvailable": false }));
        server.operate(Command::UserDisable { account: alice.account.clone() }).await;
    };
    let (answer, ()) = tokio::join!(polling(&empty), second);
    assert_eq!(server.app.waiting.count(), 0);
    let sets: Vec<_> = answer["sets"].as_object().unwrap().values().map(|set| parts(set.as_str().unwrap()).1).collect();
    // The sessions of a closed account end with it.
    assert!(sets.iter().any(|claims| claims["events"].get(DISABLED).is_some()), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rfc8935_2_a_stream_is_pushed_with_the_header_that_its_receiver_chose() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::with(&[("CHANCERY_OUTGOING_ALLOWED_NETWORKS", "127.0.0.0/8")], &toml()).await;
    let alice = server.alice().await;
    Browser::new(&server).tokens(&client("hears"), &alice, &[("scope", "openid")]).await;
    feeding::feed(&server.app);
    let manage = token(&server, "hears", "ssf.manage").await;
    let endpoint = format!("http://127.0.0.1:{}/in", socket.local_addr().unwrap().port());
    let delivery = json!({ "method": PUSH, "endpoint_url": endpoint, "authorization_header": "Signals of-the-receiver" });
    let own = created(&server, &manage, &json!({ "delivery": delivery, "events_requested": [DISABLED] })).await;
    server.operate(Command::UserDisable { account: alice.account.clone() }).await;
    let verify = json!({ "stream_id": own["stream_id"], "state": "s" });
    assert_eq!(send(&server, &manage, "POST", "/oidc/ssf/verification", &verify).await.status, 204);
    let mut told = Vec::new();
    while told.len() < 2 {
        let (mut peer, _) = socket.accept().await.unwrap();
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        let whole = |text: &str| {
            let (head, body) = text.split_once("\r\n\r\n")?;
            let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok())?;
            (body.len() == length).then(|| (head.to_owned(), body.to_owned()))
        };
        while whole(&text).is_none() {
            let read = peer.read(&mut buffer).await.unwrap();
            assert!(read > 0, "{text}");
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        let (head, body) = whole(&text).unwrap();
        assert!(head.to_lowercase().contains("authorization: signals of-the-receiver"), "{head}");
        assert!(head.to_lowercase().contains("content-type: application/secevent+jwt"), "{head}");
        told.push(parts(&body).1["events"].as_object().unwrap().keys().next().unwrap().clone());
        peer.write_all(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
    }
    assert_eq!(told, [DISABLED, VERIFICATION]);
}
