// Every family of versions of the official client, the newest of each: each has
// ways of its own on the wire.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import * as latest from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";
import { items, next, serve, start as open, ways } from "./harness.mjs";

const url = await serve();

// The one of 5.x looks for a browser where it finds fetch.
globalThis.self ??= globalThis;

async function load(name) {
  const module = await import(name);
  return module.default ?? module;
}

const versions = [{ number: 10, from: latest, protocol: MessagePackHubProtocol }];
for (const number of ["1.1", "3.0", "3.1", "5", "6", "7", "8", "9"]) {
  versions.push({ number: Number(number), from: await load(`signalr-${number}`) });
}
for (const version of versions.filter((v) => v.number === 1.1 || v.number === 5)) {
  version.protocol = (await load(`msgpack-${version.number}`)).MessagePackHubProtocol;
}

for (const version of versions) {
  const { number, from } = version;
  for (const way of ways.filter((w) => !w.binary || version.protocol)) {
    const start = (at = url, options) => open(at, way, { ...version, ...options });
    const uploads = number >= 3;
    const answers = number >= 7;

    test(`${number}, ${way.name}: connect, invoke, receive, stream, upload, answer, stop`, async () => {
      const c = await start();
      assert.equal(await c.invoke("Add", 40, 2), 42);
      assert.equal(await c.invoke("Nothing"), null);
      await c.invoke("Join", `${number}`);
      const said = next(c, "said");
      await c.send("Say", `${number}`, "hello");
      assert.equal((await said)[1], "hello");
      const ticks = [];
      c.on("tick", (n) => ticks.push(n));
      assert.equal(await c.invoke("Count", 50), 50);
      assert.deepEqual(ticks, [...Array(50).keys()]);
      await assert.rejects(c.invoke("Fail"), /HubException: boom/);
      await assert.rejects(c.invoke("Nope"), /HubException: Method does not exist\./);
      assert.equal((await c.invoke("Echo", { name: "é", n: 1, f: 1.5, on: true, list: [], map: {}, maybe: null })).name, "é");

      assert.deepEqual(await items(c.stream("Numbers", 50)), [...Array(50).keys()]);
      await assert.rejects(items(c.stream("Broken")), /HubException: boom/);
      if (uploads || !way.binary) { // 1.1 has no Cancel in MessagePack
        assert.deepEqual(await items(c.stream("Forever"), (list) => list.length < 5), [0, 1, 2, 3, 4]);
      }
      if (uploads) {
        const upload = new from.Subject();
        const sum = c.invoke("Sum", upload);
        [1, 2, 3, 4].forEach((n) => upload.next(n));
        upload.complete();
        assert.equal(await sum, 10);
      }
      assert.equal(await c.invoke("Add", 1, 1), 2);
      const closed = new Promise((resolve) => c.onclose(resolve));
      await c.stop();
      assert.equal(await closed, undefined, "no error");

      if (answers) {
        const asked = await start(url.replace("chat", "quiz"));
        asked.on("name", () => "ann");
        assert.equal(await asked.invoke("Greet"), "hello ann");
      }
    });

    if (uploads && !way.skipNegotiation) {
      test(`${number}, ${way.name}: a redirect is followed, with its token`, async () => {
        const far = createServer((req, res) => {
          assert.equal(req.method, "POST");
          res.setHeader("Content-Type", "application/json");
          res.end(JSON.stringify({ url: `${url}?elsewhere=${new URL(url).host}` }));
        });
        await new Promise((resolve) => far.listen(0, "127.0.0.1", resolve));
        try {
          const c = await start(`http://127.0.0.1:${far.address().port}/hub`);
          assert.equal(await c.invoke("Token"), "granted");
        } finally {
          far.close();
        }
      });
    }
  }
}
