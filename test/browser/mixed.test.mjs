// The official client and ours in one room.

import assert from "node:assert/strict";
import { describe } from "node:test";
import { concurrency, numbers, scenario, transports } from "./harness.mjs";

const hubs = { room: ["addMessage"] };
const each = 25;

// talk lets everybody say numbered messages at the same time, and returns what
// each of them saw.
async function talk(peers) {
  await Promise.all(peers.map((peer) => peer.invoke("room", "join", "lobby")));
  await Promise.all(peers.map(async (peer, i) => {
    for (const n of numbers(1, each)) {
      await peer.invoke("room", "say", "lobby", `${i}:${n}`);
    }
  }));
  return Promise.all(peers.map((peer) => peer.messages(each * peers.length)));
}

function check(views, names) {
  for (const view of views) {
    assert.deepEqual(view, views[0], "everybody sees one order");
  }
  for (const [i, name] of names.entries()) {
    const said = views[0].filter(([from]) => from === name);
    assert.deepEqual(said, numbers(1, each).map((n) => [name, `${i}:${n}`, "lobby"]), `what ${name} said`);
  }
}

describe("the official client and ours in one room", { concurrency }, () => {
  for (const transport of transports) {
    scenario(`both on ${transport}`, [], async (scene) => {
      const options = (user) => ({ transports: transport, hubs, query: { user } });
      const peers = [await scene.peer("proxies.html", options("ann")), await scene.peer("ours.html", options("bob"))];
      check(await talk(peers), ["ann", "bob"]);
    });
  }

  for (const [i, ours] of transports.entries()) {
    const theirs = transports[(i + 1) % transports.length];
    scenario(`ours on ${ours}, the official one on ${theirs}`, [], async (scene) => {
      const peers = [
        await scene.peer("official.html", { transports: theirs, hubs, query: { user: "ann" } }),
        await scene.peer("ours.html", { transports: ours, hubs, query: { user: "bob" } }),
      ];
      check(await talk(peers), ["ann", "bob"]);
    });
  }

  for (const refuse of ["webSockets", "webSockets,serverSentEvents"]) {
    scenario(`both falling back, ${refuse} refused`, ["-refuse", refuse], async (scene) => {
      const peers = [
        await scene.peer("proxies.html", { hubs, query: { user: "ann" } }),
        await scene.peer("ours.html", { hubs, query: { user: "bob" } }),
      ];
      assert.equal(peers[0].transport, peers[1].transport);
      check(await talk(peers), ["ann", "bob"]);
    });
  }
});
