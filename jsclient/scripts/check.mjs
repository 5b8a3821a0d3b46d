// npm run check: types, built files up to date, size, package, tests. It stops at the first failure.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bundle, files, root, weigh } from "./bundle.mjs";

const run = (...args) => execFileSync(process.execPath, args, { cwd: root, stdio: "inherit" });

run("node_modules/typescript/bin/tsc", "-p", "test");
// Programs for Node have no DOM types.
run("node_modules/typescript/bin/tsc", "-p", "test/tsconfig.node.json");

const fresh = mkdtempSync(join(tmpdir(), "hubwire-dist-"));
try {
  await bundle(fresh);
  const stale = files.filter((name) => !same(join(fresh, name), join(root, "dist", name)));
  if (stale.length) {
    console.error(`dist is stale: ${stale.join(", ")}. Run: npm run build`);
    process.exit(1);
  }
  weigh(fresh);
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

// npm packs what is in this folder only.
if (!same(join(root, "LICENSE"), join(root, "../LICENSE"))) {
  console.error("LICENSE is not that of the repository");
  process.exit(1);
}
quietly("node_modules/publint/src/cli.js", "--strict");
quietly("node_modules/@arethetypeswrong/cli/dist/index.js", "--pack", ".", "--profile", "esm-only", "--format", "ascii");
run("scripts/test.mjs");
// Against the Go server; it is built for that.
run("scripts/test.mjs", "live/live.test.ts");

/** What these print is of interest only where they fail. */
function quietly(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  if (status === 0) return;
  console.error(stdout + stderr);
  process.exit(1);
}

function same(a, b) {
  try {
    return readFileSync(a).equals(readFileSync(b));
  } catch {
    return false;
  }
}
