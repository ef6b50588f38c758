//! The place of the API's documentation.

use clap::{Args, ValueEnum};

/// The listener that serves `/docs` and `/openapi.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ApiDocs {
    Public,
    Admin,
    Off,
}

#[derive(Debug, Args)]
pub struct ApiDocsFlag {
    /// Where /docs and /openapi.json are: on the public address, on ADMIN_ADDR, or nowhere [default: admin; in dev public]
    #[arg(long, env = "API_DOCS")]
    api_docs: Option<ApiDocs>,
}

impl ApiDocsFlag {
    /// The chosen place. `unless_set` is that of the command.
    pub fn or(&self, unless_set: ApiDocs) -> ApiDocs {
        self.api_docs.unwrap_or(unless_set)
    }
}
