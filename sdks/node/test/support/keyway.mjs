// A running Keyway of one test file, and what a platform's backend asks of it.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { promisify } from "node:util";

import { start } from "./child.mjs";

const run = promisify(execFile);

/** `keyway demo`: with the sample API at `url`, and an account with credentials. */
export async function demo(scheme) {
  const { facts, stop } = await start("demo", "--scheme", scheme, "--json");
  after(stop);
  return new Server(facts, facts.operator_token, facts.account);
}

/** `keyway serve` with data of its own, an account in it, and webhooks to this machine allowed. */
export async function serve(scheme) {
  const folder = await mkdtemp(join(tmpdir(), "keyway-sdk-"));
  const data = ["--data", join(folder, "data")];
  const listen = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];
  const webhooks = ["--webhook-allow", "127.0.0.0/8", "--webhook-http"];
  const { facts, stop } = await start(
    ...["serve", "--json", "--scheme", scheme, ...data, ...listen, ...webhooks],
  );
  after(async () => {
    await stop();
    await rm(folder, { recursive: true });
  });
  const create = ["tokens", "create", "--json", "--name", "test", ...data];
  const made = await run(process.env.KEYWAY_BIN, create);
  const server = new Server(facts, JSON.parse(made.stdout).secret.token);
  server.account = (await server.post("/accounts", { name: "Toko Kopi" })).id;
  return server;
}

class Server {
  #token;
  #count = 0;

  constructor(facts, token, account) {
    this.#token = token;
    this.facts = facts;
    this.account = account;
    this.url = facts.sample_api_url;
  }

  /** A credential that the demo came with, as options of the client. */
  options(environment = "test") {
    const found = this.facts.credentials.find((one) => one.environment === environment);
    return { ...this.optionsOf(found), maxRetries: 0 };
  }

  /** A new secret's strings, as options of the client. */
  optionsOf({ client_id: clientId, client_secret: clientSecret, key: apiKey }) {
    const credential = clientId ? { clientId, clientSecret } : { apiKey };
    return { ...credential, baseUrl: this.url };
  }

  /** A new credential: its id, and its strings as options. */
  async create(kind, more = {}) {
    this.#count += 1;
    const usual = { environment: "test", name: `Key ${this.#count}`, grant: "everything" };
    const body = { kind, ...usual, on_behalf_of: OWNER, ...more };
    const made = await this.post(`/accounts/${this.account}/credentials`, body);
    return { id: made.id, secret: made.secret, options: this.optionsOf(made.secret) };
  }

  /** Rotates, finishes, revokes …; a new secret comes back as options. */
  async act({ id }, act, more = {}) {
    const path = `/accounts/${this.account}/credentials/${id}/${act}`;
    const { secret } = await this.post(path, { on_behalf_of: OWNER, ...more });
    return secret && { id, secret, options: this.optionsOf(secret) };
  }

  async post(path, body = {}) {
    const answer = await fetch(`${this.facts.management_url}/v1${path}`, {
      method: "POST",
      headers: { authorization: `Bearer ${this.#token}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }
}

/** Acts are for an owner who gave the proof that the scheme asks for. */
const OWNER = { member: "ada", role: "owner", step_up: "otp" };
