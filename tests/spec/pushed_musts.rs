//! RFC 9126: what it demands and no other test holds.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::jwt::Key;
use crate::support::*;

type Field = (&'static str, String);

/// The parameters of the usual request without the client's name; `changes` as for [`Client::request`].
fn body(client: &Client, changes: &[(&str, &str)]) -> Vec<(String, String)> {
    let request = client.request(changes);
    let all = form_urlencoded::parse(request.split_once('?').unwrap().1.as_bytes()).into_owned();
    all.filter(|(name, _)| name != "client_id").collect()
}

async fn push(server: &Server, client: &Client, changes: &[(&str, &str)]) -> Answer {
    let body = body(client, changes);
    let fields: Vec<_> = body.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    server.as_client("/oidc/par", client, &fields).send().await
}

/// The authorization request of a browser.
fn bring(client: &Client, request_uri: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id).append_pair("request_uri", request_uri);
    format!("/oidc/auth?{}", query.finish())
}

/// Where a browser brings what was pushed.
fn kept(client: &Client, answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{}", answer.text());
    bring(client, answer.json()["request_uri"].as_str().unwrap())
}

async fn signing_client(server: &Server, members: Value) -> (Client, Key) {
    let key = Key::generate("ES256");
    let mut all = json!({ "jwks": key.jwks() });
    all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    (server.client(all).await, key)
}

/// The claims of a whole request, with these over them; null leaves one out.
fn claims(server: &Server, client: &Client, changes: &Value) -> Value {
    let mut all = json!({
        "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code",
        "scope": "openid email", "state": "inner", "nonce": "inner", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "exp": NOW / 1000 + 300,
    });
    let members = all.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    all
}

fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(claims.to_string()))
}

fn refused(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

#[tokio::test]
async fn rfc9126_2_the_endpoint_is_reached_over_https() {
    let server = Server::production(&[], "").await;
    for path in ["/oidc/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/oidc"] {
        let document = server.get(path).send().await.json();
        assert_eq!(document["pushed_authorization_request_endpoint"], "https://id.example/oidc/par", "{path}");
    }
}

#[tokio::test]
async fn rfc9126_2_1_whoever_is_no_caller_of_the_token_endpoint_is_none_here() {
    let server = Server::start().await;
    let (web, public) = (server.web_client().await, server.public_client().await);
    let (by_key, key) = signing_client(&server, json!({ "token_endpoint_auth_method": "private_key_jwt" })).await;
    let by_mac = server.client(json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await;
    let (secret, mac) = (web.secret.clone().unwrap(), by_mac.secret.clone().unwrap());
    let stranger = Key::generate("ES256");
    let about = |client: &Client, jti: &str, exp: i64| {
        let own = &client.id;
        json!({ "iss": own, "sub": own, "aud": server.issuer, "jti": jti, "iat": NOW / 1000, "exp": exp })
    };
    let assertion = |text: String| -> Vec<Field> {
        vec![("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned()), ("client_assertion", text)]
    };
    let id = |client: &Client| -> Vec<Field> { vec![("client_id", client.id.clone())] };
    let in_body = |client: &Client, secret: &str| [id(client), vec![("client_secret", secret.to_owned())]].concat();
    let basic = |client: &Client, secret: &str| Some((client.id.clone(), secret.to_owned()));
    let nobody = Client { id: "nobody".to_owned(), secret: None, redirect_uri: String::new() };
    let (soon, past) = (NOW / 1000 + 60, NOW / 1000 - 120);
    for (why, client, is_let_in) in [
        ("secret in the header", &web, true),
        ("another secret in the header", &web, false),
        ("secret in the body", &web, true),
        ("another secret in the body", &web, false),
        ("two mechanisms", &web, false),
        ("its name alone", &web, false),
        ("nothing", &web, false),
        ("somebody unknown", &nobody, false),
        ("a public one", &public, true),
        ("a public one with a secret", &public, false),
        ("its key", &by_key, true),
        ("another key", &by_key, false),
        ("its key, too late", &by_key, false),
        ("a key's owner by name", &by_key, false),
        ("its mac", &by_mac, true),
        ("the secret of the mac", &by_mac, false),
    ] {
        // A jti counts once: every request has its own.
        let proof = |path: &str| match why {
            "secret in the header" => (basic(&web, &secret), vec![]),
            "another secret in the header" => (basic(&web, &mac), vec![]),
            "secret in the body" => (None, in_body(&web, &secret)),
            "another secret in the body" => (None, in_body(&web, &mac)),
            "two mechanisms" => (basic(&web, &secret), in_body(&web, &secret)),
            "nothing" => (None, vec![]),
            "somebody unknown" => (basic(&nobody, &secret), vec![]),
            "a public one with a secret" => (basic(&public, "secret"), vec![]),
            "its key" => (None, assertion(key.sign(&about(&by_key, path, soon)))),
            "another key" => (None, assertion(stranger.sign(&about(&by_key, path, soon)))),
            "its key, too late" => (None, assertion(key.sign(&about(&by_key, path, past)))),
            "its mac" => (None, assertion(jwt::mac("HS256", &mac, &about(&by_mac, path, soon)))),
            "the secret of the mac" => (basic(&by_mac, &mac), vec![]),
            _ => (None, id(client)),
        };
        let send = async |path: &str, own: &[(String, String)]| {
            let (basic, fields) = proof(path);
            let all = own.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            let all: Vec<_> = all.chain(fields.iter().map(|(name, value)| (*name, value.as_str()))).collect();
            let call = server.post(path).form(&all);
            basic.iter().fold(call, |call, (id, secret)| call.basic(id, secret)).send().await
        };
        let code = [("grant_type", "authorization_code"), ("code", "x"), ("redirect_uri", "https://app.example/cb")];
        let code = code.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (there, here) = (send("/oidc/token", &code).await, send("/oidc/par", &body(&web, &[])).await);
        if is_let_in {
            assert_eq!((there.refusal(), here.status), (refused("invalid_grant"), 201), "{why}: {}", here.text());
        } else {
            assert!([400, 401].contains(&there.status) && there.error() != "invalid_grant", "{why}: {}", there.text());
            assert_eq!(here.refusal(), there.refusal(), "{why}");
            assert_eq!(here.header("www-authenticate"), there.header("www-authenticate"), "{why}");
        }
    }
}

#[tokio::test]
async fn rfc9126_2_1_no_reference_is_pushed_wherever_it_stands() {
    let server = Server::start().await;
    let documents = documents::Documents::start().await;
    let (client, key) = signing_client(&server, json!({ "request_uris": [documents.url("/r")] })).await;
    let object = key.sign(&claims(&server, &client, &json!({})));
    documents.put("/r", &object);
    let own = push(&server, &client, &[]).await.json()["request_uri"].as_str().unwrap().to_owned();
    let mark = server.mark().await;
    for uri in [documents.url("/r"), own, "x".to_owned()] {
        let refusal = push(&server, &client, &[("request_uri", &uri)]).await.refusal();
        assert_eq!(refusal, refused("invalid_request"), "{uri}");
        let alone = server.as_client("/oidc/par", &client, &[("request_uri", &uri)]).send().await.refusal();
        assert_eq!(alone, refused("invalid_request"), "{uri} alone");
        let beside = server.as_client("/oidc/par", &client, &[("request_uri", &uri), ("request", &object)]).send().await.refusal();
        assert_eq!(beside, refused("invalid_request"), "{uri} beside an object");
        let within = key.sign(&claims(&server, &client, &json!({ "request_uri": uri })));
        let nested = push(&server, &client, &[("request", &within)]).await.refusal();
        assert_eq!(nested, refused("invalid_request_object"), "{uri} in an object");
    }
    assert_eq!((server.mark().await, documents.asked("/r")), (mark, 0), "nothing is kept, and nothing is fetched");
    assert_eq!(push(&server, &client, &[("request", &object)]).await.status, 201);
}

#[tokio::test]
async fn rfc9126_2_1_what_the_authorization_endpoint_refuses_cannot_be_pushed() {
    let server = Server::start().await;
    let members = json!({ "redirect_uris": ["https://app.example/cb", "https://app.example/other"], "scope": "openid email" });
    let (web, public) = (server.client(members).await, server.public_client().await);
    let long = "a".repeat(2_049);
    let one_by_one = [
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "https://app.example/cb/"),
        ("redirect_uri", ""),
        ("response_type", ""),
        ("response_type", "token"),
        ("response_type", "code id_token"),
        ("response_mode", "pigeon"),
        ("response_mode", "web_message"),
        ("scope", "api"),
        ("scope", ""),
        ("scope", "a\\b"),
        ("code_challenge", "short"),
        ("code_challenge_method", "plain"),
        ("code_challenge_method", ""),
        ("prompt", "dance"),
        ("prompt", "none login"),
        ("max_age", "-1"),
        ("state", &long),
        ("nonce", &long),
        ("login_hint", &long),
        ("claims", "{"),
        ("claims", r#"{"id_token":{"acr":{"essential":true,"value":"urn:nobody:reaches:this"}}}"#),
        ("registration", "{}"),
        ("id_token_hint", "e30.e30.e30"),
        ("resource", "https://nobody.example"),
        ("dpop_jkt", "short"),
        ("authorization_details", "[]"),
        ("request", "e30.e30."),
    ];
    let nothing_to_verify = [("code_challenge", ""), ("code_challenge_method", "")];
    let all = one_by_one.iter().map(|change| (&web, std::slice::from_ref(change))).chain([(&public, &nothing_to_verify[..])]);
    let mark = server.mark().await;
    for (client, changes) in all {
        let there = server.get(&client.request(changes)).header("accept", "text/html").send().await;
        // §2.3: where the authorization endpoint shows a page and sends no code.
        let is_page = there.status == 400 && there.location().is_empty();
        let code = there.sent("error").or_else(|| is_page.then(|| "invalid_request".to_owned()));
        let code = code.unwrap_or_else(|| panic!("{changes:?} is not refused: {} {}", there.status, there.location()));
        let here = push(&server, client, changes).await;
        assert_eq!(here.refusal(), refused(&code), "{changes:?}");
        assert_eq!((here.header("content-type"), here.header("cache-control")), ("application/json", "no-store"), "{changes:?}");
    }
    assert_eq!(server.mark().await, mark, "nothing is kept");
    assert_eq!((push(&server, &web, &[]).await.status, push(&server, &public, &[]).await.status), (201, 201));
}

#[tokio::test]
async fn rfc9126_2_1_what_takes_a_browser_is_checked_when_it_comes() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let (alice, bob) = (server.alice().await, server.person("bob@example.com").await);
    let hint = Browser::new(&server).tokens(&client, &bob, &[]).await.id_token().to_owned();
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    server.advance(10_000);
    for (changes, expected) in [
        (&[("prompt", "none")][..], None),
        (&[("prompt", "none"), ("max_age", "5")], Some("login_required")),
        (&[("prompt", "none"), ("id_token_hint", &hint)], Some("login_required")),
        (&[("prompt", "none"), ("scope", "openid api")], Some("consent_required")),
    ] {
        // §2.3: and no such error is told before.
        let pushed = push(&server, &client, changes).await;
        let answer = browser.get(&kept(&client, &pushed)).await;
        assert_eq!((answer.sent("error").as_deref(), answer.sent("code").is_some()), (expected, expected.is_none()), "{changes:?}");
    }
    let pushed = push(&server, &client, &[("prompt", "none")]).await;
    let stranger = Browser::new(&server).get(&kept(&client, &pushed)).await;
    assert_eq!(stranger.sent("error").as_deref(), Some("login_required"));
    let asked = push(&server, &client, &[("prompt", "login")]).await;
    assert_eq!(flow::page_of(&browser.open(&kept(&client, &asked)).await), "login");
}

#[tokio::test]
async fn rfc9126_2_2_the_answer_has_a_name_that_nobody_guesses() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let (answer, other) = (push(&server, &client, &[]).await, push(&server, &client, &[]).await);
    assert_eq!((answer.status, answer.header("content-type")), (201, "application/json"));
    let (members, others) = (answer.json(), other.json());
    assert_eq!(members.as_object().unwrap().len(), 2, "{members}");
    assert!(members["expires_in"].as_u64().unwrap() > 0);
    let (own, foreign) = (members["request_uri"].as_str().unwrap(), others["request_uri"].as_str().unwrap());
    // §7.1: at least 128 bits that the two do not share, six to a letter.
    let differing = own.chars().zip(foreign.chars()).filter(|(one, another)| one != another).count();
    assert!(own.len() == foreign.len() && differing >= 22, "{own} {foreign}");
    let start = own.rfind(':').unwrap() + 1;
    for at in start..own.len() {
        let letter = if own.as_bytes()[at] == b'x' { "y" } else { "x" };
        let guess = format!("{}{letter}{}", &own[..at], &own[at + 1..]);
        let page = server.get(&bring(&client, &guess)).send().await;
        assert_eq!((page.status, page.location()), (400, ""), "letter {at}");
    }
    assert_eq!(server.get(&bring(&client, own)).send().await.status, 303, "the guesses did it no harm");
}

#[tokio::test]
async fn rfc9126_2_3_who_has_to_sign_pushes_nothing_else() {
    let server = Server::with(&[], "[request_objects]\nunsigned = true\n").await;
    let members = json!({ "require_signed_request_object": true, "request_object_signing_alg": "ES256" });
    let (client, key) = signing_client(&server, members).await;
    let whole = claims(&server, &client, &json!({}));
    let mark = server.mark().await;
    assert_eq!(push(&server, &client, &[]).await.refusal(), refused("invalid_request"));
    assert_eq!(push(&server, &client, &[("request", &unsigned(&whole))]).await.refusal(), refused("invalid_request"));
    assert_eq!(server.mark().await, mark);
    let signed = server.as_client("/oidc/par", &client, &[("request", &key.sign(&whole))]).send().await;
    assert_eq!(signed.status, 201, "{}", signed.text());
    // Unsigned objects are switched on, for others.
    let free = server.web_client().await;
    let own = unsigned(&claims(&server, &free, &json!({})));
    assert_eq!(push(&server, &free, &[("request", &own)]).await.status, 201);
}

#[tokio::test]
async fn rfc9126_3_of_a_signed_request_nothing_counts_but_what_is_signed() {
    let server = Server::start().await;
    let (client, key) = signing_client(&server, json!({})).await;
    let alice = server.alice().await;
    let object = key.sign(&claims(&server, &client, &json!({ "nonce": null })));
    let outer = [
        ("request", object.as_str()),
        ("redirect_uri", "https://evil.example/"),
        ("state", "outer"),
        ("nonce", "outer"),
        ("scope", "openid profile api"),
        ("prompt", "none"),
        ("resource", "https://nobody.example"),
    ];
    let pushed = push(&server, &client, &outer).await;
    let mut browser = Browser::new(&server);
    let page = browser.open(&kept(&client, &pushed)).await;
    let answer = browser.pass(page, &alice).await;
    assert!(answer.location().starts_with(&format!("{}?", client.redirect_uri)), "{}", answer.location());
    assert_eq!(answer.sent("state").as_deref(), Some("inner"));
    let tokens = Tokens::of(&server.redeem(&client, &answer.code()).await);
    assert_eq!(tokens.whole["scope"], "email openid");
    let (_, said) = jwt::verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!(said.get("nonce"), None);
}

#[tokio::test]
async fn rfc9126_3_an_object_that_does_not_hold_is_not_kept() {
    let server = Server::start().await;
    let (client, key) = signing_client(&server, json!({})).await;
    let (other, foreign) = signing_client(&server, json!({})).await;
    let sign = |changes: Value| key.sign(&claims(&server, &client, &changes));
    let good = sign(json!({}));
    let (header, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let changed = format!("{header}.{}.{signature}", B64.encode(claims(&server, &client, &json!({ "scope": "openid api" })).to_string()));
    let mark = server.mark().await;
    for (why, object) in [
        ("another key", Key::generate("ES256").sign(&claims(&server, &client, &json!({})))),
        ("another client's key", foreign.sign(&claims(&server, &client, &json!({})))),
        ("another algorithm", Key::generate("RS256").sign(&claims(&server, &client, &json!({})))),
        ("unsigned", unsigned(&claims(&server, &client, &json!({})))),
        ("changed", changed),
        ("cut", good[..good.len() - 8].to_owned()),
        ("another client_id", sign(json!({ "client_id": other.id }))),
        ("another client_id and iss", sign(json!({ "client_id": other.id, "iss": other.id }))),
        ("no client_id", sign(json!({ "client_id": null }))),
        ("another server", sign(json!({ "aud": "https://other.example" }))),
        ("expired", sign(json!({ "exp": NOW / 1000 - 61 }))),
    ] {
        assert_eq!(push(&server, &client, &[("request", &object)]).await.refusal(), refused("invalid_request_object"), "{why}");
    }
    // What another client signed for itself is of no use to this one, nor the other way round.
    assert_eq!(push(&server, &other, &[("request", &good)]).await.refusal(), refused("invalid_request_object"));
    assert_eq!(server.mark().await, mark);
    assert_eq!(push(&server, &client, &[("request", &good)]).await.status, 201);
}

#[tokio::test]
async fn rfc9126_7_2_a_push_brings_no_new_redirect_uri() {
    let server = Server::start().await;
    for client in [server.web_client().await, server.public_client().await] {
        for uri in [
            "https://evil.example/cb",
            "https://app.example/cb?tenant=7",
            "https://app.example/cb/deeper",
            "https://app.example.evil.example/cb",
            "https://app.example@evil.example/cb",
            "http://app.example/cb",
        ] {
            assert_eq!(push(&server, &client, &[("redirect_uri", uri)]).await.refusal(), refused("invalid_request"), "{uri}");
        }
        assert_eq!(push(&server, &client, &[]).await.status, 201);
    }
}

#[tokio::test]
async fn rfc9126_2_4_an_authenticated_client_brings_a_redirect_uri_where_the_operator_allows_it() {
    let server = Server::with(&[], "[pushed_requests]\nunregistered_redirect_uris = true\n").await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let brought = "https://tenant-7.example/cb?x=1";
    let pushed = push(&server, &client, &[("redirect_uri", brought)]).await;
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id).append_pair("request_uri", pushed.json()["request_uri"].as_str().unwrap());
    let mut browser = Browser::new(&server);
    let page = browser.open(&format!("/oidc/auth?{}", query.finish())).await;
    let answer = browser.pass(page, &alice).await;
    assert!(answer.location().starts_with("https://tenant-7.example/cb?x=1&"), "{}", answer.location());
    // The code is for that address alone.
    let redeem = |uri: &'static str, code: String| {
        let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", uri), ("code_verifier", VERIFIER)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (server, client) = (&server, &client);
        async move {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            server.token(client, &fields).await
        }
    };
    assert_eq!(redeem("https://app.example/cb", answer.code()).await.error(), "invalid_grant");
    let again = push(&server, &client, &[("redirect_uri", brought), ("prompt", "none")]).await;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id).append_pair("request_uri", again.json()["request_uri"].as_str().unwrap());
    let answer = browser.open(&format!("/oidc/auth?{}", query.finish())).await;
    assert_eq!(redeem(brought, answer.code()).await.status, 200);
    // Through the browser nobody brings one, nor does who cannot prove who it is, nor where an address stands for a sector.
    assert_eq!(server.get(&client.request(&[("redirect_uri", brought)])).send().await.status, 400);
    let public = server.public_client().await;
    let pairwise = server.client(json!({ "subject_type": "pairwise" })).await;
    for other in [&public, &pairwise] {
        assert_eq!(push(&server, other, &[("redirect_uri", brought)]).await.refusal(), refused("invalid_request"));
    }
    for uri in
        ["http://127.0.0.1/cb", "https://app.example/cb#x", "https://a@evil.example/cb", "com.example.app:/cb", "javascript:alert(1)"]
    {
        assert_eq!(push(&server, &client, &[("redirect_uri", uri)]).await.refusal(), refused("invalid_request"), "{uri}");
    }
}
