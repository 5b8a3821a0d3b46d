// The connection to the chat hub: it starts, comes back, and changes its transport.

import { HubConnection as Hubwire } from "/signalr/client.js";
import { HubConnection as Core } from "./core.js";

const wanted = new URLSearchParams(location.search).get("client");
const HubConnection = wanted === "core" ? Core : Hubwire;

/** Which client carries the page. */
export const client = wanted === "core" ? "ASP.NET Core" : "Hubwire";

const firstWait = 1_000;
const longestWait = 15_000;

/**
 * A link is a connection for as long as somebody is signed in. HubConnection
 * comes back by itself while the server remembers it. A server that was
 * restarted does not: then a link starts afresh, again and again.
 *
 * Events: "status" after each change; "ready" when a new connection stands and
 * the server knows nothing of us yet, with detail true if it replaces one that
 * broke; "back" when the connection came back to what it was; "gap" when messages are
 * lost; "refused" with the reason as detail; "log" with a text as detail.
 */
export class Link extends EventTarget {
  state = "disconnected";
  transport = "";       // the one in use
  retryAt = 0;          // when the next start is due, 0 for none
  #query;
  #wanted;
  #handlers;
  #connection;
  #hub;
  #broke = false;
  #failures = 0;
  #timer;
  #lostAt = 0;

  /**
   * @param {string} name who we are, "" for a guest
   * @param {string} transport a transport, or "auto"
   * @param {Record<string, (...args: any[]) => void>} handlers the methods that the server calls
   */
  constructor(name, transport, handlers) {
    super();
    this.#query = name ? { name } : {};
    this.#wanted = transport;
    this.#handlers = handlers;
    addEventListener("online", this.#online);
  }

  /** Calls a method of the hub. */
  invoke(method, ...args) {
    if (this.#hub) return this.#hub.invoke(method, ...args);
    return Promise.reject(new Error("There is no connection right now."));
  }

  start() {
    clearTimeout(this.#timer);
    this.retryAt = 0;
    const transports = this.#wanted === "auto" ? undefined : this.#wanted;
    const connection = new HubConnection("/signalr", { query: this.#query, transports });
    this.#connection = connection;
    this.#hub = connection.hub("chat");
    for (const [method, handler] of Object.entries(this.#handlers)) this.#hub.on(method, handler);
    this.#watch(connection);
    connection.start().then(() => this.#started(connection), () => {}); // "disconnected" tells of failures
  }

  async stop() {
    removeEventListener("online", this.#online);
    clearTimeout(this.#timer);
    const connection = this.#connection;
    this.#connection = this.#hub = undefined;
    await connection?.stop();
  }

  /** Ends the connection and starts another one with this transport. */
  async switchTo(transport) {
    this.#wanted = transport;
    const connection = this.#connection;
    this.#connection = undefined; // What it still has to tell is of no interest.
    this.#hub = undefined;
    this.#log(`Switching to ${transport}`);
    await connection?.stop();
    if (!this.#connection) this.start();
  }

  #online = () => { if (this.retryAt) this.start(); };

  #watch(connection) {
    const mine = (f) => (...args) => { if (connection === this.#connection) f(...args); };
    connection.on("statechange", mine((state) => this.#change(state)));
    connection.on("transportfailed", mine(({ error }) => this.#log(`Attempt failed: ${error.message}`)));
    connection.on("slow", mine(() => this.#log("The connection is slow")));
    connection.on("gap", mine(() => this.#tell("gap")));
    connection.on("reconnecting", mine((reason) => {
      this.#lostAt = Date.now();
      this.#log(`Lost: ${reason.message}`);
    }));
    connection.on("reconnected", mine(() => {
      const seconds = (Date.now() - this.#lostAt) / 1000;
      this.#log(`Back over ${connection.transport} after ${seconds.toFixed(1)} s`);
      this.#tell("back", seconds);
    }));
    connection.on("disconnected", mine((reason) => this.#ended(reason)));
    connection.on("error", mine((error) => this.#log(`Error: ${error.message}`)));
  }

  #started(connection) {
    if (connection !== this.#connection) return;
    this.#log(`Connected over ${connection.transport}`);
    this.#tell("ready", this.#broke);
    this.#broke = false;
    this.#failures = 0;
  }

  #ended(reason) {
    this.#log(`Ended: ${reason?.message ?? "stopped"}`);
    this.#broke = true;
    if (reason?.code === "http" && reason.status >= 400 && reason.status < 500) {
      this.#tell("refused", reason.body || reason.message);
      return;
    }
    const wait = Math.min(firstWait * 2 ** this.#failures++, longestWait) * (0.7 + Math.random() * 0.6);
    this.retryAt = Date.now() + wait;
    this.#timer = setTimeout(() => this.start(), wait);
    this.#tell("status");
  }

  #change(state) {
    this.state = state;
    this.transport = state === "disconnected" ? "" : this.#connection.transport ?? "";
    this.#tell("status");
  }

  #log(text) { this.#tell("log", text); }

  #tell(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
}
