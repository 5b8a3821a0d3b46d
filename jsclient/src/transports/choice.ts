import type { Environment, TransportName } from "../options.js";
import { longPolling } from "./longpolling.js";
import { serverSentEvents } from "./sse.js";
import type { Transport } from "./transport.js";
import { webSockets } from "./websocket.js";

export const transports: Readonly<Record<TransportName, Transport>> = { webSockets, serverSentEvents, longPolling };

/** Why a transport need not be tried at all, or undefined. */
export function unusable(name: TransportName, env: Environment, tryWebSockets: boolean): string | undefined {
  if (name === "webSockets" && !env.WebSocket) return "there is no WebSocket here";
  if (name === "webSockets" && !tryWebSockets) return "the server does not offer WebSockets";
  if (name === "serverSentEvents" && !env.EventSource) return "there is no EventSource here";
  return undefined;
}
