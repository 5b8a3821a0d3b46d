// npm test [file...]: builds the tests, which are TypeScript, and runs them. Files are named from
// the folder test; without any, all that need no server are run.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "./bundle.mjs";

// Milliseconds that the tests of a file may take together: none do, unless one is broken.
const patience = 600_000;
const units = readdirSync(join(root, "test")).filter((name) => name.endsWith(".test.ts"));
const names = process.argv.length > 2 ? process.argv.slice(2) : units;
// Inside of node_modules, so that the tests find the packages that they import.
const folder = mkdtempSync(join(root, "node_modules", ".hubwire-tests-"));
try {
  await build({
    absWorkingDir: root,
    entryPoints: names.map((name) => `test/${name}`),
    entryNames: "[name]",
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    outdir: folder,
    outExtension: { ".js": ".mjs" },
  });
  const tests = readdirSync(folder).map((name) => join(folder, name));
  execFileSync(process.execPath, ["--enable-source-maps", "--test", `--test-timeout=${patience}`, `--test-reporter=${process.env.REPORTER ?? "dot"}`, ...tests], { cwd: root, stdio: "inherit" });
} catch (error) {
  if (error.status === undefined) throw error;
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
