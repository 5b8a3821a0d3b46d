// Networks and machines that come and go: offline and online, sleep and wake,
// proxies that hold responses back and that delay, and 1,000 messages under random cuts.

import assert from "node:assert/strict";
import http from "node:http";
import net from "node:net";
import { group, launch, numbers, patience, scenario, transports, twoClients } from "./harness.mjs";

const hubs = { room: ["numbered"] };
const ours = twoClients["our client"];

// join opens a page in the lobby. Between the first attempt to come back and the
// second our client waits for 0.5 s less the jitter times 0.25 s; further waits
// are of 1, 2, 4 s and so on, without jitter.
const join = async (scene, document, transport, { jitter = 0, ...settings } = {}) => {
  const ann = await scene.page(document, settings);
  await ann.page.evaluate((first) => {
    const jitters = [first];
    Math.random = () => jitters.shift() ?? 0;
  }, jitter);
  await ann.connect({ url: "/signalr", transports: transport, hubs });
  await ann.invoke("room", "join", "lobby");
  return ann;
};

const publish = (scene, from, to) => scene.server.command("publish", { group: "lobby", from, to });

async function assertAll(ann, last) {
  assert.deepEqual(await ann.messages(last), numbers(1, last).map((n) => [n]));
  assert.deepEqual(await ann.wait("gap", 0), []);
}

group("offline and online", () => {
  for (const transport of transports) {
    scenario(`our client on ${transport} comes back at once when the browser is online again, with what it missed`, [], async (scene) => {
      const ann = await join(scene, ours, transport, { jitter: -1e6 }); // The first wait is of three days.
      await publish(scene, 1, 10);
      await ann.messages(10);

      const context = ann.page.context();
      await context.setOffline(true);
      await scene.server.command("down"); // An emulated network leaves the requests alone that are on their way.
      await ann.wait("transportfailed");
      await publish(scene, 11, 20);
      await scene.server.command("up");
      assert.deepEqual(await ann.wait("reconnected", 0), [], "the next attempt is due in three days");
      await context.setOffline(false);
      await ann.wait("reconnected");
      await publish(scene, 21, 30);
      await assertAll(ann, 30);
      assert.equal(scene.server.events({ event: "connected" }).length, 1);
      assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
    });
  }
});

// sleep stops every process of the browser, as a closed lid does, and returns
// what wakes them. (A page that DevTools calls frozen goes on running.)
async function sleep(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  // The browser's own process last: it starts others.
  const ids = processInfo.map((p) => p.id).reverse();
  ids.forEach((id) => process.kill(id, "SIGSTOP"));
  return () => ids.forEach((id) => process.kill(id, "SIGCONT"));
}

// asleep has one page on each transport sleep while act happens.
async function asleep(scene, act) {
  const browser = await launch();
  try {
    const peers = [];
    for (const transport of transports) {
      peers.push(await join(scene, ours, transport, { on: browser }));
    }
    await publish(scene, 1, 10);
    await Promise.all(peers.map((peer) => peer.messages(10)));
    const wake = await sleep(browser);
    try {
      await act(peers);
    } finally {
      wake();
    }
    return { peers, close: () => browser.close() };
  } catch (error) {
    await browser.close();
    throw error;
  }
}

group("sleep and wake", () => {
  scenario("our client on each transport sleeps through a cut, and misses nothing", [], async (scene) => {
    const { peers, close } = await asleep(scene, async () => {
      await scene.server.command("cut");
      await publish(scene, 11, 20);
    });
    try {
      // A poll of which nothing has come yet the browser may repeat by itself.
      await Promise.all(peers.filter((peer) => peer.transport !== "longPolling").map((peer) => peer.wait("reconnected")));
      await publish(scene, 21, 30);
      await Promise.all(peers.map((peer) => assertAll(peer, 30)));
      assert.equal(scene.server.events({ event: "connected" }).length, 3);
      assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
    } finally {
      await close();
    }
  });

  scenario("our client on each transport sleeps for longer than the server waits", ["-disconnect-timeout", "6s"], async (scene) => {
    const { peers, close } = await asleep(scene, async (peers) => {
      await scene.server.command("cut");
      await Promise.all(peers.map(({ id }) => scene.server.event({ event: "disconnected", id, stopCalled: false })));
      await publish(scene, 11, 20);
    });
    try {
      // Whoever comes back has it all, or is told that it has not. Silence is the one wrong answer.
      await Promise.all(peers.map((peer) => peer.page.waitForFunction(() => {
        const kinds = journal.all().map((e) => e.kind);
        return kinds.includes("gap") || kinds.includes("over") || kinds.filter((k) => k === "message").length === 20;
      }, null, { timeout: patience })));
    } finally {
      await close();
    }
  });
});

// A BufferingProxy passes a response on when it is complete. Upgraded
// connections it does not look into.
class BufferingProxy {
  static async to(url) {
    const proxy = new BufferingProxy();
    const { hostname, port } = new URL(url);
    const target = { hostname, port };
    proxy.buffering = true;
    proxy.sockets = new Set();
    proxy.server = http.createServer((request, response) => proxy.pass(request, response, target));
    proxy.server.on("upgrade", (request, near, head) => proxy.tunnel(request, near, head, target));
    proxy.server.on("connection", (socket) => {
      proxy.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => proxy.sockets.delete(socket));
    });
    await new Promise((resolve) => proxy.server.listen(0, "127.0.0.1", resolve));
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  pass(request, response, target) {
    const onward = http.request({ ...target, method: request.method, path: request.url, headers: request.headers }, (answer) => {
      const held = [];
      const { buffering } = this;
      if (!buffering) {
        response.writeHead(answer.statusCode, answer.headers).flushHeaders();
      }
      answer.on("data", (chunk) => (buffering ? held.push(chunk) : response.write(chunk)));
      answer.on("error", () => response.destroy());
      answer.on("end", () => {
        if (buffering) {
          response.writeHead(answer.statusCode, answer.headers);
        }
        response.end(Buffer.concat(held));
      });
    });
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.pipe(onward);
  }

  tunnel(request, near, head, { hostname, port }) {
    const far = net.connect(port, hostname, () => {
      const headers = request.rawHeaders.reduce((text, h, i) => text + h + (i % 2 ? "\r\n" : ": "), "");
      far.write(`${request.method} ${request.url} HTTP/1.1\r\n${headers}\r\n`);
      far.write(head);
      near.pipe(far).pipe(near);
    });
    far.on("error", () => near.destroy());
    far.on("close", () => near.destroy());
    near.on("close", () => far.destroy());
  }

  cut() {
    this.sockets.forEach((socket) => socket.destroy());
  }

  async close() {
    this.cut();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

group("a proxy that holds responses back until they are complete", () => {
  for (const [client, document] of Object.entries(twoClients)) {
    for (const [tried, used, hangs] of [
      [["webSockets"], "webSockets"],
      [["serverSentEvents", "longPolling"], "longPolling", "serverSentEvents"],
      [["longPolling"], "longPolling"],
    ]) {
      scenario(`${client} told to use ${tried} is connected by ${used}`, [], async (scene) => {
        const proxy = await BufferingProxy.to(scene.server.url);
        try {
          const ann = await join(scene, document, tried, { origin: proxy.url, hangs });
          assert.equal(ann.transport, used);
          await publish(scene, 1, 50);
          await assertAll(ann, 50);
          await ann.stop();
          await scene.server.event({ event: "disconnected", id: ann.id, stopCalled: true });
        } finally {
          await Promise.all(scene.peers.map((peer) => peer.page.context().close()));
          await proxy.close();
        }
      });
    }
  }

  scenario("our client finds another way when it comes in between", ["-disconnect-timeout", "60s"], async (scene) => {
    const proxy = await BufferingProxy.to(scene.server.url);
    try {
      proxy.buffering = false;
      const ann = await join(scene, ours, ["serverSentEvents", "longPolling"], { origin: proxy.url, clock: true });
      assert.equal(ann.transport, "serverSentEvents");
      await publish(scene, 1, 10);
      await ann.messages(10);
      proxy.buffering = true;
      ann.hangs("serverSentEvents");
      proxy.cut();
      await publish(scene, 11, 20);
      await ann.wait("reconnected");
      await scene.server.event({ event: "reconnected", id: ann.id, transport: "longPolling" });
      await publish(scene, 21, 30);
      await assertAll(ann, 30);
    } finally {
      await proxy.close();
    }
  });
});

// delayed listens before the server and passes every piece on after a while, in
// order. It returns its address and what closes it.
async function delayed(url, milliseconds) {
  const sockets = new Set();
  const pass = (from, to) => {
    const queue = []; // Whichever timer is first, the oldest piece goes.
    const later = (f) => {
      queue.push(f);
      setTimeout(() => queue.shift()(), milliseconds());
    };
    from.on("data", (piece) => later(() => to.write(piece)));
    from.on("end", () => later(() => to.end()));
    from.on("error", () => to.destroy());
    from.on("close", () => sockets.delete(from));
    sockets.add(from);
  };
  const server = net.createServer((near) => {
    const far = net.connect(new URL(url).port, "127.0.0.1");
    pass(near, far);
    pass(far, near);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => new Promise((resolve) => {
    server.close(resolve);
    sockets.forEach((socket) => socket.destroy());
  });
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

group("a proxy that delays every piece by up to 300 ms", () => {
  for (const transport of transports) {
    scenario(`our client on ${transport}: messages, calls, streams and answers`, [], async (scene) => {
      const proxy = await delayed(scene.server.url, () => 300 * Math.random());
      try {
        const ann = await scene.peer(ours, { origin: proxy.url, transports: transport, hubs, answers: { room: { choose: "tea" } } });
        await ann.invoke("room", "join", "lobby");
        const reading = ann.drive("stream", "room", "range", [1, 500], null);
        const calls = Promise.all(numbers(1, 10).map((n) => ann.invoke("room", "add", n, n)));
        await publish(scene, 1, 100);
        assert.equal((await scene.server.command("ask", { id: ann.id })).choice, "tea");
        assert.deepEqual(await calls, numbers(1, 10).map((n) => 2 * n));
        assert.deepEqual(await reading, { items: numbers(1, 500), complete: true });
        await assertAll(ann, 100);
        await ann.stop();
      } finally {
        await Promise.all(scene.peers.map((peer) => peer.page.context().close()));
        await proxy.close();
      }
    });
  }
});

// randoms returns numbers from 0 to below 1 that are the same for the same seed.
function randoms(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

group("1,000 messages and 30 cuts, one each 50 to 500 ms", () => {
  const count = 1000;
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  const cut = async (scene) => {
    const random = randoms(seed);
    for (let cuts = 0; cuts < 30; cuts++) {
      await new Promise((go) => setTimeout(go, 50 + 450 * random()));
      await scene.server.command("cut");
    }
  };
  for (const [client, document] of Object.entries(twoClients)) {
    for (const transport of transports) {
      scenario(`${client} on ${transport}, SEED=${seed}`, [], async (scene) => {
        const ann = await scene.peer(document, { transports: transport, hubs });
        await ann.invoke("room", "join", "lobby");
        const streaming = scene.server.command("stream", { group: "lobby", every: "8ms" });
        await cut(scene);
        await ann.wait("message", count);
        await scene.server.command("release");
        const { last } = await streaming;
        await assertAll(ann, last);
        assert.equal(scene.server.events({ event: "connected" }).length, 1);
        assert.deepEqual(scene.server.events({ event: "disconnected" }), []);
      });
    }
  }

  for (const transport of transports) {
    scenario(`our client on ${transport} reads a stream of them, and answers 100 questions, SEED=${seed}`, [], async (scene) => {
      const ann = await scene.peer(ours, { transports: transport, hubs, answers: { room: { choose: "tea" } } });
      const reading = ann.drive("stream", "room", "pulse", [8], null);
      await ann.wait("item"); // The server has begun.
      const asking = (async () => {
        const choices = [];
        while (choices.length < 100) {
          choices.push((await scene.server.command("ask", { id: ann.id })).choice);
        }
        return choices;
      })();
      await cut(scene);
      assert.deepEqual(await asking, Array.from({ length: 100 }, () => "tea"));
      await ann.wait("item", count);
      await scene.server.command("release");
      const { items, complete } = await reading;
      assert.deepEqual(items, numbers(1, items.length));
      assert.ok(complete);
      assert.equal((await ann.wait("question")).length, 100, "each came once");
      assert.deepEqual(await ann.wait("gap", 0), []);
    });
  }
});
