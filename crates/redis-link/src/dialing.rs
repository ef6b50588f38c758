//! Opening a connection: the way to the server, then the login and the database.

use std::sync::Arc;
use std::time::Duration;

use deadpool::managed::Manager as _;
use futures_util::future::BoxFuture;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisError, make_extension_error};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::address::{Address, Dialer};
use crate::reply_remedy::code_and_text;
use crate::sent::Sent;
use crate::server::Server;
use crate::transport_remedy;
use crate::wire::{error_of, send, unavailable};
use crate::{Diagnosis, LinkError};

/// The words of servers in replies to `AUTH` and `SELECT`.
const LOGIN_WORDS: [&str; 14] = [
    "without any password configured",
    "invalid username-password pair or user is disabled",
    "invalid password",
    "but no password is set",
    "Authentication required",
    "unknown command",
    "wrong number of arguments",
    "has no permissions to run",
    "max number of clients reached",
    "protected mode",
    "is loading the dataset in memory",
    "DB index is out of range",
    "invalid DB index",
    "SELECT is not allowed in cluster mode",
];

impl Dialer {
    /// The server at an address.
    pub fn server(&self, address: &Address) -> Server {
        Server { address: address.clone(), role: self.role, over_tls: self.tls.is_some(), announcer: None }
    }

    /// Opens a connection. Responses have no timeout of their own: the caller's deadline covers the whole request. Boxed,
    /// because the layers of a pool around it would make a type too deep for the compiler.
    pub fn dial<'a>(
        &'a self,
        server: &'a Arc<Server>,
        within: Duration,
    ) -> BoxFuture<'a, Result<MultiplexedConnection, LinkError>> {
        Box::pin(self.opened(server, within))
    }

    async fn opened(
        &self,
        server: &Arc<Server>,
        within: Duration,
    ) -> Result<MultiplexedConnection, LinkError> {
        let is_plain = async {
            sleep(within / 10).await; // a server that speaks TLS has answered by then
            answers_without_tls(&server.address).await
        };
        tokio::select! {
            biased;
            opened = timeout(within, self.open(server, within)) => {
                opened.unwrap_or_else(|_| Err(Diagnosis::late(Some(server.clone()), within).into()))
            }
            true = is_plain, if server.over_tls => Err(plain_port(server)),
        }
    }

    /// Connects and logs in. A silent server would leave the login without an answer for ever.
    async fn open(&self, server: &Arc<Server>, within: Duration) -> Result<MultiplexedConnection, LinkError> {
        let opened = self.connect(&server.address, within).await;
        let mut connection = opened.map_err(|error| unavailable(&error, server))?;
        for (command, name) in self.login() {
            let sent = |_: &str| Sent::new(name, "");
            let answer = send(&mut connection, &command).await;
            answer.map_err(|error| error_of(&in_known_words(error), server, sent))?;
        }
        Ok(connection)
    }

    async fn connect(
        &self,
        address: &Address,
        within: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(within))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(1024);
        deadpool_redis::Manager::new_with_config(self.connection_info(address)?, config)?.create().await
    }

    /// The commands before any other, and their names.
    fn login(&self) -> impl Iterator<Item = (Cmd, &'static str)> {
        let password = self.redis.password().map(|password| {
            let mut auth = redis::cmd("AUTH");
            auth.arg(self.redis.username().filter(|name| !name.is_empty())).arg(password);
            (auth, "AUTH")
        });
        let database = (self.redis.db() != 0).then(|| {
            let mut select = redis::cmd("SELECT");
            select.arg(self.redis.db());
            (select, "SELECT")
        });
        password.into_iter().chain(database)
    }
}

/// An error reply with the words of the list, and no others: another program on the port may repeat the password.
fn in_known_words(error: RedisError) -> RedisError {
    let Some((code, text)) = code_and_text(&error) else { return error };
    let words = LOGIN_WORDS.into_iter().find(|words| text.contains(words)).unwrap_or_default();
    make_extension_error(code, Some(words.to_owned()))
}

fn plain_port(server: &Arc<Server>) -> LinkError {
    let (cause, remedy) = transport_remedy::of_plain_port();
    Diagnosis::new(server.clone(), cause, remedy).into()
}

/// Whether a server answers a plain command. Redis keeps the beginning of a TLS handshake for the beginning of a command,
/// and waits for its end.
async fn answers_without_tls(address: &Address) -> bool {
    let asking = async {
        let mut stream = TcpStream::connect((address.host.as_str(), address.port)).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        stream.read_u8().await.ok()
    };
    matches!(asking.await, Some(b'+' | b'-'))
}
