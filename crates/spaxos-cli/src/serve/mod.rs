//! `spaxos serve`: one replica, from its settings to its end.
//!
//! `options.rs` says what the settings mean, with `cluster.rs` and `url.rs` for their parts;
//! `replica.rs` runs what they describe.

mod cluster;
mod options;
mod replica;
mod url;

use std::path::PathBuf;

pub(crate) use self::options::ServeOptions;
use crate::args::ServeArgs;
use crate::layers::{self, Layers, Origin};
use crate::logging::Logging;
use crate::signals::StopSignals;
use crate::version;

/// Serves until told to stop. `dropped` are flags that were left out of `args`.
///
/// # Errors
/// If the settings make no sense, the replica cannot start, or it ended by itself.
pub(crate) async fn run(args: ServeArgs, dropped: Vec<String>) -> anyhow::Result<()> {
    if args.version {
        return Ok(version::print()?);
    }
    let signals = StopSignals::new()?;
    let (layers, unknown) = gather(&args)?;
    Logging::from_layers(&layers)?.start();
    for name in options::ignored(&layers).iter().chain(&dropped) {
        tracing::warn!("--{name} means nothing here and is ignored");
    }
    for variable in unknown {
        tracing::warn!("the environment variable {variable} is not known and is ignored");
    }
    let options = ServeOptions::from_layers(&layers)?;
    replica::run(options, signals, args.stop_with_stdin).await
}

/// All settings, the strongest first, and environment variables that look like settings but are none.
fn gather(args: &ServeArgs) -> anyhow::Result<(Layers, Vec<String>)> {
    let variables = std::env::vars_os();
    let readable = variables.filter_map(|(name, value)| {
        let texts = (name.into_string().ok(), value.into_string().ok());
        texts.0.zip(texts.1)
    });
    let (mut environment, unknown) = layers::from_environment(readable);
    let named_there = environment.remove(layers::CONFIG_FILE).map(PathBuf::from);
    let file = args.config_file.clone().or(named_there);
    let mut layers = Layers::from_flags(args.keys.0.clone());
    layers.push(Origin::Environment, environment);
    if let Some(path) = file {
        let layer = layers::from_file(&path)?;
        layers.push(Origin::File(path), layer);
    }
    Ok((layers, unknown))
}
