//! One replica as a process: started, watched, asked to stop, and in the end made to.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};

use super::layout::{Layout, Place};
use crate::layers::Layer;

/// How long a replica may take to stop before it is made to.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How to start one replica, again and again.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) place: Place,
    program: PathBuf,
    settings: Layer,
}

/// A replica's process. Killed if dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// Kept open: its end tells the replica that we are gone. Waiting for a child would close it if it
    /// were still the child's own.
    _stdin: ChildStdin,
    pub(crate) pid: u32,
}

impl Recipe {
    /// How to start the replica at `place`, with settings that are the same for all.
    pub(crate) fn new(program: PathBuf, layout: &Layout, place: &Place, shared: &Layer) -> Recipe {
        let mut settings = shared.clone();
        let own = [
            ("name", place.name.clone()),
            ("data-dir", place.data_dir.display().to_string()),
            ("listen-client-urls", place.client_url()),
            ("advertise-client-urls", place.client_url()),
            ("listen-peer-urls", place.peer_url()),
            ("initial-advertise-peer-urls", place.peer_url()),
            (
                "listen-native-urls",
                format!("tcp://{}", place.native_address()),
            ),
            ("initial-cluster", layout.initial_cluster()),
            ("cluster-client-urls", layout.client_urls()),
            ("initial-cluster-token", layout.token().to_owned()),
        ];
        settings.extend(own.map(|(name, value)| (name.to_owned(), value)));
        Recipe {
            place: place.clone(),
            program,
            settings,
        }
    }

    /// What the replica is told.
    pub(crate) fn settings(&self) -> &Layer {
        &self.settings
    }

    /// Starts it. It ends by itself when this process does, since its standard input then ends;
    /// Ctrl-C reaches it through us alone, since it has a process group of its own.
    ///
    /// # Errors
    /// If the system refuses.
    pub(crate) fn start(&self) -> anyhow::Result<Process> {
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--stop-with-stdin");
        for (name, value) in &self.settings {
            command.arg(format!("--{name}={value}"));
        }
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("ETCD_") {
                command.env_remove(variable);
            }
        }
        let name = &self.place.name;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} cannot be started"))?;
        let pid = child.id().with_context(|| format!("{name} has no pid"))?;
        let stdin = child.stdin.take();
        let stdin = stdin.with_context(|| format!("{name} has no standard input"))?;
        Ok(Process {
            child,
            _stdin: stdin,
            pid,
        })
    }
}

impl Process {
    /// Waits for its end. Nothing is lost if the future is dropped.
    pub(crate) async fn end(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.wait().await.context("cannot wait for it")
    }

    /// Asks it to stop, makes it stop if it does not, and waits for its end.
    pub(crate) async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        // `id` is `None` once its end has been seen: the number may belong to somebody else by then.
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // Fails if it has ended meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
        match tokio::time::timeout(STOP_GRACE, self.child.wait()).await {
            Ok(status) => status.context("cannot wait for it"),
            Err(_) => {
                self.child.kill().await.context("cannot be killed")?;
                self.end().await
            }
        }
    }
}

/// How a process ended, as a clause: "was killed by signal 9".
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was killed by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(program: &str) -> Recipe {
        let dir = std::path::Path::new("nowhere");
        let layout = Layout::open(dir, Some(1), Some(7000)).expect("valid");
        let place = &layout.places[0];
        Recipe::new(program.into(), &layout, place, &Layer::new())
    }

    #[test]
    fn ends_are_described() {
        assert_eq!(describe(ExitStatus::from_raw(9)), "was killed by signal 9");
        assert_eq!(
            describe(ExitStatus::from_raw(2 << 8)),
            "ended with exit code 2"
        );
    }

    #[test]
    fn what_a_replica_is_told_makes_sense_to_it() {
        let layers = crate::layers::Layers::from_flags(recipe("x").settings().clone());
        let options = crate::serve::ServeOptions::from_layers(&layers).expect("valid");
        assert_eq!(options.member.name, "r1");
    }

    #[tokio::test]
    async fn an_end_is_seen() {
        let mut process = recipe("/bin/false").start().expect("starts");
        let status = process.end().await.expect("ends");
        assert_eq!(status.code(), Some(1));
        // A process that has ended is not signalled any more.
        assert_eq!(process.stop().await.expect("ended").code(), Some(1));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_an_error() {
        let error = recipe("/nonexistent/program")
            .start()
            .expect_err("no such program");
        assert_eq!(error.to_string(), "r1 cannot be started");
    }
}
