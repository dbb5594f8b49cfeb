//! RFC 9396: what it demands and no other test holds.

use serde_json::{Value, json};

use super::{ciba, rfc8628};
use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, Tokens, page_of};
use crate::support::jwt::Key;
use crate::support::*;

const SECRET: &str = "a-secret-of-forty-characters-for-the-test";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BANK: &str = "https://bank.example";
const SHOP: &str = "https://shop.example";

const TOML: &str = r#"
[[authorization_details_type]]
name = "payment"
schema = '{"properties":{"actions":{"type":"array","items":{"enum":["initiate","status"]},"minItems":1},"to":{"type":"string","minLength":1},"amount":{"type":"object","properties":{"value":{"type":"integer","minimum":1},"currency":{"enum":["EUR","CHF"]}},"required":["value","currency"],"additionalProperties":false},"locations":{"type":"array","items":{"type":"string"}}},"required":["actions","to"],"additionalProperties":false}'
words = "Pay {to} ({actions})"

[[authorization_details_type]]
name = "four_eyes"
schema = '{"properties":{"actions":{"type":"array","minItems":2}},"required":["actions"],"additionalProperties":false}'
words = "Look together: {actions}"

[[authorization_details_type]]
name = "of_others"
schema = '{}'
words = "Something else"

[[resource]]
identifier = "https://bank.example"
scope = "api"
token_format = "opaque"
introspected_by = ["bank"]

[[resource]]
identifier = "https://shop.example"
scope = "api"
introspected_by = ["shop"]

[[client]]
client_id = "app"
client_secret = "a-secret-of-forty-characters-for-the-test"
redirect_uris = ["https://app.example/cb"]
grant_types = ["authorization_code", "refresh_token", "client_credentials"]
scope = "openid email offline_access api"
authorization_details_types = ["payment", "four_eyes"]

[[client]]
client_id = "bank"
client_secret = "a-secret-of-forty-characters-for-the-test"
grant_types = ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"]
response_types = []
scope = "api"

[[client]]
client_id = "shop"
client_secret = "a-secret-of-forty-characters-for-the-test"
grant_types = ["client_credentials"]
response_types = []
scope = "api"

[[token_exchange]]
client_id = "bank"
subject_clients = ["app"]
modes = ["impersonation"]
resources = ["https://shop.example"]
"#;

const PAYMENT: &str = r#"[{"type":"payment","to":"Ann","actions":["initiate","status"]}]"#;

fn declared(id: &str) -> Client {
    Client { id: id.to_owned(), secret: Some(SECRET.to_owned()), redirect_uri: "https://app.example/cb".to_owned() }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn refused() -> (u16, String) {
    (400, "invalid_authorization_details".to_owned())
}

/// What the authorization endpoint says of these details at once.
async fn told(server: &Server, client: &Client, details: &str) -> Option<String> {
    server.get(&client.request(&[("scope", "openid api"), ("authorization_details", details)])).send().await.sent("error")
}

async fn granted(server: &Server, person: &Person, changes: &[(&str, &str)]) -> Tokens {
    let changes = [&[("scope", "openid offline_access api")], changes].concat();
    Browser::new(server).tokens(&declared("app"), person, &changes).await
}

async fn redeem(server: &Server, code: &str, details: &str) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "https://app.example/cb"),
        ("code_verifier", VERIFIER),
        ("authorization_details", details),
    ];
    server.token(&declared("app"), &fields).await
}

async fn refresh(server: &Server, token: &str, more: &[(&str, &str)]) -> Answer {
    server.token(&declared("app"), &[&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat()).await
}

#[tokio::test]
async fn rfc9396_2_an_array_of_objects_each_with_a_type() {
    let server = Server::with(&[], TOML).await;
    let (app, alice) = (declared("app"), server.alice().await);
    for bad in [
        "null",
        r#""payment""#,
        r#"{"type":"payment","to":"Ann","actions":["status"]}"#,
        r#"["payment"]"#,
        r#"[null]"#,
        r#"[[{"type":"payment","to":"Ann","actions":["status"]}]]"#,
        r#"[{"to":"Ann","actions":["status"]}]"#,
        r#"[{"type":1,"to":"Ann","actions":["status"]}]"#,
        r#"[{"type":null,"to":"Ann","actions":["status"]}]"#,
        // §12: strings are equal or they are not.
        r#"[{"type":"Payment","to":"Ann","actions":["status"]}]"#,
        r#"[{"type":" payment","to":"Ann","actions":["status"]}]"#,
        r#"[{"type":"payment\u0000","to":"Ann","actions":["status"]}]"#,
        r#"[{"type":"payment\u200b","to":"Ann","actions":["status"]}]"#,
    ] {
        assert_eq!(told(&server, &app, bad).await.as_deref(), Some("invalid_authorization_details"), "{bad}");
    }
    // Of one type more than one; and an escape is the letter that it stands for.
    let twice = r#"[{"type":"payment","to":"Ann","actions":["status"]},{"type":"\u0070ayment","to":"Bob","actions":["initiate"]}]"#;
    let tokens = granted(&server, &alice, &[("authorization_details", twice)]).await;
    let names: Vec<_> = tokens.whole["authorization_details"].as_array().unwrap().iter().map(|one| [&one["type"], &one["to"]]).collect();
    assert_eq!(names, [["payment", "Ann"], ["payment", "Bob"]]);
}

#[tokio::test]
async fn rfc9396_3_1_scopes_and_details_are_read_and_granted_together() {
    let server = Server::with(&[], TOML).await;
    let (app, alice) = (declared("app"), server.alice().await);
    let shown = ["See your e-mail address", "\u{201c}<bdi class=\"code\">api</bdi>\u{201d}", "Pay Ann (initiate, status)"];
    let asked = [("scope", "openid email offline_access api"), ("authorization_details", PAYMENT)];
    let mut browser = Browser::new(&server);
    let page = browser.open(&app.request(&asked)).await;
    let page = browser.submit(&page, &[("login", &alice.email), ("password", PASSWORD)]).await;
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    assert_eq!(denied.sent("error").as_deref(), Some("access_denied"));
    browser.authorize(&app, &alice, &[asked[0]]).await.code();
    // With the scopes allowed the page still shows all of the request.
    for answer in [page, browser.open(&app.request(&asked)).await] {
        let text = answer.text();
        assert_eq!(page_of(&answer), "consent");
        assert!(shown.iter().all(|part| text.contains(part)), "{text}");
    }
    let tokens = browser.tokens(&app, &alice, &asked).await;
    assert_eq!(tokens.whole["scope"], "api email offline_access openid");
    assert_eq!(tokens.whole["authorization_details"], parsed(PAYMENT));
    // To ask for less of one leaves the other.
    let fewer = refresh(&server, tokens.refresh(), &[("scope", "api")]).await.json();
    assert_eq!((&fewer["scope"], &fewer["authorization_details"]), (&json!("api"), &parsed(PAYMENT)));
    let less = r#"[{"type":"payment","to":"Ann","actions":["status"]}]"#;
    let fewer = refresh(&server, fewer["refresh_token"].as_str().unwrap(), &[("authorization_details", less)]).await.json();
    assert_eq!((&fewer["scope"], &fewer["authorization_details"]), (&json!("api email offline_access openid"), &parsed(less)));
    // Neither makes up for the other.
    for (scope, details, error) in
        [("unknown", PAYMENT, "invalid_scope"), ("openid api", r#"[{"type":"nothing"}]"#, "invalid_authorization_details")]
    {
        let answer = browser.get(&app.request(&[("scope", scope), ("authorization_details", details)])).await;
        assert_eq!(answer.sent("error").as_deref(), Some(error), "{scope} {details}");
    }
    // On the page of a device too.
    let members = json!({ "authorization_details_types": ["payment"], "scope": "openid email api" });
    let tv = rfc8628::tv(&server, members).await;
    let fields = [("scope", "openid email api"), ("authorization_details", PAYMENT)];
    let codes = server.as_client("/oidc/device/auth", &tv, &fields).send().await.json();
    let page = browser.open(&format!("/device?user_code={}", rfc8628::text(&codes, "user_code"))).await.text();
    assert!(shown.iter().all(|part| page.contains(part)), "{page}");
}

/// Of each kind that RFC 9396 §5 lists.
const UNFIT: [&str; 14] = [
    r#"[{"type":"nothing","to":"Ann","actions":["status"]}]"#,
    r#"[{"type":"of_others"}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["status"],"more":1}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["status"],"amount":{"value":1,"currency":"EUR","more":1}}]"#,
    r#"[{"type":"payment","to":5,"actions":["status"]}]"#,
    r#"[{"type":"payment","to":"Ann","actions":"status"}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["status"],"amount":"5 EUR"}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["status"],"amount":{"value":"5","currency":"EUR"}}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["steal"]}]"#,
    r#"[{"type":"payment","to":"","actions":["status"]}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["status"],"amount":{"value":0,"currency":"XXX"}}]"#,
    r#"[{"type":"payment","to":"Ann"}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["status"],"amount":{"value":1}}]"#,
    r#"[{"type":"payment","to":"Ann","actions":["status"]},{"type":"payment","to":"Ann"}]"#,
];

#[tokio::test]
async fn rfc9396_5_what_does_not_fit_is_refused_wherever_it_comes_in() {
    let server = Server::with(&[], TOML).await;
    let (app, alice) = (declared("app"), server.alice().await);
    let key = Key::generate("ES256");
    let signing = server.client(json!({ "jwks": key.jwks(), "authorization_details_types": ["payment", "four_eyes"] })).await;
    let tv = rfc8628::tv(&server, json!({ "authorization_details_types": ["payment"] })).await;
    let tokens = granted(&server, &alice, &[("authorization_details", PAYMENT)]).await;
    let code = Browser::new(&server).authorize(&app, &alice, &[("scope", "openid api"), ("authorization_details", PAYMENT)]).await.code();
    let object = |details: &str| {
        key.sign(&json!({
            "iss": signing.id, "aud": server.issuer, "client_id": signing.id, "redirect_uri": signing.redirect_uri,
            "response_type": "code", "scope": "openid api", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
            "authorization_details": parsed(details),
        }))
    };
    let mark = server.mark().await;
    for details in UNFIT {
        assert_eq!(told(&server, &app, details).await.as_deref(), Some("invalid_authorization_details"), "{details}");
        let signed = server.get(&signing.request(&[("request", &object(details))])).send().await;
        assert_eq!(signed.sent("error").as_deref(), Some("invalid_authorization_details"), "signed: {details}");
        let pushed = server.as_client("/oidc/par", &signing, &[("request", &object(details))]).send().await;
        assert_eq!(pushed.refusal(), refused(), "pushed: {details}");
        let sent = [("scope", "openid"), ("authorization_details", details)];
        assert_eq!(server.as_client("/oidc/device/auth", &tv, &sent).send().await.refusal(), refused(), "on a device: {details}");
        // §8: and at the token endpoint.
        let own = [("grant_type", "client_credentials"), ("scope", "api"), ("authorization_details", details)];
        assert_eq!(server.token(&app, &own).await.refusal(), refused(), "for itself: {details}");
        assert_eq!(redeem(&server, &code, details).await.refusal(), refused(), "for a code: {details}");
        assert_eq!(refresh(&server, tokens.refresh(), &[("authorization_details", details)]).await.refusal(), refused(), "{details}");
    }
    assert_eq!(server.mark().await, mark, "what is refused leaves nothing");
    // What fits is taken, and neither code nor refresh token is spent.
    assert_eq!(page_of(&Browser::new(&server).open(&signing.request(&[("request", &object(PAYMENT))])).await), "login");
    assert_eq!(server.as_client("/oidc/par", &signing, &[("request", &object(PAYMENT))]).send().await.status, 201);
    let sent = [("scope", "openid"), ("authorization_details", PAYMENT)];
    assert_eq!(server.as_client("/oidc/device/auth", &tv, &sent).send().await.status, 200);
    let own = [("grant_type", "client_credentials"), ("scope", "api"), ("authorization_details", PAYMENT)];
    for answer in [
        server.token(&app, &own).await,
        redeem(&server, &code, PAYMENT).await,
        refresh(&server, tokens.refresh(), &[("authorization_details", PAYMENT)]).await,
    ] {
        assert_eq!((answer.status, &answer.json()["authorization_details"]), (200, &parsed(PAYMENT)));
    }
}

#[tokio::test]
async fn rfc9396_8_what_is_less_has_to_fit_its_type_too() {
    let server = Server::with(&[], TOML).await;
    let (app, alice) = (declared("app"), server.alice().await);
    let (whole, half) = (r#"[{"type":"four_eyes","actions":["a","b","c"]}]"#, r#"[{"type":"four_eyes","actions":["a"]}]"#);
    let code = Browser::new(&server).authorize(&app, &alice, &[("scope", "openid api"), ("authorization_details", whole)]).await.code();
    assert_eq!(redeem(&server, &code, half).await.refusal(), refused());
    let two = r#"[{"type":"four_eyes","actions":["a","c"]}]"#;
    assert_eq!(redeem(&server, &code, two).await.json()["authorization_details"], parsed(two));
    let tokens = granted(&server, &alice, &[("authorization_details", whole)]).await;
    assert_eq!(refresh(&server, tokens.refresh(), &[("authorization_details", half)]).await.refusal(), refused());
    let fewer = refresh(&server, tokens.refresh(), &[("authorization_details", two)]).await.json();
    assert_eq!(fewer["authorization_details"], parsed(two));
}

#[tokio::test]
async fn rfc9396_6_a_grant_that_has_none_gives_none() {
    let key = Key::generate("ES256");
    let toml = format!(
        "{}{TOML}[[client]]\nclient_id = \"batch\"\nclient_secret = \"{SECRET}\"\nresponse_types = []\nscope = \"api\"\n\
         grant_types = [\"{JWT_BEARER}\"]\nauthorization_details_types = [\"payment\"]\n\
         [[assertion_issuer]]\nissuer = \"https://partner.example\"\njwks = '{}'\nclients = [\"batch\"]\nscope = \"api\"\n\
         resources = [\"{BANK}\"]\n",
        ciba::ON,
        key.jwks()
    );
    let server = Server::with(&[], &toml).await;
    let alice = server.alice().await;
    let (partner, now) = ("https://partner.example", NOW / 1000);
    let claims = json!({ "iss": partner, "sub": alice.account, "aud": server.issuer, "exp": now + 300, "iat": now, "jti": "1" });
    let assertion = key.sign(&claims);
    let brought = [("grant_type", JWT_BEARER), ("assertion", assertion.as_str())];
    let wanted = [("authorization_details", PAYMENT)];
    assert_eq!(server.token(&declared("batch"), &[&brought[..], &wanted].concat()).await.refusal(), refused());
    assert_eq!(server.token(&declared("batch"), &brought).await.status, 200, "the assertion was not spent");
    let bank = ciba::bank(&server, json!({ "authorization_details_types": ["payment"] })).await;
    let asked = ciba::ask(&server, &bank, &alice, &[]).await;
    let polled = [("grant_type", ciba::GRANT), ("auth_req_id", asked["auth_req_id"].as_str().unwrap())];
    assert_eq!(server.token(&bank, &[&polled[..], &wanted].concat()).await.refusal(), refused());
    assert_eq!(server.token(&bank, &polled).await.error(), "authorization_pending");
    // Nor does a code or a refresh token without any.
    let plain = granted(&server, &alice, &[]).await;
    assert_eq!(refresh(&server, plain.refresh(), &wanted).await.refusal(), refused());
    let code = Browser::new(&server).authorize(&declared("app"), &alice, &[("scope", "openid api")]).await.code();
    assert_eq!(redeem(&server, &code, PAYMENT).await.refusal(), refused());
}

/// For the bank, for the shop, and for nobody in particular.
const PLACED: &str = r#"[
    {"type":"payment","to":"A","actions":["status"],"locations":["https://bank.example"]},
    {"type":"payment","to":"B","actions":["status"],"locations":["https://shop.example"]},
    {"type":"payment","to":"C","actions":["status"]}
]"#;

/// Whom the details of an answer are about, as a top-level member with the structure of a request.
fn people(answer: &Value) -> Vec<&str> {
    let all = answer["authorization_details"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert!(all.iter().all(|one| one["type"] == "payment" && one["actions"] == json!(["status"])), "{answer}");
    all.iter().map(|one| one["to"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rfc9396_9_2_a_resource_server_is_told_what_is_for_it() {
    let server = Server::with(&[], TOML).await;
    let alice = server.alice().await;
    let jwks = server.get("/oidc/jwks").send().await.json();
    for (resource, asker, other, expected) in [(BANK, "bank", "shop", ["A", "C"]), (SHOP, "shop", "bank", ["B", "C"])] {
        let tokens = granted(&server, &alice, &[("authorization_details", PLACED), ("resource", resource)]).await;
        assert_eq!(people(&tokens.whole), ["A", "B", "C"], "§7");
        let seen = server.introspect(&declared(asker), &tokens.access).await;
        assert_eq!((people(&seen), &seen["aud"]), (expected.to_vec(), &json!(resource)));
        let signed = server.as_client("/oidc/introspection", &declared(asker), &[("token", &tokens.access)]);
        let signed = signed.header("accept", "application/token-introspection+jwt").send().await;
        assert_eq!(people(&jwt::verified(&signed.text(), &jwks).1["token_introspection"]), expected);
        assert_eq!(server.introspect(&declared(other), &tokens.access).await, json!({ "active": false }));
        // The bank's tokens are opaque: there introspection is the only way.
        if resource == SHOP {
            assert_eq!(people(&jwt::verified(&tokens.access, &jwks).1), expected, "§9.1");
        }
    }
}

#[tokio::test]
async fn rfc9396_7_an_exchanged_token_says_what_it_has() {
    let server = Server::with(&[], TOML).await;
    let alice = server.alice().await;
    let first = granted(&server, &alice, &[("authorization_details", PLACED), ("resource", BANK)]).await;
    let exchange = async |more: &[(&str, &str)]| {
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let fields = [("grant_type", EXCHANGE), ("subject_token", first.access.as_str()), ("subject_token_type", kind), ("resource", SHOP)];
        server.token(&declared("bank"), &[&fields[..], more].concat()).await
    };
    let whole = Tokens::of(&exchange(&[]).await);
    assert_eq!(people(&whole.whole), ["A", "B", "C"]);
    assert_eq!(people(&server.introspect(&declared("shop"), &whole.access).await), ["B", "C"]);
    let one = r#"[{"type":"payment","to":"C","actions":["status"]}]"#;
    let less = Tokens::of(&exchange(&[("authorization_details", one)]).await);
    assert_eq!((people(&less.whole), people(&server.introspect(&declared("shop"), &less.access).await)), (vec!["C"], vec!["C"]));
    for more in [r#"[{"type":"payment","to":"D","actions":["status"]}]"#, r#"[{"type":"payment","to":"C","actions":[]}]"#, UNFIT[0]] {
        assert_eq!(exchange(&[("authorization_details", more)]).await.refusal(), refused(), "{more}");
    }
}

#[tokio::test]
async fn rfc9396_12_nothing_in_them_is_taken_for_markup_words_or_headers() {
    let server = Server::with(&[], TOML).await;
    let (app, alice) = (declared("app"), server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&app, &alice, &[("scope", "openid api")]).await.code();
    for (to, shown) in [
        ("</bdi></ul><script>alert(1)</script>", "Pay &#60;/bdi&#62;&#60;/ul&#62;&#60;script&#62;alert(1)&#60;/script&#62; (status)"),
        ("\" onclick='alert(1)'", "Pay &#34; onclick=&#39;alert(1)&#39; (status)"),
        ("&lt;b&gt;", "Pay &#38;lt;b&#38;gt; (status)"),
        // What stands for something in the operator's sentence stands for nothing in a value.
        ("{actions}{to}", "Pay {actions}{to} (status)"),
        // No line, no mark of direction, no end of text.
        ("Ann\n[Allow]\u{2028}\u{202e}Bob\u{0}", "Pay Ann [Allow]  Bob  (status)"),
    ] {
        let details = json!([{ "type": "payment", "to": to, "actions": ["status"] }]);
        let text = details.to_string();
        let page = browser.open(&app.request(&[("scope", "openid api"), ("authorization_details", &text)])).await;
        assert!(page.text().contains(shown) && !page.text().contains("<script"), "{}", page.text());
        assert!(page.header("content-security-policy").contains("script-src 'none'"));
        // §13: neither the address of the page nor what a browser says of it elsewhere.
        assert!(page.header("referrer-policy") == "same-origin" && !browser.at.contains("payment"), "{}", browser.at);
        let answer = browser.submit(&page, &[("decision", "allow")]).await;
        let tokens = Tokens::of(&server.redeem(&app, &answer.code()).await);
        assert_eq!(tokens.whole["authorization_details"], details, "and it is what it was");
    }
    let deep = format!(r#"[{{"type":"payment","actions":["status"],"to":{}{}}}]"#, "[".repeat(1_500), "]".repeat(1_500));
    let long = format!(r#"[{{"type":"payment","actions":["status"],"to":"{}"}}]"#, "a".repeat(4_100));
    for bad in [
        r#"[{"type":"<script>alert(1)</script>\r\nset-cookie: a=b"}]"#,
        r#"[{"type":"payment","to":"Ann","actions":["status"],"<script>\r\nset-cookie: a=b":1}]"#,
        &"[".repeat(4_000),
        &deep,
        &long,
    ] {
        let answer = server.get(&app.request(&[("scope", "openid api"), ("authorization_details", bad)])).send().await;
        assert_eq!((answer.status, answer.sent("error").as_deref()), (303, Some("invalid_authorization_details")));
        assert!(!answer.sent("error_description").unwrap().contains(['<', '\n']) && !answer.header("set-cookie").contains("a=b"));
        let own = server.token(&app, &[("grant_type", "client_credentials"), ("scope", "api"), ("authorization_details", bad)]).await;
        assert_eq!(own.refusal(), refused());
        assert!(!own.text().contains('<') && !own.text().contains("cookie"), "{}", own.text());
    }
}
