// What the browser tests stand on: one Chromium, a server process per test,
// and pages in which a client is driven.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = path.dirname(fileURLToPath(import.meta.url));
// How long anything may take, in milliseconds: no test takes that long on any
// machine, unless it is broken.
export const patience = 60_000;

// How long clients wait for a transport, in milliseconds, where the server is not
// told otherwise.
export const connectTimeout = 10_000;

export const transports = ["webSockets", "serverSentEvents", "longPolling"];

// The clients of SignalR 2 under test, and the pages that drive them.
export const twoClients = { "the official client": "official.html", "our client": "ours.html" };

// The same where it matters how a page calls hubs and is called.
export const clients = { "the official client with generated proxies": "proxies.html", ...twoClients };

// The ways of the official Core client: a protocol on a transport.
export const coreWays = [
  ...transports.map((transport) => ({ name: `JSON on ${transport}`, document: "core.html", transport })),
  ...["webSockets", "longPolling"].map((transport) =>
    ({ name: `MessagePack on ${transport}`, document: "core.html?protocol=messagepack", transport })),
];

// At most this many scenarios at a time: each has a server and a page or more,
// and waits for much of its time.
export const concurrency = 6;

// Everything before the first test, once per process.

let browser;
let bin;

// build makes a program of the package in the folder.
export function build(folder, ...flags) {
  execFileSync("go", ["build", "-race", "-o", bin, ...flags, folder], { cwd: here, stdio: ["ignore", "inherit", "inherit"] });
}

// launch starts a browser of its own, for a test that does something to it.
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium-headless-shell",
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}

before(async () => {
  bin = mkdtempSync(path.join(tmpdir(), "hubwire-browser-"));
  build("./server");
  browser = await launch();
});

after(async () => {
  await browser?.close();
  if (bin) {
    rmSync(bin, { recursive: true, force: true });
  }
});

// A Program is a server of ours in a process of its own. It prints one JSON
// object per line: first where it listens, then what happens in it and the
// answers to commands. Commands are lines on its standard input, and the end
// of that ends the program.
export class Program {
  static binary = "server";

  constructor(flags, { env, cwd } = {}) {
    this.lines = [];
    this.stderr = "";
    this.waiters = new Set();
    this.commands = 0;
    // The race detector waits a second at the exit if it is not told otherwise.
    this.child = spawn(path.join(bin, this.constructor.binary), flags,
      { cwd, env: { ...process.env, GORACE: "atexit_sleep_ms=0", ...env } });
    this.child.stderr.setEncoding("utf8").on("data", (text) => { this.stderr += text; });
    createInterface({ input: this.child.stdout }).on("line", (line) => this.read(line));
    this.exit = new Promise((resolve) => this.child.on("close", (code, signal) => {
      this.ended = signal ?? code;
      this.wake();
      resolve();
    }));
  }

  read(line) {
    this.lines.push(JSON.parse(line));
    this.wake();
  }

  end() {
    this.child.stdin.end();
  }

  wake() {
    for (const check of [...this.waiters]) {
      check();
    }
  }

  // wait resolves with the first line that fits, now or later.
  wait(fits, what, within = patience) {
    return new Promise((resolve, reject) => {
      const check = () => {
        const line = this.lines.find(fits);
        if (line) {
          done();
          resolve(line);
        } else if (this.ended !== undefined) {
          done();
          reject(new Error(`the server ended (${this.ended}) before ${what}:\n${this.stderr}`));
        }
      };
      const timer = setTimeout(() => {
        done();
        reject(new Error(`waited ${within} ms for ${what}`));
      }, within);
      const done = () => {
        clearTimeout(timer);
        this.waiters.delete(check);
      };
      this.waiters.add(check);
      check();
    });
  }

  async start() {
    const hello = await this.wait((line) => line.url, "its address");
    Object.assign(this, hello);
    return this;
  }

  // event waits for a life-cycle event, for example
  // { event: "disconnected", id, stopCalled: true }.
  event(fields) {
    return this.wait(having(fields), `the server's event ${JSON.stringify(fields)}`);
  }

  // events returns those that there are.
  events(fields) {
    return this.lines.filter(having(fields));
  }

  // command carries out what the server offers: see server/command.go. Some
  // commands last for most of a test.
  async command(name, fields = {}) {
    const command = ++this.commands;
    this.child.stdin.write(JSON.stringify({ command, do: name, ...fields }) + "\n");
    const answer = await this.wait((line) => line.command === command, `the answer to ${name}`, 3 * patience);
    assert.equal(answer.error, undefined, `command ${name}`);
    return answer;
  }

  // stop ends the server in good order. It fails if the server left
  // something running, or if the race detector spoke.
  async stop() {
    this.end();
    const late = setTimeout(() => this.child.kill("SIGQUIT"), patience);
    await this.exit;
    clearTimeout(late);
    assert.equal(this.ended, 0, "the server must shut down in good order");
  }
}

function having(fields) {
  return (line) => Object.entries(fields).every(([key, value]) => line[key] === value);
}

// A Peer is a page with a client in it.
export class Peer {
  constructor(page) {
    this.page = page;
    this.faults = [];
    page.on("pageerror", (error) => {
      if (!this.tolerated?.test(error.message)) {
        this.faults.push(String(error.stack || error));
      }
    });
  }

  // load opens a page with a driver in it.
  async load(url) {
    await this.page.goto(url);
    assert.ok(await this.page.evaluate(() => "driver" in window), `no client came up in ${url}`);
  }

  // hangs tells that nothing comes over the transport: the client has waited for it
  // as soon as it has asked. The page needs a clock.
  hangs(transport) {
    this.page.on("request", (request) => {
      if (/\/(re)?connect$/.test(new URL(request.url()).pathname) && request.url().includes(`transport=${transport}`)) {
        this.page.clock.fastForward(connectTimeout).catch(() => {}); // The page may be gone.
      }
    });
  }

  // connect starts the client: see open in pages/official.js.
  async connect(options) {
    Object.assign(this, await this.page.evaluate((o) => driver.open(o), options));
    return this;
  }

  async restart(options = {}) {
    Object.assign(this, await this.page.evaluate((o) => driver.start(o), options));
  }

  invokeAny(hub, method, ...args) {
    return this.page.evaluate(([h, m, a]) => driver.invoke(h, m, a), [hub, method, args]);
  }

  // invoke returns the result of a call that must succeed.
  async invoke(hub, method, ...args) {
    const answer = await this.invokeAny(hub, method, ...args);
    assert.ok(answer.ok, `${hub}.${method}(${args}) failed: ${answer.message}`);
    return answer.result;
  }

  // failure returns the error of a call that must fail.
  async failure(hub, method, ...args) {
    const answer = await this.invokeAny(hub, method, ...args);
    assert.ok(!answer.ok, `${hub}.${method}(${args}) must fail, and returned ${JSON.stringify(answer.result)}`);
    return answer;
  }

  // drive calls a verb of the page's driver.
  drive(verb, ...args) {
    return this.page.evaluate(([v, a]) => driver[v](...a), [verb, args]);
  }

  send(data) {
    return this.page.evaluate((d) => driver.send(d), data);
  }

  state(hub, patch = {}) {
    return this.page.evaluate(([h, p]) => driver.state(h, p), [hub, patch]);
  }

  stop() {
    return this.page.evaluate(() => driver.stop());
  }

  // wait resolves with the journal's entries of a kind once there are count.
  wait(kind, count = 1) {
    return this.page.evaluate(([k, c, ms]) => journal.wait(k, c, ms), [kind, count, patience]);
  }

  // messages waits for count client calls and returns the arguments of all
  // that there are, those of one method if it is named.
  async messages(count, method) {
    const found = await this.wait("message", count);
    return found.filter((m) => !method || m.method === method).map((m) => m.args);
  }

  // journal is what happened in the page, or what it shows.
  journal() {
    return this.page.evaluate(() => window.journal?.all() ?? document.body.innerText.split("\n"));
  }
}

// A Scene is what a test acts in: a server, and peers that it opened.
class Scene {
  constructor(server) {
    this.server = server;
    this.peers = [];
  }

  // blank opens an empty page in a browser context of its own, as another
  // person's browser would.
  async blank(settings, on = browser) {
    const context = await on.newContext(settings);
    context.setDefaultTimeout(patience);
    const peer = new Peer(await context.newPage());
    this.peers.push(peer);
    return peer;
  }

  // page opens a page with a driver. Without names what the browser lacks, on
  // is another browser than that of all tests. With clock the test moves the time in
  // the page: see Playwright's Clock.
  async page(document, { origin = this.server.url, without = [], on, clock, hangs } = {}) {
    const peer = await this.blank({}, on);
    if (clock || hangs) {
      await peer.page.clock.install();
    }
    if (hangs) {
      peer.hangs(hangs);
    }
    for (const name of without) {
      await peer.page.addInitScript((missing) => { delete window[missing]; }, name);
    }
    await peer.load(`${origin}/pages/${document}`);
    return peer;
  }

  // peer opens a page and connects the client in it.
  async peer(document, options = {}) {
    const peer = await this.page(document, options);
    return peer.connect({ url: "/signalr", ...options });
  }

  // restart ends the server, in good order or not, and starts another one in
  // its place. Both need the same key, and an address of their own.
  async restart(flags, { crash }) {
    const { server } = this;
    if (crash) {
      server.child.kill("SIGKILL");
      await server.exit;
    } else {
      await server.stop();
    }
    this.server = await new Program([...flags, "-addr", new URL(server.url).host]).start();
  }

  // explain is what a reader of a failed test wants to know.
  async explain() {
    const parts = [];
    for (const [i, peer] of this.peers.entries()) {
      const journal = await peer.journal().catch((error) => [error.message]);
      parts.push(`page ${i + 1} (${peer.page.url()}):`, ...tail(journal, 25).map((e) => `  ${JSON.stringify(e)}`));
      parts.push(...peer.faults.map((fault) => `  uncaught: ${fault}`));
    }
    parts.push("server:", ...tail(this.server.lines, 25).map((l) => `  ${JSON.stringify(l)}`));
    parts.push("server log:", ...tail(this.server.stderr.split("\n"), 40).map((l) => `  ${l}`));
    return parts.join("\n");
  }

  async close() {
    await Promise.all(this.peers.map((peer) => peer.page.context().close()));
    await this.server.stop();
    assert.deepEqual(this.peers.flatMap((peer) => peer.faults), [], "no uncaught error in a page");
  }
}

function tail(list, count) {
  return list.length <= count ? list : [`(${list.length - count} before)`, ...list.slice(-count)];
}

let addresses = 0;

// ownAddress is where a server listens that is started again: nobody else takes
// its port meanwhile.
export function ownAddress() {
  return `127.0.1.${++addresses}:0`;
}

let title = "";

// group begins the names of the scenarios in define with its own. It is no suite:
// the scenarios of all groups are one list, so that none waits for a group to end.
export function group(name, define) {
  const outer = title;
  title += `${name}: `;
  define();
  title = outer;
}

// scenario is a test with a server of its own. Flags are the server's.
export function scenario(name, flags, act, Server = Program) {
  test(title + name, { timeout: 4 * patience }, async () => {
    const scene = new Scene(await new Server(flags).start());
    try {
      await act(scene);
      await scene.close();
    } catch (error) {
      error.stack += `\n\n${await scene.explain()}\n`;
      await scene.close().catch(() => {});
      throw error;
    }
  });
}

// numbers returns [from, from+1, ..., to].
export function numbers(from, to) {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
