//! A replica: the store, the node that replicates it, and the endpoint through which clients reach it.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use spaxos::{Fatal, HaltReason, Handle, Node, Options};
use spaxos_etcd::{EtcdServer, ServerInfo, SharedMachine};
use tokio::sync::oneshot;

use super::options::ServeOptions;
use super::url::Url;
use crate::logging::ANNOUNCEMENT;
use crate::signals::{StopSignals, stdin_end};
use crate::usage::UsageError;

/// Between one look for a leader and the next, while the replica starts.
const LEADER_LOOK: Duration = Duration::from_millis(20);

/// Runs the replica until it is told to stop.
///
/// # Errors
/// If it cannot start, ends by itself, or is told to stop a second time before it has.
pub(crate) async fn run(
    options: ServeOptions,
    mut signals: StopSignals,
    stop_with_stdin: bool,
) -> anyhow::Result<()> {
    if options.joins && !has_entries(&options.data_dir) {
        let sentence = "--initial-cluster-state existing: there is no data here to continue with, and \
                        joining a running cluster is not built yet";
        return Err(UsageError::new(sentence).into());
    }
    // All ports first: whoever started us with a port in use must learn it before the log is read.
    let listeners = Listeners::bind(&options).await?;
    let machine = SharedMachine::new(spaxos_kv::Limits::default());
    let node = tokio::select! {
        node = start_node(&options, listeners.peer, listeners.native, &machine) => node?,
        // The replay of a long log takes its time, and has told nobody anything yet.
        () = signals.next() => return Ok(()),
    };
    let server = EtcdServer::new(node.handle(), machine, info(&options))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        // Whether told or dropped: it is over.
        let _ = stopped.await;
    };
    let mut serving = tokio::spawn(server.serve(listeners.client, shutdown));
    let announcing = tokio::spawn(announce(node.handle(), options));
    let told = tokio::select! {
        () = signals.next() => Ok(()),
        () = stdin_end(stop_with_stdin) => Ok(()),
        ended = node.stopped() => ended.map_err(|fatal| explain(&fatal)),
        served = &mut serving => match served {
            Ok(Ok(())) => Err(anyhow::anyhow!("the endpoint ended")),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(anyhow::anyhow!("the endpoint panicked")),
        },
    };
    announcing.abort();
    told?;
    drop(stop);
    let finish = async {
        serving.await.context("the endpoint panicked")??;
        node.shutdown().await.map_err(|fatal| explain(&fatal))
    };
    tokio::select! {
        finished = finish => finished,
        () = signals.next() => bail!("stopped before all was finished"),
    }
}

fn has_entries(dir: &Path) -> bool {
    std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())
}

/// Sockets that are listened on.
struct Listeners {
    client: Vec<tokio::net::TcpListener>,
    peer: TcpListener,
    native: Option<TcpListener>,
}

impl Listeners {
    async fn bind(options: &ServeOptions) -> anyhow::Result<Listeners> {
        let mut client = Vec::new();
        for url in &options.listen_client {
            let listener = bind(url, "clients").await?;
            listener.set_nonblocking(true)?;
            client.push(tokio::net::TcpListener::from_std(listener)?);
        }
        let peer = bind(&options.listen_peer, "members").await?;
        let native = match &options.listen_native {
            Some(url) => Some(bind(url, "native clients").await?),
            None => None,
        };
        Ok(Listeners {
            client,
            peer,
            native,
        })
    }
}

async fn bind(url: &Url, for_whom: &str) -> anyhow::Result<TcpListener> {
    let context = || format!("cannot listen for {for_whom} on {}", url.address());
    let addresses = tokio::net::lookup_host(url.address()).await;
    let mut addresses: Vec<SocketAddr> = addresses.with_context(context)?.collect();
    // As etcd does: a name with addresses of both kinds means the older kind.
    addresses.sort_by_key(SocketAddr::is_ipv6);
    let address = addresses
        .first()
        .context("the name has no address")
        .with_context(context)?;
    TcpListener::bind(address).with_context(context)
}

async fn start_node(
    options: &ServeOptions,
    peer: TcpListener,
    native: Option<TcpListener>,
    machine: &SharedMachine,
) -> anyhow::Result<Node> {
    let members = options.cluster.members.iter();
    let members = members
        .map(|member| spaxos::Member::new(member.id, member.peer_urls[0].address()))
        .collect();
    let (cluster, member) = (options.cluster.id, options.member.id);
    let mut node = Options::new(cluster, member, members, peer, &options.data_dir);
    if let Some(native) = native {
        node = node.with_clients(native);
    }
    node.durability = options.durability;
    node.modes = options.modes;
    node.timing.heartbeat_ns = nanoseconds(options.heartbeat);
    node.timing.election_ns = nanoseconds(options.election);
    let dir = options.data_dir.display();
    Node::start(node, Box::new(machine.clone()))
        .await
        .with_context(|| format!("the replica in {dir} cannot start"))
}

/// Settings are at most minutes, which nanoseconds have room for.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn info(options: &ServeOptions) -> ServerInfo {
    let member = &options.member;
    let mut info = ServerInfo::new(options.cluster.id, member.id, &member.name);
    info.election_timeout = options.election;
    let texts = |urls: &[Url]| urls.iter().map(Url::to_string).collect();
    let members = options.cluster.members.iter();
    info.members = members
        .map(|member| spaxos_etcd::Member {
            id: member.id,
            replica: member.id,
            name: member.name.clone(),
            peer_urls: texts(&member.peer_urls),
            client_urls: options
                .client_urls
                .get(&member.name)
                .map_or_else(Vec::new, |urls| texts(urls)),
        })
        .collect();
    info
}

/// Why the replica ended, for whoever has to do something about it.
fn explain(fatal: &Fatal) -> anyhow::Error {
    let Fatal::Halted(reason) = fatal else {
        return anyhow::anyhow!("{fatal}");
    };
    match reason {
        HaltReason::Replaced { peer, known } => anyhow::anyhow!(
            "member {:x} knows a later life of this one (incarnation {}): the data directory went back in \
             time, or another process runs as the same member; stop the wrong one, and never start this \
             directory again if it was restored from a copy",
            peer.0,
            known.incarnation
        ),
        HaltReason::Diverged { peer, slot } => anyhow::anyhow!(
            "member {:x} executed something else than this one in slot {slot}: one of them is damaged; \
             compare their `executed_hash` with a third member's and replace the odd one",
            peer.0
        ),
        HaltReason::LaneForked { lane, position } => anyhow::anyhow!(
            "two different batches claim to be {position} of member {:x}: its data directory was copied \
             or restored",
            lane.0
        ),
    }
}

/// Says when clients can be served, which is when there is a leader and reads are answered.
async fn announce(handle: Handle, options: ServeOptions) {
    while handle.status().leader.is_none() {
        tokio::time::sleep(LEADER_LOOK).await;
    }
    if handle.read_barrier().await.is_ok() {
        let urls: Vec<String> = options.listen_client.iter().map(Url::to_string).collect();
        let (name, urls) = (&options.member.name, urls.join(","));
        tracing::info!(target: ANNOUNCEMENT, member = name, at = urls, "ready to serve client requests");
    }
}
