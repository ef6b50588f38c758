//! The answer to `INFO`.

/// An answer to `INFO`.
pub struct Info(pub String);

impl Info {
    /// The value of a field; empty where it is missing.
    pub fn get(&self, name: &str) -> &str {
        let line = self.0.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map_or("", str::trim)
    }

    pub fn replicas(&self) -> usize {
        self.get("connected_slaves").parse().unwrap_or(0)
    }
}

/// The first three numbers of a version; 0 for each missing one.
pub fn version_of(text: &str) -> (u32, u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}
