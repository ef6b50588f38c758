mod access_tokens;
mod revocation;
mod secrets;
mod token_endpoint;
