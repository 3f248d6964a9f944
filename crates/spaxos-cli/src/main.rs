//! The one binary, `spaxos`: a cluster on this machine (`up`), one replica (`serve`), a look at a
//! running cluster (`ctl`), load on it (`bench`), the simulator (`sim`).
//!
//! It is the only place that prints, reads the environment and exits. It takes no decision of the
//! protocol and knows no command of the store.
//!
//! Arguments pass two stages. `args.rs` is what was typed, with `keys.rs` as the one table of a
//! replica's settings and `layers.rs` for where they come from; `serve/options.rs` is what they mean.
//! Then read `serve/mod.rs`, `up/mod.rs`, `ctl/status.rs`, `bench.rs`, `sim.rs`.
//!
//! Exit codes: 0 if all went well, 1 if something failed, 2 if what was typed makes no sense.

mod args;
mod bench;
mod ctl;
mod http;
mod keys;
mod layers;
mod logging;
mod serve;
mod signals;
mod sim;
mod up;
mod usage;
mod version;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use crate::args::{Cli, Command};
use crate::usage::UsageError;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let broken_pipe =
                |cause: &std::io::Error| cause.kind() == std::io::ErrorKind::BrokenPipe;
            if error.downcast_ref().is_some_and(broken_pipe) {
                // Whoever reads our output has had enough of it.
                return ExitCode::SUCCESS;
            }
            // Nobody to tell if standard error is gone.
            let _ = writeln!(std::io::stderr(), "spaxos: {error:#}");
            ExitCode::from(if error.is::<UsageError>() { 2 } else { 1 })
        }
    }
}

fn run() -> anyhow::Result<()> {
    let typed = args::normalise(std::env::args_os());
    let cli = Cli::parse_from(typed.args);
    if cli.version {
        return Ok(version::print()?);
    }
    let runtime = tokio::runtime::Runtime::new().context("no asynchronous runtime")?;
    runtime.block_on(async {
        match cli.command {
            None => Err(UsageError::new("no command; try --help").into()),
            Some(Command::Up(args)) => up::run(args).await,
            Some(Command::Serve(args)) => serve::run(args, typed.dropped).await,
            Some(Command::Ctl(command)) => ctl::run(command).await,
            Some(Command::Bench(command)) => bench::run(command).await,
            Some(Command::Sim(args)) => sim::run(&args),
            Some(Command::Version) => Ok(version::print()?),
        }
    })
}
