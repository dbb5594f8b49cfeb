//! RFC 9396: authorization details, from the request over the consent to the resource server.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::{Person, Tokens, page_of};
use crate::support::jwt::verified;
use crate::support::*;

const TOML: &str = r#"
[[authorization_details_type]]
name = "payment"
schema = '{"properties":{"actions":{"type":"array","items":{"enum":["initiate","status"]}},"to":{"type":"string","maxLength":40},"locations":{"type":"array"}},"required":["actions","to"],"additionalProperties":false}'
words = "Pay {to} ({actions})"

[[authorization_details_type]]
name = "other"
schema = '{}'
words = "Something else"

[[resource]]
identifier = "https://bank.example"
scope = "api"

[[resource]]
identifier = "https://shop.example"
scope = "api"
"#;

const PAYMENT: &str = r#"[{"type":"payment","to":"Ann <b>Lee</b>","actions":["initiate","status"]}]"#;
const FOR_BANK: &str = r#"[{"type":"payment","to":"Ann","actions":["status"],"locations":["https://bank.example"]}]"#;

struct World {
    server: Server,
    client: Client,
    alice: Person,
}

impl World {
    async fn new() -> Self {
        let server = Server::with(&[], TOML).await;
        let client = server.client(json!({ "authorization_details_types": ["payment"] })).await;
        let alice = server.alice().await;
        Self { server, client, alice }
    }

    /// Redeems a code for these details.
    async fn granted(&self, changes: &[(&str, &str)]) -> Answer {
        let code = Browser::new(&self.server).authorize(&self.client, &self.alice, changes).await.code();
        self.server.redeem(&self.client, &code).await
    }

    async fn refreshed(&self, refresh: &str, more: &[(&str, &str)]) -> Answer {
        self.server.token(&self.client, &[&[("grant_type", "refresh_token"), ("refresh_token", refresh)], more].concat()).await
    }

    async fn seen(&self, access: &Value) -> Value {
        self.server.introspect(&self.client, access.as_str().unwrap()).await["authorization_details"].clone()
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn rfc9396_3_the_person_reads_them_in_words_each_time() {
    let world = World::new().await;
    let mut browser = Browser::new(&world.server);
    for _ in 0..2 {
        let first = browser.open(&world.client.request(&[("authorization_details", PAYMENT)])).await;
        let mut page = first;
        if page_of(&page) == "login" {
            page = browser.submit(&page, &[("login", &world.alice.email), ("password", flow::PASSWORD)]).await;
        }
        let html = page.text();
        assert!(html.contains("Pay Ann &#60;b&#62;Lee&#60;/b&#62; (initiate, status)"), "{html}");
        let answer = browser.submit(&page, &[("decision", "allow")]).await;
        assert!(answer.sent("code").is_some(), "{} {}", answer.status, answer.location());
    }
    let silent = browser.get(&world.client.request(&[("authorization_details", PAYMENT), ("prompt", "none")])).await;
    assert_eq!(silent.sent("error").as_deref(), Some("consent_required"));
    let without = browser.get(&world.client.request(&[("prompt", "none")])).await;
    assert!(without.sent("code").is_some(), "scopes that were allowed are not asked for again");
}

#[tokio::test]
async fn rfc9396_7_the_token_response_says_what_was_granted_and_the_log_only_the_type() {
    let world = World::new().await;
    let answer = world.granted(&[("authorization_details", PAYMENT)]).await.json();
    assert_eq!(answer["authorization_details"], parsed(PAYMENT));
    // RFC 9396 §9.2.
    assert_eq!(world.seen(&answer["access_token"]).await, parsed(PAYMENT));
    for leaf in world.server.leaves().await {
        let text = String::from_utf8_lossy(&leaf.leaf).into_owned();
        assert!(!text.contains("Lee</b>") && !text.contains("initiate"), "{text}");
    }
    let said = world.server.events().await.into_iter().filter(|event| event.kind == "AuthorizationRequested").count();
    assert_eq!(said, 1);
    let plain = world.granted(&[]).await.json();
    assert!(plain.get("authorization_details").is_none() && world.seen(&plain["access_token"]).await.is_null());
}

#[tokio::test]
async fn rfc9396_5_what_is_unknown_or_does_not_fit_is_refused() {
    let world = World::new().await;
    for bad in [
        "x",
        "[]",
        r#"[{"type":"nothing"}]"#,
        r#"[{"type":"other"}]"#,
        r#"[{"type":"payment","to":"Ann"}]"#,
        r#"[{"type":"payment","to":"Ann","actions":["steal"]}]"#,
        r#"[{"type":"payment","to":"Ann","actions":["status"],"more":1}]"#,
        r#"[{"type":"payment","to":"Ann","actions":["status"],"n":1.5}]"#,
    ] {
        let answer = Browser::new(&world.server).get(&world.client.request(&[("authorization_details", bad)])).await;
        assert_eq!(answer.sent("error").as_deref(), Some("invalid_authorization_details"), "{bad}");
        // RFC 9126 §2.3: the same when it is pushed.
        let fields = [
            ("redirect_uri", world.client.redirect_uri.as_str()),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("authorization_details", bad),
        ];
        let pushed = world.server.as_client("/oidc/par", &world.client, &fields).send().await;
        assert_eq!(pushed.refusal(), (400, "invalid_authorization_details".into()), "{bad}");
    }
}

#[tokio::test]
async fn rfc9396_6_a_token_request_narrows_and_never_widens() {
    let world = World::new().await;
    let answer = world.granted(&[("authorization_details", PAYMENT)]).await.json();
    let less = r#"[{"type":"payment","to":"Ann <b>Lee</b>","actions":["status"]}]"#;
    let more = r#"[{"type":"payment","to":"Bob","actions":["status"]}]"#;
    let refresh = answer["refresh_token"].as_str().unwrap();
    let refused = world.refreshed(refresh, &[("authorization_details", more)]).await;
    assert_eq!(refused.refusal(), (400, "invalid_authorization_details".into()));
    let narrowed = world.refreshed(refresh, &[("authorization_details", less)]).await.json();
    assert_eq!(narrowed["authorization_details"], parsed(less));
    assert_eq!(world.seen(&narrowed["access_token"]).await, parsed(less));
    assert_eq!(world.seen(&answer["access_token"]).await, parsed(PAYMENT), "the token before keeps what it had");
    let whole = world.refreshed(narrowed["refresh_token"].as_str().unwrap(), &[]).await.json();
    assert_eq!(whole["authorization_details"], parsed(PAYMENT), "the grant keeps all");
    // At the redemption too, and a refused one does not spend the code.
    let code = Browser::new(&world.server).authorize(&world.client, &world.alice, &[("authorization_details", PAYMENT)]).await.code();
    let redeem = |details: &'static str| {
        let (uri, code) = (world.client.redirect_uri.clone(), code.clone());
        let world = &world;
        async move {
            let fields = [
                ("grant_type", "authorization_code"),
                ("code", code.as_str()),
                ("redirect_uri", uri.as_str()),
                ("code_verifier", VERIFIER),
                ("authorization_details", details),
            ];
            world.server.token(&world.client, &fields).await
        }
    };
    assert_eq!(redeem(r#"[{"type":"payment","to":"Bob","actions":["status"]}]"#).await.error(), "invalid_authorization_details");
    let tokens = redeem(r#"[{"type":"payment","to":"Ann <b>Lee</b>","actions":["status"]}]"#).await;
    assert_eq!(tokens.json()["authorization_details"], parsed(less));
    let _ = Tokens::of(&tokens);
}

#[tokio::test]
async fn rfc9396_9_1_a_resource_server_sees_what_is_for_it() {
    let world = World::new().await;
    let jwks = world.server.get("/oidc/jwks").send().await.json();
    for (resource, expected) in [("https://bank.example", parsed(FOR_BANK)), ("https://shop.example", Value::Null)] {
        let changes = [("authorization_details", FOR_BANK), ("resource", resource), ("scope", "openid api")];
        let answer = world.granted(&changes).await.json();
        let (_, claims) = verified(answer["access_token"].as_str().unwrap(), &jwks);
        assert_eq!(claims["authorization_details"], expected, "{resource}");
        assert_eq!(world.seen(&answer["access_token"]).await, expected, "{resource}");
        assert_eq!(answer["authorization_details"], parsed(FOR_BANK), "the client knows what it asked for");
    }
}

#[tokio::test]
async fn rfc9396_6_a_client_asks_for_itself() {
    let world = World::new().await;
    let fields = [("grant_type", "client_credentials"), ("scope", "api"), ("authorization_details", FOR_BANK)];
    let answer = world.server.token(&world.client, &fields).await.json();
    assert_eq!(answer["authorization_details"], parsed(FOR_BANK));
    assert_eq!(world.seen(&answer["access_token"]).await, parsed(FOR_BANK));
    let bad = [("grant_type", "client_credentials"), ("scope", "api"), ("authorization_details", r#"[{"type":"other"}]"#)];
    assert_eq!(world.server.token(&world.client, &bad).await.refusal(), (400, "invalid_authorization_details".into()));
}

#[tokio::test]
async fn rfc9396_10_discovery_lists_the_types_and_a_broken_one_keeps_the_server_from_starting() {
    let world = World::new().await;
    let discovery = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["authorization_details_types_supported"], json!(["other", "payment"]));
    let plain = Server::start().await;
    let discovery = plain.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert!(discovery.get("authorization_details_types_supported").is_none());
    for (schema, words) in [("{", "x"), (r#"{"pattern":"a"}"#, "x"), ("{}", "{"), ("{}", "}")] {
        let toml = format!("[[authorization_details_type]]\nname = \"a\"\nschema = '{schema}'\nwords = \"{words}\"\n");
        let why = Server::try_with(&toml).await.err().unwrap();
        assert!(why.contains("authorization_details_type a is not acceptable"), "{why}");
    }
}

#[tokio::test]
async fn rfc9396_4_never_dropped_where_they_cannot_be_granted() {
    let world = World::new().await;
    let device = world.server.client(json!({
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"], "response_types": [], "redirect_uris": [],
    }));
    let device = device.await;
    let asked =
        world.server.as_client("/oidc/device/auth", &device, &[("scope", "openid"), ("authorization_details", PAYMENT)]).send().await;
    assert_eq!(asked.refusal(), (400, "invalid_authorization_details".into()), "it is not registered for the type");
    // A device names them when it asks for its codes, and not when it fetches its tokens.
    let late = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "x"), ("authorization_details", PAYMENT)];
    assert_eq!(world.server.token(&device, &late).await.refusal(), (400, "invalid_authorization_details".into()));
}

#[tokio::test]
async fn rfc9396_2_long_details_are_kept_to_the_last_byte() {
    let world = World::new().await;
    // Eight of them, with spaces that the one text does not have: below the bound, and longer than a text that is only shown.
    let one = |n: usize| {
        let places: Vec<_> = (0..8).map(|place| format!("https://bank-{n}-{place}.example/accounts/of/somebody")).collect();
        json!({ "type": "payment", "to": format!("Ann {n}"), "actions": ["status"], "locations": places })
    };
    let long = Value::from((0..8).map(one).collect::<Vec<_>>()).to_string();
    assert!((3_000..4_096).contains(&long.len()), "{}", long.len());
    let tokens = world.granted(&[("authorization_details", &long)]).await.json();
    assert_eq!(tokens["authorization_details"], parsed(&long));
    assert_eq!(world.seen(&tokens["access_token"]).await, parsed(&long));
}
