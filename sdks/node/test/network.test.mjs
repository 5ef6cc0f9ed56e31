// What a network and a hostile server can do to a call.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, test } from "node:test";

import { ApiError, ConnectionError, Keyway, TimeoutError } from "@keyway/node";

import { hang, listen, scripted } from "./support/server.mjs";

const API_KEY = "sk_test_0123456789abcdefghijklmn";

function call(url, more) {
  const keyway = new Keyway({ apiKey: API_KEY, baseUrl: url, maxRetries: 0, ...more });
  return keyway.balance.retrieve().catch((error) => error);
}

/** A server that says these bytes to whoever comes, and ends. */
async function raw(bytes) {
  const server = createServer((socket) => socket.on("error", () => {}).end(bytes));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  after(() => server.close());
  return `http://127.0.0.1:${server.address().port}`;
}

/** Where nobody listens any more. */
async function closed() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `http://127.0.0.1:${port}`;
}

test("a_server_that_is_not_there_is_a_connection_error", async () => {
  const url = await closed();
  const error = await call(url);
  assert.ok(error instanceof ConnectionError);
  assert.equal(error.code, "ECONNREFUSED");
  assert.ok(error.message.startsWith(`GET ${url}/v1/balance: `), error.message);
});

test("a_server_that_says_nothing_is_left_after_the_timeout", async () => {
  const { url } = await scripted(hang);
  const began = Date.now();
  const error = await call(url, { timeoutMs: 200 });
  assert.ok(error instanceof TimeoutError);
  assert.equal(error.code, "timeout");
  assert.match(error.message, /no answer in 200 ms/);
  assert.ok(Date.now() - began < 10_000);
});

test("a_body_that_never_ends_is_left_after_the_timeout", async () => {
  const timers = [];
  after(() => timers.forEach(clearInterval));
  const url = await listen((_, response) => {
    response.writeHead(200);
    timers.push(setInterval(() => response.write(" "), 20));
  });
  assert.ok((await call(url, { timeoutMs: 300 })) instanceof TimeoutError);
});

test("a_body_without_measure_is_not_read_on", async () => {
  const block = Buffer.alloc(1 << 20, 32);
  let sent = 0;
  const url = await listen((_, response) => {
    const more = () => {
      while (!response.destroyed && response.write(block)) sent += block.length;
    };
    response.writeHead(200).on("drain", more);
    more();
  });
  const error = await call(url);
  assert.equal(error.code, "answer_too_large");
  assert.ok(sent < 64 << 20, `${sent}`);
});

test("a_connection_that_breaks_within_the_body_is_a_connection_error", async () => {
  const error = await call(await raw("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"));
  assert.ok(error instanceof ConnectionError);
});

test("what_is_no_http_is_a_connection_error", async () => {
  assert.ok((await call(await raw("220 mail.example.com ESMTP\r\n"))) instanceof ConnectionError);
});

test("a_page_in_place_of_the_api_is_said", async () => {
  const { url } = await scripted({ body: "<html>Welcome</html>" });
  const error = await call(url);
  assert.ok(error instanceof ApiError);
  assert.deepEqual([error.status, error.code], [200, "unreadable_answer"]);
});

test("an_error_page_of_a_proxy_is_kept_as_text", async () => {
  const { url } = await scripted({ status: 502, body: "<h1>Bad gateway</h1>" });
  const error = await call(url);
  assert.deepEqual([error.status, error.code], [502, "http_502"]);
  assert.equal(error.body, "<h1>Bad gateway</h1>");
});

test("an_answer_without_a_body_is_undefined", async () => {
  const { url } = await scripted({ status: 204, body: "" });
  assert.equal(await call(url), undefined);
});

test("a_redirect_is_not_followed_and_the_credential_stays", async () => {
  const elsewhere = await scripted({});
  const { url } = await scripted({ status: 307, headers: { location: elsewhere.url } });
  assert.equal((await call(url)).status, 307);
  assert.equal(elsewhere.got.length, 0);
});

test("bodies_of_any_shape_are_read_without_surprise", async () => {
  for (const body of ["null", "[]", "7", '"x"', '{"error":null}', '{"error":{"code":7}}', "{"]) {
    const { url } = await scripted({ status: 400, body });
    const error = await call(url);
    assert.deepEqual([error.status, error.code], [400, "http_400"], body);
  }
});

test("an_answer_that_is_nested_without_end_is_read_as_far_as_is_of_use", async () => {
  const body = "[".repeat(100_000) + "]".repeat(100_000);
  const { url } = await scripted({ status: 400, body });
  assert.deepEqual([(await call(url)).status, (await call(url)).code], [400, "http_400"]);
});

test("an_abort_ends_a_call_under_way_with_its_reason", async () => {
  const { url } = await scripted(hang);
  const stop = new AbortController();
  const reason = new Error("enough");
  const keyway = new Keyway({ apiKey: API_KEY, baseUrl: url });
  const calling = keyway.balance.retrieve({ signal: stop.signal });
  setTimeout(() => stop.abort(reason), 50);
  await assert.rejects(calling, reason);
  await assert.rejects(keyway.balance.retrieve({ signal: AbortSignal.abort(reason) }), reason);
});
