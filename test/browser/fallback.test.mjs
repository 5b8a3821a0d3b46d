// Networks that do not let every transport through.

import assert from "node:assert/strict";
import { clients, group, scenario } from "./harness.mjs";

const hubs = { room: ["addMessage"] };

const networks = [
  { name: "everything allowed", flags: [], transport: "webSockets" },
  { name: "WebSockets refused", flags: ["-refuse", "webSockets"], transport: "serverSentEvents" },
  { name: "WebSockets and event streams refused", flags: ["-refuse", "webSockets,serverSentEvents"], transport: "longPolling" },
  { name: "event streams held back by a proxy", flags: ["-refuse", "webSockets", "-swallow", "serverSentEvents"], hangs: "serverSentEvents", transport: "longPolling" },
  { name: "WebSockets not offered", flags: ["-transports", "serverSentEvents,longPolling"], transport: "serverSentEvents" },
];

for (const [client, document] of Object.entries(clients)) {
  group(`${client} finds a transport`, () => {
    for (const { name, flags, hangs, transport } of networks) {
      scenario(`${name}: ${transport}`, flags, async (scene) => {
        const ann = await scene.peer(document, { hubs, query: { user: "ann" }, hangs });
        assert.equal(ann.transport, transport);
        await ann.invoke("room", "join", "lobby");
        await ann.invoke("room", "say", "lobby", "hello");
        assert.deepEqual(await ann.messages(1), [["ann", "hello", "lobby"]]);

        await ann.stop();
        await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
        assert.equal(scene.server.events({ event: "connected" }).length, 1, "one connection, whatever it took");
        assert.equal(scene.server.events({ event: "disconnected" }).length, 1);
      });
    }

    scenario("nothing allowed: start fails", ["-refuse", "webSockets,serverSentEvents,longPolling"], async (scene) => {
      const ann = await scene.page(document);
      await assert.rejects(ann.connect({ url: "/signalr", hubs }), /no transport could be/i);
      assert.deepEqual(scene.server.events({ event: "connected" }), []);
    });
  });
}
