import type { Attachment } from "./attachment.js";
import type { Cancel } from "./clock.js";
import { asError, ConnectionError, HubError } from "./errors.js";
import { Notes } from "./notes.js";
import type { Site } from "./site.js";
import { parse, type Message, type Result, type State } from "./wire.js";

/** What holds for one call, or for all calls made through `hub.with(...)`. */
export interface CallOptions<P = any> {
  /** Gives the call up; it then rejects with the signal's reason. What runs on the server may go on; a stream ends there. */
  signal?: AbortSignal;
  /** Milliseconds after which the call, or the whole stream, is given up. Default: none. */
  timeout?: number;
  /** Gets what the method reports while it runs. */
  progress?: (value: P) => void;
  /** How many items of a stream may wait to be read. One more fails it with code `overrun`. Default: 10,000. */
  buffer?: number;
}

/** Where what comes of a call goes. */
export interface Sink {
  progress?: (value: any) => void;
  resolve(value: unknown): void;
  reject(error: unknown): void;
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
  readonly sink: Sink;
  readonly streams: boolean;
  readonly posting: AbortController;
  /** It has left. */
  sent: boolean;
  /** The result can only come through the channel that took the call. */
  bound: boolean;
  /** Once. A stream that the server has not ended is cancelled. */
  settle(answer: { value: unknown } | { error: unknown }, ended?: boolean): void;
}

/**
 * The calls that wait for their results. Calls leave in the order in which they were made: through
 * the channel where it can send, otherwise by one POST at a time. While the connection is down they wait.
 */
export class Calls {
  readonly #site: Site;
  readonly #threw: (thrown: unknown) => void;
  readonly #notes: Notes;
  readonly #all = new Map<string, Call>();
  #waiting: Call[] = [];
  #attachment: Attachment | undefined;
  /** The call whose POST the next one waits for. */
  #posting: Call | undefined;
  #made = 0;

  constructor(site: Site, threw: (thrown: unknown) => void) {
    this.#site = site;
    this.#threw = threw;
    this.#notes = new Notes(site);
  }

  /** Begins a call and returns what gives it up. It throws where the call cannot be made. */
  begin(hub: CallHub, method: string, args: readonly unknown[], { signal, timeout }: CallOptions, sink: Sink, streams = false): () => void {
    signal?.throwIfAborted();
    const id = String(this.#made);
    const payload = encode(hub, method, args, id, streams);
    this.#made++;
    let timer: Cancel | undefined;
    const given = () => call.settle({ error: signal!.reason });
    const call: Call = {
      id,
      hub,
      method,
      payload,
      sink,
      streams,
      posting: new AbortController(),
      sent: false,
      bound: false,
      settle: (answer, ended) => {
        if (!this.#forget(call)) return;
        timer?.();
        signal?.removeEventListener("abort", given);
        call.posting.abort();
        if (streams && call.sent && !ended) this.#notes.send(id, JSON.stringify({ I: id, Q: "cancel" }));
        "error" in answer ? sink.reject(answer.error) : sink.resolve(answer.value);
      },
    };
    this.#all.set(id, call);
    this.#waiting.push(call);
    signal?.addEventListener("abort", given);
    if (timeout !== undefined) timer = this.#site.env.clock.after(timeout, () => call.settle({ error: late(call, timeout) }));
    this.#pump();
    return () => call.settle({ value: undefined });
  }

  /** Answers a question of the server. */
  answer(I: string, answer: Promise<unknown>): void {
    const give = (part: object) => this.#notes.send(I, JSON.stringify({ I, Q: "answer", ...part }));
    answer
      .then((R) => give({ R }))
      .catch((thrown) => {
        this.#site.env.log("warn", `question ${I} is answered with an error`, thrown);
        give({ E: asError(thrown).message });
      });
  }

  /** The connection is up. */
  resume(attachment: Attachment): void {
    this.#attachment = attachment;
    this.#notes.use(attachment);
    this.#pump();
  }

  /** The transport is gone: results that only it could have brought will not come. Other calls go on. */
  pause(reason: Error): void {
    this.#attachment = undefined;
    this.#notes.use(undefined);
    this.#lose((call) => call.bound, reason);
  }

  /** Messages were missed, and items or the end of a stream may be among them. */
  gap(): void {
    this.#lose((call) => call.streams && call.sent, new Error("messages were missed"));
  }

  /** The connection is over. */
  close(reason: Error): void {
    this.#attachment = undefined;
    this.#notes.close();
    for (const call of [...this.#all.values()]) call.settle({ error: reason });
  }

  result(result: Result): void {
    const id = String(result.I);
    const call = this.#all.get(id);
    this.#notes.taken(id);
    // Without one the call was given up.
    if (!call) return;
    if (!result.Q) return finish(call, result);
    // The end of a stream is a message: it will come whatever happens to the channel.
    if (call.streams) call.bound = false;
    // The method waits for somebody's answer, and what is called meanwhile may be needed for it.
    if (this.#posting === call) this.#posting = undefined;
    this.#pump();
  }

  progress({ P, S }: Message): void {
    const call = this.#all.get(String(P?.I));
    if (!call) return;
    merge(call.hub, S);
    try {
      call.sink.progress?.(P!.D);
    } catch (thrown) {
      this.#threw(thrown);
    }
  }

  #pump(): void {
    while (this.#attachment && this.#waiting[0]) {
      const call = this.#waiting[0];
      if (!this.#attachment.sends) return void this.#post(this.#attachment.transport);
      if (!this.#attachment.send(call.payload)) return;
      call.sent = call.bound = true;
      this.#waiting.shift();
    }
  }

  async #post(transport: string): Promise<void> {
    if (this.#posting) return;
    const call = (this.#posting = this.#waiting.shift()!);
    call.sent = true;
    try {
      const form = { data: call.payload };
      const response = await this.#site.request("send", { query: { transport }, form, signal: call.posting.signal });
      const text = await response.text();
      const result = text.trim() ? (parse(text) as Result) : { I: call.id };
      if (!result.Q) finish(call, result);
    } catch (thrown) {
      const error = asError(thrown);
      call.settle({ error: error instanceof ConnectionError ? error : lost(call, error) });
    } finally {
      if (this.#posting === call) this.#posting = undefined;
      this.#pump();
    }
  }

  #lose(which: (call: Call) => boolean, reason: Error): void {
    for (const call of [...this.#all.values()].filter(which)) call.settle({ error: lost(call, reason) });
  }

  #forget(call: Call): boolean {
    this.#waiting = this.#waiting.filter((c) => c !== call);
    return this.#all.delete(call.id);
  }
}

export function merge(hub: CallHub, state: State | undefined): void {
  if (state) Object.assign(hub.state, state);
}

function encode(hub: CallHub, method: string, args: readonly unknown[], id: string, streams: boolean): string {
  const state = Object.keys(hub.state).length ? hub.state : undefined;
  return JSON.stringify({ H: hub.name, M: method, A: args, I: id, S: state, Q: streams ? "stream" : undefined });
}

function finish(call: Call, { R, S, E, H, D }: Result): void {
  merge(call.hub, S);
  if (E) call.settle({ error: new HubError(call.hub.name, call.method, E, D, H === true) }, true);
  else call.settle({ value: R }, true);
}

function lost({ hub, method }: Call, cause: Error): ConnectionError {
  const text = `${hub.name}.${method}: the connection broke before the result came; the call may have run (${cause.message})`;
  return new ConnectionError("call_lost", text, { cause });
}

function late({ hub, method }: Call, timeout: number): ConnectionError {
  return new ConnectionError("timeout", `${hub.name}.${method}: no result within ${timeout / 1000} s`);
}
