//! A load balancer in front of gateways. Each connection goes to the next gateway that takes it. The balancer's address
//! stays while gateways come and go, so their issuer can be named after it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::gateway::Gateway;

pub struct Balancer {
    address: String,
    nodes: Arc<Nodes>,
}

#[derive(Default)]
struct Nodes {
    addresses: Mutex<Vec<String>>,
    next: AtomicUsize,
}

impl Balancer {
    /// Without any node yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let nodes = Arc::new(Nodes::default());
        let shared = nodes.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, shared.clone()));
            }
        });
        Self { address, nodes }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on new connections go to these.
    pub fn send_to(&self, nodes: &[&Gateway]) {
        *self.nodes.addresses.lock().unwrap() = nodes.iter().map(|node| node.address().to_owned()).collect();
    }
}

async fn carry(mut client: TcpStream, nodes: Arc<Nodes>) {
    let addresses = nodes.addresses.lock().unwrap().clone();
    let first = nodes.next.fetch_add(1, Ordering::Relaxed);
    for n in 0..addresses.len() {
        let address = &addresses[(first + n) % addresses.len()];
        if let Ok(mut node) = TcpStream::connect(address).await {
            let _ = copy_bidirectional(&mut client, &mut node).await;
            return;
        }
    }
}
