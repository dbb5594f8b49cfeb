//! JARM and RFC 9701: what they demand and no other test holds.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::encryption::pair;
use super::oidc_musts::FRONT;
use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::jwt::verified;
use crate::support::*;

const JWT: &str = "application/token-introspection+jwt";

/// A server with every response type, and a client that is registered for them.
async fn front_channel(toml: &str) -> (Server, Client) {
    let server = Server::with(&[], &format!("[response_types]\nfront_channel = true\n{toml}")).await;
    let all = [&["code", "none"][..], &FRONT].concat();
    let client = server.client(json!({ "response_types": all, "grant_types": ["authorization_code", "implicit", "refresh_token"] })).await;
    (server, client)
}

/// Where the only parameter of a redirect stands, and what it is.
fn response(answer: &Answer) -> (char, String) {
    let at = answer.location().find(['?', '#']).unwrap_or_else(|| panic!("{} {}", answer.status, answer.text()));
    let (mark, sent) = (answer.location().as_bytes()[at] as char, &answer.location()[at + 1..]);
    let parameters: Vec<_> = form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
    assert!(matches!(&parameters[..], [(name, _)] if name == "response"), "{parameters:?}");
    (mark, parameters[0].1.clone())
}

async fn read(server: &Server, jwt: &str) -> Value {
    verified(jwt, &server.get("/oidc/jwks").send().await.json()).1
}

fn names(claims: &Value) -> BTreeSet<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn jarm_2_1_every_parameter_of_the_answer_is_in_the_token_and_numbers_are_numbers() {
    let (server, client) = front_channel("[logout]\nsession_management = true\n").await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    for kind in ["code", "none"].into_iter().chain(FRONT) {
        let answer = browser.authorize(&client, &alice, &[("response_type", kind), ("response_mode", "jwt")]).await;
        let claims = read(&server, &response(&answer).1).await;
        let mut expected = BTreeSet::from(["iss", "aud", "exp", "state", "session_state"]);
        for word in kind.split(' ') {
            expected.extend::<&[&str]>(match word {
                "code" => &["code"],
                "id_token" => &["id_token"],
                "token" => &["access_token", "token_type", "expires_in", "scope"],
                _ => &[],
            });
        }
        assert_eq!(names(&claims), expected, "{kind}");
        let (numbers, texts): (Vec<_>, Vec<_>) = claims.as_object().unwrap().iter().partition(|(_, value)| value.is_u64());
        assert!(numbers.iter().all(|(name, _)| ["exp", "expires_in"].contains(&name.as_str())), "{kind}: {numbers:?}");
        assert!(texts.iter().all(|(_, value)| value.is_string()), "{kind}: {texts:?}");
        assert_eq!(claims["expires_in"].as_u64(), expected.contains("expires_in").then_some(600), "{kind}");
        let now = server.app.now().0 / 1000;
        assert!((now + 1..=now + 600).contains(&claims["exp"].as_i64().unwrap()));
        assert_eq!((&claims["iss"], &claims["aud"], &claims["state"]), (&json!(server.issuer), &json!(client.id), &json!("af0ifjsldkj")));
        let refused = server.get(&client.request(&[("response_type", kind), ("response_mode", "jwt"), ("prompt", "none")])).send().await;
        let claims = read(&server, &response(&refused).1).await;
        assert_eq!(names(&claims), BTreeSet::from(["iss", "aud", "exp", "state", "error", "error_description"]), "{kind}");
        assert_eq!(claims["error"], "login_required");
    }
}

#[tokio::test]
async fn jarm_2_3_1_no_response_type_with_a_token_is_answered_in_a_query() {
    let (server, client) = front_channel("").await;
    let alice = server.alice().await;
    for kind in FRONT {
        let asked = [("response_type", kind), ("response_mode", "query.jwt")];
        let broken = [("response_type", kind), ("response_mode", "query.jwt"), ("request", "x.y.z")];
        for (request, code) in [(&asked[..], "invalid_request"), (&broken, "invalid_request_object")] {
            let answer = Browser::new(&server).authorize(&client, &alice, request).await;
            let (before, fragment) = answer.location().split_once('#').unwrap_or_else(|| panic!("{kind}: {}", answer.location()));
            assert_eq!(before, client.redirect_uri, "{kind}");
            assert!(fragment.contains(&format!("error={code}&")) && !fragment.contains("token="), "{kind}: {fragment}");
        }
    }
    for kind in ["code", "none"] {
        let answer = Browser::new(&server).authorize(&client, &alice, &[("response_type", kind), ("response_mode", "query.jwt")]).await;
        assert_eq!(response(&answer).0, '?', "{kind}");
    }
}

#[tokio::test]
async fn jarm_2_3_3_the_form_posts_the_token_alone_to_the_redirect_uri() {
    let (server, client) = front_channel("").await;
    let alice = server.alice().await;
    for kind in ["code", "none"].into_iter().chain(FRONT) {
        let page = Browser::new(&server).authorize(&client, &alice, &[("response_type", kind), ("response_mode", "form_post.jwt")]).await;
        assert_eq!((page.status, page.header("cache-control")), (200, "no-store"), "{kind}");
        assert!(page.header("content-type").starts_with("text/html") && page.text().to_ascii_lowercase().contains("method=\"post\""));
        let form = browser::form_of(&page.text());
        assert_eq!((form.action.as_str(), form.hidden.len(), form.hidden[0].0.as_str()), (client.redirect_uri.as_str(), 1, "response"));
        let claims = read(&server, &form.hidden[0].1).await;
        assert_eq!(claims["code"].is_string(), kind.contains("code"), "{kind}");
    }
}

#[tokio::test]
async fn jarm_2_3_4_jwt_stands_for_the_usual_place_of_the_response_type_from_the_first_error_on() {
    let (server, client) = front_channel("").await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    for kind in ["code", "none"].into_iter().chain(FRONT) {
        let usual = if FRONT.contains(&kind) { '#' } else { '?' };
        for (change, error) in [
            (("prompt", ""), None),
            (("prompt", "dance"), Some("invalid_request")),
            // Nothing of the request is known but what stands beside the object.
            (("request", "x.y.z"), Some("invalid_request_object")),
        ] {
            let answer = browser.authorize(&client, &alice, &[("response_type", kind), ("response_mode", "jwt"), change]).await;
            let (mark, jwt) = response(&answer);
            assert_eq!((mark, read(&server, &jwt).await["error"].as_str()), (usual, error), "{kind} {change:?}");
            let plain = browser.authorize(&client, &alice, &[("response_type", kind), change]).await;
            let found = plain.location().find(['?', '#']).map(|at| plain.location().as_bytes()[at] as char);
            assert_eq!(found, Some(usual), "{kind} {change:?}: {}", plain.location());
        }
    }
}

#[tokio::test]
async fn jarm_3_and_rfc9701_6_without_enc_the_content_is_encrypted_with_a128cbc_hs256_and_without_alg_not_at_all() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let (_, jwks) = pair();
    for is_encrypted in [true, false] {
        let alg = json!("ECDH-ES");
        let encrypting = json!({ "jwks": jwks, "authorization_encrypted_response_alg": alg, "introspection_encrypted_response_alg": alg });
        let client = server.client(if is_encrypted { encrypting } else { json!({}) }).await;
        let mut browser = Browser::new(&server);
        let answered = response(&browser.authorize(&client, &alice, &[("response_mode", "jwt")]).await).1;
        let token = browser.tokens(&client, &alice, &[]).await.access;
        let introspected = server.as_client("/oidc/introspection", &client, &[("token", &token)]).header("accept", JWT).send().await.text();
        for sent in [answered, introspected] {
            let header: Value = serde_json::from_slice(&B64.decode(sent.split('.').next().unwrap()).unwrap()).unwrap();
            let expected = if is_encrypted { (5, json!("ECDH-ES"), json!("A128CBC-HS256")) } else { (3, json!("RS256"), Value::Null) };
            assert_eq!((sent.split('.').count(), header["alg"].clone(), header["enc"].clone()), expected, "{header}");
        }
    }
}

const API: &str = "https://api.example";

const RESOURCES: &str = r#"
[[resource]]
identifier = "https://api.example"
scope = "api"
token_format = "opaque"
introspected_by = ["backend"]

[[resource]]
identifier = "https://other.example"
scope = "api"
introspected_by = ["stranger"]

[[client]]
client_id = "backend"
client_secret = "backend-secret-backend-secret-backend"
grant_types = ["client_credentials"]

[[client]]
client_id = "stranger"
client_secret = "stranger-secret-stranger-secret-stran"
grant_types = ["urn:ietf:params:oauth:grant-type:device_code"]
"#;

fn declared(id: &str, secret: &str) -> Client {
    Client { id: id.to_owned(), secret: Some(secret.to_owned()), redirect_uri: String::new() }
}

fn backend() -> Client {
    declared("backend", "backend-secret-backend-secret-backend")
}

fn stranger() -> Client {
    declared("stranger", "stranger-secret-stranger-secret-stran")
}

/// The whole answer as a JWT for this resource server.
async fn seen(server: &Server, asker: &Client, token: &str) -> Value {
    let answer = server.as_client("/oidc/introspection", asker, &[("token", token)]).header("accept", JWT).send().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, JWT), "{}", answer.text());
    let claims = read(server, &answer.text()).await;
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!(server.issuer), &json!(asker.id)));
    assert_eq!(claims["iat"], server.app.now().0 / 1000, "when the answer was made");
    assert_eq!(names(&claims), BTreeSet::from(["iss", "aud", "iat", "token_introspection"]));
    claims["token_introspection"].clone()
}

#[tokio::test]
async fn rfc9701_5_a_token_that_is_dead_or_for_another_is_inactive_and_nothing_else() {
    let server = Server::with(&[], RESOURCES).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let inactive = json!({ "active": false });
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[("resource", API), ("scope", "openid api")]).await;
    server.advance(5_000);
    let alive = seen(&server, &backend(), &tokens.access).await;
    let told = (&alive["active"], &alive["aud"], &alive["scope"], &alive["client_id"], &alive["iat"]);
    assert_eq!(told, (&json!(true), &json!(API), &json!("api"), &json!(client.id), &json!(NOW / 1000)), "what it was granted for");
    assert_eq!(seen(&server, &stranger(), &tokens.access).await, inactive, "meant for another resource server");
    assert_eq!(seen(&server, &backend(), tokens.refresh()).await, inactive, "a refresh token is for none");
    assert_eq!(seen(&server, &backend(), "nothing").await, inactive);
    let again = Tokens::of(&server.refresh(&client, tokens.refresh()).await);
    assert_eq!(seen(&server, &backend(), &again.access).await["active"], true);
    assert_eq!(server.revoke(&client, &again.access).await.status, 200);
    assert_eq!(seen(&server, &backend(), &again.access).await, inactive, "revoked");
    let third = Tokens::of(&server.refresh(&client, again.refresh()).await);
    assert_eq!(seen(&server, &backend(), &third.access).await["active"], true);
    server.advance(600_000);
    assert_eq!(seen(&server, &backend(), &third.access).await, inactive, "expired");
    let last = Tokens::of(&server.refresh(&client, third.refresh()).await);
    assert_eq!(seen(&server, &backend(), &last.access).await["active"], true);
    server.disable(&alice.account).await;
    assert_eq!(seen(&server, &backend(), &last.access).await, inactive, "what it rests on is gone");
}

#[tokio::test]
async fn rfc9701_5_who_does_not_authenticate_is_refused_with_400() {
    let server = Server::start().await;
    let (client, public, alice) = (server.web_client().await, server.public_client().await, server.alice().await);
    let (id, secret) = (client.id.as_str(), client.secret.clone().unwrap());
    let token = Browser::new(&server).tokens(&client, &alice, &[]).await.access;
    let own = ("token", token.as_str());
    for accept in [JWT, "application/json"] {
        let ask = || server.post("/oidc/introspection").header("accept", accept);
        for (call, status) in [
            (ask().form(&[own]), 400),
            (ask().form(&[own, ("client_id", id)]), 400),
            (ask().form(&[own, ("client_id", "nobody")]), 400),
            (ask().form(&[own, ("client_id", &public.id)]), 400),
            // RFC 7662 section 2.3, RFC 6749 section 5.2: credentials that do not hold, and a token that names no caller.
            (ask().basic(id, "wrong").form(&[own]), 401),
            (ask().form(&[own, ("client_id", id), ("client_secret", "wrong")]), 401),
            (ask().bearer(&token).form(&[own]), 401),
        ] {
            let answer = call.send().await;
            assert_eq!(answer.refusal(), (status, "invalid_client".to_owned()), "{accept}: {}", answer.text());
            assert!(!answer.text().contains("active") && answer.header("content-type") == "application/json");
            assert_eq!(answer.header("cache-control"), "no-store");
        }
        assert_eq!(ask().basic(id, "wrong").form(&[own]).send().await.header("www-authenticate").split(' ').next(), Some("Basic"));
        assert_eq!(ask().basic(id, &secret).form(&[own]).send().await.status, 200);
    }
}

#[tokio::test]
async fn rfc9701_3_the_credentials_of_a_resource_server_open_what_it_is_registered_for() {
    let server = Server::with(&[], RESOURCES).await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let token = Browser::new(&server).tokens(&client, &alice, &[("resource", API), ("scope", "openid api")]).await.access;
    assert_eq!(seen(&server, &backend(), &token).await["active"], true);
    // One may speak for itself and nothing more, the other not even that.
    let own = [("grant_type", "client_credentials")];
    assert_eq!(server.token(&backend(), &own).await.status, 200);
    assert_eq!(server.token(&stranger(), &own).await.refusal(), (400, "unauthorized_client".to_owned()));
    let asked = server.as_client("/oidc/device/auth", &backend(), &[("scope", "openid")]).send().await;
    assert_eq!(asked.refusal(), (400, "unauthorized_client".to_owned()));
    for client in [backend(), stranger()] {
        let page = server.get(&Client { redirect_uri: "https://app.example/cb".to_owned(), ..client.clone() }.request(&[])).send().await;
        assert_eq!((page.status, page.location()), (400, ""), "nobody signs in for it");
        let pushed = server.as_client("/oidc/par", &client, &[("response_type", "code"), ("scope", "openid")]).send().await;
        assert_eq!(pushed.status, 400, "{}", pushed.text());
        assert_eq!(server.revoke(&client, &token).await.status, 400, "it revokes nobody's tokens");
    }
    assert_eq!(seen(&server, &backend(), &token).await["active"], true);
}
