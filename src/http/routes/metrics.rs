//! Numbers for whoever watches the server, in the text format of Prometheus.
//!
//! | Rule | Why |
//! |---|---|
//! | at `/metrics` for tokens with the scope `metrics:read`; on `ops.listen` for everybody who reaches it | DESIGN: surface |
//! | labels are names from the program or the configuration | nobody outside can make series; nothing here is about a person |
//! | a digest is told by its first 48 bits, as a number | as a label each event would make a series |

use chancery_ledger::Ledger;
use chancery_ledger::error::ReadError;
use chancery_projections::{audit, inline};
use poem::{IntoResponse, Request, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::{ApiResponse, OpenApi};

use super::Group;
use crate::app::feeds::status;
use crate::app::work::unreadable;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::exposition::{Exposition, MEDIA_TYPE};
use crate::http::server::Server;

pub struct Metrics(pub Server);

/// The same without a token, for an address of its own.
pub struct OpenMetrics(pub Server);

/// Samples.
pub struct Samples(String);

impl IntoResponse for Samples {
    fn into_response(self) -> Response {
        Response::builder().content_type(MEDIA_TYPE).header("cache-control", "no-store").body(self.0)
    }
}

impl ApiResponse for Samples {
    fn meta() -> MetaResponses {
        let schema = MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")));
        let content = vec![MetaMediaType { content_type: MEDIA_TYPE, schema }];
        let found = MetaResponse { description: "Samples.", status: Some(200), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![found] }
    }

    fn register(_: &mut Registry) {}
}

#[OpenApi(tag = "Group::Operations")]
impl Metrics {
    /// Metrics
    ///
    /// For tokens with the scope `metrics:read`. Counters are of this process, since its start.
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self, request: &Request) -> Result<Samples, Refused> {
        self.0.app.operator(credentials::bearer(request, None)?.as_deref(), "metrics:read").await?;
        samples(&self.0).await
    }
}

#[OpenApi(tag = "Group::Operations")]
impl OpenMetrics {
    /// Metrics
    #[oai(path = "/metrics", method = "get", operation_id = "metrics")]
    async fn metrics(&self) -> Result<Samples, Refused> {
        samples(&self.0).await
    }
}

async fn samples(server: &Server) -> Result<Samples, Refused> {
    let mut text = Exposition::default();
    let app = &server.app;
    let (name, version) = ("chancery_build_info", env!("CARGO_PKG_VERSION"));
    text.family(name, "gauge", "The program.").sample(name, &[("version", version)], 1);
    log(&mut text, &app.ledger);
    read_models(&mut text, &app.ledger).await.map_err(unreadable)?;
    feeds(&mut text, server).await.map_err(unreadable)?;
    let hashing = app.passwords.load();
    text.one("chancery_password_hashes_running", "gauge", "Passwords that are being hashed.", hashing.running);
    text.one("chancery_password_hashes_waiting", "gauge", "Passwords that wait to be hashed.", hashing.waiting);
    text.one("chancery_password_hashes_most_waiting", "gauge", "Beyond so many that wait the answer is 503.", hashing.most_waiting);
    text.one("chancery_signing_keys_ready", "gauge", "Whether there are signing keys.", u8::from(app.keys.are_ready()));
    if app.signer.is_some() {
        text.one("chancery_signer_well", "gauge", "Whether the signer signed when it was asked last.", u8::from(app.signer_is_well()));
    }
    text.one("chancery_anchors_behind", "gauge", "Places outside that did not take the last checkpoint.", app.anchors.names().len());
    requests(&mut text, server);
    Ok(Samples(text.text()))
}

fn log(text: &mut Exposition, ledger: &Ledger) {
    let (counts, pool) = (ledger.counts(), ledger.pool());
    text.one("chancery_log_events", "gauge", "Events in the log: the next position.", ledger.known_head().size);
    text.one("chancery_log_level", "gauge", "Level of the catalogue of event types.", ledger.level());
    text.one("chancery_appended_events_total", "counter", "Events that this process appended.", counts.events);
    text.one("chancery_refused_appends_total", "counter", "Appends that were not made, lost races among them.", counts.refused);
    text.histogram("chancery_commit_writes", "Writes in a group commit.", &counts.batches, 1.0);
    text.histogram("chancery_commit_seconds", "Time of a group commit, its way to the disk included.", &counts.times, 1e-6);
    text.one("chancery_readers_most", "gauge", "Connections that can read at once.", pool.most);
    text.one("chancery_readers_in_use", "gauge", "Connections that read now.", pool.in_use);
    if let Some(waiting) = pool.waiting {
        text.one("chancery_readers_waiting", "gauge", "Reads that wait for a connection.", waiting);
    }
}

async fn read_models(text: &mut Exposition, ledger: &Ledger) -> Result<(), ReadError> {
    let head = ledger.head().await?.size;
    let mut found = Vec::new();
    for (name, set) in [(inline::SET, None), (audit::SET, Some(audit::SET))] {
        found.extend(ledger.set_state(set).await?.map(|state| (name, state)));
    }
    let name = "chancery_projection_events";
    text.family(name, "gauge", "Events that are folded into a read model.");
    for (set, state) in &found {
        text.sample(name, &[("set", set)], state.checkpoint);
    }
    let name = "chancery_projection_lag_events";
    text.family(name, "gauge", "Events that a read model has not seen.");
    for (set, state) in &found {
        text.sample(name, &[("set", set)], head.saturating_sub(state.checkpoint));
    }
    let name = "chancery_projection_digest";
    text.family(name, "gauge", "The first 48 bits of the digest of a read model: equal on nodes that are equally far.");
    for (set, state) in &found {
        if let Some(digest) = state.digest {
            let start = digest.to_string();
            text.sample(name, &[("set", set)], u64::from_str_radix(start.get(..12).unwrap_or_default(), 16).unwrap_or_default());
        }
    }
    Ok(())
}

async fn feeds(text: &mut Exposition, server: &Server) -> Result<(), ReadError> {
    let all = status::of(&server.app.ledger, &server.app.config.feeds).await?;
    if all.is_empty() {
        return Ok(());
    }
    let name = "chancery_feed_lag_events";
    text.family(name, "gauge", "Events that a feed has not sent.");
    for own in &all {
        text.sample(name, &[("feed", &own.name)], own.behind);
    }
    let name = "chancery_feed_failing";
    text.family(name, "gauge", "Whether the receiver of a feed does not take what it is sent.");
    for own in &all {
        text.sample(name, &[("feed", &own.name)], u8::from(!own.is_well()));
    }
    Ok(())
}

fn requests(text: &mut Exposition, server: &Server) {
    let (all, under_way) = server.requests.look();
    let labelled = |route: &Option<std::sync::Arc<str>>| route.as_deref().unwrap_or("unknown").to_owned();
    let name = "chancery_http_requests_total";
    text.family(name, "counter", "Requests that were answered.");
    for ((route, method, status), own) in &all {
        text.sample(name, &[("route", &labelled(route)), ("method", method), ("status", &status.to_string())], own.count);
    }
    let name = "chancery_http_request_seconds_total";
    text.family(name, "counter", "Time until answers began.");
    for ((route, method, status), own) in &all {
        let labels = [("route", &*labelled(route)), ("method", method), ("status", &status.to_string())];
        text.sample(name, &labels, own.micros as f64 * 1e-6);
    }
    text.one("chancery_http_requests_under_way", "gauge", "Requests that are not answered yet.", under_way);
}
