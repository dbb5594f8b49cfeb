//! Questions of an auditor: every filter, every format, cursors both ways, the tail.

use chancery_core::digest::Digest;
use chancery_projections::envelope::Envelope;
use serde_json::{Value, json};

use crate::support::flow::{Person, Tokens};
use crate::support::*;

/// A server on which Alice signed in and refreshed, a client took a token of its own, and somebody guessed a password.
struct Story {
    server: Server,
    client: Client,
    alice: Person,
    code: String,
    first: Tokens,
    second: Tokens,
    auditor: String,
}

impl Story {
    async fn told() -> Self {
        let server = Server::start().await;
        let client = server.web_client().await;
        let alice = server.alice().await;
        let mut browser = Browser::new(&server);
        let code = browser.authorize(&client, &alice, &[]).await.code();
        let first = Tokens::of(&server.redeem(&client, &code).await);
        let second = Tokens::of(&server.refresh(&client, first.refresh()).await);
        server.token(&client, &[("grant_type", "client_credentials")]).await;
        server.post("/auth/login").json(&json!({ "email": alice.email, "password": "guessed" })).send().await;
        let auditor = server.operator_token("audit:read").await;
        server.index_is_current().await;
        Self { server, client, alice, code, first, second, auditor }
    }

    async fn ask(&self, query: &str) -> Value {
        let answer = self.server.get(&format!("/audit/events?{query}")).bearer(&self.auditor).send().await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        answer.json()
    }

    async fn kinds(&self, query: &str) -> Vec<String> {
        let answer = self.ask(query).await;
        answer["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    async fn refused(&self, query: &str) -> (u16, String) {
        let answer = self.server.get(&format!("/audit/events?{query}")).bearer(&self.auditor).send().await;
        (answer.status, answer.sentence())
    }

    async fn found(&self, kind: &str) -> Envelope {
        self.server.events().await.into_iter().find(|event| event.kind == kind).unwrap()
    }
}

fn digest(token: &str) -> String {
    Digest::of(token.as_bytes()).to_string()
}

#[tokio::test]
async fn each_filter_finds_what_it_names_and_nothing_else() {
    let story = Story::told().await;
    let issued = story.found("CodeIssued").await;
    let of = |name: &str| issued.data[name].as_str().unwrap().to_owned();
    assert_eq!(story.kinds(&format!("token={}", digest(&story.code))).await, ["CodeIssued"]);
    assert_eq!(story.kinds(&format!("token={}", digest(&story.first.access))).await, ["CodeRedeemed"]);
    assert_eq!(story.kinds(&format!("token={}", digest(story.second.refresh()))).await, ["RefreshTokenRotated"]);
    assert_eq!(story.kinds(&format!("token={}", "x".repeat(43))).await, [""; 0]);
    let grant =
        ["AuthorizationRequested", "PersonAuthenticated", "CodeIssued", "AuthorizationGranted", "CodeRedeemed", "RefreshTokenRotated"];
    assert_eq!(story.kinds(&format!("grant={}", of("grant"))).await, grant);
    assert_eq!(story.kinds(&format!("session={}", of("session"))).await, ["SessionStarted", "PersonAuthenticated", "CodeIssued"]);
    let by_alice = story.kinds(&format!("actor=account:{}", story.alice.account)).await;
    assert!(by_alice.contains(&"ConsentGiven".to_owned()) && !by_alice.contains(&"CodeRedeemed".to_owned()), "{by_alice:?}");
    let by_client = story.kinds(&format!("actor=client:{}", story.client.id)).await;
    assert_eq!(by_client, ["CodeRedeemed", "RefreshTokenRotated", "ClientCredentialsGranted"]);
    let by_server = story.kinds("actor=server").await;
    assert!(by_server[0] == "LogCreated" && by_server.contains(&"ServerStarted".to_owned()), "{by_server:?}");
    assert_eq!(story.kinds(&format!("subject={}&type=LoginFailed", story.alice.account)).await, ["LoginFailed"]);
    assert_eq!(story.kinds(&format!("client={}&actor=anonymous&type=CodeRedeemed", story.client.id)).await, [""; 0]);
    for nothing in ["grant=none", "session=none", "stream=none", "subject=none", "actor=client:none"] {
        assert_eq!(story.kinds(nothing).await, [""; 0], "{nothing}");
    }
}

#[tokio::test]
async fn an_address_is_found_by_opening_what_was_sealed_until_the_person_is_erased() {
    let story = Story::told().await;
    let here = story.kinds(&format!("address=127.0.0.1&subject={}", story.alice.account)).await;
    assert!(here.contains(&"SessionStarted".to_owned()) && here.contains(&"LoginFailed".to_owned()), "{here:?}");
    assert_eq!(story.kinds(&format!("address=127.0.0.2&subject={}", story.alice.account)).await, [""; 0]);
    let asked = story.found("AuditQueried").await;
    assert!(!asked.data.to_string().contains("127.0.0.1") && asked.personal.contains_key("address"), "{:?}", asked.data);
    story.server.operate(chancery::app::operator::Command::UserErase { account: story.alice.account.clone() }).await;
    assert_eq!(story.kinds(&format!("address=127.0.0.1&subject={}", story.alice.account)).await, [""; 0]);
}

#[tokio::test]
async fn cursors_go_through_everything_once_in_both_directions() {
    let story = Story::told().await;
    let whole: Vec<u64> = (0..story.server.mark().await as u64).collect();
    let until = format!("until={}", whole.len());
    for (filter, expected) in [("", whole.clone()), ("client", whole.clone())] {
        let filter = if filter.is_empty() { String::new() } else { format!("client={}&", story.client.id) };
        let expected: Vec<u64> = match filter.is_empty() {
            true => expected,
            false => {
                let page = story.ask(&format!("{filter}{until}")).await;
                page["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()).collect()
            }
        };
        for order in ["asc", "desc"] {
            let (mut seen, mut cursor) = (Vec::new(), until.clone());
            loop {
                let page = story.ask(&format!("{filter}order={order}&limit=3&{cursor}")).await;
                seen.extend(page["events"].as_array().unwrap().iter().map(|event| event["position"].as_u64().unwrap()));
                let Some(next) = page["next"].as_u64() else { break };
                cursor = if order == "asc" { format!("{until}&from={next}") } else { format!("until={next}") };
            }
            if order == "desc" {
                seen.reverse();
            }
            assert_eq!(seen, expected, "{filter} {order}");
        }
    }
}

#[tokio::test]
async fn times_bound_an_answer_and_what_cannot_be_meant_is_refused() {
    let story = Story::told().await;
    story.server.advance(60_000);
    story.server.post("/auth/login").json(&json!({ "email": "nobody@example.com", "password": "guessed" })).send().await;
    story.server.index_is_current().await;
    assert_eq!(story.kinds("after=2026-09-21T14:14:20Z&type=LoginFailed").await, ["LoginFailed"]);
    assert_eq!(story.kinds("before=2026-09-21T14:14:19.999Z&type=LoginFailed").await, ["LoginFailed"]);
    assert_eq!(story.kinds("after=2026-09-21T16:13:20%2B02:00&type=LoginFailed").await.len(), 2);
    for (query, names) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("order=up", "order"),
        ("after=yesterday", "after"),
        ("from=-1", "from"),
        ("address=home", "address"),
        ("format=xml", "format"),
        ("min_position=x", "min_position"),
        ("token=abc", "token"),
        ("type=a&type=b", "type"),
        ("grant=a%20b", "grant"),
    ] {
        let (status, sentence) = story.refused(query).await;
        assert!(status == 400 && sentence.contains(names), "{query}: {status} {sentence}");
    }
    let (status, sentence) = story.refused(&format!("token={}", story.first.access)).await;
    assert!(status == 400 && sentence.contains("Never send the token itself"), "{sentence}");
}

#[tokio::test]
async fn min_position_waits_for_the_index_and_not_for_ever() {
    let story = Story::told().await;
    let before = story.server.mark().await;
    story.server.token(&story.client, &[("grant_type", "client_credentials")]).await;
    // At once, without waiting for the index here.
    let page = story.ask(&format!("type=ClientCredentialsGranted&min_position={before}")).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 2);
    assert_eq!(story.refused("min_position=100000").await.0, 503);
}

#[tokio::test]
async fn rfc4180_lines_and_rfc8288_links() {
    let story = Story::told().await;
    let query = format!("/audit/events?client={}&limit=2", story.client.id);
    let lines = story.server.get(&query).header("accept", "application/jsonl").bearer(&story.auditor).send().await;
    assert_eq!((lines.status, lines.header("content-type")), (200, "application/jsonl"));
    let leaves = story.server.leaves().await;
    for line in lines.text().lines() {
        assert!(leaves.iter().any(|leaf| leaf.leaf == line.as_bytes()), "a line is a leaf, byte for byte");
    }
    let link = lines.header("link").to_owned();
    let next = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\"")).unwrap();
    let csv = story.server.get(&format!("{next}&format=csv")).bearer(&story.auditor).send().await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let text = csv.text();
    assert!(text.starts_with("position,recorded_at,type,") && text.split("\r\n").count() == 4, "{text}");
}

#[tokio::test]
async fn one_event_is_shown_with_its_personal_data_as_far_as_the_asker_may() {
    let story = Story::told().await;
    let registered = story.found("AccountRegistered").await;
    let path = format!("/audit/events/{}", registered.position);
    let get = async |query: &str, token: &str| story.server.get(&format!("{path}{query}")).bearer(token).send().await;
    let sealed = get("", &story.auditor).await.json();
    assert!(sealed["personal"]["email"]["sealed"].is_string() && sealed["event"]["type"] == "AccountRegistered");
    assert_eq!(get("?personal=clear", &story.auditor).await.refusal(), (403, "insufficient_scope".to_owned()));
    let admin = story.server.operator_token("audit:read admin").await;
    let clear = get("?personal=clear", &admin).await.json();
    assert_eq!(clear["personal"]["email"]["clear"], story.alice.email);
    assert_eq!((&clear["personal"]["password_hash"], &clear["personal"]["email_index"]), (&json!("withheld"), &json!("withheld")));
    story.server.operate(chancery::app::operator::Command::UserErase { account: story.alice.account.clone() }).await;
    let erased = get("?personal=clear", &admin).await.json();
    assert_eq!((&erased["personal"]["email"], &erased["personal"]["password_hash"]), (&json!("erased"), &json!("erased")));
    assert_eq!(story.server.get("/audit/events/100000").bearer(&admin).send().await.refusal(), (404, "not_found".to_owned()));
    let events = story.server.events().await;
    let mut asked = events.iter().filter(|event| event.kind == "AuditQueried").filter_map(|event| event.data["question"].as_str());
    assert!(asked.any(|words| words.contains("personal data in clear")));
}

/// Server-sent events as they come, one block at a time.
struct Reader(reqwest::Response, String);

impl Reader {
    async fn open(story: &Story, query: &str, last: Option<u64>) -> Self {
        let url = format!("http://{}/audit/events?{query}", story.server.address());
        let mut request = story.server.http.get(url).header("host", story.server.host()).bearer_auth(&story.auditor);
        request = request.header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["content-type"].to_str().unwrap()), (200, "text/event-stream"));
        Self(answer, String::new())
    }

    /// The next block; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.1.split_once("\n\n").map(|(block, rest)| (block.to_owned(), rest.to_owned())) {
                self.1 = rest;
                return Some(block);
            }
            self.1.push_str(std::str::from_utf8(&self.0.chunk().await.ok()??).unwrap());
        }
    }

    /// The next event: position and type.
    async fn event(&mut self) -> (u64, String) {
        loop {
            let block = self.block().await.unwrap();
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let Some(id) = line("id: ") {
                let leaf: Value = serde_json::from_str(&line("data: ").unwrap()).unwrap();
                assert_eq!((leaf["position"].as_u64(), leaf["type"].as_str()), (id.parse().ok(), line("event: ").as_deref()));
                return (id.parse().unwrap(), line("event: ").unwrap());
            }
        }
    }
}

#[tokio::test]
async fn a_tail_goes_on_after_the_last_event_and_never_delivers_itself() {
    let story = Story::told().await;
    let mut tail = Reader::open(&story, "", None).await;
    assert_eq!(tail.block().await.unwrap(), ": following");
    story.server.token(&story.client, &[("grant_type", "client_credentials")]).await;
    let (position, kind) = tail.event().await;
    assert_eq!(kind, "ClientCredentialsGranted");
    drop(tail);
    story.server.revoke(&story.client, &story.first.access).await;
    let mut again = Reader::open(&story, &format!("client={}", story.client.id), Some(position)).await;
    story.server.token(&story.client, &[("grant_type", "client_credentials")]).await;
    let missed = again.event().await;
    assert_eq!(missed, (position + 1, "AccessTokenRevoked".to_owned()), "what came while nobody read");
    let (_, kind) = again.event().await;
    assert_eq!(kind, "ClientCredentialsGranted", "its own opening is not delivered");
    let opened = story.server.events().await.into_iter().filter(|event| event.kind == "AuditTailOpened").count();
    assert_eq!(opened, 2, "one event for each session");
}

#[tokio::test]
async fn a_tail_ends_with_its_token_and_each_auditor_has_four() {
    let story = Story::told().await;
    let mut tails = Vec::new();
    for _ in 0..4 {
        let mut tail = Reader::open(&story, "from=0&type=CodeRedeemed", None).await;
        assert_eq!(tail.event().await.1, "CodeRedeemed");
        tails.push(tail);
    }
    assert_eq!(story.refused("format=tail").await.0, 429);
    story.server.advance(601_000);
    story.server.token(&story.client, &[("grant_type", "client_credentials")]).await;
    for mut tail in tails {
        assert_eq!(tail.block().await.as_deref(), Some("event: ended\ndata: the token has ended"));
        assert_eq!(tail.block().await, None);
    }
    let late = story.server.get("/audit/events").bearer(&story.auditor).send().await;
    assert_eq!(late.refusal(), (401, "invalid_token".to_owned()));
}
