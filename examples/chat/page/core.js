// The official client of ASP.NET Core SignalR behind the face of ours, so that
// the same page works with either: /?client=core. That client is no part of
// Hubwire; the server has it if it was started with -core.

const masks = { webSockets: 1, serverSentEvents: 2, longPolling: 4 };

export class HubConnection {
  state = "disconnected";
  transport = "";       // the one that was asked for: the client does not tell which it uses
  #address;
  #name = "";
  #methods = [];
  #listeners = new Map();
  #connection;
  #stopped = false;

  /**
   * @param {string} url where the server's hubs are
   * @param {{query?: Record<string, string>, transports?: string}} options
   */
  constructor(url, { query = {}, transports = "" } = {}) {
    this.#address = (name) => `${url}/${name}?${new URLSearchParams(query)}`;
    this.transport = transports;
  }

  /** One connection is one hub. */
  hub(name) {
    this.#name = name;
    return {
      on: (method, f) => this.#methods.push([method, f]),
      invoke: (method, ...args) => this.#connection.invoke(method, ...args).catch((error) => { throw hubError(error); }),
    };
  }

  on(event, f) { this.#listeners.set(event, f); }

  async start() {
    this.#become("connecting");
    try {
      await load();
      if (this.#stopped) throw new Error("stopped");
      this.#connection = this.#build();
      await this.#connection.start();
    } catch (error) {
      this.#end(refusal(error));
      throw error;
    }
    this.#become("connected");
  }

  async stop() {
    this.#stopped = true;
    await this.#connection?.stop();
  }

  /** A WebSocket that breaks is mended unseen. All else is the end, and the link begins anew. */
  #build() {
    const connection = new signalR.HubConnectionBuilder()
      .withUrl(this.#address(this.#name), { transport: masks[this.transport] })
      .withStatefulReconnect()
      .configureLogging(signalR.LogLevel.None)
      .build();
    for (const [method, f] of this.#methods) connection.on(method, f);
    connection.onclose((error) => this.#end(error));
    return connection;
  }

  #end(reason) {
    if (this.state === "disconnected") return;
    this.#become("disconnected");
    this.#tell("disconnected", reason);
  }

  #become(state) {
    this.state = state;
    this.#tell("statechange", state);
  }

  #tell(event, ...what) { this.#listeners.get(event)?.(...what); }
}

let loading;

function load() {
  loading ??= new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src: "/core/signalr.js", onload: resolve });
    script.onerror = () => reject(refused(new Error("no Core client"), 404, "This server has no Core client. Start it with -core signalr.js."));
    document.head.append(script);
  });
  return loading;
}

/** Ours tell a refusal by the server from a network that is away. */
const refused = (error, status, body) => Object.assign(error, { code: "http", status, body });

/** The errors of this client are texts. */
function refusal(error) {
  const [, body, status] = error.message.match(/: Error: (.*): Status code '(\d+)'/s) ?? [];
  return status ? refused(error, Number(status), body.trim()) : error;
}

/** What the hub itself says stands behind a word of the server's. */
function hubError(error) {
  const [, said] = error.message.match(/HubException: (.*)/s) ?? [];
  return said ? Object.assign(new Error(said), { name: "HubError" }) : error;
}
