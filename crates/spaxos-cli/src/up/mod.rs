//! `spaxos up`: a cluster on this machine, each replica a process of its own.
//!
//! `layout.rs` says where everything is, `child.rs` is one process, `supervisor.rs` keeps all of them,
//! `ready.rs` finds out when they take writes; this file says what the person at the terminal sees.

mod child;
mod layout;
mod ready;
mod supervisor;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::task::JoinSet;

use self::child::{Recipe, describe};
use self::layout::{Layout, Place};
use self::supervisor::{Event, Supervisor};
use crate::args::UpArgs;
use crate::layers::Layers;
use crate::logging::Logging;
use crate::serve::ServeOptions;
use crate::signals::StopSignals;

/// How long the start may take before it is remarked upon.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the cluster until it is told to stop.
///
/// # Errors
/// If it cannot be started, a replica dies before all take writes, or all are dead in the end.
pub(crate) async fn run(args: UpArgs) -> anyhow::Result<()> {
    let mut signals = StopSignals::new()?;
    // Removed when dropped, which is after all replicas have ended.
    let temporary;
    let dir = match &args.data_dir {
        Some(dir) => dir.as_path(),
        None => {
            temporary = tempfile::Builder::new()
                .prefix("spaxos-up-")
                .tempdir()
                .context("no temporary directory")?;
            temporary.path()
        }
    };
    let cluster = Cluster::open(&args, dir)?;
    let mut supervisor = Supervisor::start(&cluster.recipes, args.restart)?;
    let result = tokio::select! {
        () = signals.next() => Ok(()),
        result = cluster.attend(&mut supervisor) => result,
    };
    supervisor.stop().await;
    result
}

struct Cluster {
    recipes: Vec<Recipe>,
    /// Whether a replica that dies comes back.
    restart: bool,
}

impl Cluster {
    /// Plans the cluster and checks, before anything is started, what each replica will be told.
    fn open(args: &UpArgs, dir: &Path) -> anyhow::Result<Cluster> {
        let shared = &args.passed.0;
        Logging::from_layers(&Layers::from_flags(shared.clone()))?.start();
        let mut shared = shared.clone();
        // Spelled out, since without it each replica would announce itself.
        let level = shared.entry("log-level".to_owned());
        level.or_insert_with(|| "warn".to_owned());
        let program = std::env::current_exe().context("this program's own path is unknown")?;
        // A path that the replicas understand wherever they are.
        let dir = std::path::absolute(dir)?;
        let layout = Layout::open(&dir, args.replicas, args.base_port)?;
        let recipe = |place: &Place| Recipe::new(program.clone(), &layout, place, &shared);
        let recipes: Vec<Recipe> = layout.places.iter().map(recipe).collect();
        for recipe in &recipes {
            ServeOptions::from_layers(&Layers::from_flags(recipe.settings().clone()))?;
        }
        layout.check_ports()?;
        // Last: what could not be started must not bind the next attempt.
        layout.describe_in(&dir)?;
        Ok(Cluster {
            recipes,
            restart: args.restart,
        })
    }

    /// Tells the person at the terminal what happens, until nothing can happen any more.
    async fn attend(&self, supervisor: &mut Supervisor) -> anyhow::Result<()> {
        self.until_ready(supervisor).await?;
        say("ready")?;
        let mut kept = self.recipes.len();
        while let Some(event) = supervisor.next().await {
            self.report(&event)?;
            kept -= usize::from(matches!(event, Event::Gone { .. }));
            if kept == 0 {
                bail!("no replica is left");
            }
        }
        bail!("no replica is left")
    }

    /// Waits until every replica takes writes.
    async fn until_ready(&self, supervisor: &mut Supervisor) -> anyhow::Result<()> {
        let mut waits = JoinSet::new();
        for recipe in &self.recipes {
            let endpoint = recipe.place.client_url();
            waits.spawn(async move { ready::wait(&endpoint).await });
        }
        let mut patience = std::pin::pin!(tokio::time::sleep(PATIENCE));
        loop {
            tokio::select! {
                () = &mut patience, if !patience.is_elapsed() => {
                    warn("not all replicas take writes yet; still waiting (Ctrl-C stops all)");
                }
                done = waits.join_next() => match done {
                    None => return Ok(()),
                    Some(done) => done.context("the check for readiness failed")?,
                },
                event = supervisor.next() => {
                    let event = event.context("no replica is left")?;
                    self.report(&event)?;
                    if let Event::Gone { at, .. } = event {
                        let name = &self.recipes[at].place.name;
                        bail!("{name} did not live to see the cluster ready");
                    }
                }
            }
        }
    }

    fn report(&self, event: &Event) -> anyhow::Result<()> {
        match event {
            Event::Started { at, pid } => say(&line(&self.recipes[*at].place, *pid)),
            Event::Died { at, status } => {
                let name = &self.recipes[*at].place.name;
                let then = if self.restart {
                    "; starting it again"
                } else {
                    ""
                };
                warn(&format!("{name} {}{then}", describe(*status)));
                Ok(())
            }
            Event::Gone { at, why: Some(why) } => {
                let name = &self.recipes[*at].place.name;
                warn(&format!("{name} is given up: {why:#}"));
                Ok(())
            }
            Event::Gone { why: None, .. } => Ok(()),
        }
    }
}

/// Where a replica is, for people and for scripts.
fn line(place: &Place, pid: u32) -> String {
    format!(
        "{} pid {pid} client {} peer {} native {}",
        place.name,
        place.client_url(),
        place.peer_url(),
        place.native_address()
    )
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

fn warn(line: &str) {
    // Nobody to tell if standard error is gone.
    let _ = writeln!(std::io::stderr(), "spaxos up: {line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_a_replica_is() {
        let place = Place {
            name: "r1".into(),
            client_port: 2379,
            data_dir: "d".into(),
        };
        assert_eq!(
            line(&place, 4711),
            "r1 pid 4711 client http://127.0.0.1:2379 peer http://127.0.0.1:2380 native 127.0.0.1:2381"
        );
    }
}
