//! JARM: the answer of the authorization endpoint as one signed JWT.

use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::jwt::verified;
use crate::support::*;

/// The answer in a redirect, by query or fragment: its only parameter.
fn response(answer: &Answer, mark: char) -> String {
    let (_, sent) = answer.location().split_once(mark).unwrap_or_else(|| panic!("{}", answer.location()));
    let parameters: Vec<_> = form_urlencoded::parse(sent.as_bytes()).into_owned().collect();
    assert_eq!(parameters.len(), 1, "{parameters:?}");
    assert_eq!(parameters[0].0, "response");
    parameters[0].1.clone()
}

async fn read(server: &Server, jwt: &str) -> (Value, Value) {
    verified(jwt, &server.get("/oidc/jwks").send().await.json())
}

#[tokio::test]
async fn jarm_2_1_the_answer_is_one_signed_token_in_each_mode() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "authorization_signed_response_alg": "ES256" })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let now = server.app.now().0 / 1000;
    for (mode, mark) in [("jwt", '?'), ("query.jwt", '?'), ("fragment.jwt", '#')] {
        let answer = browser.authorize(&client, &alice, &[("response_mode", mode)]).await;
        let (header, claims) = read(&server, &response(&answer, mark)).await;
        assert_eq!(header["alg"], "ES256");
        assert_eq!((&claims["iss"], &claims["aud"], &claims["exp"]), (&json!(server.issuer), &json!(client.id), &json!(now + 120)));
        assert_eq!(claims["state"], "af0ifjsldkj");
        Tokens::of(&server.redeem(&client, claims["code"].as_str().unwrap()).await);
    }
    let page = browser.authorize(&client, &alice, &[("response_mode", "form_post.jwt")]).await;
    let form = browser::form_of(&page.text());
    assert_eq!((form.hidden.len(), form.hidden[0].0.as_str()), (1, "response"));
    let (_, claims) = read(&server, &form.hidden[0].1).await;
    Tokens::of(&server.redeem(&client, claims["code"].as_str().unwrap()).await);
}

#[tokio::test]
async fn jarm_3_rs256_is_the_default_and_every_algorithm_that_is_promised_works() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    for mode in ["jwt", "query.jwt", "fragment.jwt", "form_post.jwt"] {
        assert!(discovery["response_modes_supported"].as_array().unwrap().contains(&json!(mode)), "{mode}");
    }
    let mut algs: Vec<_> = discovery["authorization_signing_alg_values_supported"].as_array().unwrap().iter().map(Some).collect();
    algs.push(None);
    let mut browser = Browser::new(&server);
    for alg in algs {
        let members = alg.map_or_else(|| json!({}), |alg| json!({ "authorization_signed_response_alg": alg }));
        let client = server.client(members).await;
        let answer = browser.authorize(&client, &alice, &[("response_mode", "jwt")]).await;
        let (header, _) = read(&server, &response(&answer, '?')).await;
        assert_eq!(header["alg"], alg.cloned().unwrap_or_else(|| json!("RS256")));
    }
    let odd =
        server.post("/clients").json(&json!({ "redirect_uris": ["https://app.example/cb"], "authorization_signed_response_alg": "none" }));
    assert_eq!(odd.send().await.refusal(), (400, "invalid_client_metadata".to_owned()));
}

#[tokio::test]
async fn jarm_2_1_errors_are_signed_too() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    for (changes, error) in [
        (&[("response_mode", "jwt"), ("prompt", "none")][..], "login_required"),
        (&[("response_mode", "jwt"), ("prompt", "dance")], "invalid_request"),
        (&[("response_mode", "fragment.jwt"), ("response_type", "token")], "unsupported_response_type"),
    ] {
        let answer = server.get(&client.request(changes)).send().await;
        let mark = if changes[0].1.starts_with("fragment") { '#' } else { '?' };
        let (_, claims) = read(&server, &response(&answer, mark)).await;
        assert_eq!((&claims["error"], &claims["state"], &claims["aud"]), (&json!(error), &json!("af0ifjsldkj"), &json!(client.id)));
    }
    let mut browser = Browser::new(&server);
    let page = browser.open(&client.request(&[("response_mode", "jwt")])).await;
    let page = browser.submit(&page, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    let (_, claims) = read(&server, &response(&denied, '?')).await;
    assert_eq!(claims["error"], "access_denied");
}

#[tokio::test]
async fn jarm_2_3_1_tokens_travel_in_no_query_signed_or_not() {
    let server = Server::with(&[], "[response_types]\nfront_channel = true\n").await;
    let client =
        server.client(json!({ "response_types": ["code", "code id_token"], "grant_types": ["authorization_code", "implicit"] })).await;
    let alice = server.alice().await;
    let refused = server.get(&client.request(&[("response_type", "code id_token"), ("response_mode", "query.jwt")])).send().await;
    assert!(refused.location().contains("error=invalid_request"), "{}", refused.location());
    let answer = Browser::new(&server).authorize(&client, &alice, &[("response_type", "code id_token"), ("response_mode", "jwt")]).await;
    let (_, claims) = read(&server, &response(&answer, '#')).await;
    assert!(claims["code"].is_string() && claims["id_token"].is_string(), "section 2.3.4: the usual mode of the type");
}

#[tokio::test]
async fn rfc9700_4_11_2_a_signed_error_of_a_self_registered_client_is_shown_first_too() {
    let server = Server::production(&[("CHANCERY_REGISTRATION", "open")], "").await;
    let sent = json!({ "redirect_uris": ["https://app.example/cb"], "scope": "openid" });
    let open = Client::of(&server.post("/oidc/reg").json(&sent).send().await.json());
    let page = server.get(&open.request(&[("response_mode", "jwt"), ("prompt", "dance")])).send().await;
    assert_eq!((page.status, page.location()), (400, ""));
    assert!(page.text().contains("invalid_request") && page.text().contains("response="), "the page names the error and where it would go");
}

#[tokio::test]
async fn jarm_with_a_pushed_request() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let query = client.request(&[("response_mode", "jwt"), ("client_id", "")]);
    let fields: Vec<_> = form_urlencoded::parse(query.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let kept = server.as_client("/oidc/par", &client, &fields).send().await.json();
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id).append_pair("request_uri", kept["request_uri"].as_str().unwrap());
    let mut browser = Browser::new(&server);
    let page = browser.open(&format!("/oidc/auth?{}", query.finish())).await;
    let answer = browser.pass(page, &alice).await;
    let (_, claims) = read(&server, &response(&answer, '?')).await;
    Tokens::of(&server.redeem(&client, claims["code"].as_str().unwrap()).await);
}

#[tokio::test]
async fn fapi2_message_signing_5_3_3_a_client_is_answered_in_the_modes_that_it_registered() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "response_modes": ["jwt", "form_post"] })).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let signed = browser.authorize(&client, &alice, &[("response_mode", "jwt")]).await;
    assert!(read(&server, &response(&signed, '?')).await.1["code"].is_string());
    assert_eq!(browser.authorize(&client, &alice, &[("response_mode", "form_post")]).await.status, 200);
    // Neither another, nor the usual one of the response type.
    let refused = server.get(&client.request(&[("response_mode", "query.jwt")])).send().await;
    assert_eq!(read(&server, &response(&refused, '?')).await.1["error"], "invalid_request", "told where it was asked for");
    for mode in ["query", "fragment", ""] {
        let refused = server.get(&client.request(&[("response_mode", mode)])).send().await;
        assert!(refused.status == 303 && refused.location().contains("error=invalid_request"), "{mode}: {}", refused.location());
    }
    // By the name that "jwt" stands for, too.
    let exact = server.client(json!({ "response_modes": ["query.jwt"] })).await;
    for mode in ["query.jwt", "jwt"] {
        response(&browser.authorize(&exact, &alice, &[("response_mode", mode)]).await, '?');
    }
    let registered = server.register(json!({ "redirect_uris": ["https://app.example/cb"], "response_modes": ["jwt"] })).await;
    assert_eq!(registered["response_modes"], json!(["jwt"]));
    for wrong in [json!([]), json!(["pigeon"]), json!(["web_message"]), json!("jwt")] {
        let metadata = json!({ "redirect_uris": ["https://app.example/cb"], "response_modes": wrong });
        assert_eq!(server.post("/clients").json(&metadata).send().await.status, 400, "{wrong}");
    }
    let toml = "[response_modes]\nweb_message = true\n[[client]]\nclient_id = \"app\"\nclient_secret = \"a-secret-of-forty-characters-for-the-test\"\n\
                redirect_uris = [\"https://app.example/cb\"]\nresponse_modes = [\"web_message\"]\n";
    let server = Server::with(&[], toml).await;
    let app = Client { id: "app".to_owned(), secret: None, redirect_uri: "https://app.example/cb".to_owned() };
    assert!(server.get(&app.request(&[])).send().await.location().contains("error=invalid_request"));
    assert_eq!(flow::page_of(&Browser::new(&server).open(&app.request(&[("response_mode", "web_message")])).await), "login");
}
