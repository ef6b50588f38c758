// The common base of all stories: the gateway's address, a login, and messages for failures.

export const issuer = process.env.ISSUER;
export const serviceKey = process.env.SERVICE_KEY;

/// The gateway refuses and grants as it should; anything else ends the story.
export function demand(holds, what) {
  if (!holds) throw new Error(what);
}

/// The login service's part, after it has identified a user.
export async function login(session) {
  const answer = await fetch(`${issuer}/v1/sessions`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${serviceKey}`, 'Content-Type': 'application/json' },
    body: JSON.stringify(session),
  });
  demand(answer.status === 201, `a login was answered with ${answer.status}: ${await answer.clone().text()}`);
  return answer.json();
}

/// Demands a failure of `call`, and hands over its error.
export async function failure(what, call) {
  const error = await call().then(() => undefined, (error) => error);
  demand(error, `${what}, but was not refused`);
  return error;
}

/// A network that carries the next request to the gateway, and loses the answer.
export const network = {
  loses: false,
  async fetch(url, options) {
    const answer = await fetch(url, options);
    if (!network.loses) return answer;
    network.loses = false;
    await answer.text();
    throw new TypeError('the answer was lost');
  },
};
