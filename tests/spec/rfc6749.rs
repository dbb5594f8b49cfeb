//! RFC 6749: the token endpoint and the code grant.

use serde_json::json;

use crate::support::call::FORM;
use crate::support::flow::Tokens;
use crate::support::*;

#[tokio::test]
async fn rfc6749_5_1_a_code_becomes_tokens_that_nobody_caches() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let code = Browser::new(&server).authorize(&client, &alice, &[]).await.code();
    let answer = server.redeem(&client, &code).await;
    assert_eq!((answer.status, answer.header("cache-control"), answer.header("content-type")), (200, "no-store", "application/json"));
    let body = answer.json();
    assert_eq!((&body["token_type"], &body["expires_in"], &body["scope"]), (&json!("Bearer"), &json!(600), &json!("email openid profile")));
    assert_eq!(body["refresh_token_expires_in"], 14 * 24 * 3600);
}

#[tokio::test]
async fn rfc6749_5_2_every_refusal_has_its_code_and_is_not_cached() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let limited = server.client(json!({ "grant_types": ["authorization_code"] })).await;
    let wrong = Client { secret: Some("wrong".to_owned()), ..client.clone() };
    let unknown = Client { id: "nobody".to_owned(), ..client.clone() };
    let code = "cha_ac_0000000000000000000000000000000000000000";
    for (client, fields, status, error) in [
        (&wrong, vec![("grant_type", "client_credentials")], 401, "invalid_client"),
        (&unknown, vec![("grant_type", "client_credentials")], 401, "invalid_client"),
        (&client, vec![], 400, "invalid_request"),
        (&client, vec![("grant_type", "")], 400, "invalid_request"),
        (&client, vec![("grant_type", "password")], 400, "unsupported_grant_type"),
        (&client, vec![("grant_type", "authorization_code")], 400, "invalid_request"),
        (&client, vec![("grant_type", "authorization_code"), ("code", code)], 400, "invalid_grant"),
        (&client, vec![("grant_type", "refresh_token")], 400, "invalid_request"),
        (&client, vec![("grant_type", "refresh_token"), ("refresh_token", "x")], 400, "invalid_grant"),
        (&client, vec![("grant_type", "client_credentials"), ("scope", "unknown")], 400, "invalid_scope"),
        (&client, vec![("grant_type", "client_credentials"), ("scope", "a\"b")], 400, "invalid_scope"),
        (&limited, vec![("grant_type", "client_credentials")], 400, "unauthorized_client"),
    ] {
        let answer = server.token(client, &fields).await;
        assert_eq!(answer.refusal(), (status, error.to_owned()), "{fields:?}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.sentence().is_empty());
    }
    // Unknown and wrong are one answer, to the letter.
    let answers = [server.token(&wrong, &[]).await, server.token(&unknown, &[]).await];
    assert_eq!(answers[0].body, answers[1].body);
    assert_eq!(answers[0].header("www-authenticate"), "Basic realm=\"chancery\", charset=\"UTF-8\"");
}

#[tokio::test]
async fn rfc6749_3_2_media_type_then_repetition_then_client_then_grant() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let wrong = |body: &'static str| server.post("/oidc/token").basic(&client.id, "wrong").body(body);
    let json = wrong("{}").header("content-type", "application/json").send().await;
    assert_eq!(json.refusal(), (415, "unsupported_media_type".to_owned()));
    let repeated = wrong("grant_type=password&a=1&a=2").header("content-type", FORM).send().await;
    assert_eq!(repeated.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(repeated.sentence(), "The parameter a is repeated.");
    let wrong = wrong("grant_type=password").header("content-type", FORM).send().await;
    assert_eq!(wrong.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn rfc6749_3_2_no_parameter_may_be_repeated_and_empty_ones_are_absent() {
    let server = Server::start().await;
    let client = server.web_client().await;
    for name in ["grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "client_id", "client_secret", "unknown"] {
        let answer = server.token(&client, &[(name, "a"), (name, "a")]).await;
        assert_eq!((answer.status, answer.sentence()), (400, format!("The parameter {name} is repeated.")));
    }
    let empty = [("grant_type", "client_credentials"), ("scope", ""), ("client_secret", ""), ("client_id", ""), ("unknown", "")];
    assert_eq!(server.token(&client, &empty).await.json()["scope"], "api");
    // RFC 8707 §2: this one may, though each token is for one.
    let resources = [("grant_type", "client_credentials"), ("resource", "https://a.example"), ("resource", "https://b.example")];
    assert_eq!(server.token(&client, &resources).await.refusal(), (400, "invalid_target".to_owned()));
}

#[tokio::test]
async fn rfc6749_3_2_only_post_with_a_form_body() {
    let server = Server::start().await;
    let client = server.web_client().await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = server.call(method, "/oidc/token").header("accept", "text/html").send().await;
        assert_eq!((answer.refusal(), answer.header("allow")), ((405, "method_not_allowed".to_owned()), "OPTIONS, POST"), "{method}");
    }
    let secret = client.secret.clone().unwrap();
    let in_query = "/oidc/token?grant_type=client_credentials&scope=api";
    let answer = server.post(in_query).basic(&client.id, &secret).form(&[]).send().await;
    assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "parameters in the query count for nothing");
    let body = "grant_type=client_credentials";
    for media_type in ["application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded, text/plain"]
    {
        let call = server.post("/oidc/token").basic(&client.id, &secret).header("content-type", media_type);
        assert_eq!(call.body(body).send().await.status, 415, "{media_type}");
    }
    assert_eq!(server.post("/oidc/token").basic(&client.id, &secret).body(body).send().await.status, 415);
    let charset = "Application/X-WWW-Form-Urlencoded;charset=utf-8";
    assert_eq!(server.post("/oidc/token").basic(&client.id, &secret).header("content-type", charset).body(body).send().await.status, 200);
}

#[tokio::test]
async fn rfc6749_2_3_one_mechanism_and_one_client() {
    let server = Server::start().await;
    let (client, other) = (server.web_client().await, server.web_client().await);
    let (id, secret) = (client.id.as_str(), client.secret.as_deref().unwrap());
    let grant = ("grant_type", "client_credentials");
    assert_eq!(server.post("/oidc/token").form(&[grant, ("client_id", id), ("client_secret", secret)]).send().await.status, 200);
    assert_eq!(server.token(&client, &[grant, ("client_id", id)]).await.status, 200, "the same name twice is one mechanism");
    let two = server.token(&client, &[grant, ("client_secret", secret)]).await;
    assert_eq!(two.refusal(), (400, "invalid_request".to_owned()));
    let differs = server.token(&client, &[grant, ("client_id", &other.id)]).await;
    assert_eq!(differs.refusal(), (401, "invalid_client".to_owned()));
    for value in ["Basic", "Basic !!!", "Basic YQ==", "Digest x", "Bearer x"] {
        let answer = server.post("/oidc/token").header("authorization", value).form(&[grant, ("client_id", id)]).send().await;
        assert_eq!(answer.refusal(), (401, "invalid_client".to_owned()), "{value}");
    }
    let with_secret = Client { secret: Some("a".to_owned()), ..server.public_client().await };
    assert_eq!(server.token(&with_secret, &[grant]).await.refusal(), (401, "invalid_client".to_owned()));
    let bare = server.post("/oidc/token").form(&[grant, ("client_id", id)]).send().await;
    assert_eq!(bare.refusal(), (401, "invalid_client".to_owned()), "a confidential client cannot act as a public one");
}

#[tokio::test]
async fn rfc6749_4_4_client_credentials_give_an_access_token_alone() {
    let server = Server::start().await;
    let client = server.client(json!({ "scope": "openid api reports" })).await;
    let mark = server.mark().await;
    let tokens = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials")]).await);
    assert_eq!((&tokens.refresh, &tokens.id_token), (&None, &None));
    assert_eq!(tokens.whole["scope"], "api reports", "the standard scopes speak about a person");
    let narrowed = Tokens::of(&server.token(&client, &[("grant_type", "client_credentials"), ("scope", "reports unknown")]).await);
    assert_eq!(narrowed.whole["scope"], "reports");
    assert_eq!(server.introspect(&client, &tokens.access).await["sub"], client.id.as_str());
    assert_eq!(server.kinds_since(mark).await, ["ClientCredentialsGranted", "ClientCredentialsGranted"]);
}

#[tokio::test]
async fn rfc6749_4_1_3_a_code_is_bound_to_client_and_redirect_uri() {
    let server = Server::start().await;
    let (client, other) = (server.web_client().await, server.web_client().await);
    let alice = server.alice().await;
    let code = Browser::new(&server).authorize(&client, &alice, &[]).await.code();
    let mark = server.mark().await;
    assert_eq!(server.redeem(&other, &code).await.refusal(), (400, "invalid_grant".to_owned()));
    let elsewhere = Client { redirect_uri: "https://app.example/other".to_owned(), ..client.clone() };
    assert_eq!(server.redeem(&elsewhere, &code).await.refusal(), (400, "invalid_grant".to_owned()));
    let missing = server.token(&client, &[("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER)]).await;
    assert_eq!(missing.refusal(), (400, "invalid_request".to_owned()));
    assert_eq!(server.redeem(&client, &code).await.status, 200, "none of that spent it");
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused", "CodeRedeemed"]);
}

#[tokio::test]
async fn rfc6749_3_1_2_3_the_only_redirect_uri_may_be_left_out_of_both_requests() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let plain = [("redirect_uri", ""), ("scope", "email"), ("nonce", "")];
    let bare = |code: String| {
        let (server, client) = (&server, &client);
        async move { server.token(client, &[("grant_type", "authorization_code"), ("code", &code), ("code_verifier", VERIFIER)]).await }
    };
    let answer = browser.authorize(&client, &alice, &plain).await;
    assert!(answer.location().starts_with(&format!("{}?code=", client.redirect_uri)), "{}", answer.location());
    assert_eq!(bare(answer.code()).await.status, 200);
    // Sent all the same, it has to be that one.
    let code = browser.open(&client.request(&plain)).await.code();
    let elsewhere = Client { redirect_uri: "https://app.example/other".to_owned(), ..client.clone() };
    assert_eq!(server.redeem(&elsewhere, &code).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.redeem(&client, &code).await.status, 200);
    // A request that named it keeps the demand.
    let code = browser.open(&client.request(&[("scope", "email"), ("nonce", "")])).await.code();
    assert_eq!(bare(code).await.refusal(), (400, "invalid_request".to_owned()));
    // OpenID Connect Core 1.0 §3.1.2.1, and a client with two.
    assert_eq!(server.get(&client.request(&[("redirect_uri", "")])).send().await.status, 400);
    let two = server.client(json!({ "redirect_uris": ["https://app.example/cb", "https://app.example/other"] })).await;
    assert_eq!(server.get(&two.request(&plain)).send().await.status, 400);
}

#[tokio::test]
async fn rfc6749_4_1_2_a_code_lives_for_a_minute() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&client, &alice, &[]).await.code();
    server.advance(59_999);
    assert_eq!(server.redeem(&client, &code).await.status, 200);
    let late = browser.authorize(&client, &alice, &[]).await.code();
    server.advance(60_000);
    let mark = server.mark().await;
    assert_eq!(server.redeem(&client, &late).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.kinds_since(mark).await, [""; 0], "an expired code that was never redeemed ends nothing");
}

#[tokio::test]
async fn rfc6749_6_a_refresh_may_narrow_and_never_widen() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let first = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let narrow = [("grant_type", "refresh_token"), ("refresh_token", first.refresh()), ("scope", "openid")];
    let second = Tokens::of(&server.token(&client, &narrow).await);
    assert_eq!(second.whole["scope"], "openid");
    assert!(server.userinfo(&second.access).await.json()["email"].is_null());
    let third = Tokens::of(&server.refresh(&client, second.refresh()).await);
    assert_eq!(third.whole["scope"], "email openid profile", "the grant keeps its scope");
    let wide = [("grant_type", "refresh_token"), ("refresh_token", third.refresh()), ("scope", "openid api")];
    assert_eq!(server.token(&client, &wide).await.refusal(), (400, "invalid_scope".to_owned()));
    let other = server.web_client().await;
    assert_eq!(server.refresh(&other, third.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.refresh(&client, third.refresh()).await.status, 200, "neither refusal ended anything");
}

#[tokio::test]
async fn rfc6749_4_1_2_1_errors_go_to_a_verified_redirect_uri_with_the_state() {
    let server = Server::start().await;
    let client = server.client(json!({ "redirect_uris": ["https://app.example/cb?tenant=7"], "scope": "openid" })).await;
    let long = "a".repeat(2049);
    let mark = server.mark().await;
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_type", "code id_token", "unsupported_response_type"),
        ("response_mode", "web_message", "invalid_request"),
        ("scope", "unknown", "invalid_scope"),
        ("scope", "", "invalid_scope"),
        ("scope", "a\\b", "invalid_scope"),
        ("prompt", "none login", "invalid_request"),
        ("prompt", "dance", "invalid_request"),
        ("max_age", "-1", "invalid_request"),
        ("nonce", &long, "invalid_request"),
        ("request", "e30.e30.", "invalid_request_object"),
        ("request_uri", "https://app.example/r", "invalid_request_uri"),
        ("registration", "{}", "registration_not_supported"),
        ("id_token_hint", "e30.e30.e30", "invalid_request"),
    ] {
        let answer = server.get(&client.request(&[(name, value)])).send().await;
        assert_eq!(answer.status, 303, "{name}={value}: {}", answer.text());
        assert!(answer.location().starts_with("https://app.example/cb?tenant=7&error="), "{}", answer.location());
        let sent = (answer.sent("error"), answer.sent("state"), answer.sent("iss"));
        assert_eq!(sent, (Some(error.to_owned()), Some("af0ifjsldkj".to_owned()), Some(server.issuer.clone())), "{name}={value}");
    }
    assert_eq!(server.kinds_since(mark).await, [""; 0], "nothing is recorded before a request is valid");
}

#[tokio::test]
async fn rfc6749_3_1_2_4_nothing_is_redirected_to_an_address_that_is_not_registered() {
    let server = Server::start().await;
    let client = server.web_client().await;
    for (name, value) in [
        ("client_id", "nobody"),
        ("client_id", ""),
        ("client_id", "a\nb"),
        ("redirect_uri", ""),
        ("redirect_uri", "https://app.example/cb/"),
        ("redirect_uri", "https://app.example/cb?x"),
        ("redirect_uri", "https://app.example:443/cb"),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "HTTPS://app.example/cb"),
    ] {
        let request = client.request(&[(name, value), ("response_type", "token"), ("prompt", "none")]);
        let answer = server.get(&request).header("accept", "text/html").send().await;
        assert_eq!((answer.status, answer.location()), (400, ""), "{name}={value}");
        assert!(answer.header("content-type").starts_with("text/html"), "{}", answer.header("content-type"));
        assert!(!answer.text().contains("evil.example"));
    }
    let twice = server.get(&format!("{}&redirect_uri=https%3A%2F%2Fevil.example", client.request(&[]))).send().await;
    assert_eq!((twice.status, twice.location()), (400, ""));
}

#[tokio::test]
async fn rfc6749_3_1_the_authorization_endpoint_takes_post_by_way_of_get() {
    let server = Server::start().await;
    let request = server.web_client().await.request(&[]);
    let (path, query) = request.split_once('?').unwrap();
    let answer = server.post(path).header("content-type", FORM).header("origin", "https://app.example").body(query).send().await;
    assert_eq!(answer.status, 303);
    let page = Browser::new(&server).open(answer.location()).await;
    assert_eq!(flow::page_of(&page), "login");
}

#[tokio::test]
async fn rfc6749_4_1_2_1_denied_by_the_person() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let page = browser.open(&client.request(&[])).await;
    let consent = browser.submit(&page, &[("login", &alice.email), ("password", flow::PASSWORD)]).await;
    let interaction = browser.at.clone();
    assert_eq!(browser.post(&interaction, &[("decision", "allow")]).await.status, 403, "no form token");
    let mark = server.mark().await;
    let answer = browser.submit(&consent, &[("decision", "deny")]).await;
    assert_eq!((answer.sent("error").as_deref(), answer.sent("code")), (Some("access_denied"), None));
    assert_eq!(server.kinds_since(mark).await, ["ConsentDenied", "AuthorizationRefused"]);
    let again = browser.submit(&consent, &[("decision", "allow")]).await;
    assert_eq!((again.status, again.location()), (400, ""), "what is answered stays answered");
}
