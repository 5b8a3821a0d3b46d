import assert from "node:assert/strict";
import { test } from "node:test";
import type { TransportName } from "../src/options.js";
import { call, negotiated, settle, World } from "./harness.js";

/** What the last attempt to come back used. */
function lastAttempt(w: World): TransportName | undefined {
  const streams = w.streams.filter((s) => s.operation === "reconnect" && !s.closed);
  if (w.socket?.operation === "reconnect" && !w.socket.closed) return "webSockets";
  if (streams.length) return "serverSentEvents";
  if (w.all("reconnect").some((e) => !e.over)) return "longPolling";
  return undefined;
}

test("a lost socket is resumed at once, from the cursor and with the groups token", async () => {
  const w = new World();
  const seen: string[] = [];
  w.connection.on("reconnecting", (reason) => void seen.push(`reconnecting ${(reason as any).code}`));
  w.connection.on("reconnected", () => void seen.push("reconnected"));
  const socket = await w.onSocket();
  await socket.text({ C: "c5", G: "g&1", M: [] });
  await socket.drop(1006);
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(0);
  const { searchParams: query } = w.socket.url;
  assert.equal(w.socket.operation, "reconnect");
  assert.deepEqual(
    ["transport", "messageId", "groupsToken", "connectionToken", "gaps", "clientProtocol"].map((k) => query.get(k)),
    ["webSockets", "c5", "g&1", negotiated.ConnectionToken, "1", "2.1"],
  );
  await w.socket.open();
  assert.equal(w.connection.state, "connected");
  assert.deepEqual(seen, ["reconnecting transport_lost", "reconnected"]);
  assert.equal(w.all("start").length, 1, "the server's connected handlers run once");
});

test("a lost stream is resumed from the cursor, and counts as open when its first event comes", async () => {
  const w = new World({ transports: "serverSentEvents" });
  const stream = await w.onStream();
  await stream.text({ C: "c5", M: [] });
  await stream.drop();
  assert(stream.closed, "the browser's own retry would not resume");
  await w.clock.advance(0);
  assert.equal(w.stream.operation, "reconnect");
  assert.equal(w.stream.url.searchParams.get("messageId"), "c5");
  assert.equal(w.stream.init.withCredentials, true);
  assert.equal(w.connection.state, "reconnecting");
  await w.stream.text("initialized");
  assert.equal(w.connection.state, "connected");
});

test("attempts back off; after two failures in a row the next transport has its turn, and so on in a round", async () => {
  const w = new World();
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [] });
  await socket.drop();
  const used: string[] = [];
  const waits: number[] = [];
  for (let i = 0, waited = 0; w.connection.state === "reconnecting"; ) {
    await w.clock.advance(i === 0 && !waited ? 0 : 50);
    const name = lastAttempt(w);
    if (!name) {
      waited += 50;
      continue;
    }
    used.push(name);
    waits.push(waited);
    waited = 0;
    i++;
    if (name === "webSockets") await w.socket.drop();
    if (name === "serverSentEvents") await w.stream.drop();
    if (name === "longPolling") await w.waiting("reconnect").fail();
  }
  assert.deepEqual(used, [
    "webSockets", "webSockets", "serverSentEvents", "serverSentEvents", "longPolling", "longPolling", "webSockets",
  ]);
  assert.equal(waits[0], 0, "the first attempt is at once");
  for (const [i, wait] of [500, 1000, 2000, 4000, 8000, 10000].entries()) {
    assert(Math.abs(waits[i + 1]! - wait) <= 50, `wait ${i + 1} is ${waits[i + 1]}, want ${wait}`);
  }
  assert.equal(w.failures.length, 7, "every failed step is told");
});

test("jitter cuts up to a half off each wait", async () => {
  const w = new World({ transports: "webSockets", random: () => 0.5 });
  await (await w.onSocket()).drop();
  await w.clock.advance(0);
  await w.socket.drop();
  await w.clock.advance(374);
  assert.equal(w.sockets.length, 2);
  await w.clock.advance(1);
  assert.equal(w.sockets.length, 3);
});

test("a connection that came back on another transport stays there, and goes on from the same cursor", async () => {
  const w = new World();
  const got: unknown[] = [];
  w.connection.hub("chat").on("addMessage", (n) => got.push(n));
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [call("addMessage", 1)] });
  await socket.drop();
  await w.clock.advance(0);
  await w.socket.drop();
  await w.clock.advance(500);
  await w.socket.drop();
  await w.clock.advance(1000);
  assert.equal(w.stream.url.searchParams.get("messageId"), "c1");
  await w.stream.text("initialized");
  await w.stream.text({ C: "c2", M: [call("addMessage", 2)] });
  assert.equal(w.connection.transport, "serverSentEvents");
  await w.stream.drop();
  await w.clock.advance(0);
  assert.equal(lastAttempt(w), "serverSentEvents", "it worked, so it is tried first, at once");
  assert.deepEqual(got, [1, 2]);
});

test("a transport that opens and goes before it brings anything counts as failed", async () => {
  const w = new World();
  await (await w.onSocket()).drop();
  await w.clock.advance(0);
  await w.socket.open();
  await w.socket.drop();
  assert.equal(w.sockets.length, 2);
  await w.clock.advance(499);
  assert.equal(w.sockets.length, 2, "not at once again");
  await w.clock.advance(1);
  assert.equal(w.sockets.length, 3);
  await w.socket.open();
  await w.socket.drop();
  await w.clock.advance(1000);
  assert.equal(w.streams.length, 1, "and after two of them the next transport is tried");
});

test("an attempt that hangs is given up after TransportConnectTimeout", async () => {
  const w = new World();
  await (await w.onSocket()).drop();
  await w.clock.advance(5_000);
  assert(w.socket.closed);
  assert.equal((w.failures[0]!.error as any).code, "timeout");
  await w.clock.advance(500);
  assert.equal(w.sockets.length, 3);
});

test("a connection that cannot come back within DisconnectTimeout is over: told with the cause, without an abort", async () => {
  const w = new World({ transports: "webSockets" });
  let reason: any;
  w.connection.on("disconnected", (r) => void (reason = r));
  await (await w.onSocket()).drop(1011, "bad");
  await w.clock.advance(29_999);
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(1);
  assert.equal(w.connection.state, "disconnected");
  assert.equal(reason.code, "disconnected");
  assert(reason.cause instanceof Error);
  assert.equal(w.all("abort").length, 0);
  assert.equal(w.clock.pending, 0, "no timer is left");
  assert(w.sockets.every((s) => s.closed || s.readyState === 3));
});

test("what comes late from a transport that was lost is ignored", async () => {
  const w = new World();
  const got: unknown[] = [];
  w.connection.hub("chat").on("addMessage", (n) => got.push(n));
  const old = await w.onSocket();
  await old.drop();
  await w.clock.advance(0);
  await w.socket.open();
  await old.text({ C: "c9", M: [call("addMessage", 9)] });
  await old.drop();
  assert.deepEqual(got, []);
  assert.equal(w.connection.state, "connected");
});

test("no sign of life: slow after two thirds of KeepAliveTimeout, lost after all of it", async () => {
  const w = new World();
  const socket = await w.onSocket();
  await w.clock.advance(13_000);
  await socket.text({});
  await w.clock.advance(13_333);
  assert.deepEqual(w.events.splice(0), ["connecting", "connected"], "a keep-alive is a sign of life");
  await w.clock.advance(1);
  assert.deepEqual(w.events.splice(0), ["slow"]);
  await w.clock.advance(6_665);
  assert.deepEqual(w.events, []);
  await w.clock.advance(1);
  assert.deepEqual(w.events, ["reconnecting"]);
  assert(socket.closed);
  await w.clock.advance(0);
  assert.equal(w.sockets.length, 2);
});

test("slow is told once, and again only after a sign of life", async () => {
  const w = new World();
  const socket = await w.onSocket();
  await w.clock.advance(19_000);
  await socket.text({});
  await w.clock.advance(19_000);
  assert.deepEqual(w.events.slice(2), ["slow", "slow"]);
});

test("liveness is watched after a resume as well", async () => {
  const w = new World();
  await (await w.onSocket()).drop();
  await w.clock.advance(0);
  await w.socket.open();
  await w.clock.advance(20_000);
  assert.equal(w.connection.state, "reconnecting");
});

test("without keep-alive from the server, or on long polling, silence is no reason", async () => {
  const quiet = new World();
  quiet.answers.negotiate = { ...negotiated, KeepAliveTimeout: null };
  await quiet.onSocket();
  await quiet.clock.advance(100_000);
  assert.equal(quiet.connection.state, "connected");

  const polling = new World({ transports: "longPolling" });
  await polling.onPolling();
  await polling.clock.advance(100_000);
  assert.equal(polling.connection.state, "connected");
  assert.deepEqual(polling.events.slice(2), []);
});

test("online and a visible page end the wait for the next attempt", async () => {
  for (const type of ["online", "visibilitychange"]) {
    const w = new World({ transports: "webSockets" });
    await (await w.onSocket()).drop();
    await w.clock.advance(0);
    await w.socket.drop();
    assert.equal(w.sockets.length, 2);
    await w.page.raise(type);
    await w.clock.advance(0);
    assert.equal(w.sockets.length, 3, type);
    await w.page.raise(type);
    await w.clock.advance(0);
    assert.equal(w.sockets.length, 3, "an attempt under way is left alone");
  }
});

test("online leaves a connection that works alone", async () => {
  const w = new World();
  await w.onSocket();
  await w.page.raise("online");
  assert.equal(w.connection.state, "connected");
});

test("a page that becomes visible after a sleep finds out at once that the socket is dead", async () => {
  const w = new World();
  const socket = await w.onSocket();
  await w.clock.advance(5_000);
  await w.page.raise("visibilitychange");
  assert.equal(w.connection.state, "connected", "a fresh sign of life is good enough");
  w.page.visibilityState = "hidden";
  await w.clock.advance(9_000);
  await w.page.raise("visibilitychange");
  assert.equal(w.connection.state, "connected", "hidden is no wake-up");
  w.page.visibilityState = "visible";
  await w.page.raise("visibilitychange");
  assert.equal(w.connection.state, "reconnecting");
  assert(socket.closed);
});

test("time asleep does not count against the disconnect timeout", async () => {
  const w = new World({ transports: "webSockets" });
  await (await w.onSocket()).drop();
  await w.clock.advance(0);
  await w.socket.drop();
  await w.clock.sleep(3_600_000);
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(0);
  assert.equal(w.sockets.length, 3, "the attempt is made on waking");
  await w.socket.open();
  assert.equal(w.connection.state, "connected");
});

test("time awake counts anew after a sleep", async () => {
  const w = new World({ transports: "webSockets" });
  await (await w.onSocket()).drop();
  await w.clock.advance(0);
  await w.socket.drop();
  await w.clock.sleep(3_600_000);
  await w.clock.advance(29_999);
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(1);
  assert.equal(w.connection.state, "disconnected");
});

test("a machine that slept while connected reconnects on waking", async () => {
  const w = new World();
  await w.onSocket();
  await w.clock.sleep(3_600_000);
  await w.clock.advance(0);
  assert.equal(w.socket.operation, "reconnect");
});

test("a page that goes away tells the server, one that is kept for the way back does not", async () => {
  const w = new World();
  await w.onSocket();
  await w.page.raise("pagehide", { persisted: true });
  assert.equal(w.connection.state, "connected");
  await w.page.raise("pagehide", { persisted: false });
  assert.equal(w.connection.state, "disconnected");
  const [abort] = w.all("abort");
  assert.equal(abort!.init.keepalive, true);
  assert.equal(abort!.init.method, "POST");
  assert.equal(abort!.query.get("transport"), "webSockets");
});

test("stop closes the transport, tells the server, and leaves no timer, handler or reason behind", async () => {
  const w = new World();
  const reasons: unknown[] = [];
  w.connection.on("disconnected", (reason) => void reasons.push(reason));
  const socket = await w.onSocket();
  delete w.answers.abort;
  let stopped = false;
  void w.connection.stop().then(() => (stopped = true));
  assert.equal(w.connection.state, "disconnected", "at once");
  assert(socket.closed);
  await settle();
  assert.equal(stopped, false, "stop waits for the server");
  await w.waiting("abort").reply("");
  assert(stopped);
  assert.deepEqual(reasons, [undefined]);
  assert.equal(w.clock.pending, 0);
  assert.equal(w.page.listeners, 0);
  await w.page.raise("pagehide", { persisted: false });
  assert.equal(w.all("abort").length, 1);
  await w.connection.stop();
  assert.equal(w.all("abort").length, 1, "stopping twice tells once");
});

test("stop while reconnecting ends the attempts; a server that cannot be reached does not fail it", async () => {
  const w = new World();
  w.answers.abort = new Error("offline");
  await (await w.onSocket()).drop();
  await w.connection.stop();
  await w.clock.advance(60_000);
  assert.equal(w.sockets.length, 1);
  assert.deepEqual(w.events, ["connecting", "connected", "reconnecting", "disconnected"]);
});

test("a handler that stops on reconnecting is obeyed", async () => {
  const w = new World();
  w.connection.on("reconnecting", () => void w.connection.stop());
  await (await w.onSocket()).drop();
  await w.clock.advance(60_000);
  assert.equal(w.sockets.length, 1);
  assert.equal(w.clock.pending, 0);
});

test("a handler that stops when an attempt fails is obeyed", async () => {
  const w = new World();
  w.connection.on("transportfailed", () => void w.connection.stop());
  await (await w.onSocket()).drop();
  await w.clock.advance(0);
  await w.socket.drop();
  assert.equal(w.clock.pending, 0);
});

test("a handler that stops when the connection is back is obeyed, and back is not told after the end", async () => {
  const w = new World();
  await (await w.onSocket()).drop();
  w.connection.on("statechange", (state) => void (state === "connected" && w.connection.stop()));
  w.connection.on("reconnected", () => void w.events.push("reconnected"));
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.events.slice(2), ["reconnecting", "connected", "disconnected"]);
});

/** A connection whose first attempt to come back failed before it was open. */
async function failedAttempt(transport: "webSockets" | "serverSentEvents"): Promise<{ w: World; reasons: any[] }> {
  const w = new World({ transports: transport });
  const reasons: any[] = [];
  w.connection.on("disconnected", (reason) => void reasons.push(reason));
  if (transport === "webSockets") {
    await (await w.onSocket()).drop();
    await w.clock.advance(0);
    await w.socket.drop();
  } else {
    await (await w.onStream()).drop();
    await w.clock.advance(0);
    await w.stream.drop();
  }
  return { w, reasons };
}

for (const transport of ["webSockets", "serverSentEvents"] as const) {
  test(`${transport} does not say why it was refused: a ping does, and a refusal by name ends the life at once`, async () => {
    const { w, reasons } = await failedAttempt(transport);
    const ping = w.waiting("ping");
    assert.equal(ping.query.get("connectionToken"), negotiated.ConnectionToken);
    assert.equal(w.connection.state, "reconnecting");
    await ping.reply("The ConnectionId is in the incorrect format.", 400, { "Hubwire-Reason": "bad_token" });
    assert.equal(w.connection.state, "disconnected");
    assert.equal(reasons[0].code, "disconnected");
    assert.equal(reasons[0].cause.reason, "bad_token");
    assert.equal(w.clock.pending, 0, "no attempt is left");
    assert.equal(w.all("abort").length, 0);
  });
}

test("a server that is away, fails or knows no reason by name is asked again at the next failure, and attempts go on", async () => {
  const answers: ((ping: any) => Promise<void>)[] = [
    (ping) => ping.fail(),
    (ping) => ping.reply("bad gateway", 502),
    (ping) => ping.reply("nothing here", 404),
    (ping) => ping.reply({ Response: "pong" }),
    (ping) => ping.reply("no", 401, { "Hubwire-Reason": "unauthorized" }),
    async () => {}, // No answer at all.
  ];
  for (const answer of answers) {
    const { w, reasons } = await failedAttempt("webSockets");
    const ping = w.waiting("ping");
    await answer(ping);
    await w.clock.advance(500);
    assert.equal(w.sockets.length, 3, "the next attempt is neither sooner nor later");
    assert.equal(w.connection.state, "reconnecting");
    await w.socket.drop();
    assert.equal(w.all("ping").length, 2);
    assert(ping.over, "one question at a time");
    await w.clock.advance(1000);
    await w.socket.open();
    assert.equal(w.connection.state, "connected");
    await w.waiting("ping").reply("", 400, { "Hubwire-Reason": "bad_token" });
    assert.equal(w.connection.state, "connected", "what works is not ended by a late answer");
    assert.deepEqual(reasons, []);
  }
});

test("a question that is open is given up with the connection", async () => {
  const { w } = await failedAttempt("webSockets");
  const ping = w.waiting("ping");
  await w.connection.stop();
  await settle();
  assert(ping.aborted);
  assert.equal(w.clock.pending, 0);
});

test("a poll that is told that the connection has ended does not come back", async () => {
  const w = new World({ transports: "longPolling" });
  await (await w.onPolling()).fail();
  await w.clock.advance(0);
  await w.waiting("reconnect").reply("The connection has ended.", 404, { "Hubwire-Reason": "connection_ended" });
  assert.equal(w.connection.state, "disconnected");
  assert.equal(w.all("ping").length, 0);
});
