//! One contract for every back end of the ledger, and what only one of them has.
//!
//! A fixture is a database of its own; `contract!` runs every rule on it.

// Clippy takes only functions marked as tests for tests.
#![allow(clippy::unwrap_used)]

mod append;
mod cache;
mod crash;
mod damage;
mod disk;
mod fixture;
mod levels;
mod notes;
mod postgres;
mod read;
mod relocate;
mod sets;
mod sqlite;

/// Every rule of the contract as a test on one back end.
macro_rules! contract {
    ($backend:ident, $fixture:ty) => {
        contract!(@ $backend, $fixture,
            append::of_many_writers_exactly_one_gets_each_version,
            append::many_streams_share_one_dense_order_and_the_root_is_that_of_the_leaves,
            append::an_assertion_without_events_wins_and_loses_like_a_write,
            append::a_revocation_beats_everything_decided_before_it,
            append::a_claim_has_one_owner,
            append::a_claim_can_be_moved_within_one_write,
            append::claims_are_found_in_the_order_of_their_bytes,
            append::the_writes_of_one_batch_are_checked_against_each_other,
            append::a_write_is_all_or_nothing,
            append::what_is_too_large_is_refused_alone,
            append::one_bad_write_of_a_batch_fails_alone,
            append::time_never_goes_back,
            append::beyond_the_queue_appends_are_refused_and_none_is_lost,
            read::a_reader_that_follows_sees_no_gap_and_no_reorder,
            read::a_stream_is_read_from_a_version_on,
            read::events_are_read_at_their_positions_in_order,
            read::a_restart_changes_nothing,
            read::rows_are_found_by_key_column_and_expiry,
            cache::nobody_reads_a_row_older_than_an_acknowledged_one,
            sets::a_rebuild_under_load_flips_without_losing_a_row,
            sets::a_projection_moves_rows_and_checkpoint_together,
            sets::a_set_takes_the_place_of_another,
            sets::the_inline_set_takes_the_name_of_the_one_before,
            sets::the_digest_of_a_set_moves_along_with_its_rows,
            sets::a_set_is_dropped_in_pieces,
            notes::a_commit_carries_its_head_signed_and_a_restart_sees_the_last,
            notes::what_cannot_be_signed_is_not_committed,
            notes::checkpoints_that_others_have_seen_are_kept,
            notes::stored_hashes_are_those_of_the_leaves,
            levels::a_log_keeps_the_level_that_it_was_begun_with_or_raised_to,
            levels::a_program_that_knows_less_does_not_open_the_log,
            crash::killed_under_load_nothing_acknowledged_is_lost,
        );
    };
    (@ $backend:ident, $fixture:ty, $($module:ident :: $rule:ident),* $(,)?) => {
        mod $backend {
            use crate::fixture::Fixture as _;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    match <$fixture>::new().await {
                        Ok(fixture) => crate::$module::$rule(&fixture).await,
                        Err(why) => eprintln!("skipped: {why}"),
                    }
                }
            )*
        }
    };
}

contract!(on_sqlite, crate::sqlite::Sqlite);
contract!(on_postgres, crate::postgres::Postgres);
