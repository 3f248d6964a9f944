//! What was typed, wherever it was typed: flags, environment variables and a configuration file, laid
//! one over the other. Values stay text here; `serve/options.rs` says what they mean.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::keys::{self, EXPERIMENTAL};
use crate::usage::UsageError;

/// The settings of one place, by their names.
pub(crate) type Layer = BTreeMap<String, String>;

/// A configuration file beyond this size is not one of ours.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// The setting that names the file; it cannot stand in the file.
pub(crate) const CONFIG_FILE: &str = "config-file";

/// Where a value was typed: for error messages that point there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `--name`
    Flag,
    /// `ETCD_NAME`
    Environment,
    /// `name = …` in this file
    File(PathBuf),
}

/// A value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
}

impl Setting {
    /// An error about this value, which names the place where it was typed.
    pub(crate) fn refuse(&self, why: impl fmt::Display) -> UsageError {
        UsageError::new(format!("{self}: {why}"))
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Flag => write!(f, "--{}", self.name),
            Origin::Environment => f.write_str(&keys::variable(&self.name)),
            Origin::File(path) => write!(f, "`{}` in {}", self.name, path.display()),
        }
    }
}

/// All layers, the strongest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers(Vec<(Origin, Layer)>);

impl Layers {
    /// Settings given on the command line alone.
    pub(crate) fn from_flags(flags: Layer) -> Layers {
        Layers(vec![(Origin::Flag, flags)])
    }

    /// Lays `layer` under those that are there.
    pub(crate) fn push(&mut self, origin: Origin, layer: Layer) {
        self.0.push((origin, layer));
    }

    /// The value of `name` from the strongest layer that has one.
    pub(crate) fn get(&self, name: &str) -> Option<Setting> {
        self.0.iter().find_map(|(origin, layer)| {
            let value = layer.get(name)?.clone();
            Some(Setting {
                name: name.to_owned(),
                value,
                origin: origin.clone(),
            })
        })
    }

    /// Every name that has a value, each once.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .0
            .iter()
            .flat_map(|(_, layer)| layer.keys().map(String::as_str))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// The settings among `variables`, and the names of those that look like settings but are none.
/// An empty value counts as unset.
pub(crate) fn from_environment(
    variables: impl Iterator<Item = (String, String)>,
) -> (Layer, Vec<String>) {
    let known: BTreeMap<String, &str> = keys::KEYS
        .iter()
        .map(|key| key.name)
        .chain(keys::FOREIGN.iter().map(|foreign| foreign.name))
        .chain([CONFIG_FILE])
        .map(|name| (keys::variable(name), name))
        .collect();
    let mut layer = Layer::new();
    let mut unknown = Vec::new();
    for (variable, value) in variables {
        if !variable.starts_with("ETCD_") || value.is_empty() {
            continue;
        }
        match known.get(&variable) {
            Some(name) => {
                layer.insert((*name).to_owned(), value);
            }
            None => unknown.push(variable),
        }
    }
    (layer, unknown)
}

/// The settings in the TOML file at `path`.
///
/// # Errors
/// If it cannot be read, is too large, is not TOML, or has a key or a kind of value that is not known.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<Layer> {
    let context = || format!("the configuration file {}", path.display());
    let size = std::fs::metadata(path).with_context(context)?.len();
    if size > FILE_BYTES_MAX {
        return Err(UsageError::new(format!("{} has {size} bytes", context())).into());
    }
    let text = std::fs::read_to_string(path).with_context(context)?;
    from_toml(&text).map_err(|why| UsageError::new(format!("{}: {why}", context())).into())
}

fn from_toml(text: &str) -> Result<Layer, String> {
    let table: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| format!("not TOML: {}", error.to_string().trim_end()))?;
    let mut layer = Layer::new();
    for (name, value) in table {
        let known = keys::find(&name).is_some()
            || keys::find_foreign(&name).is_some()
            || name.starts_with(EXPERIMENTAL);
        if !known {
            return Err(format!("unknown key `{name}`"));
        }
        let value = as_typed(&value).ok_or_else(|| {
            format!("`{name}` must be a text, a number, true or false, or a list of texts")
        })?;
        layer.insert(name, value);
    }
    Ok(layer)
}

/// The value as one would type it on the command line.
fn as_typed(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        toml::Value::Array(list) => {
            let texts: Option<Vec<&str>> = list.iter().map(toml::Value::as_str).collect();
            Some(texts?.join(","))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(pairs: &[(&str, &str)]) -> Layer {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_file() {
        let mut layers = Layers::from_flags(layer(&[("name", "a")]));
        layers.push(
            Origin::Environment,
            layer(&[("name", "b"), ("data-dir", "b")]),
        );
        let file = layer(&[("name", "c"), ("data-dir", "c"), ("votes", "c")]);
        layers.push(Origin::File("x.toml".into()), file);
        let value = |name| layers.get(name).map(|setting| setting.value);
        assert_eq!(value("name").as_deref(), Some("a"));
        assert_eq!(value("data-dir").as_deref(), Some("b"));
        assert_eq!(value("votes").as_deref(), Some("c"));
        assert_eq!(value("propose"), None);
        assert_eq!(layers.names(), ["data-dir", "name", "votes"]);
    }

    #[test]
    fn a_refusal_names_the_place() {
        let at = |origin| Setting {
            name: "data-dir".into(),
            value: String::new(),
            origin,
        };
        let text = |origin| at(origin).refuse("no").to_string();
        assert_eq!(text(Origin::Flag), "--data-dir: no");
        assert_eq!(text(Origin::Environment), "ETCD_DATA_DIR: no");
        assert_eq!(
            text(Origin::File("x.toml".into())),
            "`data-dir` in x.toml: no"
        );
    }

    #[test]
    fn the_environment_is_read_with_etcds_names() {
        let variables = [
            ("ETCD_DATA_DIR", "/d"),
            ("ETCD_NAME", ""),
            ("ETCD_SNAPSHOT_COUNT", "7"),
            ("ETCD_NONSENSE", "x"),
            ("ETCDCTL_API", "3"),
            ("PATH", "/bin"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (read, unknown) = from_environment(variables.into_iter());
        assert_eq!(read, layer(&[("data-dir", "/d"), ("snapshot-count", "7")]));
        assert_eq!(unknown, ["ETCD_NONSENSE"]);
    }

    #[test]
    fn files_may_have_texts_numbers_truths_and_lists() {
        let text = "
            name = 'a'
            heartbeat-interval = 50
            enable-pprof = true
            listen-client-urls = ['http://127.0.0.1:1', 'http://127.0.0.1:2']";
        let expected = [
            ("name", "a"),
            ("heartbeat-interval", "50"),
            ("enable-pprof", "true"),
            (
                "listen-client-urls",
                "http://127.0.0.1:1,http://127.0.0.1:2",
            ),
        ];
        assert_eq!(from_toml(text), Ok(layer(&expected)));
    }

    #[test]
    fn files_with_what_nobody_knows_are_refused_by_name() {
        let why = |text| from_toml(text).expect_err("must be refused");
        assert_eq!(why("nmae = 'a'"), "unknown key `nmae`");
        assert_eq!(why("config-file = 'a'"), "unknown key `config-file`");
        assert!(why("name = 1.5").starts_with("`name` must be"));
        assert!(why("name = [1]").starts_with("`name` must be"));
        assert!(why("name: a").starts_with("not TOML"));
    }
}
