//! Disks of their own for replicas: ext4 in files, mounted where only the replicas see them, and a way
//! to cut their power.
//!
//! The power is cut with the file system's own shutdown (`EXT4_IOC_SHUTDOWN`, without a flush of its
//! journal): from that moment nothing reaches the disk any more, whatever the page cache holds.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::cluster::output;

/// Bytes on each disk, most of which are never written: room for a segment of the log for each start.
const DISK_BYTES: u64 = 1 << 30;

/// Issues the shutdown of the file systems of the directories that it is given, of all in one moment.
/// Any language will do that can call `ioctl`; perl is on every Debian.
const SHUTDOWN: &str = r"
    my @dirs = map { open(my $dir, '<', $_) or die qq{$_: $!\n}; $dir } @ARGV;
    my $no_flush = pack('L', 2);
    ioctl($_, 0x8004587d, $no_flush) or die qq{EXT4_IOC_SHUTDOWN: $!\n} for @dirs;
";

/// A mount namespace with some disks.
pub(crate) struct Private {
    /// The process by which it lives: it waits for the end of its standard input.
    holder: Child,
    dir: TempDir,
}

impl Private {
    /// Makes so many disks and mounts them.
    ///
    /// # Errors
    /// Why this machine does not allow it.
    pub(crate) fn new(disks: usize) -> Result<Private, String> {
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "--"])
            .args(["sh", "-c", "echo ready && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("unshare: {error}"))?;
        let stdout = holder.stdout.take().expect("it is piped");
        let private = Private {
            holder,
            dir: TempDir::with_prefix("spaxos-it-disks-").expect("a directory"),
        };
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        if read.is_err() || line != "ready\n" {
            return Err("no mount namespace can be made here".to_owned());
        }
        for at in 0..disks {
            let image = File::create(private.image(at)).expect("a file");
            image.set_len(DISK_BYTES).expect("it has holes");
            std::fs::create_dir(private.disk(at)).expect("a directory");
            let made = private.run("mkfs.ext4", &["-q", "-F", path(&private.image(at))]);
            made.expect("e2fsprogs is there");
            private.mount(at)?;
        }
        Ok(private)
    }

    /// Where disk `at` is mounted.
    pub(crate) fn disk(&self, at: usize) -> PathBuf {
        self.dir.path().join(format!("disk{at}"))
    }

    fn image(&self, at: usize) -> PathBuf {
        self.dir.path().join(format!("disk{at}.img"))
    }

    /// A program that sees the disks.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.holder.id()))
            .args(["--", program])
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null());
        command
    }

    /// From now on nothing reaches these disks.
    pub(crate) fn cut_power(&self, which: &[usize]) {
        let disks: Vec<PathBuf> = which.iter().map(|at| self.disk(*at)).collect();
        let mut arguments = vec!["-e", SHUTDOWN];
        arguments.extend(disks.iter().map(|disk| path(disk)));
        self.run("perl", &arguments)
            .expect("they were mounted by us");
    }

    /// Takes the disk away and brings back what reached it. Nobody may use it.
    pub(crate) fn power_on(&self, at: usize) {
        self.run("umount", &[path(&self.disk(at))])
            .expect("nobody uses it");
        self.mount(at).expect("it was mounted before");
    }

    fn mount(&self, at: usize) -> Result<(), String> {
        let (image, disk) = (self.image(at), self.disk(at));
        self.run(
            "mount",
            &["-t", "ext4", "-o", "loop", path(&image), path(&disk)],
        )
    }

    /// Runs a program where the disks are seen.
    ///
    /// # Errors
    /// What it complained about.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<(), String> {
        let mut command = self.command(program);
        command.args(arguments);
        let output = output(command);
        if output.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("{program}: {}", complaint.trim_end()))
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        // The last process in the namespace takes the mounts with it.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().expect("our paths are plain")
}
