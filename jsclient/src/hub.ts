import type { CallHub, CallOptions, Sink } from "./calls.js";
import type { Emitter, Unsubscribe } from "./events.js";
import { Stream } from "./stream.js";
import type { State } from "./wire.js";

/** The shape of a hub: the methods that the server has, those of them that stream, and those that it calls here. */
export interface HubShape {
  server: object;
  streams?: object;
  client: object;
}

/** The shape of a hub of which nothing is declared. */
export interface AnyHub {
  server: Record<string, (...args: any[]) => any>;
  streams: Record<string, (...args: any[]) => any>;
  client: Record<string, (...args: any[]) => any>;
}

type Args<F> = F extends (...args: infer A) => any ? A : never;
type Returned<F> = F extends (...args: any[]) => infer R ? R : never;
type Name<T> = keyof T & string;

/** A handler for one of the methods that the server calls. Where the server asks for a result, it gets what one handler returns, or rejects with. */
export type Handler<F> = (
  ...args: Args<F>
) => Returned<F> extends void ? unknown : Returned<F> | Promise<Awaited<Returned<F>>>;

/** The hub's methods as functions that return promises of their results. */
export type Remote<S> = {
  readonly [M in Name<S>]: (...args: Args<S[M]>) => Promise<Awaited<Returned<S[M]>>>;
};

/** What the hub's methods report while they run, of all that do: `{ progress: { import: number } }` in the shape. */
export type Progress<T> = T extends { progress: infer P } ? P[keyof P] : any;

/** The methods of a hub that stream. */
export type Streams<T> = T extends { streams: infer S } ? S : {};

/** What a method yields that streams. */
export type Item<F> = Returned<F> extends AsyncIterable<infer I> ? I : any;

/** Ways to call a hub's methods. */
export interface Callable<T extends HubShape> {
  /** Calls a method by its name. It rejects with a HubError where the method answers with an error. */
  invoke<M extends Name<T["server"]>>(
    method: M,
    ...args: Args<T["server"][M]>
  ): Promise<Awaited<Returned<T["server"][M]>>>;
  /** `hub.server.say("hello")` is `hub.invoke("say", "hello")`. */
  readonly server: Remote<T["server"]>;
  /** Calls a method that streams, when the first item is asked for. Leaving the loop ends it on the server. */
  stream<M extends Name<Streams<T>>>(method: M, ...args: Args<Streams<T>[M]>): Stream<Item<Streams<T>[M]>>;
}

/** @internal Begins a call and returns what gives it up. */
export type Begin = (hub: CallHub, method: string, args: readonly unknown[], options: CallOptions, sink: Sink, streams?: boolean) => () => void;

/** One hub on the connection. Names of methods match whatever their case. */
export class Hub<T extends HubShape = AnyHub> implements Callable<T> {
  readonly name: string;
  /** Goes to the server with each call, and comes back with what the method changed. */
  state: State = {};
  readonly server: Remote<T["server"]>;
  readonly invoke: Callable<T>["invoke"];
  readonly stream: Callable<T>["stream"];
  readonly #events: Emitter;
  readonly #begin: Begin;

  /** @internal */
  constructor(name: string, events: Emitter, begin: Begin) {
    this.name = name;
    this.#events = events;
    this.#begin = begin;
    ({ invoke: this.invoke, server: this.server, stream: this.stream } = this.with({}));
  }

  /** Has the server's calls of a method handled. It returns a function that takes the handler away. */
  on<E extends Name<T["client"]>>(method: E, handler: Handler<T["client"][E]>): Unsubscribe {
    return this.#events.add(method.toLowerCase(), handler);
  }

  /** As `on`, for one call. */
  once<E extends Name<T["client"]>>(method: E, handler: Handler<T["client"][E]>): Unsubscribe {
    return this.#events.add(method.toLowerCase(), handler, true);
  }

  /** Takes a handler away, or all of the method's. */
  off<E extends Name<T["client"]>>(method: E, handler?: Handler<T["client"][E]>): void {
    this.#events.remove(method.toLowerCase(), handler);
  }

  /** The same calls with options: `hub.with({ timeout: 5000 }).server.say("hello")`. */
  with(options: CallOptions<Progress<T>>): Callable<T> {
    const invoke = (method: string, ...args: unknown[]) =>
      new Promise((resolve, reject) => void this.#begin(this, method, args, options, { resolve, reject, progress: options.progress }));
    const stream = (method: string, ...args: unknown[]) =>
      new Stream((sink) => this.#begin(this, method, args, options, sink, true), options.buffer);
    const server = new Proxy(Object.freeze({}), {
      // `then` would make the proxy look like a promise to whoever awaits it.
      get: (_, method) => (typeof method === "string" && method !== "then" ? (...args: unknown[]) => invoke(method, ...args) : undefined),
    });
    return { invoke, server, stream } as unknown as Callable<T>;
  }
}
