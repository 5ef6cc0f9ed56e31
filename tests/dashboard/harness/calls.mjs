// Calls of the sample API with a secret, as each scheme wants them: the proof that a key works or is
// refused. `key` is { secret, id }, and the answer { status, body }.

import { createHmac, randomBytes } from 'node:crypto';

const basic = (user, password = '') => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

async function ask(base, method, path, headers, body) {
  const response = await fetch(new URL(path, base), {
    method,
    headers: body === undefined ? headers : { ...headers, 'Content-Type': 'application/json' },
    body,
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  let parsed = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not every answer is JSON.
  }
  return { status: response.status, body: parsed };
}

function signed(base, key, method, path, body = '') {
  const salt = randomBytes(8).toString('hex');
  const timestamp = String(Math.floor(Date.now() / 1000));
  const text = method.toLowerCase() + path + salt + timestamp + key.id + key.secret + body;
  const hex = createHmac('sha256', key.secret).update(text).digest('hex');
  const headers = {
    access_key: key.id,
    salt,
    timestamp,
    signature: Buffer.from(hex).toString('base64'),
  };
  return ask(base, method, path, headers, body || undefined);
}

async function loggedIn(base, key, method, path, body) {
  const login = await ask(base, 'POST', '/api/v1/authentication/login', {
    'x-client-id': key.id,
    'x-api-key': key.secret,
  });
  if (login.status !== 201) return login;
  return ask(base, method, path, { Authorization: `Bearer ${login.body.token}` }, body);
}

const ways = {
  xendit: (base, key, ...rest) => ask(base, rest[0], rest[1], basic(key.secret), rest[2]),
  xtopay: (base, key, ...rest) => ask(base, rest[0], rest[1], basic(key.id, key.secret), rest[2]),
  enterprise: (base, key, method, path, body) =>
    ask(base, method, path, { Authorization: `Bearer ${key.secret}` }, body),
  rapyd: signed,
  airwallex: loggedIn,
};

/** A read that any key passes that may read the scheme's plainest resource. */
export const PLAIN = {
  xendit: '/balance',
  xtopay: '/v1/balance',
  enterprise: '/mfi/invoices',
  rapyd: '/v1/data/countries',
  airwallex: '/api/v1/balances/current',
};

export function call(demo, key, method = 'GET', path = PLAIN[demo.scheme], body = undefined) {
  return ways[demo.scheme](demo.api, key, method, path, body);
}
