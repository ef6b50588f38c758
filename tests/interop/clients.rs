//! OAuth clients. Each discovers the gateway by both of its documents, refreshes, loses an answer and asks again, looks
//! at its tokens by introspection, and logs out.

use token_gateway_testkit::balancer::Balancer;
use token_gateway_testkit::service_key::WEB;

use super::foreign::succeed;
use crate::GATEWAY;

/// Runs the story of a client against a gateway with this path in its issuer and this algorithm.
async fn tell(name: &str, path: &str, alg: &str) {
    let balancer = Balancer::start().await;
    let issuer = balancer.url() + path;
    let (_keys, file) = super::verifiers::key_set(alg);
    let gateway = GATEWAY.embedded_with(&[("ISSUER", &issuer), ("SIGNING_KEYS", &file)]);
    balancer.send_to(&[&gateway]);
    succeed(name, &[("ISSUER", &issuer), ("SERVICE_KEY", WEB.key)]).await;
}

#[tokio::test]
async fn oauth4webapi_tells_its_whole_story() {
    tell("oauth4webapi.mjs", "", "ES256").await;
}

#[tokio::test]
async fn openid_client_tells_its_whole_story() {
    tell("openid-client.mjs", "", "ES256").await;
}

#[tokio::test]
async fn authlib_tells_its_whole_story() {
    tell("authlib_client.py", "", "ES256").await;
}

#[tokio::test]
async fn requests_oauthlib_tells_its_whole_story() {
    tell("requests_oauthlib_client.py", "", "ES256").await;
}

#[tokio::test]
async fn an_issuer_with_a_path_is_discovered_as_well() {
    for name in ["oauth4webapi.mjs", "openid-client.mjs", "authlib_client.py"] {
        tell(name, "/tenants/one", "ES256").await;
    }
}

/// It has a verifier of its own, after RFC 9068.
#[tokio::test]
async fn oauth4webapi_verifies_access_tokens_of_every_public_algorithm() {
    for alg in ["EdDSA", "Ed25519", "RS256", "PS256"] {
        tell("oauth4webapi.mjs", "", alg).await;
    }
}
