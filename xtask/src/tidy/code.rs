//! Rules about Rust code: sizes, names, and what must not stand in it.

use super::Finding;
use super::source::{line_of, word_offsets};
use super::workspace::Workspace;

/// The longest file, tests included.
const FILE_LINES_MAX: usize = 500;

/// The longest function of the core, from its signature to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Where that bound is a rule and no advice.
const BOUNDED_FUNCTIONS: &str = "crates/spaxos-core/";

/// Code that must not stand anywhere, with what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("#[allow(", "use #[expect(…, reason = \"…\")]"),
    ("#![allow(", "use #![expect(…, reason = \"…\")]"),
    ("#[ignore", "a test runs always, or goes"),
    ("todo!", "finish it, or write down what is missing"),
    ("unimplemented!", "finish it, or return an error"),
    ("dbg!", "take it out again"),
];

/// Macros that print.
const PRINTS: &[&str] = &["println!", "print!", "eprintln!", "eprint!"];

/// Who may print: the binary, the chores, and what is no part of a library.
const MAY_PRINT: &[&str] = &["crates/spaxos-cli/", "tools/", "xtask/"];
const MAY_PRINT_INSIDE: &[&str] = &["/examples/", "/tests/", "/benches/"];

/// Names of files, folders and modules that say nothing.
const EMPTY_NAMES: &[&str] = &[
    "util", "utils", "common", "helper", "helpers", "misc", "stuff",
];

/// Endings of type names that say nothing.
const EMPTY_ENDINGS: &[&str] = &["Manager", "Helper", "Util", "Utils"];

/// No file is longer than a sitting.
pub(super) fn file_lines(workspace: &Workspace) -> Vec<Finding> {
    let counted = workspace
        .rust()
        .map(|(path, file, _)| (path, file.text.lines().count()));
    counted
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(path, lines)| {
            let text =
                format!("has {lines} lines, more than {FILE_LINES_MAX}: split by owned state");
            Finding::new(path, text)
        })
        .collect()
}

/// No function of the core is longer than a screen.
pub(super) fn function_lines(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let core = workspace
        .rust()
        .filter(|file| file.0.starts_with(BOUNDED_FUNCTIONS));
    for (path, _, source) in core {
        for function in source.functions() {
            if function.lines > FUNCTION_LINES_MAX {
                let (name, lines) = (&function.name, function.lines);
                let text = format!("{name} has {lines} lines, more than {FUNCTION_LINES_MAX}");
                findings.push(Finding::at(path, function.line, text));
            }
        }
    }
    findings
}

/// Nothing is allowed instead of expected, ignored instead of mended, or left for later.
pub(super) fn forbidden_code(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _, source) in workspace.rust() {
        for (pattern, instead) in FORBIDDEN {
            for (at, _) in source.code.match_indices(pattern) {
                let line = line_of(&source.code, at);
                findings.push(Finding::at(
                    path,
                    line,
                    format!("{pattern} here: {instead}"),
                ));
            }
        }
    }
    findings
}

/// A library never prints.
pub(super) fn prints(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _, source) in workspace.rust() {
        let may = MAY_PRINT.iter().any(|start| path.starts_with(start))
            || MAY_PRINT_INSIDE.iter().any(|part| path.contains(part));
        if may {
            continue;
        }
        for macro_name in PRINTS {
            let name = macro_name.trim_end_matches('!');
            for at in word_offsets(&source.code, name) {
                if source.code[at..].starts_with(macro_name) {
                    let line = line_of(&source.code, at);
                    findings.push(Finding::at(
                        path,
                        line,
                        format!("a library has {macro_name}"),
                    ));
                }
            }
        }
    }
    findings
}

/// A name says what the thing is, not that it is useful.
pub(super) fn names(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _, source) in workspace.rust() {
        let parts = path.split('/').map(|part| part.trim_end_matches(".rs"));
        let modules = source.code.split("mod ").skip(1).filter_map(first_word);
        for name in parts.chain(modules) {
            if EMPTY_NAMES.contains(&name) {
                findings.push(Finding::new(
                    path,
                    format!("the name `{name}` says nothing"),
                ));
            }
        }
        for keyword in ["struct ", "enum ", "trait ", "type "] {
            for name in source.code.split(keyword).skip(1).filter_map(first_word) {
                if EMPTY_ENDINGS.iter().any(|ending| name.ends_with(ending)) {
                    findings.push(Finding::new(
                        path,
                        format!("the name `{name}` says nothing"),
                    ));
                }
            }
        }
    }
    findings
}

/// A note of something open says what is open.
pub(super) fn open_ends(workspace: &Workspace) -> Vec<Finding> {
    const WORDS_MIN: usize = 3;
    let mut findings = Vec::new();
    for (path, _, source) in workspace.rust() {
        for mark in ["TODO", "FIXME", "XXX"] {
            for at in word_offsets(&source.comments, mark) {
                let rest = source.comments[at + mark.len()..].lines().next();
                let words = rest.unwrap_or_default().split_whitespace();
                if words.filter(|word| word.len() > 1).count() < WORDS_MIN {
                    let line = line_of(&source.comments, at);
                    findings.push(Finding::at(
                        path,
                        line,
                        format!("{mark} without a sentence"),
                    ));
                }
            }
        }
    }
    findings
}

fn first_word(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (end > 0).then_some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::super::workspace::File;
    use super::*;

    fn findings(rule: fn(&Workspace) -> Vec<Finding>, path: &str, text: &str) -> usize {
        let mut workspace = Workspace::default();
        let file = File::new(path, text);
        workspace.files.insert(String::from(path), file);
        rule(&workspace).len()
    }

    const LIBRARY: &str = "crates/spaxos-core/src/a.rs";

    #[test]
    fn a_long_file_is_found() {
        assert_eq!(findings(file_lines, LIBRARY, &"\n".repeat(500)), 0);
        assert_eq!(findings(file_lines, LIBRARY, &"\n".repeat(501)), 1);
        let generated = format!("// Do not edit.\n{}", "\n".repeat(501));
        assert_eq!(findings(file_lines, LIBRARY, &generated), 0);
    }

    #[test]
    fn a_long_function_of_the_core_is_found() {
        let function = |lines: usize| format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2));
        assert_eq!(findings(function_lines, LIBRARY, &function(70)), 0);
        assert_eq!(findings(function_lines, LIBRARY, &function(71)), 1);
        assert_eq!(
            findings(function_lines, "crates/spaxos/src/a.rs", &function(71)),
            0
        );
    }

    #[test]
    fn forbidden_code_is_found_and_its_mention_is_not() {
        for (pattern, _) in FORBIDDEN {
            assert_eq!(
                findings(forbidden_code, LIBRARY, &format!("{pattern}x)]")),
                1
            );
            assert_eq!(
                findings(forbidden_code, LIBRARY, &format!("// {pattern}x)]")),
                0
            );
            assert_eq!(
                findings(forbidden_code, LIBRARY, &format!("\"{pattern}x)]\"")),
                0
            );
        }
    }

    #[test]
    fn a_library_that_prints_is_found() {
        for name in PRINTS {
            let code = format!("fn a() {{ {name}(\"x\") }}");
            assert_eq!(findings(prints, LIBRARY, &code), 1, "{name}");
            assert_eq!(findings(prints, "crates/spaxos-cli/src/main.rs", &code), 0);
            assert_eq!(findings(prints, "crates/spaxos/examples/a.rs", &code), 0);
        }
    }

    #[test]
    fn empty_names_are_found() {
        assert_eq!(findings(names, "crates/spaxos/src/utils.rs", ""), 1);
        assert_eq!(findings(names, "crates/spaxos/tests/common/mod.rs", ""), 1);
        assert_eq!(findings(names, LIBRARY, "mod helpers;"), 1);
        assert_eq!(findings(names, LIBRARY, "struct SlotManager {}"), 1);
        assert_eq!(findings(names, LIBRARY, "struct Slots {} mod slots;"), 0);
    }

    #[test]
    fn an_open_end_without_a_sentence_is_found() {
        assert_eq!(findings(open_ends, LIBRARY, "// TODO\n"), 1);
        assert_eq!(findings(open_ends, LIBRARY, "// FIXME: later\n"), 1);
        assert_eq!(
            findings(
                open_ends,
                LIBRARY,
                "// TODO: say which snapshot covers it\n"
            ),
            0
        );
        assert_eq!(findings(open_ends, LIBRARY, "let a = \"TODO\";\n"), 0);
    }
}
