import { asError, ConnectionError } from "../errors.js";
import type { Transport } from "./transport.js";

/** classic.md 5.6: one poll at a time; the next one leaves when the frame of the last one was handled. */
export const longPolling: Transport = (attach, receiver) => {
  const { site, verb } = attach;
  const { clock } = site.env;
  const ending = new AbortController();
  const { signal } = ending;

  poll().catch((thrown) => signal.aborted || receiver.closed(asError(thrown)));

  async function poll() {
    for (let operation: string = verb; !signal.aborted; operation = "poll") {
      const text = await exchange(operation);
      if (signal.aborted) return;
      receiver.opened();
      const pause = receiver.frame(text);
      if (pause > 0) await new Promise<void>((wake) => clock.after(pause, wake));
    }
  }

  async function exchange(operation: string): Promise<string> {
    const limit = clock.after(attach.pollTimeout, () =>
      receiver.closed(new ConnectionError("timeout", "longPolling: the poll was not answered in time")),
    );
    // The server may hold the headers back with the rest, or a proxy may: no refusal is good news as well.
    const patience = clock.after(attach.connectTimeout / 2, () => receiver.opened());
    try {
      const form = operation === "connect" ? {} : { ...attach.position() };
      const response = await site.request(operation, { query: { transport: "longPolling" }, form, signal });
      receiver.opened();
      return await response.text();
    } finally {
      limit();
      patience();
    }
  }

  return { close: () => ending.abort() };
};
