"""The common base of all stories: the gateway's address, a login, and messages for failures."""

import os

import requests
from requests.adapters import HTTPAdapter

ISSUER = os.environ["ISSUER"]
SERVICE_KEY = os.environ["SERVICE_KEY"]


def demand(holds, what):
    """The gateway refuses and grants as it should; anything else ends the story."""
    if not holds:
        raise SystemExit(f"error: {what}")


def login(session):
    """The login service's part, after it has identified a user."""
    bearer = {"Authorization": f"Bearer {SERVICE_KEY}"}
    answer = requests.post(f"{ISSUER}/v1/sessions", json=session, headers=bearer)
    demand(answer.status_code == 201, f"a login was answered with {answer.status_code}: {answer.text}")
    return answer.json()


def metadata(document):
    answer = requests.get(f"{ISSUER}/.well-known/{document}")
    demand(answer.status_code == 200, f"{document} was answered with {answer.status_code}")
    return answer.json()


class Network(HTTPAdapter):
    """A network that carries the next request to the gateway, and loses the answer."""

    loses = False

    def send(self, request, **options):
        answer = super().send(request, **options)
        if Network.loses:
            Network.loses = False
            raise requests.ConnectionError("the answer was lost")
        return answer


class Persistent(Network):
    """Repeats a lost request. The request stays as it is, so all tries carry the same Idempotency-Key."""

    def send(self, request, **options):
        for _ in range(2):
            try:
                answer = super().send(request, **options)
            except requests.ConnectionError:
                continue
            if answer.status_code != 503:
                return answer
        return super().send(request, **options)
