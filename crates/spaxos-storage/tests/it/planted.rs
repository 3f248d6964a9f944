//! Whether the tests can fail: every bug that can be planted in the log must make one of them fail.
//! Only with `RUSTFLAGS="--cfg planted"`.

use std::panic::{catch_unwind, set_hook, take_hook};

use spaxos_storage::planted::{Bug, switch_on};

use crate::{crashes, damage, failures};

macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        &[$((stringify!($name), $module::$name as fn()),)*]
    };
}

/// The tests that are about rules of the log.
const TESTS: &[(&str, fn())] = tests![
    crashes::nothing_committed_is_lost_wherever_the_machine_dies,
    crashes::a_process_that_dies_alone_loses_nothing_it_had_written,
    damage::a_settled_log_is_whole_or_damaged,
    damage::only_the_last_group_may_pass_for_torn,
    failures::every_failed_call_is_final_and_loses_nothing,
    failures::without_syncs_a_process_may_die_and_a_life_is_synced_all_the_same,
];

#[test]
#[expect(clippy::print_stdout, reason = "the table is what the test is for")]
fn every_planted_bug_fails_a_test() {
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for &bug in Bug::ALL {
        switch_on(Some(bug));
        let failed: Vec<_> = TESTS
            .iter()
            .filter(|(_, test)| catch_unwind(test).is_err())
            .map(|(name, _)| *name)
            .collect();
        switch_on(None);
        println!("planted\t{}\t{}", bug.name(), failed.join(", "));
        if failed.is_empty() {
            missed.push(bug);
        }
    }
    set_hook(hook);
    assert!(missed.is_empty(), "no test notices: {missed:?}");
}
