//! The cost of a process: its memory, the kernel's memory for its connections, and its processor time. Linux tells.

use std::process::Command;
use std::time::Duration;

use crate::gateway::Gateway;

/// Clock ticks of a second in `/proc`: 100 on every Linux.
const TICKS: u64 = 100;

#[derive(Debug, Clone, Copy, Default)]
pub struct Footprint {
    /// Bytes of the process.
    pub resident: u64,
    /// Bytes of the kernel for the node's ends of all connections to its port.
    pub kernel: u64,
    pub processor: Duration,
}

impl Footprint {
    pub fn of(node: &Gateway) -> Self {
        Self {
            resident: node.resident(),
            kernel: socket_memory(node.address()),
            processor: processor_time(node.id()),
        }
    }
}

fn processor_time(id: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit_once(") ").expect("a name").1.split(' ').collect();
    let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1000 / TICKS)
}

/// Bytes that wait to be read or to be sent by a server at this address, and the memory held ready for more.
pub fn socket_memory(address: &str) -> u64 {
    let port = address.rsplit_once(':').expect("a port").1;
    let ss = Command::new("ss").args(["-Htanm", &format!("sport = :{port}")]).output().expect("ss runs");
    let text = String::from_utf8_lossy(&ss.stdout).into_owned();
    let fields = text.split("skmem:(").skip(1).filter_map(|rest| rest.split(')').next());
    fields.flat_map(|fields| fields.split(',')).map(queued).sum()
}

/// The bytes of `r…` (received), `f…` (held ready) and `w…` (to be sent); other fields are limits and parts of these.
fn queued(field: &str) -> u64 {
    let bytes = field.strip_prefix(['r', 'f', 'w']).and_then(|bytes| bytes.parse().ok());
    bytes.unwrap_or(0)
}
