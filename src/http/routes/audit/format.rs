//! How events are written.
//!
//! | Format | Media type | What |
//! |---|---|---|
//! | JSON | `application/json` | the page with its cursor |
//! | JSON lines | `application/jsonl` | the exact leaf of each event in a line: what the tree hashes |
//! | CSV | `text/csv` | RFC 4180; a cell that a spreadsheet would run is made text (OWASP CSV injection) |
//!
//! Lines have no place for a cursor: `Link: <...>; rel="next"` names the next page (RFC 8288).

use chancery_core::error::OAuthError;
use chancery_projections::audit::query::{Found, Page};
use poem::http::{HeaderValue, header};
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};

use super::asked;
use crate::app::audit::ask::Asked;
use crate::app::csv;
use crate::http::error::Refused;
use crate::http::params::Params;

pub const JSON: &str = "application/json";
pub const LINES: &str = "application/jsonl";
pub const CSV: &str = "text/csv; charset=utf-8";
pub const STREAM: &str = "text/event-stream";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Lines,
    Csv,
    /// Server-sent events.
    Tail,
}

/// Events in one of the formats.
pub struct Answered(Response);

impl Format {
    /// What `format` says, else the first media type of Accept that there is.
    pub fn wanted(request: &Request, format: Option<&str>) -> Result<Self, OAuthError> {
        match format {
            Some("json") => return Ok(Self::Json),
            Some("jsonl") => return Ok(Self::Lines),
            Some("csv") => return Ok(Self::Csv),
            Some("tail") => return Ok(Self::Tail),
            Some(_) => return Err(asked::refuse("format", "json, jsonl, csv or tail")),
            None => {}
        }
        let accept = request.header("accept").unwrap_or_default();
        let known = accept.split(',').filter_map(|one| one.split(';').next()).find_map(|one| match one.trim() {
            "application/json" | "*/*" => Some(Self::Json),
            "application/jsonl" | "application/x-ndjson" | "application/ndjson" => Some(Self::Lines),
            "text/csv" => Some(Self::Csv),
            STREAM => Some(Self::Tail),
            _ => None,
        });
        Ok(known.unwrap_or(Self::Json))
    }

    /// A page as an answer.
    pub fn write(self, page: &Page, asked: &Asked, params: &Params) -> Result<Answered, Refused> {
        let (media_type, body) = match self {
            Self::Json | Self::Tail => (JSON, json(page)),
            Self::Lines => (LINES, lines(&page.events)),
            Self::Csv => (CSV, csv(&page.events)),
        };
        let mut answered = Answered::of(media_type, Body::from_vec(body));
        if let Some(next) = page.next {
            let link = next_page(params, asked.question.newest_first, next);
            if let Ok(link) = HeaderValue::try_from(format!("<{link}>; rel=\"next\"")) {
                answered.0.headers_mut().insert(header::LINK, link);
            }
        }
        Ok(answered)
    }
}

/// The same question from where this page ends.
fn next_page(params: &Params, newest_first: bool, next: u64) -> String {
    let cursor = if newest_first { "until" } else { "from" };
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(params.iter().filter(|(name, _)| *name != cursor).filter_map(|(name, values)| Some((name, values.first()?))));
    query.append_pair(cursor, &next.to_string());
    format!("/audit/events?{}", query.finish())
}

/// The leaves stand in the answer byte for byte.
fn json(page: &Page) -> Vec<u8> {
    let mut body = b"{\"events\":[".to_vec();
    for (index, found) in page.events.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(&found.recorded.leaf);
    }
    body.extend_from_slice(format!("],\"indexed\":{}", page.indexed).as_bytes());
    if let Some(next) = page.next {
        body.extend_from_slice(format!(",\"next\":{next}").as_bytes());
    }
    body.push(b'}');
    body
}

fn lines(events: &[Found]) -> Vec<u8> {
    let mut body = Vec::with_capacity(events.iter().map(|found| found.recorded.leaf.len() + 1).sum());
    for found in events {
        body.extend_from_slice(&found.recorded.leaf);
        body.push(b'\n');
    }
    body
}

fn csv(events: &[Found]) -> Vec<u8> {
    let records = events.iter().map(|found| csv::record(&found.envelope));
    std::iter::once(csv::COLUMNS.to_owned()).chain(records).flat_map(|line| [line, csv::END.to_owned()]).collect::<String>().into_bytes()
}

impl Answered {
    pub fn of(media_type: &'static str, body: Body) -> Self {
        let mut response = Response::builder().content_type(media_type).body(body);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self(response)
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Answered {
    fn meta() -> MetaResponses {
        let member = |kind: &'static str, sentence: &'static str| {
            MetaSchemaRef::Inline(Box::new(MetaSchema { description: Some(sentence), ..MetaSchema::new(kind) }))
        };
        let page = MetaSchema {
            properties: vec![
                ("events", member("array", "The events, exactly as they were recorded.")),
                ("next", member("integer", "from of the next page, or until with order=desc; absent at the end.")),
                ("indexed", member("integer", "How many events of the log the answer takes into account.")),
            ],
            ..MetaSchema::new("object")
        };
        let text =
            |media_type| MetaMediaType { content_type: media_type, schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))) };
        let content = vec![
            MetaMediaType { content_type: JSON, schema: MetaSchemaRef::Inline(Box::new(page)) },
            text(LINES),
            text("text/csv"),
            text(STREAM),
        ];
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Events in the order that was asked for. Personal data stands as ciphertext.",
                status: Some(200),
                status_range: None,
                content,
                headers: Vec::new(),
            }],
        }
    }

    fn register(_: &mut Registry) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_asks_the_same() {
        let params = Params::parse(b"client=a&from=3&format=csv").unwrap();
        assert_eq!(next_page(&params, false, 9), "/audit/events?client=a&format=csv&from=9");
        assert_eq!(next_page(&params, true, 9), "/audit/events?client=a&format=csv&from=3&until=9");
    }
}
