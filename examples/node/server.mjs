// An API node for Node.js, with `jose`. It does not know of a logout before the access token expires. If you need
// logouts sooner, put a proxy with /verify in front, or subscribe to GET /v1/revocations.
//
//   npm install && GATEWAY=http://127.0.0.1:8080 node server.mjs

import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const gateway = process.env.GATEWAY ?? "http://127.0.0.1:8080";
const issuer = process.env.ISSUER ?? gateway;
const audience = process.env.AUDIENCE ?? "api";
const keys = createRemoteJWKSet(new URL(`${gateway}/.well-known/jwks.json`));

/** The claims of a good access token; throws otherwise. */
async function verify(authorization) {
  const [scheme, token] = (authorization ?? "").split(" ");
  if (scheme.toLowerCase() !== "bearer" || !token) throw new Error("no access token");
  const { payload } = await jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
  if (payload.type !== "access") throw new Error("another kind of token");
  return payload;
}

const server = createServer(async (request, response) => {
  const answer = (status, body, headers = {}) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  if (request.url !== "/whoami") return answer(404, { error: "not_found" });
  try {
    const { sub, sid, roles = [] } = await verify(request.headers.authorization);
    answer(200, { sub, session: sid, roles });
  } catch (error) {
    // Without the keys nothing is known of the token.
    const unsure = ["ERR_JWKS_TIMEOUT", "ERR_JOSE_GENERIC"].includes(error.code) ||
      (!error.code?.startsWith("ERR_J") && error.cause);
    if (unsure) return answer(503, { error: "temporarily_unavailable" }, { "retry-after": "1" });
    answer(401, { error: "invalid_token" }, { "www-authenticate": "Bearer" });
  }
});

const [host, port] = (process.env.BIND_ADDR ?? "127.0.0.1:3000").split(":");
// The published keys say nothing of logouts, and the operator must know that.
const notice = "logouts are not seen here: an access token is accepted until it expires, even after a logout that /verify knows";
server.listen(Number(port), host, () =>
  console.log(`listening on http://${host}:${server.address().port}\n${notice}`));
