//! One result of a check.

use std::fmt;

use token_gateway_redis_link::address::Address;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Ok,
    /// It works, but something is slower, larger or less durable than it should be.
    Warning,
    /// A promise of the gateway does not hold.
    Problem,
}

/// One result of a check, and how to mend a fault.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    pub severity: Severity,
    pub subject: &'static str,
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.message)
    }
}

impl Finding {
    pub fn new(severity: Severity, subject: &'static str, message: impl Into<String>) -> Self {
        Self { severity, subject, message: message.into() }
    }

    /// Whether the gateway needs another server than this one.
    pub fn is_of_another_server(&self) -> bool {
        self.severity == Severity::Problem && matches!(self.subject, "role" | "version" | "cluster")
    }

    /// The finding about one server of several.
    pub fn at(mut self, address: Option<&Address>) -> Self {
        if let Some(address) = address {
            self.message = format!("{address}: {}", self.message);
        }
        self
    }
}
