// Drives the official SignalR 2 client. With generated proxies on the page
// (proxies.html) calls go through them, else through createHubProxy.
(function () {
  "use strict";

  const generated = location.pathname.endsWith("/proxies.html");
  const states = ["connecting", "connected", "reconnecting", "", "disconnected"];
  let connection;

  // Reconnect delays of seconds are settings of the client. The tests do not
  // want to wait for them.
  function hurry() {
    connection.reconnectDelay = 100;
    $.signalR.transports.longPolling.reconnectDelay = 100;
  }

  function watch() {
    connection.stateChanged((change) => journal.add(`is ${states[change.newState]}`, {}));
    connection.connectionSlow(() => journal.add("slow", {}));
    connection.reconnected(() => journal.add("reconnected", {}));
    connection.error((error) => journal.add("error", { message: String(error && error.message), source: String(error && error.source) }));
  }

  function proxyOf(hub) {
    return generated ? $.connection[hub] : connection.proxies[hub.toLowerCase()];
  }

  function subscribe(hub, methods) {
    const proxy = generated ? proxyOf(hub) : connection.createHubProxy(hub);
    for (const method of methods) {
      const handler = (...args) => journal.add("message", { hub, method, args });
      if (generated) {
        proxy.client[method] = handler;
      } else {
        proxy.on(method, handler);
      }
    }
  }

  function call(hub, method, args) {
    const proxy = proxyOf(hub);
    return generated ? proxy.server[method](...args) : proxy.invoke(method, ...args);
  }

  function started() {
    return { id: connection.id, transport: connection.transport.name };
  }

  // A promise of the page's own from one of jQuery's.
  function promised(deferred) {
    return new Promise((resolve, reject) => deferred.then(resolve, reject));
  }

  window.driver = {
    // options: url, hubs (name to client methods), query, transports, raw,
    // settings (of start).
    async open(options) {
      if (options.raw) {
        connection = $.connection(options.url, options.query || {});
        connection.received((data) => journal.add("message", { data }));
      } else if (generated) {
        connection = $.connection.hub;
        connection.qs = options.query || {};
      } else {
        connection = $.hubConnection(options.url, { useDefaultPath: false, qs: options.query || {} });
      }
      for (const [hub, methods] of Object.entries(options.hubs || {})) {
        subscribe(hub, methods);
      }
      hurry();
      watch();
      return this.start(options);
    },

    async start(options) {
      await promised(connection.start({ transport: options.transports || "auto", ...options.settings }));
      return started();
    },

    async invoke(hub, method, args) {
      try {
        const result = await promised(call(hub, method, args).progress((value) => journal.add("progress", { value })));
        return { ok: true, result };
      } catch (error) {
        return { ok: false, message: error.message, data: error.data, source: error.source };
      }
    },

    send(data) {
      connection.send(data);
    },

    state(hub, patch) {
      return Object.assign(proxyOf(hub).state, patch);
    },

    stop() {
      connection.stop();
    },
  };
})();
