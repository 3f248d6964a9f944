//! A counter on three replicas in this process: increments through all of them, with a failover.
#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use bytes::Bytes;
use spaxos::{Client, Consistency::Linearizable, Context, Member, Node, Options, StateMachine};

struct Counter(u64);

impl StateMachine for Counter {
    fn execute(&mut self, _context: &Context, _command: &[u8], _reply: &mut Vec<u8>) {
        self.0 += 1;
    }

    fn query(&self, _query: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(self.0.to_string().as_bytes());
    }
}

/// Each client has a session: whatever has to be sent twice is executed once.
async fn increment(members: Vec<String>, times: u64) {
    let client = Client::connect(members, spaxos::ClientOptions::default()).await;
    let client = client.expect("one of three members answers");
    for _ in 0..times {
        client.submit(Bytes::new()).await.expect("executed");
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let free = [(); 6].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let ports = free.map(|listener| listener.local_addr().expect("it is bound"));
    let members = [1, 2, 3].map(|id| Member::new(id, ports[id as usize - 1].to_string()));
    let start = |i: usize| {
        let data = dir.path().join(i.to_string());
        let options = Options::new(1, i as u64 + 1, members.to_vec(), ports[i], data);
        Node::start(options.with_clients(ports[3 + i]), Box::new(Counter(0)))
    };
    let mut nodes = vec![start(0).await?, start(1).await?, start(2).await?];

    // One client at each replica, each of which may go on at the others.
    let addresses = |i: usize| (0..3).map(|k| ports[3 + (i + k) % 3].to_string()).collect();
    let clients = [0, 1, 2].map(|i| tokio::spawn(increment(addresses(i), 500)));
    increment(addresses(0), 100).await;
    let status = nodes[0].handle().status();
    let leader = status.leader.expect("it has executed").0 as usize - 1;
    nodes.remove(leader).shutdown().await?;
    increment(addresses(0), 100).await;
    nodes.insert(leader, start(leader).await?);
    for client in clients {
        client.await?;
    }
    for (i, node) in nodes.iter().enumerate() {
        let count = node.handle().read(Bytes::new(), Linearizable).await?;
        println!("replica {}: {}", i + 1, count.bytes.escape_ascii());
    }
    Ok(())
}
