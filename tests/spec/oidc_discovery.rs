//! OpenID Connect Discovery 1.0, RFC 8414: every promise is kept.

use serde_json::{Value, json};

use crate::support::flow::Tokens;
use crate::support::jwt::{Key, verified};
use crate::support::*;

async fn document(server: &Server) -> Value {
    server.get("/oidc/.well-known/openid-configuration").send().await.json()
}

fn words(document: &Value, member: &str) -> Vec<String> {
    document[member].as_array().unwrap_or_else(|| panic!("{member}")).iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn rfc8414_3_both_documents_are_one_and_any_script_may_read_them() {
    let server = Server::start().await;
    let answers = [
        server.get("/oidc/.well-known/openid-configuration").header("origin", "https://any.example").send().await,
        server.get("/.well-known/oauth-authorization-server/oidc").header("origin", "https://any.example").send().await,
    ];
    assert_eq!(answers[0].body, answers[1].body);
    for answer in &answers {
        assert_eq!((answer.header("content-type"), answer.header("access-control-allow-origin")), ("application/json", "*"));
        assert!(answer.header("cache-control").contains("max-age="));
        assert_eq!(answer.json()["issuer"], server.issuer.as_str());
    }
}

#[tokio::test]
async fn rfc9110_13_1_2_a_document_that_the_caller_has_is_not_sent_again() {
    let server = Server::start().await;
    for path in ["/oidc/.well-known/openid-configuration", "/.well-known/oauth-authorization-server/oidc", "/oidc/jwks"] {
        let whole = server.get(path).send().await;
        let tag = whole.header("etag").to_owned();
        assert!(whole.status == 200 && tag.starts_with('"') && tag.len() > 10, "{path}: {tag}");
        let again = server.get(path).header("if-none-match", &format!("\"other\", {tag}")).send().await;
        assert_eq!((again.status, again.body.len(), again.header("etag")), (304, 0, tag.as_str()), "{path}");
        // RFC 9110 §15.4.5: what the 200 would carry.
        assert_eq!(again.header("cache-control"), whole.header("cache-control"));
        assert_eq!(again.header("access-control-allow-origin"), "*");
        let changed = server.get(path).header("if-none-match", "\"other\"").send().await;
        assert_eq!((changed.status, &changed.body), (200, &whole.body), "{path}");
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_advertised_endpoint_answers() {
    let server = Server::start().await;
    let document = document(&server).await;
    let addresses: Vec<_> =
        document.as_object().unwrap().iter().filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri").collect();
    assert_eq!(addresses.len(), 10);
    for (name, address) in addresses {
        let path = address.as_str().unwrap().strip_prefix(&server.origin).unwrap_or_else(|| panic!("{name}: {address}"));
        let answers = [server.get(path).send().await, server.post(path).send().await];
        assert!(answers.iter().any(|answer| answer.status != 405), "{name}");
        assert!(answers.iter().all(|answer| answer.status != 404 && answer.status < 500), "{name}");
    }
}

#[tokio::test]
async fn oidc_discovery_3_what_has_to_be_in_the_document_is() {
    for (toml, front_channel) in [("", false), (include_str!("../../profiles/oidc-certification.toml"), true)] {
        let document = document(&Server::with(&[], toml).await).await;
        for (member, word) in [
            ("scopes_supported", "openid"),
            ("response_types_supported", "code"),
            ("grant_types_supported", "authorization_code"),
            ("subject_types_supported", "public"),
            ("id_token_signing_alg_values_supported", "RS256"),
            ("token_endpoint_auth_signing_alg_values_supported", "RS256"),
        ] {
            assert!(words(&document, member).contains(&word.to_owned()), "{member} {word}");
        }
        for (member, word) in [
            ("response_types_supported", "id_token"),
            ("response_types_supported", "id_token token"),
            ("grant_types_supported", "implicit"),
        ] {
            assert_eq!(words(&document, member).contains(&word.to_owned()), front_channel, "{member} {word}");
        }
        for (member, value) in document.as_object().unwrap() {
            let unsigned = value.as_array().is_some_and(|all| all.contains(&json!("none"))) && member.contains("signing_alg");
            assert_eq!(unsigned, front_channel && member == "request_object_signing_alg_values_supported", "{member}");
        }
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_client_authentication_method_works_everywhere_it_is_promised() {
    let server = Server::start().await;
    let document = document(&server).await;
    for endpoint in ["token", "revocation", "introspection"] {
        let path = document[format!("{endpoint}_endpoint")].as_str().unwrap().strip_prefix(&server.origin).unwrap().to_owned();
        for method in words(&document, &format!("{endpoint}_endpoint_auth_methods_supported")) {
            let key = Key::generate("ES256");
            let jwks = if method == "private_key_jwt" { key.jwks() } else { Value::Null };
            let client = server
                .client(json!({
                    "token_endpoint_auth_method": method, "jwks": jwks, "grant_types": ["authorization_code", "refresh_token"],
                }))
                .await;
            let fields = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("token", "x")];
            let call = match method.as_str() {
                "private_key_jwt" => assertion_call(&server, &path, &client, &key, &fields, "j1"),
                "client_secret_jwt" => {
                    let now = server.app.clock.now_ms() / 1000;
                    let claims =
                        json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "exp": now + 60, "iat": now, "jti": "j1" });
                    with_assertion(&server, &path, &jwt::mac("HS256", client.secret.as_deref().unwrap(), &claims), &fields)
                }
                "client_secret_post" => {
                    let secret = client.secret.as_deref().unwrap();
                    server.post(&path).form(&[&fields[..], &[("client_id", &client.id), ("client_secret", secret)]].concat())
                }
                _ => server.as_client(&path, &client, &fields),
            };
            let answer = call.send().await;
            assert_ne!(answer.error(), "invalid_client", "{endpoint} {method}");
            let expected = if endpoint == "token" { (400, "invalid_grant".to_owned()) } else { (200, String::new()) };
            assert_eq!(answer.refusal(), expected, "{endpoint} {method}");
        }
    }
}

fn assertion_call<'a>(server: &'a Server, path: &str, client: &Client, key: &Key, fields: &[(&str, &str)], jti: &str) -> call::Call<'a> {
    let now = server.app.clock.now_ms() / 1000;
    let claims = json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "exp": now + 60, "iat": now, "jti": jti });
    with_assertion(server, path, &key.sign(&claims), fields)
}

fn with_assertion<'a>(server: &'a Server, path: &str, assertion: &str, fields: &[(&str, &str)]) -> call::Call<'a> {
    let own = [("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), ("client_assertion", assertion)];
    server.post(path).form(&[fields, &own].concat())
}

#[tokio::test]
async fn rfc7523_3_every_assertion_algorithm_works_and_a_jti_counts_once() {
    let server = Server::start().await;
    let document = document(&server).await;
    // Those of shared secrets are tested with RFC 7523.
    for alg in words(&document, "token_endpoint_auth_signing_alg_values_supported").into_iter().filter(|alg| !alg.starts_with("HS")) {
        let key = Key::generate(&alg);
        let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
        let grant = [("grant_type", "client_credentials")];
        let call = || assertion_call(&server, "/oidc/token", &client, &key, &grant, "once").send();
        assert_eq!(call().await.status, 200, "{alg}");
        assert_eq!(call().await.refusal(), (401, "invalid_client".to_owned()), "{alg}: the same assertion again");
        assert_eq!(assertion_call(&server, "/oidc/token", &client, &key, &grant, "twice").send().await.status, 200, "{alg}");
    }
}

#[tokio::test]
async fn rfc7523_3_an_assertion_names_client_server_and_a_near_end() {
    let server = Server::start().await;
    let (key, stranger) = (Key::generate("ES256"), Key::generate("ES256"));
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let now = NOW / 1000;
    let good = json!({ "iss": client.id, "sub": client.id, "aud": [server.issuer], "exp": now + 60, "jti": "j" });
    for (index, (name, value, holds)) in [
        ("jti", json!("fine"), true),
        ("aud", json!(format!("{}/token", server.issuer)), true),
        ("exp", json!(now + 600), true),
        ("nbf", json!(now + 15), true),
        ("iss", json!("other"), false),
        ("sub", json!("other"), false),
        ("aud", json!("https://other.example"), false),
        ("aud", json!([]), false),
        ("exp", json!(now - 16), false),
        ("exp", json!(now + 3700), false),
        ("exp", Value::Null, false),
        ("exp", json!("soon"), false),
        ("nbf", json!(now + 60), false),
        ("jti", Value::Null, false),
        ("jti", json!(""), false),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = good.clone();
        claims["jti"] = json!(format!("j{index}"));
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value;
        }
        let send = |assertion: String| {
            let server = &server;
            async move {
                let fields = [
                    ("grant_type", "client_credentials"),
                    ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
                    ("client_assertion", assertion.as_str()),
                ];
                server.post("/oidc/token").form(&fields).send().await.refusal()
            }
        };
        let expected = if holds { (200, String::new()) } else { (401, "invalid_client".to_owned()) };
        assert_eq!(send(stranger.sign(&claims)).await, (401, "invalid_client".to_owned()), "a foreign signature takes no jti");
        assert_eq!(send(key.sign(&claims)).await, expected, "{claims}");
    }
}

#[tokio::test]
async fn oidc_discovery_3_every_other_word_works() {
    let server = Server::start().await;
    let document = document(&server).await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    for alg in words(&document, "id_token_signing_alg_values_supported") {
        let client = server.client(json!({ "id_token_signed_response_alg": alg })).await;
        let tokens = browser.tokens(&client, &alice, &[]).await;
        let (header, claims) = verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!(header["alg"], alg.as_str());
        let promised = words(&document, "claims_supported");
        assert!(claims.as_object().unwrap().keys().all(|claim| promised.contains(claim)));
    }
    let whole = words(&document, "scopes_supported").join(" ");
    let client = server.client(json!({ "scope": whole, "grant_types": words(&document, "grant_types_supported") })).await;
    for mode in words(&document, "response_modes_supported") {
        let answer = browser.authorize(&client, &alice, &[("response_mode", &mode), ("scope", &whole)]).await;
        assert!(
            answer.status == 303 || ["code", "response"].iter().any(|name| answer.text().contains(&format!("name=\"{name}\""))),
            "{mode}"
        );
    }
    for prompt in words(&document, "prompt_values_supported") {
        assert_eq!(browser.open(&client.request(&[("prompt", &prompt)])).await.sent("error"), None, "{prompt}");
    }
    for locale in words(&document, "ui_locales_supported") {
        let page = Browser::new(&server).open(&client.request(&[("ui_locales", &locale)])).await;
        assert!(page.text().contains(&format!("lang=\"{locale}\"")), "{locale}");
    }
    assert_eq!(words(&document, "code_challenge_methods_supported"), ["S256"]);
}

#[tokio::test]
async fn the_keys_are_public_and_rotate_while_serving() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let old = browser.tokens(&client, &alice, &[]).await;
    let before = server.get("/oidc/jwks").send().await.json();
    for key in before["keys"].as_array().unwrap() {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(key[private].is_null(), "{private}");
        }
        assert!(key["kid"].is_string() && key["use"] == "sig" && key["alg"].is_string());
    }
    let rotated = server.operate(chancery::app::operator::Command::KeysRotate { alg: "RS256".to_owned(), now: true }).await;
    let after = server.get("/oidc/jwks").send().await.json();
    let (header, _) = verified(Tokens::of(&server.refresh(&client, old.refresh()).await).id_token(), &after);
    assert_eq!(header["kid"], rotated["kid"]);
    verified(old.id_token(), &after);
}

#[tokio::test]
async fn oidc_core_10_1_1_the_schedule_publishes_the_next_key_before_it_signs() {
    let server = Server::start().await;
    // ES256 keys are ours to rotate; the imported RSA key is the operator's.
    let es256 = server.client(json!({ "id_token_signed_response_alg": "ES256" })).await;
    let rs256 = server.web_client().await;
    let alice = server.alice().await;
    let context = chancery::app::context::Context::of_server("server", "tidy".to_owned());
    let kid = |token: &Tokens, jwks: &Value| verified(token.id_token(), jwks).0["kid"].clone();
    let jwks = || async { server.get("/oidc/jwks").send().await.json() };
    let sign = |client| {
        let (server, alice) = (&server, &alice);
        async move { Browser::new(server).tokens(client, alice, &[]).await }
    };
    let (first, before) = (sign(&es256).await, jwks().await);
    let imported = kid(&sign(&rs256).await, &before);
    server.app.tidy(&context).await;
    assert_eq!(jwks().await, before, "nothing is due");
    server.advance(89 * DAY);
    server.app.tidy(&context).await;
    let ahead = jwks().await;
    assert_eq!(ahead["keys"].as_array().unwrap().len(), before["keys"].as_array().unwrap().len() + 5, "all but the imported one");
    let second = sign(&es256).await;
    assert_eq!(kid(&second, &ahead), kid(&first, &before), "published, and not signing yet");
    server.app.tidy(&context).await;
    assert_eq!(jwks().await, ahead, "one successor each");
    server.advance(DAY);
    server.app.tidy(&context).await;
    let third = sign(&es256).await;
    assert_ne!(kid(&third, &ahead), kid(&second, &ahead), "who cached the set a day ago knows the key that signs now");
    kid(&second, &jwks().await);
    assert_eq!(kid(&sign(&rs256).await, &jwks().await), imported);
    server.advance(DAY);
    server.app.tidy(&context).await;
    let kids: Vec<_> = jwks().await["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
    assert!(!kids.contains(&kid(&first, &before)) && kids.contains(&kid(&third, &ahead)), "the old one is gone when its tokens are");
}

#[tokio::test]
async fn oidc_core_10_1_1_an_operators_key_signs_when_every_client_can_know_it() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        let context = chancery::app::context::Context::of_server("server", "tidy".to_owned());
        let rotate = || server.operate(chancery::app::operator::Command::KeysRotate { alg: "RS256".to_owned(), now: false });
        let answer = server.get("/oidc/jwks").send().await;
        let (before, cached) = (answer.json(), answer.header("cache-control").to_owned());
        assert_eq!(cached, "public, max-age=300");
        let rotated = rotate().await;
        let signs_at = rotated["signs_at"].as_i64().unwrap();
        assert_eq!(signs_at, NOW + 600_000, "twice as long as the set is cached");
        let ahead = server.get("/oidc/jwks").send().await.json();
        assert_eq!(ahead["keys"].as_array().unwrap().len(), before["keys"].as_array().unwrap().len() + 1);
        let again = chancery::app::operator::Command::KeysRotate { alg: "RS256".to_owned(), now: false };
        assert_eq!(server.app.operate(&context, again).await.unwrap_err().code(), "conflict");
        server.advance(599_999);
        server.app.tidy(&context).await;
        // Whoever holds the set of before knows the key of this token, and whoever fetched since knows the next.
        let mut browser = Browser::new(server);
        verified(browser.tokens(&client, &alice, &[]).await.id_token(), &before);
        server.advance(1);
        server.app.tidy(&context).await;
        let header = verified(browser.tokens(&client, &alice, &[]).await.id_token(), &ahead).0;
        assert_eq!(header["kid"], rotated["kid"]);
    })
    .await;
}

#[tokio::test]
async fn oidc_discovery_3_the_operators_pages_are_named_where_there_are_any() {
    let pages = ["service_documentation", "op_policy_uri", "op_tos_uri"];
    let toml: String = pages.iter().map(|page| format!("{page} = \"https://id.example/{page}\"\n")).collect();
    let server = Server::with(&[], &format!("[discovery]\n{toml}")).await;
    let (told, plain) = (server.get("/oidc/.well-known/openid-configuration"), Server::start().await);
    let (told, plain) = (told.send().await.json(), plain.get("/oidc/.well-known/openid-configuration").send().await.json());
    for page in pages {
        assert_eq!(told[page], format!("https://id.example/{page}"));
        assert!(plain.get(page).is_none(), "{page}");
        for wrong in ["http://id.example/", "javascript:alert(1)", "about"] {
            assert!(Server::try_with(&format!("[discovery]\n{page} = \"{wrong}\"\n")).await.is_err(), "{page} {wrong}");
        }
    }
}
