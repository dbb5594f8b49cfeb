//! Random histories: whatever clients do in whatever order, these hold.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::client::metadata::Metadata;
use crate::grant::redeem::{self, Redeem};
use crate::grant::revoke::{self, Returned, Revoke};
use crate::grant::standing::{of_access, of_refresh};
use crate::grant::{issue, refresh};

#[derive(Clone, Debug)]
enum Step {
    Redeem {
        right_code: bool,
        verifier: Verifier,
        own: bool,
    },
    /// So many generations back from the newest token; -1 is one that was never handed out.
    Refresh {
        back: i64,
        forged: bool,
        own: bool,
        scope: Option<&'static str>,
    },
    RevokeAccess {
        back: usize,
    },
    RevokeRefresh {
        own: bool,
    },
}

#[derive(Clone, Copy, Debug)]
enum Verifier {
    Right,
    Wrong,
    Missing,
}

fn step() -> impl Strategy<Value = Step> {
    let verifier = prop_oneof![4 => Just(Verifier::Right), 2 => Just(Verifier::Wrong), 1 => Just(Verifier::Missing)];
    let scope = prop_oneof![3 => Just(None), 1 => Just(Some("email")), 1 => Just(Some("openid phone"))];
    let own = || prop::bool::weighted(0.9);
    prop_oneof![
        3 => (prop::bool::weighted(0.9), verifier, own()).prop_map(|(right_code, verifier, own)| Step::Redeem { right_code, verifier, own }),
        9 => (prop_oneof![12 => Just(0_i64), 2 => Just(1), 1 => -1_i64..5], prop::bool::weighted(0.05), own(), scope)
            .prop_map(|(back, forged, own, scope)| Step::Refresh { back, forged, own, scope }),
        1 => (0_usize..4).prop_map(|back| Step::RevokeAccess { back }),
        1 => prop::bool::weighted(0.3).prop_map(|own| Step::RevokeRefresh { own }),
    ]
}

/// A grant beside everything that was ever handed out for it.
struct World {
    app: Client,
    other: Client,
    events: Vec<GrantEvent>,
    grant: Grant,
    /// Digest by generation.
    refresh: Vec<Digest>,
    access: Vec<Digest>,
    redemptions: usize,
    minted: usize,
    seconds: i64,
}

impl World {
    fn new(challenge: bool, change: impl Fn(&mut Metadata)) -> Self {
        let issued = issued_for("openid email", challenge.then_some(CHALLENGE));
        let (app, other) = (client_with(change), other_client());
        let (grant, events) = (fold([issued.clone()]), vec![issued]);
        Self { app, other, events, grant, refresh: vec![], access: vec![], redemptions: 0, minted: 0, seconds: 0 }
    }

    fn client(&self, own: bool) -> &Client {
        if own { &self.app } else { &self.other }
    }

    /// As the shell derives it, so that a repeated use gives the same.
    fn refresh_digest(generation: i64) -> Digest {
        digest(&alloc::format!("rt-{generation}"))
    }

    fn take(&mut self, step: &Step) {
        let at = t(self.seconds);
        self.minted += 1;
        let access = digest(&alloc::format!("at-{}", self.minted));
        let was_over = self.grant.ended.is_some();
        let (events, handed_out) = match step {
            Step::Redeem { right_code, verifier, own } => {
                let verifier = match (verifier, self.grant.code.as_ref().unwrap().challenge.is_some()) {
                    (Verifier::Right, true) | (Verifier::Wrong, false) => Some(VERIFIER.into()),
                    (Verifier::Wrong, true) => Some(CHALLENGE.into()),
                    (Verifier::Right, false) | (Verifier::Missing, _) => None,
                };
                let cmd = Redeem {
                    code: digest(if *right_code { "code" } else { "guess" }),
                    redirect_uri: Some("https://app.example.com/cb".into()),
                    code_verifier: verifier,
                    access,
                    proven: None,
                    instance: None,
                    target: Ok(Target::default()),
                    authorization_details: Ok(None),
                    refresh: Self::refresh_digest(0),
                    id_token_kid: None,
                    context: None,
                    at,
                };
                let decision = redeem::decide(&self.grant, self.client(*own), &cmd, &LIFETIMES);
                if let Ok(outcome) = &decision.outcome {
                    assert!(*right_code && *own);
                    self.redemptions += 1;
                    self.refresh.extend(outcome.refresh_expires_at.map(|_| cmd.refresh));
                }
                (said(&decision).0, decision.outcome.is_ok())
            }
            Step::Refresh { back, forged, own, scope: asked } => {
                let generation = self.grant.refresh.as_ref().map_or(0, |family| i64::from(family.generation)) - back;
                let generation = generation.max(0);
                let cmd = refresh::Refresh {
                    presented: if *forged { digest("forged") } else { Self::refresh_digest(generation) },
                    generation: u32::try_from(generation).unwrap(),
                    successor: Self::refresh_digest(generation + 1),
                    scope: asked.map(scope),
                    access,
                    proven: None,
                    instance: None,
                    target: Ok(Target::default()),
                    authorization_details: Ok(None),
                    id_token_kid: None,
                    context: None,
                    at,
                };
                let decision = refresh::decide(&self.grant, self.client(*own), &cmd, &LIFETIMES);
                if decision.outcome.as_ref().is_ok_and(|outcome| outcome.rotated) {
                    assert!(!*forged && *own && *back >= 0);
                    self.refresh.push(cmd.successor);
                }
                (said(&decision).0, decision.outcome.is_ok())
            }
            Step::RevokeAccess { back } => {
                let token = self.access.iter().rev().nth(*back).copied().unwrap_or(access);
                (said(&revoke::decide(&self.grant, &Revoke { token: Returned::Access(token), client: self.app.id.clone(), at })).0, false)
            }
            Step::RevokeRefresh { own } => {
                let cmd = Revoke { token: Returned::Refresh, client: self.client(*own).id.clone(), at };
                (said(&revoke::decide(&self.grant, &cmd)).0, false)
            }
        };
        assert!(!(was_over && handed_out), "an ended grant hands out nothing");
        if handed_out {
            self.access.push(access);
        }
        for event in events {
            let version = self.events.len() as u64 + 1;
            self.grant = evolve(Some(self.grant.clone()), version, &event, &[]).unwrap();
            self.events.push(event);
        }
    }

    fn check(&self) {
        assert!(self.redemptions <= 1, "a code is redeemed at most once");
        assert!(self.grant.access.len() <= MOST_ACCESS_TOKENS);
        assert_eq!(fold::<Grant>(self.events.clone()), self.grant);
        assert_survives_the_row(&self.grant);
        assert!(serde_json::to_vec(&self.grant).unwrap().len() < 4096);
        let handed_out: BTreeSet<_> = self.access.iter().map(|one| one.0).collect();
        assert!(self.grant.access.iter().all(|one| handed_out.contains(&one.digest.0)));
        if self.grant.ended.is_some() {
            let parents =
                Parents { client: Some(&self.app), account: None, session: None, consent: None, resource: None, origin: Origin::default() };
            assert!(self.access.iter().all(|token| of_access(&self.grant, token, &parents, t(self.seconds)).is_err()));
            assert!(self.refresh.iter().all(|token| of_refresh(&self.grant, token, &parents, t(self.seconds)).is_err()));
            let ends = self.events.iter().filter(|event| matches!(event, GrantEvent::GrantEnded(_))).count();
            assert_eq!(ends, 1, "a grant ends once");
        }
    }
}

proptest! {
    #[test]
    fn whatever_clients_do(
        challenge: bool,
        grace in prop_oneof![Just(0_u32), Just(10)],
        never in prop::bool::weighted(0.2),
        steps in prop::collection::vec((step(), prop_oneof![8 => 0_i64..12, 1 => 300_i64..4000, 1 => 0_i64..2_000_000]), 1..60),
    ) {
        let mut world = World::new(challenge, |metadata| {
            metadata.refresh_grace_seconds = Seconds(grace);
            metadata.refresh_token_rotation = if never { Rotation::Never } else { Rotation::Always };
        });
        for (step, pause) in &steps {
            world.seconds += pause;
            world.take(step);
            world.check();
        }
        world.events.iter().for_each(assert_survives_the_log);
    }
}

#[test]
fn a_grant_refreshed_ten_thousand_times_stays_small() {
    // The longest pause keeps all of it within the 90 days of a family.
    for pause in [1, 100, 700] {
        let mut world = World::new(false, |_| ());
        world.take(&Step::Redeem { right_code: true, verifier: Verifier::Right, own: true });
        for _ in 0..10_000 {
            world.seconds += pause;
            world.take(&Step::Refresh { back: 0, forged: false, own: true, scope: Some("email") });
            world.events.clear();
        }
        assert_eq!(world.refresh.len(), 10_001);
        assert_eq!(world.grant.refresh.as_ref().unwrap().generation, 10_000);
        let size = serde_json::to_vec(&world.grant).unwrap().len();
        assert!(size < 4096, "{size} bytes with {pause} s between");
    }
}

#[test]
fn no_grant_of_a_client_alone_can_be_refreshed_or_redeemed() {
    let client = client_with(|metadata| {
        metadata.grant_types.insert(GrantType::ClientCredentials);
        metadata.scope = scope("api");
    });
    let cmd = issue::IssueToClient {
        grant: grant_id(),
        scope: None,
        access: digest("at"),
        proven: None,
        target: Ok(Target::default()),
        authorization_details: Ok(None),
        context: None,
        at: t(0),
    };
    let grant: Grant = fold(said(&issue::to_client(&client, &cmd, &LIFETIMES)).0);
    let mut world = World::new(false, |_| ());
    world.grant = grant.clone();
    world.take(&Step::Refresh { back: 0, forged: false, own: true, scope: None });
    assert_eq!(world.grant, grant);
}
