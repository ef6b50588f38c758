//! The members of a key as they stand in the file. Their JSON types are right, and nothing else is checked.

use std::collections::BTreeMap;
use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::{InvalidKey, Signs};

/// The members that describe a key of some type (RFC 7518 section 6, RFC 8037 section 2). Most of them are private.
const KEY_MEMBERS: [&str; 12] = ["crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq", "qi", "k"];

/// All members of a key. It has no `Debug`.
pub(in crate::token) struct Members {
    pub(super) common: CommonMembers,
    pub(super) key: KeyMembers,
}

/// The members of keys of every type.
#[derive(Deserialize)]
pub(super) struct CommonMembers {
    pub kty: String,
    #[serde(default)]
    pub alg: String,
    #[serde(rename = "use", default)]
    pub public_key_use: Option<String>,
    #[serde(default)]
    pub kid: Option<String>,
    #[serde(default)]
    pub signs: Signs,
    #[serde(default)]
    pub signs_from: u64,
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The members that describe the key, whatever its type. `None` stands for `null`.
#[derive(Default)]
pub(super) struct KeyMembers(BTreeMap<&'static str, Option<SecretString>>);

impl KeyMembers {
    fn take_secret(&mut self, name: &str) -> Option<SecretString> {
        self.0.remove(name).flatten()
    }

    pub fn take_text(&mut self, name: &str) -> Option<String> {
        self.take_secret(name).map(|text| text.expose_secret().to_owned())
    }

    /// Takes a member out, and decodes its base64url.
    pub fn take(&mut self, name: &'static str) -> Result<Vec<u8>, InvalidKey> {
        let text = self.take_secret(name).ok_or(InvalidKey::Member(name))?;
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(text.expose_secret()).ok();
        bytes.filter(|bytes| !bytes.is_empty()).ok_or(InvalidKey::Member(name))
    }

    pub fn take_sized(&mut self, name: &'static str, length: usize) -> Result<Vec<u8>, InvalidKey> {
        let bytes = self.take(name)?;
        if bytes.len() == length { Ok(bytes) } else { Err(InvalidKey::Length(name, length)) }
    }

    /// The members that were not taken out: they belong to keys of other types.
    pub fn rest(self) -> impl Iterator<Item = (String, Value)> {
        let texts = self.0.into_iter().filter_map(|(name, text)| Some((name, text?)));
        texts.map(|(name, text)| (name.to_owned(), text.expose_secret().into()))
    }

    fn read<'de, M: MapAccess<'de>>(&mut self, name: &'static str, map: &mut M) -> Result<(), M::Error> {
        if self.0.contains_key(name) {
            return Err(M::Error::duplicate_field(name));
        }
        let text: Option<String> = map.next_value()?;
        self.0.insert(name, text.map(SecretString::from));
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON Web Key")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Members, M::Error> {
        let mut key = KeyMembers::default();
        let rest = CommonAccess { map, key: &mut key };
        let common = CommonMembers::deserialize(MapAccessDeserializer::new(rest))?;
        Ok(Members { common, key })
    }
}

/// Hands on the common members of a map, and keeps those of the key.
struct CommonAccess<'a, M> {
    map: M,
    key: &'a mut KeyMembers,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for CommonAccess<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        while let Some(name) = self.map.next_key::<String>()? {
            match KEY_MEMBERS.into_iter().find(|member| *member == name) {
                Some(member) => self.key.read(member, &mut self.map)?,
                None => return seed.deserialize(name.into_deserializer()).map(Some),
            }
        }
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        self.map.next_value_seed(seed)
    }
}
