import assert from "node:assert/strict";
import { test } from "node:test";
import { settle, watch, World } from "./harness.js";

async function socketWorld() {
  const w = new World();
  const chat = w.connection.hub("Chat");
  const socket = await w.onSocket();
  return { w, chat, socket };
}

let cursor = 0;

/** A frame with questions of hub chat. */
const questions = (...list: [id: string, method: string, ...args: unknown[]][]) => ({
  C: `q${++cursor}`,
  M: list.map(([I, M, ...A]) => ({ H: "Chat", M, A, I })),
});

const taken = (I: string) => ({ I, Q: "taken" });

test("the server hears in every request that questions can be asked", async () => {
  const { w, socket } = await socketWorld();
  assert.equal(socket.url.searchParams.get("answers"), "1");
  assert(w.exchanges.every((e) => e.query.get("answers") === "1"));
});

test("what a handler returns, at once or by a promise, goes back under the question's id", async () => {
  const { chat, socket } = await socketWorld();
  chat.on("Add", (a: number, b: number) => a + b);
  chat.once("name", async () => "ann");
  chat.on("nobody", () => null);
  await socket.text(questions(["s1", "add", 1, 2], ["s2", "NAME"], ["s3", "nobody"]));
  assert.deepEqual(
    [...socket.sent].sort((a, b) => a.I.localeCompare(b.I)),
    [
      { I: "s1", Q: "answer", R: 3 },
      { I: "s2", Q: "answer", R: "ann" },
      { I: "s3", Q: "answer", R: null },
    ],
  );
});

test("what a handler throws goes back as an error, and is no error of the connection", async () => {
  const { w, chat, socket } = await socketWorld();
  chat.on("now", () => {
    throw new Error("not now");
  });
  chat.on("later", async () => Promise.reject("not later"));
  chat.on("odd", () => 1n);
  await socket.text(questions(["s1", "now"], ["s2", "later"], ["s3", "odd"]));
  const errors = Object.fromEntries(socket.sent.map(({ I, E }) => [I, E]));
  assert.deepEqual([errors.s1, errors.s2], ["not now", "not later"]);
  assert.match(errors.s3, /BigInt/);
  assert.deepEqual(w.errors, []);
});

test("one handler must have the answer", async () => {
  const { chat, socket } = await socketWorld();
  const seen: string[] = [];
  chat.on("two", () => 1);
  chat.on("two", () => 2);
  chat.on("one", () => void seen.push("one"));
  chat.on("one", () => 1);
  chat.on("void", () => {});
  await socket.text(questions(["s1", "nothing"], ["s2", "void"], ["s3", "two"], ["s4", "one"]));
  await socket.text({ C: "other", M: [{ H: "news", M: "ask", A: [], I: "s5" }] });
  const answers = Object.fromEntries(socket.sent.map(({ I, R, E }) => [I, R ?? E]));
  assert.deepEqual(answers, {
    s1: "nobody here answers Chat.nothing",
    s2: "nobody here answers Chat.void",
    s3: "several handlers here answer Chat.two",
    s4: 1,
    s5: "nobody here answers news.ask",
  });
  assert.deepEqual(seen, ["one"]);
});

test("a call without a question is not answered", async () => {
  const { chat, socket } = await socketWorld();
  chat.on("add", () => 1);
  await socket.text({ C: "c1", M: [{ H: "Chat", M: "add", A: [] }] });
  assert.deepEqual(socket.sent, []);
});

test("an answer that is ready while the connection is down leaves over the next transport", async () => {
  const { w, chat, socket } = await socketWorld();
  let answer!: (name: string) => void;
  chat.on("name", () => new Promise((done) => (answer = done)));
  await socket.text(questions(["s1", "name"]));
  await socket.drop();
  answer("ann");
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.socket.sent, [{ I: "s1", Q: "answer", R: "ann" }]);
});

test("an answer that may not have arrived is given again, one that has is not", async () => {
  const { w, chat, socket } = await socketWorld();
  chat.on("name", () => "ann");
  await socket.text(questions(["s1", "name"], ["s2", "name"]));
  await socket.text(taken("s1"));
  await socket.drop();
  await w.clock.advance(0);
  await w.socket.open();
  assert.deepEqual(w.socket.sent.map(({ I }) => I), ["s2"]);
});

test("questions that come while connecting are answered after the start", async () => {
  const w = new World();
  w.connection.hub("Chat").on("name", () => "ann");
  delete w.answers.start;
  void w.connection.start();
  await settle();
  await w.socket.open();
  await w.socket.text({ C: "c0", S: 1, M: [] });
  await w.socket.text(questions(["s1", "name"]));
  assert.deepEqual(w.socket.sent, []);
  await w.waiting("start").reply({ Response: "started" });
  assert.deepEqual(w.socket.sent, [{ I: "s1", Q: "answer", R: "ann" }]);
});

test("HTTP transports: the call that asks does not hold up the answer, nor a call that the answer needs", async () => {
  const w = new World({ transports: "longPolling" });
  const chat = w.connection.hub("Chat");
  const poll = await w.onPolling();
  chat.on("name", () => chat.invoke("whoAmI"));
  const greeting = watch(chat.invoke("greet"));
  await settle();
  const greet = w.waiting("send");
  await poll.reply(questions(["s1", "name"]));
  assert.equal(w.all("send").length, 1, "the server may not have the first call yet");
  await w.waiting("poll").reply({ C: "given way", M: [taken("0")] });
  assert.equal(greeting.outcome, "pending");
  const [, whoAmI] = w.all("send");
  assert.equal(whoAmI!.payload.M, "whoAmI");
  await whoAmI!.reply({ I: "1", R: "ann" });
  const [, , answer] = w.all("send");
  assert.deepEqual(answer!.payload, { I: "s1", Q: "answer", R: "ann" });
  await answer!.reply(taken("s1"));
  await greet.reply({ I: "0", R: "hello ann" });
  assert.equal(greeting.value, "hello ann");
  const next = watch(chat.invoke("next"));
  await settle();
  await w.waiting("send").reply({ I: "2", R: 1 });
  assert.equal(next.value, 1);
});

test("HTTP transports: an answer that does not get through is sent again after a second; one that is refused is not", async () => {
  const w = new World({ transports: "longPolling" });
  w.connection.hub("Chat").on("name", () => "ann");
  const poll = await w.onPolling();
  await poll.reply(questions(["s1", "name"], ["s2", "name"]));
  const [first, second] = w.all("send");
  await first!.fail();
  await second!.reply("bad gateway", 502);
  await w.clock.advance(999);
  assert.equal(w.all("send").length, 2);
  await w.clock.advance(1);
  assert.deepEqual(w.all("send").slice(2).map((e) => e.payload.I), ["s1", "s2"]);
  const [, , third, fourth] = w.all("send");
  await third!.reply(taken("s1"));
  await fourth!.reply("too large", 413);
  await w.clock.advance(5000);
  assert.equal(w.all("send").length, 4);
  assert.equal(w.connection.state, "connected");
});

test("nothing is left of an answer when the connection is over", async () => {
  const w = new World({ transports: "longPolling" });
  w.connection.hub("Chat").on("name", () => "ann");
  const poll = await w.onPolling();
  await poll.reply(questions(["s1", "name"], ["s2", "name"]));
  const [first, second] = w.all("send");
  await first!.fail();
  await w.connection.stop();
  assert(second!.aborted);
  assert.equal(w.clock.pending, 0);
});
