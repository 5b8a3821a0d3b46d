// A connection on which nothing happens stays, and clients see that it is
// there. With these times a keep-alive comes every 3 s, and clients count a
// connection as slow after 4 s of silence.

import assert from "node:assert/strict";
import { group, scenario, twoClients } from "./harness.mjs";

const flags = ["-disconnect-timeout", "9s"];
const hubs = { room: ["addMessage"] };

// pulse counts the keep-alives that reach the page.
async function pulse(page) {
  const counted = { beats: 0, beat: () => {} };
  const session = await page.context().newCDPSession(page);
  const count = (data) => {
    if (data === "{}") {
      counted.beats++;
      counted.beat();
    }
  };
  session.on("Network.webSocketFrameReceived", ({ response }) => count(response.payloadData));
  session.on("Network.eventSourceMessageReceived", ({ data }) => count(data));
  await session.send("Network.enable");
  counted.next = () => new Promise((resolve) => { counted.beat = resolve; });
  return counted;
}

async function assertUndisturbed(peer) {
  const kinds = (await peer.journal()).map((e) => e.kind);
  assert.deepEqual(kinds.filter((kind) => !["is connecting", "is connected"].includes(kind)), []);
}

group("keep-alives", () => {
  for (const [client, document] of Object.entries(twoClients)) {
    for (const transport of ["webSockets", "serverSentEvents"]) {
      scenario(`${client} on ${transport}, idle`, flags, async (scene) => {
        const ann = await scene.page(document);
        const heart = await pulse(ann.page);
        await ann.connect({ url: "/signalr", transports: transport, hubs });
        while (heart.beats < 2) {
          await heart.next();
        }
        await assertUndisturbed(ann);
      });
    }
  }

  // The official client takes results for no sign of life.
  scenario("the official client on webSockets, with nothing but results", flags, async (scene) => {
    const ann = await scene.page("official.html");
    const heart = await pulse(ann.page);
    await ann.connect({ url: "/signalr", transports: "webSockets", hubs });
    while (heart.beats < 2) {
      assert.equal(await ann.invoke("room", "add", 1, 1), 2);
    }
    await assertUndisturbed(ann);
  });

  scenario("an idle poll is answered and followed by the next", ["-connection-timeout", "1s"], async (scene) => {
    const ann = await scene.page("official.html");
    let polls = 0;
    const enough = new Promise((resolve) => ann.page.on("requestfinished", (request) => {
      if (request.url().includes("/poll?") && ++polls === 3) {
        resolve();
      }
    }));
    await ann.connect({ url: "/signalr", transports: "longPolling", hubs });
    await enough;
    await assertUndisturbed(ann);
    assert.deepEqual(scene.server.events({ event: "reconnected" }), []);
  });
});
