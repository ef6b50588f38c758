#![doc = include_str!("../README.md")]

pub mod cli;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod http;
pub mod session;
pub mod startup;
pub mod store;
pub mod telemetry;
pub mod token;
