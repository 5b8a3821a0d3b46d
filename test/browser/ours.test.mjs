// What our own client does on the classic wire and others do not: streams that
// are left, answers, other tokens on the same connection; and where it runs:
// in workers, and under a strict content security policy.

import assert from "node:assert/strict";
import { clients, group, numbers, scenario, transports } from "./harness.mjs";

const ours = "ours.html";
const hubs = { room: ["numbered"] };

// The ways to be connected: by each transport, and by those that are left where
// others are refused.
const ways = [
  ...transports.map((transport) => ({ name: transport, flags: [], transport, options: { transports: transport } })),
  { name: "event streams after a refusal", flags: ["-refuse", "webSockets"], transport: "serverSentEvents", options: {} },
  { name: "long polling after two refusals", flags: ["-refuse", "webSockets,serverSentEvents"], transport: "longPolling", options: {} },
];

group("our client", () => {
  for (const { name, flags, transport, options } of ways) {
    const as = (user, more) => ({ ...options, hubs, query: { user }, ...more });

    scenario(`${name}: reads streams`, flags, async (scene) => {
      const ann = await scene.peer(ours, as("ann"));
      assert.equal(ann.transport, transport);
      const stream = (...how) => ann.drive("stream", "room", ...how);
      assert.deepEqual(await stream("range", [5, 500], null), { items: numbers(5, 504), complete: true });
      assert.deepEqual(await stream("crumble", [], null), { items: [1], error: "that was all", code: null });
      assert.match((await stream("add", [1, 2], null)).error, /Method "Add" does not stream/);
      assert.match((await stream("range", ["five", 5], null)).error, /Argument 1 of method "Range"/);

      const endless = stream("pulse", [5], 20);
      assert.equal(await ann.invoke("room", "add", 1, 2), 3, "a stream holds up no call");
      assert.deepEqual(await endless, { items: numbers(1, 20) });
      const both = await Promise.all([stream("range", [1, 200], null), stream("range", [1001, 200], null)]);
      assert.deepEqual(both.map((s) => s.items), [numbers(1, 200), numbers(1001, 1200)]);
    });

    scenario(`${name}: leaves a stream, and the server knows`, flags, async (scene) => {
      const ann = await scene.peer(ours, as("ann"));
      assert.deepEqual(await ann.drive("stream", "room", "trickle", [], 10), { items: numbers(1, 10) });
      await scene.server.event({ event: "trickled", id: ann.id });
      assert.match((await ann.drive("stream", "room", "trickle", [], null, { buffer: 0 })).error, /items of a stream wait/);
      assert.match((await ann.drive("stream", "room", "pulse", [1], null, { timeout: 100 })).error, /room\.pulse: no result within 0\.1 s/);
      assert.deepEqual(await ann.invoke("room", "add", 1, 2), 3);
    });

    scenario(`${name}: a stream survives cuts, and a network that is away`, flags, async (scene) => {
      const ann = await scene.peer(ours, as("ann"));
      const reading = ann.drive("stream", "room", "pulse", [2], 400);
      for (const cut of numbers(1, 4)) {
        await ann.wait("item", 60 * cut);
        await scene.server.command("cut");
      }
      await ann.wait("item", 300);
      await scene.server.command("down");
      await scene.server.command("up");
      assert.deepEqual(await reading, { items: numbers(1, 400) });
      assert.deepEqual(await ann.wait("gap", 0), []);
      assert.equal(scene.server.events({ event: "connected" }).length, 1);
    });

    scenario(`${name}: answers the server`, flags, async (scene) => {
      const ann = await scene.peer(ours, as("ann", { answers: { room: { choose: "tea" } } }));
      const bob = await scene.peer(ours, as("bob"));
      assert.equal(await bob.invoke("room", "ask", ann.id, "tea or coffee?"), "tea");
      assert.deepEqual(await ann.wait("question"), [{ kind: "question", hub: "room", method: "choose", args: ["tea or coffee?"] }]);
      assert.equal(await ann.invoke("room", "ask", ann.id, "and you?"), "tea", "the call that asks holds up no answer");
      const eve = await scene.peer(ours, as("eve", { answers: { room: { choose: ["echo", "whatever"] } } }));
      assert.equal(await eve.invoke("room", "ask", eve.id, "and you?"), "whatever", "nor a call that the answer needs");
      assert.match((await ann.failure("room", "ask", bob.id, "and you?")).message, /nobody here answers room\.choose/);
    });

    scenario(`${name}: is asked while the network is away, and answers after another cut`, flags, async (scene) => {
      const ann = await scene.peer(ours, as("ann", { answers: { room: { choose: null } } }));
      await scene.server.command("down");
      await ann.wait("is reconnecting");
      const asked = scene.server.command("ask", { id: ann.id });
      await scene.server.command("up");
      await ann.wait("question");
      await scene.server.command("down");
      await ann.wait("is reconnecting", 2);
      await ann.drive("decide", "coffee");
      await scene.server.command("up");
      assert.equal((await asked).choice, "coffee");
      assert.equal((await ann.wait("question")).length, 1, "once");
    });
  }

  for (const [client, document] of Object.entries(clients).filter(([, d]) => d !== ours)) {
    scenario(`${client} is not asked, and reads streams as progress`, [], async (scene) => {
      const ann = await scene.peer(document, { hubs, query: { user: "ann" } });
      assert.match((await ann.failure("room", "ask", ann.id, "tea?")).message, /this client cannot answer/);
      await ann.invoke("room", "range", 1, 20);
      assert.deepEqual((await ann.wait("progress", 20)).map((p) => p.value), numbers(1, 20));
    });
  }
});

group("our client gets new access tokens on the same connection", () => {
  for (const transport of transports) {
    scenario(`${transport}: and comes back with the next one when the last is stale`, [], async (scene) => {
      const ann = await scene.peer(ours, { transports: transport, hubs, token: "ann" });
      assert.equal((await ann.invoke("room", "whoAmI")).user, "ann");
      await ann.invoke("room", "join", "lobby");
      await scene.server.command("expire");
      await scene.server.command("publish", { group: "lobby", from: 1, to: 10 });
      if (transport !== "longPolling") await ann.messages(10); // There the next poll has the stale token.
      await scene.server.command("cut");
      await ann.wait("is reconnecting");
      await scene.server.command("publish", { group: "lobby", from: 11, to: 20 });
      await ann.wait("transportfailed");
      await ann.drive("renew");
      await ann.wait("reconnected");
      assert.deepEqual(await ann.messages(20), numbers(1, 20).map((n) => [n]));
      assert.deepEqual(await ann.invoke("room", "whoAmI"), { id: ann.id, user: "ann", transport: ann.transport });
      assert.equal(scene.server.events({ event: "connected" }).length, 1);
      assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
    });
  }
});

group("our client in a worker and under a strict policy", () => {
  for (const [where, document] of Object.entries({ "a worker": "worker.html", "a page with a strict policy": "strict.html" })) {
    for (const transport of transports) {
      scenario(`${where} on ${transport}`, [], async (scene) => {
        const ann = await scene.page(document);
        const complaints = [];
        ann.page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
        await ann.connect({ url: "/signalr", transports: transport, hubs, query: { user: "ann" }, answers: { room: { choose: "tea" } } });
        assert.equal(ann.transport, transport);
        assert.equal(await ann.invoke("room", "ask", ann.id, "tea?"), "tea");
        assert.deepEqual(await ann.drive("stream", "room", "trickle", [], 10), { items: numbers(1, 10) });
        await ann.invoke("room", "join", "lobby");
        await scene.server.command("publish", { group: "lobby", from: 1, to: 10 });
        await ann.messages(10);
        assert.deepEqual(complaints, []);

        await scene.server.command("down");
        await ann.wait("is reconnecting");
        await scene.server.command("publish", { group: "lobby", from: 11, to: 20 });
        await scene.server.command("up");
        await ann.wait("reconnected");
        assert.deepEqual(await ann.messages(20), numbers(1, 20).map((n) => [n]));
        await ann.stop();
        await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
        assert.ok(!complaints.some((text) => /policy/i.test(text)), complaints.join("\n"));
      });
    }
  }

  scenario("the plain script under a strict policy", [], async (scene) => {
    const ann = await scene.page("strict.html");
    assert.equal(await ann.page.evaluate(async () => {
      const connection = new hubwire.HubConnection("/signalr", { query: { user: "ann" } });
      const room = connection.hub("room");
      await connection.start();
      const sum = await room.invoke("add", 1, 2);
      await connection.stop();
      return sum;
    }), 3);
  });
});
