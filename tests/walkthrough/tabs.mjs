// Tabs of one browser with the module of the guide: they refresh at once, lose answers, load again, and log out.

import { pathToFileURL } from 'node:url';

const url = process.env.URL;

function demand(holds, what) {
  if (!holds) throw new Error(what);
}

// The parts of a browser.
const stored = new Map();
globalThis.localStorage = {
  getItem: (name) => stored.get(name) ?? null,
  setItem: (name, value) => stored.set(name, String(value)),
  removeItem: (name) => stored.delete(name),
};
let last = Promise.resolve();
const locks = {
  request(_name, task) {
    const mine = last.then(task);
    last = mine.catch(() => {});
    return mine;
  },
};
Object.defineProperty(globalThis, 'navigator', { value: { locks }, configurable: true });

// A network that loses the next answers, after the gateway has given them.
let losses = 0;
let requests = 0;
const network = globalThis.fetch;
globalThis.fetch = async (...request) => {
  requests += 1;
  const answer = await network(...request);
  if (losses === 0) return answer;
  losses -= 1;
  await answer.text();
  throw new TypeError('the answer was lost');
};

async function login() {
  const answer = await network(`${url}/v1/sessions`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${process.env.SERVICE_KEY}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ sub: 'alice' }),
  });
  demand(answer.status === 201, `a login was answered with ${answer.status}`);
  return answer.json();
}

// A tab loads the module anew.
let loads = 0;
const tab = () => import(`${pathToFileURL(process.argv[2])}?${(loads += 1)}`);
const refresh = (tab, used) => tab.refresh(`${url}/oauth/token`, used);

const [one, two] = [await tab(), await tab()];
const first = await login();
one.begin(first);

// Both tabs at once, and the answer is lost.
losses = 1;
const [mine, yours] = await Promise.all([refresh(one, first.access_token), refresh(two, first.access_token)]);
demand(mine === yours && mine !== first.access_token, 'two tabs have two tokens');
demand(requests === 2, `one lost request and one retry, not ${requests}`);

// A page is gone in the middle of a refresh: its request reached the gateway, its answer reached nobody.
losses = 1;
const [name] = stored.keys();
const gone = refresh(one, mine);
while (losses > 0) await new Promise((done) => setTimeout(done, 5));
const left = JSON.parse(stored.get(name));
demand(left.attempt, 'the key of the attempt is not in the storage');
last = Promise.resolve(); // a browser lets go of the locks of a page that is gone
const after = await refresh(await tab(), mine);
demand(after !== mine, 'the page that loaded again has no new token');
await gone;

const next = await refresh(two, after);
demand(next !== after, 'the session goes on');

// A logout is a verdict, and empties the storage.
const { refresh_token } = JSON.parse(stored.get(name));
await network(`${url}/oauth/revoke`, { method: 'POST', body: new URLSearchParams({ token: refresh_token }) });
const error = await refresh(one, next).then(() => undefined, (error) => error);
demand(/sign in again/.test(error?.message), `a refusal: ${error}`);
demand(stored.size === 0, 'a dead session stays in the storage');
