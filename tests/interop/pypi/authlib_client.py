"""The client library Authlib: metadata, refresh, introspection, revocation."""

import os
import uuid

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # only because the tests have no TLS

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata

from story import ISSUER, SERVICE_KEY, Network, Persistent, demand, login, metadata


# Rules of Authlib for authorization endpoints and ID tokens, which the gateway does not have: Authlib takes an empty
# list for none at all, and wants RS256 of everybody.
NOT_FOR_US = {"response_types_supported", "id_token_signing_alg_values_supported"}


def with_key(url, headers, body):
    """A key of its own for each refresh."""
    return url, {**headers, "Idempotency-Key": str(uuid.uuid4())}, body


def session(server, **client):
    found = OAuth2Session(token_endpoint=server["token_endpoint"], **client)
    found.register_compliance_hook("refresh_token_request", with_key)
    found.mount("http://", Persistent())
    return found


def is_active(server, token):
    asks = OAuth2Session("web", SERVICE_KEY, token_endpoint_auth_method="client_secret_basic")
    answer = asks.introspect_token(server["introspection_endpoint"], token=token)
    demand(answer.status_code == 200, f"introspection was answered with {answer.status_code}")
    return answer.json()["active"]


def story(server, client, who):
    first = login(who)
    with session(server, token=first, **client) as app:
        Network.loses = True
        second = dict(app.refresh_token())
        demand(not Network.loses, "the answer was to be lost once")
        third = dict(app.refresh_token())
        demand(third["refresh_token"] != second["refresh_token"], "a refresh token was not exchanged")
        demand(is_active(server, third["access_token"]), "a live access token is not active")
        demand(not is_active(server, second["refresh_token"]), "a used refresh token is active")

        gone = app.revoke_token(server["revocation_endpoint"], token_type_hint="refresh_token")
        demand(gone.status_code == 200, f"a logout was answered with {gone.status_code}")
        demand(not is_active(server, third["access_token"]), "after a logout the access token is active")
        try:
            app.refresh_token()
        except OAuthError as error:
            demand(error.error == "invalid_grant", f"a logout is not told as invalid_grant: {error}")
        else:
            demand(False, "a refresh token of a logout was not refused")


def service(method):
    return {
        "client_id": "web",
        "client_secret": SERVICE_KEY,
        "token_endpoint_auth_method": method,
        "revocation_endpoint_auth_method": method,
    }


for document, rules in [
    ("oauth-authorization-server", AuthorizationServerMetadata),
    ("openid-configuration", OpenIDProviderMetadata),
]:
    server = rules(metadata(document))
    demand(server["issuer"] == ISSUER, f"{document} names another issuer: {server['issuer']}")
    for name in set(rules.REGISTRY_KEYS) - NOT_FOR_US:
        getattr(server, f"validate_{name}")()
    story(server, {"client_id": "app"}, {"sub": "alice", "client_id": "app"})
    story(server, service("client_secret_basic"), {"sub": "bob"})
    story(server, service("client_secret_post"), {"sub": "bob"})
