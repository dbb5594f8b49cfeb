//! Streams of shared signals: OpenID Shared Signals Framework 1.0 §8.1, and polling them (RFC 8936).
//!
//! Order: media type and size of the body, switched on, access token, the client's own stream. Answers are for the client alone and never cached.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chancery_core::client::Client;
use chancery_core::error::OAuthError;
use chancery_core::signals::Status;
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Enum, Object, OpenApi};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Group;
use crate::app::context::Context;
use crate::app::feeds::poll::Poll;
use crate::app::feeds::streams::{self, Edit, MANAGE, READ, Sent};
use crate::app::receipt::{self, Receipt};
use crate::http::error::Refused;
use crate::http::form::StrictQuery;
use crate::http::json::StrictJson;
use crate::http::reply::{Describe, Reply};
use crate::http::resource::{Presented, Resource};
use crate::http::server::{Server, context};

/// Acknowledgements and errors in one poll.
const MOST_ANSWERED: usize = 1000;

pub struct Signals(pub Server);

/// A stream as its receiver wants it (section 8.1.1). What this server supplies may come back, unchanged.
#[derive(Object, Deserialize, Default)]
#[serde(default)]
struct StreamConfiguration {
    stream_id: Option<String>,
    iss: Option<String>,
    aud: Option<Value>,
    events_supported: Option<Vec<String>>,
    /// URIs of event types; without it every one that is supported.
    events_requested: Option<Vec<String>>,
    events_delivered: Option<Vec<String>>,
    /// Without it the receiver polls.
    delivery: Option<StreamDelivery>,
    min_verification_interval: Option<u32>,
    description: Option<String>,
}

/// How tokens get to the receiver.
#[derive(Object, Deserialize)]
struct StreamDelivery {
    /// urn:ietf:rfc:8935 (push) or urn:ietf:rfc:8936 (poll).
    method: String,
    /// Where they are pushed; for polling it is this server's.
    endpoint_url: Option<String>,
    /// Sent along with each token that is pushed; kept sealed and never shown.
    authorization_header: Option<String>,
}

impl StreamConfiguration {
    fn sent(self) -> Sent {
        let supplied = [
            ("iss", self.iss.map(Value::from)),
            ("aud", self.aud),
            (
                "events_supported",
                self.events_supported.map(|mut all| {
                    all.sort();
                    json!(all)
                }),
            ),
            (
                "events_delivered",
                self.events_delivered.map(|mut all| {
                    all.sort();
                    json!(all)
                }),
            ),
            ("min_verification_interval", self.min_verification_interval.map(Value::from)),
        ];
        Sent {
            requested: self.events_requested,
            delivery: self.delivery.map(|own| streams::Delivery {
                method: own.method,
                endpoint_url: own.endpoint_url,
                authorization_header: own.authorization_header,
            }),
            description: self.description,
            supplied: supplied.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        }
    }
}

/// Which stream.
#[derive(Object)]
struct StreamQuery {
    stream_id: Option<String>,
}

/// Whether a stream is told anything (section 8.1.2).
#[derive(Clone, Copy, Enum, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
enum StreamStatus {
    Enabled,
    Paused,
    Disabled,
}

#[derive(Object, Deserialize)]
struct StatusChange {
    stream_id: String,
    status: StreamStatus,
    reason: Option<String>,
    /// Not supported: a status is that of the whole stream.
    subject: Option<Value>,
}

#[derive(Object, Deserialize)]
struct VerificationRequest {
    stream_id: String,
    /// Comes back in the verification.
    state: Option<String>,
}

/// A poll (RFC 8936 section 2.2).
#[derive(Object, Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
#[oai(rename_all = "camelCase")]
struct PollRequest {
    /// Tokens in the answer at most; 0 only acknowledges.
    max_events: Option<u32>,
    /// Without it the answer waits some seconds for something to tell.
    return_immediately: Option<bool>,
    /// jti of the tokens that the receiver has.
    ack: Option<Vec<String>>,
    /// The tokens that it cannot use, by jti.
    set_errs: Option<HashMap<String, SetError>>,
}

#[derive(Object, Deserialize)]
struct SetError {
    err: String,
    description: Option<String>,
}

pub struct Stream;

impl Describe for Stream {
    const DESCRIPTION: &'static str = "The stream; without a stream_id in the request a list of all streams of the client.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = STREAM;
}

pub struct CreatedStream;

impl Describe for CreatedStream {
    const STATUS: u16 = 201;
    const DESCRIPTION: &'static str = "The stream.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = STREAM;
}

const STREAM: &[(&str, &str, &str)] = &[
    ("stream_id", "string", "Its name."),
    ("iss", "string", "The iss of its tokens."),
    ("aud", "string", "Their aud: the client."),
    ("delivery", "object", "method and endpoint_url."),
    ("events_supported", "array", "URIs of the event types that there are."),
    ("events_requested", "array", "What the receiver asked for."),
    ("events_delivered", "array", "What it is told of that."),
    ("min_verification_interval", "integer", "Seconds between two verifications."),
    ("description", "string", "The receiver's own words."),
];

pub struct Turned;

impl Describe for Turned {
    const DESCRIPTION: &'static str = "The status of the stream.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("stream_id", "string", "Its name."),
        ("status", "string", "enabled, paused or disabled."),
        ("reason", "string", "Why, in the words of the receiver."),
    ];
}

pub struct Done;

impl Describe for Done {
    const STATUS: u16 = 204;
    const DESCRIPTION: &'static str = "Done.";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[];
}

pub struct Tokens;

impl Describe for Tokens {
    const DESCRIPTION: &'static str = "Tokens that were not acknowledged (RFC 8936 section 2.4).";
    const MEMBERS: &'static [(&'static str, &'static str, &'static str)] =
        &[("sets", "object", "Security event tokens by jti."), ("moreAvailable", "boolean", "There are more than these.")];
}

#[OpenApi(tag = "Group::Protocol")]
impl Signals {
    /// Begin a stream of shared signals
    ///
    /// Section 8.1.1.1. With a token that the client got for itself, scope ssf.manage.
    #[oai(path = "/oidc/ssf/stream", method = "post", operation_id = "createSignalStream")]
    async fn create(&self, request: &Request, body: StrictJson<StreamConfiguration>) -> Result<Reply<CreatedStream>, Refused> {
        let client = self.client(request, "/ssf/stream", &[MANAGE]).await?;
        let context = context(request);
        let created = self.0.app.create_stream(&context, &client.id, body.0.sent()).await?;
        Ok(Reply::new(&created).with_receipt(receipt_for(&client, &context)))
    }

    /// Show the streams of the client, or one
    #[oai(path = "/oidc/ssf/stream", method = "get", operation_id = "showSignalStream")]
    async fn show(&self, request: &Request, query: StrictQuery<StreamQuery>) -> Result<Reply<Stream>, Refused> {
        let client = self.client(request, "/ssf/stream", &[READ, MANAGE]).await?;
        let all = self.0.app.list_streams(&client.id).await?;
        let Some(stream_id) = &query.stream_id else { return Ok(Reply::new(&all)) };
        self.0.app.signals_of(&client.id, stream_id).await?;
        Ok(Reply::new(&all.first()))
    }

    /// Change a stream: what is not there stays
    #[oai(path = "/oidc/ssf/stream", method = "patch", operation_id = "changeSignalStream")]
    async fn change(&self, request: &Request, body: StrictJson<StreamConfiguration>) -> Result<Reply<Stream>, Refused> {
        self.edit(request, Edit::Change, body.0).await
    }

    /// Replace a stream: what is not there goes
    #[oai(path = "/oidc/ssf/stream", method = "put", operation_id = "replaceSignalStream")]
    async fn replace(&self, request: &Request, body: StrictJson<StreamConfiguration>) -> Result<Reply<Stream>, Refused> {
        self.edit(request, Edit::Replace, body.0).await
    }

    /// End a stream
    #[oai(path = "/oidc/ssf/stream", method = "delete", operation_id = "deleteSignalStream")]
    async fn delete(&self, request: &Request, query: StrictQuery<StreamQuery>) -> Result<Reply<Done>, Refused> {
        let client = self.client(request, "/ssf/stream", &[MANAGE]).await?;
        let stream_id = named(query.stream_id.as_deref())?;
        let context = context(request);
        self.0.app.delete_stream(&context, &client.id, stream_id).await?;
        Ok(Reply::empty().with_receipt(receipt_for(&client, &context)))
    }

    /// Show the status of a stream
    #[oai(path = "/oidc/ssf/status", method = "get", operation_id = "showSignalStatus")]
    async fn status(&self, request: &Request, query: StrictQuery<StreamQuery>) -> Result<Reply<Turned>, Refused> {
        let client = self.client(request, "/ssf/status", &[READ, MANAGE]).await?;
        let own = self.0.app.signals_of(&client.id, named(query.stream_id.as_deref())?).await?;
        Ok(Reply::new(&streams::status_of(&own)))
    }

    /// Enable, pause or disable a stream
    #[oai(path = "/oidc/ssf/status", method = "post", operation_id = "turnSignalStream")]
    async fn turn(&self, request: &Request, body: StrictJson<StatusChange>) -> Result<Reply<Turned>, Refused> {
        let client = self.client(request, "/ssf/status", &[MANAGE]).await?;
        let asked = body.0;
        if asked.subject.is_some() {
            let sentence = "A status is that of the whole stream here; leave out subject.";
            return Err(OAuthError::invalid_request("a status of a subject").saying(sentence).into());
        }
        let status = match asked.status {
            StreamStatus::Enabled => Status::Enabled,
            StreamStatus::Paused => Status::Paused,
            StreamStatus::Disabled => Status::Disabled,
        };
        let context = context(request);
        let turned = self.0.app.turn_stream(&context, &client.id, &asked.stream_id, status, asked.reason).await?;
        Ok(Reply::new(&turned).with_receipt(receipt_for(&client, &context)))
    }

    /// Have a verification sent over a stream
    #[oai(path = "/oidc/ssf/verification", method = "post", operation_id = "verifySignalStream")]
    async fn verify(&self, request: &Request, body: StrictJson<VerificationRequest>) -> Result<Reply<Done>, Refused> {
        let client = self.client(request, "/ssf/verification", &[MANAGE]).await?;
        let context = context(request);
        self.0.app.verify_stream(&context, &client.id, &body.0.stream_id, body.0.state).await?;
        Ok(Reply::empty().with_receipt(receipt_for(&client, &context)))
    }

    /// Fetch security event tokens (RFC 8936)
    #[oai(path = "/oidc/ssf/poll/:stream_id", method = "post", operation_id = "pollSignalStream")]
    async fn poll(&self, request: &Request, stream_id: Path<String>, body: StrictJson<PollRequest>) -> Result<Reply<Tokens>, Refused> {
        let client = self.client(request, &format!("/ssf/poll/{}", stream_id.0), &[MANAGE]).await?;
        let poll = asked(body.0)?;
        let own = self.0.app.signals_of(&client.id, &stream_id).await?;
        Ok(Reply::new(&self.0.app.poll_stream(&own, &poll).await?))
    }
}

impl Signals {
    async fn edit(&self, request: &Request, edit: Edit, asked: StreamConfiguration) -> Result<Reply<Stream>, Refused> {
        let client = self.client(request, "/ssf/stream", &[MANAGE]).await?;
        let stream_id = named(asked.stream_id.as_deref())?.to_owned();
        let context = context(request);
        let edited = self.0.app.edit_stream(&context, &client.id, &stream_id, edit, asked.sent()).await?;
        Ok(Reply::new(&edited).with_receipt(receipt_for(&client, &context)))
    }

    /// The receiver who calls.
    async fn client(&self, request: &Request, path: &str, scopes: &[&'static str]) -> Result<Arc<Client>, Refused> {
        let app = &self.0.app;
        if !app.config.signal_streams {
            return Err(OAuthError::not_found("signals.streams is off").saying("This server has no streams that receivers manage.").into());
        }
        let uri = format!("{}{path}", app.endpoints.issuer);
        let presented = Presented::of(&self.0, request, None, Resource { uri: &uri, scope: scopes[0] })?;
        let client = app.receiver(&context(request), &presented.token, &presented.brought(request), scopes).await;
        client.map_err(|error| presented.refused(error))
    }
}

fn receipt_for(client: &Client, context: &Context) -> Option<Receipt> {
    receipt::are_wanted(client).then(|| context.receipt()).flatten()
}

fn named(stream_id: Option<&str>) -> Result<&str, OAuthError> {
    stream_id.ok_or_else(|| OAuthError::invalid_request("no stream_id").saying("Name the stream with stream_id."))
}

fn asked(own: PollRequest) -> Result<Poll, OAuthError> {
    let (acknowledged, errors) = (own.ack.unwrap_or_default(), own.set_errs.unwrap_or_default());
    if acknowledged.len() + errors.len() > MOST_ANSWERED {
        let sentence = format!("A poll answers for {MOST_ANSWERED} tokens at most.");
        return Err(OAuthError::invalid_request("too much is acknowledged").saying(sentence));
    }
    // What is no jti of ours acknowledges nothing.
    let of_ours = |(jti, error): (String, SetError)| Some((Uuid::try_parse(&jti).ok()?, error.err));
    Ok(Poll {
        most: own.max_events.map(|most| usize::try_from(most).unwrap_or(usize::MAX)),
        returns_immediately: own.return_immediately.unwrap_or(false),
        acknowledged: acknowledged.iter().filter_map(|jti| Uuid::try_parse(jti).ok()).collect(),
        errors: errors.into_iter().filter_map(of_ours).collect::<BTreeMap<_, _>>(),
    })
}
