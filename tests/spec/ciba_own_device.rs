//! CIBA Core 1.0 §8: people answer in an application of theirs, an authentication device of the operator's own.

use chancery::app::operator::Command;
use serde_json::{Value, json};

use super::ciba::{ON, ask, bank, poll, signed_in};
use super::rfc9449::Prover;
use crate::support::call::Answer;
use crate::support::flow::{Person, Tokens};
use crate::support::*;

pub(super) const TOML: &str = r#"
[ciba]
enabled = true
devices = ["phone"]

[[client]]
client_id = "phone"
client_name = "Meadow Bank on the phone"
client_secret = "a-secret-that-is-long-enough-to-be-taken-0123456789"
redirect_uris = ["https://phone.example/callback"]
grant_types = ["authorization_code", "refresh_token", "urn:openid:params:grant-type:ciba"]
backchannel_token_delivery_mode = "poll"
scope = "openid offline_access ciba.answer"
"#;
const HERE: &str = "/oidc/backchannel/requests";
pub(super) const ANSWERS: &str = "openid ciba.answer";

pub(super) fn phone() -> Client {
    let secret = "a-secret-that-is-long-enough-to-be-taken-0123456789".to_owned();
    Client { id: "phone".to_owned(), secret: Some(secret), redirect_uri: "https://phone.example/callback".to_owned() }
}

/// An application in which somebody signed in, with a token that is bound to its key.
pub(super) struct Phone<'a> {
    server: &'a Server,
    prover: Prover,
    tokens: Tokens,
}

impl<'a> Phone<'a> {
    pub async fn of(server: &'a Server, client: &Client, person: &Person, changes: &[(&str, &str)]) -> Self {
        let prover = Prover::new("ES256");
        let code = Browser::new(server).authorize(client, person, changes).await.code();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", &client.redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        let call = server.as_client("/oidc/token", client, &fields).header("dpop", &prover.for_token(server));
        Self { server, prover, tokens: Tokens::of(&call.send().await) }
    }

    async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let proof = self.prover.for_use(self.server, (method, path), &self.tokens.access);
        let mut call = self.server.call(method, path).header("authorization", &format!("DPoP {}", self.tokens.access));
        call = call.header("dpop", &proof);
        if let Some(body) = &body {
            call = call.json(body);
        }
        call.send().await
    }

    /// What it shows.
    pub async fn shows(&self) -> Vec<Value> {
        let answer = self.send("GET", HERE, None).await;
        assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
        answer.json()["requests"].as_array().unwrap().clone()
    }

    pub async fn answer(&self, request: &Value, decision: &str) -> Answer {
        let path = format!("{HERE}/{}", request["request"].as_str().unwrap());
        self.send("POST", &path, Some(json!({ "decision": decision, "read": request["read"] }))).await
    }
}

#[tokio::test]
async fn ciba_8_a_person_answers_in_an_application_that_the_operator_named() {
    both::on_both(TOML, async |server: &Server| {
        let (client, alice) = (bank(server, json!({})).await, server.alice().await);
        let own = Phone::of(server, &phone(), &alice, &[("scope", ANSWERS)]).await;
        assert!(own.shows().await.is_empty());
        let asked = ask(server, &client, &alice, &[("binding_message", "Pay <b>W4SCT</b>")]).await;
        let shown = own.shows().await.remove(0);
        let expected = json!({ "request": shown["request"], "client_id": client.id, "client_name": "Meadow Bank", "scope": "openid profile",
            "binding_message": "Pay <b>W4SCT</b>", "requested_at": NOW / 1000, "expires_in": 600, "read": shown["read"] });
        assert_eq!(shown, expected);
        let mark = server.mark().await;
        let answers = at_once::all(20, || own.answer(&shown, "allow")).await;
        let count = |status| answers.iter().filter(|answer| answer.status == status).count();
        assert_eq!((count(204), count(400)), (1, 19), "one answer counts");
        assert_eq!(server.kinds_since(mark).await, ["ConsentGiven", "BackchannelApprovedOnDevice"]);
        let events = server.events().await;
        let find = |kind: &str| events.iter().rfind(|event| event.kind == kind).unwrap();
        let approved = find("BackchannelApprovedOnDevice");
        assert_eq!((&approved.data["client"], &approved.data["account"]), (&json!("phone"), &json!(alice.account)));
        assert_eq!(find("ConsentGiven").data["text"], shown["read"], "what was read");
        let tokens = Tokens::of(&poll(server, &client, &asked).await);
        let (_, claims) = jwt::verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!((&claims["sub"], &claims["aud"]), (&json!(alice.account), &json!(client.id)));
        assert_eq!(own.answer(&shown, "deny").await.refusal(), (400, "invalid_request".to_owned()), "it is over");
        let asked = ask(server, &client, &alice, &[]).await;
        let shown = own.shows().await.remove(0);
        assert_eq!(shown.get("binding_message"), None);
        let mark = server.mark().await;
        assert_eq!(own.answer(&shown, "deny").await.status, 204);
        assert_eq!(server.kinds_since(mark).await, ["ConsentDenied", "BackchannelDeniedOnDevice"]);
        assert_eq!(poll(server, &client, &asked).await.refusal(), (400, "access_denied".to_owned()));
        let page = signed_in(server, &alice).await.open("/account/requests").await.text();
        assert!(!page.contains("value=\"allow\""), "nor does the page ask any more: {page}");
    })
    .await;
}

#[tokio::test]
async fn ciba_8_only_a_bound_token_of_the_person_who_was_asked_answers() {
    let server = Server::with(&[], TOML).await;
    let (client, alice) = (bank(&server, json!({})).await, server.alice().await);
    let mallory = server.person("mallory@example.com").await;
    ask(&server, &client, &alice, &[]).await;
    let own = Phone::of(&server, &phone(), &alice, &[("scope", ANSWERS)]).await;
    let shown = own.shows().await.remove(0);
    // Another person.
    let his = Phone::of(&server, &phone(), &mallory, &[("scope", ANSWERS)]).await;
    assert!(his.shows().await.is_empty());
    let mark = server.mark().await;
    assert_eq!(his.answer(&shown, "allow").await.refusal(), (400, "invalid_request".to_owned()));
    // Another text than the one that was shown, and no answer at all.
    let read = json!({ "request": shown["request"], "read": "of something else" });
    assert_eq!(own.answer(&read, "allow").await.refusal(), (409, "conflict".to_owned()));
    assert_eq!(own.answer(&shown, "perhaps").await.refusal(), (400, "invalid_request".to_owned()));
    for request in ["nothing", "00000000-0000-7000-8000-000000000000"] {
        assert_eq!(own.answer(&json!({ "request": request, "read": shown["read"] }), "allow").await.status, 400);
    }
    // No token; one that is bound to nothing; one without its key.
    let none = server.get(HERE).send().await;
    assert!(none.status == 401 && !none.header("www-authenticate").contains("error="), "{}", none.header("www-authenticate"));
    let plain = Browser::new(&server).tokens(&phone(), &alice, &[("scope", ANSWERS)]).await;
    let unbound = server.get(HERE).bearer(&plain.access).send().await;
    assert_eq!(unbound.refusal(), (401, "invalid_token".to_owned()));
    assert!(unbound.sentence().contains("bound to a key"), "{}", unbound.sentence());
    assert_eq!(server.get(HERE).bearer(&own.tokens.access).send().await.refusal(), (401, "invalid_token".to_owned()));
    let used = own.prover.for_use(&server, ("GET", HERE), &own.tokens.access);
    for status in [200, 401] {
        let call = server.get(HERE).header("authorization", &format!("DPoP {}", own.tokens.access)).header("dpop", &used);
        assert_eq!(call.send().await.status, status, "a proof is good once");
    }
    // Too little scope; a client that chose the scope by itself.
    let little = Phone::of(&server, &phone(), &alice, &[("scope", "openid")]).await;
    let refused = little.send("GET", HERE, None).await;
    assert_eq!(refused.refusal(), (403, "insufficient_scope".to_owned()));
    assert!(refused.header("www-authenticate").contains("scope=\"ciba.answer\""), "{}", refused.header("www-authenticate"));
    let other = server.client(json!({ "scope": ANSWERS })).await;
    let registered = Phone::of(&server, &other, &alice, &[("scope", ANSWERS)]).await;
    for answer in [registered.send("GET", HERE, None).await, registered.answer(&shown, "allow").await] {
        assert_eq!(answer.refusal(), (403, "insufficient_scope".to_owned()));
        assert!(answer.sentence().contains("has not named this client"), "{}", answer.sentence());
    }
    // What it asked itself.
    ask(&server, &phone(), &alice, &[]).await;
    assert_eq!(own.shows().await.len(), 1, "it is not shown to the application that asked");
    let kinds = server.kinds_since(mark).await;
    assert!(kinds.iter().all(|kind| !kind.contains("OnDevice")), "{kinds:?}");
    assert_eq!(own.answer(&shown, "allow").await.status, 204, "and the person may still answer");
}

#[tokio::test]
async fn who_signed_out_or_took_the_token_back_answers_nothing_with_it() {
    let server = Server::with(&[], TOML).await;
    let (client, alice) = (bank(&server, json!({})).await, server.alice().await);
    ask(&server, &client, &alice, &[]).await;
    let offline = [("scope", "openid offline_access ciba.answer"), ("prompt", "consent")];
    let (first, second) = (Phone::of(&server, &phone(), &alice, &offline).await, Phone::of(&server, &phone(), &alice, &offline).await);
    let shown = first.shows().await.remove(0);
    assert_eq!(server.revoke(&phone(), &first.tokens.access).await.status, 200);
    assert_eq!(first.answer(&shown, "allow").await.refusal(), (401, "invalid_token".to_owned()));
    let events = server.events().await;
    let session = events.iter().rfind(|event| event.kind == "SessionStarted").unwrap().data["session"].as_str().unwrap().to_owned();
    server.operate(Command::SessionEnd { session }).await;
    let mark = server.mark().await;
    let refused = second.answer(&shown, "allow").await;
    assert_eq!(refused.refusal(), (401, "invalid_token".to_owned()));
    assert!(refused.sentence().contains("signed out"), "{}", refused.sentence());
    assert_eq!(server.mark().await, mark);
    let proof = second.prover.for_use(&server, ("GET", "/oidc/userinfo"), &second.tokens.access);
    let call = server.get("/oidc/userinfo").header("authorization", &format!("DPoP {}", second.tokens.access)).header("dpop", &proof);
    assert_eq!(call.send().await.status, 200, "the token itself outlives the session");
}

#[tokio::test]
async fn applications_answer_where_the_operator_says_so() {
    let server = Server::with(&[], ON).await;
    assert_eq!(server.get(HERE).bearer("cha_at_x").send().await.status, 404);
    for (toml, said) in [
        ("[ciba]\ndevices = [\"phone\"]\n", "is set although nobody is asked"),
        ("[ciba]\nenabled = true\ndevices = [\"no client\"]\n", "is no client_id"),
    ] {
        let Err(why) = Server::try_with(toml).await.map(drop) else { panic!("{toml}") };
        assert!(why.contains(said), "{toml}: {why}");
    }
}
