//! What a request says that no browser brings, in the device grant and on the back channel: authorization details, claims, `max_age`, `nonce`.

use serde_json::{Value, json};

use super::{ciba, rfc8628};
use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, Tokens, page_of};
use crate::support::*;

pub(super) const TOML: &str = r#"
[ciba]
enabled = true

[[authorization_details_type]]
name = "payment"
schema = '{"properties":{"to":{"type":"string"},"locations":{"type":"array"}},"required":["to"],"additionalProperties":false}'
words = "Pay {to}"

[[resource]]
identifier = "https://bank.example"
scope = "api"
"#;

pub(super) const PAYMENT: &str = r#"[{"type":"payment","to":"Ann <b>Lee</b>"}]"#;

/// The same question on both ways.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    Device,
    Backchannel,
}

pub(super) const WAYS: [Way; 2] = [Way::Device, Way::Backchannel];

pub(super) struct Asking<'a> {
    pub server: &'a Server,
    pub way: Way,
    pub client: Client,
    pub alice: Person,
}

impl<'a> Asking<'a> {
    pub async fn new(server: &'a Server, way: Way, members: Value) -> Self {
        let mut own = json!({ "token_endpoint_auth_method": "client_secret_basic", "authorization_details_types": ["payment"] });
        own.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        let client = match way {
            Way::Device => rfc8628::tv(server, own).await,
            Way::Backchannel => ciba::bank(server, own).await,
        };
        // Of each client its own.
        let alice = server.person(&format!("alice-{}@example.com", client.id)).await;
        Self { server, way, client, alice }
    }

    /// What the client sends, as it is answered.
    pub async fn sends(&self, fields: &[(&str, &str)]) -> Answer {
        let scope = if fields.iter().any(|(name, _)| *name == "scope") { &[][..] } else { &[("scope", "openid")] };
        let fields = [scope, fields].concat();
        match self.way {
            Way::Device => self.server.as_client("/oidc/device/auth", &self.client, &fields).send().await,
            Way::Backchannel => {
                let hint = [("login_hint", self.alice.email.as_str())];
                self.server.as_client("/oidc/backchannel", &self.client, &[&fields[..], &hint].concat()).send().await
            }
        }
    }

    pub async fn asks(&self, fields: &[(&str, &str)]) -> Value {
        let answer = self.sends(fields).await;
        assert_eq!(answer.status, 200, "{:?} {fields:?} {}", self.way, answer.text());
        answer.json()
    }

    pub async fn signs_in(&self) -> Browser<'a> {
        match self.way {
            Way::Device => rfc8628::signed_in(self.server, &self.alice).await,
            Way::Backchannel => ciba::signed_in(self.server, &self.alice).await,
        }
    }

    pub fn page(&self, asked: &Value) -> String {
        match self.way {
            Way::Device => format!("/device?user_code={}", asked["user_code"].as_str().unwrap()),
            Way::Backchannel => "/account/requests".to_owned(),
        }
    }

    pub async fn polls(&self, asked: &Value, more: &[(&str, &str)]) -> Answer {
        let (grant, name, code) = match self.way {
            Way::Device => (rfc8628::GRANT, "device_code", &asked["device_code"]),
            Way::Backchannel => (ciba::GRANT, "auth_req_id", &asked["auth_req_id"]),
        };
        self.server.token(&self.client, &[&[("grant_type", grant), (name, code.as_str().unwrap())], more].concat()).await
    }

    /// The person allows it, and the client has its tokens.
    pub async fn allowed(&self, browser: &mut Browser<'_>, asked: &Value) -> Tokens {
        let page = browser.open(&self.page(asked)).await;
        let done = browser.submit(&page, &[("decision", "allow")]).await;
        assert_eq!(done.status, 200, "{:?} {}", self.way, done.text());
        Tokens::of(&self.polls(asked, &[]).await)
    }

    pub async fn id_token(&self, tokens: &Tokens) -> Value {
        jwt::verified(tokens.id_token(), &self.server.get("/oidc/jwks").send().await.json()).1
    }
}

#[tokio::test]
async fn rfc9396_2_a_client_asks_for_details_on_the_back_channel_and_the_person_reads_them() {
    both::on_both(TOML, async |server: &Server| {
        let asking = Asking::new(server, Way::Backchannel, json!({})).await;
        for wrong in ["x", "[]", r#"[{"type":"unknown"}]"#, r#"[{"type":"payment"}]"#, r#"[{"type":"payment","to":"A","more":1}]"#] {
            let answer = asking.sends(&[("authorization_details", wrong)]).await;
            assert_eq!(answer.refusal(), (400, "invalid_authorization_details".to_owned()), "{wrong}");
        }
        let without = Asking { client: ciba::bank(server, json!({})).await, alice: asking.alice.clone(), ..asking };
        let answer = without.sends(&[("authorization_details", PAYMENT)]).await;
        assert_eq!(answer.refusal(), (400, "invalid_authorization_details".to_owned()), "its client is not registered for the type");
        let asking = Asking { client: asking.client, ..without };
        let asked = asking.asks(&[("authorization_details", PAYMENT)]).await;
        let event = server.events().await.into_iter().rfind(|own| own.kind == "BackchannelRequested").unwrap();
        assert_eq!(event.data["authorization_details"], json!(["payment"]));
        let mut browser = asking.signs_in().await;
        let page = browser.open(&asking.page(&asked)).await.text();
        assert!(page.contains("Pay Ann") && !page.contains("<b>Lee"), "{page}");
        let tokens = asking.allowed(&mut browser, &asked).await;
        let expected: Value = serde_json::from_str(PAYMENT).unwrap();
        assert_eq!(tokens.whole["authorization_details"], expected);
        assert_eq!(server.introspect(&asking.client, &tokens.access).await["authorization_details"], expected);
        let fresh = Tokens::of(&server.refresh(&asking.client, tokens.refresh()).await);
        assert_eq!(fresh.whole["authorization_details"], expected, "the grant has them");
        assert!(server.leaves().await.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains("Lee</b>")), "as ciphertext");
        // What was allowed was this payment: what the person read is the operator's sentence, and the values are sealed beside it.
        let given = server.events().await.into_iter().rfind(|own| own.kind == "ConsentGiven").unwrap();
        let plain = asking.asks(&[]).await;
        asking.allowed(&mut browser, &plain).await;
        let other = server.events().await.into_iter().rfind(|own| own.kind == "ConsentGiven").unwrap();
        assert_ne!(given.data["text"], other.data["text"], "the sentence is part of what was read");
    })
    .await;
}

#[tokio::test]
async fn rfc9396_9_1_an_access_token_for_a_resource_has_the_details_that_are_for_it() {
    let server = Server::with(&[], TOML).await;
    for way in WAYS {
        let asking = Asking::new(&server, way, json!({ "scope": "openid api" })).await;
        let details = r#"[{"type":"payment","to":"Ann","locations":["https://bank.example"]},{"type":"payment","to":"B","locations":["https://x.example"]}]"#;
        let fields = [("scope", "openid api"), ("authorization_details", details), ("resource", "https://bank.example")];
        let asked = asking.asks(&fields).await;
        let tokens = asking.allowed(&mut asking.signs_in().await, &asked).await;
        assert_eq!(tokens.whole["authorization_details"].as_array().unwrap().len(), 2, "the client has all of them");
        let (_, claims) = jwt::verified(&tokens.access, &server.get("/oidc/jwks").send().await.json());
        assert_eq!(claims["authorization_details"], json!([{ "type": "payment", "to": "Ann", "locations": ["https://bank.example"] }]));
    }
}

#[tokio::test]
async fn oidc_core_5_5_claims_are_asked_for_one_by_one_without_a_browser_too() {
    both::on_both(TOML, async |server: &Server| {
        for way in WAYS {
            let asking = Asking::new(server, way, json!({})).await;
            for wrong in ["x", "[]", r#"{"id_token":[]}"#] {
                assert_eq!(asking.sends(&[("claims", wrong)]).await.refusal(), (400, "invalid_request".to_owned()), "{wrong}");
            }
            let level = r#"{"id_token":{"acr":{"essential":true,"values":["urn:example:gold"]}}}"#;
            let unmet = asking.sends(&[("claims", level)]).await;
            assert_eq!(unmet.refusal(), (400, "unmet_authentication_requirements".to_owned()), "§5.5.1.1");
            let claims = r#"{"id_token":{"email":null,"acr":null,"name":{"value":"Somebody Else"}},"userinfo":{"email":null}}"#;
            let asked = asking.asks(&[("claims", claims), ("nonce", "n-0S6")]).await;
            let mut browser = asking.signs_in().await;
            let page = browser.open(&asking.page(&asked)).await.text();
            assert!(page.contains("See your e-mail address"), "{way:?}: the person reads what they mean: {page}");
            let tokens = asking.allowed(&mut browser, &asked).await;
            let told = asking.id_token(&tokens).await;
            assert_eq!((&told["email"], &told["nonce"]), (&json!(asking.alice.email), &json!("n-0S6")), "{way:?}");
            assert_eq!(told["acr"], "urn:chancery:acr:password", "{way:?}");
            assert_eq!(told.get("name"), None, "§5.5.1: it has another value");
            assert_eq!(server.userinfo(&tokens.access).await.json()["email"], asking.alice.email.as_str());
            let given = server.events().await.into_iter().rfind(|own| own.kind == "ConsentGiven").unwrap();
            assert_eq!(given.data["scope"], "email openid profile", "{way:?}: what was allowed is what was read");
            assert_eq!(tokens.whole["scope"], "openid", "and no scope of the token");
            let leaves = server.leaves().await;
            assert!(leaves.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains("Somebody Else")), "as ciphertext");
            let fresh = Tokens::of(&server.refresh(&asking.client, tokens.refresh()).await);
            assert_eq!(asking.id_token(&fresh).await["email"], asking.alice.email.as_str(), "the grant has them");
        }
    })
    .await;
}

#[tokio::test]
async fn oidc_core_5_5_1_a_sub_in_claims_names_who_has_to_answer() {
    let server = Server::with(&[], TOML).await;
    let mallory = server.person("mallory@example.com").await;
    let about = |person: &Person| json!({ "id_token": { "sub": { "value": person.account } } }).to_string();
    let asking = Asking::new(&server, Way::Backchannel, json!({})).await;
    let mark = server.mark().await;
    let wrong = asking.sends(&[("claims", &about(&mallory))]).await;
    assert_eq!(wrong.refusal(), (400, "unknown_user_id".to_owned()), "the hint names another person: nobody is both");
    assert_eq!(server.kinds_since(mark).await, ["UnknownPersonHinted"], "and no way to try who is whom");
    asking.asks(&[("claims", &about(&asking.alice))]).await;
    let asking = Asking::new(&server, Way::Device, json!({})).await;
    let asked = asking.asks(&[("claims", &about(&mallory))]).await;
    let page = asking.signs_in().await.open(&asking.page(&asked)).await;
    assert!(page.status == 400 && page.text().contains("another person"), "{}", page.text());
}

#[tokio::test]
async fn oidc_core_3_1_2_1_max_age_asks_for_a_sign_in_without_a_browser_too() {
    both::on_both(TOML, async |server: &Server| {
        for way in WAYS {
            let asking = Asking::new(server, way, json!({})).await;
            for wrong in ["-1", "soon", "1.5"] {
                assert_eq!(asking.sends(&[("max_age", wrong)]).await.refusal(), (400, "invalid_request".to_owned()), "{wrong}");
            }
            let mut browser = asking.signs_in().await;
            let plain = asking.asks(&[]).await;
            let tokens = asking.allowed(&mut browser, &plain).await;
            assert_eq!(asking.id_token(&tokens).await.get("auth_time"), None, "it was not asked for");
            server.advance(60_000);
            let young = asking.asks(&[("max_age", "61")]).await;
            let first = asking.id_token(&asking.allowed(&mut browser, &young).await).await["auth_time"].as_i64().unwrap();
            for max_age in ["60", "0"] {
                server.advance(1_000);
                let asked = asking.asks(&[("max_age", max_age)]).await;
                let page = browser.open(&asking.page(&asked)).await;
                assert_eq!(page_of(&page), "login", "{way:?} {max_age}: {}", page.text());
                assert_eq!(asking.polls(&asked, &[]).await.error(), "authorization_pending");
                let page = browser.submit(&page, &[("login", &asking.alice.email), ("password", PASSWORD)]).await;
                assert!(page.text().contains("value=\"allow\""), "{way:?} {max_age}: {}", page.text());
                let done = browser.submit(&page, &[("decision", "allow")]).await;
                assert_eq!(done.status, 200, "{}", done.text());
                let told = asking.id_token(&Tokens::of(&asking.polls(&asked, &[]).await)).await;
                assert_eq!(told["auth_time"], server.app.now().numeric_date(), "{way:?} {max_age}");
                assert!(told["auth_time"].as_i64().unwrap() > first);
            }
            // A page that was loaded while the sign-in was young enough.
            server.advance(1_000);
            let asked = asking.asks(&[("max_age", "60")]).await;
            let page = browser.open(&asking.page(&asked)).await;
            server.advance(120_000);
            let mark = server.mark().await;
            let late = browser.submit(&page, &[("decision", "allow")]).await;
            assert_eq!(page_of(&late), "login", "{way:?} {}", late.text());
            assert!(!server.kinds_since(mark).await.iter().any(|kind| kind.ends_with("Approved")), "nothing was allowed");
        }
    })
    .await;
}
