//! Mistakes of new users: the message alone says what to do.

mod servers;
mod settings;
