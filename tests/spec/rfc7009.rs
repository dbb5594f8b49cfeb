//! RFC 7009: revocation.

use crate::support::*;

#[tokio::test]
async fn rfc7009_2_1_an_access_token_ends_alone_and_a_refresh_token_ends_all() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let first = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let mark = server.mark().await;
    assert_eq!(server.revoke(&client, &first.access).await.status, 200);
    assert!(!server.is_active(&client, &first.access).await);
    assert!(server.is_active(&client, first.refresh()).await);
    let second = flow::Tokens::of(&server.refresh(&client, first.refresh()).await);
    assert_eq!(server.revoke(&client, second.refresh()).await.status, 200);
    for token in [&second.access, second.refresh()] {
        assert!(!server.is_active(&client, token).await);
    }
    assert_eq!(server.refresh(&client, second.refresh()).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.kinds_since(mark).await, ["AccessTokenRevoked", "RefreshTokenRotated", "GrantEnded"]);
}

#[tokio::test]
async fn rfc7009_2_2_unknown_and_dead_tokens_are_answered_like_revoked_ones() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    assert_eq!(server.revoke(&client, &tokens.access).await.status, 200);
    let mark = server.mark().await;
    let cut = &tokens.refresh()[..tokens.refresh().len() - 1];
    for token in ["x", &tokens.access, cut, tokens.id_token()] {
        assert_eq!(server.revoke(&client, token).await.status, 200, "{token}");
    }
    assert_eq!(server.kinds_since(mark).await, [""; 0]);
    assert!(server.is_active(&client, tokens.refresh()).await, "what only looks like a token of the grant ends nothing");
}

#[tokio::test]
async fn rfc7009_2_1_a_token_of_another_client_is_refused_and_lives() {
    let server = Server::start().await;
    let (client, other, public) = (server.web_client().await, server.web_client().await, server.public_client().await);
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    for stranger in [&other, &public] {
        for token in [&tokens.access, tokens.refresh()] {
            assert_eq!(server.revoke(stranger, token).await.refusal(), (400, "invalid_grant".to_owned()));
        }
    }
    assert!(server.is_active(&client, &tokens.access).await);
    let own = browser.tokens(&public, &alice, &[]).await;
    assert_eq!(server.revoke(&public, own.refresh()).await.status, 200, "a public client may give back its own");
    assert_eq!(server.userinfo(&own.access).await.status, 401);
}

#[tokio::test]
async fn rfc7009_2_1_the_client_authenticates_and_the_hint_is_only_a_hint() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let tokens = Browser::new(&server).tokens(&client, &alice, &[]).await;
    let nobody = server.post("/oidc/revocation").form(&[("token", &tokens.access)]).send().await;
    assert_eq!(nobody.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(server.as_client("/oidc/revocation", &client, &[]).send().await.refusal(), (400, "invalid_request".to_owned()));
    for (token, hint) in [(tokens.access.as_str(), "refresh_token"), (tokens.refresh(), "nonsense")] {
        let fields = [("token", token), ("token_type_hint", hint)];
        assert_eq!(server.as_client("/oidc/revocation", &client, &fields).send().await.status, 200);
        assert!(!server.is_active(&client, token).await, "{hint}");
    }
}
