//! RFC 7636: PKCE, and RFC 9700 §2.1.1 on top of it.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn rfc7636_b_the_vector_of_the_appendix_passes() {
    let server = Server::start().await;
    let (client, alice) = (server.public_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[("code_challenge", CHALLENGE)]).await;
    assert_eq!(server.userinfo(&tokens.access).await.status, 200);
}

#[tokio::test]
async fn rfc7636_4_6_challenge_and_verifier_belong_together() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let long = "a".repeat(129);
    for (challenge, verifier, good) in [
        (CHALLENGE, VERIFIER, true),
        ("", "", true),
        (CHALLENGE, "", false),
        (CHALLENGE, CHALLENGE, false),
        (CHALLENGE, &VERIFIER[..42], false),
        (CHALLENGE, &long, false),
        ("", VERIFIER, false),
    ] {
        let method = if challenge.is_empty() { "" } else { "S256" };
        let changes = [("code_challenge", challenge), ("code_challenge_method", method)];
        let code = browser.authorize(&client, &alice, &changes).await.code();
        let mut fields =
            vec![("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", client.redirect_uri.as_str())];
        fields.extend((!verifier.is_empty()).then_some(("code_verifier", verifier)));
        let expected = if good { (200, String::new()) } else { (400, "invalid_grant".to_owned()) };
        assert_eq!(server.token(&client, &fields).await.refusal(), expected, "{challenge:?} {verifier:?}");
    }
}

#[tokio::test]
async fn rfc7636_4_4_1_only_s256_and_only_well_formed() {
    let server = Server::start().await;
    let (public, confidential) = (server.public_client().await, server.web_client().await);
    let strict = server.client(json!({ "require_pkce": true })).await;
    for (client, challenge, method) in [
        (&public, "", ""),
        (&strict, "", ""),
        (&confidential, CHALLENGE, ""),
        (&confidential, CHALLENGE, "plain"),
        (&confidential, CHALLENGE, "s256"),
        (&confidential, "", "S256"),
        (&confidential, &CHALLENGE[1..], "S256"),
        (&confidential, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw=cM", "S256"),
    ] {
        let answer = server.get(&client.request(&[("code_challenge", challenge), ("code_challenge_method", method)])).send().await;
        assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"), "{challenge:?} {method:?}");
        assert!(answer.sent("error_description").unwrap().contains("code_challenge"));
    }
}

#[tokio::test]
async fn rfc9700_2_1_1_a_wrong_verifier_does_not_spend_the_code_and_five_burn_it() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let wrong = "wrong-verifier-wrong-verifier-wrong-verifier";
    for (tries, ends_well) in [(4, true), (5, false)] {
        let code = browser.authorize(&client, &alice, &[]).await.code();
        let mark = server.mark().await;
        for _ in 0..tries {
            let fields =
                [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", &client.redirect_uri), ("code_verifier", wrong)];
            assert_eq!(server.token(&client, &fields).await.refusal(), (400, "invalid_grant".to_owned()));
        }
        assert_eq!(server.redeem(&client, &code).await.status == 200, ends_well);
        let last = if ends_well { "CodeRedeemed" } else { "GrantEnded" };
        let expected: Vec<_> = std::iter::repeat_n("CodeVerifierRefused", tries).chain([last]).collect();
        assert_eq!(server.kinds_since(mark).await, expected);
    }
}

#[tokio::test]
async fn pkce_for_all_is_demanded_and_advertised() {
    let server = Server::with(&[("CHANCERY_PKCE_REQUIRED", "all")], "").await;
    let client = server.web_client().await;
    let answer = server.get(&client.request(&[("code_challenge", ""), ("code_challenge_method", "")])).send().await;
    assert_eq!(answer.sent("error").as_deref(), Some("invalid_request"));
    assert_eq!(server.get("/oidc/.well-known/openid-configuration").send().await.json()["require_pkce"], true);
}
