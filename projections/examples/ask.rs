//! How long questions take: `cargo run --release -p chancery-projections --example ask [events] [questions]`.
//!
//! Makes a log of code flows (a session, a request, a consent, a code, its redemption, two refreshes) in an SQLite file of its own, indexes it
//! as the follower does, and asks by subject, client and token in random order, one after the other. Times are those of the library: without
//! HTTP, and without the event that records each question.

#![allow(clippy::disallowed_methods)] // a measurement reads the clock

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chancery_ledger::write::{Actor, Expected, NewEvent, StreamWrite, Write};
use chancery_ledger::{Ledger, Options};
use chancery_projections::audit::follow;
use chancery_projections::audit::query::{Question, ask};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

const PEOPLE: u64 = 5_000;
const CLIENTS: u64 = 50;
/// Events of one flow.
const FLOW: u64 = 8;

fn uuid(kind: u64, n: u64) -> Uuid {
    Uuid::from_u64_pair(0x01a1_fc15_0000_7000 | kind << 32, 0x8000_0000_0000_0000 | n)
}

/// 43 characters that look like a digest and follow from `n` alone.
fn digest(n: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    let letter = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(LETTERS[(state >> 40) as usize % 64])
    };
    (0..43).map(letter).collect()
}

fn event(id: u64, kind: &'static str, actor: (&'static str, String), person: &str, data: Value) -> NewEvent {
    NewEvent {
        id: uuid(9, id),
        kind,
        schema: 1,
        actor: Actor { kind: actor.0, id: actor.1 },
        correlation: uuid(8, id).to_string(),
        causation: None,
        subject: Some(person.to_owned()),
        data: data.to_string().into(),
        personal: Some(json!({ "context": "A".repeat(150), "key": format!("account/{person}") }).to_string().into()),
    }
}

fn stream(name: String, events: Vec<NewEvent>) -> StreamWrite {
    StreamWrite { stream: name, expected: Expected::Any, events }
}

/// One flow: eight events in four streams.
fn flow(n: u64) -> Write {
    let (person, client) = (uuid(1, n % PEOPLE).to_string(), format!("client-{}", n % CLIENTS));
    let (session, interaction, grant) = (uuid(2, n).to_string(), uuid(3, n).to_string(), uuid(4, n).to_string());
    let (by_person, by_client) = (("account", person.clone()), ("client", client.clone()));
    let id = n * FLOW;
    let tokens = |step: u64| json!({ "digest": digest(n * 10 + step), "expires_at": 1_795_231_280_382_u64 });
    let redeemed = json!({ "access": tokens(1), "at": 1, "id_token_kid": "k", "refresh": tokens(2) });
    let rotated = |step: u64| json!({ "access": tokens(step), "at": 1, "generation": 1, "refresh": digest(n * 10 + step + 1), "refresh_expires_at": 2 });
    let issued = json!({ "account": person, "at": 1, "client": client, "code": digest(n * 10), "grant": grant, "interaction": interaction,
        "redirect_uri": "https://app.example/cb", "scope": "openid profile email offline_access", "session": session });
    let events = vec![
        event(id, "AuthorizationRequested", by_person.clone(), &person, json!({ "at": 1, "client": client, "interaction": interaction })),
        event(id + 1, "PersonAuthenticated", by_person.clone(), &person, json!({ "account": person, "at": 1, "session": session })),
    ];
    let of_session = event(id + 2, "SessionStarted", by_person.clone(), &person, json!({ "account": person, "at": 1, "session": session }));
    let consent = event(id + 3, "ConsentGiven", by_person.clone(), &person, json!({ "account": person, "at": 1, "client": client }));
    let of_grant = vec![
        event(id + 4, "CodeIssued", by_person, &person, issued),
        event(id + 5, "CodeRedeemed", by_client.clone(), &person, redeemed),
        event(id + 6, "RefreshTokenRotated", by_client.clone(), &person, rotated(3)),
        event(id + 7, "RefreshTokenRotated", by_client, &person, rotated(5)),
    ];
    Write {
        streams: vec![
            stream(format!("interaction-{interaction}"), events),
            stream(format!("session-{session}"), vec![of_session]),
            stream(format!("consent-{person}-{client}"), vec![consent]),
            stream(format!("grant-{grant}"), of_grant),
        ],
        ..Write::default()
    }
}

async fn measured(ledger: &Ledger, name: &str, questions: u64, question: impl Fn(u64) -> Question) -> Result<(), Box<dyn Error>> {
    let mut times: Vec<Duration> = Vec::new();
    let mut found = 0;
    for n in 0..questions {
        let question = question(n.wrapping_mul(2_654_435_761));
        let began = Instant::now();
        found += ask(ledger, &question).await?.events.len();
        times.push(began.elapsed());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize];
    println!(
        "{name:<28} p50 {:>9.2?}  p99 {:>9.2?}  longest {:>9.2?}  {:.1} events each",
        at(0.5),
        at(0.99),
        at(1.0),
        found as f64 / questions as f64
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let events = arguments.next().transpose()?.unwrap_or(100_000);
    let questions = arguments.next().transpose()?.unwrap_or(2_000);
    let flows = events / FLOW;
    let directory = tempfile::tempdir()?;
    let ledger = Ledger::open_sqlite(directory.path().join("log.db"), Options::new(Arc::new(|| 1_795_230_680_382)))?;
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for writer in 0..64 {
        let ledger = ledger.clone();
        writers.spawn(async move {
            for n in (writer..flows).step_by(64) {
                ledger.append(flow(n)).await?;
            }
            Ok::<_, chancery_ledger::error::AppendError>(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    let written = began.elapsed();
    let began = Instant::now();
    while follow::step(&ledger).await? {}
    let size = ledger.head().await?.size;
    println!("{size} events written in {written:.1?}, indexed in {:.1?}", began.elapsed());
    let page = Question { limit: 100, ..Question::default() };
    measured(&ledger, "by subject", questions, |n| Question { subject: Some(uuid(1, n % PEOPLE).to_string()), ..page.clone() }).await?;
    let client = |n: u64| Some(format!("client-{}", n % CLIENTS));
    measured(&ledger, "by client, first page", questions, |n| Question { client: client(n), ..page.clone() }).await?;
    measured(&ledger, "by client, newest first", questions, |n| Question { client: client(n), newest_first: true, ..page.clone() }).await?;
    measured(&ledger, "by token", questions, |n| Question { token: Some(digest(n % flows * 10 + 3)), ..page.clone() }).await?;
    measured(&ledger, "by grant", questions, |n| Question { grant: Some(uuid(4, n % flows).to_string()), ..page.clone() }).await?;
    ledger.close().await;
    Ok(())
}
