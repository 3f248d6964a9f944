//! Where the replicas of a local cluster live: ports, names, directories; kept in the data directory
//! so that the same directory always means the same cluster.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use crate::usage::UsageError;

/// The first client ports without a base port, as etcd's own three-member example has them.
const FIRST_PORTS: [u16; 3] = [2379, 22379, 32379];
/// Between the client ports of one replica and the next.
const STEP: u32 = 10_000;
/// How many replicas there are if nobody says.
const REPLICAS: u16 = 3;
/// The file in the data directory that describes the cluster.
const FILE: &str = "cluster.toml";

/// One replica of a local cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// `r1` and so on.
    pub(crate) name: String,
    pub(crate) client_port: u16,
    pub(crate) data_dir: PathBuf,
}

impl Place {
    pub(crate) fn client_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.client_port)
    }

    pub(crate) fn peer_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.client_port + 1)
    }

    pub(crate) fn native_address(&self) -> String {
        format!("127.0.0.1:{}", self.client_port + 2)
    }

    /// Each port with the name of its use.
    pub(crate) fn ports(&self) -> [(&'static str, u16); 3] {
        let first = self.client_port;
        [
            ("client", first),
            ("peer", first + 1),
            ("native", first + 2),
        ]
    }
}

/// A local cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) places: Vec<Place>,
    described: Described,
}

/// The cluster as its file has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Described {
    replicas: u16,
    base_port: Option<u16>,
    /// Sets this cluster apart from others at the same ports.
    token: String,
}

impl Layout {
    /// The cluster in `dir` as its file describes it, else as asked for. Writes nothing.
    ///
    /// # Errors
    /// If what is asked for is not what is there, ports do not suffice, or the file cannot be used.
    pub(crate) fn open(
        dir: &Path,
        replicas: Option<u16>,
        base_port: Option<u16>,
    ) -> anyhow::Result<Layout> {
        let described = match read(&dir.join(FILE))? {
            Some(there) => there.continued(dir, replicas, base_port)?,
            None => Described {
                replicas: replicas.unwrap_or(REPLICAS),
                base_port,
                token: format!("up-{:016x}", fastrand::u64(..)),
            },
        };
        let ports = client_ports(described.replicas, described.base_port)?;
        let place = |(at, client_port): (usize, u16)| {
            let name = format!("r{}", at + 1);
            let data_dir = dir.join(&name);
            Place {
                name,
                client_port,
                data_dir,
            }
        };
        Ok(Layout {
            places: ports.into_iter().enumerate().map(place).collect(),
            described,
        })
    }

    /// Describes the cluster in `dir`, which from now on is its directory.
    ///
    /// # Errors
    /// If the file or the directory cannot be written.
    pub(crate) fn describe_in(&self, dir: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        write(&dir.join(FILE), &self.described)
    }

    /// What sets this cluster apart from others at the same ports.
    pub(crate) fn token(&self) -> &str {
        &self.described.token
    }

    /// All members, as `--initial-cluster` takes them.
    pub(crate) fn initial_cluster(&self) -> String {
        self.named(Place::peer_url)
    }

    /// Where clients reach all members, as `--cluster-client-urls` takes them.
    pub(crate) fn client_urls(&self) -> String {
        self.named(Place::client_url)
    }

    fn named(&self, url: impl Fn(&Place) -> String) -> String {
        let members = self.places.iter();
        let members: Vec<String> = members
            .map(|place| format!("{}={}", place.name, url(place)))
            .collect();
        members.join(",")
    }

    /// Sees that every port can be listened on.
    ///
    /// # Errors
    /// If one cannot; it is named.
    pub(crate) fn check_ports(&self) -> anyhow::Result<()> {
        for place in &self.places {
            for (of, port) in place.ports() {
                let name = &place.name;
                std::net::TcpListener::bind(("127.0.0.1", port)).with_context(|| {
                    format!("port {port} ({of} port of {name}) cannot be listened on")
                })?;
            }
        }
        Ok(())
    }
}

impl Described {
    /// The same again, if what is asked for does not contradict it.
    fn continued(
        &self,
        dir: &Path,
        replicas: Option<u16>,
        base_port: Option<u16>,
    ) -> Result<Described, UsageError> {
        let same = replicas.is_none_or(|asked| asked == self.replicas)
            && base_port.is_none_or(|asked| Some(asked) == self.base_port);
        if same {
            return Ok(self.clone());
        }
        let ports = match self.base_port {
            Some(port) => format!("--base-port {port}"),
            None => "no --base-port".to_owned(),
        };
        Err(UsageError::new(format!(
            "{} holds a cluster begun with --replicas {} and {ports}; continue it so, or name another directory",
            dir.display(),
            self.replicas
        )))
    }
}

fn read(file: &Path) -> anyhow::Result<Option<Described>> {
    let context = || format!("{} does not describe a cluster", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => toml::from_str(&text).map(Some).with_context(context),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(context),
    }
}

/// Written beside and moved into place, so that it is there wholly or not at all.
fn write(file: &Path, described: &Described) -> anyhow::Result<()> {
    let context = || format!("{} cannot be written", file.display());
    let text = toml::to_string(described).with_context(context)?;
    let beside = file.with_extension("toml.new");
    std::fs::write(&beside, text).with_context(context)?;
    std::fs::rename(&beside, file).with_context(context)?;
    Ok(())
}

/// The client port of each replica; the two above each are used as well.
fn client_ports(replicas: u16, base_port: Option<u16>) -> anyhow::Result<Vec<u16>> {
    ensure!(replicas > 0, "a cluster has at least one replica");
    let port = |at: u16| match base_port {
        Some(base) => u32::from(base) + STEP * u32::from(at),
        None => match FIRST_PORTS.get(usize::from(at)) {
            Some(port) => u32::from(*port),
            None => u32::from(FIRST_PORTS[2]) + STEP * u32::from(at - 2),
        },
    };
    let in_range = |at: u16| {
        let highest = u16::try_from(port(at) + 2).map_err(|_| {
            UsageError::new(format!(
                "replica {} of {replicas} would use ports up to {}, and 65535 is the last; take fewer replicas or a lower --base-port",
                at + 1,
                port(at) + 2
            ))
        })?;
        Ok(highest - 2)
    };
    (0..replicas).map(in_range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(result: anyhow::Result<impl std::fmt::Debug>) -> String {
        format!("{:#}", result.expect_err("must be refused"))
    }

    #[test]
    fn ports_are_etcds_or_ten_thousand_apart() {
        let ports = |n, base| client_ports(n, base).expect("valid");
        assert_eq!(ports(5, None), [2379, 22379, 32379, 42379, 52379]);
        assert_eq!(ports(3, Some(7000)), [7000, 17000, 27000]);
        assert_eq!(ports(1, Some(65_533)), [65_533]);
    }

    #[test]
    fn ports_beyond_the_last_are_refused() {
        let last = "65535 is the last";
        assert!(client_ports(6, None).is_ok());
        assert!(why(client_ports(7, None)).contains(&format!("up to 72381, and {last}")));
        assert!(why(client_ports(1, Some(65_534))).contains(last));
    }

    #[test]
    fn the_same_directory_is_the_same_cluster() {
        let dir = tempfile::tempdir().expect("a directory");
        let begun = Layout::open(dir.path(), None, Some(7000)).expect("begins");
        let members =
            "r1=http://127.0.0.1:7001,r2=http://127.0.0.1:17001,r3=http://127.0.0.1:27001";
        assert_eq!(begun.initial_cluster(), members);
        let other = Layout::open(dir.path(), None, Some(7000)).expect("begins");
        assert_ne!(begun.token(), other.token(), "nothing is there yet");
        begun.describe_in(dir.path()).expect("described");
        let again = Layout::open(dir.path(), Some(3), None).expect("continues");
        assert_eq!(begun, again);
    }

    #[test]
    fn a_directory_is_not_continued_as_another_cluster() {
        let dir = tempfile::tempdir().expect("a directory");
        let begun = Layout::open(dir.path(), None, None).expect("begins");
        begun.describe_in(dir.path()).expect("described");
        let why = why(Layout::open(dir.path(), Some(5), None));
        let there = "begun with --replicas 3 and no --base-port";
        assert!(why.contains(there), "{why}");
        std::fs::write(dir.path().join(FILE), "x = 1").expect("written");
        assert!(Layout::open(dir.path(), None, None).is_err());
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = taken.local_addr().expect("bound").port();
        let dir = tempfile::tempdir().expect("a directory");
        let layout = Layout::open(dir.path(), Some(1), Some(port.min(65_533))).expect("opens");
        let why = why(layout.check_ports());
        assert!(why.contains(&port.to_string()), "{why}");
    }
}
