//! The HTTP surface, one file per resource; `POST /oauth/token` has three.

mod access_token_ids;
mod audiences;
mod clients;
pub mod craft;
mod devices;
mod docs;
mod health;
mod introspect;
mod jwt;
mod key_set;
mod lowered_settings;
mod me;
mod metadata;
mod numbers;
mod openapi;
mod parameters;
mod revocations;
mod revoke;
mod rotation;
mod secrets;
mod sessions;
mod state;
mod stray_bearer;
mod token;
mod users;
mod verify;
mod verify_bodies;
