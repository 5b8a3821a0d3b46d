import { Attachment, type AttachmentHooks } from "./attachment.js";
import { Calls } from "./calls.js";
import { asError, ConnectionError, type TransportFailure } from "./errors.js";
import { Inbound } from "./inbound.js";
import { negotiate, type Negotiated } from "./negotiate.js";
import type { Environment, TransportName } from "./options.js";
import { watchPage } from "./page.js";
import { Reconnection } from "./reconnection.js";
import type { Site } from "./site.js";
import { unusable } from "./transports/choice.js";
import type { Message, Result } from "./wire.js";

/**
 * disconnected → connecting → connected ⇄ reconnecting, and from each of them back to disconnected.
 */
export type ConnectionState = "disconnected" | "connecting" | "connected" | "reconnecting";

export interface LifetimeHooks {
  /** The state changed. The reason is missing where the program asked for it. */
  changed(state: ConnectionState, reason?: Error): void;
  message(message: Message): void;
  transportFailed(failure: TransportFailure): void;
  slow(): void;
  gap(): void;
  /** The server sent what cannot be understood. */
  failed(error: Error): void;
  /** The program's own code threw. */
  threw(thrown: unknown): void;
}

/**
 * One life of a connection, from start to disconnected. Starting again makes a new one, so nothing
 * that comes late for an old life can touch the new.
 */
export class Lifetime {
  readonly calls: Calls;
  readonly #env: Environment;
  readonly #site: Site;
  readonly #hooks: LifetimeHooks;
  readonly #inbound: Inbound;
  readonly #ending = new AbortController();
  #state: ConnectionState = "connecting";
  #starting: Promise<void> | undefined;
  #times: Negotiated | undefined;
  #attachment: Attachment | undefined;
  #reconnection: Reconnection | undefined;
  #asking: AbortController | undefined;
  #unwatchPage = () => {};
  #initialized = () => {};
  /** Why the transport was lost, last. */
  #lastReason: Error | undefined;

  constructor(site: Site, hooks: LifetimeHooks) {
    this.#site = site;
    this.#env = site.env;
    this.#hooks = hooks;
    this.calls = new Calls(site, (thrown) => hooks.threw(thrown));
    this.#inbound = new Inbound({
      result: (result) => this.calls.result(result),
      message: (message) => this.#message(message),
      gap: () => {
        this.calls.gap();
        this.#hooks.gap();
      },
      initialized: () => this.#initialized(),
      shutdown: () => this.#shutdown(),
      ended: (error) => this.#end(error, false),
      log: this.#env.log,
    });
  }

  get connectionID(): string | undefined {
    return this.#times?.connectionID;
  }

  get transport(): TransportName | undefined {
    return this.#attachment?.transport;
  }

  /** Negotiates, finds a transport, and has the server raise the connected event. A failure ends this life. */
  start(): Promise<void> {
    return (this.#starting ??= this.#start());
  }

  async #start(): Promise<void> {
    const { signal } = this.#ending;
    try {
      this.#times = await negotiate(this.#site, signal);
      const transport = await this.#connect(this.#times, signal);
      const { Response } = await this.#site.requestJSON("start", { transport }, signal);
      if (Response !== "started") throw new ConnectionError("protocol", `start: the server answered "${Response}"`);
      signal.throwIfAborted();
    } catch (thrown) {
      const error = signal.aborted ? signal.reason : asError(thrown);
      void this.#end(error, true);
      throw error;
    }
    this.#started();
  }

  /** Ends this life and tells the server. The promise fulfils when the server knows, or cannot be told. */
  stop(): Promise<void> {
    return this.#end(undefined, true);
  }

  async #connect(times: Negotiated, signal: AbortSignal): Promise<TransportName> {
    const failures: TransportFailure[] = [];
    for (const transport of this.#env.transports) {
      try {
        const reason = unusable(transport, this.#env, times.tryWebSockets);
        if (reason) throw new ConnectionError("no_transport", reason);
        await this.#tryTransport(transport, times, signal);
        return transport;
      } catch (thrown) {
        signal.throwIfAborted();
        failures.push(this.#transportFailed(transport, asError(thrown)));
      }
    }
    const list = failures.map(({ transport, error }) => `${transport}: ${error.message}`).join("; ");
    throw new ConnectionError("no_transport", `no transport could be used: ${list}`, { failures });
  }

  /** Fulfils when the init frame has come. What goes wrong after that is this life's affair. */
  #tryTransport(transport: TransportName, times: Negotiated, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#inbound.restart();
      let initialized = false;
      const lost = (reason: Error) => (initialized ? this.#lost(reason) : reject(reason));
      const attachment = new Attachment(this.#site, times, transport, "connect", { ...this.#attachmentHooks, lost });
      this.#attachment = attachment;
      this.#initialized = () => {
        initialized = true;
        attachment.settle();
        resolve();
      };
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  }

  #started(): void {
    const { env } = this.#site;
    const usable = env.transports.filter((name) => !unusable(name, env, this.#times!.tryWebSockets));
    this.#reconnection = new Reconnection(env, usable, this.transport!, this.#times!.disconnectTimeout, {
      attempt: (transport) => this.#reconnect(transport),
      giveUp: () => this.#giveUp(`the connection could not come back within ${this.#times!.disconnectTimeout / 1000} s`),
    });
    this.#unwatchPage = watchPage(env.page, {
      online: () => this.#awake(true),
      awake: () => this.#awake(false),
      leaving: () => void this.#end(new ConnectionError("stopped", "the page went away"), true),
    });
    if (!this.#enter("connected")) return;
    this.#inbound.release();
    if (this.#lastReason) this.#lost(this.#lastReason);
    else if (this.#state === "connected") this.calls.resume(this.#attachment!);
  }

  readonly #attachmentHooks: AttachmentHooks = {
    position: () => this.#inbound.position,
    opened: () => {},
    frame: (text) => {
      const pause = this.#inbound.frame(text);
      this.#reconnection?.proven();
      return pause;
    },
    slow: () => this.#hooks.slow(),
    lost: (reason) => this.#lost(reason),
  };

  #message(message: Message): void {
    // A handler may have stopped the connection in the middle of a frame.
    if (this.#state === "disconnected") return;
    try {
      if (message.P) this.calls.progress(message);
      else if (!message.M) this.calls.result(message as Result);
      else this.#hooks.message(message);
    } catch (thrown) {
      // Not of our protocol. The others in the frame may be.
      this.#hooks.failed(new ConnectionError("protocol", "a message cannot be understood", { cause: thrown }));
    }
  }

  #shutdown(): void {
    const reason = new ConnectionError("transport_lost", "the server shuts down");
    if (this.#state !== "connected") throw reason; // It ends the attachment as any failure does.
    this.#attachment!.close();
    this.#lost(reason, true);
  }

  #lost(reason: Error, spread = false): void {
    this.#lastReason = reason;
    if (this.#state !== "connected") return; // The start goes on, and sees to it at its end.
    this.calls.pause(reason);
    if (reason instanceof ConnectionError && reason.code === "protocol") this.#hooks.failed(reason);
    if (this.#enter("reconnecting", reason)) this.#reconnection!.lost(spread);
  }

  #reconnect(transport: TransportName): void {
    const attachment = new Attachment(this.#site, this.#times!, transport, "reconnect", {
      ...this.#attachmentHooks,
      opened: () => this.#reconnected(attachment),
      lost: (reason) => (this.#state === "connected" ? this.#lost(reason) : this.#attemptFailed(transport, reason)),
    });
    this.#attachment = attachment;
  }

  #reconnected(attachment: Attachment): void {
    attachment.settle();
    this.#reconnection!.opened();
    if (this.#enter("connected")) this.calls.resume(attachment);
  }

  #attemptFailed(transport: TransportName, reason: Error): void {
    this.#lastReason = reason;
    this.#transportFailed(transport, reason);
    if (this.#state !== "reconnecting") return;
    if (final(reason)) return this.#giveUp(refused);
    this.#reconnection!.failed();
    if (transport !== "longPolling") void this.#ask();
  }

  /**
   * Browsers do not tell why a socket or a stream did not open. A ping tells: without an answer the
   * server is away, and attempts go on meanwhile.
   */
  async #ask(): Promise<void> {
    this.#asking?.abort();
    const { signal } = (this.#asking = new AbortController());
    try {
      await this.#site.requestJSON("ping", {}, signal);
    } catch (thrown) {
      const error = asError(thrown);
      if (this.#state !== "reconnecting" || !final(error)) return;
      this.#lastReason = error;
      this.#giveUp(refused);
    }
  }

  #giveUp(text: string): void {
    const cause = this.#lastReason;
    void this.#end(new ConnectionError("disconnected", `${text} (${cause?.message})`, { cause }), false);
  }

  /** The network may have changed, or the machine may have slept. */
  #awake(networkChanged: boolean): void {
    this.#reconnection!.hurry();
    const attachment = this.#attachment!;
    if (this.#state !== "connected") return;
    attachment.suspect();
    // Nothing tells a dead poll from a quiet one; a new poll is cheap.
    if (!networkChanged || attachment.transport !== "longPolling") return;
    attachment.close();
    this.#lost(new ConnectionError("transport_lost", "the network changed"));
  }

  #transportFailed(transport: TransportName, error: Error): TransportFailure {
    const failure = { transport, error };
    this.#env.log("info", `${transport} failed: ${error.message}`);
    this.#hooks.transportFailed(failure);
    return failure;
  }

  async #end(reason: Error | undefined, tellServer: boolean): Promise<void> {
    if (this.#state === "disconnected") return;
    const why = reason ?? new ConnectionError("stopped", "the connection was stopped");
    const transport = this.transport ?? this.#env.transports[0]!;
    // The state first: whatever is ended below finds this life over.
    this.#state = "disconnected";
    this.#reconnection?.close();
    this.#asking?.abort();
    this.#unwatchPage();
    this.#attachment?.close();
    const told = tellServer && this.#times ? this.#site.abort(transport) : undefined;
    this.#ending.abort(why);
    this.calls.close(why);
    this.#hooks.changed("disconnected", reason);
    await told;
  }

  /** Changes the state. It returns false where a handler of the change already moved on. */
  #enter(state: ConnectionState, reason?: Error): boolean {
    this.#state = state;
    this.#hooks.changed(state, reason);
    return this.#state === state;
  }
}

const refused = "the server does not let the connection come back";

/**
 * Whether asking again is in vain: our server refused it by name, for example because its keys are
 * others after a restart, or because the connection has ended. A 401 is not final, since the next
 * access token may be good.
 */
function final(error: Error): boolean {
  return error instanceof ConnectionError && error.reason !== undefined && [400, 403, 404].includes(error.status!);
}
