//! `spaxos bench`: both loads run and report.

use crate::cluster::{Cluster, complaint, run};

#[tokio::test(flavor = "multi_thread")]
async fn loads_run_and_report() {
    let cluster = Cluster::start().await;
    let endpoints = cluster.endpoints();
    let native: Vec<String> = (0..3)
        .map(|at| format!("127.0.0.1:{}", cluster.native_port(at)))
        .collect();
    let native = native.join(",");
    let put = [
        "bench",
        "put",
        "--seconds",
        "1",
        "--callers",
        "6",
        "--endpoints",
        &endpoints,
    ];
    let pipelined = [
        "bench",
        "native",
        "--seconds",
        "1",
        "--outstanding",
        "100",
        "--native-endpoints",
        &native,
        "--endpoints",
        &endpoints,
    ];
    for arguments in [&put[..], &pipelined] {
        let output = run(arguments);
        assert!(output.status.success(), "{}", complaint(&output));
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(text.contains("errors    0\n"), "{text}");
        assert_eq!(text.matches("us/request").count(), 3, "{text}");
    }
}
