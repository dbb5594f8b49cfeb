//! What the auditor's pages show. Each asks the same question as its machine endpoint, which records it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chancery_core::error::OAuthError;
use chancery_projections::audit::moment::{Moment, rfc3339, written};
use chancery_projections::audit::query::Question;
use chancery_projections::envelope::Envelope;
use poem::Request;
use poem::http::StatusCode;
use serde_json::Value;

use super::admin::{Admin, QUESTION, Visitor};
use super::show::{Shown, refusal};
use crate::app::audit::ask::Asked;
use crate::app::audit::personal::Showing;
use crate::app::audit::then::Named;
use crate::app::work::unreadable;
use crate::http::error::Refused;
use crate::http::headers::PagePolicy;
use crate::http::params::Params;
use crate::pages::audit::{
    self, Ask, CheckLine, EventPage, Line, Near, PersonalFact, Proof, StoryPage, StreamPage, Timeline, TokenPage, VerdictView,
};
use crate::pages::audit::{near, sentence};

/// Events on one page.
const LINES: u32 = 50;
/// Filters that stay from page to page.
const FILTERS: [&str; 9] = ["subject", "client", "actor", "session", "grant", "type", "stream", "after", "before"];

fn line(event: &Envelope) -> Line {
    Line {
        position: event.position,
        at: written(event.recorded_at),
        sentence: sentence::of(event),
        kind: event.kind.clone(),
        near: near::of(event),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// An identifier as it stands in events. A token has no place in an address.
fn is_plain(value: &str) -> bool {
    value.len() <= 255 && value.bytes().all(|byte| byte.is_ascii_graphic()) && !value.starts_with("cha_")
}

impl Admin {
    pub(super) async fn show_timeline(&self, request: &Request, visitor: &Visitor, params: &Params) -> Result<Shown, Refused> {
        // A person may be named by e-mail address: it becomes an id before anything else, so that no further link carries it.
        if let Some(email) = params.get("subject").filter(|text| text.contains('@')) {
            if let Some(account) = self.0.app.account_of(email).await? {
                return Shown::redirect(&near::filtered("subject", &account.id.to_string()));
            }
            return self.roll(request, visitor, params, Err("There is no account with this e-mail address.".to_owned())).await;
        }
        let asked = read(params);
        self.roll(request, visitor, params, asked).await
    }

    async fn roll(&self, request: &Request, visitor: &Visitor, params: &Params, asked: Result<Asked, String>) -> Result<Shown, Refused> {
        let (lines, older, indexed, problem) = match asked {
            Err(problem) => (Vec::new(), None, 0, Some(problem)),
            Ok(asked) => {
                let page = self.0.app.ask_log(&visitor.context, &asked).await?;
                let lines = page.events.iter().map(|found| line(&found.envelope)).collect();
                (lines, page.next.map(|next| older(params, next)), page.indexed, None)
            }
        };
        let field = |name, label| Ask::text(name, label, params.get(name));
        let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let page = Timeline {
            page: self.page(request),
            auditor: visitor.email.clone(),
            fields: vec![
                field("subject", "Person").hinted("Id of the account, or e-mail address"),
                field("client", "Client").hinted("client_id"),
                field("type", "Type").hinted("Such as GrantEnded"),
                field("stream", "Stream").hinted("Such as grant-ID"),
                field("after", "From").hinted("2026-11-21 or 2026-11-21T13:00Z"),
                field("before", "Until").hinted("2026-11-22 or 2026-11-22T13:00Z"),
            ],
            lines,
            older,
            indexed,
            problem,
        };
        Shown::page(&page, status, PagePolicy::default())
    }

    pub(super) async fn show_event(&self, request: &Request, visitor: &Visitor, position: u64) -> Result<Shown, Refused> {
        let app = &self.0.app;
        let clear = if visitor.showing == Showing::Clear { " personal data in clear" } else { "" };
        app.note_question(&visitor.context, &format!("position={position}{clear}")).await?;
        let found = app.ledger.read_all(position, 1).await.map_err(unreadable)?;
        let Some(recorded) = found.first() else {
            let error = OAuthError::not_found("beyond the end of the log").saying("The log has no event at this position.");
            return refusal(&self.0, request, &error);
        };
        let event = Envelope::read(recorded).map_err(|e| OAuthError::server_error(e.to_string()))?;
        let personal = app.personal_of(&event, visitor.showing).await?;
        let personal = personal.as_ref().and_then(Value::as_object).into_iter().flatten();
        let proof = app.prove_inclusion(position, None).await?;
        let base64 = |hash: &[u8]| STANDARD.encode(hash);
        let size = proof.size;
        let page = EventPage {
            page: self.page(request),
            auditor: visitor.email.clone(),
            line: line(&event),
            facts: vec![
                ("Type", format!("{}, schema {}", event.kind, event.schema)),
                ("Stream", format!("{}, version {}", event.stream, event.version)),
                ("By", chancery_projections::audit::actor_of(&event)),
                ("Request", event.correlation.clone()),
                ("Id", event.id.to_string()),
            ],
            personal: personal.map(|(field, value)| PersonalFact { field: field.clone(), shown: shown(value) }).collect(),
            data: pretty(&event.data),
            leaf: String::from_utf8_lossy(&recorded.leaf).into_owned(),
            proof: Proof {
                leaf_hash: base64(&proof.leaf_hash),
                size,
                root: proof.signed.as_ref().map(|signed| base64(&signed.checkpoint.root)).unwrap_or_default(),
                hashes: proof.hashes.iter().map(|hash| base64(hash)).collect(),
                checkpoint: proof.signed.as_ref().map(|signed| signed.note.to_string()),
            },
            older: position.checked_sub(1).map(|before| Near::event(before).href),
            newer: (position + 1 < size).then(|| Near::event(position + 1).href),
        };
        Shown::page(&page, StatusCode::OK, PagePolicy::default())
    }

    pub(super) async fn show_stream(
        &self,
        request: &Request,
        visitor: &Visitor,
        stream: &str,
        as_of: Option<&str>,
    ) -> Result<Shown, Refused> {
        if !is_plain(stream) {
            return refusal(&self.0, request, &OAuthError::not_found("not a stream").saying("There is no such stream."));
        }
        let moment = as_of.map(Moment::parse);
        let mut page = StreamPage {
            page: self.page(request),
            auditor: visitor.email.clone(),
            stream: stream.to_owned(),
            as_of: Ask::text("as_of", "As of", as_of).hinted("A position, or a time such as 2026-11-21T13:00Z; empty for now"),
            facts: Vec::new(),
            state: None,
            problem: None,
            events: near::filtered("stream", stream),
        };
        if moment == Some(None) {
            page.problem = Some("A moment is a position or a time such as 2026-11-21T13:00Z.".to_owned());
            return Shown::page(&page, StatusCode::BAD_REQUEST, PagePolicy::default());
        }
        let place = self.0.app.place(moment.flatten()).await?;
        match self.0.app.stream_then(&visitor.context, stream, place, visitor.showing).await? {
            None => page.problem = Some("There was no such stream then.".to_owned()),
            Some(then) => {
                let version = format!("{} at position {}", then.version, then.position);
                page.facts = vec![("Version", version), ("Last event", audit::shown(&written(then.recorded_at)))];
                page.state = then.state.as_ref().map(pretty);
            }
        }
        let status = if page.problem.is_some() { StatusCode::NOT_FOUND } else { StatusCode::OK };
        Shown::page(&page, status, PagePolicy::default())
    }

    pub(super) async fn show_token(&self, request: &Request, visitor: &Visitor, form: &Params) -> Result<Shown, Refused> {
        let app = &self.0.app;
        // The token itself is not written back into the page: its digest is, once it is known.
        let mut shown_token = form.get("token").filter(|text| !text.starts_with("cha_")).map(str::to_owned);
        let (mut verdict, mut problem) = (None, None);
        if let Some(text) = form.get("token").map(str::trim) {
            let named = app
                .name_of_token(text)
                .await?
                .or_else(|| (text.len() == 43 && is_plain(text)).then(|| Named { digest: text.to_owned(), grant: None }));
            let moment = form.get("as_of").map(Moment::parse);
            match (named, moment) {
                (None, _) => problem = Some("This is neither a token of this server nor the SHA-256 of one (base64url, 43 characters)."),
                (_, Some(None)) => problem = Some("A moment is a position or a time such as 2026-11-21T13:00Z."),
                (Some(named), moment) => {
                    let place = app.place(moment.flatten()).await?;
                    verdict = app.introspect_then(&visitor.context, &named, place).await?;
                    problem = verdict.is_none().then_some("The log knows no such token.");
                    shown_token = Some(named.digest);
                }
            }
        }
        let status = if problem.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
        let page = TokenPage {
            page: self.page(request),
            auditor: visitor.email.clone(),
            csrf: self.0.forms.form_token(&visitor.session, QUESTION),
            fields: vec![
                Ask::text("token", "Token", shown_token.as_deref())
                    .hinted("The token or code itself, or its SHA-256 as it stands in events"),
                Ask::text("as_of", "As of", form.get("as_of")).hinted("A position, or a time such as 2026-11-21T13:00Z; empty for now"),
            ],
            problem: problem.map(str::to_owned),
            verdict: verdict.map(|own| VerdictView {
                active: own.active,
                why: own.why,
                facts: vec![
                    ("Kind", kind_of(&own.kind)),
                    ("Issued", audit::shown(&own.issued_at)),
                    ("Good until", audit::shown(&own.expires_at)),
                    ("As of", own.as_of.get("at").and_then(Value::as_str).map(audit::shown).unwrap_or_default()),
                ],
                checks: own
                    .checks
                    .into_iter()
                    .map(|check| CheckLine {
                        what: check.what.to_owned(),
                        alive: check.alive,
                        said: check.said,
                        event: check.position.map(Near::event),
                    })
                    .collect(),
                near: parties(own.account.as_deref(), &own.client, &own.grant, Some(&own.token)),
            }),
        };
        Shown::page(&page, status, PagePolicy::default())
    }

    pub(super) async fn show_story(&self, request: &Request, visitor: &Visitor, id: &str) -> Result<Shown, Refused> {
        let unknown = || OAuthError::not_found("no such token").saying("The log knows no such token.");
        if id.len() != 43 || !is_plain(id) {
            return refusal(&self.0, request, &unknown());
        }
        let named = Named { digest: id.to_owned(), grant: None };
        let Some(story) = self.0.app.provenance(&visitor.context, &named).await? else { return refusal(&self.0, request, &unknown()) };
        let text =
            |value: Option<&Value>| value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default();
        let mut facts = vec![
            ("Issued", audit::shown(&story.issued_at)),
            ("Good until", audit::shown(&story.expires_at)),
            ("Speaks for", story.speaks_for.to_owned()),
            ("Scope", story.scope.clone()),
        ];
        if let Some(own) = &story.authentication {
            let how = text(own.get("amr")).replace(['[', ']', '"'], "");
            facts.push(("Signed in", format!("{} ({how})", audit::shown(&text(own.get("auth_time"))))));
        }
        if let Some(own) = &story.consent {
            facts.push(("Consent", format!("{} to {}", audit::shown(&text(own.get("at"))), text(own.get("scope")))));
            facts.push(("Text that was shown", text(own.get("text"))));
        }
        let end = story.ended.iter().find(|end| end.get("this_token") == Some(&Value::Bool(true)));
        facts.push((
            "End",
            end.map_or_else(
                || "Nothing ended it before its time.".to_owned(),
                |end| {
                    let reason = end
                        .get("reason")
                        .and_then(Value::as_str)
                        .map(|reason| format!(" ({})", reason.replace('_', " ")))
                        .unwrap_or_default();
                    format!("{}{reason}, {}", text(end.get("type")), audit::shown(&text(end.get("at"))))
                },
            ),
        ));
        let mut in_force = Vec::new();
        if let Some(own) = &story.in_force.server {
            in_force.push(("Program", format!("version {}, {} mode", text(own.get("version")), text(own.get("mode")))));
        }
        if let Some(own) = &story.in_force.signing_key {
            in_force.push(("Signing key", format!("{} ({})", text(own.get("kid")), text(own.get("alg")))));
        }
        if let Some(own) = &story.in_force.client {
            in_force.push(("Client", pretty(own.get("metadata").unwrap_or(&Value::Null))));
        }
        let page = StoryPage {
            page: self.page(request),
            auditor: visitor.email.clone(),
            kind: kind_of(&story.kind),
            token: story.token.clone(),
            facts,
            near: parties(story.account.as_deref(), &story.client, &story.grant, None),
            lines: story.events.iter().map(line).collect(),
            in_force,
            more: story.more,
        };
        Shown::page(&page, StatusCode::OK, PagePolicy::default())
    }
}

fn kind_of(kind: &impl serde::Serialize) -> String {
    let text = serde_json::to_value(kind).unwrap_or_default();
    let text = text.as_str().unwrap_or_default().replace('_', " ");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn parties(account: Option<&str>, client: &str, grant: &str, token: Option<&str>) -> Vec<Near> {
    let mut near = Vec::new();
    near.extend(account.map(|id| Near::filtered("person", "subject", id)));
    near.push(Near::filtered("client", "client", client));
    near.push(Near::filtered("grant", "grant", grant));
    near.extend(token.map(|id| Near { label: "story of token", text: near::short(id), href: format!("/admin/audit/tokens/{id}") }));
    near
}

/// What became of a member of `personal`, in words.
fn shown(value: &Value) -> String {
    if let Some(clear) = value.get("clear") {
        let members = clear.as_object().map(|members| {
            let told = members.iter().map(|(name, value)| format!("{}: {}", name.replace('_', " "), value.as_str().unwrap_or_default()));
            told.collect::<Vec<_>>().join(", ")
        });
        return members.unwrap_or_else(|| clear.as_str().unwrap_or_default().to_owned());
    }
    if value.get("sealed").is_some() {
        return "sealed".to_owned();
    }
    value.as_str().unwrap_or_default().to_owned()
}

/// The next page of the same question.
fn older(params: &Params, next: u64) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(FILTERS.iter().filter_map(|name| Some((*name, params.get(name)?))));
    query.append_pair("until", &next.to_string());
    format!("/admin/audit?{}", query.finish())
}

fn read(params: &Params) -> Result<Asked, String> {
    let text = |name: &str| match params.get(name) {
        Some(value) if !is_plain(value) => Err(format!("{name} is an identifier as it stands in events.")),
        value => Ok(value.map(str::to_owned)),
    };
    let time = |name: &str, end_of_day: bool| -> Result<Option<i64>, String> {
        match params.get(name) {
            None => Ok(None),
            Some(value) => {
                let ms = rfc3339(value).ok_or_else(|| "A time is a date, or a date and a time such as 2026-11-21T13:00Z.".to_owned())?;
                // "Until the 21st" means to its end.
                Ok(Some(if end_of_day && value.len() == 10 { ms + 86_399_999 } else { ms }))
            }
        }
    };
    let until = params.get("until").map(|until| until.parse().map_err(|_| "until is a position.".to_owned())).transpose()?;
    let question = Question {
        subject: text("subject")?,
        client: text("client")?,
        actor: text("actor")?,
        session: text("session")?,
        grant: text("grant")?,
        token: None,
        kind: text("type")?,
        stream: text("stream")?,
        from: 0,
        until,
        newest_first: true,
        limit: LINES,
    };
    Ok(Asked { question, address: None, after: time("after", false)?, before: time("before", true)?, min_position: None })
}
