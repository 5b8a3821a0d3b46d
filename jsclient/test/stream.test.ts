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

const taken = (I: string) => ({ I, Q: "taken" });

let cursor = 0;

/** A frame with items of a stream, and what else is given. */
const items = (id: string, values: unknown[], ...others: unknown[]) => ({
  C: `c${++cursor}`,
  M: [...values.map((D) => ({ I: `P|${id}`, P: { I: id, D } })), ...others],
});

/** Reads a stream to its end. */
async function drain<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

test("a stream is called when its first item is asked for, and yields until its end comes as a message", async () => {
  const { chat, socket } = await socketWorld();
  chat.state.n = 1;
  const stream = chat.stream("count", 3);
  assert.deepEqual(socket.sent, []);
  const all = drain(stream);
  assert.deepEqual(socket.sent, [{ H: "Chat", M: "count", A: [3], I: "0", S: { n: 1 }, Q: "stream" }]);
  await socket.text(taken("0"));
  await socket.text(items("0", [1, null, { three: 3 }]));
  await socket.text(items("0", [4], { I: "0", S: { n: 2 } }));
  assert.deepEqual(await all, [1, null, { three: 3 }, 4]);
  assert.deepEqual(chat.state, { n: 2 });
  assert.equal(socket.sent.length, 1, "what has ended is not cancelled");
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test("the items before an error are read, then it rejects once with a HubError", async () => {
  const { chat, socket } = await socketWorld();
  const stream = chat.stream("count");
  const first = stream.next();
  await socket.text(taken("0"));
  await socket.text(items("0", [1, 2], { I: "0", H: true, E: "enough", D: { max: 2 } }));
  assert.deepEqual([(await first).value, (await stream.next()).value], [1, 2]);
  const error = await rejection(stream.next());
  assert(error instanceof HubError);
  assert.deepEqual([error.message, error.data, error.method], ["enough", { max: 2 }, "count"]);
  assert.equal((await stream.next()).done, true);
});

test("a method that does not stream, or a server that knows no streams, ends it by its answer", async () => {
  const { chat, socket } = await socketWorld();
  const error = rejection(chat.stream("say").next());
  await socket.text({ I: "0", E: "does not stream" });
  assert.equal((await error).message, "does not stream");
  const all = drain(chat.stream("import"));
  await socket.text(items("1", [50]));
  await socket.text({ I: "1", R: "done" });
  assert.deepEqual(await all, [50]);
});

test("break cancels the stream on the server, and what still comes is nobody's", async () => {
  const { w, chat, socket } = await socketWorld();
  const first = (async () => {
    for await (const item of chat.stream("count")) return item;
  })();
  await socket.text(taken("0"));
  await socket.text(items("0", ["a", "b"]));
  assert.equal(await first, "a");
  assert.deepEqual(socket.sent.slice(1), [{ I: "0", Q: "cancel" }]);
  await socket.text(items("0", ["c"], { I: "0" }));
  await socket.text(taken("0"));
  assert.deepEqual(w.errors, []);
});

test("return ends a stream at once, with readers that wait for an item", async () => {
  const { chat, socket } = await socketWorld();
  const stream = chat.stream("count");
  const readers = [stream.next(), stream.next()];
  await socket.text(taken("0"));
  assert.deepEqual(await stream.return(), { done: true, value: undefined });
  assert.deepEqual((await Promise.all(readers)).map((r) => r.done), [true, true]);
  assert.deepEqual(socket.sent.slice(1), [{ I: "0", Q: "cancel" }]);
  await stream.return();
  assert.equal(socket.sent.length, 2, "once");

  const unread = chat.stream("count");
  await unread.return();
  assert.equal((await unread.next()).done, true);
  assert.equal(socket.sent.length, 2, "what was never asked for is not called");
});

test("an AbortSignal and a time-out end a stream, here and on the server", async () => {
  const { w, chat, socket } = await socketWorld();
  const abort = new AbortController();
  const first = rejection(chat.with({ signal: abort.signal }).stream("count").next());
  const second = rejection(chat.with({ timeout: 3000 }).stream("count").next());
  abort.abort(new Error("not wanted"));
  await w.clock.advance(3000);
  assert.equal((await first).message, "not wanted");
  assert.equal((await second).code, "timeout");
  assert.deepEqual(socket.sent.slice(2), [{ I: "0", Q: "cancel" }, { I: "1", Q: "cancel" }]);
  assert.equal((await rejection(chat.with({ signal: abort.signal }).stream("count").next())).message, "not wanted");
  assert.equal(socket.sent.length, 4);
});

test("a stream whose call cannot be made rejects", async () => {
  const w = new World();
  assert.equal((await rejection(w.connection.hub("chat").stream("count").next())).code, "not_connected");
  const { chat } = await socketWorld();
  assert((await rejection(chat.stream("count", 1n).next())) instanceof TypeError);
});

test("a stream that the server has taken goes on over the next transport", async () => {
  const { w, chat, socket } = await socketWorld();
  const all = drain(chat.stream("count", 3));
  await socket.text(taken("0"));
  await socket.text(items("0", [1]));
  await socket.drop();
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.socket.sent, [], "it is not called again");
  await w.socket.text(items("0", [2, 3], { I: "0" }));
  assert.deepEqual(await all, [1, 2, 3]);
});

test("a stream without a receipt is lost with its socket, and cancelled over the next", async () => {
  const { w, chat, socket } = await socketWorld();
  const error = rejection(chat.stream("count").next());
  await socket.drop();
  assert.equal((await error).code, "call_lost");
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.socket.sent, [{ I: "0", Q: "cancel" }]);
});

test("a cancel is sent over each next transport, until the server has it", async () => {
  const { w, chat, socket } = await socketWorld();
  const stream = chat.stream("count");
  void stream.next();
  await socket.text(taken("0"));
  await stream.return();
  for (const times of [1, 2]) {
    await w.socket.drop();
    await w.clock.advance(0);
    await w.socket.open();
    assert.deepEqual(w.socket.sent, [{ I: "0", Q: "cancel" }], `time ${times}`);
    await w.socket.text(items("0", [times])); // The transport has worked.
  }
  await w.socket.text(taken("0"));
  await w.socket.drop();
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.socket.sent, []);
});

test("a gap fails streams, since their items may be missing, and nothing else", async () => {
  const { w, chat, socket } = await socketWorld();
  const stream = rejection(chat.stream("count").next());
  const call = watch(chat.invoke("think"));
  await socket.text(taken("0"));
  await socket.text({ C: "x1", X: 1, M: [] });
  const error = await stream;
  assert.equal(error.code, "call_lost");
  assert.match(error.message, /Chat\.count: .*messages were missed/);
  assert.deepEqual(socket.sent.at(-1), { I: "0", Q: "cancel" });
  assert.equal(call.outcome, "pending");
  assert.deepEqual(w.events.slice(-1), ["gap"]);
});

test("streams reject when the connection is over", async () => {
  const { w, chat, socket } = await socketWorld();
  const stream = chat.stream("count");
  const waiting = rejection(stream.next());
  await socket.text(taken("0"));
  await w.connection.stop();
  assert.equal((await waiting).code, "stopped");
  assert.equal(w.clock.pending, 0);
});

test("a consumer that falls behind the buffer fails its stream, behind the items that it holds", async () => {
  const { chat, socket } = await socketWorld();
  const stream = chat.with({ buffer: 2 }).stream("count");
  const first = stream.next();
  await socket.text(taken("0"));
  await socket.text(items("0", [1, 2, 3]));
  assert.equal((await first).value, 1);
  await socket.text(items("0", [4, 5]));
  assert.deepEqual(socket.sent.at(-1), { I: "0", Q: "cancel" });
  assert.deepEqual([(await stream.next()).value, (await stream.next()).value], [2, 3]);
  const error = await rejection(stream.next());
  assert.deepEqual([error.code, error.message], ["overrun", "more than 2 items of a stream wait to be read"]);
});

test("HTTP transports: the receipt frees the way for other calls, and a cancel overtakes them", async () => {
  const w = new World({ transports: "serverSentEvents" });
  const chat = w.connection.hub("Chat");
  const source = await w.onStream();
  const stream = chat.stream("count");
  const first = stream.next();
  const slow = watch(chat.invoke("think"));
  await settle();
  await w.waiting("send").reply(taken("0"));
  const thinking = w.waiting("send");
  assert.equal(thinking.payload.M, "think");
  await source.text(items("0", ["a"]));
  assert.equal((await first).value, "a");
  await stream.return();
  await settle();
  const [, , cancel] = w.all("send");
  assert.deepEqual(cancel!.payload, { I: "0", Q: "cancel" });
  await cancel!.reply(taken("0"));
  await thinking.reply({ I: "1", R: 42 });
  assert.equal(slow.value, 42);
});

test("HTTP transports: a stream whose request fails is lost, and one that is given up before it left is not sent", async () => {
  const w = new World({ transports: "serverSentEvents" });
  const chat = w.connection.hub("Chat");
  await w.onStream();
  const first = rejection(chat.stream("count").next());
  const second = chat.stream("count");
  void second.next();
  await settle();
  await second.return();
  await w.waiting("send").fail();
  assert.equal((await first).code, "call_lost");
  assert.deepEqual(w.all("send").map((e) => e.payload.Q), ["stream", "cancel"]);
  assert.equal(w.waiting("send").payload.I, "0");
});
