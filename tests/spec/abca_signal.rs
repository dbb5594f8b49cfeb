//! draft-ietf-oauth-attestation-based-client-auth §7.6: an attestation beside another way of authenticating.

use serde_json::json;

use super::abca_combined::{TOKEN, World, refused};
use super::rfc9449::Prover;
use crate::support::call::{Answer, Call};
use crate::support::*;

const SECRET: &str = "a-secret-of-forty-characters-for-the-test";
const OWN: &[(&str, &str)] = &[("grant_type", "client_credentials")];

fn demanding(word: &str) -> String {
    format!("[client_attestation]\nsignal = \"{word}\"\n")
}

/// A token request of a client that proves itself by its secret.
fn web(world: &World) -> Call<'_> {
    world.server.post(TOKEN).basic("web", SECRET).form(OWN)
}

/// The same with an attestation of an instance, and its own proof.
fn normal<'a>(world: &'a World, client: &str, of: &Prover) -> Call<'a> {
    web(world).header("OAuth-Client-Attestation", &world.attestation(client, of)).header("OAuth-Client-Attestation-PoP", &world.pop(of))
}

fn combined<'a>(world: &'a World, attested: &Prover, proof: &str) -> Call<'a> {
    web(world).header("OAuth-Client-Attestation", &world.attestation("web", attested)).header("DPoP", proof)
}

fn word(answer: &Answer) -> String {
    if answer.status == 200 { "ok".to_owned() } else { answer.error() }
}

#[tokio::test]
async fn abca_7_6_where_nobody_asks_for_it_it_is_passed_over() {
    let world = World::new("").await;
    let metadata = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(metadata.get("client_attestation_pop_methods_supported"), None);
    for call in [web(&world), normal(&world, "web", &world.instance), web(&world).header("OAuth-Client-Attestation", "x")] {
        assert_eq!(word(&call.send().await), "ok");
    }
    // DPoP beside it is for the token alone.
    let other = Prover::new("ES256");
    assert_eq!(word(&combined(&world, &world.instance, &other.for_token(&world.server)).send().await), "ok");
}

#[tokio::test]
async fn abca_7_6_whoever_sends_one_is_held_to_it() {
    for (mode, without) in [("optional", "ok"), ("required", "invalid_client_attestation")] {
        let world = World::new(&demanding(mode)).await;
        let metadata = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
        let mut methods = vec!["attestation_pop_jwt", "dpop_combined"];
        methods.extend((mode == "optional").then_some("none"));
        assert_eq!(metadata["client_attestation_pop_methods_supported"], json!(methods));
        let (server, own, other) = (&world.server, &world.instance, Prover::new("ES256"));
        assert_eq!(word(&web(&world).send().await), without, "{mode}");
        assert_eq!(word(&normal(&world, "web", own).send().await), "ok");
        let told = combined(&world, own, &world.dpop(own, TOKEN)).send().await;
        assert_eq!((told.status, told.json()["token_type"].as_str()), (200, Some("DPoP")), "{}", told.text());
        // What does not hold is refused in the words of the signal, and is evidence.
        let mark = server.mark().await;
        let bad = [
            normal(&world, "wallet", own),
            web(&world).header("OAuth-Client-Attestation", &world.attestation("web", own)),
            web(&world).header("OAuth-Client-Attestation-PoP", &world.pop(own)),
            web(&world)
                .header("OAuth-Client-Attestation", &world.attestation("web", own))
                .header("OAuth-Client-Attestation-PoP", &world.pop(&other)),
            normal(&world, "web", own).header("OAuth-Client-Attestation-PoP", &world.pop(own)),
            combined(&world, own, &world.dpop(&other, TOKEN)),
        ];
        for call in bad {
            assert_eq!(call.send().await.refusal(), refused("invalid_client_attestation"), "{mode}");
        }
        assert_eq!(server.kinds_since(mark).await, ["ClientAuthenticationFailed"; 6]);
        // Without a challenge or a nonce of ours it is told one.
        let header = json!({ "typ": "oauth-client-attestation-pop+jwt", "alg": "ES256" });
        let pop = own.key.sign_with(&header, &json!({ "aud": server.issuer, "jti": "j", "iat": server.app.now().0 / 1000 }));
        let bare =
            web(&world).header("OAuth-Client-Attestation", &world.attestation("web", own)).header("OAuth-Client-Attestation-PoP", &pop);
        let answer = bare.send().await;
        assert_eq!(answer.refusal(), refused("use_attestation_challenge"));
        assert!(!answer.header("oauth-client-attestation-challenge").is_empty());
        let answer = combined(&world, own, &own.for_token(server)).send().await;
        assert_eq!(answer.refusal(), refused("use_dpop_nonce"));
        assert!(!answer.header("dpop-nonce").is_empty());
        // A secret that is wrong is wrong, whatever stands beside it.
        let wrong = server.post(TOKEN).basic("web", "x").form(OWN).header("OAuth-Client-Attestation", &world.attestation("web", own));
        assert_eq!(wrong.header("OAuth-Client-Attestation-PoP", &world.pop(own)).send().await.refusal(), refused("invalid_client"));
        // An attestation that has expired.
        let old = world.attestation("web", own);
        server.advance(3700 * 1000);
        let call = web(&world).header("OAuth-Client-Attestation", &old).header("OAuth-Client-Attestation-PoP", &world.pop(own));
        assert_eq!(call.send().await.refusal(), refused("use_fresh_attestation"));
    }
}

#[tokio::test]
async fn abca_7_6_a_proof_beside_another_method_counts_once() {
    let world = World::new(&demanding("optional")).await;
    let (attestation, pop) = (world.attestation("web", &world.instance), world.pop(&world.instance));
    let answers = at_once::all(10, || async {
        web(&world).header("OAuth-Client-Attestation", &attestation).header("OAuth-Client-Attestation-PoP", &pop).send().await
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let refusals = answers.iter().filter(|answer| answer.status != 200);
    assert!(refusals.clone().all(|answer| answer.refusal() == refused("invalid_client_attestation")) && refusals.count() == 9);
}

#[tokio::test]
async fn abca_7_6_it_is_demanded_wherever_grants_begin_or_go_on() {
    let world = World::new(&demanding("required")).await;
    let (server, own) = (&world.server, &world.instance);
    let client = Client { id: "app".to_owned(), secret: None, redirect_uri: "https://app.example/cb".to_owned() };
    let request = client.request(&[("scope", "openid")]);
    let body: Vec<_> = form_urlencoded::parse(request.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let pushed: Vec<_> = body.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let email = world.alice.email.as_str();
    let asking = [("client_id", "app"), ("scope", "openid")];
    let calling = [("scope", "openid"), ("login_hint", email)];
    let places = [("app", "/oidc/par", &pushed[..]), ("app", "/oidc/device/auth", &asking[..]), ("web", "/oidc/backchannel", &calling[..])];
    for (who, path, fields) in places {
        let call = || if who == "web" { server.post(path).basic("web", SECRET) } else { server.post(path) }.form(fields);
        assert_eq!(call().send().await.refusal(), refused("invalid_client_attestation"), "{path}");
        let with = call().header("OAuth-Client-Attestation", &world.attestation(who, own));
        let answer = with.header("OAuth-Client-Attestation-PoP", &world.pop(own)).send().await;
        assert!(answer.status < 300, "{path}: {}", answer.text());
    }
    // Tokens are looked at and given back by resource servers too, which no attester knows.
    for path in ["/oidc/introspection", "/oidc/revocation"] {
        assert_eq!(server.post(path).basic("web", SECRET).form(&[("token", "cha_at_x")]).send().await.status, 200, "{path}");
    }
    // It is no authentication: nothing is bound to it (ABCA §9.4), and an attested client needs none.
    let code = {
        let call = server.post("/oidc/par").form(&pushed).header("OAuth-Client-Attestation", &world.attestation("app", own));
        let kept = call.header("OAuth-Client-Attestation-PoP", &world.pop(own)).send().await.json();
        let uri = kept["request_uri"].as_str().unwrap().replace(':', "%3A");
        let mut browser = Browser::new(server);
        let page = browser.open(&format!("/oidc/auth?client_id=app&request_uri={uri}")).await;
        browser.pass(page, &world.alice).await.code()
    };
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://app.example/cb"),
        ("code_verifier", VERIFIER),
        ("client_id", "app"),
    ];
    let other = Prover::new("ES256");
    let call = server.post(TOKEN).form(&fields).header("OAuth-Client-Attestation", &world.attestation("app", &other));
    assert_eq!(call.header("OAuth-Client-Attestation-PoP", &world.pop(&other)).send().await.status, 200);
    let call = server.post(TOKEN).form(OWN).header("OAuth-Client-Attestation", &world.attestation("normal", own));
    assert_eq!(call.header("OAuth-Client-Attestation-PoP", &world.pop(own)).send().await.status, 200);
}

#[tokio::test]
async fn a_configuration_of_draft_10_is_told_what_changed() {
    let old = "[[client_attester_draft10]]\nissuer = \"https://attester.example\"\njwks = '{\"keys\":[]}'\nclients = [\"wallet\"]\n";
    let why = Server::try_with(old).await.err().unwrap();
    assert!(why.contains("client_attester_draft12") && why.contains("iat"), "{why}");
    let why = Server::try_with(&demanding("required")).await.err().unwrap();
    assert!(why.contains("client_attestation.signal") && why.contains("nobody to vouch"), "{why}");
}
