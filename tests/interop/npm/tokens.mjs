// The input of verifiers: a line `good TOKEN` or `bad TOKEN` on standard input for each token. The answer to each is
// one line: `as expected`, or the error.

import { createInterface } from 'node:readline';

export const { JWKS_URI: jwksUri, ISSUER: issuer, AUDIENCE: audience, SECRET: secret, TYP: typ } = process.env;
export const algorithms = process.env.ALGORITHMS.split(',');

export function header(token) {
  return JSON.parse(Buffer.from(token.split('.')[0], 'base64url'));
}

/// `verify` gives the claims, or throws.
export async function judge(verify) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [expected, token] = line.split(' ');
    process.stdout.write(`${await verdict(expected, token, verify)}\n`);
  }
}

async function verdict(expected, token, verify) {
  try {
    const claims = await verify(token);
    const whole = claims.sub && claims.sid && claims.client_id && claims.jti && claims.type === 'access';
    if (!whole) return `the claims lack something: ${JSON.stringify(claims)}`;
    return expected === 'good' ? 'as expected' : 'a bad token was accepted';
  } catch (error) {
    return expected === 'bad' ? 'as expected' : `a good token was refused: ${error.code ?? ''} ${error.message}`;
  }
}
