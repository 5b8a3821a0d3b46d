// Pages from another origin: the server allows one and not the other.

import assert from "node:assert/strict";
import { coreWays, group, scenario, transports, twoClients } from "./harness.mjs";

const hubs = { room: ["addMessage"] };

group("cross-origin", () => {
  for (const [client, document] of Object.entries(twoClients)) {
    for (const transport of transports) {
      scenario(`${client} on ${transport} from an allowed origin works`, [], async (scene) => {
        const { server } = scene;
        const ann = await scene.peer(document, {
          origin: server.friend, url: `${server.url}/signalr`, transports: transport, hubs, query: { user: "ann" },
        });
        assert.equal(ann.transport, transport);
        await ann.invoke("room", "join", "lobby");
        await ann.invoke("room", "say", "lobby", "hello");
        assert.deepEqual(await ann.messages(1), [["ann", "hello", "lobby"]]);

        await server.command("cut");
        if (transport !== "longPolling") { // Between two polls there is nothing to cut.
          await ann.wait("reconnected");
          await server.event({ event: "reconnected", id: ann.id });
        }
        await ann.invoke("room", "say", "lobby", "again");
        assert.deepEqual((await ann.messages(2))[1], ["ann", "again", "lobby"]);

        await ann.stop();
        await server.event({ event: "disconnected", id: ann.id, stopCalled: true });
      });
    }
  }

  // Its headers make the browser ask first, for POST and DELETE too: line 20 of
  // protocols/core.md.
  for (const { name, document, transport } of coreWays) {
    const options = (server) => ({ url: `${server.url}/signalr`, transports: transport, hubs, token: "ann", reconnect: true });

    scenario(`the official Core client with ${name} from an allowed origin works, with its token`, [], async (scene) => {
      const { server } = scene;
      const ann = await scene.peer(document, { origin: server.friend, ...options(server) });
      assert.deepEqual(await ann.invoke("room", "whoAmI"), { id: ann.id, user: "ann", transport });
      await ann.invoke("room", "join", "lobby");
      await ann.invoke("room", "say", "lobby", "hello");
      assert.deepEqual(await ann.messages(1), [["ann", "hello", "lobby"]]);

      await server.command("down");
      await ann.wait("is reconnecting");
      await server.command("up");
      const [{ id }] = await ann.wait("reconnected");
      assert.equal((await ann.invoke("room", "whoAmI")).user, "ann");
      await ann.stop();
      await server.event({ event: "disconnected", id });
    });
  }

  // No client gets past its first request, whatever comes after that.
  for (const [client, document] of Object.entries({ ...twoClients, "the official Core client": "core.html" })) {
    scenario(`${client} from any other origin is refused`, [], async (scene) => {
      const { server } = scene;
      const eve = await scene.page(document, { origin: server.stranger });
      await assert.rejects(eve.connect({ url: `${server.url}/signalr`, hubs }), /Error during negotiation request|Failed to fetch/);
      assert.deepEqual(server.events({ event: "connected" }), []);
    });
  }

  // A page that got hold of a token still cannot use it from where it is.
  const families = {
    async classic(server, transport) {
      const hello = await fetch(`${server.url}/signalr/negotiate?clientProtocol=2.1`);
      const { ConnectionToken } = await hello.json();
      return `${server.url}/signalr/connect?${new URLSearchParams({ transport, clientProtocol: "2.1", connectionToken: ConnectionToken })}`;
    },
    async core(server) {
      const hello = await fetch(`${server.url}/signalr/room/negotiate?negotiateVersion=1`, { method: "POST" });
      const { connectionToken } = await hello.json();
      return `${server.url}/signalr/room?id=${connectionToken}`;
    },
  };
  for (const [family, addressFor] of Object.entries(families)) {
    for (const transport of transports) {
      scenario(`${transport} is refused to another origin that has a ${family} token`, [], async (scene) => {
        const { server } = scene;
        const friend = await scene.page("official.html", { origin: server.friend });
        assert.equal(await reach(friend.page, transport, await addressFor(server, transport)), "opened", "the same from the allowed origin");
        const eve = await scene.page("official.html", { origin: server.stranger });
        assert.equal(await reach(eve.page, transport, await addressFor(server, transport)), "refused");
      });
    }
  }
});

// reach tells whether a page can open the transport without a client's help.
function reach(page, transport, address) {
  return page.evaluate(([how, url]) => new Promise((resolve) => {
    const opened = () => resolve("opened");
    const refused = () => resolve("refused");
    if (how === "longPolling") {
      const method = url.includes("/connect?") ? "POST" : "GET";
      fetch(url, { method, credentials: "include" }).then(opened, refused);
      return;
    }
    const stream = how === "webSockets"
      ? new WebSocket(url.replace(/^http/, "ws"))
      : new EventSource(url, { withCredentials: true });
    stream.onopen = () => { stream.close(); opened(); };
    stream.onerror = () => { stream.close(); refused(); };
  }), [transport, address]);
}
