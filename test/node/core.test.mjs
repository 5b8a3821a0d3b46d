// The official client of ASP.NET Core SignalR on every transport and protocol.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HubConnectionState, Subject } from "@microsoft/signalr";
import { items, next, nexts, serve, start as open, ways } from "./harness.mjs";

const url = await serve();
const start = (way, options) => open(url, way, options);

for (const way of ways) {
  test(`${way.name}: results and errors`, async () => {
    const c = await start(way);
    assert.equal(await c.invoke("Add", 40, 2), 42);
    assert.equal(await c.invoke("add", -1, 0), -1);
    assert.equal(await c.invoke("Nothing"), null);
    const thing = { name: "é\u2028\"<>\u{1F600}", n: -5, f: 0.25, on: true, list: ["a", ""], map: { x: 1 }, maybe: null };
    assert.deepEqual(await c.invoke("Echo", thing), thing);
    await assert.rejects(c.invoke("Fail"), { message: "An unexpected error occurred invoking 'Fail' on the server. HubException: boom" });
    await assert.rejects(c.invoke("Nope"), { message: "Failed to invoke 'Nope' due to an error on the server. HubException: Method does not exist." });
    await assert.rejects(c.invoke("Add", 1), /Failed to invoke 'Add' due to an error on the server\./);
    await assert.rejects(c.invoke("Add", 1, "x"), /Failed to invoke 'Add' due to an error on the server\./);
    if (!way.skipNegotiation) {
      assert.equal(await c.invoke("ID"), c.connectionId);
    }
  });

  test(`${way.name}: calls both ways, in order`, async () => {
    const c = await start(way);
    const ticks = [];
    c.on("tick", (n) => ticks.push(n));
    assert.equal(await c.invoke("Count", 500), 500);
    assert.deepEqual(ticks, [...Array(500).keys()], "what a method sends arrives before its result");
    for (const v of [null, true, "x", 1, 1.5, [1, [2]], { a: { b: null } }]) {
      const [got] = await Promise.all([next(c, "value"), c.send("Back", v)]);
      assert.deepEqual(got, [v]);
    }
    const sums = await Promise.all([...Array(100).keys()].map((i) => c.invoke("Add", i, i)));
    assert.deepEqual(sums, [...Array(100).keys()].map((i) => 2 * i));
    assert.equal(await c.invoke("Size", "x".repeat(30_000)), 30_000);
  });

  test(`${way.name}: an upload that its method is too slow for`, async () => {
    const c = await start(way);
    const upload = new Subject();
    const unloaded = c.invoke("Unload", upload);
    const crate = "x".repeat(30_000);
    for (let i = 0; i < 500; i++) { // 15 MB, at once
      upload.next(crate);
    }
    upload.complete();
    const { Items, Peak } = await unloaded;
    assert.equal(Items, 500);
    assert.ok(Peak < 10 << 20, `${Peak} bytes are in use`);
  });

  test(`${way.name}: streams both ways`, async () => {
    const c = await start(way);
    assert.deepEqual(await items(c.stream("Numbers", 500)), [...Array(500).keys()]);
    assert.deepEqual(await items(c.stream("Forever"), (list) => list.length < 20), [...Array(20).keys()]);
    await assert.rejects(items(c.stream("Broken")), /HubException: boom/);
    await assert.rejects(items(c.stream("Add", 1, 2)), /non-streaming 'Add'/);
    await assert.rejects(c.invoke("Numbers", 1), /streaming 'Numbers'/);

    const upload = new Subject();
    const sum = c.invoke("Sum", upload);
    for (let i = 1; i <= 100; i++) {
      upload.next(i);
    }
    upload.complete();
    assert.equal(await sum, 5050);

    const failing = new Subject();
    const failure = c.invoke("Sum", failing);
    failing.next(1);
    failing.error(new Error("disk full"));
    await assert.rejects(failure, /HubException: disk full/);

    const numbers = new Subject();
    const doubled = items(c.stream("Double", numbers));
    [1, 2, 3].forEach((n) => numbers.next(n));
    numbers.complete();
    assert.deepEqual(await doubled, [2, 4, 6]);
    assert.equal(await c.invoke("Add", 1, 1), 2);
  });

  test(`${way.name}: the server asks`, async () => {
    const c = await open(url.replace("chat", "quiz"), way);
    await assert.rejects(c.invoke("Greet"), /HubException: Client didn't provide a result\./);
    let answer = () => "ann";
    c.on("name", () => answer());
    assert.equal(await c.invoke("Greet"), "hello ann");
    answer = () => c.invoke("Hint"); // which runs while the other one waits
    assert.equal(await c.invoke("Greet"), "hello it begins with a");
    answer = () => { throw new Error("from callback"); };
    await assert.rejects(c.invoke("Greet"), /HubException: Error: from callback/);
  });

  test(`${way.name}: groups`, async () => {
    const [a, b] = await Promise.all([start(way), start(way)]);
    await Promise.all([a.invoke("Join", "room"), b.invoke("Join", "room")]);
    const both = Promise.all([next(a, "said"), next(b, "said")]);
    await a.invoke("Say", "room", "hello");
    for (const [, text] of await both) {
      assert.equal(text, "hello");
    }
    await b.invoke("Leave", "room");
    const heard = next(b, "said");
    await a.invoke("Say", "room", "it has left");
    await b.invoke("Join", "room");
    await a.invoke("Say", "room", "it is back");
    assert.equal((await heard)[1], "it is back");
  });

  test(`${way.name}: abort and stop`, async () => {
    const a = await start(way, { reconnect: true });
    const closed = new Promise((resolve) => a.onclose(resolve));
    await a.send("Abort");
    assert.equal(await closed, undefined, "an abort is final and no error");
    const b = await start(way);
    await b.stop();
    assert.equal(b.state, HubConnectionState.Disconnected);
    await b.start();
    assert.equal(await b.invoke("Add", 1, 1), 2, "it can start again");
  });

  test(`${way.name}: a message that is too large`, async () => {
    const c = await start(way, { reconnect: true });
    const back = new Promise((resolve) => c.onreconnected(resolve));
    await assert.rejects(c.invoke("Size", "x".repeat(40_000)));
    await back;
    assert.equal(await c.invoke("Add", 1, 1), 2);
  });
}

test("MessagePack: bytes and dates", async () => {
  for (const way of ways.filter((w) => w.binary)) {
    const c = await start(way);
    assert.deepEqual([...await c.invoke("Bytes", new Uint8Array([0, 255]))], [0, 255, 1]);
    const now = new Date(1_700_000_000_123);
    assert.deepEqual(await c.invoke("Later", now), new Date(1_700_000_001_123));
  }
});

test("all ways in one room see the same, in the same order", async () => {
  const all = await Promise.all(ways.map((way) => start(way)));
  await Promise.all(all.map((c) => c.invoke("Join", "mixed")));
  const seeing = all.map((c) => nexts(c, "said", 20 * all.length));
  await Promise.all(all.map(async (c, i) => {
    for (let n = 0; n < 20; n++) {
      await c.invoke("Say", "mixed", `${i}.${n}`);
    }
  }));
  const seen = await Promise.all(seeing);
  for (const list of seen) {
    assert.deepEqual(list, seen[0]);
  }
});
