import { ConnectionError } from "./errors.js";
import type { LogLevel } from "./options.js";
import type { Position } from "./transports/transport.js";
import { isResult, parse, type Frame, type Message, type Result } from "./wire.js";

export interface InboundHooks {
  result(result: Result): void;
  message(message: Message): void;
  /** Messages were lost between those delivered before and those that follow. */
  gap(): void;
  /** The server initialized the connection. */
  initialized(): void;
  /** The server shuts down. */
  shutdown(): void;
  /** The server ended the connection. */
  ended(error: Error): void;
  log(level: LogLevel, text: string, detail?: unknown): void;
}

/** Takes frames in: keeps the position, and holds messages back until the connection is started. */
export class Inbound {
  readonly #hooks: InboundHooks;
  #position: Partial<Position> = {};
  #held: Message[] | undefined = [];

  constructor(hooks: InboundHooks) {
    this.#hooks = hooks;
  }

  get position(): Partial<Position> {
    return this.#position;
  }

  /** Another transport begins from the start: what came before belongs to none that lasted. */
  restart(): void {
    this.#position = {};
    this.#held = [];
  }

  /** Delivers what was held back; from here on messages are delivered as they come. */
  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#hooks.message(message);
  }

  /** Takes one frame in and returns its wait before the next poll. It throws where the frame cannot be parsed. */
  frame(text: unknown): number {
    const parsed = parse(text);
    if (isResult(parsed)) {
      this.#hooks.result(parsed);
      return 0;
    }
    if (parsed.E) {
      this.#hooks.ended(new ConnectionError("server", `the server ended the connection: ${parsed.E}`));
      return 0;
    }
    this.#deliver(parsed, this.#advance(parsed));
    if ("S" in parsed) this.#hooks.initialized();
    if ("T" in parsed) this.#hooks.shutdown();
    return parsed.L ?? 0;
  }

  /**
   * Moves the position on and tells whether it moved. It moves before the messages are delivered:
   * a handler that throws is caught on its own, so the frame is always delivered to its end, and a
   * handler that stops or restarts the connection finds nothing left to be written here.
   */
  #advance({ C, G }: Frame): boolean {
    if (typeof G === "string") this.#position = { ...this.#position, groupsToken: G };
    if (!C) return true;
    const moved = C !== this.#position.messageId;
    this.#position = { ...this.#position, messageId: C };
    return moved;
  }

  #deliver({ M, X }: Frame, moved: boolean): void {
    if (X) this.#hooks.gap();
    if (!M?.length) return;
    if (!moved) return this.#hooks.log("warn", "a frame came twice; its messages were delivered before", M);
    for (const message of M) this.#held ? this.#held.push(message) : this.#hooks.message(message);
  }
}
