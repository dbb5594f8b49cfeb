//! Attestations of keys: OpenID for Verifiable Credential Issuance 1.0 §12.2.4, Appendices D, F.1 and F.3.

use serde_json::{Value, json};

use super::vci::{Holder, METADATA, asking, claims, credentials, keys, nonce, read, send, tokens};
use crate::support::call::Answer;
use crate::support::jwt::Key;
use crate::support::*;

/// Who makes the wallet, and somebody else who is trusted for nothing that is asked for here.
struct Provider(Key);

impl Provider {
    fn new() -> Self {
        Self(Key::generate("ES256"))
    }

    fn attest(&self, claims: &Value) -> String {
        self.0.sign_with(&json!({ "typ": "key-attestation+jwt", "alg": "ES256", "kid": "k" }), claims)
    }
}

/// A credential for anybody, one for attested keys alone, one for keys that are kept well.
fn toml(provider: &Provider, other: &Provider) -> String {
    toml_with(provider, other, &Provider::new())
}

fn toml_with(provider: &Provider, other: &Provider, strong: &Provider) -> String {
    let credential = |id: &str, more: &str| {
        let head = format!(
            "[[credential]]\nid = \"{id}\"\nformat = \"dc+sd-jwt\"\nvct = \"urn:example:{id}\"\nname = \"{id}\"\nscope = \"{id}\"\n"
        );
        format!("{head}claims = [\"given_name\"]\n{more}\n")
    };
    let attester = |name: &str, of: &Provider| {
        format!("[[key_attester]]\nname = \"{name}\"\njwks = '{}'\nissuer = \"https://{name}.example\"\n", of.0.jwks())
    };
    [
        "[credentials]\nbatch_size = 4\n".to_owned(),
        credential("free", ""),
        credential("identity", "key_attesters = [\"meadow\"]"),
        credential("attested", "key_attesters = [\"meadow\"]\nkey_attestations_required = {}"),
        credential(
            "guarded",
            "key_attesters = [\"meadow\", \"other\", \"strong\"]\n[credential.key_attestations_required]\nkey_storage = [\"iso_18045_high\", \"iso_18045_moderate\"]\nuser_authentication = [\"iso_18045_high\"]",
        ),
        attester("meadow", provider),
        attester("other", other),
        attester("strong", strong),
        "[[user]]\nemail = \"ada@example.com\"\npassword = \"correct horse battery staple\"\nname = \"Ada\"\nclaims = { given_name = \"Ada\" }\n".to_owned(),
    ]
    .join("\n")
}

const SCOPES: &str = "openid free identity attested guarded";

/// A wallet that may ask for all of them, and its token.
async fn access(server: &Server) -> (Client, String) {
    let client = server.client(json!({ "scope": SCOPES, "authorization_details_types": ["openid_credential"] })).await;
    let access = tokens(server, &client, &[("scope", SCOPES)]).await.access;
    (client, access)
}

/// What an honest provider says of these keys.
fn said(server: &Server, nonce: &str, holders: &[&Holder]) -> Value {
    let now = server.app.now().0 / 1000;
    json!({ "iss": "https://meadow.example", "iat": now, "exp": now + 86_400, "nonce": nonce,
        "attested_keys": holders.iter().map(|own| own.jwk()).collect::<Vec<_>>(),
        "key_storage": ["iso_18045_moderate"], "user_authentication": ["iso_18045_high"], "status": { "status_list": { "idx": 1, "uri": "https://x.example" } } })
}

/// A proof with an attestation in its header.
fn proof(server: &Server, holder: &Holder, nonce: &str, attestation: &str) -> String {
    let mut header = holder.header();
    header["key_attestation"] = json!(attestation);
    holder.0.sign_with(&header, &claims(server, nonce))
}

async fn send_jwts(server: &Server, access: &str, id: &str, proofs: &[String]) -> Answer {
    send(server, access, &asking("credential_configuration_id", id, proofs)).await
}

async fn send_attestation(server: &Server, access: &str, id: &str, attestation: &str) -> Answer {
    send(server, access, &json!({ "credential_configuration_id": id, "proofs": { "attestation": [attestation] } })).await
}

async fn bound_to(server: &Server, answer: &Answer) -> Vec<Value> {
    let jwks = keys(server).await;
    credentials(answer).iter().map(|own| read(own, &jwks).payload["cnf"]["jwk"].clone()).collect()
}

#[tokio::test]
async fn openid4vci_f_1_each_attested_key_gets_a_credential_when_one_of_them_is_proven() {
    let (provider, other) = (Provider::new(), Provider::new());
    both::on_both(&toml(&provider, &other), async |server: &Server| {
        let (_, access) = access(server).await;
        let holders = [Holder::new("ES256"), Holder::new("EdDSA"), Holder::new("ES256")];
        let own = nonce(server).await;
        let attestation = provider.attest(&said(server, &own, &holders.each_ref()));
        let mark = server.mark().await;
        let answer = send_jwts(server, &access, "guarded", &[proof(server, &holders[2], &own, &attestation)]).await;
        assert_eq!(bound_to(server, &answer).await, holders.each_ref().map(Holder::jwk), "not the proven one alone");
        assert_eq!(server.kinds_since(mark).await, ["CredentialsIssued"]);
        let events = server.events().await;
        let attested = json!({ "attester": "meadow", "key_storage": ["iso_18045_moderate"], "proof_type": "jwt", "user_authentication": ["iso_18045_high"] });
        assert_eq!((&events.last().unwrap().data["attested"], &events.last().unwrap().data["count"]), (&attested, &json!(3)));
        // As in the example of appendix F.1 the proof may name the key instead of bringing it; an attestation may have a nonce of its own.
        let (one, two) = (nonce(server).await, nonce(server).await);
        let mut own = said(server, &one, &[&holders[0]]);
        own["attested_keys"][0]["kid"] = json!("0");
        let header = json!({ "typ": "openid4vci-proof+jwt", "alg": "ES256", "kid": "0", "key_attestation": provider.attest(&own) });
        let named = holders[0].0.sign_with(&header, &claims(server, &two));
        assert_eq!(bound_to(server, &send_jwts(server, &access, "attested", &[named]).await).await, [holders[0].jwk()], "without its name");
        for used in [one, two] {
            let again = send_jwts(server, &access, "free", &[holders[0].proof(server, &used)]).await;
            assert_eq!(again.refusal(), (400, "invalid_nonce".to_owned()), "both count once");
        }
        // Several proofs of one attestation.
        let own = nonce(server).await;
        let attestation = provider.attest(&said(server, &own, &[&holders[0], &holders[2]]));
        let proofs = [&holders[2], &holders[0]].map(|holder| proof(server, holder, &own, &attestation));
        assert_eq!(bound_to(server, &send_jwts(server, &access, "identity", &proofs).await).await, [holders[0].jwk(), holders[2].jwk()]);
        // Where it is not demanded there may be none.
        let plain = holders[0].proof(server, &nonce(server).await);
        assert_eq!(bound_to(server, &send_jwts(server, &access, "identity", &[plain]).await).await, [holders[0].jwk()]);
        assert_eq!(server.events().await.last().unwrap().data.get("attested"), None);
    })
    .await;
}

#[tokio::test]
async fn openid4vci_f_3_the_word_of_an_attester_is_enough_and_its_nonce_counts_once() {
    let (provider, other) = (Provider::new(), Provider::new());
    both::on_both(&toml(&provider, &other), async |server: &Server| {
        let (_, access) = access(server).await;
        let holders = [(); 4].map(|()| Holder::new("ES256"));
        let own = nonce(server).await;
        let mut words = said(server, &own, &holders.each_ref());
        words.as_object_mut().unwrap().remove("exp");
        let attestation = provider.attest(&words);
        let mark = server.mark().await;
        let answers = at_once::all(20, || send_attestation(server, &access, "guarded", &attestation)).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((won.len(), lost.len()), (1, 19));
        assert!(lost.iter().all(|answer| answer.refusal() == (400, "invalid_nonce".to_owned())));
        assert_eq!(bound_to(server, won[0]).await, holders.each_ref().map(Holder::jwk));
        assert_eq!(server.kinds_since(mark).await, ["CredentialsIssued"]);
        assert_eq!(server.events().await.last().unwrap().data["attested"]["proof_type"], "attestation");
        // Nor do other words make the nonce new.
        let again = provider.attest(&said(server, &own, &[&Holder::new("ES256")]));
        assert_eq!(send_attestation(server, &access, "guarded", &again).await.refusal(), (400, "invalid_nonce".to_owned()));
        // The program of an auditor reads what was recorded.
        let directory = tempfile::tempdir().unwrap();
        chancery::cli::audit::tiles::run(&server.app.ledger, directory.path()).await.unwrap();
        let asked = chancery_verify::export::Asked { threads: 2, with_schemas: true, ..Default::default() };
        let whole = chancery_verify::export::verify(&chancery_verify::export::Export::new(directory.path()), &asked, |_, _| {}).unwrap();
        assert_eq!(whole.size, server.mark().await as u64);
    })
    .await;
}

#[tokio::test]
async fn openid4vci_d_1_an_attestation_that_does_not_hold_brings_nothing() {
    let (provider, other, stranger, strong) = (Provider::new(), Provider::new(), Provider::new(), Provider(Key::generate("ES384")));
    let server = Server::with(&[], &toml_with(&provider, &other, &strong)).await;
    let (_, access) = access(&server).await;
    let (now, holder) = (server.app.now().0 / 1000, Holder::new("ES256"));
    let own = nonce(&server).await;
    let good = said(&server, &own, &[&holder]);
    // The same attestation, as a proof of its own and beside one.
    let both = async |attestation: &str| {
        let alone = send_attestation(&server, &access, "guarded", attestation).await.refusal();
        let beside = send_jwts(&server, &access, "guarded", &[proof(&server, &holder, &own, attestation)]).await.refusal();
        assert_eq!(alone, beside);
        alone
    };
    let invalid = (400, "invalid_proof".to_owned());
    let mark = server.mark().await;
    assert_eq!(both(&stranger.attest(&good)).await, invalid, "of a provider whom nobody knows");
    for (name, value) in [
        ("typ", json!("JWT")),
        ("typ", json!("oauth-client-attestation+jwt")),
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("kid", json!(1)),
        ("crit", json!(["x"])),
    ] {
        let mut header = json!({ "typ": "key-attestation+jwt", "alg": "ES256", "kid": "k" });
        header[name] = value.clone();
        assert_eq!(both(&provider.0.sign_with(&header, &good)).await, invalid, "{name} {value}");
    }
    let unsigned = provider.0.sign_with(&json!({ "typ": "key-attestation+jwt", "alg": "none" }), &good);
    assert_eq!(both(&format!("{}.", unsigned.rsplit_once('.').unwrap().0)).await, invalid, "nobody signed it");
    let ours = provider.attest(&good);
    assert_eq!(both(&format!("{}.{}", ours.rsplit_once('.').unwrap().0, other.attest(&good).rsplit_once('.').unwrap().1)).await, invalid);
    let mut theirs = good.clone();
    theirs["iss"] = json!("https://strong.example");
    let header = json!({ "typ": "key-attestation+jwt", "alg": "ES384", "kid": "k" });
    assert_eq!(
        both(&strong.0.sign_with(&header, &theirs)).await,
        invalid,
        "an algorithm that the metadata do not have, of somebody trusted"
    );
    let mut private = holder.jwk();
    private["d"] = json!("AAAA");
    let many: Vec<_> = (0..5).map(|_| Holder::new("ES256")).collect();
    let over: Vec<_> = many.iter().map(Holder::jwk).chain([holder.jwk()]).collect();
    for (name, value) in [
        ("exp", json!(now - 15)),
        ("exp", json!("soon")),
        ("iat", json!(now + 16)),
        ("iat", Value::Null),
        ("nbf", json!(now + 16)),
        ("iss", json!("https://elsewhere.example")),
        ("attested_keys", Value::Null),
        ("attested_keys", json!([])),
        ("attested_keys", json!([holder.jwk(), private])),
        ("attested_keys", json!([holder.jwk(), { "kty": "oct", "k": "AAAA" }])),
        ("attested_keys", json!([holder.jwk(), holder.jwk()])),
        ("attested_keys", json!(over)),
        ("key_storage", json!(["iso_18045_basic"])),
        ("key_storage", json!([])),
        ("user_authentication", json!(["iso_18045_moderate"])),
        ("certification", json!("nowhere")),
        ("status", json!("good")),
        ("nonce", Value::Null),
        ("more", json!("x".repeat(16 * 1024))),
    ] {
        let mut changed = good.clone();
        changed[name] = value.clone();
        assert_eq!(both(&provider.attest(&changed)).await, invalid, "{name} {value}");
    }
    for name in ["iat", "attested_keys", "key_storage", "user_authentication", "nonce"] {
        let mut changed = good.clone();
        changed.as_object_mut().unwrap().remove(name);
        assert_eq!(both(&provider.attest(&changed)).await, invalid, "without {name}");
    }
    for other in ["x", &server.app.newest_nonce(), &server.app.attestation_challenge()] {
        let mut changed = good.clone();
        changed["nonce"] = json!(other);
        assert_eq!(both(&provider.attest(&changed)).await, (400, "invalid_nonce".to_owned()), "{other}");
    }
    // Beside a proof it has an end, and the proof is of one of its keys.
    let jwts = async |proofs: &[String]| send_jwts(&server, &access, "guarded", proofs).await.refusal();
    let mut endless = good.clone();
    endless.as_object_mut().unwrap().remove("exp");
    assert_eq!(jwts(&[proof(&server, &holder, &own, &provider.attest(&endless))]).await, invalid);
    assert_eq!(jwts(&[proof(&server, &many[0], &own, &ours)]).await, invalid, "a key that was not attested");
    assert_eq!(
        jwts(&[many[0].0.sign_with(
            &json!({ "typ": "openid4vci-proof+jwt", "alg": "ES256", "kid": "k", "key_attestation": ours }),
            &claims(&server, &own)
        )])
        .await,
        invalid
    );
    assert_eq!(jwts(&[holder.proof(&server, &own)]).await, invalid, "one is demanded");
    let two = provider.attest(&said(&server, &own, &[&holder, &many[0]]));
    let mixed = [proof(&server, &holder, &own, &two), proof(&server, &many[0], &own, &ours)];
    assert_eq!(jwts(&mixed).await, invalid, "two attestations");
    assert_eq!(jwts(&[proof(&server, &holder, &own, &two), many[0].proof(&server, &own)]).await, invalid, "one, and none");
    // Who is trusted for one credential is not for another.
    let mut others = good.clone();
    others["iss"] = json!("https://other.example");
    assert_eq!(send_attestation(&server, &access, "attested", &other.attest(&others)).await.refusal(), invalid);
    assert_eq!(send_attestation(&server, &access, "free", &ours).await.refusal(), invalid, "nobody's word alone is enough");
    assert_eq!(server.mark().await, mark, "nothing of it is in the log");
    assert_eq!(
        send_attestation(&server, &access, "guarded", &other.attest(&others)).await.status,
        200,
        "nothing of it has used up the nonce"
    );
    // Where nobody may attest, what is attested counts as nothing: the proven key gets a credential, and no other.
    let own = nonce(&server).await;
    let free =
        send_jwts(&server, &access, "free", &[proof(&server, &holder, &own, &stranger.attest(&said(&server, &own, &[&many[0]])))]).await;
    assert_eq!(bound_to(&server, &free).await, [holder.jwk()]);
}

#[tokio::test]
async fn openid4vci_12_2_4_the_metadata_say_which_attestations_are_needed() {
    let (provider, other) = (Provider::new(), Provider::new());
    let server = Server::with(&[], &toml(&provider, &other)).await;
    let all = server.get(METADATA).send().await.json()["credential_configurations_supported"].clone();
    let types = |id: &str| all[id]["proof_types_supported"].clone();
    let plain = json!({ "proof_signing_alg_values_supported": ["ES256"] });
    assert_eq!(types("free"), json!({ "jwt": plain }));
    assert_eq!(types("identity"), json!({ "jwt": plain, "attestation": plain }), "nothing is said where nothing is demanded");
    let with = |required: Value| json!({ "proof_signing_alg_values_supported": ["ES256"], "key_attestations_required": required });
    assert_eq!(types("attested"), json!({ "jwt": with(json!({})), "attestation": with(json!({})) }));
    let levels = with(json!({ "key_storage": ["iso_18045_high", "iso_18045_moderate"], "user_authentication": ["iso_18045_high"] }));
    assert_eq!(types("guarded"), json!({ "jwt": levels, "attestation": levels }));
}

#[tokio::test]
async fn openid4vci_13_4_attesters_that_cannot_be_trusted_keep_the_server_from_starting() {
    let key = Key::generate("ES256").jwks();
    let mut private = key.clone();
    private["keys"][0]["d"] = json!("AAAA");
    let attester = |jwks: &Value| format!("[[key_attester]]\nname = \"meadow\"\njwks = '{jwks}'\n");
    let one = |fields: &str| {
        let head = "[[credential]]\nid = \"a\"\nformat = \"dc+sd-jwt\"\nvct = \"urn:x:a\"\nname = \"A\"\nclaims = [\"name\"]\n";
        format!("{head}{fields}\n{}", attester(&key))
    };
    let trusted = "key_attesters = [\"meadow\"]\n";
    assert!(Server::try_with(&one(&format!("{trusted}key_attestations_required = {{}}"))).await.is_ok());
    for (toml, said) in [
        (one("key_attesters = [\"other\"]"), "names a key_attester other that is not declared"),
        (one("key_attestations_required = {}"), "no key_attesters"),
        (one(&format!("{trusted}key_attestations_required = {{ key_storage = [] }}")), "has 1 to 8 words"),
        (one(&format!("{trusted}key_attestations_required = {{ key_storage = \"high\" }}")), "is not a table of levels"),
        (one(&format!("{trusted}key_attestations_required = {{ storage = [\"high\"] }}")), "is not a table of levels"),
        (one(&format!("{trusted}key_attestations_required = true")), "is not a table of levels"),
        (format!("{}{}", attester(&key), attester(&key)), "is declared twice"),
        (attester(&private), "key_attester meadow is not acceptable"),
        (attester(&json!({ "keys": [] })), "key_attester meadow is not acceptable"),
        (attester(&json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] })), "key_attester meadow is not acceptable"),
    ] {
        let why = Server::try_with(&toml).await.err().unwrap();
        assert!(why.contains(said), "{toml}: {why}");
    }
}
