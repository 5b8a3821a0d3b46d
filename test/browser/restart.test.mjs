// The server is started again while its clients are there. They come back to
// the new one by themselves, as who they were, in the groups where they were.

import assert from "node:assert/strict";
import { group, numbers, ownAddress, scenario, transports, twoClients } from "./harness.mjs";

const hubs = { room: ["numbered"] };
const key = "0123456789abcdef0123456789abcdef";

group("the server is started again", () => {
  for (const [client, document] of Object.entries(twoClients)) {
    for (const transport of transports) {
      for (const crash of [false, true]) {
        const flags = ["-key", key, "-addr", ownAddress()];
        scenario(`${client} on ${transport}, after ${crash ? "a crash" : "a shutdown"}`, flags, async (scene) => {
          const ann = await scene.peer(document, { transports: transport, hubs, query: { user: "ann" } });
          await ann.invoke("room", "join", "lobby");
          await scene.server.command("publish", { group: "lobby", from: 1, to: 3 });
          await ann.messages(3);

          await scene.restart(flags, { crash });
          await scene.server.event({ event: "reconnected", id: ann.id, transport });
          await scene.server.command("publish", { group: "lobby", from: 4, to: 6 });
          assert.deepEqual(await ann.messages(6), numbers(1, 6).map((n) => [n]));
          if (transport !== "longPolling") { // Between two polls a crash is not noticed.
            await ann.wait("reconnected");
          }
          assert.deepEqual(await ann.invoke("room", "whoAmI"), { id: ann.id, user: "ann", transport });
          await ann.stop();
          await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
          assert.deepEqual(scene.server.events({ event: "connected" }), []);
        });
      }
    }
  }
});
