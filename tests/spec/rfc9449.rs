//! RFC 9449: proofs of possession (DPoP), and every attack on them that the issue lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use chancery::app::context::Context;
use chancery_core::digest::Digest;
use serde_json::{Value, json};

use crate::support::call::{Answer, Call};
use crate::support::flow::{PASSWORD, Tokens};
use crate::support::jwt::{Key, verified};
use crate::support::*;

/// Proofs of one key, each with a `jti` of its own.
pub struct Prover {
    pub key: Key,
    count: std::cell::Cell<u32>,
}

impl Prover {
    pub fn new(alg: &str) -> Self {
        Self { key: Key::generate(alg), count: std::cell::Cell::new(0) }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = self.key.jwks()["keys"][0].clone();
        jwk.as_object_mut().unwrap().retain(|name, _| !["kid", "alg"].contains(&name.as_str()));
        jwk
    }

    /// RFC 7638 §3, without our own code.
    pub fn jkt(&self) -> String {
        let jwk = self.jwk();
        let members: std::collections::BTreeMap<_, _> = jwk.as_object().unwrap().iter().collect();
        Digest::of(serde_json::to_string(&members).unwrap().as_bytes()).to_string()
    }

    pub fn claims(&self, server: &Server, method: &str, path: &str) -> Value {
        self.count.set(self.count.get() + 1);
        let uri = format!("{}{path}", server.origin);
        json!({ "jti": format!("jti-{}", self.count.get()), "htm": method, "htu": uri, "iat": server.app.now().0 / 1000 })
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.key.alg(), "jwk": self.jwk() })
    }

    pub fn proof(&self, server: &Server, method: &str, path: &str) -> String {
        self.key.sign_with(&self.header(), &self.claims(server, method, path))
    }

    pub fn with_nonce(&self, server: &Server, path: &str, nonce: &str) -> String {
        let mut claims = self.claims(server, "POST", path);
        claims["nonce"] = json!(nonce);
        self.key.sign_with(&self.header(), &claims)
    }

    pub fn for_token(&self, server: &Server) -> String {
        self.proof(server, "POST", "/oidc/token")
    }

    /// For the use of an access token.
    pub fn for_use(&self, server: &Server, (method, path): (&str, &str), token: &str) -> String {
        let mut claims = self.claims(server, method, path);
        claims["ath"] = json!(B64.encode(Digest::of(token.as_bytes()).0));
        self.key.sign_with(&self.header(), &claims)
    }

    fn for_userinfo(&self, server: &Server, token: &str) -> String {
        self.for_use(server, ("GET", "/oidc/userinfo"), token)
    }
}

pub(super) const CREDENTIALS: &[(&str, &str)] = &[("grant_type", "client_credentials"), ("scope", "api")];

pub(super) async fn machine(server: &Server) -> Client {
    server.client(json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "api" })).await
}

pub(super) fn redemption<'a>(server: &'a Server, client: &Client, code: &str) -> Call<'a> {
    let fields =
        [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", &client.redirect_uri), ("code_verifier", VERIFIER)];
    server.as_client("/oidc/token", client, &fields)
}

pub(super) fn refreshing<'a>(server: &'a Server, client: &Client, token: &str) -> Call<'a> {
    server.as_client("/oidc/token", client, &[("grant_type", "refresh_token"), ("refresh_token", token)])
}

/// Tokens of alice that are bound to the key.
pub(super) async fn bound(server: &Server, browser: &mut Browser<'_>, client: &Client, person: &flow::Person, prover: &Prover) -> Tokens {
    let code = browser.authorize(client, person, &[]).await.code();
    Tokens::of(&redemption(server, client, &code).header("dpop", &prover.for_token(server)).send().await)
}

pub(super) async fn userinfo(server: &Server, scheme: &str, token: &str, proof: Option<&str>) -> Answer {
    let call = server.get("/oidc/userinfo").header("authorization", &format!("{scheme} {token}"));
    proof.into_iter().fold(call, |call, proof| call.header("dpop", proof)).send().await
}

#[tokio::test]
async fn rfc9449_5_every_grant_binds_its_access_token_to_the_proven_key() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    for alg in ["ES256", "EdDSA", "RS256", "PS256", "ES384", "ES512"] {
        let prover = Prover::new(alg);
        let tokens = bound(&server, &mut browser, &client, &alice, &prover).await;
        assert_eq!(tokens.whole["token_type"], "DPoP", "{alg}");
        let seen = server.introspect(&client, &tokens.access).await;
        assert_eq!((&seen["token_type"], &seen["cnf"]), (&json!("DPoP"), &json!({ "jkt": prover.jkt() })), "section 6.2");
        let call = refreshing(&server, &client, tokens.refresh()).header("dpop", &prover.for_token(&server));
        let fresh = Tokens::of(&call.send().await);
        assert_eq!(server.introspect(&client, &fresh.access).await["cnf"]["jkt"], prover.jkt());
    }
    let machine = machine(&server).await;
    let prover = Prover::new("ES256");
    let call = server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &prover.for_token(&server));
    let own = Tokens::of(&call.send().await);
    assert_eq!(own.whole["token_type"], "DPoP");
    assert_eq!(server.introspect(&machine, &own.access).await["cnf"]["jkt"], prover.jkt());
    let plain = Tokens::of(&server.token(&machine, CREDENTIALS).await);
    assert_eq!(plain.whole["token_type"], "Bearer");
    assert!(server.introspect(&machine, &plain.access).await.get("cnf").is_none());
    // The log says which key each token is bound to.
    let kinds = server.events().await.into_iter().filter(|event| event.data.pointer("/access/cnf/jkt").is_some()).count();
    assert_eq!(kinds, 13);
}

#[tokio::test]
async fn rfc9449_6_1_a_jwt_access_token_says_what_it_is_bound_to() {
    let server = Server::with(&[], "[[resource]]\nidentifier = \"https://api.example\"\nscope = \"api\"\n").await;
    let machine = machine(&server).await;
    let prover = Prover::new("ES256");
    let fields = [CREDENTIALS, &[("resource", "https://api.example")]].concat();
    let call = server.as_client("/oidc/token", &machine, &fields).header("dpop", &prover.for_token(&server));
    let tokens = Tokens::of(&call.send().await);
    let (_, claims) = verified(&tokens.access, &server.get("/oidc/jwks").send().await.json());
    assert_eq!(claims["cnf"], json!({ "jkt": prover.jkt() }));
    assert_eq!(server.introspect(&machine, &tokens.access).await["cnf"], claims["cnf"]);
}

#[tokio::test]
async fn rfc9449_4_3_every_broken_proof_is_refused_and_leaves_no_token() {
    let server = Server::start().await;
    let machine = machine(&server).await;
    let prover = Prover::new("ES256");
    let other = Prover::new("ES256");
    let now = server.app.now().0 / 1000;
    let made = |change: &dyn Fn(&mut Value, &mut Value)| {
        let (mut header, mut claims) = (prover.header(), prover.claims(&server, "POST", "/oidc/token"));
        change(&mut header, &mut claims);
        prover.key.sign_with(&header, &claims)
    };
    let unsigned = {
        let header = json!({ "typ": "dpop+jwt", "alg": "none", "jwk": prover.jwk() });
        format!("{}.{}.", B64.encode(header.to_string()), B64.encode(prover.claims(&server, "POST", "/oidc/token").to_string()))
    };
    let broken = [
        ("typ", made(&|header, _| header["typ"] = json!("JWT"))),
        ("alg none", unsigned),
        ("symmetric", made(&|header, _| header["alg"] = json!("HS256"))),
        ("alg of another kind of key", made(&|header, _| header["alg"] = json!("RS256"))),
        ("private key", made(&|header, _| header["jwk"]["d"] = json!("AAAA"))),
        ("no key", made(&|header, _| drop(header.as_object_mut().unwrap().remove("jwk")))),
        ("another key", made(&|header, _| header["jwk"] = other.jwk())),
        ("crit", made(&|header, _| header["crit"] = json!(["exp"]))),
        ("b64", made(&|header, _| header["b64"] = json!(false))),
        ("htm", made(&|_, claims| claims["htm"] = json!("GET"))),
        ("htu", made(&|_, claims| claims["htu"] = json!("https://evil.example/oidc/token"))),
        ("htu of another endpoint", made(&|_, claims| claims["htu"] = json!(format!("{}/oidc/userinfo", server.origin)))),
        ("old", made(&|_, claims| claims["iat"] = json!(now - 315))),
        ("ahead", made(&|_, claims| claims["iat"] = json!(now + 16))),
        ("no jti", made(&|_, claims| drop(claims.as_object_mut().unwrap().remove("jti")))),
        ("no iat", made(&|_, claims| drop(claims.as_object_mut().unwrap().remove("iat")))),
        ("long jti", made(&|_, claims| claims["jti"] = json!("x".repeat(513)))),
        ("no token", "x".to_owned()),
        ("too long", "x".repeat(9000)),
    ];
    let mark = server.mark().await;
    for (name, proof) in &broken {
        let call = server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", proof);
        assert_eq!(call.send().await.refusal(), (400, "invalid_dpop_proof".to_owned()), "{name}");
    }
    let twice = server.as_client("/oidc/token", &machine, CREDENTIALS);
    let twice = twice.header("dpop", &prover.for_token(&server)).header("dpop", &prover.for_token(&server));
    assert_eq!(twice.send().await.refusal(), (400, "invalid_dpop_proof".to_owned()), "two headers");
    assert_eq!(server.mark().await, mark);
    for good in [
        made(&|_, claims| claims["htu"] = json!(format!("{}/oidc/token?x=1#y", server.origin.to_uppercase().replace("HTTP", "http")))),
        made(&|_, claims| claims["iat"] = json!(now - 314)),
        made(&|_, claims| claims["iat"] = json!(now + 15)),
    ] {
        let call = server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &good);
        assert_eq!(call.send().await.status, 200);
    }
}

#[tokio::test]
async fn rfc9449_11_1_of_twenty_uses_of_one_proof_one_wins() {
    both::on_both("", async |server: &Server| {
        let machine = machine(server).await;
        let prover = Prover::new("ES256");
        let proof = prover.for_token(server);
        let mark = server.mark().await;
        let answers = at_once::all(20, || server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &proof).send()).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.refusal() == (400, "invalid_dpop_proof".to_owned())).count();
        assert_eq!((good, refused), (1, 19));
        let kinds = server.kinds_since(mark).await;
        let count = |kind: &str| kinds.iter().filter(|own| *own == kind).count();
        assert_eq!((count("ClientCredentialsGranted"), count("DpopProofReplayed")), (1, 19), "each replay is evidence");
    })
    .await;
}

#[tokio::test]
async fn rfc9449_11_1_a_used_proof_is_forgotten_when_it_is_too_old_anyway() {
    both::on_both("", async |server: &Server| {
        let machine = machine(server).await;
        let prover = Prover::new("ES256");
        let proof = prover.for_token(server);
        let send = async || server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &proof).send().await.status;
        let sweep = async || server.app.sweep(&Context::of_server("server", "x".to_owned())).await.unwrap();
        assert_eq!((send().await, send().await, sweep().await), (200, 400, 0));
        // 300 s of life, 15 s of tolerance, 120 s for whoever is still on the way.
        server.advance(434_000);
        assert_eq!((send().await, sweep().await), (400, 0));
        let mark = server.mark().await;
        server.advance(2_000);
        assert_eq!((sweep().await, sweep().await), (1, 0));
        let event = server.events().await.into_iter().skip(mark).find(|event| event.kind == "ExpiredSwept").unwrap();
        assert_eq!((&event.data["table"], &event.data["rows"]), (&json!("dpop_jti"), &json!(1)));
        assert_eq!(send().await, 400, "too old");
        for kind in ["dpop_jti", "dpop_due"] {
            assert!(server.app.ledger.claims_before(kind, &[255; 41], 10).await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn rfc9449_7_1_userinfo_takes_a_bound_token_with_its_proof_only() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        let mut browser = Browser::new(server);
        let (prover, thief) = (Prover::new("ES256"), Prover::new("ES256"));
        let token = bound(server, &mut browser, &client, &alice, &prover).await.access;
        let plain = browser.tokens(&client, &alice, &[]).await.access;
        let proof = prover.for_userinfo(server, &token);
        let good = userinfo(server, "DPoP", &token, Some(&proof)).await;
        assert_eq!((good.status, &good.json()["email"]), (200, &json!("alice@example.com")));
        let refused = async |scheme: &str, token: &str, proof: Option<String>| {
            let answer = userinfo(server, scheme, token, proof.as_deref()).await;
            (answer.status, answer.error(), answer.header("www-authenticate").to_owned())
        };
        for (name, scheme, token, proof, code) in [
            ("replayed", "DPoP", &token, Some(proof.clone()), "invalid_dpop_proof"),
            ("as bearer, section 7.2", "Bearer", &token, None, "invalid_token"),
            ("as bearer with a proof", "Bearer", &token, Some(prover.for_userinfo(server, &token)), "invalid_token"),
            ("without a proof", "DPoP", &token, None, "invalid_dpop_proof"),
            ("with the proof of a thief", "DPoP", &token, Some(thief.for_userinfo(server, &token)), "invalid_token"),
            ("without ath", "DPoP", &token, Some(prover.proof(server, "GET", "/oidc/userinfo")), "invalid_dpop_proof"),
            ("with ath of another token", "DPoP", &token, Some(prover.for_userinfo(server, &plain)), "invalid_dpop_proof"),
            ("with the proof of another method", "DPoP", &token, Some(prover.for_token(server)), "invalid_dpop_proof"),
            ("a bearer token with a proof", "DPoP", &plain, Some(prover.for_userinfo(server, &plain)), "invalid_token"),
        ] {
            let (status, error, challenge) = refused(scheme, token, proof).await;
            assert_eq!((status, error.as_str()), (401, code), "{name}");
            assert!(challenge.starts_with(scheme) && challenge.contains(&format!("error=\"{code}\"")), "{name}: {challenge}");
        }
        let dpop = userinfo(server, "DPoP", &token, None).await;
        assert!(dpop.header("www-authenticate").contains("algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519\""));
        assert_eq!(userinfo(server, "Bearer", &plain, None).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn rfc9449_7_1_of_twenty_uses_of_one_proof_at_userinfo_one_wins() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (server.web_client().await, server.alice().await);
        let prover = Prover::new("ES256");
        let token = bound(server, &mut Browser::new(server), &client, &alice, &prover).await.access;
        let proof = prover.for_userinfo(server, &token);
        let mark = server.mark().await;
        let answers = at_once::all(20, || userinfo(server, "DPoP", &token, Some(&proof))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 19);
        let kinds = server.kinds_since(mark).await;
        assert!(kinds.len() == 19 && kinds.iter().all(|kind| kind == "DpopProofReplayed"), "{kinds:?}");
    })
    .await;
}

#[tokio::test]
async fn rfc9449_7_2_a_resource_without_a_token_names_both_schemes() {
    let server = Server::start().await;
    let answer = server.get("/oidc/userinfo").send().await;
    let challenges: Vec<_> = answer.headers.get_all("www-authenticate").iter().map(|value| value.to_str().unwrap()).collect();
    assert_eq!(
        challenges,
        [
            "Bearer realm=\"chancery\"",
            "DPoP realm=\"chancery\", algs=\"RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519\""
        ]
    );
    let two = server.get("/oidc/userinfo").header("authorization", "Bearer x").header("authorization", "DPoP x").send().await;
    assert_eq!(two.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn rfc9449_5_a_public_clients_refresh_token_is_bound_and_a_confidential_ones_is_not() {
    let server = Server::start().await;
    let (public, confidential, alice) = (server.public_client().await, server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let (prover, other) = (Prover::new("ES256"), Prover::new("EdDSA"));
    let tokens = bound(&server, &mut browser, &public, &alice, &prover).await;
    let mark = server.mark().await;
    for _ in 0..2 {
        let stolen = refreshing(&server, &public, tokens.refresh()).header("dpop", &other.for_token(&server)).send().await;
        assert_eq!(stolen.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(refreshing(&server, &public, tokens.refresh()).send().await.refusal(), (400, "invalid_grant".to_owned()));
    }
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"], "recorded once");
    let fresh = Tokens::of(&refreshing(&server, &public, tokens.refresh()).header("dpop", &prover.for_token(&server)).send().await);
    // A spent token without its key is no alarm: a thief without the key must not be able to end the grant.
    assert_eq!(refreshing(&server, &public, tokens.refresh()).send().await.status, 400);
    assert!(
        server
            .get("/oidc/userinfo")
            .header("authorization", &format!("DPoP {}", fresh.access))
            .header("dpop", &prover.for_userinfo(&server, &fresh.access))
            .send()
            .await
            .status
            == 200
    );
    let tokens = bound(&server, &mut browser, &confidential, &alice, &prover).await;
    let moved = Tokens::of(&refreshing(&server, &confidential, tokens.refresh()).header("dpop", &other.for_token(&server)).send().await);
    assert_eq!(server.introspect(&confidential, &moved.access).await["cnf"]["jkt"], other.jkt());
    let unbound = Tokens::of(&server.refresh(&confidential, moved.refresh()).await);
    assert_eq!(unbound.whole["token_type"], "Bearer");
}

#[tokio::test]
async fn rfc9449_5_2_a_client_registered_for_it_always_proves_a_key() {
    let server = Server::start().await;
    let client = server.client(json!({ "dpop_bound_access_tokens": true, "refresh_token_rotation": "never", "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"] })).await;
    let alice = server.alice().await;
    let mut browser = Browser::new(&server);
    let code = browser.authorize(&client, &alice, &[]).await.code();
    assert_eq!(server.redeem(&client, &code).await.refusal(), (400, "invalid_dpop_proof".to_owned()));
    let prover = Prover::new("ES256");
    let tokens = Tokens::of(&redemption(&server, &client, &code).header("dpop", &prover.for_token(&server)).send().await);
    assert_eq!(server.refresh(&client, tokens.refresh()).await.refusal(), (400, "invalid_dpop_proof".to_owned()));
    // RFC 9700 section 2.2.2: bound, so it need not rotate.
    let fresh = Tokens::of(&refreshing(&server, &client, tokens.refresh()).header("dpop", &prover.for_token(&server)).send().await);
    assert_eq!(fresh.refresh, tokens.refresh);
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["dpop_signing_alg_values_supported"], json!(chancery_core::dpop::ALGS));
}

#[tokio::test]
async fn rfc9449_10_a_code_is_bound_to_the_key_of_the_request() {
    let server = Server::start().await;
    let (client, alice) = (server.public_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let (prover, thief) = (Prover::new("ES256"), Prover::new("ES256"));
    let code = browser.authorize(&client, &alice, &[("dpop_jkt", &prover.jkt())]).await.code();
    let mark = server.mark().await;
    assert_eq!(server.redeem(&client, &code).await.refusal(), (400, "invalid_grant".to_owned()), "without a proof");
    let stolen = redemption(&server, &client, &code).header("dpop", &thief.for_token(&server)).send().await;
    assert_eq!(stolen.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"]);
    assert_eq!(redemption(&server, &client, &code).header("dpop", &prover.for_token(&server)).send().await.status, 200);
    let odd = server.get(&client.request(&[("dpop_jkt", "x")])).send().await;
    assert_eq!(odd.sent("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn rfc9449_10_1_a_push_binds_the_code_by_proof_or_by_name() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let (prover, other) = (Prover::new("ES256"), Prover::new("ES256"));
    let push = |jkt: &str, proof: Option<String>| {
        let query = client.request(&[("dpop_jkt", jkt), ("client_id", "")]);
        let fields: Vec<_> = form_urlencoded::parse(query.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let call = server.as_client("/oidc/par", &client, &fields);
        proof.iter().fold(call, |call, proof| call.header("dpop", proof)).send()
    };
    let proof = || Some(prover.proof(&server, "POST", "/oidc/par"));
    assert_eq!(push(&other.jkt(), proof()).await.refusal(), (400, "invalid_request".to_owned()), "they disagree");
    assert_eq!(
        push("", Some(prover.for_token(&server))).await.refusal(),
        (400, "invalid_dpop_proof".to_owned()),
        "htu of another endpoint"
    );
    for (jkt, proof) in [(prover.jkt(), None), (String::new(), proof()), (prover.jkt(), proof())] {
        let kept = push(&jkt, proof).await;
        assert_eq!(kept.status, 201, "{}", kept.text());
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", &client.id).append_pair("request_uri", kept.json()["request_uri"].as_str().unwrap());
        let page = browser.open(&format!("/oidc/auth?{}", query.finish())).await;
        let code = browser.pass(page, &alice).await.code();
        let stolen = redemption(&server, &client, &code).header("dpop", &other.for_token(&server)).send().await;
        assert_eq!(stolen.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(redemption(&server, &client, &code).header("dpop", &prover.for_token(&server)).send().await.status, 200);
    }
    let once = prover.proof(&server, "POST", "/oidc/par");
    assert_eq!((push("", Some(once.clone())).await.status, push("", Some(once)).await.error()), (201, "invalid_dpop_proof".to_owned()));
}

#[tokio::test]
async fn rfc9449_8_where_nonces_are_demanded_they_rotate() {
    let server = Server::with(&[("CHANCERY_DPOP_NONCES", "true")], "").await;
    let machine = machine(&server).await;
    let prover = Prover::new("ES256");
    let send = async |proof: &str| server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", proof).send().await;
    let first = send(&prover.for_token(&server)).await;
    assert_eq!(first.refusal(), (400, "use_dpop_nonce".to_owned()));
    let nonce = first.header("dpop-nonce").to_owned();
    assert!(nonce.len() >= 22 && nonce.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{nonce}");
    let good = send(&prover.with_nonce(&server, "/oidc/token", &nonce)).await;
    assert_eq!((good.status, good.header("dpop-nonce")), (200, ""));
    server.advance(5 * 60_000);
    // Section 8.2: the next one comes with the answer.
    let next = send(&prover.with_nonce(&server, "/oidc/token", &nonce)).await;
    assert_eq!((next.status, next.header("dpop-nonce").is_empty(), next.header("dpop-nonce") == nonce), (200, false, false));
    server.advance(5 * 60_000);
    let old = send(&prover.with_nonce(&server, "/oidc/token", &nonce)).await;
    assert_eq!((old.refusal(), old.header("dpop-nonce").is_empty()), ((400, "use_dpop_nonce".to_owned()), false));
    let mut forged = nonce.into_bytes();
    forged[30] ^= 1;
    for bad in ["x", std::str::from_utf8(&forged).unwrap()] {
        assert_eq!(send(&prover.with_nonce(&server, "/oidc/token", bad)).await.error(), "use_dpop_nonce", "{bad}");
    }
    // A client that does not prove a key needs none.
    assert_eq!(server.token(&machine, CREDENTIALS).await.status, 200);
    let par = server.web_client().await;
    let push = server
        .as_client("/oidc/par", &par, &[("scope", "openid")])
        .header("dpop", &prover.proof(&server, "POST", "/oidc/par"))
        .send()
        .await;
    assert_eq!((push.error().as_str(), push.header("dpop-nonce").is_empty()), ("use_dpop_nonce", false));
}

#[tokio::test]
async fn rfc9449_9_a_resource_asks_for_a_nonce_with_401() {
    let server = Server::with(&[("CHANCERY_DPOP_NONCES", "true")], "").await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let prover = Prover::new("ES256");
    let code = Browser::new(&server).authorize(&client, &alice, &[]).await.code();
    let asked = redemption(&server, &client, &code).header("dpop", &prover.for_token(&server)).send().await;
    let proof = prover.with_nonce(&server, "/oidc/token", asked.header("dpop-nonce"));
    let tokens = Tokens::of(&redemption(&server, &client, &code).header("dpop", &proof).send().await);
    let refused = userinfo(&server, "DPoP", &tokens.access, Some(&prover.for_userinfo(&server, &tokens.access))).await;
    assert_eq!(refused.refusal(), (401, "use_dpop_nonce".to_owned()));
    assert!(refused.header("www-authenticate").starts_with("DPoP ") && refused.header("www-authenticate").contains("use_dpop_nonce"));
    let mut claims = prover.claims(&server, "GET", "/oidc/userinfo");
    claims["ath"] = json!(B64.encode(Digest::of(tokens.access.as_bytes()).0));
    claims["nonce"] = json!(refused.header("dpop-nonce"));
    let proof = prover.key.sign_with(&prover.header(), &claims);
    assert_eq!(userinfo(&server, "DPoP", &tokens.access, Some(&proof)).await.status, 200);
}

#[tokio::test]
async fn rfc9449_8_a_nonce_that_was_never_asked_for_still_has_to_be_ours() {
    let server = Server::start().await;
    let machine = machine(&server).await;
    let prover = Prover::new("ES256");
    let proof = prover.with_nonce(&server, "/oidc/token", "elsewhere");
    let answer = server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &proof).send().await;
    assert_eq!(answer.refusal(), (400, "use_dpop_nonce".to_owned()));
    let proof = prover.with_nonce(&server, "/oidc/token", answer.header("dpop-nonce"));
    assert_eq!(server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &proof).send().await.status, 200);
}

#[tokio::test]
async fn scripts_of_other_origins_may_send_proofs_and_read_nonces() {
    let server = Server::with(&[("CHANCERY_DPOP_NONCES", "true"), ("ALLOWED_ORIGINS", "https://spa.example")], "").await;
    let machine = machine(&server).await;
    let preflight = server.call("OPTIONS", "/oidc/token").header("origin", "https://spa.example").send().await;
    assert!(preflight.header("access-control-allow-headers").contains("DPoP"));
    let prover = Prover::new("ES256");
    let call = server.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &prover.for_token(&server));
    let refused = call.header("origin", "https://spa.example").send().await;
    assert_eq!((refused.error().as_str(), refused.header("access-control-allow-origin")), ("use_dpop_nonce", "https://spa.example"));
    let exposed = refused.header("access-control-expose-headers");
    assert!(exposed.contains("DPoP-Nonce") && exposed.contains("WWW-Authenticate"), "{exposed}");
}

#[tokio::test]
async fn a_bound_token_opens_no_audit_and_no_management() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let token = bound(&server, &mut Browser::new(&server), &client, &alice, &Prover::new("ES256")).await.access;
    assert_eq!(server.get("/audit/events").bearer(&token).send().await.status, 401);
    assert_eq!(server.post("/auth/login").json(&json!({ "email": alice.email, "password": PASSWORD })).send().await.status, 200);
}
