// A persistent connection without hubs, by the official client.

import assert from "node:assert/strict";
import { group, numbers, scenario, transports } from "./harness.mjs";

group("connections without hubs", () => {
  for (const transport of transports) {
    group(transport, () => {
      const options = { url: "/raw", raw: true, transports: transport };
      const texts = async (peer, count) => (await peer.wait("message", count)).map((m) => m.data);

      scenario("echo, broadcast, groups, stop", [], async (scene) => {
        const ann = await scene.peer("official.html", options);
        const bob = await scene.peer("official.html", options);
        assert.equal(ann.transport, transport);

        await ann.send({ do: "echo", text: "only me" });
        assert.deepEqual(await texts(ann, 1), ["only me"]);
        await ann.send({ do: "join", group: "red" });
        await texts(ann, 2);
        await bob.send({ do: "group", group: "red", text: "for red" });
        await texts(ann, 3);
        await bob.send({ do: "broadcast", text: "for all" });
        assert.deepEqual(await texts(ann, 4), ["only me", "joined red", "for red", "for all"]);
        assert.deepEqual(await texts(bob, 1), ["for all"]);

        await ann.stop();
        await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
      });

      scenario("a cut loses nothing", [], async (scene) => {
        const ann = await scene.peer("official.html", options);
        await ann.send({ do: "join", group: "red" });
        await texts(ann, 1);
        await scene.server.command("down");
        await ann.wait("is reconnecting");
        await scene.server.command("publishRaw", { group: "red", from: 1, to: 40 });
        await scene.server.command("up");
        await scene.server.event({ event: "reconnected", id: ann.id });
        await scene.server.command("publishRaw", { group: "red", from: 41, to: 50 });
        assert.deepEqual(await texts(ann, 51), ["joined red", ...numbers(1, 50)]);
      });
    });
  }
});
