// npm test [file...]: builds the tests, which are TypeScript, and runs them.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { build } from "esbuild";
import { root } from "./bundle.mjs";

const wanted = process.argv.slice(2).map((path) => basename(path));
const names = readdirSync(join(root, "test")).filter((name) => name.endsWith(".test.ts"));
// Inside of node_modules, so that the tests find the packages that they import.
const folder = mkdtempSync(join(root, "node_modules", ".hubwire-tests-"));
try {
  await build({
    absWorkingDir: root,
    entryPoints: names.filter((name) => !wanted.length || wanted.includes(name)).map((name) => `test/${name}`),
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
  execFileSync(process.execPath, ["--enable-source-maps", "--test", "--test-timeout=60000", "--test-reporter=dot", ...tests], { cwd: root, stdio: "inherit" });
} catch (error) {
  if (error.status === undefined) throw error;
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
