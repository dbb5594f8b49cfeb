//! draft-ietf-oauth-attestation-based-client-auth: a DPoP proof that is the proof of an instance as well (§5.2, §7.3), and what is bound to an
//! instance (§9.4).

use chancery::app::random::uuid_v7;
use serde_json::{Value, json};

use super::abca::ATTESTER;
use super::rfc9449::Prover;
use super::{ciba, rfc8628};
use crate::support::call::{Answer, Call};
use crate::support::flow::{Person, Tokens};
use crate::support::jwt::Key;
use crate::support::*;

pub(super) const TOKEN: &str = "/oidc/token";
const PAR: &str = "/oidc/par";
const POLL: &str = "backchannel_token_delivery_mode = \"poll\"\n";
const OWN: &[(&str, &str)] = &[("grant_type", "client_credentials")];

/// A server whose attester speaks for clients of every kind.
pub(super) struct World {
    pub server: Server,
    pub attester: Key,
    pub instance: Prover,
    pub alice: Person,
}

fn declared(id: &str, method: &str) -> String {
    format!(
        "[[client]]\nclient_id = \"{id}\"\ntoken_endpoint_auth_method = \"{method}\"\nredirect_uris = [\"https://app.example/cb\"]\n\
         grant_types = [\"authorization_code\", \"refresh_token\", \"client_credentials\", \"{}\", \"{}\"]\nscope = \"openid profile api\"\n\
         {POLL}",
        rfc8628::GRANT,
        ciba::GRANT
    )
}

impl World {
    /// `more`: what else the configuration says.
    pub async fn new(more: &str) -> Self {
        let attester = Key::generate("ES256");
        let clients = ["wallet", "other", "normal", "web", "app"];
        let toml = format!(
            "{more}{}[[client_attester_draft12]]\nissuer = \"{ATTESTER}\"\njwks = '{}'\nclients = {clients:?}\n{}{}{}{}{}",
            ciba::ON,
            attester.jwks(),
            declared("wallet", "attest_jwt_client_auth_dpop"),
            declared("other", "attest_jwt_client_auth_dpop"),
            declared("normal", "attest_jwt_client_auth"),
            declared("web", "client_secret_basic") + "client_secret = \"a-secret-of-forty-characters-for-the-test\"\n",
            // Asking people on the back channel is for clients that prove who they are.
            declared("app", "none")
                .replace("\"client_credentials\", ", "")
                .replace(&format!(", \"{}\"", ciba::GRANT), "")
                .replace(POLL, ""),
        );
        let server = Server::with(&[], &toml).await;
        let alice = server.alice().await;
        Self { server, attester, instance: Prover::new("ES256"), alice }
    }

    fn now(&self) -> i64 {
        self.server.app.now().0 / 1000
    }

    /// What the attester says of an instance.
    pub fn attestation(&self, client: &str, of: &Prover) -> String {
        let header = json!({ "typ": "oauth-client-attestation+jwt", "alg": "ES256", "kid": "k" });
        let now = self.now();
        self.attester.sign_with(&header, &json!({ "sub": client, "iat": now, "exp": now + 3600, "cnf": { "jwk": of.jwk() } }))
    }

    /// A proof of the instance's own.
    pub fn pop(&self, of: &Prover) -> String {
        let header = json!({ "typ": "oauth-client-attestation-pop+jwt", "alg": "ES256" });
        let (jti, challenge) = (uuid_v7(self.server.app.now().0).to_string(), self.server.app.attestation_challenge());
        of.key.sign_with(&header, &json!({ "aud": self.server.issuer, "jti": jti, "iat": self.now(), "challenge": challenge }))
    }

    /// A DPoP proof with a nonce of ours.
    pub fn dpop(&self, of: &Prover, path: &str) -> String {
        of.with_nonce(&self.server, path, &self.server.app.newest_nonce())
    }

    /// The request of an instance of the combined client.
    fn call(&self, path: &str, of: &Prover) -> Call<'_> {
        let call = self.server.post(path).header("OAuth-Client-Attestation", &self.attestation("wallet", of));
        call.header("DPoP", &self.dpop(of, path))
    }

    /// The same with another proof, or none.
    async fn with(&self, proof: Option<&str>) -> Answer {
        let call = self.server.post(TOKEN).header("OAuth-Client-Attestation", &self.attestation("wallet", &self.instance));
        match proof {
            Some(proof) => call.header("DPoP", proof).form(OWN).send().await,
            None => call.form(OWN).send().await,
        }
    }

    /// A code for what the instance pushed, or for what the browser brought itself.
    async fn code(&self, pushed_by: Option<&Prover>) -> String {
        let client = Client { id: "wallet".to_owned(), secret: None, redirect_uri: "https://app.example/cb".to_owned() };
        let own = client.request(&[("scope", "openid")]);
        let place = match pushed_by {
            None => own,
            Some(instance) => {
                let body: Vec<_> = form_urlencoded::parse(own.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
                let fields: Vec<_> = body.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                let answer = self.call(PAR, instance).form(&fields).send().await;
                assert_eq!(answer.status, 201, "{}", answer.text());
                let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
                format!("/oidc/auth?client_id=wallet&request_uri={}", uri.replace(':', "%3A"))
            }
        };
        let mut browser = Browser::new(&self.server);
        let page = browser.open(&place).await;
        browser.pass(page, &self.alice).await.code()
    }
}

fn redemption(code: &str) -> [(&str, &str); 4] {
    [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "https://app.example/cb"), ("code_verifier", VERIFIER)]
}

pub(super) fn refused(code: &str) -> (u16, String) {
    (if code == "invalid_client" { 401 } else { 400 }, code.to_owned())
}

#[tokio::test]
async fn abca_7_3_one_dpop_proof_is_both() {
    let world = World::new("").await;
    let metadata = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert!(metadata["token_endpoint_auth_methods_supported"].as_array().unwrap().contains(&json!("attest_jwt_client_auth_dpop")));
    assert!(metadata["dpop_signing_alg_values_supported"].as_array().unwrap().contains(&json!("ES256")));
    let tokens = Tokens::of(&world.call(TOKEN, &world.instance).form(&redemption(&world.code(None).await)).send().await);
    assert_eq!(tokens.whole["token_type"], "DPoP");
    // The token is bound to the key that is attested.
    let place = "/oidc/introspection";
    let seen = world.call(place, &world.instance).form(&[("token", &tokens.access)]).send().await;
    assert_eq!((seen.status, &seen.json()["cnf"]["jkt"]), (200, &json!(world.instance.jkt())), "{}", seen.text());
    // A challenge is as good as a nonce (ABCA §6.1).
    let challenge = world.server.post("/oidc/challenge").send().await.json()["attestation_challenge"].as_str().unwrap().to_owned();
    let answer = world.with(Some(&world.instance.with_nonce(&world.server, TOKEN, &challenge))).await;
    assert_eq!((answer.status, answer.json()["token_type"].as_str()), (200, Some("DPoP")), "{}", answer.text());
    // The refresh token is the instance's, as in the other mode (ABCA §9.3).
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh())];
    let other = Prover::new("ES256");
    assert_eq!(world.call(TOKEN, &other).form(&refresh).send().await.refusal(), refused("invalid_grant"));
    Tokens::of(&world.call(TOKEN, &world.instance).form(&refresh).send().await);
    // And given back by nothing less than the whole.
    let bare = [("token", tokens.access.as_str()), ("client_id", "wallet")];
    assert_eq!(world.server.post("/oidc/revocation").form(&bare).send().await.refusal(), refused("invalid_client"));
    assert_eq!(world.call("/oidc/revocation", &world.instance).form(&bare).send().await.status, 200);
}

#[tokio::test]
async fn abca_7_3_what_the_one_proof_has_to_be() {
    let world = World::new("").await;
    let (server, own) = (&world.server, &world.instance);
    // The key is the one that is attested; another's proof is evidence.
    let mark = server.mark().await;
    let other = Prover::new("ES256");
    assert_eq!(world.with(Some(&world.dpop(&other, TOKEN))).await.refusal(), refused("invalid_client"));
    assert_eq!(server.kinds_since(mark).await, ["ClientAuthenticationFailed"]);
    assert_eq!(world.with(Some(&other.for_token(server))).await.refusal(), refused("invalid_client"), "before it is told a nonce");
    // Without a nonce of ours it is told one.
    for proof in [own.for_token(server), own.with_nonce(server, TOKEN, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")] {
        let told = world.with(Some(&proof)).await;
        assert_eq!(told.refusal(), refused("use_dpop_nonce"));
        let again = own.with_nonce(server, TOKEN, told.header("dpop-nonce"));
        assert_eq!(world.with(Some(&again)).await.status, 200);
    }
    let (nonce, challenge) = (server.app.newest_nonce(), server.app.attestation_challenge());
    server.advance(11 * 60_000);
    for old in [nonce, challenge] {
        assert_eq!(world.with(Some(&own.with_nonce(server, TOKEN, &old))).await.refusal(), refused("use_dpop_nonce"));
    }
    // RFC 9449 says the rest: for this endpoint, made now, of this method.
    for change in [("htu", json!(format!("{}/oidc/par", server.origin))), ("htm", json!("GET")), ("iat", json!(world.now() - 400))] {
        let mut claims = own.claims(server, "POST", TOKEN);
        claims["nonce"] = json!(server.app.newest_nonce());
        claims[change.0] = change.1.clone();
        let proof = own.key.sign_with(&own.header(), &claims);
        assert_eq!(world.with(Some(&proof)).await.refusal(), refused("invalid_dpop_proof"), "{}", change.0);
    }
    // Precisely one header field.
    assert_eq!(world.with(None).await.refusal(), refused("invalid_client"));
    let twice = world.call(TOKEN, own).header("DPoP", &world.dpop(own, TOKEN));
    assert_eq!(
        twice.form(&[("grant_type", "client_credentials"), ("client_id", "wallet")]).send().await.refusal(),
        refused("invalid_client")
    );
    // And no other credentials.
    let both = [("grant_type", "client_credentials"), ("client_id", "wallet"), ("client_secret", "x")];
    assert_eq!(world.call(TOKEN, own).form(&both).send().await.refusal(), refused("invalid_request"));
    // An attestation that has nothing to do with it (ABCA §7.1).
    for attestation in [world.attestation("other", own), "x".to_owned(), other.key.sign_with(&other.header(), &json!({}))] {
        let call = server.post(TOKEN).header("OAuth-Client-Attestation", &attestation).header("DPoP", &world.dpop(own, TOKEN));
        let fields = [("grant_type", "client_credentials"), ("client_id", "wallet")];
        assert_eq!(call.form(&fields).send().await.refusal(), refused("invalid_client"));
    }
}

#[tokio::test]
async fn abca_7_the_header_fields_say_which_mode_it_is_and_the_client_is_registered_for_one() {
    let world = World::new("").await;
    let (server, own) = (&world.server, &world.instance);
    let shown = |client: &str| server.post(TOKEN).header("OAuth-Client-Attestation", &world.attestation(client, own));
    // With a proof of its own it is the normal mode, and DPoP beside it stands alone: of any key, without a nonce.
    let beside = Prover::new("ES256");
    let call = shown("normal").header("OAuth-Client-Attestation-PoP", &world.pop(own)).header("DPoP", &beside.for_token(server));
    let answer = call.form(OWN).send().await;
    assert_eq!((answer.status, answer.json()["token_type"].as_str()), (200, Some("DPoP")), "{}", answer.text());
    // A DPoP proof cannot stand for a proof that does not hold.
    let call = shown("normal").header("OAuth-Client-Attestation-PoP", "x").header("DPoP", &world.dpop(own, TOKEN));
    assert_eq!(call.form(OWN).send().await.refusal(), refused("invalid_client"));
    // Whoever is registered for one proves by that one; the other way is refused, and evidence.
    let mark = server.mark().await;
    let call = shown("normal").header("DPoP", &world.dpop(own, TOKEN));
    assert_eq!(call.form(OWN).send().await.refusal(), refused("invalid_client"));
    let call = shown("wallet").header("OAuth-Client-Attestation-PoP", &world.pop(own));
    assert_eq!(call.form(OWN).send().await.refusal(), refused("invalid_client"));
    let call = shown("wallet").header("OAuth-Client-Attestation-PoP", &world.pop(own)).header("DPoP", &world.dpop(own, TOKEN));
    assert_eq!(call.form(OWN).send().await.refusal(), refused("invalid_client"));
    assert_eq!(server.kinds_since(mark).await, ["ClientAuthenticationFailed"; 3]);
    // ABCA §5.2: the name of a key proves nothing.
    let jkt = own.jkt();
    let fields = [("client_id", "wallet"), ("response_type", "code"), ("dpop_jkt", jkt.as_str())];
    let call = server.post(PAR).header("OAuth-Client-Attestation", &world.attestation("wallet", own));
    assert_eq!(call.form(&fields).send().await.refusal(), refused("invalid_client"));
}

#[tokio::test]
async fn abca_9_7_of_twenty_uses_of_one_combined_proof_one_counts() {
    let world = World::new("").await;
    let (attestation, proof) = (world.attestation("wallet", &world.instance), world.dpop(&world.instance, TOKEN));
    let mark = world.server.mark().await;
    let answers = at_once::all(20, || async {
        let call = world.server.post(TOKEN).header("OAuth-Client-Attestation", &attestation).header("DPoP", &proof);
        call.form(OWN).send().await
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(answers.iter().filter(|answer| answer.status == 400 && answer.error() == "invalid_dpop_proof").count(), 19);
    let kinds = world.server.kinds_since(mark).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "DpopProofReplayed").count(), 19, "each replay is evidence");
    // Where nothing is appended it counts once, too.
    let path = "/oidc/introspection";
    let proof = world.dpop(&world.instance, path);
    for status in [200, 400] {
        let call = world.server.post(path).header("OAuth-Client-Attestation", &attestation).header("DPoP", &proof);
        assert_eq!(call.form(&[("token", "cha_at_x")]).send().await.status, status);
    }
    let path = "/oidc/revocation";
    let proof = world.dpop(&world.instance, path);
    for status in [200, 400] {
        let call = world.server.post(path).header("OAuth-Client-Attestation", &attestation).header("DPoP", &proof);
        assert_eq!(call.form(&[("token", "cha_at_x")]).send().await.status, status);
    }
}

#[tokio::test]
async fn abca_9_4_a_code_is_for_the_instance_that_pushed_the_request() {
    let world = World::new("").await;
    let (server, own, other) = (&world.server, &world.instance, Prover::new("ES256"));
    let code = world.code(Some(own)).await;
    let mark = server.mark().await;
    for _ in 0..3 {
        assert_eq!(world.call(TOKEN, &other).form(&redemption(&code)).send().await.refusal(), refused("invalid_grant"));
    }
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"], "recorded once");
    Tokens::of(&world.call(TOKEN, own).form(&redemption(&code)).send().await);
    // Also in the other mode, where no key is proven but the instance's: dpop_jkt has no part in it.
    let client = Client { id: "normal".to_owned(), secret: None, redirect_uri: "https://app.example/cb".to_owned() };
    let send = async |path: &str, of: &Prover, fields: &[(&str, &str)]| {
        let call = server.post(path).header("OAuth-Client-Attestation", &world.attestation("normal", of));
        call.header("OAuth-Client-Attestation-PoP", &world.pop(of)).form(fields).send().await
    };
    let request = client.request(&[("scope", "openid")]);
    let body: Vec<_> = form_urlencoded::parse(request.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let fields: Vec<_> = body.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let kept = send(PAR, own, &fields).await.json()["request_uri"].as_str().unwrap().to_owned();
    let mut browser = Browser::new(server);
    let page = browser.open(&format!("/oidc/auth?client_id=normal&request_uri={}", kept.replace(':', "%3A"))).await;
    let code = browser.pass(page, &world.alice).await.code();
    assert_eq!(send(TOKEN, &other, &redemption(&code)).await.refusal(), refused("invalid_grant"));
    Tokens::of(&send(TOKEN, own, &redemption(&code)).await);
}

#[tokio::test]
async fn abca_9_4_device_codes_and_auth_req_ids_are_for_the_instance_that_asked() {
    let world = World::new("").await;
    let (server, own, other) = (&world.server, &world.instance, Prover::new("ES256"));
    let asked = async |path: &str, fields: &[(&str, &str)]| -> Value {
        let answer = world.call(path, own).form(fields).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };
    let codes = asked("/oidc/device/auth", &[("scope", "openid")]).await;
    let device = [("grant_type", rfc8628::GRANT), ("device_code", rfc8628::text(&codes, "device_code"))];
    // Nor can another one slow it down while nobody has answered.
    assert_eq!(world.call(TOKEN, &other).form(&device).send().await.refusal(), refused("invalid_grant"));
    assert_eq!(world.call(TOKEN, own).form(&device).send().await.refusal(), refused("authorization_pending"));
    let mut browser = rfc8628::signed_in(server, &world.alice).await;
    rfc8628::decide(&mut browser, rfc8628::text(&codes, "user_code"), "allow").await;
    let login = ("login_hint", world.alice.email.as_str());
    let called = asked("/oidc/backchannel", &[("scope", "openid"), login]).await;
    let backchannel = [("grant_type", ciba::GRANT), ("auth_req_id", rfc8628::text(&called, "auth_req_id"))];
    assert_eq!(world.call(TOKEN, &other).form(&backchannel).send().await.refusal(), refused("invalid_grant"));
    assert_eq!(world.call(TOKEN, own).form(&backchannel).send().await.refusal(), refused("authorization_pending"));
    ciba::decide(&mut ciba::signed_in(server, &world.alice).await, "allow").await;
    for (fields, misused) in [(device, "DeviceCodeMisused"), (backchannel, "BackchannelMisused")] {
        for _ in 0..3 {
            assert_eq!(world.call(TOKEN, &other).form(&fields).send().await.refusal(), refused("invalid_grant"), "{misused}");
        }
        let events = server.events().await;
        assert_eq!(events.iter().filter(|event| event.kind == misused).count(), 1, "recorded once");
        let tokens = Tokens::of(&world.call(TOKEN, own).form(&fields).send().await);
        assert!(tokens.refresh.is_some());
    }
}
