//! `token-gateway sessions`.

mod end;
mod ended;
mod list;
mod show;

/// A subject to break careless keys, paths and tables.
const HOSTILE: &str = "a}:{b ü%";

/// The same in a key.
const HOSTILE_KEY: &str = "a%7D%3A%7Bb%20%C3%BC%25";
