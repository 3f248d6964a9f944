//! Everything that must pass before a change goes in, cheapest first, with times.

use std::path::Path;
use std::time::Instant;

use crate::{cargo, proto, say, succeed, tidy};

/// Formats, lints, rules and tests.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    timed("format", || {
        succeed(cargo(root, &["fmt", "--all", "--check"]))
    })?;
    timed("tidy", || tidy::run(root))?;
    timed("generated code", || proto::run(root, true))?;
    timed("clippy", || {
        let clippy = "clippy --workspace --all-targets -- --deny warnings";
        succeed(cargo(root, &words(clippy)))
    })?;
    timed("tests", || succeed(cargo(root, &["test", "--workspace"])))
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn timed(name: &str, step: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let begin = Instant::now();
    let result = step();
    let outcome = if result.is_ok() { "ok" } else { "FAILED" };
    say(&format!(
        "== {name}: {outcome} in {:.1} s",
        begin.elapsed().as_secs_f64()
    ));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_fails_the_run() {
        assert!(timed("good", || Ok(())).is_ok());
        assert!(timed("bad", || anyhow::bail!("no")).is_err());
    }
}
