// Drives our own client, as pages/official.js does the official one.

import { HubConnection } from "/signalr/client.js";

let connection;

function watch() {
  connection.on("statechange", (state) => journal.add(`is ${state}`, {}));
  connection.on("reconnected", () => journal.add("reconnected", {}));
  connection.on("slow", () => journal.add("slow", {}));
  connection.on("gap", () => journal.add("gap", {}));
  connection.on("error", (error) => journal.add("error", { message: error.message }));
  connection.on("disconnected", (reason) => journal.add("over", { reason: reason?.message }));
}

function subscribe(name, methods) {
  const hub = connection.hub(name);
  for (const method of methods) {
    hub.on(method, (...args) => journal.add("message", { hub: name, method, args }));
  }
}

window.driver = {
  async open({ url, hubs = {}, query, transports }) {
    connection = new HubConnection(url, { query, transports });
    for (const [name, methods] of Object.entries(hubs)) {
      subscribe(name, methods);
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

  state(name, patch) {
    return Object.assign(connection.hub(name).state, patch);
  },

  stop() {
    return connection.stop();
  },
};
