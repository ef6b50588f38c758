// The verifier jsonwebtoken, with keys from jwks-rsa. It knows no EdDSA, and does not look at `typ`: only the key keeps
// a refresh token out.

import jwt from 'jsonwebtoken';
import jwksClient from 'jwks-rsa';
import { promisify } from 'node:util';
import { algorithms, audience, issuer, judge, jwksUri, secret } from './tokens.mjs';

const published = jwksClient({ jwksUri, cache: true, rateLimit: true });

async function key(header, found) {
  try {
    if (header.alg === 'HS256') return found(null, secret);
    found(null, (await published.getSigningKey(header.kid)).getPublicKey());
  } catch (error) {
    found(error);
  }
}

const verify = promisify(jwt.verify);
await judge((token) => verify(token, key, { issuer, audience, algorithms }));
