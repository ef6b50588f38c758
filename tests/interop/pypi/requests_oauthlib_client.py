"""The client library requests-oauthlib: it refreshes by itself once the access token is over, and can log out."""

import os
import uuid

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # only because the tests have no TLS

from oauthlib.oauth2.rfc6749.errors import InvalidGrantError
from requests_oauthlib import OAuth2Session

from story import Network, Persistent, demand, login, metadata


def with_key(url, headers, body):
    """A key of its own for each refresh."""
    return url, {**headers, "Idempotency-Key": str(uuid.uuid4())}, body


def session(server, token, kept):
    found = OAuth2Session(
        "app",
        token={**token, "expires_in": -1},  # over already
        auto_refresh_url=server["token_endpoint"],
        auto_refresh_kwargs={"client_id": "app"},
        token_updater=kept.append,
    )
    found.register_compliance_hook("refresh_token_request", with_key)
    found.mount("http://", Persistent())
    return found


def story(server):
    devices = server["issuer"] + "/v1/me/sessions"
    kept = []
    with session(server, login({"sub": "alice", "client_id": "app"}), kept) as app:
        Network.loses = True
        mine = app.get(devices)
        demand(not Network.loses, "the answer was to be lost once")
        demand(mine.status_code == 200, f"an access token was answered with {mine.status_code}: {mine.text}")
        demand(len(kept) == 1 and kept[0]["token_type"] == "Bearer", "the token was to be refreshed once")
        app.refresh_token(server["token_endpoint"], client_id="app")

        url, headers, body = app._client.prepare_token_revocation_request(
            server["revocation_endpoint"], app.token["refresh_token"]
        )
        gone = app.post(url, data=body, headers=headers, withhold_token=True)
        demand(gone.status_code == 200, f"a logout was answered with {gone.status_code}")
        try:
            app.refresh_token(server["token_endpoint"], client_id="app")
        except InvalidGrantError:
            return
        demand(False, "a refresh token of a logout was not refused as invalid_grant")


for document in ["oauth-authorization-server", "openid-configuration"]:
    story(metadata(document))
