//! Clients that take without giving: none of them keeps a node from the others.

mod arrival;
mod crowded;
mod huge_pages;
mod pipelined;
mod raw_client;
mod unread;
