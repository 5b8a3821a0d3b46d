// What the tests of Core clients in Node share: a server, the ways to reach it,
// and clients that are stopped when a test ends.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import net from "node:net";
import { createInterface } from "node:readline";
import { after, afterEach } from "node:test";
import { fileURLToPath } from "node:url";
import * as latest from "@microsoft/signalr";
import { MessagePackHubProtocol } from "@microsoft/signalr-protocol-msgpack";

const { HttpTransportType } = latest;

// A Server is a process, which npm test has built.
export class Server {
  static bin = fileURLToPath(new URL("node_modules/.cache/server", import.meta.url));

  // start starts the process, whose flags are those of server/main.go.
  async start(...flags) {
    this.stderr = "";
    this.child = spawn(Server.bin, flags, { env: { ...process.env, GORACE: "atexit_sleep_ms=0" } });
    this.child.stderr.setEncoding("utf8").on("data", (text) => { this.stderr += text; });
    this.over = new Promise((resolve) => this.child.once("close", resolve));
    this.url = await Promise.race([
      new Promise((resolve) => createInterface({ input: this.child.stdout }).once("line", resolve)),
      this.over.then(() => assert.fail(`the server ended:\n${this.stderr}`)),
    ]);
    return this.url;
  }

  // stop ends the process in good order: it must have left nothing running.
  async stop() {
    this.child.stdin.end();
    assert.equal(await this.over, 0, `the server left something running:\n${this.stderr.slice(-4000)}`);
  }

  // kill ends the process as a crash does.
  async kill() {
    this.child.kill("SIGKILL");
    await this.over;
  }
}

// serve starts a server for all tests of a file.
export async function serve() {
  const server = new Server();
  after(() => server.stop());
  return server.start();
}

const open = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((c) => c.stop()));
});

// A way is a transport with a protocol on it.
export const ways = [
  { name: "WebSockets", transport: HttpTransportType.WebSockets },
  { name: "ServerSentEvents", transport: HttpTransportType.ServerSentEvents },
  { name: "LongPolling", transport: HttpTransportType.LongPolling },
  { name: "WebSockets with MessagePack", transport: HttpTransportType.WebSockets, binary: true },
  { name: "LongPolling with MessagePack", transport: HttpTransportType.LongPolling, binary: true },
  { name: "WebSockets without negotiate", transport: HttpTransportType.WebSockets, skipNegotiation: true },
];

// build makes a client. From is the package of its version.
export function build(url, way, { from = latest, protocol = MessagePackHubProtocol, stateful, reconnect } = {}) {
  const options = { transport: way.transport };
  if (way.skipNegotiation) {
    options.skipNegotiation = true;
  }
  const builder = new from.HubConnectionBuilder()
    .withUrl(url, options)
    .configureLogging(process.env.VERBOSE ? from.LogLevel.Trace : from.LogLevel.None);
  if (way.binary) {
    builder.withHubProtocol(new protocol());
  }
  if (stateful) {
    builder.withStatefulReconnect();
  }
  if (reconnect) {
    builder.withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 50 });
  }
  const connection = builder.build();
  connection.on("said", () => {}); // a client warns of what nobody listens to
  open.push(connection);
  return connection;
}

export async function start(url, way, options) {
  const connection = build(url, way, options);
  await connection.start();
  return connection;
}

// nexts returns the arguments of so many calls of the method, the next ones.
export function nexts(connection, method, count) {
  return new Promise((resolve) => {
    const list = [];
    const handler = (...args) => {
      if (list.push(args) === count) {
        connection.off(method, handler);
        resolve(list);
      }
    };
    connection.on(method, handler);
  });
}

export async function next(connection, method) {
  return (await nexts(connection, method, 1))[0];
}

// items returns what a stream brings. More, if it is given, tells after each
// item whether more is wanted.
export function items(stream, more) {
  return new Promise((resolve, reject) => {
    const list = [];
    const subscription = stream.subscribe({
      next: (item) => {
        list.push(item);
        if (more && !more(list)) {
          subscription.dispose();
          resolve(list);
        }
      },
      complete: () => resolve(list),
      error: reject,
    });
  });
}

// A Wire is a TCP connection to the server through a proxy that can be cut.
export class Wire {
  sockets = new Set();

  // listen returns the URL by which the proxy is reached.
  async listen(url) {
    const target = new URL(url);
    this.server = net.createServer((near) => {
      const far = net.connect(target.port, target.hostname);
      for (const [a, b] of [[near, far], [far, near]]) {
        this.sockets.add(a);
        a.on("error", () => {}).on("close", () => { this.sockets.delete(a); b.destroy(); });
        a.pipe(b);
      }
    });
    await new Promise((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return url.replace(target.host, `127.0.0.1:${this.server.address().port}`);
  }

  // cut resets every connection.
  cut() {
    for (const socket of this.sockets) {
      socket.resetAndDestroy();
    }
  }

  close() {
    this.cut();
    this.server.close();
  }
}
