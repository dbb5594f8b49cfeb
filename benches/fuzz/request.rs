//! Authorization requests: from the query string through every check, and the same out of a request object; authorization details through the
//! schemas and words of registered types, what is added to them, and what a token request makes of them.

use std::collections::BTreeMap;

use chancery::http::params::Params;
use chancery_core::account::lists::Lists;
use chancery_core::backchannel::ContextRule;
use chancery_core::backchannel::signed::{self, Stamp};
use chancery_core::client::metadata::{self, Terms, redirect_uri_matches};
use chancery_core::client::{Client, ClientEvent, Origin, Register, register};
use chancery_core::credential::Catalogue;
use chancery_core::details::enrichment::{Enrichment, Person, Picked};
use chancery_core::details::schema::Schema;
use chancery_core::details::words::Words;
use chancery_core::details::{Details, Type, Types};
use chancery_core::device::user_code::Form;
use chancery_core::id::ClientId;
use chancery_core::request::object::{self, Object, Place, Settled};
use chancery_core::request::{Arrival, Asked, Policy, Resources, of_polled, validate};
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
    "&request_context=",
    "&user_code=",
    "&binding_message=",
    "%00",
    "%ff",
    "%",
    "+",
    "http://localhost:1/cb",
    "com.example:/cb",
    "\"essential\":true",
    "\"values\":[",
    "\"request\":\"x\"",
    "&authorization_details=",
    "%5B%7B%22type%22%3A%22",
    "\"type\":\"payment\"",
    "\"type\":\"accounts\"",
    "\"access\":{",
    "\"accounts\":[]",
    "\"from\":{\"account\":",
    "\"amount\":\"5\"",
    "\"actions\":[\"pay\"]",
    "\"locations\":[",
];

/// Two types: one is closed and has every keyword of schemas, one is open and leaves most to the person.
fn types() -> Types {
    let kind = |schema: &str, words: &str, enrichment: &str| {
        let read = |text: &str| serde_json::from_str(text).unwrap();
        let (schema, words) = (Schema::parse(&read(schema)).unwrap(), Words::parse(words).unwrap());
        Type { enrichment: Enrichment::parse(&read(enrichment), &schema, &words).unwrap(), schema, words }
    };
    let payment = kind(
        r#"{"properties":{"amount":{"type":"string","maxLength":9},"actions":{"type":"array","items":{"enum":["pay","read"]},"maxItems":3},
            "times":{"type":"integer","minimum":1,"maximum":9},"to":{"properties":{"name":{"type":["string","null"]}},"required":["name"]}},
            "required":["actions"],"additionalProperties":false}"#,
        "Pay {amount} to {to.name} ({actions}) for {from.holder}",
        r#"{"from.account":{"choose_one":"accounts","words":"From where to {to.name}?"},"from.holder":{"claim":"name"},"scheme":{"const":["x",1]}}"#,
    );
    let accounts = kind(
        r#"{"properties":{"access":{"properties":{"accounts":{"type":"array"},"balances":{}}}}}"#,
        "See {access.accounts}",
        r#"{"access.accounts":{"choose":"accounts","words":"Which?","least":0},"access.balances":{"choose":"accounts","words":"Which {x}?","most":1}}"#,
    );
    Types { declared: [("payment".into(), payment), ("accounts".into(), accounts)].into(), credentials: Catalogue::NONE }
}

/// Details are shown, chosen, sealed, read back, and asked for again.
fn enriches(types: &Types, text: &str, client: &Client) {
    let Ok(details) = types.read(text, client) else { return };
    let _ = (types.in_words(&details), types.sentences(&details), types.chosen(&details));
    let Ok(lists) = Lists::parse(r#"{"accounts":[{"label":"One","value":{"iban":"1"}},"two"]}"#) else { return };
    let claims = serde_json::Map::from_iter([("name".to_owned(), "Alice".into())]);
    let questions = types.questions(&details, &lists);
    let first = |(number, question): (usize, &chancery_core::details::enrichment::Question)| {
        (number, question.offered.first().map(|entry| entry.id()).into_iter().collect())
    };
    let picked: Picked = questions.iter().enumerate().map(first).collect();
    let _ = types.enrich(&details, &Person { claims: &claims, lists: &Lists::default() }, &picked);
    let Ok(granted) = types.enrich(&details, &Person { claims: &claims, lists: &lists }, &picked) else { return };
    assert_eq!(Details::read_granted(&granted.text()).ok().as_ref(), Some(&granted), "what is sealed is read back");
    assert!(
        types.narrow(Some(&granted), Some(&granted.text())).is_ok_and(|own| own.as_ref() == Some(&granted)),
        "what was answered is within what was granted"
    );
}

fn client(public: bool) -> Client {
    let asked = metadata::Asked {
        redirect_uris: Some(vec![REDIRECT_URI.into()]),
        response_types: Some(vec!["code".into(), "code id_token token".into(), "none".into()]),
        token_endpoint_auth_method: public.then(|| "none".into()),
        authorization_details_types: Some(vec!["payment".into(), "accounts".into()]),
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
    let (clients, types) = ([client(false), client(true)], types());
    let usual = "client_id=app&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=openid%20email&state=af0&nonce=n-0";
    let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let claims =
        "%7B%22userinfo%22%3A%7B%22given_name%22%3A%7B%22essential%22%3Atrue%7D%7D%2C%22id_token%22%3A%7B%22auth_time%22%3Anull%7D%7D";
    let object = r#"{"client_id":"app","response_type":"code","redirect_uri":"https://app.example/cb","scope":"openid","nonce":"n","max_age":9,"claims":{"userinfo":{"email":null}},"iss":"app","exp":2}"#;
    let seeds = [
        format!("{usual}&response_type=code&{challenge}&prompt=login%20consent&max_age=60&claims={claims}&ui_locales=de%20en&acr_values=1"),
        format!("{usual}&response_type=code%20id_token%20token&response_mode=fragment&{challenge}&display=page&login_hint=a%40b.example"),
        format!("{usual}&response_type=none&response_mode=form_post&{challenge}"),
        format!("{usual}&response_type=code&{challenge}&authorization_details=%5B%7B%22type%22%3A%22payment%22%2C%22actions%22%3A%5B%22pay%22%5D%2C%22to%22%3A%7B%22name%22%3A%22Ann%22%7D%7D%5D"),
        format!("{usual}&response_type=code&{challenge}&authorization_details=%5B%7B%22type%22%3A%22accounts%22%2C%22access%22%3A%7B%22accounts%22%3A%5B%5D%7D%7D%5D"),
        r#"{"client_id":"app","response_type":"code","redirect_uri":"https://app.example/cb","scope":"openid","nonce":"n","authorization_details":[{"type":"payment","actions":["pay","read"],"amount":"5","times":3},{"type":"accounts","access":{"accounts":["two"]}}]}"#.to_owned(),
        object.to_owned(),
    ];
    Target {
        name: "request",
        seeds: seeds.map(String::into_bytes).into(),
        words: WORDS,
        read: Box::new(move |bytes| clients.iter().any(|client| is_valid(bytes, client, &types))),
    }
}

fn is_valid(bytes: &[u8], client: &Client, types: &Types) -> bool {
    let Some(settled) = of_query(bytes).or_else(|| of_object(bytes, client)) else { return false };
    let mut accepted = false;
    if let Some(text) = settled.parameters.get("authorization_details") {
        enriches(types, text, client);
    }
    for arrival in [Arrival::Browser, Arrival::Pushing, Arrival::Pushed] {
        for all in [false, true] {
            let policy = Policy { front_channel: all, account_registration: all, localhost_ports: all, ..Policy::default() };
            let resources = Resources { asked: &settled.resources, ..Resources::default() };
            let asked = Asked { parameters: &settled.parameters, client, hint: Ok(None), policy, arrival, resources, types };
            let Ok(request) = validate(&asked) else { continue };
            let own = &client.metadata.redirect_uris[0];
            let is_own = redirect_uri_matches(own, &request.redirect_uri, client.metadata.application_type, all);
            assert!(is_own, "an answer would go to {}", request.redirect_uri);
            accepted = true;
        }
    }
    accepted | is_valid_without_browser(&settled, client, types)
}

/// The same parameters from a device, and on the back channel.
fn is_valid_without_browser(settled: &Settled, client: &Client, types: &Types) -> bool {
    let get = |name: &str| settled.parameters.get(name).map(String::as_str);
    let _ = ContextRule::default().check(get("request_context"));
    let _ = Form::default().normalise(get("user_code").unwrap_or_default());
    let resources = Resources { asked: &settled.resources, ..Resources::default() };
    let (policy, arrival) = (Policy::default(), Arrival::Pushing);
    of_polled(&Asked { parameters: &settled.parameters, client, hint: Ok(None), policy, arrival, resources, types }).is_ok()
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
        let stamp = Stamp { iat: claims.iat.map(|date| date.0), jti: claims.jti.as_deref() };
        let _ = signed::settle(&Settled::default(), &read, stamp, place);
    }
    settled
}
