//! A client gives a token back.

use super::*;
use crate::grant::revoke::{self, Returned, Revoke};

fn decide(grant: &Grant, token: Returned, client: &str) -> (Vec<GrantEvent>, &'static str) {
    said(&revoke::decide(grant, &Revoke { token, client: client_id(client), at: t(20) }))
}

#[test]
fn rfc7009_2_1_revoking_a_refresh_token_ends_the_grant() {
    assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Refresh, "app"), (vec![ended(EndReason::Revoked, 20)], "ok"));
}

#[test]
fn rfc7009_2_1_revoking_an_access_token_ends_that_token() {
    let revoked: GrantEvent = AccessTokenRevoked { access: digest("at-0"), at: t(20) }.into();
    let given = || [issued(), redeemed(), rotated(1, 15)];
    assert_eq!(decide(&grant(given()), Returned::Access(digest("at-0")), "app"), (vec![revoked.clone()], "ok"));
    let after: Grant = fold(given().into_iter().chain([revoked]));
    assert_eq!(after.access.iter().map(|one| one.digest).collect::<Vec<_>>(), [digest("at-1")]);
    assert!(after.refresh.is_some() && after.ended.is_none());
}

#[test]
fn rfc7009_2_1_a_token_of_another_client_is_refused() {
    assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Refresh, "other"), (vec![], "invalid_grant"));
    assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Access(digest("at-0")), "other"), (vec![], "invalid_grant"));
}

#[test]
fn rfc7009_2_2_an_unknown_or_dead_token_is_answered_like_a_revoked_one() {
    assert_eq!(decide(&grant([issued(), redeemed()]), Returned::Access(digest("guess")), "app"), (vec![], "ok"));
    assert_eq!(decide(&grant([issued()]), Returned::Refresh, "app"), (vec![], "ok"));
    let over = grant([issued(), redeemed(), ended(EndReason::Revoked, 15)]);
    assert_eq!(decide(&over, Returned::Refresh, "app"), (vec![], "ok"));
}
