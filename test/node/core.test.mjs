// The official client of ASP.NET Core SignalR on every transport and protocol.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { HttpTransportType, HubConnectionBuilder, HubConnectionState, LogLevel } from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

const here = path.dirname(fileURLToPath(import.meta.url));

let bin, child, url, stderr = "";

before(async () => {
  bin = mkdtempSync(path.join(tmpdir(), "hubwire-node-"));
  const server = path.join(bin, "server");
  execFileSync("go", ["build", "-race", "-o", server, "./server"], { cwd: here, stdio: "inherit" });
  child = spawn(server, { env: { ...process.env, GORACE: "atexit_sleep_ms=0" } });
  child.stderr.setEncoding("utf8").on("data", (text) => { stderr += text; });
  url = await new Promise((resolve) => createInterface({ input: child.stdout }).once("line", resolve));
});

after(async () => {
  const exit = new Promise((resolve) => child.once("close", resolve));
  child.stdin.end();
  const code = await exit;
  rmSync(bin, { recursive: true, force: true });
  assert.equal(code, 0, `the server left something running:\n${stderr.slice(-4000)}`);
});

const open = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((c) => c.stop()));
});

// A way is a transport with a protocol on it.
const ways = [
  { name: "WebSockets", transport: HttpTransportType.WebSockets },
  { name: "ServerSentEvents", transport: HttpTransportType.ServerSentEvents },
  { name: "LongPolling", transport: HttpTransportType.LongPolling },
  { name: "WebSockets with MessagePack", transport: HttpTransportType.WebSockets, binary: true },
  { name: "LongPolling with MessagePack", transport: HttpTransportType.LongPolling, binary: true },
  { name: "WebSockets without negotiate", transport: HttpTransportType.WebSockets, skipNegotiation: true },
];

function build(way, { stateful, reconnect, at = url } = {}) {
  const builder = new HubConnectionBuilder()
    .withUrl(at, { transport: way.transport, skipNegotiation: way.skipNegotiation })
    .configureLogging(process.env.VERBOSE ? LogLevel.Trace : LogLevel.None);
  if (way.binary) {
    builder.withHubProtocol(new MessagePackHubProtocol());
  }
  if (stateful) {
    builder.withStatefulReconnect();
  }
  if (reconnect) {
    builder.withAutomaticReconnect([0, 50, 100, 200]);
  }
  const connection = builder.build();
  connection.on("said", () => {}); // a client warns of what nobody listens to
  open.push(connection);
  return connection;
}

async function start(way, options) {
  const connection = build(way, options);
  await connection.start();
  return connection;
}

// next returns the arguments of the next call of the method.
function next(connection, method) {
  return new Promise((resolve) => {
    const handler = (...args) => {
      connection.off(method, handler);
      resolve(args);
    };
    connection.on(method, handler);
  });
}

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

  test(`${way.name}: groups`, async () => {
    const [a, b] = await Promise.all([start(way), start(way)]);
    await Promise.all([a.invoke("Join", "room"), b.invoke("Join", "room")]);
    const both = Promise.all([next(a, "said"), next(b, "said")]);
    await a.invoke("Say", "room", "hello");
    for (const [, text] of await both) {
      assert.equal(text, "hello");
    }
    await b.invoke("Leave", "room");
    b.on("said", () => assert.fail("it has left"));
    await a.invoke("Say", "room", "again");
    await b.invoke("Nothing");
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
  const seen = all.map((c) => {
    const list = [];
    c.on("said", (_, text) => list.push(text));
    return list;
  });
  await Promise.all(all.map(async (c, i) => {
    for (let n = 0; n < 20; n++) {
      await c.invoke("Say", "mixed", `${i}.${n}`);
    }
  }));
  await until(() => seen.every((list) => list.length === 20 * all.length));
  for (const list of seen) {
    assert.deepEqual(list, seen[0]);
  }
});

async function until(condition) {
  for (let i = 0; !condition(); i++) {
    assert.ok(i < 1000, "it does not come about");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

// Older clients, of which each has ways of its own on the wire.
// The one of 5.x looks for a browser where it finds fetch.
globalThis.self ??= globalThis;

for (const version of ["signalr-1", "signalr-3", "signalr-5", "signalr-7"]) {
  for (const way of ways.filter((w) => !w.binary && !w.skipNegotiation)) {
    test(`${version}, ${way.name}: connect, invoke, receive, stop`, async () => {
      const old = await import(version);
      const { HubConnectionBuilder, LogLevel } = old.default ?? old;
      const c = new HubConnectionBuilder().withUrl(url, { transport: way.transport }).configureLogging(LogLevel.None).build();
      await c.start();
      assert.equal(await c.invoke("Add", 40, 2), 42);
      await c.invoke("Join", version);
      const said = next(c, "said");
      await c.send("Say", version, "hello");
      assert.equal((await said)[1], "hello");
      const ticks = [];
      c.on("tick", (n) => ticks.push(n));
      assert.equal(await c.invoke("Count", 50), 50);
      assert.deepEqual(ticks, [...Array(50).keys()]);
      await assert.rejects(c.invoke("Fail"), /HubException: boom/);
      const closed = new Promise((resolve) => c.onclose(resolve));
      await c.stop();
      await closed;
    });
  }
}

// A Wire is a TCP connection to the server through a proxy that can be cut.
class Wire {
  sockets = new Set();

  async listen() {
    const target = new URL(url);
    this.server = net.createServer((near) => {
      const far = net.connect(target.port, target.hostname);
      for (const [a, b] of [[near, far], [far, near]]) {
        this.sockets.add(a);
        a.on("error", () => {}).on("close", () => { this.sockets.delete(a); b.destroy(); });
        a.pipe(b);
      }
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return url.replace(target.host, `127.0.0.1:${this.server.address().port}`);
  }

  // cut resets every connection.
  cut() {
    for (const socket of this.sockets) {
      socket.resetAndDestroy();
    }
  }

  close() {
    this.cut();
    this.server.close();
  }
}

for (const binary of [false, true]) {
  const way = { transport: HttpTransportType.WebSockets, binary };
  const name = binary ? "with MessagePack" : "with JSON";

  test(`a stateful connection ${name} survives cuts: nothing is lost, nothing comes twice`, async () => {
    const wire = new Wire();
    const c = await start(way, { stateful: true, at: await wire.listen() });
    try {
      c.onclose(() => assert.fail("closed"));
      const id = c.connectionId;
      const ticks = [];
      c.on("tick", (n) => ticks.push(n));
      await c.invoke("Slowly", 1000);
      const sums = [];
      for (let i = 0; ticks.length < 1000; i++) {
        if (i % 10 === 9) {
          wire.cut();
        }
        sums.push(c.invoke("Add", i, 1));
        await new Promise((resolve) => setTimeout(resolve, 15));
        assert.ok(i < 1000, `${ticks.length} of 1000 came`);
      }
      assert.deepEqual(ticks, [...Array(1000).keys()]);
      assert.deepEqual(await Promise.all(sums), sums.map((_, i) => i + 1), "calls are answered across cuts");
      assert.equal(await c.invoke("ID"), id, "it is the same connection");
    } finally {
      await c.stop();
      wire.close();
    }
  });

  test(`a plain connection ${name} comes back as another one`, async () => {
    const wire = new Wire();
    const c = await start(way, { reconnect: true, at: await wire.listen() });
    try {
      const id = c.connectionId;
      const back = new Promise((resolve) => c.onreconnected(resolve));
      wire.cut();
      assert.notEqual(await back, id);
      assert.equal(await c.invoke("Add", 1, 2), 3);
    } finally {
      await c.stop();
      wire.close();
    }
  });
}
