// What SignalR 2 hubs can do beyond plain calls, by each client on each
// transport.

import assert from "node:assert/strict";
import { clients, group, numbers, scenario, transports } from "./harness.mjs";

const hubs = { room: ["addMessage", "painted"] };

group("beyond plain calls", () => {
  for (const [client, document] of Object.entries(clients)) {
    for (const transport of transports) {
      group(`${client} on ${transport}`, () => {
        const options = (user) => ({ transports: transport, hubs, query: { user } });

        scenario("state goes to the server and comes back changed", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          await ann.state("room", { color: "red", size: 3 });
          assert.equal(await ann.invoke("room", "paint", "blue"), "red", "the method saw the client's state");
          assert.deepEqual(await ann.state("room"), { color: "blue", size: 3 }, "what it set is in the client");
          assert.deepEqual(await ann.messages(1, "painted"), [["blue"]]);
          assert.equal(await ann.invoke("room", "paint", "green"), "blue");
        });

        scenario("progress arrives in order while the method runs", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          const counting = ann.invokeAny("room", "count", 20, true);
          const reported = await ann.wait("progress", 20);
          assert.deepEqual(reported.map((p) => p.value), numbers(1, 20));
          await scene.server.command("release");
          assert.deepEqual(await counting, { ok: true, result: "counted to 20" });
        });

        // On the other transports the result is an HTTP response of its own,
        // which may overtake.
        if (transport === "webSockets") {
          scenario("progress arrives before the result", [], async (scene) => {
            const ann = await scene.peer(document, options("ann"));
            await ann.invoke("room", "count", 200, false);
            assert.deepEqual((await ann.journal()).filter((e) => e.kind === "progress").length, 200);
          });
        }

        scenario("users: every connection of a user, and no other", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          const again = await scene.peer(document, options("ann"));
          const bob = await scene.peer(document, options("bob"));
          await bob.invoke("room", "tell", "ann", "psst");
          await bob.invoke("room", "tell", "bob", "note to self");
          await bob.invoke("room", "tell", "ann", "bye");
          assert.deepEqual(await ann.messages(2), [["bob", "psst", ""], ["bob", "bye", ""]]);
          assert.deepEqual(await again.messages(2), [["bob", "psst", ""], ["bob", "bye", ""]]);
          assert.deepEqual(await bob.messages(1), [["bob", "note to self", ""]]);
        });

        scenario("others in a group hear what the caller does not", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          const bob = await scene.peer(document, options("bob"));
          await ann.invoke("room", "join", "lobby");
          await bob.invoke("room", "join", "lobby");
          await ann.invoke("room", "tellOthers", "lobby", "just you");
          await ann.invoke("room", "say", "lobby", "all of us");
          assert.deepEqual(await bob.messages(2), [["ann", "just you", "lobby"], ["ann", "all of us", "lobby"]]);
          assert.deepEqual(await ann.messages(1), [["ann", "all of us", "lobby"]]);
        });

        scenario("several hubs share a connection", [], async (scene) => {
          const ann = await scene.peer(document, { ...options("ann"), hubs: { ...hubs, clockTower: ["struck"] } });
          await ann.invoke("clockTower", "strike", 3);
          assert.deepEqual(await ann.messages(3, "struck"), [[1], [2], [3]]);
          assert.equal(await ann.invoke("room", "add", 1, 2), 3);
          assert.equal(scene.server.events({ event: "connected", id: ann.id }).length, 2, "one event per hub");
        });

        scenario("a wrong call is an error of that call", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          for (const args of [[1], [1, 2, 3], ["one", {}]]) {
            const { message } = await ann.failure("room", "add", ...args);
            assert.match(message, /room\.add/i, `the error of add(${args}) names the method`);
          }
          assert.equal(await ann.invoke("room", "add", 1, 2), 3);
        });
      });
    }
  }
});
