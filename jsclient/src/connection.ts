import { merge } from "./calls.js";
import { asError, ConnectionError, type TransportFailure } from "./errors.js";
import { Emitter, type Unsubscribe } from "./events.js";
import { Hub, type AnyHub, type HubShape } from "./hub.js";
import { Lifetime, type ConnectionState } from "./lifetime.js";
import { environment, type ConnectionOptions, type Environment, type TransportName } from "./options.js";
import { Site } from "./site.js";
import type { Message } from "./wire.js";

/** What a connection tells. */
export interface ConnectionEvents {
  /** The state is another one. */
  statechange(state: ConnectionState, previous: ConnectionState): void;
  /** The transport is lost and the connection tries to come back. */
  reconnecting(reason: Error): void;
  /** The connection came back. Nothing was lost, unless a `gap` follows. */
  reconnected(): void;
  /** The connection is over, or could not start. Without a reason, `stop` was called. */
  disconnected(reason?: Error): void;
  /** A transport could not be used; the next one is tried. */
  transportfailed(failure: TransportFailure): void;
  /** Nothing came for two thirds of the keep-alive time-out. */
  slow(): void;
  /** The connection was away for too long: messages are missing before those that come now. */
  gap(): void;
  /** A handler threw, or the server sent what cannot be understood. The connection goes on. */
  error(error: Error): void;
}

type EventName = keyof ConnectionEvents;

interface Registered {
  readonly hub: Hub<any>;
  readonly events: Emitter;
}

/**
 * A connection to a Hubwire server, or to any server of classic SignalR 2.
 *
 *     const connection = new HubConnection("/signalr");
 *     const chat = connection.hub("chat");
 *     chat.on("addMessage", (from, text) => show(from, text));
 *     await connection.start();
 *     await chat.invoke("join", "lobby");
 */
export class HubConnection {
  readonly #url: string;
  readonly #env: Environment;
  readonly #events = new Emitter();
  readonly #hubs = new Map<string, Registered>();
  #state: ConnectionState = "disconnected";
  #lifetime: Lifetime | undefined;

  /** It does not connect yet. The URL is where the server's handler is mounted. */
  constructor(url = "/signalr", options: ConnectionOptions = {}) {
    this.#url = url;
    this.#env = environment(options);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The connection's public id, while there is one. */
  get id(): string | undefined {
    return this.#lifetime?.connectionID;
  }

  /** The transport in use, or tried. */
  get transport(): TransportName | undefined {
    return this.#lifetime?.transport;
  }

  /**
   * The hub with this name, whatever its case. The server calls, and counts as a visitor, only for
   * hubs that were asked for before the start.
   */
  hub<T extends HubShape = AnyHub>(name: string): Hub<T> {
    const known = this.#hubs.get(name.toLowerCase());
    if (known) return known.hub;
    if (this.#lifetime) this.#env.log("warn", `hub "${name}" was not asked for before the start: the server will not call it`);
    const events = new Emitter();
    const hub = new Hub<T>(name, events, (...call) => this.#call(...call));
    this.#hubs.set(name.toLowerCase(), { hub, events });
    return hub;
  }

  /** Handles an event. It returns a function that takes the handler away. */
  on<E extends EventName>(event: E, handler: ConnectionEvents[E]): Unsubscribe {
    return this.#events.add(event, handler);
  }

  /** As `on`, for one time. */
  once<E extends EventName>(event: E, handler: ConnectionEvents[E]): Unsubscribe {
    return this.#events.add(event, handler, true);
  }

  /** Takes a handler away, or all of the event's. */
  off<E extends EventName>(event: E, handler?: ConnectionEvents[E]): void {
    this.#events.remove(event, handler);
  }

  /**
   * Connects. It fulfils when the server has run its connected handlers and calls can be made;
   * messages that come until then are delivered just before. It rejects with a ConnectionError.
   */
  async start(): Promise<void> {
    const lifetime = this.#lifetime ?? this.#begin();
    await lifetime.start();
  }

  /** Ends the connection. It fulfils when the server knows, and never rejects. */
  async stop(): Promise<void> {
    await this.#lifetime?.stop();
  }

  #begin(): Lifetime {
    const names = [...this.#hubs.values()].map(({ hub }) => hub.name);
    const lifetime = (this.#lifetime = this.#live(new Site(this.#env, this.#url, names)));
    this.#change("connecting");
    return lifetime;
  }

  #live(site: Site): Lifetime {
    return new Lifetime(site, {
      changed: (state, reason) => this.#change(state, reason),
      message: (message) => this.#deliver(message),
      transportFailed: (failure) => this.#emit("transportfailed", failure),
      slow: () => this.#emit("slow"),
      gap: () => this.#emit("gap"),
      failed: (error) => this.#failed(error),
      threw: (thrown) => this.#threw(thrown),
    });
  }

  #change(state: ConnectionState, reason?: Error): void {
    const previous = this.#state;
    this.#state = state;
    if (state === "disconnected") this.#lifetime = undefined;
    this.#env.log("info", `${previous} -> ${state}`, reason);
    this.#emit("statechange", state, previous);
    if (this.#state !== state) return; // A handler went on from here.
    if (state === "reconnecting") this.#emit("reconnecting", reason!);
    if (state === "connected" && previous === "reconnecting") this.#emit("reconnected");
    if (state === "disconnected") this.#emit("disconnected", reason);
  }

  #call(...call: Parameters<Lifetime["calls"]["begin"]>): () => void {
    const [hub, method] = call;
    if (this.#lifetime) return this.#lifetime.calls.begin(...call);
    throw new ConnectionError("not_connected", `${hub.name}.${method}: the connection is not started`);
  }

  #deliver(message: Message): void {
    const { H = "", M = "", A = [], S, I } = message;
    const target = this.#hubs.get(H.toLowerCase());
    const method = M.toLowerCase();
    if (!target?.events.has(method)) this.#env.log("debug", `nobody handles ${H}.${M}`);
    if (target) merge(target.hub, S);
    const call = (failed: (thrown: unknown) => void) => target?.events.emit(method, A, failed) ?? [];
    if (I === undefined) call((thrown) => this.#threw(thrown));
    else this.#lifetime!.calls.answer(I, answerOf(`${H}.${M}`, call));
  }

  #emit<E extends EventName>(event: E, ...args: Parameters<ConnectionEvents[E]>): void {
    this.#events.emit(event, args, (thrown) => this.#threw(thrown));
  }

  /** A program that does not listen for errors learns of those in its own handlers as of any other uncaught one. */
  #threw(thrown: unknown): void {
    if (!this.#events.has("error")) (globalThis as Partial<typeof globalThis>).reportError?.(thrown);
    this.#failed(thrown);
  }

  #failed(thrown: unknown): void {
    const error = asError(thrown);
    this.#env.log("error", error.message, error);
    this.#events.emit("error", [error], (again) => this.#env.log("error", "a handler of the error event threw", again));
  }
}

/** The one result of the handlers that the server's question has. What a handler throws is for the server. */
function answerOf(name: string, call: (failed: (thrown: unknown) => void) => unknown[]): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const results = Promise.all(call(reject)).then((all) => all.filter((result) => result !== undefined));
    results.then(([answer, another]) => {
      if (answer === undefined) reject(new Error(`nobody here answers ${name}`));
      else if (another !== undefined) reject(new Error(`several handlers here answer ${name}`));
      else resolve(answer);
    }, reject);
  });
}
