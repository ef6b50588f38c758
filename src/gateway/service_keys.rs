//! Access to the service endpoints: keys of trusted backends, stored as hashes.

use std::fmt::Write as _;
use std::str::FromStr;

use aws_lc_rs::{digest, rand};
use subtle::ConstantTimeEq;

/// A permission of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Create sessions.
    Issue,
    /// Introspect tokens (RFC 7662).
    Introspect,
    /// See, change and end users' sessions.
    Manage,
    /// Read the revocation feed.
    Feed,
    /// Read the security events. It is reserved: no endpoint asks for this role yet.
    Events,
}

impl Role {
    pub const ALL: [Self; 5] = [Self::Issue, Self::Introspect, Self::Manage, Self::Feed, Self::Events];

    /// Whether nothing serves it yet.
    pub fn is_reserved(self) -> bool {
        self == Self::Events
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Introspect => "introspect",
            Self::Manage => "manage",
            Self::Feed => "feed",
            Self::Events => "events",
        }
    }
}

impl FromStr for Role {
    type Err = InvalidServiceKeys;

    fn from_str(text: &str) -> Result<Self, InvalidServiceKeys> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == text);
        role.ok_or_else(|| InvalidServiceKeys::Role(text.to_owned()))
    }
}

/// A backend that holds a valid key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    pub name: String,
    /// Empty means all.
    roles: Vec<Role>,
}

impl Service {
    pub fn may(&self, role: Role) -> bool {
        self.roles.is_empty() || self.roles.contains(&role)
    }
}

/// The parsed `SERVICE_KEYS`: `name[+role+role]=<SHA-256 of the key in hex>`, comma-separated. A name may
/// repeat while its key is replaced.
#[derive(Debug, Clone)]
pub struct ServiceKeys(Vec<(Service, [u8; 32])>);

/// Why a text is no [`ServiceKeys`], or no part of one. It repeats nothing of `SERVICE_KEYS`, not even a name: a secret
/// may have got there by mistake.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidServiceKeys {
    #[error(
        "needs at least one entry `name[+role+role]=<sha256 of the key, hex>`; see `token-gateway service-key new`"
    )]
    Empty,
    #[error("entry {0} lacks '='; expected `name[+role+role]=<sha256 of the key, hex>`")]
    Form(usize),
    #[error("entry {0}: the hash must be 64 hex digits, the SHA-256 of the key")]
    Hash(usize),
    #[error("entry {0}: the name must be 1 to 64 of A-Z a-z 0-9 . _ -")]
    EntryName(usize),
    #[error("entry {0}: a role must be issue, introspect, manage or feed; events is reserved")]
    EntryRole(usize),
    #[error("'{0}' is no service name; use 1 to 64 of A-Z a-z 0-9 . _ -")]
    Name(String),
    #[error(
        "'{0}' is no role; use issue, introspect, manage or feed; events is reserved, and nothing serves it yet"
    )]
    Role(String),
}

impl ServiceKeys {
    /// The service with this key. Compares hashes, each in constant time, all of them every time.
    pub fn find(&self, key: &str) -> Option<&Service> {
        self.matching(key, |_| true)
    }

    /// The same for a key with its service's name.
    pub fn find_named(&self, name: &str, key: &str) -> Option<&Service> {
        self.matching(key, |service| service.name == name)
    }

    /// The names of the services, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|(service, _)| service.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The services that may do nothing yet, because all their roles are reserved.
    pub fn reserved_only(&self) -> Vec<&str> {
        let is_idle =
            |service: &Service| !service.roles.is_empty() && service.roles.iter().all(|it| it.is_reserved());
        let services = self.0.iter().map(|(service, _)| service);
        services.filter(|it| is_idle(it)).map(|it| it.name.as_str()).collect()
    }

    fn matching(&self, key: &str, admits: impl Fn(&Service) -> bool) -> Option<&Service> {
        let hash = sha256(key);
        self.0.iter().fold(None, |found, (service, expected)| {
            let same: bool = expected.ct_eq(&hash).into();
            if same && admits(service) { Some(service) } else { found }
        })
    }
}

impl FromStr for ServiceKeys {
    type Err = InvalidServiceKeys;

    fn from_str(text: &str) -> Result<Self, InvalidServiceKeys> {
        let entries = text.split(',').map(str::trim).enumerate();
        let entries = entries.filter(|(_, entry)| !entry.is_empty());
        let keys = entries.map(|(i, entry)| parse_entry(i + 1, entry)).collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() { Err(InvalidServiceKeys::Empty) } else { Ok(Self(keys)) }
    }
}

fn parse_entry(number: usize, entry: &str) -> Result<(Service, [u8; 32]), InvalidServiceKeys> {
    let (service, hash) = entry.split_once('=').ok_or(InvalidServiceKeys::Form(number))?;
    let mut parts = service.split('+');
    let name = check_name(parts.next().unwrap_or_default());
    let name = name.map_err(|_| InvalidServiceKeys::EntryName(number))?;
    let roles = parts.map(str::parse).collect::<Result<Vec<Role>, _>>();
    let roles = roles.map_err(|_| InvalidServiceKeys::EntryRole(number))?;
    let hash = parse_hash(hash).ok_or(InvalidServiceKeys::Hash(number))?;
    Ok((Service { name, roles }, hash))
}

/// A service name, of characters that need no escapes in Basic credentials and in `SERVICE_KEYS`.
pub fn check_name(name: &str) -> Result<String, InvalidServiceKeys> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        Ok(name.to_owned())
    } else {
        Err(InvalidServiceKeys::Name(name.chars().take(64).collect()))
    }
}

fn parse_hash(hex: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(hash)
}

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
}

/// In lower case, as `SERVICE_KEYS` and Redis's files of users have it.
pub fn sha256_hex(text: &str) -> String {
    hex(&sha256(text))
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hash
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("strings take all that is written");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_found_by_itself_and_by_its_name_and_by_nothing_else() {
        let (web, old) = (NewServiceKey::generate("web", &[Role::Issue]).unwrap(), "web=".to_owned());
        let keys: ServiceKeys = format!("{}, {old}{}", web.entry, "0".repeat(64)).parse().unwrap();
        let service = keys.find(&web.key).expect("its own key");
        assert!(service.may(Role::Issue) && !service.may(Role::Manage));
        assert_eq!(keys.find_named("web", &web.key), Some(service));
        assert_eq!(keys.find_named("other", &web.key), None);
        assert_eq!(keys.find(&format!("{}x", web.key)), None);
        assert_eq!(keys.find(""), None);
    }

    #[test]
    fn a_service_without_roles_may_do_everything() {
        let key = NewServiceKey::generate("root", &[]).unwrap();
        let keys: ServiceKeys = key.entry.parse().unwrap();
        assert!(Role::ALL.iter().all(|role| keys.find(&key.key).unwrap().may(*role)));
    }

    #[test]
    fn broken_entries_are_refused_by_number_without_their_hash() {
        let hash = "ab".repeat(32);
        for text in ["", " , ", "web", &format!("w b={hash}"), &format!("web+admin={hash}"), "web=abc"] {
            let error = text.parse::<ServiceKeys>().unwrap_err().to_string();
            assert!(!error.contains(&hash), "{error}");
        }
        assert_eq!("web=zz".parse::<ServiceKeys>().unwrap_err(), InvalidServiceKeys::Hash(1));
    }
}
