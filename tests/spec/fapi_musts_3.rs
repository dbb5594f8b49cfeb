//! FAPI 2.0 Message Signing, and the rest of the Security Profile: what these demand and no other test holds.

use serde_json::{Value, json};

use super::fapi::{KIND, World};
use super::rfc9449::Prover;
use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::jwt::{Key, verified};
use crate::support::*;

const HEAD: &str = "profile = \"fapi2-message-signing\"";
const MEMBERS: &str = "require_signed_request_object = true\nrequest_object_signing_alg = \"ES256\"\n";

/// The claims of a whole request, with these over them; `null` takes one away.
fn claims(world: &World, changes: &Value) -> Value {
    let now = world.server.app.now().0 / 1000;
    let mut all = json!({
        "iss": "app", "aud": world.server.issuer, "client_id": "app", "redirect_uri": "https://app.example/cb", "response_type": "code",
        "scope": "openid", "state": "s", "nonce": "n", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        "response_mode": "jwt", "nbf": now, "exp": now + 300,
    });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    all.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    all
}

async fn push(world: &World, changes: &Value) -> Answer {
    let object = world.key.sign(&claims(world, changes));
    world.call("/oidc/par", &[("request", &object)]).send().await
}

#[tokio::test]
async fn fapi2_message_signing_5_3_1_the_type_of_a_request_object_may_be_named() {
    let world = World::new(HEAD, MEMBERS).await;
    for (typ, taken) in [(Some("oauth-authz-req+jwt"), true), (None, true), (Some("dpop+jwt"), false), (Some("at+jwt"), false)] {
        let mut header = json!({ "alg": "ES256", "kid": "k" });
        if let Some(typ) = typ {
            header["typ"] = json!(typ);
        }
        let object = world.key.sign_with(&header, &claims(&world, &json!({})));
        let answer = world.call("/oidc/par", &[("request", &object)]).send().await;
        let expected = if taken { (201, String::new()) } else { (400, "invalid_request_object".to_owned()) };
        assert_eq!(answer.refusal(), expected, "{typ:?}");
    }
}

#[tokio::test]
async fn fapi2_message_signing_5_3_1_nothing_beside_the_pushed_object_counts() {
    let world = World::new(HEAD, MEMBERS).await;
    let beside = [("redirect_uri", "https://app.example/cb"), ("code_challenge", CHALLENGE), ("code_challenge_method", "S256")];
    for missing in [json!({ "redirect_uri": null }), json!({ "code_challenge": null, "code_challenge_method": null })] {
        let object = world.key.sign(&claims(&world, &missing));
        let answer = world.call("/oidc/par", &[&beside[..], &[("request", &object)]].concat()).send().await;
        assert_eq!(answer.refusal(), (400, "invalid_request".to_owned()), "{missing}");
    }
}

#[tokio::test]
async fn fapi2_message_signing_5_the_security_profile_holds_too() {
    let world = World::new(HEAD, MEMBERS).await;
    let (server, alice) = (&world.server, world.server.alice().await);
    for (changes, error) in [
        (json!({ "code_challenge_method": "plain" }), "invalid_request"),
        (json!({ "scope": "email", "redirect_uri": null }), "invalid_request"),
        (json!({ "response_type": "code id_token" }), "unsupported_response_type"),
    ] {
        assert_eq!(push(&world, &changes).await.refusal(), (400, error.to_owned()), "{changes}");
    }
    // What was not pushed is refused, signed or not.
    let object = world.key.sign(&claims(&world, &json!({})));
    let direct = server.get(&world.client.request(&[("request", &object)])).send().await;
    let (_, told) = verified(&direct.sent("response").unwrap(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!((&told["error"], told.get("code")), (&json!("invalid_request"), None));
    // Client authentication, and tokens that are bound.
    for aud in [json!(format!("{}/token", server.issuer)), json!([server.issuer])] {
        let assertion = world.assertion(&aud);
        let fields = [("request", object.as_str()), ("client_assertion_type", KIND), ("client_assertion", &assertion)];
        assert_eq!(server.post("/oidc/par").form(&fields).send().await.refusal(), (401, "invalid_client".to_owned()), "{aud}");
    }
    let pushed = push(&world, &json!({})).await;
    let answer = world.brought(&mut Browser::new(server), &alice, &pushed).await;
    // §5.4.1: everything that is answered stands inside, iss too.
    let (_, query) = answer.location().split_once('?').unwrap();
    let names: Vec<_> = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["response"]);
    let (_, told) = verified(&answer.sent("response").unwrap(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!((&told["iss"], &told["state"]), (&json!(server.issuer), &json!("s")));
    let code = told["code"].as_str().unwrap();
    assert_eq!(world.redemption(code).send().await.error(), "invalid_dpop_proof");
    assert_eq!(world.redemption(code).header("dpop", &world.prover.for_token(server)).send().await.status, 200);
}

#[tokio::test]
async fn fapi2_message_signing_5_4_1_refusals_are_signed_too() {
    let world = World::new(HEAD, MEMBERS).await;
    let (server, alice) = (&world.server, world.server.alice().await);
    let pushed = push(&world, &json!({ "prompt": "none" })).await;
    let answer = world.brought(&mut Browser::new(server), &alice, &pushed).await;
    let (header, told) = verified(&answer.sent("response").unwrap(), &server.get("/oidc/jwks").send().await.json());
    assert_eq!(answer.sent("error"), None);
    assert_eq!(
        (&header["alg"], &told["error"], &told["aud"], &told["iss"], &told["state"]),
        (&json!("PS256"), &json!("login_required"), &json!("app"), &json!(server.issuer), &json!("s"))
    );
}

#[tokio::test]
async fn fapi2_security_5_3_2_2_whoever_sent_a_password_is_sent_on_with_303() {
    let world = World::new("profile = \"fapi2-security\"", "").await;
    let alice = world.server.alice().await;
    let mut browser = Browser::new(&world.server);
    let pushed = world.push(&[]).await;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", "app").append_pair("request_uri", pushed.json()["request_uri"].as_str().unwrap());
    let mut next = format!("/oidc/auth?{}", query.finish());
    let password = [("login", alice.email.as_str()), ("password", flow::PASSWORD)];
    for (page, fields) in [("login", &password[..]), ("consent", &[("decision", "allow")])] {
        let shown = browser.open(&next).await;
        assert_eq!(flow::page_of(&shown), page);
        let form = browser::form_of(&shown.text());
        let hidden: Vec<_> = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = browser.post(&form.action, &[&hidden, fields].concat()).await;
        assert_eq!(answer.status, 303, "{page}");
        next = answer.location().trim_start_matches(&world.server.origin).to_owned();
    }
    assert!(next.starts_with("https://app.example/cb?code="), "{next}");
}

/// What userinfo says to a token that comes so: in which scheme of the header, or in a form, and with which proof.
async fn told(server: &Server, token: &str, scheme: Option<&str>, proof: Option<&str>) -> Answer {
    let call = server.post("/oidc/userinfo");
    let call = match scheme {
        Some(scheme) => call.header("authorization", &format!("{scheme} {token}")),
        None => call.form(&[("access_token", token)]),
    };
    if let Some(proof) = proof { call.header("dpop", proof).send().await } else { call.send().await }
}

#[tokio::test]
async fn fapi2_security_5_4_1_userinfo_holds_one_client_to_its_algorithms_too() {
    let members = "chancery_profile = \"fapi2-security\"\nrequire_pkce = true\nrequire_pushed_authorization_requests = true\n";
    let mut world = World::new("", members).await;
    world.prover = Prover::new("PS256");
    let alice = world.server.alice().await;
    let code = world.brought(&mut Browser::new(&world.server), &alice, &world.push(&[]).await).await.code();
    let tokens = Tokens::of(&world.redemption(&code).header("dpop", &world.prover.for_token(&world.server)).send().await);
    let use_of = ("POST", "/oidc/userinfo");
    let allowed = world.prover.for_use(&world.server, use_of, &tokens.access);
    // The same key signs with another algorithm: the token is bound to it, and only the profile minds.
    let Key::Rsa(alg, _) = &mut world.prover.key else { panic!("no RSA key") };
    *alg = "RS256";
    let other = world.prover.for_use(&world.server, use_of, &tokens.access);
    let mark = world.server.mark().await;
    let refused = told(&world.server, &tokens.access, Some("DPoP"), Some(&other)).await;
    assert_eq!(refused.refusal(), (401, "invalid_dpop_proof".to_owned()));
    assert!(refused.header("www-authenticate").contains("invalid_dpop_proof"), "{}", refused.header("www-authenticate"));
    assert_eq!(world.server.kinds_since(mark).await, [""; 0]);
    let answer = told(&world.server, &tokens.access, Some("DPoP"), Some(&allowed)).await;
    assert_eq!((answer.status, &answer.json()["sub"]), (200, &json!(alice.account)), "{}", answer.text());
}

#[tokio::test]
async fn fapi2_security_5_3_4_a_token_from_before_the_profile_opens_nothing_unbound_or_in_a_form() {
    let before = "[[client]]\nclient_id = \"app\"\nclient_secret = \"a-secret-of-forty-characters-for-the-test\"\nredirect_uris = [\"https://app.example/cb\"]\n";
    let secret = Some("a-secret-of-forty-characters-for-the-test".to_owned());
    let client = Client { id: "app".to_owned(), secret, redirect_uri: "https://app.example/cb".to_owned() };
    let shared = "token_endpoint_auth_method = \"private_key_jwt\"\ntoken_endpoint_auth_signing_alg = \"ES256\"\nid_token_signed_response_alg = \"ES256\"\nredirect_uris = [\"https://app.example/cb\"]\nrequire_pkce = true\nrequire_pushed_authorization_requests = true\nrotation = \"never\"\ndpop_bound_access_tokens = true\n";
    let jwks = Key::generate("ES256").jwks();
    let own = |head: &str, member: &str| format!("{head}\n[[client]]\nclient_id = \"app\"\njwks = '{jwks}'\n{shared}{member}");
    // The profile is the client's, or the server's.
    for after in [own("", "chancery_profile = \"fapi2-security\"\n"), own("profile = \"fapi2-security\"", "")] {
        let mut server = Server::production(&[], before).await;
        let alice = server.alice().await;
        let access = Browser::new(&server).tokens(&client, &alice, &[("scope", "openid")]).await.access;
        for scheme in [Some("Bearer"), None] {
            assert_eq!(told(&server, &access, scheme, None).await.status, 200, "{scheme:?}");
        }
        server.given_toml(&after);
        let server = server.restart().await;
        let refused = told(&server, &access, Some("Bearer"), None).await;
        assert_eq!(refused.refusal(), (401, "invalid_token".to_owned()));
        assert!(refused.sentence().contains("bound"), "{}", refused.sentence());
        assert_eq!(told(&server, &access, None, None).await.refusal(), (400, "invalid_request".to_owned()));
    }
}
