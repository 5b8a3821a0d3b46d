import { ConnectionError } from "./errors.js";
import { object } from "./site.js";

/** A persistent response, classic.md section 4. A keep-alive has no key at all. */
export interface Frame {
  /** The cursor after this frame. */
  readonly C?: string;
  /** The connection is initialized. */
  readonly S?: unknown;
  /** The server shuts down: reconnect. */
  readonly T?: unknown;
  /** The groups token: all groups of the connection. */
  readonly G?: string;
  /** Milliseconds to wait before the next poll. */
  readonly L?: number;
  readonly M?: readonly Message[];
  /** The server ends the connection with this error. */
  readonly E?: string;
  /** Hubwire's own: messages before this frame are lost. Sent to those who ask with `gaps=1`. */
  readonly X?: unknown;
}

/**
 * An element of M: a call of a client method or, where I begins with `P|`, progress of a call.
 * Hubwire's own: a call with I wants an answer, and a stream's end is a Result in this place.
 */
export interface Message {
  readonly H?: string;
  readonly M?: string;
  readonly A?: readonly unknown[];
  readonly I?: string;
  readonly P?: { readonly I: string; readonly D: unknown };
  readonly S?: State;
}

/** The result of a call, classic.md 6.3. */
export interface Result {
  readonly I: string | number | null;
  readonly R?: unknown;
  readonly S?: State;
  readonly E?: string;
  readonly H?: boolean;
  readonly D?: unknown;
  /** Hubwire's own: no result but a receipt, for a stream, a cancel, an answer, or a call that waits for an answer. */
  readonly Q?: unknown;
}

/** A hub's state, which goes to the server with each call and comes back changed. */
export type State = Record<string, any>;

/** Parses what comes on the receiving channel. It throws a ConnectionError of code `protocol`. */
export function parse(text: unknown): Frame | Result {
  const parsed = typeof text === "string" ? object(text) : undefined;
  if (parsed) return parsed;
  throw new ConnectionError("protocol", `the frame is not a JSON object: ${String(text).slice(0, 100)}`);
}

export function isResult(parsed: Frame | Result): parsed is Result {
  return "I" in parsed;
}
