//! Every target over its corpus, and over mutations of it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use spaxos_fuzz::{TARGETS, Target};

use crate::mutator::Mutator;

/// The whole corpus stays small enough to be read by people.
const CORPUS_BYTES_MAX: usize = 100 << 10;

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// The inputs of a target with their names, in the order of the names.
fn corpus(target: &Target) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(target.name);
    let entries = std::fs::read_dir(&folder).expect("every target has a corpus");
    let mut inputs: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("the folder is readable").path();
            let name = path.file_name().expect("a file").to_string_lossy();
            (name.into_owned(), std::fs::read(&path).expect("readable"))
        })
        .collect();
    inputs.sort();
    inputs
}

/// Runs a target on an input; a panic says which input it was.
fn check(target: &Target, what: &str, input: &[u8]) {
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    if ended.is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{}: {what} fails, as printed above: {hex}", target.name);
    }
}

/// Runs a target over its corpus, then over mutations of it, each with a seed of its own.
fn replay(name: &str) {
    let target = TARGETS
        .iter()
        .find(|target| target.name == name)
        .expect("it is in the table");
    let named = corpus(target);
    for (name, input) in &named {
        check(target, name, input);
    }
    let inputs: Vec<Vec<u8>> = named.into_iter().map(|(_, input)| input).collect();
    for seed in 0..u64::from(target.mutations) {
        let input = Mutator::new(seed).mutated(&inputs);
        check(target, &format!("seed {seed}"), &input);
    }
}

#[test]
fn frames() {
    replay("frames");
}

#[test]
fn messages() {
    replay("messages");
}

#[test]
fn records() {
    replay("records");
}

#[test]
fn hellos() {
    replay("hellos");
}

#[test]
fn client() {
    replay("client");
}

#[test]
fn chunks() {
    replay("chunks");
}

#[test]
fn log() {
    replay("log");
}

#[test]
fn commands() {
    replay("commands");
}

#[test]
fn transactions() {
    replay("transactions");
}

#[test]
fn replica() {
    replay("replica");
}

#[test]
fn authority() {
    replay("authority");
}

/// The binaries, the table, the corpus and the tests above go together.
#[test]
fn every_target_has_a_binary_a_corpus_and_a_test() {
    let tests = include_str!("replay.rs");
    let manifest = std::fs::read_to_string(fuzz_folder().join("Cargo.toml")).expect("readable");
    let binaries = manifest.matches("[[bin]]").count();
    assert_eq!(binaries, TARGETS.len());
    let mut bytes = 0;
    for target in TARGETS {
        let name = target.name;
        let row = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&row), "{name} has no binary");
        assert!(
            tests.contains(&format!("replay(\"{name}\");")),
            "{name} has no test"
        );
        let inputs = corpus(target);
        assert!(!inputs.is_empty(), "{name} has no corpus");
        bytes += inputs.iter().map(|(_, input)| input.len()).sum::<usize>();
    }
    assert!(bytes <= CORPUS_BYTES_MAX, "the corpus has {bytes} bytes");
}
