//! Health: is the process there, and can it serve?

use chancery_ledger::Ledger;
use chancery_projections::audit::{self, follow};
use chancery_projections::inline;
use poem::http::StatusCode;
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaResponse, MetaResponses, Registry};
use poem_openapi::{ApiResponse, OpenApi};
use serde_json::{Value, json};

use super::Group;
use crate::app::App;
use crate::app::feeds::status;
use crate::http::server::Server;

/// Events that the audit index may be behind before the server counts as not ready.
const MOST_BEHIND: u64 = 10_000;

pub struct Health(pub Server);

/// 200 or 503 with what was found.
pub struct Report(bool, Value);

impl IntoResponse for Report {
    fn into_response(self) -> Response {
        let status = if self.0 { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Response::builder().status(status).content_type("application/json").body(self.1.to_string())
    }
}

impl ApiResponse for Report {
    fn meta() -> MetaResponses {
        let one = |status, description| MetaResponse {
            description,
            status: Some(status),
            status_range: None,
            content: Vec::new(),
            headers: Vec::new(),
        };
        MetaResponses { responses: vec![one(200, "Well."), one(503, "Not able to serve; the body says what is missing.")] }
    }

    fn register(_: &mut Registry) {}
}

#[OpenApi(tag = "Group::Operations")]
impl Health {
    /// Is the process alive?
    #[oai(path = "/health/live", method = "get", operation_id = "live")]
    async fn live(&self) -> Report {
        Report(true, json!({ "status": "alive" }))
    }

    /// Can it serve?
    #[oai(path = "/health/ready", method = "get", operation_id = "ready")]
    async fn ready(&self) -> Report {
        let app = &self.0.app;
        let log = app.ledger.is_alive().await;
        let behind = follow::lag(&app.ledger).await;
        let audit = matches!(behind, Ok(behind) if behind <= MOST_BEHIND);
        let keys = app.keys.are_ready();
        let signer = app.signer_is_well();
        let well = log.is_ok() && audit && keys && signer;
        let projections = projections(&app.ledger).await;
        if let Err(why) = &log {
            tracing::warn!(why, "not ready: the log cannot be written");
        }
        if let Some(why) = app.signer.as_ref().and_then(|own| own.trouble()) {
            tracing::warn!(%why, "not ready: tokens cannot be signed");
        }
        let word = |well: bool| if well { "ok" } else { "not ready" };
        // A place outside that does not answer is told, and is no reason to turn people away.
        let behind = app.anchors.names();
        let anchors = if behind.is_empty() { "ok".to_owned() } else { format!("behind: {}", behind.join(", ")) };
        let status = if well { "ready" } else { "not ready" };
        Report(
            well,
            json!({
                "status": status,
                "log": word(log.is_ok()),
                "audit_index": word(audit),
                "signing_keys": word(keys),
                "signer": app.signer.as_ref().map_or("none", |_| word(signer)),
                "anchors": anchors,
                "projections": projections,
                "feeds": feeds(app).await,
            }),
        )
    }
}

/// How far each read model is, and the digest that moves along with its rows: the same on every node that is as far.
async fn projections(ledger: &Ledger) -> Value {
    let mut sets = serde_json::Map::new();
    for (name, set) in [(inline::SET, None), (audit::SET, Some(audit::SET))] {
        if let Ok(Some(state)) = ledger.set_state(set).await {
            let digest = state.digest.map(|digest| digest.to_string());
            sets.insert(name.to_owned(), json!({ "events": state.checkpoint, "digest": digest }));
        }
    }
    Value::Object(sets)
}

/// `ok`, or how far behind each feed is that does not get through. A receiver that is away turns nobody away here.
async fn feeds(app: &App) -> Value {
    let Ok(all) = status::of(&app.ledger, &app.config.feeds).await else { return json!("unknown") };
    let behind: Vec<_> = all.iter().filter(|own| !own.is_well()).map(|own| format!("{} ({} events)", own.name, own.behind)).collect();
    if behind.is_empty() { json!("ok") } else { json!(format!("behind: {}", behind.join(", "))) }
}
