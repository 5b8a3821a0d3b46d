import type { Site } from "../site.js";

/** How a transport begins: `connect` for a new connection, `reconnect` to go on from the cursor. */
export type Verb = "connect" | "reconnect";

/** Where the client has got to: what a resume starts from. */
export interface Position {
  readonly messageId: string;
  readonly groupsToken: string;
}

/** What a transport needs to know to begin. */
export interface Attach {
  readonly site: Site;
  readonly verb: Verb;
  /** Milliseconds that connecting may take. The caller watches over it. */
  readonly connectTimeout: number;
  /** Milliseconds after which a poll must have been answered. */
  readonly pollTimeout: number;
  /** The position as it is now; parts that are not known are left out. */
  position(): Partial<Position>;
}

/** What a transport tells. None of it is called before the transport's function has returned. */
export interface Receiver {
  /** The server took the request. */
  opened(): void;
  /** One frame. It returns how long to wait before the next poll, in milliseconds. */
  frame(text: unknown): number;
  /** The transport is gone. The receiver closes the channel; what it hears afterwards it ignores. */
  closed(reason: Error): void;
}

/** A transport at work. */
export interface Channel {
  /** Sends one payload, or returns false where the channel is not open. Without it payloads are POSTed. */
  send?(payload: string): boolean;
  /** Ends the transport, however far it has got. The receiver ignores what it hears afterwards. */
  close(): void;
}

/** Begins to move frames. */
export type Transport = (attach: Attach, receiver: Receiver) => Channel;

/** The query of a request that opens a stream. */
export function streamQuery(transport: string, { verb, position }: Attach): Record<string, string> {
  return { transport, ...(verb === "reconnect" ? position() : {}) };
}
