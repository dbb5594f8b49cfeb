//! What is left of a token endpoint when nothing but the unavoidable work remains: read the form, check the client secret, draw a
//! token, make one event durable by group commit (SQLite, WAL, `synchronous=FULL`), sign if a JWT is asked for, answer.
//!
//! Not a server: it panics at whatever it does not expect. A yardstick.
//! Usage: `yardstick <port> <directory>`

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs, thread};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::rand::{SystemRandom, fill};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

const LARGEST_GROUP: usize = 512;

struct Event {
    stream: [u8; 32],
    body: String,
    done: oneshot::Sender<()>,
}

struct Shared {
    events: mpsc::UnboundedSender<Event>,
    discovery: Bytes,
    secret_hash: Vec<u8>,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    random: SystemRandom,
}

/// The single writer: whatever has queued up since the last commit goes into the next one.
fn write_events(dir: PathBuf, mut queue: mpsc::UnboundedReceiver<Event>) {
    fs::create_dir_all(&dir).expect("directory");
    let mut db = Connection::open(dir.join("yardstick.sqlite")).expect("database");
    db.pragma_update(None, "journal_mode", "wal").expect("WAL");
    db.pragma_update(None, "synchronous", "full").expect("FULL");
    db.execute_batch("create table if not exists events (seq integer primary key, stream blob not null, body text not null)").expect("table");
    let mut group = Vec::new();
    while queue.blocking_recv_many(&mut group, LARGEST_GROUP) > 0 {
        let transaction = db.transaction().expect("begin");
        {
            let mut insert = transaction
                .prepare_cached("insert into events (stream, body) values (?1, ?2)")
                .expect("insert");
            for event in &group {
                insert
                    .execute((&event.stream, &event.body))
                    .expect("insert");
            }
        }
        transaction.commit().expect("commit");
        for event in group.drain(..) {
            // The request may have gone away meanwhile.
            let _ = event.done.send(());
        }
    }
}

fn signed(shared: &Shared, alg: &str, claims: &str) -> String {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"k1"}}"#));
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = if alg == "RS256" {
        let mut out = vec![0; shared.rsa.public_modulus_len()];
        shared
            .rsa
            .sign(
                &RSA_PKCS1_SHA256,
                &shared.random,
                input.as_bytes(),
                &mut out,
            )
            .expect("sign");
        out
    } else {
        shared
            .ec
            .sign(&shared.random, input.as_bytes())
            .expect("sign")
            .as_ref()
            .to_vec()
    };
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

async fn token(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let basic = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.as_bytes().strip_prefix(b"Basic "));
    let pair = STANDARD
        .decode(basic.expect("credentials"))
        .expect("base64");
    let secret = pair.splitn(2, |byte| *byte == b':').nth(1).expect("secret");
    assert_eq!(
        digest(&SHA256, secret).as_ref(),
        shared.secret_hash,
        "client secret"
    );
    let form = request
        .into_body()
        .collect()
        .await
        .expect("body")
        .to_bytes();
    let has = |text: &str| {
        form.windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    assert!(has("grant_type=client_credentials"), "grant type");

    let mut bytes = [0; 32];
    fill(&mut bytes).expect("random");
    let id = URL_SAFE_NO_PAD.encode(bytes);
    let hash = digest(&SHA256, id.as_bytes());
    let claims = format!(
        r#"{{"iss":"http://127.0.0.1","sub":"bench-rs256","aud":"urn:api","client_id":"bench-rs256","scope":"api:read","iat":1795219638,"exp":1795223238,"jti":"{id}"}}"#
    );
    let access_token = match (has("rs256"), has("es256")) {
        (true, _) => signed(shared, "RS256", &claims),
        (_, true) => signed(shared, "ES256", &claims),
        _ => id,
    };
    let (done, durable) = oneshot::channel();
    let stream = hash.as_ref().try_into().expect("32 bytes");
    shared
        .events
        .send(Event {
            stream,
            body: claims,
            done,
        })
        .expect("writer");
    durable.await.expect("commit");
    let body = format!(
        r#"{{"access_token":"{access_token}","token_type":"Bearer","expires_in":3600,"scope":"api:read"}}"#
    );
    Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header(CACHE_CONTROL, "no-store")
        .body(Full::new(Bytes::from(body)))
        .expect("response")
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match request.uri().path() {
        "/token" => token(&shared, request).await,
        _ => Response::new(Full::new(shared.discovery.clone())),
    })
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut args = env::args().skip(1);
    let mut next = || {
        args.next()
            .expect("yardstick <port> <directory>")
    };
    let (port, dir) = (next().parse::<u16>().expect("port"), PathBuf::from(next()));
    let random = SystemRandom::new();
    let ec =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("EC key");
    let (events, queue) = mpsc::unbounded_channel();
    thread::spawn(move || write_events(dir, queue));
    let origin = format!("http://127.0.0.1:{port}");
    let shared = Arc::new(Shared {
        events,
        discovery: Bytes::from(format!(
            r#"{{"issuer":"{origin}","token_endpoint":"{origin}/token"}}"#
        )),
        secret_hash: digest(&SHA256, b"bench-secret-0123456789abcdef0123456789abcdef")
            .as_ref()
            .to_vec(),
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA key"),
        ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref())
            .expect("EC key"),
        random,
    });
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port))
        .await
        .expect("bind");
    loop {
        let (stream, _) = listener.accept().await.expect("accept");
        stream.set_nodelay(true).expect("nodelay");
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| answer(Arc::clone(&shared), request));
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
