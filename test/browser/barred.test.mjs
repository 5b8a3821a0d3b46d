// Who is not to be there: refused at the door, or thrown out. Neither gets in
// by the ways of a client that comes back.

import assert from "node:assert/strict";
import { group, scenario, transports, twoClients } from "./harness.mjs";

const hubs = { room: ["addMessage"] };

group("barred", () => {
  const ways = Object.entries(twoClients).flatMap(([client, document]) => transports.map((transport) => ({ client, document, transport })));
  for (const { client, document, transport } of ways) {
    const options = (user) => ({ transports: transport, hubs, query: { user } });
    const on = `${client} on ${transport}`;

    scenario(`${on}: whom the hub does not let in, does not get in`, [], async (scene) => {
      const mallory = await scene.page(document);
      // The answer to start says why, unless the transport has ended before it comes.
      await assert.rejects(mallory.connect({ url: "/signalr", ...options("mallory") }), /not welcome|start request|The connection has ended/);
      const ann = await scene.peer(document, options("ann"));
      await ann.stop();
      await scene.server.event({ event: "disconnected", id: ann.id });
      assert.equal(scene.server.events({ event: "disconnected" }).length, 1, "no end without a beginning");
    });

    scenario(`${on}: whom the server aborts stops at once, with all that was sent before`, [], async (scene) => {
      const ann = await scene.peer(document, options("ann"));
      ann.invokeAny("room", "kickMe").catch(() => {}); // Whether an answer still comes is not said.
      await ann.wait("is disconnected");
      assert.deepEqual(await ann.messages(1, "addMessage"), [["the server", "out with you", ""]]);
      await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: false });
      assert.deepEqual(await ann.wait("is reconnecting", 0), [], "it does not even try to come back");
    });
  }
});
