// A platform's API that serves one environment, and asks Keyway about each request as any API can.

import { listen } from "./server.mjs";

export function platform(verifyUrl, environment) {
  return listen(async (request, response) => {
    const headers = [];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      headers.push([request.rawHeaders[at].toLowerCase(), request.rawHeaders[at + 1]]);
    }
    const question = { method: request.method, path: request.url, headers, environment };
    const asked = await fetch(verifyUrl, { method: "POST", body: JSON.stringify(question) });
    const { allowed, answer, identity } = await asked.json();
    if (allowed) {
      response.writeHead(200).end(JSON.stringify({ account: identity.account, environment }));
    } else {
      response.writeHead(answer.status, answer.headers).end(answer.body);
    }
  });
}
