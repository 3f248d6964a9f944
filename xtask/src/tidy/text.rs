//! Rules about text: links that lead somewhere, and words that do not belong here.

use super::Finding;
use super::source::{line_of, word_offsets};
use super::workspace::Workspace;

/// Paths of machines and names of programs that may have touched the text. None of them helps a
/// reader. Each is written in two halves, so that this list does not find itself.
const FOREIGN_PARTS: &[(&str, &str)] = &[
    ("/wo", "rk/"),
    ("/tmp/br", "ief"),
    ("/root/.ca", "rgo"),
    (".lib", "rary/"),
];

/// The same, as whole words in any case.
const FOREIGN_WORDS: &[(&str, &str)] = &[
    ("cla", "ude"),
    ("anth", "ropic"),
    ("chat", "gpt"),
    ("open", "ai"),
    ("cop", "ilot"),
    ("ll", "m"),
    ("language ", "model"),
    ("ai ", "assistant"),
    ("as an ", "ai"),
    ("sub", "agent"),
    ("farm-", "studio"),
    ("farm-", "bench"),
    ("before-", "stop"),
];

/// Relative links in Markdown name a file that exists and a heading in it.
pub(super) fn links(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in workspace.markdown() {
        for (line, target) in link_targets(&file.text) {
            if let Some(text) = broken(workspace, path, &target) {
                findings.push(Finding::at(path, line, text));
            }
        }
    }
    findings
}

/// Source files that documents name in `code` exist. A path may begin at the root or further in.
pub(super) fn named_files(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in workspace.markdown() {
        for (index, line) in file.text.lines().enumerate() {
            let spans = line.split('`').skip(1).step_by(2);
            for name in spans.filter(|span| is_file_name(span)) {
                let inside = format!("/{name}");
                let exists = |known: &String| known == name || known.ends_with(&inside);
                if !workspace.paths.iter().any(exists) {
                    let text = format!("there is no file `{name}`");
                    findings.push(Finding::at(path, index + 1, text));
                }
            }
        }
    }
    findings
}

/// Whether a code span names one of our files: Rust by its ending, others by a path.
fn is_file_name(span: &str) -> bool {
    const ENDINGS: &[&str] = &[".md", ".toml", ".proto", ".script"];
    let path = span.contains('/') && ENDINGS.iter().any(|ending| span.ends_with(ending));
    (path || span.ends_with(".rs")) && !span.contains([' ', '*', ':', '$', '<'])
}

/// Nothing in the project speaks of how its text came about.
pub(super) fn foreign_words(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, file) in &workspace.files {
        let lower = file.text.to_ascii_lowercase();
        let parts = FOREIGN_PARTS.iter().flat_map(|(head, tail)| {
            let part = format!("{head}{tail}");
            lower
                .match_indices(&part)
                .map(|hit| hit.0)
                .collect::<Vec<_>>()
        });
        let words = FOREIGN_WORDS
            .iter()
            .flat_map(|(head, tail)| word_offsets(&lower, &format!("{head}{tail}")));
        for at in parts.chain(words) {
            let line = line_of(&lower, at);
            findings.push(Finding::at(
                path,
                line,
                "a word that is not about the project",
            ));
        }
    }
    findings
}

/// The targets of `[text](target)` outside code, with their lines.
fn link_targets(markdown: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut fenced = false;
    for (index, line) in markdown.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let prose = without_code(line);
        let mut rest = prose.as_str();
        while let Some((_, behind)) = rest.split_once("](") {
            let Some((target, tail)) = behind.split_once(')') else {
                break;
            };
            targets.push((index + 1, String::from(target)));
            rest = tail;
        }
    }
    targets
}

/// A line with its `code spans` taken out.
fn without_code(line: &str) -> String {
    let outside = line.split('`').step_by(2);
    outside.collect::<Vec<_>>().join("`")
}

/// Why a link from `path` to `target` leads nowhere; `None` if it leads somewhere or out of here.
fn broken(workspace: &Workspace, path: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let resolved = if file.is_empty() {
        String::from(path)
    } else {
        resolve(path, file)
    };
    let exists = resolved.is_empty() || workspace.paths.contains(&resolved);
    if !exists {
        return Some(format!("the link `{target}` leads to no file"));
    }
    let known = heading.is_empty() || anchors(workspace.text(&resolved)).any(|a| a == heading);
    (!known).then(|| format!("the link `{target}` leads to no heading"))
}

/// `target` as seen from the file `path`, from the root.
fn resolve(path: &str, target: &str) -> String {
    let folder = path.rsplit_once('/').map_or("", |split| split.0);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// The anchors that a forge makes of the headings.
fn anchors(markdown: &str) -> impl Iterator<Item = String> {
    let headings = markdown.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::super::workspace::File;
    use super::*;

    fn workspace(files: &[(&str, &str)]) -> Workspace {
        let mut workspace = Workspace::default();
        for (path, text) in files {
            workspace.paths.push(String::from(*path));
            let file = File::new(path, text);
            workspace.files.insert(String::from(*path), file);
        }
        workspace
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let read = |text| {
            links(&workspace(&[
                ("docs/a.md", text),
                ("b.md", "# One Thing\n"),
            ]))
            .len()
        };
        assert_eq!(
            read("[b](../b.md) [b](../b.md#one-thing) [web](https://a.invalid/x)"),
            0
        );
        assert_eq!(read("[b](b.md)"), 1);
        assert_eq!(read("[b](../b.md#other)"), 1);
        assert_eq!(read("[here](#nowhere)"), 1);
        assert_eq!(read("# Here\n[here](#here)"), 0);
    }

    #[test]
    fn links_in_code_are_no_links() {
        assert_eq!(
            link_targets("`[a](b)` and\n```\n[c](d)\n```\n[e](f)").len(),
            1
        );
    }

    #[test]
    fn a_named_file_that_is_gone_is_found() {
        let read = |text| named_files(&workspace(&[("a.md", text), ("x/src/b.rs", "")])).len();
        let fine = "`x/src/b.rs`, `src/b.rs`, `b.rs`, `c.toml`, `cargo run x/c.rs`";
        assert_eq!(read(fine), 0);
        assert_eq!(read("`src/c.rs` and `b.rs`"), 1);
        assert_eq!(read("`c.rs`, `x/c.toml`"), 2);
    }

    #[test]
    fn a_foreign_word_is_found() {
        for (head, tail) in FOREIGN_PARTS.iter().chain(FOREIGN_WORDS) {
            let text = format!("see {head}{tail} there");
            assert_eq!(
                foreign_words(&workspace(&[("a.md", &text)])).len(),
                1,
                "{text}"
            );
        }
        assert_eq!(
            foreign_words(&workspace(&[("a.md", "a framework/part of it")])),
            []
        );
        let longer = "the calm filmed";
        assert_eq!(foreign_words(&workspace(&[("a.md", longer)])), []);
    }
}
