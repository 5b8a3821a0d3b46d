import { asError, ConnectionError } from "../errors.js";
import type { WebSocketLike } from "../options.js";
import { type Transport, streamQuery } from "./transport.js";

const open = 1;

/** classic.md 5.3: a frame is a text message, in both directions. */
export const webSockets: Transport = (attach, receiver) => {
  const { site, verb } = attach;
  let socket: WebSocketLike | undefined;
  let closed = false;

  connect().catch((thrown) => receiver.closed(asError(thrown)));

  async function connect() {
    const url = await site.streamURL(verb, streamQuery("webSockets", attach));
    if (closed) return;
    let detail = "";
    socket = new site.env.WebSocket!(url.replace(/^http/, "ws"));
    socket.onopen = () => receiver.opened();
    socket.onmessage = (event) => receiver.frame(event.data);
    // Browsers say nothing about the error; other implementations do.
    socket.onerror = (event) => (detail = event.message ?? "");
    socket.onclose = ({ code, reason }) => {
      const why = [code, reason, detail].filter(Boolean).join(" ");
      receiver.closed(new ConnectionError("transport_lost", `webSockets: the socket closed (${why})`));
    };
  }

  return {
    send(payload) {
      if (socket?.readyState !== open) return false;
      socket.send(payload);
      return true;
    },
    close() {
      closed = true;
      socket?.close();
    },
  };
};
