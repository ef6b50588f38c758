// The verifier fast-jwt. It takes keys as PEM, so this script converts the published ones.

import { createPublicKey } from 'node:crypto';
import { createVerifier } from 'fast-jwt';
import { algorithms, audience, issuer, judge, jwksUri, secret, typ } from './tokens.mjs';

const { keys } = await (await fetch(jwksUri)).json();
const published = new Map(
  keys.map((jwk) => [jwk.kid, createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })]),
);

async function key({ header }) {
  const found = header.alg === 'HS256' ? secret : published.get(header.kid);
  if (!found) throw new Error(`no key ${header.kid}`);
  return found;
}

const options = { key, algorithms, allowedIss: issuer, allowedAud: audience, checkTyp: typ };
await judge(createVerifier(options));
