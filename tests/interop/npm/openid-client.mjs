// The client library openid-client. Its one hook for requests carries the Idempotency-Key and repeats lost requests.

import * as client from 'openid-client';
import { demand, failure, issuer, login, network, serviceKey } from './story.mjs';

/// One key for all tries of a request; other requests than refreshes do not mind it.
async function persistent(url, options) {
  const headers = new Headers(options.headers);
  headers.set('Idempotency-Key', crypto.randomUUID());
  for (let tries = 1; ; tries += 1) {
    const answer = await network.fetch(url, { ...options, headers }).catch((error) => error);
    const unknown = answer instanceof Error || answer.status === 503;
    if (!unknown) return answer;
    if (tries === 3) throw answer;
  }
}

function configure(algorithm, id, auth) {
  const execute = [client.allowInsecureRequests]; // only because the tests have no TLS
  return client.discovery(new URL(issuer), id, undefined, auth, { algorithm, execute, [client.customFetch]: persistent });
}

async function story(config, session) {
  const introspector = await configure('oauth2', 'web', client.ClientSecretPost(serviceKey));
  const active = async (token) => (await client.tokenIntrospection(introspector, token)).active;

  const first = await login(session);
  network.loses = true;
  const second = await client.refreshTokenGrant(config, first.refresh_token);
  demand(!network.loses, 'the answer was to be lost once');
  demand(second.expiresIn() > 0, 'a token answer has no lifetime');
  const third = await client.refreshTokenGrant(config, second.refresh_token);
  demand(await active(third.access_token), 'a live access token is not active');
  demand(!(await active(second.refresh_token)), 'a used refresh token is active');

  await client.tokenRevocation(config, third.access_token, { token_type_hint: 'access_token' });
  demand(!(await active(third.refresh_token)), 'after a logout the refresh token is active');
  const error = await failure('a refresh token of a logout', () => client.refreshTokenGrant(config, third.refresh_token));
  demand(error.error === 'invalid_grant', `a logout is not told as invalid_grant: ${error}`);
}

for (const algorithm of ['oauth2', 'oidc']) {
  await story(await configure(algorithm, 'app', client.None()), { sub: 'alice', client_id: 'app' });
  for (const auth of [client.ClientSecretBasic, client.ClientSecretPost]) {
    await story(await configure(algorithm, 'web', auth(serviceKey)), { sub: 'bob' });
  }
}
