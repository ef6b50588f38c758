//! Commands and answers of one connection, and the words for its errors.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, ErrorKind, RedisError, Value};
use token_gateway_core::clock::Timestamp;

use crate::error_reply::OTHER_SERVER;
use crate::sent::Sent;
use crate::{ErrorReply, LinkError};

/// The longest that opening a connection may take, its first call included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a call waits for its turn when as many as allowed are in flight.
pub const POOL_WAIT_TIMEOUT: Duration = Duration::from_millis(100);

/// The error of a command. The server's text may repeat what was sent, so it is left out.
pub fn unavailable(error: &RedisError) -> LinkError {
    error_of(error, |_| Sent::default())
}

/// The same; `sent` tells what was sent, for a text of the server that does not.
pub(crate) fn error_of(error: &RedisError, sent: impl FnOnce(&str) -> Sent) -> LinkError {
    match ErrorReply::of(error, sent) {
        Some(reply) => LinkError::Replied(reply),
        None => LinkError::Unavailable(describe_with_settings(error, "REDIS_URL")),
    }
}

/// For logs. A refused login names the settings with user and password.
pub fn describe_with_settings(error: &RedisError, settings: &str) -> String {
    let is_refused = error.kind() == ErrorKind::AuthenticationFailed
        || matches!(code_of(error).as_deref(), Some("NOAUTH" | "WRONGPASS"));
    let hint = if is_refused { format!(" (user and password: {settings})") } else { String::new() };
    describe(error) + &hint
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

/// For logs: an error of the server by its code alone, because its text may repeat what was sent.
pub fn describe(error: &RedisError) -> String {
    match code_of(error).as_deref() {
        None => error.to_string(),
        Some(code @ ("MOVED" | "ASK")) => format!("Redis answered {code}: {OTHER_SERVER}"),
        Some(code) => format!("Redis answered {code}"),
    }
}

/// The code of an error. For commands sent together: the code of the first failure.
fn code_of(error: &RedisError) -> Option<String> {
    let first = || Some(error.clone().into_server_errors()?.first()?.1.code().to_owned());
    error.code().map(str::to_owned).or_else(first)
}
