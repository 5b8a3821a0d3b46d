import type { CallHub, CallOptions } from "./calls.js";
import type { Emitter, Unsubscribe } from "./events.js";
import type { State } from "./wire.js";

/** The shape of a hub: the methods that the server has, and those that it calls here. */
export interface HubShape {
  server: object;
  client: object;
}

/** The shape of a hub of which nothing is declared. */
export interface AnyHub {
  server: Record<string, (...args: any[]) => any>;
  client: Record<string, (...args: any[]) => any>;
}

type Args<F> = F extends (...args: infer A) => any ? A : never;
type Returned<F> = F extends (...args: any[]) => infer R ? R : never;
type Name<T> = keyof T & string;

/** A handler for one of the methods that the server calls. */
export type Handler<F> = (
  ...args: Args<F>
) => Returned<F> extends void ? unknown : Returned<F> | Promise<Awaited<Returned<F>>>;

/** The hub's methods as functions that return promises of their results. */
export type Remote<S> = {
  readonly [M in Name<S>]: (...args: Args<S[M]>) => Promise<Awaited<Returned<S[M]>>>;
};

/** What the hub's methods report while they run, of all that do: `{ progress: { import: number } }` in the shape. */
export type Progress<T> = T extends { progress: infer P } ? P[keyof P] : any;

/** Ways to call a hub's methods. */
export interface Callable<T extends HubShape> {
  /** Calls a method by its name. It rejects with a HubError where the method answers with an error. */
  invoke<M extends Name<T["server"]>>(
    method: M,
    ...args: Args<T["server"][M]>
  ): Promise<Awaited<Returned<T["server"][M]>>>;
  /** `hub.server.say("hello")` is `hub.invoke("say", "hello")`. */
  readonly server: Remote<T["server"]>;
}

/** @internal */
export type Invoke = (hub: CallHub, method: string, args: readonly unknown[], options: CallOptions) => Promise<unknown>;

/** One hub on the connection. Names of methods match whatever their case. */
export class Hub<T extends HubShape = AnyHub> implements Callable<T> {
  readonly name: string;
  /** Goes to the server with each call, and comes back with what the method changed. */
  state: State = {};
  readonly server: Remote<T["server"]>;
  readonly invoke: Callable<T>["invoke"];
  readonly #events: Emitter;
  readonly #invoke: Invoke;

  /** @internal */
  constructor(name: string, events: Emitter, invoke: Invoke) {
    this.name = name;
    this.#events = events;
    this.#invoke = invoke;
    ({ invoke: this.invoke, server: this.server } = this.with({}));
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
    const invoke = (method: string, ...args: unknown[]) => this.#invoke(this, method, args, options);
    const server = new Proxy(Object.freeze({}), {
      // `then` would make the proxy look like a promise to whoever awaits it.
      get: (_, method) => (typeof method === "string" && method !== "then" ? (...args: unknown[]) => invoke(method, ...args) : undefined),
    });
    return { invoke, server } as unknown as Callable<T>;
  }
}
