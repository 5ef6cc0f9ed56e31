// The examples of the README, as they are printed.

import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { PACKAGE } from "./consumer.mjs";

const BLOCK = /^```(\w+)\n(.*?)^```$/gms;

/** The examples of a section, each with its language. */
export async function examples(section) {
  const text = await readFile(join(PACKAGE, "README.md"), "utf8");
  const found = text.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  return [...found.matchAll(BLOCK)].map(([, language, code]) => ({ language, code }));
}

/** Where a platform of the README would be. */
export const HOSTS = /https:\/\/api\.(xtopay\.co|example\.com)/g;
