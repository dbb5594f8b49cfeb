//! Clients that are documents: the URL in the first line, its document after it.

use chancery_core::client::document;
use chancery_core::id::ClientId;
use chancery_core::scope::Scope;
use chancery_jose::json;

use super::Target;

const WORDS: &[&str] = &[
    "https://",
    "http://",
    "@",
    ":443",
    "/../",
    "/./",
    "%2e%2E",
    "%2f",
    "?",
    "#",
    "\\",
    "[::1]",
    "xn--",
    "localhost",
    "0x7f",
    "2130706433",
    ".1/",
    "\"client_id\":",
    "\"client_secret\":null",
    "\"client_secret_expires_at\":0",
    "client_secret_basic",
    "private_key_jwt",
    "\"jwks\":{\"keys\":[{\"d\":\"\"}]}",
    "\"redirect_uris\":[",
    "\"scope\":\"openid admin\"",
    "\"grant_types\":[\"client_credentials\"]",
    "{\"a\":1,\"a\":2}",
    "[[[[[[[[",
];

pub fn target() -> Target {
    let seeds = [
        "https://client.example/metadata.json\n{\"client_id\":\"https://client.example/metadata.json\",\"client_name\":\"Meadow\",\"redirect_uris\":[\"https://client.example/cb\"],\"grant_types\":[\"authorization_code\",\"refresh_token\"],\"scope\":\"openid email\"}",
        "https://a.b-c.example:8443/x/%20y/\n{\"client_id\":\"https://a.b-c.example:8443/x/%20y/\",\"redirect_uris\":[\"http://127.0.0.1/cb\"],\"application_type\":\"native\",\"token_endpoint_auth_method\":\"private_key_jwt\",\"jwks\":{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}}",
    ];
    Target { name: "documents", seeds: seeds.map(|own| own.as_bytes().to_vec()).into(), words: WORDS, read: Box::new(is_accepted) }
}

fn is_accepted(bytes: &[u8]) -> bool {
    let Some((line, body)) = bytes.iter().position(|byte| *byte == b'\n').map(|at| bytes.split_at(at)) else { return false };
    let Some(id) = std::str::from_utf8(line).ok().and_then(ClientId::parse) else { return false };
    let Some(host) = id.host() else { return false };
    // Whoever fetches it reads the same host, and asks for the same path.
    let Ok(url) = url::Url::parse(id.as_str()) else { return false };
    assert!(url.scheme() == "https" && url.username().is_empty() && url.password().is_none() && url.query().is_none(), "{id}");
    assert_eq!(url.host_str(), Some(host), "{id}");
    assert!(id.as_str().ends_with(url.path()), "{id} {url}");
    let Ok(members) = json::object(&body[1..]) else { return false };
    let most = Scope::of(&["openid", "email"]);
    let Ok(asked) = document::asked(&id, &members, &most) else { return false };
    assert!(matches!(asked.token_endpoint_auth_method.as_deref(), Some("none" | "private_key_jwt")), "{asked:?}");
    assert!(Scope::parse(asked.scope.as_deref().unwrap()).unwrap().is_within(&most) && asked.introspect.is_none(), "{asked:?}");
    assert_eq!(members["client_id"].as_str(), Some(id.as_str()));
    true
}
