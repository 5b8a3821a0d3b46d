// docs/client.md: its TypeScript compiles, and its tables name what there is.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

// Tests run in the package's folder.
const page = readFileSync("../docs/client.md", "utf8");
const types = readFileSync("dist/hubwire.d.ts", "utf8");

test("the TypeScript of the page compiles", () => {
  const folder = mkdtempSync(join("test", "docs-"));
  try {
    const names = [...page.matchAll(/^```ts\n(\/\/ (\S+)\n.*?)^```/gms)].map(([, code = "", name = ""]) => {
      writeFileSync(join(folder, name), code);
      return name;
    });
    assert.deepEqual(names, ["hubs.d.ts", "typed.ts", "errors.ts", "node.ts"]);
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ extends: "../tsconfig.json", files: names }));
    execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", folder], { encoding: "utf8" });
  } catch (error: any) {
    assert.fail(error.stdout ?? error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("every name in the page's tables is declared", () => {
  const rows = [...page.matchAll(/^\| (`.*?) \|/gm)].map(([, cell = ""]) => cell);
  assert(rows.length > 20, `${rows.length} rows`);
  for (const name of rows.flatMap((cell) => [...cell.matchAll(/`(?:\w+\.)?(?:new )?(\w+)/g)].map((m) => m[1]!))) {
    if (name === "say") continue; // A method of the example's hub.
    assert.match(types, new RegExp(`\\b${name}\\b`), name);
  }
});
