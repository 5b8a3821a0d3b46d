import type { Sink } from "./calls.js";
import { ConnectionError } from "./errors.js";

/** How many items may wait to be read where `hub.with({ buffer })` says nothing. */
const roomy = 10_000;

/** @internal Makes the call, and returns what gives it up. */
export type MakeCall = (sink: Sink) => () => void;

/** What a method yields: `for await (const item of hub.stream("count", 10))`. The call is made when the first item is asked for. */
export class Stream<T> implements AsyncIterableIterator<T> {
  readonly #call: MakeCall;
  readonly #room: number;
  readonly #items: T[] = [];
  readonly #readers: { resolve(result: IteratorResult<T>): void; reject(error: unknown): void }[] = [];
  #begun = false;
  #giveUp = () => {};
  /** How it has ended. What failed is told to one reader. */
  #end: { error?: unknown } | undefined;

  /** @internal */
  constructor(call: MakeCall, room = roomy) {
    this.#call = call;
    this.#room = room;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** The next item. It rejects with a HubError where the method fails, and as a call does where the connection is lost. */
  next(): Promise<IteratorResult<T>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#start();
      this.#serve();
    });
  }

  /** Wants no more, at once: the method is told. `break` in a loop does the same. */
  async return(): Promise<IteratorResult<T>> {
    this.#items.length = 0;
    this.#finish({});
    this.#giveUp();
    return { done: true, value: undefined };
  }

  #start(): void {
    if (this.#begun || this.#end) return;
    this.#begun = true;
    try {
      this.#giveUp = this.#call({
        progress: (item) => this.#take(item),
        resolve: () => this.#finish({}),
        reject: (error) => this.#finish({ error }),
      });
    } catch (error) {
      this.#finish({ error });
    }
  }

  #take(item: T): void {
    if (this.#items.length >= this.#room) {
      this.#finish({ error: new ConnectionError("overrun", `more than ${this.#room} items of a stream wait to be read`) });
      return this.#giveUp();
    }
    this.#items.push(item);
    this.#serve();
  }

  #finish(end: { error?: unknown }): void {
    this.#end ??= end;
    this.#serve();
  }

  #serve(): void {
    while (this.#readers[0] && (this.#items.length || this.#end)) {
      const { resolve, reject } = this.#readers.shift()!;
      if (this.#items.length) resolve({ done: false, value: this.#items.shift()! });
      else if ("error" in this.#end!) {
        reject(this.#end.error);
        this.#end = {};
      } else resolve({ done: true, value: undefined });
    }
  }
}
