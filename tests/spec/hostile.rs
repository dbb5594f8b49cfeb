//! Hostile input against every endpoint of the OpenAPI document: never a 5xx, never a panic, nothing recorded but evidence.

use std::collections::BTreeSet;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::call::FORM;
use crate::support::*;

/// What a stranger may leave on the log.
const EVIDENCE: [&str; 4] = ["LoginFailed", "ClientAuthenticationFailed", "AttemptsRefused", "MisuseRefused"];

/// (method, path with placeholders filled) of every operation.
async fn operations(server: &Server) -> Vec<(String, String)> {
    let document = server.get("/openapi.json").send().await.json();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
            found.push((method.to_uppercase(), path));
        }
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

async fn assert_only_evidence(server: &Server, mark: usize) {
    let kinds: BTreeSet<_> = server.kinds_since(mark).await.into_iter().collect();
    let grants: Vec<_> = kinds.iter().filter(|kind| !EVIDENCE.contains(&kind.as_str())).collect();
    assert!(grants.is_empty(), "{grants:?}");
}

#[tokio::test]
async fn bodies() {
    let server = Server::start().await;
    let (large, deep) = (vec![b'a'; 70_000], "[".repeat(50_000));
    let bodies: Vec<(&str, Vec<u8>)> = vec![
        ("", b"".to_vec()),
        ("", b"\x00\xff".to_vec()),
        (FORM, b"".to_vec()),
        (FORM, b"a=%ff&b=%00".to_vec()),
        (FORM, b"%=%&%zz".to_vec()),
        (FORM, b"grant_type=a&grant_type=b".to_vec()),
        (FORM, b"token=\xc3\x28&client_id=\xff".to_vec()),
        (FORM, b"client_id=x&client_secret=%EF%BF%BF&grant_type=authorization_code&code=cha_ac_".to_vec()),
        (FORM, b"client_assertion=e30.e30.e30&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_vec()),
        (FORM, (0..200).map(|i| format!("p{i}=1&")).collect::<String>().into_bytes()),
        (FORM, [b"a=".to_vec(), large.clone()].concat()),
        ("application/json", b"{".to_vec()),
        ("application/json", b"\xef\xbb\xbf{}".to_vec()),
        ("application/json", b"{\"email\":\"\\ud800\"}".to_vec()),
        ("application/json", b"{\"email\":\"a\\u0000@b.c\",\"password\":\"12345678\"}".to_vec()),
        ("application/json", b"{\"email\":null,\"password\":{},\"redirect_uris\":{\"a\":[]}}".to_vec()),
        ("application/json", b"{\"redirect_uris\":[\"\"],\"jwks\":{\"keys\":[{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AA\"}]}}".to_vec()),
        ("application/json", b"{\"default_max_age\":1e400}".to_vec()),
        ("application/json", b"{\"default_max_age\":-1,\"refresh_grace_seconds\":4294967296}".to_vec()),
        ("application/json", deep.into_bytes()),
        ("application/json", [b"{\"email\":\"".to_vec(), large, b"\"}".to_vec()].concat()),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n--x--".to_vec()),
        ("text/html; charset=\"", b"<script>".to_vec()),
    ];
    let mark = server.mark().await;
    for (method, path) in operations(&server).await.iter().filter(|(method, _)| method == "POST") {
        for (media_type, body) in &bodies {
            let mut call = server.call(method, path).body(body.clone());
            if !media_type.is_empty() {
                call = call.header("content-type", media_type);
            }
            let answer = call.send().await;
            assert!(
                answer.status < 500,
                "{path} {media_type} {:?}: {} {}",
                String::from_utf8_lossy(&body[..body.len().min(80)]),
                answer.status,
                answer.text()
            );
            assert!(
                !(200..300).contains(&answer.status) || path.ends_with("/session/end"),
                "{path} accepted {media_type} {:?}",
                String::from_utf8_lossy(&body[..body.len().min(80)])
            );
        }
    }
    assert_only_evidence(&server, mark).await;
}

#[tokio::test]
async fn queries_and_paths() {
    let server = Server::start().await;
    let client = server.web_client().await;
    let mark = server.mark().await;
    let long = "a".repeat(20_000);
    let queries = [
        "a=%ff".to_owned(),
        "a=%00".to_owned(),
        "%".to_owned(),
        "a=1&a=2".to_owned(),
        "&&&=&=".to_owned(),
        format!("client_id={long}"),
        format!("client_id={}&redirect_uri=%0d%0aX:%20y", client.id),
        format!("client_id={}&redirect_uri={}%00", client.id, client.redirect_uri),
        format!("client_id={}&redirect_uri=https://app.example/cb&state=%0d%0aX:%20y&response_type=x", client.id),
        "id_token_hint=e30.e30.e30&post_logout_redirect_uri=javascript:alert(1)".to_owned(),
        "subject=%22%27;--&from=18446744073709551616&limit=-1".to_owned(),
        "ui_locales=%3Cscript%3E&login_hint=%3Cscript%3Ealert(1)%3C/script%3E".to_owned(),
    ];
    for (method, path) in operations(&server).await {
        for query in &queries {
            let answer = server.call(&method, &format!("{path}?{query}")).header("accept", "text/html").send().await;
            assert!(answer.status < 500, "{method} {path}?{query}: {} {}", answer.status, answer.text());
            assert!(!answer.location().starts_with("javascript:") && answer.header("x").is_empty());
            assert!(!answer.text().contains("<script>alert"), "{path}?{query}");
        }
    }
    for path in ["/auth/interaction/", "/clients/", "/assets/", "/docs/"] {
        for name in ["%00", "%ff", "..%2f..%2fetc%2fpasswd", "a%0d%0aX:%20y", &long[..5000], "%F0%9F%92%A9", "';--", "*"] {
            let answer = server.get(&format!("{path}{name}")).send().await;
            assert!((400..500).contains(&answer.status) || answer.status == 303 || path == "/docs/", "{path}{name}: {}", answer.status);
        }
    }
    assert_only_evidence(&server, mark).await;
}

#[tokio::test]
async fn headers_and_cookies() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    browser.authorize(&client, &alice, &[]).await.code();
    let session = browser.cookies["chancery_session"].clone();
    let (large, many) = (vec![b'a'; 8000], "a=b; ".repeat(500).into_bytes());
    let mut headers: Vec<(&str, Vec<u8>)> = vec![
        ("cookie", b"chancery_session=".to_vec()),
        ("cookie", b"chancery_session=\xff\xfe".to_vec()),
        ("cookie", b"chancery_session=a.b.c; chancery_browser=a.9999999999.c".to_vec()),
        ("cookie", format!("chancery_session={session}; chancery_session=x").into_bytes()),
        ("cookie", format!("chancery_browser={session}").into_bytes()),
        ("cookie", many),
        ("content-length", b"0".to_vec()),
    ];
    for name in
        ["authorization", "accept", "accept-language", "origin", "user-agent", "x-request-id", "sec-fetch-site", "if-none-match", "dpop"]
    {
        headers.extend([b"\xff\xfe".to_vec(), b"".to_vec(), b"\"',;=\\".to_vec(), large.clone()].map(|value| (name, value)));
    }
    for value in [
        "Bearer",
        "Bearer a b",
        "Basic Og==",
        "Basic /////w==",
        "Bearer cha_at_",
        "Basic AAAA",
        "Negotiate x",
        "Bearer eyJhbGciOiJub25lIn0.e30.",
    ] {
        headers.push(("authorization", value.as_bytes().to_vec()));
    }
    let mark = server.mark().await;
    for (method, path) in operations(&server).await {
        for (name, value) in &headers {
            let mut call = server.call(&method, &path).header_bytes(name, value);
            if method == "POST" {
                call = call.header("content-type", FORM);
            }
            let answer = call.send().await;
            assert!(
                answer.status < 500,
                "{method} {path} {name}: {:?}: {} {}",
                String::from_utf8_lossy(value),
                answer.status,
                answer.text()
            );
        }
    }
    assert_only_evidence(&server, mark).await;
    // A cookie that was changed in one place is no cookie.
    for at in [0, session.len() / 2, session.len() - 2] {
        let mut bytes = session.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        browser.cookies.insert("chancery_session".to_owned(), String::from_utf8(bytes).unwrap());
        assert_eq!(browser.get(&client.request(&[("prompt", "none")])).await.sent("error").as_deref(), Some("login_required"), "{at}");
    }
}

#[tokio::test]
async fn tokens_changed_in_any_place_are_dead() {
    let server = Server::start().await;
    let (client, alice) = (server.web_client().await, server.alice().await);
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &alice, &[]).await;
    let code = browser.open(&client.request(&[])).await.code();
    let mark = server.mark().await;
    for (token, step) in [(&tokens.access, 5), (tokens.refresh.as_ref().unwrap(), 7), (&code, 5)] {
        for at in (0..token.len()).step_by(step) {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(bytes).unwrap();
            assert!(!server.is_active(&client, &forged).await, "{at}");
            assert_eq!(server.refresh(&client, &forged).await.refusal(), (400, "invalid_grant".to_owned()), "{at}");
            assert_eq!(server.redeem(&client, &forged).await.refusal(), (400, "invalid_grant".to_owned()), "{at}");
        }
    }
    assert_eq!(server.kinds_since(mark).await, [""; 0], "whoever guesses ends nothing and fills no log");
    assert!(server.is_active(&client, tokens.refresh()).await);
    assert_eq!(server.redeem(&client, &code).await.status, 200);
}

#[tokio::test]
async fn broken_http_is_answered_or_closed() {
    let server = Server::start().await;
    let mark = server.mark().await;
    let long_head = format!("GET / HTTP/1.1\r\nhost: localhost:3000\r\nx: {}\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nhost: localhost:3000\r\n{}\r\n", "x: y\r\n".repeat(300));
    for bytes in [
        &b"\x00\x01\x02\x03\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /oidc/token HTTP/1.1\r\nhost: localhost:3000\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST /oidc/token HTTP/1.1\r\nhost: localhost:3000\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\nconnection: close\r\n\r\n0\r\n\r\n",
        b"POST /oidc/token HTTP/1.1\r\nhost: localhost:3000\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\nZZ\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n",
        b"GET http://evil.example/oidc/jwks HTTP/1.1\r\nhost: localhost:3000\r\nconnection: close\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: localhost:3000\r\nconnection: close\r\n\r\n",
        long_head.as_bytes(),
        many.as_bytes(),
    ] {
        let mut socket = TcpStream::connect(server.address()).await.unwrap();
        // The other side may close before it has read all of it.
        let _ = socket.write_all(bytes).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer).await;
        let text = String::from_utf8_lossy(&answer);
        let status = text.split(' ').nth(1).and_then(|word| word.parse::<u16>().ok());
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{:?}: {text}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
    }
    let alive: Value = server.get("/health/live").send().await.json();
    assert_eq!(alive["status"], "alive");
    assert_only_evidence(&server, mark).await;
}
