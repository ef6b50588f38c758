//! The HTTP surface, one file per resource; `POST /oauth/token` has three.

mod clients;
pub mod craft;
mod health;
mod jwt;
mod me;
mod revoke;
mod rotation;
mod secrets;
mod sessions;
mod state;
mod token;
mod users;
