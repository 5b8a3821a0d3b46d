/* SignalR hub proxies, made by Hubwire from the registered hubs. */
(function ($) {
  "use strict";
  if (!$ || typeof $.signalR !== "function") {
    throw new Error("The SignalR client is missing: load jquery and signalr before this script.");
  }
  // The functions of each hub's "client" object are subscribed when the
  // connection starts. The original function is passed as identity, so that
  // it can be unsubscribed.
  function wire(hubs, subscribe) {
    $.each(hubs, function (_, hub) {
      $.each(hub.client, function (name, handler) {
        if (typeof handler !== "function") { return; }
        hub[subscribe ? "on" : "off"](name, function () { handler.apply(hub, arguments); }, handler);
      });
    });
  }
  $.hubConnection.prototype.createHubProxies = function () {
    var hubs = {};
    // This must come before createHubProxy, which binds the function that
    // tells the server which hubs have handlers.
    this.starting(function () {
      wire(hubs, true);
      this._registerSubscribedHubs();
    }).disconnected(function () {
      wire(hubs, false);
    });
    function caller(hub, method) {
      return function () {
        return hub.invoke.apply(hub, [method].concat($.makeArray(arguments)));
      };
    }
    var hub;
    hub = hubs["chatHub"] = this.createHubProxy("chatHub");
    hub.client = {};
    hub.server = {
      "join": caller(hub, "Join"),
      "say": caller(hub, "Say"),
      "SPEAK_loud": caller(hub, "SPEAK_loud")
    };
    hub = hubs["Quiet-One"] = this.createHubProxy("Quiet-One");
    hub.client = {};
    hub.server = {};
    return hubs;
  };
  $.signalR.hub = $.hubConnection("/signalr", { useDefaultPath: false });
  $.extend($.signalR, $.signalR.hub.createHubProxies());
}(window.jQuery));
