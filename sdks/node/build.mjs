// Builds `dist/esm` and `dist/cjs`, each with its types: `npm run build`.

import { execFileSync } from "node:child_process";
import { rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const tsc = `${here}node_modules/typescript/bin/tsc`;
const compile = (project) =>
  execFileSync(process.execPath, [tsc, "-p", project], { cwd: here, stdio: "inherit" });

rmSync(`${here}dist`, { recursive: true, force: true });
compile("tsconfig.json");
compile("tsconfig.cjs.json");
// The package says that its files are ES modules; these are not.
writeFileSync(`${here}dist/cjs/package.json`, '{ "type": "commonjs" }\n');
