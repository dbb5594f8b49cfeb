//! JARM §2.2, RFC 9701 §6: answers of the authorization endpoint and of introspection, signed and then encrypted to the client.

use serde_json::{Value, json};

use super::encryption::{open, open_with_secret, pair};
use crate::support::call::Answer;
use crate::support::documents::Documents;
use crate::support::flow::Tokens;
use crate::support::jwt::verified;
use crate::support::*;

const JWT: &str = "application/token-introspection+jwt";

/// What a client registers to have one of them encrypted.
fn asked(what: &str, alg: &str, keys: Value) -> Value {
    let mut all = json!({ format!("{what}_encrypted_response_alg"): alg, format!("{what}_encrypted_response_enc"): "A256GCM" });
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    all
}

/// The one parameter of a redirect.
fn response(answer: &Answer) -> String {
    let (_, sent) = answer.location().split_once(['?', '#']).unwrap_or_else(|| panic!("{} {}", answer.status, answer.text()));
    let parameters: Vec<_> = form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
    assert_eq!((parameters.len(), parameters[0].0.as_str()), (1, "response"), "{parameters:?}");
    parameters[0].1.clone()
}

async fn introspected(server: &Server, client: &Client, token: &str) -> Answer {
    server.as_client("/oidc/introspection", client, &[("token", token)]).header("accept", JWT).send().await
}

#[tokio::test]
async fn jarm_2_2_the_answer_is_signed_then_encrypted_in_each_mode() {
    both::on_both("", async |server: &Server| {
        let (private, jwks) = pair();
        let mut members = asked("authorization", "ECDH-ES", json!({ "jwks": jwks }));
        members["authorization_signed_response_alg"] = json!("ES256");
        let (client, alice) = (server.client(members).await, server.alice().await);
        let ours = server.get("/oidc/jwks").send().await.json();
        let mut browser = Browser::new(server);
        for mode in ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"] {
            let answer = browser.authorize(&client, &alice, &[("response_mode", mode)]).await;
            let sent = if mode == "form_post.jwt" { browser::form_of(&answer.text()).hidden[0].1.clone() } else { response(&answer) };
            let (header, inner) = open(&sent, &private);
            let said = ["alg", "enc", "cty", "kid"].map(|name| header[name].as_str().unwrap_or_default().to_owned());
            assert_eq!(said, ["ECDH-ES", "A256GCM", "JWT", "e"], "{mode}");
            let (header, claims) = verified(&inner, &ours);
            assert_eq!((&header["alg"], &claims["iss"], &claims["aud"]), (&json!("ES256"), &json!(server.issuer), &json!(client.id)));
            Tokens::of(&server.redeem(&client, claims["code"].as_str().unwrap()).await);
        }
        // JARM §2.1: errors are answers too.
        let refused = server.get(&client.request(&[("response_mode", "jwt"), ("prompt", "none")])).send().await;
        let claims = verified(&open(&response(&refused), &private).1, &ours).1;
        assert_eq!((&claims["error"], &claims["state"]), (&json!("login_required"), &json!("af0ifjsldkj")));
        // Who does not ask for a signed answer gets the plain one.
        assert!(!browser.authorize(&client, &alice, &[]).await.code().is_empty());
    })
    .await;
}

#[tokio::test]
async fn jarm_2_3_1_tokens_travel_in_a_query_where_they_are_encrypted() {
    let server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    let (private, jwks) = pair();
    let mut members = asked("authorization", "ECDH-ES", json!({ "jwks": jwks }));
    members["response_types"] = json!(["code", "code id_token"]);
    members["grant_types"] = json!(["authorization_code", "implicit"]);
    let (client, alice) = (server.client(members).await, server.alice().await);
    let ours = server.get("/oidc/jwks").send().await.json();
    let asked = [("response_type", "code id_token"), ("response_mode", "query.jwt")];
    let answer = Browser::new(&server).authorize(&client, &alice, &asked).await;
    assert!(answer.location().contains("?response=") && !answer.location().contains('#'), "{}", answer.location());
    let claims = verified(&open(&response(&answer), &private).1, &ours).1;
    assert!(claims["code"].is_string() && claims["id_token"].is_string());
    // What is refused comes the same way, from the first error on.
    for broken in [("request", "x.y.z"), ("max_age", "x")] {
        let refused = server.get(&client.request(&[&asked[..], &[broken]].concat())).send().await;
        assert!(refused.location().contains("?response="), "{}", refused.location());
        assert!(verified(&open(&response(&refused), &private).1, &ours).1["error"].is_string());
    }
    // In clear there is none of it, whatever is encrypted as a JWT.
    let plain = server.get(&client.request(&[("response_type", "code id_token"), ("response_mode", "query")])).send().await;
    assert!(plain.location().contains("#error=invalid_request"), "{}", plain.location());
    let answer = Browser::new(&server).authorize(&client, &alice, &[("response_type", "code id_token"), ("response_mode", "jwt")]).await;
    assert!(answer.location().contains('#'));
    let claims = verified(&open(&response(&answer), &private).1, &server.get("/oidc/jwks").send().await.json()).1;
    assert!(claims["code"].is_string() && claims["id_token"].is_string());
}

#[tokio::test]
async fn jarm_3_without_a_key_there_is_no_answer_and_nothing_is_granted() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let (private, jwks) = pair();
    let members = asked("authorization", "ECDH-ES", json!({ "jwks_uri": documents.url("/jwks") }));
    let (client, alice) = (server.client(members).await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let mark = server.mark().await;
    let refused = browser.get(&client.request(&[("response_mode", "jwt"), ("prompt", "none")])).await;
    assert_eq!((refused.status, refused.location()), (503, ""), "never in clear instead");
    assert_eq!(server.kinds_since(mark).await, [""; 0], "no answer, no event");
    documents.put("/jwks", &jwks);
    server.advance(61_000);
    let answer = browser.get(&client.request(&[("response_mode", "jwt"), ("prompt", "none")])).await;
    let claims = verified(&open(&response(&answer), &private).1, &server.get("/oidc/jwks").send().await.json()).1;
    Tokens::of(&server.redeem(&client, claims["code"].as_str().unwrap()).await);
}

#[tokio::test]
async fn jarm_3_every_encryption_that_discovery_names_works() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    let named = |member: &str| discovery[member].as_array().unwrap().iter().map(|own| own.as_str().unwrap().to_owned()).collect::<Vec<_>>();
    for what in ["authorization", "introspection"] {
        for of in ["alg", "enc"] {
            let member = format!("{what}_encryption_{of}_values_supported");
            assert_eq!(named(&member), named(&format!("id_token_encryption_{of}_values_supported")), "{member}");
        }
    }
    let ours = server.get("/oidc/jwks").send().await.json();
    let mut browser = Browser::new(&server);
    // Elliptic keys are opened by primitives; so is what the secret opens. RSA: `every_alg_is_opened_by_another_library` of the package.
    for alg in ["ECDH-ES", "dir"] {
        let (private, jwks) = pair();
        let keys = if alg == "dir" { json!({}) } else { json!({ "jwks": jwks }) };
        let client = server.client(asked("authorization", alg, keys)).await;
        let answer = browser.authorize(&client, &alice, &[("response_mode", "jwt")]).await;
        let (header, inner) = match alg {
            "dir" => open_with_secret(&response(&answer), client.secret.as_deref().unwrap()),
            _ => open(&response(&answer), &private),
        };
        assert_eq!(header["alg"], alg);
        Tokens::of(&server.redeem(&client, verified(&inner, &ours).1["code"].as_str().unwrap()).await);
    }
}

#[tokio::test]
async fn rfc9701_6_the_answer_is_signed_then_encrypted_to_whoever_asked() {
    both::on_both("", async |server: &Server| {
        let (private, jwks) = pair();
        let mut members = asked("introspection", "ECDH-ES", json!({ "jwks": jwks }));
        members["introspection_signed_response_alg"] = json!("PS256");
        let (client, alice) = (server.client(members).await, server.alice().await);
        let tokens = Browser::new(server).tokens(&client, &alice, &[]).await;
        let ours = server.get("/oidc/jwks").send().await.json();
        let answer = introspected(server, &client, &tokens.access).await;
        assert_eq!((answer.status, answer.header("content-type"), answer.header("cache-control")), (200, JWT, "no-store"));
        let (header, inner) = open(&answer.text(), &private);
        assert_eq!((&header["alg"], &header["enc"], &header["cty"]), (&json!("ECDH-ES"), &json!("A256GCM"), &json!("JWT")));
        let (header, claims) = verified(&inner, &ours);
        assert_eq!((&header["typ"], &header["alg"]), (&json!("token-introspection+jwt"), &json!("PS256")), "RFC 8725 section 3.11");
        let told = &claims["token_introspection"];
        assert_eq!((&told["active"], &told["client_id"], &told["scope"]), (&json!(true), &json!(client.id), &tokens.whole["scope"]));
        // RFC 9701 §5: what is dead is said no clearer.
        let dead = introspected(server, &client, "nothing").await;
        assert_eq!(verified(&open(&dead.text(), &private).1, &ours).1["token_introspection"], json!({ "active": false }));
        // Encrypted to who asks, whoever the token was issued to.
        let other = server.web_client().await;
        let foreign = introspected(server, &other, &tokens.access).await.text();
        assert_eq!(foreign.split('.').count(), 3, "signed alone for a client that registered no encryption");
        let taken = introspected(server, &client, &Browser::new(server).tokens(&other, &alice, &[]).await.access).await;
        assert_eq!(verified(&open(&taken.text(), &private).1, &ours).1["token_introspection"], json!({ "active": false }));
    })
    .await;
}

#[tokio::test]
async fn rfc9701_6_without_a_key_there_is_no_answer_in_clear() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let members = asked("introspection", "ECDH-ES", json!({ "jwks_uri": documents.url("/jwks") }));
    let (client, alice) = (server.client(members).await, server.alice().await);
    let token = Browser::new(&server).tokens(&client, &alice, &[]).await.access;
    let refused = introspected(&server, &client, &token).await;
    assert_eq!(refused.refusal(), (503, "temporarily_unavailable".to_owned()));
    assert!(!refused.text().contains("active"), "{}", refused.text());
    // Nor is there one for who leaves the media type out.
    let plain = server.as_client("/oidc/introspection", &client, &[("token", &token)]).send().await;
    assert_eq!(plain.refusal(), (400, "invalid_request".to_owned()));
    assert!(!plain.text().contains("active"), "{}", plain.text());
    let signed = server.client(json!({ "introspection_signed_response_alg": "PS256" })).await;
    assert_eq!(server.introspect(&signed, &token).await, json!({ "active": false }), "a signature alone is for whoever asks for it");
}

#[tokio::test]
async fn jarm_3_and_rfc9701_6_what_is_registered_is_said_and_what_cannot_be_is_refused() {
    let server = Server::with(&[], "registration = \"open\"\n").await;
    let (_, jwks) = pair();
    for what in ["authorization", "introspection"] {
        let (alg, enc) = (format!("{what}_encrypted_response_alg"), format!("{what}_encrypted_response_enc"));
        let send = async |members: Value| {
            let mut all = json!({ "redirect_uris": ["https://app.example/cb"] });
            all.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            server.post("/oidc/reg").json(&all).send().await
        };
        let said = send(json!({ "jwks": jwks, &alg: "ECDH-ES" })).await.json();
        assert_eq!((&said[&alg], &said[&enc]), (&json!("ECDH-ES"), &json!("A128CBC-HS256")), "the default of the content");
        let list = format!("{what}_encryption_alg_values_supported");
        let chosen = send(json!({ "jwks": jwks, &alg: "RSA1_5", &list: ["RSA1_5", "RSA-OAEP", "ECDH-ES"] })).await.json();
        assert_eq!((&chosen[&alg], chosen.get(&list)), (&json!("ECDH-ES"), None), "the first that a key is there for");
        for members in [
            json!({ "jwks": jwks, &enc: "A256GCM" }),
            json!({ "jwks": jwks, &alg: "RSA-OAEP" }),
            json!({ &alg: "ECDH-ES" }),
            json!({ "jwks": jwks, &alg: "RSA1_5" }),
            json!({ &alg: "dir", "token_endpoint_auth_method": "none" }),
        ] {
            let refused = send(members.clone()).await;
            assert_eq!(refused.refusal(), (400, "invalid_client_metadata".to_owned()), "{members}");
        }
    }
}
