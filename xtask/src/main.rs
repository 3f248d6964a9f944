//! `cargo xtask`: the chores of this workspace.
//!
//! What it never does: it is no part of anything that runs in production, and no other crate depends
//! on it. Reading order: `ci.rs` for what must pass before a change goes in, `tidy.rs` for the rules
//! of the house, each of which is one small function with a test that shows how it fails.

mod ci;
mod planted;
mod proto;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

const HELP: &str = "\
Usage: cargo xtask <command>

Commands:
  ci     format check, clippy, tidy and all tests, with the time that each took
  tidy   the rules of the house: arrows between crates, sizes, names, links, documents
  proto  make Rust of the .proto files; with --check, fail if the committed code is not that
  planted [NAME…] [--hunts N] [--seeds N] [--states N] [--quick]
         switch on every planted bug, or those named, and show who catches it
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["ci"] => ci::run(&root()),
        ["tidy"] => tidy::run(&root()),
        ["planted", ref rest @ ..] => planted::run(&root(), rest),
        ["proto"] => proto::run(&root(), false),
        ["proto", "--check"] => proto::run(&root(), true),
        [] | ["help" | "--help" | "-h"] => {
            say(HELP.trim_end());
            Ok(())
        }
        ref other => Err(anyhow::anyhow!(
            "no such command: {}\n\n{HELP}",
            other.join(" ")
        )),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The root of the workspace: the folder above this crate. Cargo says at run time where that is; what
/// was true when this was compiled may be another copy of the project.
fn root() -> PathBuf {
    let crate_folder = std::env::var_os("CARGO_MANIFEST_DIR");
    let crate_folder = crate_folder.unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let parent = Path::new(&crate_folder).parent();
    parent.map(Path::to_path_buf).unwrap_or_default()
}

/// A `cargo` command in the workspace's root.
fn cargo(root: &Path, arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new("cargo");
    command.current_dir(root).args(arguments);
    command
}

/// Runs a command to its end; an error unless it succeeds.
fn succeed(mut command: std::process::Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("cannot start {command:?}"))?;
    anyhow::ensure!(status.success(), "{command:?} failed: {status}");
    Ok(())
}

#[expect(
    clippy::print_stdout,
    reason = "a tool of the command line speaks there"
)]
fn say(line: &str) {
    println!("{line}");
}
