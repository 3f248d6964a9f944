//! What the rules look at: the workspace's files, and its crates as cargo describes them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::source::Source;
use crate::cargo;

/// The whole project, read once.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// Text files by their path from the root, with `/` between its parts.
    pub(super) files: BTreeMap<String, File>,
    /// All paths, folders and files that are not text included, for links.
    pub(super) paths: Vec<String>,
    /// The crates of the workspace.
    pub(super) crates: Vec<Crate>,
    /// All other crates that are built.
    pub(super) foreign: Vec<Foreign>,
}

/// A text file.
#[derive(Debug)]
pub(super) struct File {
    /// The text.
    pub(super) text: String,
    /// The text split, if it is Rust.
    pub(super) rust: Option<Source>,
}

impl File {
    /// A file called `path` with this text.
    pub(super) fn new(path: &str, text: &str) -> File {
        let is_rust = Path::new(path).extension().is_some_and(|e| e == "rs");
        File {
            text: text.to_owned(),
            rust: is_rust.then(|| Source::new(text)),
        }
    }

    /// Written by a program: sizes and style are not ours.
    pub(super) fn is_generated(&self) -> bool {
        let mut head = self.text.lines().take(3);
        head.any(|line| line.starts_with("//") && line.ends_with("Do not edit."))
    }
}

/// A crate of the workspace.
#[derive(Clone, Debug, Default)]
pub(super) struct Crate {
    /// Its name.
    pub(super) name: String,
    /// Its folder, from the root.
    pub(super) folder: String,
    /// What it depends on.
    pub(super) dependencies: Vec<Dependency>,
}

/// A crate from outside, however it comes in.
#[derive(Clone, Debug)]
pub(super) struct Foreign {
    /// Its name.
    pub(super) name: String,
    /// Its version.
    pub(super) version: String,
    /// Its licence, as an SPDX expression; empty if it does not say.
    pub(super) licence: String,
    /// Where it comes from.
    pub(super) source: String,
}

/// An arrow from a crate to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The other crate.
    pub(super) name: String,
    /// For its tests, examples and benches only.
    pub(super) dev: bool,
    /// Inside the workspace.
    pub(super) ours: bool,
}

impl Workspace {
    /// Reads the project below `root`.
    pub(super) fn read(root: &Path) -> anyhow::Result<Workspace> {
        let mut workspace = Workspace::default();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder)
                .with_context(|| format!("cannot list {}", folder.display()))?;
            for entry in entries {
                let path = entry?.path();
                if is_foreign(root, &path) {
                    continue;
                }
                workspace.paths.push(relative(root, &path));
                if path.is_dir() {
                    folders.push(path);
                } else {
                    workspace.read_file(root, &path)?;
                }
            }
        }
        let metadata = metadata(root)?;
        workspace.crates = crates(&metadata);
        workspace.foreign = foreign(&metadata);
        Ok(workspace)
    }

    /// The text of the file at `path`; empty if there is none, which the rules then complain about.
    pub(super) fn text(&self, path: &str) -> &str {
        self.files.get(path).map_or("", |file| file.text.as_str())
    }

    /// Rust files that people write.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &File, &Source)> {
        self.files.iter().filter_map(|(path, file)| {
            let source = file.rust.as_ref()?;
            (!file.is_generated()).then_some((path.as_str(), file, source))
        })
    }

    /// Markdown files.
    pub(super) fn markdown(&self) -> impl Iterator<Item = (&str, &File)> {
        let all = self.files.iter().map(|(path, file)| (path.as_str(), file));
        all.filter(|(path, _)| path.ends_with(".md"))
    }

    fn read_file(&mut self, root: &Path, path: &Path) -> anyhow::Result<()> {
        let bytes =
            std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            let name = relative(root, path);
            let file = File::new(&name, &text);
            self.files.insert(name, file);
        }
        Ok(())
    }
}

/// Not part of the project: what git, cargo and fuzzers keep, and links that lead out of it.
fn is_foreign(root: &Path, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let kept = ["target", "fuzz/target", "fuzz/artifacts", "fuzz/coverage"];
    let is_kept = kept.iter().any(|kept| path == root.join(kept));
    name == ".git" || is_kept || path.is_symlink()
}

fn relative(root: &Path, path: &Path) -> String {
    let inside: PathBuf = path.strip_prefix(root).unwrap_or(path).to_path_buf();
    inside.to_string_lossy().replace('\\', "/")
}

fn metadata(root: &Path) -> anyhow::Result<Value> {
    let output = cargo(root, &["metadata", "--format-version", "1"])
        .output()
        .context("cannot start cargo metadata")?;
    anyhow::ensure!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The workspace's crates: those that come from no registry.
fn crates(metadata: &Value) -> Vec<Crate> {
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let ours = items(&metadata["packages"]).filter(|package| package["source"].is_null());
    ours.map(|package| {
        let manifest = text(&package["manifest_path"]);
        let folder = manifest.trim_start_matches(root).trim_start_matches('/');
        let folder = folder.trim_end_matches("Cargo.toml").trim_end_matches('/');
        let dependencies = items(&package["dependencies"]);
        Crate {
            name: text(&package["name"]),
            folder: folder.to_owned(),
            dependencies: dependencies
                .map(|dependency| Dependency {
                    name: text(&dependency["name"]),
                    dev: dependency["kind"] == "dev",
                    ours: dependency["path"].is_string(),
                })
                .collect(),
        }
    })
    .collect()
}

/// All other crates.
fn foreign(metadata: &Value) -> Vec<Foreign> {
    let foreign = items(&metadata["packages"]).filter(|package| !package["source"].is_null());
    foreign
        .map(|package| Foreign {
            name: text(&package["name"]),
            version: text(&package["version"]),
            licence: text(&package["license"]),
            source: text(&package["source"]),
        })
        .collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_gives_crates_with_their_arrows() {
        let metadata = serde_json::json!({
            "workspace_root": "/p",
            "packages": [{
                "name": "a",
                "manifest_path": "/p/crates/a/Cargo.toml",
                "source": null,
                "dependencies": [
                    { "name": "b", "kind": null, "path": "/p/crates/b" },
                    { "name": "c", "kind": "dev" },
                ],
            }, {
                "name": "c",
                "version": "1.2.3",
                "license": "MIT",
                "source": "registry",
            }],
        });
        let crates = crates(&metadata);
        assert_eq!(crates.len(), 1);
        assert_eq!(crates[0].name, "a");
        assert_eq!(crates[0].folder, "crates/a");
        let [b, c] = crates[0].dependencies.as_slice() else {
            panic!("two dependencies");
        };
        assert!(b.ours && !b.dev);
        assert!(!c.ours && c.dev);
        let foreign = foreign(&metadata);
        assert_eq!((foreign.len(), foreign[0].licence.as_str()), (1, "MIT"));
    }

    #[test]
    fn generated_files_are_known_by_their_first_lines() {
        assert!(File::new("a.rs", "// Made by a program. Do not edit.\n").is_generated());
        assert!(!File::new("a.rs", "//! Reads what we\n//! do not edit.\n").is_generated());
    }
}
