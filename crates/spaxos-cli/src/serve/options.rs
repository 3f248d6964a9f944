//! What the settings of a replica mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use spaxos::{Dissemination, Durability, Modes, Propose, Votes};

use super::cluster::{Cluster, Member, named_urls};
use super::url::{Scheme, Url};
use crate::keys::{self, Fate};
use crate::layers::{Layers, Setting};
use crate::usage::UsageError;

const CLIENT_URL: &str = "http://localhost:2379";
const PEER_URL: &str = "http://localhost:2380";

/// When a request is answered; the first is the one for production.
const DURABILITIES: [(&str, Durability); 3] = [
    ("fsync", Durability::Fsync),
    ("os", Durability::Os),
    ("memory", Durability::Memory),
];

/// Everything that a replica is told, checked.
#[derive(Clone, Debug)]
pub(crate) struct ServeOptions {
    pub(crate) data_dir: PathBuf,
    pub(crate) listen_client: Vec<Url>,
    /// Where clients reach each member that this one knows of, itself included, by name.
    pub(crate) client_urls: BTreeMap<String, Vec<Url>>,
    pub(crate) listen_peer: Url,
    pub(crate) listen_native: Option<Url>,
    pub(crate) cluster: Cluster,
    /// This replica, one of the cluster's members.
    pub(crate) member: Member,
    pub(crate) heartbeat: Duration,
    pub(crate) election: Duration,
    pub(crate) modes: Modes,
    pub(crate) durability: Durability,
    /// Whether the cluster runs already, so that this replica cannot begin it.
    pub(crate) joins: bool,
}

/// What `--initial-cluster-state` says of whether the cluster runs already.
const STATES: [(&str, bool); 2] = [("new", false), ("existing", true)];

impl ServeOptions {
    /// Finds out what `layers` mean.
    ///
    /// # Errors
    /// One sentence about the first setting that makes no sense, naming where it was typed.
    pub(crate) fn from_layers(layers: &Layers) -> Result<ServeOptions, UsageError> {
        refuse_foreign(layers)?;
        let name = text(layers, "name").unwrap_or_else(|| "default".to_owned());
        let listen_client = urls(layers, "listen-client-urls", Scheme::Http)?;
        let advertise_client = urls(layers, "advertise-client-urls", Scheme::Http)?;
        if listen_client.is_some() && advertise_client.is_none() {
            let sentence = "--listen-client-urls needs --advertise-client-urls: where clients reach this member";
            return Err(UsageError::new(sentence));
        }
        let listen_client = listen_client.map_or_else(|| fixed(CLIENT_URL), Ok)?;
        let advertise_client = advertise_client.map_or_else(|| fixed(CLIENT_URL), Ok)?;
        let listen_peer = one_url(layers, "listen-peer-urls", Scheme::Http)?;
        let listen_peer =
            listen_peer.map_or_else(|| fixed(PEER_URL).map(|mut l| l.remove(0)), Ok)?;
        let (cluster, member) = cluster(layers, &name)?;
        let mut client_urls = other_client_urls(layers, &cluster)?;
        client_urls.insert(name.clone(), advertise_client);
        let (heartbeat, election) = timing(layers)?;
        Ok(ServeOptions {
            data_dir: text(layers, "data-dir")
                .map_or_else(|| PathBuf::from(format!("{name}.etcd")), PathBuf::from),
            listen_client,
            client_urls,
            listen_peer,
            listen_native: one_url(layers, "listen-native-urls", Scheme::Tcp)?,
            cluster,
            member,
            heartbeat,
            election,
            modes: modes(layers)?,
            durability: one_of(layers, "durability", &DURABILITIES)?,
            joins: one_of(layers, "initial-cluster-state", &STATES)?,
        })
    }
}

/// What `layers` say of the protocol's variant.
fn modes(layers: &Layers) -> Result<Modes, UsageError> {
    let who = [
        ("all", Dissemination::All),
        ("leader", Dissemination::Leader),
    ];
    let what = [("received", Propose::Received), ("stable", Propose::Stable)];
    let voters = [("all", Votes::All), ("leader", Votes::Leader)];
    Ok(Modes {
        dissemination: one_of(layers, "dissemination", &who)?,
        propose: one_of(layers, "propose", &what)?,
        votes: one_of(layers, "votes", &voters)?,
    })
}

/// The settings of etcd that are given and mean nothing here: to be warned about.
pub(crate) fn ignored(layers: &Layers) -> Vec<String> {
    let names = layers.names().into_iter();
    names
        .filter(|name| keys::find(name).is_none())
        .map(str::to_owned)
        .collect()
}

/// Refuses what cannot be ignored, since whoever sets it relies on it.
fn refuse_foreign(layers: &Layers) -> Result<(), UsageError> {
    for name in layers.names() {
        let Some(foreign) = keys::find_foreign(name) else {
            continue;
        };
        let Some(setting) = layers.get(name) else {
            continue;
        };
        let off = setting.value.is_empty() || (foreign.switch && setting.value == "false");
        match foreign.fate {
            _ if off => {}
            Fate::Ignored => {}
            Fate::Tls => return Err(setting.refuse("TLS is not built yet")),
            Fate::Refused => return Err(setting.refuse("not built yet")),
        }
    }
    Ok(())
}

/// How often the leader shows itself, and how long it may be missed.
///
/// # Errors
/// If they are no numbers, or do not fit together.
pub(crate) fn timing(layers: &Layers) -> Result<(Duration, Duration), UsageError> {
    const MS_MAX: u64 = 60_000;
    let milliseconds = |name, default| {
        let Some(setting) = layers.get(name) else {
            return Ok(default);
        };
        match setting.value.parse() {
            Ok(ms) if (1..=MS_MAX).contains(&ms) => Ok(ms),
            _ => Err(setting.refuse(format!("must be a number of milliseconds, 1 to {MS_MAX}"))),
        }
    };
    let heartbeat = milliseconds("heartbeat-interval", 100)?;
    let election = milliseconds("election-timeout", 1000)?;
    if election < 5 * heartbeat {
        let sentence = format!(
            "the election timeout ({election} ms) must be at least five heartbeat intervals ({heartbeat} ms each)"
        );
        return Err(UsageError::new(sentence));
    }
    Ok((
        Duration::from_millis(heartbeat),
        Duration::from_millis(election),
    ))
}

/// The cluster, and which of its members this is.
fn cluster(layers: &Layers, name: &str) -> Result<(Cluster, Member), UsageError> {
    let advertised = urls(layers, "initial-advertise-peer-urls", Scheme::Http)?;
    let token = text(layers, "initial-cluster-token").unwrap_or_else(|| "etcd-cluster".to_owned());
    let alone = || {
        let urls = advertised.clone().map_or_else(|| fixed(PEER_URL), Ok)?;
        let members: Vec<String> = urls.iter().map(|url| format!("{name}={url}")).collect();
        Ok(members.join(","))
    };
    let setting = layers.get("initial-cluster");
    let members = setting.clone().map_or_else(alone, |s| Ok(s.value))?;
    let refuse = |why: String| match &setting {
        Some(setting) => setting.refuse(why),
        None => UsageError::new(format!("--name: {why}")),
    };
    let cluster = Cluster::parse(&members, &token).map_err(refuse)?;
    let Some(member) = cluster.member(name).cloned() else {
        let names = cluster.names();
        return Err(refuse(format!(
            "{name:?} (--name) is not among its members: {names}"
        )));
    };
    let mut advertised = match advertised {
        Some(urls) => urls,
        None if setting.is_none() => member.peer_urls.clone(),
        None => fixed(PEER_URL)?,
    };
    advertised.sort_by_key(Url::to_string);
    if advertised != member.peer_urls {
        let why = format!(
            "{name:?} is reached at {} there and at {} by --initial-advertise-peer-urls",
            joined(&member.peer_urls),
            joined(&advertised)
        );
        return Err(refuse(why));
    }
    Ok((cluster, member))
}

/// Where clients reach the members, as far as somebody has said so.
fn other_client_urls(
    layers: &Layers,
    cluster: &Cluster,
) -> Result<BTreeMap<String, Vec<Url>>, UsageError> {
    let Some(setting) = layers.get("cluster-client-urls") else {
        return Ok(BTreeMap::new());
    };
    let named = named_urls(&setting.value).map_err(|why| setting.refuse(why))?;
    match named.keys().find(|name| cluster.member(name).is_none()) {
        Some(name) => Err(setting.refuse(format!("{name:?} is no member: {}", cluster.names()))),
        None => Ok(named),
    }
}

fn joined(urls: &[Url]) -> String {
    let texts: Vec<String> = urls.iter().map(Url::to_string).collect();
    texts.join(",")
}

fn text(layers: &Layers, name: &str) -> Option<String> {
    layers.get(name).map(|setting| setting.value)
}

/// What the value of `name` stands for; the first of `choices` if there is none.
fn one_of<T: Copy>(layers: &Layers, name: &str, choices: &[(&str, T)]) -> Result<T, UsageError> {
    let Some(setting) = layers.get(name) else {
        return Ok(choices[0].1);
    };
    let chosen = choices.iter().find(|choice| choice.0 == setting.value);
    chosen.map(|choice| choice.1).ok_or_else(|| {
        let names: Vec<&str> = choices.iter().map(|choice| choice.0).collect();
        setting.refuse(format!("must be one of {}", names.join(", ")))
    })
}

fn urls(layers: &Layers, name: &str, scheme: Scheme) -> Result<Option<Vec<Url>>, UsageError> {
    let parse = |setting: Setting| {
        Url::parse_list(&setting.value, scheme).map_err(|why| setting.refuse(why))
    };
    layers.get(name).map(parse).transpose()
}

fn one_url(layers: &Layers, name: &str, scheme: Scheme) -> Result<Option<Url>, UsageError> {
    let parse = |setting: Setting| {
        let mut urls =
            Url::parse_list(&setting.value, scheme).map_err(|why| setting.refuse(why))?;
        if urls.len() > 1 {
            return Err(setting.refuse("must be a single address"));
        }
        Ok(urls.remove(0))
    };
    layers.get(name).map(parse).transpose()
}

fn fixed(url: &str) -> Result<Vec<Url>, UsageError> {
    Url::parse_list(url, Scheme::Http).map_err(UsageError::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::Layer;

    fn options(pairs: &[(&str, &str)]) -> Result<ServeOptions, String> {
        let layer: Layer = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ServeOptions::from_layers(&Layers::from_flags(layer)).map_err(|error| error.to_string())
    }

    fn why(pairs: &[(&str, &str)]) -> String {
        options(pairs).expect_err("must be refused")
    }

    #[test]
    fn without_settings_it_is_a_cluster_of_one_as_with_etcd() {
        let options = options(&[]).expect("valid");
        assert_eq!(options.data_dir, PathBuf::from("default.etcd"));
        assert_eq!(joined(&options.listen_client), CLIENT_URL);
        assert_eq!(options.listen_peer.to_string(), PEER_URL);
        assert_eq!(options.cluster.members, [options.member]);
        assert_eq!(options.heartbeat, Duration::from_millis(100));
        assert_eq!(options.election, Duration::from_secs(1));
        assert_eq!(options.modes, Modes::default());
        assert!(options.listen_native.is_none());
        assert_eq!(joined(&options.client_urls["default"]), CLIENT_URL);
    }

    #[test]
    fn a_member_must_be_in_the_cluster_under_its_name_and_address() {
        let cluster = ("initial-cluster", "a=http://h:1,b=http://h:2");
        let advertise = ("initial-advertise-peer-urls", "http://h:1");
        let found = options(&[cluster, advertise, ("name", "a")]).expect("valid");
        assert_eq!(found.member.name, "a");
        assert_eq!(
            why(&[cluster, advertise, ("name", "c")]),
            "--initial-cluster: \"c\" (--name) is not among its members: a, b"
        );
        assert_eq!(
            why(&[cluster, advertise, ("name", "b")]),
            "--initial-cluster: \"b\" is reached at http://h:2 there and at http://h:1 by --initial-advertise-peer-urls"
        );
    }

    #[test]
    fn clients_may_be_told_of_the_other_members() {
        let settings = |clients| {
            options(&[
                ("initial-cluster", "a=h:1,b=h:2"),
                ("initial-advertise-peer-urls", "h:1"),
                ("name", "a"),
                ("cluster-client-urls", clients),
            ])
        };
        let known = settings("a=h:7,b=h:8").expect("valid").client_urls;
        assert_eq!(joined(&known["b"]), "http://h:8");
        assert_eq!(joined(&known["a"]), CLIENT_URL, "its own word counts");
        let why = settings("c=h:9").expect_err("no such member");
        assert_eq!(why, "--cluster-client-urls: \"c\" is no member: a, b");
    }

    #[test]
    fn listening_without_advertising_is_an_error_as_with_etcd() {
        assert!(why(&[("listen-client-urls", "http://h:1")]).contains("--advertise-client-urls"));
    }

    #[test]
    fn values_outside_their_range_are_refused() {
        let timing = "must be a number of milliseconds, 1 to 60000";
        assert_eq!(
            why(&[("heartbeat-interval", "x")]),
            format!("--heartbeat-interval: {timing}")
        );
        assert_eq!(
            why(&[("election-timeout", "0")]),
            format!("--election-timeout: {timing}")
        );
        assert!(why(&[("election-timeout", "499")]).contains("five heartbeat"));
        assert_eq!(
            why(&[("durability", "maybe")]),
            "--durability: must be one of fsync, os, memory"
        );
        assert_eq!(
            why(&[("listen-native-urls", "tcp://h:1,tcp://h:2")]),
            "--listen-native-urls: must be a single address"
        );
        assert_eq!(
            why(&[("initial-cluster-state", "old")]),
            "--initial-cluster-state: must be one of new, existing"
        );
    }

    #[test]
    fn what_relies_on_tls_is_refused_and_the_rest_ignored() {
        assert_eq!(
            why(&[("cert-file", "x")]),
            "--cert-file: TLS is not built yet"
        );
        assert_eq!(
            why(&[("auto-tls", "true")]),
            "--auto-tls: TLS is not built yet"
        );
        assert!(options(&[("auto-tls", "false"), ("cert-file", "")]).is_ok());
        assert_eq!(
            why(&[("force-new-cluster", "true")]),
            "--force-new-cluster: not built yet"
        );
        assert!(options(&[("snapshot-count", "7")]).is_ok());
        let layer = [("snapshot-count", "7"), ("name", "a")];
        let layer = layer.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(
            ignored(&Layers::from_flags(layer.into())),
            ["snapshot-count"]
        );
    }
}
