//! What OpenID Connect Core 1.0 demands of a provider and no other file holds; the whole list is `musts/oidc_core.toml`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chancery::app::operator::Command;
use chancery::http::guarded::{Failure, Outgoing};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::oidc_musts::{FRONT, claims, front_channel, in_fragment};
use crate::support::flow::{PASSWORD, Person, Tokens, page_of};
use crate::support::jwt::{Key, mac};
use crate::support::mtls::{Authority, HOST};
use crate::support::*;

async fn id_token(server: &Server, client: &Client, person: &Person, changes: &[(&str, &str)]) -> Value {
    claims(server, Browser::new(server).tokens(client, person, changes).await.id_token()).await
}

#[tokio::test]
async fn oidc_core_2_a_sub_is_never_given_to_somebody_else() {
    let server = Server::start().await;
    let clients = [server.web_client().await, server.client(json!({ "subject_type": "pairwise" })).await];
    let mut subs = std::collections::BTreeSet::new();
    for _ in 0..2 {
        // The same address each time, and the person before is gone.
        let alice = server.alice().await;
        for client in &clients {
            assert!(subs.insert(id_token(&server, client, &alice, &[]).await["sub"].to_string()));
        }
        server.operate(Command::UserErase { account: alice.account }).await;
    }
    assert_eq!(subs.len(), 4);
}

#[tokio::test]
async fn oidc_core_3_1_2_2_another_person_than_the_sub_that_was_asked_for_gets_no_answer() {
    let server = Server::start().await;
    let (client, alice, bob) = (server.web_client().await, server.alice().await, server.person("bob@example.com").await);
    let mut browser = Browser::new(&server);
    let hint = browser.tokens(&client, &alice, &[]).await.id_token().to_owned();
    for wish in [
        json!({ "id_token": { "sub": { "value": bob.account } } }),
        json!({ "id_token": { "sub": { "essential": true, "values": [bob.account] } } }),
        json!({ "userinfo": { "sub": { "value": bob.account } } }),
    ] {
        let wish = wish.to_string();
        let asked = [("claims", wish.as_str())];
        let silent = browser.open(&client.request(&[("prompt", "none"), asked[0]])).await;
        assert_eq!((silent.sent("error").as_deref(), silent.sent("code")), (Some("login_required"), None), "alice is signed in: {wish}");
        let page = browser.clone().open(&client.request(&asked)).await;
        assert_eq!(page_of(&page), "login", "{wish}");
        let wrong = Browser::new(&server).authorize(&client, &alice, &asked).await;
        assert_eq!((wrong.sent("error").as_deref(), wrong.sent("code")), (Some("login_required"), None), "alice signed in: {wish}");
        assert_eq!(id_token(&server, &client, &bob, &asked).await["sub"], bob.account.as_str(), "{wish}");
    }
    // Nobody is two people, and a sub is one text: the same letters in capitals are another.
    let wish = |sub: &str| json!({ "id_token": { "sub": { "value": sub } } }).to_string();
    for (hint, sub) in [(hint.as_str(), bob.account.clone()), ("", alice.account.to_uppercase()), ("", format!("{{{}}}", alice.account))] {
        let asked = [("prompt", "none"), ("id_token_hint", hint), ("claims", &wish(&sub))];
        assert_eq!(browser.open(&client.request(&asked)).await.sent("error").as_deref(), Some("login_required"), "{sub}");
    }
}

#[tokio::test]
async fn oidc_core_5_5_1_a_sub_that_names_nobody_clearly_is_refused() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    for wish in [
        json!({ "id_token": { "sub": { "value": 7 } } }),
        json!({ "id_token": { "sub": { "value": null } } }),
        json!({ "id_token": { "sub": { "values": [] } } }),
        json!({ "id_token": { "sub": { "values": alice.account } } }),
        json!({ "id_token": { "sub": { "values": [alice.account, "another"] } } }),
        json!({ "id_token": { "sub": { "value": "another", "values": [alice.account] } } }),
        json!({ "id_token": { "sub": { "value": alice.account } }, "userinfo": { "sub": { "value": "another" } } }),
    ] {
        let answer = browser.open(&client.request(&[("prompt", "none"), ("claims", &wish.to_string())])).await;
        assert_eq!((answer.sent("error").as_deref(), answer.sent("code")), (Some("invalid_request"), None), "{wish}");
    }
    let twice = json!({ "id_token": { "sub": { "value": alice.account } }, "userinfo": { "sub": { "values": [alice.account] } } });
    for fine in [twice, json!({ "id_token": { "sub": null } }), json!({ "id_token": { "sub": { "essential": true } } })] {
        browser.open(&client.request(&[("prompt", "none"), ("claims", &fine.to_string())])).await.code();
    }
}

#[tokio::test]
async fn oidc_core_3_2_2_6_whoever_denies_is_told_in_the_fragment() {
    let (server, client) = front_channel().await;
    let alice = server.alice().await;
    for kind in FRONT {
        let mut browser = Browser::new(&server);
        let page = browser.open(&client.request(&[("response_type", kind)])).await;
        let consent = browser.submit(&page, &[("login", &alice.email), ("password", PASSWORD)]).await;
        let answer = browser.submit(&consent, &[("decision", "deny")]).await;
        assert!(!answer.location().contains('?'), "{}", answer.location());
        let sent = |name| in_fragment(&answer, name);
        assert_eq!((sent("error").as_deref(), sent("state").as_deref()), (Some("access_denied"), Some("af0ifjsldkj")), "{kind}");
        assert_eq!([sent("code"), sent("id_token"), sent("access_token")], [None, None, None], "{kind}");
    }
}

#[tokio::test]
async fn oidc_core_5_5_members_that_nobody_knows_are_ignored_and_what_is_missing_is_no_error() {
    let server = Server::start().await;
    let (client, alice) = (server.client(json!({ "scope": "openid email phone profile" })).await, server.alice().await);
    let wish = json!({
        "userinfo": {
            "email": { "essential": true, "purpose": "to write", "unheard_of": [1] }, "phone_number": { "essential": true },
            "https://example.com/group": null, "https://example.com/rank": { "value": 3 },
        },
        "id_token": { "birthdate": { "essential": true }, "name": { "essential": false, "unheard_of": {} } },
        "somewhere_else": { "email": 1 },
        "unheard_of": "x",
    });
    let tokens = Browser::new(&server).tokens(&client, &alice, &[("scope", "openid"), ("claims", &wish.to_string())]).await;
    let told = server.userinfo(&tokens.access).await.json();
    assert_eq!(told, json!({ "sub": alice.account, "email": "alice@example.com" }));
    let id_token = claims(&server, tokens.id_token()).await;
    assert_eq!((&id_token["name"], id_token.get("birthdate")), (&json!("Alice Liddell"), None));
}

#[tokio::test]
async fn oidc_core_5_5_1_1_an_essential_acr_is_answered_with_one_of_those_asked_for() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let level = "urn:chancery:acr:password";
    for wish in [json!({ "essential": true, "value": level }), json!({ "essential": true, "values": ["gold", level] })] {
        let wish = json!({ "id_token": { "acr": wish } }).to_string();
        assert_eq!(id_token(&server, &client, &alice, &[("claims", &wish)]).await["acr"], level, "{wish}");
    }
}

#[tokio::test]
async fn oidc_core_8_discovery_lists_the_kinds_of_subjects_and_both_can_be_registered() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(document["subject_types_supported"], json!(["public", "pairwise"]));
    let account = uuid::Uuid::parse_str(&alice.account).unwrap();
    for (kind, is_account) in [("public", true), ("pairwise", false)] {
        let client = server.client(json!({ "subject_type": kind })).await;
        let sub = id_token(&server, &client, &alice, &[]).await["sub"].as_str().unwrap().to_owned();
        assert_eq!(sub == alice.account, is_account, "{kind}");
        let bytes = URL_SAFE_NO_PAD.decode(&sub).unwrap_or_default();
        assert!(!bytes.windows(4).any(|part| account.as_bytes().windows(4).any(|own| own == part)), "nothing of it shines through");
    }
}

#[tokio::test]
async fn oidc_core_9_an_assertion_may_say_more_and_its_type_is_named() {
    let server = Server::start().await;
    let key = Key::generate("ES256");
    let keyed = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let shared = server.client(json!({ "token_endpoint_auth_method": "client_secret_jwt" })).await;
    let assertion = |client: &Client, jti: &str| {
        let all = json!({
            "iss": client.id, "sub": client.id, "aud": server.issuer, "jti": jti, "exp": NOW / 1000 + 60,
            "unheard_of": { "deep": [1, null] }, "scope": "admin", "nonce": 7,
        });
        match &client.secret {
            Some(secret) => mac("HS256", secret, &all),
            None => key.sign(&all),
        }
    };
    for client in [&keyed, &shared] {
        let send = async |kind: &str, jti: &str| {
            let assertion = assertion(client, jti);
            let fields = [("grant_type", "client_credentials"), ("client_assertion", assertion.as_str()), ("client_assertion_type", kind)];
            server.post("/oidc/token").form(&fields).send().await
        };
        let right = send("urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "1").await;
        assert_eq!((right.status, &right.json()["scope"]), (200, &json!("api")));
        for wrong in ["", "jwt-bearer", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"] {
            assert_eq!(send(wrong, "2").await.refusal(), (400, "invalid_request".to_owned()), "{wrong}");
        }
    }
}

#[tokio::test]
async fn oidc_core_10_1_no_id_token_without_a_signature_and_none_under_a_shared_secret() {
    let server = Server::start().await;
    let document = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    for alg in ["none", "HS256", "HS384", "HS512"] {
        for member in ["id_token_signed_response_alg", "userinfo_signed_response_alg"] {
            for method in ["none", "client_secret_basic", "client_secret_jwt"] {
                let asked = json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": method, member: alg });
                for path in ["/oidc/reg", "/clients"] {
                    let answer = server.post(path).json(&asked).send().await;
                    assert_eq!(answer.refusal(), (400, "invalid_client_metadata".to_owned()), "{path} {asked}");
                }
            }
        }
        for member in ["id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported"] {
            assert!(!document[member].as_array().unwrap().contains(&json!(alg)), "{member}");
        }
    }
    // A public client has no secret to prove.
    let public = server.public_client().await;
    let claims = json!({ "iss": public.id, "sub": public.id, "aud": server.issuer, "jti": "1", "exp": NOW / 1000 + 60 });
    for secret in ["", public.id.as_str()] {
        let assertion = mac("HS256", secret, &claims);
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        let fields =
            [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_assertion_type", kind), ("client_assertion", &assertion)];
        assert_eq!(server.post("/oidc/token").form(&fields).send().await.refusal(), (401, "invalid_client".to_owned()));
    }
}

#[tokio::test]
async fn oidc_core_14_texts_come_back_code_point_by_code_point() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    // Each of these looks like the other after normalisation.
    for text in ["caf\u{e9}", "cafe\u{301}", "\u{212b}", "\u{c5}", "\u{fb01}", "\u{feff}a\u{200b}"] {
        let answer = browser.authorize(&client, &alice, &[("state", text), ("nonce", text)]).await;
        assert_eq!(answer.sent("state").as_deref(), Some(text));
        let tokens = Tokens::of(&server.redeem(&client, &answer.code()).await);
        assert_eq!(claims(&server, tokens.id_token()).await["nonce"], text);
    }
    let tokens = browser.tokens(&client, &alice, &[]).await;
    for name in ["Zo\u{eb}", "Zoe\u{308}"] {
        let changed = [("name".to_owned(), name.to_owned())].into();
        server.operate(Command::UserUpdate { account: alice.account.clone(), claims: changed }).await;
        assert_eq!(server.userinfo(&tokens.access).await.json()["name"], name, "UTF-8, as it was given");
    }
    // §14: one ASCII space. What is another blank belongs to a word, and to none that is allowed.
    for blank in ["\t", "\u{a0}", "\u{2003}", "\n"] {
        let answer = browser.open(&client.request(&[("scope", &format!("openid{blank}email"))])).await;
        assert_eq!(answer.sent("error").as_deref(), Some("invalid_scope"), "{blank:?}");
    }
    assert_eq!(browser.open(&client.request(&[("prompt", "login\tconsent")])).await.sent("error").as_deref(), Some("invalid_request"));
    let upper = browser.open(&client.request(&[("scope", "OPENID")])).await;
    assert_eq!(upper.sent("error").as_deref(), Some("invalid_scope"), "no word is another in capitals");
}

#[tokio::test]
async fn oidc_core_16_17_production_is_https_to_the_last_address() {
    let refused = Server::try_with("issuer = \"http://id.example\"\n").await.err().unwrap();
    assert!(refused.contains("is plain http"), "{refused}");
    let server = Server::production(&[], "[logout]\nsession_management = true\n[ciba]\nenabled = true\n").await;
    let answer = server.get("/oidc/.well-known/openid-configuration").send().await;
    let document = answer.json();
    let is_address = |name: &str| ["_endpoint", "_uri", "_iframe"].iter().any(|end| name.ends_with(end)) || name == "issuer";
    let addresses: Vec<_> = document.as_object().unwrap().iter().filter(|(name, _)| is_address(name)).collect();
    assert!(addresses.len() >= 12, "{addresses:?}");
    for (name, address) in addresses {
        assert!(address.as_str().unwrap().starts_with("https://id.example/oidc"), "{name}: {address}");
    }
    assert!(answer.header("strict-transport-security").contains("max-age="));
}

#[tokio::test]
async fn oidc_core_16_17_a_certificate_that_nobody_knows_is_not_accepted() {
    let (web, files) = (Authority::new("web"), TempDir::with_prefix("tls").unwrap());
    let name = rcgen::SanType::DnsName("localhost".try_into().unwrap());
    let (cert, key) = web.issue("localhost", vec![name]).write(&files, "server");
    let url = format!("https://{HOST}");
    let listens =
        [("CHANCERY_MTLS_LISTEN", "127.0.0.1:0"), ("CHANCERY_MTLS_URL", &url), ("CHANCERY_MTLS_CERT", &cert), ("CHANCERY_MTLS_KEY", &key)];
    let server = Server::with(&listens, "").await;
    let address = format!("https://localhost:{}/oidc/jwks", server.mtls.unwrap().port());
    // Loopback is allowed here, the name is right, and a server answers: it is the certificate.
    let failed = Outgoing::new(&[], true).unwrap().get(&address, "*/*", 4096).await.err();
    assert!(matches!(failed, Some(Failure::Tls)), "{failed:?}");
    let signer = Key::generate("ES256");
    let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": address })).await;
    let claims = json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "jti": "1", "exp": NOW / 1000 + 60 });
    let assertion = signer.sign(&claims);
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let fields = [("grant_type", "client_credentials"), ("client_assertion_type", kind), ("client_assertion", assertion.as_str())];
    assert_eq!(server.post("/oidc/token").form(&fields).send().await.refusal(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn oidc_core_16_19_a_secret_that_signs_is_as_long_as_the_longest_hash() {
    let server = Server::start().await;
    let mut secrets = std::collections::BTreeSet::new();
    for members in [
        json!({ "token_endpoint_auth_method": "client_secret_jwt" }),
        json!({ "token_endpoint_auth_method": "client_secret_jwt", "token_endpoint_auth_signing_alg": "HS512" }),
        json!({ "id_token_encrypted_response_alg": "dir", "id_token_encrypted_response_enc": "A256CBC-HS512" }),
        json!({ "userinfo_encrypted_response_alg": "dir" }),
    ] {
        let secret = server.client(members.clone()).await.secret.unwrap();
        // Behind the prefix stand random bytes, six bits to a letter.
        let random = secret.strip_prefix("cha_cs_").unwrap();
        assert!(secret.len() >= 64 && random.len() * 6 >= 256, "{members}: {}", secret.len());
        assert!(secrets.insert(secret));
    }
}
