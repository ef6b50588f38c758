//! The kinds of hostile clients.

use std::io;

use super::client::Client;
use super::{
    deaf_subscriber, file_flood, filler, list_hammer, login_hammer, never_reads, pipeliner, readiness_hammer,
    slow_head, unfinished_body,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Pipeliner,
    NeverReads,
    SlowHead,
    UnfinishedBody,
    ListHammer,
    ReadinessHammer,
    LoginHammer,
    DeafSubscriber,
    Filler,
    FileFlood,
}

impl Kind {
    /// One connection of a client, until it is closed.
    pub(super) async fn attack(self, client: &Client) -> io::Result<()> {
        match self {
            Self::Pipeliner => pipeliner::attack(client).await,
            Self::NeverReads => never_reads::attack(client).await,
            Self::SlowHead => slow_head::attack(client).await,
            Self::UnfinishedBody => unfinished_body::attack(client).await,
            Self::ListHammer => list_hammer::attack(client).await,
            Self::ReadinessHammer => readiness_hammer::attack(client).await,
            Self::LoginHammer => login_hammer::attack(client).await,
            Self::DeafSubscriber => deaf_subscriber::attack(client).await,
            Self::Filler => filler::attack(client).await,
            Self::FileFlood => file_flood::attack(client).await,
        }
    }
}
