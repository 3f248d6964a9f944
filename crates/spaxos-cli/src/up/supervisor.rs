//! Keeps the replicas of a local cluster running, or reports that they do not.

use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::child::{Process, Recipe};

/// The first pause before a replica is started again; doubled while it keeps dying young.
const RESTART_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const RESTART_MAX: Duration = Duration::from_secs(10);
/// A replica that lived this long did not die of its start.
const YOUNG: Duration = Duration::from_secs(10);
/// Events that nobody has read yet; more make the replicas' keepers wait.
const EVENTS_MAX: usize = 64;

/// What happened to a replica, by its place in the layout.
#[derive(Debug)]
pub(crate) enum Event {
    /// It runs, under this pid.
    Started { at: usize, pid: u32 },
    /// It ended though nobody asked it to.
    Died { at: usize, status: ExitStatus },
    /// It is not being kept any more: started in vain, or dead and not to be started again.
    Gone {
        at: usize,
        why: Option<anyhow::Error>,
    },
}

/// All replicas of a local cluster.
#[derive(Debug)]
pub(crate) struct Supervisor {
    keepers: JoinSet<()>,
    events: mpsc::Receiver<Event>,
    stop: watch::Sender<bool>,
}

impl Supervisor {
    /// Starts all replicas, in order, and starts them again when they die if `restart`.
    ///
    /// # Errors
    /// If one cannot be started; those before it are killed.
    pub(crate) fn start(recipes: &[Recipe], restart: bool) -> anyhow::Result<Supervisor> {
        let (happened, events) = mpsc::channel(EVENTS_MAX);
        let (stop, stopping) = watch::channel(false);
        let mut keepers = JoinSet::new();
        assert!(
            recipes.len() <= EVENTS_MAX,
            "every first start has room in the queue"
        );
        for (at, recipe) in recipes.iter().enumerate() {
            let process = recipe.start()?;
            let pid = process.pid;
            // There is room, and the receiver is ours.
            let _ = happened.try_send(Event::Started { at, pid });
            let keeper = Keeper {
                at,
                recipe: recipe.clone(),
                restart,
                happened: happened.clone(),
                stopping: stopping.clone(),
            };
            keepers.spawn(keeper.keep(process));
        }
        Ok(Supervisor {
            keepers,
            events,
            stop,
        })
    }

    /// The next thing that happens; `None` once no replica is kept any more.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Stops all replicas and waits for their ends.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        // Keepers must not wait for a reader that is gone.
        self.events.close();
        while self.keepers.join_next().await.is_some() {}
    }
}

/// Keeps one replica.
struct Keeper {
    at: usize,
    recipe: Recipe,
    restart: bool,
    happened: mpsc::Sender<Event>,
    stopping: watch::Receiver<bool>,
}

impl Keeper {
    async fn keep(mut self, process: Process) {
        let at = self.at;
        let why = self.keep_until_gone(process).await.err();
        self.tell(Event::Gone { at, why }).await;
    }

    async fn keep_until_gone(&mut self, mut process: Process) -> anyhow::Result<()> {
        let at = self.at;
        let mut pause = RESTART_MIN;
        loop {
            let begun = Instant::now();
            let Some(status) = self.watch(&mut process).await? else {
                return Ok(());
            };
            self.tell(Event::Died { at, status }).await;
            if !self.restart {
                return Ok(());
            }
            if begun.elapsed() >= YOUNG {
                pause = RESTART_MIN;
            }
            tokio::select! {
                _ = self.stopping.wait_for(|stop| *stop) => return Ok(()),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (2 * pause).min(RESTART_MAX);
            process = self.recipe.start()?;
            let pid = process.pid;
            self.tell(Event::Started { at, pid }).await;
        }
    }

    /// How the replica died, or `None` if it was asked to end.
    async fn watch(&mut self, process: &mut Process) -> anyhow::Result<Option<ExitStatus>> {
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stop| *stop) => {}
            status = process.end() => return status.map(Some),
        }
        process.stop().await?;
        Ok(None)
    }

    async fn tell(&self, event: Event) {
        // Nobody listens once all is being stopped.
        let _ = self.happened.send(event).await;
    }
}
