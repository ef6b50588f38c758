//! The facts of a log line as members of its JSON object.

use std::borrow::Cow;

use log::kv::{self, Key, Source, VisitSource, VisitValue};
use serde_json::Value;

/// The members that every line has. A fact of the same name gets an underscore.
pub(super) const MEMBERS: [&str; 4] = ["time", "level", "target", "message"];

/// The facts in their order. A fact without a value is left out.
pub(super) fn facts(source: &dyn Source) -> Vec<(Cow<'_, str>, Value)> {
    let mut facts = Facts(Vec::new());
    source.visit(&mut facts).expect("no visit fails");
    facts.0
}

struct Facts<'kvs>(Vec<(Cow<'kvs, str>, Value)>);

impl<'kvs> VisitSource<'kvs> for Facts<'kvs> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
        let mut fact = Fact(Value::Null);
        value.visit(&mut fact)?;
        if !fact.0.is_null() {
            self.0.push((name(&key), fact.0));
        }
        Ok(())
    }
}

fn name<'kvs>(key: &Key<'kvs>) -> Cow<'kvs, str> {
    match key.to_borrowed_str() {
        _ if MEMBERS.contains(&key.as_str()) => format!("{key}_").into(),
        Some(name) => name.into(),
        None => key.to_string().into(),
    }
}

/// A value: numbers stay numbers, and all that JSON does not know becomes text.
struct Fact(Value);

impl<'v> VisitValue<'v> for Fact {
    fn visit_any(&mut self, value: kv::Value<'_>) -> Result<(), kv::Error> {
        self.0 = value.to_string().into();
        Ok(())
    }

    fn visit_null(&mut self) -> Result<(), kv::Error> {
        Ok(())
    }

    fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }

    fn visit_str(&mut self, value: &str) -> Result<(), kv::Error> {
        self.0 = value.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_kinds_and_names_do_not_collide() {
        let number = 5_u64;
        let shown: Option<&str> = None;
        let source: [(&str, kv::Value<'_>); 7] = [
            ("count", number.into()),
            ("below", (-1_i64).into()),
            ("is_late", true.into()),
            ("name", "a\"b".into()),
            ("error", kv::Value::from_display(&std::fmt::Error)),
            ("level", "loud".into()),
            ("user_agent", kv::ToValue::to_value(&shown)),
        ];
        let source = source.as_slice();
        let told: Vec<_> = facts(&source).iter().map(|(name, value)| format!("{name}={value}")).collect();
        let error = format!("error=\"{}\"", std::fmt::Error);
        let expected = ["count=5", "below=-1", "is_late=true", "name=\"a\\\"b\"", &error, "level_=\"loud\""];
        assert_eq!(told, expected);
    }
}
