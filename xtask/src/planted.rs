//! `cargo xtask planted`: switches on every planted bug, one at a time, and says who catches it.
//!
//! The bugs are in builds with `--cfg planted` alone, which go to a folder of their own. The protocol
//! scripts and the tests of the log look for all bugs of their crates; the simulator hunts with seeds and
//! explores small worlds. A bug that nobody catches fails the command: its rule has no test.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::Context as _;

use crate::{cargo, say};

/// The crates with bugs: the file that lists them, and what catches them there.
const PLANTED: &[(&str, &str)] = &[("spaxos-core", "script"), ("spaxos-storage", "test")];

/// How much is looked for.
#[derive(Debug, PartialEq, Eq)]
struct Budget {
    /// How often the simulator begins to look for a bug, each time with other seeds.
    hunts: u64,
    /// How many seeds a hunt takes at most.
    seeds: u64,
    /// How many states of a small world are looked at.
    states: u64,
    /// Only what takes little time: seeds for the bugs that few of them show, and small worlds for one bug
    /// of each check there.
    quick: bool,
    /// The bugs; none for all.
    names: Vec<String>,
}

impl Budget {
    fn parse(arguments: &[&str]) -> anyhow::Result<Budget> {
        let quick = arguments.contains(&"--quick");
        let mut budget = Budget {
            hunts: if quick { 1 } else { 5 },
            seeds: if quick { 200 } else { 2_000 },
            states: 60_000,
            quick,
            names: Vec::new(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let field = match *argument {
                "--quick" => continue,
                "--hunts" => &mut budget.hunts,
                "--seeds" => &mut budget.seeds,
                "--states" => &mut budget.states,
                option if option.starts_with('-') => {
                    anyhow::bail!(
                        "no such option: {option}; there are --hunts, --seeds, --states, --quick"
                    )
                }
                name => {
                    budget.names.push(name.to_owned());
                    continue;
                }
            };
            let number = rest
                .next()
                .with_context(|| format!("{argument} wants a number"))?;
            *field = number
                .parse()
                .ok()
                .filter(|number| *number > 0)
                .with_context(|| format!("{argument} wants a number, not {number}"))?;
        }
        Ok(budget)
    }
}

/// A planted bug, and who has caught it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Bug {
    name: String,
    rule: String,
    what: String,
    /// The scripts, or tests, that fail.
    fails: Option<Vec<String>>,
    /// What the simulator says: hunts with a find, of all; the median of seeds; the checkers.
    seeds: Option<[String; 3]>,
    /// A small world in which it shows, and the checker there; empty if there is none.
    world: Option<[String; 2]>,
}

impl Bug {
    fn is_caught(&self) -> bool {
        let failed = self.fails.as_ref().is_some_and(|fails| !fails.is_empty());
        failed || self.is_found_by_seeds() || self.is_found_in_a_world()
    }

    fn is_found_in_a_world(&self) -> bool {
        let found = |[world, _]: &[String; 2]| !world.is_empty();
        self.world.as_ref().is_some_and(found)
    }

    fn is_found_by_seeds(&self) -> bool {
        let found = |[found, _, _]: &[String; 3]| !found.starts_with("0/");
        self.seeds.as_ref().is_some_and(found)
    }
}

/// Looks for the bugs that `arguments` name, or for all.
pub(crate) fn run(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let budget = Budget::parse(arguments)?;
    let all = bugs(root)?;
    check_names(&budget.names, &all)?;
    let mut bugs: Vec<Bug> = all
        .into_iter()
        .filter(|bug| budget.names.is_empty() || budget.names.contains(&bug.name))
        .collect();
    for (krate, what) in PLANTED {
        let arguments = ["test", "--locked", "--package", krate, "--test", "it"];
        let mut command = planted_cargo(root, &arguments);
        command.args(["planted", "--", "--nocapture"]);
        for [name, fails] in &lines(&format!("{what}s of {krate}"), command)? {
            let fails = fails.split(", ").filter(|name| !name.is_empty());
            if let Some(bug) = bugs.iter_mut().find(|bug| bug.name == *name) {
                bug.fails = Some(fails.map(str::to_owned).collect());
            }
        }
    }
    simulate(root, &budget, &mut bugs)?;
    say(&table(&bugs));
    conclude(&bugs, budget.quick)
}

/// Hunts with seeds, and in small worlds.
fn simulate(root: &Path, budget: &Budget, bugs: &mut [Bug]) -> anyhow::Result<()> {
    let mut names: Vec<&str> = budget.names.iter().map(String::as_str).collect();
    if names.is_empty() && budget.quick {
        names.push("common");
    }
    let (hunts, seeds) = (budget.hunts.to_string(), budget.seeds.to_string());
    let states = budget.states.to_string();
    let command = hunter(root, &["seeds", &hunts, &seeds], &names);
    for [name, found, median, checkers] in lines("seeds", command)? {
        if let Some(bug) = bugs.iter_mut().find(|bug| bug.name == name) {
            bug.seeds = Some([found, median, checkers]);
        }
    }
    for [name, world, checker] in lines("small worlds", hunter(root, &["worlds", &states], &names))?
    {
        if let Some(bug) = bugs.iter_mut().find(|bug| bug.name == name) {
            bug.world = Some([world, checker]);
        }
    }
    Ok(())
}

fn hunter(root: &Path, what: &[&str], names: &[&str]) -> Command {
    let arguments = ["run", "--quiet", "--locked", "--package", "spaxos-sim"];
    let mut command = planted_cargo(root, &arguments);
    command.args(["--example", "planted", "--"]);
    command.args(what).args(names);
    command
}

/// Cargo, in a build with bugs. It optimises, since seeds are many, and is no release all the same.
fn planted_cargo(root: &Path, arguments: &[&str]) -> Command {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root.join("target"), PathBuf::from);
    let mut command = cargo(root, arguments);
    command
        .env("CARGO_TARGET_DIR", target.join("planted"))
        .env("RUSTFLAGS", "--cfg planted")
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "2");
    command
}

/// Runs a command and takes the fields of the lines that tell of bugs, each of which is said at once.
/// Its results, if it runs tests, are passed on.
fn lines<const N: usize>(name: &str, mut command: Command) -> anyhow::Result<Vec<[String; N]>> {
    let begun = Instant::now();
    command.stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let output = child.stdout.take().context("its output is piped")?;
    let mut found = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if let Some(fields) = parse(&line) {
            say(&format!("{name}: {}", fields.join(" ").trim_end()));
            found.push(fields);
        } else if line.starts_with("test result") {
            say(&line);
        }
    }
    // A test that fails has missed a bug, which the table tells with more.
    child.wait()?;
    anyhow::ensure!(!found.is_empty(), "{command:?} tells of no bug");
    let (count, seconds) = (found.len(), begun.elapsed().as_secs_f64());
    say(&format!("== {name}: {count} bugs, {seconds:.1} s"));
    Ok(found)
}

/// The fields of a line that tells of a bug: the harness of tests may have put something before it.
fn parse<const N: usize>(line: &str) -> Option<[String; N]> {
    let (_, told) = line.split_once("planted\t")?;
    let fields: Vec<String> = told.split('\t').map(str::to_owned).collect();
    fields.try_into().ok()
}

/// All bugs, as the sources list them.
fn bugs(root: &Path) -> anyhow::Result<Vec<Bug>> {
    let mut all = Vec::new();
    for (krate, _) in PLANTED {
        let path = root.join("crates").join(krate).join("src/planted.rs");
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("cannot read {}", path.display()))?;
        all.extend(listed(&text));
    }
    Ok(all)
}

/// The bugs in a list of the form `/// What is broken.` and `Name: "rules",`.
fn listed(text: &str) -> Vec<Bug> {
    let mut bugs = Vec::new();
    let mut what: Vec<&str> = Vec::new();
    let list = text.split("planted_bugs! {").last().unwrap_or_default();
    for line in list.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            what.push(words.trim());
        } else if let Some((name, rule)) = line.split_once(": \"") {
            bugs.push(Bug {
                name: name.to_owned(),
                rule: rule.trim_end_matches("\",").to_owned(),
                what: what.join(" "),
                ..Bug::default()
            });
            what.clear();
        }
    }
    bugs
}

fn check_names(names: &[String], all: &[Bug]) -> anyhow::Result<()> {
    let known = |name: &&String| all.iter().any(|bug| bug.name == **name);
    let Some(unknown) = names.iter().find(|name| !known(name)) else {
        return Ok(());
    };
    let mut text = format!("no such bug: {unknown}; there are");
    for bug in all {
        let _ = write!(text, "\n  {:28} {}", bug.name, bug.what);
    }
    Err(anyhow::anyhow!(text))
}

fn table(bugs: &[Bug]) -> String {
    let mut text = String::from(
        "\n| bug | what is broken | rule | scripts or tests | seeds | checkers | small world |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for bug in bugs {
        let fails = match bug.fails.as_deref() {
            Some([first]) => format!("`{first}`"),
            Some([first, rest @ ..]) => format!("`{first}` and {} more", rest.len()),
            _ => "-".to_owned(),
        };
        let (seeds, checkers) = match &bug.seeds {
            Some([found, median, checkers]) if !checkers.is_empty() => {
                (format!("{median} ({found})"), checkers.as_str())
            }
            Some([found, _, _]) => (format!("- ({found})"), "-"),
            None => ("-".to_owned(), "-"),
        };
        let world = match &bug.world {
            Some([world, checker]) if !world.is_empty() => format!("{world}: {checker}"),
            _ => "-".to_owned(),
        };
        let (name, what, rule) = (&bug.name, &bug.what, &bug.rule);
        let _ = writeln!(
            text,
            "| `{name}` | {what} | {rule} | {fails} | {seeds} | {checkers} | {world} |"
        );
    }
    text
}

/// Fails with the names of the bugs that were missed. In a quick look, seeds and small worlds must show
/// what they were asked for.
fn conclude(bugs: &[Bug], quick: bool) -> anyhow::Result<()> {
    let missed = bugs.iter().filter(|bug| {
        let seeds = bug.seeds.is_none() || bug.is_found_by_seeds();
        let world = bug.world.is_none() || bug.is_found_in_a_world();
        !bug.is_caught() || (quick && !(seeds && world))
    });
    let missed: Vec<&str> = missed.map(|bug| bug.name.as_str()).collect();
    let untold = bugs.iter().filter(|bug| bug.fails.is_none());
    let untold: Vec<&str> = untold.map(|bug| bug.name.as_str()).collect();
    let names = missed.join(", ");
    anyhow::ensure!(missed.is_empty(), "missed: {names}");
    let names = untold.join(", ");
    anyhow::ensure!(untold.is_empty(), "no test tells of {names}");
    say(&format!("all {} planted bugs are caught", bugs.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_names_its_rule_and_what_it_breaks() {
        let all = bugs(&crate::root()).expect("the lists are there");
        assert!(all.len() >= 50, "{}", all.len());
        let protocol = std::fs::read_to_string(crate::root().join("docs/protocol.md"));
        let protocol = protocol.expect("the page is there");
        for bug in &all {
            assert!(bug.what.ends_with('.'), "{bug:?}");
            for rule in bug.rule.split(", ") {
                let head = match rule.strip_prefix("invariant ") {
                    Some(number) => format!("{number}. **"),
                    None => format!("- **{rule}** "),
                };
                assert!(protocol.contains(&head), "{}: no rule {rule}", bug.name);
            }
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_with_those_that_are() {
        let all = listed("planted_bugs! {\n/// It is\n/// broken.\nBroken: \"O4, C1\",\n}");
        assert_eq!(all.len(), 1);
        assert_eq!((&*all[0].rule, &*all[0].what), ("O4, C1", "It is broken."));
        let error = check_names(&["Brokn".to_owned()], &all).expect_err("unknown");
        let text = error.to_string();
        assert!(text.contains("Brokn") && text.contains("Broken"), "{text}");
        assert!(check_names(&["Broken".to_owned()], &all).is_ok());
    }

    #[test]
    fn a_bug_that_nobody_catches_fails() {
        let mut bug = Bug {
            name: "Broken".to_owned(),
            fails: Some(Vec::new()),
            seeds: Some(["0/5".to_owned(), "-".to_owned(), String::new()]),
            ..Bug::default()
        };
        let error = conclude(std::slice::from_ref(&bug), false).expect_err("missed");
        assert!(error.to_string().ends_with("Broken"));
        bug.fails = Some(vec!["a_script".to_owned()]);
        assert!(conclude(std::slice::from_ref(&bug), false).is_ok());
        assert!(conclude(std::slice::from_ref(&bug), true).is_err());
        bug.seeds = Some(["1/5".to_owned(), "-".to_owned(), "order".to_owned()]);
        assert!(conclude(&[bug], true).is_ok());
    }

    #[test]
    fn lines_of_bugs_are_told_from_others() {
        let fields = |line| parse::<2>(line);
        let told = |a: &str, b: &str| Some([a.to_owned(), b.to_owned()]);
        assert_eq!(fields("test it ... planted\tA\tx, y"), told("A", "x, y"));
        assert_eq!(fields("planted\tB\t"), told("B", ""));
        assert_eq!(fields("test result: ok"), None);
        assert_eq!(fields("planted\tA"), None);
    }

    #[test]
    fn options_are_numbers_and_names_are_bugs() {
        let budget = Budget::parse(&["--hunts", "3", "VoteBeforeSync"]).expect("sound");
        assert_eq!((budget.hunts, budget.seeds), (3, 2_000));
        assert_eq!(budget.names, ["VoteBeforeSync"]);
        for wrong in [
            &["--hunts"][..],
            &["--seeds", "many"],
            &["--what"],
            &["--hunts", "0"],
        ] {
            assert!(Budget::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
