//! RFC 9449: what it demands and no other test holds.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as B64;
use serde_json::{Value, json};

use super::ciba;
use super::rfc9449::{CREDENTIALS, Prover, bound, machine, redemption, refreshing, userinfo};
use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::jwt::Key;
use crate::support::*;

/// What is done to header and claims of a proof.
type Change<'a> = &'a dyn Fn(&mut Value, &mut Value);

const BROKEN: &str = "invalid_dpop_proof";

/// A token request with these `DPoP` header fields.
async fn send(server: &Server, client: &Client, fields: &[(&str, &str)], proofs: &[&str]) -> Answer {
    let call = server.as_client("/oidc/token", client, fields);
    proofs.iter().fold(call, |call, proof| call.header("dpop", proof)).send().await
}

/// A push with these parameters over the usual ones, and these `DPoP` header fields.
async fn push(server: &Server, client: &Client, changes: &[(&str, &str)], proofs: &[&str]) -> Answer {
    let query = client.request(&[changes, &[("client_id", "")]].concat());
    let fields: Vec<_> = form_urlencoded::parse(query.split_once('?').unwrap().1.as_bytes()).into_owned().collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let call = server.as_client("/oidc/par", client, &fields);
    proofs.iter().fold(call, |call, proof| call.header("dpop", proof)).send().await
}

/// The code that comes of a push.
async fn code_of(browser: &mut Browser<'_>, client: &Client, person: &flow::Person, pushed: &Answer) -> String {
    assert_eq!(pushed.status, 201, "{}", pushed.text());
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("client_id", &client.id).append_pair("request_uri", pushed.json()["request_uri"].as_str().unwrap());
    let page = browser.open(&format!("/oidc/auth?{}", query.finish())).await;
    browser.pass(page, person).await.code()
}

fn refusal(code: &str) -> (u16, String) {
    (400, code.to_owned())
}

#[tokio::test]
async fn rfc9449_2_in_production_a_proof_is_for_https_alone() {
    let server = Server::production(&[], "").await;
    let asked = json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "api" });
    let admin = server.operator_token("admin").await;
    let machine = Client::of(&server.post("/clients").bearer(&admin).json(&asked).send().await.json());
    let prover = Prover::new("ES256");
    for (origin, status) in [("http://id.example", 400), ("https://id.example", 200)] {
        let mut claims = prover.claims(&server, "POST", "/oidc/token");
        claims["htu"] = json!(format!("{origin}/oidc/token"));
        let proof = prover.key.sign_with(&prover.header(), &claims);
        assert_eq!(send(&server, &machine, CREDENTIALS, &[&proof]).await.status, status, "{origin}");
    }
}

#[tokio::test]
async fn rfc9449_4_2_each_parameter_and_claim_is_there_and_of_its_type() {
    let server = Server::start().await;
    let (machine, prover) = (machine(&server).await, Prover::new("ES256"));
    let mark = server.mark().await;
    for name in ["typ", "alg", "jwk", "jti", "htm", "htu", "iat"] {
        for worth in [None, Some(Value::Null), Some(json!(7)), Some(json!("")), Some(json!([])), Some(json!({}))] {
            let (mut header, mut claims) = (prover.header(), prover.claims(&server, "POST", "/oidc/token"));
            let whole = if header.get(name).is_some() { &mut header } else { &mut claims };
            match worth.clone() {
                Some(worth) => whole[name] = worth,
                None => drop(whole.as_object_mut().unwrap().remove(name)),
            }
            let answer = send(&server, &machine, CREDENTIALS, &[&prover.key.sign_with(&header, &claims)]).await;
            assert_eq!(answer.refusal(), refusal(BROKEN), "{name} {worth:?}");
        }
    }
    assert_eq!(server.mark().await, mark);
    assert_eq!(send(&server, &machine, CREDENTIALS, &[&prover.for_token(&server)]).await.status, 200);
}

#[tokio::test]
async fn rfc9449_4_3_there_is_one_header_with_one_jwt() {
    let server = Server::start().await;
    let (machine, prover) = (machine(&server).await, Prover::new("ES256"));
    let (one, two) = (prover.for_token(&server), prover.for_token(&server));
    let [header, claims, signature] = one.split('.').collect::<Vec<_>>()[..] else { panic!("{one}") };
    for text in [
        String::new(),
        format!("{one}, {two}"),
        format!("{one} {two}"),
        format!("\"{one}\""),
        format!("{one}="),
        format!("{one}.AAAA.AAAA"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        json!({ "protected": header, "payload": claims, "signature": signature }).to_string(),
    ] {
        assert_eq!(send(&server, &machine, CREDENTIALS, &[&text]).await.refusal(), refusal(BROKEN), "{text}");
    }
    assert_eq!(send(&server, &machine, CREDENTIALS, &[&one, &two]).await.refusal(), refusal(BROKEN));
    assert_eq!(send(&server, &machine, CREDENTIALS, &[&one]).await.status, 200, "nothing of that has spent it");
    // The same at the other endpoints that take one.
    let (web, alice) = (server.web_client().await, server.alice().await);
    let proof = || prover.proof(&server, "POST", "/oidc/par");
    assert_eq!(push(&server, &web, &[], &[&proof(), &proof()]).await.refusal(), refusal(BROKEN));
    let token = bound(&server, &mut Browser::new(&server), &web, &alice, &prover).await.access;
    let proof = || prover.for_use(&server, ("GET", "/oidc/userinfo"), &token);
    let call = server.get("/oidc/userinfo").header("authorization", &format!("DPoP {token}"));
    assert_eq!(call.header("dpop", &proof()).header("dpop", &proof()).send().await.refusal(), (401, BROKEN.to_owned()));
}

#[tokio::test]
async fn rfc9449_4_3_a_signature_is_asymmetric_and_holds_under_the_key_beside_it() {
    let server = Server::start().await;
    let (machine, prover) = (machine(&server).await, Prover::new("ES256"));
    let claims = || prover.claims(&server, "POST", "/oidc/token");
    let mut proofs = Vec::new();
    for alg in ["none", "HS256", "RS384", "PS512", "ES256K", "ES512", "ES384", "EdDSA", "es256", "RSA-OAEP"] {
        let mut header = prover.header();
        header["alg"] = json!(alg);
        proofs.push((alg.to_owned(), prover.key.sign_with(&header, &claims())));
    }
    // A MAC that is right, under a secret that stands beside it or under the public key as a text.
    let secret = [7; 32];
    let public = prover.jwk().to_string();
    for (jwk, secret) in [(json!({ "kty": "oct", "k": B64.encode(secret) }), &secret[..]), (prover.jwk(), public.as_bytes())] {
        let message =
            [json!({ "typ": "dpop+jwt", "alg": "HS256", "jwk": jwk }), claims()].map(|part| B64.encode(part.to_string())).join(".");
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
        proofs.push(("a MAC".to_owned(), format!("{message}.{}", B64.encode(mac))));
    }
    let (one, two) = (prover.for_token(&server), prover.for_token(&server));
    let (message, signature) = one.rsplit_once('.').unwrap();
    let mut bytes = B64.decode(signature).unwrap();
    proofs.push(("the signature of another proof".to_owned(), format!("{message}.{}", two.rsplit_once('.').unwrap().1)));
    bytes[9] ^= 1;
    proofs.push(("a bit".to_owned(), format!("{message}.{}", B64.encode(&bytes))));
    proofs.push(("half a signature".to_owned(), format!("{message}.{}", B64.encode(&bytes[..32]))));
    // A key whose owner published it, in each of its forms.
    let keys: [(&str, &[&str]); 3] = [("ES256", &["d", "k"]), ("EdDSA", &["d"]), ("RS256", &["d", "p", "q", "dp", "dq", "qi", "oth"])];
    for (alg, members) in keys {
        let leaking = Prover::new(alg);
        for member in members {
            let mut header = leaking.header();
            header["jwk"][member] = json!("AAAA");
            proofs.push((format!("{alg} {member}"), leaking.key.sign_with(&header, &leaking.claims(&server, "POST", "/oidc/token"))));
        }
        assert_eq!(send(&server, &machine, CREDENTIALS, &[&leaking.for_token(&server)]).await.status, 200, "{alg}");
    }
    let mark = server.mark().await;
    for (name, proof) in &proofs {
        assert_eq!(send(&server, &machine, CREDENTIALS, &[proof]).await.refusal(), refusal(BROKEN), "{name}");
    }
    assert_eq!(server.mark().await, mark);
}

const SECRET: &str = "a-secret-of-forty-characters-for-the-test";
const ASSERTION: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A client that always proves a key, one that does not, and what both may do.
fn of_every_grant(key: &Key) -> String {
    let head =
        |id: &str| format!("[[client]]\nclient_id = \"{id}\"\nclient_secret = \"{SECRET}\"\nresponse_types = []\nscope = \"read\"\n");
    format!(
        "{}grant_types = [\"client_credentials\"]\n{}grant_types = [\"client_credentials\", \"{ASSERTION}\", \"{EXCHANGE}\"]\ndpop_bound_access_tokens = true\n\
         [[resource]]\nidentifier = \"https://api.example\"\nscope = \"read\"\nintrospected_by = [\"batch\"]\n\
         [[assertion_issuer]]\nissuer = \"https://partner.example\"\njwks = '{}'\nclients = [\"batch\"]\nscope = \"read\"\nresources = [\"https://api.example\"]\n\
         [[token_exchange]]\nclient_id = \"batch\"\nsubject_clients = [\"plain\"]\nmodes = [\"impersonation\"]\nresources = [\"https://api.example\"]\n",
        head("plain"),
        head("batch"),
        key.jwks(),
    )
}

#[tokio::test]
async fn rfc9449_5_2_no_grant_answers_a_client_that_is_registered_for_it_without_a_proof() {
    let key = Key::generate("ES256");
    let server = Server::with(&[], &format!("{}{}", ciba::ON, of_every_grant(&key))).await;
    let alice = server.alice().await;
    let client = |id: &str| Client { id: id.to_owned(), secret: Some(SECRET.to_owned()), redirect_uri: String::new() };
    let (plain, batch) = (client("plain"), client("batch"));
    let bank = ciba::bank(&server, json!({ "dpop_bound_access_tokens": true })).await;
    // Whoever is not registered for it may do without: false is what is not said.
    let free = Tokens::of(&server.token(&plain, &[("grant_type", "client_credentials"), ("scope", "read")]).await);
    assert_eq!(free.whole["token_type"], "Bearer");
    let now = server.app.now().0 / 1000;
    let said =
        json!({ "iss": "https://partner.example", "sub": alice.account, "aud": server.issuer, "exp": now + 300, "iat": now, "jti": "1" });
    let (assertion, resource) = (key.sign(&said), ("resource", "https://api.example"));
    let asked = ciba::ask(&server, &bank, &alice, &[]).await;
    ciba::decide(&mut ciba::signed_in(&server, &alice).await, "allow").await;
    let subject = [("subject_token", free.access.as_str()), ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token")];
    let prover = Prover::new("ES256");
    for (by, fields) in [
        (&batch, vec![("grant_type", "client_credentials"), ("scope", "read")]),
        (&batch, vec![("grant_type", ASSERTION), ("assertion", assertion.as_str()), resource]),
        (&batch, [&[("grant_type", EXCHANGE), resource], &subject[..]].concat()),
        (&bank, vec![("grant_type", ciba::GRANT), ("auth_req_id", asked["auth_req_id"].as_str().unwrap())]),
    ] {
        let grant = fields[0].1;
        assert_eq!(send(&server, by, &fields, &[]).await.refusal(), refusal(BROKEN), "{grant}");
        let tokens = Tokens::of(&send(&server, by, &fields, &[&prover.for_token(&server)]).await);
        assert_eq!(tokens.whole["token_type"], "DPoP", "{grant}");
        let seen = server.introspect(by, &tokens.access).await;
        assert_eq!((&seen["token_type"], &seen["cnf"]), (&json!("DPoP"), &json!({ "jkt": prover.jkt() })), "{grant}");
    }
}

#[tokio::test]
async fn rfc9449_5_a_refresh_token_of_a_public_client_is_bound_from_its_first_proof_on() {
    let server = Server::start().await;
    let members = json!({ "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"], "refresh_grace_seconds": 30 });
    let (client, alice) = (server.client(members).await, server.alice().await);
    let mut browser = Browser::new(&server);
    let (prover, other) = (Prover::new("ES256"), Prover::new("ES256"));
    let proving = async |token: &str, by: &Prover| refreshing(&server, &client, token).header("dpop", &by.for_token(&server)).send().await;
    let free = browser.tokens(&client, &alice, &[]).await;
    assert_eq!(free.whole["token_type"], "Bearer");
    let first = Tokens::of(&proving(free.refresh(), &prover).await);
    assert_eq!(first.whole["token_type"], "DPoP");
    let mark = server.mark().await;
    assert_eq!(server.refresh(&client, first.refresh()).await.refusal(), refusal("invalid_grant"));
    assert_eq!(proving(first.refresh(), &other).await.refusal(), refusal("invalid_grant"));
    // Its predecessor was bound to none, but would bring the same one again.
    assert_eq!(server.refresh(&client, free.refresh()).await.refusal(), refusal("invalid_grant"));
    assert_eq!(server.kinds_since(mark).await, ["MisuseRefused"]);
    assert_eq!(Tokens::of(&proving(free.refresh(), &prover).await).refresh, first.refresh, "another window of the same browser");
    let second = Tokens::of(&proving(first.refresh(), &prover).await);
    assert_eq!(server.refresh(&client, second.refresh()).await.refusal(), refusal("invalid_grant"), "it stays bound");
    // Whoever binds a stolen token to a key of their own is found out by the owner, who has none.
    let stolen = browser.tokens(&client, &alice, &[]).await;
    let fruit = Tokens::of(&proving(stolen.refresh(), &other).await);
    server.advance(31_000);
    let mark = server.mark().await;
    assert_eq!(server.refresh(&client, stolen.refresh()).await.refusal(), refusal("invalid_grant"));
    assert_eq!(server.kinds_since(mark).await, ["GrantEnded"]);
    assert_eq!(proving(fruit.refresh(), &other).await.refusal(), refusal("invalid_grant"));
    let proof = other.for_use(&server, ("GET", "/oidc/userinfo"), &fruit.access);
    assert_eq!(userinfo(&server, "DPoP", &fruit.access, Some(&proof)).await.refusal(), (401, "invalid_token".to_owned()));
}

#[tokio::test]
async fn rfc9449_7_1_the_scheme_is_of_the_origin_alone_and_a_form_is_no_way_around_it() {
    let server = Server::start().await;
    let (client, alice, prover) = (server.web_client().await, server.alice().await, Prover::new("ES256"));
    let token = bound(&server, &mut Browser::new(&server), &client, &alice, &prover).await.access;
    let proof = |method| prover.for_use(&server, (method, "/oidc/userinfo"), &token);
    let sent = format!("DPoP {token}");
    let by_proxy = server.get("/oidc/userinfo").header("proxy-authorization", &sent).header("dpop", &proof("GET")).send().await;
    assert_eq!((by_proxy.status, by_proxy.header("proxy-authenticate")), (401, ""));
    assert!(!by_proxy.header("www-authenticate").contains("error="), "no token came: {}", by_proxy.header("www-authenticate"));
    // RFC 6750 §2.2: a token in a form is a bearer token, which this one is not.
    let fields = [("access_token", token.as_str())];
    for proof in [None, Some(proof("POST"))] {
        let call = server.post("/oidc/userinfo").form(&fields);
        let answer = proof.iter().fold(call, |call, proof| call.header("dpop", proof)).send().await;
        assert_eq!(answer.refusal(), (401, "invalid_token".to_owned()));
    }
    let twice = server.post("/oidc/userinfo").form(&fields).header("authorization", &sent).header("dpop", &proof("POST"));
    assert_eq!(twice.send().await.refusal(), (400, "invalid_request".to_owned()));
    let posted = server.post("/oidc/userinfo").header("authorization", &sent).header("dpop", &proof("POST"));
    assert_eq!(posted.send().await.status, 200);
}

#[tokio::test]
async fn rfc9449_8_a_nonce_comes_once_is_nobodys_guess_and_once_it_came_no_proof_goes_without() {
    let nonces = [("CHANCERY_DPOP_NONCES", "true")];
    let (server, other) = (Server::with(&nonces, "").await, Server::with(&nonces, "").await);
    let (machine, web, alice) = (machine(&server).await, server.web_client().await, server.alice().await);
    let prover = Prover::new("ES256");
    let with = async |nonce: &str| send(&server, &machine, CREDENTIALS, &[&prover.with_nonce(&server, "/oidc/token", nonce)]).await;
    // There is one field, whoever asks and wherever.
    let nonce_of = |answer: &Answer| {
        let all: Vec<_> = answer.headers.get_all("dpop-nonce").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
        assert_eq!(all.len(), 1, "{all:?}");
        all[0].clone()
    };
    let first = nonce_of(&send(&server, &machine, CREDENTIALS, &[&prover.for_token(&server)]).await);
    let pushed = push(&server, &web, &[], &[&prover.proof(&server, "POST", "/oidc/par")]).await;
    assert_eq!((pushed.error().as_str(), nonce_of(&pushed)), ("use_dpop_nonce", first.clone()));
    // At the same second of another server there is another one, which is none here.
    let elsewhere = super::rfc9449::machine(&other).await;
    let foreign = nonce_of(&send(&other, &elsewhere, CREDENTIALS, &[&prover.for_token(&other)]).await);
    assert_ne!(foreign, first);
    // The time in it can be read, and the nonce of another time cannot be made of it.
    let mut later = B64.decode(&first).unwrap();
    later[7] ^= 1;
    for wrong in [foreign, B64.encode(&later), first[..first.len() - 1].to_owned(), format!("{first}A"), first.to_lowercase()] {
        let refused = with(&wrong).await;
        assert_eq!((refused.refusal(), nonce_of(&refused)), (refusal("use_dpop_nonce"), first.clone()), "{wrong}");
    }
    assert_eq!(with(&first).await.status, 200);
    // Section 11.3.
    let without = send(&server, &machine, CREDENTIALS, &[&prover.for_token(&server)]).await;
    assert_eq!(without.refusal(), refusal("use_dpop_nonce"));
    let code = Browser::new(&server).authorize(&web, &alice, &[]).await.code();
    let proof = prover.with_nonce(&server, "/oidc/token", &first);
    let token = Tokens::of(&redemption(&server, &web, &code).header("dpop", &proof).send().await).access;
    for _ in 0..2 {
        let proof = prover.for_use(&server, ("GET", "/oidc/userinfo"), &token);
        let refused = userinfo(&server, "DPoP", &token, Some(&proof)).await;
        assert_eq!((refused.refusal(), nonce_of(&refused)), ((401, "use_dpop_nonce".to_owned()), first.clone()));
    }
    server.advance(5 * 60_000);
    assert_ne!(nonce_of(&with(&first).await), first, "the next one, with an answer");
}

#[tokio::test]
async fn rfc9449_10_the_key_in_a_signed_object_binds_the_code_and_is_held_against_the_proof_of_a_push() {
    let server = Server::start().await;
    let key = Key::generate("ES256");
    let (client, alice) = (server.client(json!({ "jwks": key.jwks() })).await, server.alice().await);
    let (prover, other) = (Prover::new("ES256"), Prover::new("ES256"));
    let now = server.app.now().0 / 1000;
    let object = key.sign(&json!({
        "iss": client.id, "aud": server.issuer, "client_id": client.id, "redirect_uri": client.redirect_uri, "response_type": "code",
        "scope": "openid", "state": "inner", "code_challenge": CHALLENGE, "code_challenge_method": "S256", "exp": now + 300,
        "dpop_jkt": prover.jkt(),
    }));
    let mut browser = Browser::new(&server);
    let fields = [("request", object.as_str())];
    let push = async |proof: Option<&str>| {
        let call = server.as_client("/oidc/par", &client, &fields);
        proof.iter().fold(call, |call, proof| call.header("dpop", proof)).send().await
    };
    let of = |prover: &Prover| prover.proof(&server, "POST", "/oidc/par");
    assert_eq!(push(Some(&of(&other))).await.refusal(), refusal("invalid_request"));
    let mut codes = vec![browser.authorize(&client, &alice, &fields).await.code()];
    for pushed in [push(None).await, push(Some(&of(&prover))).await] {
        codes.push(code_of(&mut browser, &client, &alice, &pushed).await);
    }
    for code in codes {
        assert_eq!(server.redeem(&client, &code).await.refusal(), refusal("invalid_grant"));
        let stolen = redemption(&server, &client, &code).header("dpop", &other.for_token(&server)).send().await;
        assert_eq!(stolen.refusal(), refusal("invalid_grant"));
        assert_eq!(redemption(&server, &client, &code).header("dpop", &prover.for_token(&server)).send().await.status, 200);
    }
}

#[tokio::test]
async fn rfc9449_10_1_the_proof_of_a_push_is_checked_as_a_whole() {
    let server = Server::start().await;
    let (client, prover, other) = (server.web_client().await, Prover::new("ES256"), Prover::new("ES256"));
    let now = server.app.now().0 / 1000;
    let changes: [(&str, Change<'_>); 12] = [
        ("typ", &|header, _| header["typ"] = json!("JWT")),
        ("none", &|header, _| header["alg"] = json!("none")),
        ("symmetric", &|header, _| header["alg"] = json!("HS256")),
        ("another key", &|header, _| header["jwk"] = other.jwk()),
        ("a private key", &|header, _| header["jwk"]["d"] = json!("AAAA")),
        ("no jti", &|_, claims| drop(claims.as_object_mut().unwrap().remove("jti"))),
        ("no htm", &|_, claims| drop(claims.as_object_mut().unwrap().remove("htm"))),
        ("no iat", &|_, claims| drop(claims.as_object_mut().unwrap().remove("iat"))),
        ("htm", &|_, claims| claims["htm"] = json!("GET")),
        ("htu", &|_, claims| claims["htu"] = json!(format!("{}/oidc/token", server.origin))),
        ("old", &|_, claims| claims["iat"] = json!(now - 315)),
        ("ahead", &|_, claims| claims["iat"] = json!(now + 16)),
    ];
    let mark = server.mark().await;
    for (name, change) in changes {
        let (mut header, mut claims) = (prover.header(), prover.claims(&server, "POST", "/oidc/par"));
        change(&mut header, &mut claims);
        let answer = push(&server, &client, &[], &[&prover.key.sign_with(&header, &claims)]).await;
        assert_eq!(answer.refusal(), refusal(BROKEN), "{name}");
    }
    let unknown = push(&server, &client, &[], &[&prover.with_nonce(&server, "/oidc/par", "elsewhere")]).await;
    assert_eq!(unknown.refusal(), refusal("use_dpop_nonce"));
    assert_eq!(server.mark().await, mark, "nothing is kept");
}
