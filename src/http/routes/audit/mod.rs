//! Questions to the log: for operators' tokens with the scope `audit:read`. Each is an event before it is answered.
//!
//! | File | What |
//! |---|---|
//! | `asked` | the query parameters, read strictly |
//! | `format` | JSON, JSON lines and CSV |
//! | `tail` | server-sent events |
//! | `then` | how things stood at a moment |
//!
//! Personal data stands as ciphertext or as `erased`; in clear only with `personal=clear` and the scope `admin` besides.

mod asked;
mod format;
mod tail;
mod then;

pub use then::Then;

use chancery_core::error::OAuthError;
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use serde_json::{Value, json};

use self::asked::{EventsQuery, ShownQuery};
use self::format::{Answered, Format};
use super::Group;
use crate::app::audit::personal::Showing;
use crate::app::context::Context;
use crate::app::introspect::Bearer;
use crate::app::work::unreadable;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::form::StrictQuery;
use crate::http::reply::{Describe, Reply};
use crate::http::server::{Server, context};
use chancery_projections::envelope::Envelope;

pub struct Audit(pub Server);

/// Who asks, with the right to.
pub struct Auditor {
    pub context: Context,
    pub bearer: Bearer,
    /// To look again whether it still lives.
    pub token: String,
}

pub struct OneEvent;

impl Describe for OneEvent {
    const DESCRIPTION: &'static str = "One event, exactly as it was recorded, and its personal data as they may be shown.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("event", "object", "The event."),
        ("personal", "object", "Its personal data: sealed, clear, withheld, erased or lost."),
        ("leaf", "string", "The exact bytes of the leaf as text; the tree hashes these."),
    ];
}

impl Audit {
    async fn auditor(&self, request: &Request) -> Result<Auditor, Refused> {
        let token = credentials::bearer(request, None)?;
        let bearer = self.0.app.operator(token.as_deref(), "audit:read").await?;
        let context = context(request).as_operator(bearer.grant.id.to_string());
        Ok(Auditor { context, bearer, token: token.unwrap_or_default() })
    }
}

/// Whether personal data may be shown in clear, if that was asked for.
fn showing(auditor: &Auditor, asked: Option<&str>) -> Result<Showing, OAuthError> {
    match asked {
        None | Some("sealed") => Ok(Showing::Sealed),
        Some("clear") if auditor.bearer.scope.has("admin") => Ok(Showing::Clear),
        Some("clear") => {
            Err(OAuthError::insufficient_scope("admin").saying("Personal data in clear needs a token with the scope admin too."))
        }
        Some(_) => Err(OAuthError::invalid_request("personal").saying("personal is sealed or clear.")),
    }
}

#[OpenApi(tag = "Group::Audit")]
impl Audit {
    /// Events of the log
    ///
    /// In the order of the log, or backwards. `Accept` or `format` chooses JSON, JSON lines, CSV, or server-sent events, which go on with what
    /// comes.
    #[oai(path = "/audit/events", method = "get", operation_id = "auditEvents")]
    async fn events(&self, request: &Request, query: StrictQuery<EventsQuery>) -> Result<Answered, Refused> {
        let auditor = self.auditor(request).await?;
        let format = Format::wanted(request, query.format.as_deref())?;
        let asked = asked::read(&query.typed)?;
        if format == Format::Tail {
            let from = tail::resumed(request, query.from.is_some().then_some(asked.question.from))?;
            return tail::open(&self.0, auditor, asked, from).await;
        }
        let page = self.0.app.ask_log(&auditor.context, &asked).await?;
        format.write(&page, &asked, &query.params)
    }

    /// One event of the log
    #[oai(path = "/audit/events/:position", method = "get", operation_id = "auditEvent")]
    async fn event(
        &self,
        request: &Request,
        /// Its position.
        position: Path<u64>,
        query: StrictQuery<ShownQuery>,
    ) -> Result<Reply<OneEvent>, Refused> {
        let auditor = self.auditor(request).await?;
        let showing = showing(&auditor, query.personal.as_deref())?;
        let app = &self.0.app;
        app.note_question(&auditor.context, &asked::words(&[("position", &position.0.to_string())], showing)).await?;
        let events = app.ledger.read_all(position.0, 1).await.map_err(unreadable)?;
        let Some(recorded) = events.first() else {
            return Err(OAuthError::not_found("beyond the end of the log").saying("The log has no event at this position.").into());
        };
        let envelope = Envelope::read(recorded).map_err(|e| OAuthError::server_error(e.to_string()))?;
        let event: Value = serde_json::from_slice(&recorded.leaf).map_err(|e| OAuthError::server_error(e.to_string()))?;
        let mut answer = json!({ "event": event, "leaf": String::from_utf8_lossy(&recorded.leaf) });
        if let Some(personal) = app.personal_of(&envelope, showing).await? {
            answer["personal"] = personal;
        }
        Ok(Reply::new(&answer))
    }
}
