import { type Clock, systemClock } from "./clock.js";

export type TransportName = "webSockets" | "serverSentEvents" | "longPolling";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What the client needs of a WebSocket. The browser's own, and npm `ws`, fit. */
export interface WebSocketLike {
  readonly readyState: number;
  onopen: ((event: any) => void) | null;
  onmessage: ((event: any) => void) | null;
  onclose: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  send(text: string): void;
  close(): void;
}

/** What the client needs of an EventSource. The browser's own, and npm `eventsource`, fit. */
export interface EventSourceLike {
  onmessage: ((event: any) => void) | null;
  onerror: ((event: any) => void) | null;
  close(): void;
}

/** What the client needs of fetch. */
export type FetchLike = (url: string, init: RequestInit) => Promise<Response>;

/** Where the page's network and life-cycle events come from. */
export type PageEvents = Pick<EventTarget, "addEventListener" | "removeEventListener">;

/** Options of a connection. It keeps a copy: changing them later changes nothing. */
export interface ConnectionOptions {
  /**
   * The transports to use, in the order to try them in; a single name forces that one.
   * Default: webSockets, serverSentEvents, longPolling.
   */
  transports?: TransportName | readonly TransportName[];

  /** Added to the query string of every request: the server's program can read it. */
  query?: string | Readonly<Record<string, string>>;

  /**
   * Called for each request; what it returns is sent as a bearer token. Where a browser cannot
   * send headers (WebSocket, EventSource) the token is sent in the URL, as `access_token`, and
   * may show up in the server's logs: let such tokens be short-lived.
   */
  accessToken?: () => string | undefined | Promise<string | undefined>;

  /** Whether cookies are sent to other origins. Default: "include". */
  credentials?: "omit" | "same-origin" | "include";

  /** Hears what the client does. There is no other output. */
  log?: (level: LogLevel, text: string, detail?: unknown) => void;

  /** Default: the global one. Node 20 has none: give npm `ws` where it shall be used. */
  WebSocket?: new (url: string) => WebSocketLike;

  /** Default: the global one. Node 20 has none: give npm `eventsource` where it shall be used. */
  EventSource?: new (url: string, init: { withCredentials: boolean }) => EventSourceLike;

  /** Default: the global one. */
  fetch?: FetchLike;

  /** For tests. Default: the system's. */
  clock?: Clock;

  /** For tests: numbers from 0 to below 1, for the jitter. Default: Math.random. */
  random?: () => number;

  /** For tests. Default: the global scope and its document, where there are any. */
  page?: { window?: PageEvents; document?: PageEvents & { readonly visibilityState: string } };
}

/** The options with the defaults filled in. */
export interface Environment {
  readonly transports: readonly TransportName[];
  readonly query: string;
  readonly accessToken?: () => string | undefined | Promise<string | undefined>;
  readonly credentials: "omit" | "same-origin" | "include";
  readonly log: (level: LogLevel, text: string, detail?: unknown) => void;
  readonly WebSocket?: new (url: string) => WebSocketLike;
  readonly EventSource?: new (url: string, init: { withCredentials: boolean }) => EventSourceLike;
  readonly fetch: FetchLike;
  readonly clock: Clock;
  readonly random: () => number;
  readonly page: NonNullable<ConnectionOptions["page"]>;
}

export const allTransports: readonly TransportName[] = ["webSockets", "serverSentEvents", "longPolling"];

/** Fills the defaults in. It throws a TypeError where an option makes no sense. */
export function environment(options: ConnectionOptions): Environment {
  const scope = globalThis as Partial<Window & typeof globalThis>;
  const { transports = allTransports, query = {} } = options;
  return {
    credentials: "include",
    log: () => {},
    WebSocket: scope.WebSocket,
    EventSource: scope.EventSource,
    // Browsers insist that fetch is called as the global object's own.
    fetch: (url, init) => fetch(url, init),
    clock: systemClock,
    random: Math.random,
    page: scope.addEventListener ? { window: scope as PageEvents, document: scope.document } : {},
    ...present(options),
    transports: known(typeof transports === "string" ? [transports] : transports),
    query: typeof query === "string" ? query.replace(/^[?&]/, "") : String(new URLSearchParams(query)),
  };
}

function present<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

function known(names: readonly TransportName[]): readonly TransportName[] {
  const stranger = names.find((name) => !allTransports.includes(name));
  if (stranger !== undefined || !names.length) {
    throw new TypeError(`hubwire: unknown transport "${stranger ?? ""}"; there are ${allTransports.join(", ")}`);
  }
  return [...new Set(names)];
}
