//! The HTTP surface, one file per resource; `POST /oauth/token` has three.

mod clients;
pub mod craft;
mod docs;
mod health;
mod introspect;
mod jwt;
mod key_set;
mod me;
mod metadata;
mod openapi;
mod revocations;
mod revoke;
mod rotation;
mod secrets;
mod sessions;
mod state;
mod token;
mod users;
mod verify;
mod verify_bodies;
