//! `spaxos bench`: puts load on a running cluster and prints what came of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use serde_json::Value;
use spaxos_bench::{NativeLoad, PutLoad, Report};

use crate::args::{BenchCommand, NativeArgs, PutArgs};
use crate::ctl::ask;

/// Runs the command.
///
/// # Errors
/// If the load cannot be put on, or no request was answered.
pub(crate) async fn run(command: BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Put(args) => put(args).await,
        BenchCommand::Native(args) => native(args).await,
    }
}

async fn put(args: PutArgs) -> anyhow::Result<()> {
    let load = PutLoad {
        endpoints: args.endpoints.clone(),
        callers: args.callers as usize,
        value_bytes: args.value_bytes as usize,
        duration: Duration::from_secs(args.seconds.into()),
    };
    let what = format!(
        "put, {} callers, {} byte values",
        args.callers, args.value_bytes
    );
    let before = cpu(&args.endpoints).await;
    let report = load.run().await?;
    let spent = spent(&args.endpoints, &before, &cpu(&args.endpoints).await);
    print(&what, &report, &spent)
}

async fn native(args: NativeArgs) -> anyhow::Result<()> {
    let load = NativeLoad {
        endpoints: args.native_endpoints.clone(),
        connections: args.connections as usize,
        outstanding: args.outstanding as usize,
        request_bytes: args.request_bytes as usize,
        duration: Duration::from_secs(args.seconds.into()),
    };
    let what = format!(
        "native, {} connections x {} outstanding, {} byte requests",
        args.connections, args.outstanding, args.request_bytes
    );
    let before = cpu(&args.endpoints).await;
    let report = load.run().await?;
    let spent = spent(&args.endpoints, &before, &cpu(&args.endpoints).await);
    print(&what, &report, &spent)
}

/// The name and the CPU seconds so far of each replica that can be asked.
async fn cpu(endpoints: &[String]) -> Vec<Option<(String, f64)>> {
    let mut all = Vec::new();
    for endpoint in endpoints {
        let said = ask(endpoint).await.unwrap_or_default();
        let name = said.get("name").and_then(Value::as_str).map(str::to_owned);
        let seconds = said.get("cpu_seconds").and_then(Value::as_f64);
        all.push(name.zip(seconds));
    }
    all
}

/// What each replica spent, as lines for people. Endpoints that are not ours have nothing to say.
fn spent(
    endpoints: &[String],
    before: &[Option<(String, f64)>],
    after: &[Option<(String, f64)>],
) -> Vec<(String, f64)> {
    let both = endpoints.iter().zip(before.iter().zip(after));
    both.filter_map(|(endpoint, (before, after))| {
        let ((_, before), (name, after)) = before.as_ref().zip(after.as_ref())?;
        Some((format!("{name} ({endpoint})"), after - before))
    })
    .collect()
}

fn print(what: &str, report: &Report, spent: &[(String, f64)]) -> anyhow::Result<()> {
    let text = text(what, report, spent);
    std::io::stdout().lock().write_all(text.as_bytes())?;
    if report.requests() == 0 {
        anyhow::bail!("no request was answered");
    }
    Ok(())
}

fn text(what: &str, report: &Report, spent: &[(String, f64)]) -> String {
    let mut text = format!("{what}, {:.1} s\n", report.elapsed().as_secs_f64());
    let ms = |share| report.latency(share).as_secs_f64() * 1e3;
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "answered  {}  ({:.0}/s)",
        report.requests(),
        report.rate()
    );
    let _ = writeln!(
        text,
        "latency   p50 {:.2} ms  p99 {:.2} ms  max {:.2} ms",
        ms(0.5),
        ms(0.99),
        ms(1.0)
    );
    let _ = write!(text, "errors    {}", report.errors());
    let _ = match report.first_error() {
        Some(error) => writeln!(text, "  first: {error}"),
        None => writeln!(text),
    };
    let requests = report.requests().max(1) as f64;
    for (replica, seconds) in spent {
        let each = seconds / requests * 1e6;
        let _ = writeln!(
            text,
            "CPU       {seconds:.2} s  {each:.1} us/request  {replica}"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_get_rate_latency_errors_and_cost() {
        let mut report = Report::new();
        report.answered(2, Duration::from_millis(2));
        report.failed(|| "why".to_owned());
        report.lasted(Duration::from_secs(1));
        let endpoints = ["h:1".to_owned(), "h:2".to_owned()];
        let before = [Some(("r1".to_owned(), 1.0)), None];
        let after = [Some(("r1".to_owned(), 1.5)), Some(("r2".to_owned(), 9.0))];
        let text = text("x", &report, &spent(&endpoints, &before, &after));
        let expected = "x, 1.0 s
answered  2  (2/s)
latency   p50 2.00 ms  p99 2.00 ms  max 2.00 ms
errors    1  first: why
CPU       0.50 s  250000.0 us/request  r1 (h:1)
";
        assert_eq!(text, expected);
    }
}
