//! The arrangements to compare, and the clients of each.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use redis::Value;
use serde::Serialize;
use token_gateway::gateway::service_keys::NewServiceKey;
use token_gateway::store::redis::layout::Layout;
use token_gateway::store::redis::scripts::{create, rotate};
use token_gateway_core::session::{Jti, SessionId, Subject};

use crate::chain::{Asking, CLAIMS, Chain, Posting, Refreshing, Rotating, member};
use crate::load::{Client, closed};
use crate::process::{Process, environment};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrangement {
    /// `EVALSHA` of `rotate.lua` straight to Redis, one unpipelined connection per client: the limit.
    Direct,
    /// `token-gateway serve`.
    Gateway,
    /// `token-gateway serve` of the build before, if there is one to compare with.
    Before,
    /// The gateway over one bare multiplexed connection per worker.
    Bare,
    /// The gateway over a pool, with a connection checked out for each call.
    Checkout,
    /// `GET /livez` of `token-gateway serve`: a handler that does nothing, on the same server.
    Empty,
    /// `GET /verify` of `token-gateway serve`: each client asks about its own access token again and again, as a proxy
    /// does.
    Verify,
    /// A handler on the bare HTTP library. It reads a request of the same size and does nothing.
    Library,
}

pub const ALL: [Arrangement; 8] = [
    Arrangement::Direct,
    Arrangement::Gateway,
    Arrangement::Before,
    Arrangement::Bare,
    Arrangement::Checkout,
    Arrangement::Empty,
    Arrangement::Verify,
    Arrangement::Library,
];

impl Arrangement {
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "straight to Redis",
            Self::Gateway => "token-gateway",
            Self::Before => "token-gateway, before",
            Self::Bare => "bare multiplexed",
            Self::Checkout => "checkout per call",
            Self::Empty => "empty handler",
            Self::Verify => "verify",
            Self::Library => "bare actix-web",
        }
    }
}

/// The time within which a node must accept tokens. It needs the feed first, and Redis has just started.
const PATIENCE: Duration = Duration::from_secs(10);

/// An arrangement at work.
pub struct Running {
    pub arrangement: Arrangement,
    /// `None` if the clients talk to Redis themselves.
    pub node: Option<Process>,
    key: NewServiceKey,
}

impl Running {
    pub fn start(arrangement: Arrangement, gateway: &Path, redis: &Process) -> Result<Self> {
        let key = NewServiceKey::generate("bench", &[])?;
        let own = |kind: &str| {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["node", kind]);
            Ok::<_, anyhow::Error>(command)
        };
        let command = match arrangement {
            Arrangement::Direct => None,
            Arrangement::Gateway | Arrangement::Before | Arrangement::Empty | Arrangement::Verify => {
                let mut command = Command::new(gateway);
                command.arg("serve");
                Some(command)
            }
            Arrangement::Bare => Some(own("bare")?),
            Arrangement::Checkout => Some(own("checkout")?),
            Arrangement::Library => Some(own("empty")?),
        };
        let started = command.map(|mut command| {
            Process::node(command.env_clear().envs(environment(redis, &key)))
                .with_context(|| arrangement.name())
        });
        Ok(Self { arrangement, node: started.transpose()?, key })
    }

    /// Clients with a session each, connected and past their first request.
    pub async fn clients(&self, redis: &Process, count: usize) -> Result<Vec<Client>> {
        // All logins come first, and the connections after them. A node deals its connections out to its workers in
        // turn. If logins and connections took turns, all clients of a node with two workers would be on one worker.
        let chain = |n| self.chain(redis, &format!("{:?}-{count}-{n}", self.arrangement), n);
        let chains = (0..count).map(chain).collect::<Result<Vec<_>>>()?;
        let mut clients = Vec::with_capacity(count);
        for (address, chain) in chains {
            clients.push(Client::connect(address, chain).await?);
        }
        let (clients, seen) = closed(clients, Duration::from_millis(1)).await;
        anyhow::ensure!(seen.failures.is_empty(), "{}: {:?}", self.arrangement.name(), seen.failures);
        Ok(clients)
    }

    fn chain<'a>(&'a self, redis: &'a Process, sub: &str, n: usize) -> Result<(&'a str, Box<dyn Chain>)> {
        let Some(node) = &self.node else { return Ok((&redis.address, Box::new(rotating(redis, sub)?))) };
        let host = node.address.as_str();
        Ok((
            host,
            match self.arrangement {
                Arrangement::Empty => Box::new(Asking::alive(host)),
                Arrangement::Verify => Box::new(Asking::verify(host, &self.admitted(host, sub)?)),
                Arrangement::Library => Box::new(Posting::new(host)),
                _ => Box::new(Refreshing::new(host, n as u64, self.login(host, sub, "refresh_token")?)),
            },
        ))
    }

    /// An access token, after the node has read the feed and so accepts the token.
    fn admitted(&self, host: &str, sub: &str) -> Result<String> {
        let token = self.login(host, sub, "access_token")?;
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let began = Instant::now();
        loop {
            let ask =
                agent.get(format!("http://{host}/verify")).header("Authorization", format!("Bearer {token}"));
            match ask.call()?.status().as_u16() {
                200 => return Ok(token),
                status => anyhow::ensure!(began.elapsed() < PATIENCE, "a node does not verify: {status}"),
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The named token of a new session.
    fn login(&self, host: &str, sub: &str, token: &str) -> Result<String> {
        let login = ureq::post(format!("http://{host}/v1/sessions"))
            .header("Authorization", format!("Bearer {}", self.key.key))
            .header("Content-Type", "application/json")
            .send(format!(r#"{{"sub":"{sub}","claims":{CLAIMS}}}"#));
        let answer = login?.body_mut().read_to_string()?;
        Ok(member(&answer, token).context("no token")?.to_owned())
    }
}

/// A session as the gateway makes it, for a client with its own connection to Redis.
fn rotating(redis: &Process, sub: &str) -> Result<Rotating> {
    let (subject, session): (Subject, _) = (sub.parse()?, SessionId::random());
    let (jti, [record, set]) = (Jti::first(session), Layout::new("tg").both(&subject, session));
    let mut connection = redis::Client::open(redis.redis_url())?.get_connection()?;
    redis::cmd("SCRIPT").arg("LOAD").arg(rotate::SCRIPT.lua.source()).exec(&mut connection)?;
    let create = redis::Script::new(create::SCRIPT.lua.source());
    let mut create = create.key(&record);
    create.key(&set).arg(jti.as_str()).arg("9999999999999999").arg(604_800_000).arg(7_776_000_000_u64);
    create.arg(100).arg(86_400_000).arg(CLAIMS).arg("").arg("bench").arg("").arg("");
    create.invoke::<Value>(&mut connection)?;
    Ok(Rotating::new([record, set], jti))
}
