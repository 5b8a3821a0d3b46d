import type { TransportName } from "./options.js";

/** Why something failed, as a stable word that a program can act on. */
export type ConnectionErrorCode =
  /** The connection is not started. */
  | "not_connected"
  /** `stop` was called. */
  | "stopped"
  /** The transport broke while a call waited for its result, or items of a stream are missing: the call may have run or not. */
  | "call_lost"
  /** The transport broke. The connection tries to come back. */
  | "transport_lost"
  /** The connection could not come back: the disconnect timeout is over, or the server knows it no more. See `cause`. */
  | "disconnected"
  /** No transport of the list could be used: see `failures`. */
  | "no_transport"
  /** What was waited for did not come in time. */
  | "timeout"
  /** More items of a stream wait to be read than its buffer may hold. */
  | "overrun"
  /** An HTTP request was refused: see `status`, `reason` and `body`. */
  | "http"
  /** The server sent what the protocol does not allow. */
  | "protocol"
  /** The server said that this connection is over. */
  | "server";

/** A transport that could not be used, and why. */
export interface TransportFailure {
  readonly transport: TransportName;
  readonly error: Error;
}

/** The connection, or a call on it, failed. What a hub method answered is a {@link HubError} instead. */
export class ConnectionError extends Error {
  override readonly name = "ConnectionError";
  readonly code: ConnectionErrorCode;
  /** The error that led to this one. */
  override readonly cause?: unknown;
  /** With code `http`: the response's status. */
  readonly status?: number;
  /** With code `http`: the server's stable word for why, for example "bad_token". Other origins have to expose the header Hubwire-Reason. */
  readonly reason?: string;
  /** With code `http`: the response's text. */
  readonly body?: string;
  /** With code `no_transport`: every transport that was tried, in order. */
  readonly failures?: readonly TransportFailure[];

  constructor(
    code: ConnectionErrorCode,
    message: string,
    detail: { cause?: unknown; status?: number; reason?: string; body?: string; failures?: readonly TransportFailure[] } = {},
  ) {
    super(message);
    this.code = code;
    Object.assign(this, detail);
  }
}

/** A hub method answered with an error. */
export class HubError extends Error {
  override readonly name = "HubError";
  readonly hub: string;
  readonly method: string;
  /** The server's `hub.Error.Data`: whatever the method added for its callers. */
  readonly data: unknown;
  /** The method raised this error for its callers to see; otherwise the message is a general one. */
  readonly deliberate: boolean;

  constructor(hub: string, method: string, message: string, data: unknown, deliberate: boolean) {
    super(message);
    this.hub = hub;
    this.method = method;
    this.data = data;
    this.deliberate = deliberate;
  }
}

/** Makes an Error of anything that was thrown. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
