//! A `protoc` that understands just what `prost-build` asks of it: read `.proto` files, write a
//! descriptor set. The `etcd-client` crate compiles its `.proto` files in its build script;
//! `.cargo/config.toml` points that script at `tools/protoc/protoc`, which runs this program. A
//! fresh clone thus builds with a Rust toolchain alone. Who sets `PROTOC` gets their own.
//!
//! It never generates code and knows no plugin: unknown arguments are refused.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};

/// What the command line asked for.
#[derive(Default)]
struct Request {
    output: Option<PathBuf>,
    includes: Vec<PathBuf>,
    files: Vec<PathBuf>,
    imports: bool,
    source_info: bool,
}

fn main() -> anyhow::Result<()> {
    let request = parse(std::env::args_os().skip(1))?;
    let output = request.output.context("-o FILE is missing")?;
    let descriptors = protox::Compiler::new(&request.includes)?
        .include_imports(request.imports)
        .include_source_info(request.source_info)
        .open_files(&request.files)?
        .encode_file_descriptor_set();
    std::fs::write(&output, descriptors)
        .with_context(|| format!("{} could not be written", output.display()))
}

fn parse(mut typed: impl Iterator<Item = OsString>) -> anyhow::Result<Request> {
    let mut request = Request::default();
    while let Some(argument) = typed.next() {
        match argument.to_str() {
            Some("--include_imports") => request.imports = true,
            Some("--include_source_info") => request.source_info = true,
            Some("-o") => request.output = typed.next().map(PathBuf::from),
            Some("-I") => request.includes.extend(typed.next().map(PathBuf::from)),
            Some(other) if other.starts_with('-') => bail!("{other} is not known to this protoc"),
            _ => request.files.push(argument.into()),
        }
    }
    Ok(request)
}
