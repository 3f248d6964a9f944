//! Log lines on standard error, through `tracing`: quiet unless asked, for people or as JSON. Keys
//! and values of the store are never logged, by anybody.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

use crate::layers::{Layers, Setting};
use crate::usage::UsageError;

/// Announcements are shown unless a level is asked for: tools that start an etcd wait for one of them.
pub(crate) const ANNOUNCEMENT: &str = "spaxos::announcement";

/// What is logged, and in which form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logging {
    targets: Targets,
    format: Format,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    #[default]
    Human,
    Json,
}

impl FromStr for Format {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "human" => Ok(Format::Human),
            "json" => Ok(Format::Json),
            _ => Err("must be human or json"),
        }
    }
}

impl Logging {
    /// Finds out what `layers` say of logging.
    ///
    /// # Errors
    /// One sentence about a value that is not known.
    pub(crate) fn from_layers(layers: &Layers) -> Result<Logging, UsageError> {
        let level = layers.get("log-level").map(|setting| level(&setting));
        let targets = match level.transpose()? {
            Some(level) => Targets::new().with_default(level),
            None => Targets::new()
                .with_default(LevelFilter::WARN)
                .with_target(ANNOUNCEMENT, LevelFilter::INFO),
        };
        let format = match layers.get("log-format") {
            Some(setting) => setting.value.parse().map_err(|why| setting.refuse(why))?,
            None => Format::Human,
        };
        Ok(Logging { targets, format })
    }

    /// Begins to log. Once per process; a second call changes nothing.
    pub(crate) fn start(self) {
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let registry = tracing_subscriber::registry();
        // Fails only if somebody logs already, which is as good.
        let _ = match self.format {
            Format::Human => {
                let lines = lines.with_ansi(std::io::stderr().is_terminal());
                registry.with(lines.with_filter(self.targets)).try_init()
            }
            Format::Json => registry
                .with(lines.json().with_filter(self.targets))
                .try_init(),
        };
    }
}

/// Our levels, and those that only etcd has: it stops at errors too.
fn level(setting: &Setting) -> Result<LevelFilter, UsageError> {
    match setting.value.as_str() {
        "error" | "dpanic" | "panic" | "fatal" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err(setting.refuse("must be one of error, warn, info, debug, trace")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    fn logging(pairs: &[(&str, &str)]) -> Result<Logging, UsageError> {
        let layer = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Logging::from_layers(&Layers::from_flags(layer))
    }

    #[test]
    fn it_is_quiet_but_for_announcements() {
        let targets = logging(&[]).expect("valid").targets;
        assert!(targets.would_enable("spaxos", &Level::WARN));
        assert!(!targets.would_enable("spaxos", &Level::INFO));
        assert!(targets.would_enable(ANNOUNCEMENT, &Level::INFO));
    }

    #[test]
    fn a_level_asked_for_holds_for_all() {
        let targets = logging(&[("log-level", "warn")]).expect("valid").targets;
        assert!(!targets.would_enable(ANNOUNCEMENT, &Level::INFO));
        let targets = logging(&[("log-level", "debug")]).expect("valid").targets;
        assert!(targets.would_enable("spaxos", &Level::DEBUG));
    }

    #[test]
    fn unknown_levels_and_formats_are_refused() {
        let why = |pair| logging(&[pair]).expect_err("must be refused").to_string();
        assert!(why(("log-level", "loud")).starts_with("--log-level: must be one of"));
        assert_eq!(
            why(("log-format", "xml")),
            "--log-format: must be human or json"
        );
    }
}
