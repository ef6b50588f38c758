//! Commands and answers of one connection, and the meaning of its errors.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, RedisError, Value};
use token_gateway_core::clock::Timestamp;

use crate::sent::Sent;
use crate::server::Server;
use crate::{Call, Diagnosis, ErrorReply, LinkError};

/// The longest that opening a connection may take, its first call included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a call waits for its turn when as many as allowed are in flight.
pub const POOL_WAIT_TIMEOUT: Duration = Duration::from_millis(100);

/// The error of a command to a server.
pub fn unavailable(error: &RedisError, server: &Arc<Server>) -> LinkError {
    error_of(error, server, |_| Sent::default())
}

/// The same; `sent` tells what was sent, for a text of the server that does not.
pub(crate) fn error_of(
    error: &RedisError,
    server: &Arc<Server>,
    sent: impl FnOnce(&str) -> Sent,
) -> LinkError {
    match ErrorReply::of(error, server, sent) {
        Some(reply) => LinkError::Replied(reply),
        None => Diagnosis::of(error, server).into(),
    }
}

/// Sends a command. An error that the server answers is an error here, too.
///
/// # Errors
///
/// When the connection fails, or the server answers with an error.
pub async fn send(connection: &mut MultiplexedConnection, command: &Cmd) -> Result<Value, RedisError> {
    match connection.send_packed_command(command).await? {
        Value::ServerError(error) => Err(error.into()),
        value => Ok(value),
    }
}

/// Sends a script by its source, so the server need not know it.
///
/// # Errors
///
/// When the connection fails, or the server refuses the script.
pub async fn eval(
    connection: &mut MultiplexedConnection,
    server: &Arc<Server>,
    call: &Call,
) -> Result<Value, LinkError> {
    let answer = send(connection, &call.eval()).await;
    answer.map_err(|error| error_of(&error, server, |text| call.sent("EVAL", text)))
}

/// An answer; `None` where the user may not ask, or the server does not know the question.
///
/// # Errors
///
/// When the server answers with another error, or with no text.
pub fn optional_text(answer: Value) -> Result<Option<String>, RedisError> {
    match answer {
        Value::ServerError(error) if matches!(error.code(), "NOPERM" | "ERR") => Ok(None),
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(Some(redis::from_redis_value(answer)?)),
    }
}

/// Redis `TIME`.
pub async fn ask_time(connection: &mut MultiplexedConnection) -> Result<Timestamp, RedisError> {
    send(connection, &redis::cmd("TIME")).await.and_then(read_time)
}

pub fn read_time(value: Value) -> Result<Timestamp, RedisError> {
    let (seconds, micros): (u64, u64) = redis::from_redis_value(value)?;
    Ok(Timestamp(seconds * 1_000_000 + micros))
}
