//! draft-ietf-oauth-client-id-metadata-document-02: clients that are the document behind their name.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::documents::Documents;
use crate::support::flow::{Tokens, page_of};
use crate::support::jwt::Key;
use crate::support::mtls::Authority;
use crate::support::server::PRODUCTION;
use crate::support::*;

const ON: &str = "[client_documents]\nenabled = true\n";
const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const JSON: &str = "Content-Type: application/json\r\n";

/// A server that trusts the authority of a client's web server.
struct World {
    server: Server,
    documents: Documents,
}

async fn world(toml: &str) -> World {
    let authority = Arc::new(Authority::new("Test Root"));
    let server = Server::fetching(&authority, &[], toml).await;
    World { server, documents: Documents::start_tls(&authority).await }
}

impl World {
    /// The client of the document at this path, which names these members over the usual ones.
    fn client(&self, path: &str, members: Value) -> Client {
        let mut document = json!({ "client_name": "Meadow", "redirect_uris": ["https://app.example/cb"],
            "grant_types": ["authorization_code", "refresh_token"] });
        document["client_id"] = json!(self.documents.url(path));
        document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.documents.answer(path, 200, JSON, &document);
        Client { id: self.documents.url(path), secret: None, redirect_uri: "https://app.example/cb".to_owned() }
    }

    async fn ask(&self, client: &Client) -> Answer {
        // A failure is never kept, but for the millisecond in which it happened.
        self.server.advance(1);
        Browser::new(&self.server).open(&client.request(&[])).await
    }

    /// The document is refused with a sentence like this one, and nothing is in the log.
    async fn refused(&self, client: &Client, sentence: &str) {
        let mark = self.server.mark().await;
        let answer = self.ask(client).await;
        assert_eq!(answer.status, 400, "{}", answer.text());
        assert!(answer.text().contains(sentence), "{sentence}: {}", answer.text());
        assert_eq!(self.server.kinds_since(mark).await, [""; 0]);
    }

    async fn read_events(&self) -> Vec<Value> {
        self.server.events().await.into_iter().filter(|own| own.kind == "ClientDocumentRead").map(|own| own.data.clone()).collect()
    }
}

const UNREAD: &str = "could not be read";

#[tokio::test]
async fn cimd_5_a_client_that_nobody_registered_gets_its_tokens() {
    let world = world(ON).await;
    let (client, alice) = (world.client("/meadow.json", json!({})), world.server.alice().await);
    let mut browser = Browser::new(&world.server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    assert_eq!(world.server.userinfo(&tokens.access).await.status, 200);
    let again = Tokens::of(&world.server.refresh(&client, tokens.refresh()).await);
    assert_eq!(world.server.userinfo(&again.access).await.status, 200);
    // What the grant rests on stands before it, with its hash.
    let (event, events) = (world.read_events().await.remove(0), world.server.events().await);
    assert_eq!((event["client"].as_str(), event["metadata"]["client_name"].as_str()), (Some(client.id.as_str()), Some("Meadow")));
    assert_eq!(event["document"].as_str().unwrap().len(), 43);
    let at = |kind: &str| events.iter().position(|own| own.kind == kind).unwrap();
    assert!(at("ClientDocumentRead") < at("AuthorizationRequested") && at("AuthorizationRequested") < at("CodeIssued"));
    assert_eq!(world.documents.asked("/meadow.json"), 1, "one fetch for all of it");
    // It is public: PKCE is needed (RFC 9700 §2.1.1).
    let bare = browser.open(&client.request(&[("code_challenge", ""), ("code_challenge_method", "")])).await;
    assert_eq!(bare.sent("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn cimd_6_the_metadata_says_so_exactly_when_it_is_on() {
    let on = world(ON).await;
    let off = world("").await;
    let said = async |world: &World| world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(said(&on).await["client_id_metadata_document_supported"], true);
    assert!(said(&off).await.get("client_id_metadata_document_supported").is_none());
    let client = off.client("/meadow.json", json!({}));
    off.refused(&client, "There is no client").await;
    assert_eq!(off.server.token(&client, &[("grant_type", "authorization_code")]).await.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(off.documents.asked("/meadow.json"), 0, "nothing is fetched where it is off");
}

#[tokio::test]
async fn cimd_3_identifiers_of_another_form_are_nobodys() {
    let world = world(ON).await;
    let origin = &world.documents.origin;
    for path in ["/a/../meadow.json", "/./meadow.json", "/%2e%2e/meadow.json", "/meadow.json?x", "/meadow.json#x", ""] {
        let client = Client { id: format!("{origin}{path}"), ..world.client("/meadow.json", json!({})) };
        world.refused(&client, "There is no client").await;
    }
    let user = origin.replace("https://", "https://user:secret@");
    world.refused(&Client { id: format!("{user}/meadow.json"), ..world.client("/meadow.json", json!({})) }, "There is no client").await;
    let plain = origin.replace("https://", "http://");
    world.refused(&Client { id: format!("{plain}/meadow.json"), ..world.client("/meadow.json", json!({})) }, "There is no client").await;
    assert_eq!(world.documents.asked("/meadow.json"), 0);
}

#[tokio::test]
async fn cimd_4_the_document_names_the_url_it_was_fetched_from() {
    let world = world(ON).await;
    for wrong in [json!("https://other.example/x"), json!(world.documents.url("/other.json")), json!(null), json!(7)] {
        let client = world.client("/meadow.json", json!({ "client_id": wrong }));
        world.refused(&client, "is not its URL").await;
    }
    // The same document under another name of the same server.
    let client = world.client("/meadow.json", json!({}));
    let other = Client { id: client.id.replace("localhost", "127.0.0.1"), ..client };
    world.refused(&other, "is not its URL").await;
}

#[tokio::test]
async fn cimd_4_1_secrets_and_private_keys_are_refused() {
    let world = world(ON).await;
    for method in ["client_secret_basic", "client_secret_post", "client_secret_jwt"] {
        world.refused(&world.client("/meadow.json", json!({ "token_endpoint_auth_method": method })), "is none or private_key_jwt").await;
    }
    world.refused(&world.client("/meadow.json", json!({ "client_secret": "hunter2" })), "holds no client_secret").await;
    world.refused(&world.client("/meadow.json", json!({ "client_secret_expires_at": 0 })), "holds no client_secret").await;
    let mut jwks = Key::generate("ES256").jwks();
    jwks["keys"][0]["d"] = json!("AAAA");
    world.refused(&world.client("/meadow.json", json!({ "jwks": jwks })), "public keys only").await;
    assert_eq!(world.read_events().await, [Value::Null; 0]);
}

#[tokio::test]
async fn cimd_4_2_a_redirect_uri_is_one_of_the_document_to_the_letter() {
    let world = world(ON).await;
    let client = world.client("/meadow.json", json!({}));
    for other in ["https://app.example/cb/", "https://app.example/cb?x", "https://evil.example/cb", "https://app.example:443/cb"] {
        let answer = world.ask(&Client { redirect_uri: other.to_owned(), ..client.clone() }).await;
        assert_eq!((answer.status, page_of(&answer)), (400, "other"), "{other}");
    }
    assert_eq!(page_of(&world.ask(&client).await), "login");
}

#[tokio::test]
async fn cimd_5_every_other_status_is_an_error_and_no_redirect_is_followed() {
    let world = world(ON).await;
    let client = world.client("/meadow.json", json!({}));
    let elsewhere = world.client("/elsewhere.json", json!({ "client_id": client.id }));
    for status in [201, 203, 204, 301, 302, 303, 307, 308, 404, 410, 500] {
        let headers = format!("{JSON}Location: {}\r\n", elsewhere.id);
        world.documents.answer("/meadow.json", status, &headers, json!({ "client_id": client.id, "redirect_uris": [client.redirect_uri] }));
        world.refused(&client, UNREAD).await;
    }
    assert_eq!(world.documents.asked("/elsewhere.json"), 0);
    // None of these was kept (CIMD §5.2).
    world.client("/meadow.json", json!({}));
    assert_eq!(page_of(&world.ask(&client).await), "login");
}

#[tokio::test]
async fn cimd_8_6_a_private_address_is_never_asked_whatever_registered_clients_may_reach() {
    let authority = Arc::new(Authority::new("Test Root"));
    let documents = Documents::start_tls(&authority).await;
    let toml = format!("{ON}[outgoing]\nallowed_networks = [\"127.0.0.0/8\", \"::1/128\", \"10.0.0.0/8\"]\n");
    let world = World { server: Server::fetching(&authority, &PRODUCTION, &toml).await, documents };
    let client = world.client("/meadow.json", json!({}));
    world.refused(&client, UNREAD).await;
    for host in ["127.0.0.1", "10.1.2.3", "169.254.169.254", "0.0.0.0"] {
        let id = client.id.replace("localhost", host);
        world.refused(&Client { id, ..client.clone() }, UNREAD).await;
    }
    // The same address in other words is no identifier at all.
    for host in ["2130706433", "0x7f000001", "127.1", "0177.0.0.1"] {
        let id = client.id.replace("localhost", host);
        world.refused(&Client { id, ..client.clone() }, "There is no client").await;
    }
    assert_eq!(world.documents.asked("/meadow.json"), 0);
}

#[tokio::test]
async fn cimd_8_6_nor_are_the_addresses_that_a_document_names() {
    let world = world(ON).await;
    let inside = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://10.1.2.3/jwks" });
    let client = world.client("/meadow.json", inside);
    assert_eq!(page_of(&world.ask(&client).await), "login");
    let answer = speak(&world, &client, &Key::generate("ES256"), "none").await;
    assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn cimd_8_7_a_document_that_is_too_long_or_too_slow_is_none() {
    let world = world(ON).await;
    let name = |length: usize| json!({ "client_name": "x", "software_id": "y".repeat(200), "tos_uri": "https://app.example/", "x": "x".repeat(length) });
    world.refused(&world.client("/meadow.json", name(5 * 1024)), UNREAD).await;
    let client = world.client("/slow.json", json!({}));
    world.documents.answer("/slow.json", 0, "", "");
    let mark = world.server.mark().await;
    // All of them wait for one fetch, and share how it ends.
    let asked = at_once::all(8, || async { Browser::new(&world.server).open(&client.request(&[])).await.status }).await;
    assert_eq!((asked, world.documents.asked("/slow.json")), (vec![400; 8], 1));
    assert_eq!(world.server.kinds_since(mark).await, [""; 0]);
    assert_eq!(page_of(&world.ask(&world.client("/meadow.json", name(1024))).await), "login");
}

#[tokio::test]
async fn cimd_4_only_json_of_a_json_type_is_a_document() {
    let world = world(ON).await;
    let client = world.client("/meadow.json", json!({}));
    let good = json!({ "client_id": client.id, "redirect_uris": [client.redirect_uri] }).to_string();
    for (kind, body) in [
        ("text/html", good.as_str()),
        ("text/plain", &good),
        ("application/json", "["),
        ("application/json", "[]"),
        ("application/json", ""),
        ("application/json", "\u{0}"),
        ("application/json", &format!("{good}{good}")),
        ("application/json", &good.replacen('{', &format!("{{\"client_id\":\"{}\",", client.id), 1)),
        ("application/json", &"[".repeat(4000)),
    ] {
        world.documents.answer("/meadow.json", 200, &format!("Content-Type: {kind}\r\n"), body);
        world.refused(&client, UNREAD).await;
    }
    world.documents.answer("/meadow.json", 200, "", &good);
    world.refused(&client, UNREAD).await;
    world.documents.answer("/meadow.json", 200, "Content-Type: Application/Client+JSON; charset=utf-8\r\n", &good);
    assert_eq!(page_of(&world.ask(&client).await), "login");
}

#[tokio::test]
async fn cimd_8_5_people_read_the_host_and_markup_in_a_name_is_text() {
    let world = world(ON).await;
    let client = world
        .client("/meadow.json", json!({ "client_name": "<script>alert(1)</script> Your Bank", "logo_uri": "https://app.example/l.png" }));
    let alice = world.server.alice().await;
    let mut browser = Browser::new(&world.server);
    let login = browser.open(&client.request(&[])).await;
    assert!(login.text().contains("localhost") && !login.text().contains("Your Bank"), "before anybody signs in the host alone is said");
    let consent = browser.submit(&login, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
    let text = consent.text();
    assert_eq!(page_of(&consent), "consent");
    assert!(text.contains("<bdi>localhost</bdi> asks for access") && text.contains("app.example"), "{text}");
    assert!(text.contains("which nobody here has checked") && text.contains("Your Bank"), "{text}");
    assert!(!text.contains("<script>alert") && !text.contains("/logo/"), "{text}");
    browser.submit(&consent, &[("decision", "allow")]).await.code();
    let apps = browser.open("/account").await.text();
    assert!(apps.contains("localhost") && !apps.contains("Your Bank"), "{apps}");
}

/// A token request with an assertion of this key.
async fn speak(world: &World, client: &Client, key: &Key, code: &str) -> Answer {
    let now = world.server.app.now().0 / 1000;
    let jti = chancery::app::random::uuid_v7(world.server.app.now().0).to_string();
    let claims = json!({ "iss": client.id, "sub": client.id, "aud": world.server.issuer, "jti": jti, "iat": now, "exp": now + 60 });
    let (assertion, uri) = (key.sign(&claims), client.redirect_uri.as_str());
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", uri),
        ("code_verifier", VERIFIER),
        ("client_assertion_type", KIND),
        ("client_assertion", &assertion),
    ];
    world.server.post("/oidc/token").form(&fields).send().await
}

#[tokio::test]
async fn cimd_8_2_a_document_with_private_key_jwt_needs_an_assertion_of_its_key() {
    let world = world(ON).await;
    let (key, other, alice) = (Key::generate("ES256"), Key::generate("ES256"), world.server.alice().await);
    world.documents.put("/jwks", key.jwks());
    let method = "private_key_jwt";
    for members in [
        json!({ "token_endpoint_auth_method": method, "jwks": key.jwks() }),
        json!({ "token_endpoint_auth_method": method, "jwks_uri": world.documents.url("/jwks") }),
    ] {
        let client = world.client(if members.get("jwks").is_some() { "/value.json" } else { "/reference.json" }, members);
        let code = Browser::new(&world.server).authorize(&client, &alice, &[]).await.code();
        assert_eq!(world.server.redeem(&client, &code).await.refusal(), (401, "invalid_client".to_owned()), "without proof");
        assert_eq!(speak(&world, &client, &other, &code).await.refusal(), (401, "invalid_client".to_owned()), "another's key");
        Tokens::of(&speak(&world, &client, &key, &code).await);
    }
}

#[tokio::test]
async fn cimd_5_2_kept_for_as_long_as_it_says_within_bounds_and_no_news_is_no_event() {
    let world = world(ON).await;
    let client = world.client("/meadow.json", json!({}));
    let body = json!({ "client_id": client.id, "client_name": "Meadow", "redirect_uris": [client.redirect_uri] });
    let says =
        |control: &str, body: &Value| world.documents.answer("/meadow.json", 200, &format!("{JSON}Cache-Control: {control}\r\n"), body);
    let asked = async |advance: i64| {
        world.server.advance(advance);
        assert_eq!(page_of(&world.ask(&client).await), "login");
        world.documents.asked("/meadow.json")
    };
    says("max-age=600", &body);
    assert_eq!((asked(0).await, asked(590_000).await, asked(10_000).await), (1, 1, 2));
    // No time at all is a minute, and a year is a day.
    says("no-store", &body);
    assert_eq!((asked(600_000).await, asked(50_000).await, asked(10_000).await), (3, 3, 4));
    says("max-age=31536000", &body);
    assert_eq!((asked(60_000).await, asked(23 * HOUR).await, asked(HOUR).await), (5, 5, 6));
    assert_eq!(world.read_events().await.len(), 1, "the same metadata six times");
    let mut changed = body.clone();
    changed["client_name"] = json!("Meadow 2");
    says("max-age=600", &changed);
    assert_eq!(asked(DAY).await, 7);
    assert_eq!(world.read_events().await.len(), 2);
}

#[tokio::test]
async fn cimd_5_1_while_it_cannot_be_read_nobody_is_asked_and_who_was_allowed_goes_on_for_a_day() {
    let world = world(ON).await;
    let (client, alice) = (world.client("/meadow.json", json!({})), world.server.alice().await);
    let tokens = Browser::new(&world.server).tokens(&client, &alice, &[("scope", "openid offline_access"), ("prompt", "consent")]).await;
    world.documents.answer("/meadow.json", 503, "", "");
    world.server.advance(2 * HOUR);
    world.refused(&client, UNREAD).await;
    let again = Tokens::of(&world.server.refresh(&client, tokens.refresh()).await);
    world.server.advance(23 * HOUR);
    assert_eq!(world.server.refresh(&client, again.refresh()).await.refusal(), (401, "invalid_client".to_owned()));
    // It comes back, and nothing is lost.
    world.client("/meadow.json", json!({}));
    world.server.advance(1);
    Tokens::of(&world.server.refresh(&client, again.refresh()).await);
}

/// A document that is fresh for a minute, read some seconds ago, and a code that was given on it: fifteen seconds later it is read anew.
async fn code_before_a_change(world: &World, client: &Client, person: &flow::Person, changed: Value) -> String {
    let serve = |members: Value| {
        let mut document = json!({ "client_id": client.id, "client_name": "Meadow", "redirect_uris": [client.redirect_uri] });
        document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        world.documents.answer("/meadow.json", 200, &format!("{JSON}Cache-Control: max-age=60\r\n"), document);
    };
    world.server.advance(2 * 60_000);
    serve(json!({}));
    assert_eq!(page_of(&world.ask(client).await), "login");
    world.server.advance(50_000);
    let code = Browser::new(&world.server).authorize(client, person, &[]).await.code();
    serve(changed);
    world.server.advance(15_000);
    code
}

#[tokio::test]
async fn cimd_8_4_a_document_that_changes_between_authorization_and_token() {
    let world = world(ON).await;
    let (client, alice) = (world.client("/meadow.json", json!({})), world.server.alice().await);
    let (invalid_grant, invalid_client) = ((400, "invalid_grant".to_owned()), (401, "invalid_client".to_owned()));
    // Whoever reads codes at an address that is not the client's any more gets nothing for them.
    let moved = json!({ "redirect_uris": ["https://app.example/new"] });
    let code = code_before_a_change(&world, &client, &alice, moved.clone()).await;
    assert_eq!(world.server.redeem(&client, &code).await.refusal(), invalid_grant);
    assert_eq!(world.read_events().await.last().unwrap()["metadata"]["redirect_uris"], moved["redirect_uris"]);
    // It authenticates from now on.
    let key = Key::generate("ES256");
    let proves = json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() });
    let code = code_before_a_change(&world, &client, &alice, proves).await;
    assert_eq!(world.server.redeem(&client, &code).await.refusal(), invalid_client);
    Tokens::of(&speak(&world, &client, &key, &code).await);
    // It is somebody else's by now.
    let code = code_before_a_change(&world, &client, &alice, json!({ "client_id": "https://other.example/x" })).await;
    Tokens::of(&world.server.redeem(&client, &code).await);
    world.refused(&client, "is not its URL").await;
    // Another name alone spoils nothing that was begun.
    let code = code_before_a_change(&world, &client, &alice, json!({ "client_name": "Bank" })).await;
    Tokens::of(&world.server.redeem(&client, &code).await);
}

#[tokio::test]
async fn cimd_8_4_consent_is_asked_for_again_when_the_client_is_described_otherwise() {
    let world = world(ON).await;
    let (client, alice) = (world.client("/meadow.json", json!({})), world.server.alice().await);
    let mut browser = Browser::new(&world.server);
    browser.authorize(&client, &alice, &[]).await.code();
    let next = async |browser: &mut Browser<'_>, members: Value| {
        world.client("/meadow.json", members);
        world.server.advance(HOUR);
        let page = browser.open(&client.request(&[])).await;
        let seen = page_of(&page);
        browser.pass(page, &alice).await.code();
        seen
    };
    assert_eq!(next(&mut browser, json!({})).await, "redirect");
    assert_eq!(next(&mut browser, json!({ "software_version": "2" })).await, "redirect");
    assert_eq!(next(&mut browser, json!({ "client_name": "Bank" })).await, "consent");
    assert_eq!(next(&mut browser, json!({ "client_name": "Bank" })).await, "redirect");
    let elsewhere = json!({ "client_name": "Bank", "redirect_uris": ["https://app.example/cb", "https://evil.example/cb"] });
    assert_eq!(next(&mut browser, elsewhere).await, "consent");
}

#[tokio::test]
async fn cimd_8_4_what_is_allowed_is_what_was_read() {
    let world = world(ON).await;
    let (client, alice) = (world.client("/meadow.json", json!({})), world.server.alice().await);
    let serve = |name: &str| {
        let document = json!({ "client_id": client.id, "client_name": name, "redirect_uris": [client.redirect_uri] });
        world.documents.answer("/meadow.json", 200, &format!("{JSON}Cache-Control: max-age=60\r\n"), document);
    };
    serve("Meadow");
    let mut browser = Browser::new(&world.server);
    let login = browser.open(&client.request(&[])).await;
    let consent = browser.submit(&login, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
    assert_eq!(page_of(&consent), "consent");
    // While alice reads, it calls itself otherwise, and somebody has that read.
    serve("Your Bank");
    world.server.advance(2 * 60_000);
    assert_eq!(page_of(&world.ask(&client).await), "login");
    let mark = world.server.mark().await;
    let again = browser.submit(&consent, &[("decision", "allow")]).await;
    assert_eq!((page_of(&again), again.text().contains("Your Bank")), ("consent", true), "{}", again.text());
    assert_eq!(world.server.kinds_since(mark).await, [""; 0]);
    browser.submit(&again, &[("decision", "allow")]).await.code();
    // Nobody has to read anything to say no.
    world.server.advance(2 * 60_000);
    serve("Meadow");
    let page = browser.open(&client.request(&[])).await;
    assert_eq!(page_of(&page), "consent");
    serve("Your Bank");
    world.server.advance(2 * 60_000);
    assert_eq!(page_of(&world.ask(&client).await), "login");
    assert_eq!(browser.submit(&page, &[("decision", "deny")]).await.sent("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn cimd_8_9_hosts_are_allowed_and_denied() {
    let allowing = world(&format!("{ON}allowed_hosts = [\"127.0.0.1\", \"*.apps.example\"]\n")).await;
    let client = allowing.client("/meadow.json", json!({}));
    allowing.refused(&client, "There is no client").await;
    let id = client.id.replace("localhost", "127.0.0.1");
    let client = Client { id, ..allowing.client("/meadow.json", json!({ "client_id": client.id.replace("localhost", "127.0.0.1") })) };
    assert_eq!(page_of(&allowing.ask(&client).await), "login");
    // Who is denied from the next start on is denied with everything that was allowed before.
    let world = world(ON).await;
    let (client, alice) = (world.client("/meadow.json", json!({})), world.server.alice().await);
    let tokens = Browser::new(&world.server).tokens(&client, &alice, &[]).await;
    let World { mut server, documents } = world;
    server.given_toml(&format!("{ON}denied_hosts = [\"localhost\"]\n"));
    let world = World { server: server.restart().await, documents };
    assert_eq!(world.server.refresh(&client, tokens.refresh()).await.refusal(), (401, "invalid_client".to_owned()));
    world.refused(&client, "There is no client").await;
    assert_eq!(world.documents.asked("/meadow.json"), 1);
}

#[tokio::test]
async fn cimd_8_6_strangers_make_this_server_fetch_no_more_than_it_wants() {
    let limits = "[rate_limits]\nclient_documents_per_host = \"5/1m\"\nclient_documents = \"5/1m\"\n";
    let world = world(&format!("{ON}{limits}")).await;
    let known = world.client("/known.json", json!({}));
    assert_eq!(page_of(&world.ask(&known).await), "login");
    world.server.advance(HOUR);
    let mark = world.server.mark().await;
    let mut statuses = Vec::new();
    for number in 0..40 {
        let client = Client { id: world.documents.url(&format!("/{number}.json")), ..known.clone() };
        statuses.push(world.ask(&client).await.status);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 5, "fetched, and there is nothing");
    assert_eq!(statuses.iter().filter(|status| **status == 503).count(), 35);
    assert_eq!(world.server.kinds_since(mark).await, [""; 0], "nobody fills the log");
    assert_eq!(world.server.token(&Client { id: world.documents.url("/x.json"), ..known.clone() }, &[]).await.status, 503, "nor there");
    // Who is known has a share of its own, and goes on with what was known when that is used up too.
    assert_eq!(page_of(&world.ask(&known).await), "login");
    assert_eq!(world.documents.asked("/known.json"), 2);
    world.documents.answer("/known.json", 500, "", "");
    world.server.advance(2 * HOUR);
    let asked = async || world.ask(&known).await.status;
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(asked().await);
    }
    assert_eq!(answers, [400, 400, 400, 400, 400, 200, 200, 200]);
    assert_eq!(world.documents.asked("/known.json"), 7);
}

#[tokio::test]
async fn a_document_gets_no_grant_and_no_scope_that_the_operator_did_not_mean_for_strangers() {
    let world = world(&format!("{ON}scopes = [\"openid\", \"orders:read\"]\n")).await;
    let wide = json!({ "grant_types": ["authorization_code", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"],
        "scope": "openid email orders:read orders:write", "introspect": true });
    let (client, alice) = (world.client("/meadow.json", wide), world.server.alice().await);
    let tokens = Browser::new(&world.server).tokens(&client, &alice, &[("scope", "openid email orders:read orders:write")]).await;
    assert_eq!(tokens.whole["scope"], "openid orders:read");
    let refused = world.server.token(&client, &[("grant_type", "client_credentials")]).await;
    assert_eq!(refused.error(), "unauthorized_client");
    let device = world.server.as_client("/oidc/device/auth", &client, &[]).send().await;
    assert_eq!(device.error(), "unauthorized_client");
}

#[tokio::test]
async fn an_operator_closes_a_client_that_nobody_registered() {
    both::on_both_with(&Arc::new(Authority::new("Test Root")), ON, async |server: Server, authority: &Authority| {
        let world = World { server, documents: Documents::start_tls(authority).await };
        let (client, alice) = (world.client("/meadow.json", json!({})), world.server.alice().await);
        let tokens = Browser::new(&world.server).tokens(&client, &alice, &[]).await;
        let context = chancery::app::context::Context::of_server("operator", "close".to_owned());
        world.server.app.disable_client(&context, &chancery_core::id::ClientId::parse(&client.id).unwrap()).await.unwrap();
        assert_eq!(world.server.refresh(&client, tokens.refresh()).await.refusal(), (401, "invalid_client".to_owned()));
        assert_eq!(world.server.userinfo(&tokens.access).await.status, 401);
        world.client("/meadow.json", json!({ "client_name": "Back again" }));
        world.server.advance(2 * HOUR);
        world.refused(&client, "There is no client").await;
        assert_eq!(world.documents.asked("/meadow.json"), 1, "nothing is fetched for it");
    })
    .await;
}

#[tokio::test]
async fn what_a_document_says_wrongly_is_named_and_not_repeated() {
    let world = world(ON).await;
    let client = world.client(
        "/meadow.json",
        json!({ "redirect_uris": ["Your-account-is-locked:call-555"], "token_endpoint_auth_method": "private_key_jwt" }),
    );
    world.refused(&client, "not acceptable here: jwks, redirect_uris.").await;
    assert!(!world.ask(&client).await.text().contains("call-555"));
}
