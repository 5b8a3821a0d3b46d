// Drives the official client of ASP.NET Core SignalR, as pages/official.js does
// that of SignalR 2. One connection is one hub, so there is one hub in a page.
(function () {
  "use strict";

  const masks = { webSockets: 1, serverSentEvents: 2, longPolling: 4 };
  const binary = new URLSearchParams(location.search).get("protocol") === "messagepack";
  let connection;

  // options: url, hubs (one name to client methods), answers (the same name to
  // client methods and what they return), query, transports, skipNegotiation,
  // reconnect, stateful, token.
  function build({ url, hubs, query = {}, transports, skipNegotiation, reconnect, stateful, token }) {
    const [hub] = Object.keys(hubs);
    const builder = new signalR.HubConnectionBuilder().configureLogging(signalR.LogLevel.Warning);
    const settings = { skipNegotiation, ...(token && { accessTokenFactory: () => token }) };
    if (transports) {
      settings.transport = [transports].flat().reduce((all, name) => all | masks[name], 0);
    }
    builder.withUrl(`${url}/${hub}?${new URLSearchParams(query)}`, settings);
    if (binary) {
      builder.withHubProtocol(new signalR.protocols.msgpack.MessagePackHubProtocol());
    }
    if (reconnect) {
      builder.withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => 100 });
    }
    if (stateful) {
      builder.withStatefulReconnect();
    }
    return builder.build();
  }

  function watch({ hubs, answers = {} }) {
    const [[hub, methods]] = Object.entries(hubs);
    for (const method of methods) {
      connection.on(method, (...args) => journal.add("message", { hub, method, args }));
    }
    for (const [method, answer] of Object.entries(answers[hub] ?? {})) {
      connection.on(method, () => answer);
    }
    connection.onreconnecting?.((error) => journal.add("is reconnecting", { reason: error?.message }));
    connection.onreconnected?.((id) => journal.add("reconnected", { id }));
    connection.onclose((error) => journal.add("over", { reason: error?.message ?? null }));
  }

  async function answerOf(promise) {
    try {
      return { ok: true, result: await promise };
    } catch (error) {
      return { ok: false, message: error.message };
    }
  }

  window.driver = {
    open(options) {
      connection = build(options);
      watch(options);
      return this.start();
    },

    // Old clients do not know their id, and none its transport.
    async start() {
      await connection.start();
      const { id, transport } = await connection.invoke("whoAmI");
      return { id, transport };
    },

    invoke: (_, method, args) => answerOf(connection.invoke(method, ...args)),

    tell: (_, method, ...args) => connection.send(method, ...args),

    // Resolves with what came and with how it ended. Enough is how many are
    // wanted, null for all.
    stream(_, method, args, enough) {
      return new Promise((resolve) => {
        const items = [];
        const subscription = connection.stream(method, ...args).subscribe({
          next(item) {
            items.push(item);
            if (items.length === enough) {
              subscription.dispose();
              resolve({ items });
            }
          },
          error: (error) => resolve({ items, error: error.message }),
          complete: () => resolve({ items, complete: true }),
        });
      });
    },

    // Calls a method whose last argument is a stream, and ends the stream with
    // the failure, if there is one.
    upload(_, method, args, items, failure) {
      const subject = new signalR.Subject();
      const answer = answerOf(connection.invoke(method, ...args, subject));
      items.forEach((item) => subject.next(item));
      if (failure) {
        subject.error(new Error(failure));
      } else {
        subject.complete();
      }
      return answer;
    },

    stop: () => connection.stop(),
  };
})();
