//! Clients that take without giving: none of them keeps a node from the others.

mod arrival;
mod crowded;
mod few_descriptors;
mod huge_pages;
mod pipelined;
pub mod raw_client;
mod unread;
