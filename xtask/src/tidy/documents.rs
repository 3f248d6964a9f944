//! Rules that hold documents and code together: a table in a document names what the code has.

use std::collections::{BTreeMap, BTreeSet};

use super::Finding;
use super::workspace::Workspace;

const PROTOCOL: &str = "docs/protocol.md";
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

/// A rule of the protocol has a number of its own, and tests name only rules that exist.
pub(super) fn rule_numbers(workspace: &Workspace) -> Vec<Finding> {
    let mut defined: BTreeMap<String, usize> = BTreeMap::new();
    for line in workspace.text(PROTOCOL).lines() {
        if let Some(rule) = defined_rule(line) {
            *defined.entry(rule).or_default() += 1;
        }
    }
    let mut findings = Vec::new();
    if defined.is_empty() {
        findings.push(Finding::new(PROTOCOL, "has no numbered rules"));
    }
    for (rule, _) in defined.iter().filter(|entry| *entry.1 > 1) {
        findings.push(Finding::new(
            PROTOCOL,
            format!("rule {rule} is there twice"),
        ));
    }
    let scripts = workspace
        .files
        .iter()
        .filter(|file| file.0.ends_with(".script"));
    for (path, file) in scripts {
        for rule in named_rules(&file.text) {
            if !defined.contains_key(&rule) {
                let text = format!("names rule {rule}, which {PROTOCOL} does not have");
                findings.push(Finding::new(path, text));
            }
        }
    }
    findings
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
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in workspace.text(page).lines() {
        if line.starts_with('#') {
            inside = line.trim_start_matches('#').trim() == title;
        }
        let cell = line.strip_prefix("| `").and_then(|l| l.split_once('`'));
        if let (true, Some((name, _))) = (inside, cell) {
            names.insert(String::from(name));
        }
    }
    names
}

/// A rule is defined by a list item or a paragraph that begins with its number in bold.
fn defined_rule(line: &str) -> Option<String> {
    let start = line.trim_start().trim_start_matches("- ");
    let (rule, _) = start.strip_prefix("**")?.split_once("**")?;
    is_rule(rule).then(|| String::from(rule))
}

/// The rules that a script names, on lines such as `# Rules: D1, O3`.
fn named_rules(script: &str) -> Vec<String> {
    let lines = script.lines().filter_map(|line| line.split_once("Rules:"));
    let words = lines.flat_map(|(_, behind)| behind.split([',', ' ', '.']));
    words
        .filter(|word| is_rule(word))
        .map(String::from)
        .collect()
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
        let script = ("a.script", "# Rules: D1, D9.\n");
        assert_eq!(
            rule_numbers(&workspace(&[(PROTOCOL, "**D1** x"), script])).len(),
            1
        );
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
