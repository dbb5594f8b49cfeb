//! RFC 8705: client authentication and bound tokens by certificates, over real TLS; RFC 9440: the same behind a proxy.

use std::sync::Arc;

use rcgen::{CertificateParams, SanType};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::vci;
use crate::support::call::Answer;
use crate::support::documents::Documents;
use crate::support::jwt::{Key, verified};
use crate::support::mtls::{Authority, Caller, Identity};
use crate::support::*;

pub(super) const CREDENTIALS: &[(&str, &str)] = &[("grant_type", "client_credentials"), ("scope", "api")];

/// A server with a listener that asks for certificates, and who issues them.
pub(super) struct World {
    pub server: Server,
    /// Of the server's own certificate.
    web: Authority,
    /// Of certificates for clients.
    pub clients: Authority,
    files: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with("").await
    }

    pub async fn with(more: &str) -> Self {
        let (web, clients, files) = (Authority::new("web"), Authority::new("clients"), TempDir::with_prefix("mtls").unwrap());
        let (cert, key) = web.issue("mtls", vec![SanType::DnsName("mtls.localhost".try_into().unwrap())]).write(&files, "server");
        let ca = files.path().join("ca.pem");
        std::fs::write(&ca, clients.pem()).unwrap();
        let environment = [
            ("CHANCERY_MTLS_LISTEN", "127.0.0.1:0"),
            ("CHANCERY_MTLS_URL", "https://mtls.localhost:8443"),
            ("CHANCERY_MTLS_CERT", &cert),
            ("CHANCERY_MTLS_KEY", &key),
            ("CHANCERY_MTLS_CLIENT_CA", ca.to_str().unwrap()),
        ];
        let toml = format!("{more}[[resource]]\nidentifier = \"https://api.example\"\nscope = \"api\"\n");
        Self { server: Server::with(&environment, &toml).await, web, clients, files }
    }

    pub fn caller<'a>(&'a self, identity: impl Into<Option<&'a Identity>>) -> Caller<'a> {
        Caller { address: self.server.mtls.unwrap(), server: &self.web, identity: identity.into(), version: &TLS13 }
    }

    pub async fn machine(&self, members: Value) -> Client {
        let mut metadata = json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "api" });
        metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.server.client(metadata).await
    }

    pub async fn by_dns(&self) -> Client {
        self.machine(json!({ "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "app.example.com" })).await
    }

    pub async fn asks(&self, identity: Option<&Identity>, client: &Client) -> Answer {
        self.caller(identity).post("/oidc/token", &[CREDENTIALS, &[("client_id", &client.id)]].concat()).await
    }
}

pub(super) fn dns(name: &str) -> Vec<SanType> {
    vec![SanType::DnsName(name.try_into().unwrap())]
}

#[tokio::test]
async fn rfc8705_2_1_a_certificate_of_a_trusted_authority_authenticates_whoever_is_named_in_it() {
    let world = World::new().await;
    let own = world.clients.issue("app", dns("app.example.com"));
    let client = world.by_dns().await;
    for version in [&TLS12, &TLS13] {
        let caller = Caller { version, ..world.caller(&own) };
        let answer = caller.post("/oidc/token", &[CREDENTIALS, &[("client_id", &client.id)]].concat()).await;
        assert_eq!((answer.status, answer.json()["token_type"].as_str()), (200, Some("Bearer")), "{}", answer.text());
    }
    let other = world.clients.issue("app", dns("other.example.com"));
    let stranger = Authority::new("clients").issue("app", dns("app.example.com"));
    let expired = world.clients.issue_with("app", dns("app.example.com"), |params: &mut CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2026, 9, 20);
    });
    let early = world.clients.issue_with("app", dns("app.example.com"), |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2026, 9, 23);
    });
    let for_servers = world.clients.issue_with("app", dns("app.example.com"), |params: &mut CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    });
    for identity in
        [None, Some(&other), Some(&stranger), Some(&expired), Some(&early), Some(&for_servers), Some(&Identity::self_signed("app"))]
    {
        assert_eq!(world.asks(identity, &client).await.refusal(), (401, "invalid_client".into()));
    }
    // RFC 8705 §2: without client_id nobody is named, whatever the certificate says.
    assert_eq!(world.caller(&own).post("/oidc/token", CREDENTIALS).await.refusal(), (401, "invalid_client".into()));
    // A secret beside it is another mechanism, which is not the registered one.
    let with_secret = [CREDENTIALS, &[("client_id", &client.id), ("client_secret", "x")]].concat();
    assert_eq!(world.caller(&own).post("/oidc/token", &with_secret).await.refusal(), (401, "invalid_client".into()));
}

#[tokio::test]
async fn rfc8705_2_1_2_the_subject_and_each_alternative_name() {
    let world = World::new().await;
    let own = world.clients.issue(
        "app",
        vec![
            SanType::DnsName("app.example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/app".try_into().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::Rfc822Name("app@example.com".try_into().unwrap()),
        ],
    );
    for (field, right, wrong) in [
        ("tls_client_auth_subject_dn", "CN=app, O=Example\\, Ltd, C=GB", "CN=app,C=GB"),
        ("tls_client_auth_san_dns", "APP.example.com", "example.com"),
        ("tls_client_auth_san_uri", "spiffe://example.com/app", "spiffe://example.com/"),
        ("tls_client_auth_san_ip", "2001:DB8:0:0::1", "2001:db8::2"),
        ("tls_client_auth_san_email", "app@EXAMPLE.com", "App@example.com"),
    ] {
        for (name, status) in [(right, 200), (wrong, 401)] {
            let client = world.machine(json!({ "token_endpoint_auth_method": "tls_client_auth", field: name })).await;
            assert_eq!(world.asks(Some(&own), &client).await.status, status, "{field} {name}");
        }
    }
}

#[tokio::test]
async fn rfc8705_2_2_a_self_signed_certificate_is_the_registered_one() {
    let world = World::new().await;
    let (own, other) = (Identity::self_signed("app"), Identity::self_signed("app"));
    let client = world.machine(json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": own.jwks() })).await;
    assert_eq!(world.asks(Some(&own), &client).await.status, 200);
    for identity in [None, Some(&other), Some(&world.clients.issue("app", Vec::new()))] {
        assert_eq!(world.asks(identity, &client).await.refusal(), (401, "invalid_client".into()));
    }
}

#[tokio::test]
async fn rfc8705_2_2_2_certificates_behind_jwks_uri_can_be_replaced() {
    let world = World::new().await;
    let (first, second) = (Identity::self_signed("app"), Identity::self_signed("app"));
    let documents = Documents::start().await;
    documents.put("/jwks", first.jwks());
    let uri = documents.url("/jwks");
    let client = world.machine(json!({ "token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks_uri": uri })).await;
    assert_eq!(world.asks(Some(&first), &client).await.status, 200);
    documents.put("/jwks", second.jwks());
    assert_eq!(world.asks(Some(&second), &client).await.status, 401, "not more often than once a minute");
    world.server.advance(60_000);
    assert_eq!(world.asks(Some(&second), &client).await.status, 200);
    assert_eq!(world.asks(Some(&first), &client).await.status, 401);
}

/// A person's tokens, redeemed with a certificate.
async fn bound_tokens(world: &World, client: &Client, identity: &Identity) -> Answer {
    let alice = world.server.alice().await;
    let code = Browser::new(&world.server).authorize(client, &alice, &[("scope", "openid offline_access")]).await.code();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", client.id.as_str()),
        ("code", code.as_str()),
        ("redirect_uri", client.redirect_uri.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let answer = world.caller(identity).post("/oidc/token", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer
}

#[tokio::test]
async fn rfc8705_3_a_bound_token_opens_userinfo_with_its_certificate_alone() {
    let world = World::new().await;
    let (own, other) = (world.clients.issue("app", dns("app.example.com")), Identity::self_signed("other"));
    let members = json!({
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": "app.example.com",
        "tls_client_certificate_bound_access_tokens": true,
    });
    let client = world.server.client(members).await;
    let tokens = bound_tokens(&world, &client, &own).await.json();
    let authorization = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    assert_eq!(world.caller(&own).get("/oidc/userinfo", &authorization).await.status, 200);
    let mark = world.server.mark().await;
    for caller in [world.caller(None), world.caller(&other)] {
        let answer = caller.get("/oidc/userinfo", &authorization).await;
        assert_eq!(answer.refusal(), (401, "invalid_token".into()));
        assert!(answer.header("www-authenticate").contains("invalid_token"), "{}", answer.header("www-authenticate"));
    }
    let events = world.server.events().await.split_off(mark);
    assert_eq!((events.len(), &events[0].data["misuse"]), (1, &json!("access_token_with_other_key")), "it is evidence, once");
    // At the usual address there is no certificate.
    let plain = world.server.get("/oidc/userinfo").header("authorization", &authorization).send().await;
    assert_eq!(plain.refusal(), (401, "invalid_token".into()));
    // RFC 8705 §3.2.
    let asked = [("token", tokens["access_token"].as_str().unwrap()), ("client_id", &client.id)];
    let introspected = world.caller(&own).post("/oidc/introspection", &asked).await.json();
    assert_eq!((&introspected["active"], &introspected["cnf"]["x5t#S256"]), (&json!(true), &json!(own.x5t())), "{introspected}");
    assert_eq!(introspected["token_type"], "Bearer");
    // RFC 8705 §6.3: a renewed certificate carries on with the refresh token, and binds the new access token.
    let renewed = world.clients.issue("app", dns("app.example.com"));
    let refresh =
        [("grant_type", "refresh_token"), ("client_id", &client.id), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    let fresh = world.caller(&renewed).post("/oidc/token", &refresh).await.json();
    let authorization = format!("Bearer {}", fresh["access_token"].as_str().unwrap());
    assert_eq!(world.caller(&renewed).get("/oidc/userinfo", &authorization).await.status, 200);
    assert_eq!(world.caller(&own).get("/oidc/userinfo", &authorization).await.status, 401);
}

#[tokio::test]
async fn rfc8705_3_1_a_jwt_access_token_names_the_certificate() {
    let world = World::new().await;
    let own = world.clients.issue("app", dns("app.example.com"));
    let members = json!({
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": "app.example.com",
        "tls_client_certificate_bound_access_tokens": true,
    });
    let client = world.machine(members).await;
    let fields = [CREDENTIALS, &[("client_id", &client.id), ("resource", "https://api.example")]].concat();
    let answer = world.caller(&own).post("/oidc/token", &fields).await.json();
    let jwks = world.server.get("/oidc/jwks").send().await.json();
    let (_, claims) = verified(answer["access_token"].as_str().unwrap(), &jwks);
    assert_eq!(claims["cnf"], json!({ "x5t#S256": own.x5t() }));
}

#[tokio::test]
async fn rfc8705_3_4_a_client_that_binds_its_tokens_gets_none_without_a_certificate() {
    let world = World::new().await;
    let client = world.machine(json!({ "tls_client_certificate_bound_access_tokens": true })).await;
    let secret = client.secret.clone().unwrap();
    assert_eq!(world.server.token(&client, CREDENTIALS).await.refusal(), (400, "invalid_request".into()));
    let fields = [CREDENTIALS, &[("client_id", &client.id), ("client_secret", &secret)]].concat();
    let own = Identity::self_signed("any");
    let token = world.caller(&own).post("/oidc/token", &fields).await.json();
    let cnf = world.server.introspect(&client, token["access_token"].as_str().unwrap()).await["cnf"].clone();
    assert_eq!(cnf, json!({ "x5t#S256": own.x5t() }), "the certificate binds, whoever issued it: the secret authenticates");
}

#[tokio::test]
async fn rfc8705_4_a_public_clients_refresh_token_is_bound_too() {
    let world = World::new().await;
    let own = Identity::self_signed("phone");
    let members = json!({ "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
                          "tls_client_certificate_bound_access_tokens": true });
    let client = world.server.client(members).await;
    let tokens = bound_tokens(&world, &client, &own).await.json();
    let refresh =
        [("grant_type", "refresh_token"), ("client_id", &client.id), ("refresh_token", tokens["refresh_token"].as_str().unwrap())];
    let other = Identity::self_signed("thief");
    assert_eq!(world.caller(&other).post("/oidc/token", &refresh).await.refusal(), (400, "invalid_grant".into()));
    assert_eq!(world.caller(&own).post("/oidc/token", &refresh).await.status, 200);
}

#[tokio::test]
async fn rfc8705_5_discovery_names_the_aliases_and_no_page_is_served_there() {
    let world = World::new().await;
    let discovery = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    for (name, path) in
        [("token_endpoint", "/oidc/token"), ("userinfo_endpoint", "/oidc/userinfo"), ("introspection_endpoint", "/oidc/introspection")]
    {
        assert_eq!(discovery["mtls_endpoint_aliases"][name], format!("https://mtls.localhost:8443{path}"));
    }
    for alias in discovery["mtls_endpoint_aliases"].as_object().unwrap().values() {
        let path = alias.as_str().unwrap().strip_prefix("https://mtls.localhost:8443").unwrap();
        // RFC 9701 §5 has another status for whoever brings nothing at all.
        let status = if path == "/oidc/introspection" { 400 } else { 401 };
        assert_eq!(world.caller(None).post(path, &[]).await.status, status, "{path} is there and wants a client or a token");
    }
    for path in ["/", "/account", "/oidc/auth?client_id=x", "/device", "/clients", "/oidc/reg", "/admin/audit"] {
        assert_eq!(world.caller(None).get(path, "").await.status, 404, "{path}");
    }
    assert_eq!(discovery["tls_client_certificate_bound_access_tokens"], true);
    // FAPI 2.0 Security Profile §8.1.1: who registers that it uses them for everything is told so, where there are any.
    let all = json!({ "redirect_uris": ["https://app.example/cb"], "use_mtls_endpoint_aliases": true });
    assert_eq!(world.server.register(all.clone()).await["use_mtls_endpoint_aliases"], true);
    let plain = Server::start().await;
    assert_eq!(plain.post("/clients").json(&all).send().await.refusal(), (400, "invalid_client_metadata".to_owned()));
    let discovery = plain.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert!(discovery.get("mtls_endpoint_aliases").is_none() && discovery.get("tls_client_certificate_bound_access_tokens").is_none());
    let refused = plain
        .post("/clients")
        .json(&json!({ "redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "tls_client_auth" }));
    assert_eq!(refused.send().await.status, 400);
}

#[tokio::test]
async fn rfc8705_5_credentials_and_challenges_are_there_for_who_comes_with_a_certificate() {
    let attester = Key::generate("ES256");
    let challenges =
        format!("[[client_attester_draft12]]\nissuer = \"https://attester.example\"\njwks = '{}'\nclients = [\"x\"]\n", attester.jwks());
    let world = World::with(&format!("{}{challenges}", vci::TOML)).await;
    let (own, other) = (Identity::self_signed("wallet"), Identity::self_signed("other"));
    let at = "https://mtls.localhost:8443/oidc";
    let metadata = world.caller(None).get("/.well-known/openid-credential-issuer/oidc", "").await.json();
    let aliases = json!({ "credential_endpoint": format!("{at}/credential"), "nonce_endpoint": format!("{at}/credential/nonce") });
    assert_eq!(metadata["mtls_endpoint_aliases"], aliases);
    let discovery = world.server.get("/oidc/.well-known/openid-configuration").send().await.json();
    assert_eq!(discovery["mtls_endpoint_aliases"]["challenge_endpoint"], format!("{at}/challenge"));
    assert_eq!(world.caller(None).post("/oidc/challenge", &[]).await.status, 200);
    // A wallet whose tokens are bound to its certificate.
    let members = json!({ "scope": "openid identity", "tls_client_certificate_bound_access_tokens": true });
    let wallet = world.server.client(members).await;
    let code = Browser::new(&world.server).authorize(&wallet, &vci::ada(), &[("scope", "openid identity")]).await.code();
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", &wallet.id),
        ("client_secret", wallet.secret.as_deref().unwrap()),
        ("code", &code),
        ("redirect_uri", &wallet.redirect_uri),
        ("code_verifier", VERIFIER),
    ];
    let tokens = world.caller(&own).post("/oidc/token", &fields).await.json();
    let authorization = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let nonce = world.caller(&own).post("/oidc/credential/nonce", &[]).await.json()["c_nonce"].as_str().unwrap().to_owned();
    let proof = vci::Holder::new("ES256").proof(&world.server, &nonce);
    let body = json!({ "credential_configuration_id": "identity", "proofs": { "jwt": [proof] } });
    for caller in [world.caller(None), world.caller(&other)] {
        let refused = caller.post_json("/oidc/credential", &authorization, &body).await;
        assert_eq!(refused.refusal(), (401, "invalid_token".into()));
    }
    let answer = world.caller(&own).post_json("/oidc/credential", &authorization, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let jwks = world.server.get("/oidc/jwks").send().await.json();
    let credential = answer.json()["credentials"][0]["credential"].as_str().unwrap().to_owned();
    assert_eq!(vci::read(&credential, &jwks).payload["iss"], world.server.issuer);
}

#[tokio::test]
async fn certificates_are_replaced_while_the_server_serves() {
    let world = World::new().await;
    let before = world.caller(None).shown().await;
    let renewed = world.web.issue("mtls", vec![SanType::DnsName("mtls.localhost".try_into().unwrap())]);
    // A key that does not fit stays out.
    Identity::self_signed("x").write(&world.files, "other");
    std::fs::copy(world.files.path().join("other.key"), world.files.path().join("server.key")).unwrap();
    assert!(world.server.served[0].read_again().is_err());
    assert_eq!(world.caller(None).shown().await, before);
    renewed.write(&world.files, "server");
    assert_eq!(world.server.served[0].read_again(), Ok(true));
    assert_eq!(world.caller(None).shown().await, renewed.chain[0].to_vec());
    assert_eq!(world.server.served[0].read_again(), Ok(false));
}

/// A server behind a proxy that ends TLS.
async fn behind_proxy(trusted: &str, authority: &Authority) -> (Server, Arc<TempDir>) {
    let files = Arc::new(TempDir::with_prefix("mtls").unwrap());
    let ca = files.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).unwrap();
    let environment = [
        ("CHANCERY_MTLS_PROXY_HEADER", "true"),
        ("CHANCERY_TRUSTED_PROXIES", trusted),
        ("CHANCERY_MTLS_CLIENT_CA", ca.to_str().unwrap()),
        ("OIDC_ISSUER", "https://id.example"),
    ];
    (Server::production(&environment, "").await, files)
}

#[tokio::test]
async fn rfc9440_4_a_certificate_counts_from_a_trusted_proxy_alone() {
    let authority = Authority::new("clients");
    let own = authority.issue("app", dns("app.example.com"));
    for (trusted, status) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 401)] {
        let (server, _files) = behind_proxy(trusted, &authority).await;
        let metadata = json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "api",
                               "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "app.example.com" });
        let admin = server.operator_token("admin").await;
        let id = server.post("/clients").bearer(&admin).json(&metadata).send().await.json()["client_id"].as_str().unwrap().to_owned();
        let fields = [CREDENTIALS, &[("client_id", &id)]].concat();
        let call = || server.post("/oidc/token").form(&fields);
        assert_eq!(call().header("client-cert", &own.field()).send().await.status, status, "{trusted}");
        assert_eq!(call().send().await.status, 401, "no certificate is none");
        if status == 200 {
            for bad in ["x", ":!:", &own.field()[..40]] {
                assert_eq!(call().header("client-cert", bad).send().await.refusal(), (400, "invalid_request".into()), "{bad}");
            }
            let twice = call().header("client-cert", &own.field()).header("client-cert", &own.field());
            assert_eq!(twice.send().await.status, 400);
        }
    }
}

#[tokio::test]
async fn rfc9440_2_3_intermediate_certificates_come_in_the_chain() {
    let authority = Authority::new("clients");
    let (between, own) = authority.through("between", "app", dns("app.example.com"));
    let (server, _files) = behind_proxy("127.0.0.0/8", &authority).await;
    let metadata = json!({ "grant_types": ["client_credentials"], "response_types": [], "redirect_uris": [], "scope": "api",
                           "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "app.example.com" });
    let admin = server.operator_token("admin").await;
    let id = server.post("/clients").bearer(&admin).json(&metadata).send().await.json()["client_id"].as_str().unwrap().to_owned();
    let fields = [CREDENTIALS, &[("client_id", &id)]].concat();
    let call = || server.post("/oidc/token").form(&fields).header("client-cert", &own.field());
    assert_eq!(call().send().await.status, 401);
    assert_eq!(call().header("client-cert-chain", &between).send().await.status, 200);
}
