import { ConnectionError } from "./errors.js";
import type { Environment } from "./options.js";

/** The version of the classic protocol that we speak: delayed start, long polling with a form body, redirects. */
const clientProtocol = "2.1";

/** What we understand beyond that: see docs/compatibility.md. Other servers do not read it. */
const additions = { gaps: "1", answers: "1" };

/** How long negotiate and start may take before the server counts as gone. */
const requestTimeout = 30_000;

export interface RequestOptions {
  query?: Readonly<Record<string, string>>;
  /** Makes the request a POST. */
  form?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
}

/** The server's address with everything that each request to it carries. */
export class Site {
  readonly env: Environment;
  readonly #hubs: string;
  #base: string;
  #query: string;
  #connectionToken = "";
  #redirectToken: string | undefined;
  #lastToken: string | undefined;

  constructor(env: Environment, url: string, hubs: readonly string[]) {
    this.env = env;
    this.#hubs = JSON.stringify(hubs.map((name) => ({ name })));
    const [path = "", query = ""] = absolute(url).split("?", 2);
    this.#base = path.replace(/\/+$/, "");
    this.#query = [query, env.query].filter(Boolean).join("&");
  }

  /** From here on requests name this connection. */
  set connectionToken(token: string) {
    this.#connectionToken = token;
  }

  /** classic.md 2.4: the query string is replaced only if the new URL has one. */
  redirect(url: string, accessToken: string | undefined): void {
    const [path = "", query] = new URL(url, this.#base).href.split("?", 2);
    this.#base = path.replace(/\/+$/, "");
    if (query !== undefined) this.#query = query;
    this.#redirectToken = accessToken;
  }

  url(operation: string, query: Readonly<Record<string, string>> = {}): string {
    const params = new URLSearchParams({ ...query, ...additions, clientProtocol });
    if (this.#connectionToken) params.set("connectionToken", this.#connectionToken);
    params.set("connectionData", this.#hubs);
    return `${this.#base}/${operation}?${params}${this.#query && "&"}${this.#query}`;
  }

  /** A URL for what cannot send headers. */
  async streamURL(operation: string, query: Readonly<Record<string, string>>): Promise<string> {
    const token = await this.#accessToken();
    return this.url(operation, token ? { ...query, access_token: token } : query);
  }

  /** Does one request. A status that is not 2xx rejects with a ConnectionError of code `http`. */
  async request(operation: string, { query, form, signal }: RequestOptions = {}): Promise<Response> {
    const token = await this.#accessToken();
    signal?.throwIfAborted();
    const response = await this.env.fetch(this.url(operation, query), {
      method: form ? "POST" : "GET",
      headers: bearer(token),
      body: form && new URLSearchParams(form),
      credentials: this.env.credentials,
      cache: "no-store",
      signal,
    });
    if (response.ok) return response;
    const body = await response.text().catch(() => "");
    throw new ConnectionError("http", `${operation}: the server answered ${response.status} ${body.slice(0, 200)}`.trim(), {
      status: response.status,
      reason: response.headers.get("Hubwire-Reason") ?? undefined,
      body,
    });
  }

  /** Does a short request and returns its JSON, which must be an object. */
  async requestJSON(operation: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Record<string, any>> {
    signal.throwIfAborted();
    const limit = new AbortController();
    const stop = () => limit.abort(signal.reason);
    signal.addEventListener("abort", stop);
    const cancel = this.env.clock.after(requestTimeout, () =>
      limit.abort(new ConnectionError("timeout", `${operation}: no answer within ${requestTimeout / 1000} s`)),
    );
    try {
      const response = await this.request(operation, { query, signal: limit.signal });
      const text = await response.text();
      return object(text) ?? fail(operation, text);
    } finally {
      cancel();
      signal.removeEventListener("abort", stop);
    }
  }

  /**
   * Tells the server that the connection is over. The request leaves before this returns, so that
   * it can be made while the page goes away; the promise never rejects.
   */
  async abort(transport: string): Promise<void> {
    try {
      await this.env.fetch(this.url("abort", { transport }), {
        method: "POST",
        headers: bearer(this.#redirectToken ?? this.#lastToken),
        credentials: this.env.credentials,
        keepalive: true,
      });
    } catch (thrown) {
      this.env.log("debug", "abort failed; the server will notice by its disconnect timeout", thrown);
    }
  }

  async #accessToken(): Promise<string | undefined> {
    return this.#redirectToken ?? (this.#lastToken = await this.env.accessToken?.());
  }
}

function bearer(token: string | undefined): Record<string, string> {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function absolute(url: string): string {
  const here = (globalThis as Partial<typeof globalThis>).location?.href;
  try {
    return new URL(url, here).href.replace(/#.*/, "");
  } catch (cause) {
    throw new TypeError(`hubwire: "${url}" is not a usable URL; outside of a page it must begin with http:// or https://`, { cause });
  }
}

/** Parses text that must be a JSON object. */
export function object(text: string): Record<string, any> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function fail(operation: string, text: string): never {
  throw new ConnectionError("protocol", `${operation}: the answer is not a JSON object: ${text.slice(0, 100)}`);
}
