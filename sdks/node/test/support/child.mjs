// A child process that prints one JSON line when it is ready.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const START_MS = 60_000;
const STOP_MS = 30_000;

/** Starts `$KEYWAY_BIN` with these arguments; `stop` asks it to end, and fails if it ends badly. */
export async function start(...args) {
  const bin = process.env.KEYWAY_BIN;
  if (!bin) throw new Error("KEYWAY_BIN is not set: run the tests by `sdks/node/run`");
  const child = spawn(bin, args, { stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  child.stderr.on("data", (part) => (said = (said + part).slice(-4_000)));
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const late = AbortSignal.timeout(START_MS);
  const [line] = await Promise.race([
    once(lines, "line", { signal: late }),
    ended.then(([code]) => Promise.reject(new Error(`it ended with ${code}: ${said}`))),
  ]).catch((error) => {
    child.kill("SIGKILL");
    throw error;
  });
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
    const [code, signal] = await ended;
    clearTimeout(timer);
    if (code !== 0) throw new Error(`it ended with ${code ?? signal}: ${said}`);
  };
  return { facts: JSON.parse(line), stop };
}
