// A receiver of webhooks in a process of its own, verifying with `standardwebhooks` for Node. It speaks
// as servers/receiver.py does, as far as plain answers go.

import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const hooks = new Map();

function hook(url) {
  const name = url.split("/").at(-1);
  if (!hooks.has(name)) hooks.set(name, { secrets: {}, answers: [{ status: 200 }], got: [] });
  return hooks.get(name);
}

function isVerified(secret, headers, body) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function take(to, headers, body) {
  const known = Object.entries(to.secrets);
  const verified = known.map(([name, secret]) => [name, isVerified(secret, headers, body)]);
  const answer = to.answers.length === 1 ? to.answers[0] : to.answers.shift();
  const at = Date.now() / 1000;
  to.got.push({ at, headers, body, verified: Object.fromEntries(verified), answer, ended: true });
  return answer;
}

async function read(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
}

const server = createServer(async (request, response) => {
  const to = hook(request.url);
  const body = await read(request);
  let answer = { status: 200 };
  if (request.method === "GET") answer.body = JSON.stringify(to.got);
  else if (request.method === "PUT") Object.assign(to, JSON.parse(body));
  else answer = take(to, request.headers, body);
  response.writeHead(answer.status, answer.headers ?? {});
  response.end(answer.body ?? "");
});

server.listen(0, "127.0.0.1", () => console.log(JSON.stringify({ port: server.address().port })));
