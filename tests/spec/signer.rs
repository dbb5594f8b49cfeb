//! Keys outside of the process: a program signs, here a small one around openssl that can be told to misbehave. With a real token:
//! `tests/clients/hsm.mjs`.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use chancery::app::context::Context;
use chancery::app::operator;
use chancery_jose::{Algorithm, SigningKey};
use serde_json::{Value, json};

use crate::support::flow::Tokens;
use crate::support::jwt::verified;
use crate::support::*;

/// Answers line by line. `mode` says how; the files beside it are the keys.
const PROGRAM: &str = r#"#!/bin/sh
dir=$1
while IFS= read -r line; do
    key=$(printf '%s' "$line" | sed -n 's/.*"key":"\([^"]*\)".*/\1/p')
    case $(cat "$dir/mode") in
        slow) exec sleep 60 ;;
        gone) exit 1 ;;
        odd) echo 'what?'; continue ;;
        endless) exec tr '\0' x < /dev/zero ;;
        refuse) echo '{"error":"the token is locked"}'; continue ;;
        wrong) key=other ;;
    esac
    case $line in
        *'"ask":"public"'*)
            if [ -e "$dir/$key.jwk" ]; then printf '{"jwk":%s}\n' "$(cat "$dir/$key.jwk")"; else echo '{"error":"there is no such key"}'; fi
            continue ;;
        *'"alg":"PS256"'*) padding='-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32' ;;
        *) padding= ;;
    esac
    message=$(printf '%s' "$line" | sed -n 's/.*"message":"\([^"]*\)".*/\1/p' | tr '_-' '/+')
    case $((${#message} % 4)) in 2) message="$message==" ;; 3) message="$message=" ;; esac
    signature=$(printf '%s' "$message" | openssl base64 -d -A | openssl dgst -sha256 $padding -sign "$dir/$key.pem" | openssl base64 -A)
    printf '{"signature":"%s"}\n' "$(printf '%s' "$signature" | tr '/+' '_-' | tr -d '=')"
done
"#;

/// A program with keys of these names, and another key that nobody named.
struct Fake {
    directory: tempfile::TempDir,
}

impl Fake {
    fn new(keys: &[&str]) -> Self {
        let own = Self { directory: tempfile::TempDir::with_prefix("signer").unwrap() };
        for name in keys.iter().chain(&["other"]) {
            own.add(name);
        }
        let program = own.at("signer");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        own.turn("good");
        own
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn add(&self, name: &str) {
        let key = SigningKey::generate(Algorithm::PS256).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let mut openssl = Command::new("openssl");
        openssl.args(["pkey", "-inform", "DER", "-out"]).arg(self.at(&format!("{name}.pem"))).arg("-in").arg(self.at("der"));
        std::fs::write(self.at("der"), &*der).unwrap();
        assert!(openssl.status().unwrap().success());
        std::fs::write(self.at(&format!("{name}.jwk")), serde_json::to_string(key.public_jwk()).unwrap()).unwrap();
    }

    fn kid(&self, name: &str) -> String {
        let jwk: Value = serde_json::from_slice(&std::fs::read(self.at(&format!("{name}.jwk"))).unwrap()).unwrap();
        jwk["kid"].as_str().unwrap().to_owned()
    }

    fn turn(&self, mode: &str) {
        std::fs::write(self.at("mode"), mode).unwrap();
    }

    fn toml(&self, keys: &[&str]) -> String {
        let (program, directory) = (self.at("signer"), self.directory.path().display().to_string());
        format!("[signer]\ncommand = [{:?}, {directory:?}]\nkeys = {}\ntimeout = \"2s\"\n", program.display().to_string(), json!(keys))
    }
}

async fn jwks(server: &Server) -> Value {
    server.get("/oidc/jwks").send().await.json()
}

async fn ready(server: &Server) -> (u16, Value) {
    let answer = server.get("/health/ready").send().await;
    (answer.status, answer.json()["signer"].clone())
}

/// Until the signer signs again, as the server sees it by itself every five seconds.
async fn well(server: &Server) {
    let again = async {
        while !server.app.signer_is_well() {
            server.app.look_after_signer().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("it signs again");
}

async fn rotate(server: &Server, alg: &str, now: bool) -> Result<Value, String> {
    let context = Context::of_server("operator", "operate".to_owned());
    let command = operator::Command::KeysRotate { alg: alg.to_owned(), now };
    server.app.operate(&context, command).await.map_err(|error| error.description.to_string())
}

#[tokio::test]
async fn a_key_of_the_signer_signs_everything_and_is_nowhere_here() {
    let fake = Fake::new(&["one"]);
    both::on_both(&fake.toml(&["PS256=one"]), async |server: &Server| {
        let members = json!({ "id_token_signed_response_alg": "PS256", "userinfo_signed_response_alg": "PS256",
            "introspection_signed_response_alg": "PS256", "authorization_signed_response_alg": "PS256" });
        let (client, alice) = (server.client(members).await, server.alice().await);
        let mut browser = Browser::new(server);
        let tokens = browser.tokens(&client, &alice, &[]).await;
        let set = jwks(server).await;
        let introspected = server.as_client("/oidc/introspection", &client, &[("token", &tokens.access)]);
        let introspected = introspected.header("accept", "application/token-introspection+jwt").send().await.text();
        let answer = browser.get(&client.request(&[("response_mode", "jwt"), ("prompt", "none")])).await.sent("response").unwrap();
        for token in [tokens.id_token().to_owned(), server.userinfo(&tokens.access).await.text(), introspected, answer] {
            assert_eq!(verified(&token, &set).0["kid"], fake.kid("one"));
        }
        let planned = server.events().await.into_iter().find(|own| own.kind == "SigningKeyPlanned" && own.data["source"] == "external");
        let planned = planned.expect("it is announced");
        assert_eq!((&planned.data["kid"], &planned.data["held_as"]), (&json!(fake.kid("one")), &json!("one")));
        assert!(server.app.vault.signing_key(&fake.kid("one")).await.unwrap().is_none(), "the vault has nothing of it");
        assert_eq!(ready(server).await, (200, json!("ok")));
    })
    .await;
}

#[tokio::test]
async fn whatever_the_signer_does_wrong_there_is_no_token_no_event_and_no_other_key() {
    let fake = Fake::new(&["one"]);
    let server = Server::with(&[], &fake.toml(&["PS256=one"])).await;
    let alice = server.alice().await;
    let ps = server.client(json!({ "id_token_signed_response_alg": "PS256" })).await;
    let es = server.client(json!({ "id_token_signed_response_alg": "ES256" })).await;
    let mut browser = Browser::new(&server);
    for mode in ["gone", "odd", "refuse", "wrong", "endless", "slow"] {
        let code = browser.authorize(&ps, &alice, &[]).await.code();
        fake.turn(mode);
        let mark = server.mark().await;
        let refused = server.redeem(&ps, &code).await;
        assert_eq!(refused.refusal(), (503, "temporarily_unavailable".to_owned()), "{mode}");
        assert!(!refused.text().contains("locked"), "what it said is for the operator");
        assert_eq!(server.kinds_since(mark).await, [""; 0], "{mode}: no token, no event");
        assert_eq!(ready(&server).await, (503, json!("not ready")), "{mode}");
        // What is signed with another algorithm goes on.
        let other = browser.authorize(&es, &alice, &[]).await.code();
        Tokens::of(&server.redeem(&es, &other).await);
        assert_eq!(jwks(&server).await["keys"].as_array().unwrap().iter().filter(|key| key["kid"] == fake.kid("one")).count(), 1);
        fake.turn("good");
        well(&server).await;
        assert_eq!(ready(&server).await, (200, json!("ok")), "{mode}");
        let tokens = Tokens::of(&server.redeem(&ps, &code).await);
        assert_eq!(verified(tokens.id_token(), &jwks(&server).await).0["kid"], fake.kid("one"), "{mode}: the code was still good");
    }
}

#[tokio::test]
async fn a_server_whose_signer_is_away_starts_and_signs_with_nothing_else() {
    let fake = Fake::new(&["one"]);
    let mut server = Server::with(&[], &fake.toml(&["PS256=one"])).await;
    let (client, alice) = (server.client(json!({ "id_token_signed_response_alg": "PS256" })).await, server.alice().await);
    fake.turn("gone");
    server = server.restart().await;
    let code = Browser::new(&server).authorize(&client, &alice, &[]).await.code();
    assert_eq!(server.redeem(&client, &code).await.refusal(), (503, "temporarily_unavailable".to_owned()));
    // The configuration names no signer any more: the key of the log is still the one that signs, and nobody has it.
    server.given_toml("");
    server = server.restart().await;
    let code = Browser::new(&server).authorize(&client, &alice, &[]).await.code();
    assert_eq!(server.redeem(&client, &code).await.refusal(), (503, "temporarily_unavailable".to_owned()));
    // An operator says so: then a key of the vault signs.
    let kid = rotate(&server, "PS256", true).await.unwrap()["kid"].clone();
    let tokens = Tokens::of(&server.redeem(&client, &code).await);
    assert_eq!(verified(tokens.id_token(), &jwks(&server).await).0["kid"], kid);
    // A key that was retired does not come back.
    fake.turn("good");
    server.given_toml(&fake.toml(&["PS256=one"]));
    let Err(why) = server.try_restart().await.map(drop) else { panic!("it came back") };
    assert!(why.contains("is known already"), "{why}");
}

#[tokio::test]
async fn oidc_core_10_1_1_a_key_of_the_signer_that_follows_another_is_published_first() {
    let fake = Fake::new(&["one", "two", "three"]);
    let mut server = Server::with(&[], &fake.toml(&["PS256=one"])).await;
    let (client, alice) = (server.client(json!({ "id_token_signed_response_alg": "PS256" })).await, server.alice().await);
    let signed = async |server: &Server| {
        let tokens = Browser::new(server).tokens(&client, &alice, &[]).await;
        (tokens.id_token().to_owned(), verified(tokens.id_token(), &jwks(server).await).0["kid"].clone())
    };
    let (old, kid) = signed(&server).await;
    assert_eq!(kid, fake.kid("one"));
    for now in [false, true] {
        let why = rotate(&server, "PS256", now).await.unwrap_err();
        assert!(why.contains("signer.keys"), "no key is made here: {why}");
    }
    server.given_toml(&fake.toml(&["PS256=two"]));
    server = server.restart().await;
    assert_eq!(signed(&server).await.1, fake.kid("one"), "the next one is known to nobody yet");
    assert!(jwks(&server).await["keys"].as_array().unwrap().iter().any(|key| key["kid"] == fake.kid("two")), "and is published");
    server.advance(601_000);
    server.app.rotate_due_keys(&Context::of_server("server", "tidy".to_owned())).await.unwrap();
    assert_eq!(signed(&server).await.1, fake.kid("two"));
    verified(&old, &jwks(&server).await);
    // One that cannot wait.
    server.given_toml(&fake.toml(&["PS256=three"]));
    server = server.restart().await;
    assert_eq!(rotate(&server, "PS256", true).await.unwrap()["kid"], fake.kid("three"));
    assert_eq!(signed(&server).await.1, fake.kid("three"));
    verified(&old, &jwks(&server).await);
    // The schedule leaves it alone.
    server.advance(400 * DAY);
    server.app.rotate_due_keys(&Context::of_server("server", "tidy".to_owned())).await.unwrap();
    let states = server.operate(operator::Command::KeysList).await;
    let active = states["keys"].as_array().unwrap().iter().find(|own| own["alg"] == "PS256" && own["phase"] == "active").cloned().unwrap();
    assert_eq!((&active["kid"], &active["source"]), (&json!(fake.kid("three")), &json!("external")));
}

#[tokio::test]
async fn what_is_configured_wrongly_does_not_start() {
    let fake = Fake::new(&["one"]);
    for (toml, said) in [
        ("[signer]\nkeys = [\"PS256=one\"]\n".to_owned(), "is not set; it is the program that holds signer.keys"),
        ("[signer]\ncommand = [\"x\"]\n".to_owned(), "is empty; name the keys of signer.command"),
        (fake.toml(&["HS256=one"]), "is no algorithm of tokens"),
        (fake.toml(&["one"]), "is not an algorithm"),
        (fake.toml(&["PS256="]), "is no name of a key"),
        (fake.toml(&["PS256=one", "RS256=one"]), "names an algorithm or a key twice"),
        (fake.toml(&["PS256=one", "PS256=other"]), "names an algorithm or a key twice"),
        (fake.toml(&["PS256=nobody"]), "there is no such key"),
        (fake.toml(&["ES256=one"]), "does not sign so"),
        ("[signer]\ncommand = [\"/nowhere/signer\"]\nkeys = [\"PS256=one\"]\n".to_owned(), "could not be started"),
    ] {
        let Err(why) = Server::try_with(&toml).await.map(drop) else { panic!("{toml}") };
        assert!(why.contains(said), "{toml}: {why}");
    }
}
