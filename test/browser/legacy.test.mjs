// The ways that old browsers have, by the official client: an endless page in
// an iframe, and scripts that carry the data. Ours does not speak them.

import assert from "node:assert/strict";
import { group, numbers, scenario } from "./harness.mjs";

const hubs = { room: ["addMessage", "numbered"] };
const text = "</script><script>document.title = 'taken over'</script> \u2028 'single' \"double\" \\ \n end";

const ways = [
  {
    name: "foreverFrame",
    flags: [],
    options: () => ({ transports: "foreverFrame", without: ["EventSource"], clock: true }),
    // An iframe does not tell that its connection broke: the client goes by the
    // keep-alives, one each 10 s.
    notice: (page) => page.clock.fastForward(20_000),
  },
  {
    name: "JSONP long polling from another origin",
    flags: ["-jsonp"],
    // A script that is on its way cannot be called back. When the client stops,
    // the poll's answer finds no function to call.
    tolerated: /jQuery\d+_\d+ is not defined/,
    options: (server) => ({ transports: "longPolling", settings: { jsonp: true }, origin: server.friend, url: `${server.url}/signalr` }),
  },
];

group("old browsers", () => {
  for (const { name, flags, options, tolerated, notice } of ways) {
    scenario(`${name}: calls and messages`, flags, async (scene) => {
      const ann = await scene.peer("official.html", { hubs, query: { user: "ann" }, ...options(scene.server) });
      ann.tolerated = tolerated;
      const title = await ann.page.title();
      assert.equal(await ann.invoke("room", "echo", text), text);
      await ann.invoke("room", "join", "lobby");
      await ann.invoke("room", "say", "lobby", text);
      assert.deepEqual(await ann.messages(1), [["ann", text, "lobby"]]);
      assert.equal(await ann.page.title(), title, "no script of a message runs");
      assert.equal((await ann.failure("room", "refuse")).message, "the room is full");

      await ann.invoke("room", "flood", "lobby", 200);
      assert.deepEqual((await ann.messages(201, "numbered")), numbers(1, 200).map((n) => [n]));
      await ann.stop();
      await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
    });

    scenario(`${name}: nothing is lost while the network is away`, flags, async (scene) => {
      const ann = await scene.peer("official.html", { hubs, query: { user: "ann" }, ...options(scene.server) });
      await ann.invoke("room", "join", "lobby");
      await scene.server.command("publish", { group: "lobby", from: 1, to: 10 });
      await ann.messages(10);
      await scene.server.command("down");
      await notice?.(ann.page);
      await ann.wait("is reconnecting");
      await scene.server.command("publish", { group: "lobby", from: 11, to: 60 });
      await scene.server.command("up");
      assert.deepEqual(await ann.messages(60), numbers(1, 60).map((n) => [n]));
      assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
    });
  }
});
