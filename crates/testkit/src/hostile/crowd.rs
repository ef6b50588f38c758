//! Many hostile clients at once, on a thread of their own.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::client::{Client, Target};
use super::kind::Kind;
use super::tally::Tally;

/// The rest of a client after its connection was closed.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Crowd {
    tally: Arc<Tally>,
    running: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Crowd {
    /// So many clients of each kind, each with one connection at a time.
    pub fn start(kinds: &[(Kind, usize)], target: &Target) -> Self {
        let (tally, target, kinds) = (Arc::new(Tally::default()), Arc::new(target.clone()), kinds.to_vec());
        let (stop, stopped) = oneshot::channel();
        let shared = tally.clone();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async move {
                for (number, kind) in all(&kinds).enumerate() {
                    tokio::spawn(go_on(kind, Client::new(number, target.clone(), shared.clone())));
                }
                let _ = stopped.await;
            });
        });
        Self { tally, running: Some((stop, thread)) }
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Closes all connections, and returns the counts.
    pub fn stop(mut self) -> Arc<Tally> {
        self.end();
        self.tally.clone()
    }

    fn end(&mut self) {
        if let Some((stop, thread)) = self.running.take() {
            let _ = stop.send(());
            thread.join().expect("no hostile client panics");
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.end();
    }
}

/// The kinds in turn, so that no kind takes all places first.
fn all(kinds: &[(Kind, usize)]) -> impl Iterator<Item = Kind> {
    let most = kinds.iter().map(|(_, count)| *count).max().unwrap_or(0);
    (0..most).flat_map(|n| kinds.iter().filter(move |(_, count)| n < *count).map(|(kind, _)| *kind))
}

/// Connects anew whenever the node has closed the connection.
async fn go_on(kind: Kind, client: Client) {
    loop {
        if kind.attack(&client).await.is_err() {
            client.tally.was_closed();
        }
        sleep(PAUSE).await;
    }
}
