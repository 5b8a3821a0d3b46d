import assert from "node:assert/strict";
import { test } from "node:test";
import { HubConnection } from "../src/connection.js";
import { call, type Exchange, init, negotiated, rejection, settle, watch, World } from "./harness.js";

test("a start on WebSockets negotiates, connects, has the server raise connected, and then fulfils", async () => {
  const w = new World();
  w.connection.hub("Chat");
  w.connection.hub("news");
  w.connection.hub("CHAT");
  delete w.answers.start;
  const start = watch(w.connection.start());
  await settle();
  const [negotiate] = w.all("negotiate");
  assert.equal(negotiate!.query.get("clientProtocol"), "2.1");
  assert.equal(negotiate!.query.get("connectionData"), '[{"name":"Chat"},{"name":"news"}]', "each hub once");
  assert.equal(w.socket.url.protocol, "ws:");
  assert.equal(w.socket.operation, "connect");
  assert.equal(w.socket.url.searchParams.get("transport"), "webSockets");
  assert.equal(w.socket.url.searchParams.get("connectionToken"), negotiated.ConnectionToken);
  assert.equal(w.socket.url.searchParams.get("gaps"), "1");
  assert.equal(w.socket.url.searchParams.has("messageId"), false, "a new connection has no cursor");
  await w.socket.open();
  assert.equal(w.all("start").length, 0, "start waits for the init frame");
  await w.socket.text(init);
  assert.equal(w.waiting("start").query.get("transport"), "webSockets");
  assert.equal(start.outcome, "pending", "start waits for the server's connected handlers");
  assert.equal(w.connection.state, "connecting");
  await w.waiting("start").reply({ Response: "started" });
  assert.equal(start.outcome, "fulfilled");
  assert.deepEqual(w.events, ["connecting", "connected"]);
  assert.equal(w.connection.id, "id-1");
  assert.equal(w.connection.transport, "webSockets");
});

test("WebSockets refused, then server-sent events refused: long polling, with the same token, and each step told", async () => {
  const w = new World();
  const start = w.connection.start();
  await settle();
  await w.socket.drop(1006);
  assert.equal(w.stream.operation, "connect");
  await w.stream.drop();
  const connect = w.waiting("connect");
  assert.equal(connect.query.get("transport"), "longPolling");
  assert.equal(connect.query.get("connectionToken"), negotiated.ConnectionToken);
  assert.equal(connect.init.method, "POST");
  await connect.reply(init);
  await start;
  assert.equal(w.connection.transport, "longPolling");
  assert.equal(w.all("negotiate").length, 1, "one token for all of them");
  assert.deepEqual(w.failures.map((f) => f.transport), ["webSockets", "serverSentEvents"]);
  assert.match(w.failures[0]!.error.message, /1006/);
  assert(w.socket.closed && w.stream.closed, "what failed is closed");
  await w.socket.text({ C: "late", M: [] });
  await w.waiting("poll").reply({ C: "c1", M: [] });
  assert.equal(w.waiting("poll").form.get("messageId"), "c1", "frames of a transport that failed count for nothing");
});

test("a transport that stays silent is given up after TransportConnectTimeout", async () => {
  const w = new World();
  void w.connection.start();
  await settle();
  await w.socket.open();
  await w.clock.advance(4_999);
  assert.equal(w.streams.length, 0, "not before its time");
  await w.clock.advance(1);
  assert.equal(w.streams.length, 1);
  assert(w.socket.closed);
  assert.equal((w.failures[0]!.error as any).code, "timeout");
});

test("a user's list and order are kept, and a single name forces that transport", async () => {
  const w = new World({ transports: ["serverSentEvents", "webSockets"] });
  const start = watch(w.connection.start());
  await settle();
  assert.equal(w.streams.length, 1);
  await w.stream.drop();
  await w.socket.drop();
  assert.equal(start.outcome, "rejected", "there is no third in the list");

  const forced = new World({ transports: "longPolling" });
  await forced.onPolling();
  assert.equal(forced.sockets.length + forced.streams.length, 0);
});

test("a transport that the environment or the server lacks is skipped, with the reason told", async () => {
  const w = new World({ WebSocket: undefined, EventSource: undefined });
  // Node 20 has neither; in another Node the globals would step in.
  const lacking = new World();
  lacking.answers.negotiate = { ...negotiated, TryWebSockets: false };
  void lacking.connection.start();
  await settle();
  assert.equal(lacking.sockets.length, 0);
  assert.match(lacking.failures[0]!.error.message, /does not offer WebSockets/);
  if (!("WebSocket" in globalThis) && !("EventSource" in globalThis)) {
    await w.onPolling();
    assert.deepEqual(w.failures.map((f) => f.error.message), ["there is no WebSocket here", "there is no EventSource here"]);
  }
});

test("no transport left: the error lists every step, the server is told, and a new start is possible", async () => {
  const w = new World();
  const start = rejection(w.connection.start());
  await settle();
  await w.socket.drop(1006);
  await w.stream.drop();
  await w.waiting("connect").reply("no", 500);
  const error = await start;
  assert.equal(error.code, "no_transport");
  assert.deepEqual(error.failures.map((f: any) => f.transport), ["webSockets", "serverSentEvents", "longPolling"]);
  assert.match(error.message, /webSockets: .*1006.*serverSentEvents: .*longPolling: .*500 no/);
  assert.equal(w.all("abort").length, 1);
  assert.deepEqual(w.events, ["connecting", "disconnected"]);
  assert.equal(w.clock.pending, 0, "no timer is left");
  await w.onSocket();
  assert.equal(w.connection.state, "connected");
});

for (const [name, answer, code, text] of [
  ["a server error", undefined, "http", /500 broken/],
  ["no JSON", "<html>", "protocol", /not a JSON object: <html>/],
  ["an ASP.NET Core server", { availableTransports: [] }, "protocol", /ASP\.NET Core/],
  ["an unknown version", { ...negotiated, ProtocolVersion: "9.0" }, "protocol", /version "9.0"/],
  ["an error of the server", { ProtocolVersion: "2.0", Error: "no more room" }, "server", /no more room/],
  ["no token", { ...negotiated, ConnectionToken: undefined }, "protocol", /ConnectionToken/],
] as const) {
  test(`negotiate answers with ${name}: start rejects and nothing else is tried`, async () => {
    const w = new World();
    if (answer === undefined) delete w.answers.negotiate;
    else w.answers.negotiate = answer;
    const start = rejection(w.connection.start());
    await settle();
    if (answer === undefined) await w.waiting("negotiate").reply("broken", 500);
    const error = await start;
    assert.equal(error.code, code);
    assert.match(error.message, text);
    assert.equal(w.sockets.length, 0);
    assert.equal(w.all("abort").length, 0, "the server knows of no connection");
    assert.equal(w.connection.state, "disconnected");
  });
}

test("a negotiate that is never answered times out", async () => {
  const w = new World();
  delete w.answers.negotiate;
  const start = watch(w.connection.start());
  await w.clock.advance(30_000);
  assert.equal(start.outcome, "rejected");
  assert.equal(start.value.code, "timeout");
  assert(w.all("negotiate")[0]!.aborted);
});

test("a redirect is followed, its query and access token used from then on", async () => {
  const w = new World({ query: { name: "ann" } });
  const redirect = { ProtocolVersion: "2.0", RedirectUrl: "http://farm.test/app?route=7", AccessToken: "secret" };
  w.answers.negotiate = ({ url }: Exchange) => (url.host === "farm.test" ? negotiated : redirect);
  void w.connection.start();
  await settle();
  const second = w.all("negotiate")[1]!;
  assert.equal(second.url.href.split("?")[0], "http://farm.test/app/negotiate");
  assert.equal(second.query.get("route"), "7");
  assert.equal(second.query.has("name"), false, "the redirect's query replaces the user's");
  assert.equal((second.init.headers as any).Authorization, "Bearer secret");
  assert.equal(w.socket.url.host, "farm.test");
  assert.equal(w.socket.url.searchParams.get("access_token"), "secret");
});

test("redirects without end are given up", async () => {
  const w = new World();
  w.answers.negotiate = { ProtocolVersion: "2.0", RedirectUrl: "http://server.test/again" };
  const error = await rejection(w.connection.start());
  assert.match(error.message, /redirects/);
});

test("a start that the server refuses ends the connection, without a fallback", async () => {
  const w = new World();
  delete w.answers.start;
  const start = rejection(w.connection.start());
  await settle();
  await w.socket.open();
  await w.socket.text(init);
  await w.waiting("start").reply("The connection was not accepted.", 500);
  const error = await start;
  assert.equal(error.status, 500);
  assert.equal(error.body, "The connection was not accepted.");
  assert.equal(w.streams.length, 0);
  assert.equal(w.all("abort").length, 1);
});

test("an answer to start other than started is no start", async () => {
  const w = new World();
  w.answers.start = { Response: "later" };
  const start = rejection(w.connection.start());
  await settle();
  await w.socket.open();
  await w.socket.text(init);
  assert.equal((await start).code, "protocol");
});

test("a stop while the access token is on its way: no transport is opened, no call is sent", async () => {
  for (const transport of ["webSockets", "serverSentEvents", "longPolling"] as const) {
    let give = (_: string) => {};
    let asked = 0;
    const accessToken = () => (++asked === 1 ? "t" : new Promise<string>((done) => (give = done)));
    const w = new World({ transports: transport, accessToken });
    const start = rejection(w.connection.start());
    await settle();
    assert.equal(asked, 2);
    await w.connection.stop();
    give("late");
    await start;
    await settle();
    assert.equal(w.sockets.length + w.streams.length + w.all("connect").length, 0, transport);
  }
});

test("messages that come while starting are delivered when it succeeds, before start fulfils, in order", async () => {
  const w = new World();
  const got: unknown[] = [];
  const chat = w.connection.hub("chat");
  chat.on("addMessage", (text) => got.push(text));
  delete w.answers.start;
  const start = w.connection.start().then(() => got.push("started"));
  await settle();
  await w.socket.open();
  await w.socket.text({ C: "c1", M: [call("addMessage", 1)] });
  await w.socket.text({ C: "c2", S: 1, M: [call("addMessage", 2)] });
  await w.socket.text({ C: "c3", M: [call("addMessage", 3)] });
  assert.deepEqual(got, [], "nothing before start");
  await w.waiting("start").reply({ Response: "started" });
  await start;
  assert.deepEqual(got, [1, 2, 3, "started"]);
  await w.socket.text({ C: "c4", M: [call("addMessage", 4)] });
  assert.equal(got.at(-1), 4);
});

test("what a transport brought before it failed is not delivered by the next", async () => {
  const w = new World();
  const got: unknown[] = [];
  w.connection.hub("chat").on("addMessage", (text) => got.push(text));
  const start = w.connection.start();
  await settle();
  await w.socket.open();
  await w.socket.text({ C: "c1", M: [call("addMessage", "socket")] });
  await w.socket.drop();
  await w.stream.text("initialized");
  await w.stream.text({ C: "c1", S: 1, M: [call("addMessage", "stream")] });
  await start;
  assert.deepEqual(got, ["stream"]);
});

test("an unparsable frame while connecting is a failure of that transport", async () => {
  const w = new World();
  void w.connection.start();
  await settle();
  await w.socket.open();
  await w.socket.text("<proxy says no>");
  assert.equal((w.failures[0]!.error as any).code, "protocol");
  assert.equal(w.streams.length, 1);
});

test("a transport that is lost while the server runs its connected handlers is resumed afterwards", async () => {
  const w = new World();
  delete w.answers.start;
  const start = watch(w.connection.start());
  await settle();
  await w.socket.open();
  await w.socket.text(init);
  await w.socket.drop();
  assert.equal(start.outcome, "pending");
  await w.waiting("start").reply({ Response: "started" });
  assert.equal(start.outcome, "fulfilled");
  assert.equal(w.connection.state, "reconnecting");
  await w.clock.advance(0);
  assert.equal(w.sockets.length, 2);
  assert.equal(w.socket.operation, "reconnect");
  assert.equal(w.socket.url.searchParams.get("messageId"), "c0");
});

for (const phase of ["negotiate", "connect", "start"] as const) {
  test(`stop during ${phase}: start rejects, nothing goes on`, async () => {
    const w = new World();
    delete w.answers[phase];
    const start = rejection(w.connection.start());
    await settle();
    if (phase !== "negotiate") await w.socket.open();
    if (phase === "start") await w.socket.text(init);
    await w.connection.stop();
    const error = await start;
    assert.equal(error.code, "stopped");
    assert.equal(w.connection.state, "disconnected");
    assert.equal(w.clock.pending, 0, "no timer is left");
    assert.equal(w.all("abort").length, phase === "negotiate" ? 0 : 1);
    if (phase !== "negotiate") assert(w.socket.closed);
    assert.equal(w.streams.length, 0, "stop is not a failure of the transport");
  });
}

test("start while starting or started is the same start", async () => {
  const w = new World();
  const first = watch(w.connection.start());
  const second = watch(w.connection.start());
  await settle();
  await w.socket.open();
  await w.socket.text(init);
  assert.deepEqual([first.outcome, second.outcome], ["fulfilled", "fulfilled"]);
  await w.connection.start();
  assert.equal(w.all("negotiate").length, 1);
});

test("a handler of the state may stop the connection", async () => {
  const w = new World();
  w.connection.on("statechange", (state) => void (state === "connecting" && w.connection.stop()));
  const error = await rejection(w.connection.start());
  assert.equal(error.code, "stopped");
  assert.deepEqual(w.events, ["connecting", "disconnected"]);
});

test("the access token is asked for with each request: a header where there can be one, else the URL", async () => {
  let n = 0;
  const w = new World({ accessToken: async () => `t${++n}` });
  await w.onSocket();
  assert.equal((w.all("negotiate")[0]!.init.headers as any).Authorization, "Bearer t1");
  assert.equal(w.socket.url.searchParams.get("access_token"), "t2");
  assert.equal((w.all("start")[0]!.init.headers as any).Authorization, "Bearer t3");
  assert.equal(w.all("negotiate")[0]!.query.has("access_token"), false);
  await w.connection.stop();
  assert.equal((w.all("abort")[0]!.init.headers as any).Authorization, "Bearer t3", "the abort cannot wait for a new one");
});

test("an access token function that fails fails the start", async () => {
  const w = new World({ accessToken: () => Promise.reject(new Error("signed out")) });
  assert.equal((await rejection(w.connection.start())).message, "signed out");
});

test("the user's query is part of every request, from the URL and from the options", async () => {
  const w = new World({ query: { name: "ann & bob" } }, "http://server.test/signalr/?v=1");
  await w.onSocket();
  for (const { query } of w.exchanges) assert.deepEqual([query.get("v"), query.get("name")], ["1", "ann & bob"]);
  assert.equal(w.socket.url.searchParams.get("name"), "ann & bob");
  assert.equal(w.socket.url.pathname, "/signalr/connect");
});

test("an option that is undefined is as good as missing", async () => {
  const w = new World({ credentials: undefined, log: undefined, query: undefined, transports: undefined });
  await w.onSocket();
  assert.equal(w.all("negotiate")[0]!.init.credentials, "include");
});

test("mistakes in the options are errors at once; a URL that cannot be used fails the start", async () => {
  assert.throws(() => new HubConnection("/x", { transports: "carrierPigeon" as any }), /carrierPigeon/);
  assert.throws(() => new HubConnection("/x", { transports: [] }), /unknown transport/);
  const c = new HubConnection("/signalr");
  assert.match((await rejection(c.start())).message, /"\/signalr" is not a usable URL/);
  assert.equal(c.state, "disconnected");
});
