//! The command line that etcd's users know, where it is installed.

use std::process::Command;

use crate::harness::Endpoint;

/// What `etcdctl` prints, or `None` where there is none.
async fn etcdctl(endpoint: &Endpoint, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    etcdctl_at(&endpoint.address.to_string(), arguments, input).await
}

/// As [`etcdctl`], with endpoints as they are typed. It is waited for on another thread.
async fn etcdctl_at(endpoints: &str, arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let endpoints = format!("--endpoints={endpoints}");
    let mut command = Command::new("etcdctl");
    command
        .env("ETCDCTL_API", "3")
        .arg(endpoints)
        .args(arguments);
    let input = input.to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        use std::io::Write as _;
        use std::process::Stdio;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        stdin.write_all(input.as_bytes()).ok()?;
        drop(stdin);
        child.wait_with_output().ok()
    });
    let output = ran.await.expect("the thread ends well")?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), text))
}

/// An endpoint, if there is an `etcdctl` to ask it.
async fn endpoint() -> Option<Endpoint> {
    let endpoint = Endpoint::start().await;
    let installed = etcdctl(&endpoint, &["version"], "").await.is_some();
    installed.then_some(endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn etcdctl_reads_and_writes() {
    let Some(endpoint) = endpoint().await else {
        return;
    };
    let transaction = "create(\"n\") = \"0\"\n\nput n 1\n\nget n\n\n";
    let steps: [(&[&str], &str, &str); 13] = [
        (&["put", "k1", "v1"], "", "OK\n"),
        (&["put", "k2", "v2"], "", "OK\n"),
        (&["put", "k2", "v3", "--prev-kv"], "", "OK\nk2\nv2\n"),
        (&["get", "k1"], "", "k1\nv1\n"),
        (&["get", "k", "--prefix", "--keys-only"], "", "k1\n\nk2\n\n"),
        (
            &["get", "k", "--prefix", "--rev=3", "--print-value-only"],
            "",
            "v1\nv2\n",
        ),
        (
            &[
                "get",
                "",
                "--prefix",
                "--sort-by=MODIFY",
                "--order=DESCEND",
                "--limit=1",
            ],
            "",
            "k2\nv3\n",
        ),
        (&["txn"], transaction, "SUCCESS\n\nOK\n"),
        (&["txn"], transaction, "FAILURE\n\nn\n1\n"),
        (&["del", "k", "--prefix"], "", "2\n"),
        (&["get", "k", "--prefix"], "", ""),
        (&["compact", "5"], "", "compacted revision 5\n"),
        (
            &["member", "list"],
            "",
            "a1, started, a, http://127.0.0.1:12380, http://127.0.0.1:12379, false\n",
        ),
    ];
    for (arguments, input, expected) in steps {
        let (succeeded, said) = etcdctl(&endpoint, arguments, input).await.expect("it runs");
        assert!(succeeded, "{arguments:?}: {said}");
        assert_eq!(said, expected, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn etcdctl_shows_the_endpoint() {
    let Some(endpoint) = endpoint().await else {
        return;
    };
    let shown: [(&[&str], &str); 4] = [
        (
            &["endpoint", "status", "-w", "table"],
            spaxos_etcd::ETCD_VERSION,
        ),
        (&["endpoint", "health"], "is healthy"),
        (&["member", "list", "-w", "table"], "started"),
        (&["endpoint", "status", "-w", "json"], "\"leader\":161"),
    ];
    for (arguments, expected) in shown {
        let (succeeded, said) = etcdctl(&endpoint, arguments, "").await.expect("it runs");
        assert!(
            succeeded && said.contains(expected),
            "{arguments:?}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn etcdctl_takes_urls() {
    let (Some(one), Some(other)) = (endpoint().await, endpoint().await) else {
        return;
    };
    let url = format!("http://{}", one.address);
    let both = format!("{url},http://{}", other.address);
    let steps: [(&str, &[&str], &str); 7] = [
        (&url, &["put", "k", "v"], "OK\n"),
        (&url, &["get", "k"], "k\nv\n"),
        (&url, &["endpoint", "status"], &url),
        (&url, &["endpoint", "health"], "is healthy"),
        (&url, &["member", "list"], "a1, started, a,"),
        (&both, &["endpoint", "status"], &other.address.to_string()),
        (&both, &["put", "k", "v"], "OK\n"),
    ];
    for (endpoints, arguments, expected) in steps {
        let (succeeded, said) = etcdctl_at(endpoints, arguments, "").await.expect("it runs");
        assert!(
            succeeded && said.contains(expected),
            "{endpoints} {arguments:?}: {said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn etcdctl_tells_why_it_is_refused() {
    let Some(endpoint) = endpoint().await else {
        return;
    };
    for n in 0..3 {
        endpoint.put("k", &n.to_string()).await;
    }
    assert_eq!(endpoint.compact(3).await, Ok(4));
    let refused: [(&[&str], &str); 3] = [
        (
            &["get", "k", "--rev=2"],
            "etcdserver: mvcc: required revision has been compacted",
        ),
        (
            &["put", "k", "v", "--lease=7"],
            "etcdserver: requested lease not found",
        ),
        (
            &["lease", "grant", "10"],
            "unknown method LeaseGrant for service etcdserverpb.Lease",
        ),
    ];
    for (arguments, expected) in refused {
        let (succeeded, said) = etcdctl(&endpoint, arguments, "").await.expect("it runs");
        assert!(
            !succeeded && said.contains(expected),
            "{arguments:?}: {said}"
        );
    }
}
