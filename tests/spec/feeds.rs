//! Feeds: the log for other systems, at least once, in order, and never in anybody's way.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery::app::context::Context;
use chancery::app::feeds::{Deliver, Message, Source, ocsf, status};
use chancery::cli::feeding;
use chancery::config::Feed;
use chancery_core::event::event_catalogue;
use chancery_core::id::AccountId;
use chancery_projections::envelope::{Actor, Envelope};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::support::both::on_both;
use crate::support::flow::Tokens;
use crate::support::*;

/// The classes of OCSF 1.8.0 that are used: required attributes, activities, constraints ("one of", exactly or at least).
struct OcsfClass {
    uid: u64,
    name: &'static str,
    required: &'static [&'static str],
    activities: &'static [u64],
    one_of: Option<(&'static [&'static str], bool)>,
}

const BASE: [&str; 7] = ["activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid"];
const CLASSES: [OcsfClass; 5] = [
    OcsfClass {
        uid: 3001,
        name: "Account Change",
        required: &["user"],
        activities: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99],
        one_of: None,
    },
    OcsfClass {
        uid: 3002,
        name: "Authentication",
        required: &["user"],
        activities: &[0, 1, 2, 3, 4, 5, 6, 7, 99],
        one_of: Some((&["service", "dst_endpoint"], false)),
    },
    OcsfClass {
        uid: 3003,
        name: "Authorize Session",
        required: &["user"],
        activities: &[0, 1, 2, 99],
        one_of: Some((&["privileges", "group"], true)),
    },
    OcsfClass {
        uid: 3004,
        name: "Entity Management",
        required: &["entity"],
        activities: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99],
        one_of: None,
    },
    OcsfClass {
        uid: 6003,
        name: "API Activity",
        required: &["actor", "api", "src_endpoint"],
        activities: &[0, 1, 2, 3, 4, 99],
        one_of: None,
    },
];

/// Holds an event against the schema; returns its class.
fn assert_ocsf(event: &Value) -> u64 {
    let class = CLASSES.iter().find(|class| event["class_uid"] == class.uid).unwrap_or_else(|| panic!("no class: {event}"));
    for name in BASE.iter().chain(class.required) {
        assert!(!event[*name].is_null(), "{name} is required: {event}");
    }
    let activity = event["activity_id"].as_u64().unwrap();
    assert!(class.activities.contains(&activity), "activity {activity}: {event}");
    assert_eq!(event["type_uid"], class.uid * 100 + activity, "{event}");
    assert_eq!(event["category_uid"], class.uid / 1000, "{event}");
    assert_eq!(event["class_name"], class.name, "{event}");
    assert!((1..=6).contains(&event["severity_id"].as_u64().unwrap()) && event["time"].as_i64().unwrap() > 1_700_000_000_000, "{event}");
    assert!(matches!(event["status_id"].as_u64(), Some(1 | 2)), "{event}");
    if let Some((names, exactly)) = class.one_of {
        let there = names.iter().filter(|name| !event[**name].is_null()).count();
        assert!(if exactly { there == 1 } else { there >= 1 }, "{names:?}: {event}");
    }
    // Objects: metadata (product, version), product and entity (name or uid), user, actor, api (operation), network endpoint.
    let has = |object: &Value, names: &[&str]| names.iter().any(|name| object[*name].as_str().is_some_and(|text| !text.is_empty()));
    assert!(event["metadata"]["version"] == "1.8.0" && has(&event["metadata"]["product"], &["name", "uid"]), "{event}");
    assert!(has(&event["metadata"], &["uid"]), "{event}");
    if !event["user"].is_null() {
        assert!(has(&event["user"], &["uid", "name"]) && event["user"]["type_id"].is_u64(), "{event}");
    }
    let actor = &event["actor"];
    assert!(actor.is_null() || has(actor, &["app_name", "app_uid"]) || has(&actor["user"], &["uid", "name"]), "{event}");
    assert!(event["entity"].is_null() || has(&event["entity"], &["name", "uid"]), "{event}");
    assert!(event["api"].is_null() || has(&event["api"], &["operation"]), "{event}");
    assert!(event["src_endpoint"].is_null() || has(&event["src_endpoint"], &["ip", "uid", "name"]), "{event}");
    assert!(event["privileges"].is_null() || event["privileges"].as_array().is_some_and(|all| !all.is_empty()), "{event}");
    class.uid
}

/// What arrived, and whether the receiver takes it.
#[derive(Clone, Default)]
struct Receiver {
    got: Arc<Mutex<Vec<Message>>>,
    /// Takes messages and never answers.
    is_stuck: bool,
}

impl Receiver {
    fn deliver(&self) -> Deliver {
        let own = self.clone();
        Arc::new(move |messages| {
            let own = own.clone();
            Box::pin(async move {
                own.got.lock().unwrap().extend(messages);
                if own.is_stuck { std::future::pending().await } else { Ok(()) }
            })
        })
    }

    fn ids(&self) -> Vec<String> {
        self.got.lock().unwrap().iter().map(|message| message.id.clone()).collect()
    }

    fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

fn one_feed(server: &Server) -> Feed {
    server.app.config.feeds[0].clone()
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never happened: {what}");
}

async fn is_up_to_date(server: &Server) -> bool {
    let all = status::of(&server.app.ledger, &server.app.config.feeds).await.unwrap();
    all.iter().all(|feed| feed.checkpoint.is_some() && feed.behind == 0 && feed.is_well())
}

async fn visit(server: &Server) {
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(server);
    let code = browser.authorize(&client, &alice, &[]).await.code();
    let first = Tokens::of(&server.redeem(&client, &code).await);
    server.refresh(&client, first.refresh()).await;
    server.refresh(&client, first.refresh()).await;
    server.redeem(&client, &code).await;
    let wrong = json!({ "email": "alice@example.com", "password": "a-wrong-password" });
    server.post("/auth/login").header("user-agent", "Mozilla/5.0 (secret agent)").json(&wrong).send().await;
}

const TO_MEMORY: &str = "[[feed]]\nname = \"siem\"\nformat = \"jsonl\"\nto = \"https://receiver.example/in\"\nfrom = \"beginning\"\n";

#[test]
fn every_type_of_event_is_valid_ocsf_whatever_its_data() {
    let source = Source { issuer: "https://id.example/oidc", version: "0.1.0" };
    let mut seen = BTreeSet::new();
    for (stream, own) in event_catalogue() {
        let path = format!("schema/events/{stream}/{}.v{}.example.json", own.name, own.schema);
        let data: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{path}"))).unwrap();
        for (kind, id, subject) in [
            ("account", "01a1fc15-89af-7e7e-954f-ffefd8d0cb88", Some("01a1fc15-89af-7e7e-954f-ffefd8d0cb88")),
            ("client", "app", None),
            ("operator", "local", None),
            ("anonymous", "", None),
            ("server", "", None),
        ] {
            for data in [data.clone(), json!({}), json!({ "scope": 7, "reason": [] })] {
                let envelope = Envelope {
                    position: 7,
                    id: "01a1fc16-453f-7208-a87f-f431be1c991e".parse().unwrap(),
                    stream: format!("{stream}-1"),
                    version: 1,
                    kind: own.name.to_owned(),
                    schema: own.schema,
                    recorded_at: NOW,
                    actor: Actor { kind: kind.into(), id: id.into() },
                    correlation: "c".into(),
                    causation: None,
                    subject: subject.map(str::to_owned),
                    data,
                    personal: [("key".to_owned(), "account/1".to_owned()), ("email".to_owned(), "Y2lwaGVy".to_owned())].into(),
                };
                let event = ocsf::event(&envelope, &source, None);
                seen.insert(assert_ocsf(&event));
                assert!(!event.to_string().contains("Y2lwaGVy"), "a ciphertext stays at home: {event}");
            }
        }
    }
    assert_eq!(seen.len(), CLASSES.len(), "every class is used: {seen:?}");
}

#[tokio::test]
async fn files_get_every_event_in_every_format_and_no_ciphertext() {
    let directory = tempfile::tempdir().unwrap();
    let feed = |name: &str| {
        let path = directory.path().join(name);
        format!("[[feed]]\nname = \"{name}\"\nformat = \"{name}\"\nto = \"file:{}\"\nfrom = \"beginning\"\n", path.display())
    };
    let toml: String = ["ocsf", "cloudevents", "jsonl", "csv"].map(feed).concat();
    let server = Server::with(&[], &toml).await;
    feeding::feed(&server.app);
    visit(&server).await;
    until("all feeds are up to date", async || is_up_to_date(&server).await).await;
    let events = server.events().await;
    let ids: Vec<_> = events.iter().map(|event| event.id.to_string()).collect();
    let lines = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(directory.path().join(name)).unwrap();
        for secret in events.iter().flat_map(|event| event.personal.values()) {
            assert!(!text.contains(secret.as_str()) || secret.contains('/'), "a ciphertext is in {name}");
        }
        assert!(!text.contains("alice@example.com") && !text.contains("secret agent"), "{name}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    // RFC 4180 §2: a line of names, then a record for each event.
    let text = std::fs::read_to_string(directory.path().join("csv")).unwrap();
    let records: Vec<_> = text.split("\r\n").collect();
    assert_eq!((records[0].split(',').count(), records.last()), (12, Some(&"")));
    assert_eq!(records.len(), ids.len() + 2);
    for (record, id) in records[1..].iter().zip(&ids) {
        assert!(record.starts_with('"') && record.contains(&format!("\"{id}\"")), "{record}");
    }
    let own = lines("ocsf");
    for event in &own {
        assert_ocsf(event);
    }
    assert_eq!(own.iter().map(|event| event["metadata"]["uid"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    let stolen = own.iter().find(|event| event["metadata"]["event_code"] == "GrantEnded").unwrap();
    assert_eq!((&stolen["severity_id"], &stolen["status_id"]), (&json!(4), &json!(2)), "a stolen token is no small thing: {stolen}");
    // CloudEvents 1.0.2 §3.1: the required attributes.
    let own = lines("cloudevents");
    assert_eq!(own.iter().map(|event| event["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    for event in &own {
        assert_eq!(event["specversion"], "1.0");
        assert!(event["type"].as_str().unwrap().starts_with("chancery.") && event["source"] == server.issuer.as_str(), "{event}");
        assert!(
            event.as_object().unwrap().keys().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())),
            "{event}"
        );
    }
    let own = lines("jsonl");
    assert_eq!(own.iter().map(|event| event["position"].as_u64().unwrap()).collect::<Vec<_>>(), (0..ids.len() as u64).collect::<Vec<_>>());
    let ready: Value = server.get("/health/ready").send().await.json();
    assert_eq!(ready["feeds"], "ok", "{ready}");
}

/// A webhook that answers with a status and keeps what it took.
async fn webhook(port: u16, status: Arc<Mutex<u16>>, took: Arc<Mutex<Vec<(String, String)>>>) -> (u16, tokio::task::JoinHandle<()>) {
    let socket = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut sent = Vec::new();
            let whole = loop {
                let text = String::from_utf8_lossy(&sent).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                    if body.len() >= length.unwrap().trim().parse::<usize>().unwrap() {
                        break Some((head.to_owned(), body.to_owned()));
                    }
                }
                let mut part = [0; 65_536];
                match stream.read(&mut part).await {
                    Ok(0) | Err(_) => break None,
                    Ok(length) => sent.extend_from_slice(&part[..length]),
                }
            };
            let status = *status.lock().unwrap();
            if let Some(whole) = whole.filter(|_| status == 204) {
                took.lock().unwrap().push(whole);
            }
            let _ = stream.write_all(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
        }
    });
    (port, task)
}

#[tokio::test]
async fn a_receiver_that_was_away_gets_everything_in_order_afterwards() {
    let (status_of, took) = (Arc::new(Mutex::new(503)), Arc::default());
    let (port, _task) = webhook(0, status_of.clone(), Arc::clone(&took)).await;
    let toml = format!(
        "[[feed]]\nname = \"siem\"\nformat = \"cloudevents\"\nto = \"http://127.0.0.1:{port}/in?key=hidden\"\nbearer = \"of-the-siem\"\nfrom = \"beginning\"\n"
    );
    let server = Server::with(&[], &toml).await;
    feeding::feed(&server.app);
    visit(&server).await;
    let kept = async || status::of(&server.app.ledger, &server.app.config.feeds).await.unwrap().remove(0);
    until("the failure is told", async || kept().await.failing.is_some()).await;
    let told = kept().await;
    assert!(told.failing.unwrap().contains("the answer is 503") && told.behind > 0 && told.to == "http://127.0.0.1");
    let ready = server.get("/health/ready").send().await;
    assert_eq!(ready.status, 200, "a receiver that is away turns nobody away");
    assert!(ready.json()["feeds"].as_str().unwrap().starts_with("behind: siem"));
    *status_of.lock().unwrap() = 204;
    until("everything was sent", async || is_up_to_date(&server).await).await;
    let took = took.lock().unwrap().clone();
    let mut got = Vec::new();
    for (head, body) in &took {
        let head = head.to_lowercase();
        assert!(
            head.contains("content-type: application/cloudevents-batch+json") && head.contains("authorization: bearer of-the-siem"),
            "{head}"
        );
        got.extend(serde_json::from_str::<Vec<Value>>(body).unwrap().into_iter().map(|event| event["id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(got, server.events().await.iter().map(|event| event.id.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_sent_before_a_crash_comes_again_with_the_same_id_and_nothing_is_skipped() {
    on_both(TO_MEMORY, async |server| {
        visit(server).await;
        // The receiver has it, and the process dies before the checkpoint moves.
        let before = Receiver { is_stuck: true, ..Receiver::default() };
        let running = tokio::spawn(server.app.clone().run_feed(one_feed(server), before.deliver(), "one".to_owned()));
        until("the first delivery arrived", async || before.count() > 0).await;
        running.abort();
        let _ = running.await;
        let after = Receiver::default();
        // The same node comes back; another one would wait for the lease.
        let running = tokio::spawn(server.app.clone().run_feed(one_feed(server), after.deliver(), "one".to_owned()));
        until("everything was sent", async || is_up_to_date(server).await).await;
        running.abort();
        let all: Vec<_> = server.events().await.iter().map(|event| event.id.to_string()).collect();
        assert_eq!(after.ids(), all, "no skip");
        assert!(before.ids().iter().eq(all.iter().take(before.count())), "the same ids as before");
    })
    .await;
}

#[tokio::test]
async fn of_two_nodes_one_sends_and_the_other_takes_over_when_it_is_gone() {
    on_both(TO_MEMORY, async |server| {
        let (one, two) = (Receiver::default(), Receiver::default());
        let first = tokio::spawn(server.app.clone().run_feed(one_feed(server), one.deliver(), "one".to_owned()));
        until("the first node sends", async || one.count() > 0).await;
        let second = tokio::spawn(server.app.clone().run_feed(one_feed(server), two.deliver(), "two".to_owned()));
        visit(server).await;
        until("all is sent", async || is_up_to_date(server).await).await;
        assert_eq!(two.count(), 0, "the lease is the other's");
        first.abort();
        server.app.clock.advance(31_000);
        let before = one.ids();
        server.operator_token("admin").await;
        until("the second node goes on", async || two.count() > 0 && is_up_to_date(server).await).await;
        second.abort();
        let all: Vec<_> = server.events().await.iter().map(|event| event.id.to_string()).collect();
        assert_eq!([before, two.ids()].concat(), all);
    })
    .await;
}

#[tokio::test]
async fn a_stuck_receiver_delays_nobody() {
    let server = Server::with(&[], TO_MEMORY).await;
    let stuck = Receiver { is_stuck: true, ..Receiver::default() };
    let running = tokio::spawn(server.app.clone().run_feed(one_feed(&server), stuck.deliver(), "one".to_owned()));
    until("the receiver is stuck", async || stuck.count() > 0).await;
    let (taken, before) = (stuck.count(), server.events().await.len());
    visit(&server).await;
    // The visit is over, its events are in the log, and the receiver still holds the first delivery.
    assert!(server.events().await.len() > before + 10);
    assert_eq!((stuck.count(), running.is_finished()), (taken, false));
    running.abort();
}

#[tokio::test]
async fn personal_data_is_opened_only_where_it_was_asked_for_and_erased_after_an_erasure() {
    let toml = TO_MEMORY.replace("from =", "personal = \"clear\"\nfrom =").replace("jsonl", "ocsf");
    let server = Server::with(&[], &toml).await;
    visit(&server).await;
    let drain = async |name: &str| {
        let receiver = Receiver::default();
        let feed = Feed { name: name.to_owned(), ..one_feed(&server) };
        let running = tokio::spawn(server.app.clone().run_feed(feed.clone(), receiver.deliver(), "one".to_owned()));
        until("all is sent", async || {
            status::of(&server.app.ledger, std::slice::from_ref(&feed)).await.unwrap()[0].checkpoint
                == Some(server.app.ledger.known_head().size)
        })
        .await;
        running.abort();
        receiver.got.lock().unwrap().iter().map(|message| serde_json::from_str::<Value>(&message.body).unwrap()).collect::<Vec<_>>()
    };
    let registered = |all: &[Value]| all.iter().find(|event| event["metadata"]["event_code"] == "AccountRegistered").unwrap().clone();
    let before = drain("before").await;
    let event = registered(&before);
    assert_eq!(event["user"]["email_addr"], "alice@example.com");
    assert_eq!(event["unmapped"]["personal"]["password_hash"], "withheld", "whoever asks: {event}");
    let failed = before.iter().find(|event| event["metadata"]["event_code"] == "LoginFailed").unwrap();
    assert_eq!(failed["src_endpoint"]["ip"], "127.0.0.1", "{failed}");
    let account = AccountId::parse(event["user"]["uid"].as_str().unwrap()).unwrap();
    server.app.erase_account(&Context::of_server("operator", "c".to_owned()), account).await.unwrap();
    let after = drain("after").await;
    assert_eq!(registered(&after)["unmapped"]["personal"]["email"], "erased");
    assert!(!json!(after).to_string().contains("alice@example.com"));
    for event in &after {
        assert_ocsf(event);
    }
}

#[tokio::test]
async fn rfc5425_4_3_messages_over_tls_have_their_length_in_front() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("ca.pem");
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(made.cert.der()));
    std::fs::write(&ca, pem).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let got = Arc::new(Mutex::new(Vec::new()));
    let kept = got.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = socket.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut text = Vec::new();
            if stream.read_to_end(&mut text).await.is_ok() {
                kept.lock().unwrap().extend(text);
            }
            let _ = stream.shutdown().await;
        }
    });
    let toml = |ca: &str| {
        format!("[[feed]]\nname = \"siem\"\nformat = \"ocsf\"\nto = \"syslog+tls://localhost:{port}\"\nfrom = \"beginning\"\n{ca}")
    };
    let server = Server::with(&[], &toml(&format!("ca = \"{}\"\n", ca.display()))).await;
    feeding::feed(&server.app);
    visit(&server).await;
    until("everything was sent", async || is_up_to_date(&server).await).await;
    let text = String::from_utf8(got.lock().unwrap().clone()).unwrap();
    let (mut rest, mut ids) = (text.as_str(), Vec::new());
    while !rest.is_empty() {
        let (length, after) = rest.split_once(' ').unwrap();
        let (message, next) = after.split_at(length.parse().unwrap());
        // RFC 5424 §6: PRI and version, time, host, application, process, message id, structured data, message.
        let parts: Vec<_> = message.splitn(8, ' ').collect();
        assert!(parts[0].starts_with('<') && parts[0].ends_with(">1") && parts[1].ends_with('Z'), "{message}");
        assert_eq!((parts[3], parts[4], parts[6]), ("chancery", "-", "-"), "{message}");
        let event: Value = serde_json::from_str(parts[7]).unwrap();
        assert_ocsf(&event);
        assert_eq!(event["metadata"]["event_code"], parts[5]);
        ids.push(event["metadata"]["uid"].as_str().unwrap().to_owned());
        rest = next;
    }
    assert_eq!(ids, server.events().await.iter().map(|event| event.id.to_string()).collect::<Vec<_>>());
    // Without its certificate the receiver is a stranger.
    let server = Server::with(&[], &toml("")).await;
    feeding::feed(&server.app);
    until("the stranger is refused", async || {
        status::of(&server.app.ledger, &server.app.config.feeds).await.unwrap()[0]
            .failing
            .as_ref()
            .is_some_and(|why| why.contains("no TLS"))
    })
    .await;
}

#[tokio::test]
async fn a_feed_that_could_leak_or_mix_is_refused_at_the_start() {
    let entry = |rest: &str| format!("[[feed]]\nname = \"a\"\nformat = \"jsonl\"\n{rest}\n");
    for (toml, sentence) in [
        (entry("to = \"syslog+tcp://siem.example\""), "without TLS"),
        (entry("to = \"syslog+tcp://siem.example\"\nplain = true\npersonal = \"clear\""), "needs TLS"),
        (entry("to = \"http://127.0.0.1/in\"\npersonal = \"clear\""), "needs https"),
        (entry("to = \"https://u:p@siem.example\""), "no user and no password"),
        (entry("to = \"file:a\"\nbearer = \"x\""), "for webhooks alone"),
        (entry("to = \"file:a\"\nca = \"x\""), "syslog+tls:// alone"),
        ([entry("to = \"file:a\""), entry("to = \"file:b\"")].concat(), "is used twice"),
        (entry("to = \"file:a\"").replace("\"a\"\nformat", "\"A b\"\nformat"), "lower-case letters"),
        (entry("to = \"file:a\"").replace("jsonl", "xml"), "is not one of"),
    ] {
        let refused = Server::try_with(&toml).await.err().unwrap_or_else(|| panic!("{toml}"));
        assert!(refused.contains(sentence), "{toml}: {refused}");
    }
    assert!(Server::try_with(&entry("to = \"syslog+udp://siem.example\"\nplain = true")).await.is_ok());
    assert!(Server::try_with(&entry("to = \"syslog+tcp://[::1]:601\"")).await.is_ok());
}
