//! The hostile clients beside honest ones.

use serde::Serialize;
use token_gateway_testkit::hostile::Kind;

/// Honest clients.
pub const CLIENTS: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Company {
    Nobody,
    /// Clients that pipeline requests and read no answer.
    Pipeliners,
    /// Clients that read the largest file, as fast as it comes.
    Files,
}

pub const ALL: [Company; 3] = [Company::Nobody, Company::Pipeliners, Company::Files];

impl Company {
    pub fn name(self) -> &'static str {
        match self {
            Self::Nobody => "alone",
            Self::Pipeliners => "beside 50 clients that write requests without end, and read no answer",
            Self::Files => "beside 64 clients that read a file of 1.5 MB, again and again",
        }
    }

    pub fn kinds(self) -> &'static [(Kind, usize)] {
        match self {
            Self::Nobody => &[],
            Self::Pipeliners => &[(Kind::Pipeliner, 50)],
            Self::Files => &[(Kind::FileFlood, 64)],
        }
    }
}
