// A running `keyway demo`: its process and the one JSON line that it prints.

import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

import { Codes } from './totp.mjs';

const START_SECONDS = 60;
const STOP_SECONDS = 20;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

/** A database of a demo's own, on the server that KEYWAY_TEST_POSTGRES names. */
class Database {
  #name = `keyway_demo_${randomBytes(8).toString('hex')}`;

  constructor(keyway) {
    this.#ask(`CREATE DATABASE ${this.#name}`);
    execFileSync(keyway, ['migrate', '--database', this.url], { stdio: 'pipe' });
  }

  get url() {
    return `${process.env.KEYWAY_TEST_POSTGRES}/${this.#name}`;
  }

  remove() {
    this.#ask(`DROP DATABASE ${this.#name} WITH (FORCE)`);
  }

  #ask(sql) {
    const postgres = `${process.env.KEYWAY_TEST_POSTGRES}/postgres`;
    execFileSync('psql', ['-X', '-q', '-d', postgres, '-c', sql], { stdio: 'pipe' });
  }
}

export class Demo {
  #child;
  #database;
  #log;
  #codes = new Map();

  /** Starts the demo of a scheme and waits until it is ready. */
  static async start(scheme) {
    const binary = process.env.KEYWAY_BIN;
    if (!binary) throw new Error('KEYWAY_BIN names no binary: start the tests with tests/dashboard/run');
    const database = process.env.KEYWAY_TEST_POSTGRES && new Database(binary);
    const where = database ? ['--database', database.url] : [];
    const child = spawn(binary, ['demo', '--scheme', scheme, '--json', '--port', '0', ...where], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    const log = [];
    child.stderr.setEncoding('utf8').on('data', (text) => {
      log.push(text);
      log.splice(0, log.length - 50);
    });
    const said = () => log.join('').slice(-4000);
    const slow = setTimeout(() => child.kill('SIGKILL'), START_SECONDS * 1000);
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the demo of ${scheme} ended with ${code} before it was ready:\n${said()}`);
    });
    const line = once(createInterface({ input: child.stdout }), 'line').then(([text]) => text);
    const facts = JSON.parse(await Promise.race([line, ended]));
    clearTimeout(slow);
    ended.catch(() => {});
    return new Demo(scheme, facts, child, said, database);
  }

  constructor(scheme, facts, child, log, database) {
    this.scheme = scheme;
    this.facts = facts;
    this.#child = child;
    this.#database = database;
    this.#log = log;
    this.dashboard = new URL(facts.dashboard_url);
    this.api = facts.sample_api_url;
  }

  /** The member of a role: email, password, totp_secret. */
  member(role) {
    if (role === 'owner') return { role, ...this.facts.owner };
    const found = this.facts.members.find((member) => member.role === role);
    if (!found) throw new Error(`the demo of ${this.scheme} has no ${role}`);
    return found;
  }

  /** The codes of a member's authenticator. */
  codes(member) {
    if (!this.#codes.has(member.email)) this.#codes.set(member.email, new Codes(member.totp_secret));
    return this.#codes.get(member.email);
  }

  /** A credential that the demo came with. */
  credential(kind, environment = 'live') {
    const is = (each) => each.kind === kind && each.environment === environment;
    const found = this.facts.credentials.find(is);
    if (!found) throw new Error(`the demo has no ${environment} credential of the kind ${kind}`);
    return found;
  }

  async stop() {
    const child = this.#child;
    if (child.exitCode === null) {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const slow = setTimeout(() => child.kill('SIGKILL'), STOP_SECONDS * 1000);
      await ended;
      clearTimeout(slow);
    }
    running.delete(child);
    this.#database?.remove();
    if (child.exitCode !== 0) throw new Error(`the demo ended with ${child.exitCode}:\n${this.#log()}`);
  }
}
