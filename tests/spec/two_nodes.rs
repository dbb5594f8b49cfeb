//! What counts once counts once for all nodes: twenty requests at the same time, ten at each of two nodes of one log.

use std::cell::Cell;

use serde_json::json;

use super::rfc9449::{CREDENTIALS, Prover, machine};
use super::{ciba, rfc7523, rfc8628, rfc8693, rfc9126};
use crate::support::call::Answer;
use crate::support::jwt::Key;
use crate::support::*;

/// The answers of ten requests at each node.
async fn race<'a, A, F: Future<Output = A>>(nodes: [&'a Server; 2], send: impl Fn(&'a Server) -> F) -> Vec<A> {
    let turn = Cell::new(0);
    let next = || nodes[turn.replace(turn.get() + 1) % 2];
    at_once::all(20, || send(next())).await
}

fn count(answers: &[Answer], wanted: impl Fn(&Answer) -> bool) -> usize {
    answers.iter().filter(|answer| wanted(answer)).count()
}

/// One has the tokens, nineteen this error.
fn one_of_twenty(answers: &[Answer], error: &str) {
    let refused = count(answers, |answer| answer.refusal() == (400, error.to_owned()));
    assert_eq!((count(answers, |answer| answer.status == 200), refused), (1, 19), "{error}");
}

#[tokio::test]
async fn of_twenty_requests_at_two_nodes_one_wins() {
    let cluster = chancery_test_postgres::Cluster::start_new(chancery_test_postgres::Fsync::Off).unwrap();
    let url = cluster.database().unwrap();
    chancery_ledger::postgres::migrate(&url).await.unwrap();
    let toml = format!("{}\n{}", ciba::ON, rfc8693::TOML);
    let one = &Server::with(&[("DATABASE_URL", url.as_str())], &toml).await;
    let two = &one.beside().await;
    let (nodes, alice) = ([one, two], one.alice().await);

    let (machine, proof) = (machine(one).await, Prover::new("ES256").for_token(one));
    let answers = race(nodes, |node| node.as_client("/oidc/token", &machine, CREDENTIALS).header("dpop", &proof).send()).await;
    one_of_twenty(&answers, "invalid_dpop_proof");

    let key = Key::generate("ES256");
    let signing = one.client(json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": key.jwks() })).await;
    let assertion = key.sign(&rfc7523::claims_of(one, &signing, "once"));
    let answers = race(nodes, |node| rfc7523::asserted(node, &assertion)).await;
    assert_eq!(answers.iter().filter(|answer| **answer == (401, "invalid_client".to_owned())).count(), 19, "{answers:?}");

    let client = one.web_client().await;
    let uri = rfc9126::kept(one, &client, &[]).await;
    let answers = race(nodes, |node| node.get(&uri).send()).await;
    assert_eq!((count(&answers, |answer| answer.status == 303), count(&answers, |answer| answer.status == 400)), (1, 19));

    let tv = rfc8628::tv(one, json!({})).await;
    let codes = rfc8628::ask(one, &tv).await;
    rfc8628::decide(&mut rfc8628::signed_in(two, &alice).await, rfc8628::text(&codes, "user_code"), "allow").await;
    one_of_twenty(&race(nodes, |node| rfc8628::poll(node, &tv, &codes)).await, "invalid_grant");

    let bank = ciba::bank(one, json!({})).await;
    let asked = ciba::ask(one, &bank, &alice, &[]).await;
    ciba::decide(&mut ciba::signed_in(two, &alice).await, "allow").await;
    one_of_twenty(&race(nodes, |node| ciba::poll(node, &bank, &asked)).await, "invalid_grant");

    let own = rfc8693::tokens(one, "gateway", &alice, "", "openid read").await.access;
    let actor = rfc8693::own_token(two, "stock").await;
    let fields = [&rfc8693::subject(&own)[..], &[("actor_token", actor.as_str()), ("actor_token_type", rfc8693::ACCESS)]].concat();
    one_of_twenty(&race(nodes, |node| rfc8693::exchange(node, "stock", &fields)).await, "invalid_request");

    let kinds = two.events().await.into_iter().map(|event| event.kind).collect::<Vec<_>>();
    let kinds_of = |kind: &str| kinds.iter().filter(|own| *own == kind).count();
    for kind in
        ["AuthorizationRequested", "DeviceGranted", "DeviceCodeRedeemed", "BackchannelGranted", "BackchannelRedeemed", "TokenExchanged"]
    {
        assert_eq!(
            kinds_of(kind),
            1 + usize::from(kind == "AuthorizationRequested"),
            "{kind}: the other is the sign-in of the subject token"
        );
    }
    assert_eq!((kinds_of("DpopProofReplayed"), kinds_of("SubjectTokenReplayed")), (19, 19), "each replay is evidence");
}
