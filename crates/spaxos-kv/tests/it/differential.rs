//! Random commands, on the machine and on the naive model: every answer must be the same.

use proptest::collection::vec;
use proptest::prelude::*;
use spaxos_kv::{Command, KvError, Limits, Machine, RangeRequest, TxnRequest};

use crate::build::{everything, run};
use crate::generate;
use crate::naive::Naive;

/// Small enough for random transactions to exceed them now and then.
const LIMITS: Limits = Limits {
    txn_ops_max: 7,
    txn_depth_max: 3,
    ..Limits::DEFAULT
};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Everything that can be seen from outside, at every revision, agrees.
fn assert_same(machine: &Machine, naive: &Naive) {
    assert_eq!(machine.revision(), naive.revision);
    assert_eq!(machine.compact_revision(), naive.compacted);
    assert_eq!(machine.key_count(), naive.key_count());
    for revision in naive.compacted.max(0) - 1..naive.revision + 2 {
        let all = RangeRequest {
            revision,
            ..everything()
        };
        assert_eq!(machine.range(&all), naive.range(&all), "at {revision}");
    }
    for revision in naive.compacted..naive.revision + 2 {
        let events: Vec<_> = machine.events_since(revision).expect("readable").collect();
        assert_eq!(events, naive.events_since(revision), "since {revision}");
    }
    let compacted = machine.events_since(naive.compacted - 1).map(|_| ());
    assert_eq!(compacted, Err(KvError::Compacted));
}

/// A transaction of ranges alone, answered with and without the log, is answered alike.
fn assert_reads_same(machine: &mut Machine, naive: &mut Naive, txn: &TxnRequest) {
    if !txn.is_read_only() {
        return;
    }
    let expected = naive.execute(&Command::Txn(txn.clone()));
    let direct = machine.txn_read_only(txn).map(spaxos_kv::Response::Txn);
    assert_eq!(direct, expected);
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_machine_answers_as_the_model(
        commands in vec((generate::command(), generate::range()), 1..40),
    ) {
        let mut machine = Machine::new(LIMITS);
        let mut naive = Naive::new(LIMITS);
        for (command, range) in &commands {
            if let Command::Txn(txn) = command {
                assert_reads_same(&mut machine, &mut naive, txn);
            }
            prop_assert_eq!(run(&mut machine, command), naive.execute(command), "{:?}", command);
            prop_assert_eq!(machine.range(range), naive.range(range), "{:?}", range);
        }
        assert_same(&machine, &naive);
        while machine.prune(3) {}
        prop_assert_eq!(machine.size_in_use_bytes(), naive.bytes_in_use());
        assert_same(&machine, &naive);
    }

    #[test]
    fn replicas_agree_however_far_they_have_given_memory_back(
        commands in vec((generate::command(), 0_usize..5), 1..40),
    ) {
        let mut lazy = Machine::new(LIMITS);
        let mut eager = Machine::new(LIMITS);
        for (command, steps) in &commands {
            // Without a share for each command: `apply` does not prune.
            let lazily = lazy.apply(command);
            prop_assert_eq!(&run(&mut eager, command), &lazily);
            eager.prune(usize::MAX);
            prop_assert_eq!(lazy.state_hash(), eager.state_hash());
            prop_assert_eq!(lazy.hash_kv(0), eager.hash_kv(0));
            lazy.prune(*steps);
            prop_assert_eq!(lazy.key_count(), eager.key_count());
        }
        while lazy.prune(1) {}
        prop_assert_eq!(lazy.status(), eager.status());
    }

    #[test]
    fn a_failed_command_changes_nothing(commands in vec(generate::command(), 1..40)) {
        let mut machine = Machine::new(LIMITS);
        for command in &commands {
            let before = (machine.status(), machine.hash_kv(0), machine.range(&everything()));
            if machine.apply(command).is_err() {
                let after = (machine.status(), machine.hash_kv(0), machine.range(&everything()));
                prop_assert_eq!(after, before, "{:?}", command);
            }
        }
    }
}
