// Who is not to be there: refused at the door, or thrown out. Neither gets in
// by the ways of a client that comes back.

import assert from "node:assert/strict";
import { clients, group, scenario, transports } from "./harness.mjs";

const hubs = { room: ["addMessage"] };

group("barred", () => {
  const documents = [clients["official client without proxies"], clients["our client"]];
  for (const [document, transport] of documents.flatMap((d) => transports.map((t) => [d, t]))) {
    const options = (user) => ({ transports: transport, hubs, query: { user } });
    const on = `${document} on ${transport}`;

    scenario(`${on}: whom the hub does not let in, does not get in`, [], async (scene) => {
      const mallory = await scene.page(document);
      await assert.rejects(mallory.connect({ url: "/signalr", ...options("mallory") }), /not welcome|start request/);
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
