// The unmodified clients of ASP.NET Core SignalR, with what they do and classic
// clients do not: streams, answers, new ids after a reconnect.

import assert from "node:assert/strict";
import { coreWays, group, numbers, scenario, transports } from "./harness.mjs";

const hubs = { room: ["addMessage", "numbered"] };
const failed = (method) => `An unexpected error occurred invoking '${method}' on the server.`;

// On event streams the good-bye is a request of its own, if there is one (from
// 8.0 on), and the end of the stream may be quicker.
const goodBye = (transport) => (transport === "serverSentEvents" ? {} : { stopCalled: true });

group("the official Core client", () => {
  for (const { name, document, transport } of coreWays) {
    const options = (user, more) => ({ transports: transport, hubs, query: { user }, ...more });

    scenario(`${name}: calls, errors, groups, users`, [], async (scene) => {
      const ann = await scene.peer(document, options("ann"));
      const again = await scene.peer(document, options("ann"));
      const bob = await scene.peer(document, options("bob"));
      await scene.server.event({ event: "connected", id: ann.id, transport });
      assert.deepEqual(await ann.invoke("room", "whoAmI"), { id: ann.id, user: "ann", transport });
      const value = { text: "ünï ✓ 𝒳 </script> \u2028 \"quoted\" \n\r\n data: {}\n\n\u001e", list: [1, 2.5, null, true], nested: { empty: {} } };
      assert.deepEqual(await ann.invoke("room", "ECHO", value), value);

      assert.equal((await ann.failure("room", "refuse")).message, `${failed("refuse")} HubException: the room is full`);
      assert.equal((await ann.failure("room", "break")).message, failed("break"), "inner errors stay inside");
      assert.equal((await ann.failure("room", "panic")).message, failed("panic"));
      assert.match((await ann.failure("room", "add", 1, "two")).message, /^Failed to invoke 'add' due to an error on the server\./);

      assert.equal(await ann.invoke("room", "join", "red"), null);
      await ann.invoke("room", "join", "blue");
      await bob.invoke("room", "join", "blue");
      await bob.drive("tell", "room", "tellOthers", "blue", "without bob");
      await bob.drive("tell", "room", "say", "red", "for red");
      await bob.invoke("room", "tell", "ann", "psst");
      await ann.invoke("room", "leave", "blue");
      await bob.invoke("room", "say", "blue", "without ann");
      await bob.invoke("room", "tell", "ann", "bye");
      assert.deepEqual(await ann.messages(4),
        [["bob", "without bob", "blue"], ["bob", "for red", "red"], ["bob", "psst", ""], ["bob", "bye", ""]]);
      assert.deepEqual(await again.messages(2), [["bob", "psst", ""], ["bob", "bye", ""]]);
      assert.deepEqual(await bob.messages(1), [["bob", "without ann", "blue"]]);

      await ann.invoke("room", "flood", "red", 300);
      assert.deepEqual(await ann.messages(304, "numbered"), numbers(1, 300).map((n) => [n]), "what a method sends comes before its result");
    });

    scenario(`${name}: streams both ways, and answers`, [], async (scene) => {
      const ann = await scene.peer(document, options("ann", { answers: { room: { choose: "tea" } } }));
      const bob = await scene.peer(document, options("bob"));
      assert.deepEqual(await ann.drive("stream", "room", "range", [5, 500], null), { items: numbers(5, 504), complete: true });
      assert.deepEqual(await ann.drive("stream", "room", "crumble", [], null),
        { items: [1], error: "An error occurred on the server while streaming results. HubException: that was all" });
      assert.deepEqual(await ann.drive("stream", "room", "trickle", [], 10), { items: numbers(1, 10) });
      await scene.server.event({ event: "trickled", id: ann.id });

      const parts = numbers(1, 200).map(String);
      assert.deepEqual(await ann.drive("upload", "room", "concat", ["+"], parts), { ok: true, result: parts.join("+") });
      const broken = await ann.drive("upload", "room", "concat", ["+"], ["a", "b"], "the disk is full");
      assert.match(broken.message, /HubException: after 2: .*the disk is full/);

      assert.equal(await bob.invoke("room", "ask", ann.id, "tea or coffee?"), "tea");
      assert.equal(await ann.invoke("room", "ask", ann.id, "tea or coffee?"), "tea", "a client that waits for its own call answers");
      assert.match((await ann.failure("room", "ask", bob.id, "and you?")).message, /Client didn't provide a result/);
    });

    scenario(`${name}: a lost connection comes back as another one, in no group`, [], async (scene) => {
      const ann = await scene.peer(document, options("ann", { reconnect: true }));
      const first = ann.id;
      await ann.invoke("room", "join", "lobby");
      await scene.server.command("publish", { group: "lobby", from: 1, to: 5 });
      await ann.messages(5);

      await scene.server.command("down");
      await ann.wait("is reconnecting");
      await scene.server.command("publish", { group: "lobby", from: 6, to: 10 });
      await scene.server.command("up");
      const [{ id }] = await ann.wait("reconnected");
      assert.notEqual(id, first);
      await scene.server.event({ event: "connected", id, transport });
      await scene.server.command("publish", { group: "lobby", from: 11, to: 15 });
      await ann.invoke("room", "join", "lobby");
      await scene.server.command("publish", { group: "lobby", from: 16, to: 20 });
      assert.deepEqual(await ann.messages(10), [...numbers(1, 5), ...numbers(16, 20)].map((n) => [n]));
      assert.deepEqual(scene.server.events({ event: "reconnected" }), []);
    });

    scenario(`${name}: closed by the client, and by the server`, [], async (scene) => {
      const ann = await scene.peer(document, options("ann", { reconnect: true }));
      const first = ann.id;
      await ann.stop();
      await scene.server.event({ event: "disconnected", id: first, ...goodBye(transport) });
      assert.deepEqual(await ann.wait("over"), [{ kind: "over", reason: null }], "a stop is no error");

      await ann.restart();
      assert.notEqual(ann.id, first);
      await ann.drive("tell", "room", "kickMe");
      await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: false });
      assert.deepEqual((await ann.wait("over", 2))[1], { kind: "over", reason: null }, "an abort is no error");
      assert.deepEqual(await ann.wait("is reconnecting", 0), [], "and who is thrown out does not come back");
      assert.equal(scene.server.events({ event: "connected" }).length, 2);

      const mallory = await scene.page(document);
      // The client hears it, unless something that it sends finds nobody first.
      await assert.rejects(mallory.connect({ url: "/signalr", ...options("mallory") }),
        /Server returned an error on close: Connection closed with an error|No Connection with that ID/);
      assert.equal(scene.server.events({ event: "connected" }).length, 2, "whom the hub does not let in, does not get in");
    });
  }

  for (const { name, document, transport } of coreWays.filter((way) => way.transport === "webSockets")) {
    scenario(`${name}: with stateful reconnect nothing is lost in cuts, and nothing comes twice`, [], async (scene) => {
      const ann = await scene.peer(document, { transports: transport, hubs, stateful: true });
      await ann.invoke("room", "join", "lobby");
      const streaming = scene.server.command("stream", { group: "lobby", every: "2ms" });
      // The client tries once to come back: the next cut comes when it is there,
      // and has what was sent after the last one.
      const sums = [];
      let after = 0;
      for (const cut of numbers(1, 5)) {
        await ann.wait("message", after + 60);
        ({ last: after } = await scene.server.command("cut"));
        sums.push(ann.invoke("room", "add", cut, cut));
      }
      await ann.wait("message", after + 60);
      await scene.server.command("release");
      const { last } = await streaming;
      assert.deepEqual(await ann.messages(last), numbers(1, last).map((n) => [n]));
      assert.deepEqual(await Promise.all(sums), [2, 4, 6, 8, 10], "calls are answered across cuts");
      assert.equal((await ann.invoke("room", "whoAmI")).id, ann.id, "it is the same connection");
      assert.equal(scene.server.events({ event: "connected" }).length, 1);
      assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
    });
  }

  scenario("WebSockets without negotiate", [], async (scene) => {
    const ann = await scene.peer("core.html", { hubs, query: { user: "ann" }, transports: "webSockets", skipNegotiation: true });
    await ann.invoke("room", "join", "lobby");
    await ann.invoke("room", "say", "lobby", "hello");
    assert.deepEqual(await ann.messages(1), [["ann", "hello", "lobby"]]);
    await ann.stop();
    await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
  });

  for (const client of ["signalr-1", "signalr-3", "signalr-5"]) {
    for (const transport of transports) {
      scenario(`${client} on ${transport}: calls, groups, a stream, the end`, [], async (scene) => {
        const ann = await scene.peer(`core.html?client=${client}`, { transports: transport, hubs, query: { user: "ann" } });
        assert.equal(ann.transport, transport);
        await ann.invoke("room", "join", "lobby");
        await ann.drive("tell", "room", "say", "lobby", "hello");
        assert.deepEqual(await ann.messages(1), [["ann", "hello", "lobby"]]);
        assert.deepEqual(await ann.drive("stream", "room", "range", [1, 50], null), { items: numbers(1, 50), complete: true });
        assert.match((await ann.failure("room", "refuse")).message, /HubException: the room is full$/);
        await ann.stop();
        await ann.wait("over");
        await scene.server.event({ event: "disconnected", id: ann.id, ...goodBye(transport) });
      });
    }
  }
});

const networks = [
  { flags: [], json: "webSockets", messagepack: "webSockets" },
  { flags: ["-refuse", "webSockets"], json: "serverSentEvents", messagepack: "longPolling" },
  { flags: ["-refuse", "webSockets,serverSentEvents"], json: "longPolling", messagepack: "longPolling" },
  { flags: ["-transports", "serverSentEvents,longPolling"], json: "serverSentEvents", messagepack: "longPolling" },
];

group("the official Core client finds a transport", () => {
  for (const protocol of ["json", "messagepack"]) {
    const document = `core.html?protocol=${protocol}`;
    for (const { flags, [protocol]: transport } of networks) {
      scenario(`${protocol} with ${flags.join(" ") || "everything allowed"}: ${transport}`, flags, async (scene) => {
        const ann = await scene.peer(document, { hubs, query: { user: "ann" } });
        assert.equal(ann.transport, transport);
        await ann.invoke("room", "join", "lobby");
        await ann.invoke("room", "say", "lobby", "hello");
        assert.deepEqual(await ann.messages(1), [["ann", "hello", "lobby"]]);
        assert.equal(scene.server.events({ event: "connected" }).length, 1, "one connection, whatever it took");
      });
    }

    scenario(`${protocol} with nothing allowed: start fails`, ["-refuse", "webSockets,serverSentEvents,longPolling"], async (scene) => {
      const ann = await scene.page(document);
      await assert.rejects(ann.connect({ url: "/signalr", hubs }), /Unable to connect to the server with any of the available transports/);
      assert.deepEqual(scene.server.events({ event: "connected" }), []);
    });
  }
});
