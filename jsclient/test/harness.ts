// A server, a network and a clock made of objects, and verbs to drive them. Nothing here sleeps.
import assert from "node:assert/strict";
import { HubConnection } from "../src/connection.js";
import type { Clock } from "../src/clock.js";
import type { ConnectionOptions, TransportName } from "../src/options.js";

/** Lets all that is ready run: promises, and the steps of reading a Response. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((done) => setImmediate(done));
}

export class FakeClock implements Clock {
  #now = 1_000_000;
  #timers: { at: number; f: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(ms: number, f: () => void): () => void {
    const timer = { at: this.#now + ms, f };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((t) => t !== timer));
  }

  /** Timers that have not fired. A connection that is over must leave none. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Goes on by ms, firing what is due in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const next = this.#timers.filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (!next) break;
      this.#now = Math.max(this.#now, next.at);
      this.#fire(next);
      await settle();
    }
    this.#now = end;
  }

  /** The machine sleeps: time passes, timers that were due in it fire at once afterwards. */
  async sleep(ms: number): Promise<void> {
    this.#now += ms;
    for (const timer of this.#timers.filter((t) => t.at <= this.#now)) this.#fire(timer);
    await settle();
  }

  #fire(timer: { f: () => void }): void {
    if (!this.#timers.includes(timer as never)) return;
    this.#timers = this.#timers.filter((t) => t !== timer);
    timer.f();
  }
}

/** A request that came in and waits for its answer. */
export class Exchange {
  readonly operation: string;
  readonly query: URLSearchParams;
  readonly form: URLSearchParams;
  readonly url: URL;
  over = false;
  aborted = false;
  #answer!: (response: Response) => void;
  #fail!: (error: Error) => void;
  readonly response: Promise<Response>;
  readonly init: RequestInit;

  constructor(url: string, init: RequestInit) {
    this.url = new URL(url);
    this.init = init;
    this.operation = this.url.pathname.split("/").at(-1)!;
    this.query = this.url.searchParams;
    this.form = (init.body as URLSearchParams | undefined) ?? new URLSearchParams();
    this.response = new Promise((answer, fail) => {
      this.#answer = answer;
      this.#fail = fail;
    });
    init.signal?.addEventListener("abort", () => {
      this.aborted = this.over = true;
      this.#fail(init.signal!.reason);
    });
  }

  /** What arrived as payload with /send. */
  get payload(): any {
    return JSON.parse(this.form.get("data")!);
  }

  async reply(body: unknown, status = 200, headers: Record<string, string> = {}): Promise<void> {
    assert(!this.over, `${this.operation} is answered twice`);
    this.over = true;
    this.#answer(new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers }));
    await settle();
  }

  /** Sends the headers; the body follows by the function that is returned. */
  async headers(): Promise<(body: unknown) => Promise<void>> {
    this.over = true;
    let controller!: ReadableStreamDefaultController;
    this.#answer(new Response(new ReadableStream({ start: (c) => void (controller = c) })));
    await settle();
    return async (body) => {
      controller.enqueue(new TextEncoder().encode(JSON.stringify(body)));
      controller.close();
      await settle();
    };
  }

  async fail(text = "network down"): Promise<void> {
    this.over = true;
    this.#fail(new TypeError(text));
    await settle();
  }
}

export class FakeSocket {
  readonly url: URL;
  readyState = 0;
  onopen: ((e: any) => void) | null = null;
  onmessage: ((e: any) => void) | null = null;
  onclose: ((e: any) => void) | null = null;
  onerror: ((e: any) => void) | null = null;
  readonly sent: any[] = [];
  closed = false;

  constructor(url: string) {
    this.url = new URL(url);
  }

  get operation(): string {
    return this.url.pathname.split("/").at(-1)!;
  }

  send(text: string): void {
    assert.equal(this.readyState, 1, "nothing is sent on a socket that is not open");
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 2;
    this.closed = true;
  }

  async open(): Promise<void> {
    this.readyState = 1;
    this.onopen?.({});
    await settle();
  }

  /** A text message: an object as JSON, a string as it is. */
  async text(body: unknown): Promise<void> {
    this.onmessage?.({ data: typeof body === "string" ? body : JSON.stringify(body) });
    await settle();
  }

  async drop(code = 1006, reason = ""): Promise<void> {
    this.readyState = 3;
    this.onclose?.({ code, reason });
    await settle();
  }
}

export class FakeStream {
  readonly url: URL;
  readonly init: { withCredentials: boolean };
  onmessage: ((e: any) => void) | null = null;
  onerror: ((e: any) => void) | null = null;
  closed = false;

  constructor(url: string, init: { withCredentials: boolean }) {
    this.url = new URL(url);
    this.init = init;
  }

  get operation(): string {
    return this.url.pathname.split("/").at(-1)!;
  }

  close(): void {
    this.closed = true;
  }

  async text(body: unknown): Promise<void> {
    this.onmessage?.({ data: typeof body === "string" ? body : JSON.stringify(body) });
    await settle();
  }

  async drop(): Promise<void> {
    this.onerror?.({});
    await settle();
  }
}

export class FakePage extends EventTarget {
  visibilityState = "visible";
  listeners = 0;

  override addEventListener(...args: Parameters<EventTarget["addEventListener"]>): void {
    this.listeners++;
    super.addEventListener(...args);
  }

  override removeEventListener(...args: Parameters<EventTarget["removeEventListener"]>): void {
    this.listeners--;
    super.removeEventListener(...args);
  }

  async raise(type: string, properties: object = {}): Promise<void> {
    this.dispatchEvent(Object.assign(new Event(type), properties));
    await settle();
  }
}

export const negotiated = {
  Url: "/signalr",
  ConnectionToken: "token/+=1",
  ConnectionId: "id-1",
  KeepAliveTimeout: 20,
  DisconnectTimeout: 30,
  ConnectionTimeout: 110,
  TryWebSockets: true,
  ProtocolVersion: "2.0",
  TransportConnectTimeout: 5,
  LongPollDelay: 0,
};

export const init = { C: "c0", S: 1, M: [] };

/** A call of a client method of hub chat. */
export const call = (method: string, ...args: unknown[]) => ({ H: "Chat", M: method, A: args });

/** Everything around one connection. */
export class World {
  readonly clock = new FakeClock();
  readonly page = new FakePage();
  readonly exchanges: Exchange[] = [];
  readonly sockets: FakeSocket[] = [];
  readonly streams: FakeStream[] = [];
  readonly connection: HubConnection;
  /** What the connection told, in order. */
  readonly events: string[] = [];
  readonly errors: Error[] = [];
  readonly failures: { transport: TransportName; error: Error }[] = [];
  /** Answers by operation, or functions of the exchange that give them; other requests wait for the test. */
  readonly answers: Record<string, unknown> = {
    negotiate: negotiated,
    start: { Response: "started" },
    abort: "",
  };

  constructor(options: ConnectionOptions = {}, url = "http://server.test/signalr") {
    const world = this;
    this.connection = new HubConnection(url, {
      clock: this.clock,
      random: () => 0,
      fetch: (u, i) => this.#fetch(u, i),
      WebSocket: class extends FakeSocket {
        constructor(u: string) {
          super(u);
          world.sockets.push(this);
        }
      },
      EventSource: class extends FakeStream {
        constructor(u: string, i: { withCredentials: boolean }) {
          super(u, i);
          world.streams.push(this);
        }
      },
      page: { window: this.page, document: this.page },
      ...options,
    });
    this.connection.on("statechange", (state) => void this.events.push(state));
    this.connection.on("gap", () => void this.events.push("gap"));
    this.connection.on("slow", () => void this.events.push("slow"));
    this.connection.on("error", (error) => void this.errors.push(error));
    this.connection.on("transportfailed", (failure) => void this.failures.push(failure));
  }

  #fetch(url: string, init: RequestInit): Promise<Response> {
    const exchange = new Exchange(url, init);
    this.exchanges.push(exchange);
    const prepared = this.answers[exchange.operation];
    const answer = typeof prepared === "function" ? prepared(exchange) : prepared;
    if (answer instanceof Error) void exchange.fail(answer.message);
    else if (answer !== undefined) void exchange.reply(answer);
    return exchange.response;
  }

  /** All requests for an operation. */
  all(operation: string): Exchange[] {
    return this.exchanges.filter((e) => e.operation === operation);
  }

  /** The one request for an operation that waits for its answer. */
  waiting(operation: string): Exchange {
    const open = this.all(operation).filter((e) => !e.over);
    assert.equal(open.length, 1, `open requests for ${operation}`);
    return open[0]!;
  }

  get socket(): FakeSocket {
    return this.sockets.at(-1)!;
  }

  get stream(): FakeStream {
    return this.streams.at(-1)!;
  }

  /** Starts on WebSockets. */
  async onSocket(): Promise<FakeSocket> {
    const started = this.connection.start();
    await settle();
    await this.socket.open();
    await this.socket.text(init);
    await started;
    return this.socket;
  }

  /** Starts on server-sent events. The connection must have been made for that. */
  async onStream(): Promise<FakeStream> {
    const started = this.connection.start();
    await settle();
    await this.stream.text("initialized");
    await this.stream.text(init);
    await started;
    return this.stream;
  }

  /** Starts on long polling and returns with a poll open. The connection must have been made for that. */
  async onPolling(): Promise<Exchange> {
    const started = this.connection.start();
    await settle();
    await this.waiting("connect").reply(init);
    await started;
    return this.waiting("poll");
  }
}

/** The error that a promise rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<any> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  assert.fail("the promise was expected to reject");
}

/** What became of a promise so far. */
export function watch(promise: Promise<unknown>): { outcome: "pending" | "fulfilled" | "rejected"; value?: any } {
  const seen: { outcome: "pending" | "fulfilled" | "rejected"; value?: any } = { outcome: "pending" };
  promise.then(
    (value) => Object.assign(seen, { outcome: "fulfilled", value }),
    (value) => Object.assign(seen, { outcome: "rejected", value }),
  );
  return seen;
}
