// The dashboard as its users find their way through it: labels, roles and words. Every word that the
// tests look for is in this file, so that a page that says it differently is followed here only.

import assert from 'node:assert/strict';

export const WORDS = {
  signIn: /^sign in$/i,
  code: /^(code|6-digit code)/i,
  continue: /^(go on|continue|sign in|confirm)$/i,
  signUp: /^(sign up|create (the|your|an) account)/i,
  company: /^company/i,
  name: /^(your )?name/i,
  email: /^email/i,
  password: /^(new )?password/i,
  yourPassword: /^your password/i,
  yourCode: /^code from your authenticator/i,
  create: /^(create|generate) /i,
  save: /^save/i,
  saveNow: /^save .*\bnow\b/i,
  saved: /^i have saved/i,
  finish: /^finish/i,
  download: /\.env/i,
  pickDate: /^pick a date/i,
  lastDay: /^(last day|expires on|date|end date)/i,
  typed: /^type\b/i,
  gone: /(not shown any more|gone|already saved)/i,
  goOn: /sign in to go on/i,
  send: /^send/i,
  spike: /usage spike/i,
  waiting: /waiting/i,
  now: /^now$/i,
  day: /^(1 d|24 h)/i,
  stopsAtOnce: /stops? at once/i,
  twoSecrets: /two secrets|rotating/i,
  rotating: /\brotating\b/i,
  unused: /no longer/i,
  leaked: /leaked/i,
  why: /^why/i,
  seen: /^i have seen this/i,
  incident: /^incident/i,
  revokeMany: /^revoke \d+ now/i,
  environment: /^environment$/i,
  requests: /requests|usage/i,
  requestLog: /^requests$/i,
  asTable: /same data as a table/i,
  lastUsed: /last used/i,
  ago: /(just now|\d+ (s|min|h|sec\w*|minutes?|hours?)( ago)?)/i,
  never: /never/i,
  skip: /^skip to/i,
  invite: /^(invite|send)/i,
  turnOn: /^(turn on|confirm|continue)/i,
  endOthers: /^(end|sign out) .*other/i,
};

/** The act's page, its button, and the state that follows. */
export const ACTS = {
  rotate: { link: /^rotate/i, button: /^rotate/i },
  rollback: { link: /^roll back/i, button: /^roll back now/i },
  finish: { link: /^end (the )?(window|overlap|old|previous)/i, button: /^end /i },
  regenerate: { link: /^regenerate/i, button: /^regenerate/i },
  duplicate: { link: /^duplicate/i, button: /^(create|duplicate)/i },
  edit: { link: /^edit/i, button: /^save/i },
  rename: { link: /^rename/i, button: /^(rename|save)/i },
  expire: { link: /^(set|change) (the )?(expiry|end)/i, button: /^(save|set)/i },
  revoke: { link: /^revoke/i, button: /^revoke now/i },
  delete: { link: /^delete/i, button: /^delete now/i },
  reveal: { link: /^(show|reveal)/i, button: /^(show|reveal)/i },
  replace: { link: /^replace/i, button: /^(create|revoke|continue)/i },
};

export class Dashboard {
  constructor(page, { demo, seen, script, me }) {
    this.page = page;
    this.demo = demo;
    this.seen = seen;
    this.script = script;
    this.me = me;
    this.main = page.locator('main');
  }

  // --- getting about -------------------------------------------------------------------------

  /** Opens a path and says with which status it answered. */
  async go(path) {
    const response = await this.page.goto(new URL(path, this.demo.dashboard).href);
    return response.status();
  }

  get path() {
    return new URL(this.page.url()).pathname;
  }

  get status() {
    return this.seen.document?.status;
  }

  /** Does something that leads to a page, and says with which status that answered. */
  async leads(doing) {
    const loaded = this.page.waitForEvent('domcontentloaded');
    loaded.catch(() => {}); // when the doing itself fails
    await doing();
    await loaded;
    await this.page.waitForLoadState('load');
    return this.status;
  }

  /** Presses a button that sends a form. */
  press(name, within = this.main) {
    return this.leads(() => this.button(name, within).click());
  }

  button(name, within = this.main) {
    return within.getByRole('button', { name }).filter({ visible: true }).first();
  }

  heading(name) {
    return this.page.getByRole('heading', { name, includeHidden: true }).first();
  }

  async alert() {
    const texts = await this.page.getByRole('alert').allInnerTexts();
    return texts.join('\n').trim();
  }

  /** Fills a field that must be there. */
  async fill(label, text) {
    await this.main.getByLabel(label).filter({ visible: true }).first().fill(text);
  }

  async close() {
    await this.page.context().close();
  }

  // --- signing in ------------------------------------------------------------------------------

  async givePassword({ email, password }) {
    await this.go('/sign-in');
    await this.fill(WORDS.email, email);
    await this.fill(WORDS.password, password);
    return this.press(WORDS.signIn);
  }

  async giveCode(code) {
    await this.page.getByLabel(WORDS.code).first().fill(code);
    return this.press(WORDS.continue);
  }

  async signIn(me) {
    await this.givePassword(me);
    if (me.totp_secret) {
      assert.equal(this.path, '/sign-in/code', 'a member with an authenticator is asked for a code');
      await this.giveCode(await this.demo.codes(me).next());
    }
    assert.match(this.path, /^\/live\/keys/, 'signing in leads to the keys');
    this.me = me;
  }

  async signUp({ company, name, email, password = 'a long enough password 4 me' }) {
    await this.go('/sign-up');
    await this.fill(WORDS.company, company);
    await this.fill(WORDS.name, name);
    await this.fill(WORDS.email, email);
    await this.fill(WORDS.password, password);
    await this.press(WORDS.signUp);
    assert.match(this.path, /^\/live\/keys/, 'signing up leads to the keys');
    this.me = { role: 'owner', name, email, password, totp_secret: null };
  }

  // --- making a credential -----------------------------------------------------------------------

  newKey(kind, environment = 'live') {
    return this.go(`/${environment}/keys/new?kind=${kind}`);
  }

  nameField() {
    return this.main.getByRole('textbox', { name: WORDS.name }).first();
  }

  /** The row of a resource in the grid of permissions. */
  resource(label) {
    return this.main.locator('.prow').filter({ has: this.page.getByText(label, { exact: true }) });
  }

  /** Chooses access: `{ Invoices: 'Read' }`, or for independent scopes `{ Invoices: ['Read', 'Write'] }`. */
  async grant(access) {
    for (const [label, levels] of Object.entries(access)) {
      for (const level of [levels].flat()) {
        const name = new RegExp(`\\b${level}\\b`, 'i');
        const row = this.resource(label);
        await row.getByRole('radio', { name }).or(row.getByRole('checkbox', { name })).first().check();
      }
    }
  }

  /** Shows that it is you: fields that the page must ask for. */
  async prove({ password, code } = {}) {
    if (password !== undefined) await this.fill(WORDS.yourPassword, password);
    if (code !== undefined) await this.fill(WORDS.yourCode, code);
  }

  asksForPassword() {
    return this.main.getByLabel(WORDS.yourPassword).first().isVisible();
  }

  /** Sends the form past the browser's own checks, so that the server's are seen. */
  async unchecked(button) {
    await this.main.locator('form').evaluateAll((forms) => forms.forEach((form) => (form.noValidate = true)));
    return this.press(button);
  }

  /** Creates a credential and ends on the page that shows its secret. */
  async create({ kind, environment = 'live', name, access = {}, date, proof }) {
    assert.equal(await this.newKey(kind, environment), 200);
    await this.nameField().fill(name);
    await this.grant(access);
    if (date) await this.expiresOn(date);
    await this.prove(proof);
    await this.press(WORDS.create);
    return this.revealed();
  }

  /** Creates a credential and says that it is saved: { secret, id, credential }. */
  async make(options) {
    const key = await this.create(options);
    return { ...key, credential: await this.saved() };
  }

  async expiresOn(date) {
    await this.main.getByRole('radio', { name: WORDS.pickDate }).check();
    await this.fill(WORDS.lastDay, date);
  }

  // --- the secret, shown once -------------------------------------------------------------------

  /** What the page of a new secret shows: { secret, id }. */
  async revealed() {
    assert.match(this.path, /^\/reveal\//, `a secret is shown, not: ${await this.alert()}`);
    assert.ok(await this.heading(WORDS.saveNow).isVisible(), 'the page says to save it now');
    const text = async (id) => {
      const output = this.page.locator(`output#${id}`);
      return (await output.count()) ? (await output.innerText()).trim() : null;
    };
    return { secret: await text('secret'), id: await text('public-id') };
  }

  /** Says that it is saved, and is led to the credential's page: its id. */
  async saved() {
    await this.page.getByRole('checkbox', { name: WORDS.saved }).check();
    await this.press(WORDS.finish);
    return this.credential();
  }

  credential() {
    const found = /^\/(?:live|test)\/keys\/(?!new|bulk)([^/]+)/.exec(this.path);
    assert.ok(found, `${this.path} is a credential's page`);
    return found[1];
  }

  // --- the list and one credential ----------------------------------------------------------------

  row(name) {
    const link = this.page.getByRole('link', { name, exact: true });
    return this.page.getByRole('row').filter({ has: link });
  }

  list(query = '', environment = 'live') {
    return this.go(`/${environment}/keys${query}`);
  }

  detail(id, environment = 'live') {
    return this.go(`/${environment}/keys/${id}`);
  }

  /** Goes from a credential's page to the page of an act, by its link. */
  async act(id, act, environment = 'live') {
    assert.equal(await this.detail(id, environment), 200);
    const links = this.page.locator(`a[href$="/${environment}/keys/${id}/${act}"]`);
    assert.ok((await links.count()) > 0, `the page of the credential links to ${act}`);
    const seen = links.filter({ visible: true }).first();
    if (await seen.count()) return this.leads(() => seen.click());
    return this.go(`/${environment}/keys/${id}/${act}`);
  }

  /** Fills the form of an act. A proof or a confirmation that is given must be asked for. */
  async answer({ reason, typed, confirm, ...proof } = {}) {
    const why = this.main.getByRole('radio', { name: reason });
    if (reason && (await why.count())) await why.check();
    const type = this.main.getByLabel(WORDS.typed);
    if (typed && (await type.count())) await type.fill(typed);
    if (confirm) {
      assert.ok(await this.mustConfirm(), 'there is a box that must be ticked');
      for (const box of await this.boxes().all()) await box.check();
    }
    await this.prove(proof);
  }

  boxes() {
    return this.main.locator('input[type=checkbox][required]');
  }

  async mustConfirm() {
    return (await this.boxes().count()) > 0;
  }

  /** Does an act from its page's link to its button. */
  async does(act, id, answers = {}, environment = 'live') {
    await this.act(id, act, environment);
    await this.answer(answers);
    return this.press(ACTS[act].button);
  }

  /** Everything that the page says. */
  async text() {
    return (await this.main.innerText()).replace(/\s+/g, ' ');
  }
}
