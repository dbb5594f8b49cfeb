//! Makes the log of a stopped server on SQLite large: `cargo run --release --example fill -- DATA-DIRECTORY EVENTS`, with the
//! server's settings in the environment.
//!
//! The newest grant whose code was redeemed is written again and again under new ids and digests, through `Ledger::append`: three
//! events and one row each, as a code flow leaves them; heads are signed as the server's are. Sealed values are copied, so that
//! they do not open; nothing that a measurement asks for opens them. For measuring what a large log costs (`benches/scale`) and for nothing else: the server has issued none of these tokens.

#![allow(clippy::disallowed_methods, reason = "a measuring program reads clock and entropy")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chancery::app::clock::Clock;
use chancery::app::random;
use chancery::app::start::{self, Opening};
use chancery::config::{Database, Flags, Sources, resolve};
use chancery_ledger::Ledger;
use chancery_ledger::recorded::{Freshness, Recorded};
use chancery_ledger::write::{Actor, Expected, NewEvent, Row, RowWrite, StreamWrite, Write};
use chancery_projections::envelope::Envelope;
use uuid::Uuid;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// How far back the newest grant is looked for.
const NEWEST: u64 = 1000;
/// Appends under way at once.
const AT_ONCE: usize = 128;

/// One grant as the log and the read models have it.
struct Template {
    streams: Vec<(String, Vec<Event>)>,
    row: Row,
    /// Texts that are another grant's own: ids and digests.
    ids: Vec<String>,
    digests: Vec<String>,
}

struct Event {
    kind: &'static str,
    schema: u16,
    actor_kind: &'static str,
    /// Actor, correlation, causation, subject, data, personal: as texts, so that one pass replaces in all.
    texts: [Option<String>; 6],
}

impl Event {
    fn of(envelope: Envelope) -> Result<Self, Failed> {
        let personal = (!envelope.personal.is_empty()).then(|| serde_json::to_string(&envelope.personal)).transpose()?;
        // Few kinds, once: names of events are known when a program is built.
        let known = |text: String| -> &'static str { text.leak() };
        let data = Some(serde_json::to_string(&envelope.data)?);
        let texts = [Some(envelope.actor.id), Some(envelope.correlation), envelope.causation, envelope.subject, data, personal];
        Ok(Self { kind: known(envelope.kind), schema: envelope.schema, actor_kind: known(envelope.actor.kind), texts })
    }
}

impl Template {
    async fn newest(ledger: &Ledger) -> Result<Self, Failed> {
        let size = ledger.head().await?.size;
        let read = |events: Vec<Recorded>| events.iter().map(Envelope::read).collect::<Result<Vec<_>, _>>();
        let page = read(ledger.read_all(size.saturating_sub(NEWEST), u32::try_from(NEWEST)?).await?)?;
        let redeemed =
            page.iter().rev().find(|event| event.kind == "CodeRedeemed").ok_or("no code was redeemed among the newest events")?;
        let row = ledger.row("grant", &redeemed.stream, Freshness::Fresh).await?.ok_or("the newest grant has no row")?;
        let grant = read(ledger.read_stream(&redeemed.stream, 1).await?)?;
        let text = |event: &Envelope, at: &str| event.data.pointer(at).and_then(serde_json::Value::as_str).map(str::to_owned);
        let of = |at: &str| grant.iter().find_map(|event| text(event, at));
        let interaction = of("/interaction").ok_or("the newest grant names no interaction")?;
        let answered = read(ledger.read_stream(&format!("interaction-{interaction}"), 1).await?)?;
        let ids = vec![of("/grant").ok_or("the newest grant names itself nowhere")?, interaction];
        let digests = ["/code", "/access/digest", "/refresh/digest"].iter().filter_map(|at| of(at)).collect();
        let streams = [answered, grant].into_iter().filter_map(|events| Some((events.first()?.stream.clone(), events)));
        let streams = streams.map(|(stream, events)| Ok((stream, events.into_iter().map(Event::of).collect::<Result<_, _>>()?)));
        Ok(Self { streams: streams.collect::<Result<_, Failed>>()?, row: Row::clone(&row), ids, digests })
    }

    fn events(&self) -> u64 {
        self.streams.iter().map(|(_, events)| events.len() as u64).sum()
    }

    /// The same grant once more, as another.
    fn again(&self) -> Write {
        let ids = self.ids.iter().map(|old| (old, Uuid::now_v7().to_string()));
        let new: Vec<_> = ids.chain(self.digests.iter().map(|old| (old, another_digest()))).collect();
        let changed = |text: &str| new.iter().fold(text.to_owned(), |text, (old, new)| text.replace(old.as_str(), new));
        let event = |event: &Event| {
            let [actor, correlation, causation, subject, data, personal] = &event.texts;
            let optional = |text: &Option<String>| text.as_deref().map(changed);
            let bytes = |text: &Option<String>| text.as_deref().map(|text| Bytes::from(changed(text)));
            NewEvent {
                id: Uuid::now_v7(),
                kind: event.kind,
                schema: event.schema,
                actor: Actor { kind: event.actor_kind, id: optional(actor).unwrap_or_default() },
                correlation: optional(correlation).unwrap_or_default(),
                causation: optional(causation),
                subject: optional(subject),
                data: bytes(data).unwrap_or_default(),
                personal: bytes(personal),
            }
        };
        let stream = |(stream, events): &(String, Vec<Event>)| StreamWrite {
            stream: changed(stream),
            expected: Expected::Version(0),
            events: events.iter().map(event).collect(),
        };
        let body = Bytes::from(changed(&String::from_utf8_lossy(&self.row.body)));
        let row = Row { key: changed(&self.row.key), body, ..self.row.clone() };
        Write { streams: self.streams.iter().map(stream).collect(), rows: vec![RowWrite::Upsert(row)], ..Write::default() }
    }
}

/// 32 bytes of nobody's token, as text.
fn another_digest() -> String {
    chancery_core::digest::Digest::of(Uuid::now_v7().as_bytes()).to_string()
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [directory, events] = arguments.as_slice() else { return Err("fill DATA-DIRECTORY EVENTS".into()) };
    let until: u64 = events.parse()?;
    let flags = Flags { data_dir: Some(directory.clone()), ..Flags::default() };
    let config = resolve(&Sources::of_process(&flags))?;
    if !matches!(&config.database, Database::Sqlite(path) if path.exists()) {
        return Err(format!("there is no log on SQLite in {directory}").into());
    }
    let secrets = config.secrets(random::fill)?;
    let app = start::open(config, &secrets, Clock::System, Opening::default()).await?;
    let ledger = app.ledger.clone();
    let template = Arc::new(Template::newest(&ledger).await?);
    let size = ledger.head().await?.size;
    let left = Arc::new(AtomicU64::new(until.saturating_sub(size).div_ceil(template.events())));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (ledger, template, left) = (ledger.clone(), template.clone(), left.clone());
            tokio::spawn(async move {
                while left.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                    ledger.append(template.again()).await?;
                }
                Ok::<_, Failed>(())
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    println!("{}", ledger.head().await?.size);
    ledger.close().await;
    Ok(())
}
