//! Who the members are: `--initial-cluster`, and the ids that follow from it as etcd computes them.

use std::collections::BTreeMap;

use sha1::{Digest, Sha1};

use super::url::{Scheme, Url};

/// One member, by the name and the addresses it has in `--initial-cluster`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: u64,
    pub(crate) name: String,
    /// Sorted; at least one.
    pub(crate) peer_urls: Vec<Url>,
}

/// A cluster as `--initial-cluster` and `--initial-cluster-token` describe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) id: u64,
    /// In the order of their ids, which is the same at every member.
    pub(crate) members: Vec<Member>,
}

impl Cluster {
    /// Reads `a=http://…,b=http://…`; a name may stand several times, with several addresses.
    ///
    /// # Errors
    /// A clause that says what is wrong with it.
    pub(crate) fn parse(text: &str, token: &str) -> Result<Cluster, String> {
        let mut members: Vec<Member> = named_urls(text)?
            .into_iter()
            .map(|(name, peer_urls)| Member {
                id: member_id(&peer_urls, token),
                name,
                peer_urls,
            })
            .collect();
        members.sort_by_key(|member| member.id);
        if members.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err("two members would get the same id; change the token".to_owned());
        }
        let id = cluster_id(&members);
        Ok(Cluster { id, members })
    }

    /// The member called `name`.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// All names, for messages.
    pub(crate) fn names(&self) -> String {
        let mut names: Vec<&str> = self.members.iter().map(|m| m.name.as_str()).collect();
        names.sort_unstable();
        names.join(", ")
    }
}

/// Reads `a=http://…,b=http://…`: the sorted addresses of each name, which may stand several times.
///
/// # Errors
/// A clause that says what is wrong with it.
pub(crate) fn named_urls(text: &str) -> Result<BTreeMap<String, Vec<Url>>, String> {
    let mut named: BTreeMap<String, Vec<Url>> = BTreeMap::new();
    for part in text.split(',') {
        let (name, url) = part
            .split_once('=')
            .ok_or_else(|| format!("{part:?} is not NAME=URL"))?;
        let name = name.trim();
        if name.is_empty() {
            return Err(format!("{part:?} has no name"));
        }
        let url = Url::parse(url, Scheme::Http)?;
        if named.values().flatten().any(|known| *known == url) {
            return Err(format!("{url} stands there twice"));
        }
        named.entry(name.to_owned()).or_default().push(url);
    }
    for urls in named.values_mut() {
        urls.sort_by_key(Url::to_string);
    }
    Ok(named)
}

fn member_id(sorted_peer_urls: &[Url], token: &str) -> u64 {
    let mut hash = Sha1::new();
    for url in sorted_peer_urls {
        hash.update(url.to_string());
    }
    hash.update(token);
    first_eight(hash)
}

fn cluster_id(sorted_members: &[Member]) -> u64 {
    let mut hash = Sha1::new();
    for member in sorted_members {
        hash.update(member.id.to_be_bytes());
    }
    first_eight(hash)
}

/// The first eight bytes as a number; 0 means "none" everywhere, so it becomes 1.
fn first_eight(hash: Sha1) -> u64 {
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREE: &str = "a=http://127.0.0.1:2380,b=http://127.0.0.1:22380,c=http://127.0.0.1:32380";

    #[test]
    fn ids_do_not_depend_on_the_order_typed() {
        let typed = Cluster::parse(THREE, "t").expect("valid");
        let mut parts: Vec<&str> = THREE.split(',').collect();
        parts.reverse();
        assert_eq!(Cluster::parse(&parts.join(","), "t"), Ok(typed));
    }

    #[test]
    fn ids_are_those_that_etcd_computes() {
        // SHA-1 of "http://127.0.0.1:2380" + "etcd-cluster", and of that id's bytes; a single etcd
        // with its defaults on 127.0.0.1 reports them.
        let one = Cluster::parse("default=http://localhost:2380", "etcd-cluster").expect("valid");
        assert_eq!(format!("{:x}", one.members[0].id), "8e9e05c52164694d");
        assert_eq!(format!("{:x}", one.id), "cdf818194e3a8c32");
    }

    #[test]
    fn another_token_makes_another_cluster() {
        let id = |token| Cluster::parse(THREE, token).expect("valid").id;
        assert_ne!(id("t"), id("u"));
    }

    #[test]
    fn a_name_may_have_several_addresses() {
        let cluster = Cluster::parse("a=h:2,a=h:1", "t").expect("valid");
        let urls: Vec<_> = cluster.members[0]
            .peer_urls
            .iter()
            .map(Url::address)
            .collect();
        assert_eq!(urls, ["h:1", "h:2"]);
        assert_eq!(cluster.names(), "a");
    }

    #[test]
    fn what_makes_no_cluster_is_refused_with_the_reason() {
        let why = |text| Cluster::parse(text, "t").expect_err("must be refused");
        assert_eq!(why(""), "\"\" is not NAME=URL");
        assert_eq!(why("=h:1"), "\"=h:1\" has no name");
        assert_eq!(why("a=h:1,b=h:1"), "http://h:1 stands there twice");
        assert_eq!(why("a=h"), "h is not http://HOST:PORT");
        assert!(why("a=https://h:1").ends_with("TLS is not built yet"));
    }
}
