//! The reply of a script: a word, the server's time, then values in the order of the script's header.

use std::str::FromStr;
use std::vec;

use redis::Value;
use token_gateway_core::clock::Timestamp;
use token_gateway_core::feed::EndedSession;
use token_gateway_core::session::SessionId;

use crate::store::{EndedMany, Error};

pub(super) struct Reply {
    word: String,
    pub time: Timestamp,
    rest: vec::IntoIter<Value>,
}

impl Reply {
    pub fn new(value: Value) -> Result<Self, Error> {
        let Value::Array(values) = value else {
            return Err(Error::Corrupt("a script's reply is no array".into()));
        };
        let mut reply = Self { word: String::new(), time: Timestamp(0), rest: values.into_iter() };
        reply.word = reply.text()?;
        reply.time = reply.time()?;
        Ok(reply)
    }

    pub fn word(&self) -> &str {
        &self.word
    }

    /// For the `_` arm of a decoder: the script and its decoder disagree.
    pub fn unexpected<T>(&self) -> Result<T, Error> {
        Err(Error::Corrupt(format!("unexpected word '{}' from a script", self.word)))
    }

    pub fn is_empty(&self) -> bool {
        self.rest.len() == 0
    }

    pub fn text(&mut self) -> Result<String, Error> {
        match self.rest.next() {
            Some(Value::BulkString(bytes)) => {
                String::from_utf8(bytes).map_err(|_| Error::Corrupt("a stored value is no UTF-8".into()))
            }
            _ => Err(Error::Corrupt("a script's reply is too short, or holds no string".into())),
        }
    }

    pub fn parse<T: FromStr>(&mut self, what: &str) -> Result<T, Error> {
        self.text()?.parse().map_err(|_| Error::Corrupt(format!("stored '{what}' cannot be read")))
    }

    pub fn time(&mut self) -> Result<Timestamp, Error> {
        self.parse("time").map(Timestamp)
    }

    /// A time, or empty for none.
    pub fn optional_time(&mut self) -> Result<Option<Timestamp>, Error> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        let time = text.parse().map_err(|_| Error::Corrupt("a stored time cannot be read".into()))?;
        Ok(Some(Timestamp(time)))
    }

    /// The expiry of a key; Redis sends it in milliseconds.
    pub fn expiry(&mut self) -> Result<Timestamp, Error> {
        let micros = self.parse::<u64>("expiry")?.checked_mul(1000);
        micros.map(Timestamp).ok_or_else(|| Error::Corrupt("stored 'expiry' cannot be read".into()))
    }

    /// `0` or `1`.
    pub fn flag(&mut self) -> Result<bool, Error> {
        Ok(self.text()? == "1")
    }

    /// The number of sessions ended now, then sid and reason of these, then of earlier ends.
    pub fn ended(&mut self) -> Result<EndedMany, Error> {
        let count: usize = self.parse("count")?;
        let mut all = Vec::new();
        while !self.is_empty() {
            let session: SessionId = self.parse("sid")?;
            all.push(EndedSession { session, reason: self.parse("reason")? });
        }
        if count > all.len() {
            return Err(Error::Corrupt("a script's reply is too short".into()));
        }
        let before = all.split_off(count);
        Ok(EndedMany { now: all, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(values: &[&str]) -> Reply {
        let values = values.iter().map(|value| Value::BulkString(value.as_bytes().to_vec()));
        Reply::new(Value::Array(values.collect())).unwrap()
    }

    #[test]
    fn an_expiry_that_no_clock_can_show_is_corrupt() {
        assert_eq!(reply(&["live", "1", "1800604800000"]).expiry(), Ok(Timestamp(1_800_604_800_000_000)));
        for expiry in ["-1", "18446744073709551615"] {
            assert!(matches!(reply(&["live", "1", expiry]).expiry(), Err(Error::Corrupt(_))), "{expiry}");
        }
    }
}
