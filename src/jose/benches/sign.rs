//! Signing and verifying whole tokens of about 600 bytes, per algorithm. `cargo bench -p chancery-jose`.

use std::hint::black_box;

use chancery_jose::{Algorithm, Jwks, SigningKey, jws};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn tokens(c: &mut Criterion) {
    let claims = serde_json::json!({
        "iss": "https://op.example/oidc", "sub": "acc-0190a1b2c3d47e8f9012", "aud": "demo-app", "exp": 1_700_003_600, "iat": 1_700_000_000,
        "auth_time": 1_699_999_990, "nonce": "n-0S6_WzA2Mj", "acr": "urn:mace:incommon:iap:silver", "at_hash": "77QmUPtjPfzWtF2AnpK9RQ",
        "sid": "ses-0190a1b2c3d47e8f9012", "email": "alice@example.com", "email_verified": true, "name": "Alice Example",
    });
    for alg in [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::ES384, Algorithm::ES512, Algorithm::EdDSA] {
        let key = SigningKey::generate(alg).expect("a fresh key");
        let keys = Jwks::from(key.public_jwk().clone());
        let token = key.sign_jwt(alg, Some("JWT"), &claims).expect("a token");
        let mut group = c.benchmark_group(alg.as_str());
        group.throughput(Throughput::Elements(1));
        group.bench_function("sign_jwt", |b| b.iter(|| key.sign_jwt(alg, Some("JWT"), black_box(&claims))));
        group.bench_function("parse_and_verify", |b| {
            b.iter(|| jws::parse(black_box(&token)).and_then(|token| token.verify(&keys, &[alg])));
        });
        group.finish();
    }
}

criterion_group!(benches, tokens);
criterion_main!(benches);
