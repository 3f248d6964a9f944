//! The command line as typed. What it means is found out by the modules of the commands.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, FromArgMatches, Parser, Subcommand};

use crate::keys::{self, EXPERIMENTAL, Key, Section};
use crate::layers::Layer;

/// Where `spaxos up` puts the first three etcd endpoints.
const ENDPOINTS: &str = "http://127.0.0.1:2379,http://127.0.0.1:22379,http://127.0.0.1:32379";
/// Where `spaxos up` puts the first three endpoints of the native protocol.
const NATIVE_ENDPOINTS: &str = "127.0.0.1:2381,127.0.0.1:22381,127.0.0.1:32381";

/// A replicated key-value store: S-Paxos inside, etcd's API outside.
///
/// `spaxos up` runs a whole cluster on this machine; `spaxos serve` runs one replica of a cluster and
/// takes etcd's flags; `spaxos ctl` looks at a running cluster; `spaxos bench` puts load on it.
#[derive(Debug, Parser)]
#[command(
    name = "spaxos",
    disable_version_flag = true,
    arg_required_else_help = true,
    max_term_width = 100,
    after_help = "Examples:
  spaxos up                            three replicas here, until Ctrl-C
  etcdctl --endpoints 127.0.0.1:22379 put greeting hello
  spaxos ctl status                    who leads, how far each replica is
  spaxos up --data-dir ./data          keeps its data; the same command continues with it

`spaxos <COMMAND> --help` tells more."
)]
pub(crate) struct Cli {
    /// Print the versions
    #[arg(long, short = 'V')]
    pub(crate) version: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(UpArgs),
    Serve(ServeArgs),
    /// Look at a running cluster
    #[command(subcommand)]
    Ctl(CtlCommand),
    /// Put load on a running cluster and report rate, latency and what it cost
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Run the deterministic simulator over seeds, and say what it went through
    Sim(SimArgs),
    /// Print the versions
    Version,
}

/// Run a cluster on this machine, each replica a process of its own
///
/// One line for each replica says where it is; the line `ready`, alone, says that every replica takes
/// writes. Ctrl-C stops all.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spaxos up                            three replicas, data thrown away at the end
  spaxos up --data-dir ./data          the same again later continues with the data
  spaxos up --replicas 5 --base-port 12379 --restart

Client endpoints are 127.0.0.1:2379, :22379, :32379 and so on, or the base port
and every 10000 above it. Members talk to each other one port above, the native
protocol is two above. Try what happens when one dies: `kill -9` the pid on its
line.")]
pub(crate) struct UpArgs {
    /// How many replicas; a majority of them must be up [default: 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) replicas: Option<u16>,
    /// Where the data is kept [default: a temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Port of the first client endpoint, the others 10000 apart [default: 2379, 22379, 32379, …]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) base_port: Option<u16>,
    /// Start a replica again when it dies
    #[arg(long)]
    pub(crate) restart: bool,
    #[command(flatten)]
    pub(crate) passed: PassedKeys,
}

/// Run one replica
///
/// Takes etcd's flags, also with a single dash. A setting comes from its flag, else from its
/// environment variable (--data-dir is ETCD_DATA_DIR), else from the file.
#[derive(Debug, Args)]
#[command(
    args_override_self = true,
    after_help = "Example, one of three:
  spaxos serve --name a --data-dir ./a \\
    --listen-client-urls http://10.0.0.1:2379 \\
    --advertise-client-urls http://10.0.0.1:2379 \\
    --listen-peer-urls http://10.0.0.1:2380 \\
    --initial-advertise-peer-urls http://10.0.0.1:2380 \\
    --initial-cluster a=http://10.0.0.1:2380,b=http://10.0.0.2:2380,c=http://10.0.0.3:2380

The same in a file, for --config-file:
  name = \"a\"
  data-dir = \"./a\"
  listen-client-urls = \"http://127.0.0.1:2379\"

The protocol settings must be the same on all members. Flags of etcd that mean
nothing here are taken with a warning. Installed under the name `etcd`, the
program is `spaxos serve`."
)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) keys: ServeKeys,
    /// A TOML file with the same keys
    #[arg(long, value_name = "FILE")]
    pub(crate) config_file: Option<PathBuf>,
    /// Print the versions
    #[arg(long)]
    pub(crate) version: bool,
    /// Stop when standard input ends: whoever started this is gone
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CtlCommand {
    Status(StatusArgs),
}

/// Show what each replica is doing
///
/// Ends with exit code 1 if one of them cannot be asked.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spaxos ctl status
  spaxos ctl status --endpoints 127.0.0.1:12379,127.0.0.1:22379 --json")]
pub(crate) struct StatusArgs {
    /// Client endpoints, with commas between
    #[arg(long, value_name = "URLS", value_delimiter = ',', default_value = ENDPOINTS)]
    pub(crate) endpoints: Vec<String>,
    /// An array with one object for each endpoint, in the order given
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    Put(PutArgs),
    Native(NativeArgs),
}

/// Puts through etcd's API, each caller waiting for its answer
#[derive(Debug, Args)]
#[command(after_help = "Example:
  spaxos bench put --callers 64 --value-bytes 256 --seconds 10")]
pub(crate) struct PutArgs {
    /// Client endpoints, with commas between; callers are spread over them
    #[arg(long, value_name = "URLS", value_delimiter = ',', default_value = ENDPOINTS)]
    pub(crate) endpoints: Vec<String>,
    /// How many callers, each with one put at a time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) callers: u32,
    /// Bytes of each value
    #[arg(long, value_name = "BYTES", default_value_t = 256, value_parser = clap::value_parser!(u32).range(..=1_500_000))]
    pub(crate) value_bytes: u32,
    /// How long
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
}

/// Small requests over the native protocol, many of them on their way at once
#[derive(Debug, Args)]
#[command(after_help = "Example:
  spaxos bench native --connections 6 --outstanding 1000")]
pub(crate) struct NativeArgs {
    /// Native endpoints, with commas between; connections are spread over them
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',', default_value = NATIVE_ENDPOINTS)]
    pub(crate) native_endpoints: Vec<String>,
    /// Client endpoints, with commas between, to ask for the CPU time used
    #[arg(long, value_name = "URLS", value_delimiter = ',', default_value = ENDPOINTS)]
    pub(crate) endpoints: Vec<String>,
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
    /// Requests on their way, per connection
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=30_000))]
    pub(crate) outstanding: u32,
    /// Bytes of each request
    #[arg(long, value_name = "BYTES", default_value_t = 20, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub(crate) request_bytes: u32,
    /// How long
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
}

/// The deterministic simulator: the real replicas in a world where anything fails
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spaxos sim --runs 2000
  spaxos sim --minutes 60
  spaxos sim --seed 7 --trace")]
pub(crate) struct SimArgs {
    /// The first seed, and the only one unless --runs or --minutes is given
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// How many seeds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: Option<u64>,
    /// How long at most; without --seed it begins at a random one
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) minutes: Option<u32>,
    /// Print one run, event by event
    #[arg(long, conflicts_with_all = ["runs", "minutes", "twice", "every_branch", "jobs"])]
    pub(crate) trace: bool,
    /// Kinds of faults that do not happen, with commas between
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    pub(crate) without: Vec<String>,
    /// Run each seed twice and compare
    #[arg(long)]
    pub(crate) twice: bool,
    /// Fail if a rare branch was not reached
    #[arg(long)]
    pub(crate) every_branch: bool,
    /// How many seeds at once; as many as there are cores if not given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) jobs: Option<u16>,
}

/// The settings of a replica, as flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct ServeKeys(pub(crate) Layer);

/// Those settings that `up` hands to its replicas, as flags.
#[derive(Clone, Debug, Default)]
pub(crate) struct PassedKeys(pub(crate) Layer);

impl PassedKeys {
    fn keys() -> impl Iterator<Item = &'static Key> {
        keys::KEYS.iter().filter(|key| {
            matches!(key.section, Section::Protocol | Section::Logging)
                || matches!(key.name, "heartbeat-interval" | "election-timeout")
        })
    }
}

impl Args for ServeKeys {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = command.args(keys::KEYS.iter().map(flag));
        command.args(keys::FOREIGN.iter().map(|foreign| {
            let arg = Arg::new(foreign.name).long(foreign.name).hide(true);
            let arg = arg.allow_negative_numbers(true).num_args(1);
            if !foreign.switch {
                return arg;
            }
            arg.num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
        }))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeKeys {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let own = keys::KEYS.iter().map(|key| key.name);
        let foreign = keys::FOREIGN.iter().map(|foreign| foreign.name);
        Ok(ServeKeys(typed(matches, own.chain(foreign))))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for PassedKeys {
    fn augment_args(command: clap::Command) -> clap::Command {
        command.args(Self::keys().map(flag))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for PassedKeys {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let names = Self::keys().map(|key| key.name);
        Ok(PassedKeys(typed(matches, names)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn flag(key: &Key) -> Arg {
    Arg::new(key.name)
        .long(key.name)
        .value_name(key.value)
        .help(key.help)
        .help_heading(key.section.heading())
}

fn typed(matches: &ArgMatches, names: impl Iterator<Item = &'static str>) -> Layer {
    names
        .filter_map(|name| {
            let value = matches.get_one::<String>(name)?;
            Some((name.to_owned(), value.clone()))
        })
        .collect()
}

/// The command line in the form that clap reads, and the names of flags that were left out of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Normalised {
    pub(crate) args: Vec<OsString>,
    pub(crate) dropped: Vec<String>,
}

/// Turns etcd's way of typing into ours. Only `serve` is typed so: under the program name `etcd` it
/// needs no mention; `-name` is `--name`; experimental flags are left out.
pub(crate) fn normalise(args: impl Iterator<Item = OsString>) -> Normalised {
    let mut args: Vec<OsString> = args.collect();
    let program = args.first().map(PathBuf::from).unwrap_or_default();
    if program.file_stem().is_some_and(|name| name == "etcd") {
        args.insert(1, "serve".into());
    }
    let mut dropped = Vec::new();
    if args.get(1).is_none_or(|command| command != "serve") {
        return Normalised { args, dropped };
    }
    let mut kept: Vec<OsString> = args.drain(..2).collect();
    let mut rest = args.into_iter().peekable();
    while let Some(arg) = rest.next() {
        let Some(flag) = arg.to_str().and_then(flag_name) else {
            kept.push(arg);
            continue;
        };
        if !flag.starts_with(EXPERIMENTAL) {
            kept.push(format!("--{flag}").into());
            continue;
        }
        let has_value = flag.contains('=');
        dropped.push(flag.split('=').next().unwrap_or(flag).to_owned());
        let is_value = |next: &OsString| !next.to_string_lossy().starts_with('-');
        if !has_value && rest.peek().is_some_and(is_value) {
            rest.next();
        }
    }
    Normalised {
        args: kept,
        dropped,
    }
}

/// `name=x` for `-name=x` and `--name=x`; nothing for short flags, numbers and values.
fn flag_name(arg: &str) -> Option<&str> {
    let name = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
    let long = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
    long.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalised(line: &str) -> (String, Vec<String>) {
        let Normalised { args, dropped } = normalise(line.split(' ').map(OsString::from));
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        (args.join(" "), dropped)
    }

    fn serve(line: &str) -> Result<ServeArgs, clap::Error> {
        let typed = normalise(line.split(' ').map(OsString::from));
        match Cli::try_parse_from(typed.args)?.command {
            Some(Command::Serve(args)) => Ok(args),
            other => panic!("not serve: {other:?}"),
        }
    }

    #[test]
    fn the_definition_holds_together() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn go_style_flags_become_ours() {
        let (line, dropped) =
            normalised("spaxos serve -name x --data-dir=d -h -election-timeout=5");
        assert_eq!(
            line,
            "spaxos serve --name x --data-dir=d -h --election-timeout=5"
        );
        assert!(dropped.is_empty());
        assert_eq!(normalised("spaxos up -x").0, "spaxos up -x");
    }

    #[test]
    fn under_the_name_etcd_it_serves() {
        assert_eq!(
            normalised("/bin/etcd --version").0,
            "/bin/etcd serve --version"
        );
    }

    #[test]
    fn experimental_flags_are_left_out() {
        let line =
            "etcd --experimental-a=1 --experimental-b 2 --name n --experimental-c --data-dir d";
        let (line, dropped) = normalised(line);
        assert_eq!(line, "etcd serve --name n --data-dir d");
        assert_eq!(
            dropped,
            ["experimental-a", "experimental-b", "experimental-c"]
        );
    }

    #[test]
    fn all_ways_to_type_a_value_work() {
        let line = "spaxos serve -name x --data-dir=d --votes leader --quota-backend-bytes -1 --pre-vote --enable-v2=false";
        let keys = serve(line).expect("valid").keys.0;
        let expected = [
            ("name", "x"),
            ("data-dir", "d"),
            ("votes", "leader"),
            ("quota-backend-bytes", "-1"),
            ("pre-vote", "true"),
            ("enable-v2", "false"),
        ];
        assert_eq!(keys, expected.map(|(n, v)| (n.into(), v.into())).into());
    }

    #[test]
    fn of_a_flag_typed_twice_the_last_counts_as_with_etcd() {
        let keys = serve("spaxos serve --name x -name y")
            .expect("valid")
            .keys
            .0;
        assert_eq!(keys["name"], "y");
    }

    #[test]
    fn unknown_flags_are_refused() {
        let error = serve("spaxos serve --nmae x").expect_err("unknown");
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("--nmae"));
    }
}
