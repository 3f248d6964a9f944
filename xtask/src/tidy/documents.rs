//! Rules that hold documents and code together: a table in a document names what the code has.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::workspace::Workspace;

const PROTOCOL: &str = "docs/protocol.md";
const TESTING: &str = "docs/testing.md";
const DEPENDENCIES: &str = "docs/adr/dependencies.md";

/// Every kind of message stands in the protocol page's table, and nothing else does.
pub(super) fn messages(workspace: &Workspace) -> Vec<Finding> {
    let source = workspace.text("crates/spaxos-core/src/message.rs");
    let kinds = kind_names(source, "impl Body");
    compare(
        PROTOCOL,
        &kinds,
        &table(workspace, PROTOCOL, "Messages between replicas"),
    )
}

/// Every kind of frame stands in the protocol page's table, and nothing else does.
pub(super) fn frames(workspace: &Workspace) -> Vec<Finding> {
    let source = workspace.text("crates/spaxos-wire/src/frame.rs");
    let kinds = kind_names(source, "impl FrameKind");
    compare(PROTOCOL, &kinds, &table(workspace, PROTOCOL, "Frames"))
}

/// Every kind of log record stands in the protocol page's table, and nothing else does.
pub(super) fn records(workspace: &Workspace) -> Vec<Finding> {
    let source = workspace.text("crates/spaxos-core/src/record.rs");
    let kinds = kind_names(source, "impl Record");
    compare(PROTOCOL, &kinds, &table(workspace, PROTOCOL, "Log records"))
}

/// Every dependency from outside has its line, and every line a dependency.
pub(super) fn dependencies(workspace: &Workspace) -> Vec<Finding> {
    let all = workspace
        .crates
        .iter()
        .flat_map(|krate| &krate.dependencies);
    let outside = all.filter(|d| !d.ours).map(|d| d.name.clone()).collect();
    compare(
        DEPENDENCIES,
        &outside,
        &table(workspace, DEPENDENCIES, "Dependencies"),
    )
}

/// A rule of the protocol has a number of its own, and scripts name only rules that exist.
pub(super) fn rule_numbers(workspace: &Workspace) -> Vec<Finding> {
    let rules = defined_rules(workspace);
    let mut findings = Vec::new();
    if rules.is_empty() {
        findings.push(Finding::new(PROTOCOL, "has no numbered rules"));
    }
    for (rule, _) in rules.iter().filter(|entry| *entry.1 > 1) {
        findings.push(Finding::new(
            PROTOCOL,
            format!("rule {rule} is there twice"),
        ));
    }
    for (path, rule) in scripted_rules(workspace) {
        if !rules.contains_key(&rule) {
            let text = format!("names rule {rule}, which {PROTOCOL} does not have");
            findings.push(Finding::new(path, text));
        }
    }
    findings
}

/// Every rule of the protocol has a script that names it, or a row in the table of other tests.
pub(super) fn rules_tested(workspace: &Workspace) -> Vec<Finding> {
    let scripted: BTreeSet<String> = scripted_rules(workspace).map(|found| found.1).collect();
    let mut elsewhere = BTreeSet::new();
    let mut findings = Vec::new();
    for line in section(workspace.text(TESTING), "Rules that no script shows") {
        let cells: Vec<&str> = line.split('`').collect();
        let [before, path, _, test, ..] = cells.as_slice() else {
            continue;
        };
        if !workspace.text(path).contains(&format!("fn {test}(")) {
            findings.push(Finding::new(
                TESTING,
                format!("{path} has no test `{test}`"),
            ));
        }
        elsewhere.extend(rules_in(before));
    }
    for rule in defined_rules(workspace).into_keys() {
        if !scripted.contains(&rule) && !elsewhere.contains(&rule) {
            findings.push(Finding::new(PROTOCOL, format!("rule {rule} has no test")));
        }
    }
    findings
}

/// The protocol page's index of scripts says what the scripts' first lines say.
pub(super) fn script_index(workspace: &Workspace) -> Vec<Finding> {
    let mut indexed = BTreeSet::new();
    for line in section(workspace.text(PROTOCOL), "Scripts of the rules") {
        let cells: Vec<&str> = line.split('|').collect();
        let [_, rules, scripts, ..] = cells.as_slice() else {
            continue;
        };
        let names = scripts.split('`').skip(1).step_by(2);
        let names: Vec<&str> = names.collect();
        indexed.extend(
            rules_in(rules).flat_map(|rule| names.iter().map(move |name| format!("{rule} {name}"))),
        );
    }
    let mut titled = BTreeSet::new();
    for (path, file) in workspace.files.iter().filter(|f| f.0.ends_with(".script")) {
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = name.trim_end_matches(".script");
        let title = file
            .text
            .lines()
            .next()
            .and_then(|line| line.split_once(':'));
        let rules = rules_in(title.map_or("", |title| title.0));
        titled.extend(rules.map(|rule| format!("{rule} {name}")));
    }
    compare(PROTOCOL, &titled, &indexed)
}

/// What the README tells people to run is what the checks run.
pub(super) fn commands(workspace: &Workspace) -> Vec<Finding> {
    let readme = workspace.text("README.md");
    let mut findings = Vec::new();
    for command in ["cargo run --release -- up", "cargo test --workspace"] {
        if !readme.contains(command) {
            findings.push(Finding::new(
                "README.md",
                format!("must tell of `{command}`"),
            ));
        }
    }
    if !workspace.text(".ci/run").contains("cargo test --workspace") {
        findings.push(Finding::new(".ci/run", "must run the README's tests"));
    }
    findings
}

/// Code that the README shows stands in the example that it is taken from.
pub(super) fn shown_code(workspace: &Workspace) -> Vec<Finding> {
    let example = workspace.text("crates/spaxos/examples/counter.rs");
    let compiled: BTreeSet<&str> = example.lines().map(str::trim).collect();
    let blocks = workspace.text("README.md").split("```rust\n").skip(1);
    let shown = blocks.filter_map(|block| block.split("```").next());
    let lines = shown.flat_map(str::lines).map(str::trim);
    lines
        .filter(|line| !compiled.contains(line))
        .map(|line| {
            Finding::new(
                "README.md",
                format!("shows `{line}`, which the example lacks"),
            )
        })
        .collect()
}

fn compare(page: &str, code: &BTreeSet<String>, document: &BTreeSet<String>) -> Vec<Finding> {
    let missing = code.difference(document);
    let missing = missing.map(|name| Finding::new(page, format!("`{name}` is missing")));
    let stale = document.difference(code);
    let stale = stale.map(|name| Finding::new(page, format!("`{name}` is no more in the code")));
    missing.chain(stale).collect()
}

/// The strings that the `name` function of `header`'s type gives.
fn kind_names(source: &str, header: &str) -> BTreeSet<String> {
    let body = source.split_once(header).map_or("", |split| split.1);
    let body = body.split_once("\n}\n").map_or(body, |split| split.0);
    let arms = body.lines().filter_map(|line| line.split_once("=> \""));
    let names = arms.filter_map(|(_, behind)| behind.split_once('"'));
    names.map(|(name, _)| String::from(name)).collect()
}

/// The `names` in the first cells of the tables below the heading `title`.
fn table(workspace: &Workspace, page: &str, title: &str) -> BTreeSet<String> {
    let rows = section(workspace.text(page), title);
    let names = rows.filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    names.map(|(name, _)| String::from(name)).collect()
}

/// The lines between the heading `title` and the next one.
fn section<'a>(page: &'a str, title: &'a str) -> impl Iterator<Item = &'a str> {
    let mut inside = false;
    page.lines().filter(move |line| {
        if line.starts_with('#') {
            inside = line.trim_start_matches('#').trim() == title;
        }
        inside
    })
}

/// The numbers of the protocol's rules, with how often each is there. A rule is defined by a
/// paragraph or list item that begins with its number in bold.
fn defined_rules(workspace: &Workspace) -> BTreeMap<String, usize> {
    let mut rules = BTreeMap::new();
    for line in workspace.text(PROTOCOL).lines() {
        let start = line.trim_start().trim_start_matches("- ");
        let bold = start.strip_prefix("**").and_then(|l| l.split_once("**"));
        if let Some((rule, _)) = bold.filter(|bold| is_rule(bold.0)) {
            *rules.entry(String::from(rule)).or_default() += 1;
        }
    }
    rules
}

/// The rules that scripts name in their comments, with the scripts' paths.
fn scripted_rules(workspace: &Workspace) -> impl Iterator<Item = (&str, String)> {
    let scripts = workspace
        .files
        .iter()
        .filter(|file| file.0.ends_with(".script"));
    scripts.flat_map(|(path, file)| {
        let comments = file.text.lines().filter_map(|line| line.strip_prefix('#'));
        let rules = comments.flat_map(rules_in);
        rules.map(|rule| (path.as_str(), rule)).collect::<Vec<_>>()
    })
}

/// The numbers of rules in a text.
fn rules_in(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    words.filter(|word| is_rule(word)).map(String::from)
}

/// Capital letters, then digits: `D1`, `CL12`.
fn is_rule(word: &str) -> bool {
    let digits = word.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let letters = word.len() - digits.len();
    (1..=2).contains(&letters) && !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::workspace::{Crate, Dependency, File};
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> Workspace {
        let mut workspace = Workspace::default();
        for (path, text) in files {
            let file = File::new(path, text);
            workspace.files.insert(String::from(*path), file);
        }
        workspace
    }

    const BODY: &str = "impl Body {\n    fn name() {\n        Body::A => \"A\",\n        Body::B => \"B\",\n    }\n}\nimpl Other {\n x => \"C\"\n}\n";

    #[test]
    fn a_message_without_a_row_is_found() {
        let code = ("crates/spaxos-core/src/message.rs", BODY);
        let table =
            "## Messages between replicas\n| `A` | all |\n| `B` | all |\n## Else\n| `X` |\n";
        assert_eq!(messages(&workspace(&[code, (PROTOCOL, table)])), []);
        let less = table.replace("| `B` | all |\n", "");
        assert_eq!(messages(&workspace(&[code, (PROTOCOL, &less)])).len(), 1);
        let more = table.replace("## Else", "| `C` | all |\n## Else");
        assert_eq!(messages(&workspace(&[code, (PROTOCOL, &more)])).len(), 1);
    }

    #[test]
    fn a_frame_without_a_row_is_found() {
        let source = BODY.replace("impl Body", "impl FrameKind");
        let code = ("crates/spaxos-wire/src/frame.rs", source.as_str());
        let page = (PROTOCOL, "## Frames\n| `A` | x |\n| `B` | x |\n");
        assert_eq!(frames(&workspace(&[code, page])), []);
        assert_eq!(
            frames(&workspace(&[code, (PROTOCOL, "## Frames\n")])).len(),
            2
        );
    }

    #[test]
    fn a_record_without_a_row_is_found() {
        let source = BODY.replace("impl Body", "impl Record");
        let code = ("crates/spaxos-core/src/record.rs", source.as_str());
        let page = (PROTOCOL, "### Log records\n| `A` | x |\n");
        assert_eq!(records(&workspace(&[code, page])).len(), 1);
    }

    #[test]
    fn a_dependency_without_a_line_is_found() {
        let dependency = |name: &str, ours| Dependency {
            name: String::from(name),
            dev: false,
            ours,
        };
        let mut with = workspace(&[(DEPENDENCIES, "# Dependencies\n| `bytes` | shared bytes |\n")]);
        with.crates.push(Crate {
            dependencies: vec![dependency("bytes", false), dependency("spaxos-core", true)],
            ..Crate::default()
        });
        assert_eq!(dependencies(&with), []);
        with.crates[0].dependencies.push(dependency("serde", false));
        assert_eq!(dependencies(&with).len(), 1);
        with.crates.clear();
        assert_eq!(dependencies(&with).len(), 1, "a line without a dependency");
    }

    #[test]
    fn a_rule_is_numbered_once_and_named_rightly() {
        let page = |text| rule_numbers(&workspace(&[(PROTOCOL, text)])).len();
        assert_eq!(page("- **D1** First.\n- **D2** Second.\n"), 0);
        assert_eq!(page("- **D1** First.\n- **D1** Second.\n"), 1);
        assert_eq!(page("No rule.\n"), 1);
        let script = ("a.script", "# D1, D9: so it is.\nr1 D8\n");
        let both = workspace(&[(PROTOCOL, "**D1** x"), script]);
        assert_eq!(rule_numbers(&both).len(), 1, "D9");
    }

    #[test]
    fn a_rule_without_a_test_is_found() {
        let rules = (PROTOCOL, "- **D1** First.\n- **R6** Second.\n");
        let script = ("a.script", "# D1: so it is.\n");
        let test = ("a.rs", "fn local() {}\n");
        let row = "## Rules that no script shows\n| R6 | `a.rs` | `local` |\n";
        assert_eq!(
            rules_tested(&workspace(&[rules, script, test, (TESTING, row)])),
            []
        );
        assert_eq!(
            rules_tested(&workspace(&[rules, test, (TESTING, row)])).len(),
            1
        );
        assert_eq!(rules_tested(&workspace(&[rules, script])).len(), 1);
        assert_eq!(
            rules_tested(&workspace(&[rules, script, (TESTING, row)])).len(),
            1
        );
    }

    #[test]
    fn an_index_that_differs_from_the_scripts_is_found() {
        let script = ("a/b.script", "# D1, O2: so it is.\n");
        let page = |text| script_index(&workspace(&[script, (PROTOCOL, text)])).len();
        assert_eq!(
            page("## Scripts of the rules\n| D1 | `b` |\n| O2 | `b` |\n"),
            0
        );
        assert_eq!(page("## Scripts of the rules\n| D1 | `b` |\n"), 1);
        assert_eq!(page("## Scripts of the rules\n| D1, O2 | `b`, `c` |\n"), 2);
    }

    #[test]
    fn code_in_the_readme_that_nobody_compiles_is_found() {
        let example = (
            "crates/spaxos/examples/counter.rs",
            "fn a() {\n    b();\n}\n",
        );
        let same = ("README.md", "Text.\n```rust\nb();\n```\nc();\n");
        assert_eq!(shown_code(&workspace(&[example, same])), []);
        let other = ("README.md", "Text.\n```rust\nc();\n```\n");
        assert_eq!(shown_code(&workspace(&[example, other])).len(), 1);
    }

    #[test]
    fn a_readme_with_other_commands_is_found() {
        let readme = "cargo run --release -- up\ncargo test --workspace\n";
        let ci = "cargo test --workspace\n";
        assert_eq!(
            commands(&workspace(&[("README.md", readme), (".ci/run", ci)])),
            []
        );
        assert_eq!(
            commands(&workspace(&[("README.md", "make"), (".ci/run", "make")])).len(),
            3
        );
    }
}
