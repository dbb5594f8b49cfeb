//! Wallets that do not say who they are: OpenID for Verifiable Credential Issuance 1.0 §6.1, §12.3, Appendix F.1.

use serde_json::{Value, json};

use super::rfc9449::Prover;
use super::vci::{HERE, Holder, TOML, asking, claims, keys, nonce, read, send};
use super::vci_offer::{GRANT, Offer, offered};
use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::*;

const NAME: &str = "chancery-anonymous-wallet";

fn toml() -> String {
    TOML.replace("[credentials]", "[credentials]\nanonymous_access = true")
}

async fn redeem(server: &Server, offer: &Offer, more: &[(&str, &str)]) -> Answer {
    let fields = [more, &[("grant_type", GRANT), ("pre-authorized_code", offer.code())]].concat();
    server.post("/oidc/token").form(&fields).send().await
}

async fn supported(server: &Server) -> Value {
    server.get("/oidc/.well-known/openid-configuration").send().await.json()["pre-authorized_grant_anonymous_access_supported"].clone()
}

#[tokio::test]
async fn openid4vci_6_1_a_wallet_without_a_name_gets_what_was_offered_and_nothing_else() {
    both::on_both(&toml(), async |server: &Server| {
        assert_eq!(supported(server).await, true);
        let offer = offered(server, &["identity"], true).await;
        let tx_code = offer.tx_code.clone().unwrap();
        let mark = server.mark().await;
        let tokens = Tokens::of(&redeem(server, &offer, &[("tx_code", &tx_code)]).await);
        assert_eq!(server.kinds_since(mark).await, ["CredentialOfferRedeemed", "PreAuthorizedGranted"]);
        assert_eq!((&tokens.refresh, &tokens.id_token, &tokens.whole["expires_in"]), (&None, &None, &json!(300)));
        let events = server.events().await;
        let (redeemed, granted) = (&events[events.len() - 2], &events[events.len() - 1]);
        assert_eq!((&redeemed.data["by"], &granted.data["client"]), (&json!(NAME), &json!(NAME)));
        assert_eq!((granted.actor.kind.as_str(), granted.actor.id.as_str()), ("client", NAME));
        // A proof names nobody: it would be somebody else's.
        let holder = Holder::new("ES256");
        let own = nonce(server).await;
        for iss in [NAME, "wallet"] {
            let mut claims = claims(server, &own);
            claims["iss"] = json!(iss);
            let proof = holder.0.sign_with(&holder.header(), &claims);
            let answer = send(server, &tokens.access, &asking("credential_configuration_id", "identity", &[proof])).await;
            assert_eq!(answer.refusal(), (400, "invalid_proof".to_owned()), "{iss}");
        }
        assert_eq!(server.kinds_since(mark).await.last().unwrap(), "MisuseRefused");
        let body = asking("credential_configuration_id", "identity", &[holder.proof(server, &own)]);
        let answer = send(server, &tokens.access, &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let found = read(answer.json()["credentials"][0]["credential"].as_str().unwrap(), &keys(server).await);
        assert_eq!((&found.disclosed["given_name"], &found.payload["cnf"]["jwk"]), (&json!("Ada"), &holder.jwk()));
        // Who asks the log finds all of it under the name that stands for those without one.
        let auditor = server.operator_token("audit:read").await;
        server.index_is_current().await;
        let answer = server.get(&format!("/audit/events?client={NAME}&limit=100")).bearer(&auditor).send().await.json();
        let kinds: Vec<_> = answer["events"].as_array().unwrap().iter().map(|own| own["type"].as_str().unwrap().to_owned()).collect();
        for kind in ["ClientRegistered", "PreAuthorizedGranted", "CredentialsIssued"] {
            assert!(kinds.iter().any(|own| own == kind), "{kind} in {kinds:?}");
        }
        // It opens nothing else.
        assert_eq!(server.userinfo(&tokens.access).await.status, 403);
        let other = server.post(HERE).bearer(&tokens.access).json(&asking(
            "credential_configuration_id",
            "badge",
            &[holder.proof(server, &nonce(server).await)],
        ));
        assert_eq!(other.send().await.refusal().1, "unknown_credential_configuration", "what was not offered");
        let client = server.web_client().await;
        let seen = server.as_client("/oidc/introspection", &client, &[("token", tokens.access.as_str())]).send().await.json();
        assert_eq!(seen, json!({ "active": false }), "another client learns nothing of it");
    })
    .await;
}

#[tokio::test]
async fn openid4vci_12_3_without_a_name_there_is_this_one_grant_and_nobody_comes_under_it() {
    let server = Server::with(&[], &toml()).await;
    let offer = offered(&server, &["identity"], false).await;
    let refused = (401, "invalid_client".to_owned());
    for grant in [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "x",
    ] {
        let fields = [
            ("grant_type", grant),
            ("pre-authorized_code", offer.code()),
            ("code", "x"),
            ("refresh_token", "x"),
            ("device_code", "x"),
            ("scope", "openid"),
        ];
        assert_eq!(server.post("/oidc/token").form(&fields).send().await.refusal(), refused, "{grant}");
    }
    for path in ["/oidc/introspection", "/oidc/revocation", "/oidc/request", "/oidc/device/auth", "/oidc/token"] {
        let fields =
            [("client_id", NAME), ("token", "x"), ("scope", "openid"), ("grant_type", GRANT), ("pre-authorized_code", offer.code())];
        let answer = server.post(path).form(&fields).send().await;
        assert!(answer.status == 404 || answer.error() == "invalid_client", "{path} {}", answer.text());
    }
    let page = server
        .get(&format!("/oidc/auth?client_id={NAME}&response_type=code&scope=openid&redirect_uri=https://app.example/cb"))
        .send()
        .await;
    assert_eq!((page.status, page.header("location")), (400, ""));
    // Credentials that are half there are none.
    assert_eq!(redeem(&server, &offer, &[("client_secret", "x")]).await.refusal(), refused);
    let fields = [("grant_type", GRANT), ("pre-authorized_code", offer.code())];
    assert_eq!(server.post("/oidc/token").header("authorization", "Bearer x").form(&fields).send().await.refusal(), refused);
    // Nothing of it has used up the offer, and a code counts once.
    let answers = at_once::all(20, || redeem(&server, &offer, &[])).await;
    let count = |wanted: u16| answers.iter().filter(|answer| answer.status == wanted).count();
    assert_eq!((count(200), count(400)), (1, 19));
    // A client with a name redeems as before.
    let members = json!({ "token_endpoint_auth_method": "none", "redirect_uris": [], "response_types": [], "grant_types": [GRANT], "scope": "openid" });
    let named = server.client(members).await;
    let offer = offered(&server, &["identity"], false).await;
    let fields = [("grant_type", GRANT), ("pre-authorized_code", offer.code())];
    assert_eq!(server.token(&named, &fields).await.status, 200);
    assert_eq!(server.events().await.last().unwrap().data["client"], named.id.as_str());
}

#[tokio::test]
async fn rfc9449_5_a_wallet_without_a_name_may_bind_its_token_to_a_key() {
    let server = Server::with(&[], &toml()).await;
    let (offer, prover) = (offered(&server, &["identity"], false).await, Prover::new("ES256"));
    let fields = [("grant_type", GRANT), ("pre-authorized_code", offer.code())];
    let answer = server.post("/oidc/token").header("dpop", &prover.for_token(&server)).form(&fields).send().await;
    let tokens = Tokens::of(&answer);
    assert_eq!((&tokens.whole["token_type"], &tokens.whole["expires_in"]), (&json!("DPoP"), &json!(600)));
    let body = asking("credential_configuration_id", "identity", &[Holder::new("ES256").proof(&server, &nonce(&server).await)]);
    assert_eq!(send(&server, &tokens.access, &body).await.refusal(), (401, "invalid_token".to_owned()), "stolen, without its key");
    let proof = prover.for_use(&server, ("POST", HERE), &tokens.access);
    let call = server.post(HERE).header("authorization", &format!("DPoP {}", tokens.access)).header("dpop", &proof);
    assert_eq!(call.json(&body).send().await.status, 200);
}

#[tokio::test]
async fn openid4vci_13_6_3_guesses_without_a_name_count_against_the_offer_and_the_address() {
    let server = Server::with(&[("CHANCERY_RATE_LIMITS_TOKEN_FAILURES_PER_ADDRESS", "8/1h")], &toml()).await;
    let coded = offered(&server, &["identity"], true).await;
    let wrong = if coded.tx_code.as_deref() == Some("000000") { "000001" } else { "000000" };
    let mark = server.mark().await;
    for _ in 0..6 {
        assert_eq!(redeem(&server, &coded, &[("tx_code", wrong)]).await.refusal(), (400, "invalid_grant".to_owned()));
    }
    assert_eq!(server.kinds_since(mark).await, ["TransactionCodeRefused"; 5], "five end the offer");
    assert_eq!(redeem(&server, &coded, &[("tx_code", coded.tx_code.as_deref().unwrap())]).await.refusal().1, "invalid_grant");
    // And whoever guesses at offer after offer is slowed down.
    let other = offered(&server, &["identity"], true).await;
    assert_eq!(redeem(&server, &other, &[("tx_code", wrong)]).await.status, 400);
    assert_eq!(redeem(&server, &other, &[("tx_code", other.tx_code.as_deref().unwrap())]).await.status, 429);
}

#[tokio::test]
async fn openid4vci_12_3_what_wallets_without_a_name_got_ends_when_nobody_lets_them_in() {
    let mut server = Server::with(&[], &toml()).await;
    let (used, kept) = (offered(&server, &["identity"], false).await, offered(&server, &["identity"], false).await);
    let access = Tokens::of(&redeem(&server, &used, &[]).await).access;
    server.given_toml(TOML);
    let server = server.restart().await;
    assert_eq!(supported(&server).await, false);
    let disabled = server.events().await.into_iter().rev().find(|event| event.kind == "ClientDisabled").unwrap();
    assert_eq!(disabled.stream, format!("client-{NAME}"));
    let body = asking("credential_configuration_id", "identity", &[Holder::new("ES256").proof(&server, &nonce(&server).await)]);
    assert_eq!(send(&server, &access, &body).await.refusal(), (401, "invalid_token".to_owned()));
    assert_eq!(redeem(&server, &kept, &[]).await.refusal(), (401, "invalid_client".to_owned()));
    // Nobody takes the name, and no profile that knows each client goes with it.
    let named = format!(
        "[[client]]\nclient_id = \"{NAME}\"\nredirect_uris = [\"https://app.example/cb\"]\ntoken_endpoint_auth_method = \"none\"\n"
    );
    assert!(Server::try_with(&named).await.err().unwrap().contains("choose another"));
    let held = format!("profile = \"fapi2-security\"\n{}", toml().split("[[user]]").next().unwrap());
    assert!(Server::try_with(&held).await.err().unwrap().contains(NAME));
    assert!(Server::try_with("[credentials]\nanonymous_access = true\n").await.is_ok(), "where nothing is issued nobody is let in");
}
