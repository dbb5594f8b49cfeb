//! How things stood: streams, tokens, differences. `as_of` is a position (after that event) or a time (after the last event recorded by then).

use chancery_core::error::OAuthError;
use chancery_projections::audit::moment::{Moment, told, written};
use poem::Request;
use poem_openapi::param::Path;
use poem_openapi::{Object, OpenApi};
use serde_json::json;

use super::asked::{digest, identifier, refuse};
use super::{Audit, showing};
use crate::app::audit::then::Named;
use crate::http::error::Refused;
use crate::http::form::{StrictForm, StrictQuery};
use crate::http::reply::{Describe, Reply};
use crate::http::routes::Group;

/// The same server, for the questions about a moment.
pub struct Then(pub Audit);

/// A moment, and how personal data is shown.
#[derive(Object)]
struct AsOfQuery {
    /// Position or RFC 3339 time; now when it is absent.
    as_of: Option<String>,
    /// sealed or clear; clear needs the scope admin too.
    personal: Option<String>,
}

/// Two moments.
#[derive(Object)]
struct DiffQuery {
    /// Position or RFC 3339 time: after this.
    from: String,
    /// Position or RFC 3339 time: up to and with this; now when it is absent.
    to: Option<String>,
}

/// A token and a moment. The text travels in the body, so that it stands in no log of addresses.
#[derive(Object)]
struct IntrospectForm {
    /// The token or code itself.
    token: Option<String>,
    /// Its SHA-256, base64url without padding, as it stands in events.
    token_id: Option<String>,
    /// Position or RFC 3339 time; now when it is absent.
    as_of: Option<String>,
}

macro_rules! described {
    ($name:ident, $description:literal, [$($member:tt)*]) => {
        pub struct $name;

        impl Describe for $name {
            const DESCRIPTION: &'static str = $description;
            const MEMBERS: &'static [(&'static str, &'static str, &'static str)] = &[$($member)*];
        }
    };
}

described!(
    StreamState,
    "A stream as it was: the fold of its events up to then.",
    [
        ("stream", "string", "Its name."),
        ("as_of", "object", "The last position that counts, and the time."),
        ("version", "integer", "Events that it had."),
        ("position", "integer", "Position of the last of them."),
        ("recorded_at", "string", "When that was recorded."),
        ("state", "object", "What they add up to; absent for evidence without an account, which nobody folds."),
    ]
);
described!(
    TokenThen,
    "Whether a token was active then, and why.",
    [
        ("active", "boolean", "The answer of introspection about that moment."),
        ("why", "string", "One sentence."),
        ("checks", "array", "Everything that it rests on: what, alive, said, and the position of the event that made it so."),
        ("as_of", "object", "The last position that counts, and the time."),
    ]
);
described!(
    TokenStory,
    "The whole story of a token.",
    [
        ("kind", "string", "access_token, refresh_token or authorization_code."),
        ("grant", "string", "Its grant."),
        ("in_force", "object", "Client configuration, signing key and program when it was issued."),
        ("authentication", "object", "Who signed in, when and how."),
        ("consent", "object", "What the person allowed, and the digest of the text that was shown."),
        ("ended", "array", "What ended it or what it rests on."),
        ("events", "array", "All of it as events."),
    ]
);
described!(
    Difference,
    "What came, changed and ended between two moments.",
    [
        ("came", "array", "Streams that began."),
        ("changed", "array", "Streams that had begun and have further events."),
        ("ended", "array", "Streams that an event ended."),
        ("next", "integer", "from of the next part; absent when everything was looked at."),
    ]
);

/// A moment, if one was asked for.
pub fn moment(name: &'static str, text: Option<&str>) -> Result<Option<Moment>, OAuthError> {
    let wanted = "a position or a time such as 2026-11-21T13:00:00Z";
    text.map(|text| Moment::parse(text).ok_or_else(|| refuse(name, wanted))).transpose()
}

#[OpenApi(tag = "Group::Audit")]
impl Then {
    /// A stream as it was
    #[oai(path = "/audit/streams/:stream", method = "get", operation_id = "auditStream")]
    async fn stream(
        &self,
        request: &Request,
        /// Its name, such as grant-ID.
        stream: Path<String>,
        query: StrictQuery<AsOfQuery>,
    ) -> Result<Reply<StreamState>, Refused> {
        let auditor = self.0.auditor(request).await?;
        let showing = showing(&auditor, query.personal.as_deref())?;
        let stream = identifier("stream", &stream.0)?;
        let app = &self.0.0.app;
        let place = app.place(moment("as_of", query.as_of.as_deref())?).await?;
        let Some(then) = app.stream_then(&auditor.context, &stream, place, showing).await? else {
            return Err(OAuthError::not_found("no such stream then").saying("There was no such stream then.").into());
        };
        let mut answer = json!({ "stream": stream, "as_of": told(place), "version": then.version, "position": then.position,
            "recorded_at": written(then.recorded_at) });
        if let Some(state) = then.state {
            answer["state"] = state;
        }
        Ok(Reply::new(&answer))
    }

    /// Was this token active then?
    #[oai(path = "/audit/introspect", method = "post", operation_id = "auditIntrospect")]
    async fn introspect(&self, request: &Request, form: StrictForm<IntrospectForm>) -> Result<Reply<TokenThen>, Refused> {
        let auditor = self.0.auditor(request).await?;
        let app = &self.0.0.app;
        let place = app.place(moment("as_of", form.as_of.as_deref())?).await?;
        let named = match (&form.token, &form.token_id) {
            (Some(text), None) => app.name_of_token(text).await?,
            (None, Some(id)) => Some(Named { digest: digest(id)?, grant: None }),
            _ => return Err(OAuthError::invalid_request("token").saying("Send token or token_id, and not both.").into()),
        };
        let verdict = match named {
            Some(named) => app.introspect_then(&auditor.context, &named, place).await?,
            None => {
                app.note_question(&auditor.context, "a text that is no token of this server").await?;
                None
            }
        };
        Ok(match verdict {
            Some(verdict) => Reply::new(&verdict),
            None => Reply::new(&json!({ "active": false, "why": "The log knows no such token.", "checks": [], "as_of": told(place) })),
        })
    }

    /// The whole story of a token
    #[oai(path = "/audit/tokens/:id", method = "get", operation_id = "auditToken")]
    async fn token(
        &self,
        request: &Request,
        /// Its SHA-256, base64url without padding, as it stands in events; never the token itself.
        id: Path<String>,
    ) -> Result<Reply<TokenStory>, Refused> {
        let auditor = self.0.auditor(request).await?;
        let named = Named { digest: digest(&id.0)?, grant: None };
        match self.0.0.app.provenance(&auditor.context, &named).await? {
            Some(story) => Ok(Reply::new(&story)),
            None => Err(OAuthError::not_found("no such token").saying("The log knows no such token.").into()),
        }
    }

    /// What came, changed and ended between two moments
    #[oai(path = "/audit/diff", method = "get", operation_id = "auditDiff")]
    async fn diff(&self, request: &Request, query: StrictQuery<DiffQuery>) -> Result<Reply<Difference>, Refused> {
        let auditor = self.0.auditor(request).await?;
        let app = &self.0.0.app;
        let from = app.place(moment("from", Some(&query.from))?).await?;
        let to = app.place(moment("to", query.to.as_deref())?).await?;
        if from.size > to.size {
            return Err(refuse("from", "not after to").into());
        }
        Ok(Reply::new(&app.diff(&auditor.context, from, to).await?))
    }
}
