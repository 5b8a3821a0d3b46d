// Against the Go server. After how many messages the proxy cuts is random; nothing else is left to chance or to waiting.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { EventSource } from "eventsource";
import { WebSocket } from "ws";
import { ConnectionError, HubConnection, HubError, type ConnectionOptions, type TransportName } from "../../src/index.js";
import { buildProgram, Chat, Proxy, removeFolder } from "./server.js";

/** How many milliseconds a test may take: none does, unless it is broken. */
const patience = 120_000;

const all: TransportName[] = ["webSockets", "serverSentEvents", "longPolling"];

let program: { executable: string; folder: string };
let chat: Chat;

before(async () => {
  program = await buildProgram("./examples/chat");
  chat = await Chat.run(program.executable);
});

after(async () => {
  await chat?.stop();
  if (program) removeFolder(program.folder);
});

/** A person in the chat. */
class Person {
  readonly connection: HubConnection;
  readonly hub;
  readonly heard: [from: string, text: string, room: string][] = [];
  readonly log: string[] = [];
  #wake = () => {};

  constructor(name: string, transports: ConnectionOptions["transports"], url = `http://127.0.0.1:${chat.port}`) {
    this.connection = new HubConnection(`${url}/signalr`, {
      transports,
      query: { name },
      WebSocket: WebSocket as any,
      EventSource: EventSource as any,
      log: (level, text) => this.log.push(`${level} ${text}`),
    });
    this.hub = this.connection.hub("chat");
    this.hub.on("addMessage", (from: string, text: string, room: string) => {
      this.heard.push([from, text, room]);
      this.#wake();
    });
  }

  /** Waits until so many messages were heard. */
  async hears(count: number): Promise<void> {
    while (this.heard.length < count) await new Promise<void>((wake) => (this.#wake = wake));
  }
}

for (const transport of all) {
  test(`${transport}: start, calls, results, errors, broadcasts, stop`, { timeout: patience }, async () => {
    const ann = new Person("ann", transport);
    const bob = new Person("bob", transport);
    await Promise.all([ann.connection.start(), bob.connection.start()]);
    assert.equal(ann.connection.transport, transport);
    assert.equal(await ann.hub.invoke("whoAmI"), "ann");
    const joined = new Promise((done) => ann.hub.on("joined", (name: string, room: string) => name === "bob" && done(room)));
    await ann.hub.server.join!(transport);
    assert.deepEqual((await bob.hub.server.join!(transport)).sort(), ["ann", "bob"]);
    assert.equal(await joined, transport);
    await bob.hub.invoke("say", transport, "hello");
    await Promise.all([ann.hears(1), bob.hears(1)]);
    assert.deepEqual(ann.heard, [["bob", "hello", transport]]);

    const error = await ann.hub.invoke("whisper", "nobody", "hi").catch((e: unknown) => e);
    assert(error instanceof HubError);
    assert.match(error.message, /"nobody" is here/);
    assert.equal(error.deliberate, true);
    const unknown = await ann.hub.invoke("noSuchMethod").catch((e: unknown) => e);
    assert(unknown instanceof HubError);

    const left = new Promise((done) => bob.hub.once("left", done));
    await ann.connection.stop();
    assert.equal(await left, "ann", "the server knows of a stop at once");
    await bob.connection.stop();
  });

  test(`${transport}: 1,000 numbered messages under random cuts: all, once, in order`, { timeout: patience }, async () => {
    const room = `cuts-${transport}`;
    const proxy = await Proxy.to(chat.port);
    const sender = new Person("sender", "webSockets");
    const receiver = new Person("receiver", transport, proxy.url);
    let gaps = 0;
    receiver.connection.on("gap", () => void gaps++);
    await Promise.all([sender.connection.start(), receiver.connection.start()]);
    await sender.hub.invoke("join", room);
    await receiver.hub.invoke("join", room);

    let heard = 0;
    for (let n = 0, next = 0; n < 1000; n++) {
      await sender.hub.invoke("say", room, String(n));
      if (n < next) continue;
      // It is back from the last cut, though perhaps not up to here.
      await receiver.hears(heard + 1);
      heard = receiver.heard.length;
      proxy.cut();
      next += 10 + Math.floor(80 * Math.random());
    }
    await receiver.hears(1000);
    assert.deepEqual(receiver.heard.map(([, text]) => text), Array.from({ length: 1000 }, (_, n) => String(n)));
    assert.equal(gaps, 0);
    assert(proxy.cuts >= 1000 / 90, `${proxy.cuts} cuts`);
    await Promise.all([receiver.connection.stop(), sender.connection.stop()]);
    await proxy.close();
  });
}

test("fallback: WebSocket and EventSource are refused on the way, long polling is not", { timeout: patience }, async () => {
  class Refused {
    onclose: any;
    onerror: any;
    readyState = 0;
    constructor() {
      setImmediate(() => (this.onclose ?? this.onerror)?.({ code: 1006 }));
    }
    close() {}
  }
  const ann = new HubConnection(`http://127.0.0.1:${chat.port}/signalr`, { WebSocket: Refused as any, EventSource: Refused as any });
  const failed: string[] = [];
  ann.on("transportfailed", ({ transport }) => void failed.push(transport));
  const hub = ann.hub("chat");
  await ann.start();
  assert.deepEqual(failed, ["webSockets", "serverSentEvents"]);
  assert.equal(ann.transport, "longPolling");
  assert.match(await hub.invoke("whoAmI"), /./);
  await ann.stop();
});

test("Node as it is: what it lacks is told, and what it has is used", { timeout: patience }, async () => {
  const ann = new HubConnection(`http://127.0.0.1:${chat.port}/signalr`, { query: { name: "ann" } });
  const failed: string[] = [];
  ann.on("transportfailed", ({ transport, error }) => void failed.push(`${transport}: ${error.message}`));
  const hub = ann.hub("chat");
  const joined = new Promise((done) => hub.on("addMessage", (...message: unknown[]) => done(message)));
  await ann.start();
  if ("WebSocket" in globalThis) {
    assert.equal(ann.transport, "webSockets");
  } else {
    assert.equal(ann.transport, "longPolling");
    assert.deepEqual(failed, ["webSockets: there is no WebSocket here", "serverSentEvents: there is no EventSource here"]);
  }
  await hub.invoke("join", "node");
  await hub.invoke("say", "node", "hello");
  assert.deepEqual(await joined, ["ann", "hello", "node"]);
  await ann.stop();
});

test("a server that restarts with other keys: clients go to reconnecting at once, and learn that they cannot come back", { timeout: patience }, async () => {
  const old = await Chat.run(program.executable);
  const people = [all, "serverSentEvents", "longPolling"] as const;
  const connections = people.map((transports) => new Person("ann", transports, `http://127.0.0.1:${old.port}`).connection);
  await Promise.all(connections.map((c) => c.start()));
  const lost = connections.map((c) => new Promise<void>((done) => c.once("reconnecting", () => done())));
  const over = [connections[0]!, connections[2]!].map((c) => new Promise<any>((done) => c.once("disconnected", done)));
  await old.stop();
  await Promise.all(lost);
  const next = await Chat.run(program.executable, old.port);
  for (const reason of await Promise.all(over)) assert.equal(reason.cause.reason, "bad_token");
  await connections[1]!.stop();
  await next.stop();
});

test("a server that is not there: the start fails with a clear error", { timeout: patience }, async () => {
  const nobody = new Person("x", all, "http://127.0.0.1:1");
  const error = await nobody.connection.start().catch((e: unknown) => e);
  assert(error instanceof Error && !(error instanceof ConnectionError && error.code === "timeout"));
});
