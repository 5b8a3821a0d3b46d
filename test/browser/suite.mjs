// All browser tests, or those that are named: npm test -- chat network. They are
// one list in one process, so that they share a Chromium.

import { readdirSync } from "node:fs";
import { describe } from "node:test";
import { concurrency } from "./harness.mjs";

const ending = ".test.mjs";
const all = readdirSync(new URL(".", import.meta.url)).filter((file) => file.endsWith(ending)).map((file) => file.slice(0, -ending.length));
const named = process.argv.slice(2);

describe("in Chromium", { concurrency }, async () => {
  for (const name of named.length ? named : all) {
    await import(`./${name}${ending}`);
  }
});
