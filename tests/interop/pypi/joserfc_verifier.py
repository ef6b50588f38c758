"""The verifier joserfc."""

import requests
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey

from tokens import ALGORITHMS, AUDIENCE, ISSUER, JWKS_URI, SECRET, TYP, judge

published = KeySet.import_key_set(requests.get(JWKS_URI).json()) if SECRET is None else OctKey.import_key(SECRET)
claims = jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": ISSUER},
    aud={"essential": True, "value": AUDIENCE},
    exp={"essential": True},
    sub={"essential": True},
)


def verify(token):
    checked = jwt.decode(token, published, algorithms=ALGORITHMS)
    if checked.header["typ"] != TYP:
        raise ValueError("not an access token")
    claims.validate(checked.claims)
    return checked.claims


judge(verify)
