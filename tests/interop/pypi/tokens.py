"""How verifiers are fed: a line `good TOKEN` or `bad TOKEN` on standard input for each token.

Each is answered with one line: `as expected`, or what went wrong.
"""

import os
import sys

JWKS_URI = os.environ["JWKS_URI"]
ISSUER = os.environ["ISSUER"]
AUDIENCE = os.environ["AUDIENCE"]
SECRET = os.environ.get("SECRET")
TYP = os.environ["TYP"]
ALGORITHMS = os.environ["ALGORITHMS"].split(",")


def judge(verify):
    """`verify` gives the claims, or raises."""
    for line in sys.stdin:
        expected, token = line.split()
        print(verdict(expected, token, verify), flush=True)


def verdict(expected, token, verify):
    try:
        claims = verify(token)
    except Exception as error:
        return "as expected" if expected == "bad" else f"a good token was refused: {error!r}"
    if claims.get("type") != "access" or not {"sub", "sid", "client_id", "jti"} <= claims.keys():
        return f"the claims lack something: {claims}"
    return "as expected" if expected == "good" else "a bad token was accepted"
