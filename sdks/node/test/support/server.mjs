// A small HTTP server within the test, which keeps what came and answers as it is told.

import { once } from "node:events";
import { createServer } from "node:http";
import { after } from "node:test";

/** Listens on a free port; `answer(request, response)` gets the request's whole body as `body`. */
export async function listen(answer) {
  const server = createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    request.body = Buffer.concat(parts).toString();
    await answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/**
 * Answers with each of `answers` in turn, the last one again and again: an object of `status`,
 * `headers` and `body`, or a function of the response.
 */
export async function scripted(...answers) {
  const got = [];
  const url = await listen((request, response) => {
    const { method, url, headers, body } = request;
    got.push({ method, url, headers, body, at: Date.now() });
    const answer = answers[Math.min(got.length, answers.length) - 1];
    if (typeof answer === "function") return answer(response);
    const { status = 200, headers: sent = {}, body: text = "{}" } = answer;
    response.writeHead(status, { "content-type": "application/json", ...sent }).end(text);
  });
  return { url, got };
}

/** Ends the connection without an answer. */
export const hangUp = (response) => response.destroy();

/** Says nothing, until the other side goes. */
export const hang = () => {};
