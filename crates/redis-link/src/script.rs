//! Lua scripts, their calls, and their replies.
//!
//! A reply is a word, the server's time, then values in the order that the script's header says.

use std::str::FromStr;
use std::sync::OnceLock;
use std::vec;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, ToRedisArgs, Value};
use token_gateway_core::clock::Timestamp;

use crate::LinkError;
use crate::sent::Sent;

/// A script as the server knows it: by the SHA-1 of its source, or by the source itself.
#[derive(Debug)]
pub struct Script {
    source: &'static str,
    sha: OnceLock<String>,
}

impl Script {
    /// A script, hashed at its first call.
    pub const fn new(source: &'static str) -> Self {
        Self { source, sha: OnceLock::new() }
    }

    /// The text in Lua.
    pub const fn source(&self) -> &'static str {
        self.source
    }

    /// The name in the header: `-- rotate: …`.
    fn name(&self) -> Option<&'static str> {
        let header = self.source.lines().find_map(|line| line.strip_prefix("-- "));
        header?.split_once(": ").map(|(name, _)| name)
    }

    fn sha(&self) -> &str {
        self.sha.get_or_init(|| redis::Script::new(self.source).get_hash().to_owned())
    }
}

/// One call of a script, kept so that it can be sent by hash, by source, and once more.
///
/// ```
/// use token_gateway_redis_link::{Call, Script};
///
/// static ADD: Script = Script::new("return {'added', '0', redis.call('INCRBY', KEYS[1], ARGV[1])}");
///
/// let call = Call::new(&ADD, &["counter"]).arg(7);
/// let sent = String::from_utf8(call.eval().get_packed_command())?;
/// assert!(sent.contains("EVAL") && sent.contains("INCRBY"));
/// # Ok::<_, std::string::FromUtf8Error>(())
/// ```
#[derive(Clone)]
pub struct Call {
    script: &'static Script,
    evalsha: Cmd,
}

impl Call {
    /// A call with these keys, and without arguments yet.
    pub fn new(script: &'static Script, keys: &[&str]) -> Self {
        let mut evalsha = Cmd::with_capacity(16, 1024);
        evalsha.arg("EVALSHA").arg(script.sha()).arg(keys.len()).arg(keys);
        Self { script, evalsha }
    }

    /// With one argument more.
    pub fn arg(mut self, arg: impl ToRedisArgs) -> Self {
        self.evalsha.arg(arg);
        self
    }

    /// Sends the call by hash, and by source where the server does not know the script yet. `asking` where `ASK`
    /// redirected it.
    pub(crate) async fn send(
        &self,
        connection: &mut MultiplexedConnection,
        asking: bool,
    ) -> Result<Value, RedisError> {
        let answer = send_asking(connection, &self.evalsha, asking).await;
        if is_noscript(&answer) {
            return send_asking(connection, &self.eval(), asking).await;
        }
        answer
    }

    /// The command that failed: one of the script, or the call itself, sent as `command`.
    pub(crate) fn sent(&self, command: &str, text: &str) -> Sent {
        let command = self.command_of_line(text).unwrap_or_else(|| match self.script.name() {
            Some(name) => format!("{command} of {name}"),
            None => command.to_owned(),
        });
        Sent::with_patterns_of(Some(command), self.keys())
    }

    fn keys(&self) -> impl Iterator<Item = &[u8]> {
        let words = |arg| if let redis::Arg::Simple(bytes) = arg { bytes } else { &[][..] };
        let mut args = self.evalsha.args_iter().map(words).skip(2);
        let count = args.next().and_then(|count| str::from_utf8(count).ok()?.parse().ok());
        args.take(count.unwrap_or(0))
    }

    /// The command that failed: the server's text ends with the line, `… on @user_script:24.`
    fn command_of_line(&self, text: &str) -> Option<String> {
        let (_, rest) = text.rsplit_once("@user_script:")?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let line: usize = rest[..digits].parse().ok()?;
        let (_, call) = self.script.source.lines().nth(line.checked_sub(1)?)?.split_once("call('")?;
        Some(call.split_once('\'')?.0.to_owned())
    }

    /// For a server that does not know the script yet. Routed by key, unlike `SCRIPT LOAD`.
    pub fn eval(&self) -> Cmd {
        let mut eval = redis::cmd("EVAL");
        eval.arg(self.script.source);
        for arg in self.evalsha.args_iter().skip(2) {
            if let redis::Arg::Simple(bytes) = arg {
                eval.arg(bytes);
            }
        }
        eval
    }
}

/// Sends a command. `ASKING` travels with it, so nothing comes between them.
async fn send_asking(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    asking: bool,
) -> Result<Value, RedisError> {
    let answer = if asking {
        let mut both = redis::pipe();
        both.cmd("ASKING").ignore().add_command(command.clone());
        connection.send_packed_commands(&both, 1, 1).await?.pop().unwrap_or(Value::Nil)
    } else {
        connection.send_packed_command(command).await?
    };
    match answer {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// Whether the server does not know the script yet.
fn is_noscript(answer: &Result<Value, RedisError>) -> bool {
    answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))
}

/// An answer of a script. Each value is read once, in its order.
pub struct Reply {
    word: String,
    /// The time of the server.
    pub time: Timestamp,
    rest: vec::IntoIter<Value>,
}

impl Reply {
    /// Reads the word and the time.
    ///
    /// # Errors
    ///
    /// [`LinkError::Corrupt`] for an answer of another form.
    pub fn new(value: Value) -> Result<Self, LinkError> {
        let Value::Array(values) = value else {
            return Err(LinkError::Corrupt("a script's reply is no array".into()));
        };
        let mut reply = Self { word: String::new(), time: Timestamp(0), rest: values.into_iter() };
        reply.word = reply.text()?;
        reply.time = reply.time()?;
        Ok(reply)
    }

    /// The word that says which of its answers the script gave.
    pub fn word(&self) -> &str {
        &self.word
    }

    /// For the `_` arm of a decoder: the script and its decoder disagree.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn unexpected<T, E: From<LinkError>>(&self) -> Result<T, E> {
        Err(LinkError::Corrupt(format!("unexpected word '{}' from a script", self.word)).into())
    }

    /// Whether every value has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.len() == 0
    }

    /// The next value, as text.
    ///
    /// # Errors
    ///
    /// [`LinkError::Corrupt`] for an answer of another form.
    pub fn text(&mut self) -> Result<String, LinkError> {
        match self.rest.next() {
            Some(Value::BulkString(bytes)) => {
                String::from_utf8(bytes).map_err(|_| LinkError::Corrupt("a stored value is no UTF-8".into()))
            }
            _ => Err(LinkError::Corrupt("a script's reply is too short, or holds no string".into())),
        }
    }

    /// The next value, as another type. `name` stands in the error.
    ///
    /// # Errors
    ///
    /// [`LinkError::Corrupt`] for an answer of another form.
    pub fn parse<T: FromStr>(&mut self, name: &str) -> Result<T, LinkError> {
        self.text()?.parse().map_err(|_| LinkError::Corrupt(format!("stored '{name}' cannot be read")))
    }

    /// The next value, in microseconds.
    ///
    /// # Errors
    ///
    /// [`LinkError::Corrupt`] for an answer of another form.
    pub fn time(&mut self) -> Result<Timestamp, LinkError> {
        self.parse("time").map(Timestamp)
    }

    /// A time, or empty for none.
    ///
    /// # Errors
    ///
    /// [`LinkError::Corrupt`] for an answer of another form.
    pub fn optional_time(&mut self) -> Result<Option<Timestamp>, LinkError> {
        let text = self.text()?;
        if text.is_empty() {
            return Ok(None);
        }
        let time = text.parse().map_err(|_| LinkError::Corrupt("a stored time cannot be read".into()))?;
        Ok(Some(Timestamp(time)))
    }

    /// The expiry of a key, in milliseconds, as Redis counts it.
    ///
    /// # Errors
    ///
    /// [`LinkError::Corrupt`] for an answer of another form.
    pub fn expiry(&mut self) -> Result<Timestamp, LinkError> {
        let micros = self.parse::<u64>("expiry")?.checked_mul(1000);
        micros.map(Timestamp).ok_or_else(|| LinkError::Corrupt("stored 'expiry' cannot be read".into()))
    }

    /// `0` or `1`.
    ///
    /// # Errors
    ///
    /// [`LinkError::Corrupt`] for an answer of another form.
    pub fn flag(&mut self) -> Result<bool, LinkError> {
        Ok(self.text()? == "1")
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
    fn the_command_that_failed_is_that_of_its_line() {
        static END: Script = Script::new(
            "#!lua\nlocal now = redis.call('TIME')\nlocal n = 1\nredis.pcall('HDEL', KEYS[1], 'a')",
        );
        let call = Call::new(&END, &["key"]);
        let of_line =
            |line: usize| call.command_of_line(&format!("no right script: a64, on @user_script:{line}."));
        assert_eq!((of_line(2).as_deref(), of_line(4).as_deref()), (Some("TIME"), Some("HDEL")));
        assert_eq!([of_line(0), of_line(3), of_line(9)], [None, None, None]);
        assert_eq!(call.command_of_line("Redis is busy"), None);
    }

    #[test]
    fn a_call_that_is_refused_for_a_key_is_named_with_its_script_and_its_keys() {
        static END: Script = Script::new("#!lua\n-- end: ends it\nredis.call('HDEL', KEYS[1], 'a')");
        let call = Call::new(&END, &["tg:{alice}:session:7", "tg:{alice}:sessions"]).arg("secret");
        let sent = call.sent("EVALSHA", "No permissions to access a key");
        assert_eq!(sent.command.as_deref(), Some("EVALSHA of end"));
        assert_eq!(sent.keys, "tg:{*}:session:*, tg:{*}:sessions");
        assert_eq!(
            call.sent("EVALSHA", "no key script: a64, on @user_script:3.").command.as_deref(),
            Some("HDEL")
        );
    }

    #[test]
    fn an_expiry_that_no_clock_can_show_is_corrupt() {
        assert_eq!(reply(&["live", "1", "1800604800000"]).expiry(), Ok(Timestamp(1_800_604_800_000_000)));
        for expiry in ["-1", "18446744073709551615"] {
            assert!(matches!(reply(&["live", "1", expiry]).expiry(), Err(LinkError::Corrupt(_))), "{expiry}");
        }
    }
}
