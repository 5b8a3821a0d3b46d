// What people do with a hub, by each client on each transport.

import assert from "node:assert/strict";
import { clients, group, numbers, scenario, transports } from "./harness.mjs";

const hubs = { room: ["addMessage", "numbered"] };

// The text of an error that the server keeps to itself. It names the method as
// the client sent it: generated proxies send the declared name.
const generic = (method) => new RegExp(`^There was an error invoking Hub method 'room\\.${method}'\\.$`, "i");

group("what people do with a hub", () => {
  for (const [client, document] of Object.entries(clients)) {
    for (const transport of transports) {
      group(`${client} on ${transport}`, () => {
        const options = (user) => ({ transports: transport, hubs, query: { user } });

        scenario("starts, calls with results, and is called", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          assert.equal(ann.transport, transport);
          await scene.server.event({ event: "connected", id: ann.id, transport });

          assert.equal(await ann.invoke("room", "add", 2, 3), 5);
          const value = { text: "ünï ✓ 𝒳 </script> \u2028 \"quoted\" \n\r\n data: {}\n\n", list: [1, 2.5, null, true], nested: { empty: {} } };
          assert.deepEqual(await ann.invoke("room", "echo", value), value);
          assert.equal(await ann.invoke("room", "join", "lobby") ?? null, null, "a method without result resolves with nothing");
          await ann.invoke("room", "say", "lobby", "hello");
          assert.deepEqual(await ann.messages(1), [["ann", "hello", "lobby"]]);
          assert.deepEqual(await ann.invoke("room", "whoAmI"), { id: ann.id, user: "ann", transport });
        });

        scenario("what a method sends before it returns arrives, in order", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          await ann.invoke("room", "join", "lobby");
          await ann.invoke("room", "flood", "lobby", 300);
          assert.deepEqual(await ann.messages(300), numbers(1, 300).map((n) => [n]));
        });

        scenario("a failing method fails its call and nothing else", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));

          const refused = await ann.failure("room", "refuse");
          assert.equal(refused.message, "the room is full");
          assert.deepEqual(refused.data, { max: 10 });
          assert.match((await ann.failure("room", "break")).message, generic("break"), "inner errors stay inside");
          assert.match((await ann.failure("room", "panic")).message, generic("panic"), "a panic is an error of its call");
          assert.equal(await ann.invoke("room", "add", 1, 1), 2);
          assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
        });

        scenario("a message that is too large fails its call and nothing else", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          await ann.invoke("room", "join", "lobby");
          const most = "x".repeat(60_000);
          assert.equal(await ann.invoke("room", "echo", most), most);

          await ann.failure("room", "echo", "x".repeat(70_000));
          if (transport === "webSockets") {
            await ann.wait("reconnected"); // A socket cannot refuse one message.
          }
          await ann.invoke("room", "say", "lobby", "still here");
          assert.deepEqual(await ann.messages(1), [["ann", "still here", "lobby"]]);
          assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
        });

        scenario("groups: members hear, others do not", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          const bob = await scene.peer(document, options("bob"));

          await ann.invoke("room", "join", "red");
          await ann.invoke("room", "join", "blue");
          await bob.invoke("room", "join", "blue");
          await ann.invoke("room", "say", "red", "for red");
          await ann.invoke("room", "say", "blue", "for blue");
          assert.deepEqual(await bob.messages(1), [["ann", "for blue", "blue"]]);

          await ann.invoke("room", "leave", "blue");
          await bob.invoke("room", "say", "blue", "without ann");
          await bob.invoke("room", "say", "red", "with ann");
          assert.deepEqual(await ann.messages(3),
            [["ann", "for red", "red"], ["ann", "for blue", "blue"], ["bob", "with ann", "red"]]);
          assert.deepEqual(await bob.messages(2), [["ann", "for blue", "blue"], ["bob", "without ann", "blue"]]);
        });

        scenario("stop tells the server, and a new start is a new connection", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          const first = ann.id;
          await ann.stop();
          await scene.server.event({ event: "disconnected", id: first, stopCalled: true });

          await ann.restart({ transports: transport });
          assert.notEqual(ann.id, first);
          await ann.invoke("room", "join", "lobby");
          await ann.invoke("room", "say", "lobby", "once");
          await ann.invoke("room", "say", "lobby", "more");
          assert.deepEqual(await ann.messages(2), [["ann", "once", "lobby"], ["ann", "more", "lobby"]]);
          assert.equal(scene.server.events({ event: "connected" }).length, 2);
          assert.deepEqual(await ann.wait("error", 0), []);
        });

        scenario("leaving the page stops the connection", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          await ann.page.goto("about:blank");
          await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
        });

        scenario("a client that goes away is told apart from one that stops", ["-disconnect-timeout", "6s"], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          await scene.server.command("down");
          await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: false });
          assert.equal(scene.server.events({ event: "disconnected" }).length, 1);
        });

        scenario("what was sent while the network was away arrives, in order and once", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          await ann.invoke("room", "join", "lobby");
          await scene.server.command("publish", { group: "lobby", from: 1, to: 10 });
          await ann.messages(10);

          await scene.server.command("down");
          await ann.wait("is reconnecting");
          await scene.server.command("publish", { group: "lobby", from: 11, to: 110 });
          await scene.server.command("up");
          await ann.wait("reconnected");
          await scene.server.event({ event: "reconnected", id: ann.id, transport });
          await scene.server.command("publish", { group: "lobby", from: 111, to: 120 });

          assert.deepEqual(await ann.messages(120), numbers(1, 120).map((n) => [n]));
          assert.equal(await ann.invoke("room", "add", 4, 4), 8);
          assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
          assert.equal(scene.server.events({ event: "connected" }).length, 1);
        });

        scenario("a stream of messages survives cuts in the middle", [], async (scene) => {
          const ann = await scene.peer(document, options("ann"));
          await ann.invoke("room", "join", "lobby");

          const streaming = scene.server.command("stream", { group: "lobby", every: "2ms" });
          for (const cut of numbers(1, 4)) {
            await ann.wait("message", 40 * cut);
            await scene.server.command("cut");
          }
          await ann.wait("message", 200);
          await scene.server.command("release");
          const { last } = await streaming;
          assert.deepEqual(await ann.messages(last), numbers(1, last).map((n) => [n]));
          assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
        });
      });
    }
  }
});
