// Runs a printed JavaScript snippet as it is; the snippet's last expression is its fetch.

import { readFileSync } from 'node:fs';
import vm from 'node:vm';
import { answer } from './answer.mjs';

const snippet = readFileSync(0, 'utf8');
const names = { Buffer, fetch, process, ...JSON.parse(process.env.SNIPPET_NAMES) };

await answer(
  async () => {
    const response = await vm.runInNewContext(snippet, names);
    return { status: response.status, body: await response.json() };
  },
  (error) => ({ message: error.message }),
);
