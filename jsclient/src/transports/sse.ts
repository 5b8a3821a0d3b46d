import { asError, ConnectionError } from "../errors.js";
import type { EventSourceLike } from "../options.js";
import { type Transport, streamQuery } from "./transport.js";

/** classic.md 5.4. The stream counts as open when its first event comes: a proxy that holds it back is found out. */
export const serverSentEvents: Transport = (attach, receiver) => {
  const { site, verb } = attach;
  let source: EventSourceLike | undefined;
  let closed = false;

  connect().catch((thrown) => receiver.closed(asError(thrown)));

  async function connect() {
    const url = await site.streamURL(verb, streamQuery("serverSentEvents", attach));
    if (closed) return;
    source = new site.env.EventSource!(url, { withCredentials: site.env.credentials === "include" });
    source.onmessage = ({ data }) => (data === "initialized" ? receiver.opened() : receiver.frame(data));
    source.onerror = (event) => {
      // The receiver closes us. Left alone the source would ask for its URL again, which does not resume.
      const why = event?.message ? ` (${event.message})` : "";
      receiver.closed(new ConnectionError("transport_lost", `serverSentEvents: the stream ended or was refused${why}`));
    };
  }

  return {
    close() {
      closed = true;
      source?.close();
    },
  };
};
