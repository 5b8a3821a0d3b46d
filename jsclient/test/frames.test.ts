import assert from "node:assert/strict";
import { test } from "node:test";
import { call, settle, World } from "./harness.js";

/** A world whose hub chat collects what addMessage gets. */
function listening() {
  const w = new World();
  const got: unknown[] = [];
  const chat = w.connection.hub("chat");
  chat.on("addMessage", (text) => got.push(text));
  return { w, chat, got };
}

test("a handler that throws loses nothing: the rest of the frame comes, the cursor counts, the error is told", async () => {
  const { w, chat, got } = listening();
  const socket = await w.onSocket();
  chat.on("addMessage", (text) => {
    if (text === 1) throw new Error("handler broke");
  });
  chat.on("addMessage", (text) => void got.push(`after ${text}`));
  await socket.text({ C: "c7", M: [call("addMessage", 1), call("addMessage", 2)] });
  assert.deepEqual(got, [1, "after 1", 2, "after 2"]);
  assert.deepEqual(w.errors.map((e) => e.message), ["handler broke"]);
  assert.equal(w.connection.state, "connected");
  await socket.drop();
  await w.clock.advance(0);
  assert.equal(w.socket.url.searchParams.get("messageId"), "c7", "the frame is not asked for again");
});

test("a handler whose promise rejects is told as an error too", async () => {
  const { w, chat } = listening();
  const socket = await w.onSocket();
  chat.on("addMessage", async () => {
    throw new Error("later");
  });
  await socket.text({ C: "c1", M: [call("addMessage", 1)] });
  assert.deepEqual(w.errors.map((e) => e.message), ["later"]);
});

test("an error in the error handler harms nobody", async () => {
  const { w, chat, got } = listening();
  w.connection.on("error", () => {
    throw new Error("again");
  });
  chat.on("addMessage", () => {
    throw new Error("first");
  });
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [call("addMessage", 1), call("addMessage", 2)] });
  assert.deepEqual(got, [1, 2]);
});

test("a frame that comes twice is delivered once", async () => {
  const { w, got } = listening();
  const socket = await w.onSocket();
  const frame = { C: "c1", M: [call("addMessage", 1)] };
  await socket.text(frame);
  await socket.text(frame);
  assert.deepEqual(got, [1]);
});

test("a handler may stop the connection in the middle of a frame: the rest is not delivered", async () => {
  const { w, chat, got } = listening();
  const socket = await w.onSocket();
  chat.once("addMessage", () => void w.connection.stop());
  await socket.text({ C: "c1", M: [call("addMessage", 1), call("addMessage", 2)] });
  assert.deepEqual(got, [1]);
  assert.equal(w.connection.state, "disconnected");
});

test("names of hubs and methods match whatever their case; other hubs and methods are passed over", async () => {
  const { w, got } = listening();
  const socket = await w.onSocket();
  await socket.text({
    C: "c1",
    M: [{ H: "other", M: "addMessage", A: [0] }, { H: "CHAT", M: "nobody", A: [0] }, 7, { H: "CHAT", M: "ADDMESSAGE", A: [1] }],
  });
  assert.deepEqual(got, [1]);
  assert.deepEqual(w.errors, []);
});

test("a message that makes no sense is an error; the others of its frame are delivered", async () => {
  const { w, got } = listening();
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [null, { H: 1, M: 2 }, call("addMessage", 1)] });
  assert.deepEqual(got, [1]);
  assert.deepEqual(w.errors.map((e: any) => e.code), ["protocol", "protocol"]);
  assert.equal(w.connection.state, "connected");
});

test("off takes one handler or all of them away, the function of on its own; once is for one call", async () => {
  const { w, chat } = listening();
  const got: string[] = [];
  const a = () => got.push("a");
  chat.on("x", a);
  chat.on("x", a);
  const remove = chat.on("X", () => got.push("b"));
  chat.once("x", () => got.push("once"));
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [call("x"), call("x")] });
  assert.deepEqual(got.splice(0), ["a", "a", "b", "once", "a", "a", "b"]);
  remove();
  await socket.text({ C: "c2", M: [call("x")] });
  assert.deepEqual(got.splice(0), ["a", "a"]);
  chat.on("x", () => got.push("c"));
  chat.off("X", a);
  await socket.text({ C: "c3", M: [call("x")] });
  assert.deepEqual(got.splice(0), ["c"]);
  chat.off("x");
  await socket.text({ C: "c4", M: [call("x")] });
  assert.deepEqual(got, []);
});

test("a handler that is taken away by one before it in the same call is not called", async () => {
  const { w, chat, got } = listening();
  let remove = () => {};
  chat.on("x", () => remove());
  remove = chat.on("x", () => got.push("removed"));
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [call("x")] });
  assert.deepEqual(got, []);
});

test("state that comes with a call is merged before the handler runs", async () => {
  const { w, chat } = listening();
  chat.state.kept = 1;
  let seen;
  chat.on("x", () => (seen = { ...chat.state }));
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [{ ...call("x"), S: { color: "red" } }] });
  assert.deepEqual(seen, { kept: 1, color: "red" });
});

test("an unparsable frame is an error, and the transport is resumed from the last good frame", async () => {
  for (const bad of ["{", "[]", "null", "7", ""]) {
    const { w, got } = listening();
    const socket = await w.onSocket();
    await socket.text({ C: "c1", M: [call("addMessage", 1)] });
    await socket.text(bad);
    assert.equal(w.connection.state, "reconnecting", `after ${JSON.stringify(bad)}`);
    assert(socket.closed);
    assert.equal((w.errors[0] as any).code, "protocol");
    await socket.text({ C: "c2", M: [call("addMessage", 2)] });
    await w.clock.advance(0);
    assert.equal(w.socket.url.searchParams.get("messageId"), "c1");
    await w.socket.open();
    await w.socket.text({ C: "c2", M: [call("addMessage", 2)] });
    assert.deepEqual(got, [1, 2], "the broken socket is heard no more, so nothing comes twice");
  }
});

test("a frame that is bad each time is not asked for in a tight loop", async () => {
  const { w } = listening();
  const socket = await w.onSocket();
  await socket.text("{");
  for (let i = 0; i < 40; i++) {
    await w.clock.advance(250);
    if (w.socket.readyState === 0 && !w.socket.closed) {
      await w.socket.open();
      await w.socket.text("{");
    }
    if (w.streams.length && !w.stream.closed) {
      await w.stream.text("initialized");
      await w.stream.text("{");
    }
  }
  const tries = w.sockets.length + w.streams.length + w.all("reconnect").length;
  assert(tries > 3 && tries < 10, `${tries} tries in ten seconds`);
});

test("an error of the server ends the connection, without an abort", async () => {
  const { w } = listening();
  const socket = await w.onSocket();
  let reason: any;
  w.connection.on("disconnected", (r) => void (reason = r));
  await socket.text({ C: "c1", E: "kicked out" });
  assert.equal(w.connection.state, "disconnected");
  assert.equal(reason.code, "server");
  assert.match(reason.message, /kicked out/);
  assert.equal(w.all("abort").length, 0);
  assert(socket.closed);
});

test("the server's shutdown: messages of the frame first, then reconnecting at once, the attempt a moment later", async () => {
  const { w, got } = listening();
  const socket = await w.onSocket();
  await socket.text({ C: "c1", T: 1, M: [call("addMessage", 1)] });
  assert.deepEqual(got, [1]);
  assert.equal(w.connection.state, "reconnecting");
  assert(socket.closed);
  await w.clock.advance(499);
  assert.equal(w.sockets.length, 1, "not all clients at the same moment");
  await w.clock.advance(1);
  assert.equal(w.socket.operation, "reconnect");
  assert.equal(w.socket.url.searchParams.get("messageId"), "c1");
});

test("lost messages are told by a gap before the messages that follow", async () => {
  const { w, chat } = listening();
  chat.on("addMessage", (text) => w.events.push(`message ${text}`));
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [call("addMessage", 1)] });
  await socket.drop();
  await w.clock.advance(0);
  await w.socket.open();
  await w.socket.text({ C: "c9", X: 1, M: [call("addMessage", 9)] });
  await w.socket.text({ C: "c10", M: [call("addMessage", 10)] });
  assert.deepEqual(w.events.slice(2), ["message 1", "reconnecting", "connected", "gap", "message 9", "message 10"]);
});

test("the groups token is kept until there is a new one", async () => {
  const { w } = listening();
  const socket = await w.onSocket();
  await socket.text({ C: "c1", G: "g1", M: [] });
  await socket.text({ C: "c2", M: [] });
  await socket.text({});
  await socket.drop();
  await w.clock.advance(0);
  assert.equal(w.socket.url.searchParams.get("groupsToken"), "g1");
  assert.equal(w.socket.url.searchParams.get("messageId"), "c2", "a keep-alive moves nothing");
});

test("a new start knows nothing of the connection before", async () => {
  const { w, got } = listening();
  const socket = await w.onSocket();
  await socket.text({ C: "c1", G: "g1", M: [call("addMessage", 1)] });
  await w.connection.stop();
  await socket.text({ C: "c2", M: [call("addMessage", 2)] });
  await w.onSocket();
  assert.equal(w.socket.url.searchParams.has("messageId"), false);
  assert.equal(w.socket.url.searchParams.has("groupsToken"), false);
  await w.socket.text({ C: "c1", M: [call("addMessage", 3)] });
  assert.deepEqual(got, [1, 3]);
});

test("nothing is written to the console", async (t) => {
  const methods = ["log", "info", "warn", "error", "debug"] as const;
  const spies = methods.map((m) => t.mock.method(console, m, () => {}));
  const { w, chat } = listening();
  chat.on("addMessage", () => {
    throw new Error("handler broke");
  });
  const socket = await w.onSocket();
  await socket.text({ C: "c1", M: [call("addMessage", 1)] });
  await socket.text("{");
  await w.connection.stop();
  await settle();
  assert.equal(spies.reduce((n, spy) => n + spy.mock.callCount(), 0), 0);
});
