import type { Attachment } from "./attachment.js";
import type { Cancel } from "./clock.js";
import { asError, ConnectionError, HubError } from "./errors.js";
import type { Site } from "./site.js";
import { parse, type Message, type Result, type State } from "./wire.js";

/** What holds for one call, or for all calls made through `hub.with(...)`. */
export interface CallOptions<P = any> {
  /** Gives the call up; it then rejects with the signal's reason. What runs on the server may go on. */
  signal?: AbortSignal;
  /** Milliseconds after which the call is given up. Default: none. */
  timeout?: number;
  /** Gets what the method reports while it runs. */
  progress?: (value: P) => void;
}

/** The hub that a call is for. */
export interface CallHub {
  readonly name: string;
  state: State;
}

interface Call {
  readonly id: string;
  readonly hub: CallHub;
  readonly method: string;
  readonly payload: string;
  readonly progress: CallOptions["progress"];
  readonly posting: AbortController;
  /** The result can only come through the channel that took the call. */
  bound: boolean;
  settle(answer: { value: unknown } | { error: unknown }): void;
}

/**
 * The calls that wait for their results. Calls leave in the order in which they were made: through
 * the channel where it can send, otherwise by one POST at a time. While the connection is down they wait.
 */
export class Calls {
  readonly #site: Site;
  readonly #threw: (thrown: unknown) => void;
  readonly #all = new Map<string, Call>();
  #waiting: Call[] = [];
  #attachment: Attachment | undefined;
  #posting = false;
  #made = 0;

  constructor(site: Site, threw: (thrown: unknown) => void) {
    this.#site = site;
    this.#threw = threw;
  }

  invoke(hub: CallHub, method: string, args: readonly unknown[], options: CallOptions): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const { signal, timeout, progress } = options;
      signal?.throwIfAborted();
      const id = String(this.#made);
      const payload = encode(hub, method, args, id);
      this.#made++;
      let timer: Cancel | undefined;
      const given = () => call.settle({ error: signal!.reason });
      const call: Call = {
        id,
        hub,
        method,
        payload,
        progress,
        posting: new AbortController(),
        bound: false,
        settle: (answer) => {
          if (!this.#forget(call)) return;
          timer?.();
          signal?.removeEventListener("abort", given);
          call.posting.abort();
          "error" in answer ? reject(answer.error) : resolve(answer.value);
        },
      };
      this.#all.set(id, call);
      this.#waiting.push(call);
      signal?.addEventListener("abort", given);
      if (timeout !== undefined) timer = this.#site.env.clock.after(timeout, () => call.settle({ error: late(call, timeout) }));
      this.#pump();
    });
  }

  /** The connection is up. */
  resume(attachment: Attachment): void {
    this.#attachment = attachment;
    this.#pump();
  }

  /** The transport is gone: results that only it could have brought will not come. Other calls go on. */
  pause(reason: Error): void {
    this.#attachment = undefined;
    for (const call of [...this.#all.values()].filter((c) => c.bound)) {
      call.settle({ error: lost(call, reason) });
    }
  }

  /** The connection is over. */
  close(reason: Error): void {
    this.#attachment = undefined;
    for (const call of [...this.#all.values()]) call.settle({ error: reason });
  }

  result(result: Result): void {
    const call = this.#all.get(String(result.I));
    // Without one the call was given up.
    if (call) finish(call, result);
  }

  progress({ P, S }: Message): void {
    const call = this.#all.get(String(P?.I));
    if (!call) return;
    merge(call.hub, S);
    try {
      call.progress?.(P!.D);
    } catch (thrown) {
      this.#threw(thrown);
    }
  }

  #pump(): void {
    while (this.#attachment && this.#waiting[0]) {
      const call = this.#waiting[0];
      if (!this.#attachment.sends) return void this.#post(this.#attachment.transport);
      if (!this.#attachment.send(call.payload)) return;
      call.bound = true;
      this.#waiting.shift();
    }
  }

  async #post(transport: string): Promise<void> {
    if (this.#posting) return;
    this.#posting = true;
    const call = this.#waiting.shift()!;
    try {
      const form = { data: call.payload };
      const response = await this.#site.request("send", { query: { transport }, form, signal: call.posting.signal });
      const text = await response.text();
      finish(call, text.trim() ? (parse(text) as Result) : { I: call.id });
    } catch (thrown) {
      const error = asError(thrown);
      call.settle({ error: error instanceof ConnectionError ? error : lost(call, error) });
    } finally {
      this.#posting = false;
      this.#pump();
    }
  }

  #forget(call: Call): boolean {
    this.#waiting = this.#waiting.filter((c) => c !== call);
    return this.#all.delete(call.id);
  }
}

export function merge(hub: CallHub, state: State | undefined): void {
  if (state) Object.assign(hub.state, state);
}

function encode(hub: CallHub, method: string, args: readonly unknown[], id: string): string {
  const state = Object.keys(hub.state).length ? hub.state : undefined;
  return JSON.stringify({ H: hub.name, M: method, A: args, I: id, S: state });
}

function finish(call: Call, { R, S, E, H, D }: Result): void {
  merge(call.hub, S);
  if (E) call.settle({ error: new HubError(call.hub.name, call.method, E, D, H === true) });
  else call.settle({ value: R });
}

function lost({ hub, method }: Call, cause: Error): ConnectionError {
  const text = `${hub.name}.${method}: the connection broke before the result came; the call may have run (${cause.message})`;
  return new ConnectionError("call_lost", text, { cause });
}

function late({ hub, method }: Call, timeout: number): ConnectionError {
  return new ConnectionError("timeout", `${hub.name}.${method}: no result within ${timeout / 1000} s`);
}
