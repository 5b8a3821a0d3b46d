/** Takes one handler away again. */
export type Unsubscribe = () => void;

type AnyHandler = (...args: any[]) => unknown;

interface Entry {
  readonly handler: AnyHandler;
  readonly once: boolean;
}

/** Handlers by event name. A handler that throws disturbs nobody else. */
export class Emitter {
  readonly #entries = new Map<string, readonly Entry[]>();

  add(event: string, handler: AnyHandler, once = false): Unsubscribe {
    const entry = { handler, once };
    this.#entries.set(event, [...this.#of(event), entry]);
    return () => this.#keep(event, (e) => e !== entry);
  }

  /** Without a handler it removes them all. */
  remove(event: string, handler?: AnyHandler): void {
    this.#keep(event, (e) => handler !== undefined && e.handler !== handler);
  }

  has(event: string): boolean {
    return this.#of(event).length > 0;
  }

  /**
   * Calls the handlers in the order of their registration, and returns what they return. `failed`
   * gets what they throw, or reject with.
   */
  emit(event: string, args: readonly unknown[], failed: (thrown: unknown) => void): unknown[] {
    const results = [];
    for (const entry of this.#of(event)) {
      // A handler before this one may have taken it away.
      if (!this.#of(event).includes(entry)) continue;
      if (entry.once) this.#keep(event, (e) => e !== entry);
      try {
        const result = entry.handler(...args) as PromiseLike<unknown> | undefined;
        results.push(result);
        if (typeof result?.then === "function") result.then(undefined, failed);
      } catch (thrown) {
        failed(thrown);
      }
    }
    return results;
  }

  #of(event: string): readonly Entry[] {
    return this.#entries.get(event) ?? [];
  }

  #keep(event: string, wanted: (entry: Entry) => boolean): void {
    this.#entries.set(event, this.#of(event).filter(wanted));
  }
}
