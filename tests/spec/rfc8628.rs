//! RFC 8628: the device grant, from the codes to the tokens, with the pages in between.

use chancery::app::context::Context;
use serde_json::{Value, json};

use crate::support::call::Answer;
use crate::support::flow::{PASSWORD, Person, Tokens};
use crate::support::*;

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub async fn tv(server: &Server, members: Value) -> Client {
    let mut own = json!({
        "client_name": "Meadow Television", "grant_types": [GRANT, "refresh_token"], "response_types": [], "redirect_uris": [],
        "token_endpoint_auth_method": "none",
    });
    own.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    server.client(own).await
}

pub async fn ask(server: &Server, client: &Client) -> Value {
    let answer = server.as_client("/oidc/device/auth", client, &[("scope", "openid profile")]).send().await;
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "{}", answer.text());
    answer.json()
}

pub fn text<'a>(codes: &'a Value, name: &str) -> &'a str {
    codes[name].as_str().unwrap()
}

pub async fn poll(server: &Server, client: &Client, codes: &Value) -> Answer {
    server.token(client, &[("grant_type", GRANT), ("device_code", text(codes, "device_code"))]).await
}

/// A browser in which alice is signed in.
pub async fn signed_in<'a>(server: &'a Server, person: &Person) -> Browser<'a> {
    let mut browser = Browser::new(server);
    let page = browser.open("/device").await;
    browser.submit(&page, &[("login", &person.email), ("password", PASSWORD)]).await;
    browser
}

/// What the person decides on the page of a code.
pub async fn decide(browser: &mut Browser<'_>, user_code: &str, decision: &str) -> Answer {
    let page = browser.open(&format!("/device?user_code={user_code}")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    browser.submit(&page, &[("decision", decision)]).await
}

#[tokio::test]
async fn rfc8628_3_2_a_device_gets_its_codes() {
    let server = Server::start().await;
    let client = tv(&server, json!({})).await;
    let mark = server.mark().await;
    let codes = ask(&server, &client).await;
    assert!(text(&codes, "device_code").starts_with("cha_dc_"));
    let user_code = text(&codes, "user_code");
    let allowed = |b: u8| b"BCDFGHJKLMNPQRSTVWXZ".contains(&b);
    assert!(
        user_code.len() == 9 && user_code.as_bytes()[4] == b'-' && user_code.bytes().filter(|b| allowed(*b)).count() == 8,
        "{user_code}"
    );
    assert_eq!(codes["verification_uri"], format!("{}/device", server.origin));
    assert_eq!(codes["verification_uri_complete"], format!("{}/device?user_code={user_code}", server.origin));
    assert_eq!((&codes["expires_in"], &codes["interval"]), (&json!(600), &json!(5)));
    assert_eq!(server.kinds_since(mark).await, ["DeviceAuthorizationRequested"]);
    // A code of 34 bits is in the log as ciphertext alone: a digest could be guessed.
    let plain = user_code.replace('-', "");
    assert!(server.leaves().await.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains(&plain)));
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["device_authorization_endpoint"], format!("{}/device/auth", server.issuer));
    assert!(discovery["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
}

#[tokio::test]
async fn rfc8628_3_1_who_may_ask_and_for_what() {
    let server = Server::start().await;
    let (web, client) = (server.web_client().await, tv(&server, json!({})).await);
    let send =
        async |client: &Client, fields: &[(&str, &str)]| server.as_client("/oidc/device/auth", client, fields).send().await.refusal();
    assert_eq!(send(&web, &[("scope", "openid")]).await, (400, "unauthorized_client".to_owned()));
    assert_eq!(send(&client, &[("scope", "a\"b")]).await, (400, "invalid_scope".to_owned()));
    assert_eq!(send(&client, &[("scope", "nothing-of-it")]).await, (400, "invalid_scope".to_owned()));
    assert_eq!(send(&client, &[("scope", "openid"), ("resource", "https://nobody.example")]).await, (400, "invalid_target".to_owned()));
    let stranger = server.post("/oidc/device/auth").form(&[("client_id", "nobody"), ("scope", "openid")]).send().await;
    assert_eq!(stranger.refusal(), (401, "invalid_client".to_owned()));
    let confidential = tv(&server, json!({ "token_endpoint_auth_method": "client_secret_basic" })).await;
    let without = server.post("/oidc/device/auth").form(&[("client_id", &confidential.id), ("scope", "openid")]).send().await;
    assert_eq!(without.refusal(), (401, "invalid_client".to_owned()));
    assert_eq!(send(&confidential, &[("scope", "openid")]).await.0, 200);
}

#[tokio::test]
async fn rfc8628_3_5_from_waiting_to_tokens_once() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (tv(server, json!({})).await, server.alice().await);
        let codes = ask(server, &client).await;
        assert_eq!(poll(server, &client, &codes).await.refusal(), (400, "authorization_pending".to_owned()));
        let mut browser = signed_in(server, &alice).await;
        let mark = server.mark().await;
        let done = decide(&mut browser, text(&codes, "user_code"), "allow").await;
        assert_eq!((done.status, browser.at.as_str()), (200, "/device?done=allowed"));
        let kinds = server.kinds_since(mark).await;
        assert!(kinds.contains(&"ConsentGiven".to_owned()) && kinds.contains(&"DeviceApproved".to_owned()), "{kinds:?}");
        let mark = server.mark().await;
        let tokens = Tokens::of(&poll(server, &client, &codes).await);
        assert_eq!(server.kinds_since(mark).await, ["DeviceCodeRedeemed", "DeviceGranted"]);
        assert_eq!(tokens.whole["scope"], "openid profile");
        let (_, claims) = jwt::verified(tokens.id_token(), &server.get("/oidc/jwks").send().await.json());
        assert_eq!((&claims["sub"], &claims["aud"], claims.get("nonce")), (&json!(alice.account), &json!(client.id), None));
        assert_eq!(server.userinfo(&tokens.access).await.json()["sub"], alice.account.as_str());
        let fresh = Tokens::of(&server.refresh(&client, tokens.refresh()).await);
        let mark = server.mark().await;
        for _ in 0..3 {
            assert_eq!(poll(server, &client, &codes).await.refusal(), (400, "invalid_grant".to_owned()));
        }
        assert_eq!(server.kinds_since(mark).await, ["DeviceCodeMisused"], "a replay is recorded once");
        assert_eq!(server.userinfo(&fresh.access).await.status, 200, "and ends nothing: an answer may have been lost");
        // The code leads nowhere any more.
        assert_eq!(browser.open(&format!("/device?user_code={}", text(&codes, "user_code"))).await.status, 400);
    })
    .await;
}

#[tokio::test]
async fn rfc8628_3_5_denied_and_expired() {
    let server = Server::start().await;
    let (client, alice) = (tv(&server, json!({})).await, server.alice().await);
    let mut browser = signed_in(&server, &alice).await;
    let denied = ask(&server, &client).await;
    let mark = server.mark().await;
    decide(&mut browser, text(&denied, "user_code"), "deny").await;
    assert_eq!(browser.at, "/device?done=denied");
    let kinds = server.kinds_since(mark).await;
    assert!(kinds.contains(&"ConsentDenied".to_owned()) && kinds.contains(&"DeviceDenied".to_owned()), "{kinds:?}");
    assert_eq!(poll(&server, &client, &denied).await.refusal(), (400, "access_denied".to_owned()));
    let (late, unfetched) = (ask(&server, &client).await, ask(&server, &client).await);
    decide(&mut browser, text(&unfetched, "user_code"), "allow").await;
    server.advance(600_000);
    for codes in [&late, &unfetched] {
        assert_eq!(poll(&server, &client, codes).await.refusal(), (400, "expired_token".to_owned()));
    }
    assert_eq!(browser.open(&format!("/device?user_code={}", text(&late, "user_code"))).await.status, 400);
}

#[tokio::test]
async fn rfc8628_3_5_slow_down_is_enforced_and_the_interval_grows() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (tv(server, json!({})).await, server.alice().await);
        let codes = ask(server, &client).await;
        let error = async || poll(server, &client, &codes).await.error();
        assert_eq!(error().await, "authorization_pending");
        server.advance(4_999);
        let mark = server.mark().await;
        assert_eq!(error().await, "slow_down");
        let slowed = server.events().await.into_iter().skip(mark).find(|event| event.kind == "DevicePollingSlowed").unwrap();
        assert_eq!(slowed.data["interval"], 10);
        server.advance(5_000);
        assert_eq!(error().await, "slow_down", "ten seconds by now");
        server.advance(15_000);
        assert_eq!(error().await, "authorization_pending", "fifteen were asked for and kept");
        for _ in 0..30 {
            assert_eq!(error().await, "slow_down");
        }
        let kinds = server.kinds_since(mark).await;
        assert_eq!(kinds.iter().filter(|kind| *kind == "DevicePollingSlowed").count(), 11, "up to a minute, and no event without end");
        decide(&mut signed_in(server, &alice).await, text(&codes, "user_code"), "allow").await;
        assert_eq!(poll(server, &client, &codes).await.status, 200, "an answer waits for nobody");
    })
    .await;
}

#[tokio::test]
async fn rfc8628_3_5_of_twenty_polls_one_gets_the_tokens() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (tv(server, json!({})).await, server.alice().await);
        let codes = ask(server, &client).await;
        decide(&mut signed_in(server, &alice).await, text(&codes, "user_code"), "allow").await;
        let mark = server.mark().await;
        let answers = at_once::all(20, || poll(server, &client, &codes)).await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        let refused = answers.iter().filter(|answer| answer.refusal() == (400, "invalid_grant".to_owned())).count();
        assert_eq!((good, refused), (1, 19));
        let kinds = server.kinds_since(mark).await;
        let count = |kind: &str| kinds.iter().filter(|own| *own == kind).count();
        assert_eq!((count("DeviceGranted"), count("DeviceCodeRedeemed"), count("DeviceCodeMisused")), (1, 1, 1));
    })
    .await;
}

#[tokio::test]
async fn rfc8628_3_3_of_twenty_answers_one_counts() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (tv(server, json!({})).await, server.alice().await);
        let codes = ask(server, &client).await;
        let mut browser = signed_in(server, &alice).await;
        let page = browser.open(&format!("/device?user_code={}", text(&codes, "user_code"))).await;
        let form = browser::form_of(&page.text());
        let fields: Vec<_> = form.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mark = server.mark().await;
        let turn = std::cell::Cell::new(0);
        let answers = at_once::all(20, || {
            let (mut own, fields) = (browser.clone(), fields.clone());
            turn.set(turn.get() + 1);
            let decision = if turn.get() % 2 == 0 { "allow" } else { "deny" };
            async move { own.post("/device", &[&fields[..], &[("decision", decision)]].concat()).await }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 303).count(), 1);
        let kinds = server.kinds_since(mark).await;
        assert_eq!(kinds.iter().filter(|kind| ["DeviceApproved", "DeviceDenied"].contains(&kind.as_str())).count(), 1, "{kinds:?}");
    })
    .await;
}

#[tokio::test]
async fn rfc8628_3_4_the_code_of_another_client_is_refused() {
    let server = Server::start().await;
    let (client, other) = (tv(&server, json!({})).await, tv(&server, json!({})).await);
    let alice = server.alice().await;
    let codes = ask(&server, &client).await;
    let mark = server.mark().await;
    for _ in 0..2 {
        assert_eq!(poll(&server, &other, &codes).await.refusal(), (400, "invalid_grant".to_owned()));
    }
    assert_eq!(server.kinds_since(mark).await, ["DeviceCodeMisused"]);
    assert_eq!(poll(&server, &client, &codes).await.error(), "authorization_pending", "nobody else slows a device down");
    decide(&mut signed_in(&server, &alice).await, text(&codes, "user_code"), "allow").await;
    assert_eq!(poll(&server, &other, &codes).await.error(), "invalid_grant");
    assert_eq!(poll(&server, &client, &codes).await.status, 200);
    let guess = server.token(&client, &[("grant_type", GRANT), ("device_code", "cha_dc_x")]).await;
    assert_eq!(guess.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(server.token(&client, &[("grant_type", GRANT)]).await.refusal(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn rfc8628_3_3_1_with_the_code_in_the_address_it_is_still_shown_and_confirmed() {
    let server = Server::start().await;
    let (client, alice) = (tv(&server, json!({})).await, server.alice().await);
    let request = server.as_client("/oidc/device/auth", &client, &[("scope", "openid profile")]);
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let codes = request.header("user-agent", agent).send().await.json();
    let complete = text(&codes, "verification_uri_complete").strip_prefix(&server.origin).unwrap().to_owned();
    let mut browser = Browser::new(&server);
    let page = browser.open(&complete).await;
    assert_eq!(flow::page_of(&page), "login", "first of all somebody signs in");
    let page = browser.submit(&page, &[("login", &alice.email), ("password", PASSWORD)]).await;
    let shown = page.text();
    for part in [text(&codes, "user_code"), "Meadow Television", "See your name and profile", "Firefox, Linux", "127.0.0.1", &alice.email] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.contains("value=\"allow\"") && shown.contains("value=\"deny\""));
    assert_eq!(poll(&server, &client, &codes).await.error(), "authorization_pending", "to be shown is no answer");
}

#[tokio::test]
async fn rfc8628_6_1_the_code_may_be_typed_in_any_way() {
    let server = Server::start().await;
    let (client, alice) = (tv(&server, json!({})).await, server.alice().await);
    let mut browser = signed_in(&server, &alice).await;
    let codes = ask(&server, &client).await;
    let plain = text(&codes, "user_code").replace('-', "").to_lowercase();
    for typed in [plain.clone(), format!("{}+{}", &plain[..4], &plain[4..]), format!("+{}.{}+", &plain[..2], &plain[2..])] {
        let page = browser.open(&format!("/device?user_code={typed}")).await;
        assert!(page.status == 200 && page.text().contains(text(&codes, "user_code")), "{typed}");
    }
}

#[tokio::test]
async fn rfc8628_5_1_guesses_are_evidence_and_limited_by_account_address_and_altogether() {
    for (setting, others) in [
        ("CHANCERY_RATE_LIMITS_USER_CODE_FAILURES_PER_ACCOUNT", true),
        ("CHANCERY_RATE_LIMITS_USER_CODE_FAILURES_PER_ADDRESS", false),
        ("CHANCERY_RATE_LIMITS_USER_CODE_FAILURES", false),
    ] {
        let server = Server::with(&[(setting, "3/15m")], "").await;
        let (client, alice, bob) = (tv(&server, json!({})).await, server.alice().await, server.person("bob@example.com").await);
        let codes = ask(&server, &client).await;
        let mut browser = signed_in(&server, &alice).await;
        let mark = server.mark().await;
        for wrong in ["BBBB-BBBB", "AEIOU", "<script>"] {
            let encoded: String = form_urlencoded::byte_serialize(wrong.as_bytes()).collect();
            let page = browser.open(&format!("/device?user_code={encoded}")).await;
            assert_eq!(page.status, 400);
            assert!(!page.text().contains("<script>"));
        }
        assert_eq!(server.kinds_since(mark).await, ["UserCodeRefused"; 3]);
        let right = format!("/device?user_code={}", text(&codes, "user_code"));
        let limited = browser.open(&right).await.text();
        assert!(!limited.contains("value=\"allow\"") && limited.contains("too many attempts"), "{setting}: {limited}");
        let other = signed_in(&server, &bob).await.open(&right).await.text();
        assert_eq!(other.contains("value=\"allow\""), others, "{setting}");
        assert_eq!(server.kinds_since(mark).await.iter().filter(|kind| *kind == "UserCodeRefused").count(), 3);
    }
}

/// Two nodes on PostgreSQL that allow these guesses.
async fn nodes(limits: &[(&'static str, &str)]) -> (chancery_test_postgres::Cluster, Server, Server) {
    let cluster = chancery_test_postgres::Cluster::start_new(chancery_test_postgres::Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let one = Server::with(&[&[("DATABASE_URL", url.as_str())], limits].concat(), "").await;
    let two = one.beside().await;
    (cluster, one, two)
}

#[tokio::test]
async fn rfc8628_5_1_guesses_are_counted_for_all_nodes_together() {
    let (_cluster, one, two) = nodes(&[("CHANCERY_RATE_LIMITS_USER_CODE_FAILURES_PER_ACCOUNT", "3/15m")]).await;
    let (client, alice, bob) = (tv(&one, json!({})).await, one.alice().await, one.person("bob@example.com").await);
    let codes = ask(&one, &client).await;
    let right = format!("/device?user_code={}", text(&codes, "user_code"));
    let (mut at_one, mut at_two) = (signed_in(&one, &alice).await, signed_in(&two, &alice).await);
    let mark = one.mark().await;
    // What is right costs nothing, on whichever node.
    for _ in 0..2 {
        for browser in [&mut at_one, &mut at_two] {
            assert!(browser.open(&right).await.text().contains("value=\"allow\""));
        }
    }
    assert_eq!(at_one.open("/device?user_code=BBBB-BBBB").await.status, 400);
    assert_eq!(at_two.open("/device?user_code=CCCC-CCCC").await.status, 400);
    assert_eq!(at_one.open("/device?user_code=DDDD-DDDD").await.status, 400);
    for browser in [&mut at_one, &mut at_two] {
        let limited = browser.open(&right).await.text();
        assert!(!limited.contains("value=\"allow\"") && limited.contains("too many attempts"), "{limited}");
    }
    assert_eq!(one.kinds_since(mark).await, ["UserCodeRefused"; 3], "what is refused for its number leaves nothing");
    assert!(signed_in(&two, &bob).await.open(&right).await.text().contains("value=\"allow\""), "others go on");
    one.advance(15 * 60_000);
    let codes = ask(&one, &client).await;
    let right = format!("/device?user_code={}", text(&codes, "user_code"));
    assert!(at_two.open(&right).await.text().contains("value=\"allow\""), "another window");
}

#[tokio::test]
async fn rfc8628_5_1_of_forty_guesses_at_once_on_two_nodes_no_more_are_looked_up_than_there_are_places() {
    for limit in ["CHANCERY_RATE_LIMITS_USER_CODE_FAILURES_PER_ACCOUNT", "CHANCERY_RATE_LIMITS_USER_CODE_FAILURES"] {
        let (_cluster, one, two) = nodes(&[(limit, "5/15m")]).await;
        let alice = one.alice().await;
        let cookies = [signed_in(&one, &alice).await.cookie(), signed_in(&two, &alice).await.cookie()];
        let mark = one.mark().await;
        let count = std::cell::Cell::new(0_usize);
        let answers = at_once::all(40, || {
            let number = count.replace(count.get() + 1);
            let (server, cookie) = if number.is_multiple_of(2) { (&one, &cookies[0]) } else { (&two, &cookies[1]) };
            let letters: String = (0..8).map(|at| char::from(b"BCDFGHJKLMNPQRSTVWXZ"[(number >> at) % 20])).collect();
            server.get(&format!("/device?user_code={letters}")).header("cookie", cookie).send()
        })
        .await;
        let limited = answers.iter().filter(|answer| answer.text().contains("too many attempts")).count();
        assert_eq!((limited, one.kinds_since(mark).await.iter().filter(|kind| *kind == "UserCodeRefused").count()), (35, 5), "{limit}");
        // Places go by themselves; housekeeping says so.
        one.advance(20 * 60_000);
        let swept = one.app.sweep(&Context::of_server("server", "tidy".to_owned())).await.unwrap();
        assert!(swept >= 5, "{swept}");
    }
}

#[tokio::test]
async fn rfc8628_5_4_no_answer_is_accepted_from_elsewhere() {
    let server = Server::start().await;
    let (client, alice) = (tv(&server, json!({})).await, server.alice().await);
    let codes = ask(&server, &client).await;
    let mut browser = signed_in(&server, &alice).await;
    let page = browser.open(&format!("/device?user_code={}", text(&codes, "user_code"))).await;
    let csrf = browser::form_of(&page.text()).hidden.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    let cookie = browser.cookie();
    let code = text(&codes, "user_code");
    for (origin, csrf) in [("https://evil.example", csrf.as_str()), ("null", &csrf), (&server.origin, ""), (&server.origin, "x")] {
        let fields = [("csrf", csrf), ("user_code", code), ("decision", "allow")];
        let answer = server.post("/device").header("origin", origin).header("cookie", &cookie).form(&fields).send().await;
        assert_eq!(answer.status, 403, "{origin} {csrf}");
    }
    let nobody = server.post("/device").header("origin", &server.origin).form(&[
        ("csrf", csrf.as_str()),
        ("user_code", code),
        ("decision", "allow"),
    ]);
    assert_eq!(nobody.send().await.status, 303, "to the sign-in page");
    assert_eq!(poll(&server, &client, &codes).await.error(), "authorization_pending");
}

#[tokio::test]
async fn rfc9449_5_a_device_binds_its_tokens_too() {
    let server = Server::start().await;
    let (client, alice) = (tv(&server, json!({ "dpop_bound_access_tokens": true })).await, server.alice().await);
    let codes = ask(&server, &client).await;
    decide(&mut signed_in(&server, &alice).await, text(&codes, "user_code"), "allow").await;
    assert_eq!(poll(&server, &client, &codes).await.refusal(), (400, "invalid_dpop_proof".to_owned()));
    let prover = super::rfc9449::Prover::new("ES256");
    let fields = [("grant_type", GRANT), ("device_code", text(&codes, "device_code"))];
    let tokens = Tokens::of(&server.as_client("/oidc/token", &client, &fields).header("dpop", &prover.for_token(&server)).send().await);
    assert_eq!(tokens.whole["token_type"], "DPoP");
    assert_eq!(server.refresh(&client, tokens.refresh()).await.error(), "invalid_dpop_proof");
}

#[tokio::test]
async fn a_device_loses_its_tokens_with_session_consent_and_account() {
    let server = Server::start().await;
    let (client, alice) = (tv(&server, json!({ "token_endpoint_auth_method": "client_secret_basic" })).await, server.alice().await);
    let mut browser = signed_in(&server, &alice).await;
    let codes = ask(&server, &client).await;
    decide(&mut browser, text(&codes, "user_code"), "allow").await;
    let tokens = Tokens::of(&poll(&server, &client, &codes).await);
    let pending = ask(&server, &client).await;
    decide(&mut browser, text(&pending, "user_code"), "allow").await;
    server.disable(&alice.account).await;
    assert!(!server.is_active(&client, &tokens.access).await);
    assert_eq!(poll(&server, &client, &pending).await.refusal(), (400, "invalid_grant".to_owned()), "allowed, and then closed");
}

#[tokio::test]
async fn codes_that_nobody_answered_are_forgotten() {
    both::on_both("", async |server: &Server| {
        let (client, alice) = (tv(server, json!({})).await, server.alice().await);
        let held = async || server.app.ledger.claims_before("user_code_due", &[255; 41], 10).await.unwrap().len();
        let (first, _second) = (ask(server, &client).await, ask(server, &client).await);
        assert_eq!(held().await, 2);
        decide(&mut signed_in(server, &alice).await, text(&first, "user_code"), "deny").await;
        assert_eq!(held().await, 1, "an answer gives the code back");
        server.advance(600_000 + 121_000);
        server.app.sweep(&Context::of_server("server", "x".to_owned())).await.unwrap();
        assert_eq!(held().await, 0);
    })
    .await;
}

#[tokio::test]
async fn rfc9396_2_a_device_asks_for_details_and_the_person_reads_them() {
    let toml = r#"
[[authorization_details_type]]
name = "payment"
schema = '{"properties":{"to":{"type":"string"}},"required":["to"],"additionalProperties":false}'
words = "Pay {to}"
"#;
    let server = Server::with(&[], toml).await;
    let (client, alice) = (tv(&server, json!({ "authorization_details_types": ["payment"] })).await, server.alice().await);
    let details = r#"[{"type":"payment","to":"Ann <b>Lee</b>"}]"#;
    let with = async |details: &str| {
        server.as_client("/oidc/device/auth", &client, &[("scope", "openid"), ("authorization_details", details)]).send().await
    };
    for wrong in ["x", r#"[{"type":"unknown"}]"#, r#"[{"type":"payment"}]"#] {
        assert_eq!(with(wrong).await.refusal(), (400, "invalid_authorization_details".to_owned()), "{wrong}");
    }
    let codes = with(details).await.json();
    let mut browser = signed_in(&server, &alice).await;
    let page = browser.open(&format!("/device?user_code={}", text(&codes, "user_code"))).await.text();
    assert!(page.contains("Pay Ann") && !page.contains("<b>Lee"), "{page}");
    decide(&mut browser, text(&codes, "user_code"), "allow").await;
    let tokens = Tokens::of(&poll(&server, &client, &codes).await);
    let expected: Value = serde_json::from_str(details).unwrap();
    assert_eq!(tokens.whole["authorization_details"], expected);
    let fresh = Tokens::of(&server.refresh(&client, tokens.refresh()).await);
    assert_eq!(fresh.whole["authorization_details"], expected, "the grant has them");
    assert!(server.leaves().await.iter().all(|leaf| !String::from_utf8_lossy(&leaf.leaf).contains("Lee</b>")), "as ciphertext");
}
