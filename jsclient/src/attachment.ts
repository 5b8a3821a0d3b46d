import type { Cancel } from "./clock.js";
import { asError, ConnectionError } from "./errors.js";
import { Liveness } from "./liveness.js";
import type { Negotiated } from "./negotiate.js";
import type { TransportName } from "./options.js";
import type { Site } from "./site.js";
import { transports } from "./transports/choice.js";
import type { Channel, Position, Verb } from "./transports/transport.js";

/** How much longer than the server's own time-out a poll may take. */
const pollGrace = 10_000;

export interface AttachmentHooks {
  position(): Partial<Position>;
  /** The server took the request. Once. */
  opened(): void;
  /** See Receiver.frame. What it throws ends the attachment. */
  frame(text: unknown): number;
  /** No sign of life for two thirds of the keep-alive time-out. */
  slow(): void;
  /** The attachment has ended by itself. Once, and nothing follows it. */
  lost(reason: Error): void;
}

/** One transport in use, from its first request until it is lost or closed. After that it is mute. */
export class Attachment {
  readonly transport: TransportName;
  readonly #site: Site;
  readonly #times: Negotiated;
  readonly #hooks: AttachmentHooks;
  readonly #channel: Channel;
  readonly #deadline: Cancel;
  #liveness: Liveness | undefined;
  #opened = false;
  #over = false;

  constructor(site: Site, times: Negotiated, transport: TransportName, verb: Verb, hooks: AttachmentHooks) {
    this.transport = transport;
    this.#site = site;
    this.#times = times;
    this.#hooks = hooks;
    this.#deadline = site.env.clock.after(times.transportConnectTimeout, () =>
      this.#lose(new ConnectionError("timeout", `${transport}: not connected within ${times.transportConnectTimeout / 1000} s`)),
    );
    this.#channel = transports[transport](
      {
        site,
        verb,
        connectTimeout: times.transportConnectTimeout,
        pollTimeout: times.connectionTimeout + pollGrace,
        position: () => hooks.position(),
      },
      { opened: () => this.#open(), frame: (text) => this.#frame(text), closed: (reason) => this.#lose(reason) },
    );
  }

  /** The connection is up: from here on keep-alives are watched instead of the connect time-out. */
  settle(): void {
    this.#deadline();
    const { keepAliveTimeout } = this.#times;
    // A poll has a time-out of its own, and a buffering proxy may hold its keep-alives back.
    if (this.#over || !keepAliveTimeout || this.transport === "longPolling") return;
    this.#liveness = new Liveness(
      this.#site.env.clock,
      keepAliveTimeout,
      () => this.#hooks.slow(),
      () => this.#lose(new ConnectionError("timeout", `${this.transport}: nothing came for ${keepAliveTimeout / 1000} s`)),
    );
  }

  /** Whether payloads go through the channel. Otherwise they are to be POSTed. */
  get sends(): boolean {
    return this.#channel.send !== undefined;
  }

  send(payload: string): boolean {
    return !this.#over && this.#channel.send!(payload);
  }

  /** The network or the machine was away: is this still alive? */
  suspect(): void {
    this.#liveness?.suspect();
  }

  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#deadline();
    this.#liveness?.close();
    this.#channel.close();
  }

  #open(): void {
    if (this.#over || this.#opened) return;
    this.#opened = true;
    this.#hooks.opened();
  }

  #frame(text: unknown): number {
    if (this.#over) return 0;
    this.#liveness?.seen();
    try {
      return this.#hooks.frame(text);
    } catch (thrown) {
      this.#lose(asError(thrown));
      return 0;
    }
  }

  #lose(reason: Error): void {
    if (this.#over) return;
    this.close();
    this.#hooks.lost(reason);
  }
}
