// A program elsewhere that has this package installed, as `npm pack` makes it.

import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const execute = promisify(execFile);

export const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));

export async function consumer() {
  const folder = await mkdtemp(join(tmpdir(), "keyway-consumer-"));
  after(() => rm(folder, { recursive: true }));
  const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", folder];
  const packed = JSON.parse((await execute("npm", pack, { cwd: PACKAGE })).stdout);
  const [made] = Object.values(packed);
  const installed = join(folder, "node_modules/@keyway/node");
  await mkdir(installed, { recursive: true });
  const unpack = ["-xzf", join(folder, made.filename), "--strip-components=1", "-C", installed];
  await execute("tar", unpack);
  return new Consumer(folder, made);
}

class Consumer {
  constructor(folder, packed) {
    this.folder = folder;
    this.packed = packed;
  }

  async write(path, text) {
    const file = join(this.folder, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
    return file;
  }

  /** What the program prints; it fails if the program does. */
  async node(args, environment = {}) {
    const options = { cwd: this.folder, env: { ...process.env, ...environment } };
    return (await execute(process.execPath, args, options)).stdout;
  }

  /** Compiles strictly; fails with what the compiler says. */
  async compile(files, ...options) {
    const tsc = join(PACKAGE, "node_modules/typescript/bin/tsc");
    const strict = ["--strict", "--exactOptionalPropertyTypes", "--target", "ES2022"];
    const modules = ["--module", "NodeNext", "--types", ""];
    await this.node([tsc, ...strict, ...modules, ...options, ...files]).catch((error) => {
      throw new Error(error.stdout);
    });
  }
}
