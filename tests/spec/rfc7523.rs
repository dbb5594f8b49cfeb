//! RFC 7523 §3: what is remembered of a client assertion, and for how long. What one must say is tested with discovery.

use chancery::app::context::Context;
use serde_json::json;

use crate::support::jwt::Key;
use crate::support::*;

const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

#[tokio::test]
async fn rfc7523_3_a_used_jti_is_forgotten_when_its_assertion_is_too_old_anyway() {
    both::on_both("", async |server: &Server| {
        let key = Key::generate("ES256");
        let client = server.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
        let assertion = |jti: &str, seconds: i64| {
            let now = server.app.now().0 / 1000;
            let claims = json!({ "iss": client.id, "sub": client.id, "aud": server.issuer, "jti": jti, "iat": now, "exp": now + seconds });
            key.sign(&claims)
        };
        let send = async |assertion: &str| {
            let fields = [("grant_type", "client_credentials"), ("client_assertion_type", KIND), ("client_assertion", assertion)];
            server.post("/oidc/token").form(&fields).send().await.status
        };
        let sweep = async || server.app.sweep(&Context::of_server("server", "x".to_owned())).await.unwrap();
        let (short, long) = (assertion("short", 60), assertion("long", 600));
        assert_eq!((send(&short).await, send(&long).await), (200, 200));
        // 60 s of life, 15 s of tolerance, 120 s for whoever is still on the way.
        for (advance, swept) in [(0, 0), (75_000, 0), (119_000, 0)] {
            server.advance(advance);
            assert_eq!(sweep().await, swept);
            assert_eq!((send(&short).await, send(&long).await), (401, 401), "replayed");
        }
        let mark = server.mark().await;
        server.advance(2_000);
        assert_eq!((sweep().await, sweep().await), (1, 0));
        let event = server.events().await.into_iter().skip(mark).find(|event| event.kind == "ExpiredSwept").unwrap();
        assert_eq!((&event.data["table"], &event.data["rows"]), (&json!("assertion_jti"), &json!(1)));
        assert_eq!((send(&short).await, send(&long).await), (401, 401), "too old, and remembered");
        // The client may use the word again; nobody can use the old assertion.
        assert_eq!(send(&assertion("short", 60)).await, 200);
        let all = [255_u8; 8];
        assert_eq!(server.app.ledger.claims_before("assertion_due", &all, 10).await.unwrap().len(), 2);
        server.advance(DAY);
        assert!(sweep().await >= 2);
        assert!(server.app.ledger.claims_before("assertion_due", &all, 10).await.unwrap().is_empty());
        assert!(server.app.ledger.claims_before("assertion_jti", &[255; 33], 10).await.unwrap().is_empty());
        assert_eq!(send(&long).await, 401);
    })
    .await;
}
