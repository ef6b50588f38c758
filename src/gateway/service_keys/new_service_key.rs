//! Making a service key.

use std::fmt::Write as _;

use aws_lc_rs::rand;

use super::hash::{hex, sha256_hex};
use super::invalid_service_keys::InvalidServiceKeys;
use super::words::{CONFIDENTIAL, Role, check_name};

/// A fresh service key. No `Debug`: it is a secret until only its hash is kept.
pub struct NewServiceKey {
    /// The key, to be sent by the service: `tgk` and 256 random bits in hex.
    pub key: String,
    /// The entry for `SERVICE_KEYS`.
    pub entry: String,
}

impl NewServiceKey {
    pub fn generate(name: &str, roles: &[Role]) -> Result<Self, InvalidServiceKeys> {
        let mut entry = check_name(name)?;
        let mut random = [0; 32];
        rand::fill(&mut random).expect("the operating system gives random bytes");
        let key = format!("tgk{}", hex(&random));
        for role in roles {
            write!(entry, "+{}", role.as_str()).expect("strings take all that is written");
        }
        write!(entry, "={}", sha256_hex(&key)).expect("strings take all that is written");
        Ok(Self { key, entry })
    }

    /// The same with the mark of a confidential client.
    pub fn confidential(mut self) -> Self {
        self.entry = self.entry.replacen('=', &format!("+{CONFIDENTIAL}="), 1);
        self
    }
}
