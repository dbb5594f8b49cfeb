//! The hot paths, one at a time and as often as asked: `chancery-guard PATH COUNT`. `run` counts their instructions.
//!
//! Each path does the same work in the same order each time, on one thread or waiting for the one that writes, so that two runs differ by
//! little more than the seeds of hash tables.

#[path = "../fixture.rs"]
mod fixture;

use std::hint::black_box;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use chancery_core::canonical;
use chancery_core::grant::refresh;
use chancery_core::grant::standing::{self, Origin, Parents};
use chancery_core::token::opaque::{self, Kind, Opaque};
use chancery_ledger::recorded::{Freshness, Recorded};
use chancery_ledger::write::{Actor, Expected, NewEvent, Row, RowWrite, StreamWrite, Write};
use chancery_ledger::{Ledger, Options};
use chancery_projections::{audit, inline};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use fixture::{LIFETIMES, client, digest, evolve, family, fold, next_refresh, rotated};

/// Writes of one transaction in `append-64`.
const AT_ONCE: u64 = 64;
/// Events of one page in `audit-page`.
const PAGE: u64 = 1_000;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (path, count) = (arguments.next().unwrap_or_default(), arguments.next().and_then(|text| text.parse::<u64>().ok()));
    let Some(count) = count else { return usage() };
    match path.as_str() {
        "decide-refresh" => decide_refresh(count),
        "fold-refresh" => fold_refresh(count),
        "row-of-grant" => row_of_grant(count),
        "canonical-event" => canonical_event(count),
        "mint-token" => mint_token(count),
        "append-1" => append(count, 1),
        "append-64" => append(count, AT_ONCE),
        "audit-page" => audit_page(count),
        "introspection-read" => introspection_read(count),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("usage: chancery-guard PATH COUNT; the paths stand in golden.txt");
    ExitCode::from(2)
}

fn decide_refresh(count: u64) {
    let (client, grant, command) = (client(), fold(&family(3)), next_refresh(3));
    for _ in 0..count {
        assert!(refresh::decide(black_box(&grant), &client, &command, &LIFETIMES).outcome.is_ok());
    }
}

fn fold_refresh(count: u64) {
    let mut grant = fold(&family(3));
    for generation in (4..).take(count as usize) {
        grant = evolve(Some(grant), u64::from(generation) + 2, black_box(&rotated(generation)));
    }
    black_box(grant);
}

fn row_of_grant(count: u64) {
    let grant = fold(&family(3));
    for _ in 0..count {
        let row = inline::row("grant-00000000-0000-0000-0000-000000000001", black_box(&grant), 5).expect("a row");
        black_box(inline::state::<chancery_core::grant::Grant>(&row).expect("a state"));
    }
}

fn canonical_event(count: u64) {
    let event = rotated(5);
    for _ in 0..count {
        black_box(canonical::to_vec(black_box(&event)).expect("canonical"));
    }
}

fn mint_token(count: u64) {
    for number in 0..count {
        let text = Opaque::new(Kind::AccessToken, Uuid::from_u128(u128::from(number)), black_box([7; opaque::SECRET])).to_text();
        black_box(opaque::digest(&text));
        assert!(Opaque::parse(Kind::AccessToken, &text).is_some());
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn open(directory: &Path) -> Ledger {
    Ledger::open_sqlite(directory.join("guard.db"), Options::new(Arc::new(|| 1_800_000_000_000))).expect("SQLite opens")
}

fn stream(number: u64) -> String {
    format!("grant-{:08x}-0000-7000-8000-000000000000", number)
}

/// One event and one row on a stream of its own, of the size of a token for a client.
fn one(number: u64) -> (StreamWrite, RowWrite) {
    let stream = stream(number);
    let event = NewEvent {
        id: Uuid::from_u128(u128::from(number) << 64 | 1),
        kind: "Measured",
        schema: 1,
        actor: Actor { kind: "client", id: "bench".into() },
        correlation: "00000000-0000-7000-8000-000000000000".into(),
        causation: None,
        subject: None,
        data: Bytes::from(format!("{{\"client\":\"bench\",\"note\":\"{}\"}}", "x".repeat(280))),
        personal: None,
    };
    let index = [None, Some("bench".into())];
    let row = Row { table: "grant", key: stream.clone(), version: 1, body: Bytes::from(vec![b'x'; 320]), index, expires_at: Some(1) };
    (StreamWrite { stream, expected: Expected::Version(0), events: vec![event] }, RowWrite::Upsert(row))
}

fn write(first: u64, at_once: u64) -> Write {
    let (streams, rows) = (first..first + at_once).map(one).unzip();
    Write { streams, rows, ..Write::default() }
}

/// `count` events, so many in one transaction.
fn append(count: u64, at_once: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let (runtime, ledger) = (runtime(), open(directory.path()));
    runtime.block_on(async {
        for first in (0..count).step_by(at_once as usize) {
            ledger.append(write(first, at_once)).await.expect("an append");
        }
        ledger.close().await;
    });
}

/// Events as a busy server leaves them: few clients, a token each.
fn recorded(position: u64) -> Recorded {
    let digest = digest(position as u32);
    let leaf = format!(
        "{{\"actor\":{{\"id\":\"bench\",\"kind\":\"client\"}},\"correlation\":\"c\",\"data\":{{\"access\":{{\"digest\":\"{}\",\"expires_at\":1}},\
         \"at\":1,\"client\":\"bench\",\"grant\":\"g\",\"scope\":\"api:read\"}},\"id\":\"{}\",\"personal\":{{\"context\":\"{}\",\"key\":\"client/bench\"}},\
         \"position\":{position},\"recorded_at\":1,\"schema\":1,\"stream\":\"{}\",\"type\":\"ClientCredentialsGranted\",\"version\":1}}",
        chancery_core::base64url::encode(&digest.0),
        Uuid::from_u128(u128::from(position)),
        "A".repeat(120),
        stream(position),
    );
    Recorded { position, stream: stream(position), version: 1, kind: "ClientCredentialsGranted".into(), recorded_at: 1, leaf: leaf.into() }
}

/// `count` events, page by page.
fn audit_page(count: u64) {
    let page: Vec<_> = (0..PAGE).map(recorded).collect();
    for _ in 0..count.div_ceil(PAGE) {
        black_box(audit::rows(0, black_box(&page)).expect("a page"));
    }
}

/// What a question about a token reads and decides: rows from memory, states, the rule.
fn introspection_read(count: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let (runtime, ledger) = (runtime(), open(directory.path()));
    let (client, grant) = (client(), fold(&family(3)));
    let rows = [inline::row("client-app", &client, 1), inline::row("grant-1", &grant, 5)];
    let rows = rows.map(|row| RowWrite::Upsert(row.expect("a row"))).into();
    runtime.block_on(async {
        ledger.append(Write { rows, ..Write::default() }).await.expect("an append");
        let (token, at) = (grant.access.last().expect("a token").digest, grant.access.last().expect("a token").issued_at);
        for _ in 0..count {
            let found = ledger.rows(&[("grant", "grant-1"), ("client", "client-app")], Freshness::Fresh).await.expect("rows");
            let [Some(grant), Some(client)] = &found[..] else { panic!("both are there") };
            let (grant, client) =
                (inline::state::<chancery_core::grant::Grant>(grant), inline::state::<chancery_core::client::Client>(client));
            let (grant, client) = (grant.expect("a state").state, client.expect("a state").state);
            let parents =
                Parents { client: Some(&client), account: None, session: None, consent: None, resource: None, origin: Origin::default() };
            // The grant is a person's, and the person is not there: the rule goes all the way to that.
            assert!(standing::of_access(&grant, &token, &parents, at).is_err());
        }
        ledger.close().await;
    });
}
