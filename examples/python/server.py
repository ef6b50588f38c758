"""An API node for Python, with PyJWT. It does not know of a logout before the access token expires. If you need logouts
sooner, put a proxy with /verify in front, or subscribe to GET /v1/revocations.

    pip install -r requirements.txt && GATEWAY=http://127.0.0.1:8080 python3 server.py
"""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt

GATEWAY = os.environ.get("GATEWAY", "http://127.0.0.1:8080")
ISSUER = os.environ.get("ISSUER", GATEWAY)
AUDIENCE = os.environ.get("AUDIENCE", "api")
KEYS = jwt.PyJWKClient(f"{GATEWAY}/.well-known/jwks.json")
# The published keys say nothing of logouts, and the operator must know that.
NOTICE = "logouts are not seen here: an access token is accepted until it expires, even after a logout that /verify knows"
REQUIRED = ["iss", "aud", "exp", "iat", "sub", "sid"]


def verify(authorization):
    """The claims of a good access token; raises otherwise."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise jwt.InvalidTokenError("no access token")
    if jwt.get_unverified_header(token).get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("another kind of token")
    key = KEYS.get_signing_key_from_jwt(token)
    options = {"require": REQUIRED}
    claims = jwt.decode(token, key, algorithms=[key.algorithm_name], issuer=ISSUER, audience=AUDIENCE, options=options)
    if claims.get("type") != "access":
        raise jwt.InvalidTokenError("another kind of token")
    return claims


class Api(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/whoami":
            return self.answer(404, {"error": "not_found"})
        try:
            claims = verify(self.headers.get("Authorization"))
        except jwt.PyJWKClientConnectionError:  # without the keys nothing is known of the token
            return self.answer(503, {"error": "temporarily_unavailable"}, {"Retry-After": "1"})
        except jwt.PyJWTError:
            return self.answer(401, {"error": "invalid_token"}, {"WWW-Authenticate": "Bearer"})
        body = {"sub": claims["sub"], "session": claims["sid"], "roles": claims.get("roles", [])}
        return self.answer(200, body)

    def answer(self, status, body, headers=None):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_):
        """No request line: a client in error may have put a token there."""


if __name__ == "__main__":
    host, port = os.environ.get("BIND_ADDR", "127.0.0.1:3000").split(":")
    server = ThreadingHTTPServer((host, int(port)), Api)
    print(f"listening on http://{host}:{server.server_port}\n{NOTICE}", flush=True)
    server.serve_forever()
