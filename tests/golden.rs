//! Documents that others rely on, byte for byte. `UPDATE_GOLDEN=1 cargo test --test main golden` writes them anew.

use std::path::Path;

use serde_json::Value;

use crate::support::Server;

/// Compares with the file, or writes it.
fn golden(path: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == text, "{path} has changed; look at the difference after UPDATE_GOLDEN=1 cargo test --test main golden");
}

fn pretty(text: &str) -> String {
    let value: Value = serde_json::from_str(text).unwrap();
    serde_json::to_string_pretty(&value).unwrap() + "\n"
}

#[tokio::test]
async fn openapi() {
    let server = Server::start().await;
    let answer = server.get("/openapi.json").send().await;
    assert_eq!(answer.status, 200);
    golden("openapi/openapi.json", &pretty(&answer.text()));
}

#[tokio::test]
async fn discovery() {
    let server = Server::start().await;
    let answer = server.get("/oidc/.well-known/openid-configuration").send().await;
    golden("tests/golden/openid-configuration.json", &pretty(&answer.text()));
}
