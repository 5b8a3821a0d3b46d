// Four kinds of client in one room, at the same time: the official client of
// SignalR 2, ours, and that of ASP.NET Core SignalR with either protocol.

import assert from "node:assert/strict";
import { group, numbers, scenario, transports } from "./harness.mjs";

const hubs = { room: ["addMessage"] };
const each = 50;

const kinds = [
  { user: "ann", document: "proxies.html" },
  { user: "bob", document: "ours.html" },
  { user: "cem", document: "core.html" },
  { user: "dee", document: "core.html?protocol=messagepack", binary: true },
];

// gather opens a page for each kind, with the transport that pick says. Bytes
// do not go over event streams.
function gather(scene, pick) {
  return Promise.all(kinds.map(async ({ user, document, binary }, i) => {
    const wanted = pick(i);
    const transport = binary && wanted === "serverSentEvents" ? "longPolling" : wanted;
    const peer = await scene.peer(document, { transports: transport, hubs, query: { user } });
    assert.equal(peer.transport, transport);
    return peer;
  }));
}

// talk lets everybody say numbered messages at the same time. Everybody must
// see everything, in one order, which is each sender's order too.
async function talk(peers) {
  await Promise.all(peers.map((peer) => peer.invoke("room", "join", "lobby")));
  await Promise.all(peers.map((peer, i) => peer.page.evaluate(async ([who, count]) => {
    for (let n = 1; n <= count; n++) {
      await driver.invoke("room", "say", ["lobby", `${who}:${n}`]);
    }
  }, [i, each])));
  const views = await Promise.all(peers.map((peer) => peer.messages(each * peers.length)));
  for (const [i, view] of views.entries()) {
    assert.deepEqual(view, views[0], `${kinds[i].document} sees what ${kinds[0].document} sees`);
  }
  for (const [i, { user }] of kinds.entries()) {
    assert.deepEqual(views[0].filter(([from]) => from === user), numbers(1, each).map((n) => [user, `${i}:${n}`, "lobby"]));
  }
}

group("four kinds of client in one room", () => {
  for (const transport of transports) {
    scenario(`all on ${transport}`, [], async (scene) => talk(await gather(scene, () => transport)));
  }

  for (const shift of transports.keys()) {
    const pick = (i) => transports[(i + shift) % transports.length];
    scenario(`on ${kinds.map((_, i) => pick(i)).join(", ")}`, [], async (scene) => talk(await gather(scene, pick)));
  }

  scenario("WebSockets that are cut again and again: nobody misses anything", [], async (scene) => {
    const options = { hubs: { room: ["numbered"] }, transports: "webSockets", stateful: true };
    const peers = await Promise.all(kinds.map(({ document }) => scene.peer(document, options)));
    await Promise.all(peers.map((peer) => peer.invoke("room", "join", "lobby")));
    const streaming = scene.server.command("stream", { group: "lobby", every: "4ms" });
    // Core clients try once to come back: the next cut comes when all are there,
    // and have what was sent after the last one.
    let after = 0;
    for (let cuts = 0; cuts < 5; cuts++) {
      await Promise.all(peers.map((peer) => peer.wait("message", after + 50)));
      ({ last: after } = await scene.server.command("cut"));
    }
    await Promise.all(peers.map((peer) => peer.wait("message", after + 50)));
    await scene.server.command("release");
    const { last } = await streaming;
    for (const peer of peers) {
      assert.deepEqual(await peer.messages(last), numbers(1, last).map((n) => [n]));
    }
    assert.equal(scene.server.events({ event: "connected" }).length, peers.length);
    assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
  });

  scenario("one user in four pages, a group, and everyone but the caller", [], async (scene) => {
    const peers = await Promise.all(kinds.map(({ document }) => scene.peer(document, { hubs, query: { user: "zoe" } })));
    await peers[2].invoke("room", "tell", "zoe", "to all of me");
    await Promise.all(peers.map((peer) => peer.invoke("room", "join", "lobby")));
    for (const [i, peer] of peers.entries()) {
      await peer.invoke("room", "tellOthers", "lobby", `from ${i}`);
    }
    for (const [i, peer] of peers.entries()) {
      const others = numbers(0, 3).filter((n) => n !== i).map((n) => ["zoe", `from ${n}`, "lobby"]);
      assert.deepEqual(await peer.messages(4), [["zoe", "to all of me", ""], ...others]);
    }
  });

  scenario("everybody asks everybody; only the official classic client cannot answer", [], async (scene) => {
    const answers = { room: { choose: "tea" } };
    const peers = await Promise.all(kinds.map(({ document }) => scene.peer(document, { hubs, answers })));
    const [ann, ...others] = peers;
    for (const asking of peers) {
      for (const asked of others) {
        assert.equal(await asking.invoke("room", "ask", asked.id, "tea or coffee?"), "tea");
      }
      assert.match((await asking.failure("room", "ask", ann.id, "tea or coffee?")).message, /cannot answer/);
    }
  });
});
