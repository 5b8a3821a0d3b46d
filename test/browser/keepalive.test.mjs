// A connection on which nothing happens stays, and clients see that it is
// there. With these times a keep-alive comes every 3 s, and clients count a
// connection as slow after 4 s of silence. In the page 3 s pass with each
// keep-alive, whenever it comes.

import assert from "node:assert/strict";
import { group, scenario, twoClients } from "./harness.mjs";

const flags = ["-disconnect-timeout", "9s"];
const hubs = { room: ["addMessage"] };

const beats = 3;

// listen stops the page's clock, and returns what waits for the next keep-alive
// that reaches the page and then puts the clock on.
async function listen(page) {
  let now = 0;
  let beat = () => {};
  await page.clock.setFixedTime(now);
  const session = await page.context().newCDPSession(page);
  const hear = (data) => data === "{}" && beat();
  session.on("Network.webSocketFrameReceived", ({ response }) => hear(response.payloadData));
  session.on("Network.eventSourceMessageReceived", ({ data }) => hear(data));
  await session.send("Network.enable");
  return async () => {
    await new Promise((resolve) => { beat = resolve; });
    await page.clock.setFixedTime(now += 3000);
  };
}

async function assertUndisturbed(peer) {
  const kinds = (await peer.journal()).map((e) => e.kind);
  assert.deepEqual(kinds.filter((kind) => !["is connecting", "is connected"].includes(kind)), []);
}

group("keep-alives", () => {
  for (const [client, document] of Object.entries(twoClients)) {
    for (const transport of ["webSockets", "serverSentEvents"]) {
      scenario(`${client} on ${transport}, idle`, flags, async (scene) => {
        const ann = await scene.page(document, { clock: true });
        const next = await listen(ann.page);
        await ann.connect({ url: "/signalr", transports: transport, hubs });
        for (let n = 0; n < beats; n++) {
          await next();
        }
        await assertUndisturbed(ann);
      });
    }
  }

  // The official client takes results for no sign of life.
  scenario("the official client on webSockets, with nothing but results", flags, async (scene) => {
    const ann = await scene.page("official.html", { clock: true });
    const next = await listen(ann.page);
    await ann.connect({ url: "/signalr", transports: "webSockets", hubs });
    for (let n = 0; n < beats; n++) {
      let came = false;
      const coming = next().then(() => { came = true; });
      while (!came) {
        assert.equal(await ann.invoke("room", "add", 1, 1), 2);
      }
      await coming;
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
