//! Metrics: who may read them, that they count, and that nobody outside can make series.

use std::collections::BTreeMap;

use chancery::cli::watched;
use chancery_projections::{audit, inline};
use poem::test::TestClient;

use crate::support::*;

/// Samples by name with labels; a family is told once, before its samples.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let family = name.split('{').next().unwrap();
        let family = ["_bucket", "_sum", "_count"].iter().find_map(|end| family.strip_suffix(end)).unwrap_or(family);
        assert!(text.contains(&format!("# TYPE {family} ")), "{name}");
        assert!(found.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{name} stands there twice");
    }
    found
}

#[tokio::test]
async fn metrics_are_for_tokens_with_their_scope() {
    let server = Server::start().await;
    assert_eq!(server.get("/metrics").send().await.status, 401);
    let auditor = server.operator_token("audit:read").await;
    assert_eq!(server.get("/metrics").bearer(&auditor).send().await.status, 403);
    let watcher = server.operator_token("metrics:read").await;
    let answer = server.get("/metrics").bearer(&watcher).send().await;
    assert_eq!((answer.status, answer.header("content-type")), (200, "text/plain; version=0.0.4; charset=utf-8"));
}

#[tokio::test]
async fn metrics_tell_what_happened_and_nothing_that_a_caller_chose() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    Browser::new(&server).tokens(&client, &alice, &[]).await;
    for path in ["/clients/hidden-1", "/hidden-2?x=hidden-3", "/audit/events/hidden-4"] {
        server.get(path).send().await;
    }
    server.index_is_current().await;
    let watcher = server.operator_token("metrics:read").await;
    let text = server.get("/metrics").bearer(&watcher).send().await.text();
    assert!(!text.contains("hidden") && !text.contains(&client.id) && !text.contains(&alice.account), "{text}");
    let found = samples(&text);
    let of = |name: &str| *found.get(name).unwrap_or_else(|| panic!("no {name} in {text}"));
    let size = server.app.ledger.known_head().size as f64;
    assert_eq!((of("chancery_log_events"), of("chancery_appended_events_total")), (size, size), "one process wrote all of it");
    assert_eq!(of("chancery_commit_seconds_count"), of("chancery_commit_writes_count"));
    assert!(of("chancery_commit_writes_sum") >= of("chancery_commit_writes_count") && of("chancery_commit_seconds_sum") > 0.0);
    assert_eq!(of("chancery_commit_writes_bucket{le=\"+Inf\"}"), of("chancery_commit_writes_count"));
    for set in [inline::SET, audit::SET] {
        let behind = of(&format!("chancery_projection_lag_events{{set=\"{set}\"}}"));
        assert_eq!(of(&format!("chancery_projection_events{{set=\"{set}\"}}")), size - behind);
        assert!(of(&format!("chancery_projection_digest{{set=\"{set}\"}}")) > 0.0);
    }
    let told = of("chancery_http_requests_total{route=\"/oidc/token\",method=\"POST\",status=\"200\"}");
    assert_eq!(told, 1.0);
    assert_eq!(of("chancery_http_requests_total{route=\"unknown\",method=\"GET\",status=\"404\"}"), 1.0);
    assert_eq!(of("chancery_http_requests_under_way"), 1.0, "this one");
    assert_eq!(of("chancery_password_hashes_waiting"), 0.0);
    assert!(of("chancery_readers_most") >= 1.0);
}

#[tokio::test]
async fn an_address_of_its_own_shows_health_and_metrics_and_nothing_else() {
    let server = Server::start().await;
    // A page that gave its own name this address reads nothing but health.
    let stranger = TestClient::new(watched::routes(&server.routed)).default_header("host", "evil.example:9090");
    assert_eq!(stranger.get("/metrics").send().await.0.status().as_u16(), 400);
    stranger.get("/health/live").send().await.assert_status_is_ok();
    let operations = TestClient::new(watched::routes(&server.routed)).default_header("host", "127.0.0.1:9090");
    for path in ["/health/live", "/health/ready", "/metrics"] {
        operations.get(path).send().await.assert_status_is_ok();
    }
    let text = operations.get("/metrics").send().await.0.into_body().into_string().await.unwrap();
    samples(&text);
    for path in ["/oidc/.well-known/openid-configuration", "/audit/checkpoint", "/docs", "/"] {
        assert_eq!(operations.get(path).send().await.0.status().as_u16(), 404, "{path}");
    }
    assert_eq!(operations.post("/oidc/token").send().await.0.status().as_u16(), 404);
}
