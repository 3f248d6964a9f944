//! `spaxos sim`: what it prints, and how it ends.

use std::process::Output;

use crate::cluster::{complaint, run, spaxos};

/// One seed's trace: more than a pipe holds, so it is read while the program runs.
fn trace(more: &[&str]) -> Output {
    let mut command = spaxos();
    command.args(["sim", "--seed", "5", "--trace"]).args(more);
    command.output().expect("the program is there")
}

#[test]
fn seeds_run_and_are_counted() {
    let output = run(&["sim", "--seed", "5", "--runs", "4", "--twice"]);
    assert!(output.status.success(), "{}", complaint(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(text.starts_with("4 runs from seed 5, "), "{text}");
    for title in ["\nfaults by kind\n", "\nrare branches reached\n"] {
        assert!(text.contains(title), "{text}");
    }
}

#[test]
fn a_seed_is_told_event_by_event() {
    let output = trace(&[]);
    assert!(output.status.success(), "{}", complaint(&output));
    let again = trace(&[]);
    assert!(output.stdout == again.stdout, "the same run");
    let without = trace(&["--without", "loss,Crash"]);
    assert!(without.status.success(), "{}", complaint(&without));
    assert!(output.stdout != without.stdout, "another run");
}

#[test]
fn a_branch_that_is_not_reached_is_a_failure() {
    let output = run(&["sim", "--runs", "1", "--every-branch"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("not reached: branch: "),
        "{}",
        complaint(&output)
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    let unknown = run(&["sim", "--without", "Sunshine"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        complaint(&unknown).contains("Sunshine"),
        "{}",
        complaint(&unknown)
    );
    for arguments in [["sim", "--runs", "0"], ["sim", "--minutes", "x"]] {
        assert_eq!(run(&arguments).status.code(), Some(2));
    }
    let both = run(&["sim", "--trace", "--runs", "2"]);
    assert_eq!(both.status.code(), Some(2));
}
