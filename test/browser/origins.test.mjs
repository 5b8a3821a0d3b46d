// Pages from another origin: the server allows one and not the other.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { concurrency, scenario, transports } from "./harness.mjs";

const hubs = { room: ["addMessage"] };
const documents = { "the official client": "official.html", "our client": "ours.html" };

describe("cross-origin", { concurrency }, () => {
  for (const [client, document] of Object.entries(documents)) {
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

      scenario(`${client} on ${transport} from any other origin is refused`, [], async (scene) => {
        const { server } = scene;
        const eve = await scene.page(document, { origin: server.stranger });
        await assert.rejects(eve.connect({ url: `${server.url}/signalr`, transports: transport, hubs }));
        assert.deepEqual(server.events({ event: "connected" }), []);
      });
    }
  }

  // A page that got hold of a token still cannot use it from where it is.
  for (const transport of transports) {
    scenario(`${transport} is refused to another origin that has a token`, [], async (scene) => {
      const { server } = scene;
      const hello = await fetch(`${server.url}/signalr/negotiate?clientProtocol=2.1`);
      const { ConnectionToken } = await hello.json();
      const query = new URLSearchParams({ transport, clientProtocol: "2.1", connectionToken: ConnectionToken });
      const address = `${server.url}/signalr/connect?${query}`;

      const friend = await scene.page("official.html", { origin: server.friend });
      assert.equal(await reach(friend.page, transport, address), "opened", "the same request from the allowed origin");
      const eve = await scene.page("official.html", { origin: server.stranger });
      assert.equal(await reach(eve.page, transport, address), "refused");
    });
  }
});

// reach tells whether a page can open the transport without a client's help.
function reach(page, transport, address) {
  return page.evaluate(([how, url]) => new Promise((resolve) => {
    const opened = () => resolve("opened");
    const refused = () => resolve("refused");
    if (how === "longPolling") {
      fetch(url, { method: "POST", credentials: "include" }).then(opened, refused);
      return;
    }
    const stream = how === "webSockets"
      ? new WebSocket(url.replace(/^http/, "ws"))
      : new EventSource(url, { withCredentials: true });
    stream.onopen = () => { stream.close(); opened(); };
    stream.onerror = () => { stream.close(); refused(); };
  }), [transport, address]);
}
