//! Standard claims: OpenID Connect Core 1.0 §5.1, §5.1.1 and §5.4, and how an account comes to have them.

use chancery::app::operator::Command;
use serde_json::{Value, json};

use crate::support::flow::{PASSWORD, Person};
use crate::support::*;

const TOML: &str = r#"
[[user]]
email = "ada@example.com"
password = "correct horse battery staple"
name = "Ada Lovelace"
claims = { given_name = "Ada", family_name = "Lovelace", nickname = "Countess", website = "https://ada.example/", birthdate = "1815-12-10", zoneinfo = "Europe/London", locale = "en-GB", gender = "female", email_verified = true, phone_number = "+44 20 7946 0958", phone_number_verified = true, address = { street_address = "12 St James's Square\nLondon", locality = "London", country = "UK" } }
"#;

const ALL: &str = "openid profile email address phone";

fn ada() -> Person {
    Person { email: "ada@example.com".to_owned(), account: String::new() }
}

async fn account_of(server: &Server, email: &str) -> String {
    let shown = server.operate(Command::UserShow { account: email.to_owned() }).await;
    shown["account"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn oidc_core_5_4_each_scope_asks_for_its_claims_and_no_others() {
    let server = Server::with(&[], TOML).await;
    let client = server.client(json!({ "scope": ALL })).await;
    let account = account_of(&server, "ada@example.com").await;
    let address = json!({ "street_address": "12 St James's Square\nLondon", "locality": "London", "country": "UK" });
    let mut expected: Vec<(&str, Value)> = vec![
        ("openid", json!({})),
        ("email", json!({ "email": "ada@example.com", "email_verified": true })),
        ("phone", json!({ "phone_number": "+44 20 7946 0958", "phone_number_verified": true })),
        ("address", json!({ "address": address })),
        (
            "profile",
            json!({
                "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace", "nickname": "Countess", "website": "https://ada.example/",
                "birthdate": "1815-12-10", "zoneinfo": "Europe/London", "locale": "en-GB", "gender": "female",
                "updated_at": server::NOW / 1000,
            }),
        ),
    ];
    let all = expected.iter().flat_map(|(_, claims)| claims.as_object().unwrap().clone()).collect();
    expected.push((ALL, Value::Object(all)));
    for (scope, mut claims) in expected {
        let scope = if scope == ALL { ALL.to_owned() } else { format!("openid {scope}") };
        let tokens = Browser::new(&server).tokens(&client, &ada(), &[("scope", &scope)]).await;
        claims["sub"] = json!(account);
        assert_eq!(server.userinfo(&tokens.access).await.json(), claims, "{scope}");
    }
}

#[tokio::test]
async fn oidc_core_5_4_the_id_token_holds_the_same_where_the_client_is_registered_for_it() {
    let server = Server::with(&[], TOML).await;
    let jwks = server.get("/oidc/jwks").send().await.json();
    for (choice, has) in [("all", true), ("conform", false)] {
        let client = server.client(json!({ "scope": ALL, "id_token_claims": choice })).await;
        let tokens = Browser::new(&server).tokens(&client, &ada(), &[("scope", ALL)]).await;
        let (id_token, userinfo) = (jwt::verified(tokens.id_token(), &jwks).1, server.userinfo(&tokens.access).await.json());
        for (name, value) in userinfo.as_object().unwrap().iter().filter(|(name, _)| *name != "sub") {
            assert_eq!(id_token.get(name), has.then_some(value), "{choice}: {name}");
        }
    }
}

#[tokio::test]
async fn oidc_core_5_1_discovery_lists_every_claim_that_can_be_told() {
    let server = Server::with(&[], TOML).await;
    let client = server.client(json!({ "scope": ALL })).await;
    let tokens = Browser::new(&server).tokens(&client, &ada(), &[("scope", ALL)]).await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let supported: Vec<_> = discovery["claims_supported"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    for name in server.userinfo(&tokens.access).await.json().as_object().unwrap().keys() {
        assert!(supported.contains(&name.as_str()), "{name}");
    }
    for name in ["middle_name", "preferred_username", "profile", "picture", "updated_at", "address", "phone_number_verified"] {
        assert!(supported.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn claims_are_ciphertext_in_the_log_and_gone_with_the_person() {
    let server = Server::with(&[], TOML).await;
    let account = account_of(&server, "ada@example.com").await;
    let claims = [("middle_name".to_owned(), "Byron".to_owned())].into();
    server.operate(Command::UserUpdate { account: account.clone(), claims }).await;
    for leaf in server.leaves().await {
        let text = String::from_utf8_lossy(&leaf.leaf).into_owned();
        for clear in ["Lovelace", "Countess", "1815-12-10", "7946", "Byron", "James's", "Europe/London"] {
            assert!(!text.contains(clear), "{clear} in {text}");
        }
    }
    server.operate(Command::UserErase { account: account.clone() }).await;
    let shown = server.operate(Command::UserShow { account: account.clone() }).await;
    assert_eq!((&shown["standing"], shown.get("claims")), (&json!("erased"), None));
    let context = chancery::app::context::Context::of_server("operator", "x".to_owned());
    let claims = [("nickname".to_owned(), "Ghost".to_owned())].into();
    let refused = server.app.operate(&context, Command::UserUpdate { account, claims }).await;
    assert_eq!(refused.unwrap_err().code(), "not_found");
}

#[tokio::test]
async fn an_operator_changes_claims_and_says_what_was_verified() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.client(json!({ "scope": ALL })).await, server.alice().await);
        let tokens = Browser::new(server).tokens(&client, &alice, &[("scope", ALL)]).await;
        let update = async |pairs: &[(&str, &str)]| {
            let claims = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
            server.operate(Command::UserUpdate { account: alice.email.clone(), claims }).await["changed"] == true
        };
        server.advance(5_000);
        let mark = server.mark().await;
        assert!(update(&[("email_verified", "true"), ("phone_number", "+442079460958"), ("phone_number_verified", "true")]).await);
        assert!(!update(&[("email_verified", "true")]).await, "it was so before");
        assert_eq!(server.kinds_since(mark).await, ["ProfileChanged"]);
        let told = server.userinfo(&tokens.access).await.json();
        assert_eq!((&told["email_verified"], &told["phone_number_verified"]), (&json!(true), &json!(true)));
        assert_eq!((&told["name"], &told["updated_at"]), (&json!("Alice Liddell"), &json!(server::NOW / 1000 + 5)));
        assert!(update(&[("phone_number", "+442079460000"), ("name", "")]).await);
        let told = server.userinfo(&tokens.access).await.json();
        assert_eq!((&told["phone_number_verified"], told.get("name")), (&json!(false), None), "another number was not verified");
        let context = chancery::app::context::Context::of_server("operator", "x".to_owned());
        let claims = [("birthdate", "yesterday"), ("shoe_size", "44"), ("website", "javascript:alert(1)")];
        let claims = claims.map(|(name, text)| (name.to_owned(), text.to_owned())).into();
        let wrong = server.app.operate(&context, Command::UserUpdate { account: alice.account.clone(), claims }).await.unwrap_err();
        for field in ["birthdate: ", "claims: ", "website: "] {
            assert!(wrong.description.contains(field), "{}", wrong.description);
        }
    })
    .await;
}

#[tokio::test]
async fn the_configuration_file_states_claims_once_and_again_when_they_change() {
    let server = Server::with(&[], TOML).await;
    let mark = server.mark().await;
    let mut server = server.restart().await;
    assert_eq!(server.kinds_since(mark).await, ["ServerStarted"], "a restart with the same file says nothing new");
    server.given_toml(&TOML.replace("Countess", "Enchantress"));
    let mark = server.mark().await;
    let server = server.restart().await;
    let news: Vec<_> = server.events().await.into_iter().skip(mark).map(|event| (event.kind, event.actor.kind)).collect();
    assert_eq!(news[0], ("ProfileChanged".to_owned(), "config".to_owned()));
    let shown = server.operate(Command::UserShow { account: "ada@example.com".to_owned() }).await;
    assert_eq!((&shown["claims"]["nickname"], &shown["claims"]["given_name"]), (&json!("Enchantress"), &json!("Ada")));
}

#[tokio::test]
async fn claims_that_are_wrong_in_the_file_stop_the_start_by_name() {
    let toml = |claims: &str| format!("[[user]]\nemail = \"a@example.com\"\npassword = \"{PASSWORD}\"\nclaims = {claims}\n");
    for (claims, named) in [("{ birthdate = \"x\" }", "birthdate"), ("{ shoe_size = \"44\" }", "shoe_size"), ("\"Ada\"", "claims")] {
        let refused = Server::try_with(&toml(claims)).await.err().unwrap();
        assert!(refused.contains(named), "{refused}");
    }
}
