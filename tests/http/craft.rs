//! Tokens made by hand, with the secrets of the tests.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use token_gateway_testkit::api::read;
use token_gateway_testkit::gateway::{REFRESH_SECRET, SIGNING_SECRET};

/// A token of ours taken apart, to be put together again with a change.
#[derive(Clone)]
pub struct Craft {
    pub header: Value,
    pub claims: Value,
    secret: &'static str,
}

impl Craft {
    pub fn access(token: &str) -> Self {
        let (header, claims) = read(token);
        Self { header, claims, secret: SIGNING_SECRET }
    }

    pub fn refresh(token: &str) -> Self {
        let (header, claims) = read(token);
        Self { header, claims, secret: REFRESH_SECRET }
    }

    pub fn under(mut self, secret: &'static str) -> Self {
        self.secret = secret;
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<Option<Value>>) -> Self {
        set(&mut self.header, name, value.into());
        self
    }

    /// `None` takes the claim away.
    pub fn claim(mut self, name: &str, value: impl Into<Option<Value>>) -> Self {
        set(&mut self.claims, name, value.into());
        self
    }

    /// The same members, the last first.
    pub fn reversed(mut self) -> Self {
        let reverse = |value: &Value| {
            let members: Vec<_> = value.as_object().unwrap().iter().rev().collect();
            let members: Vec<_> = members.iter().map(|(k, v)| format!("{}:{v}", json!(k))).collect();
            format!("{{ {} }}", members.join(" , "))
        };
        let (header, claims) = (reverse(&self.header), reverse(&self.claims));
        self.header = Value::String(header);
        self.claims = Value::String(claims);
        self
    }

    pub fn sign(&self) -> String {
        self.sign_as(hmac::HMAC_SHA256)
    }

    pub fn sign_as(&self, algorithm: hmac::Algorithm) -> String {
        seal_as(algorithm, text(&self.header).as_bytes(), text(&self.claims).as_bytes(), self.secret)
    }

    /// Header and claims are these bytes, signed.
    pub fn raw(header: &[u8], claims: &[u8], secret: &str) -> String {
        seal_as(hmac::HMAC_SHA256, header, claims, secret)
    }
}

/// Signs parts that are encoded already.
pub fn sign_parts(header: &str, claims: &str, secret: &str) -> String {
    let message = format!("{header}.{claims}");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn seal_as(algorithm: hmac::Algorithm, header: &[u8], claims: &[u8], secret: &str) -> String {
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn set(object: &mut Value, name: &str, value: Option<Value>) {
    let members: &mut Map<_, _> = object.as_object_mut().expect("an object");
    match value {
        Some(value) => drop(members.insert(name.to_owned(), value)),
        None => drop(members.remove(name)),
    }
}

/// Text stands for itself, so JSON with a certain order can be signed.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
