import assert from "node:assert/strict";
import { test } from "node:test";
import { HubError } from "../src/errors.js";
import { rejection, settle, watch, World } from "./harness.js";

async function socketWorld() {
  const w = new World();
  const chat = w.connection.hub("Chat");
  const socket = await w.onSocket();
  return { w, chat, socket };
}

async function streamWorld() {
  const w = new World({ transports: "serverSentEvents" });
  const chat = w.connection.hub("Chat");
  const stream = await w.onStream();
  return { w, chat, stream };
}

test("a call goes out with hub, method, arguments and id, and comes back with its result", async () => {
  const { chat, socket } = await socketWorld();
  const first = chat.invoke("say", "lobby", undefined, { a: [1] });
  const second = chat.server.Join!("lobby");
  assert.deepEqual(socket.sent, [
    { H: "Chat", M: "say", A: ["lobby", null, { a: [1] }], I: "0" },
    { H: "Chat", M: "Join", A: ["lobby"], I: "1" },
  ]);
  await socket.text({ R: { id: 7 }, I: "1" });
  await socket.text({ I: "0" });
  assert.equal(await first, undefined);
  assert.deepEqual(await second, { id: 7 });
});

test("server may be passed through promises: it has no then", async () => {
  const { chat } = await socketWorld();
  assert.equal(await chat.server, chat.server);
});

test("an error of the hub rejects with a HubError and its data", async () => {
  const { chat, socket } = await socketWorld();
  const call = rejection(chat.invoke("join", "lobby"));
  await socket.text({ I: "0", H: true, E: "Room is full", D: { max: 10 } });
  const error = await call;
  assert(error instanceof HubError);
  assert.deepEqual(
    { ...error, message: error.message },
    { name: "HubError", hub: "Chat", method: "join", data: { max: 10 }, deliberate: true, message: "Room is full" },
  );
  const other = rejection(chat.invoke("join"));
  await socket.text({ I: "1", E: "There was an error" });
  assert.equal((await other).deliberate, false);
});

test("state goes along and comes back, with results, errors and progress", async () => {
  const { chat, socket } = await socketWorld();
  chat.state.color = "red";
  const call = chat.invoke("paint");
  assert.deepEqual(socket.sent[0].S, { color: "red" });
  await socket.text({ C: "c1", M: [{ I: "P|0", P: { I: "0", D: 1 }, S: { n: 1 } }] });
  await socket.text({ S: { color: "blue" }, I: "0" });
  await call;
  assert.deepEqual(chat.state, { color: "blue", n: 1 });
});

test("progress comes to its call only, and no more once the result is there", async () => {
  const { w, chat, socket } = await socketWorld();
  const seen: unknown[] = [];
  const call = chat.with({ progress: (value) => void seen.push(value) }).invoke("count");
  void chat.invoke("count");
  const report = (id: string, D: unknown, C: string) => socket.text({ C, M: [{ I: `P|${id}`, P: { I: id, D } }] });
  await report("0", 40, "c1");
  await report("1", 50, "c2");
  await report("0", null, "c3");
  await socket.text({ I: "0", R: 100 });
  await report("0", 60, "c4");
  assert.equal(await call, 100);
  assert.deepEqual(seen, [40, null]);
  assert.deepEqual(w.errors, []);
});

test("a progress callback that throws is told as an error; the call goes on", async () => {
  const { w, chat, socket } = await socketWorld();
  const call = chat.with({
    progress: () => {
      throw new Error("callback broke");
    },
  }).server.count!();
  await socket.text({ C: "c1", M: [{ I: "P|0", P: { I: "0", D: 1 } }] });
  await socket.text({ I: "0", R: 1 });
  assert.equal(await call, 1);
  assert.deepEqual(w.errors.map((e) => e.message), ["callback broke"]);
});

test("a call without a started connection rejects at once", async () => {
  const w = new World();
  const chat = w.connection.hub("chat");
  const error = await rejection(chat.invoke("say"));
  assert.equal(error.code, "not_connected");
  assert.match(error.message, /chat\.say/);
});

test("a call made while connecting leaves when the start has succeeded", async () => {
  const w = new World();
  const chat = w.connection.hub("chat");
  delete w.answers.start;
  void w.connection.start();
  await settle();
  const call = watch(chat.invoke("say"));
  await w.socket.open();
  await w.socket.text({ C: "c0", S: 1, M: [] });
  assert.equal(w.socket.sent.length, 0);
  await w.waiting("start").reply({ Response: "started" });
  assert.equal(w.socket.sent.length, 1);
  assert.equal(call.outcome, "pending");
});

test("a call that waits while the start fails rejects with the start's error", async () => {
  const w = new World({ transports: "webSockets" });
  const chat = w.connection.hub("chat");
  const start = rejection(w.connection.start());
  await settle();
  const call = rejection(chat.invoke("say"));
  await w.socket.drop();
  assert.equal(await call, await start);
});

test("WebSockets: a call in flight rejects when the socket is lost; one made meanwhile waits and leaves on the next", async () => {
  const { w, chat, socket } = await socketWorld();
  const flying = watch(chat.invoke("say", 1));
  await socket.drop(1006);
  await settle();
  assert.equal(flying.outcome, "rejected");
  assert.equal(flying.value.code, "call_lost");
  assert.match(flying.value.message, /Chat\.say: .* may have run .*1006/);
  const waiting = watch(chat.invoke("say", 2));
  await settle();
  assert.equal(waiting.outcome, "pending");
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.socket.sent.map((s) => s.A), [[2]], "what was in flight is not sent again");
  await w.socket.text({ I: w.socket.sent[0].I, R: "two" });
  assert.deepEqual(waiting, { outcome: "fulfilled", value: "two" });
});

test("a socket that is closing takes no calls: they wait for the next", async () => {
  const { w, chat, socket } = await socketWorld();
  socket.readyState = 2;
  const call = watch(chat.invoke("say", 1));
  await socket.drop();
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.socket.sent.map((s) => s.A), [[1]]);
  assert.equal(call.outcome, "pending");
});

test("HTTP transports: a call in flight survives a reconnect; one made meanwhile waits for it", async () => {
  const { w, chat, stream } = await streamWorld();
  const flying = watch(chat.invoke("say", 1));
  await settle();
  const send = w.waiting("send");
  assert.equal(send.query.get("transport"), "serverSentEvents");
  assert.equal(send.init.method, "POST");
  await stream.drop();
  const waiting = watch(chat.invoke("say", 2));
  await send.reply({ I: "0", R: "one" });
  assert.deepEqual(flying, { outcome: "fulfilled", value: "one" });
  assert.equal(w.all("send").length, 1, "while reconnecting nothing is sent");
  await w.clock.advance(0);
  await w.stream.text("initialized");
  await w.waiting("send").reply({ I: "1", R: "two" });
  assert.deepEqual(waiting, { outcome: "fulfilled", value: "two" });
});

test("an empty answer to a send is a result of nothing", async () => {
  const { w, chat } = await streamWorld();
  const call = watch(chat.invoke("say"));
  await settle();
  await w.waiting("send").reply("");
  assert.deepEqual(call, { outcome: "fulfilled", value: undefined });
});

test("a send that is refused, or lost, or answered with nonsense rejects its call; the connection and the next call go on", async () => {
  const { w, chat } = await streamWorld();
  const calls = [1, 2, 3, 4].map((n) => watch(chat.invoke("say", n)));
  await settle();
  await w.waiting("send").reply("The message is too large.", 413);
  await w.waiting("send").fail();
  await w.waiting("send").reply("<html>");
  await w.waiting("send").reply({ I: "3", R: 4 });
  assert.deepEqual([calls[0]!.value.code, calls[0]!.value.status, calls[0]!.value.body], ["http", 413, "The message is too large."]);
  assert.equal(calls[1]!.value.code, "call_lost");
  assert.equal(calls[1]!.value.cause.message, "network down");
  assert.equal(calls[2]!.value.code, "protocol");
  assert.equal(calls[3]!.value, 4);
  assert.equal(w.connection.state, "connected");
});

test("calls reject when the connection is lost for good, or stopped", async () => {
  const { w, chat, stream } = await streamWorld();
  const flying = watch(chat.invoke("say", 1));
  const waiting = watch(chat.invoke("say", 2));
  await settle();
  const send = w.waiting("send");
  await stream.drop();
  await w.clock.advance(30_000);
  assert.deepEqual([flying.value.code, waiting.value.code], ["disconnected", "disconnected"]);
  assert(send.aborted);

  const other = await socketWorld();
  const call = watch(other.chat.invoke("say"));
  await other.w.connection.stop();
  assert.equal(call.value.code, "stopped");
});

test("a time-out gives a call up, and its late result is ignored", async () => {
  const { w, chat, socket } = await socketWorld();
  const call = watch(chat.with({ timeout: 3000 }).invoke("think"));
  await w.clock.advance(2_999);
  assert.equal(call.outcome, "pending");
  await w.clock.advance(1);
  assert.equal(call.value.code, "timeout");
  assert.match(call.value.message, /Chat\.think: no result within 3 s/);
  await socket.text({ I: "0", R: 1 });
  assert.deepEqual(w.errors, []);
});

test("a result in time leaves no timer", async () => {
  const { w, chat, socket } = await socketWorld();
  const before = w.clock.pending;
  const call = chat.with({ timeout: 3000 }).invoke("think");
  await socket.text({ I: "0" });
  await call;
  assert.equal(w.clock.pending, before);
});

test("an AbortSignal gives a call up with its reason, before it left, on its way, and before it was made", async () => {
  const { w, chat } = await streamWorld();
  const abort = new AbortController();
  const limited = chat.with({ signal: abort.signal });
  const flying = watch(limited.invoke("say", 1));
  const waiting = watch(limited.invoke("say", 2));
  const other = watch(chat.invoke("say", 3));
  await settle();
  const send = w.waiting("send");
  abort.abort(new Error("not wanted"));
  await settle();
  assert.deepEqual([flying.value.message, waiting.value.message], ["not wanted", "not wanted"]);
  assert(send.aborted, "the request is given up, and the next call has its turn");
  assert.deepEqual(w.waiting("send").payload.A, [3]);
  await w.waiting("send").reply({ I: "2", R: 3 });
  assert.equal(other.value, 3);
  assert.equal((await rejection(limited.invoke("say", 4))).message, "not wanted");
  assert.equal(w.all("send").length, 2);
});

test("a call that was given up while it waited for the connection is not sent afterwards", async () => {
  const { w, chat, socket } = await socketWorld();
  await socket.drop();
  const call = watch(chat.with({ timeout: 0 }).invoke("say", 1));
  void chat.invoke("say", 2);
  await w.clock.advance(0);
  await w.socket.open();
  assert.equal(call.value.code, "timeout");
  assert.deepEqual(w.socket.sent.map((s) => s.A), [[2]]);
});

test("a call that is given up while its access token is on its way is not sent", async () => {
  let give = (_: string) => {};
  let slow = false;
  const w = new World({ transports: "serverSentEvents", accessToken: () => (slow ? new Promise<string>((done) => (give = done)) : "t") });
  const chat = w.connection.hub("chat");
  await w.onStream();
  slow = true;
  const call = watch(chat.with({ timeout: 10 }).invoke("say"));
  await w.clock.advance(10);
  give("late");
  await settle();
  assert.equal(call.outcome, "rejected");
  assert.equal(w.all("send").length, 0);
});

test("arguments that cannot be encoded fail their call only", async () => {
  const { chat, socket } = await socketWorld();
  const loop: any = {};
  loop.loop = loop;
  assert((await rejection(chat.invoke("say", loop))) instanceof TypeError);
  void chat.invoke("say", 1);
  assert.deepEqual(socket.sent.map((s) => s.A), [[1]]);
});

test("a call may be made from a handler, and from the handler of the state", async () => {
  const w = new World();
  const chat = w.connection.hub("Chat");
  w.connection.on("statechange", (state) => void (state === "connected" && chat.invoke("hello")));
  const socket = await w.onSocket();
  chat.on("ask", () => chat.invoke("answer"));
  await socket.text({ C: "c1", M: [{ H: "Chat", M: "ask", A: [] }] });
  assert.deepEqual(socket.sent.map((s) => s.M), ["hello", "answer"]);
});
