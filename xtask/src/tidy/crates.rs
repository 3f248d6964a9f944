//! Rules about crates: who may depend on whom, and on what.

use super::Finding;
use super::workspace::{Crate, Workspace};

/// The arrows that ARCHITECTURE.md allows: a crate and what it may depend on inside the workspace.
const ARROWS: &[(&str, &[&str])] = &[
    ("spaxos-core", &[]),
    ("spaxos-wire", &["spaxos-core"]),
    ("spaxos-storage", &["spaxos-core", "spaxos-wire"]),
    ("spaxos", &["spaxos-core", "spaxos-wire", "spaxos-storage"]),
    ("spaxos-kv", &[]),
    ("spaxos-etcd", &["spaxos", "spaxos-kv"]),
    (
        "spaxos-sim",
        &["spaxos-core", "spaxos-wire", "spaxos-storage", "spaxos-kv"],
    ),
    (
        "spaxos-fuzz",
        &["spaxos-core", "spaxos-wire", "spaxos-storage", "spaxos-kv"],
    ),
    ("spaxos-bench", &["spaxos"]),
    (
        "spaxos-cli",
        &[
            "spaxos",
            "spaxos-kv",
            "spaxos-etcd",
            "spaxos-storage",
            "spaxos-sim",
            "spaxos-bench",
        ],
    ),
    ("protoc", &[]),
    ("xtask", &[]),
];

/// Crates that any crate's tests may use.
const FOR_TESTS: &[&str] = &["spaxos-sim"];

/// Pure crates: all that they may take from outside, besides what their tests use.
const PURE: &[(&str, &[&str])] = &[
    ("spaxos-core", &["bytes", "xxhash-rust"]),
    ("spaxos-wire", &["bytes", "crc32c", "thiserror", "zerocopy"]),
];

/// What no crate below the runtime may take: clocks, sockets, threads' runtimes, protobuf, logs.
const RUNTIME: &[&str] = &[
    "axum", "hyper", "prost", "rand", "rustls", "socket2", "tokio", "tonic", "tracing",
];

/// Crates that must not know of the runtime, though they are not bound to a list.
const NO_RUNTIME: &[&str] = &["spaxos-kv", "spaxos-storage", "spaxos-sim", "spaxos-fuzz"];

/// Crates whose clippy.toml keeps clocks, threads, files and hash maps out.
const PURE_LINTS: &[&str] = &["spaxos-core", "spaxos-wire", "spaxos-kv", "spaxos-sim"];

/// What every crate inherits.
const UNSAFE_FORBIDDEN: (&str, &str) = ("unsafe_code", "forbid");

/// A crate depends only on those that its row names.
pub(super) fn arrows(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in &workspace.crates {
        let Some((_, allowed)) = ARROWS.iter().find(|row| row.0 == krate.name) else {
            findings.push(Finding::new(
                &krate.name,
                "is not in the table of arrows; add it to ARCHITECTURE.md and to the rule",
            ));
            continue;
        };
        for dependency in krate.dependencies.iter().filter(|d| d.ours) {
            let name = dependency.name.as_str();
            let for_tests = dependency.dev && (FOR_TESTS.contains(&name) || name == krate.name);
            if !allowed.contains(&name) && !for_tests {
                let text = format!("must not depend on {name}");
                findings.push(Finding::new(&krate.name, text));
            }
        }
    }
    findings
}

/// A pure crate takes nothing from outside that could read a clock, open a socket or start a thread.
pub(super) fn pure_dependencies(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in &workspace.crates {
        let outside = krate.dependencies.iter().filter(|d| !d.ours && !d.dev);
        for dependency in outside {
            let name = dependency.name.as_str();
            let listed = PURE.iter().find(|row| row.0 == krate.name);
            let unlisted = listed.is_some_and(|row| !row.1.contains(&name));
            let runtime = NO_RUNTIME.contains(&krate.name.as_str()) && RUNTIME.contains(&name);
            if unlisted || runtime {
                let text = format!("is pure and must not depend on {name}");
                findings.push(Finding::new(&krate.name, text));
            }
        }
    }
    findings
}

/// The workspace forbids unsafe code, and every crate inherits the workspace's lints.
pub(super) fn lints(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    let root = manifest(workspace, "Cargo.toml");
    let (lint, level) = UNSAFE_FORBIDDEN;
    let rust = &root.get("workspace").and_then(|w| w.get("lints"));
    let found = rust.and_then(|l| l.get("rust")).and_then(|r| r.get(lint));
    if found.and_then(toml::Value::as_str) != Some(level) {
        let text = format!("must say {lint} = \"{level}\" in [workspace.lints.rust]");
        findings.push(Finding::new("Cargo.toml", text));
    }
    for krate in &workspace.crates {
        let path = format!("{}/Cargo.toml", krate.folder);
        let manifest = manifest(workspace, &path);
        let lints = manifest.get("lints").and_then(|l| l.get("workspace"));
        if lints.and_then(toml::Value::as_bool) != Some(true) {
            let text = "must inherit the lints: [lints] workspace = true";
            findings.push(Finding::new(path, text));
        }
    }
    findings
}

/// The lints of a pure crate are those of the core: no clock, no thread, no file, no hash map.
pub(super) fn pure_lints(workspace: &Workspace) -> Vec<Finding> {
    let model = workspace.text("crates/spaxos-core/clippy.toml");
    let present = workspace
        .crates
        .iter()
        .filter(|k| PURE_LINTS.contains(&k.name.as_str()));
    let paths = present.map(|krate| format!("{}/clippy.toml", krate.folder));
    paths
        .filter(|path| model.is_empty() || workspace.text(path) != model)
        .map(|path| Finding::new(path, "must be the same as that of spaxos-core"))
        .collect()
}

/// No cargo feature changes what a crate does: there is one program to test.
pub(super) fn features(workspace: &Workspace) -> Vec<Finding> {
    let paths = workspace
        .crates
        .iter()
        .map(|krate| format!("{}/Cargo.toml", krate.folder));
    paths
        .filter(|path| manifest(workspace, path).contains_key("features"))
        .map(|path| Finding::new(path, "must not have features"))
        .collect()
}

/// A crate has one integration binary: each one more is linked anew at every change.
pub(super) fn integration_binaries(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in &workspace.crates {
        let folder = format!("{}/tests/", krate.folder);
        let inside = workspace
            .files
            .keys()
            .filter_map(|path| path.strip_prefix(&folder));
        let is_binary = |path: &&str| {
            let single = !path.contains('/') && path.ends_with(".rs");
            single || (path.ends_with("/main.rs") && path.matches('/').count() == 1)
        };
        let count = inside.filter(is_binary).count();
        if count > 1 {
            findings.push(Finding::new(
                folder,
                format!("has {count} integration binaries"),
            ));
        }
    }
    findings
}

/// A library or binary opens with what it is; a single line does not do that.
pub(super) fn front_page(workspace: &Workspace) -> Vec<Finding> {
    const LINES_MIN: usize = 4;
    let entry = |krate: &Crate, file: &str| format!("{}/src/{file}", krate.folder);
    let mut findings = Vec::new();
    for krate in &workspace.crates {
        let paths = [entry(krate, "lib.rs"), entry(krate, "main.rs")];
        for path in paths.iter().filter(|p| workspace.files.contains_key(*p)) {
            let text = workspace.text(path);
            let lines = text.lines().take_while(|l| l.starts_with("//!")).count();
            let is_thin_binary = path.ends_with("main.rs") && lines > 0;
            if lines < LINES_MIN && !is_thin_binary {
                let text = "must open with what the crate is, what it never does, reading order";
                findings.push(Finding::new(path, text));
            }
        }
    }
    findings
}

fn manifest(workspace: &Workspace, path: &str) -> toml::Table {
    // A manifest that cannot be read has no lints, which is the finding.
    workspace.text(path).parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::workspace::{Dependency, File};
    use super::*;

    fn workspace(name: &str, dependencies: &[(&str, bool, bool)]) -> Workspace {
        let dependency = |&(name, dev, ours): &(&str, bool, bool)| Dependency {
            name: String::from(name),
            dev,
            ours,
        };
        let krate = Crate {
            name: String::from(name),
            folder: String::from("crates/x"),
            dependencies: dependencies.iter().map(dependency).collect(),
        };
        Workspace {
            crates: vec![krate],
            ..Workspace::default()
        }
    }

    fn with_file(mut workspace: Workspace, path: &str, text: &str) -> Workspace {
        let file = File::new(path, text);
        workspace.files.insert(String::from(path), file);
        workspace
    }

    #[test]
    fn an_arrow_against_the_direction_is_found() {
        let up = workspace("spaxos-core", &[("spaxos-wire", false, true)]);
        assert_eq!(arrows(&up).len(), 1);
        let down = workspace("spaxos-wire", &[("spaxos-core", false, true)]);
        assert_eq!(arrows(&down), []);
        assert_eq!(arrows(&workspace("spaxos-novel", &[])).len(), 1);
    }

    #[test]
    fn tests_may_use_the_simulator_and_nothing_else() {
        let test = workspace("spaxos-core", &[("spaxos-sim", true, true)]);
        assert_eq!(arrows(&test), []);
        let shipped = workspace("spaxos-core", &[("spaxos-sim", false, true)]);
        assert_eq!(arrows(&shipped).len(), 1);
        let other = workspace("spaxos-core", &[("spaxos", true, true)]);
        assert_eq!(arrows(&other).len(), 1);
    }

    #[test]
    fn a_runtime_in_a_pure_crate_is_found() {
        let clock = workspace("spaxos-core", &[("tokio", false, false)]);
        assert_eq!(pure_dependencies(&clock).len(), 1);
        let kv = workspace("spaxos-kv", &[("tokio", false, false)]);
        assert_eq!(pure_dependencies(&kv).len(), 1);
        let test = workspace("spaxos-core", &[("proptest", true, false)]);
        assert_eq!(pure_dependencies(&test), []);
        let fine = workspace("spaxos-core", &[("bytes", false, false)]);
        assert_eq!(pure_dependencies(&fine), []);
    }

    #[test]
    fn a_crate_without_the_lints_is_found() {
        let root = "[workspace.lints.rust]\nunsafe_code = \"forbid\"\n";
        let good = with_file(workspace("x", &[]), "Cargo.toml", root);
        let good = with_file(good, "crates/x/Cargo.toml", "[lints]\nworkspace = true\n");
        assert_eq!(lints(&good), []);
        let deaf = with_file(good, "crates/x/Cargo.toml", "[package]\nname = \"x\"\n");
        assert_eq!(lints(&deaf).len(), 1);
        let weak = with_file(deaf, "Cargo.toml", &root.replace("forbid", "deny"));
        assert_eq!(lints(&weak).len(), 2);
    }

    #[test]
    fn a_pure_crate_with_weaker_lints_is_found() {
        let mut both = workspace("spaxos-core", &[]);
        both.crates[0].folder = String::from("crates/spaxos-core");
        assert_eq!(pure_lints(&both).len(), 1);
        let strict = with_file(
            both,
            "crates/spaxos-core/clippy.toml",
            "disallowed-types = []\n",
        );
        assert_eq!(pure_lints(&strict), []);
        let mut with_kv = strict;
        with_kv.crates.push(Crate {
            name: String::from("spaxos-kv"),
            folder: String::from("crates/spaxos-kv"),
            ..Crate::default()
        });
        assert_eq!(pure_lints(&with_kv).len(), 1);
    }

    #[test]
    fn a_feature_is_found() {
        let path = "crates/x/Cargo.toml";
        let plain = with_file(workspace("x", &[]), path, "[package]\nname = \"x\"\n");
        assert_eq!(features(&plain), []);
        assert_eq!(
            features(&with_file(plain, path, "[features]\nfast = []\n")).len(),
            1
        );
    }

    #[test]
    fn a_second_integration_binary_is_found() {
        let one = with_file(workspace("x", &[]), "crates/x/tests/it/main.rs", "");
        let one = with_file(one, "crates/x/tests/it/part.rs", "");
        assert_eq!(integration_binaries(&one), []);
        let two = with_file(one, "crates/x/tests/other.rs", "");
        assert_eq!(integration_binaries(&two).len(), 1);
    }

    #[test]
    fn a_crate_that_does_not_explain_itself_is_found() {
        let path = "crates/x/src/lib.rs";
        let silent = with_file(workspace("x", &[]), path, "//! Things.\n\npub mod a;\n");
        assert_eq!(front_page(&silent).len(), 1);
        let page = "//! A thing.\n//!\n//! It never sleeps.\n//! Read `a.rs` first.\npub mod a;\n";
        assert_eq!(front_page(&with_file(silent, path, page)), []);
    }
}
