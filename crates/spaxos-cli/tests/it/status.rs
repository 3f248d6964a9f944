//! `spaxos ctl status`, and what it shows of a cluster at rest.

use serde_json::Value;

use crate::cluster::{Cluster, complaint, name, run, until};

/// What an idle replica may hold.
const IDLE_BYTES_MAX: u64 = 60 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_at_rest_shows_itself() {
    let mut cluster = Cluster::start().await;
    cluster.leader().await;
    until("nobody lags", async || settled(&cluster)).await;
    let output = run(&[
        "ctl",
        "status",
        "--json",
        "--endpoints",
        &cluster.endpoints(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("an array");
    assert_eq!(answers.len(), 3);
    for (at, answer) in answers.iter().enumerate() {
        shape(&cluster, at, answer);
    }
    let leaders = answers.iter().filter(|a| a["role"] == "leader").count();
    assert_eq!(leaders, 1);
    for_people(&cluster);
    with_one_missing(&mut cluster);
}

fn settled(cluster: &Cluster) -> Option<()> {
    let mut decided = Vec::new();
    for at in 0..3 {
        let status = cluster.status(at)?;
        (status["lag"] == 0).then_some(())?;
        decided.push(status["decided"].clone());
    }
    decided
        .windows(2)
        .all(|pair| pair[0] == pair[1])
        .then_some(())
}

fn shape(cluster: &Cluster, at: usize, answer: &Value) {
    assert_eq!(answer["endpoint"], cluster.endpoint(at));
    assert_eq!(answer["name"], name(at));
    let role = answer["role"].as_str().expect("a role");
    assert!(["leader", "follower"].contains(&role), "{role}");
    assert!(answer["ballot"].is_string());
    assert!(answer["held"].is_array());
    let numbers = [
        "id",
        "decided",
        "executed",
        "lag",
        "bytes_in",
        "bytes_out",
        "messages_in",
        "messages_out",
        "log_bytes",
        "resident_bytes",
    ];
    for field in numbers {
        assert!(answer[field].is_u64(), "{field} is {}", answer[field]);
    }
    assert!(answer["cpu_seconds"].as_f64().expect("a number") > 0.0);
    assert_eq!(answer["lag"], 0);
    let resident = answer["resident_bytes"].as_u64().expect("checked above");
    assert!(resident > 0, "the system tells");
    assert!(
        resident < IDLE_BYTES_MAX,
        "{} holds {resident} bytes",
        name(at)
    );
}

fn for_people(cluster: &Cluster) {
    let output = run(&["ctl", "status", "--endpoints", &cluster.endpoints()]);
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
    let text = String::from_utf8(output.stdout).expect("text");
    assert_eq!(text.lines().count(), 4, "{text}");
    assert!(text.starts_with("ENDPOINT"), "{text}");
}

fn with_one_missing(cluster: &mut Cluster) {
    cluster.kill(1);
    let output = run(&[
        "ctl",
        "status",
        "--json",
        "--endpoints",
        &cluster.endpoints(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("an array");
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[1]["endpoint"], cluster.endpoint(1));
    assert!(answers[1]["error"].is_string());
    assert!(answers[0].get("error").is_none());
    assert!(
        complaint(&output).contains("1 of 3 endpoints"),
        "{}",
        complaint(&output)
    );
}
