//! Lua scripts, and their calls.

use std::sync::OnceLock;

use redis::{Cmd, ToRedisArgs};

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

    /// By hash.
    pub(crate) fn evalsha(&self) -> &Cmd {
        &self.evalsha
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
