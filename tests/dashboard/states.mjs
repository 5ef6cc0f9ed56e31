// Every page in every state that somebody can see: [name, async (world) => the person who sees it].

import assert from 'node:assert/strict';

import { call } from './harness/calls.mjs';
import { Codes } from './harness/totp.mjs';
import { ACTS, WORDS } from './pages.mjs';

/** What a scheme has: its kinds, what a new one may do, what it asks for, and its acts. */
export const SCHEMES = {
  xendit: {
    kinds: { secret: { Balance: 'Read', Disbursements: 'Write' }, public: {} },
    proof: 'password',
    acts: ['edit', 'rename', 'revoke', 'delete'],
  },
  xtopay: {
    kinds: { client: { Balance: 'Read', Refunds: 'Write' } },
    acts: ['rotate', 'finish', 'edit', 'rename', 'revoke', 'delete'],
  },
  enterprise: {
    kinds: { key: { Invoices: ['Read', 'Write'], Payouts: 'Read' } },
    acts: ['duplicate', 'edit', 'rename', 'expire', 'replace', 'revoke'],
  },
  rapyd: {
    kinds: { signing: { 'Reference data': 'Read', Payouts: 'Write' } },
    proof: 'code',
    acts: ['rotate', 'rollback', 'finish', 'edit', 'rename', 'revoke'],
  },
  airwallex: {
    kinds: { admin: {}, restricted: { Balances: 'View', Transfers: 'Edit' } },
    proof: 'password',
    acts: ['regenerate', 'duplicate', 'edit', 'rename', 'revoke', 'delete'],
  },
};

const ROTATES = new Set(['xtopay', 'rapyd']);
const WHILE_ROTATING = new Set(['finish', 'rollback']);

const made = new WeakMap();

/** Does something once in a world, however many states want it. */
function once(world, name, doing) {
  if (!made.has(world)) made.set(world, new Map());
  const known = made.get(world);
  if (!known.has(name)) known.set(name, doing());
  return known.get(name);
}

async function proofOf(person) {
  const { proof } = SCHEMES[person.demo.scheme];
  if (proof === 'password') return { password: person.me.password };
  if (proof === 'code') return { code: await person.demo.codes(person.me).next() };
  return {};
}

/** The kind that the acts are shown on: the last one that grants are chosen for. */
function mainKind(scheme) {
  return Object.entries(SCHEMES[scheme].kinds).findLast(([, access]) => Object.keys(access).length > 0);
}

/** A credential that has been used a little. */
const active = (world) =>
  once(world, 'active', async () => {
    const owner = await world.member('owner');
    const [kind, access] = mainKind(world.demo.scheme);
    const key = await owner.make({ kind, name: 'Checkout server', access, proof: await proofOf(owner) });
    for (let n = 0; n < 3; n += 1) await call(world.demo, key);
    return key;
  });

const rotating = (world) =>
  once(world, 'rotating', async () => {
    const owner = await world.member('owner');
    const { id } = world.demo.credential(mainKind(world.demo.scheme)[0]);
    await owner.act(id, 'rotate');
    await owner.answer({ confirm: await owner.mustConfirm(), ...(await proofOf(owner)) });
    await owner.press(ACTS.rotate.button);
    await owner.revealed();
    return { credential: id, shown: owner.page.url() };
  });

const ended = (world) =>
  once(world, 'ended', async () => {
    const owner = await world.member('owner');
    const [kind, access] = mainKind(world.demo.scheme);
    const key = await owner.make({ kind, name: 'Legacy relay', access, proof: await proofOf(owner) });
    await owner.act(key.credential, 'revoke');
    const confirm = await owner.mustConfirm();
    const typed = key.secret.slice(-4);
    await owner.answer({ reason: WORDS.unused, typed, confirm, ...(await proofOf(owner)) });
    await owner.press(ACTS.revoke.button);
    return key;
  });

/** An endpoint at which nothing listens: the path of its page, and of its secret's. */
const endpoint = (world) =>
  once(world, 'endpoint', async () => {
    const owner = await world.member('owner');
    await owner.go('/settings/webhooks/new');
    await owner.fill(/^url/i, 'http://127.0.0.1:9/hooks');
    await owner.prove({ password: owner.me.password });
    await owner.press(/^add endpoint/i);
    const secret = owner.path;
    const path = secret.split('/secret/')[0];
    await owner.go(path);
    await owner.press(/^send a test/i);
    return { path, secret };
  });

/** A page of the endpoint. */
const ofEndpoint = (rest) => async (world) => {
  const { path } = await endpoint(world);
  return at(`${path}${rest}`)(world);
};

const webhooks = () => [
  ['webhooks, new', at('/settings/webhooks/new')],
  [
    'webhooks, new, with errors',
    async (world) => {
      const owner = await at('/settings/webhooks/new')(world);
      await owner.fill(/^url/i, 'https://10.0.0.7/hooks');
      await owner.prove({ password: owner.me.password });
      assert.equal(await owner.unchecked(/^add endpoint/i), 422);
      return owner;
    },
  ],
  [
    'webhook, its secret',
    async (world) => {
      const { secret } = await endpoint(world);
      return at(secret)(world);
    },
  ],
  ['webhooks, one', async (world) => (await endpoint(world), at('/settings/webhooks')(world))],
  ['webhook', ofEndpoint('')],
  ['webhook, edit', ofEndpoint('/edit')],
  ['webhook, rotate', ofEndpoint('/rotate')],
  ['webhook, replay', ofEndpoint('/replay')],
  ['webhook, remove', ofEndpoint('/remove')],
  [
    'webhook, a message',
    async (world) => {
      const { path } = await endpoint(world);
      const owner = await world.member('owner');
      const message = owner.page.locator(`a[href^="${path}/dlv_"]`).first();
      // The worker sends it within a second or two.
      for (let tries = 0; tries < 40; tries += 1) {
        assert.equal(await owner.go(path), 200);
        if (await message.count()) break;
      }
      await owner.leads(() => message.click());
      return owner;
    },
  ],
  ['audit, verified', at('/audit/verify')],
  ['mailbox', at('/mailbox', 200, 'stranger')],
];

const at = (path, status = 200, role = 'owner') => async (world) => {
  const person = role === 'stranger' ? await world.stranger() : await world.member(role);
  assert.equal(await person.go(path), status, path);
  return person;
};

function stranger() {
  return [
    ['sign-in', at('/sign-in', 200, 'stranger')],
    [
      'sign-in, refused',
      async (world) => {
        const person = await world.stranger();
        await person.givePassword({ email: world.demo.member('owner').email, password: 'not this one' });
        assert.equal(person.status, 401);
        return person;
      },
    ],
    [
      'sign-in, code',
      async (world) => {
        const person = await world.stranger();
        await person.givePassword(world.demo.member('owner'));
        assert.equal(person.path, '/sign-in/code');
        return person;
      },
    ],
    [
      'sign-in, code refused',
      async (world) => {
        const person = await world.stranger();
        const me = world.demo.member('owner');
        await person.givePassword(me);
        assert.equal(await person.giveCode(world.demo.codes(me).wrong()), 401);
        return person;
      },
    ],
    ['sign-up', at('/sign-up', 200, 'stranger')],
    [
      'sign-up, with errors',
      async (world) => {
        const person = await world.stranger();
        await person.go('/sign-up');
        await person.fill(WORDS.email, 'no address');
        await person.fill(WORDS.password, 'short');
        assert.equal(await person.unchecked(WORDS.signUp), 422);
        return person;
      },
    ],
    ['forgot', at('/forgot', 200, 'stranger')],
    [
      'forgot, sent',
      async (world) => {
        const person = await world.stranger();
        await person.go('/forgot');
        await person.fill(WORDS.email, 'nobody@example.com');
        assert.equal(await person.press(WORDS.send), 200);
        return person;
      },
    ],
    ['a link that is no more', at('/join/no-such-link', 410, 'stranger')],
    ['missing, signed out', at('/no-such-page', 404, 'stranger')],
    ['API reference', at('/docs/api', 200, 'stranger')],
    [
      'API reference, a group',
      async (world) => {
        const person = await at('/docs/api/credentials', 200, 'stranger')(world);
        await person.main.locator('summary').first().click();
        return person;
      },
    ],
  ];
}

function everybody() {
  return [
    ['keys', at('/live/keys')],
    ['keys, filtered', at('/live/keys?show=unused&sort=name')],
    ['keys, no match', at('/live/keys?q=zzzzzz')],
    ['keys, ended', async (world) => (await ended(world), at('/live/keys?show=ended')(world))],
    ['keys, test environment', at('/test/keys')],
    ['keys, as a viewer', at('/live/keys', 200, 'viewer')],
    ['new, in the test environment', at('/test/keys/new')],
    [
      'keys, empty',
      async (world) => {
        const person = await world.newcomer();
        await person.list();
        return person;
      },
    ],
    [
      'edit, narrowing',
      async (world) => {
        const { credential } = await active(world);
        const owner = await world.member('owner');
        await owner.act(credential, 'edit');
        await owner.resource('Invoices').getByRole('checkbox', { name: /\bread\b/i }).uncheck();
        await owner.fill(/^allowed ip/i, '203.0.113.0/24');
        assert.equal(await owner.press(ACTS.edit.button), 422);
        return owner;
      },
    ],
    [
      'requests',
      async (world) => {
        await active(world);
        const owner = await world.member('owner');
        const row = owner.main.locator('tbody tr').first();
        // They are written down within a second or two.
        for (let tries = 0; tries < 40; tries += 1) {
          assert.equal(await owner.go('/requests?period=all'), 200);
          if (await row.count()) break;
        }
        await owner.main.locator('summary').first().click();
        return owner;
      },
    ],
    ['requests, no match', at('/requests?address=192.0.2.1', 200, 'viewer')],
    ['incident', at('/incident')],
    ['incident, nothing fits', at('/incident?made=year')],
    ['incident, as a developer', at('/incident?environment=live', 200, 'developer')],
    [
      'incident, with errors',
      async (world) => {
        const owner = await at('/incident?environment=test')(world);
        assert.equal(await owner.unchecked(WORDS.revokeMany), 422);
        return owner;
      },
    ],
    [
      'incident, over',
      async (world) => {
        const owner = await world.newcomer();
        await owner.make({ kind: 'key', name: 'Leaked', access: { Invoices: 'Read' } });
        await owner.go('/incident');
        await owner.answer({ reason: WORDS.leaked, typed: '1' });
        await owner.press(WORDS.revokeMany);
        return owner;
      },
    ],
    [
      'revoke, because it leaked',
      async (world) => {
        const { credential } = await active(world);
        const owner = await world.member('owner');
        await owner.act(credential, 'revoke');
        await owner.answer({ reason: WORDS.leaked });
        return owner;
      },
    ],
    [
      'a key, leaked',
      async (world) => {
        const owner = await world.newcomer();
        const key = await owner.make({ kind: 'key', name: 'Leaked', access: { Invoices: 'Read' } });
        await owner.does('revoke', key.credential, { reason: WORDS.leaked, confirm: true });
        return owner;
      },
    ],
    ['API reference, signed in', at('/docs/api/webhooks', 200, 'viewer')],
    ['audit', at('/audit')],
    ['audit, no match', at('/audit?q=zzzzzz')],
    ['team', at('/team')],
    [
      'team, invite with errors',
      async (world) => {
        const person = await at('/team')(world);
        const invite = person.main.getByRole('link', { name: WORDS.invite }).filter({ visible: true });
        if (await invite.count()) await person.leads(() => invite.first().click());
        await person.fill(WORDS.email, 'no address');
        assert.equal(await person.unchecked(WORDS.invite), 422);
        return person;
      },
    ],
    [
      'team, remove',
      async (world) => {
        const person = await at('/team')(world);
        const path = await person.page.locator('a[href$="/remove"]').first().getAttribute('href');
        assert.equal(await person.go(path), 200);
        return person;
      },
    ],
    ...['alerts', 'webhooks', 'notices', 'security'].map((page) => [
      `settings, ${page}`,
      at(`/settings/${page}`),
    ]),
    [
      'settings, rules with errors',
      async (world) => {
        const owner = await world.newcomer();
        await owner.go('/settings/security');
        await owner.main.getByLabel(/^second factor/i).check();
        assert.equal(await owner.unchecked(WORDS.save), 422);
        return owner;
      },
    ],
    ['settings, notices as a viewer', at('/settings/notices', 200, 'viewer')],
    ['settings, rules as a viewer', at('/settings/security', 200, 'viewer')],
    [
      'new, under rules',
      async (world) => {
        const owner = await world.newcomer();
        await owner.go('/settings/security');
        await owner.fill(/^longest lifetime/i, '60');
        await owner.prove({ password: owner.me.password });
        assert.equal(await owner.press(WORDS.save), 200);
        await owner.newKey('key');
        return owner;
      },
    ],
    ['you', at('/you')],
    ['you, without an authenticator', at('/you', 200, 'developer')],
    [
      'you, authenticator',
      async (world) => {
        const person = await world.newcomer();
        assert.equal(await person.go('/you/authenticator'), 200);
        return person;
      },
    ],
    [
      'you, recovery codes',
      async (world) => {
        const person = await world.newcomer();
        await person.go('/you/authenticator');
        const [seed] = /\b(?:[A-Z2-7]{4}[ -]?){4,}/.exec(await person.text());
        await person.fill(WORDS.code, await new Codes(seed).next());
        const password = person.main.getByLabel(WORDS.yourPassword);
        if (await password.count()) await password.fill(person.me.password);
        await person.press(WORDS.turnOn);
        return person;
      },
    ],
    ['missing', at('/live/keys/cred_00000000000000000000000000', 404)],
    ['not allowed', at('/live/keys/new', 403, 'viewer')],
  ];
}

function ofKind(kind) {
  return [
    [`new ${kind}`, at(`/live/keys/new?kind=${kind}`)],
    [
      `new ${kind}, with errors`,
      async (world) => {
        const person = await at(`/live/keys/new?kind=${kind}`)(world);
        if (!(await person.nameField().count())) return person; // one is there, and that is all
        await person.nameField().fill('');
        assert.ok([401, 422].includes(await person.unchecked(WORDS.create)), `answered ${person.status}`);
        return person;
      },
    ],
  ];
}

function ofCredential(scheme) {
  const page = (subject) => async (world) => {
    const { credential } = await subject(world);
    return at(`/live/keys/${credential}`)(world);
  };
  const states = [
    ['a key, active', page(active)],
    ['a key, revoked', page(ended)],
    [
      'a secret, shown once',
      async (world) => {
        const owner = await world.member('owner');
        const [kind, access] = mainKind(scheme);
        await owner.create({ kind, name: 'Shown now', access, proof: await proofOf(owner) });
        return owner;
      },
    ],
    [
      'a secret, gone',
      async (world) => {
        const owner = await world.member('owner');
        const [kind, access] = mainKind(scheme);
        await owner.create({ kind, name: 'Gone soon', access, proof: await proofOf(owner) });
        const shown = owner.page.url();
        await owner.saved();
        assert.equal(await owner.go(shown), 410);
        return owner;
      },
    ],
  ];
  if (ROTATES.has(scheme)) {
    states.push(['a key, rotating', page(rotating)]);
    states.push(['a rotated secret, shown once', async (world) => at((await rotating(world)).shown)(world)]);
  }
  for (const act of SCHEMES[scheme].acts) {
    const subject = WHILE_ROTATING.has(act) ? rotating : active;
    states.push([
      act,
      async (world) => {
        const { credential } = await subject(world);
        const owner = await world.member('owner');
        await owner.act(credential, act);
        assert.equal(owner.status, 200);
        return owner;
      },
    ]);
    states.push([
      `${act}, with errors`,
      async (world) => {
        const { credential } = await subject(world);
        const owner = await world.member('owner');
        await owner.act(credential, act);
        // Only where leaving everything out is wrong: elsewhere it would be done.
        const needs = await owner.main.locator('[required]').count();
        if (await owner.nameField().count()) await owner.nameField().fill('');
        if (needs > 0) assert.ok([401, 422].includes(await owner.unchecked(ACTS[act].button)));
        return owner;
      },
    ]);
  }
  return states;
}

/** The states of a scheme. Pages that are the same in each are in one of them only. */
export function states(scheme) {
  return [
    ...(scheme === 'xendit' ? stranger() : []),
    ...(scheme === 'enterprise' ? [...everybody(), ...webhooks()] : [['keys', at('/live/keys')]]),
    ...Object.keys(SCHEMES[scheme].kinds).flatMap(ofKind),
    ...ofCredential(scheme),
  ];
}
