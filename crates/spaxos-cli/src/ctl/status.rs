//! `spaxos ctl status`: what each replica is doing, by its own word.

use std::collections::HashMap;
use std::io::Write;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use tokio::task::JoinSet;

use super::table;
use crate::args::StatusArgs;
use crate::http;
use crate::usage::UsageError;

/// Where replicas tell how they stand.
const PATH: &str = "/spaxos/v1/status";
/// More endpoints than any cluster has.
const ENDPOINTS_MAX: usize = 64;

/// An endpoint's answer as it came, with the endpoint; or the endpoint and `error`.
type Answer = Map<String, Value>;

/// Asks all endpoints and prints what they say.
///
/// # Errors
/// If one of them cannot be asked, after the others' answers are printed.
pub(crate) async fn run(args: StatusArgs) -> anyhow::Result<()> {
    if args.endpoints.len() > ENDPOINTS_MAX {
        let sentence = format!("--endpoints: more than {ENDPOINTS_MAX}");
        return Err(UsageError::new(sentence).into());
    }
    let mut answers = ask_all(&args.endpoints).await?;
    add_lag(&mut answers);
    let text = if args.json {
        let objects = answers.iter().cloned().map(Value::Object).collect();
        let mut text = serde_json::to_string_pretty(&Value::Array(objects))?;
        text.push('\n');
        text
    } else {
        for_people(&answers)
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    let failed = answers.iter().filter(|a| a.contains_key("error")).count();
    if failed > 0 {
        bail!("{failed} of {} endpoints cannot be asked", answers.len());
    }
    Ok(())
}

/// All endpoints' answers, in their order. They are asked at once, so it takes as long as the slowest.
async fn ask_all(endpoints: &[String]) -> anyhow::Result<Vec<Answer>> {
    let mut asked = JoinSet::new();
    for (at, endpoint) in endpoints.iter().cloned().enumerate() {
        asked.spawn(async move { (at, answer(&endpoint, ask(&endpoint).await)) });
    }
    let mut answers = vec![Answer::new(); endpoints.len()];
    while let Some(done) = asked.join_next().await {
        let (at, answer) = done.context("an endpoint could not be asked")?;
        answers[at] = answer;
    }
    Ok(answers)
}

/// What the replica at `endpoint` says of itself.
///
/// # Errors
/// If it does not answer in time, or with something else.
pub(crate) async fn ask(endpoint: &str) -> anyhow::Result<Map<String, Value>> {
    let body = http::get(endpoint, PATH).await?;
    serde_json::from_slice(&body).context("the answer is not a JSON object")
}

fn answer(endpoint: &str, asked: anyhow::Result<Map<String, Value>>) -> Answer {
    let mut answer = Answer::new();
    answer.insert("endpoint".to_owned(), endpoint.into());
    match asked {
        Ok(said) => answer.extend(said),
        Err(error) => {
            answer.insert("error".to_owned(), format!("{error:#}").into());
        }
    }
    answer
}

/// A replica that is cut off does not know how far behind it is: the furthest of all answers does.
fn add_lag(answers: &mut [Answer]) {
    let number = |answer: &Answer, key: &str| answer.get(key).and_then(Value::as_u64);
    let furthest = answers.iter().filter_map(|a| number(a, "decided")).max();
    for answer in answers {
        let behind = furthest.zip(number(answer, "applied"));
        if let Some((furthest, applied)) = behind {
            let known = number(answer, "lag").unwrap_or(0);
            let lag = known.max(furthest.saturating_sub(applied));
            answer.insert("lag".to_owned(), lag.into());
        }
    }
}

fn for_people(answers: &[Answer]) -> String {
    const TITLES: [&str; 13] = [
        "ENDPOINT", "NAME", "ID", "ROLE", "BALLOT", "DECIDED", "EXECUTED", "LAG", "HELD", "IN",
        "OUT", "CPU", "LOG",
    ];
    let names: HashMap<u64, &str> = answers
        .iter()
        .filter_map(|answer| Some((answer.get("id")?.as_u64()?, answer.get("name")?.as_str()?)))
        .collect();
    let (failed, fine): (Vec<&Answer>, Vec<&Answer>) = answers
        .iter()
        .partition(|answer| answer.contains_key("error"));
    let mut text = String::new();
    if !fine.is_empty() {
        let rows: Vec<Vec<String>> = fine.iter().map(|answer| row(answer, &names)).collect();
        text = table::lay_out(&TITLES, &rows);
    }
    for answer in failed {
        let (endpoint, error) = (shown(answer, "endpoint"), shown(answer, "error"));
        text.push_str(&format!("{endpoint}: {error}\n"));
    }
    text
}

fn row(answer: &Answer, names: &HashMap<u64, &str>) -> Vec<String> {
    let number = |key: &str| answer.get(key).and_then(Value::as_u64);
    let id = number("id").map_or_else(|| "?".to_owned(), |id| format!("{id:x}"));
    let traffic = |way: &str| {
        let bytes = number(&format!("bytes_{way}")).map(table::bytes);
        let messages = shown(answer, &format!("messages_{way}"));
        format!("{} in {messages}", bytes.unwrap_or_else(|| "?".to_owned()))
    };
    let cpu = answer.get("cpu_seconds").and_then(Value::as_f64);
    vec![
        shown(answer, "endpoint"),
        shown(answer, "name"),
        id,
        shown(answer, "role"),
        ballot(answer, names),
        shown(answer, "decided"),
        shown(answer, "executed"),
        shown(answer, "lag"),
        held(answer, names),
        traffic("in"),
        traffic("out"),
        cpu.map_or_else(|| "?".to_owned(), |seconds| format!("{seconds:.2} s")),
        number("log_bytes").map_or_else(|| "?".to_owned(), table::bytes),
    ]
}

/// A value as people read it; `?` if it is missing.
fn shown(answer: &Answer, key: &str) -> String {
    match answer.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => "?".to_owned(),
        Some(other) => other.to_string(),
    }
}

fn name(id: u64, names: &HashMap<u64, &str>) -> String {
    names
        .get(&id)
        .map_or_else(|| format!("{id:x}"), |name| (*name).to_owned())
}

/// `0/7/r123` with the replica's name, if it is known, instead of its number.
fn ballot(answer: &Answer, names: &HashMap<u64, &str>) -> String {
    let text = shown(answer, "ballot");
    let by_name = || {
        let (rest, replica) = text.rsplit_once("/r")?;
        Some(format!("{rest}/{}", name(replica.parse().ok()?, names)))
    };
    by_name().unwrap_or(text)
}

/// `r1:2.40 r2:1.7`: per lane the last batch held, as incarnation and sequence.
fn held(answer: &Answer, names: &HashMap<u64, &str>) -> String {
    let lane = |entry: &Value| {
        let number = |key: &str| entry.get(key)?.as_u64();
        let lane = name(number("replica")?, names);
        Some(format!(
            "{lane}:{}.{}",
            number("incarnation")?,
            number("sequence")?
        ))
    };
    let entries = answer.get("held").and_then(Value::as_array);
    let lanes: Vec<String> = entries.into_iter().flatten().filter_map(lane).collect();
    if lanes.is_empty() {
        return "-".to_owned();
    }
    lanes.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(value: Value) -> anyhow::Result<Map<String, Value>> {
        serde_json::from_value(value).context("an object")
    }

    fn answers() -> Vec<Answer> {
        let one = json!({
            "id": 10, "name": "r1", "role": "leader", "ballot": "0/3/r10", "decided": 9,
            "executed": 9, "applied": 9, "lag": 0, "cpu_seconds": 0.25, "log_bytes": 2048,
            "bytes_in": 0, "bytes_out": 1, "messages_in": 2, "messages_out": 3,
            "held": [{"replica": 10, "incarnation": 1, "sequence": 4},
                     {"replica": 12, "incarnation": 2, "sequence": 5}],
        });
        let two = json!({"id": 11, "name": "r2", "decided": 4, "applied": 4, "lag": 0});
        vec![
            answer("h:1", said(one)),
            answer("h:2", Err(anyhow::anyhow!("inner").context("outer"))),
            answer("h:3", said(two)),
        ]
    }

    #[test]
    fn the_furthest_tells_how_far_the_others_are_behind() {
        let mut answers = answers();
        add_lag(&mut answers);
        assert_eq!(answers[0]["lag"], 0);
        assert_eq!(answers[2]["lag"], 5);
        assert!(!answers[1].contains_key("lag"));
    }

    #[test]
    fn people_get_names_and_units_and_what_is_missing_is_shown_so() {
        let text = for_people(&answers());
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").collect())
            .collect();
        let cells = |at: usize| -> Vec<&str> {
            let cells = lines[at].iter().map(|cell| cell.trim());
            cells.filter(|cell| !cell.is_empty()).collect()
        };
        let expected = [
            "h:1",
            "r1",
            "a",
            "leader",
            "0/3/r1",
            "9",
            "9",
            "0",
            "r1:1.4 c:2.5",
            "0 B in 2",
            "1 B in 3",
            "0.25 s",
            "2.0 KiB",
        ];
        assert_eq!(cells(1), expected);
        assert_eq!(cells(2)[..5], ["h:3", "r2", "b", "?", "?"]);
        assert_eq!(text.lines().last(), Some("h:2: outer: inner"));
    }

    #[test]
    fn an_answer_keeps_what_the_replica_said() {
        let said = said(json!({"id": u64::MAX, "novel": [1]}));
        let answer = answer("h:1", said);
        assert_eq!(answer["endpoint"], "h:1");
        assert_eq!(answer["id"], json!(u64::MAX));
        assert_eq!(answer["novel"], json!([1]));
    }

    #[tokio::test]
    async fn who_is_not_there_is_an_answer_too() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let endpoint = closed.local_addr().expect("bound").to_string();
        drop(closed);
        let answers = ask_all(std::slice::from_ref(&endpoint))
            .await
            .expect("asked");
        assert_eq!(answers[0]["endpoint"], endpoint);
        assert!(
            answers[0]["error"]
                .as_str()
                .expect("a text")
                .starts_with("cannot connect")
        );
    }
}
