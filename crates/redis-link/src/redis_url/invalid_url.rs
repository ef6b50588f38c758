//! The error of `REDIS_URL`.

/// Why a text is no `REDIS_URL`, and the right form. It repeats nothing of the text: whatever part is wrong, a
/// password may have got there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// Another scheme than those of Redis, or none.
    #[error(
        "must be redis://[user:password@]host[:port][/db], redis+sentinel://host:port,host:port/master-name or \
         redis+cluster://host:port,host:port; rediss in place of redis for TLS"
    )]
    Scheme,
    /// A path of a socket.
    #[error(
        "names a Unix socket, which the gateway cannot use; name host and port, such as redis://127.0.0.1:6379"
    )]
    UnixSocket,
    /// Several servers, some of them under another scheme.
    #[error(
        "names servers with different schemes; write the same one before each, such as rediss://one,rediss://two"
    )]
    MixedSchemes,
    /// A character of user or password that ends them.
    #[error("the user or the password holds '{0}'; percent-encode it, as %{code:02X}", code = u32::from(*.0))]
    Raw(char),
    /// A `%` that begins no escape.
    #[error("the user or the password holds '%' without two hex digits behind it; percent-encode it, as %25")]
    BrokenEscape,
    /// Escapes that stand for no text.
    #[error("the user or the password is no UTF-8 once its %-escapes are decoded; percent-encode its UTF-8")]
    NotUtf8,
    /// No user and no password of Redis has one. It came from a file with a line end, which was then encoded.
    #[error("the user or the password holds a control character, such as %0A, a line end; leave it out")]
    ControlCharacter,
    /// A user alone. Redis asks for a password, too.
    #[error(
        "names a user without a password; write user:password@host, :password@host for a password alone, or the host \
         alone where it has no password"
    )]
    NoPassword,
    /// Several servers, and several users.
    #[error("names servers with different users or passwords; give all servers one user and one password")]
    SeveralUsers,
    /// Nothing where a host must stand.
    #[error(
        "a host is missing; write redis://[user:password@]host[:port], and percent-encode '/', '?' and '#' in a password"
    )]
    NoHost,
    /// A text that is no host.
    #[error("a host is neither a name nor an IP address; write it as in redis://redis.example:6379")]
    Host,
    /// Several colons without brackets.
    #[error(
        "a host holds several colons; an IPv6 address must stand in brackets, such as redis://[::1]:6379"
    )]
    Ipv6,
    /// A port that is none.
    #[error(
        "a port must be a whole number from 1 to 65535, such as redis://host:6379; a password must end with @host"
    )]
    Port,
    /// A query or a fragment.
    #[error(
        "holds '{0}' behind the host, which means nothing here; leave it out, or percent-encode it in a password"
    )]
    Query(char),
    /// A database that is none.
    #[error("the database must be a whole number from 0 to 65535, such as redis://host:6379/0")]
    Database,
    /// A database of a Cluster.
    #[error("a Cluster has only database 0; leave the path away, as in redis+cluster://host:port,host:port")]
    ClusterDatabase,
    /// Sentinels without the name of what they watch.
    #[error("the master's name is missing; write redis+sentinel://host:port,host:port/master-name")]
    NoMasterName,
    /// Several servers, and several paths.
    #[error("names servers with different paths; write one path, behind the last server")]
    SeveralPaths,
}
