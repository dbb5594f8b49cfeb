//! What the rules cost: deciding a refresh, folding a long family, canonical bytes, a row.

#[path = "fixture.rs"]
mod fixture;

use std::collections::BTreeSet;
use std::hint::black_box;

use chancery_core::canonical;
use chancery_core::grant::refresh;
use chancery_core::scope::Scope;
use chancery_projections::inline;
use criterion::{Criterion, criterion_group, criterion_main};

use fixture::{LIFETIMES, client, family, fold, next_refresh, rotated};

fn rules(criterion: &mut Criterion) {
    let client = client();
    for rotations in [1_u32, 10_000] {
        let (grant, command) = (fold(&family(rotations)), next_refresh(rotations));
        assert!(refresh::decide(&grant, &client, &command, &LIFETIMES).outcome.is_ok());
        criterion.bench_function(&format!("decide: refresh after {rotations} rotations"), |bench| {
            bench.iter(|| refresh::decide(black_box(&grant), &client, &command, &LIFETIMES));
        });
        criterion.bench_function(&format!("row of a grant after {rotations} rotations"), |bench| {
            bench.iter(|| inline::row("grant-1", black_box(&grant), 3));
        });
    }
    let events = family(10_000);
    criterion.bench_function("fold: 10,002 events of one grant", |bench| bench.iter(|| fold(black_box(&events))));
    let event = rotated(5);
    criterion.bench_function("canonical bytes of RefreshTokenRotated", |bench| bench.iter(|| canonical::to_vec(black_box(&event))));
    let scopes: BTreeSet<_> = ["openid", "profile"].into();
    criterion.bench_function("parse a scope", |bench| {
        bench.iter(|| Scope::parse(black_box("openid profile email")).map(|s| s.has(scopes.first().unwrap_or(&""))))
    });
}

criterion_group!(benches, rules);
criterion_main!(benches);
