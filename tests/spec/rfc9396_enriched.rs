//! RFC 9396 §7.1: a token response has more than was asked for, as the type and the person say.

use chancery::app::operator::Command;
use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, page_of};
use crate::support::jwt::verified;
use crate::support::*;

const TOML: &str = r#"
[[authorization_details_type]]
name = "payment"
schema = '{"properties":{"to":{"type":"string"}},"required":["to"],"additionalProperties":false}'
words = "Pay {to} in the name of {debtor.name}"
enrichment = '''{
  "debtor.account": { "choose_one": "accounts", "words": "From which account to {to}?" },
  "debtor.name": { "claim": "name" },
  "scheme": { "const": "SEPA" }
}'''

[[authorization_details_type]]
name = "account_information"
schema = '{"properties":{"access":{"properties":{"accounts":{"type":"array"},"balances":{"type":"array"}},"additionalProperties":false},"actions":{"type":"array"}},"required":["access"],"additionalProperties":false}'
words = "See your accounts"
enrichment = '''{
  "access.accounts": { "choose": "accounts", "words": "Which accounts?", "most": 2 },
  "access.balances": { "choose": "accounts", "words": "Which balances?" }
}'''

[[authorization_details_type]]
name = "job"
schema = '{}'
words = "Run it"
enrichment = '{"rank":{"const":5}}'

[[resource]]
identifier = "https://bank.example"
scope = "api"
"#;

const PAYMENT: &str = r#"[{"type":"payment","to":"Ann <b>Lee</b>"}]"#;
const INFORMATION: &str = r#"[{"type":"account_information","access":{"accounts":[]},"actions":["read","list"]}]"#;
const LABELS: [&str; 3] = ["Current <i>account</i>", "Savings", "Household"];

fn iban(at: usize) -> Value {
    json!({ "iban": format!("DE0{at}1001001033071186") })
}

struct World {
    server: Server,
    client: Client,
    alice: Person,
}

impl World {
    async fn new() -> Self {
        let server = Server::with(&[], TOML).await;
        let client = server.client(json!({ "authorization_details_types": ["payment", "account_information", "job"] })).await;
        let alice = server.alice().await;
        let world = Self { server, client, alice };
        world.give(&[0, 1, 2]).await;
        world
    }

    /// The operator says which accounts Alice has.
    async fn give(&self, which: &[usize]) {
        let accounts: Vec<_> = which.iter().map(|at| json!({ "label": LABELS[*at], "value": iban(*at) })).collect();
        let claims = [("_lists".to_owned(), json!({ "accounts": accounts }).to_string())].into();
        self.server.operate(Command::UserUpdate { account: self.alice.account.clone(), claims }).await;
    }

    /// The consent page for these details, for Alice.
    async fn page(&self, browser: &mut Browser<'_>, details: &str, changes: &[(&str, &str)]) -> Answer {
        let request = self.client.request(&[&[("authorization_details", details)], changes].concat());
        let page = browser.open(&request).await;
        if page_of(&page) != "login" {
            return page;
        }
        browser.submit(&page, &[("login", &self.alice.email), ("password", PASSWORD)]).await
    }

    /// Allows it with this choice, and redeems the code.
    async fn granted(&self, details: &str, picked: &[(usize, &[usize])], changes: &[(&str, &str)]) -> Value {
        let mut browser = Browser::new(&self.server);
        let page = self.page(&mut browser, details, changes).await;
        let answer = browser.submit(&page, &borrowed(&form(&page.text(), picked))).await;
        let code = answer.sent("code").unwrap_or_else(|| panic!("{} {}", answer.status, answer.text()));
        self.server.redeem(&self.client, &code).await.json()
    }

    async fn refreshed(&self, tokens: &Value, more: &[(&str, &str)]) -> Answer {
        let refresh = tokens["refresh_token"].as_str().unwrap();
        self.server.token(&self.client, &[&[("grant_type", "refresh_token"), ("refresh_token", refresh)], more].concat()).await
    }

    async fn seen(&self, tokens: &Value) -> Value {
        self.server.introspect(&self.client, tokens["access_token"].as_str().unwrap()).await["authorization_details"].clone()
    }

    async fn claims(&self, tokens: &Value) -> Value {
        let jwks = self.server.get("/oidc/jwks").send().await.json();
        verified(tokens["access_token"].as_str().unwrap(), &jwks).1["authorization_details"].clone()
    }
}

/// What a page offers: name and value of each box and button, in their order.
fn offers(html: &str) -> Vec<(String, String)> {
    let inputs = html.split("<input ").skip(1).filter(|tag| tag.starts_with("type=\"radio\"") || tag.starts_with("type=\"checkbox\""));
    let attribute = |tag: &str, name: &str| tag.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    inputs.map(|tag| (attribute(tag, "name"), attribute(tag, "value"))).collect()
}

/// What a form sends that allows, with these offers of each question.
fn form(html: &str, picked: &[(usize, &[usize])]) -> Vec<(String, String)> {
    let mut fields = vec![("decision".to_owned(), "allow".to_owned())];
    for (question, which) in picked {
        let (field, dotted) = (format!("choice-{question}"), format!("choice-{question}."));
        let own: Vec<_> = offers(html).into_iter().filter(|(name, _)| *name == field || name.starts_with(&dotted)).collect();
        fields.extend(which.iter().map(|at| own[*at].clone()));
    }
    fields
}

fn borrowed(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn payment(account: usize) -> Value {
    json!([{ "type": "payment", "to": "Ann <b>Lee</b>", "scheme": "SEPA", "debtor": { "account": iban(account), "name": "Alice Liddell" } }])
}

#[tokio::test]
async fn rfc9396_7_1_the_token_response_has_what_the_person_chose() {
    let world = World::new().await;
    let mut browser = Browser::new(&world.server);
    let html = world.page(&mut browser, PAYMENT, &[]).await.text();
    assert!(html.contains("Pay Ann &#60;b&#62;Lee&#60;/b&#62; in the name of Alice Liddell"), "the person reads what is told: {html}");
    assert!(html.contains("From which account to Ann &#60;b&#62;") && html.contains("Current &#60;i&#62;account"), "{html}");
    assert!(!html.contains("DE01001001033071186") && !html.contains("<script"), "the value itself is not for the page");
    let tokens = world.granted(PAYMENT, &[(0, &[1])], &[]).await;
    assert_eq!(tokens["authorization_details"], payment(1));
    assert_eq!(world.seen(&tokens).await, payment(1), "RFC 9396 §9.2");
    let whole = world.refreshed(&tokens, &[]).await.json();
    assert_eq!(whole["authorization_details"], payment(1), "sealed with the grant");
    // Another list from now on, and the grant stays as it was given.
    world.give(&[2]).await;
    assert_eq!(world.refreshed(&whole, &[]).await.json()["authorization_details"], payment(1));
}

#[tokio::test]
async fn rfc9396_7_1_several_are_chosen_where_the_client_asks_for_them() {
    let world = World::new().await;
    let tokens = world.granted(INFORMATION, &[(0, &[2, 0])], &[]).await;
    let expected = |accounts: &[usize]| {
        let accounts: Vec<_> = accounts.iter().map(|at| iban(*at)).collect();
        json!([{ "type": "account_information", "access": { "accounts": accounts }, "actions": ["read", "list"] }])
    };
    assert_eq!(tokens["authorization_details"], expected(&[0, 2]), "balances were not asked for");
    // §6.1: what is compared is what the client asked for; of what was chosen a token may have less, and never more.
    let asked = |text: &'static str| async {
        let tokens = world.granted(INFORMATION, &[(0, &[2, 0])], &[]).await;
        world.refreshed(&tokens, &[("authorization_details", text)]).await
    };
    assert_eq!(asked(INFORMATION).await.json()["authorization_details"], expected(&[0, 2]));
    let less = r#"[{"type":"account_information","access":{"accounts":[{"iban":"DE021001001033071186"}]},"actions":["read","list"]}]"#;
    let fewer = asked(less).await.json();
    assert_eq!(fewer["authorization_details"], expected(&[2]));
    assert_eq!(world.seen(&fewer).await, expected(&[2]));
    for more in [
        r#"[{"type":"account_information","access":{"accounts":[{"iban":"DE011001001033071186"}]},"actions":["read","list"]}]"#,
        r#"[{"type":"account_information","access":{"accounts":[],"balances":[]},"actions":["read","list"]}]"#,
        r#"[{"type":"account_information","access":{"accounts":[]},"actions":["read","list","pay"]}]"#,
    ] {
        assert_eq!(asked(more).await.refusal(), (400, "invalid_authorization_details".into()), "{more}");
    }
}

#[tokio::test]
async fn rfc9396_9_1_a_jwt_access_token_has_it_and_less_after_a_narrower_refresh() {
    let world = World::new().await;
    let both =
        r#"[{"type":"payment","to":"Ann <b>Lee</b>"},{"type":"account_information","access":{"accounts":[]},"actions":["read","list"]}]"#;
    let at_bank = [("resource", "https://bank.example"), ("scope", "openid api")];
    let tokens = world.granted(both, &[(0, &[0]), (1, &[0, 1])], &at_bank).await;
    let information = |accounts: &[usize], actions: &[&str]| {
        let accounts: Vec<_> = accounts.iter().map(|at| iban(*at)).collect();
        json!({ "type": "account_information", "access": { "accounts": accounts }, "actions": actions })
    };
    assert_eq!(world.claims(&tokens).await, json!([payment(0)[0], information(&[0, 1], &["read", "list"])]));
    let less = r#"[{"type":"account_information","access":{"accounts":[{"iban":"DE011001001033071186"}]},"actions":["read"]}]"#;
    let narrowed = world.refreshed(&tokens, &[("authorization_details", less), ("resource", "https://bank.example")]).await.json();
    assert_eq!(narrowed["authorization_details"], json!([information(&[1], &["read"])]));
    assert_eq!(world.claims(&narrowed).await, json!([information(&[1], &["read"])]), "the token itself, and not the answer alone");
    assert_eq!(world.seen(&narrowed).await, json!([information(&[1], &["read"])]));
    let whole = world.refreshed(&narrowed, &[("resource", "https://bank.example")]).await.json();
    assert_eq!(world.claims(&whole).await, json!([payment(0)[0], information(&[0, 1], &["read", "list"])]), "the grant keeps all");
}

#[tokio::test]
async fn rfc9396_7_1_a_forged_choice_is_refused_and_a_missing_one_is_asked_for() {
    let world = World::new().await;
    let mut browser = Browser::new(&world.server);
    let page = world.page(&mut browser, PAYMENT, &[]).await;
    let unknown = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
    for forged in [("choice-0", unknown), ("choice-0", r#"{"iban":"DE99"}"#), ("choice-1", unknown), ("choice-x", "1")] {
        let answer = browser.submit(&page, &[("decision", "allow"), forged]).await;
        assert_eq!((answer.status, answer.sent("code")), (400, None), "{forged:?}");
        assert!(answer.text().contains("not among what was offered"), "{}", answer.text());
    }
    let missing = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!((missing.status, page_of(&missing)), (400, "consent"));
    assert!(missing.text().contains("href=\"#choice-0\"") && missing.text().contains("id=\"choice-0-error\""), "{}", missing.text());
    assert!(world.server.events().await.iter().all(|event| event.kind != "ConsentGiven"), "nothing was allowed");
    // What was not offered any more when it was sent.
    let fields = form(&page.text(), &[(0, &[0])]);
    world.give(&[1, 2]).await;
    let late = browser.submit(&page, &borrowed(&fields)).await;
    assert_eq!((late.status, late.sent("code")), (400, None));
    // Too many of several.
    world.give(&[0, 1, 2]).await;
    let page = world.page(&mut browser, INFORMATION, &[]).await;
    let many = browser.submit(&page, &borrowed(&form(&page.text(), &[(0, &[0, 1, 2])]))).await;
    assert_eq!(many.status, 400);
    assert_eq!(many.text().matches(" checked").count(), 3, "what was chosen stays");
    // Whoever denies needs no choice.
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    assert_eq!(denied.sent("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn rfc9396_7_1_without_anything_to_choose_a_person_can_only_deny() {
    let world = World::new().await;
    world.give(&[]).await;
    let mut browser = Browser::new(&world.server);
    let page = world.page(&mut browser, PAYMENT, &[]).await;
    let html = page.text();
    assert!(
        html.contains("nothing here for you to choose") && !html.contains("value=\"allow\"") && html.contains("value=\"deny\""),
        "{html}"
    );
    assert_eq!(browser.submit(&page, &[("decision", "allow")]).await.status, 400);
    assert_eq!(browser.submit(&page, &[("decision", "deny")]).await.sent("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn rfc9396_5_no_client_states_what_is_added() {
    let world = World::new().await;
    for bad in [
        r#"[{"type":"payment","to":"Ann","scheme":"CARD"}]"#,
        r#"[{"type":"payment","to":"Ann","debtor":{"account":{"iban":"DE021001001033071186"}}}]"#,
        r#"[{"type":"payment","to":"Ann","debtor":{"name":"Bob"}}]"#,
        r#"[{"type":"job","rank":1}]"#,
    ] {
        let answer = Browser::new(&world.server).get(&world.client.request(&[("authorization_details", bad)])).await;
        assert_eq!(answer.sent("error").as_deref(), Some("invalid_authorization_details"), "{bad}");
    }
    // Where the schema has the member, a client says which it means, and only what is the person's is offered.
    let named = r#"[{"type":"account_information","access":{"accounts":[{"iban":"DE021001001033071186"},{"iban":"of somebody else"}]}}]"#;
    let mut browser = Browser::new(&world.server);
    let page = world.page(&mut browser, named, &[]).await;
    assert_eq!(offers(&page.text()).len(), 1);
    let tokens = world.granted(named, &[(0, &[0])], &[]).await;
    assert_eq!(tokens["authorization_details"][0]["access"], json!({ "accounts": [iban(2)] }));
}

#[tokio::test]
async fn rfc9396_7_1_a_client_by_itself_gets_constants_and_nothing_of_a_person() {
    let world = World::new().await;
    let asked = async |details: &str| {
        let fields = [("grant_type", "client_credentials"), ("scope", "api"), ("authorization_details", details)];
        world.server.token(&world.client, &fields).await
    };
    let tokens = asked(r#"[{"type":"job"}]"#).await.json();
    assert_eq!(tokens["authorization_details"], json!([{ "type": "job", "rank": 5 }]));
    assert_eq!(world.seen(&tokens).await, json!([{ "type": "job", "rank": 5 }]));
    assert_eq!(asked(PAYMENT).await.refusal(), (400, "invalid_authorization_details".into()));
}

#[tokio::test]
async fn rfc9396_7_1_the_log_says_that_there_was_a_choice_and_not_which() {
    let world = World::new().await;
    world.granted(PAYMENT, &[(0, &[1])], &[]).await;
    let given: Vec<_> = world.server.events().await.into_iter().filter(|event| event.kind == "ConsentGiven").collect();
    assert_eq!(given[0].data["chosen"], json!({ "payment": ["debtor.account"] }));
    for leaf in world.server.leaves().await {
        let text = String::from_utf8_lossy(&leaf.leaf).into_owned();
        assert!(!text.contains("1001001033071186") && !text.contains("Savings") && !text.contains("SEPA"), "{text}");
    }
}

#[tokio::test]
async fn rfc9396_7_1_a_device_gets_what_the_person_chose() {
    let world = World::new().await;
    let device = world.server.client(json!({
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"], "response_types": [], "redirect_uris": [],
        "authorization_details_types": ["payment"],
    }));
    let device = device.await;
    let asked = [("scope", "openid"), ("authorization_details", PAYMENT)];
    let codes = world.server.as_client("/oidc/device/auth", &device, &asked).send().await.json();
    let address = format!("/device?user_code={}", codes["user_code"].as_str().unwrap());
    let mut browser = Browser::new(&world.server);
    let page = browser.open(&address).await;
    let page = browser.submit(&page, &[("login", &world.alice.email), ("password", PASSWORD)]).await;
    assert!(page.text().contains("From which account"), "{}", page.text());
    assert_eq!(browser.submit(&page, &[("decision", "allow")]).await.status, 400, "nothing was chosen");
    assert_eq!(browser.submit(&page, &[("decision", "allow"), ("choice-0", "x")]).await.status, 400);
    browser.submit(&page, &borrowed(&form(&page.text(), &[(0, &[2])]))).await;
    let fields = [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", codes["device_code"].as_str().unwrap())];
    let tokens = world.server.token(&device, &fields).await.json();
    assert_eq!(tokens["authorization_details"], payment(2));
    let fresh = world.server.refresh(&device, tokens["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(fresh["authorization_details"], payment(2));
}

#[tokio::test]
async fn lists_are_stated_by_operators_and_told_to_no_client() {
    let world = World::new().await;
    let shown = world.server.operate(Command::UserShow { account: world.alice.account.clone() }).await;
    assert_eq!(shown["claims"]["_lists"]["accounts"][1], json!({ "label": "Savings", "value": iban(1) }));
    let code =
        Browser::new(&world.server).authorize(&world.client, &world.alice, &[("scope", "openid profile email address phone")]).await.code();
    let tokens = world.server.redeem(&world.client, &code).await.json();
    let told = world.server.userinfo(tokens["access_token"].as_str().unwrap()).await.text();
    assert!(!told.contains("_lists") && !told.contains("Savings"), "{told}");
    let context = chancery::app::context::Context::of_server("operator", "x".to_owned());
    let claims = [("_lists".to_owned(), r#"{"accounts":"hunter2"}"#.to_owned())].into();
    let refused =
        world.server.app.operate(&context, Command::UserUpdate { account: world.alice.account.clone(), claims }).await.unwrap_err();
    assert!(refused.description.contains("_lists") && !refused.description.contains("hunter2"), "{}", refused.description);
}

#[tokio::test]
async fn rfc9396_7_1_an_enrichment_that_cannot_be_keeps_the_server_from_starting() {
    for (enrichment, why) in [
        ("{", "its enrichment is not JSON"),
        (r#"{"type":{"const":1}}"#, "this is no member"),
        (r#"{"to":{"const":1}}"#, "the schema has it too"),
        (r#"{"a":{"claim":"name"}}"#, "put {a} into the words"),
        (r#"{"a":{"choose":"accounts"}}"#, "its words are missing"),
    ] {
        let schema = r#"{"properties":{"to":{}}}"#;
        let toml =
            format!("[[authorization_details_type]]\nname = \"a\"\nschema = '{schema}'\nwords = \"x\"\nenrichment = '{enrichment}'\n");
        let said = Server::try_with(&toml).await.err().unwrap();
        assert!(said.contains("authorization_details_type a is not acceptable") && said.contains(why), "{said}");
    }
}
