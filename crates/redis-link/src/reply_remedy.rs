//! The code and the text of an error reply, and the remedy of a reply that passes by itself.

use redis::RedisError;

use crate::reason::Reason;
use crate::reply_text;

/// The remedy where a server says that another one has the key.
pub(crate) const OTHER_SERVER: &str =
    "another server of the Cluster has the key; let REDIS_URL begin with redis+cluster://";

/// Code and text of an error reply. For commands sent together: those of the first failure.
pub(crate) fn code_and_text(error: &RedisError) -> Option<(String, String)> {
    let of_several = || {
        let first = error.clone().into_server_errors()?.first()?.1.clone();
        Some((first.code().to_owned(), first.details().unwrap_or_default().to_owned()))
    };
    let text = error.detail().map(str::to_owned);
    let alone =
        error.code().filter(|_| text.is_some()).map(|code| (code.to_owned(), text.unwrap_or_default()));
    alone.or_else(of_several).or_else(|| Some((error.code()?.to_owned(), String::new())))
}

/// `answered CODE`, and the text that the server gave.
pub(crate) fn answered(code: &str, command: Option<&str>, text: &str) -> String {
    let command =
        command.filter(|_| code != "NOAUTH").map(|command| format!(" to {command}")).unwrap_or_default();
    let text = reply_text::safe(text);
    let text = if text.is_empty() { text } else { format!(" ({text})") };
    format!("answered {code}{command}{text}")
}

/// The reason behind a reply that passes by itself, or that another server would not give.
pub(crate) fn of_passing(code: &str, text: &str) -> Reason {
    let remedy = match code {
        "LOADING" => "wait until it has loaded its data",
        "BUSY" => "wait, or end the script with SCRIPT KILL",
        "READONLY" => "it is a replica; let REDIS_URL lead to the primary",
        "MASTERDOWN" => "it is a replica without its primary; let REDIS_URL lead to the primary",
        "NOREPLICAS" => "start its replicas, or lower min-replicas-to-write",
        "CLUSTERDOWN" => "bring back the servers of the missing slots; redis-cli --cluster check names them",
        "TRYAGAIN" => "a slot is on the move; wait until its move is over",
        "MOVED" | "ASK" => OTHER_SERVER,
        _ if text.contains("max number of clients") => "raise maxclients, or close other clients",
        _ if text.contains("non local key") => "a slot is on the move; wait until its move is over",
        _ => "look at its log",
    };
    (answered(code, None, text), remedy.into())
}
