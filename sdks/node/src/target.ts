// Where a call goes: always below the base URL, whatever is in a path or an id.

import { ConfigurationError } from "./errors.js";

/** What can be in a query; what is undefined is left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>;

/** The URL of `path`, which begins with a slash. */
export function target(baseUrl: URL, path: string, query: Query = {}): URL {
  const prefix = baseUrl.pathname.replace(/\/$/, "");
  // `//host`, `/\host` and `/..` lead away; the credential must not go along.
  const url = /^\/(?![/\\])/.test(path) ? new URL(`${prefix}${path}`, baseUrl) : undefined;
  if (url?.origin !== baseUrl.origin || !url.pathname.startsWith(`${prefix}/`)) {
    throw new ConfigurationError("A path begins with one slash and stays below baseUrl.");
  }
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, String(value));
  }
  return url;
}

/** An id as one segment of a path. */
export function segment(id: string): string {
  if (typeof id !== "string" || /^\.{0,2}$/.test(id)) {
    throw new ConfigurationError("An id is a text that is not empty.");
  }
  return encodeURIComponent(id);
}
