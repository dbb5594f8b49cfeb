//! RFC 8707: which resource server a token is for.

use serde_json::{Value, json};

use crate::support::flow::{Person, Tokens};
use crate::support::*;

const API: &str = "https://api.example";
const OTHER: &str = "https://other.example/v1";

const TOML: &str = r#"
[[resource]]
identifier = "https://api.example"
scope = "api read"
token_format = "opaque"
access_token_lifetime = 120

[[resource]]
identifier = "https://other.example/v1"
scope = "read write"
signing_alg = "ES256"
introspected_by = ["backend"]

[[client]]
client_id = "backend"
client_secret = "backend-secret-backend-secret-backend"
grant_types = ["client_credentials"]
"#;

async fn server() -> Server {
    Server::with(&[], TOML).await
}

async fn client(server: &Server) -> Client {
    server.client(json!({ "scope": "openid profile email offline_access api read" })).await
}

const SCOPE: (&str, &str) = ("scope", "openid email offline_access api read");

/// A request for these resources, which may repeat.
async fn authorize(server: &Server, client: &Client, person: &Person, resources: &[&str]) -> call::Answer {
    let mut browser = Browser::new(server);
    let encoded: String =
        resources.iter().map(|own| format!("&resource={}", form_urlencoded::byte_serialize(own.as_bytes()).collect::<String>())).collect();
    let page = browser.open(&format!("{}{encoded}", client.request(&[SCOPE]))).await;
    browser.pass(page, person).await
}

async fn redeem(server: &Server, client: &Client, code: &str, resources: &[&str]) -> call::Answer {
    let mut fields =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &client.redirect_uri), ("code_verifier", VERIFIER)];
    fields.extend(resources.iter().map(|own| ("resource", *own)));
    server.token(client, &fields).await
}

#[tokio::test]
async fn rfc8707_2_unknown_and_malformed_resources_are_invalid_target() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    for bad in ["https://unknown.example", "https://api.example/", "api", "https://api.example#x"] {
        let answer = authorize(&server, &client, &alice, &[bad]).await;
        assert_eq!(answer.sent("error").as_deref(), Some("invalid_target"), "{bad}");
    }
}

#[tokio::test]
async fn rfc8707_2_2_a_token_is_for_one_of_the_granted_resources() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    let code = authorize(&server, &client, &alice, &[API, OTHER]).await.code();
    // Both were granted: which one is meant has to be said, and saying it wrong spends nothing.
    for wrong in [&[][..], &["https://unknown.example"], &[API, OTHER]] {
        assert_eq!(redeem(&server, &client, &code, wrong).await.refusal(), (400, "invalid_target".to_owned()));
    }
    let first = Tokens::of(&redeem(&server, &client, &code, &[API]).await);
    assert_eq!((&first.whole["scope"], &first.whole["expires_in"]), (&json!("api read"), &json!(120)));
    assert!(first.id_token.is_some(), "the scope of the access token takes nothing from the id_token");
    let seen = server.introspect(&client, &first.access).await;
    assert_eq!((&seen["aud"], &seen["scope"], &seen["sub"]), (&json!(API), &json!("api read"), &json!(alice.account)));
    assert_eq!(server.userinfo(&first.access).await.status, 401, "a token for an API opens no userinfo");
    // The next one may be for the other, or for userinfo.
    let fields = |resource| [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("resource", resource)];
    let second = Tokens::of(&server.token(&client, &fields(OTHER)).await);
    assert_eq!(second.whole["scope"], "read");
    let userinfo = format!("{}/userinfo", server.issuer);
    let third = [("grant_type", "refresh_token"), ("refresh_token", second.refresh()), ("resource", &userinfo)];
    let third = Tokens::of(&server.token(&client, &third).await);
    assert_eq!(server.userinfo(&third.access).await.status, 200);
    assert_eq!(server.introspect(&client, &third.access).await["aud"], Value::Null);
}

#[tokio::test]
async fn rfc8707_2_2_the_only_granted_resource_needs_no_naming() {
    let server = server().await;
    let (client, alice) = (client(&server).await, server.alice().await);
    let code = authorize(&server, &client, &alice, &[API]).await.code();
    let tokens = Tokens::of(&redeem(&server, &client, &code, &[]).await);
    assert_eq!(server.introspect(&client, &tokens.access).await["aud"], API);
    let plain = Browser::new(&server).tokens(&client, &alice, &[SCOPE]).await;
    assert_eq!(server.userinfo(&plain.access).await.status, 200);
    let later = [("grant_type", "refresh_token"), ("refresh_token", plain.refresh()), ("resource", API)];
    assert_eq!(server.token(&client, &later).await.refusal(), (400, "invalid_target".to_owned()), "it was not granted");
}

#[tokio::test]
async fn rfc8707_2_a_client_alone_names_its_resource() {
    let server = server().await;
    let client = client(&server).await;
    let get = |resource| {
        let (server, client) = (&server, &client);
        async move { server.token(client, &[("grant_type", "client_credentials"), ("resource", resource)]).await }
    };
    let tokens = get(API).await.json();
    assert_eq!((&tokens["scope"], &tokens["expires_in"]), (&json!("api read"), &json!(120)));
    assert_eq!(get("https://unknown.example").await.refusal(), (400, "invalid_target".to_owned()));
    let stranger = server.client(json!({ "scope": "openid other" })).await;
    let answer = server.token(&stranger, &[("grant_type", "client_credentials"), ("resource", API)]).await;
    assert_eq!(answer.refusal(), (400, "invalid_target".to_owned()), "registered for none of its scopes");
}

#[tokio::test]
async fn rfc8707_2_a_resource_server_that_is_gone_takes_its_tokens_along() {
    use chancery::app::operator::Command;
    let server = Server::start().await;
    let client = client(&server).await;
    let settings = json!({ "identifier": API, "scope": "api", "token_format": "opaque" });
    server.operate(Command::ResourceSet { settings: settings.clone() }).await;
    let mark = server.mark().await;
    server.operate(Command::ResourceSet { settings: settings.clone() }).await;
    assert_eq!(server.kinds_since(mark).await, [""; 0], "nothing changed, nothing is said");
    let fields = [("grant_type", "client_credentials"), ("resource", API)];
    let token = server.token(&client, &fields).await.json()["access_token"].as_str().unwrap().to_owned();
    assert!(server.is_active(&client, &token).await);
    server.operate(Command::ResourceDisable { identifier: API.to_owned() }).await;
    assert!(!server.is_active(&client, &token).await);
    assert_eq!(server.token(&client, &fields).await.refusal(), (400, "invalid_target".to_owned()));
    server.operate(Command::ResourceSet { settings }).await;
    assert_eq!(
        server.kinds_since(mark).await,
        ["ClientCredentialsGranted", "ResourceServerDisabled", "ResourceServerChanged"],
        "each change is an event"
    );
    assert_eq!(server.token(&client, &fields).await.status, 200);
}

#[tokio::test]
async fn rfc8707_2_the_operator_says_what_a_request_means_that_names_none() {
    for use_granted in [true, false] {
        let toml = format!("[resource_indicators]\ndefault = \"{API}\"\nuse_granted = {use_granted}\n{TOML}");
        let server = Server::with(&[], &toml).await;
        let (client, alice) = (client(&server).await, server.alice().await);
        // With openid the token is for the usual resource, or for userinfo.
        let tokens = Tokens::of(&redeem(&server, &client, &authorize(&server, &client, &alice, &[]).await.code(), &[]).await);
        let aud = server.introspect(&client, &tokens.access).await["aud"].clone();
        assert_eq!(aud, if use_granted { json!(API) } else { Value::Null });
        assert_eq!(server.userinfo(&tokens.access).await.status, if use_granted { 401 } else { 200 });
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh()), ("resource", API)];
        let named = Tokens::of(&server.token(&client, &refresh).await);
        assert_eq!(server.introspect(&client, &named.access).await["aud"], API, "it was granted, and can be named");
        // What is named goes before what is usual; of several that were granted the usual one is meant.
        let other = Tokens::of(&redeem(&server, &client, &authorize(&server, &client, &alice, &[OTHER]).await.code(), &[OTHER]).await);
        assert_eq!(server.introspect(&client, &other.access).await["aud"], OTHER);
        let both = redeem(&server, &client, &authorize(&server, &client, &alice, &[OTHER, API]).await.code(), &[]).await;
        let aud = server.introspect(&client, &Tokens::of(&both).access).await["aud"].clone();
        assert_eq!(aud, if use_granted { json!(API) } else { Value::Null });
        // A client alone.
        let own = server.token(&client, &[("grant_type", "client_credentials")]).await.json();
        let seen = server.introspect(&client, own["access_token"].as_str().unwrap()).await;
        assert_eq!((&seen["aud"], &seen["scope"]), (&json!(API), &json!("api read")));
        let stranger = server.client(json!({ "scope": "openid other" })).await;
        let refused = server.token(&stranger, &[("grant_type", "client_credentials")]).await;
        assert_eq!(refused.refusal(), (400, "invalid_target".to_owned()), "nothing else in its place");
    }
    assert!(Server::try_with("[resource_indicators]\ndefault = \"api\"\n").await.is_err());
    // A usual resource that is not there is told, and never passed over.
    let server = Server::with(&[], "[resource_indicators]\ndefault = \"https://gone.example\"\n").await;
    let client = server.web_client().await;
    assert_eq!(server.get(&client.request(&[])).send().await.sent("error").as_deref(), Some("invalid_target"));
}
