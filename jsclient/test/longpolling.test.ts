import assert from "node:assert/strict";
import { test } from "node:test";
import { call, negotiated, settle, watch, World } from "./harness.js";

const polling = () => new World({ transports: "longPolling" });

/** Receiving requests under way. */
function openPolls(w: World): number {
  return w.exchanges.filter((e) => !e.over && ["connect", "poll", "reconnect"].includes(e.operation)).length;
}

test("one poll at a time, each from the cursor of the one before", async () => {
  const w = polling();
  const got: unknown[] = [];
  w.connection.hub("chat").on("addMessage", (n) => got.push(n));
  let poll = await w.onPolling();
  assert.equal(poll.form.get("messageId"), "c0");
  assert.equal(poll.query.get("transport"), "longPolling");
  assert.equal(poll.query.has("messageId"), false, "the cursor stands in the body");
  for (let i = 1; i <= 5; i++) {
    assert.equal(openPolls(w), 1);
    await poll.reply({ C: `c${i}`, M: [call("addMessage", i)] });
    poll = w.waiting("poll");
    assert.equal(poll.form.get("messageId"), `c${i}`);
  }
  assert.deepEqual(got, [1, 2, 3, 4, 5]);
});

test("polling goes on while the server runs its connected handlers", async () => {
  const w = polling();
  delete w.answers.start;
  void w.connection.start();
  await settle();
  await w.waiting("connect").reply({ C: "c0", S: 1, M: [] });
  assert(w.waiting("start") && w.waiting("poll"));
});

test("the server's delay between polls is kept", async () => {
  const w = polling();
  await (await w.onPolling()).reply({ C: "c1", L: 700, M: [] });
  await w.clock.advance(699);
  assert.equal(openPolls(w), 0);
  await w.clock.advance(1);
  assert.equal(openPolls(w), 1);
});

test("white space before the frame, which keeps the poll alive, is no fault", async () => {
  const w = polling();
  await (await w.onPolling()).reply('   {"C":"c1","M":[]}');
  assert.equal(w.waiting("poll").form.get("messageId"), "c1");
});

test("a poll that fails is resumed by a reconnect, from the cursor and with the groups token, and then polls again", async () => {
  const w = polling();
  await (await w.onPolling()).reply({ C: "c1", G: "g1", M: [] });
  await w.waiting("poll").fail();
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(0);
  const reconnect = w.waiting("reconnect");
  assert.deepEqual([reconnect.form.get("messageId"), reconnect.form.get("groupsToken")], ["c1", "g1"]);
  assert.equal(reconnect.init.method, "POST");
  assert.equal(w.connection.state, "reconnecting");
  const body = await reconnect.headers();
  assert.equal(w.connection.state, "connected", "the server took the request");
  await body({ C: "c2", M: [] });
  assert.equal(w.waiting("poll").form.get("messageId"), "c2");
  await w.waiting("poll").reply({ C: "c3", M: [] });
  assert.deepEqual(w.events.slice(2), ["reconnecting", "connected"], "back once, not with each poll");
});

test("a reconnect whose headers are held back counts as open when no refusal has come for a while", async () => {
  const w = polling();
  await (await w.onPolling()).fail();
  await w.clock.advance(2_499);
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(1);
  assert.equal(w.connection.state, "connected");
  await w.clock.advance(60_000);
  assert.equal(openPolls(w), 1);
  await w.waiting("reconnect").reply({ C: "c1", M: [] });
  assert.equal(openPolls(w), 1);
});

test("a refused reconnect is a failure with the server's words", async () => {
  const w = polling();
  await (await w.onPolling()).fail();
  await w.clock.advance(0);
  await w.waiting("reconnect").reply("The ConnectionId is in the incorrect format.", 400);
  assert.equal(w.connection.state, "reconnecting");
  assert.match(w.failures[0]!.error.message, /400 The ConnectionId is in the incorrect format/);
});

for (const [status, word] of [[400, "bad_token"], [403, "user_changed"]] as const) {
  test(`a reconnect that the server refuses with ${word}, as after a restart, ends the connection at once`, async () => {
    const w = polling();
    let reason: any;
    w.connection.on("disconnected", (r) => void (reason = r));
    await (await w.onPolling()).fail();
    await w.clock.advance(0);
    await w.waiting("reconnect").reply("unauthenticated", 401, { "Hubwire-Reason": "unauthenticated" });
    assert.equal(w.connection.state, "reconnecting", "the next access token may be good");
    await w.clock.advance(500);
    await w.waiting("reconnect").reply("That is over.", status, { "Hubwire-Reason": word });
    assert.equal(w.connection.state, "disconnected");
    assert.deepEqual([reason.code, reason.cause.reason, reason.cause.status], ["disconnected", word, status]);
    assert.equal(w.clock.pending, 0);
  });
}

test("a poll that is not answered ten seconds after the server's own time-out is dead", async () => {
  const w = polling();
  const poll = await w.onPolling();
  await w.clock.advance(119_999);
  assert.equal(w.connection.state, "connected");
  await w.clock.advance(1);
  assert.equal(w.connection.state, "reconnecting");
  assert(poll.aborted);
});

test("after online there is a new poll: nothing tells a dead one from a quiet one", async () => {
  const w = polling();
  const poll = await w.onPolling();
  await w.page.raise("visibilitychange");
  assert.equal(poll.aborted, false);
  await w.page.raise("online");
  assert(poll.aborted);
  await w.clock.advance(0);
  assert.equal(openPolls(w), 1);
  assert.equal(w.waiting("reconnect").form.get("messageId"), "c0");
});

test("a shutdown told by a poll is followed by a reconnect, not by a poll", async () => {
  const w = polling();
  await (await w.onPolling()).reply({ C: "c1", T: 1, M: [] });
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(500);
  assert.equal(openPolls(w), 1);
  assert.equal(w.waiting("reconnect").form.get("messageId"), "c1");
});

test("stop ends the poll", async () => {
  const w = polling();
  const poll = await w.onPolling();
  await w.connection.stop();
  assert(poll.aborted);
  await w.clock.advance(60_000);
  assert.equal(openPolls(w), 0);
  assert.equal(w.clock.pending, 0);
});

test("fast calls: never more than one poll and one send, in the order of the calls", async () => {
  const w = polling();
  const chat = w.connection.hub("chat");
  await w.onPolling();
  const calls = [1, 2, 3, 4].map((n) => watch(chat.invoke("say", n)));
  for (const n of [1, 2, 3, 4]) {
    await settle();
    assert.equal(w.exchanges.filter((e) => !e.over).length, 2, "one poll, one send");
    const send = w.waiting("send");
    assert.equal(send.query.get("transport"), "longPolling");
    assert.deepEqual(send.payload.A, [n]);
    await send.reply({ I: send.payload.I, R: n * 10 });
    assert.deepEqual(calls[n - 1], { outcome: "fulfilled", value: n * 10 });
  }
});

test("the negotiated ConnectionTimeout counts", async () => {
  const w = polling();
  w.answers.negotiate = { ...negotiated, ConnectionTimeout: 20 };
  await w.onPolling();
  await w.clock.advance(30_000);
  assert.equal(w.connection.state, "reconnecting");
});
