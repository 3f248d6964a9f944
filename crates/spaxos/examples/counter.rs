//! A counter on three replicas in this process: increments through all of them, with a failover.

use std::net::{SocketAddr, TcpListener};

use bytes::Bytes;
use spaxos::{Client, ClientOptions, Consistency, Context, Member, Node, Options, StateMachine};

#[derive(Default)]
struct Counter(u64);

impl StateMachine for Counter {
    fn execute(&mut self, _context: &Context, command: &[u8], reply: &mut Vec<u8>) {
        self.0 += u64::from(command == b"increment");
        reply.extend_from_slice(&self.0.to_le_bytes());
    }

    fn query(&self, _query: &[u8], reply: &mut Vec<u8>) {
        reply.extend_from_slice(self.0.to_string().as_bytes());
    }
}

async fn increment(addresses: Vec<String>, times: u64) -> Result<(), spaxos::ClientError> {
    // Each client has a session: whatever is sent twice is executed once.
    let client = Client::connect(addresses, ClientOptions::default()).await;
    let client = client.expect("one of three members answers");
    for _ in 0..times {
        client.submit(Bytes::from_static(b"increment")).await?;
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let ports: Vec<TcpListener> = (0..6).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
    let ports: Vec<SocketAddr> = ports.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let members: Vec<Member> = (0..3).map(|i| Member::new(i + 1, ports[i as usize].to_string())).collect();
    let start = |i: usize| {
        let data = dir.path().join(format!("r{}", i + 1));
        let options = Options::new(1, i as u64 + 1, members.clone(), ports[i], data);
        Node::start(options.with_clients(ports[3 + i]), Box::<Counter>::default())
    };
    let mut nodes = vec![start(0).await?, start(1).await?, start(2).await?];

    let addresses = |i: usize| (0..3).map(|k| ports[3 + (i + k) % 3].to_string()).collect();
    let clients: Vec<_> = (0..3).map(|i| tokio::spawn(increment(addresses(i), 1000))).collect();
    increment(addresses(0), 100).await?; // meanwhile a leader has emerged
    let leader = nodes[0].handle().status().leader.map_or(0, |id| id.0 as usize - 1);
    nodes.remove(leader).shutdown().await?; // its clients go on at another replica
    increment(addresses(0), 100).await?;
    nodes.insert(leader, start(leader).await?);
    for client in clients {
        client.await??;
    }
    for (i, node) in nodes.iter().enumerate() {
        let count = node.handle().read(Bytes::new(), Consistency::Linearizable).await?;
        println!("replica {}: {}", i + 1, String::from_utf8_lossy(&count.bytes));
    }
    Ok(())
}
