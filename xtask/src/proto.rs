//! `cargo xtask proto`: makes Rust of the `.proto` files, without `protoc`.
//!
//! The result is committed, so that a build needs nothing but cargo. `cargo xtask proto --check`
//! makes it again and compares: whoever changes a `.proto` file and forgets to run this is told.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use prost_build::{Config, Module, Service, ServiceGenerator};

/// Where the `.proto` files are, from the root of the workspace.
const SOURCES: &str = "crates/spaxos-etcd/proto";
/// Where the Rust code goes.
const GENERATED: &str = "crates/spaxos-etcd/src/generated";

/// The files that name everything else by their imports.
const FILES: &[&str] = &[
    "etcdserverpb/kv.proto",
    "etcdserverpb/watch.proto",
    "etcdserverpb/lease.proto",
    "etcdserverpb/cluster.proto",
    "etcdserverpb/maintenance.proto",
    "etcdserverpb/auth.proto",
];

/// Writes the generated code, or with `check` fails if what is there is not what would be written.
pub(crate) fn run(root: &Path, check: bool) -> anyhow::Result<()> {
    for (name, code) in generate(root)? {
        let path = root.join(GENERATED).join(&name);
        if check {
            let present = fs::read_to_string(&path).unwrap_or_default();
            anyhow::ensure!(
                present == code,
                "{GENERATED}/{name} is not what its .proto files say: run `cargo xtask proto`"
            );
        } else {
            fs::create_dir_all(root.join(GENERATED))?;
            fs::write(&path, code).with_context(|| format!("cannot write {}", path.display()))?;
        }
    }
    Ok(())
}

/// One formatted file for each package: its name and its text.
fn generate(root: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let sources = root.join(SOURCES);
    let descriptors = protox::compile(FILES, [&sources])?;
    let modules: Vec<_> = descriptors
        .file
        .into_iter()
        .map(|file| (Module::from_protobuf_package_name(file.package()), file))
        .collect();
    let generated = Config::new()
        .bytes(["."])
        .service_generator(Box::new(ServiceTable::default()))
        .generate(modules)?;
    let mut files = Vec::new();
    for (module, code) in generated {
        let name = module.to_file_name_or("root");
        let head = format!("// Made of {SOURCES} by `cargo xtask proto`. Do not edit.\n\n");
        files.push((name, format(&(head + &code))?));
    }
    files.sort();
    Ok(files)
}

/// Formats `code` as the workspace is formatted.
fn format(code: &str) -> anyhow::Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", "style_edition=2024"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start rustfmt")?;
    let mut input = child.stdin.take().context("rustfmt has no input")?;
    input.write_all(code.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    anyhow::ensure!(output.status.success(), "rustfmt failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// Instead of a server for each service: one table of the services and their methods. The crate
/// dispatches by it and names its metrics after it.
#[derive(Default)]
struct ServiceTable {
    rows: String,
}

impl ServiceGenerator for ServiceTable {
    fn generate(&mut self, service: Service, _: &mut String) {
        let rows = &mut self.rows;
        let _ = writeln!(rows, "(\"{}.{}\", &[", service.package, service.proto_name);
        for method in &service.methods {
            let kind = match (method.client_streaming, method.server_streaming) {
                (false, false) => "unary",
                (false, true) => "server_stream",
                (true, false) => "client_stream",
                (true, true) => "bidi_stream",
            };
            let _ = writeln!(rows, "(\"{}\", \"{kind}\"),", method.proto_name);
        }
        let _ = writeln!(rows, "]),");
    }

    fn finalize_package(&mut self, _: &str, code: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let rows = std::mem::take(&mut self.rows);
        let _ = writeln!(
            code,
            "/// A service's full name, and of each of its methods the name and the kind.\n\
             pub type ServiceRow = (&'static str, &'static [(&'static str, &'static str)]);\n\n\
             /// The services of this package.\n\
             pub static SERVICES: &[ServiceRow] = &[{rows}];"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_code_is_what_the_proto_files_say() {
        run(&crate::root(), true).expect("run `cargo xtask proto`");
    }

    #[test]
    fn each_package_becomes_one_file() {
        let files = generate(&crate::root()).expect("the .proto files compile");
        let names: Vec<_> = files.iter().map(|file| file.0.as_str()).collect();
        assert_eq!(names, ["authpb.rs", "etcdserverpb.rs", "mvccpb.rs"]);
    }
}
