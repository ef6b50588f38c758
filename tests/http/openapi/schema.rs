//! A reader of the document: operations, references, and as much of JSON Schema as the document uses.

use std::fmt;

use regex::Regex;
use serde_json::Value;

pub struct Document(Value);

pub struct Operation<'a> {
    pub path: &'a str,
    pub method: &'a str,
    pub json: &'a Value,
}

impl Document {
    pub fn new(json: Value) -> Self {
        Self(json)
    }

    pub fn json(&self) -> &Value {
        &self.0
    }

    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().expect("paths").iter();
        paths
            .flat_map(|(path, item)| {
                let item = item.as_object().expect("a path item").iter();
                item.map(move |(method, json)| Operation { path, method, json })
            })
            .collect()
    }

    pub fn operation(&self, path: &str, method: &str) -> Operation<'_> {
        let all = self.operations().into_iter();
        let mut found = all.filter(|one| one.path == path && one.method.eq_ignore_ascii_case(method));
        found.next().unwrap_or_else(|| panic!("{method} {path} is not documented"))
    }

    /// The object behind a `$ref`.
    pub fn find(&self, reference: &str) -> Option<&Value> {
        self.0.pointer(reference.strip_prefix('#')?)
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        let reference = schema["$ref"].as_str();
        reference.map_or(schema, |reference| self.find(reference).expect("it resolves"))
    }

    /// The examples of a body: its own, or those of its schema.
    pub fn examples<'a>(&'a self, content: &'a Value) -> Vec<&'a Value> {
        let named = content["examples"].as_object().into_iter().flatten().map(|(_, named)| &named["value"]);
        let own: Vec<_> = named.chain(content.get("example")).collect();
        if own.is_empty() { self.examples_of_schema(&content["schema"]) } else { own }
    }

    fn examples_of_schema<'a>(&'a self, schema: &'a Value) -> Vec<&'a Value> {
        let schema = self.resolved(schema);
        let alternatives = schema["oneOf"].as_array().into_iter().flatten();
        let deeper = alternatives.flat_map(|schema| self.examples_of_schema(schema));
        schema.get("example").into_iter().chain(deeper).collect()
    }

    /// Whether a value fits a schema; if not, the error in words.
    pub fn check(&self, schema: &Value, value: &Value) -> Result<(), String> {
        for (keyword, expected) in self.resolved(schema).as_object().expect("a schema") {
            let fits = match keyword.as_str() {
                "type" => has_type(expected, value),
                "enum" => expected.as_array().expect("a list").contains(value),
                "pattern" => value.as_str().is_none_or(|text| matches(expected, text)),
                "minLength" => value.as_str().is_none_or(|text| text.chars().count() >= number(expected)),
                "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= number(expected)),
                "minimum" => value.as_i64().is_none_or(|value| value >= expected.as_i64().expect("a number")),
                "required" => has_all(expected, value),
                "additionalProperties" => *expected != false || self.is_closed(schema, value),
                "properties" => return_problem(self.members(expected, value))?,
                "items" => return_problem(self.items(expected, value))?,
                "allOf" => self.fitting(expected, value) == expected.as_array().expect("a list").len(),
                "anyOf" => self.fitting(expected, value) >= 1,
                "oneOf" => self.fitting(expected, value) == 1,
                "description" | "example" | "examples" | "format" => true,
                unknown => panic!("this reader does not know the keyword {unknown}"),
            };
            if !fits {
                return Err(format!("{value} against {keyword}: {expected}"));
            }
        }
        Ok(())
    }

    fn fitting(&self, schemas: &Value, value: &Value) -> usize {
        let schemas = schemas.as_array().expect("a list").iter();
        schemas.filter(|schema| self.check(schema, value).is_ok()).count()
    }

    fn members(&self, schemas: &Value, value: &Value) -> Result<(), String> {
        let schemas = schemas.as_object().expect("members");
        let mut members = value.as_object().into_iter().flatten();
        members.try_for_each(|(name, value)| {
            schemas.get(name).map_or(Ok(()), |schema| self.check(schema, value))
        })
    }

    fn items(&self, schema: &Value, value: &Value) -> Result<(), String> {
        value.as_array().into_iter().flatten().try_for_each(|item| self.check(schema, item))
    }

    fn is_closed(&self, schema: &Value, value: &Value) -> bool {
        let known = &self.resolved(schema)["properties"];
        value.as_object().into_iter().flatten().all(|(name, _)| known.get(name).is_some())
    }
}

fn return_problem(outcome: Result<(), String>) -> Result<bool, String> {
    outcome.map(|()| true)
}

fn has_type(expected: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("this reader does not know the type {other}"),
    };
    expected.as_array().map_or_else(|| is(expected), |names| names.iter().any(is))
}

fn has_all(names: &Value, value: &Value) -> bool {
    let mut names = names.as_array().expect("a list").iter();
    !value.is_object() || names.all(|name| value.get(name.as_str().expect("a name")).is_some())
}

fn matches(pattern: &Value, text: &str) -> bool {
    Regex::new(pattern.as_str().expect("a pattern")).expect("a valid pattern").is_match(text)
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().expect("a number")).expect("a small one")
}

impl<'a> Operation<'a> {
    /// Statuses and their descriptions.
    pub fn answers(&self) -> impl Iterator<Item = (u16, &'a Value)> + use<'a> {
        let answers = self.json["responses"].as_object().expect("answers").iter();
        answers.map(|(status, answer)| (status.parse().expect("a status"), answer))
    }
}

impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
