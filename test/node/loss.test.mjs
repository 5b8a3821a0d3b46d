// Cut networks, and a server that dies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HttpTransportType, HubConnectionState } from "@microsoft/signalr";
import { Server, Wire, items, next, serve, start, ways } from "./harness.mjs";

const url = await serve();

for (const binary of [false, true]) {
  const way = { transport: HttpTransportType.WebSockets, binary };
  const name = binary ? "with MessagePack" : "with JSON";

  test(`a stateful connection ${name} survives cuts: nothing is lost, nothing comes twice`, async () => {
    const wire = new Wire();
    const c = await start(await wire.listen(url), way, { stateful: true });
    try {
      const id = c.connectionId;
      const ticks = [];
      let wake = () => {};
      c.on("tick", (n) => { ticks.push(n); wake(); });
      c.onclose(() => wake());
      const reach = async (count) => {
        while (ticks.length < count) {
          await new Promise((resolve) => { wake = resolve; });
          assert.equal(c.state, HubConnectionState.Connected);
        }
      };
      await c.invoke("Slowly", 1000);
      const sums = [];
      const add = () => sums.push(c.invoke("Add", sums.length, 1));
      for (let cut = 1; cut < 10; cut++) {
        await reach(100 * cut);
        add();
        wire.cut();
        add();
        await sums.at(-1); // The client tries once to come back: the next cut comes when it is there.
      }
      await reach(1000);
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
    const c = await start(await wire.listen(url), way, { reconnect: true });
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

// lost is what a call says whose connection is gone.
const lost = /^Error: (WebSocket closed with status code: 1006|.*underlying connection being closed)|fetch failed|terminated/;

// A server is killed, and started again on its port. Without a key of its own
// it cannot know anything of the connections before; with one it knows their
// tokens, and still not them.
for (const key of ["", "0123456789abcdef0123456789abcdef"]) {
  for (const stateful of [false, true]) {
    const flags = key ? ["-key", key] : [];
    const tried = ways.filter((w) => !stateful || w.transport === HttpTransportType.WebSockets && !w.skipNegotiation);
    test(`${stateful ? "stateful" : "plain"} clients are other ones when a server ${key ? "with" : "without"} a key was killed`, async (t) => {
      const server = new Server();
      t.after(() => server.kill());
      // An address for itself: nobody else takes its port while it is away.
      const address = new URL(await server.start("-addr", "127.0.1.1:0", ...flags));
      const clients = await Promise.all(tried.map((way) => start(address.href, way, { reconnect: true, stateful })));
      const each = (f) => Promise.all(clients.map(f));
      const before = clients.map((c) => c.connectionId);
      const away = each((c) => new Promise((resolve) => c.onreconnecting(resolve)));
      const back = each((c) => new Promise((resolve) => c.onreconnected(resolve)));
      await each((c) => c.invoke("Join", "room"));

      const begun = each((c) => next(c, "tick"));
      const calls = each((c) => assert.rejects(c.invoke("Wait"), lost));
      await begun;
      const streams = [];
      await each((c) => new Promise((flows) => {
        streams.push(assert.rejects(items(c.stream("Forever"), () => { flows(); return true; }), lost));
      }));
      await server.kill();
      await Promise.all([calls, ...streams, away]);

      await server.start("-addr", address.host, ...flags);
      (await back).forEach((id, i) => {
        assert.equal(id ?? null, clients[i].connectionId);
        assert.ok(tried[i].skipNegotiation || id && id !== before[i], `${tried[i].name}: ${before[i]} is ${id}`);
      });
      assert.deepEqual(await each((c, i) => c.invoke("Add", i, 1)), clients.map((_, i) => i + 1));
      const heard = each((c) => next(c, "said"));
      await clients[0].invoke("Say", "room", "nobody is in it any more");
      await each((c) => c.invoke("Join", "room"));
      await clients[0].invoke("Say", "room", "hello");
      for (const [, text] of await heard) {
        assert.equal(text, "hello");
      }
    });
  }
}
