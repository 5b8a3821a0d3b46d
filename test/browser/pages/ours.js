// Drives our own client, as pages/official.js does the official one.

import { HubConnection } from "/signalr/client.js";

let connection;
let answer;
let term = 0;

function watch() {
  connection.on("statechange", (state) => journal.add(`is ${state}`, {}));
  connection.on("reconnected", () => journal.add("reconnected", {}));
  connection.on("transportfailed", ({ transport, error }) => journal.add("transportfailed", { transport, reason: error.message }));
  connection.on("slow", () => journal.add("slow", {}));
  connection.on("gap", () => journal.add("gap", {}));
  connection.on("error", (error) => journal.add("error", { message: error.message }));
  connection.on("disconnected", (reason) => journal.add("over", { reason: reason?.message }));
}

// Answers are by hub and method; one that is null is given by decide, and one
// that is a list is what that call of the hub returns.
function subscribe(name, methods, answers) {
  const hub = connection.hub(name);
  for (const [method, given] of Object.entries(answers ?? {})) {
    hub.on(method, (...args) => {
      journal.add("question", { hub: name, method, args });
      return Array.isArray(given) ? hub.invoke(...given) : given ?? new Promise((decide) => { answer = decide; });
    });
  }
  for (const method of methods) {
    hub.on(method, (...args) => journal.add("message", { hub: name, method, args }));
  }
}

globalThis.driver = {
  // A token is followed by its term, which renew raises.
  async open({ url, hubs = {}, query, transports, answers = {}, token }) {
    const accessToken = token && (() => `${token}@${term}`);
    connection = new HubConnection(url, { query, transports, accessToken });
    for (const [name, methods] of Object.entries(hubs)) {
      subscribe(name, methods, answers[name]);
    }
    watch();
    return this.start();
  },

  async start() {
    await connection.start();
    return { id: connection.id, transport: connection.transport };
  },

  async invoke(name, method, args) {
    const hub = connection.hub(name).with({ progress: (value) => journal.add("progress", { value }) });
    try {
      return { ok: true, result: await hub.invoke(method, ...args) };
    } catch (error) {
      return { ok: false, message: error.message, data: error.data, source: error.name };
    }
  },

  // Resolves with what came and with how it ended. Enough is how many items
  // are wanted, null for all. Each is written down too.
  async stream(name, method, args, enough, options = {}) {
    const items = [];
    try {
      for await (const item of connection.hub(name).with(options).stream(method, ...args)) {
        items.push(item);
        journal.add("item", { item });
        if (items.length === enough) {
          return { items };
        }
      }
      return { items, complete: true };
    } catch (error) {
      return { items, error: error.message, code: error.code ?? null };
    }
  },

  decide: (choice) => answer(choice),

  renew() {
    term++;
  },

  state(name, patch) {
    return Object.assign(connection.hub(name).state, patch);
  },

  stop() {
    return connection.stop();
  },
};
