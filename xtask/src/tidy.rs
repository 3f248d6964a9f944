//! `cargo xtask tidy`: the rules of the house, as tests of the source.
//!
//! A rule is a function from the [`Workspace`] to its [`Finding`]s. Each has a unit test that shows it
//! failing: a rule that cannot fail is no rule.

mod code;
mod crates;
mod documents;
mod outside;
mod source;
mod text;
mod workspace;

use std::path::Path;

use crate::say;
use workspace::Workspace;

/// Something that is against a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// A file, a file with a line, or a crate.
    place: String,
    /// A sentence about it.
    text: String,
}

impl Finding {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Finding {
        Finding {
            place: place.into(),
            text: text.into(),
        }
    }

    fn at(path: &str, line: usize, text: impl Into<String>) -> Finding {
        Finding::new(format!("{path}:{line}"), text)
    }
}

type Rule = (&'static str, fn(&Workspace) -> Vec<Finding>);

/// All rules, by name.
const RULES: &[Rule] = &[
    ("arrows between crates", crates::arrows),
    ("pure crates stay pure", crates::pure_dependencies),
    ("lints are on", crates::lints),
    ("pure crates have strict lints", crates::pure_lints),
    ("no features", crates::features),
    ("one integration binary", crates::integration_binaries),
    ("licences go together", outside::licences),
    ("code comes from one place", outside::sources),
    ("a crate opens with an explanation", crates::front_page),
    ("five hundred lines a file", code::file_lines),
    ("seventy lines a function", code::function_lines),
    (
        "nothing allowed, ignored or left open",
        code::forbidden_code,
    ),
    ("only the binary prints", code::prints),
    ("names say what a thing is", code::names),
    ("open ends carry a text", code::open_ends),
    ("links lead somewhere", text::links),
    ("files in documents exist", text::named_files),
    ("the project speaks of itself only", text::foreign_words),
    ("all messages are in the table", documents::messages),
    ("all frames are in the table", documents::frames),
    ("all records are in the table", documents::records),
    (
        "protocol rules have one number each",
        documents::rule_numbers,
    ),
    ("protocol rules have tests", documents::rules_tested),
    ("the index of scripts is right", documents::script_index),
    ("all dependencies are explained", documents::dependencies),
    ("the README shows what compiles", documents::shown_code),
    (
        "the README's commands are the ones that CI runs",
        documents::commands,
    ),
];

/// Checks all rules and reports every finding.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let workspace = Workspace::read(root)?;
    let mut count = 0;
    for (name, rule) in RULES {
        for finding in rule(&workspace) {
            say(&format!("{}: {} ({name})", finding.place, finding.text));
            count += 1;
        }
    }
    anyhow::ensure!(
        count == 0,
        "{count} findings against the rules of the house"
    );
    say(&format!("tidy: {} rules hold", RULES.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_keeps_its_rules() {
        super::run(&crate::root()).expect("findings are printed above");
    }
}
