//! Claims that other providers assert: OpenID Connect Core 1.0 §5.6.2, stated by the operator and passed on as they are.

use std::collections::BTreeMap;

use chancery::app::operator::Command;
use chancery_core::account::Role;
use serde_json::{Value, json};

use super::encryption::{open, pair};
use crate::support::flow::{PASSWORD, Person, page_of};
use crate::support::jwt::{Key, verified};
use crate::support::*;

/// What opens the endpoint of the bank.
const SECRET: &str = "ksj3n283dke-7cf2";
const SCORE: &str = r#"{"userinfo": {"credit_score": null}}"#;

fn stated(names: &Value, sources: &Value) -> BTreeMap<String, String> {
    [("_claim_names".to_owned(), names.to_string()), ("_claim_sources".to_owned(), sources.to_string())].into()
}

fn bank() -> Value {
    json!({ "endpoint": "https://bank.example/claims", "access_token": SECRET })
}

fn shop() -> Value {
    json!({ "endpoint": "https://shop.example/claims" })
}

/// What others say of the person: an address (and a phone number) in a JWT, a credit score behind a token, sizes behind an address.
fn all(key: &Key) -> (BTreeMap<String, String>, Value) {
    let jwt = key.sign(&json!({ "iss": "https://registry.example", "address": { "country": "UK" }, "phone_number": "+442079460958" }));
    let names =
        json!({ "address": "registry", "phone_number": "registry", "credit_score": "bank", "shoe_size": "shop", "hat_size": "shop" });
    (stated(&names, &json!({ "registry": { "JWT": jwt }, "bank": bank(), "shop": shop() })), json!({ "JWT": jwt }))
}

async fn give(server: &Server, person: &Person, claims: BTreeMap<String, String>) {
    server.operate(Command::UserUpdate { account: person.account.clone(), claims }).await;
}

/// Userinfo after a login with this scope and this `claims` parameter.
async fn told(server: &Server, client: &Client, person: &Person, (scope, claims): (&str, &str)) -> Value {
    let tokens = Browser::new(server).tokens(client, person, &[("scope", scope), ("claims", claims)]).await;
    server.userinfo(&tokens.access).await.json()
}

async fn refused(server: &Server, person: &Person, claims: BTreeMap<String, String>) -> String {
    let context = chancery::app::context::Context::of_server("operator", "x".to_owned());
    let asked = Command::UserUpdate { account: person.account.clone(), claims };
    server.app.operate(&context, asked).await.unwrap_err().description.into_owned()
}

#[tokio::test]
async fn oidc_core_5_6_2_userinfo_names_what_was_let_through_with_its_sources() {
    both::on_both("", async |server: &Server| {
        let (client, alice, key) =
            (server.client(json!({ "scope": "openid address phone email" })).await, server.alice().await, Key::generate("ES256"));
        let (claims, registry) = all(&key);
        let mark = server.mark().await;
        give(server, &alice, claims.clone()).await;
        assert_eq!(server.kinds_since(mark).await, ["ClaimSourcesChanged"]);
        give(server, &alice, claims).await;
        assert_eq!(server.mark().await, mark + 1, "it was so before");
        let answer = told(server, &client, &alice, ("openid address phone", SCORE)).await;
        let names = json!({ "address": "registry", "phone_number": "registry", "credit_score": "bank" });
        assert_eq!((&answer["_claim_names"], &answer["_claim_sources"]), (&names, &json!({ "registry": registry, "bank": bank() })));
        // The JWT is the provider's, to the last byte.
        let jwt = answer["_claim_sources"]["registry"]["JWT"].as_str().unwrap();
        assert_eq!(verified(jwt, &key.jwks()).1["address"]["country"], "UK");
        assert_eq!(answer["address"], Value::Null, "this server asserts none");
    })
    .await;
}

#[tokio::test]
async fn oidc_core_5_6_2_what_was_not_let_through_is_not_named_and_its_source_is_left_out() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "scope": "openid address phone email" })).await, server.alice().await);
    give(&server, &alice, all(&Key::generate("ES256")).0).await;
    let bare = told(&server, &client, &alice, ("openid email", "{}")).await;
    assert_eq!((bare.get("_claim_names"), bare.get("_claim_sources")), (None, None));
    // Any claim of an address that opens nothing; of a JWT and behind a token all or none.
    let one = told(&server, &client, &alice, ("openid", r#"{"userinfo": {"hat_size": {"essential": true}, "unheard_of": null}}"#)).await;
    assert_eq!((&one["_claim_names"], &one["_claim_sources"]), (&json!({ "hat_size": "shop" }), &json!({ "shop": shop() })));
    let part = told(&server, &client, &alice, ("openid address", "{}")).await;
    assert_eq!(part.get("_claim_names"), None, "the JWT has a phone number too");
    // A scope brings standard claims alone; what was asked for with a value only the provider could compare.
    let valued =
        told(&server, &client, &alice, ("openid", r#"{"userinfo": {"credit_score": {"value": 700}, "shoe_size": {"values": [44]}}}"#))
            .await;
    assert_eq!(valued.get("_claim_names"), None);
}

#[tokio::test]
async fn oidc_core_5_6_2_the_id_token_holds_what_was_asked_for_there() {
    let server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    let (alice, jwks) = (server.alice().await, server.get("/oidc/jwks").send().await.json());
    give(&server, &alice, all(&Key::generate("ES256")).0).await;
    let client = server.client(json!({ "scope": "openid address phone" })).await;
    let wish = r#"{"id_token": {"credit_score": null}, "userinfo": {"shoe_size": null}}"#;
    let asked = [("scope", "openid address phone"), ("claims", wish)];
    let tokens = Browser::new(&server).tokens(&client, &alice, &asked).await;
    let id_token = verified(tokens.id_token(), &jwks).1;
    assert_eq!((&id_token["_claim_names"], &id_token["_claim_sources"]), (&json!({ "credit_score": "bank" }), &json!({ "bank": bank() })));
    let userinfo = server.userinfo(&tokens.access).await.json();
    assert_eq!(userinfo["_claim_names"], json!({ "address": "registry", "phone_number": "registry", "shoe_size": "shop" }));
    // Where scopes put their claims into the id_token, those of others come along.
    let whole = server.client(json!({ "scope": "openid address phone", "id_token_claims": "all" })).await;
    let tokens = Browser::new(&server).tokens(&whole, &alice, &[("scope", "openid address phone")]).await;
    let names = json!({ "address": "registry", "phone_number": "registry" });
    assert_eq!(verified(tokens.id_token(), &jwks).1["_claim_names"], names);
    let members = json!({ "scope": "openid address phone", "response_types": ["id_token"], "grant_types": ["implicit"] });
    let implicit = server.client(members).await;
    let asked = [("response_type", "id_token"), ("scope", "openid address phone"), ("nonce", "n")];
    let answer = Browser::new(&server).authorize(&implicit, &alice, &asked).await;
    let (_, fragment) = answer.location().split_once('#').unwrap();
    let sent: BTreeMap<_, _> = form_urlencoded::parse(fragment.as_bytes()).into_owned().collect();
    assert_eq!(verified(&sent["id_token"], &jwks).1["_claim_names"], names);
}

#[tokio::test]
async fn oidc_core_5_6_2_signed_and_encrypted_userinfo_holds_the_same() {
    let server = Server::start().await;
    let alice = server.alice().await;
    give(&server, &alice, all(&Key::generate("ES256")).0).await;
    let jwks = server.get("/oidc/jwks").send().await.json();
    for (alg, is_encrypted) in [(Some("ES256"), false), (None, true), (Some("ES256"), true)] {
        let (private, own) = pair();
        let mut members = json!({ "scope": "openid", "userinfo_signed_response_alg": alg });
        if is_encrypted {
            let more = json!({ "userinfo_encrypted_response_alg": "ECDH-ES", "userinfo_encrypted_response_enc": "A256GCM", "jwks": own });
            members.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
        let client = server.client(members).await;
        let tokens = Browser::new(&server).tokens(&client, &alice, &[("scope", "openid"), ("claims", SCORE)]).await;
        let text = server.userinfo(&tokens.access).await.text();
        let content = if is_encrypted { open(&text, &private).1 } else { text };
        let claims = if alg.is_some() { verified(&content, &jwks).1 } else { serde_json::from_str(&content).unwrap() };
        let expected = (json!({ "credit_score": "bank" }), json!({ "bank": bank() }));
        assert_eq!((claims["_claim_names"].clone(), claims["_claim_sources"].clone()), expected, "{alg:?} {is_encrypted}");
    }
}

#[tokio::test]
async fn oidc_core_5_6_a_normal_claim_stands_beside_that_of_another_provider() {
    let server = Server::start().await;
    let (client, alice, key) = (server.client(json!({ "scope": "openid address" })).await, server.alice().await, Key::generate("ES256"));
    let mut claims =
        stated(&json!({ "address": "registry" }), &json!({ "registry": { "JWT": key.sign(&json!({ "address": { "country": "UK" } })) } }));
    claims.insert("address.country".to_owned(), "France".to_owned());
    let mark = server.mark().await;
    give(&server, &alice, claims).await;
    assert_eq!(server.kinds_since(mark).await, ["ProfileChanged", "ClaimSourcesChanged"], "in one append");
    let answer = told(&server, &client, &alice, ("openid address", "{}")).await;
    assert_eq!((&answer["address"]["country"], &answer["_claim_names"]["address"]), (&json!("France"), &json!("registry")));
    // Two empty objects take everything away.
    give(&server, &alice, stated(&json!({}), &json!({}))).await;
    let answer = told(&server, &client, &alice, ("openid address", "{}")).await;
    assert_eq!((&answer["address"]["country"], answer.get("_claim_names")), (&json!("France"), None));
}

#[tokio::test]
async fn oidc_core_5_5_a_claim_that_no_scope_brings_is_asked_of_the_person_by_its_name() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "scope": "openid" })).await, server.alice().await);
    give(&server, &alice, all(&Key::generate("ES256")).0).await;
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[("scope", "openid")]).await.code();
    let silent = client.request(&[("scope", "openid"), ("claims", SCORE), ("prompt", "none")]);
    assert_eq!(browser.open(&silent).await.sent("error").as_deref(), Some("consent_required"));
    let page = browser.open(&client.request(&[("scope", "openid"), ("claims", SCORE)])).await;
    assert_eq!(page_of(&page), "consent");
    assert!(page.text().contains("See the detail") && page.text().contains(">credit_score<"), "{}", page.text());
    assert!(!page.text().contains("urn:chancery"), "{}", page.text());
    browser.submit(&page, &[("decision", "allow")]).await.code();
    let again = browser.open(&silent).await.code();
    let tokens = flow::Tokens::of(&server.redeem(&client, &again).await);
    assert_eq!(server.userinfo(&tokens.access).await.json()["_claim_names"], json!({ "credit_score": "bank" }));
    let given = server.events().await.into_iter().rfind(|event| event.kind == "ConsentGiven").unwrap();
    assert_eq!(given.data["scope"], "openid urn:chancery:claim:credit_score");
    // The person sees it among what the client may, and what others say of them.
    let account = browser.open("/account").await.text();
    assert!(account.contains("See the detail") && account.contains("credit_score (bank)"), "{account}");
    assert!(!account.contains(SECRET), "{account}");
    // More than a person can read is ignored.
    let many = json!({ "userinfo": (0..40).map(|n| (format!("c{n}"), Value::Null)).collect::<serde_json::Map<_, _>>() }).to_string();
    let page = browser.open(&client.request(&[("scope", "openid"), ("claims", &many)])).await.text();
    assert_eq!((0..40).filter(|n| page.contains(&format!(">c{n}<"))).count(), 32, "{page}");
}

#[tokio::test]
async fn oidc_core_5_5_nobody_is_asked_for_a_claim_that_no_other_provider_asserts() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "scope": "openid" })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[("scope", "openid")]).await.code();
    let silent = client.request(&[("scope", "openid"), ("claims", SCORE), ("prompt", "none")]);
    let tokens = flow::Tokens::of(&server.redeem(&client, &browser.open(&silent).await.code()).await);
    assert_eq!(server.userinfo(&tokens.access).await.json().get("_claim_names"), None);
}

#[tokio::test]
async fn oidc_core_5_6_2_what_is_not_whole_is_refused_without_its_values() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let mark = server.mark().await;
    let endpoint = |source: Value| (json!({ "credit_score": "bank" }), json!({ "bank": source }));
    for (names, sources) in [
        (json!({ "credit_score": "nobody" }), json!({ "bank": bank() })),
        endpoint(json!({ "endpoint": "http://bank.example", "access_token": SECRET })),
        endpoint(json!({ "endpoint": "https://bank.example", "access_token": SECRET, "JWT": SECRET })),
        endpoint(json!({ "JWT": SECRET })),
        endpoint(json!({ "JWT": Key::generate("ES256").sign(&json!({ "iss": SECRET })) })),
        (json!({ "sub": "bank" }), json!({ "bank": bank() })),
        (json!({ "updated_at": "bank" }), json!({ "bank": bank() })),
    ] {
        let sentence = refused(&server, &alice, stated(&names, &sources)).await;
        assert!(sentence.contains("_claim_") && !sentence.contains(SECRET), "{names}: {sentence}");
    }
    let mut half = stated(&json!({ "credit_score": "bank" }), &json!({ "bank": bank() }));
    half.remove("_claim_sources");
    assert!(refused(&server, &alice, half).await.contains("together"));
    assert_eq!(server.mark().await, mark);
}

#[tokio::test]
async fn claims_of_others_are_ciphertext_in_the_log_withheld_from_people_and_gone_with_the_person() {
    both::on_both("", async |server: &Server| {
        let (client, key) = (server.client(json!({ "scope": "openid" })).await, Key::generate("ES256"));
        let created = Command::UserCreate {
            email: "ada@example.com".to_owned(),
            name: None,
            password: PASSWORD.to_owned(),
            admin: false,
            claims: all(&key).0,
        };
        let mark = server.mark().await;
        let account = server.operate(created).await["account"].as_str().unwrap().to_owned();
        assert_eq!(server.kinds_since(mark).await, ["AccountRegistered", "ClaimSourcesChanged"], "in one append");
        let ada = Person { email: "ada@example.com".to_owned(), account: account.clone() };
        let tokens = Browser::new(server).tokens(&client, &ada, &[("scope", "openid"), ("claims", SCORE)]).await;
        assert_eq!(server.userinfo(&tokens.access).await.json()["_claim_sources"]["bank"], bank());
        for leaf in server.leaves().await {
            let text = String::from_utf8_lossy(&leaf.leaf).into_owned();
            for clear in [SECRET, "bank.example", "shop.example", "shoe_size", "registry"] {
                assert!(!text.contains(clear), "{clear} in {text}");
            }
        }
        // The operator sees who says what, and no secret; whoever reads the log in clear neither.
        let shown = server.operate(Command::UserShow { account: account.clone() }).await["claims"].clone();
        assert_eq!(shown["_claim_sources"]["bank"], json!({ "endpoint": "https://bank.example/claims", "access_token": "withheld" }));
        assert_eq!(shown["_claim_names"]["credit_score"], "bank");
        let admin = server.operator_token("audit:read admin").await;
        let path = format!("/audit/events/{}?personal=clear", mark + 1);
        let clear = server.get(&path).bearer(&admin).send().await.json();
        assert_eq!(clear["personal"]["claim_names"]["clear"]["credit_score"], "bank", "{clear}");
        assert_eq!(clear["personal"]["claim_sources"], "withheld");
        let page = history(server, &ada).await;
        assert!(page.contains("The people who run this server changed your data."), "{page}");
        server.operate(Command::UserErase { account: account.clone() }).await;
        assert_eq!(server.userinfo(&tokens.access).await.status, 401);
        let shown = server.operate(Command::UserShow { account: account.clone() }).await;
        assert_eq!((&shown["standing"], shown.get("claims")), (&json!("erased"), None));
        let erased = server.get(&path).bearer(&admin).send().await.json();
        assert_eq!((&erased["personal"]["claim_names"], &erased["personal"]["claim_sources"]), (&json!("erased"), &json!("erased")));
        let certificate = server.operate(Command::UserCertificate { account }).await.to_string();
        assert!(certificate.contains("claim_sources") && !certificate.contains(SECRET), "{certificate}");
    })
    .await;
}

async fn history(server: &Server, person: &Person) -> String {
    let mut browser = Browser::new(server);
    let page = browser.open("/account").await;
    browser.submit(&page, &[("login", &person.email), ("password", PASSWORD)]).await.text()
}

#[tokio::test]
async fn the_configuration_file_states_claims_of_others_once() {
    let user = |source: &str| {
        format!(
            "[[user]]\nemail = \"ada@example.com\"\npassword = \"{PASSWORD}\"\n\
             claims = {{ given_name = \"Ada\", _claim_names = {{ credit_score = \"bank\" }}, _claim_sources = {{ bank = {source} }} }}\n"
        )
    };
    let toml = user(&format!("{{ endpoint = \"https://bank.example/claims\", access_token = \"{SECRET}\" }}"));
    let server = Server::with(&[], &toml).await;
    let mark = server.mark().await;
    let mut server = server.restart().await;
    assert_eq!(server.kinds_since(mark).await, ["ServerStarted"], "a restart with the same file says nothing new");
    let client = server.client(json!({ "scope": "openid" })).await;
    let ada = Person { email: "ada@example.com".to_owned(), account: String::new() };
    assert_eq!(told(&server, &client, &ada, ("openid", SCORE)).await["_claim_sources"], json!({ "bank": bank() }));
    server.given_toml(&toml.replace("bank.example", "bank2.example"));
    let mark = server.mark().await;
    let server = server.restart().await;
    let news: Vec<_> = server.events().await.into_iter().skip(mark).map(|event| (event.kind, event.actor.kind)).collect();
    assert_eq!(news[0], ("ClaimSourcesChanged".to_owned(), "config".to_owned()));
    for wrong in [format!("{{ endpoint = \"http://bank.example\", access_token = \"{SECRET}\" }}"), format!("\"{SECRET}\"")] {
        let refused = Server::try_with(&user(&wrong)).await.err().unwrap();
        assert!(refused.contains("_claim_sources") && !refused.contains(SECRET), "{refused}");
    }
}

#[tokio::test]
async fn the_largest_statement_fits_an_event() {
    let server = Server::start().await;
    let (client, alice, key) = (server.client(json!({ "scope": "openid" })).await, server.alice().await, Key::generate("ES256"));
    let source = |name: &str| json!({ "JWT": key.sign(&json!({ name: "x".repeat(5_900) })) });
    let sources = json!({ "one": source("a"), "two": source("b") });
    assert!(sources.to_string().len() > 15_000);
    give(&server, &alice, stated(&json!({ "a": "one", "b": "two" }), &sources)).await;
    let wish = r#"{"userinfo": {"a": null, "b": null}}"#;
    assert_eq!(told(&server, &client, &alice, ("openid", wish)).await["_claim_sources"], sources);
}

#[tokio::test]
async fn oidc_discovery_3_discovery_names_the_types_of_claims() {
    let server = Server::start().await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(document["claim_types_supported"], json!(["normal", "aggregated", "distributed"]));
}

#[tokio::test]
async fn a_lost_race_between_two_statements_keeps_the_last_of_them_whole() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let statement = |name: &str| stated(&json!({ name: name }), &json!({ name: { "endpoint": format!("https://{name}.example") } }));
    tokio::join!(give(&server, &alice, statement("one")), give(&server, &alice, statement("two")));
    let shown = server.operate(Command::UserShow { account: alice.account.clone() }).await["claims"].clone();
    let last = shown["_claim_names"].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(shown["_claim_names"], json!({ &last: last }));
    assert_eq!(shown["_claim_sources"], json!({ &last: { "endpoint": format!("https://{last}.example") } }));
    server.operate(Command::UserGrant { account: alice.account.clone(), role: Role::Auditor }).await;
    let after = server.operate(Command::UserShow { account: alice.account }).await["claims"].clone();
    assert_eq!(after["_claim_names"], shown["_claim_names"], "another event of the account takes nothing away");
}
