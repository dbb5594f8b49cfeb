//! What a fold refuses and keeps.

use super::*;
use crate::stream::FoldError;

fn refused(events: Vec<GrantEvent>, last: GrantEvent) -> &'static str {
    let state = (!events.is_empty()).then(|| fold::<Grant>(events));
    match evolve(state, 9, &last, &[]) {
        Err(FoldError::OutOfOrder { name }) => name,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_history_that_no_decider_makes_stops_the_fold_by_name() {
    assert_eq!(refused(vec![], redeemed()), "CodeRedeemed");
    assert_eq!(refused(vec![issued()], issued()), "CodeIssued");
    assert_eq!(refused(vec![issued(), redeemed()], redeemed()), "CodeRedeemed");
    assert_eq!(refused(vec![issued()], rotated(1, 20)), "RefreshTokenRotated");
    assert_eq!(refused(vec![issued(), redeemed()], rotated(2, 20)), "RefreshTokenRotated");
    assert_eq!(refused(vec![issued(), redeemed(), ended(EndReason::Revoked, 15)], rotated(1, 20)), "RefreshTokenRotated");
    assert_eq!(refused(vec![issued(), ended(EndReason::Revoked, 15)], redeemed()), "CodeRedeemed");
}

#[test]
fn misuse_of_an_ended_grant_is_still_recorded() {
    let after = grant([issued(), ended(EndReason::CodeVerifierGuessed, 15), misuse(Misuse::CodeByOtherClient, 16)]);
    assert_eq!(after.ended, Some(EndReason::CodeVerifierGuessed));
}

#[test]
fn expired_access_tokens_leave_with_the_next_event() {
    assert_eq!(grant([issued(), redeemed(), rotated(1, 609)]).access.len(), 2);
    assert_eq!(grant([issued(), redeemed(), rotated(1, 610)]).access.len(), 1);
}

#[test]
fn a_grant_is_over_with_the_last_thing_that_can_be_used() {
    assert_eq!(grant([issued()]).over_at(), t(60));
    assert_eq!(grant([issued(), redeemed()]).over_at(), t(10 + 14 * DAY));
}

#[test]
fn the_nonce_is_kept_as_ciphertext() {
    let grant: Grant = fold_sealed([issued()], &["nonce"]);
    let Some(Person { nonce: Some(nonce), .. }) = grant.person() else { panic!("no nonce") };
    assert_eq!((nonce.field.as_ref(), nonce.key.as_str(), nonce.stream.clone()), ("nonce", "account-1", grant_id().stream()));
}
