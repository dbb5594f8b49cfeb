//! Offers of credentials and the pre-authorized code grant: OpenID for Verifiable Credential Issuance 1.0 §3.5, §4, §6, §13.6.

use chancery::app::operator::Command;
use chancery::cli::audit::tiles;
use chancery_verify::export::{Asked, Export};
use serde_json::{Value, json};

use super::vci::{TOML, ada, ask, keys, read};
use crate::support::call::Answer;
use crate::support::flow::Tokens;
use crate::support::*;

pub const GRANT: &str = "urn:ietf:params:oauth:grant-type:pre-authorized_code";

/// An offer as a wallet gets it.
pub struct Offer {
    document: Value,
    /// Path of the offer by reference.
    path: String,
    pub tx_code: Option<String>,
}

impl Offer {
    pub fn code(&self) -> &str {
        self.document["grants"][GRANT]["pre-authorized_code"].as_str().unwrap()
    }
}

pub async fn offered(server: &Server, credentials: &[&str], tx_code: bool) -> Offer {
    let credentials = credentials.iter().map(|own| (*own).to_owned()).collect();
    let answer = server.operate(Command::CredentialOffer { account: ada().email, credentials, tx_code }).await;
    let value = |member: &str, name: &str| {
        let query = answer[member].as_str().unwrap().strip_prefix("openid-credential-offer://?").unwrap().to_owned();
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let (key, value) = pairs.next().unwrap();
        assert_eq!((&*key, pairs.next()), (name, None));
        value.into_owned()
    };
    let document: Value = serde_json::from_str(&value("credential_offer", "credential_offer")).unwrap();
    let uri = value("credential_offer_uri", "credential_offer_uri");
    let tx_code = answer["tx_code"].as_str().map(str::to_owned);
    Offer { document, path: uri.strip_prefix(&server.origin).unwrap().to_owned(), tx_code }
}

/// A wallet that nobody can tell from its copies.
async fn wallet(server: &Server) -> Client {
    let members = json!({ "token_endpoint_auth_method": "none", "redirect_uris": [], "response_types": [], "grant_types": [GRANT], "scope": "openid" });
    server.client(members).await
}

async fn redeem(server: &Server, client: &Client, code: &str, more: &[(&str, &str)]) -> Answer {
    server.token(client, &[more, &[("grant_type", GRANT), ("pre-authorized_code", code)]].concat()).await
}

#[tokio::test]
async fn openid4vci_3_5_an_offer_becomes_a_credential() {
    both::on_both(TOML, async |server: &Server| {
        let client = wallet(server).await;
        let mark = server.mark().await;
        let offer = offered(server, &["identity", "badge"], true).await;
        assert_eq!(server.kinds_since(mark).await, ["CredentialOffered"]);
        assert_eq!(offer.document["credential_issuer"], server.issuer);
        assert_eq!(offer.document["credential_configuration_ids"], json!(["badge", "identity"]));
        assert_eq!(offer.document["grants"][GRANT]["tx_code"], json!({ "input_mode": "numeric", "length": 6 }));
        let fetched = server.get(&offer.path).send().await;
        assert_eq!(
            (fetched.status, fetched.header("content-type"), fetched.header("cache-control")),
            (200, "application/json", "no-store")
        );
        assert_eq!(fetched.json(), offer.document, "by value and by reference");
        let tx_code = offer.tx_code.clone().unwrap();
        let event = server.events().await.pop().unwrap();
        let leaf = serde_json::to_string(&event).unwrap();
        assert!(event.personal.contains_key("tx_code") && !leaf.contains(&tx_code) && !leaf.contains(offer.code()), "{leaf}");
        let mark = server.mark().await;
        let tokens = Tokens::of(&redeem(server, &client, offer.code(), &[("tx_code", &tx_code)]).await);
        assert_eq!(server.kinds_since(mark).await, ["CredentialOfferRedeemed", "PreAuthorizedGranted"]);
        assert_eq!((&tokens.refresh, &tokens.id_token, &tokens.whole["expires_in"]), (&None, &None, &json!(300)));
        // OpenID4VCI section 6.2: whoever did not ask by details knows configurations, as in the offer.
        assert_eq!(tokens.whole.get("authorization_details"), None);
        let answer = ask(server, &tokens.access, "credential_configuration_id", "identity").await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let credential = answer.json()["credentials"][0]["credential"].as_str().unwrap().to_owned();
        let found = read(&credential, &keys(server).await);
        assert_eq!(
            (&found.disclosed["given_name"], &found.payload["vct"]),
            (&json!("Ada"), &json!("https://id.example/credentials/identity"))
        );
        // It is over, for whoever comes with it.
        assert_eq!(server.get(&offer.path).send().await.status, 404);
        let mark = server.mark().await;
        for _ in 0..2 {
            let again = redeem(server, &client, offer.code(), &[("tx_code", &tx_code)]).await;
            assert_eq!(again.refusal(), (400, "invalid_grant".to_owned()));
        }
        assert_eq!(server.kinds_since(mark).await, ["CredentialOfferReplayed"], "said once");
        // A token for it opens nothing else.
        assert_eq!(server.userinfo(&tokens.access).await.status, 403);
        // The program of an auditor finds nothing wrong with it.
        let directory = tempfile::tempdir().unwrap();
        tiles::run(&server.app.ledger, directory.path()).await.unwrap();
        let asked = Asked { threads: 2, with_schemas: true, ..Asked::default() };
        let whole = chancery_verify::export::verify(&Export::new(directory.path()), &asked, |_, _| {}).unwrap();
        assert_eq!(whole.size, server.mark().await as u64);
    })
    .await;
}

#[tokio::test]
async fn openid4vci_13_6_1_a_code_counts_once_however_many_come_with_it() {
    both::on_both(TOML, async |server: &Server| {
        let client = wallet(server).await;
        let offer = offered(server, &["identity"], false).await;
        assert!(offer.document["grants"][GRANT].get("tx_code").is_none() && offer.tx_code.is_none());
        let mark = server.mark().await;
        let answers = at_once::all(20, || redeem(server, &client, offer.code(), &[])).await;
        let count = |wanted: u16| answers.iter().filter(|answer| answer.status == wanted).count();
        assert_eq!((count(200), count(400)), (1, 19));
        let kinds = server.kinds_since(mark).await;
        assert_eq!(kinds, ["CredentialOfferRedeemed", "PreAuthorizedGranted", "CredentialOfferReplayed"]);
    })
    .await;
}

#[tokio::test]
async fn openid4vci_13_6_3_transaction_codes_cannot_be_guessed() {
    both::on_both(TOML, async |server: &Server| {
        let client = wallet(server).await;
        let offer = offered(server, &["identity"], true).await;
        let right = offer.tx_code.clone().unwrap();
        let wrong = if right == "000000" { "000001" } else { "000000" };
        let (mark, guess) = (server.mark().await, [("tx_code", wrong)]);
        let answers = at_once::all(20, || redeem(server, &client, offer.code(), &guess)).await;
        assert!(answers.iter().all(|answer| answer.refusal() == (400, "invalid_grant".to_owned())));
        assert_eq!(server.kinds_since(mark).await, ["TransactionCodeRefused"; 5], "five, and nobody looks any more");
        let late = redeem(server, &client, offer.code(), &[("tx_code", &right)]).await;
        assert_eq!(late.refusal(), (400, "invalid_grant".to_owned()));
        assert_eq!(server.get(&offer.path).send().await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn openid4vci_6_3_what_is_wrong_with_a_token_request() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let plain = offered(&server, &["identity"], false).await;
    let coded = offered(&server, &["identity"], true).await;
    let mark = server.mark().await;
    let refused = async |code: &str, more: &[(&str, &str)]| redeem(&server, &client, code, more).await.refusal();
    let error = |code: &str| (400, code.to_owned());
    assert_eq!(refused(plain.code(), &[("tx_code", "123456")]).await, error("invalid_request"), "nobody wants one");
    assert_eq!(refused(coded.code(), &[]).await, error("invalid_request"), "one is wanted");
    assert_eq!(server.token(&client, &[("grant_type", GRANT)]).await.refusal(), error("invalid_request"));
    assert_eq!(refused("cha_pa_nonsense", &[]).await, error("invalid_grant"));
    let other = r#"[{"type":"openid_credential","credential_configuration_id":"badge"}]"#;
    assert_eq!(refused(plain.code(), &[("authorization_details", other)]).await, error("invalid_authorization_details"), "not offered");
    let nobody = server.post("/oidc/token").form(&[("grant_type", GRANT), ("pre-authorized_code", plain.code())]).send().await;
    assert_eq!(nobody.refusal(), (401, "invalid_client".to_owned()), "no anonymous access");
    let web = server.web_client().await;
    assert_eq!(redeem(&server, &web, plain.code(), &[]).await.refusal(), error("unauthorized_client"));
    let discovery = server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["pre-authorized_grant_anonymous_access_supported"], false);
    assert!(discovery["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
    let kinds: Vec<_> =
        server.kinds_since(mark).await.into_iter().filter(|kind| kind.contains("Offer") || kind.contains("Granted")).collect();
    assert!(kinds.is_empty(), "nothing of it has used up an offer: {kinds:?}");
    // OpenID4VCI section 6.1.1: less than was offered.
    let both = offered(&server, &["badge", "identity"], false).await;
    let less = Tokens::of(&redeem(&server, &client, both.code(), &[("authorization_details", other)]).await);
    let told = less.whole["authorization_details"].as_array().unwrap();
    assert_eq!(told.len(), 1);
    let name = told[0]["credential_identifiers"][0].as_str().unwrap();
    assert_eq!(ask(&server, &less.access, "credential_identifier", name).await.status, 200);
    assert_eq!(ask(&server, &less.access, "credential_configuration_id", "identity").await.refusal().1, "unknown_credential_configuration");
    server.advance(10 * 60 * 1000);
    assert_eq!(refused(plain.code(), &[]).await, error("invalid_grant"), "too late");
    assert_eq!(server.get(&plain.path).send().await.status, 404);
}

#[tokio::test]
async fn openid4vci_4_1_1_offers_are_for_people_who_are_there_and_for_what_is_issued() {
    let server = Server::with(&[], TOML).await;
    let client = wallet(&server).await;
    let context = chancery::app::context::Context::of_server("operator", "test".to_owned());
    let refused = async |account: &str, credentials: &[&str]| {
        let credentials = credentials.iter().map(|own| (*own).to_owned()).collect();
        let command = Command::CredentialOffer { account: account.to_owned(), credentials, tx_code: false };
        server.app.operate(&context, command).await.unwrap_err().code()
    };
    assert_eq!(refused("ada@example.com", &["other"]).await, "invalid_request");
    assert_eq!(refused("ada@example.com", &[]).await, "invalid_request");
    assert_eq!(refused("nobody@example.com", &["identity"]).await, "not_found");
    let offer = offered(&server, &["identity"], false).await;
    let account = server.events().await.last().unwrap().data["account"].as_str().unwrap().to_owned();
    server.disable(&account).await;
    assert_eq!(redeem(&server, &client, offer.code(), &[]).await.refusal(), (400, "invalid_grant".to_owned()));
    assert_eq!(refused(&account, &["identity"]).await, "not_found");
    let plain = Server::start().await;
    assert_eq!(plain.get("/oidc/credential/offer/x").send().await.status, 404);
    let asked = json!({ "redirect_uris": [], "response_types": [], "grant_types": [GRANT] });
    assert_eq!(plain.post("/clients").json(&asked).send().await.status, 400, "nobody can be registered for it");
}
