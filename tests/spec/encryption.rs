//! OpenID Connect Core §2, §5.3.2, §10.2: id_tokens and userinfo encrypted to the client. Opened by primitives alone.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use crate::support::documents::Documents;
use crate::support::jwt::verified;
use crate::support::*;

/// The private half of a client, and its public one.
pub(super) fn pair() -> (PrivateKey, Value) {
    let private = PrivateKey::generate(&ECDH_P256).unwrap();
    let public = private.compute_public_key().unwrap();
    let (x, y) = public.as_ref()[1..].split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "use": "enc", "alg": "ECDH-ES", "kid": "e", "x": B64.encode(x), "y": B64.encode(y) });
    (private, json!({ "keys": [jwk] }))
}

/// RFC 7518 §4.6 with A256GCM: header and content.
pub(super) fn open(token: &str, private: &PrivateKey) -> (Value, String) {
    let parts: Vec<_> = token.split('.').collect();
    let [protected, "", vector, ciphertext, tag] = parts[..] else { panic!("{token}") };
    let header: Value = serde_json::from_slice(&B64.decode(protected).unwrap()).unwrap();
    let number = |name: &str| B64.decode(header["epk"][name].as_str().unwrap()).unwrap();
    let peer = UnparsedPublicKey::new(&ECDH_P256, [vec![4], number("x"), number("y")].concat());
    let key = agreement::agree(private, peer, (), |secret| {
        let info = [&1_u32.to_be_bytes()[..], secret, &7_u32.to_be_bytes(), b"A256GCM", &[0; 8], &256_u32.to_be_bytes()].concat();
        Ok(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &info))
    });
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.unwrap().as_ref()).unwrap());
    let mut content = [B64.decode(ciphertext).unwrap(), B64.decode(tag).unwrap()].concat();
    let nonce = Nonce::try_assume_unique_for_key(&B64.decode(vector).unwrap()).unwrap();
    let content = key.open_in_place(nonce, Aad::from(protected), &mut content).unwrap();
    (header, String::from_utf8(content.to_vec()).unwrap())
}

fn asked(keys: Value) -> Value {
    let mut all = json!({
        "id_token_encrypted_response_alg": "ECDH-ES", "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_encrypted_response_alg": "ECDH-ES", "userinfo_encrypted_response_enc": "A256GCM",
    });
    all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    all
}

#[tokio::test]
async fn oidc_core_10_2_the_id_token_is_signed_then_encrypted() {
    both::on_both("", async |server: &Server| {
        let (private, jwks) = pair();
        let (client, alice) = (server.client(asked(json!({ "jwks": jwks }))).await, server.alice().await);
        let mut browser = Browser::new(server);
        let tokens = browser.tokens(&client, &alice, &[("scope", "openid offline_access"), ("prompt", "consent")]).await;
        let (header, inner) = open(tokens.id_token(), &private);
        assert_eq!(
            (&header["alg"], &header["enc"], &header["cty"], &header["kid"]),
            (&json!("ECDH-ES"), &json!("A256GCM"), &json!("JWT"), &json!("e"))
        );
        let ours = server.get("/oidc/jwks").send().await.json();
        assert_eq!(verified(&inner, &ours).1["sub"], json!(alice.account));
        // What is refreshed is encrypted too; what was opened is a hint like any other.
        let again = flow::Tokens::of(&server.refresh(&client, tokens.refresh()).await);
        assert_eq!(verified(&open(again.id_token(), &private).1, &ours).1["sub"], json!(alice.account));
        assert!(
            browser
                .get(&client.request(&[("prompt", "none"), ("scope", "openid"), ("id_token_hint", &inner)]))
                .await
                .sent("code")
                .is_some()
        );
    })
    .await;
}

#[tokio::test]
async fn oidc_core_5_3_2_userinfo_is_encrypted_signed_or_not() {
    let server = Server::start().await;
    let alice = server.alice().await;
    for alg in [None, Some("ES256")] {
        let (private, jwks) = pair();
        let mut members = asked(json!({ "jwks": jwks }));
        members["userinfo_signed_response_alg"] = json!(alg);
        let client = server.client(members).await;
        let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
        let answer = server.userinfo(&tokens.access).await;
        assert_eq!(answer.header("content-type"), "application/jwt");
        let (header, content) = open(&answer.text(), &private);
        let claims = match alg {
            None => serde_json::from_str(&content).unwrap(),
            Some(_) => verified(&content, &server.get("/oidc/jwks").send().await.json()).1,
        };
        assert_eq!((&claims["sub"], header["cty"].is_null()), (&json!(alice.account), alg.is_none()));
    }
}

#[tokio::test]
async fn oidc_core_10_2_a_key_behind_an_address_is_fetched_and_without_one_there_is_no_token() {
    let server = Server::start().await;
    let documents = Documents::start().await;
    let (private, jwks) = pair();
    let (client, alice) = (server.client(asked(json!({ "jwks_uri": documents.url("/jwks") }))).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&client, &alice, &[]).await.code();
    let mark = server.mark().await;
    assert_eq!(server.redeem(&client, &code).await.refusal(), (503, "temporarily_unavailable".to_owned()));
    assert_eq!(server.kinds_since(mark).await, [""; 0], "no token, no event: the code is still good");
    documents.put("/jwks", &jwks);
    server.advance(59_000);
    let code = browser.get(&client.request(&[("prompt", "none")])).await.code();
    server.advance(2_000);
    let tokens = flow::Tokens::of(&server.redeem(&client, &code).await);
    open(tokens.id_token(), &private);
    for wrong in [json!({}), json!({ "jwks": jwt::Key::generate("RS256").jwks() })] {
        let mut members = asked(wrong);
        members["redirect_uris"] = json!(["https://app.example/cb"]);
        assert_eq!(server.post("/clients").json(&members).send().await.error(), "invalid_client_metadata");
    }
}

#[tokio::test]
async fn oidc_core_10_2_of_several_keys_the_one_for_encryption_is_taken_and_named() {
    let server = Server::start().await;
    let alice = server.alice().await;
    let ((private, own), (_, mut signs), (_, mut other)) = (pair(), pair(), pair());
    signs["keys"][0].as_object_mut().unwrap().extend([("use".to_owned(), json!("sig")), ("alg".to_owned(), json!("ES256"))]);
    signs["keys"][0]["kid"] = json!("s");
    other["keys"][0].as_object_mut().unwrap().extend([("alg".to_owned(), json!("ECDH-ES+A128KW")), ("kid".to_owned(), json!("o"))]);
    // Whatever stands first.
    for order in [[&signs, &other, &own], [&own, &other, &signs], [&other, &own, &signs]] {
        let keys: Vec<_> = order.iter().map(|set| set["keys"][0].clone()).collect();
        let client = server.client(asked(json!({ "jwks": { "keys": keys } }))).await;
        let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
        for token in [tokens.id_token().to_owned(), server.userinfo(&tokens.access).await.text()] {
            assert_eq!(open(&token, &private).0["kid"], "e");
        }
    }
    // Keys that are for signatures alone are none.
    let mut alone = asked(json!({ "jwks": signs }));
    alone["redirect_uris"] = json!(["https://app.example/cb"]);
    assert_eq!(server.post("/clients").json(&alone).send().await.error(), "invalid_client_metadata");
}

/// OpenID Connect Core 1.0 §10.2 for A256GCM, by primitives alone: the SHA-256 of the secret is the key.
pub(super) fn open_with_secret(token: &str, secret: &str) -> (Value, String) {
    let parts: Vec<_> = token.split('.').collect();
    let [protected, "", vector, ciphertext, tag] = parts[..] else { panic!("{token}") };
    let key = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).unwrap());
    let mut content = [B64.decode(ciphertext).unwrap(), B64.decode(tag).unwrap()].concat();
    let nonce = Nonce::try_assume_unique_for_key(&B64.decode(vector).unwrap()).unwrap();
    let content = key.open_in_place(nonce, Aad::from(protected), &mut content).unwrap();
    (serde_json::from_slice(&B64.decode(protected).unwrap()).unwrap(), String::from_utf8(content.to_vec()).unwrap())
}

fn with_secret(more: Value) -> Value {
    let mut all = json!({
        "id_token_encrypted_response_alg": "dir", "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_encrypted_response_alg": "dir", "userinfo_encrypted_response_enc": "A256GCM",
    });
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    all
}

#[tokio::test]
async fn oidc_core_10_2_a_key_of_the_secret_opens_and_its_digest_is_nowhere() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.client(with_secret(json!({}))).await, server.alice().await);
        let secret = client.secret.clone().unwrap();
        let tokens = Browser::new(server).tokens(&client, &alice, &[]).await;
        let (header, inner) = open_with_secret(tokens.id_token(), &secret);
        assert_eq!((&header["alg"], &header["enc"], &header["cty"]), (&json!("dir"), &json!("A256GCM"), &json!("JWT")));
        let ours = server.get("/oidc/jwks").send().await.json();
        assert_eq!(verified(&inner, &ours).1["sub"], json!(alice.account));
        let told = server.userinfo(&tokens.access).await;
        let (_, claims) = open_with_secret(&told.text(), &secret);
        assert_eq!(serde_json::from_str::<Value>(&claims).unwrap()["sub"], json!(alice.account));
        // The digest of a generated secret would be this very key.
        let digest = chancery_core::digest::Digest::of(secret.as_bytes()).to_string();
        for leaf in server.leaves().await {
            let text = String::from_utf8_lossy(&leaf.leaf).into_owned();
            assert!(!text.contains(&digest) && !text.contains(&secret), "{text}");
        }
        let event = server.events().await.into_iter().find(|event| event.kind == "ClientRegistered").unwrap();
        assert!(event.data["secret"].is_null() && event.personal.contains_key("client_secret"));
    })
    .await;
}

#[tokio::test]
async fn oidc_core_10_2_each_content_encryption_takes_its_length_of_the_hash() {
    let server = Server::start().await;
    let alice = server.alice().await;
    for enc in ["A128GCM", "A192GCM", "A256GCM", "A128CBC-HS256", "A192CBC-HS384", "A256CBC-HS512"] {
        let client = server.client(json!({ "id_token_encrypted_response_alg": "dir", "id_token_encrypted_response_enc": enc })).await;
        let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
        let secret = client.secret.clone().unwrap();
        let hash = |algorithm| aws_lc_rs::digest::digest(algorithm, secret.as_bytes()).as_ref().to_vec();
        let key = match enc {
            "A128GCM" => hash(&aws_lc_rs::digest::SHA256)[..16].to_vec(),
            "A192GCM" => hash(&aws_lc_rs::digest::SHA256)[..24].to_vec(),
            "A192CBC-HS384" => hash(&aws_lc_rs::digest::SHA384),
            "A256CBC-HS512" => hash(&aws_lc_rs::digest::SHA512),
            _ => hash(&aws_lc_rs::digest::SHA256),
        };
        let opened = chancery_jose::opening::parse(tokens.id_token()).unwrap().open_shared(&key).unwrap();
        assert!(opened.starts_with(b"eyJ"), "{enc}");
    }
}

#[tokio::test]
async fn oidc_core_10_2_no_shared_key_for_a_client_without_a_secret() {
    let server = Server::start().await;
    for (method, keys) in [("none", json!({})), ("private_key_jwt", json!({ "jwks": jwt::Key::generate("ES256").jwks() }))] {
        let mut members = with_secret(keys);
        members["redirect_uris"] = json!(["https://app.example/cb"]);
        members["token_endpoint_auth_method"] = json!(method);
        let refused = server.post("/clients").json(&members).send().await;
        assert_eq!(refused.error(), "invalid_client_metadata", "{method}");
        assert!(refused.sentence().contains("needs a client_secret"), "{}", refused.sentence());
    }
}

#[tokio::test]
async fn oidc_core_10_2_who_registers_for_it_later_gets_a_secret_that_is_kept() {
    let server = Server::with(&[], "registration = \"open\"\n").await;
    let plain = json!({ "redirect_uris": ["https://app.example/cb"], "grant_types": ["authorization_code", "refresh_token"] });
    let registered = server.post("/oidc/reg").json(&plain).send().await.json();
    let before = Client::of(&registered);
    let id = before.id.clone();
    let replace = async |token: &Value, members: Value| {
        let mut whole = plain.clone();
        whole.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        whole["client_id"] = json!(id);
        let answer = server.call("PUT", &format!("/oidc/reg/{id}")).bearer(token.as_str().unwrap()).json(&whole).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let replaced = replace(&registered["registration_access_token"], with_secret(json!({}))).await;
    let after = Client::of(&replaced);
    let (old, new) = (before.secret.clone().unwrap(), after.secret.clone().unwrap());
    assert_ne!(old, new, "of the old one the log has the digest");
    let alice = server.alice().await;
    let code = Browser::new(&server).authorize(&after, &alice, &[]).await.code();
    assert_eq!(server.redeem(&before, &code).await.error(), "invalid_client", "the old one is dead");
    let tokens = flow::Tokens::of(&server.redeem(&after, &code).await);
    open_with_secret(tokens.id_token(), &new);
    // Once more: it has one that is kept.
    let again = replace(&replaced["registration_access_token"], with_secret(json!({ "client_name": "App" }))).await;
    assert!(again["client_secret"].is_null());
    let tokens = flow::Tokens::of(&server.refresh(&after, tokens.refresh()).await);
    open_with_secret(tokens.id_token(), &new);
}

#[tokio::test]
async fn rfc9101_6_1_a_request_object_under_the_key_of_the_secret() {
    let server = Server::with(&[], "[request_objects]\nencrypted = true\n").await;
    let key = jwt::Key::generate("ES256");
    let members = json!({ "jwks": key.jwks(), "request_object_encryption_alg": "dir", "request_object_encryption_enc": "A256GCM" });
    let client = server.client(members).await;
    let claims = |client: &Client| {
        key.sign(&json!({ "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri,
            "response_type": "code", "scope": "openid", "state": "inner", "code_challenge": CHALLENGE, "code_challenge_method": "S256" }))
    };
    let seal = |client: &Client, secret: &str| {
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes()).as_ref().to_vec();
        let recipient = chancery_jose::Recipient::sharing(chancery_jose::KeyManagement::Direct, hash.into());
        recipient.encrypt(chancery_jose::ContentEncryption::A256Gcm, Some("JWT"), claims(client).as_bytes()).unwrap()
    };
    let page = Browser::new(&server).open(&client.request(&[("request", &seal(&client, client.secret.as_deref().unwrap()))])).await;
    assert_eq!(flow::page_of(&page), "login", "{}", page.text());
    let wrong = server.get(&client.request(&[("request", &seal(&client, "another"))])).send().await;
    assert_eq!(wrong.sent("error").as_deref(), Some("invalid_request_object"));
    // Whoever is not registered for it has a secret whose digest the log holds: no key comes of that.
    let other = server.client(json!({ "jwks": key.jwks() })).await;
    let refused = server.get(&other.request(&[("request", &seal(&other, other.secret.as_deref().unwrap()))])).send().await;
    assert_eq!(refused.sent("error").as_deref(), Some("invalid_request_object"));
}
