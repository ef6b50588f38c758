"""The verifier PyJWT, with its PyJWKClient. It does not look at `typ`: only the key keeps a refresh token out."""

import jwt

from tokens import ALGORITHMS, AUDIENCE, ISSUER, JWKS_URI, SECRET, judge

published = jwt.PyJWKClient(JWKS_URI)


def key(token):
    if jwt.get_unverified_header(token)["alg"] == "HS256":
        return SECRET
    return published.get_signing_key_from_jwt(token)


def verify(token):
    demanded = {"require": ["exp", "iat", "iss", "aud", "sub", "jti"]}
    return jwt.decode(token, key(token), ALGORITHMS, audience=AUDIENCE, issuer=ISSUER, options=demanded)


judge(verify)
