"""The verifier jwcrypto. It keeps the published keys for as long as the gateway says, and asks for them no sooner."""

import json
import re
import time

import requests
from jwcrypto import jwk, jwt
from jwcrypto.common import base64url_decode

from tokens import ALGORITHMS, AUDIENCE, ISSUER, JWKS_URI, SECRET, TYP, judge


class Published:
    until = 0

    def keys(self):
        if time.monotonic() >= self.until:
            self.read()
        return self.set

    def read(self):
        asked = time.monotonic()
        answer = fetch()
        max_age = re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])
        self.until = asked + int(max_age[1])
        self.set = jwk.JWKSet.from_json(answer.text)


def fetch():
    """A request with repetition after a failure of the network, but not of the gateway."""
    for _ in range(2):
        try:
            return requests.get(JWKS_URI)
        except requests.ConnectionError:
            continue
    return requests.get(JWKS_URI)


published = Published()
shared = jwk.JWK.from_password(SECRET) if SECRET else None
demanded = {"iss": ISSUER, "aud": AUDIENCE, "exp": None, "sub": None, "jti": None}


def verify(token):
    header = json.loads(base64url_decode(token.split(".")[0]))
    key = shared if header["alg"] == "HS256" else published.keys()
    checked = jwt.JWT(jwt=token, key=key, algs=ALGORITHMS, check_claims=demanded)
    if json.loads(checked.header)["typ"] != TYP:
        raise ValueError("not an access token")
    return json.loads(checked.claims)


judge(verify)
