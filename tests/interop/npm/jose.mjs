// The verifier jose. It keeps the published keys for as long as the gateway says, and asks for them no sooner.

import { createRemoteJWKSet, customFetch, jwtVerify } from 'jose';
import { algorithms, audience, header, issuer, judge, jwksUri, secret, typ } from './tokens.mjs';

/// A fetch with repetition after a failure of the network, but not of the gateway.
async function persistent(url, options) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await fetch(url, options);
    } catch (error) {
      if (tries === 3) throw error;
    }
  }
}

async function maxAge() {
  const answer = await persistent(jwksUri);
  const [, seconds] = answer.headers.get('Cache-Control').match(/max-age=(\d+)/);
  return Number(seconds) * 1000;
}

const kept = await maxAge();
const published = createRemoteJWKSet(new URL(jwksUri), {
  cacheMaxAge: kept,
  cooldownDuration: kept,
  [customFetch]: persistent,
});
const shared = secret && new TextEncoder().encode(secret);
const options = { issuer, audience, algorithms, typ };

await judge(async (token) => {
  const key = header(token).alg === 'HS256' ? shared : published;
  return (await jwtVerify(token, key, options)).payload;
});
