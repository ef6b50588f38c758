//! Clients that take without giving: none of them keeps a node from the others.

mod arrival;
mod crowd_gone;
mod crowded;
mod pipelined;
mod raw_client;
mod unread;
