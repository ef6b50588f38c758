//! Races, late and doubled calls, Redis gone: several gateway processes on one real Redis.

mod cluster;
mod drain;
mod feed;
mod frames;
mod late;
mod lost;
mod outage;
mod proxy;
mod races;
mod rollback;
mod sentinel;
mod supervisor;
mod tls;
