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
fn pair() -> (PrivateKey, Value) {
    let private = PrivateKey::generate(&ECDH_P256).unwrap();
    let public = private.compute_public_key().unwrap();
    let (x, y) = public.as_ref()[1..].split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "use": "enc", "alg": "ECDH-ES", "kid": "e", "x": B64.encode(x), "y": B64.encode(y) });
    (private, json!({ "keys": [jwk] }))
}

/// RFC 7518 §4.6 with A256GCM: header and content.
fn open(token: &str, private: &PrivateKey) -> (Value, String) {
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
