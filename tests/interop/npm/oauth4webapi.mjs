// The client library oauth4webapi: discovery, refresh, introspection, revocation, and its RFC 9068 verifier.

import * as oauth from 'oauth4webapi';
import { demand, failure, issuer, login, network, serviceKey } from './story.mjs';

// Only because the tests have no TLS.
const insecure = { [oauth.allowInsecureRequests]: true };

async function discover(algorithm) {
  const at = new URL(issuer);
  const answer = await oauth.discoveryRequest(at, { algorithm, ...insecure });
  return oauth.processDiscoveryResponse(at, answer);
}

/// A refresh to be repeated: all tries carry the same key, so they count as one.
async function refresh(as, client, auth, token) {
  const key = crypto.randomUUID();
  for (let tries = 1; ; tries += 1) {
    const options = { headers: { 'Idempotency-Key': key }, [oauth.customFetch]: network.fetch, ...insecure };
    try {
      const answer = await oauth.refreshTokenGrantRequest(as, client, auth, token, options);
      return await oauth.processRefreshTokenResponse(as, client, answer);
    } catch (error) {
      const unknown = error instanceof TypeError || error.status === 503;
      if (!unknown || tries === 3) throw error;
    }
  }
}

async function introspect(as, token) {
  const auth = oauth.ClientSecretBasic(serviceKey);
  const answer = await oauth.introspectionRequest(as, { client_id: 'web' }, auth, token, insecure);
  return oauth.processIntrospectionResponse(as, { client_id: 'web' }, answer);
}

async function revoke(as, client, auth, token) {
  return oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token, insecure));
}

async function verify(as, token) {
  const headers = { authorization: `Bearer ${token}` };
  return oauth.validateJwtAccessToken(as, new Request(issuer, { headers }), 'api', insecure);
}

async function story(as, client, auth, session) {
  const first = await login(session);
  network.loses = true;
  const second = await refresh(as, client, auth, first.refresh_token);
  demand(!network.loses, 'the answer was to be lost once');
  demand(second.token_type === 'bearer' && second.expires_in > 0, 'a token answer lacks something');
  const third = await refresh(as, client, auth, second.refresh_token);

  const active = await introspect(as, third.access_token);
  demand(active.active && active.sub === session.sub && active.iss === issuer, 'a live access token is not active');
  demand((await introspect(as, third.refresh_token)).active, 'a live refresh token is not active');
  demand(!(await introspect(as, second.refresh_token)).active, 'a used refresh token is active');

  const claims = await verify(as, third.access_token);
  demand(claims.sub === session.sub && claims.client_id === client.client_id, 'claims are not those of the login');
  await failure('a refresh token was shown as an access token', () => verify(as, third.refresh_token));

  await revoke(as, client, auth, third.refresh_token);
  demand(!(await introspect(as, third.access_token)).active, 'after a logout the access token is active');
  const error = await failure('a refresh token of a logout', () => refresh(as, client, auth, third.refresh_token));
  demand(error.error === 'invalid_grant' && error.status === 400, `a logout is not told as invalid_grant: ${error}`);
}

/// A token presented again after its exchange ends every session of its user.
async function theft(as, client, auth, session) {
  const stolen = await login(session);
  const honest = await refresh(as, client, auth, stolen.refresh_token);
  for (const token of [stolen.refresh_token, honest.refresh_token]) {
    const error = await failure('a stolen refresh token', () => refresh(as, client, auth, token));
    demand(error.error === 'invalid_grant', `theft is not told as invalid_grant: ${error}`);
  }
}

const app = [{ client_id: 'app' }, oauth.None(), { sub: 'alice', client_id: 'app' }];
const service = (auth) => [{ client_id: 'web' }, auth(serviceKey), { sub: 'bob' }];
for (const algorithm of ['oauth2', 'oidc']) {
  const as = await discover(algorithm);
  await story(as, ...app);
  await story(as, ...service(oauth.ClientSecretBasic));
  await story(as, ...service(oauth.ClientSecretPost));
  await theft(as, ...app);
}
