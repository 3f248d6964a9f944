//! Whether the scripts can fail: every bug that can be planted in the core must change the trace of
//! some script, or be one that other tests find. Only with `RUSTFLAGS="--cfg planted"`.

use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use spaxos_core::planted::{Bug, switch_on};

use crate::scripts;

/// Not found by scripts, since scripts do not reach it.
const FOUND_ELSEWHERE: &[(Bug, &str)] = &[(
    Bug::SessionHighestSequence,
    "sessions::tests::a_later_request_executed_first_does_not_hide_an_earlier_one",
)];

#[test]
#[expect(clippy::print_stdout, reason = "the table is what the test is for")]
fn every_planted_bug_breaks_a_script() {
    let scripts: Vec<_> = scripts::paths()
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("readable");
            let name = path.file_stem().expect("a file").to_string_lossy();
            (name.into_owned(), text)
        })
        .collect();
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for &bug in Bug::ALL {
        switch_on(Some(bug));
        let broken: Vec<_> = scripts
            .iter()
            .filter(|(_, text)| {
                let trace = catch_unwind(AssertUnwindSafe(|| scripts::trace(text)));
                !matches!(trace, Ok(Ok(trace)) if trace == *text)
            })
            .map(|(name, _)| name.as_str())
            .collect();
        switch_on(None);
        println!("planted\t{}\t{}", bug.name(), broken.join(", "));
        let elsewhere = FOUND_ELSEWHERE.iter().any(|(known, _)| *known == bug);
        if broken.is_empty() != elsewhere {
            missed.push(bug);
        }
    }
    set_hook(hook);
    assert!(missed.is_empty(), "no script notices: {missed:?}");
}
