//! The pages of the example application.
//!
//! | Path | What |
//! |---|---|
//! | `/` | before the login an invitation, after it what the application was told |
//! | `/login`, `/callback` | the code flow |
//! | `/refresh` | trades the refresh token |
//! | `/logout` | forgets the login here and goes on to end it at the provider |
//! | `/events.json` | the events of the login |

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{Endpoint, EndpointExt as _, Request, Response, Route, get, handler};
use serde_json::{Map, Value, json};

use super::oidc::{Client, Login, Refused};
use super::roll::Roll;
use super::visits::{Visit, Visits};
use crate::app::random;
use crate::cli::instant;
use crate::pages::demo::{Claim, DemoResult, DemoStart, RollEvent, Token};
use crate::pages::{Page, Template, Text, asset};

/// Cookies know no ports: the name must not be one of the server's.
const COOKIE: &str = "chancery_example";
/// The pages are ours, but not the server's: they need less than any of those.
const CONTENT_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Handle on the application.
#[derive(Clone)]
pub struct Example(Arc<Parts>);

struct Parts {
    client: Client,
    roll: Roll,
    visits: Visits,
}

impl Example {
    pub fn new(client: Client, roll: Roll) -> Self {
        Self(Arc::new(Parts { client, roll, visits: Visits::default() }))
    }

    pub fn routes(self) -> impl Endpoint + 'static {
        Route::new()
            .at("/", get(front))
            .at("/login", get(begin))
            .at("/callback", get(come_back))
            .at("/refresh", get(trade))
            .at("/logout", get(leave))
            .at("/events.json", get(events_json))
            .at("/assets/:file", get(serve_asset))
            .data(self)
    }

    fn page(&self) -> Page {
        let server = self.0.client.place.server.as_str();
        let host = server.split_once("://").map_or(server, |(_, host)| host).to_owned();
        Page { text: Text::for_locales("en"), host, development: true }
    }

    /// The visit and its id. Only under our own name: under another one (127.0.0.1) the browser would have other cookies.
    fn visit(&self, request: &Request) -> Option<(String, Visit)> {
        let cookies = request.header(header::COOKIE)?;
        let id = cookies.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))?;
        self.0.visits.get(id).map(|visit| (id.to_owned(), visit))
    }

    /// Under a new id, so that nobody who knew the old one is signed in with it.
    fn remember(&self, visit: Visit) -> String {
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<32>());
        self.0.visits.put(&id, visit);
        format!("{COOKIE}={id}; Path=/; HttpOnly; SameSite=Lax")
    }

    /// Back to the first page, which tells what went wrong.
    fn tell(&self, problem: (String, String)) -> Response {
        redirect("/", Some(self.remember(Visit { problem: Some(problem), ..Visit::default() })))
    }

    async fn events_of(&self, login: &Login) -> anyhow::Result<Vec<Value>> {
        let subject = login.id_token_claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        self.0.roll.of(subject, login.began_at, login.exchanged_at).await
    }
}

#[handler]
async fn front(request: &Request, Data(example): Data<&Example>) -> Response {
    let own = example.0.client.place.own.as_str();
    if request.header(header::HOST).is_some_and(|host| own.split_once("://").is_none_or(|(_, own)| own != host)) {
        return redirect(&format!("{own}/"), None);
    }
    let visit = example.visit(request);
    if let Some(login) = visit.as_ref().and_then(|(_, visit)| visit.login.as_ref()) {
        return match example.events_of(login).await {
            Ok(events) => html(&result(example, login, &events)),
            Err(error) => broken(&error),
        };
    }
    // Told once.
    let problem = visit.and_then(|(id, _)| example.0.visits.take(&id)).and_then(|visit| visit.problem);
    html(&DemoStart { page: example.page(), login_url: "/login".to_owned(), problem })
}

#[handler]
fn begin(Data(example): Data<&Example>) -> Response {
    let (address, pending) = example.0.client.begin();
    redirect(&address, Some(example.remember(Visit { pending: Some(pending), ..Visit::default() })))
}

#[handler]
async fn come_back(request: &Request, Data(example): Data<&Example>) -> Response {
    let answer: BTreeMap<String, String> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes()).into_owned().collect();
    let pending = example.visit(request).and_then(|(id, _)| example.0.visits.take(&id)).and_then(|visit| visit.pending);
    let Some(pending) = pending.filter(|pending| answer.get("state") == Some(&pending.state)) else {
        return example.tell(("state".to_owned(), "The answer belongs to no login that this browser began.".to_owned()));
    };
    match example.0.client.finish(&pending, &answer).await {
        Ok(login) => redirect("/", Some(example.remember(Visit { login: Some(login), ..Visit::default() }))),
        Err(error) => example.tell(problem(&error)),
    }
}

#[handler]
async fn trade(request: &Request, Data(example): Data<&Example>) -> Response {
    let Some((id, Visit { login: Some(login), .. })) = example.visit(request) else { return redirect("/", None) };
    match example.0.client.refresh(&login).await {
        Ok(login) => {
            example.0.visits.put(&id, Visit { login: Some(login), ..Visit::default() });
            redirect("/", None)
        }
        Err(error) => {
            example.0.visits.take(&id);
            example.tell(problem(&error))
        }
    }
}

#[handler]
fn leave(request: &Request, Data(example): Data<&Example>) -> Response {
    let visit = example.visit(request).and_then(|(id, _)| example.0.visits.take(&id));
    match visit.and_then(|visit| visit.login) {
        Some(login) => redirect(&example.0.client.logout(&login), None),
        None => redirect("/", None),
    }
}

#[handler]
async fn events_json(request: &Request, Data(example): Data<&Example>) -> Response {
    let Some((_, Visit { login: Some(login), .. })) = example.visit(request) else { return redirect("/", None) };
    match example.events_of(&login).await {
        Ok(events) => answer(StatusCode::OK, "application/json", format!("{:#}", json!({ "events": events }))),
        Err(error) => broken(&error),
    }
}

#[handler]
fn serve_asset(Path(file): Path<String>) -> Response {
    match asset::all().into_iter().find(|asset| asset.path.strip_prefix("/assets/") == Some(file.as_str())) {
        Some(asset) => {
            Response::builder().content_type(asset.content_type).header(header::CACHE_CONTROL, asset::CACHE_CONTROL).body(asset.body)
        }
        None => answer(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "There is nothing here.".to_owned()),
    }
}

fn result(example: &Example, login: &Login, events: &[Value]) -> DemoResult {
    let mut claims = listed(&login.id_token_claims, "id_token");
    claims.extend(listed(&login.userinfo, "userinfo"));
    let word = |name: &str| login.userinfo.get(name).or_else(|| login.id_token_claims.get(name)).and_then(Value::as_str);
    let greeting = word("name").or_else(|| word("email")).or_else(|| word("sub")).unwrap_or_default().to_owned();
    let own = &login.tokens;
    let mut tokens = vec![Token::new("access_token", &own.access_token, format!("lives {} seconds, for {}", own.expires_in, own.scope))];
    tokens.extend(own.refresh_token.as_ref().map(|token| Token::new("refresh_token", token, "replaced at each use")));
    tokens.extend(own.id_token.as_ref().map(|token| Token::new("id_token", token, format!("signed with {}", login.id_token_alg))));
    DemoResult {
        page: example.page(),
        greeting,
        claims,
        tokens,
        events: events.iter().map(shown).collect(),
        refresh_url: own.refresh_token.is_some().then(|| "/refresh".to_owned()),
        logout_url: "/logout".to_owned(),
        events_url: Some("/events.json".to_owned()),
    }
}

fn listed(claims: &Map<String, Value>, source: &str) -> Vec<Claim> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    claims.iter().map(|(name, value)| Claim { name: name.clone(), value: text(value), source: source.to_owned() }).collect()
}

fn shown(event: &Value) -> RollEvent {
    let text = |member: &str| event[member].as_str().unwrap_or_default().to_owned();
    RollEvent {
        position: event["position"].as_u64().unwrap_or_default(),
        at: instant::rfc3339(event["recorded_at"].as_i64().unwrap_or_default()),
        kind: text("type"),
        stream: text("stream"),
        data: format!("{:#}", event["data"]),
    }
}

fn problem(error: &anyhow::Error) -> (String, String) {
    match error.downcast_ref::<Refused>() {
        Some(refused) => (refused.error.clone(), refused.description.clone()),
        None => ("server_error".to_owned(), format!("{error:#}")),
    }
}

fn html(page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => answer(StatusCode::OK, "text/html; charset=utf-8", text),
        Err(error) => broken(&error.into()),
    }
}

fn broken(error: &anyhow::Error) -> Response {
    tracing::error!(%error, "the example client");
    answer(StatusCode::BAD_GATEWAY, "text/plain; charset=utf-8", format!("The example client could not do this: {error:#}"))
}

fn answer(status: StatusCode, content_type: &str, body: String) -> Response {
    plain(Response::builder().status(status).content_type(content_type)).body(body)
}

fn redirect(address: &str, cookie: Option<String>) -> Response {
    let builder = plain(Response::builder().status(StatusCode::SEE_OTHER)).header(header::LOCATION, address);
    match cookie {
        Some(cookie) => builder.header(header::SET_COOKIE, cookie).finish(),
        None => builder.finish(),
    }
}

fn plain(builder: poem::ResponseBuilder) -> poem::ResponseBuilder {
    builder
        .header(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY)
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::REFERRER_POLICY, "no-referrer")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
}
