//! Questions to the log: for operators' tokens with the scope `audit:read`.

use chancery_projections::audit::query::{MOST, Question};
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;
use serde_json::json;

use super::Group;
use crate::http::credentials;
use crate::http::error::Refused;
use crate::http::reply::{Describe, Reply};
use crate::http::server::{Server, context};

pub struct Audit(pub Server);

pub struct Events;

impl Describe for Events {
    const DESCRIPTION: &'static str = "Events in the order of the log. Personal data stands as ciphertext.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("events", "array", "The events, exactly as they were recorded."),
        ("next", "integer", "`from` of the next page; absent at the end."),
        ("indexed", "integer", "How many events of the log the answer takes into account."),
    ];
}

#[OpenApi(tag = "Group::Audit")]
impl Audit {
    /// Events of the log
    #[oai(path = "/audit/events", method = "get", operation_id = "auditEvents")]
    #[allow(clippy::too_many_arguments)] // one for each filter, so that the document names them
    async fn events(
        &self,
        request: &Request,
        /// Account that the event is about.
        subject: Query<Option<String>>,
        /// client_id that the event names.
        client: Query<Option<String>>,
        /// Type of the event, such as CodeRedeemed.
        #[oai(name = "type")]
        kind: Query<Option<String>>,
        /// Stream of the event.
        stream: Query<Option<String>>,
        /// First position.
        from: Query<Option<u64>>,
        /// At most this many, 1 to 1000; 100 when it is absent.
        limit: Query<Option<u32>>,
    ) -> Result<Reply<Events>, Refused> {
        let token = credentials::bearer(request, None)?;
        let bearer = self.0.app.operator(token.as_deref(), "audit:read").await?;
        let question = Question {
            subject: subject.0,
            client: client.0,
            kind: kind.0,
            stream: stream.0,
            from: from.0.unwrap_or(0),
            limit: limit.0.unwrap_or(100).clamp(1, MOST),
        };
        let context = context(request).as_operator(bearer.grant.id.to_string());
        let page = self.0.app.ask_log(&context, &question).await?;
        let mut answer = json!({ "events": page.events, "indexed": page.indexed });
        if let Some(next) = page.next {
            answer["next"] = json!(next);
        }
        Ok(Reply::new(&answer))
    }
}
