import { ConnectionError } from "./errors.js";
import type { Site } from "./site.js";

/** What the server offers. Times are in milliseconds. */
export interface Negotiated {
  readonly connectionID: string;
  readonly connectionToken: string;
  readonly tryWebSockets: boolean;
  /** No sign of life for this long means that the transport is lost. 0: the server sends no keep-alive. */
  readonly keepAliveTimeout: number;
  /** How long a lost connection may take to come back. */
  readonly disconnectTimeout: number;
  /** How long the server holds an idle poll. */
  readonly connectionTimeout: number;
  /** How long a transport may take to connect. */
  readonly transportConnectTimeout: number;
}

const versions = ["1.5", "2.0", "2.1"];
const maxRedirects = 100;

/** classic.md section 2. It leaves the site with the connection token, and redirected where the server says so. */
export async function negotiate(site: Site, signal: AbortSignal): Promise<Negotiated> {
  for (let redirects = 0; redirects <= maxRedirects; redirects++) {
    const answer = await site.requestJSON("negotiate", {}, signal);
    check(answer);
    if (typeof answer.RedirectUrl !== "string" || !answer.RedirectUrl) return accept(site, answer);
    site.redirect(answer.RedirectUrl, answer.AccessToken);
  }
  throw new ConnectionError("protocol", "negotiate: too many redirects");
}

function check(answer: Record<string, any>): void {
  if ("availableTransports" in answer) {
    throw new ConnectionError("protocol", "negotiate: this is an ASP.NET Core SignalR server, which speaks another protocol");
  }
  if (!versions.includes(answer.ProtocolVersion)) {
    throw new ConnectionError("protocol", `negotiate: protocol version "${answer.ProtocolVersion}" is none of ${versions.join(", ")}`);
  }
  if (answer.Error) throw new ConnectionError("server", `negotiate: the server says: ${answer.Error}`);
}

function accept(site: Site, answer: Record<string, any>): Negotiated {
  if (typeof answer.ConnectionToken !== "string" || !answer.ConnectionToken) {
    throw new ConnectionError("protocol", "negotiate: the answer has no ConnectionToken");
  }
  site.connectionToken = answer.ConnectionToken;
  const ms = (seconds: unknown, otherwise: number) => (typeof seconds === "number" ? seconds : otherwise) * 1000;
  return {
    connectionID: String(answer.ConnectionId),
    connectionToken: answer.ConnectionToken,
    tryWebSockets: answer.TryWebSockets !== false,
    keepAliveTimeout: ms(answer.KeepAliveTimeout, 0),
    disconnectTimeout: ms(answer.DisconnectTimeout, 30),
    connectionTimeout: ms(answer.ConnectionTimeout, 110),
    transportConnectTimeout: ms(answer.TransportConnectTimeout, 5),
  };
}
