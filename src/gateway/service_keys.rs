//! Access to the service endpoints: keys of trusted backends, stored as hashes.

mod guessable;
mod hash;
mod invalid_service_keys;
mod new_service_key;
mod words;

use std::str::FromStr;

use subtle::ConstantTimeEq;

pub use self::hash::sha256_hex;
use self::hash::{KeyHash, parse_hash, sha256};
pub use self::invalid_service_keys::InvalidServiceKeys;
pub use self::new_service_key::NewServiceKey;
pub use self::words::{CONFIDENTIAL, Role, check_name};

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

/// The parsed `SERVICE_KEYS`: `name[+role+role][+confidential]=<SHA-256 of the key in hex>`, comma-separated. A name may
/// repeat while its key is replaced.
#[derive(Debug, Clone)]
pub struct ServiceKeys(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    service: Service,
    hash: KeyHash,
    is_confidential: bool,
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

    /// Whether sessions of this client are refreshed and revoked with its key alone. While a key is replaced, the mark on one
    /// entry of the name counts.
    pub fn is_confidential(&self, client_id: &str) -> bool {
        self.0.iter().any(|entry| entry.is_confidential && entry.service.name == client_id)
    }

    /// The names of the services, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<_> = self.0.iter().map(|entry| entry.service.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The services that may do nothing yet, because all their roles are reserved.
    pub fn reserved_only(&self) -> Vec<&str> {
        let is_idle =
            |service: &Service| !service.roles.is_empty() && service.roles.iter().all(|it| it.is_reserved());
        let services = self.0.iter().map(|entry| &entry.service);
        services.filter(|it| is_idle(it)).map(|it| it.name.as_str()).collect()
    }

    /// An empty key is nobody's, whatever the entries say.
    fn matching(&self, key: &str, admits: impl Fn(&Service) -> bool) -> Option<&Service> {
        if key.is_empty() {
            return None;
        }
        let hash = sha256(key.as_bytes());
        self.0.iter().fold(None, |found, entry| {
            let same: bool = entry.hash.ct_eq(&hash).into();
            if same && admits(&entry.service) { Some(&entry.service) } else { found }
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

fn parse_entry(number: usize, entry: &str) -> Result<Entry, InvalidServiceKeys> {
    let (service, hash) = entry.split_once('=').ok_or(InvalidServiceKeys::Form(number))?;
    let mut parts = service.split('+');
    let name = check_name(parts.next().unwrap_or_default());
    let name = name.map_err(|_| InvalidServiceKeys::EntryName(number))?;
    let (marks, roles): (Vec<_>, Vec<_>) = parts.partition(|part| *part == CONFIDENTIAL);
    let roles = roles.into_iter().map(str::parse).collect::<Result<Vec<Role>, _>>();
    let roles = roles.map_err(|_| InvalidServiceKeys::EntryRole(number))?;
    let hash = parse_hash(hash).ok_or(InvalidServiceKeys::Hash(number))?;
    if let Some(known) = guessable::known(&hash, &name) {
        return Err(InvalidServiceKeys::Guessable { entry: number, known });
    }
    Ok(Entry { service: Service { name, roles }, hash, is_confidential: !marks.is_empty() })
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
    #[test]
    fn the_mark_of_a_confidential_client_is_no_role_and_counts_on_any_entry_of_the_name() {
        let entry = |name: &str, digit: &str| format!("{name}={}", digit.repeat(64));
        let text = [entry("web", "1"), entry("web+confidential", "2"), entry("app+issue+confidential", "3")];
        let keys: ServiceKeys = format!("{},{}", text.join(","), entry("open", "4")).parse().unwrap();
        assert!(keys.is_confidential("web") && keys.is_confidential("app"));
        assert!(!keys.is_confidential("open") && !keys.is_confidential("Web"));
        let key = NewServiceKey::generate("web", &[]).unwrap().confidential();
        assert!(key.entry.starts_with("web+confidential="), "{}", key.entry);
        let keys: ServiceKeys = key.entry.parse().unwrap();
        assert!(Role::ALL.iter().all(|role| keys.find(&key.key).unwrap().may(*role)));
    }

    #[test]
    fn an_empty_key_is_nobodys() {
        let service = Service { name: "web".to_owned(), roles: Vec::new() };
        let keys = ServiceKeys(vec![Entry { service, hash: sha256(b""), is_confidential: false }]);
        assert_eq!((keys.find(""), keys.find_named("web", "")), (None, None));
    }
}
