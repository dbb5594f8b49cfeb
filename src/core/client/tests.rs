//! How a client comes in, is declared, closed and opened.

use super::*;
use crate::testing::*;

fn declared() -> ClientEvent {
    let (client, secret) = (client_id("app"), Some("a secret of the operator's choice".into()));
    let cmd = Register {
        client,
        metadata: metadata(),
        origin: Origin::Declared,
        generated_secret: None,
        chosen_secret: secret,
        contacts: None,
        registration_access: None,
        invitation: None,
        sector_document: None,
        context: None,
        at: t(0),
    };
    let mut decision = register(&cmd);
    assert_eq!(decision.events[0].personal.iter().map(|(field, _)| field).collect::<Vec<_>>(), ["client_secret"]);
    decision.events.remove(0).event
}

fn file(change: impl FnOnce(&mut Metadata), same_secret: bool) -> Declare {
    let mut metadata = metadata();
    change(&mut metadata);
    Declare { metadata, chosen_secret: Some("another secret".into()), same_secret, at: t(5) }
}

#[test]
fn a_chosen_secret_is_kept_as_ciphertext_and_a_generated_one_as_digest() {
    let client: Client = fold_sealed([declared()], &["client_secret"]);
    assert!(matches!(client.secrets.as_slice(), [(Secret::Sealed(sealed), None)] if sealed.field == "client_secret"));
    assert!(matches!(crate::testing::client().secrets.as_slice(), [(Secret::Digest(_), None)]));
    assert_survives_the_row(&client);
}

#[test]
fn seeding_is_idempotent() {
    let client: Client = fold_sealed([declared()], &["client_secret"]);
    assert_eq!(said(&declare(&client, &file(|_| (), true))), (Vec::new(), "ok"));
    assert_eq!(said(&declare(&client, &file(|_| (), false))).0.len(), 1);
    assert_eq!(said(&declare(&client, &file(|metadata| metadata.require_pkce = true, true))).0.len(), 1);
}

#[test]
fn a_client_that_left_the_file_is_disabled_and_comes_back() {
    let client: Client = fold_sealed([declared()], &["client_secret"]);
    let gone = said(&disable(&client, t(1))).0;
    let disabled: Client = fold_sealed([declared()].into_iter().chain(gone), &["client_secret"]);
    assert!(!disabled.is_active());
    assert_eq!(said(&disable(&disabled, t(2))), (Vec::new(), "ok"));
    let back = said(&declare(&disabled, &file(|_| (), true))).0.remove(0);
    assert!(evolve(Some(disabled), 3, &back, &["client_secret"]).unwrap().is_active());
}

#[test]
fn an_operator_closes_and_opens_a_client_once_each() {
    let (closed, opened): (ClientEvent, ClientEvent) = (ClientDisabled { at: t(1) }.into(), ClientEnabled { at: t(2) }.into());
    let client = crate::testing::client();
    assert_eq!(said(&disable_by_operator(&client, t(1))), (Vec::from([closed.clone()]), "ok"));
    assert_eq!(said(&enable_by_operator(&client, t(1))), (Vec::new(), "ok"));
    let disabled = evolve(Some(client), 2, &closed, &[]).unwrap();
    assert_eq!(said(&disable_by_operator(&disabled, t(2))), (Vec::new(), "ok"));
    assert_eq!(said(&enable_by_operator(&disabled, t(2))), (Vec::from([opened.clone()]), "ok"));
    assert!(evolve(Some(disabled), 3, &opened, &[]).unwrap().is_active());
    let own: Client = fold_sealed([declared()], &["client_secret"]);
    assert_eq!((said(&disable_by_operator(&own, t(1))).1, said(&enable_by_operator(&own, t(1))).1), ("conflict", "conflict"));
}

#[test]
fn the_file_owns_only_what_it_declared() {
    assert_eq!(said(&declare(&crate::testing::client(), &file(|_| (), true))), (Vec::new(), "conflict"));
}

#[test]
fn rfc9700_4_11_2_only_open_registration_is_not_vouched_for() {
    let vouched = [Origin::Declared, Origin::Operator, Origin::InvitedRegistration, Origin::OpenRegistration].map(Origin::is_vouched);
    assert_eq!(vouched, [true, true, true, false]);
}

#[test]
fn a_client_is_registered_once() {
    assert!(evolve(Some(crate::testing::client()), 2, &declared(), &[]).is_err());
    assert!(evolve::<Client>(None, 1, &ClientDisabled { at: t(0) }.into(), &[]).is_err());
}
