//! Authorization requests: from the query string through every check, and the same out of a request object.

use std::collections::BTreeMap;

use chancery::http::params::Params;
use chancery_core::client::metadata::{self, Terms, redirect_uri_matches};
use chancery_core::client::{Client, ClientEvent, Origin, Register, register};
use chancery_core::details::NONE;
use chancery_core::id::ClientId;
use chancery_core::request::object::{self, Object, Place, Settled};
use chancery_core::request::{Arrival, Asked, Policy, Resources, validate};
use chancery_core::stream::{Fact, Stream as _};
use chancery_core::time::Timestamp;

use super::Target;

const REDIRECT_URI: &str = "https://app.example/cb";

const WORDS: &[&str] = &[
    "&prompt=",
    "none",
    "login",
    "select_account",
    "create",
    "&max_age=",
    "&claims=",
    "%7B%22id_token%22%3A%7B",
    "&scope=",
    "openid",
    "offline_access",
    "&response_type=",
    "code",
    "id_token",
    "token",
    "&response_mode=",
    "query",
    "fragment",
    "form_post",
    "query.jwt",
    "&redirect_uri=",
    "&redirect_uri=https%3A%2F%2Fapp.example%2Fcb",
    "&code_challenge_method=",
    "S256",
    "plain",
    "&resource=",
    "&request=",
    "&request_uri=",
    "urn:ietf:params:oauth:request_uri:",
    "&registration=",
    "&dpop_jkt=",
    "&id_token_hint=",
    "&acr_values=",
    "&display=",
    "%00",
    "%ff",
    "%",
    "+",
    "http://localhost:1/cb",
    "com.example:/cb",
    "\"essential\":true",
    "\"values\":[",
    "\"request\":\"x\"",
];

fn client(public: bool) -> Client {
    let asked = metadata::Asked {
        redirect_uris: Some(vec![REDIRECT_URI.into()]),
        response_types: Some(vec!["code".into(), "code id_token token".into(), "none".into()]),
        token_endpoint_auth_method: public.then(|| "none".into()),
        ..metadata::Asked::default()
    };
    let metadata = metadata::validate(&asked, Terms { front_channel: true, by_operator: true, ..Terms::default() }).unwrap();
    let command = Register {
        client: ClientId::parse("app").unwrap(),
        metadata,
        origin: Origin::Operator,
        generated_secret: None,
        chosen_secret: None,
        contacts: None,
        registration_access: None,
        invitation: None,
        sector_document: None,
        context: None,
        at: Timestamp(0),
    };
    let event: ClientEvent = register(&command).events.remove(0).event;
    Client::evolve(None, &Fact { id: uuid::Uuid::nil(), version: 1, event: &event, personal: &BTreeMap::new() }).unwrap()
}

pub fn target() -> Target {
    let clients = [client(false), client(true)];
    let usual = "client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=openid%20email&state=af0&nonce=n-0";
    let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let claims =
        "%7B%22userinfo%22%3A%7B%22given_name%22%3A%7B%22essential%22%3Atrue%7D%7D%2C%22id_token%22%3A%7B%22auth_time%22%3Anull%7D%7D";
    let object = r#"{"client_id":"app","response_type":"code","redirect_uri":"https://app.example/cb","scope":"openid","nonce":"n","max_age":9,"claims":{"userinfo":{"email":null}},"iss":"app","exp":2}"#;
    let seeds = [
        format!("{usual}&response_type=code&{challenge}&prompt=login%20consent&max_age=60&claims={claims}&ui_locales=de%20en&acr_values=1"),
        format!("{usual}&response_type=code%20id_token%20token&response_mode=fragment&{challenge}&display=page&login_hint=a%40b.example"),
        format!("{usual}&response_type=none&response_mode=form_post&{challenge}"),
        object.to_owned(),
    ];
    Target {
        name: "request",
        seeds: seeds.map(String::into_bytes).into(),
        words: WORDS,
        read: Box::new(move |bytes| clients.iter().any(|client| is_valid(bytes, client))),
    }
}

fn is_valid(bytes: &[u8], client: &Client) -> bool {
    let Some(settled) = of_query(bytes).or_else(|| of_object(bytes, client)) else { return false };
    let mut accepted = false;
    for arrival in [Arrival::Browser, Arrival::Pushing, Arrival::Pushed] {
        for all in [false, true] {
            let policy = Policy { front_channel: all, account_registration: all, localhost_ports: all, ..Policy::default() };
            let resources = Resources { asked: &settled.resources, ..Resources::default() };
            let asked = Asked { parameters: &settled.parameters, client, hint: Ok(None), policy, arrival, resources, types: &NONE };
            let Ok(request) = validate(&asked) else { continue };
            let own = &client.metadata.redirect_uris[0];
            let is_own = redirect_uri_matches(own, &request.redirect_uri, client.metadata.application_type, all);
            assert!(is_own, "an answer would go to {}", request.redirect_uri);
            accepted = true;
        }
    }
    accepted
}

fn of_query(bytes: &[u8]) -> Option<Settled> {
    let params = Params::parse(bytes).ok().filter(|params| !params.is_empty())?;
    let _ = object::source(&params.single());
    // A JSON text is one odd parameter without a value: then it is read as an object.
    let parameters = params.single();
    Some(Settled { parameters, resources: params.all("resource").to_vec() })
}

fn of_object(bytes: &[u8], client: &Client) -> Option<Settled> {
    let claims = chancery_jose::RegisteredClaims::parse(bytes).ok()?;
    let mut settled = None;
    for is_signed in [true, false] {
        let read = Object {
            claims: &claims.all,
            is_signed,
            iss: claims.iss.as_deref(),
            sub: claims.sub.as_deref(),
            aud: &claims.aud,
            exp: claims.exp.map(|date| date.0),
            nbf: claims.nbf.map(|date| date.0),
            iat: claims.iat.map(|date| date.0),
        };
        let place = Place { client, issuer: "https://op.example", at: Timestamp(0), policy: Policy::default() };
        settled = object::settle(&Settled::default(), &read, place).ok();
    }
    settled
}
